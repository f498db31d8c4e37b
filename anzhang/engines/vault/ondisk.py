"""The rows of a segment on disk, smaller than as they are worked with, and back. The columns are in docs/formats/segment.md.

On disk a message is the text of its template and what stands in the blanks (`messages`), and a time stamp counts whole units of the
fraction that the line wrote. Segments of the older form have neither and are read as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from anzhang.engines.vault.jit import Ints, frozen
from anzhang.engines.vault.messages import Parted, Slices, joined, parted

GROUP_ROWS = 32_768
CODED = ["source", "address", "host", "app", "msgid", "sd", "hdr", "template"]  # on disk, where they are so at the seal
_DELTA = ("tick", "rts", "seq", "pid")
_LENGTHS = "DELTA_LENGTH_BYTE_ARRAY"
_NEEDS = {"ts": ("tick", "form", "rts"), "msg": ("template", "msg")}
_UNITS = np.array([1_000_000 // 10 ** min(form % 10 if form >= 10 else 0, 6) for form in range(40)], np.int64)  # µs


def write(packed: pa.Table, path: Path) -> None:
    """Write rows.parquet from what `pack` gives: zstd 1, row groups of 32,768, each with the dictionary values that it uses."""
    values = [name for name in packed.column_names if name[0] == "v"]
    coded = [field.name for field in packed.schema if pa.types.is_dictionary(field.type)]
    with pq.ParquetWriter(
        path, packed.schema, compression="zstd", compression_level=1, use_dictionary=coded, store_schema=False,
        column_encoding={**dict.fromkeys(_DELTA, "DELTA_BINARY_PACKED"), **dict.fromkeys(values, _LENGTHS)},
        write_statistics=["rts", "seq", "blk", "tid"],
    ) as writer:  # fmt: skip
        for begin in range(0, packed.num_rows, GROUP_ROWS):
            writer.write_table(_compact(packed.slice(begin, GROUP_ROWS)), row_group_size=GROUP_ROWS)


def pack(table: pa.Table) -> pa.Table:
    """Return rows as they lie on disk."""
    form = table["form"].to_numpy()
    micros = table["ts"].cast(pa.int64()).to_numpy()
    split = _parted(table)
    columns = {}
    for name in table.column_names:
        if name == "ts":
            columns["tick"] = pa.array(np.where(form == 0, 0, micros // _UNITS[form]))
        elif name == "msg":
            columns["template"] = pa.DictionaryArray.from_arrays(pa.array(split.codes), binary(split.texts))
            columns |= {f"v{k}": binary(column) for k, column in enumerate(split.values)}
            columns["msg"] = binary(split.plain)
        else:
            columns[name] = table[name].chunk(0) if table[name].num_chunks == 1 else table[name].combine_chunks()
    nullable = {field.name for field in table.schema if field.nullable}
    fields = [pa.field(name, column.type, nullable=name in nullable) for name, column in columns.items()]
    return pa.Table.from_arrays(list(columns.values()), schema=pa.schema(fields))


def _parted(table: pa.Table) -> Parted:
    messages = slices(table["msg"].combine_chunks())
    return parted(messages.data, messages.at, frozen(table["tid"].to_numpy()))


def _compact(table: pa.Table) -> pa.Table:
    """Return rows with dictionaries of just the values that they use."""
    columns = []
    for field, column in zip(table.schema, table.columns, strict=True):
        if not pa.types.is_dictionary(field.type):
            columns.append(column)
            continue
        coded = column.chunk(0)
        codes = coded.indices.to_numpy()
        used = np.zeros(len(coded.dictionary), np.bool_)
        used[codes] = True
        new = np.cumsum(used, dtype=np.int32) - np.int32(1)
        columns.append(pa.DictionaryArray.from_arrays(pa.array(new[codes]), coded.dictionary.take(pa.array(np.flatnonzero(used)))))
    return pa.Table.from_arrays(columns, schema=table.schema)


def binary(slices_: Slices) -> pa.Array:
    """Return slices as a binary column."""
    at = np.ascontiguousarray(slices_.at, np.int32)
    return pa.Array.from_buffers(pa.binary(), len(slices_), [None, pa.py_buffer(at), pa.py_buffer(slices_.data)])


def slices(column: pa.Array) -> Slices:
    """Return a binary column as slices, nulls being empty."""
    _, offsets, data = column.buffers()
    at = np.frombuffer(offsets, np.int32)[column.offset : column.offset + len(column) + 1] if len(column) else np.zeros(1, np.int32)
    content = np.frombuffer(data, np.uint8) if data is not None and data.size else np.zeros(1, np.uint8)
    return Slices(frozen(content), frozen(np.ascontiguousarray(at)))


class Sized(Protocol):
    """What knows how many bytes it takes."""

    size: int


T = TypeVar("T", bound=Sized)


class Group:
    """A block of rows: of a row group, or of lines that are not sealed. What was read once is kept."""

    def __init__(self, names: Sequence[str], rows: int, read: Callable[[list[str]], pa.Table]) -> None:
        """Take the names of the columns as they lie on disk, and what reads some of them."""
        self.names, self.rows = names, rows
        self._read, self._kept, self._made, self.size = read, dict[str, pa.ChunkedArray](), dict[str, Sized](), 0

    @classmethod
    def of(cls, table: pa.Table) -> Group:
        """Return rows that are as they are worked with."""
        return cls(table.column_names, table.num_rows, table.select)

    def stored(self, names: Iterable[str]) -> pa.Table:
        """Return columns as they lie on disk."""
        wanted = set(names)
        asked = [name for name in self.names if name in wanted]
        missing = [name for name in asked if name not in self._kept]
        if missing:
            read = self._read(missing)
            self._kept.update({name: read[name] for name in missing})
            self.size += read.nbytes
        return pa.table({name: self._kept[name] for name in asked})

    def keep(self, name: str, make: Callable[[], T]) -> T:
        """Return what was made of the block, making it once; its `size` counts as the block's."""
        made = self._made.get(name)
        if made is None:
            made = self._made[name] = make()
            self.size += made.size
        return cast("T", made)

    def whole(self, columns: Collection[str], rows: Ints | None = None) -> pa.Table:
        """Return columns of all rows, or of some, as they are worked with."""
        packed = self.stored(_of(columns, self.names))
        return whole(packed if rows is None else packed.take(pa.array(rows)), columns)


