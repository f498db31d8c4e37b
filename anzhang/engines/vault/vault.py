"""The vault as its readers see it: a folder of sealed segments and the unsealed end of the write-ahead log."""

from __future__ import annotations

import os
import shutil
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from anzhang.engines import durable
from anzhang.engines.vault import derived, filters, locks, ondisk, streams, succession, tree, wal
from anzhang.engines.vault import segment as segments
from anzhang.engines.vault.batch import Fault, Heard, Redaction, SealedSegment, instant, micros, stamp
from anzhang.engines.vault.block import Block
from anzhang.engines.vault.catalog import Catalog
from anzhang.engines.vault.derived import coverage_path, stream_path
from anzhang.engines.vault.parse import parse, wire
from anzhang.engines.vault.places import folder_of, locate
from anzhang.engines.vault.query import Query
from anzhang.engines.vault.search import Contents, Filters, Hit, Place, Result, Shelf, hits_of, search
from anzhang.engines.vault.verify import Sealed, verify
from anzhang.engines.vault.writer import Writer

FLOOR = timedelta(days=184)  # the longest run of six calendar months (Art. 29); no setting lowers it
ATTEMPTS = 5
CACHED_BYTES = 256 << 20  # of blocks that were read
SEGMENTS_KEPT = 512  # whose filters are kept in memory: a good megabyte each
REACH = 8  # segments on each side of a line in which its neighbours are looked for

T = TypeVar("T")


class RetentionError(Exception):
    """A segment is younger than the retention floor, or is not where it should be; nothing was deleted."""


@dataclass(frozen=True)
class Stats:
    """Sizes of a vault. `bytes_per_day` is what segments took per day over the last week sealed; None with less than an hour of data."""

    segments: int
    rows: int
    raw_bytes: int
    file_bytes: int
    unsealed_bytes: int
    first_at: datetime | None
    last_at: datetime | None
    free_bytes: int
    bytes_per_day: int | None


