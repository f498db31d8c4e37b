"""A PostgreSQL of one's own: `python -m tests.postgres COMMAND...` runs a command with ANZHANG_DATABASE_URL set to it.

The cluster stands in a temporary folder and answers on a Unix socket only, so that no port is taken and nobody else sees it.
The server refuses to run as root; root hands the folder to the user `postgres` that Debian's package makes. fsync is off:
these tests end processes, never the machine.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

USER = "postgres"
SETTINGS = {"fsync": "off", "full_page_writes": "off", "max_connections": "600", "shared_buffers": "64MB", "listen_addresses": ""}


@dataclass(frozen=True)
class Cluster:
    """A running server."""

    folder: Path

    def url(self, name: str) -> str:
        """Return the address of one of its databases, as ANZHANG_DATABASE_URL takes it."""
        return f"postgresql://{USER}@{quote(str(self.folder), safe='')}/{name}"

    def create(self, name: str) -> str:
        """Make an empty database and return its address."""
        self.run("psql", "-q", "-d", "postgres", "-c", f'CREATE DATABASE "{name}" ENCODING UTF8 TEMPLATE template0')
        return self.url(name)

    def run(self, program: str, *words: str) -> str:
        """Run one of PostgreSQL's client programs on this server and return what it printed."""
        command = [str(programs() / program), "-h", str(self.folder), "-U", USER, *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def programs() -> Path:
    """Return the folder of the newest installed server's programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    assert found, "install postgresql-15 (make apt)"
    return found[-1]


@contextmanager
def cluster(**settings: str) -> Iterator[Cluster]:
    """Start a server and stop it again; `settings` go over ours."""
    with tempfile.TemporaryDirectory(prefix="anzhang-pg-") as place:
        folder = Path(place)
        if os.geteuid() == 0:
            shutil.chown(folder, USER)
        data = folder / "data"
        _as_server("initdb", "-D", str(data), "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
        options = " ".join(f"-c {name}='{value}'" for name, value in {**SETTINGS, **settings}.items())
        start = f"-k {folder} {options}"
        _as_server("pg_ctl", "-D", str(data), "-w", "-s", "-l", str(folder / "log"), "-o", start, "start")
        try:
            yield Cluster(folder)
        finally:
            _as_server("pg_ctl", "-D", str(data), "-w", "-s", "-m", "immediate", "stop")


def _as_server(program: str, *words: str) -> None:
    command = [str(programs() / program), *words]
    if os.geteuid() == 0:
        command = ["runuser", "-u", USER, "--", *command]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # the server must not outlive us
    with cluster() as server:
        environment = {**os.environ, "ANZHANG_DATABASE_URL": server.url("postgres")}
        code = subprocess.run(sys.argv[1:], check=False, env=environment).returncode
    sys.exit(code)
