"""Read time stamps of many forms out of captured texts, in one pass over the rows.

A form is written as for `strptime`: %Y %y %m %d %b %H %I %M %S %p; `%f` digits of a fraction after a point, comma or colon, if any;
`%z` +0800, +08:00, Z, UTC, GMT, CST (China's) or nothing; `%a` a word that is skipped; `%s` seconds since 1970, %f may follow; `%N`
milliseconds since 1970. A blank in the form is any number of blanks; day and hour may have one digit.
"""

from __future__ import annotations

import numpy as np

from anzhang.engines.vault.jit import Bytes, Ints, Table, kernel, maker, wide
from anzhang.engines.vault.render import day_number
from anzhang.engines.vault.scan import _month, _month_length

NONE = -(1 << 62)


@kernel
def _number(data: Bytes, p: int, e: int, most: int) -> tuple[int, int]:
    """Return (number, place after it) of up to `most` digits at `p`; -1 where there is none."""
    value = 0
    q = p
    while q < e and q - p < most and 48 <= data[q] <= 57:
        value = value * 10 + wide(data[q]) - 48
        q += 1
    return (value, q) if q > p else (-1, p)


@kernel
def _zone(data: Bytes, p: int, e: int, default: int) -> tuple[int, int]:
    """Return (minutes east, place after it) of a zone at `p`; the default where there is none."""
    if p < e and data[p] == 90:
        return 0, p + 1
    if p + 3 <= e and ((data[p] == 85 and data[p + 1] == 84 and data[p + 2] == 67) or (data[p] == 71 and data[p + 1] == 77)):
        return 0, p + 3  # UTC, GMT
    if p + 3 <= e and data[p] == 67 and data[p + 1] == 83 and data[p + 2] == 84:
        return 480, p + 3  # CST is China's here
    if p + 3 <= e and data[p] in (43, 45):
        hours, q = _number(data, p + 1, e, 2)
        if q == p + 3 and q < e and data[q] == 58:
            q += 1
        minutes, after = _number(data, q, e, 2)
        minutes = max(minutes, 0)
        if hours >= 0:
            east = hours * 60 + minutes
            return (-east if data[p] == 45 else east), after
    return default, p


@kernel
def _read(data: Bytes, p: int, e: int, form: Bytes, zone: int, year: int) -> int:  # noqa: C901, PLR0911, PLR0912, PLR0915  # a kernel stays in one piece
    """Return µs since 1970 of data[p:e] by one form, NONE when it is not of that form."""
    month = day = 1
    hour = minute = second = micro = 0
    epoch = -1
    east = zone
    half = 0
    k = 0
    while k < len(form):
        c = form[k]
        k += 1
        if c == 32:
            if p < e and data[p] != 32:
                return NONE
            while p < e and data[p] == 32:
                p += 1
            continue
        if c != 37:
            if p >= e or data[p] != c:
                return NONE
            p += 1
            continue
        c = form[k]
        k += 1
        value = 0
        if c == 89:  # Y
            value, q = _number(data, p, e, 4)
            if q - p != 4:
                return NONE
            year, p = value, q
        elif c == 121:  # y
            value, p = _number(data, p, e, 2)
            year = 2000 + value
        elif c == 109:  # m
            value, p = _number(data, p, e, 2)
            month = value
        elif c == 100:  # d
            while p < e and data[p] == 32:
                p += 1
            value, p = _number(data, p, e, 2)
            day = value
        elif c == 98:  # b
            if p + 3 > e:
                return NONE
            month = _month(data, p)
            p += 3
        elif c in (72, 73):  # H I
            value, p = _number(data, p, e, 2)
            hour = value
        elif c == 77:  # M
            value, p = _number(data, p, e, 2)
            minute = value
        elif c == 83:  # S
            value, p = _number(data, p, e, 2)
            second = value
        elif c == 112:  # p
            if p + 2 > e:
                return NONE
            half = 2 if data[p] | 32 == 112 else 1
            p += 2
        elif c == 115:  # s
            epoch, p = _number(data, p, e, 11)
            value = epoch
        elif c == 78:  # N
            value, p = _number(data, p, e, 14)
            epoch = value // 1000
            micro = value % 1000 * 1000
        elif c == 102:  # f
            if p < e and data[p] in (46, 44, 58):
                q = p + 1
                digits = 0
                while q < e and 48 <= data[q] <= 57:
                    if digits < 6:
                        micro = micro * 10 + wide(data[q]) - 48
                    digits += 1
                    q += 1
                for _ in range(6 - digits):
                    micro *= 10
                p = q
        elif c == 122:  # z
            while p < e and data[p] == 32:
                p += 1
            east, p = _zone(data, p, e, zone)
        else:  # a
            while p < e and data[p] != 32:
                p += 1
        if value < 0:
            return NONE
    if p != e:
        return NONE
    if epoch >= 0:
        return epoch * 1_000_000 + micro
    if half:
        if hour < 1 or hour > 12:
            return NONE
        hour = hour % 12 + (12 if half == 2 else 0)
    if month < 1 or month > 12 or day < 1 or day > _month_length(year, month) or hour > 23 or minute > 59 or second > 60:
        return NONE
    return ((day_number(year, month, day) * 86400 + hour * 3600 + minute * 60 + second) - east * 60) * 1_000_000 + micro


@maker
def read(data: Bytes, starts: Ints, ends: Ints, forms: Bytes, bounds: Ints, zones: Ints, years: Ints, out: Ints) -> None:
    """Set out[i] where one of the forms forms[bounds[k]:bounds[k + 1]] reads text i; leave it otherwise."""
    last = 0
    for i in range(len(starts)):
        if starts[i] >= ends[i]:
            continue
        for n in range(len(bounds) - 1):
            k = (last + n) % (len(bounds) - 1)  # most rows are of the form of the row before
            at = _read(data, starts[i], ends[i], forms[bounds[k] : bounds[k + 1]], zones[i], years[i])
            if at != NONE:
                out[i] = at
                last = k
                break


def forms_of(forms: tuple[str, ...]) -> tuple[Table, Ints]:
    """Return forms as `read` takes them."""
    written = [form.encode() for form in forms]
    return np.frombuffer(b"".join(written) or b"\0", np.uint8), np.cumsum([0, *map(len, written)]).astype(np.int64)
