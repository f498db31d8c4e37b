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
    in_run,
    kernel,
    leading,
    lowered,
    maker,
    part,
    prefetch,
    same,
    wide,
    words,
)
from anzhang.engines.vault.scan import APP_E, APP_S, FRAC_E, FRAC_S, HOST_E, HOST_S, MSG_S

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
MOST_BLANKS = 64  # of a message; one with more is cut whole


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


@part
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


@part
def _apart(data: Bytes, s: int, p: int, e: int) -> bool:
    """Return whether no token of data[s:e] spans the place `p`."""
    return p <= s or p >= e or not (_joins(data[p - 1]) and _joins(data[p]))


@part
def _other(data: Bytes, p: int, e: int, q: int, f: int) -> int:
    """Return where the tokens of data[p:e] begin that data[q:f] does not begin with, `e` when there are none."""
    begin = p + _common(data, p, e, q, f)
    if begin == e and e - p == f - q:
        return e
    while begin > p and _joins(data[begin - 1]):
        begin -= 1
    return begin


@part
def _blank_end(data: Bytes, p: int, e: int) -> int:
    """Return where the run of [A-Za-z0-9_.-] at `p` ends."""
    while p < e:
        size = leading(~in_run(eight(data, p)) & HIGHS)
        p += size
        if size < 8:
            break
    return min(p, e)


@part
def _word_end(data: Bytes, p: int, e: int) -> int:
    """Return where the letters, digits and underscores at `p` end."""
    while p < e:
        size = leading(~words(eight(data, p)) & HIGHS)
        p += size
        if size < 8:
            break
    return min(p, e)


@part
def _word(data: Bytes, p: int, e: int) -> np.uint64:
    """Return the hash of the word data[p:e], as `cut` does."""
    h = _FNV
    while p < e:
        h = (h ^ (lowered(eight(data, p)) & below(e - p))) * _MIX
        h ^= h >> _SHIFT
        p += 8
    return _finish(h)


@part
def _enter(h: np.uint64, recent: Table, bits: Table, blocks: int) -> int:
    """Put a token into a filter unless it was just put in; return 1 when it was not there."""
    place = np.int64(h & np.uint64(RECENT - 1))
    if recent[place] == h:
        return 0
    recent[place] = h
    return insert(bits, blocks, h)


@maker
def values(data: Bytes, starts: Ints, ends: Ints, field: int, wholes: Table, at: Ints, found: Table) -> None:
    """Fill the hash of every whole value, and in found[at[i]:at[i + 1]] its tokens; `found` has room for two a byte and two a value."""
    longest = 0
    for i in range(len(starts)):
        longest = max(longest, ends[i] - starts[i])
    hashes, kinds = np.empty(longest * 2 + 2, np.uint64), np.empty(longest * 2 + 2, np.uint8)
    begins, stops = np.empty(longest * 2 + 2, np.int64), np.empty(longest * 2 + 2, np.int64)
    place = 0
    at[0] = 0
    for i in range(len(starts)):
        wholes[i] = whole(data, starts[i], ends[i], field)
        for k in range(cut(data, starts[i], ends[i], hashes, kinds, begins, stops)):
            found[place] = hashes[k]
            place += 1
        at[i + 1] = place


@kernel
def enter(codes: Table, seen: Table, wholes: Table, at: Ints, found: Table, bits: Table, blocks: int) -> int:
    """Put whole values and their tokens into a filter, once each (`seen` is zeros, one a value); return how many were new."""
    new = 0
    for i in range(len(codes)):
        code = codes[i]
        if seen[code]:
            continue
        seen[code] = 1
        new += insert(bits, blocks, wholes[code])
        for k in range(at[code], at[code + 1]):
            new += insert(bits, blocks, found[k])
    return new


@part
def _shape(data: Bytes, p: int, e: int, fixed: Ints, blanks: Ints) -> int:
    """List the lengths of what stands between the runs that contain a digit, and of those runs; return how many runs, -1 for too many."""
    n = 0
    begin = p
    while p < e:
        x = eight(data, p) & below(e - p)
        skip = leading(in_run(x))
        p += skip
        if skip == 8 or p >= e:
            continue
        end = _blank_end(data, p, e)
        number = False
        for k in range(p, end):
            number |= 48 <= data[k] <= 57
        if number:
            if n == MOST_BLANKS:
                return -1
            fixed[n] = p - begin
            blanks[n] = end - p
            n += 1
            begin = end
        p = end
    fixed[n] = e - begin
    return n


