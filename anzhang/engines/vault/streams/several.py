"""Records that go on over further lines of the same source, put together within a bounded window."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from anzhang.engines.vault.block import Block
from anzhang.engines.vault.jit import Ints, Table
from anzhang.engines.vault.streams import columns
from anzhang.engines.vault.streams.language import Several
from anzhang.engines.vault.streams.texts import Texts
from anzhang.engines.vault.text import decode

WINDOW = 16  # lines of others that may stand between two of a record, per line of it
MOST_BYTES = 1 << 18
CHUNK = 32
TAB = 9


def joined(rule: Several, texts: Texts, rows: Ints, table: pa.Table, state: Table) -> tuple[Texts, Ints]:
    """Return texts with what follows them, and the lines taken: pairs (text, row).

    rows[i] is the row of text i; a line that begins another record, or that somebody has read, is never taken.
    """
    order = None
    if rule.until == "tab":
        if not len(indented := _indented(table)):
            return texts, np.empty((0, 2), np.int64)
        order = _Order(table)
        starting = np.flatnonzero(np.isin(rows, order.before(indented))).tolist()
    else:
        starting = [i for i in range(len(texts)) if _is_open(rule, texts.text(i))]
    if not starting:
        return texts, np.empty((0, 2), np.int64)
    order = order or _Order(table)
    begins = set(rows.tolist())
    made: list[bytes] = []
    changed: list[int] = []
    taken: list[tuple[int, int]] = []
    for i in starting:
        content, lines = _follow(rule, texts.text(i), int(rows[i]), order, begins, state)
        if lines:
            made.append(content)
            changed.append(i)
            taken += [(i, row) for row in lines]
    return texts.replaced(np.array(changed, np.int64), made), np.array(taken, np.int64).reshape(-1, 2)


def _is_open(rule: Several, text: bytes) -> bool:
    return rule.until == "blank" or text.count(b'"') % 2 == 1


def _follow(rule: Several, text: bytes, row: int, order: _Order, begins: set[int], state: Table) -> tuple[bytes, list[int]]:
    parts, size = [text], len(text)
    lines: list[int] = []
    quotes = text.count(b'"')
    for other in order.after(row, rule.most * WINDOW):
        if len(lines) == rule.most or size > MOST_BYTES or (other in begins and rule.until == "blank"):
            break
        line = order.line(other)
        if rule.until == "tab":
            if not line.startswith(b"\t"):
                break
            line = line[1:]
        if rule.until == "blank" and line and line[:1] not in (b"\t", b" "):
            break
        if state[other] and rule.until == "blank":
            break
        lines.append(other)
        parts.append(line)
        size += len(line)
        quotes += line.count(b'"')
        if (rule.until == "quotes" and quotes % 2 == 0) or (rule.until == "blank" and not line):
            return b"\n".join(parts), lines
    if rule.until == "quotes":
        return text, []  # it never closes: not one line more is taken
    return b"\n".join(parts), lines


def _indented(table: pa.Table) -> Ints:
    """Return the rows without a header that begin with a tab."""
    data, bounds = columns.bytes_of(columns.whole(table, "msg"))
    bare = np.flatnonzero(Block(table).numbers("kind") == 0)
    bare = bare[bounds[bare] < bounds[bare + 1]]
    found: Ints = bare[data[bounds[bare]] == TAB]
    return found


class _Order:
    """The rows of a segment in order of arrival, of each sender apart."""

    def __init__(self, table: pa.Table) -> None:
        seq = Block(table).numbers("seq")
        self.place = np.argsort(seq, kind="stable")
        self.rank = np.empty(len(seq), np.int64)
        self.rank[self.place] = np.arange(len(seq))
        source, address = columns.coded(table, "source"), columns.coded(table, "address")
        self.sender = source.codes * (len(address.values) + 1) + address.codes
        self.table = table
        block = Block(table)
        self.kind, self.enc = block.numbers("kind"), block.numbers("enc")
        message = columns.whole(table, "msg")
        self.bounds = np.frombuffer(message.buffers()[1] or bytes(4), np.int32)[message.offset : message.offset + len(message) + 1]
        self.data = np.frombuffer(message.buffers()[2] or b"\0", np.uint8)

    def after(self, row: int, most: int) -> Iterator[int]:
        """Yield the next rows of the sender of a row, looking at most at `most` lines."""
        begin = int(self.rank[row]) + 1
        for place in range(begin, begin + most, CHUNK):
            found = self.place[place : min(place + CHUNK, begin + most)]
            yield from found[self.sender[found] == self.sender[row]].tolist()

    def before(self, rows: Ints) -> Ints:
        """Return the line before each of some rows, of the same sender, where there is one."""
        by_sender = np.lexsort((self.rank, self.sender))
        place = np.empty(len(by_sender), np.int64)
        place[by_sender] = np.arange(len(by_sender))
        rows = rows[place[rows] > 0]
        before = by_sender[place[rows] - 1]
        of_same: Ints = before[self.sender[before] == self.sender[rows]]
        return of_same

    def line(self, row: int) -> bytes:
        """Return a line as UTF-8. What goes on has no header as a rule, and then its message is all of it."""
        message = self.data[self.bounds[row] : self.bounds[row + 1]].tobytes()
        content = Block(self.table.slice(row, 1)).line(0) if self.kind[row] else message
        return content if content.isascii() else decode(content, int(self.enc[row])).encode()
