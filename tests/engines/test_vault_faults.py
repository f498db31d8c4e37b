"""Two hundred faults in the system calls of the vault, each seen to happen: kill, full disk, failing disk, torn write, clock jump.

strace puts them in. After each the vault is opened as after a crash: what was acknowledged is there, what was sealed is as it was,
a client that sends everything again doubles nothing, and every proof holds.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from anzhang.engines.vault import Batch, Vault
from tests.engines.faulty import BATCHES, clock, payload
from tests.programs import wait_until

ROOT = Path(__file__).parents[2]
CALLS = ("write", "writev", "pwrite64", "fsync", "fdatasync", "rename", "mkdir", "unlink", "ftruncate")
KINDS = {"kill": "signal=KILL", "full disk": "error=ENOSPC", "failing disk": "error=EIO"}
SKIPPED = {("full disk", "unlink"), ("full disk", "ftruncate")}  # they ask the disk for nothing
EACH = 9  # points of each kind in each call, evenly spread
LEAST = 200


@dataclass(frozen=True)
class Fault:
    """One fault: the n-th use of a system call, what happens to it, and the clock the work goes by."""

    kind: str
    call: str
    nth: int
    seed: int = 0

    def __str__(self) -> str:
        return f"{self.kind} at {self.call} {self.nth}, clock {self.seed}"


class Patient:
    """The process that works, and the fault put into it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.engines.faulty"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
        )

    def run(self, root: Path, fault: Fault | None, seed: int = 0) -> tuple[dict[str, Any], str]:
        """Work in a folder under a fault, or watched only; return what was said, and strace's log."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{root} {fault.seed if fault else seed}\n")
        self.process.stdin.flush()
        child, log = int(self.process.stdout.readline()), self.folder / "strace.log"
        how = "kill" if fault is not None and fault.kind == "torn write" else fault.kind if fault is not None else ""
        inject = ["-e", f"inject={fault.call}:{KINDS[how]}:when={fault.nth}"] if fault is not None and fault.call else []
        command = [
            "strace",
            "-q",
            "-f",
            "-y",
            "-o",
            str(log),
            "-e",
            f"trace={','.join(CALLS)}",
            "-e",
            "signal=none",
            *inject,
            "-p",
            str(child),
        ]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
            wait_until(lambda: _traced(child), 30, "strace")
            os.kill(child, signal.SIGCONT)
            said = json.loads(self.process.stdout.readline())
            tracer.wait(30)
        return said, log.read_text(errors="replace")

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.stdout is not None
        self.process.stdout.close()
        assert self.process.wait(30) == 0


def _traced(child: int) -> bool:
    return "TracerPid:\t0\n" not in Path(f"/proc/{child}/status").read_text()


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[Patient]:
    made = Patient(tmp_path)
    yield made
    made.close()


def planned(uses: Counter[str], torn: list[int]) -> Iterator[Fault]:
    """Spread the faults over every use of every call; every third goes by a clock that jumps."""
    count = 0
    for call in CALLS:
        for kind in KINDS:
            if (kind, call) in SKIPPED:
                continue
            for nth in sorted({1 + (uses[call] - 1) * point // max(EACH - 1, 1) for point in range(min(EACH, uses[call]))}):
                count += 1
                yield Fault(kind, call, nth, count if count % 3 == 0 else 0)
    yield from (Fault("torn write", "fdatasync", nth) for nth in torn)
    yield from (Fault("clock jump", "", 0, seed) for seed in range(1, 13))


def happened(fault: Fault, said: dict[str, Any], log: str, root: Path) -> bool:
    """Whether the fault was really there."""
    if fault.kind == "clock jump":
        times = clock(fault.seed)
        return times != sorted(times) or times[-1] > clock(0)[-1]
    if fault.kind == "torn write":
        return bool(said["killed"]) and tear(root, said, random.Random(fault.nth))
    return bool(said["killed"]) if fault.kind == "kill" else "(INJECTED)" in log


def tear(root: Path, said: dict[str, Any], chance: random.Random) -> bool:
    """Cut or spoil what was written after the last acknowledgement, as a power cut may; false where nothing was."""
    acked = [each for each in said["said"] if "acked" in each]
    log = max((root / "wal").glob("*.wal"))
    safe = acked[-1]["size"] if acked and acked[-1]["log"] == log.name else 8
    content = log.read_bytes()
    if len(content) <= safe:
        return False
    place = chance.randrange(safe, len(content))
    log.write_bytes(content[:place] + (chance.randbytes(len(content) - place) if chance.random() < 0.5 else b""))
    return True


def check(root: Path, said: list[dict[str, Any]], seed: int) -> None:
    """Open the vault as after a crash: nothing acknowledged is lost, nothing sealed is changed, nothing is there twice."""
    assert not [each for each in said if "broken" in each], said
    vault = Vault(root)
    acked = [each["acked"] for each in said if "acked" in each]
    promised = {each["sealed"]: each["root"] for each in said if "sealed" in each}
    lines = b"".join(vault.raw("S"))
    assert [number for number in acked if payload(number) not in lines] == [], "acknowledged and lost"
    with vault.writer() as writer:
        for number, at in enumerate(clock(0)):  # the client knows nothing and sends everything again
            writer.append(Batch("S", payload(number), at, key=str(number)))
        writer.seal(clock(0)[-1])
    assert {sealed.number: sealed.root_sha256 for sealed in vault.segments() if sealed.number in promised} == promised
    assert vault.verify() == []
    kept, sent = b"".join(vault.raw("S")).splitlines(), [line for number in range(BATCHES) for line in payload(number).splitlines()]
    # A clock that jumped by more than a week has let keys be forgotten: what is sent again then is kept again.
    assert (set(kept), len(kept) % 3) == (set(sent), 0) if seed else sorted(kept) == sorted(sent)
    assert not list(root.glob("segments/*/.*"))


@pytest.mark.long
@pytest.mark.timeout(3000)
def test_two_hundred_faults_lose_nothing_and_change_nothing(patient: Patient, tmp_path: Path) -> None:
    said, log = patient.run(tmp_path / "sound", None)
    assert said["said"][-1] == {"end": True}
    check(tmp_path / "sound", said["said"], 0)
    calls = re.findall(r"^\d+ +(\w+)\((.*)", log, re.MULTILINE)
    uses = Counter(call for call, _rest in calls)
    assert set(uses) >= {"write", "writev", "fsync", "fdatasync", "rename", "mkdir", "unlink"}
    synced = [before for (before, _), (call, _) in pairwise(calls) if call == "fdatasync"]
    torn = [nth for nth, before in enumerate(synced, 1) if before == "writev"]  # a batch is written and not acknowledged yet
    fired: Counter[str] = Counter()
    wrong = []
    for number, fault in enumerate(planned(uses, torn)):
        root = tmp_path / f"vault{number}"
        said, log = patient.run(root, fault)
        if not happened(fault, said, log, root):
            wrong.append(f"{fault}: it did not happen")
        else:
            fired[fault.kind] += 1
        try:
            check(root, said["said"], fault.seed)
        except Exception as error:  # noqa: BLE001  # every fault is tried, all that went wrong is told
            wrong.append(f"{fault}: {error!r:.400}")
        shutil.rmtree(root, ignore_errors=True)
    assert wrong == [], "\n".join(wrong)
    assert fired.total() >= LEAST
    assert set(fired) == {*KINDS, "torn write", "clock jump"}
