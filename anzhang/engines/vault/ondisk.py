"""The rows of a segment on disk, smaller than as they are worked with, and back. The columns are in docs/formats/segment.md.

On disk a message is the text of its template and what stands in the blanks (`messages`), and a time stamp counts whole units of the
fraction that the line wrote. Segments of the older form have neither and are read as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from anzhang.engines.vault.jit import Ints, frozen
from anzhang.engines.vault.messages import Parted, Scratch, Slices, dump, joined, load, parted

GROUP_ROWS = 32_768
COLUMNS = (
    *("ts", "rts", "seq", "source", "address", "pri", "kind", "lay", "form", "off", "flags", "term", "enc"),
    *("host", "app", "pid", "msgid", "sd", "msg", "hdr", "tid", "blk"),
)
CODED = ["source", "address", "host", "app", "msgid", "sd", "hdr", "template"]  # on disk, where they are so at the seal
_DELTA = ("tick", "rts", "seq", "pid")
_NEEDS = {"ts": ("tick", "form", "rts"), "msg": ("template", "blanks")}
_NUMBERS = {
    **{name: pa.uint8() for name in ("kind", "lay", "form", "flags", "term", "enc")},
    "pri": pa.int16(),
    "off": pa.int16(),
    "tid": pa.int32(),
    "blk": pa.int32(),
}  # often the same in all rows of a group, and then not read
_UNITS = np.array([1_000_000 // 10 ** min(form % 10 if form >= 10 else 0, 6) for form in range(40)], np.int64)  # µs


@dataclass(frozen=True)
class Packed:
    """Rows as they lie on disk: the columns but for the messages, and the messages of each row group taken apart."""

    table: pa.Table
    split: list[Parted]


def pack(table: pa.Table) -> Packed:
    """Return rows, which are ordered by template, as they lie on disk."""
    form = table["form"].to_numpy()
    micros = table["ts"].cast(pa.int64()).to_numpy()
    columns = {name: table[name].combine_chunks() if table[name].num_chunks != 1 else table[name].chunk(0) for name in table.column_names}
    messages, tids = slices(columns.pop("msg")), frozen(columns["tid"].to_numpy())
    groups = [(begin, min(begin + GROUP_ROWS, table.num_rows)) for begin in range(0, table.num_rows, GROUP_ROWS)]
    scratch = Scratch(max((int(messages.at[end] - messages.at[begin]) for begin, end in groups), default=0))
    split = [parted(messages.data, messages.at[begin : end + 1], tids[begin:end], scratch) for begin, end in groups]
    columns["tick"] = pa.array(np.where(form == 0, 0, micros // _UNITS[form]))
    del columns["ts"]
    nullable = {field.name for field in table.schema if field.nullable}
    fields = [pa.field(name, column.type, nullable=name in nullable) for name, column in columns.items()]
    return Packed(pa.Table.from_arrays(list(columns.values()), schema=pa.schema(fields)), split)


def write(packed: Packed, path: Path) -> None:
    """Write rows.parquet: zstd 1, row groups of 32,768, each with the dictionary values that it uses."""
    table = packed.table
    coded = pa.dictionary(pa.int32(), pa.binary())
    schema = table.schema.append(pa.field("template", coded, nullable=False)).append(pa.field("blanks", pa.binary()))
    with pq.ParquetWriter(
        path, schema, compression="zstd", compression_level=1, store_schema=False,
        use_dictionary=[field.name for field in schema if pa.types.is_dictionary(field.type)],
        column_encoding={**dict.fromkeys(_DELTA, "DELTA_BINARY_PACKED"), "blanks": "PLAIN"}, write_statistics=["rts", "seq", *_NUMBERS],
    ) as writer:  # fmt: skip
        for begin, split in zip(range(0, table.num_rows, GROUP_ROWS), packed.split, strict=True):
            rows = len(split.codes)
            columns = [_compact(column.chunk(0)[begin : begin + rows]) for column in table.columns]
            columns.append(pa.DictionaryArray.from_arrays(pa.array(split.codes), binary(split.texts)))
            columns.append(_first(dump(split), rows))
            writer.write_table(pa.Table.from_arrays(columns, schema=schema), row_group_size=GROUP_ROWS)


def _compact(column: pa.Array) -> pa.Array:
    """Return a column whose dictionary has just the values that it uses."""
    if not pa.types.is_dictionary(column.type) or len(column.dictionary) == 1:
        return column
    codes = column.indices.to_numpy()
    used = np.zeros(len(column.dictionary), np.bool_)
    used[codes] = True
    new = np.cumsum(used, dtype=np.int32) - np.int32(1)
    return pa.DictionaryArray.from_arrays(pa.array(new[codes]), column.dictionary.take(pa.array(np.flatnonzero(used))))


def _first(content: bytes, rows: int) -> pa.Array:
    """Return a column of which the first row has some content, and no other any."""
    at, valid = np.full(rows + 1, len(content), np.int32), np.zeros((rows + 7) // 8, np.uint8)
    at[0], valid[0] = 0, 1
    return pa.Array.from_buffers(pa.binary(), rows, [pa.py_buffer(valid), pa.py_buffer(at), pa.py_buffer(content)])


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


def _alike(group: Any) -> dict[str, pa.Array]:
    """Return the columns of a row group of which every row is the same, as the footer says, each as one row."""
    found = {}
    for number in range(group.num_columns):
        column = group.column(number)
        name = column.path_in_schema
        if name in _NUMBERS and column.is_stats_set:
            said = column.statistics
            if said.has_min_max and said.min == said.max and said.null_count == 0:
                found[name] = pa.array([said.min], _NUMBERS[name])
    return found


def _repeated(one: pa.Array, rows: int) -> pa.Array:
    return pa.array(np.full(rows, one[0].as_py(), one.type.to_pandas_dtype()))


class Sized(Protocol):
    """What knows how many bytes it takes."""

    size: int


T = TypeVar("T", bound=Sized)


class Group:
    """A block of rows: of a row group, or of lines that are not sealed. What was read once is kept."""

    def __init__(
        self, names: Sequence[str], rows: int, read: Callable[[list[str]], pa.Table], alike: Mapping[str, pa.Array] | None = None
    ) -> None:  # fmt: skip
        """Take the names of the columns as they lie on disk, and what reads some of them; of those in `alike` every row is the same."""
        self.names, self.rows = names, rows
        self._read, self._alike = read, alike or {}
        self._kept, self._made, self.size = dict[str, pa.ChunkedArray](), dict[str, Sized](), 0

    @classmethod
    def of(cls, table: pa.Table) -> Group:
        """Return rows that are as they are worked with."""
        return cls(table.column_names, table.num_rows, table.select)

    def stored(self, names: Iterable[str]) -> pa.Table:
        """Return columns as they lie on disk."""
        wanted = set(names)
        asked = [name for name in self.names if name in wanted]
        missing = [name for name in asked if name not in self._kept]
        for name in missing:
            if name in self._alike:
                self._kept[name] = pa.chunked_array([_repeated(self._alike[name], self.rows)])
        missing = [name for name in missing if name not in self._alike]
        if missing:
            read = self._read(missing)
            self._kept.update({name: read[name] for name in missing})
            self.size += read.nbytes
        return pa.table({name: self._kept[name] for name in asked})

    @cached_property
    def split(self) -> Parted:
        """Return the messages taken apart. Raises pa.ArrowInvalid where they are not what `write` wrote."""
        packed = self.stored(["template", "blanks"])
        coded = packed["template"].chunk(0)
        content = packed["blanks"].chunk(0)[0].as_buffer()
        try:
            held = frozen(np.frombuffer(content or b"", np.uint8))
            values, plain = load(held, self.rows)
        except (ValueError, IndexError) as error:
            raise pa.ArrowInvalid(f"the blanks of a row group: {error}") from error
        codes = coded.indices.to_numpy().astype(np.int32)
        if len(codes) and not 0 <= codes.min() <= codes.max() < len(coded.dictionary):
            raise pa.ArrowInvalid("the templates of a row group are not those of its dictionary")
        self.size += 4 * self.rows * (len(values) + 2)
        return Parted(frozen(codes), slices(coded.dictionary), values, plain, held)

    def whole(self, columns: Collection[str], rows: Ints | None = None) -> pa.Table:
        """Return columns of all rows, or of some, as they are worked with."""
        packed = self.stored(_of(columns, self.names))
        if rows is not None:
            packed = packed.take(pa.array(rows))
        made = {}
        for name in packed.column_names:
            if name == "tick":
                made["ts"] = instants(packed)
            elif name == "template":
                made["msg"] = binary(joined(self.split, np.arange(self.rows) if rows is None else rows))
            elif name != "blanks":
                made[name] = packed[name]
        made = {name: made[name] for name in made if name in columns}
        fields = [pa.field(name, column.type, nullable=name in ("pri", "pid")) for name, column in made.items()]
        return pa.Table.from_arrays(list(made.values()), schema=pa.schema(fields))

    def keep(self, name: str, make: Callable[[], T]) -> T:
        """Return what was made of the block, making it once; its `size` counts as the block's."""
        made = self._made.get(name)
        if made is None:
            made = self._made[name] = make()
            self.size += made.size
        return cast("T", made)


