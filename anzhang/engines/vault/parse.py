"""Turn write-ahead records into parsed columns (numpy arrays over one buffer), in arrival order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from zoneinfo import ZoneInfo

import numpy as np

from anzhang.engines.vault import render, scan
from anzhang.engines.vault.batch import instant
from anzhang.engines.vault.encodings import encoding_code
from anzhang.engines.vault.intern import intern, number
from anzhang.engines.vault.jit import Bytes, Ints, Table, kernel, wide
from anzhang.engines.vault.text import mark_foreign
from anzhang.engines.vault.wal import Record

# terminators of a line: none, LF, CRLF; the same three inside an octet-counted frame are +3
OCTET = 3


@dataclass
class Lines:
    """Parsed lines; places in `starts`, `ends` and `span` count from the start of `data`.

    `high` is 0 for lines that are certainly ASCII, `record` maps a line to its record.
    """

    data: Bytes
    records: list[Record]
    starts: Ints
    ends: Ints
    term: Table
    high: Table
    record: Table
    kind: Table
    lay: Table
    form: Table
    pri: Table
    ts: Ints
    off: Table
    pid: Table
    flags: Table
    hdr: Table
    span: Table
    rts: Ints
    enc: Table

    def __len__(self) -> int:
        return len(self.starts)

    def foreign(self) -> Table:
        """Return a mask of the lines whose bytes are not their text in UTF-8."""
        marked = self.high.copy()
        mark_foreign(self.data, self.starts, self.ends, self.enc, marked)
        return marked

    @property
    def at(self) -> Ints:
        """Return the event time that search uses, µs: the time stamp, or the receipt when the clock was more than a day ahead."""
        return np.where(self.flags & scan.AHEAD, self.rts, self.ts)

    def column(self, start: int, end: int) -> tuple[Ints, Ints]:
        """Return the places of one field."""
        return self.span[:, start], self.span[:, end]

    @property
    def message(self) -> tuple[Ints, Ints]:
        """Return the places of the messages."""
        return self.span[:, scan.MSG_S], self.ends


def parse(records: list[Record]) -> Lines:
    """Split and parse the records' lines."""
    data = np.empty(sum(len(r.data) for r in records), np.uint8)
    bounds = np.zeros(len(records) + 1, np.int64)
    for i, record in enumerate(records):
        bounds[i + 1] = bounds[i] + len(record.data)
        data[bounds[i] : bounds[i + 1]] = np.frombuffer(record.data, np.uint8)
    octet = np.array([r.framing == "octet" for r in records], np.uint8)
    counts = np.zeros(len(records), np.int64)
    _count(data, bounds, octet, counts)
    total = int(counts.sum())
    starts, ends = np.empty(total, np.int64), np.empty(total, np.int64)
    term, high, owner = np.empty(total, np.uint8), np.empty(total, np.uint8), np.empty(total, np.int32)
    _split(data, bounds, octet, starts, ends, term, high, owner)
    rts = np.array([r.received for r in records], np.int64)
    zones = [_zone(r.timezone, r.received // 3_600_000_000) for r in records]
    zone, year = np.array([z for z, _ in zones], np.int64), np.array([y for _, y in zones], np.int64)
    enc = np.array([encoding_code(r.encoding) for r in records], np.uint8)
    allowed = np.array([scan.HEADERS[r.format] for r in records], np.uint8)
    lines = Lines(
        data, records, starts, ends, term, high, owner,
        kind=np.empty(total, np.uint8), lay=np.empty(total, np.uint8), form=np.empty(total, np.uint8), pri=np.empty(total, np.int16),
        ts=np.empty(total, np.int64), off=np.empty(total, np.int16), pid=np.empty(total, np.int32), flags=np.empty(total, np.uint8),
        hdr=np.empty(total, np.uint8), span=np.empty((total, scan.PLACES), np.int32), rts=rts[owner], enc=enc[owner],
    )  # fmt: skip
    scan.scan(
        data, starts, ends, owner, rts, year, zone, allowed, lines.kind, lines.lay, lines.form, lines.pri, lines.ts, lines.off, lines.pid,
        lines.flags, lines.hdr, lines.span, np.empty(scan.SCRATCH + 128, np.uint8), np.empty(8, np.int64), *render.memory(),
    )  # fmt: skip
    return lines


@lru_cache(maxsize=4096)
def _zone(name: str, hour: int) -> tuple[int, int]:
    """Return (minutes east, local year) of a time zone in an hour since 1970."""
    local = instant(hour * 3_600_000_000).astimezone(ZoneInfo(name))
    offset = local.utcoffset()
    return (int(offset.total_seconds()) // 60 if offset else 0), local.year


@kernel
def _frame(data: Bytes, p: int, e: int) -> tuple[int, int]:
    """Return (begin, end) of the message of the octet-counted frame at `p`; when it is none, everything left is one message."""
    q = p
    length = 0
    while q < e and q - p < 9 and 48 <= data[q] <= 57:
        length = length * 10 + wide(data[q]) - 48
        q += 1
    if q == p or q >= e or data[q] != 32 or data[p] == 48 or q + 1 + length > e:
        return p, e
    return q + 1, q + 1 + length


@kernel
def _count(data: Bytes, bounds: Ints, octet: Table, counts: Ints) -> None:
    for r in range(len(octet)):
        s, e = bounds[r], bounds[r + 1]
        if not octet[r]:
            counts[r] = scan.count_lines(data, s, e)
            continue
        while s < e:
            _, s = _frame(data, s, e)
            counts[r] += 1


@kernel
def _split(data: Bytes, bounds: Ints, octet: Table, starts: Ints, ends: Ints, term: Table, high: Table, owner: Table) -> None:
    n = 0
    for r in range(len(octet)):
        s, e = bounds[r], bounds[r + 1]
        begin = n
        if not octet[r]:
            n = scan.split_lines(data, s, e, starts, ends, term, high, n)
        else:
            while s < e:
                p, q = _frame(data, s, e)
                framed = 0 if p == s else OCTET
                s = q
                term[n] = framed
                high[n] = 1
                if framed and q > p and data[q - 1] == 10:
                    q -= 1
                    term[n] = framed + 1
                    if q > p and data[q - 1] == 13:
                        q -= 1
                        term[n] = framed + 2
                starts[n], ends[n] = p, q
                n += 1
        for i in range(begin, n):
            owner[i] = r


def codes_of(lines: Lines, starts: Ints, ends: Ints) -> tuple[Table, list[bytes]]:
    """Return a dictionary-coded field: (code per line, values by code)."""
    codes, first = _numbered(len(starts), partial(intern, lines.data, starts, ends))
    return codes, [lines.data[starts[i] : ends[i]].tobytes() for i in first]


def numbers_of(values: Table) -> tuple[Table, Table]:
    """Return (code per value, first place by code) of 64-bit numbers."""
    return _numbered(len(values), partial(number, values))


def _numbered(n: int, fill: Callable[[Table, Table, Table], int]) -> tuple[Table, Table]:
    """Call a kernel with tables that grow until they are large enough; most columns have few values."""
    codes = np.empty(n, np.int32)
    size = 1 << 12
    while True:
        first = np.empty(size, np.int32)
        count = fill(codes, first, np.full(size, -1, np.int32))
        if count >= 0:
            return codes, first[:count].copy()
        size *= 8


def wire(line: bytes, term: int) -> bytes:
    """Return a line as it came, with its terminator and, for octet counting, its length."""
    body = line + scan.TERMINATORS[term % OCTET]
    return body if term < OCTET else b"%d " % len(body) + body
