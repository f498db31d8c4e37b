"""The one writer of a vault: append to the write-ahead log, seal it into segments, recover after a crash.

Why a kill at any moment loses nothing and doubles nothing:
1. `append` answers after fdatasync; a record has a dense number.
2. A seal fills a hidden folder, fsyncs it, and renames it: that rename is the commit. The header names the records consumed.
3. Then the catalog gets the segment, its templates and its idempotency keys in one transaction; then the log files are deleted.
4. Opening lists published segments that the catalog lacks, deletes hidden folders, and ignores log records that a segment consumed.
The ledger learns of a segment after 3; whoever records segments asks `Vault.segments(after=n)` for those it has not recorded.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa

from anzhang.engines import durable
from anzhang.engines.vault import derived, locks, succession, tree, wal
from anzhang.engines.vault import segment as segments
from anzhang.engines.vault.batch import Ack, Batch, SealedSegment, instant, micros
from anzhang.engines.vault.catalog import Catalog, Key
from anzhang.engines.vault.encodings import encoding_code
from anzhang.engines.vault.jit import Table
from anzhang.engines.vault.parse import parse
from anzhang.engines.vault.places import folder_of, locate

log = logging.getLogger(__name__)

CHINA = timezone(timedelta(hours=8))  # segments are filed under the calendar day of the bureau
SEAL_BYTES = 64 << 20  # the most raw bytes in one segment
MOST_PENDING = 1 << 30  # above it append refuses until something is sealed
LARGEST_BATCH = 64 << 20
KEYS_KEPT = timedelta(days=7)


class VaultBusyError(Exception):
    """Another process writes to this vault."""


class VaultFullError(Exception):
    """So much waits to be sealed that nothing more is taken; seal first."""


class BatchTooLargeError(ValueError):
    """A batch is above 64 MiB; nothing of it was stored. Split it at a line end."""


class Writer:
    """Appends and seals. Thread-safe. Use as a context manager; closing keeps what is not sealed in the write-ahead log."""

    def __init__(self, root: Path, node: str = "n1") -> None:
        """Open for writing and recover. Raises VaultBusyError when another process does."""
        self.root, self.node = root, node
        self.deriving = 0.0  # CPU seconds that went into streams
        for name in ("segments", "wal", "streams"):
            durable.make_folder(root / name)
        locks.prepare(root)
        self._lock_file = os.open(root / "writer.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock_file)
            raise VaultBusyError(f"{root}: another process writes to this vault") from error
        self._pending: list[wal.Record] = []
        self._pending_bytes = 0
        self._keys: dict[tuple[str, str], Key] = {}
        self._lock = threading.Lock()
        self._sealing = threading.Lock()
        self._last: SealedSegment | None = None
        try:
            self.catalog = Catalog(root / "catalog.sqlite3", write=True)
            self._recover()
        except BaseException:
            os.close(self._lock_file)  # or nobody in this process could try again
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @property
    def pending_bytes(self) -> int:
        """How many raw bytes wait to be sealed."""
        return self._pending_bytes

    @property
    def pending_since(self) -> datetime | None:
        """Receipt of the oldest batch that waits to be sealed."""
        with self._lock:
            return instant(self._pending[0].received) if self._pending else None

    def append(self, batch: Batch) -> Ack:
        """Store a batch and return when it is on disk.

        Raises BatchTooLargeError, VaultFullError, EncodingError or OSError; then nothing was stored, except that after a
        DurabilityError it is unknown and the writer must be opened anew.
        """
        record, ack = self._write(batch)
        self._log.sync(record)
        return ack

    def append_all(self, batches: Sequence[Batch]) -> list[Ack]:
        """Store batches in order and return when they are on disk: one fdatasync for all.

        Fewer acknowledgements than batches: the disk or the vault is full, the rest is not stored. Raises as `append` does when
        not even the first could be stored.
        """
        written: list[tuple[int, Ack]] = []
        for batch in batches:
            try:
                written.append(self._write(batch))
            except (OSError, VaultFullError):
                if not written:
                    raise
                break
        if written:
            self._log.sync(max(record for record, _ in written))
        return [ack for _, ack in written]

    def _write(self, batch: Batch) -> tuple[int, Ack]:
        """Write without syncing; return the record that must be on disk before the acknowledgement may be given."""
        if len(batch.data) > LARGEST_BATCH:
            raise BatchTooLargeError(f"{len(batch.data)} bytes; at most {LARGEST_BATCH}")
        encoding_code(batch.encoding)
        micros(batch.received_at)
        with self._lock:
            if self._pending_bytes > MOST_PENDING:
                raise VaultFullError(f"{self._pending_bytes} bytes wait to be sealed")
            if batch.key:
                digest = hashlib.sha256(batch.data).hexdigest()
                known = self._keys.get((batch.source, batch.key)) or self.catalog.key(batch.source, batch.key)
                if known is not None:
                    return known.record, Ack(known.record, duplicate=known.digest == digest, conflict=known.digest != digest)
            if not batch.data:
                return 0, Ack(0)
            record = self._log.write(batch)
            self._pending.append(record)
            self._pending_bytes += len(batch.data)
            if batch.key:
                self._keys[batch.source, batch.key] = Key(batch.source, batch.key, digest, record.number, record.received)
        return record.number, Ack(record.number)

    def seal(self, at: datetime) -> SealedSegment | None:
        """Seal what was appended, at most 64 MB of it; return the segment, or None when nothing waits.

        Whatever fails before the segment is published leaves the write-ahead log as it was. What was published and could not be
        listed, because the disk was full just then, is this time's segment: never is a second one built under its name.
        """
        with self._sealing:
            sealed = self._published()
            if sealed is None:
                self._log.roll()
                records = self._oldest()
                if not records:
                    return None
                sealed = self._build(records, at)
            self._list(sealed)
            self._forget(sealed.last_record)
            try:
                wal.release(self.root / "wal", sealed.last_record)
                self.catalog.forget_keys(micros(at - KEYS_KEPT))
            except OSError:
                log.exception("%s is sealed; what it made superfluous is removed with the next one", sealed.name)
            return sealed

    def _published(self) -> SealedSegment | None:
        """Return the segment that an earlier seal published and could not list, after making sure that it is on disk."""
        name = _name(self.node, self._last)
        for folder in (self.root / "segments").glob(f"day=*/{name}"):
            for file in folder.iterdir():
                durable.sync_file(file)
            durable.sync_folder(folder)
            durable.sync_folder(folder.parent)
            return segments.read_sealed(folder)
        return None

    def close(self) -> None:
        """Close; what is not sealed stays in the write-ahead log."""
        self._log.close()
        self.catalog.close()
        os.close(self._lock_file)

    def rebuild(self) -> int:
        """Derive every stream anew from the sealed rows; return how many segments there are."""
        with self._sealing:
            listed, folders = self.catalog.segments(), locate(self.root)
            for sealed in listed:
                self._derive(folders[sealed.name], sealed)
            return len(listed)

    def merge(self, run: Sequence[SealedSegment], at: datetime, announce: succession.Announce) -> SealedSegment | None:
        """Let one segment stand for several (`succession`); return it, or None where they are not all standing any more.

        Raises BusyError, SuccessionError, and what `announce` raises; then nothing was replaced.
        """
        with self._sealing, locks.alone(self.root, wait=False):
            standing = {sealed.number: sealed for sealed in self.catalog.segments()}
            if any(standing.get(sealed.number) != sealed for sealed in run):
                return None
            successor, new = succession.merge(self.root, self.catalog, run, self._known, at, announce)
            self._known.update({int(t.hash, 16): t.tid for t in new})
            return successor

    def settle(self, is_announced: Callable[[SealedSegment], bool]) -> None:
        """Finish or undo what a kill left of a segment that was being replaced. Raises BusyError."""
        with self._sealing, locks.alone(self.root, wait=False):
            succession.settle(self.root, self.catalog, is_announced)
            self._known = {int(t.hash, 16): t.tid for t in self.catalog.templates()}

    def _oldest(self) -> list[wal.Record]:
        with self._lock:
            size, chosen = 0, 0
            for record in self._pending:
                size += len(record.data)
                if chosen and size > SEAL_BYTES:
                    break
                chosen += 1
            return self._pending[:chosen]

    def _forget(self, last_record: int) -> None:
        with self._lock:
            records = [record for record in self._pending if record.number <= last_record]
            del self._pending[: len(records)]
            for record in records:
                self._pending_bytes -= len(record.data)
                self._keys.pop((record.source, record.key), None)

    def _build(self, records: list[wal.Record], at: datetime) -> SealedSegment:
        """Write, seal and publish the segment of some records."""
        before = self._last
        number = 1 if before is None else before.number + 1
        name = _name(self.node, before)
        lines = parse(records)
        rows, templates = segments.arrange(lines, 1 if before is None else before.last_seq + 1, self._known, number)
        day = instant(records[0].received).astimezone(CHINA).date()
        folder = self.root / "segments" / f"day={day.isoformat()}"
        durable.make_folder(folder)
        temporary = folder / f".{name}.tmp"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(mode=0o700)
        table = segments.arrow(rows)
        foreign = lines.foreign()[rows.order]
        keys = segments.dump_keys(segments.keys_of(lines))
        segments.write(temporary, table, np.flatnonzero(foreign), segments.template_rows(templates), keys)
        first, last = wal.received_range(records)
        sealed = SealedSegment(
            number=number, name=name, day=day, node=self.node, first_seq=rows.first_seq, last_seq=rows.first_seq + len(lines) - 1,
            rows=len(lines), raw_bytes=len(lines.data), file_bytes=0, min_at=instant(lines.at.min()), max_at=instant(lines.at.max()),
            received_from=instant(first), received_to=instant(last), sources=segments.counts(rows.source),
            heard={code: (instant(a), instant(b)) for code, (a, b) in segments.heard(rows).items()}, first_record=records[0].number,
            last_record=records[-1].number, previous_sha256=before.chain[0] if before else "",
            previous_sm3=before.chain[1] if before else "", sealed_at=at,
        )  # fmt: skip
        leaves = tree.hash_parts(temporary, tree.parts(temporary))
        (temporary / tree.TREE).write_bytes(tree.dump(sealed.header(), leaves))
        self._derive(temporary, sealed, table, foreign)
        durable.publish_folder(temporary, folder / name)
        return segments.read_sealed(folder / name)

    def _derive(self, folder: Path, sealed: SealedSegment, table: pa.Table | None = None, foreign: Table | None = None) -> None:
        """Write the derived streams of a segment; they may be written again at any time."""
        began = time.thread_time()
        derived.write(self.root, sealed.name, folder, table, foreign)
        self.deriving += time.thread_time() - began

    def _list(self, sealed: SealedSegment) -> None:
        """Put a published segment into the catalog."""
        folder = folder_of(self.root, sealed.name)
        if folder is None:
            raise FileNotFoundError(sealed.name)
        templates = segments.read_templates(folder)
        self.catalog.insert(sealed, templates, segments.read_keys(folder))
        self._known.update({int(t.hash, 16): t.tid for t in templates})
        self._last = sealed

    def _recover(self) -> None:
        """Bring catalog, streams and log into line with the published segments."""
        for leftover in (self.root / "segments").glob("day=*/.*.tmp"):
            shutil.rmtree(leftover)
        self._known = {int(t.hash, 16): t.tid for t in self.catalog.templates()}
        listed = self.catalog.segments(disposed=True)
        self._last = listed[-1] if listed else None
        names = {sealed.name for sealed in listed}
        unlisted = [segments.read_sealed(folder) for name, folder in locate(self.root).items() if name not in names]
        for sealed in sorted(unlisted, key=lambda s: s.number):
            if sealed.number == (self._last.number + 1 if self._last else 1):
                self._list(sealed)
        self._refresh_streams()
        after = self._last.last_record if self._last else 0
        following = after + 1
        for found in wal.read(self.root / "wal", after):
            if isinstance(found, wal.Torn):
                self._set_aside(found)
                continue
            self._pending.append(found)
            self._pending_bytes += len(found.data)
            following = found.number + 1
            if found.key:
                digest = hashlib.sha256(found.data).hexdigest()
                self._keys[found.source, found.key] = Key(found.source, found.key, digest, found.number, found.received)
        stale = self.root / "wal" / f"{following:016d}{wal.SUFFIX}"
        stale.unlink(missing_ok=True)  # it was opened and holds no whole record
        self._log = wal.Log(self.root / "wal", following)
        wal.release(self.root / "wal", after)

    def _refresh_streams(self) -> None:
        """Derive streams that are missing or come from other parsers."""
        folders = locate(self.root)
        for sealed in self.catalog.segments():
            if sealed.name in folders and not derived.is_current(self.root, sealed.name):
                try:
                    self._derive(folders[sealed.name], sealed)
                except tree.DAMAGE:  # which verification names
                    log.exception("the streams of %s cannot be derived; they stay as they were", sealed.name)

    def _set_aside(self, torn: wal.Torn) -> None:
        """Keep damaged bytes that are no torn tail, so that verification goes on naming them."""
        if torn.damage.torn_tail:
            return
        aside = self.root / "wal" / "damaged"
        durable.make_folder(aside)
        durable.write_file(aside / f"{torn.file.stem}-{torn.damage.offset}.bin", torn.content)


def _name(node: str, before: SealedSegment | None) -> str:
    """Return the name of the segment after another one."""
    return f"{node}-{1 if before is None else before.number + 1:09d}"
