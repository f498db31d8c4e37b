"""Between the receivers and the vault: one queue with a bound, one write-ahead append at a time per source.

Receivers `offer` (syslog, no answer wanted) or await `store` (HTTP, files: returns when the bytes are on disk). Offered blocks
of one source that wait together become one record, so one fdatasync carries everything that arrived during the last.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from anzhang import clock
from anzhang.daemons.senders import TCP, Quotas, Senders, Source
from anzhang.engines.durable import DurabilityError
from anzhang.engines.vault import Ack, Batch, VaultFullError, WriterDeadError
from anzhang.engines.vault.batch import Framing
from anzhang.monitoring.quarantine import Index

log = logging.getLogger("anzhang.collector.intake")

FULL_BYTES = 48 << 20  # above it nobody is read until it is half of that
UNSEALED_BYTES = 384 << 20  # so much may wait for the sealer, in memory and in the write-ahead file, before senders must wait too
LARGEST_RECORD = 8 << 20
RETRY_SECONDS = 1.0
FRAMINGS: tuple[Framing, ...] = ("newline", "octet")
QUARANTINE_BYTES_PER_MINUTE = 8 << 20


@dataclass
class Run:
    """Blocks of one source that came one after the other from one address in one framing, and wait to be written.

    `ended` when the last block does not end at a line's end: nothing may be joined to it.
    """

    transport: str
    address: str
    framing: int
    blocks: list[bytes] = field(default_factory=list)
    size: int = 0
    ended: bool = False

    def takes(self, transport: str, address: str, framing: int, size: int) -> bool:
        """Whether a block may be joined to this run."""
        same = (self.transport, self.address, self.framing, self.ended) == (transport, address, framing, False)
        return same and self.size + size <= LARGEST_RECORD


class Appends(Protocol):
    """What makes batches durable: the vault's writer, or the wire to the process that has it."""

    @property
    def pending_bytes(self) -> int:
        """How many bytes wait to be sealed."""

    def append(self, batch: Batch) -> Ack:
        """Store a batch and return when it is on disk."""

    def append_all(self, batches: Sequence[Batch]) -> list[Ack]:
        """Store batches in order and return when they are on disk."""


class Strangers(Protocol):
    """Where bytes of nobody's go."""

    index: Index

    def put(self, address: str, why: str, data: bytes, at: datetime) -> None:
        """Keep bytes of one sender."""


