"""Run compiled patterns over messages: a backtracking machine, in the order in which Python's `re` tries."""

from __future__ import annotations

import numpy as np

from anzhang.engines.vault import jit
from anzhang.engines.vault.jit import Bytes, Ints, Table, below, eight, kernel, leading, line_feeds, maker, part, same, wide
from anzhang.engines.vault.streams.program import DOT, END, FIT, JUMP, LAZY, LITERAL, MARK, RUN, SAVE, SET, SPAN, SPLIT, STOP

STEPS, STEPS_PER_BYTE = 65_536, 64  # what a pattern may take on one message, so that no sender makes a seal take time in squares
_FULL = -1  # the stack was too small


@kernel
def _reach(data: Bytes, p: int, e: int, sets: Table, a: int) -> int:
    """Return the first place from `p` on that set `a` does not take; sets[a, DOT]: it takes all but a line feed."""
    if sets[a, DOT]:
        while p + 8 <= e:
            size = leading(line_feeds(eight(data, p)))
            p += size
            if size < 8:
                return p
    while p < e and sets[a, data[p]]:
        p += 1
    return p


@part
def _run(data: Bytes, s: int, e: int, pc: int, code: Table, sets: Table, pool: Bytes, stack: Table, caps: Ints) -> int:  # noqa: C901, PLR0912, PLR0915  # a kernel stays in one piece
    """Match data[s:e] from its start: 1 fits, 0 does not or not within the steps allowed, _FULL. Fills `caps` with places, -1 for none.

    The stack holds what to do when a step fails: set a group back, go the other way of a split, give one character back (SPAN: the
    places lowest..highest are left to try), take one more (LAZY).
    """
    for k in range(len(caps)):
        caps[k] = -1
    p = s
    top = 0
    steps = STEPS + STEPS_PER_BYTE * (e - s)
    while True:
        if top + 1 >= len(stack):
            return _FULL
        steps -= 1
        if steps < 0:
            return 0
        op, a = code[pc, 0], code[pc, 1]
        good = True
        if op == LITERAL:
            size = code[pc, 2]
            good = p + size <= e and same(data, p, pool, a, size)
            p += size
            pc += 1
        elif op == MARK:
            caps[a] = p
            pc += 1
        elif op == SAVE:
            stack[top, 0], stack[top, 1], stack[top, 2] = SAVE, a, caps[a]
            top += 1
            caps[a] = p
            pc += 1
        elif op == SPLIT:
            stack[top, 0], stack[top, 1], stack[top, 2] = SPLIT, code[pc, 2], p
            top += 1
            pc = a
        elif op == RUN:
            q = _reach(data, p, e, sets, a)
            good = q - p >= code[pc, 2]
            steps -= q - p
            p = q
            pc += 1
        elif op == SPAN:
            q = _reach(data, p, e, sets, a)
            steps -= q - p
            stack[top, 0], stack[top, 1], stack[top, 2], stack[top, 3] = SPAN, pc, p + code[pc, 2], q
            top += 1
            good = False
        elif op == LAZY:
            if code[pc, 2] == 0 or (p < e and sets[a, data[p]]):
                stack[top, 0], stack[top, 1], stack[top, 2] = LAZY, pc, p + code[pc, 2]
                top += 1
            good = False
        elif op == JUMP:
            pc = a
        elif op == FIT:
            return 1
        elif op == END:
            good = p == e or (p == e - 1 and data[p] == 10)
            pc += 1
        elif op == SET:
            good = p < e and sets[a, data[p]] != 0
            p += 1
            while p < e and data[p] & 0xC0 == 0x80:
                p += 1
            pc += 1
        else:  # WORD
            before = p > s and sets[a, data[p - 1]] != 0
            after = p < e and sets[a, data[p]] != 0
            good = before != after
            pc += 1
        while not good:
            if top == 0:
                return 0
            frame = top - 1
            kind, at = stack[frame, 0], stack[frame, 1]
            if kind == SAVE:
                caps[at] = stack[frame, 2]
                top = frame
            elif kind == SPLIT:
                pc, p = at, stack[frame, 2]
                top = frame
                good = True
            elif kind == SPAN:
                low, q, follow, second = stack[frame, 2], stack[frame, 3], code[at, 3], code[at, 4]
                if q == e and follow >= 0 and not sets[follow, STOP]:
                    q -= 1
                while q >= low and q < e:
                    c = data[q]
                    if c & 0xC0 != 0x80 and (follow < 0 or sets[follow, c]) and (second < 0 or (q + 1 < e and data[q + 1] == second)):
                        break
                    q -= 1
                steps -= stack[frame, 3] - q
                if q < low:
                    top = frame
                else:
                    good = True
                    pc, p = at + 1, q
                    stack[frame, 3] = q - 1
            else:  # LAZY
                q, a, follow, second = stack[frame, 2], code[at, 1], code[at, 3], code[at, 4]
                inside = True
                while q < e:
                    c = data[q]
                    inside = sets[a, c] != 0
                    good = (
                        c & 0xC0 != 0x80 and (follow < 0 or sets[follow, c] != 0) and (second < 0 or (q + 1 < e and data[q + 1] == second))
                    )
                    if good or not inside:
                        break
                    q += 1
                if q == e:
                    good = follow < 0 or sets[follow, STOP] != 0
                    inside = False
                steps -= q - stack[frame, 2]
                pc, p = at + 1, q
                stack[frame, 2] = q + 1
                if not good or not inside:
                    top = frame


