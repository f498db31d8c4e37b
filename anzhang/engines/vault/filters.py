"""filter.bin: what each block of a segment certainly does not hold, so that a search skips it. Format: docs/formats/segment.md.

Filters are filled from columns: words of a template once a block, then what stands in the blanks. Time stamps are left out; `query`
knows which words may stand in one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from anzhang.engines.vault import ondisk, tokens
from anzhang.engines.vault.block import Block
from anzhang.engines.vault.encodings import UTF8
from anzhang.engines.vault.facts import facts_of
from anzhang.engines.vault.jit import Ints, Table, frozen
from anzhang.engines.vault.messages import Slices
from anzhang.engines.vault.text import decode

BITS_PER_TOKEN = 12
FIRST_BLOCKS, MOST_BLOCKS = 3465, 3465 * 8  # of 32 bytes; both have many divisors
FIELDS = ("source", "host", "app", "address")
FIELD_SOURCE, FIELD_HOST, FIELD_APP, FIELD_ADDRESS = range(4)
_SIZES = {blocks: [by for by in range(1, blocks + 1) if blocks % by == 0] for blocks in (FIRST_BLOCKS * 2**n for n in range(4))}


def dump(table: pa.Table, packed: ondisk.Packed, foreign: Ints) -> bytes:
    """Return filter.bin: a JSON line describing each block, then the blocks' Bloom filters one after the other.

    `table` are a segment's rows, `packed` the same as they lie on disk, `foreign` those whose bytes are not their text in UTF-8.
    """
    disk = packed.table
    coded = [_Coded.of(disk[name].chunk(0), number) for number, name in enumerate(FIELDS)]
    others = [disk[name].chunk(0) for name in ("msgid", "sd", "hdr")]
    coded += [_Coded.of(column, None) for column in others if pa.types.is_dictionary(column.type)]
    columns = [ondisk.slices(column) for column in others if not pa.types.is_dictionary(column.type)]
    lines = _decoded(table, foreign)
    pid, pri = disk["pid"].chunk(0).fill_null(-1).to_numpy(), disk["pri"].chunk(0).fill_null(-1).to_numpy()
    years_of = table["ts"].chunk(0).to_numpy().astype("datetime64[Y]").astype(np.int32) + 1970
    at, seq = Block(table).at, disk["seq"].to_numpy()
    described, filters, place = [], [], 0
    blocks = FIRST_BLOCKS
    for begin, split in zip(range(0, table.num_rows, ondisk.GROUP_ROWS), packed.split, strict=True):
        end = begin + len(split.codes)
        texts = _tokens(split.texts)
        blocks = min(blocks * 2, MOST_BLOCKS)  # the block before tells about how many are needed
        priorities = np.flatnonzero(np.bincount(pri[begin:end] + 1, minlength=193)) - 1
        years = np.arange(years_of[begin:end].min() - 1, years_of[begin:end].max() + 2, dtype=np.int32)  # in whatever zone
        first, last = np.searchsorted(foreign, (begin, end)).tolist()
        while True:
            bits, recent = np.zeros(blocks * tokens.WORDS_PER_BLOCK, np.uint32), np.zeros(tokens.RECENT, np.uint64)
            distinct = sum(column.enter(begin, end, bits, blocks) for column in coded)
            distinct += tokens.enter(np.ones(len(split.texts), np.uint8), *texts, bits, blocks)
            distinct += sum(tokens.enter_slices(column.data, column.at, begin, end, recent, bits, blocks) for column in columns)
            for column in (*split.values, split.plain):
                distinct += tokens.enter_slices(column.data, column.at, 0, len(column), recent, bits, blocks)
            distinct += tokens.enter_numbers(pid[begin:end], recent, bits, blocks)
            distinct += tokens.enter_numbers(priorities.astype(np.int32), recent, bits, blocks)
            distinct += tokens.enter_numbers(years, recent, bits, blocks)
            distinct += tokens.enter_slices(lines.data, lines.at, first, last, recent, bits, blocks)
            if blocks == MOST_BLOCKS or blocks * 256 >= distinct * BITS_PER_TOKEN:
                break
            blocks = MOST_BLOCKS
        by = max(each for each in _SIZES[blocks] if each == 1 or blocks // each * 256 >= distinct * BITS_PER_TOKEN)
        tokens.fold(bits, blocks, by)
        content = bits[: blocks // by * tokens.WORDS_PER_BLOCK].tobytes()
        described.append(
            {
                "rows": end - begin,
                "offset": place,
                "blocks": blocks // by,
                "min_at": int(at[begin:end].min()),
                "max_at": int(at[begin:end].max()),
                "min_seq": int(seq[begin:end].min()),
                "max_seq": int(seq[begin:end].max()),
                "facts": facts_of(Block(table.slice(begin, ondisk.GROUP_ROWS))),
            }
        )
        filters.append(content)
        place += len(content)
        while blocks > FIRST_BLOCKS and blocks // 2 * 256 >= distinct * BITS_PER_TOKEN:
            blocks //= 2
    return orjson.dumps({"v": 1, "blocks": described}) + b"\n" + b"".join(filters)


def load(content: bytes) -> tuple[list[dict[str, Any]], Table]:
    """Return (block descriptions, filter words) of filter.bin; a block's words begin at offset // 4."""
    head, _, body = content.partition(b"\n")
    described = orjson.loads(head)["blocks"]
    return described, np.frombuffer(bytearray(body), np.uint32)


def field_hash(field: int, value: bytes) -> np.uint64:
    """Return the filter token of a whole column value."""
    return np.uint64(tokens.whole(np.frombuffer(bytearray(value), np.uint8), 0, len(value), field))


def _decoded(table: pa.Table, foreign: Ints) -> Slices:
    """Return the text, in UTF-8, of lines whose bytes are not."""
    block = Block(table.take(pa.array(foreign)))
    enc = block.numbers("enc", UTF8)
    made = [decode(block.line(row), int(enc[row])).encode() for row in range(len(foreign))]
    return ondisk.slices(pa.array(made, pa.binary()))


def _tokens(slices: Slices) -> tuple[Ints, Table]:
    """Return the tokens of slices: those of slice i are found[at[i]:at[i + 1]]."""
    at, found = np.empty(len(slices) + 1, np.int64), np.empty(len(slices.data) * 2 + 2 * len(slices) + 2, np.uint64)
    tokens.list_tokens(slices.data, slices.at, at, found)
    return at, found


@dataclass(frozen=True)
class _Coded:
    """A dictionary-coded column for the filter: code per row; the tokens found[at[c]:at[c + 1]] of value c."""

    codes: Table
    at: Ints
    found: Table

    @classmethod
    def of(cls, column: pa.DictionaryArray, field: int | None) -> _Coded:
        """List the tokens of every value, and where it is a field that is searched by whole values, that of the value."""
        at, found = _tokens(ondisk.slices(column.dictionary))
        if field is not None:
            wholes = [field_hash(field, value) for value in column.dictionary.to_pylist()]
            found = np.insert(found[: at[-1]], at[1:], np.array(wholes, np.uint64))
            at += np.arange(len(at))
        return cls(frozen(column.indices.to_numpy()), at, found)

    def enter(self, begin: int, end: int, bits: Table, blocks: int) -> int:
        """Put what rows begin..end have into a filter; return how many tokens were new."""
        seen = np.zeros(len(self.at) - 1, np.uint8)
        seen[self.codes[begin:end]] = 1
        return tokens.enter(seen, self.at, self.found, bits, blocks)
