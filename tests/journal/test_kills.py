"""Procedures are killed at random moments: business rows and ledger agree, and nothing acknowledged is missing."""

from __future__ import annotations

import json
import os
import queue
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.postgres import cluster

PATIENCE_SECONDS = 120


@dataclass
class Site:
    """The running program of `worksite.py`; lines are read by a thread, so that waiting for one ends."""

    process: subprocess.Popen[str]
    lines: queue.Queue[str] = field(default_factory=queue.Queue)
    acknowledged: list[dict[str, Any]] = field(default_factory=list)
    begun: tuple[int, str] = (-1, "")
    finished: int = -1

    def __post_init__(self) -> None:
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.put(line)

    def tell(self, command: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def hear(self, word: str) -> str:
        """Return the rest of the next line that begins with a word; keep what the worker says on the way."""
        while True:
            try:
                said, _, rest = self.lines.get(timeout=PATIENCE_SECONDS).rstrip("\n").partition(" ")
            except queue.Empty:
                raise AssertionError(f"waited {PATIENCE_SECONDS} s for {word!r}; the site ended with {self.process.poll()}") from None
            self._keep(said, rest)
            if said == word:
                return rest

    def _keep(self, said: str, rest: str) -> None:
        number, _, content = rest.partition(" ")
        if said == "begin":
            self.begun = (int(number), content)
        elif said == "done":
            self.finished = int(number)
            self.acknowledged.append(json.loads(content))

    def kill_a_worker(self, acts: int, seconds: float) -> str:
        """Start a worker, wait for some acts and a moment more, kill it; return the act it was in, empty when between two."""
        self.begun, self.finished = (-1, ""), -1
        self.tell("work")
        pid = int(self.hear("worker"))
        for _ in range(acts):
            self.hear("done")
        time.sleep(seconds)
        os.kill(pid, signal.SIGKILL)
        ended = self.hear("ended")
        assert ended == f"{pid} {int(signal.SIGKILL)}", "the worker ended by itself before it was killed"
        assert self.finished >= acts - 1
        assert self.begun[0] - self.finished in {0, 1}
        return self.begun[1] if self.begun[0] > self.finished else ""

    def check(self) -> dict[str, Any]:
        """Return what a verification of everything finds."""
        self.tell(f"check {json.dumps(self.acknowledged)}")
        found: dict[str, Any] = json.loads(self.hear("checked"))
        return found


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """What tells a program its database: nothing for a file of its own, the address of a server."""
    if request.param == "sqlite":
        yield {}
        return
    with cluster() as server:
        yield {"ANZHANG_DATABASE_URL": server.create("worksite")}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, database: dict[str, str]) -> Iterator[Site]:
    """The bureau on a database of its own."""
    command = [sys.executable, "-m", "tests.journal.worksite", str(tmp_path_factory.mktemp("worksite") / "home")]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANZHANG_")} | database
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as process:
        made = Site(process)
        made.hear("ready")
        yield made
        assert process.stdin
        process.stdin.close()
        assert process.wait(PATIENCE_SECONDS) == 0


def work_through_kills(site: Site, kills: int, seed: int) -> list[str]:
    """Kill a worker again and again, checking after each; return the acts that were cut."""
    dice, cut = random.Random(seed), []
    for _ in range(kills):
        before = len(site.acknowledged)
        inside = site.kill_a_worker(dice.randint(1, 12), dice.random() * 0.06)
        assert len(site.acknowledged) > before, "no work was going on"
        cut += [inside] if inside else []
        found = site.check()
        assert (found["faults"], found["integrity"], found["lost"]) == ([], "ok", []), inside
        assert found["entries"] >= len({act["entry"] for act in site.acknowledged})
    assert cut, "no kill fell inside a procedure"
    return cut


def test_five_kills_leave_rows_and_ledger_in_agreement(site: Site) -> None:
    work_through_kills(site, 5, seed=1)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_fifty_kills_leave_rows_and_ledger_in_agreement(site: Site) -> None:
    cut = work_through_kills(site, 50, seed=2)
    assert len(cut) >= 10, cut
    assert len(set(cut)) >= 4, cut