def open_file(source: Any, metadata: Any = None) -> pq.ParquetFile:
    """Return rows.parquet (a path or a buffer) opened so that dictionaries stay dictionaries."""
    return pq.ParquetFile(source, metadata=metadata, read_dictionary=CODED)


def read(path: Path, columns: Collection[str] | None = None) -> pa.Table:
    """Return all rows of a file. Raises OSError, pa.ArrowException."""
    with open_file(path) as file:
        return (
            pa.concat_tables([read_group(file, k, columns) for k in range(file.num_row_groups)] or [whole(file.read(), columns)])
            .unify_dictionaries()
            .combine_chunks()
        )


def read_group(file: pq.ParquetFile, k: int, columns: Collection[str] | None = None) -> pa.Table:
    """Return a row group of an opened file as it is worked with."""
    return whole(stored(file, k, columns), columns)


def stored(file: pq.ParquetFile, k: int, columns: Collection[str] | None = None) -> pa.Table:
    """Return of a row group, as it lies on disk, what the columns are made of."""
    names = file.schema_arrow.names
    return file.read_row_group(k, columns=None if columns is None else _of(columns, names), use_threads=False)


def _of(columns: Iterable[str], names: Sequence[str]) -> list[str]:
    if "tick" not in names:
        return [name for name in names if name in set(columns)]
    wanted = {each for name in columns for each in _NEEDS.get(name, (name,))}
    if "msg" in columns:
        wanted |= {name for name in names if name[0] == "v"}
    return [name for name in names if name in wanted]


def whole(packed: pa.Table, columns: Collection[str] | None = None) -> pa.Table:
    """Return rows as they are worked with; `columns` None is all of them."""
    names = packed.column_names
    made = {}
    for name in names:
        if name == "tick":
            made["ts"] = instants(packed)
        elif name == "template":
            made["msg"] = binary(messages(packed))
        elif name[0] != "v" and name not in made:
            made[name] = packed[name]
    if columns is not None:
        made = {name: made[name] for name in made if name in set(columns)}
    fields = [pa.field(name, column.type, nullable=name in ("pri", "pid")) for name, column in made.items()]
    return pa.Table.from_arrays(list(made.values()), schema=pa.schema(fields))


def instants(packed: pa.Table) -> pa.Array:
    """Return the time stamps of rows as they lie on disk."""
    form, ticks = packed["form"].to_numpy(), packed["tick"].to_numpy()
    found: Ints = ticks * _UNITS[form]
    if not form.all():
        found = np.where(form == 0, packed["rts"].cast(pa.int64()).to_numpy(), found)
    return pa.array(found, pa.timestamp("us", "UTC"))


def messages(packed: pa.Table) -> Slices:
    """Return the messages of rows as they lie on disk."""
    coded = _one(packed["template"])
    values = [slices(_one(packed[name])) for name in packed.column_names if name[0] == "v"]
    return joined(frozen(coded.indices.to_numpy().astype(np.int32)), slices(coded.dictionary), values, slices(_one(packed["msg"])))


def _one(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.unify_dictionaries().combine_chunks()
