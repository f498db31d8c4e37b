"""Decide which lines match: the exact half of search, run over whatever pruning left.

ASCII letters fold when asked; word characters are [A-Za-z0-9_], as for `grep -w` in the C locale.
"""

from __future__ import annotations

from anzhang.engines.vault.jit import Bytes, Ints, Table, below, eight, kernel, lowered, wide
from anzhang.engines.vault.tokens import ideograph, is_word


@kernel
def _lower(c: int) -> int:
    return c + 32 if 65 <= c <= 90 else c


@kernel
def contains(data: Bytes, starts: Ints, ends: Ints, needle: Bytes, fold: bool, left: bool, right: bool, out: Table) -> None:  # noqa: C901  # a kernel stays in one piece
    """Set out[i] to 0 where line i does not hold `needle`.

    `fold`: ASCII case does not count, and `needle` is given in lower case. `left`, `right`: no word character beside it.
    """
    size = len(needle)
    if size == 0:
        return
    first, meant = eight(needle, 0), below(size)
    if fold:
        first = lowered(first)
    for i in range(len(starts)):
        if not out[i]:
            continue
        found = False
        s, e = starts[i], ends[i]
        for p in range(s, e - size + 1):
            x = eight(data, p)
            if ((lowered(x) if fold else x) ^ first) & meant:
                continue
            same = True
            for k in range(size):
                c = data[p + k]
                if fold and 65 <= c <= 90:
                    c += 32
                if c != needle[k]:
                    same = False
                    break
            if not same:
                continue
            if left and p > s and is_word(data[p - 1]):
                continue
            if right and p + size < e and is_word(data[p + size]):
                continue
            found = True
            break
        out[i] = found


@kernel
def touch(data: Bytes, at: Table, needle: Bytes, out: Table) -> None:
    """Set out[i] to 1 where slice i, data[at[i]:at[i + 1]], holds `needle` (lower case), whatever the case of its ASCII letters.

    Other bytes that differ in the bit that makes the case may be taken for each other: what is set may be too much, never too little.
    """
    size = len(needle)
    first, meant = lowered(eight(needle, 0)), below(size)
    for i in range(len(at) - 1):
        s, e = wide(at[i]), wide(at[i + 1])
        if out[i]:
            continue
        for p in range(s, e - size + 1):
            if (lowered(eight(data, p)) ^ first) & meant:
                continue
            same = True
            for k in range(8, size):
                if _lower(data[p + k]) != needle[k]:
                    same = False
                    break
            if same:
                out[i] = 1
                break


@kernel
def _separator_end(data: Bytes, p: int, e: int) -> int:
    """Skip bytes that are neither word characters nor ideographs."""
    while p < e and not is_word(data[p]) and not ideograph(data, p, e):
        p += 1
    return p


@kernel
def phrase(data: Bytes, starts: Ints, ends: Ints, needle: Bytes, bounds: Ints, out: Table) -> None:  # noqa: C901, PLR0912  # a kernel stays in one piece
    """Set out[i] to 0 where line i does not hold the words of a phrase one after the other.

    `needle` is lower case; word w is needle[bounds[w]:bounds[w + 1]], either ASCII word characters or ideographs. Between two words
    stand only separators: at least one between two ASCII words, any number beside ideographs.
    """
    count = len(bounds) - 1
    first, meant = lowered(eight(needle, 0)), below(bounds[1])
    for i in range(len(starts)):
        if not out[i]:
            continue
        found = False
        s, e = starts[i], ends[i]
        for begin in range(s, e - bounds[1] + 1):
            if (lowered(eight(data, begin)) ^ first) & meant:
                continue
            p = begin
            w = 0
            while w < count:
                ws, we = bounds[w], bounds[w + 1]
                size = we - ws
                ascii_word = needle[ws] < 0x80
                if w > 0:
                    q = _separator_end(data, p, e)
                    if q == p and ascii_word and needle[ws - 1] < 0x80:
                        break
                    p = q
                if p + size > e:
                    break
                same = True
                for k in range(size):
                    if _lower(data[p + k]) != needle[ws + k]:
                        same = False
                        break
                if not same:
                    break
                if ascii_word and ((p > s and is_word(data[p - 1])) or (p + size < e and is_word(data[p + size]))):
                    break
                p += size
                w += 1
            if w == count:
                found = True
                break
        out[i] = found
