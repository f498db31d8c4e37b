"""A process that works on vaults and is stopped before each piece of work, so that somebody can put a fault into its system calls.

`python -m tests.engines.faulty`: for each line `ROOT SEED` on standard input it forks a child that says its process number, stops
itself and, continued, appends and seals in ROOT. What the child was promised it sends on a socket, whose calls nobody faults.
The process answers with what the child said and how it ended, as one line of JSON.
"""

from __future__ import annotations

import ctypes
import json
import os
import random
import signal
import socket
import sys
import tempfile
from datetime import datetime, timedelta
from pathlib import Path

from anzhang.engines.durable import DurabilityError
from anzhang.engines.vault import Batch, Vault, WriterDeadError
from tests.engines.logs import AT

BATCHES, SEALS = 8, (2, 5, 7)
MAY_REFUSE = (OSError, DurabilityError, WriterDeadError)
PR_SET_PTRACER, ANYBODY = 0x59616D61, -1
JUMPS = (timedelta(0), timedelta(days=-400), timedelta(days=4000), timedelta(hours=-3), timedelta(seconds=-1))


def payload(number: int) -> bytes:
    """Return what a batch holds: three lines, so that a half of one would show."""
    return b"".join(b"line %d.%d\n" % (number, part) for part in range(3))


def clock(seed: int) -> list[datetime]:
    """Return the time of each step: a clock that jumps wherever the seed says."""
    chance = random.Random(seed)
    return [AT + timedelta(seconds=step) + (chance.choice(JUMPS) if seed else timedelta(0)) for step in range(BATCHES)]


def work(root: Path, seed: int, say: socket.socket) -> None:
    """Append and seal; say what was acknowledged and sealed, and what was refused and why."""

    def tell(**what: object) -> None:
        say.send(json.dumps(what).encode() + b"\n")

    try:
        writer = Vault(root).writer()
    except MAY_REFUSE as error:
        tell(refused="open", why=type(error).__name__)
        return
    for number, at in enumerate(clock(seed)):
        try:
            writer.append(Batch("S", payload(number), at, key=str(number)))
            log = max((root / "wal").glob("*.wal"))
            tell(acked=number, log=log.name, size=log.stat().st_size)
        except MAY_REFUSE as error:
            tell(refused=number, why=type(error).__name__)
        if number in SEALS:
            try:
                sealed = writer.seal(at)
                if sealed is not None:
                    tell(sealed=sealed.number, root=sealed.root_sha256)
            except MAY_REFUSE as error:
                tell(refused=f"seal {number}", why=type(error).__name__)
    tell(end=True)


def answer(text: str) -> None:
    """Say one line."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def serve() -> None:
    """Load everything, then work on what is asked for."""
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = socket.socketpair()
        work(Path(folder) / "vault", 0, theirs)
        ours.close()
    for line in sys.stdin:
        root, seed = line.split()
        ours, theirs = socket.socketpair()
        child = os.fork()
        if child == 0:
            ours.close()
            ctypes.CDLL(None).prctl(PR_SET_PTRACER, ANYBODY, 0, 0, 0)
            os.kill(os.getpid(), signal.SIGSTOP)
            try:
                work(Path(root), int(seed), theirs)
            except BaseException as error:  # noqa: BLE001  # whatever it is, the test must hear of it
                theirs.send(json.dumps({"broken": repr(error)}).encode() + b"\n")
            os._exit(0)
        theirs.close()
        os.waitpid(child, os.WUNTRACED)
        answer(str(child))
        said = b""
        while piece := ours.recv(1 << 16):
            said += piece
        ours.close()
        _child, status = os.waitpid(child, 0)
        answer(json.dumps({"said": [json.loads(each) for each in said.splitlines()], "killed": os.WIFSIGNALED(status)}))


if __name__ == "__main__":
    serve()