class Vault:
    """One vault folder. Reading needs no lock and may go on while another process writes."""

    def __init__(self, root: Path, node: str = "n1") -> None:
        """Name a folder; nothing is created before something is written."""
        self.root, self.node = Path(root), node

    def writer(self) -> Writer:
        """Open for writing; raises VaultBusyError when another process has."""
        return Writer(self.root, self.node)

    def rebuild_streams(self) -> int:
        """Derive every event stream anew from the sealed lines; return the number of segments. Raises VaultBusyError."""
        with self.writer() as writer:
            return writer.rebuild()

    def segments(self, after: int = 0) -> list[SealedSegment]:
        """Return the kept segments numbered above `after`, in order."""
        catalog = self._catalog()
        try:
            return [sealed for sealed in catalog.segments() if sealed.number > after]
        finally:
            catalog.close()

    def search(self, query: Query, *, prune: bool = True) -> Result:
        """Return the lines that match, sealed and unsealed; segments that cannot be read are named in `unread`. Raises QueryError."""
        for attempt in range(ATTEMPTS):
            try:
                return search(query, self._shelves(), prune=prune, insist=attempt + 1 == ATTEMPTS)
            except FileNotFoundError:  # a seal overtook us: what was unsealed is a segment now
                if attempt + 1 == ATTEMPTS:
                    raise
        raise AssertionError

    def line(self, name: str, seq: int) -> Hit | None:
        """Return one sealed line, None where the segment or a line of that number is not here.

        A segment that was replaced is asked for by any name it ever had.
        """
        return self._again(lambda: self._line(self._standing_name(name), seq))

    def _again(self, ask: Callable[[], T]) -> T:
        """Ask; and again where a file is gone because its segment was replaced just now."""
        for _attempt in range(ATTEMPTS - 1):
            try:
                return ask()
            except FileNotFoundError:
                continue
        return ask()

    def _standing_name(self, name: str) -> str:
        """Return the name of the segment that stands for one now."""
        catalog = self._catalog()
        try:
            replaced = catalog.replaced()
        finally:
            catalog.close()
        while name in replaced:
            name = replaced[name]
        return name

    def _line(self, name: str, seq: int) -> Hit | None:
        folder = folder_of(self.root, name)
        if folder is None:
            return None
        for k, group in enumerate(_blocks.all(folder / tree.ROWS)):
            rows = np.flatnonzero(Block(group.whole(["seq"])).numbers("seq") == seq)
            if len(rows):
                return next(hits_of(Block(group.whole(ondisk.COLUMNS, rows)), name, k))
        return None

    def around(self, name: str, seq: int, most: int = 10) -> tuple[list[Hit], list[Hit]]:
        """Return the sealed lines before and after one, in order of arrival: of the same source, sender and host, `most` on each side.

        A sender that fell silent is not followed further than REACH segments of its source.
        """
        return self._again(lambda: self._around(self._standing_name(name), seq, most))

    def _around(self, name: str, seq: int, most: int) -> tuple[list[Hit], list[Hit]]:
        kept = self.segments()
        place = next((i for i, sealed in enumerate(kept) if sealed.name == name), None)
        line = self._line(name, seq)
        if place is None or line is None:
            return [], []
        before: list[Hit] = []
        for sealed in islice(_holding(line.source, reversed(kept[: place + 1])), REACH):
            before = [*self._near(sealed, line, most - len(before), before=True), *before]
            if len(before) == most:
                break
        after: list[Hit] = []
        for sealed in islice(_holding(line.source, kept[place:]), REACH):
            after += self._near(sealed, line, most - len(after), before=False)
            if len(after) == most:
                break
        return before, after

    def _near(self, sealed: SealedSegment, line: Hit, most: int, *, before: bool) -> list[Hit]:
        """Return the lines of a segment next to one, on one side of it."""
        folder = folder_of(self.root, sealed.name)
        if folder is None:
            raise FileNotFoundError(sealed.name)
        groups = _blocks.all(folder / tree.ROWS)
        found: list[tuple[int, int, int]] = []
        for k, group in enumerate(groups):
            block = Block(group.whole(["seq", "source", "address", "host"]))
            seqs = block.numbers("seq")
            keep = seqs < line.seq if before else seqs > line.seq
            alike = [("source", line.source), ("address", line.address), ("host", line.host)]
            for column, value in alike[:2] if line.redacted else alike:  # whose host went with its text
                keep &= block.holds(column, [value.encode(), value.encode("gb18030", "replace")])
            rows = np.flatnonzero(keep)
            nearest = rows[np.argsort(seqs[rows])]
            found += [(int(seqs[row]), k, int(row)) for row in (nearest[-most:] if before else nearest[:most])]
        found = sorted(found)[-most:] if before else sorted(found)[:most]
        hits: list[Hit] = []
        for k in {k for _seq, k, _row in found}:
            rows = np.array(sorted(row for _seq, group_number, row in found if group_number == k), np.int64)
            hits += hits_of(Block(groups[k].whole(ondisk.COLUMNS, rows)), sealed.name, k)
        return sorted(hits, key=lambda hit: hit.seq)

    def verify(self, heads: Callable[[], Iterable[Sealed]] | Iterable[Sealed] | None = None) -> list[Fault]:
        """Recompute every proof; `heads` is what the ledger holds, in its order, or what reads it. Returns every fault found.

        No segment is replaced meanwhile.
        """
        with locks.unchanged(self.root):
            return self._verify(list(heads() if callable(heads) else heads) if heads is not None else None)

    def _verify(self, listed: list[Sealed] | None) -> list[Fault]:
        for attempt in range(ATTEMPTS):
            catalog = self._catalog()
            try:
                return verify(self.root, catalog, listed)
            except FileNotFoundError:
                if attempt + 1 == ATTEMPTS:
                    raise
            finally:
                catalog.close()
        raise AssertionError

    def events(
        self,
        stream: str = "auth_event",
        since: datetime | None = None,
        until: datetime | None = None,
        columns: Collection[str] | None = None,
    ) -> pa.Table:
        """Return sealed events by event time, half-open, in time order. Columns: streams.schema, or those named and `timestamp`, `seq`."""
        return self._again(lambda: self._events(stream, since, until, columns))

    def _events(self, stream: str, since: datetime | None, until: datetime | None, columns: Collection[str] | None) -> pa.Table:
        wanted = _chosen(stream, columns)
        tables = [streams.schema(stream).empty_table().select(wanted)]
        for sealed in self.segments():
            if (since and sealed.max_at < since) or (until and sealed.min_at >= until):
                continue
            if stream in self._streams_of(sealed.name):
                tables.append(streams.read(stream_path(self.root, stream, sealed.name), stream, wanted))
        table = pa.concat_tables(tables)
        if since is not None:
            table = table.filter(pc.greater_equal(table["timestamp"], pa.scalar(since, pa.timestamp("us", "UTC"))))
        if until is not None:
            table = table.filter(pc.less(table["timestamp"], pa.scalar(until, pa.timestamp("us", "UTC"))))
        return table.sort_by([("timestamp", "ascending"), ("seq", "ascending")])

    def follow(
        self, wanted: Mapping[str, Collection[str] | None], after: int, since: datetime | None = None
    ) -> Iterator[tuple[int, dict[str, pa.Table]]]:
        """Yield the sealed events of lines numbered above `after`, a segment at a time: its last line's number, and a table per stream.

        `wanted` names the columns of each stream, None for all. Segments whose events all lie before `since` yield no tables. A successor
        that stands for lines already followed and for later ones yields the later ones.
        """
        gone = 0
        while True:
            waiting = [sealed for sealed in self.segments() if sealed.last_seq > after]
            if not waiting:
                return
            for sealed in waiting:
                old = since is not None and sealed.max_at < since
                try:
                    tables = {} if old else {name: self._later(sealed, name, columns, after) for name, columns in wanted.items()}
                except FileNotFoundError:  # it was replaced just now
                    gone += 1
                    if gone == ATTEMPTS:
                        raise
                    break
                after = sealed.last_seq
                yield after, tables

    def _later(self, sealed: SealedSegment, stream: str, columns: Collection[str] | None, after: int) -> pa.Table:
        wanted = _chosen(stream, columns)
        if stream not in self._streams_of(sealed.name):
            return streams.schema(stream).empty_table().select(wanted)
        table = streams.read(stream_path(self.root, stream, sealed.name), stream, wanted)
        return table if sealed.first_seq > after else table.filter(pc.greater(table["seq"], after))

    def coverage(self, since: datetime | None = None) -> dict[str, streams.Heard]:
        """Return how many sealed lines of each source a parser read, and the shapes of those that none did; of segments received later."""
        found = []
        for sealed in self.segments():
            if since is not None and sealed.received_to < since:
                continue
            try:
                found.append(streams.coverage_of(coverage_path(self.root, sealed.name).read_bytes())[2])
            except FileNotFoundError:
                continue  # sealed before there was such a file; the writer makes it when it opens
        return streams.merged(found)

    def _streams_of(self, name: str) -> Collection[str]:
        try:
            return streams.coverage_of(coverage_path(self.root, name).read_bytes())[1]
        except FileNotFoundError:
            return streams.STREAMS[:1]

    def heard(self) -> dict[str, Heard]:
        """Return first and last receipt and rows per source, sealed and unsealed."""
        found: dict[str, Heard] = {}
        kept, unsealed = self._standing()
        for sealed in kept:
            for code, (first, last) in sealed.heard.items():
                found[code] = _joined(found.get(code), first, last, sealed.sources[code])
        for record in unsealed:
            at, rows = instant(record.received), record.data.count(b"\n")
            found[record.source] = _joined(found.get(record.source), at, at, rows)
        return found

    def oldest(self, source: str) -> datetime | None:
        """Return the receipt of the oldest kept line of a source, None when nothing is kept."""
        heard = self.heard().get(source)
        return heard.first_at if heard else None

    def raw(self, source: str, address: str | None = None) -> Iterator[bytes]:
        """Yield every kept line of a source as it came, terminators included, in order of arrival: joined, the files that came in."""
        wanted = [pa.scalar(source.encode(), pa.binary()), None if address is None else pa.scalar(address.encode(), pa.binary())]
        for table in self._tables(source):
            keep = pc.equal(Block(table).values("source"), wanted[0])
            if wanted[1] is not None:
                keep = pc.and_(keep, pc.equal(Block(table).values("address"), wanted[1]))
            block = Block(table.filter(keep).sort_by([("seq", "ascending")]))
            terms = block.numbers("term")
            for row in range(len(block)):
                yield wire(block.line(row), int(terms[row]))

    def stats(self) -> Stats:
        """Return sizes."""
        kept = self.segments()
        unsealed = sum(len(record.data) for record in self._unsealed(kept[-1].last_record if kept else 0))
        return Stats(
            segments=len(kept), rows=sum(s.rows for s in kept), raw_bytes=sum(s.raw_bytes for s in kept),
            file_bytes=sum(s.file_bytes for s in kept), unsealed_bytes=unsealed,
            first_at=min((s.received_from for s in kept), default=None),
            last_at=max((s.received_to for s in kept), default=None), free_bytes=shutil.disk_usage(_existing(self.root)).free,
            bytes_per_day=_bytes_per_day(kept),
        )  # fmt: skip

    def forecast(self, at: datetime) -> datetime | None:
        """Return the instant at which the disk is full if segments go on as in the last week; None when nothing can be said."""
        stats = self.stats()
        if not stats.bytes_per_day:
            return None
        days = stats.free_bytes / stats.bytes_per_day
        return at + timedelta(days=min(days, 36_500))

    def dispose(self, name: str, at: datetime, held: Collection[str] = ()) -> None:
        """Delete the files of a segment past the floor; its place in the chain stays.

        Refuses everybody below 184 days after the newest receipt and the seal. The oldest goes first, except for those `held` by name.
        Raises RetentionError.
        """
        kept = self.segments()
        sealed = next((s for s in kept if s.name == name), None)
        if sealed is None:
            raise RetentionError(f"{name}: no such segment")
        free_from = max(sealed.sealed_at, sealed.received_to) + FLOOR
        if at < free_from:
            raise RetentionError(f"{name}: kept until {stamp(free_from)}, nobody may delete it before")
        if older := [each.name for each in kept if each.number < sealed.number and each.name not in held]:
            raise RetentionError(f"{name}: {older[0]} is older and goes first")
        with locks.alone(self.root), self._changing() as catalog:
            catalog.set_disposed(sealed.number, stamp(at))
            folder = locate(self.root)[name]
            shutil.rmtree(folder)
            durable.sync_folder(folder.parent)
            derived.remove(self.root, name)

    def redact(self, redaction: Redaction, salt: bytes, announce: succession.Announce) -> list[SealedSegment]:
        """Take the text of lines out of every segment that holds some of them; return those that hold none of it now.

        Done twice is done once. `announce` is called with each successor before it stands. Lines that are not sealed yet, or are of
        a segment that was disposed of, are not found. Raises BusyError, SuccessionError.
        """
        runs = redaction.seqs
        with locks.alone(self.root, wait=False), self._changing() as catalog:
            holding = [s for s in catalog.segments() if any(first <= s.last_seq and last >= s.first_seq for first, last in runs)]
            return [succession.redact(self.root, catalog, sealed, redaction, salt, announce) for sealed in holding]

    def settle(self, is_announced: Callable[[SealedSegment], bool]) -> None:
        """Finish or undo what a kill left of a segment that was being replaced. Raises BusyError."""
        if not (self.root / "catalog.sqlite3").is_file():
            return
        with locks.alone(self.root, wait=False), self._changing() as catalog:
            succession.settle(self.root, catalog, is_announced)

    @contextmanager
    def _changing(self) -> Iterator[Catalog]:
        catalog = Catalog(self.root / "catalog.sqlite3", write=True)
        try:
            yield catalog
        finally:
            catalog.close()

    def _catalog(self) -> Catalog:
        return Catalog(self.root / "catalog.sqlite3", write=False)

    def _unsealed(self, after: int) -> list[wal.Record]:
        for attempt in range(ATTEMPTS):
            try:
                return [found for found in wal.read(self.root / "wal", after) if isinstance(found, wal.Record)]
            except FileNotFoundError:
                if attempt + 1 == ATTEMPTS:
                    raise
        raise AssertionError

    def _standing(self) -> tuple[list[SealedSegment], list[wal.Record]]:
        """Return the sealed segments and the records that none of them holds, of one moment: a seal in between would hide its lines."""
        while True:
            catalog = self._catalog()
            try:
                kept = catalog.segments()
                unsealed = self._unsealed(kept[-1].last_record if kept else 0)
                newest = catalog.newest() if kept else max((sealed.number for sealed in self.segments()), default=0)
            finally:
                catalog.close()
            if newest == (kept[-1].number if kept else 0):
                return kept, unsealed

    def _shelves(self) -> list[Shelf]:
        kept, unsealed = self._standing()
        folders = locate(self.root)
        shelves = [_shelf(folders.get(sealed.name, self.root / "segments" / sealed.name), sealed) for sealed in kept]
        table = self._open_table(kept[-1] if kept else None, unsealed)
        return shelves if table is None else [*shelves, _open_shelf(table)]

    def _open_table(self, last: SealedSegment | None, unsealed: list[wal.Record]) -> pa.Table | None:
        """Return the unsealed lines in the form of a segment, with the sequence numbers they will keep."""
        if not unsealed:
            return None
        rows, _ = segments.arrange(parse(unsealed), last.last_seq + 1 if last else 1, {}, 0)
        return segments.arrow(rows)

    def _tables(self, source: str) -> Iterator[pa.Table]:
        kept, unsealed = self._standing()
        last, given = kept[-1].last_seq if kept else 0, 0
        while given < last:  # a successor may hold lines before and after those that were given already
            folders = locate(self.root)
            for sealed in [each for each in self.segments() if given < each.last_seq and each.first_seq <= last]:
                if source in sealed.sources:
                    try:
                        table = ondisk.read(folders[sealed.name] / tree.ROWS)
                    except (FileNotFoundError, KeyError):
                        if sealed in self.segments():
                            raise
                        break  # replaced just now
                    yield table if sealed.first_seq > given else table.filter(pc.greater(table["seq"], given))
                given = sealed.last_seq
            else:
                break
        table = self._open_table(kept[-1] if kept else None, unsealed)
        if table is not None:
            yield pa.table(
                {
                    name: Block(table).values(name) if pa.types.is_dictionary(table[name].type) else table[name]
                    for name in table.column_names
                }
            )


