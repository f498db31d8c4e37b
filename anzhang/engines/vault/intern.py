"""Column kernels: dictionary-code slices of a batch, gather them into Arrow buffers, fingerprint message templates."""

from __future__ import annotations

import numpy as np

from anzhang.engines.vault.jit import (
    HIGHS,
    Bytes,
    Ints,
    Table,
    below,
    copy,
    digits,
    eight,
    in_run,
    kernel,
    leading,
    prefetch,
    same,
    wide,
)

_FNV = np.uint64(0xCBF29CE484222325)
_PRIME = np.uint64(0x100000001B3)
_MIX = np.uint64(0xFF51AFD7ED558CCD)
_SHIFT = np.uint64(33)
AHEAD = 12  # lines


@kernel
def _slot(h: np.uint64, mask: int) -> int:
    return wide(((h ^ (h >> _SHIFT)) * _MIX) >> _SHIFT) & mask


@kernel
def intern(data: Bytes, starts: Ints, ends: Ints, codes: Table, first: Table, table: Table) -> int:
    """Give equal slices equal codes, in order of first appearance; return how many there are, -1 when `table` is too small.

    `first[c]` is the first row of code c. `table` is scratch: int32, a power of two, filled with -1.
    """
    mask = len(table) - 1
    n = 0
    last = -1
    for i in range(len(starts)):
        s, size = starts[i], ends[i] - starts[i]
        if last >= 0:  # most lines repeat the value of the line before
            j = first[last]
            if ends[j] - starts[j] == size and same(data, starts[j], data, s, size):
                codes[i] = last
                continue
        h = _FNV
        for k in range(size):
            h = (h ^ np.uint64(data[s + k])) * _PRIME
        slot = _slot(h, mask)
        while True:
            code = table[slot]
            if code < 0:
                if 2 * n >= mask:
                    return -1
                table[slot] = n
                first[n] = i
                code = n
                n += 1
                break
            j = first[code]
            if ends[j] - starts[j] == size and same(data, starts[j], data, s, size):
                break
            slot = (slot + 1) & mask
        codes[i] = code
        last = code
    return n


@kernel
def number(values: Table, codes: Table, first: Table, table: Table) -> int:
    """Do what `intern` does, for 64-bit numbers."""
    mask = len(table) - 1
    n = 0
    for i in range(len(values)):
        slot = _slot(values[i], mask)
        while True:
            code = table[slot]
            if code < 0:
                if 2 * n >= mask:
                    return -1
                table[slot] = n
                first[n] = i
                code = n
                n += 1
                break
            if values[first[code]] == values[i]:
                break
            slot = (slot + 1) & mask
        codes[i] = code
    return n


@kernel
def distribute(codes: Table, places: Ints, order: Ints) -> None:
    """Fill `order` with the rows of each code in turn, in their order; places[c], where those of code c begin, is used up."""
    for i in range(len(codes)):
        order[places[codes[i]]] = i
        places[codes[i]] += 1


@kernel
def gather_offsets(starts: Ints, ends: Ints, order: Ints, offsets: Table) -> int:
    """Fill Arrow offsets (n + 1) for slices taken in `order`; return the bytes they take."""
    total = 0
    offsets[0] = 0
    for i in range(len(order)):
        total += ends[order[i]] - starts[order[i]]
        offsets[i + 1] = total
    return total


@kernel
def gather(data: Bytes, starts: Ints, order: Ints, offsets: Table, out: Bytes) -> None:
    """Copy the slices of `gather_offsets` into `out`."""
    for i in range(len(order)):
        prefetch(data, starts[order[min(i + AHEAD, len(order) - 1)]])
        place = starts[order[i]]
        copy(out, offsets[i], data, place, place + offsets[i + 1] - offsets[i])


@kernel
def fingerprint(data: Bytes, starts: Ints, ends: Ints, out: Table) -> None:
    """Hash the template of every slice: each run of [A-Za-z0-9_.-] that contains a digit counts as one blank."""
    for i in range(len(starts)):
        total = _FNV
        p, e = starts[i], ends[i]
        while p < e:
            x = eight(data, p) & below(e - p)
            marks = in_run(x)
            skip = min(leading(marks), e - p)
            if skip:
                total = (total ^ (x & below(skip))) * _PRIME
                total ^= total >> _SHIFT
                p += skip
                if skip == 8 or p >= e:
                    continue
                x >>= np.uint64(8 * skip)
                marks >>= np.uint64(8 * skip)
            run = _FNV
            number = np.uint64(0)
            size = leading(~marks & HIGHS)
            if size == 8 - skip:  # the run may go on past the eight bytes
                x = eight(data, p) & below(e - p)
                size = leading(~in_run(x) & HIGHS)
                while size == 8:
                    run = (run ^ x) * _PRIME
                    run ^= run >> _SHIFT
                    number |= digits(x)
                    p += 8
                    x = eight(data, p) & below(e - p) if p < e else np.uint64(0)
                    size = leading(~in_run(x) & HIGHS)
            rest = below(size)
            run = (run ^ (x & rest)) * _PRIME
            number |= digits(x) & rest
            total = (total ^ (np.uint64(1) if number else run)) * _MIX
            p += size
        out[i] = (total ^ (total >> _SHIFT)) * _MIX
