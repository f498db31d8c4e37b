"""Run a query: skip what cannot match, then decide every remaining line exactly."""

from __future__ import annotations

import heapq
import logging
import os
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, partial
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa

from anzhang.engines.vault import tokens, tree
from anzhang.engines.vault.batch import instant, micros
from anzhang.engines.vault.block import LINE_COLUMNS, Block
from anzhang.engines.vault.counts import Counts
from anzhang.engines.vault.jit import Ints, Table
from anzhang.engines.vault.ondisk import Group
from anzhang.engines.vault.query import SEVERITIES, Needle, Query, QueryError, needles
from anzhang.engines.vault.scan import AHEAD, NO_TIME, REDACTED
from anzhang.engines.vault.text import decode
from anzhang.engines.vault.texts import rows_with

_COLUMN = {"facility": "pri", "severity": "pri"}
_ALWAYS = ["ts", "rts", "flags", "seq"]
_SHOWN = [*_ALWAYS, "source", "address", "term", *LINE_COLUMNS]
_CORES = max(1, min(len(os.sched_getaffinity(0)), 8))
OLD_FRACTIONS = (3, 6, 9)  # digits of a time stamp's fraction that the filter of an older segment leaves out
FEW = 8  # of so many rows one, or fewer, are taken by themselves
AT_ONCE = _CORES + 1  # blocks that are being read while one is counted

log = logging.getLogger(__name__)

Best = list[tuple[int, int, int]]  # (event time, sequence number, block); both negated when oldest first


class _Readers:
    """The threads that read ahead, made when they are first needed, anew in a process that was forked."""

    def __init__(self) -> None:
        self._made: ThreadPoolExecutor | None = None
        os.register_at_fork(after_in_child=self._forget)

    def submit(self, query: Query, place: Place) -> Future[Found]:
        if self._made is None:
            self._made = ThreadPoolExecutor(_CORES, "search")
        return self._made.submit(_matching, query, place)

    def _forget(self) -> None:
        self._made = None


_readers = _Readers()


@dataclass(frozen=True)
class Hit:
    """One line found. `at` is the time search goes by, `ts` the line's own (None without), `segment` is empty while unsealed."""

    segment: str
    block: int
    seq: int
    at: datetime
    ts: datetime | None
    received: datetime
    clock_ahead: bool
    source: str
    address: str
    host: str
    app: str
    pid: int | None
    facility: int | None
    severity: int | None
    message: str
    line: str
    raw: bytes
    redacted: bool = False  # the text was taken out by a case; what stands there says by which