@maker
def fit(
    data: Bytes, starts: Ints, ends: Ints, begin: int, end: int, code: Table, sets: Table, pool: Bytes, entry: Ints, following: Table,
    prefix: Table, rows: Ints, which: Ints, spans: Table,
) -> int:  # fmt: skip
    """Try on every message the patterns begin..end in order; return how many messages one of them fits.

    Of the n-th such message, rows[n] is the message, which[n] the pattern, spans[:, n] the places of the groups (from, to; -1 for none).
    """
    stack = np.empty((64, 4), np.int64)
    caps = np.empty(len(spans), np.int64)
    n = 0
    for i in range(len(starts)):
        s, e = starts[i], ends[i]
        begins = wide(data[s]) if s < e else STOP
        head = eight(data, s) if s < e else np.uint64(0)
        if e - s < 8:
            head &= below(e - s)
        k = wide(following[begins, begin]) - 1
        while k < end:
            k = wide(following[begins, k + 1])
            if k >= end:
                break
            if head & prefix[k, 1] != prefix[k, 0]:
                continue
            found = _FULL
            while found == _FULL:
                found = _run(data, s, e, entry[k], code, sets, pool, stack, caps)
                if found == _FULL:
                    stack = np.empty((len(stack) * 2, 4), np.int64)
            if found:
                rows[n] = i
                which[n] = k
                for c in range(len(caps)):
                    spans[c, n] = caps[c]
                n += 1
                break
    return n


@kernel
def measure(starts: Table, ends: Table, offsets: Table, valid: Bytes) -> int:
    """Fill Arrow offsets (n + 1) and validity bits for slices; what is empty or absent (-1) is null. Return the bytes they take."""
    total = 0
    offsets[0] = 0
    for i in range(len(starts)):
        if starts[i] >= 0 and ends[i] > starts[i]:
            total += ends[i] - starts[i]
            valid[i >> 3] |= np.uint8(1 << (i & 7))
        offsets[i + 1] = total
    return total


@kernel
def copy(data: Bytes, starts: Table, offsets: Table, out: Bytes) -> None:
    """Copy the slices of `measure` into `out`."""
    for i in range(len(starts)):
        jit.copy(out, offsets[i], data, starts[i], starts[i] + offsets[i + 1] - offsets[i])


@kernel
def unwrap(data: Bytes, starts: Ints, ends: Ints, pool: Bytes, counts: Table) -> int:
    """Take the message out of `message repeated N times: [ ... ]` and set counts[i] = N; `pool` is its first three words."""
    size = len(pool)
    n = 0
    for i in range(len(starts)):
        s, e = starts[i], ends[i]
        if e - s <= size + 10 or data[s] != pool[0] or data[e - 1] != 93 or not same(data, s, pool, 0, size):
            continue
        p = s + size
        value = 0
        while p < e and 48 <= data[p] <= 57:
            value = min(value * 10 + wide(data[p]) - 48, 1_000_000)
            p += 1
        while p < e and data[p] != 91:
            p += 1
        p += 1
        if p < e and data[p] == 32:
            p += 1
        if value > 0 and p < e:
            starts[i], ends[i], counts[i] = p, e - 1, value
            n += 1
    return n


@kernel
def integers(data: Bytes, starts: Ints, ends: Ints, most: int, out: Ints, valid: Table) -> None:
    """Read slices of digits, at most `most`; a sign, `0x` and what follows the digits are allowed. valid[i]: there was one."""
    for i in range(len(starts)):
        p, e = starts[i], ends[i]
        minus = p < e and data[p] == 45
        if minus:
            p += 1
        value = 0
        valid[i] = 0
        if p + 2 < e and data[p] == 48 and data[p + 1] | 32 == 120:
            p += 2
            while p < e:
                c = data[p] | 32
                digit = wide(c) - 48 if data[p] <= 57 else wide(c) - 87
                if digit < 0 or digit > 15:
                    break
                value = min(value * 16 + digit, most)
                valid[i] = 1
                p += 1
        else:
            while p < e and 48 <= data[p] <= 57:
                value = most if value > most // 10 else min(value * 10 + wide(data[p]) - 48, most)
                valid[i] = 1
                p += 1
        out[i] = -value if minus else value


@kernel
def ipv4(data: Bytes, bounds: Table, flags: Table) -> None:
    """Set flags[i] where slice i is four groups of one to three digits with dots between them."""
    for i in range(len(bounds) - 1):
        p, e = wide(bounds[i]), wide(bounds[i + 1])
        dots, size = 0, 0
        good = e - p >= 7 and e - p <= 15
        while good and p < e:
            c = data[p]
            if c == 46:
                good = size > 0
                dots += 1
                size = 0
            else:
                size += 1
                good = 48 <= c <= 57 and size <= 3
            p += 1
        flags[i] = good and dots == 3 and size > 0


@kernel
def any_of(data: Bytes, bounds: Table, pool: Bytes, pool_bounds: Table) -> bool:
    """Return whether a slice of `data` equals one of `pool`."""
    longest = 0
    for k in range(len(pool_bounds) - 1):
        longest = max(longest, wide(pool_bounds[k + 1]) - wide(pool_bounds[k]))
    for i in range(len(bounds) - 1):
        s, size = wide(bounds[i]), wide(bounds[i + 1]) - wide(bounds[i])
        if size == 0 or size > longest:
            continue
        for k in range(len(pool_bounds) - 1):
            place = wide(pool_bounds[k])
            if wide(pool_bounds[k + 1]) - place == size and data[s] == pool[place] and same(data, s, pool, place, size):
                return True
    return False
