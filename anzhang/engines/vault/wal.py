"""The write-ahead log: raw batches, acknowledged only when they are on disk, numbered without gaps.

Files `wal/<number of the first record>.wal`; a new one begins at every seal and every start. A torn tail was never acknowledged and
is dropped; damage before a valid record is set aside in `wal/damaged/` and reported by `verify`, never skipped in silence.
"""

from __future__ import annotations

import itertools
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson

from anzhang.engines import durable
from anzhang.engines.vault.batch import Batch, micros

_LENGTH = struct.Struct("<I")
SUFFIX = ".wal"
AUTO = "auto"  # the format that is not written
FIELDS = 10  # of a record's head


class WriterDeadError(Exception):
    """An earlier write to the write-ahead log failed in a way that leaves its state unknown; reopen the vault."""


@dataclass(frozen=True)
class Record:
    """One batch as the log holds it; `received` is in µs since 1970."""

    number: int
    source: str
    transport: str
    address: str
    received: int
    framing: str
    key: str
    timezone: str
    encoding: str
    format: str
    data: bytes

    @classmethod
    def of(cls, number: int, batch: Batch) -> Record:
        """Return the record of a batch."""
        return cls(
            number, batch.source, batch.transport, batch.address, micros(batch.received_at), batch.framing, batch.key,
            batch.timezone, batch.encoding, batch.format, batch.data,
        )  # fmt: skip

    def head(self) -> bytes:
        """Return everything but the data, framed."""
        told = [self.number, self.source, self.transport, self.address, self.received, self.framing, self.key, self.timezone, self.encoding]
        head = orjson.dumps([*told, self.format] if self.format != AUTO else told)
        return _LENGTH.pack(len(head)) + head

    @classmethod
    def parse(cls, payload: memoryview) -> Record:
        """Return the record in a frame's payload."""
        (length,) = _LENGTH.unpack_from(payload)
        head = orjson.loads(bytes(payload[4 : 4 + length]))
        if len(head) < FIELDS:
            head.append(AUTO)
        return cls(*head, bytes(payload[4 + length :]))  # type: ignore[call-arg]  # the head is a list of all other fields


@dataclass(frozen=True)
class Torn:
    """Bytes of a log file that are no record."""

    file: Path
    damage: durable.Damage
    content: bytes


class Log:
    """The open end of the write-ahead log. Thread-safe; many appenders share one fdatasync."""

    def __init__(self, folder: Path, next_number: int) -> None:
        """Begin a file for the records from `next_number` on."""
        self.folder = folder
        self.next_number = next_number
        self._write = threading.Lock()
        self._sync = threading.Lock()
        self._dead = False
        self._synced = next_number - 1
        self._file = self._open()

    def _open(self) -> durable.AppendFile:
        return durable.AppendFile(self.folder / f"{self.next_number:016d}{SUFFIX}")

    def write(self, batch: Batch) -> Record:
        """Append a batch; it is safe only after `sync`."""
        with self._write:
            if self._dead:
                raise WriterDeadError(str(self.folder))
            record = Record.of(self.next_number, batch)
            self._file.append(record.head(), record.data)
            self.next_number += 1
            return record

    def sync(self, number: int) -> None:
        """Return when record `number` is on disk. Whoever comes first syncs for everybody waiting."""
        with self._sync:
            if self._dead:
                raise WriterDeadError(str(self.folder))
            if self._synced >= number:
                return
            with self._write:
                reached, file = self.next_number - 1, self._file
            try:
                file.sync()
            except durable.DurabilityError:
                self._dead = True
                raise
            self._synced = reached

    def roll(self) -> int:
        """Begin a new file, everything before it on disk; return the number of the last record before it."""
        with self._sync, self._write:
            if self._file.size > durable.SALT:
                old = self._file
                try:
                    old.sync()
                except durable.DurabilityError:
                    self._dead = True
                    raise
                self._file = self._open()
                old.close()
                self._synced = self.next_number - 1
            return self.next_number - 1

    def close(self) -> None:
        """Sync and close."""
        with self._sync, self._write:
            if not self._dead:
                self._file.sync()
            self._file.close()


def files(folder: Path) -> list[Path]:
    """Return the log files in order."""
    return sorted(folder.glob(f"*{SUFFIX}"))


def read(folder: Path, after: int) -> Iterator[Record | Torn]:
    """Yield records numbered above `after` in order, and what is no record. Raises FileNotFoundError when a seal overtakes the reader."""
    names = files(folder)
    for place, file in enumerate(names):
        if place + 1 < len(names) and int(names[place + 1].stem) <= after + 1:
            continue
        content = memoryview(file.read_bytes())
        for frame in durable.read_frames(content):
            if isinstance(frame, durable.Damage):
                yield Torn(file, frame, bytes(content[frame.offset : frame.offset + frame.length]))
                continue
            record = Record.parse(frame.payload)
            if record.number > after:
                yield record


def release(folder: Path, upto: int) -> None:
    """Delete the files whose records are all numbered `upto` or less and which are not the open one."""
    names = files(folder)
    for file, following in itertools.pairwise(names):
        if int(following.stem) <= upto + 1:
            file.unlink()
    durable.sync_folder(folder)


def received_range(records: list[Record]) -> tuple[int, int]:
    """Return the earliest and latest receipt, µs."""
    return min(r.received for r in records), max(r.received for r in records)
