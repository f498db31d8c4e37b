"""Say as JSON what stands in a demo: `python -m tests.demo.told FOLDER`; its own process, because settings belong to one directory."""

from __future__ import annotations

import json
import os
import sys


def main(folder: str) -> None:
    """Print findings and sizes."""
    os.environ["ANZHANG_HOME"] = folder
    os.environ["DJANGO_SETTINGS_MODULE"] = "anzhang.settings"
    import django

    django.setup()
    from anzhang.casework.models import Finding
    from anzhang.network.models import Device

    found = Finding.objects.exclude(state="closed").values_list("obligation", "subject", "state")
    sys.stdout.write(json.dumps({"found": sorted(found), "devices": Device.objects.count()}))


if __name__ == "__main__":
    main(sys.argv[1])