def open_file(source: Any, metadata: Any = None) -> pq.ParquetFile:
    """Return rows.parquet (a path or a buffer) opened so that dictionaries stay dictionaries."""
    footer = metadata or pq.read_metadata(source)
    return pq.ParquetFile(source, metadata=footer, read_dictionary=[name for name in CODED if name in footer.schema.names])


def group(footer: Any, k: int, open_: Callable[[], AbstractContextManager[pq.ParquetFile]]) -> Group:
    """Return a row group of a file with this footer; `open_` opens the file whenever something of it is read."""

    def read(names: list[str]) -> pa.Table:
        with open_() as file:
            return file.read_row_group(k, columns=names, use_threads=False)

    described = footer.row_group(k)
    return Group(footer.schema.names, described.num_rows, read, _alike(described))


def read_group(file: pq.ParquetFile, k: int, columns: Collection[str] = COLUMNS) -> pa.Table:
    """Return a row group of an opened file as it is worked with."""
    return group(file.metadata, k, partial(nullcontext, file)).whole(columns)


def read(path: Path, columns: Collection[str] = COLUMNS) -> pa.Table:
    """Return all rows of a file. Raises OSError, pa.ArrowException."""
    with open_file(path) as file:
        return pa.concat_tables([read_group(file, k, columns) for k in range(file.num_row_groups)]).unify_dictionaries().combine_chunks()


def _of(columns: Collection[str], names: Sequence[str]) -> list[str]:
    if "tick" not in names:
        return [name for name in names if name in columns]
    wanted = {each for name in columns for each in _NEEDS.get(name, (name,))}
    return [name for name in names if name in wanted]


def instants(packed: pa.Table) -> pa.Array:
    """Return the time stamps of rows as they lie on disk."""
    form, ticks = packed["form"].to_numpy(), packed["tick"].to_numpy()
    found: Ints = ticks * _UNITS[form]
    if not form.all():
        found = np.where(form == 0, packed["rts"].cast(pa.int64()).to_numpy(), found)
    return pa.array(found, pa.timestamp("us", "UTC"))
