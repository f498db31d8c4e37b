"""Split texts into named fields without a Python object per row: key=value pairs, separated values, JSON documents.

All three note places: spans[2 * slot, i] .. spans[2 * slot + 1, i] of field `slot` in text i, -1 where it has none. `marks[slot, i]`
says what must still be done with the slice: ESCAPED (undo escapes), BARE (it stood without quotes).
Names are compared folded (without case, `-`, `_` and blanks) unless a step says otherwise; nested JSON names are joined by dots.
"""

from __future__ import annotations

import numpy as np

from anzhang.engines.vault.jit import Bytes, Ints, Table, kernel, maker, wide

ESCAPED, BARE = 1, 2
LEAD = 8  # bytes that may stand before a document: blanks, a byte order mark, `@cee:`
DEPTH = 64  # of JSON; deeper is no document
_FNV = np.uint64(0xCBF29CE484222325)
_PRIME = np.uint64(0x100000001B3)
_MIX = np.uint64(0xFF51AFD7ED558CCD)
_SHIFT = np.uint64(33)
_DOT = np.uint64(46)
_SPACE, _QUOTE, _APOSTROPHE, _OPEN, _CLOSE, _BACKSLASH = 32, 34, 39, 40, 41, 92


@kernel
def fold(data: Bytes, s: int, e: int, h: np.uint64) -> np.uint64:
    """Return the hash of a name, folded, continuing from `h`."""
    for k in range(s, e):
        c = data[k]
        if c in (45, 95, 32):
            continue
        if 65 <= c <= 90:
            c |= np.uint8(32)
        h = (h ^ np.uint64(c)) * _PRIME
    return h


@kernel
def verbatim(data: Bytes, s: int, e: int, h: np.uint64) -> np.uint64:
    """Return the hash of a name as it is written, continuing from `h`."""
    for k in range(s, e):
        h = (h ^ np.uint64(data[k])) * _PRIME
    return h


@kernel
def _slot(h: np.uint64, keys: Table, slots: Table) -> int:
    """Return the slot of a folded name, -1 for one that nobody asks for. The table is never full."""
    mask = len(keys) - 1
    place = wide(((h ^ (h >> _SHIFT)) * _MIX) >> _SHIFT) & mask
    while slots[place] >= 0:
        if keys[place] == h:
            return wide(slots[place])
        place = (place + 1) & mask
    return -1


@maker
def table_of(data: Bytes, starts: Ints, ends: Ints, numbers: Ints, exact: int, keys: Table, slots: Table) -> None:
    """Fill the hash table of the names data[starts[i]:ends[i]], which stand for slot numbers[i]; `exact`: names are not folded."""
    mask = len(keys) - 1
    for i in range(len(starts)):
        h = verbatim(data, starts[i], ends[i], _FNV) if exact else fold(data, starts[i], ends[i], _FNV)
        place = wide(((h ^ (h >> _SHIFT)) * _MIX) >> _SHIFT) & mask
        while slots[place] >= 0 and keys[place] != h:
            place = (place + 1) & mask
        keys[place] = h
        slots[place] = numbers[i]


@kernel
def _is_key(c: int) -> bool:
    return 48 <= c <= 57 or 65 <= c <= 90 or 97 <= c <= 122 or c in (45, 46, 95) or c >= 128


@kernel
def _key(data: Bytes, low: int, at: int) -> tuple[int, int]:
    """Return begin and end of the name before the sign at `at`; (0, 0) for none. `Key(1001)=` and `key =` count."""
    q = at
    while q > low and data[q - 1] == _SPACE:
        q -= 1
    if q > low and data[q - 1] == _CLOSE:
        k = q - 1
        while k > low and 48 <= data[k - 1] <= 57:
            k -= 1
        if k > low and k < q - 1 and data[k - 1] == _OPEN:
            q = k - 1
    s = q
    while s > low and _is_key(data[s - 1]):
        s -= 1
    if s == q or 48 <= data[s] <= 57:
        return 0, 0
    return s, q


@kernel
def _next(data: Bytes, p: int, e: int, signs: Table) -> int:
    while p < e and not signs[data[p]]:
        p += 1
    return p


@maker
def pairs(  # noqa: C901, PLR0912, PLR0915  # a kernel stays in one piece
    data: Bytes, starts: Ints, ends: Ints, signs: Table, stops: Table, nested: int, exact: int, keys: Table, slots: Table, spans: Table,
    marks: Table, found: Table,
) -> None:  # fmt: skip
    """Find pairs; the first of a name counts unless it is empty. `signs` flags what stands between name and value, `stops` what ends one.

    A value also ends where the next name begins. `nested`: a value in single quotes holds pairs itself. found[i]: names known.
    """
    for i in range(len(starts)):
        s, e = starts[i], ends[i]
        found[i] = 0
        p = s
        low = s
        while p < e:
            p = _next(data, p, e, signs)
            if p >= e:
                break
            a, b = _key(data, low, p)
            sign = data[p]
            p += 1
            if a == b or (sign != 61 and a > s and data[a - 1] not in (32, 40, 44, 59, 91, 9, 10)):
                continue
            v = p
            if sign != 61 or data[p - 2] == _SPACE:  # `key = value`, `key: value`; but `key= next=value` has an empty value
                while v < e and (data[v] in (_SPACE, 9)):
                    v += 1
            mark = BARE
            if v < e and data[v] == _QUOTE:
                v += 1
                w = v
                mark = 0
                while w < e and data[w] != _QUOTE:
                    if data[w] == _BACKSLASH:
                        mark = ESCAPED
                        w += 1
                    w += 1
                w = min(w, e)
                p = low = min(w + 1, e)
            elif nested and v < e and data[v] == _APOSTROPHE:
                p = low = v + 1
                continue
            else:
                w = v
                while w < e and not stops[data[w]] and not signs[data[w]] and not (nested and data[w] == _APOSTROPHE):
                    w += 1
                if w < e and signs[data[w]] and not stops[data[w]]:
                    x, y = _key(data, v, w)
                    # A sign inside: the value ends where the next name begins, or goes on where that is its own beginning.
                    while w < e and signs[data[w]] and (x in (y, v) or data[x - 1] not in (32, 44, 59, 9, 10, 40)):
                        w += 1
                        while w < e and not stops[data[w]] and not signs[data[w]]:
                            w += 1
                        if w < e and signs[data[w]]:
                            x, y = _key(data, v, w)
                    if w < e and signs[data[w]] and not stops[data[w]]:
                        w = x
                p = low = w
                if w == e and w > v and data[w - 1] == 46 and not stops[_SPACE]:
                    w -= 1  # the full stop of a sentence
                while w > v and (data[w - 1] <= 32 or data[w - 1] in (44, 59)):
                    w -= 1
            slot = _slot(verbatim(data, a, b, _FNV) if exact else fold(data, a, b, _FNV), keys, slots)
            if slot >= 0:
                found[i] += 1
                if spans[2 * slot, i] < 0 or spans[2 * slot, i] == spans[2 * slot + 1, i]:
                    spans[2 * slot, i], spans[2 * slot + 1, i], marks[slot, i] = v, w, mark


