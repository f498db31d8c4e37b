"""`anzhang up`: web, worker and collector under one supervisor (honcho as a library), in the foreground.

All three end when one ends, so that a half-running installation is never mistaken for a running one; in production
systemd restarts each by itself (`anzhang systemd`). SIGINT and SIGTERM stop cleanly: the collector seals what it holds.
"""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Mapping

from honcho import manager

from anzhang.home import Home

PROCESSES = ("web", "worker", "collector")
STOPPED_BY_SIGNAL = (128 + signal.SIGINT, 128 + signal.SIGTERM)
manager.KILL_WAIT = 20  # seconds; the collector's last seal may take a while on a slow disk


def run(home: Home, more: Mapping[str, tuple[str, ...]] | None = None) -> int:
    """Run until stopped, with `more` processes (name to verb) beside the three.

    Returns 0 after a clean stop, else the exit code of the process that failed.
    """
    supervisor = manager.Manager()
    environment = {**os.environ, "ANZHANG_HOME": str(home.path), "PYTHONUNBUFFERED": "1"}
    verbs = {name: (name,) for name in PROCESSES} | dict(more or {})
    for name, words in verbs.items():
        command = shlex.join([sys.executable, "-m", "anzhang", *words])
        supervisor.add_process(name, f"exec {command}", env=environment)
    supervisor.loop()
    code = supervisor.returncode or 0
    return 0 if code in STOPPED_BY_SIGNAL else abs(code)