class Intake:
    """The collector's single way into the vault; everything but the appends runs on the event loop."""

    def __init__(self, writer: Appends, quarantine: Strangers, pool: ThreadPoolExecutor, senders: Senders | None = None) -> None:
        """Take the vault's writer, or what hands on to it.

        `over`, `lost` and `refused` collect what happened to sources until the collector notes it.
        """
        self.writer, self.pool = writer, pool
        self.strangers = quarantine
        self.senders = senders or Senders()
        self.quotas = Quotas()
        self.over: set[str] = set()
        self.lost: dict[str, int] = {}
        self.refused: dict[tuple[str, str], int] = {}
        self.unsealed_since: float | None = None  # time.monotonic()
        self.bytes = 0
        self.duplicates = 0
        self.failures = 0
        self._waiting: dict[str, list[Run]] = {}
        self._waiting_bytes = 0
        self._writing_bytes = 0
        self._was_full = False
        self._round = 0
        self._done = 0
        self._after: list[tuple[int, Callable[[], None]]] = []
        self._wake = asyncio.Event()
        self.broken = asyncio.Event()  # the write-ahead file can no longer be trusted
        self._quarantine_minute = (0, 0)

    @property
    def is_full(self) -> bool:
        """Whether senders must wait, with a gap between stopping and going on."""
        held = self._waiting_bytes + self._writing_bytes
        share = 1 if self._was_full else 2  # half of what stops reading
        self._was_full = held * 2 > FULL_BYTES * share or self.writer.pending_bytes * 2 > UNSEALED_BYTES * share
        return self._was_full

    def replace_senders(self, senders: Senders) -> None:
        """Take the sources as they are registered now; unchanged ones keep their cached routes."""
        if senders.sources != self.senders.sources:
            self.senders = senders

    def over_quota(self, code: str) -> bool:
        """Whether a source is held back."""
        source = self.senders.sources.get(code)
        return source is not None and self.quotas.is_over(source, clock.now())

    def charge(self, source: Source, size: int) -> None:
        """Count bytes against the source's quota."""
        if self.quotas.take(source, size, clock.now()):
            log.warning("source %s is over its quota of %d bytes an hour and is held back", source.code, source.quota)
            self.over.add(source.code)

    def lose(self, code: str, messages: int) -> None:
        """Count messages that a source sent, or may have sent, and that are gone."""
        self.lost[code] = self.lost.get(code, 0) + messages

    def refuse(self, address: str, why: str, transport: str) -> None:
        """Count a connection that was not let in: for the sources registered at its address, else among the strangers."""
        concerned = self.senders.at(address, transport) if address else []
        for code in concerned:
            self.refused[code, why] = self.refused.get((code, why), 0) + 1
        if not concerned:
            self.strangers.put(address, why, b"", clock.now())

    def offer(self, code: str, address: str, framing: int, block: bytes, *, ended: bool = False, transport: str = TCP) -> None:
        """Queue bytes of a registered source; they are written within the next round, in the order of the offers.

        `ended`: the block is a piece of a line, or a line without its end.
        """
        source = self.senders.sources.get(code)
        if source is not None:
            self.charge(source, len(block))
        runs = self._waiting.setdefault(code, [])
        if not runs or not runs[-1].takes(transport, address, framing, len(block)):
            runs.append(Run(transport, address, framing))
        runs[-1].blocks.append(block)
        runs[-1].size += len(block)
        runs[-1].ended = ended
        self._waiting_bytes += len(block)
        self._wake.set()

    def quarantine(self, address: str, why: str, block: bytes, at: datetime) -> None:
        """Keep bytes of nobody's, at most so many a minute that a flood cannot slow the registered senders down."""
        minute = int(at.timestamp()) // 60
        spent = self._quarantine_minute[1] if self._quarantine_minute[0] == minute else 0
        room = max(QUARANTINE_BYTES_PER_MINUTE - spent, 0)
        self._quarantine_minute = (minute, spent + len(block))
        self.strangers.index.dropped_bytes += max(len(block) - room, 0)
        self.strangers.put(address, why, block[:room], at)

    def when_durable(self, then: Callable[[], None]) -> None:
        """Call `then` on the event loop once everything offered so far is on disk."""
        self._after.append((self._round + 1, then))
        self._wake.set()

    async def store(self, source: Source, address: str, framing: int, block: bytes, key: str = "", transport: str = "") -> Ack:
        """Write bytes and return the vault's answer once they are on disk; a known `key` is answered without storing.

        Raises what the vault raises when it cannot make the bytes durable.
        """
        batch = self._batch(source.code, address, framing, block, key=key, transport=transport)
        ack = await self._append(batch)
        if ack.duplicate or ack.conflict:
            self.duplicates += 1
        else:
            self.stored(source, len(block))
        return ack

    def stored(self, source: Source, size: int) -> None:
        """Count bytes that were stored with an answer."""
        self.charge(source, size)

    async def run(self) -> None:
        """Write what is offered, round after round, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self.flush()

    async def flush(self) -> None:
        """Write everything that waits now and tell those who wait for it."""
        self._round += 1
        waiting, self._waiting = self._waiting, {}
        self._writing_bytes, self._waiting_bytes = self._waiting_bytes, 0
        await asyncio.gather(*(self._write(code, runs) for code, runs in waiting.items()))
        self._writing_bytes = 0
        self._done = self._round
        if self.broken.is_set():
            return
        ready = [then for number, then in self._after if number <= self._done]
        self._after = [(number, then) for number, then in self._after if number > self._done]
        for then in ready:
            then()

    async def _write(self, code: str, runs: list[Run]) -> None:
        """Append one source's runs in order under one fdatasync; a failing disk is retried for ever, holding the senders back meanwhile."""
        batches = [self._batch(code, run.address, run.framing, b"".join(run.blocks), transport=run.transport) for run in runs]
        runs.clear()
        while batches and not self.broken.is_set():
            try:
                acks = await asyncio.get_running_loop().run_in_executor(self.pool, self.writer.append_all, batches)
            except (DurabilityError, WriterDeadError):
                self.failures += 1
                log.critical("the disk lost what was written; the collector stops, so that its next start looks at what is there")
                self.broken.set()
            except (OSError, VaultFullError):
                self.failures += 1
                log.exception("the write-ahead file cannot be written; senders are held back")
                await asyncio.sleep(RETRY_SECONDS)
            else:
                self.count(batches[: len(acks)])
                del batches[: len(acks)]

    async def _append(self, batch: Batch) -> Ack:
        ack = await asyncio.get_running_loop().run_in_executor(self.pool, self.writer.append, batch)
        if not (ack.duplicate or ack.conflict):
            self.count([batch])
        return ack

    def count(self, stored: Sequence[Batch]) -> None:
        """Count batches that are on disk."""
        self.bytes += sum(len(batch.data) for batch in stored)
        self.unsealed_since = self.unsealed_since or time.monotonic()

    def _batch(self, code: str, address: str, framing: int, block: bytes, *, key: str = "", transport: str = "") -> Batch:
        source = self.senders.sources.get(code)
        batch = Batch(
            source=code, transport=transport, address=address, received_at=clock.now(), framing=FRAMINGS[framing], key=key, data=block
        )  # fmt: skip
        return batch if source is None else replace(batch, timezone=source.timezone, encoding=source.encoding, format=source.format)