@maker
def fill(data: Bytes, starts: Ints, ends: Ints, places: Table, tids: Table, rows: Ints, bits: Table, blocks: int) -> int:  # noqa: C901, PLR0912, PLR0915  # a kernel stays in one piece
    """Put the tokens of the lines `rows` into a filter; return how many were new.

    `places` are the lines' fields (scan.py), `tids` their templates. Lines are sorted by template, so a line is compared with the one
    before it. What stands before the host, and between application and message, is cut from where the two lines begin to differ. Host
    and application themselves are left to `enter`, unless it is not certain where they are. In a message of the same template what
    stands between the blanks is compared and found equal; then only the blanks that differ are cut. A template is a mere hint: where
    the bytes are not those expected, the whole message is cut. Words inside a time stamp's fraction stay out when they are 3, 6 or 9
    digits long, because they would be different on every line; `query` knows.
    """
    room = 1024
    hashes, kinds = np.empty(room, np.uint64), np.empty(room, np.uint8)
    begins, stops = np.empty(room, np.int64), np.empty(room, np.int64)
    recent = np.zeros(RECENT, np.uint64)  # most tokens were just inserted
    fixed, blanks = np.empty(MOST_BLANKS + 1, np.int64), np.empty(MOST_BLANKS + 1, np.int64)
    pieces = np.empty((MOST_BLANKS + 4, 2), np.int64)
    shape = -1  # runs of the message before, when it has a template
    template = 0
    s0 = a0 = b0 = m0 = e0 = 0  # the places of the line before
    new = 0
    for i in range(len(rows)):
        row = rows[i]
        prefetch(data, starts[rows[min(i + AHEAD, len(rows) - 1)]])
        s, e, m = wide(starts[row]), wide(ends[row]), wide(places[row, MSG_S])
        if (e - s) * 2 + 2 > room:
            room = (e - s) * 4
            hashes, kinds = np.empty(room, np.uint64), np.empty(room, np.uint8)
            begins, stops = np.empty(room, np.int64), np.empty(room, np.int64)
        a, b = wide(places[row, HOST_S]), wide(places[row, APP_E])
        host_end, app = wide(places[row, HOST_E]), wide(places[row, APP_S])
        if host_end <= a:
            a = app
        elif b <= app:
            b = host_end
        elif app != host_end + 1 or _joins(data[host_end]):
            a = s
        if not (s < a <= b <= m and _apart(data, s, a, e) and _apart(data, s, b, e) and _apart(data, s, m, e)):
            a = b = m = s
        n = 0
        p = _other(data, s, a, s0, a0)
        if p < a:
            pieces[n, 0], pieces[n, 1] = p, a
            n += 1
        p = _other(data, b, m, b0, m0)
        if p < m:
            pieces[n, 0], pieces[n, 1] = p, m
            n += 1
        header = n
        expected = shape >= 0 and tids[row] == template
        p, q = m, m0
        if expected:
            for k in range(shape):
                size = fixed[k]
                if p + size >= e or not same(data, p, data, q, size):
                    expected = False
                    break
                p, q = p + size, q + size
                end = _word_end(data, p, e)
                one = end > p and (end == e or not (data[end] == 45 or data[end] == 46))
                if not one:
                    end = _blank_end(data, end, e)
                if end - p != blanks[k] or not same(data, p, data, q, end - p):
                    if one:
                        new += _enter(_word(data, p, end), recent, bits, blocks)
                    else:
                        pieces[n, 0], pieces[n, 1] = p, end
                        n += 1
                q += blanks[k]
                blanks[k] = end - p
                p = end
            expected = expected and e - p == fixed[shape] and same(data, p, data, q, e - p)
        if not expected:
            n = header
            p = _other(data, m, e, m0, e0)
            if p < e:
                pieces[n, 0], pieces[n, 1] = p, e
                n += 1
            template = tids[row]
            shape = _shape(data, m, e, fixed, blanks) if template else -1
        skip_s, skip_e = wide(places[row, FRAC_S]), wide(places[row, FRAC_E])
        for piece in range(n):
            for k in range(cut(data, pieces[piece, 0], pieces[piece, 1], hashes, kinds, begins, stops)):
                if begins[k] == skip_s and stops[k] <= skip_e and kinds[k] == WORD and begins[k] > s:
                    length = stops[k] - begins[k]
                    if data[stops[k] - 1] == 90:
                        length -= 1
                    if length in (3, 6, 9):
                        continue
                new += _enter(hashes[k], recent, bits, blocks)
        s0, a0, b0, m0, e0 = s, a, b, m, e
    return new


@kernel
def fold(bits: Table, blocks: int) -> None:
    """Halve a filter in place: block i becomes the union of blocks 2i and 2i + 1 (the block is chosen by the high bits)."""
    for i in range(blocks // 2):
        for k in range(WORDS_PER_BLOCK):
            bits[i * WORDS_PER_BLOCK + k] = bits[2 * i * WORDS_PER_BLOCK + k] | bits[(2 * i + 1) * WORDS_PER_BLOCK + k]
