"""Rows read back: a table of the segment's columns, its original lines and their text."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from anzhang.engines.vault import render
from anzhang.engines.vault.intern import gather, gather_offsets
from anzhang.engines.vault.jit import Bytes, Ints, Table, frozen
from anzhang.engines.vault.ondisk import slices
from anzhang.engines.vault.scan import AHEAD
from anzhang.engines.vault.text import normalise

LINE_COLUMNS = ["ts", "pri", "kind", "lay", "form", "off", "enc", "host", "app", "pid", "msgid", "sd", "msg", "hdr"]


class Block:
    """Up to 32,768 rows of a segment (or of the unsealed end), as an Arrow table of some of its columns."""

    def __init__(self, table: pa.Table) -> None:
        """Take a table with at least the columns that will be asked for."""
        self.table = table

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def numbers(self, name: str, missing: int = -1) -> Table:
        """Return an integer or time column (µs); null is `missing`."""
        column = self.table.column(name).combine_chunks()
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.int64())
        found: Table = (column.fill_null(missing) if column.null_count else column).to_numpy(zero_copy_only=False)
        return found

    def values(self, name: str) -> pa.Array:
        """Return a binary column, plain."""
        column = self.table.column(name).combine_chunks()
        if isinstance(column, pa.ChunkedArray):
            column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
        return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column

    def coded(self, name: str) -> tuple[Table, pa.Array]:
        """Return a binary column as a code per row, and the values."""
        column = self.table.column(name).combine_chunks()
        if isinstance(column, pa.ChunkedArray):
            column = self.values(name)
        if not pa.types.is_dictionary(column.type):
            column = column.dictionary_encode()
        values, codes = column.dictionary, column.indices
        if codes.null_count:
            values, codes = pa.concat_arrays([values, pa.array([b""], values.type)]), codes.fill_null(len(values))
        return codes.to_numpy(zero_copy_only=False), values

    def holds(self, name: str, wanted: list[bytes]) -> Table:
        """Return a mask of the rows that have one of some values in a binary column."""
        codes, values = self.coded(name)
        found: Table = pc.is_in(values, pa.array(wanted, values.type)).to_numpy(zero_copy_only=False)[codes]
        return found

    @cached_property
    def at(self) -> Ints:
        """Return the event time that search uses, µs."""
        return np.where(self.numbers("flags") & AHEAD, self.numbers("rts"), self.numbers("ts"))

    @cached_property
    def lines(self) -> tuple[Bytes, Ints, Ints]:
        """Return the original lines: (data, starts, ends), without terminators."""
        n = len(self)
        columns = [slices(self.values(name)) for name in ("host", "app", "msgid", "sd", "msg", "hdr")]
        room = sum(int(each.at[-1] - each.at[0]) for each in columns) + n * render.ROOM
        out, starts, ends = np.empty(room, np.uint8), np.empty(n, np.int64), np.empty(n, np.int64)
        flat = [part for each in columns for part in (each.data, each.at)]
        used = render.lines(
            out, starts, ends, self._kernel("kind", np.uint8), self._kernel("lay", np.uint8), self._kernel("form", np.uint8),
            self._kernel("pri", np.int16), self._kernel("ts", np.int64), self._kernel("off", np.int16), self._kernel("pid", np.int32),
            *flat,
        )  # fmt: skip
        return out[:used], starts, ends

    def _kernel(self, name: str, kind: Any) -> Table:
        return frozen(np.ascontiguousarray(self.numbers(name), kind))

    @cached_property
    def text(self) -> tuple[Bytes, Ints, Ints]:
        """Return the lines as UTF-8 text."""
        return normalise(*self.lines, self.numbers("enc").astype(np.uint8))

    def texts(self) -> pa.Array:
        """Return the lines as an Arrow string array."""
        data, starts, ends = self.text
        order = np.arange(len(starts), dtype=np.int64)
        offsets = np.empty(len(starts) + 1, np.int32)
        out = np.empty(gather_offsets(starts, ends, order, offsets), np.uint8)
        gather(data, starts, order, offsets, out)
        return pa.Array.from_buffers(pa.string(), len(starts), [None, pa.py_buffer(offsets), pa.py_buffer(out)])

    def line(self, row: int) -> bytes:
        """Return one original line."""
        data, starts, ends = self.lines
        return data[starts[row] : ends[row]].tobytes()
