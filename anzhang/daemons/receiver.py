"""A receiver process: the collector's ports, shared with other such processes, and a wire to the collector behind them (ADR 0018).

1. Read the registered sources, open the ports, say so to the collector.
2. Receive as a collector by itself would; bytes are acknowledged to a sender when the collector says that they are on disk.
3. Every few seconds read the sources again and tell counters, quotas that were passed, losses and refusals.
4. On SIGTERM or SIGINT stop listening, hand on what was received, leave. When the collector is gone, leave at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from typing import Any

import uvloop
from django.db import DatabaseError, close_old_connections

from anzhang.daemons import memory, senders
from anzhang.daemons.intake import Intake
from anzhang.daemons.ports import PortError, Ports
from anzhang.daemons.relay import LostError, RelayedWriter, SharedQuotas, Wire
from anzhang.daemons.senders import Source
from anzhang.home import Home
from anzhang.monitoring.quarantine import Index

log = logging.getLogger("anzhang.collector.receiver")

REFRESH_SECONDS = 2.0
APPENDERS = 8


class RelayedStrangers:
    """The quarantine as a receiver knows it: it hands on what belongs there, and the collector keeps it within bounds."""

    def __init__(self, wire: Wire, clerk: ThreadPoolExecutor) -> None:
        """Take the wire, and the thread that may wait for it."""
        self.wire, self.clerk, self.index = wire, clerk, Index()

    def put(self, address: str, why: str, data: bytes, at: datetime) -> None:
        """Hand on bytes of one sender."""
        head = {"quarantine": [address, why, at.isoformat()]}
        self.clerk.submit(self._tell, head, data)

    def _tell(self, head: dict[str, Any], data: bytes) -> None:
        try:
            self.wire.tell(head, [data])
        except LostError:
            log.debug("the collector is gone")


class RelayedIntake(Intake):
    """The way in of a receiver. What was stored with an answer is in the collector's count already."""

    def __init__(self, wire: Wire, pool: ThreadPoolExecutor, clerk: ThreadPoolExecutor, known: senders.Senders) -> None:
        """Take the wire to the collector."""
        self.shared = SharedQuotas()
        loop = asyncio.get_running_loop()
        writer = RelayedWriter(wire, partial(_on_loop, loop, self.shared.learn))
        super().__init__(writer, RelayedStrangers(wire, clerk), pool, known)
        self.relayed, self.quotas = writer, self.shared

    def stored(self, source: Source, size: int) -> None:
        """Count nothing: the collector did."""


class Receiver:
    """One receiver process."""

    def __init__(self, home: Home, end: socket.socket) -> None:
        """Read the settings; `end` is the wire. Raises HomeError naming the key that is wrong."""
        self.ports = Ports(home, shared=True)
        self.end = end
        self.stopping = asyncio.Event()
        self.appenders = ThreadPoolExecutor(APPENDERS, "append")
        self.clerk = ThreadPoolExecutor(1, "clerk")

    async def run(self) -> None:
        """Receive until stopped."""
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, self.stopping.set)
        self.gone = asyncio.Event()
        wire = Wire(self.end, partial(_on_loop, loop, self._hear), partial(_on_loop, loop, self.gone.set))
        self.intake = RelayedIntake(wire, self.appenders, self.clerk, await loop.run_in_executor(self.clerk, senders.load))
        try:
            await self.ports.open(self.intake)
        except PortError as error:
            wire.tell({"failed": str(error)})
            return
        self.wire = wire
        await loop.run_in_executor(self.clerk, self._tell_status)
        await loop.run_in_executor(self.clerk, wire.tell, {"ready": str(self.ports)})
        tasks = [asyncio.create_task(each) for each in (*self.ports.work(), self.intake.run(), self._refresh())]
        await self._until_stopped(tasks)
        if self.gone.is_set() or self.intake.broken.is_set():
            return
        await self.ports.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.intake.flush()
        await loop.run_in_executor(self.clerk, self._tell_status)
        await loop.run_in_executor(self.clerk, wire.tell, {"done": True})

    async def _until_stopped(self, tasks: list[asyncio.Task[None]]) -> None:
        waits = [asyncio.create_task(each.wait()) for each in (self.stopping, self.gone, self.intake.broken)]
        done, _ = await asyncio.wait([*waits, *tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in done & set(tasks):
            task.result()  # a task that ended by itself ended by an error
        for task in waits:
            task.cancel()

    def _hear(self, head: dict[str, Any]) -> None:
        """Take what the collector says of itself."""
        self.intake.relayed.pending_bytes = head["pending"]
        self.intake.shared.learn(head["used"], Counter(), head["over"])

    async def _refresh(self) -> None:
        """Read the sources again and tell what happened, over and over."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            try:
                self.intake.replace_senders(await loop.run_in_executor(self.clerk, self._load))
            except DatabaseError:
                log.exception("the sources cannot be read; the last known ones hold")
            try:
                await loop.run_in_executor(self.clerk, self._tell_status)
            except LostError:
                return

    @staticmethod
    def _load() -> senders.Senders:
        close_old_connections()
        return senders.load()

    def _tell_status(self) -> None:
        intake = self.intake
        over, intake.over = intake.over, set()
        lost, intake.lost = intake.lost, {}
        refused, intake.refused = intake.refused, {}
        dropped, intake.strangers.index.dropped_bytes = intake.strangers.index.dropped_bytes, 0
        counts = {"bytes": intake.bytes, "duplicates": intake.duplicates, "failures": intake.failures}
        self.wire.tell(
            {
                "status": self.ports.status(),
                "counts": counts,
                "over": sorted(over),
                "lost": lost,
                "refused": [[code, why, number] for (code, why), number in refused.items()],
                "dropped": dropped,
            }
        )


def _on_loop(loop: asyncio.AbstractEventLoop, call: Callable[..., None], *given: Any) -> None:
    """Call on the event loop what another thread heard; when it has ended, nobody listens any more."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(call, *given)


def main(home: Home, descriptor: int) -> None:
    """Run a receiver whose wire is an inherited descriptor, until it is stopped or the collector is gone."""
    memory.keep()

    async def run() -> None:
        await Receiver(home, socket.socket(fileno=descriptor)).run()

    uvloop.run(run())
