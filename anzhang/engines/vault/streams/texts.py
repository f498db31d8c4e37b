"""Texts that are being read: places in one buffer of UTF-8, and the fields that were found in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from anzhang.engines.vault.jit import Bytes, Ints, Table, frozen
from anzhang.engines.vault.streams import cleaning, matcher, splitters
from anzhang.engines.vault.streams.columns import bytes_of
from anzhang.engines.vault.streams.language import Step

_FOLD = str.maketrans("", "", "-_ ")


@dataclass(frozen=True)
class Texts:
    """One slice per row; `data` is read-only, as Arrow's own bytes are, so that kernels are compiled for one kind."""

    data: Bytes
    starts: Ints
    ends: Ints

    def __len__(self) -> int:
        return len(self.starts)

    def take(self, rows: Ints) -> Texts:
        """Return some of them."""
        return Texts(self.data, self.starts[rows], self.ends[rows])

    def text(self, row: int) -> bytes:
        """Return one of them."""
        return self.data[self.starts[row] : self.ends[row]].tobytes()

    def replaced(self, rows: Sequence[int] | Ints, texts: Iterable[bytes]) -> Texts:
        """Return the same with other texts in some rows."""
        made = list(texts)
        if not made:
            return self
        starts, ends = self.starts.copy(), self.ends.copy()
        place = len(self.data) + np.cumsum([0, *map(len, made)])
        starts[rows], ends[rows] = place[:-1], place[1:]
        return Texts(frozen(np.concatenate((self.data, np.frombuffer(b"".join(made) or b"\0", np.uint8)))), starts, ends)

    def array(self) -> pa.Array:
        """Return them as a string column; empty or absent is null."""
        n = len(self)
        offsets, valid = np.empty(n + 1, np.int32), np.zeros((n + 7) // 8, np.uint8)
        out = np.empty(matcher.measure(self.starts, self.ends, offsets, valid), np.uint8)
        matcher.copy(self.data, self.starts, offsets, out)
        return pa.Array.from_buffers(pa.string(), n, [pa.py_buffer(valid), pa.py_buffer(offsets), pa.py_buffer(out)])


def of_array(column: pa.Array) -> Texts:
    """Return a string column as texts; null is empty."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if column.null_count:
        column = column.fill_null("")
    data, found = bytes_of(column)
    bounds = found.astype(np.int64)
    return Texts(data, bounds[:-1], bounds[1:])


@dataclass(frozen=True)
class Names:
    """The names a splitter looks for: slot k is every field of spellings[k]; `keys` and `slots` are a hash table of their folded forms."""

    spellings: tuple[tuple[str, ...], ...]
    keys: Table
    slots: Table

    @classmethod
    def of(cls, names: Iterable[str], *, exact: bool) -> Names:
        """Make the hash table."""
        told: dict[str, list[str]] = {}
        for name in sorted(names):
            told.setdefault(name if exact else name.translate(_FOLD).lower(), []).append(name)
        size = 16
        while size < 4 * len(told):
            size *= 2
        keys, slots = np.zeros(size, np.uint64), np.full(size, -1, np.int32)
        content = [name.encode() for name in told]
        at = np.cumsum([0, *map(len, content)]).astype(np.int64)
        data = frozen(np.frombuffer(bytearray(b"".join(content) or b"\0"), np.uint8))
        splitters.table_of(data, at[:-1], at[1:], np.arange(len(told), dtype=np.int64), int(exact), keys, slots)
        return cls(tuple(map(tuple, told.values())), keys, slots)


def split(step: Step, names: Names, texts: Texts) -> tuple[dict[str, pa.Array], Ints]:
    """Return the fields of texts by a step that is no pattern, and how many each had; 0 does not fit."""
    n = len(texts)
    wanted = names.spellings
    spans, marks = np.full((2 * len(wanted), n), -1, np.int64), np.zeros((len(wanted), n), np.uint8)
    found = np.zeros(n, np.int64)
    if step.form == "json":
        splitters.documents(texts.data, texts.starts, texts.ends, names.keys, names.slots, spans, marks, found)
        undo: Callable[[bytes], bytes] = _json_text
    elif step.form == "pairs":
        splitters.pairs(
            texts.data, texts.starts, texts.ends, _flags(step.signs), _flags(step.stops), int(step.nested), int(step.exact), names.keys,
            names.slots, spans, marks, found,
        )  # fmt: skip
        undo = _backslashes
    else:
        slot_of = np.array([next((k for k, spelled in enumerate(wanted) if name in spelled), -1) for name in step.names], np.int64)
        splitters.values(texts.data, texts.starts, texts.ends, ord(step.separator), ord(step.quote), slot_of, spans, marks, found)
        undo = _doubled if step.quote == '"' else _backslashes
    fields: dict[str, pa.Array] = {}
    for slot, spelled in enumerate(wanted):
        starts, ends = spans[2 * slot], spans[2 * slot + 1]
        if (ends > starts).any():
            column = _column(Texts(texts.data, starts, ends), marks[slot], undo, encoded=spelled[0] in step.encoded)
            fields |= dict.fromkeys(spelled, column)
    return fields, found


def _column(slices: Texts, marks: Table, undo: Callable[[bytes], bytes], *, encoded: bool) -> pa.Array:
    rows = np.flatnonzero(marks & splitters.ESCAPED)
    slices = slices.replaced(rows, [undo(slices.text(int(row))) for row in rows])
    column = slices.array()
    if not encoded:
        return column
    bare = marks & splitters.BARE != 0
    decoded = cleaning.each(column.filter(pa.array(bare)), cleaning.hexadecimal)
    return pc.replace_with_mask(column, pa.array(bare), decoded)


def _flags(characters: str) -> Table:
    found = np.zeros(256, np.uint8)
    found[list(characters.encode())] = 1
    return found


def _json_text(content: bytes) -> bytes:
    try:
        text: str = orjson.loads(b'"' + content + b'"')
    except orjson.JSONDecodeError:
        return cleaning.unescape(content.decode("utf-8", "replace")).encode()  # nginx writes \xHH into JSON
    return text.encode()


def _doubled(content: bytes) -> bytes:
    return content.replace(b'""', b'"')


def _backslashes(content: bytes) -> bytes:
    out, place = bytearray(), 0
    while (found := content.find(b"\\", place)) >= 0 and found + 1 < len(content):
        out += content[place:found] + {b"n": b"\n", b"t": b"\t", b"r": b"\r"}.get(
            content[found + 1 : found + 2], content[found + 1 : found + 2]
        )
        place = found + 2
    return bytes(out + content[place:])
