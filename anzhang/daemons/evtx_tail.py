"""Read Windows event log files (`.evtx`): every record once, as one line of JSON, in the order of its record number.

Windows numbers the records of a log; the state file says which number was stored last. A file that changed, because a copy of a
later hour stands in its place, is read again and what is known is passed over. A log that was cleared begins again with number 1:
a new generation. As with other files a stretch is named in the state file before it is stored, under a key made of its numbers, so
that a death in between doubles nothing.

Records that the reader cannot decode and numbers that are missing, because the log was overwritten between two copies, are counted as
`gaps` and logged. The file is untrusted: whatever fails in it is said once, and what was read before it is kept.
"""

from __future__ import annotations

import asyncio
import json
import logging
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from anzhang.daemons.file_tail import Follower
from anzhang.daemons.intake import Intake
from anzhang.daemons.senders import Source
from anzhang.engines import durable

log = logging.getLogger("anzhang.collector.evtx")

EVTX = ".evtx"
MAGIC = b"ElfFile\0"
FILE_HEAD, MAJOR = 128, 38  # bytes of the file's head; where its version stands, of which 3 is the only one there is
BLOCK_BYTES = 1 << 20
LONGEST = 1 << 20  # bytes of a record as JSON; Windows allows 64 KiB in its own form
MOST_RUNS = 16
MOST_DAMAGED = 10_000  # records of one file that cannot be decoded
Record = tuple[int, bytes]  # its number, and itself as JSON


@dataclass
class State:
    """Which record was stored last, and of which file; `pending` is the last one of a stretch that is being stored.

    `check` is the CRC-32 of the last record: another one of its number belongs to a log that was cleared and has grown since.
    """

    generation: int = 1
    last: int = 0
    check: int = 0
    pending: int = 0
    size: int = -1
    mtime_ns: int = -1
    gaps: int = 0


class EvtxTail(Follower):
    """One followed event log file."""

    def __init__(self, source: Source, folder: Path, intake: Intake, path: Path | None = None) -> None:
        """Read the state of an earlier run."""
        super().__init__(source, folder, intake, path)
        try:
            self.state = State(**json.loads(self.state_file.read_text(encoding="utf-8")))
        except FileNotFoundError:
            self.state = State()
        self.records: Iterator[Record] | None = None
        self.present = (-1, -1)

    @property
    def is_open(self) -> bool:
        """Whether records are being read; a file that is gone is not read on."""
        return False

    def report(self) -> dict[str, Any]:
        """Return what the status file shows."""
        return {"offset": self.state.last, "gaps": self.state.gaps, "trouble": self.complaint}

    def close(self) -> None:
        """Forget what was begun; the state stays."""
        self.records = None

    async def step(self) -> bool:
        """Store one stretch of records; return whether there may be more at once."""
        if self.intake.is_full or self.intake.over_quota(self.source.code):
            return False
        if self.records is None and not await self._open():
            return False
        try:
            return await self._next()
        except BaseException:
            self.records = None  # what was taken from it is not stored: it is read again from the last record that is
            raise

    async def _next(self) -> bool:
        block = await asyncio.to_thread(self._stretch)
        if not block:
            self.records = None
            self.state.size, self.state.mtime_ns = self.present
            self._save()
            return False
        last, line = block[-1]
        self.state.pending = last
        self._save()
        lines = b"".join(line + b"\n" for _number, line in block)
        await self.store(f"evtx/{self.state.generation}/{block[0][0]}-{last}", lines)
        self._count_missing(block)
        self.state.last, self.state.check, self.state.pending = last, zlib.crc32(line), 0
        return True

    async def _open(self) -> bool:
        """Begin to read a file that is there and has changed; return whether there is one."""
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return False
        self.present = (status.st_size, status.st_mtime_ns)
        if self.present == (self.state.size, self.state.mtime_ns):
            return False
        stretches, check = await asyncio.to_thread(runs, self.path, self.state.last)
        newest = max((last for _first, last in stretches), default=self.state.last)
        if newest < self.state.last or (check is not None and check != self.state.check):
            log.info("source %s: %s was cleared", self.source.code, self.path)
            self.state = State(generation=self.state.generation + 1, gaps=self.state.gaps)
        self.records = in_order(self.path, stretches, self._damaged)
        return True

    def _stretch(self) -> list[Record]:
        """Return the next records that were not stored, a megabyte of them, or those that an earlier run was about to store."""
        block: list[Record] = []
        size = 0
        for number, line in self.records or ():
            if number <= self.state.last:
                continue
            block.append((number, line))
            size += len(line)
            if size >= BLOCK_BYTES or number == self.state.pending:
                break
        return block

    def _count_missing(self, block: list[Record]) -> None:
        before = self.state.last or block[0][0] - 1  # what came before the first record ever read, nobody knows
        for number, _line in block:
            if number > before + 1:
                self.state.gaps += 1
                self.intake.lose(self.source.code, number - before - 1)
                log.warning("source %s: records %d to %d are not in %s", self.source.code, before + 1, number - 1, self.path)
            before = number

    def _damaged(self, what: str) -> None:
        self.state.gaps += 1
        self.intake.lose(self.source.code, 1)
        log.warning("source %s: %s: %s", self.source.code, self.path, what)

    def _save(self) -> None:
        durable.write_file(self.state_file, json.dumps(asdict(self.state)).encode())


