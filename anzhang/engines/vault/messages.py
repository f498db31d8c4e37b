"""Take messages apart into what their template fixes and what stands in its blanks, and put them together again, byte for byte.

A blank is a whole run of [A-Za-z0-9_.-] that contains a digit, as in `intern.fingerprint`. The text of a template is the message with a
line feed in place of every blank. A message that does not fit the text of its template, or holds a line feed itself, stays whole.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anzhang.engines.vault.jit import (
    HIGHS,
    Bytes,
    Ints,
    Table,
    below,
    copy,
    digits,
    eight,
    frozen,
    in_run,
    kernel,
    leading,
    part,
    same,
    wide,
)

BLANK = 10
MOST_BLANKS = 64  # a message with more stays whole
WIDTHS = ("<u1", "<u2", "<u4")  # of lengths
COLUMNS = 12  # the last holds what stands in all further blanks, with line feeds between


@dataclass(frozen=True)
class Slices:
    """Slices of one buffer: slice i is data[at[i]:at[i + 1]]."""

    data: Bytes
    at: Table

    def __len__(self) -> int:
        return len(self.at) - 1


@dataclass(frozen=True)
class Parted:
    """Messages taken apart. `codes` names the text of each message's template, text 0 is empty: the message is in `plain`."""

    codes: Table
    texts: Slices
    values: list[Slices]
    plain: Slices
    content: Bytes | None = None  # what the values are slices of, where that is one piece of memory

    def pieces(self) -> tuple[Bytes, list[int]]:
        """Return one piece of memory that holds all values, and where in it those of each column begin."""
        if self.content is not None:
            base = self.content.ctypes.data
            return self.content, [column.data.ctypes.data - base for column in self.values]
        places = np.cumsum([0, *(len(column.data) for column in self.values)]).tolist()
        content = np.concatenate([column.data for column in self.values]) if self.values else np.zeros(1, np.uint8)
        return frozen(content), places[:-1]


@part
def _run_end(data: Bytes, p: int, e: int) -> tuple[int, bool]:
    """Return where the run of [A-Za-z0-9_.-] at `p` ends, and whether it has a digit."""
    numbers = np.uint64(0)
    while p < e:
        x = eight(data, p)
        size = min(leading(~in_run(x) & HIGHS), e - p)
        numbers |= digits(x) & below(size)
        p += size
        if size < 8:
            break
    return p, numbers != 0


@part
def _outline(data: Bytes, p: int, e: int, texts: Bytes, o: int, begins: Ints, ends: Ints) -> int:
    """Write the text of the template of data[p:e] from place `o`, list its fixed parts; return how many blanks, -1: it has none."""
    n = 0
    begins[0] = o
    while p < e:
        end, number = _run_end(data, p, e)
        if end == p:
            if data[p] == BLANK:
                return -1
            texts[o] = data[p]
            o += 1
            p += 1
        elif number:
            if n == MOST_BLANKS:
                return -1
            ends[n] = o
            texts[o] = BLANK
            o += 1
            n += 1
            begins[n] = o
            p = end
        else:
            o = copy(texts, o, data, p, end)
            p = end
    ends[n] = o
    return n


