"""Cut text into the tokens that filters hold, and keep them in split-block Bloom filters.

Tokens: runs of ASCII letters, digits and `_`, lower-cased; every four numbers joined by dots (an IPv4 address as one token); every
two adjacent CJK ideographs. Filter layout: the split-block Bloom filter of Parquet (SBBF), one per block of rows, in our own sidecar.
One kernel cuts lines and queries alike, so that a filter can never miss what a query asks.
"""

from __future__ import annotations

import numpy as np

from anzhang.engines.vault.jit import (
    HIGHS,
    Bytes,
    Ints,
    Table,
    below,
    digits,
    eight,
    kernel,
    leading,
    lowered,
    maker,
    part,
    wide,
    words,
)

WORD, ADDRESS, BIGRAM = 0, 1, 2

_FNV = np.uint64(0xCBF29CE484222325)
_PRIME = np.uint64(0x100000001B3)
_MIX = np.uint64(0xFF51AFD7ED558CCD)
_SHIFT = np.uint64(33)
_ADDRESS = np.uint64(0x9E3779B97F4A7C15)
_BIGRAM = np.uint64(0xC2B2AE3D27D4EB4F)
_LOW = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)
_27 = np.uint64(27)
SALTS = np.array([0x47B6137B, 0x44974D91, 0x8824AD5B, 0xA2B7289D, 0x705495C7, 0x2DF1424B, 0x9EFC4947, 0x5C6BFB31], np.uint64)

WORDS_PER_BLOCK = 8
RECENT = 1 << 11


@kernel
def _finish(h: np.uint64) -> np.uint64:
    h = (h ^ (h >> _SHIFT)) * _MIX
    return h ^ (h >> _SHIFT)


@kernel
def ideograph(data: Bytes, p: int, e: int) -> int:
    """Return the code point of a CJK ideograph (U+3400..U+9FFF) encoded at `p`, or 0."""
    if p + 2 >= e:
        return 0
    a = wide(data[p])
    if a < 0xE3 or a > 0xE9:
        return 0
    b, c = wide(data[p + 1]), wide(data[p + 2])
    if b & 0xC0 != 0x80 or c & 0xC0 != 0x80:
        return 0
    point = (a & 15) << 12 | (b & 63) << 6 | (c & 63)
    return point if 0x3400 <= point <= 0x9FFF else 0


@kernel
def is_word(c: int) -> bool:
    """Return whether a byte is an ASCII letter, digit or underscore."""
    return (97 <= c <= 122) or (48 <= c <= 57) or (65 <= c <= 90) or c == 95


@part
def cut(data: Bytes, s: int, e: int, hashes: Table, kinds: Table, begins: Table, ends: Table) -> int:  # noqa: C901, PLR0912, PLR0915  # a kernel stays in one piece
    """List the tokens of data[s:e]: hash, kind and place. The outputs need room for (e - s) * 2 + 2. Return how many."""
    n = 0
    p = s
    chain = 0  # numbers joined by dots so far
    h1 = h2 = h3 = np.uint64(0)
    p1 = p2 = p3 = 0
    previous = 0
    while p < e:
        x = eight(data, p) & below(e - p)
        marks = words(x)
        skip = leading(marks | (x & HIGHS))
        if skip:
            previous = 0
            p += skip
            if skip == 8 or p >= e:
                continue
        if data[p] >= 0x80:
            point = ideograph(data, p, e)
            chain = 0
            if point == 0:
                previous = 0
                p += 1
                continue
            if previous:
                hashes[n] = _finish((np.uint64(previous) << _32 | np.uint64(point)) * _BIGRAM)
                kinds[n] = BIGRAM
                begins[n] = p - 3
                ends[n] = p + 3
                n += 1
            previous = point
            p += 3
            continue
        previous = 0
        begin = p
        if skip:  # often the rest of the eight bytes holds the whole word
            x >>= np.uint64(8 * skip)
            marks >>= np.uint64(8 * skip)
        size = leading(~marks & HIGHS)
        h = _FNV
        if size == 8 - skip:
            x = eight(data, p) & below(e - p)
            size = leading(~words(x) & HIGHS)
            while size == 8:
                h = (h ^ lowered(x)) * _MIX
                h ^= h >> _SHIFT
                p += 8
                x = eight(data, p) & below(e - p) if p < e else np.uint64(0)
                size = leading(~words(x) & HIGHS)
        rest = below(size)
        if size:
            h = (h ^ (lowered(x) & rest)) * _MIX
            h ^= h >> _SHIFT
        p += size
        hashes[n] = _finish(h)
        kinds[n] = WORD
        begins[n] = begin
        ends[n] = p
        n += 1
        if p - begin <= 3 and digits(x) & rest == HIGHS & rest:
            joined = chain > 0 and begin > s and data[begin - 1] == 46 and begin - 2 >= s and is_word(data[begin - 2])
            chain = chain + 1 if joined else 1
            if chain >= 4:
                hashes[n] = _finish((((h3 * _PRIME) ^ h2) * _PRIME ^ h1) * _PRIME ^ h ^ _ADDRESS)
                kinds[n] = ADDRESS
                begins[n] = p3
                ends[n] = p
                n += 1
            h3, h2, h1 = h2, h1, h
            p3, p2, p1 = p2, p1, begin
        else:
            chain = 0
    return n


