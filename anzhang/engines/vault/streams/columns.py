"""Columns of an event stream, made without a Python object per row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from anzhang.engines.vault.encodings import GB18030
from anzhang.engines.vault.jit import Bytes, Ints, Table
from anzhang.engines.vault.streams import matcher
from anzhang.engines.vault.streams.program import Programs
from anzhang.engines.vault.text import decode, normalise


@dataclass(frozen=True)
class Coded:
    """A column as one code per row and the values the codes stand for."""

    codes: Ints
    values: list[bytes]


def _whole(table: pa.Table, name: str) -> pa.Array:
    """Return a column in one piece; `combine_chunks` would copy even the one that is."""
    column = table.column(name)
    if column.num_chunks == 1:
        return column.chunk(0)
    return pa.concat_arrays(column.unify_dictionaries().chunks) if column.num_chunks else pa.array([], column.type)


def coded(table: pa.Table, name: str) -> Coded:
    """Return a binary column, coded; null counts as empty."""
    column = _whole(table, name)
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    values = column.dictionary.to_pylist()
    indices = column.indices
    if indices.null_count:
        indices = indices.fill_null(len(values))
        values = [*values, b""]
    return Coded(indices.to_numpy(zero_copy_only=False).astype(np.int64), values)


@dataclass(frozen=True)
class Captured:
    """What patterns captured. rows: the rows of the table that one fits; which: the pattern; spans: places per slot in `data`, UTF-8."""

    rows: Ints
    which: Ints
    data: Bytes
    spans: Table

    def text(self, slot: int) -> pa.Array:
        """Return what a group captured; empty or absent is null."""
        starts, ends, n = self.spans[2 * slot], self.spans[2 * slot + 1], len(self.rows)
        offsets, valid = np.empty(n + 1, np.int32), np.zeros((n + 7) // 8, np.uint8)
        out = np.empty(matcher.measure(starts, ends, offsets, valid), np.uint8)
        matcher.copy(self.data, starts, offsets, out)
        return pa.Array.from_buffers(pa.string(), n, [pa.py_buffer(valid), pa.py_buffer(offsets), pa.py_buffer(out)])

    def number(self, slot: int, most: int, default: int) -> Table:
        """Return what a group of digits captured, as at most `most`."""
        out = np.empty(len(self.rows), np.int32)
        matcher.numbers(self.data, self.spans[2 * slot], self.spans[2 * slot + 1], most, default, out)
        return out


def capture(programs: Programs, slots: int, table: pa.Table, rows: Ints, enc: Table, begin: Ints, end: Ints) -> Captured:
    """Run the patterns begin[i]..end[i] over the message of row rows[i]."""
    message = _whole(table, "msg")
    bounds = np.frombuffer(message.buffers()[1] or bytes(4), np.int32)[message.offset : message.offset + len(message) + 1].astype(np.int64)
    data = np.frombuffer(message.buffers()[2] or b"\0", np.uint8)
    data, starts, ends = normalise(data, bounds[rows], bounds[rows + 1], enc[rows])
    data = data.view()
    data.flags.writeable = False  # as Arrow's own bytes are, so that the kernels are compiled for one kind
    fits, which, spans = np.empty(len(rows), np.int64), np.empty(len(rows), np.int64), np.empty((2 * slots, len(rows)), np.int32)
    n = matcher.fit(
        data, starts, ends, begin, end, programs.code, programs.sets, programs.pool, programs.entry, programs.first, fits, which, spans
    )
    return Captured(rows[fits[:n]], which[:n], data, spans[:, :n])


def constant(value: str, count: int) -> pa.Array:
    """Return one value `count` times, dictionary-coded."""
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int8)), pa.array([value], pa.string()))


def chosen(values: list[str], which: Ints) -> pa.Array:
    """Return values[which[i]], dictionary-coded."""
    distinct = list(dict.fromkeys(values))
    numbers = np.array([distinct.index(value) for value in values], np.int32)
    return pa.DictionaryArray.from_arrays(pa.array(numbers[which]), pa.array(distinct, pa.string()))


def texts(column: Coded, rows: Ints, enc: Table) -> pa.Array:
    """Return a column of bytes as text, dictionary-coded; `enc` is the encoding of each of the rows."""
    distinct: dict[str, int] = {}
    numbers = np.empty((len(column.values), 2), np.int32)
    for code, value in enumerate(column.values):
        for encoding in (0, GB18030):
            numbers[code, encoding] = distinct.setdefault(decode(value, encoding), len(distinct))
    return pa.DictionaryArray.from_arrays(pa.array(numbers[column.codes[rows], enc]), pa.array(list(distinct), pa.string()))


def integers(values: Table, missing: int) -> pa.Array:
    """Return numbers as int32, `missing` being null."""
    return pa.array(values.astype(np.int32), pa.int32(), mask=values == missing)