@kernel
def _part(  # noqa: C901, PLR0912  # a kernel stays in one piece
    data: Bytes, at: Table, tids: Table, codes: Table, texts: Bytes, text_at: Table, values: Bytes, values_at: Table, columns: int,
    plain: Bytes, plain_at: Table, spans: Ints, places: Ints,
) -> tuple[int, int]:  # fmt: skip
    """Take messages apart; `spans` (4, MOST_BLANKS + 1) and `places` (columns) are scratch. Return texts and the most blanks."""
    begins, ends, from_, to = spans[0], spans[1], spans[2], spans[3]
    room = len(values) // columns
    count, most, blanks, template, pos, left = 1, 0, -1, 0, 0, 0
    text_at[0] = text_at[1] = 0
    plain_at[0] = 0
    for c in range(columns):
        places[c] = 0
        values_at[c, 0] = 0
    for i in range(len(tids)):
        s, e = wide(at[i]), wide(at[i + 1])
        codes[i] = 0
        fits = tids[i] != 0
        if fits and tids[i] != template:
            template = tids[i]
            blanks = _outline(data, s, e, texts, pos, begins, ends)
            if blanks >= 0:
                pos = ends[blanks]
                count += 1
                text_at[count] = pos
        fits = fits and blanks >= 0
        if fits:
            p = s
            for k in range(blanks + 1):
                size = ends[k] - begins[k]
                if p + size > e or not same(data, p, texts, begins[k], size):
                    fits = False
                    break
                p += size
                if k < blanks:
                    end, number = _run_end(data, p, e)
                    if not number:
                        fits = False
                        break
                    from_[k], to[k] = p, end
                    p = end
            fits = fits and p == e
        if fits:
            codes[i] = count - 1
            most = max(most, blanks)
            for k in range(blanks):
                c = min(k, columns - 1)
                o = c * room + places[c]
                if k > c:
                    values[o] = BLANK
                    o += 1
                places[c] = copy(values, o, data, from_[k], to[k]) - c * room
        else:
            left = copy(plain, left, data, s, e)
        plain_at[i + 1] = left
        for c in range(columns):
            values_at[c, i + 1] = places[c]
    return count, most


class Scratch:
    """Room for taking messages apart, used again and again: for messages of so many bytes together."""

    def __init__(self, size: int) -> None:
        """Make room; memory is touched where it is used."""
        self.room = size + 64
        self.texts, self.plain = np.empty(self.room, np.uint8), np.empty(self.room, np.uint8)
        self.values = np.empty(COLUMNS * self.room, np.uint8)
        self.spans, self.places = np.empty((4, MOST_BLANKS + 1), np.int64), np.empty(COLUMNS, np.int64)


def parted(data: Bytes, at: Table, tids: Table, scratch: Scratch) -> Parted:
    """Take messages apart: message i is data[at[i]:at[i + 1]], its template tids[i] (0: none). Those of a template stand together."""
    n, room = len(tids), scratch.room
    codes, text_at, plain_at = np.empty(n, np.int32), np.empty(n + 2, np.int64), np.empty(n + 1, np.int32)
    values_at = np.empty((COLUMNS, n + 1), np.int32)
    texts, values, plain = scratch.texts, scratch.values, scratch.plain
    count, most = _part(
        data, at, tids, codes, texts, text_at, values, values_at, COLUMNS, plain, plain_at, scratch.spans, scratch.places
    )  # fmt: skip
    used = range(min(most, COLUMNS))
    columns = [Slices(frozen(values[c * room : c * room + int(values_at[c, n])].copy()), frozen(values_at[c].copy())) for c in used]
    fixed = Slices(frozen(texts[: int(text_at[count])].copy()), frozen(text_at[: count + 1].astype(np.int32)))
    return Parted(frozen(codes), fixed, columns, Slices(frozen(plain[: int(plain_at[n])].copy()), frozen(plain_at)))


@kernel
def _outlines(texts: Bytes, at: Table, first: Ints, begins: Ints, ends: Ints) -> None:
    """List the fixed parts of every text: those of text t from first[t] on."""
    n = 0
    for t in range(len(at) - 1):
        first[t] = n
        begins[n] = at[t]
        for p in range(at[t], at[t + 1]):
            if texts[p] == BLANK:
                ends[n] = p
                n += 1
                begins[n] = p + 1
        ends[n] = at[t + 1]
        n += 1
    first[len(at) - 1] = n


@kernel
def _measure(codes: Table, text_at: Table, first: Ints, starts: Ints, ends: Ints, plain: Ints, out: Table) -> int:
    total = 0
    out[0] = 0
    columns = len(starts)
    for i in range(len(codes)):
        t = codes[i]
        total += plain[1, i] - plain[0, i] + wide(text_at[t + 1]) - wide(text_at[t])
        blanks = first[t + 1] - first[t] - 1
        used = min(blanks, columns)
        for c in range(used):
            total += ends[c, i] - starts[c, i]
        total -= used  # the text holds a byte for each, and so do the values of the last column between two
        total -= 2 * (blanks - used)
        out[i + 1] = total
    return total