@kernel
def whole(data: Bytes, s: int, e: int, field: int) -> np.uint64:
    """Hash a whole column value; `field` keeps columns apart."""
    h = _FNV ^ np.uint64(field + 1000)
    h *= _MIX
    for k in range(s, e):
        h = (h ^ np.uint64(data[k])) * _PRIME
    return _finish(h)


@part
def insert(bits: Table, blocks: int, h: np.uint64) -> int:
    """Put a hash into a filter of `blocks` blocks; return 1 when it was not there."""
    at = np.int64(((h >> _32) * np.uint64(blocks)) >> _32) * WORDS_PER_BLOCK
    key = h & _LOW
    missing = np.uint32(0)
    for k in range(WORDS_PER_BLOCK):
        mask = np.uint32(1) << np.uint32(((key * SALTS[k]) & _LOW) >> _27)
        old = bits[at + k]
        missing |= mask & ~old
        bits[at + k] = old | mask
    return 1 if missing else 0


@part
def _holds(bits: Table, offset: int, blocks: int, h: np.uint64) -> bool:
    at = offset + np.int64(((h >> _32) * np.uint64(blocks)) >> _32) * WORDS_PER_BLOCK
    key = h & _LOW
    for k in range(WORDS_PER_BLOCK):
        mask = np.uint32(1) << np.uint32(((key * SALTS[k]) & _LOW) >> _27)
        if bits[at + k] & mask == 0:
            return False
    return True


@kernel
def sieve(bits: Table, offsets: Ints, blocks: Ints, fractions: Ints, hashes: Table, lengths: Ints, out: Table) -> None:
    """Set out[i] to 0 where filter i, `blocks[i]` blocks from word offsets[i] on, surely lacks one of some hashes.

    fractions[i] has bit n for what the filter leaves out: numbers of n digits. lengths[k] is 0 for a hash that is no such number.
    """
    for i in range(len(offsets)):
        for k in range(len(hashes)):
            if lengths[k] and fractions[i] >> lengths[k] & 1:
                continue
            if not _holds(bits, offsets[i], blocks[i], hashes[k]):
                out[i] = 0
                break


@part
def _enter(h: np.uint64, recent: Table, bits: Table, blocks: int) -> int:
    """Put a token into a filter unless it was just put in; return 1 when it was not there."""
    place = np.int64(h & np.uint64(RECENT - 1))
    if recent[place] == h:
        return 0
    recent[place] = h
    return insert(bits, blocks, h)


@kernel
def _put(
    data: Bytes, s: int, e: int, hashes: Table, kinds: Table, begins: Table, ends: Table, recent: Table, bits: Table, blocks: int
) -> int:  # fmt: skip
    """Put the tokens of data[s:e] into a filter, numbers of one or two digits left out; return how many were new."""
    new = 0
    for k in range(cut(data, s, e, hashes, kinds, begins, ends)):
        size = ends[k] - begins[k]
        if size <= 2 and kinds[k] == WORD:
            x = eight(data, begins[k])
            if digits(x) & below(size) == HIGHS & below(size):
                continue
        new += _enter(hashes[k], recent, bits, blocks)
    return new


@maker
def list_tokens(data: Bytes, at: Table, found_at: Ints, found: Table) -> None:
    """List in found[found_at[i]:found_at[i + 1]] the tokens of slice i; `found` has room for two a byte and two a slice."""
    longest = 0
    for i in range(len(at) - 1):
        longest = max(longest, wide(at[i + 1]) - wide(at[i]))
    room = longest * 2 + 2
    hashes, kinds = np.empty(room, np.uint64), np.empty(room, np.uint8)
    begins, ends = np.empty(room, np.int64), np.empty(room, np.int64)
    n = 0
    found_at[0] = 0
    for i in range(len(at) - 1):
        for k in range(cut(data, wide(at[i]), wide(at[i + 1]), hashes, kinds, begins, ends)):
            found[n] = hashes[k]
            n += 1
        found_at[i + 1] = n


