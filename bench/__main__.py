"""`make bench`: run every measurement beside its peer, in one run; name some to run only those."""

import runpy
import sys
from pathlib import Path

HERE = Path(__file__).parent
NAMES = sorted(path.stem for path in HERE.glob("*.py") if not path.stem.startswith("_") and not path.stem.startswith("lib"))

for name in sys.argv[1:] or NAMES:
    if name not in NAMES:
        sys.exit(f"bench: no measurement {name!r}; there are: {', '.join(NAMES)}")
    print(f"== {name}", flush=True)
    sys.argv = [name]
    runpy.run_module(f"bench.{name}", run_name="__main__")