@kernel
def _join(
    codes: Table, texts: Bytes, first: Ints, begins: Ints, stops: Ints, values: Bytes, starts: Ints, ends: Ints, plain: Bytes,
    plain_at: Ints, at: Table, out: Bytes,
) -> None:  # fmt: skip
    columns = len(starts)
    for i in range(len(codes)):
        t = codes[i]
        o = copy(out, wide(at[i]), plain, plain_at[0, i], plain_at[1, i])
        p = end = 0
        blanks = first[t + 1] - first[t] - 1
        for k in range(blanks + 1):
            o = copy(out, o, texts, begins[first[t] + k], stops[first[t] + k])
            if k == blanks:
                break
            c = min(k, columns - 1)
            p = end + 1 if k > c else starts[c, i]
            end = ends[c, i]
            if k >= columns - 1 and blanks > columns:
                q = p
                while q < end and values[q] != BLANK:
                    q += 1
                end = q
            o = copy(out, o, values, p, end)


def joined(parted: Parted, rows: Ints) -> Slices:
    """Return the messages of some rows again."""
    texts, values, plain = parted.texts, parted.values, parted.plain
    parts = len(texts) + int(np.count_nonzero(texts.data == BLANK))
    first, begins, stops = np.empty(len(texts) + 1, np.int64), np.empty(parts, np.int64), np.empty(parts, np.int64)
    _outlines(texts.data, texts.at, first, begins, stops)
    content, bases = parted.pieces()
    starts, ends = np.zeros((max(len(values), 1), len(rows)), np.int64), np.zeros((max(len(values), 1), len(rows)), np.int64)
    for c, (column, base) in enumerate(zip(values, bases, strict=True)):
        starts[c], ends[c] = column.at[rows], column.at[rows + 1]
        starts[c] += base
        ends[c] += base
    plain_at = np.stack((plain.at[rows], plain.at[rows + 1])).astype(np.int64)
    codes, at = parted.codes[rows], np.empty(len(rows) + 1, np.int32)
    out = np.empty(_measure(codes, texts.at, first, starts, ends, plain_at, at), np.uint8)
    _join(codes, texts.data, first, begins, stops, content, starts, ends, plain.data, plain_at, at, out)
    return Slices(out, at)


def dump(parted: Parted) -> bytes:
    """Return what stands in the blanks, and the messages that were kept whole, as bytes: docs/formats/segment.md."""
    pieces = [np.uint32(len(parted.values)).tobytes()]
    for column in (*parted.values, parted.plain):
        lengths = np.diff(column.at)
        most = int(lengths.max(initial=0))
        kind = next(kind for kind in WIDTHS if most <= np.iinfo(kind).max)
        pieces.append(np.array([np.dtype(kind).itemsize, len(column.data)], "<u4").tobytes())
        pieces += [lengths.astype(kind).tobytes(), column.data.tobytes()]
    return b"".join(pieces)


def load(content: Bytes, rows: int) -> tuple[list[Slices], Slices]:
    """Return the columns of blanks and the messages kept whole from such bytes. Raises ValueError, IndexError."""
    count = int(content[:4].view("<u4")[0])
    found, place = [], 4
    for _ in range(count + 1):
        width, size = content[place : place + 8].copy().view("<u4").tolist()
        place += 8
        at = np.zeros(rows + 1, np.int32)
        np.cumsum(content[place : place + rows * width].copy().view(f"<u{width}"), out=at[1:])
        place += rows * width
        if int(at[rows]) != size or place + size > len(content):
            raise ValueError("the lengths of what stands in the blanks do not fit")
        found.append(Slices(content[place : place + size], frozen(at)))
        place += size
    return found[:-1], found[-1]