@kernel
def enter(seen: Table, found_at: Ints, found: Table, bits: Table, blocks: int) -> int:
    """Put the tokens of the slices that were seen into a filter; return how many were new."""
    new = 0
    for i in range(len(seen)):
        if seen[i]:
            for k in range(found_at[i], found_at[i + 1]):
                new += insert(bits, blocks, found[k])
    return new


@part
def _put_address(data: Bytes, s: int, e: int, recent: Table, bits: Table, blocks: int) -> int:
    """Put the tokens of four numbers joined by dots into a filter, as `_put` does; return how many were new, -1: it is something else."""
    h1 = h2 = h3 = h4 = np.uint64(0)
    long = 0  # bit k: number k has three digits
    p = s
    for k in range(4):
        x = eight(data, p) & below(e - p)
        size = leading(~digits(x) & HIGHS)
        if size < 1 or size > 3 or (k < 3 and (p + size >= e or data[p + size] != 46)):
            return -1
        h = (_FNV ^ (lowered(x) & below(size))) * _MIX
        h1, h2, h3, h4 = h2, h3, h4, h ^ (h >> _SHIFT)
        long |= (1 if size == 3 else 0) << k
        p += size + 1
    if p != e + 1:
        return -1
    new = insert(bits, blocks, _finish((((h1 * _PRIME) ^ h2) * _PRIME ^ h3) * _PRIME ^ h4 ^ _ADDRESS))
    if long & 1:
        new += _enter(_finish(h1), recent, bits, blocks)
    if long & 2:
        new += _enter(_finish(h2), recent, bits, blocks)
    if long & 4:
        new += _enter(_finish(h3), recent, bits, blocks)
    if long & 8:
        new += _enter(_finish(h4), recent, bits, blocks)
    return new


@maker
def enter_slices(data: Bytes, at: Table, first: int, last: int, recent: Table, bits: Table, blocks: int) -> int:
    """Put the tokens of slices first..last into a filter, numbers of one or two digits left out; return how many were new.

    `recent` carries over what was just put in; it begins as RECENT zeros for every filter.
    """
    room = 1024
    hashes, kinds = np.empty(room, np.uint64), np.empty(room, np.uint8)
    begins, ends = np.empty(room, np.int64), np.empty(room, np.int64)
    new = 0
    for i in range(first, last):
        s, e = wide(at[i]), wide(at[i + 1])
        if s == e:
            continue
        if e - s <= 8:  # most values are one short word
            x = eight(data, s)
            meant = below(e - s)
            if words(x) & meant == HIGHS & meant:
                if e - s > 2 or digits(x) & meant != HIGHS & meant:
                    h = (_FNV ^ (lowered(x) & meant)) * _MIX
                    new += _enter(_finish(h ^ (h >> _SHIFT)), recent, bits, blocks)
                continue
        if 7 <= e - s <= 15:
            found = _put_address(data, s, e, recent, bits, blocks)
            if found >= 0:
                new += found
                continue
        if (e - s) * 2 + 2 > room:
            room = (e - s) * 4
            hashes, kinds = np.empty(room, np.uint64), np.empty(room, np.uint8)
            begins, ends = np.empty(room, np.int64), np.empty(room, np.int64)
        new += _put(data, s, e, hashes, kinds, begins, ends, recent, bits, blocks)
    return new


@kernel
def enter_numbers(values: Table, recent: Table, bits: Table, blocks: int) -> int:
    """Put numbers above 99, of at most nine digits, into a filter as words; return how many were new."""
    new = 0
    for i in range(len(values)):
        rest = np.uint32(max(wide(values[i]), 0))
        if rest < 100:
            continue
        x = last = np.uint64(0)
        size = 0
        while rest:
            if size == 8:
                last = x >> np.uint64(56)  # the ninth digit, which stands behind the eight
            x = x << np.uint64(8) | np.uint64(np.uint32(48) + rest % np.uint32(10))
            rest //= np.uint32(10)
            size += 1
        h = (_FNV ^ lowered(x) & below(size)) * _MIX
        h ^= h >> _SHIFT
        if size == 9:
            h = (h ^ (lowered(last) & below(1))) * _MIX
            h ^= h >> _SHIFT
        new += _enter(_finish(h), recent, bits, blocks)
    return new


@kernel
def fold(bits: Table, blocks: int, by: int) -> None:
    """Make a filter `by` times smaller in place, `by` dividing `blocks`: block i becomes the union of blocks by * i to by * i + by - 1.

    The block of a hash is the whole part of (high half * blocks / 2 ** 32), so what was in one of them is looked for in the union.
    """
    for i in range(blocks // by):
        for k in range(WORDS_PER_BLOCK):
            union = np.uint32(0)
            for j in range(by):
                union |= bits[(i * by + j) * WORDS_PER_BLOCK + k]
            bits[i * WORDS_PER_BLOCK + k] = union
