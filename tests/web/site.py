"""A whole installation for the browser: the demo bureau in a folder of its own, served by the real web process."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from anzhang.home import Home
from anzhang.operate import listen
from tests import programs

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Site:
    """The demo bureau at an address."""

    home: Path
    address: str

    def anzhang(self, *words: str) -> str:
        """Run a verb on it and return what it printed."""
        environment = {**os.environ, "ANZHANG_HOME": str(self.home), "DJANGO_SETTINGS_MODULE": "anzhang.settings"}
        command = [sys.executable, "-m", "anzhang", *words]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=ROOT)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def link(self, username: str) -> str:
        """Return a one-use link that logs a user in."""
        found = re.search(r"http://[^/]+(/\S+)", self.anzhang("demo", "login", username))
        assert found
        return self.address + found[1]


@contextmanager
def serving(home: Path) -> Iterator[Site]:
    """Build the demo under `home` and serve it until the block ends."""
    site = Site(home, "")
    site.anzhang("demo", "--once", "--devices", "400", "--days", "8", "--port", str(programs.free_port()))
    environment = {**os.environ, "ANZHANG_HOME": str(home), "DJANGO_SETTINGS_MODULE": "anzhang.settings"}
    process = subprocess.Popen([sys.executable, "-m", "anzhang", "web"], env=environment, cwd=ROOT)
    address = f"http://{listen.web(Home(home))}"
    try:
        _wait(address, process)
        yield Site(home, address)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


def _wait(address: str, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/healthz", timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"the web process ended with {process.returncode}")