@maker
def values(  # noqa: C901  # a kernel stays in one piece
    data: Bytes, starts: Ints, ends: Ints, separator: int, quote: int, slot_of: Ints, spans: Table, marks: Table, found: Table
) -> None:
    """Split separated values; value k is field slot_of[k] (-1: not wanted). found[i]: how many there are, 0 when a quote stays open.

    Within quotes the quote is written twice or after a backslash.
    """
    for i in range(len(starts)):
        p, e = starts[i], ends[i]
        n = 0
        good = True
        while p <= e:
            mark = 0
            if p < e and data[p] == quote:
                v = p + 1
                w = v
                while w < e:
                    if data[w] == quote:
                        if w + 1 >= e or data[w + 1] != quote:
                            break
                        mark = ESCAPED
                        w += 1
                    elif data[w] == _BACKSLASH and quote == _APOSTROPHE:
                        mark = ESCAPED
                        w += 1
                    w += 1
                if w >= e:
                    good = False
                    w = e
                p = w + 1
                while p < e and data[p] != separator:
                    p += 1
            else:
                v = p
                while p < e and data[p] != separator:
                    p += 1
                w = p
                mark = BARE
            if n < len(slot_of) and slot_of[n] >= 0:
                slot = slot_of[n]
                spans[2 * slot, i], spans[2 * slot + 1, i], marks[slot, i] = v, w, mark
            n += 1
            p += 1
        found[i] = n if good else 0


@kernel
def _string_end(data: Bytes, p: int, e: int) -> tuple[int, int]:
    """Return (place of the closing quote, ESCAPED or 0) of a string whose text begins at `p`; (-1, 0) when it has no end."""
    mark = 0
    while p < e and data[p] != _QUOTE:
        if data[p] == _BACKSLASH:
            mark = ESCAPED
            p += 1
        p += 1
    return (p, mark) if p < e else (-1, 0)


@maker
def documents(  # noqa: C901, PLR0912, PLR0915  # a kernel stays in one piece
    data: Bytes, starts: Ints, ends: Ints, keys: Table, slots: Table, spans: Table, marks: Table, found: Table
) -> None:
    """Find fields of JSON objects, nested names joined by dots, of a list the first. found[i]: names known + 1, 0 for what is no object."""
    hashes = np.empty(DEPTH + 1, np.uint64)
    lists = np.zeros(DEPTH + 1, np.uint8)
    for i in range(len(starts)):
        s, e = starts[i], ends[i]
        p = s
        while p < e and p < s + LEAD and data[p] != 123:
            p += 1
        found[i] = 0
        if p >= e or data[p] != 123:
            continue
        depth = 0
        hashes[0] = _FNV
        lists[0] = 0
        p += 1
        name = _FNV
        named = False
        good = False
        count = 1
        while p < e:
            c = data[p]
            if c <= 32 or c in (44, 58):
                p += 1
                continue
            if c in (125, 93):
                p += 1
                depth -= 1
                if depth < 0:
                    good = True
                    break
                named = False
                continue
            if c == _QUOTE and not lists[depth] and not named:
                w, _ = _string_end(data, p + 1, e)
                if w < 0:
                    break
                name = hashes[depth]
                if depth > 0:
                    name = (name ^ _DOT) * _PRIME
                name = fold(data, p + 1, w, name)
                named = True
                p = w + 1
                continue
            if c in (123, 91):
                here = hashes[depth] if lists[depth] else name
                depth += 1
                if depth > DEPTH:
                    break
                hashes[depth] = here
                lists[depth] = 1 if c == 91 else 0
                named = False
                p += 1
                continue
            path = hashes[depth] if lists[depth] else name
            if c == _QUOTE:
                v = p + 1
                w, mark = _string_end(data, v, e)
                if w < 0:
                    break
                p = w + 1
            else:
                v = p
                while p < e and data[p] > 32 and data[p] not in (44, 125, 93):
                    p += 1
                w = p
                mark = BARE
                if w - v == 4 and data[v] == 110:  # null
                    w = v
            named = False
            slot = _slot(path, keys, slots)
            if slot >= 0:
                count += 1
                if spans[2 * slot, i] < 0 or spans[2 * slot, i] == spans[2 * slot + 1, i]:
                    spans[2 * slot, i], spans[2 * slot + 1, i], marks[slot, i] = v, w, mark
        if good:
            found[i] = count
