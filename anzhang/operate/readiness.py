"""How a process of `anzhang up` waits for the pages before it loads its own libraries. Loads next to nothing itself."""

from __future__ import annotations

import os
import time
from pathlib import Path

from anzhang.home import Home

BEHIND = "ANZHANG_BEHIND"  # in the environment of a process that waits: the file whose coming it waits for
PATIENCE_SECONDS = 10.0


def ready_file(home: Home) -> Path:
    """Return the file that `anzhang web` makes when its workers stand."""
    return home.run / "web.ready"


def stand_back() -> None:
    """Wait for what the environment says this process comes after; at most `PATIENCE_SECONDS`. Does nothing outside `run`."""
    file = os.environ.pop(BEHIND, "")
    if file:
        wait_for(Path(file))


def wait_for(file: Path, seconds: float = PATIENCE_SECONDS) -> bool:
    """Wait until a file is there; return whether it came in time."""
    deadline = time.monotonic() + seconds
    while not file.exists():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