def runs(path: Path, known: int = 0) -> tuple[list[tuple[int, int]], int | None]:
    """Return the stretches of numbers that stand in a file one after the other, in their order, and the CRC-32 of a record.

    Raises OSError.

    A log that is full is written from its beginning again, so its oldest record may stand in the middle.
    """
    found: list[list[int]] = []
    check = None
    for number, line in read(path):
        if number == known:
            check = zlib.crc32(line)
        if found and number > found[-1][1]:
            found[-1][1] = number
        else:
            found.append([number, number])
            if len(found) > MOST_RUNS:
                raise OSError(f"{path}: its records are in no order")
    return sorted((first, last) for first, last in found), check


def in_order(path: Path, stretches: list[tuple[int, int]], damaged: Callable[[str], None]) -> Iterator[Record]:
    """Yield the records of a file in the order of their numbers. Raises OSError."""
    for first, last in stretches:
        for number, line in read(path, damaged):
            if first <= number <= last:
                yield number, line
        damaged = _unheard  # of the first reading is enough


def _unheard(_what: str) -> None: ...


def read(path: Path, damaged: Callable[[str], None] = _unheard) -> Iterator[Record]:
    """Yield every record of a file as it stands. Raises OSError for what is no event log; `damaged` hears what cannot be decoded."""
    from evtx import PyEvtxParser  # loaded by collectors that follow such a file

    with path.open("rb") as file:
        head = file.read(FILE_HEAD)
        if not head.startswith(MAGIC) or len(head) < FILE_HEAD or head[MAJOR : MAJOR + 2] != b"\x03\x00":
            raise OSError(f"{path} is not a Windows event log file")
    records = _guarded(path, lambda: PyEvtxParser(str(path), number_of_threads=1, ansi_codec="gbk").records_json())
    failures = 0
    while True:
        try:
            record = _guarded(path, lambda: next(records, None))
        except OSError as error:
            damaged(str(error))
            failures += 1
            if failures > MOST_DAMAGED:
                return
            continue
        if record is None:
            return
        number = int(record["event_record_id"])
        line = _line(number, record["data"])
        if len(line) > LONGEST:
            damaged(f"record {number} is longer than {LONGEST} bytes")
            continue
        yield number, line


def _guarded(path: Path, work: Callable[[], Any]) -> Any:
    """Do what the reader's library does; whatever fails in it is an OSError, a panic too, which is no Exception."""
    try:
        return work()
    except BaseException as error:
        if isinstance(error, RuntimeError) or type(error).__name__ == "PanicException":
            raise OSError(f"{path}: {error}") from None
        raise


def _line(number: int, text: str) -> bytes:
    """Return a record as one line: what the library wrote may hold control characters, which JSON does not allow, or be no JSON at all."""
    try:
        return orjson.dumps(json.loads(text, strict=False))
    except (ValueError, TypeError):
        return orjson.dumps({"EventRecordID": number, "unread": text})