@dataclass
class Result:
    """What was found. `total` is None when the search stopped at its limit; groups are (value, rows), largest first.

    `unread` names segments that could not be read: what they hold is missing from all of it. `panel` holds groups by field, `extracted`
    those of what was extracted, `bars` lines by the beginning of a step (in order of time).
    """

    hits: list[Hit] = field(default_factory=list)
    total: int | None = 0
    groups: list[tuple[str, int]] = field(default_factory=list)
    panel: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    extracted: list[tuple[str, int]] = field(default_factory=list)
    bars: dict[datetime, int] = field(default_factory=dict)
    blocks: int = 0
    blocks_read: int = 0
    unread: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Place:
    """One block that may be read: bounds of its event times (µs), how to open its rows, what it says about itself."""

    segment: str
    block: int
    sources: frozenset[str]
    min_at: int
    max_at: int
    open: Callable[[], Group]
    rows: int = 0
    facts: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Filters:
    """The filters of a segment's blocks: that of block i is `blocks[i]` times 32 bytes from word offsets[i] on."""

    words: Table
    offsets: Ints
    blocks: Ints
    fractions: Ints

    @classmethod
    def of(cls, described: Sequence[Mapping[str, Any]], words: Table) -> Filters:
        """Take what filter.bin says."""
        left_out = [block.get("facts", {}).get("fractions", OLD_FRACTIONS) for block in described]
        return cls(
            words,
            np.array([block["offset"] // 4 for block in described], np.int64),
            np.array([block["blocks"] for block in described], np.int64),
            np.array([sum(1 << digits for digits in each) for each in left_out], np.int64),
        )

    def sieve(self, wanted: Sequence[Needle]) -> list[bool]:
        """Return which blocks may hold all that is wanted."""
        out = np.ones(len(self.offsets), np.uint8)
        hashes, lengths = np.array([each.hash for each in wanted], np.uint64), np.array([each.digits for each in wanted], np.int64)
        tokens.sieve(self.words, self.offsets, self.blocks, self.fractions, hashes, lengths, out)
        return out.astype(np.bool_).tolist()


@dataclass(frozen=True)
class Contents:
    """The blocks of one segment, or of the lines that are not sealed, which have no filters."""

    places: tuple[Place, ...]
    filters: Filters | None = None

    def may_match(self, query: Query, wanted: Sequence[Needle]) -> list[Place]:
        """Return the blocks that cannot be skipped."""
        kept = self.filters.sieve(wanted) if self.filters and wanted else [True] * len(self.places)
        return [place for place, keeps in zip(self.places, kept, strict=True) if keeps and _is_near(query, place)]


@dataclass(frozen=True)
class Shelf:
    """A segment, or the lines that are not sealed: bounds of its event times (µs), how many blocks it has, how to open it."""

    min_at: int
    max_at: int
    sources: frozenset[str]
    blocks: int
    open: Callable[[], Contents]
    segment: str = ""


def _is_near(query: Query, place: Place | Shelf) -> bool:
    """Whether a block or a segment may have lines of the time and the sources asked for."""
    return (
        (query.since is None or place.max_at >= micros(query.since))
        and (query.until is None or place.min_at < micros(query.until))
        and (query.sources is None or not place.sources.isdisjoint(query.sources))
    )


class Found:
    """The lines of a block that match: `rows` of it. What else is asked of them is read when it is asked."""

    def __init__(self, group: Group, rows: Ints, columns: Collection[str], *, textual: bool) -> None:
        """Take the rows, the columns that counting needs, and whether the lines were looked through."""
        self.group, self.rows, self.textual = group, rows, textual
        self._columns = columns

    @cached_property
    def block(self) -> Block:
        """Return all rows of the block, with what counting needs."""
        return Block(self.group.whole(self._columns))

    @cached_property
    def lines(self) -> Block:
        """Return the lines themselves."""
        return Block(self.group.whole(LINE_COLUMNS, self.rows))

    @cached_property
    def _times(self) -> tuple[Ints, Ints]:
        if len(self.rows) * FEW < self.group.rows:
            few = Block(self.group.whole(_ALWAYS, self.rows))
            return few.at, few.numbers("seq")
        return self.block.at[self.rows], self.block.numbers("seq")[self.rows]

    @property
    def at(self) -> Ints:
        """Return the event times of the lines."""
        return self._times[0]

    @property
    def seqs(self) -> Ints:
        """Return the sequence numbers of the lines."""
        return self._times[1]


def search(query: Query, shelves: Iterable[Shelf], *, prune: bool = True, insist: bool = False) -> Result:  # the steps in order
    """Return the lines that match. With `prune` False every block is read; the answer is the same.

    A damaged segment is left out and named; with `insist` also one that is gone, which else raises FileNotFoundError.
    """
    result, reading = Result(), _Reading(insist=insist)
    wanted = query.limit + query.offset
    best: Best = []  # heap of (at, seq, place), the worst first; negated when oldest first
    sign = 1 if query.newest_first else -1
    kept: list[tuple[Place, pa.Table | None]] = []
    counts = Counts(query)
    for place, found in _read(query, _in_order(query, shelves, result, reading, prune=prune)):
        edge = place.max_at if query.newest_first else -place.min_at
        full = len(best) >= wanted and (not best or edge < best[0][0])  # no line of this block or of a later one is among the hits
        if full and not query.count and not counts.wanted:
            result.total = None
            break
        if prune and full and counts.fit(place.facts) and _all_match(query, place):
            result.total = None if result.total is None else result.total + place.rows
            counts.add_facts(place.facts or {})
            continue
        result.blocks_read += 1
        matching = None
        with reading.of(place.segment):
            matching = _looked_into(found(), counts, showing=not full)
        if matching is None or not len(matching.rows):
            continue
        rows = matching.rows
        if result.total is not None:
            result.total += len(rows)
        if counts.wanted:
            counts.add(matching.at, matching.block, rows, matching.lines if counts.reads_lines else None)
        if full:
            continue
        entered = _enter(best, wanted, len(kept), sign * matching.at, sign * matching.seqs)
        if entered:
            chosen = None
            with reading.of(place.segment):
                chosen = _chosen(matching, [seq * sign for seq in entered])
            kept.append((place, chosen))
    result.groups, result.panel, result.extracted, result.bars = counts.groups, counts.panel, counts.extracted, counts.bars
    result.hits = _hits(sorted(best, reverse=True)[query.offset :], kept, sign, reading)
    result.unread = sorted(reading.failed)
    return result


class _Reading:
    """What could not be read: segments by name."""

    def __init__(self, *, insist: bool) -> None:
        self.failed, self.insist = set[str](), insist

    @contextmanager
    def of(self, segment: str) -> Iterator[None]:
        """Read something of a segment; where that fails it is noted and passed over. Raises QueryError."""
        try:
            yield
        except QueryError:
            raise
        except tree.DAMAGE as error:
            if not segment or (isinstance(error, FileNotFoundError) and not self.insist):
                raise
            if segment not in self.failed:
                log.warning("segment %s cannot be read: %s", segment, error)
            self.failed.add(segment)


def _looked_into(found: Found, counts: Counts, *, showing: bool) -> Found:
    """Return the lines of a block after reading all that will be asked of them, so that a block counts whole or not at all."""
    if not len(found.rows):
        return found
    if counts.wanted:
        _ = found.block
    if counts.reads_lines:
        _ = found.lines
    if counts.wanted or showing:
        _ = found.at
    return found


def _enter(best: Best, wanted: int, number: int, at: Ints, seqs: Ints) -> list[int]:
    """Put lines of block `number` among the best; return the sequence numbers of those that entered."""
    entered = []
    for pair in _leading(at, seqs, wanted):
        if len(best) < wanted:
            heapq.heappush(best, (*pair, number))
        elif (*pair, number) > best[0]:
            heapq.heapreplace(best, (*pair, number))
        else:
            continue
        entered.append(pair[1])
    return entered


def _in_order(query: Query, shelves: Iterable[Shelf], result: Result, reading: _Reading, *, prune: bool) -> Iterator[Place]:
    """Yield the blocks to look at, the most promising first; a segment is opened when it is its turn. Count all blocks in the result."""
    wanted, waiting, number = needles(query), list[tuple[int, int, Place]](), 0

    def edge(place: Place | Shelf) -> int:
        return -place.max_at if query.newest_first else place.min_at

    ordered = sorted(shelves, key=edge)
    result.blocks = sum(shelf.blocks for shelf in ordered)
    for shelf in ordered:
        if prune and not _is_near(query, shelf):
            continue
        while waiting and waiting[0][0] < edge(shelf):
            yield heapq.heappop(waiting)[2]
        places: Sequence[Place] = ()
        with reading.of(shelf.segment):
            opened = shelf.open()
            places = opened.may_match(query, wanted) if prune else opened.places
        for place in places:
            number += 1
            heapq.heappush(waiting, (edge(place), number, place))
    while waiting:
        yield heapq.heappop(waiting)[2]


def _read(query: Query, places: Iterator[Place]) -> Iterator[tuple[Place, Callable[[], Found]]]:
    """Give each block with a way to its matching lines.

    Where every block is read to its end whatever the others hold, a few are read ahead on the other cores.
    """
    if not (query.count or query.group or query.panel or query.bar or query.extract) or not _selects(query):
        for place in places:
            yield place, partial(_matching, query, place)
        return
    first = list(islice(places, AT_ONCE))
    if len(first) < AT_ONCE:
        for place in first:
            yield place, partial(_matching, query, place)
        return
    ahead = deque((place, _readers.submit(query, place)) for place in first)
    try:
        while ahead:
            place, future = ahead.popleft()
            following = next(places, None)
            if following is not None:
                ahead.append((following, _readers.submit(query, following)))
            yield place, future.result
    finally:
        for _place, future in ahead:
            future.cancel()


def _selects(query: Query) -> bool:
    """Whether a query asks for more than time and source."""
    return bool(query.term or query.phrase or query.substring or query.regex or query.host or query.app or query.fields)


def _chosen(found: Found, seqs: list[int]) -> pa.Table | None:
    """Return the rows that may be shown, when their lines were read already."""
    if not found.textual:
        return None
    return found.group.whole(_SHOWN, found.rows[np.isin(found.seqs, np.fromiter(seqs, np.int64))])


def _all_match(query: Query, place: Place) -> bool:
    """Whether every line of a block matches, as far as can be told without reading it."""
    if _selects(query):
        return False
    since, until = query.since, query.until
    if (since is not None and place.min_at < micros(since)) or (until is not None and place.max_at >= micros(until)):
        return False
    return query.sources is None or place.sources <= set(query.sources)


def _leading(at: Ints, seqs: Ints, wanted: int) -> list[tuple[int, int]]:
    """Return the `wanted` largest (at, seq) pairs."""
    if len(at) > wanted:
        order = np.lexsort((seqs, at))[len(at) - wanted :]
        at, seqs = at[order], seqs[order]
    return list(zip(at.tolist(), seqs.tolist(), strict=True))


def _matching(query: Query, place: Place) -> Found:
    """Return the lines of a block that match."""
    conditions = dict(query.fields)
    conditions |= {name: value for name, value in (("host", query.host), ("app", query.app)) if value}
    columns = set(_ALWAYS) | {_COLUMN.get(name, name) for name in conditions}
    if query.sources is not None:
        columns.add("source")
    columns |= {_COLUMN.get(name, name) for name in (query.group, *query.panel) if name}
    textual = bool(query.term or query.phrase or query.substring or query.regex)
    narrows = bool(conditions) or query.sources is not None or query.since is not None or query.until is not None
    group = place.open()
    if textual and not narrows:
        return Found(group, rows_with(query, group, None), columns, textual=True)
    rows = np.flatnonzero(_kept(query, Block(group.whole(columns)), conditions))
    return Found(group, rows_with(query, group, rows) if textual and len(rows) else rows, columns, textual=textual)


def _kept(query: Query, first: Block, conditions: Mapping[str, str]) -> Table:
    """Return a mask of the rows that are of the time, the sources and the fields asked for."""
    keep = np.ones(len(first), np.bool_)
    if query.since is not None:
        keep &= first.at >= micros(query.since)
    if query.until is not None:
        keep &= first.at < micros(query.until)
    if query.sources is not None:
        keep &= first.holds("source", [source.encode() for source in query.sources])
    for name, value in conditions.items():
        keep &= _equal(first, name, value)
    if (query.host and query.fields.get("host", query.host) != query.host) or (
        query.app and query.fields.get("app", query.app) != query.app
    ):
        keep[:] = False
    return keep


def _equal(block: Block, name: str, value: str) -> Table:
    """Return a mask of the rows whose field has a value."""
    if name in {"facility", "severity"}:
        pri = block.numbers("pri").astype(np.int64)
        wanted = SEVERITIES.index(value) if value in SEVERITIES else int(value)
        found: Table = (pri >= 0) & ((pri // 8 if name == "facility" else pri % 8) == wanted)
    elif name in {"pid", "kind"}:
        found = block.numbers(name).astype(np.int64) == int(value)
    else:
        found = block.holds(name, [value.encode()])
    return found


def _hits(chosen: Best, kept: list[tuple[Place, pa.Table | None]], sign: int, reading: _Reading) -> list[Hit]:
    """Return the hits for chosen (at, seq, place) triples, in their order."""
    wanted: dict[int, set[int]] = {}
    for _, seq, number in chosen:
        wanted.setdefault(number, set()).add(seq * sign)

    def of_place(number: int) -> list[Hit]:
        place, read = kept[number]
        group = place.open() if read is None else Group.of(read)
        rows = np.flatnonzero(np.isin(Block(group.stored(["seq"])).numbers("seq"), np.fromiter(wanted[number], np.int64)))
        return list(hits_of(Block(group.whole(_SHOWN, rows)), place.segment, place.block))

    found: dict[tuple[int, int], Hit] = {}
    for number in wanted:
        with reading.of(kept[number][0].segment):
            found |= {(number, hit.seq): hit for hit in of_place(number)}
    return [found[number, seq * sign] for _, seq, number in chosen if (number, seq * sign) in found]


def hits_of(block: Block, segment: str, number: int) -> Iterator[Hit]:
    """Yield every row of a block as a Hit."""
    rows = block.table.to_pydict()
    starts = np.asarray(block.lines[2]) - np.array([len(m) for m in rows["msg"]], np.int64)
    data, _, ends = block.lines
    at, ts, rts = block.at, block.numbers("ts"), block.numbers("rts")
    for i in range(len(block)):
        enc, pri, flags = int(rows["enc"][i]), rows["pri"][i], int(rows["flags"][i])
        raw = block.line(i)
        yield Hit(
            segment=segment, block=number, seq=rows["seq"][i], at=instant(at[i]), ts=None if flags & NO_TIME else instant(ts[i]),
            received=instant(rts[i]), clock_ahead=bool(flags & AHEAD), source=rows["source"][i].decode(),
            address=rows["address"][i].decode(), host=decode(rows["host"][i], enc), app=decode(rows["app"][i], enc), pid=rows["pid"][i],
            facility=None if pri is None else pri // 8, severity=None if pri is None else pri % 8,
            message=decode(data[starts[i] : ends[i]].tobytes(), enc), line=decode(raw, enc), raw=raw, redacted=bool(flags & REDACTED),
        )  # fmt: skip


def describe(result: Result) -> dict[str, Any]:
    """Return a result as JSON-ready data."""
    return {
        "total": result.total,
        "blocks": result.blocks,
        "blocks_read": result.blocks_read,
        "unread": result.unread,
        "groups": _pairs(result.groups),
        "panel": {name: _pairs(groups) for name, groups in result.panel.items()},
        "extracted": _pairs(result.extracted),
        "bars": [{"since": since.isoformat(), "rows": rows} for since, rows in result.bars.items()],
        "hits": [
            {
                "seq": hit.seq, "segment": hit.segment, "at": hit.at.isoformat(), "received": hit.received.isoformat(),
                "ts": hit.ts and hit.ts.isoformat(), "clock_ahead": hit.clock_ahead, "source": hit.source, "address": hit.address,
                "host": hit.host, "app": hit.app, "pid": hit.pid, "facility": hit.facility, "severity": hit.severity,
                "message": hit.message, "line": hit.line, **({"redacted": True} if hit.redacted else {}),
            }
            for hit in result.hits
        ],
    }  # fmt: skip


def _pairs(groups: list[tuple[str, int]]) -> list[dict[str, Any]]:
    return [{"value": value, "rows": rows} for value, rows in groups]
