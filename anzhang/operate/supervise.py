"""`anzhang up`: web, worker and collector under one supervisor (honcho as a library), in the foreground.

Beside them the sequencer on PostgreSQL, and what gives verdicts on admission where `admission.bind` is set.
All end when one ends, so that a half-running installation is never mistaken for a running one; in production
systemd restarts each by itself (`anzhang systemd`). SIGINT and SIGTERM stop cleanly: the collector seals what it holds.

The pages come first: on two cores four programs that load their libraries at once are each four times as slow. The others
wait until the pages answer (`readiness`), at most some seconds. Nothing here loads Django.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import sqlite3
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from honcho import manager

from anzhang.home import Home
from anzhang.operate.readiness import BEHIND, ready_file, wait_for

FIRST = "web"
PROCESSES = (FIRST, "worker", "collector")
SEQUENCER = "sequencer"
ADMISSION = "admission"
STOPPED_BY_SIGNAL = (128 + signal.SIGINT, 128 + signal.SIGTERM)
manager.KILL_WAIT = 20  # seconds; the collector's last seal may take a while on a slow disk


def processes(home: Home) -> tuple[str, ...]:
    """Return the processes of an installation.

    On PostgreSQL entries of the ledger need their sequencer; where FreeRADIUS asks for verdicts (`admission.bind`), somebody gives them.
    """
    more = () if urlsplit(home.database_url).scheme == "sqlite" else (SEQUENCER,)
    return (*PROCESSES, *more, *((ADMISSION,) if home.get("admission", "bind", "") else ()))


def run(home: Home, more: Mapping[str, tuple[str, ...]] | None = None, then: Callable[[], None] | None = None) -> int:
    """Run until stopped, with `more` processes (name to verb) beside the three; call `then` once the pages answer.

    Returns 0 after a clean stop, else the exit code of the process that failed.
    """
    ready = ready_file(home)
    ready.unlink(missing_ok=True)
    supervisor = manager.Manager()
    environment = {**os.environ, "ANZHANG_HOME": str(home.path), "PYTHONUNBUFFERED": "1"}
    verbs = {name: (name,) for name in processes(home)} | dict(more or {})
    for name, words in verbs.items():
        command = shlex.join([sys.executable, "-m", "anzhang", *words])
        waits = {} if name == FIRST else {BEHIND: str(ready)}
        supervisor.add_process(name, f"exec {command}", env=environment | waits)
    if then is not None:
        threading.Thread(target=lambda: wait_for(ready) and then(), daemon=True).start()
    supervisor.loop()
    code = supervisor.returncode or 0
    return 0 if code in STOPPED_BY_SIGNAL else abs(code)


def behind(home: Home) -> list[str]:
    """Return our migrations that an SQLite database has not had, in a millisecond and without Django.

    The worker asks Django itself when it starts, for every application and every kind of database; this spares the pages
    a start on a database that an earlier version made.
    """
    url = urlsplit(home.database_url)
    if url.scheme != "sqlite":
        return []
    path = unquote(url.path[1:] if url.path.startswith("//") else url.path)
    known = sorted(file.stem for file in (Path(__file__).parent.parent / "migrations").glob("[0-9]*.py"))
    try:
        with contextlib.closing(sqlite3.connect(f"{Path(path).as_uri()}?mode=ro", uri=True)) as database:
            had = {name for (name,) in database.execute("SELECT name FROM django_migrations WHERE app = 'anzhang'")}
    except sqlite3.Error:
        return known
    return [name for name in known if name not in had]
