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
    prefetch,
    wide,
    words,
    zeros,
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
RECENT = 1 << 10
AHEAD = 12  # lines
MOST_RUNS = 12  # of a line that differ from the line before; then the rest is cut in one go
_DOTS = np.uint64(0x2E2E2E2E2E2E2E2E)


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


@kernel
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


@kernel
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


@kernel
def holds(bits: Table, blocks: int, h: np.uint64) -> bool:
    """Return whether a filter may hold a hash."""
    at = np.int64(((h >> _32) * np.uint64(blocks)) >> _32) * WORDS_PER_BLOCK
    key = h & _LOW
    for k in range(WORDS_PER_BLOCK):
        mask = np.uint32(1) << np.uint32(((key * SALTS[k]) & _LOW) >> _27)
        if bits[at + k] & mask == 0:
            return False
    return True


@kernel
def _joins(c: int) -> bool:
    """Return whether tokens may span this byte: word characters, the dots of an address, everything above ASCII."""
    return c >= 0x80 or c == 46 or is_word(c)


@kernel
def _run_end(data: Bytes, p: int, e: int) -> int:
    """Return where the bytes that tokens may span end."""
    while p < e:
        x = eight(data, p)
        size = leading(~(words(x) | zeros(x ^ _DOTS) | x) & HIGHS)
        p += size
        if size < 8:
            break
    return min(p, e)


@kernel
def _common(data: Bytes, p: int, e: int, q: int, f: int) -> int:
    """Return how many bytes data[p:e] and data[q:f] have in common at the start."""
    size = min(e - p, f - q)
    k = 0
    while k < size:
        equal = leading(eight(data, p + k) ^ eight(data, q + k))
        k += equal
        if equal < 8:
            break
    return min(k, size)


@kernel
def fill(data: Bytes, starts: Ints, ends: Ints, skip_s: Ints, skip_e: Ints, rows: Ints, bits: Table, blocks: int) -> int:  # noqa: C901, PLR0912  # a kernel stays in one piece
    """Put the tokens of the lines `rows` into a filter; return how many were new.

    Lines are sorted by their shape, so a line is compared with the one before it: runs that are byte for byte the same were put in
    with that one, and only the others are cut. Words inside a line's [skip_s, skip_e) - the fraction of its time stamp - stay out
    when they are 3, 6 or 9 digits long, because they would be different on every line; `query` knows.
    """
    room = 64
    hashes = np.empty(room, np.uint64)
    kinds = np.empty(room, np.uint8)
    begins = np.empty(room, np.int64)
    stops = np.empty(room, np.int64)
    recent = np.zeros(RECENT, np.uint64)  # most tokens were just inserted
    new = 0
    before = f = 0  # the line before
    for i in range(len(rows)):
        row = rows[i]
        s, e = wide(starts[row]), wide(ends[row])
        prefetch(data, starts[rows[min(i + AHEAD, len(rows) - 1)]])
        if (e - s) * 2 + 2 > room:
            room = (e - s) * 4
            hashes = np.empty(room, np.uint64)
            kinds = np.empty(room, np.uint8)
            begins = np.empty(room, np.int64)
            stops = np.empty(room, np.int64)
        p, q = s, before  # never inside a run
        runs = 0
        while p < e:
            common = _common(data, p, e, q, f)
            begin = p + common
            if begin == e and q + common == f:
                break
            while begin > p and _joins(data[begin - 1]):
                begin -= 1
            q = _run_end(data, q + begin - p, f)
            runs += 1
            p = _run_end(data, begin, e) if runs < MOST_RUNS else e
            n = cut(data, begin, p, hashes, kinds, begins, stops)
            for k in range(n):
                if begins[k] == skip_s[row] and stops[k] <= skip_e[row] and begins[k] > s and kinds[k] == WORD:
                    length = stops[k] - begins[k]
                    if data[stops[k] - 1] == 90:
                        length -= 1
                    if length in (3, 6, 9):
                        continue
                place = np.int64(hashes[k] & np.uint64(RECENT - 1))
                if recent[place] != hashes[k]:
                    recent[place] = hashes[k]
                    new += insert(bits, blocks, hashes[k])
            if p < e and (q >= f or data[p] != data[q]):
                while p < e and not _joins(data[p]):
                    p += 1
                while q < f and not _joins(data[q]):
                    q += 1
        before, f = s, e
    return new


@kernel
def fold(bits: Table, blocks: int) -> None:
    """Halve a filter in place: block i becomes the union of blocks 2i and 2i + 1 (the block is chosen by the high bits)."""
    for i in range(blocks // 2):
        for k in range(WORDS_PER_BLOCK):
            bits[i * WORDS_PER_BLOCK + k] = bits[2 * i * WORDS_PER_BLOCK + k] | bits[(2 * i + 1) * WORDS_PER_BLOCK + k]
