"""Columns of an event stream, made without a Python object per row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from anzhang.engines.vault.encodings import GB18030
from anzhang.engines.vault.jit import Ints, Table, frozen
from anzhang.engines.vault.text import decode


@dataclass(frozen=True)
class Coded:
    """A column as one code per row and the values the codes stand for."""

    codes: Ints
    values: list[bytes]


def whole(table: pa.Table, name: str) -> pa.Array:
    """Return a column in one piece; `combine_chunks` would copy even the one that is."""
    column = table.column(name)
    if column.num_chunks == 1:
        return column.chunk(0)
    return pa.concat_arrays(column.unify_dictionaries().chunks) if column.num_chunks else pa.array([], column.type)


def coded(table: pa.Table, name: str) -> Coded:
    """Return a binary column, coded; null counts as empty."""
    column = whole(table, name)
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    values = column.dictionary.to_pylist()
    indices = column.indices
    if indices.null_count:
        indices = indices.fill_null(len(values))
        values = [*values, b""]
    return Coded(indices.to_numpy(zero_copy_only=False).astype(np.int64), values)


def constant(value: str, count: int) -> pa.Array:
    """Return one value `count` times, dictionary-coded."""
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int8)), pa.array([value], pa.string()))


def chosen(values: list[str], which: Ints) -> pa.Array:
    """Return values[which[i]], dictionary-coded; an empty value is null."""
    distinct = [value for value in dict.fromkeys(values) if value]
    numbers = np.array([distinct.index(value) if value else -1 for value in values], np.int32)[which]
    absent = numbers < 0
    return pa.DictionaryArray.from_arrays(pa.array(numbers, mask=absent if absent.any() else None), pa.array(distinct, pa.string()))


def decoded(column: pa.Array) -> pa.Array:
    """Return a column that is not dictionary-coded."""
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def first_of(told: Sequence[pa.Array]) -> pa.Array:
    """Return for each row the first value that there is."""
    return told[0] if len(told) == 1 else pc.coalesce(*map(decoded, told))


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


def bytes_of(column: pa.Array) -> tuple[Table, Table]:
    """Return the bytes of a string column that is not dictionary-coded, and its n + 1 bounds in them; a null has none."""
    bounds = np.frombuffer(column.buffers()[1] or bytes(4), np.int32)[column.offset : column.offset + len(column) + 1]
    return frozen(np.frombuffer(column.buffers()[2] or b"\0", np.uint8)), frozen(bounds)
