"""The compiled kernels against the plain way of doing the same, on random bytes."""

from __future__ import annotations

import random

import numpy as np
import pyarrow as pa

from anzhang.engines.vault import jit, ondisk, tokens
from anzhang.engines.vault.jit import Bytes, Table
from anzhang.engines.vault.parse import numbers_of

WORDS = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
PARTS = (
    "a", "bc", "x_y", "A9", "7", "12", "123", "abcdefg", "abcdefgh", "abcdefghi", "abcdefghijklmnopq", "10.0.0.1", "192.168.1.20",
    "1.2.3.4.5", "用户", "登录失败", "\u3400", "ｚ", "é", " ", " ", "  ", ":", ".", "..", "-", "[", "]", "\x00", "__________________",
)  # fmt: skip


def _array(content: bytes) -> Bytes:
    return np.frombuffer(bytearray(content), np.uint8)


def _mask(content: bytes, meant: frozenset[int]) -> int:
    return sum(0x80 << 8 * i for i, c in enumerate(content) if c in meant)


def test_eight_bytes_are_classified_as_single_bytes_are() -> None:
    dice = random.Random(1)
    for byte in range(256):
        content = bytes([byte]) + bytes(dice.choice([dice.randrange(256), dice.choice(list(WORDS))]) for _ in range(7))
        x = np.uint64(jit.eight(_array(content), 0))
        assert int(x) == int.from_bytes(content, "little")
        assert int(jit.words(x)) == _mask(content, WORDS)
        assert int(jit.digits(x)) == _mask(content, frozenset(b"0123456789"))
        assert int(jit.line_feeds(x)) == _mask(content, frozenset(b"\n"))
        assert jit.leading(np.uint64(jit.words(x))) == next((i for i, c in enumerate(content) if c in WORDS), 8)


def test_bytes_past_the_end_are_zeros() -> None:
    assert int(jit.eight(_array(b"abc"), 1)) == int.from_bytes(b"bc", "little")


def test_copying_fills_its_place_and_at_most_seven_bytes_more() -> None:
    for size in range(40):
        source, out = _array(bytes(range(1, 60))), np.zeros(3 + size, np.uint8)
        assert jit.copy(out, 3, source, 5, 5 + size) == 3 + size
        assert bytes(out) == bytes(3) + bytes(range(6, 6 + size))
        out = np.zeros(64, np.uint8)
        assert jit.copy(out, 3, source, 5, 5 + size) == 3 + size
        assert bytes(out)[: 3 + size] == bytes(3) + bytes(range(6, 6 + size))
        assert not any(out[3 + size + 7 :])
        assert jit.same(out, 3, source, 5, size)
        out[3 + size] = 0
        assert not jit.same(out, 3, source, 5, size + 1)


def test_values_are_numbered_by_first_appearance_however_many_there_are() -> None:
    dice = random.Random(3)
    for distinct in (1, 2047, 2048, 2049, 40_000):
        values = np.array([dice.randrange(distinct) * 0x9E3779B97F4A7C15 & (1 << 64) - 1 for _ in range(60_000)], np.uint64)
        codes, first = numbers_of(values)
        expected = {value: code for code, value in enumerate(dict.fromkeys(values.tolist()))}
        assert codes.tolist() == [expected[value] for value in values.tolist()]
        assert values[first].tolist() == list(expected)


def test_a_filter_made_smaller_holds_what_it_held() -> None:
    dice = random.Random(2)
    hashes, strangers = ([np.uint64(dice.getrandbits(64)) for _ in range(500)] for _ in range(2))
    for blocks, by in ((120, 1), (120, 5), (120, 8), (3465 * 8, 9), (3465 * 8, 3465 * 8)):
        whole, small = (np.zeros(size * tokens.WORDS_PER_BLOCK, np.uint32) for size in (blocks, blocks // by))
        for h in hashes:
            tokens.insert(whole, blocks, h)
            tokens.insert(small, blocks // by, h)
        tokens.fold(whole, blocks, by)
        assert (whole[: len(small)] == small).all()
        found = np.ones(2, np.uint8)
        offsets, sizes, lengths = np.zeros(2, np.int64), np.full(2, blocks // by), np.array([0, 6])
        tokens.sieve(small, offsets, sizes, np.array([0, 1 << 6]), np.array(hashes[:2]), np.zeros(2, np.int64), found)
        assert found.tolist() == [1, 1]
        missing = np.array([hashes[0], next(h for h in strangers if not _may_hold(small, blocks // by, h))]) if by < 8 else None
        if missing is not None:
            tokens.sieve(small, offsets, sizes, np.array([0, 1 << 6]), missing, lengths, found)
            assert found.tolist() == [0, 1]  # what may be a fraction of six digits is left out of the second


def _may_hold(bits: Table, blocks: int, h: np.uint64) -> bool:
    """Put a hash into a copy: whether nothing was new."""
    return tokens.insert(bits.copy(), blocks, h) == 0


def test_the_tokens_of_slices_and_numbers_are_those_that_text_is_cut_into() -> None:
    dice = random.Random(20261124)
    for _ in range(60):
        content = ["".join(dice.choices(PARTS, k=dice.randrange(12))).encode() for _ in range(20)]
        content += [".".join(dice.choices(("1", "22", "333", "4444", "x", ""), k=dice.choice((3, 4, 4, 4, 5)))).encode() for _ in range(40)]
        column = ondisk.slices(pa.array(content, pa.binary()))
        bits, recent = np.zeros(256 * tokens.WORDS_PER_BLOCK, np.uint32), np.zeros(tokens.RECENT, np.uint64)
        tokens.enter_slices(column.data, column.at, 0, len(column), recent, bits, 256)
        assert (bits == _plainly_filled(content, 256)).all()
    numbers = [-1, 0, 7, 99, 100, 101, 12_345_678, 99_999_999, 100_000_000, 123_456_789, 999_999_999]
    bits, recent = np.zeros_like(bits), np.zeros_like(recent)
    tokens.enter_numbers(np.array(numbers, np.int32), recent, bits, 256)
    assert (bits == _plainly_filled([b"%d" % number for number in numbers if number > 99], 256)).all()


def _plainly_filled(lines: list[bytes], blocks: int) -> Table:
    """Return the filter of the lines, each cut as a whole; numbers of one or two digits are left out."""
    bits = np.zeros(blocks * tokens.WORDS_PER_BLOCK, np.uint32)
    for line in lines:
        room = len(line) * 2 + 2
        hashes, kinds = np.empty(room, np.uint64), np.empty(room, np.uint8)
        begins, ends = np.empty(room, np.int64), np.empty(room, np.int64)
        for k in range(tokens.cut(_array(line), 0, len(line), hashes, kinds, begins, ends)):
            word = line[begins[k] : ends[k]]
            if kinds[k] != tokens.WORD or len(word) > 2 or not word.isdigit():
                tokens.insert(bits, blocks, hashes[k])
    return bits