def _open_shelf(table: pa.Table) -> Shelf:
    """Return lines that are not sealed as a search takes them."""
    places = []
    for k, begin in enumerate(range(0, table.num_rows, ondisk.GROUP_ROWS)):
        part = table.slice(begin, ondisk.GROUP_ROWS)
        at = Block(part).at
        sources = frozenset(name.decode() for name in Block(part).values("source").unique().to_pylist())
        places.append(Place("", k, sources, int(at.min()), int(at.max()), partial(ondisk.Group.of, part)))
    return Shelf(
        min(place.min_at for place in places), max(place.max_at for place in places), frozenset().union(*(p.sources for p in places)),
        len(places), lambda: Contents(tuple(places)),
    )  # fmt: skip


def _shelf(folder: Path, sealed: SealedSegment) -> Shelf:
    """Return a segment as a search takes it."""
    blocks = -(-sealed.rows // ondisk.GROUP_ROWS)
    sources = frozenset(sealed.sources)
    return Shelf(
        micros(sealed.min_at), micros(sealed.max_at), sources, blocks,
        lambda: _contents(folder, _state(folder / tree.FILTER), sealed.name, sources), sealed.name,
    )  # fmt: skip


State = tuple[int, int]  # of a file: when it was written (ns), its size


def _state(path: Path) -> State:
    """Return by what a file that was replaced, damaged or restored is told from the one that was read. Raises FileNotFoundError."""
    found = path.stat()
    return found.st_mtime_ns, found.st_size


@lru_cache(maxsize=SEGMENTS_KEPT)
def _contents(folder: Path, state: State, name: str, sources: frozenset[str]) -> Contents:
    """Return the blocks of a segment whose filter is in some state."""
    del state
    described, words = filters.load((folder / tree.FILTER).read_bytes())
    places = []
    for k, block in enumerate(described):
        facts = block.get("facts")  # segments that are older than these facts have none
        if facts is not None and "time" in facts:
            step, first, lines = facts["time"]
            facts["time"] = step, first, np.array(lines, np.int64)
        own = frozenset(() if facts is None else facts["counts"].get("source", ())) or sources
        opened = partial(_blocks.open, folder / tree.ROWS, k)
        places.append(Place(name, k, own, block["min_at"], block["max_at"], opened, block["rows"], facts))
    return Contents(tuple(places), Filters.of(described, words))


class _Blocks:
    """Blocks that were read, the columns of the latest kept as they are on disk, unpacked: who looks once looks again."""

    def __init__(self) -> None:
        self._forget()
        os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        self._kept: OrderedDict[tuple[Path, State, int], ondisk.Group] = OrderedDict()
        self._lock = threading.Lock()

    def all(self, path: Path) -> list[ondisk.Group]:
        """Return every row group of a file."""
        return [self.open(path, k) for k in range(_footer(path, _state(path)).num_row_groups)]

    def open(self, path: Path, k: int) -> ondisk.Group:
        """Return a row group of a file."""
        state = _state(path)
        with self._lock:
            group = self._kept.get((path, state, k))
            if group is None:
                footer = _footer(path, state)
                group = self._kept[path, state, k] = ondisk.group(footer, k, partial(ondisk.open_file, path, footer))
            self._kept.move_to_end((path, state, k))
            held = 0
            for number, each in enumerate(reversed(self._kept.values())):
                held += each.size
                if held > CACHED_BYTES and number:
                    for _ in range(len(self._kept) - number):
                        self._kept.popitem(last=False)
                    break
        return group


_blocks = _Blocks()


@lru_cache(maxsize=512)
def _footer(path: Path, state: State) -> Any:
    del state
    return pq.read_metadata(path)


def _joined(heard: Heard | None, first: datetime, last: datetime, rows: int) -> Heard:
    if heard is None:
        return Heard(first, last, rows)
    return Heard(min(heard.first_at, first), max(heard.last_at, last), heard.rows + rows)


def _chosen(stream: str, columns: Collection[str] | None) -> list[str]:
    """Return the columns to read: those named that the stream has, always with the time and number of each event."""
    names = streams.schema(stream).names
    return names if columns is None else [name for name in names if name in {"timestamp", "seq"} or name in columns]


def _holding(source: str, segments: Iterable[SealedSegment]) -> Iterator[SealedSegment]:
    return (sealed for sealed in segments if source in sealed.sources)


def _bytes_per_day(kept: list[SealedSegment]) -> int | None:
    if not kept:
        return None
    last = kept[-1].received_to
    recent = [s for s in kept if s.received_to > last - timedelta(days=7)]
    seconds = (last - min(s.received_from for s in recent)).total_seconds()
    return int(sum(s.file_bytes for s in recent) * 86_400 / seconds) if seconds >= 3600 else None


def _existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if folder.exists())
