"""Make a data directory with zones and endpoints: `python -m tests.endpoints.stage FOLDER [COUNT]`.

A process of its own, because settings belong to one data directory. COUNT sound endpoints more, for a measurement.
"""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from pathlib import Path

# code, the end of its address, zone, hours since its last report (None: never reported)
ENDPOINTS = (
    ("SOUND", 1, "YW", 0),
    ("STALE", 2, "YW", 30),
    ("OFFICE", 3, "BG", 0),
    ("LASTING", 4, "CK", 0),
    ("SILENT", 5, "YW", None),
)
ZONES = (
    ("YW", "business", 100, {"mac_admits": True}),
    ("BG", "office", 200, {}),
    ("CK", "business", 300, {"mac_admits": True, "fail_mode": "last_verdict", "fail_hours": 1}),
    ("GL", "quarantine", 666, {}),
)


def build(folder: Path, more: int = 0) -> None:
    """Migrate the database, register everything, receive the reports."""
    os.environ["ANZHANG_HOME"] = str(folder)
    os.environ["DJANGO_SETTINGS_MODULE"] = "anzhang.settings"
    for name in ("keys", "vault", "run", "attachments", "log"):
        (folder / name).mkdir(mode=0o700)
    import django

    django.setup()
    from django.conf import settings

    from anzhang import clock
    from anzhang.demo import bureau as demo
    from anzhang.endpoints import procedures
    from anzhang.network import procedures as network
    from anzhang.operate import database
    from tests.endpoints import reports

    database.create(settings.HOME)
    now = clock.now()
    bureau = demo.build(now)
    unit, person = bureau.unit["JYC"], bureau.person["P021"]
    zones = {}
    for code, kind, vlan, extra in ZONES:
        zones[code] = network.register_zone(demo.SETUP, at=now, code=code, name=code, kind=kind, vlan=vlan, unit=bureau.unit["IC"], **extra)
    network.register_security_product(
        demo.SETUP, at=now, code="AV1", name=reports.ANTIVIRUS, kind="antivirus", required_of=["endpoint"],
        signatures_on=clock.day_of(now) - timedelta(days=1),
    )  # fmt: skip
    rows = [*ENDPOINTS, *((f"N{number:05}", 256 + number, "YW", 0) for number in range(more))]
    for code, number, zone, hours in rows:
        procedures.register_endpoint(
            demo.SETUP, at=now, code=code, name=code, kind="desktop", mac=f"02:00:00:00:{number // 256:02x}:{number % 256:02x}",
            zone=zones[zone], unit=unit, person=person, posture_key=reports.public(),
        )  # fmt: skip
        if hours is not None:
            at = now - timedelta(hours=hours)
            procedures.receive_posture(procedures.open_report(reports.envelope(code, at)), at)


if __name__ == "__main__":
    build(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
