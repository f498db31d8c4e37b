"""The collector's side of its receiver processes: start them, write what they hand over, answer, start again what died (ADR 0018)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from anzhang import clock
from anzhang.daemons import relay
from anzhang.daemons.intake import Intake
from anzhang.daemons.ports import PortError
from anzhang.engines.durable import DurabilityError
from anzhang.engines.vault import Ack, Batch, BatchTooLargeError, EncodingError, VaultFullError, WriterDeadError
from anzhang.home import Home

log = logging.getLogger("anzhang.collector.receivers")

TOLD_SECONDS = 0.2  # how often receivers hear what waits and what is used
AGAIN_SECONDS = 1.0  # after which a receiver that died is started again
READY_SECONDS = 60.0
STOP_SECONDS = 15.0
FAILURES = (DurabilityError, WriterDeadError, OSError, VaultFullError, BatchTooLargeError, EncodingError)


@dataclass(eq=False)
class Child:
    """One receiver process and our end of its wire."""

    number: int
    process: asyncio.subprocess.Process
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    ready: asyncio.Future[str]
    status: dict[str, Any] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    told: dict[str, int] = field(default_factory=dict)  # bytes of quotas, as it knows them
    appending: set[asyncio.Task[None]] = field(default_factory=set)


class Receivers:
    """All receiver processes."""

    def __init__(self, home: Home, intake: Intake, count: int) -> None:
        """Take the one way into the vault; `start` starts so many processes."""
        self.home, self.intake, self.count = home, intake, count
        self.children: dict[int, Child] = {}
        self.restarts = 0
        self.stopping = False
        self._serving: dict[int, asyncio.Task[None]] = {}

    async def start(self) -> None:
        """Start them and wait until all listen. Raises PortError."""
        for number in range(1, self.count + 1):
            await self._spawn(number)
        for child in list(self.children.values()):
            await asyncio.wait_for(asyncio.shield(child.ready), READY_SECONDS)

    async def run(self) -> None:
        """Tell what waits and what is used, and start again what died, until cancelled."""
        while True:
            await asyncio.sleep(TOLD_SECONDS)
            for child in list(self.children.values()):
                self._tell(child)
            for number, task in list(self._serving.items()):
                if task.done() and not self.stopping:
                    await asyncio.sleep(AGAIN_SECONDS)
                    try:
                        await self._spawn(number)
                    except OSError:
                        log.exception("receiver %d cannot be started; the next round tries again", number)
                    else:
                        self.restarts += 1

    async def close(self) -> None:
        """Let each hand on what it received, and end."""
        self.stopping = True
        for child in self.children.values():
            with contextlib.suppress(ProcessLookupError):
                child.process.send_signal(signal.SIGTERM)
        if self._serving:
            _, late = await asyncio.wait(self._serving.values(), timeout=STOP_SECONDS)
            for task in late:
                task.cancel()
        for child in list(self.children.values()):
            self._end(child)

    def status(self) -> dict[str, Any]:
        """Return what the status file shows: the ports' counters added up, and the processes."""
        found: dict[str, Any] = {}
        for child in self.children.values():
            found = _added(found, child.status)
        return {**found, "receivers": {str(child.process.pid): child.counts for child in self.children.values()}, "restarts": self.restarts}

    @property
    def duplicates(self) -> int:
        """Return how many requests were answered as known by the processes that run."""
        return sum(child.counts.get("duplicates", 0) for child in self.children.values())

    async def _spawn(self, number: int) -> None:
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-m", "anzhang", "--home", str(self.home.path), "collector", "--receiver", str(theirs.fileno())]
        process = await asyncio.create_subprocess_exec(*command, pass_fds=[theirs.fileno()])
        theirs.close()
        reader, writer = await asyncio.open_connection(sock=ours)
        child = Child(number, process, reader, writer, asyncio.get_running_loop().create_future())
        self.children[number] = child
        self._serving[number] = asyncio.create_task(self._serve(child))

    async def _serve(self, child: Child) -> None:
        """Take what a receiver sends until it is gone."""
        try:
            while True:
                head, data = await relay.read(child.reader)
                if "append" in head:
                    task = asyncio.create_task(self._append(child, head["n"], relay.batches_of(head["append"], data)))
                    child.appending.add(task)
                    task.add_done_callback(child.appending.discard)
                else:
                    self._hear(child, head, data)
                if head.get("done"):
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            if not self.stopping:
                log.error("receiver %d (pid %d) is gone; it is started again", child.number, child.process.pid)  # noqa: TRY400
        finally:
            if not child.ready.done():
                child.ready.set_exception(PortError(f"receiver {child.number} ended before it listened"))
                child.ready.exception()  # looked at here, or nobody may
            if child.appending:
                await asyncio.wait(child.appending)
            await self._leave(child)

    async def _leave(self, child: Child) -> None:
        child.writer.close()
        try:
            await asyncio.wait_for(child.process.wait(), STOP_SECONDS)
        except TimeoutError:
            self._end(child)

    @staticmethod
    def _end(child: Child) -> None:
        with contextlib.suppress(ProcessLookupError):
            child.process.kill()

    def _hear(self, child: Child, head: Mapping[str, Any], data: bytes) -> None:
        if "quarantine" in head:
            address, why, at = head["quarantine"]
            self.intake.quarantine(address, why, data, datetime.fromisoformat(at))
        elif "ready" in head:
            child.ready.set_result(head["ready"])
        elif "failed" in head:
            child.ready.set_exception(PortError(head["failed"]))
        elif "status" in head:
            child.status, child.counts = head["status"], head["counts"]
            self.intake.over |= set(head["over"])
            for code, messages in head["lost"].items():
                self.intake.lose(code, messages)
            for code, why, connections in head["refused"]:
                self.intake.refused[code, why] = self.intake.refused.get((code, why), 0) + connections
            self.intake.strangers.index.dropped_bytes += head["dropped"]

    async def _append(self, child: Child, number: int, batches: list[Batch]) -> None:
        """Write what a receiver handed over and answer it."""
        intake = self.intake
        try:
            acks = await asyncio.get_running_loop().run_in_executor(intake.pool, partial(intake.writer.append_all, batches))
        except FAILURES as error:
            intake.failures += 1
            answer: dict[str, Any] = relay.error_of(error)
            if answer["error"] == relay.BROKEN:
                log.critical("the disk lost what was written; the collector stops, so that its next start looks at what is there")
                intake.broken.set()
            elif isinstance(error, OSError) and str(error):
                log.error("the write-ahead file cannot be written; senders are held back: %s", error)  # noqa: TRY400
        else:
            self._count(batches[: len(acks)], acks)
            used = intake.quotas.used_at(clock.now())
            mine = {batch.source: used.get(batch.source, 0) for batch in batches}
            answer = {"acks": [[ack.record, ack.duplicate, ack.conflict] for ack in acks], "used": mine}
            child.told |= mine
        self._send(child, {"n": number, **answer})

    def _count(self, batches: list[Batch], acks: list[Ack]) -> None:
        stored = [batch for batch, ack in zip(batches, acks, strict=True) if not (ack.duplicate or ack.conflict)]
        self.intake.count(stored)
        for batch in stored:
            source = self.intake.senders.sources.get(batch.source)
            if source is not None:
                self.intake.charge(source, len(batch.data))

    def _tell(self, child: Child) -> None:
        used = self.intake.quotas.used_at(clock.now())
        changed = {code: size for code, size in used.items() if child.told.get(code) != size}
        child.told = used
        self._send(child, {"pending": self.intake.writer.pending_bytes, "used": changed, "over": sorted(self.intake.quotas.over)})

    @staticmethod
    def _send(child: Child, head: Mapping[str, Any]) -> None:
        if not child.writer.is_closing():
            child.writer.writelines(relay.pack(head))


def _added(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Return two statuses as one: numbers added up, else what the later one says."""
    found = dict(one)
    for name, value in other.items():
        before = found.get(name)
        if isinstance(value, dict):
            found[name] = _added(before if isinstance(before, dict) else {}, value)
        elif isinstance(value, int) and not isinstance(value, bool):
            found[name] = value + (before if isinstance(before, int) else 0)
        else:
            found[name] = value or before
    return found
