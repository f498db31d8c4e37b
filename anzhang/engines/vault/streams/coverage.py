"""What no parser read: how many lines of each source, and of which shapes, each with its newest line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from anzhang.engines.vault.block import Block
from anzhang.engines.vault.intern import fingerprint
from anzhang.engines.vault.jit import Ints, Table, frozen, kernel
from anzhang.engines.vault.parse import numbers_of
from anzhang.engines.vault.streams import columns
from anzhang.engines.vault.text import decode

MOST_SHAPES = 40  # per source and segment; what is beyond them is counted as one
SHAPE_BYTES, EXAMPLE_BYTES = 160, 600
_BLANK = re.compile(r"[A-Za-z0-9_.\-]*[0-9][A-Za-z0-9_.\-]*")


@dataclass(frozen=True)
class Shape:
    """Lines that differ in nothing but words with digits. `newest` is µs, `seq` the newest line, `example` its message, cut.

    What is beyond the most frequent shapes is one whose text is empty.
    """

    app: str
    text: str
    lines: int
    newest: int
    seq: int
    example: str = ""


@dataclass(frozen=True)
class Heard:
    """What was made of the lines of one source."""

    lines: int
    events: int  # lines that became an event or belong to one
    known: int  # lines that a parser knows and that are no event
    shapes: tuple[Shape, ...]

    @property
    def unread(self) -> int:
        """Return how many lines no parser knows."""
        return self.lines - self.events - self.known

    @property
    def share(self) -> float:
        """Return the part of the lines that a parser knows, 0 to 1."""
        return (self.events + self.known) / self.lines if self.lines else 1.0


Coverage = Mapping[str, Heard]


@kernel
def _tally(groups: Ints, at: Ints, counts: Ints, newest: Ints, last: Ints) -> None:
    for i in range(len(groups)):
        g = groups[i]
        counts[g] += 1
        if counts[g] == 1 or at[i] >= newest[g]:
            newest[g] = at[i]
            last[g] = i


def of(table: pa.Table, state: Table) -> Coverage:
    """Return what stands unread in a segment; `state` is 1 for rows of events, 2 for those that are known and none."""
    source = columns.coded(table, "source")
    names = [value.decode("utf-8", "replace") for value in source.values]
    lines = np.bincount(source.codes, minlength=len(names))
    events, known = (np.bincount(source.codes[state == code], minlength=len(names)) for code in (1, 2))
    shapes = _shapes(table, np.flatnonzero(state == 0), source.codes, len(names))
    return {name: Heard(int(lines[k]), int(events[k]), int(known[k]), tuple(shapes.get(k, ()))) for k, name in enumerate(names) if lines[k]}


def _shapes(table: pa.Table, rows: Ints, source: Ints, sources: int) -> dict[int, list[Shape]]:
    if not len(rows):
        return {}
    app = columns.coded(table, "app")
    key = _groups(table, rows, app.codes[rows], source[rows])
    codes, first = numbers_of(key)
    counts, newest, last = (np.zeros(len(first), np.int64) for _ in range(3))
    block = Block(table)
    _tally(codes.astype(np.int64), block.at[rows], counts, newest, last)
    found: dict[int, list[Shape]] = {}
    owner = source[rows[first]]
    for k in range(sources):
        groups = np.flatnonzero(owner == k)
        groups = groups[np.argsort(-counts[groups], kind="stable")]
        shapes = [_shape(table, int(rows[last[g]]), int(counts[g]), int(newest[g])) for g in groups[:MOST_SHAPES]]
        rest = groups[MOST_SHAPES:]
        if len(rest):
            latest = rest[np.argmax(newest[rest])]
            shapes.append(Shape("", "", int(counts[rest].sum()), int(newest[latest]), int(block.numbers("seq")[rows[last[latest]]])))
        if shapes:
            found[k] = shapes
    return found


def _groups(table: pa.Table, rows: Ints, app: Ints, source: Ints) -> Table:
    """Return a number per row that is the same for lines of one source, application and shape."""
    tid = Block(table).numbers("tid")[rows].astype(np.int64)
    key = tid.astype(np.uint64)
    bare = np.flatnonzero(tid == 0)
    if len(bare):
        message = columns.whole(table, "msg")
        bounds = np.frombuffer(message.buffers()[1] or bytes(4), np.int32)[message.offset : message.offset + len(message) + 1].astype(
            np.int64
        )
        hashes = np.empty(len(bare), np.uint64)
        content = frozen(np.frombuffer(message.buffers()[2] or b"\0", np.uint8))
        fingerprint(content, bounds[rows[bare]], bounds[rows[bare] + 1], hashes)
        key[bare] = hashes | np.uint64(1 << 63)
    return (key * np.uint64(0x9E3779B97F4A7C15)) ^ ((app.astype(np.uint64) << np.uint64(24)) | source.astype(np.uint64))


def _shape(table: pa.Table, row: int, count: int, newest: int) -> Shape:
    one = Block(table.slice(row, 1))
    message = one.values("msg")[0].as_py()
    said = decode(message[:EXAMPLE_BYTES], int(one.numbers("enc")[0]))
    text = _BLANK.sub("<*>", said[:SHAPE_BYTES])
    app = (one.values("app")[0].as_py() or b"").decode("utf-8", "replace")
    return Shape(app, text, count, newest, int(one.numbers("seq")[0]), said)


def dump(coverage: Coverage, parsers: str, streams: Mapping[str, int]) -> bytes:
    """Return the file that lies beside a segment's streams: the parsers they come from, rows per stream, and what was not read."""
    sources = {
        name: {
            "lines": h.lines,
            "events": h.events,
            "known": h.known,
            "shapes": [[s.app, s.text, s.lines, s.newest, s.seq, s.example] for s in h.shapes],
        }
        for name, h in sorted(coverage.items())
    }
    return orjson.dumps({"v": 1, "parsers": parsers, "streams": dict(streams), "sources": sources}) + b"\n"


def load(content: bytes) -> tuple[str, dict[str, int], dict[str, Heard]]:
    """Return (parsers, rows per stream, coverage) of such a file. Raises ValueError, KeyError or TypeError when it is none."""
    told: dict[str, Any] = orjson.loads(content)
    sources = {
        name: Heard(h["lines"], h["events"], h["known"], tuple(Shape(*s) for s in h["shapes"])) for name, h in told["sources"].items()
    }
    return told["parsers"], dict(told["streams"]), sources


def merged(found: Iterable[Coverage]) -> dict[str, Heard]:
    """Return the coverage of several segments as one."""
    lines: dict[str, list[int]] = {}
    shapes: dict[str, dict[tuple[str, str], Shape]] = {}
    for coverage in found:
        for name, heard in coverage.items():
            total = lines.setdefault(name, [0, 0, 0])
            for k, number in enumerate((heard.lines, heard.events, heard.known)):
                total[k] += number
            known = shapes.setdefault(name, {})
            for shape in heard.shapes:
                key = (shape.app, shape.text)
                old = known.get(key)
                newer = shape if old is None or shape.newest >= old.newest else old
                known[key] = replace(newer, lines=shape.lines + (old.lines if old else 0))
    return {name: Heard(a, b, c, tuple(sorted(shapes[name].values(), key=_most_first))) for name, (a, b, c) in sorted(lines.items())}


def _most_first(shape: Shape) -> tuple[int, str]:
    return -shape.lines, shape.text
