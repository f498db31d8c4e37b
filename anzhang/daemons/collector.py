"""The collector: receives log lines, makes them durable, seals them and records the seals (Art. 29).

1. Open the vault; its write-ahead records that were not sealed wait there as they were acknowledged.
2. Record segments that stand on disk but not in the database: we were killed between the two.
3. Read the registered sources, then open the ports (loopback unless `anzhang.toml` says otherwise).
4. Receive; every few seconds read the sources again and note quotas that were passed.
5. Seal when enough waits, or some seconds after the first unsealed line; record the seal in database and ledger in one transaction.
6. Merge small segments into large ones; before it does so, the ledger is told.
7. On SIGTERM or SIGINT: stop listening, write what was received, seal, record, leave.

It says little in its own log: that log is one of its sources, and a line for every seal would make a seal for every line.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import uvloop
from django.db import DatabaseError, close_old_connections
from django.db.models import Max

from anzhang import clock
from anzhang.daemons import framing, memory, senders, udp
from anzhang.daemons.evtx_tail import EVTX, EvtxTail
from anzhang.daemons.file_tail import Follower, Tail, expand
from anzhang.daemons.intake import Intake
from anzhang.daemons.ports import PortError, Ports
from anzhang.daemons.receivers import Receivers
from anzhang.engines import durable
from anzhang.engines.vault import BusyError, SealedSegment, SuccessionError, Vault, VaultBusyError, Writer, succession
from anzhang.home import Home
from anzhang.monitoring import procedures
from anzhang.monitoring.models import VaultSegment
from anzhang.monitoring.quarantine import Quarantine
from anzhang.monitoring.succession import is_recorded, record_successor
from anzhang.permissions import Via, system

log = logging.getLogger("anzhang.collector")
T = TypeVar("T")

ACTOR = system("collector", Via.DAEMON)
REFRESH_SECONDS = 2.0
SEAL_TICK_SECONDS = 0.25
RETRY_SECONDS = 5.0
BUSY_SEAL_BYTES = 16 << 20
IDLE_SECONDS = 120.0  # after the last large seal its memory goes back to the system
APPENDERS = 8  # requests whose bytes share one fdatasync


class CollectorError(Exception):
    """The collector cannot start or go on; the message says why."""


class Collector:
    """One collector process."""

    def __init__(self, home: Home) -> None:
        """Read the settings. Raises HomeError naming the key that is wrong."""
        self.home = home
        self.ports = Ports(home)
        self.seal_seconds = float(home.get("collector", "seal_seconds", 60))
        self.seal_bytes = home.get("collector", "seal_bytes", 48 << 20)
        self.merge_seconds = home.get("collector", "merge_seconds", 600)
        self.appenders = ThreadPoolExecutor(APPENDERS, "append")
        self.sealer = ThreadPoolExecutor(1, "seal")
        self.clerk = ThreadPoolExecutor(1, "database")
        self.stopping = asyncio.Event()
        self.tails: dict[tuple[str, Path], tuple[senders.Source, asyncio.Task[None], Follower]] = {}
        self.started_at = clock.now()
        self.trouble = ""
        self.sealed = self.merged = 0
        self.receivers: Receivers | None = None
        self.unmergeable: set[tuple[str, ...]] = set()  # runs of segments that could not be merged, by their names
        self.busy_at: float | None = None  # time.monotonic() of the last large seal whose memory we keep

    async def run(self) -> None:
        """Receive until stopped. Raises CollectorError when another collector has the vault or the disk lies."""
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, self.stopping.set)
        with self._alone():
            self.vault = Vault(self.home.vault)
            self.writer = await self._compute(self._open_vault)
            await self._compute(warm)
            await self._record_missing()
            self.strangers = Quarantine(self.folder / "quarantine", self.home.get("collector", "quarantine_bytes", 64 << 20))
            self.intake = Intake(self.writer, self.strangers, self.appenders, await self._database(senders.load))
            self.intake.unsealed_since = time.monotonic() if self.writer.pending_bytes else None
            try:
                await self._listen()
            except (PortError, TimeoutError) as error:
                raise CollectorError(str(error) or "the receivers did not start") from error
            receiving = [self.receivers.run()] if self.receivers is not None else self.ports.work()
            work = (*receiving, self.intake.run(), self._refresh(), self._seal(), self._merge())
            tasks = [asyncio.create_task(each) for each in work]
            log.info("collector ready: %s; %d sources", self.ports, len(self.intake.senders.sources))
            await self._until_stopped(tasks)
            await self._finish(tasks)
        if self.intake.broken.is_set():
            raise CollectorError("the disk could not make the write-ahead file durable; nothing unwritten was acknowledged")

    async def _listen(self) -> None:
        """Open the ports, here or in processes of their own. Raises PortError."""
        count = self.home.get("collector", "receivers", 0)
        if not count:
            await self.ports.open(self.intake)
            return
        self.ports.probe()
        self.receivers = Receivers(self.home, self.intake, count)
        try:
            await self.receivers.start()
        except BaseException:
            await self.receivers.close()
            raise

    @property
    def senders(self) -> Mapping[str, senders.Source]:
        """Return the sources as they were last read."""
        return self.intake.senders.sources

    @property
    def folder(self) -> Path:
        """Return where the collector keeps its own state: quarantine, file positions."""
        return self.home.path / "collector"

    def _open_vault(self) -> Writer:
        try:
            return self.vault.writer()
        except VaultBusyError as error:
            raise CollectorError(str(error)) from error

    async def _until_stopped(self, tasks: list[asyncio.Task[None]]) -> None:
        waits = [asyncio.create_task(self.stopping.wait()), asyncio.create_task(self.intake.broken.wait())]
        done, _ = await asyncio.wait([*waits, *tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in done & set(tasks):
            task.result()  # a task that ended by itself ended by an error
        for task in waits:
            task.cancel()

    async def _finish(self, tasks: list[asyncio.Task[None]]) -> None:
        await (self.ports if self.receivers is None else self.receivers).close()
        followers = [task for _, task, _ in self.tails.values()]
        for task in (*followers, *tasks):
            task.cancel()
        await asyncio.gather(*followers, *tasks, return_exceptions=True)
        if not self.intake.broken.is_set():
            await self.intake.flush()
            await self._seal_now()
        self.strangers.save()
        self._write_status(stopped=True)
        await self._compute(self.writer.close)
        for pool in (self.appenders, self.sealer, self.clerk):
            pool.shutdown()

    async def _refresh(self) -> None:
        """Read the sources again, note passed quotas, follow the files, write the status; over and over."""
        while True:
            try:
                self.intake.replace_senders(await self._database(senders.load))
                while self.intake.over:
                    await self._database(partial(procedures.note_quota, self.intake.over.pop(), clock.now()))
                while self.intake.refused:
                    (code, why), connections = self.intake.refused.popitem()
                    await self._database(partial(procedures.note_refusal, code, why, connections, clock.now()))
                while self.intake.lost:
                    await self._database(partial(procedures.note_loss, *self.intake.lost.popitem(), clock.now()))
            except DatabaseError:
                log.exception("the sources cannot be read; the last known ones hold")
            self._follow()
            self.strangers.save()
            self._write_status()
            await asyncio.sleep(REFRESH_SECONDS)

    def _follow(self) -> None:
        """Start following files that were registered, stop those that were changed or closed, start again those that failed."""
        wanted = {(source.code, path): source for source in self.intake.senders.files() for path in expand(source.file_path)}
        for key, (source, task, tail) in list(self.tails.items()):
            if self.intake.senders.sources.get(key[0]) == source and not task.done() and (key in wanted or tail.is_open):
                continue  # of a path with wildcards, one that was rotated away is read to its end
            if task.done() and not task.cancelled() and task.exception() is not None:
                log.error("source %s: following %s failed", key[0], key[1], exc_info=task.exception())
            task.cancel()
            del self.tails[key]
        for key, source in wanted.items():
            if key not in self.tails:
                folder = self.folder / "files"
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                follower = EvtxTail if key[1].suffix.lower() == EVTX else Tail
                tail = follower(source, folder, self.intake, key[1])
                self.tails[key] = (source, asyncio.create_task(tail.run()), tail)

    async def _seal(self) -> None:
        """Seal whenever enough waits or the oldest unsealed line waited long enough; over and over."""
        while True:
            await asyncio.sleep(SEAL_TICK_SECONDS)
            if self.busy_at is not None and time.monotonic() - self.busy_at > IDLE_SECONDS:
                self.busy_at = None
                memory.give_back()
            since = self.intake.unsealed_since
            if since is None or (time.monotonic() - since < self.seal_seconds and self.writer.pending_bytes < self.seal_bytes):
                continue
            if not await self._seal_now():
                await asyncio.sleep(RETRY_SECONDS)

    async def _seal_now(self) -> bool:
        """Seal and record; return whether both worked. What failed is done by the next call or the next start."""
        self.intake.unsealed_since = None
        if self.writer.pending_bytes >= BUSY_SEAL_BYTES:
            self.busy_at = time.monotonic()
        try:
            while await self._compute(lambda: self.writer.seal(clock.now())) is not None:
                self.sealed += 1
            await self._record_missing()
        except (OSError, DatabaseError, procedures.ChainError, durable.DurabilityError) as error:
            if str(error) != self.trouble:
                log.exception("sealing failed; the lines stay in the write-ahead file")
            self.trouble = str(error)
            self.intake.unsealed_since = self.intake.unsealed_since or time.monotonic()
            return False
        self.trouble = ""
        return True

    async def _merge(self) -> None:
        """Merge small segments, those of the present day when they are many; between two merges whatever waits is sealed."""
        while True:
            await asyncio.sleep(self.merge_seconds)
            try:
                await self._compute(partial(self.writer.settle, self._tidy(is_recorded)))
                for run in await self._compute(lambda: succession.mergeable(self.vault.segments(), clock.day_of(clock.now()))):
                    if tuple(sealed.name for sealed in run) in self.unmergeable:
                        continue
                    announce = self._tidy(partial(record_successor, ACTOR, at=clock.now()))
                    try:
                        await self._compute(partial(self._merge_run, run, announce))
                    except (SuccessionError, procedures.ChainError) as error:
                        log.error("segments stay as they are: %s", error)  # noqa: TRY400 - it names what is wrong
                        self.unmergeable.add(tuple(sealed.name for sealed in run))
                    else:
                        self.busy_at = time.monotonic()
                    await asyncio.sleep(0)
            except BusyError:
                log.info("somebody verifies or copies the vault; segments are merged later")
            except (OSError, DatabaseError):
                log.exception("segments could not be merged; the next round tries again")

    def _merge_run(self, run: Sequence[SealedSegment], announce: Callable[[SealedSegment], object]) -> None:
        """Merge and count at once, in the sealer: a stop in between must not tell of fewer than were merged."""
        if self.writer.merge(run, clock.now(), announce) is not None:
            self.merged += len(run)

    def _tidy(self, work: Callable[[SealedSegment], T]) -> Callable[[SealedSegment], T]:
        """Return what asks the database from a thread that seldom does."""

        def ask(sealed: SealedSegment) -> T:
            close_old_connections()
            return work(sealed)

        return ask

    async def _record_missing(self) -> None:
        """Record every sealed segment the database does not know yet, in order."""
        last = await self._database(lambda: VaultSegment.objects.aggregate(last=Max("number"))["last"] or 0)
        for sealed in await self._compute(lambda: self.vault.segments(after=last)):
            await self._database(partial(procedures.record_segment, ACTOR, sealed, clock.now()))

    async def _compute(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self.sealer, work)

    async def _database(self, work: Callable[[], T]) -> T:
        def tidy() -> T:
            close_old_connections()
            return work()

        return await asyncio.get_running_loop().run_in_executor(self.clerk, tidy)

    def _followed(self) -> dict[str, Any]:
        """Return what is followed by source: of several files, the one in trouble or the last, and how many there are."""
        files: dict[str, Any] = {}
        for (code, path), (_, _, tail) in self.tails.items():
            before = files.get(code, {"files": 0, "gaps": 0, "trouble": ""})
            report = {"path": str(path), **tail.report()}
            report |= {
                "files": before["files"] + 1,
                "gaps": before["gaps"] + report["gaps"],
                "trouble": report["trouble"] or before["trouble"],
            }
            files[code] = report
        return files

    def _write_status(self, *, stopped: bool = False) -> None:
        now = clock.now()
        status: dict[str, Any] = {
            "pid": 0 if stopped else os.getpid(),
            "started_at": self.started_at.isoformat(),
            "at": now.isoformat(),
            **(self.ports if self.receivers is None else self.receivers).status(),
            "received_bytes": self.intake.bytes,
            "duplicates": self.intake.duplicates + (self.receivers.duplicates if self.receivers is not None else 0),
            "unsealed_bytes": self.writer.pending_bytes,
            "sealed_segments": self.sealed,
            "merged_segments": self.merged,
            "streams_cpu_seconds": round(self.writer.deriving, 3),
            "failures": self.intake.failures,
            "trouble": self.trouble,
            "used": self.intake.quotas.used_at(now),
            "held_back": sorted(code for code, source in self.senders.items() if self.intake.quotas.is_over(source, now)),
            "files": self._followed(),
        }
        temporary = self.home.run / "collector.json.new"
        temporary.write_text(json.dumps(status), encoding="utf-8")
        temporary.rename(self.home.run / "collector.json")

    @contextlib.contextmanager
    def _alone(self) -> Any:
        """Hold the lock that makes this the only collector of the data directory."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.home.run.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise CollectorError(f"another collector runs in {self.home.path}") from error
            yield


def warm() -> None:
    """Compile the framing kernels before the first byte comes; `anzhang vault warm` does it at install."""
    line = np.frombuffer(b"<13>Nov 24 09:30:00 host app: text\n9 <13>1 - h", np.uint8)
    cuts = framing.cut(line, len(line))
    numbers = framing.Hosts({b"host": 0}).number(line, cuts, framing.UNKNOWN)
    framing.gather(line, cuts, numbers == 1)
    udp.warm()


def main(home: Home) -> None:
    """Run a collector in the foreground until SIGTERM or SIGINT. Raises CollectorError."""
    memory.keep()

    async def run() -> None:
        await Collector(home).run()

    uvloop.run(run())
