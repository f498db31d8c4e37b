"""The compiled kernels against the plain way of doing the same, on random bytes."""

from __future__ import annotations

import random

import numpy as np

from anzhang.engines.vault import jit, scan, tokens
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


FIELDS = [scan.HOST_S, scan.HOST_E, scan.APP_S, scan.APP_E, scan.MSG_S]


def test_a_filter_holds_exactly_the_tokens_of_every_line() -> None:
    dice = random.Random(20261124)
    for turn in range(60):
        content = list(_lines_alike(dice))
        data = _array(b"\n".join(content) + b"\n")
        ends = np.cumsum([len(line) + 1 for line in content]).astype(np.int64) - 1
        starts = ends - np.array([len(line) for line in content])
        places = np.repeat(starts[:, np.newaxis], 11, axis=1).astype(np.int32)  # no header: every field begins with the line
        tids = np.array([dice.randrange(3) for _ in content], np.int32)
        left = []  # host and application, which `fill` leaves to `enter` where they are surely what they seem
        for row, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
            if dice.random() < 0.6:  # whatever the fields say, no token may be lost
                begin, stop, app_stop, message = sorted(dice.randint(start, end) for _ in range(4))
                places[row, FIELDS] = begin, stop, min(stop + 1, app_stop), app_stop, message
                left += [data[begin:stop].tobytes(), data[min(stop + 1, app_stop) : app_stop].tobytes()]
        rows = np.array(dice.sample(range(len(content)), len(content)) if turn % 2 else range(len(content)), np.int64)
        bits = np.zeros(256 * tokens.WORDS_PER_BLOCK, np.uint32)
        tokens.fill(data, starts, ends, places, tids, rows, bits, 256)
        plainly = _plainly_filled(content, 256)
        bare, nowhere = np.zeros_like(bits), np.repeat(starts[:, np.newaxis], 11, axis=1).astype(np.int32)
        tokens.fill(data, starts, ends, nowhere, tids, rows, bare, 256)
        assert (bare == plainly).all()  # lines without a header leave nothing to others
        assert not (bits & ~plainly).any()
        assert ((bits | _plainly_filled(left, 256)) & plainly == plainly).all()


def _lines_alike(dice: random.Random) -> list[bytes]:
    """Return lines each of which is mostly like the one before."""
    made: list[bytes] = []
    parts: list[str] = []
    for _ in range(40):
        if dice.random() < 0.1:
            parts = dice.choices(PARTS, k=dice.randrange(40))
        for _ in range(dice.randrange(3)):
            place = dice.randrange(len(parts) + 1)
            parts[place : place + dice.randrange(2)] = dice.choices(PARTS, k=dice.randrange(2))
        line = "".join(parts).encode()
        made.append(line[:-1] if dice.random() < 0.05 else line.replace("用".encode()[:1], b"\xff") if dice.random() < 0.05 else line)
    return made


def _plainly_filled(lines: list[bytes], blocks: int) -> Table:
    """Return the filter of the lines, each cut as a whole."""
    bits = np.zeros(blocks * tokens.WORDS_PER_BLOCK, np.uint32)
    for line in lines:
        room = len(line) * 2 + 2
        hashes, kinds = np.empty(room, np.uint64), np.empty(room, np.uint8)
        begins, ends = np.empty(room, np.int64), np.empty(room, np.int64)
        for h in hashes[: tokens.cut(_array(line), 0, len(line), hashes, kinds, begins, ends)]:
            tokens.insert(bits, blocks, h)
    return bits
