"""Find the fields of every line of a batch in one pass (RFC 3164 with and without PRI, RFC 5424, bare lines).

Nothing is dropped: a line without a recognised header is kind 0 and its message is the whole line. After parsing, the header is
rebuilt from its fields; where that differs by a byte, `hdr` says so and the header is kept verbatim.
"""

from __future__ import annotations

import numpy as np

from anzhang.engines.vault.jit import HIGHS, ONES, Bytes, Ints, Table, eight, kernel, leading, line_feeds, part, same, wide
from anzhang.engines.vault.render import HOST, PID, SPACE, TAG, day_number, header

AHEAD, BEHIND, NO_TIME = 1, 2, 4  # flags: clock more than a day ahead, more than a day behind, no usable time stamp
REDACTED = 8  # flag: its text was taken out (ADR 0017)
DAY_US = 86_400_000_000
_7, _56 = np.uint64(7), np.uint64(56)
SCRATCH = 4096  # a longer header is kept verbatim
BSD, MODERN = 1, 2  # headers of RFC 3164 and RFC 5424
HEADERS = {"auto": BSD | MODERN, "rfc3164": BSD, "rfc5424": MODERN, "json": 0, "text": 0}  # by the format of a batch
TERMINATORS = (b"", b"\n", b"\r\n")

# columns of `span`
HOST_S, HOST_E, APP_S, APP_E, MID_S, MID_E, SD_S, SD_E, MSG_S = range(9)
PLACES = 9


@kernel
def count_lines(data: Bytes, start: int, end: int) -> int:
    """Return how many lines newline-framed bytes hold; a last one without terminator counts."""
    n = 0
    p = start
    while p + 8 <= end:
        n += wide((line_feeds(eight(data, p)) >> _7) * ONES >> _56)
        p += 8
    while p < end:
        n += data[p] == 10
        p += 1
    if end > start and data[end - 1] != 10:
        n += 1
    return n


@kernel
def split_lines(data: Bytes, start: int, end: int, starts: Ints, ends: Ints, term: Table, high: Table, n: int) -> int:
    """Write begin, end (without terminator), terminator and whether it may not be ASCII, of each newline-framed line from row `n`.

    Return the next row.
    """
    begin = start
    p = start
    marks = np.uint64(0)
    while p < end:
        while p + 16 <= end:
            x, y = eight(data, p), eight(data, p + 8)
            if line_feeds(x) | line_feeds(y):
                break
            marks |= x | y
            p += 16
        x = eight(data, p)
        marks |= x
        skip = leading(line_feeds(x))
        p += skip
        if skip == 8 or p >= end:
            continue
        high[n] = 1 if marks & HIGHS else 0
        marks = np.uint64(0)
        starts[n] = begin
        if p > begin and data[p - 1] == 13:
            ends[n] = p - 1
            term[n] = 2
        else:
            ends[n] = p
            term[n] = 1
        n += 1
        p += 1
        begin = p
    if begin < end:
        starts[n] = begin
        ends[n] = end
        term[n] = 0
        high[n] = 1
        n += 1
    return n


@kernel
def _two(data: Bytes, p: int) -> int:
    """Return the two-digit number at `p`, or -1."""
    a = wide(data[p]) - 48
    b = wide(data[p + 1]) - 48
    return a * 10 + b if 0 <= a <= 9 and 0 <= b <= 9 else -1


@kernel
def _month(data: Bytes, p: int) -> int:  # noqa: C901  # a kernel stays in one piece
    """Return 1..12 for an English month abbreviation at `p`, or 0."""
    key = (wide(data[p]) << 16) | (wide(data[p + 1]) << 8) | wide(data[p + 2])
    month = 0
    if key == 0x4A616E:
        month = 1
    elif key == 0x466562:
        month = 2
    elif key == 0x4D6172:
        month = 3
    elif key == 0x417072:
        month = 4
    elif key == 0x4D6179:
        month = 5
    elif key == 0x4A756E:
        month = 6
    elif key == 0x4A756C:
        month = 7
    elif key == 0x417567:
        month = 8
    elif key == 0x536570:
        month = 9
    elif key == 0x4F6374:
        month = 10
    elif key == 0x4E6F76:
        month = 11
    elif key == 0x446563:
        month = 12
    return month


@kernel
def _month_length(year: int, month: int) -> int:
    if month == 2:
        return 29 if (year % 4 == 0 and year % 100 != 0) or year % 400 == 0 else 28
    return 30 if month in (4, 6, 9, 11) else 31


@part
def _bsd_stamp(data: Bytes, p: int, e: int, year: int, rts: int, zone: int) -> tuple[int, int]:
    """Return (form, µs) of `Mmm dd hh:mm:ss` at `p`, form 0 when there is none.

    The year is the latest that puts the line no more than two days after its receipt.
    """
    if e - p < 15:
        return 0, 0
    month = _month(data, p)
    if month == 0 or data[p + 3] != 32 or data[p + 6] != 32 or data[p + 9] != 58 or data[p + 12] != 58:
        return 0, 0
    form = 1
    if data[p + 4] == 32:
        day = wide(data[p + 5]) - 48
    else:
        day = _two(data, p + 4)
        if day < 10:
            form = 2
    hour, minute, second = _two(data, p + 7), _two(data, p + 10), _two(data, p + 13)
    if day < 1 or day > 31 or hour < 0 or hour > 23 or minute < 0 or minute > 59 or second < 0 or second > 59:
        return 0, 0
    clock = hour * 3600 + minute * 60 + second - zone * 60
    for back in range(10):
        y = year + 1 - back
        if day <= _month_length(y, month):
            ts = (day_number(y, month, day) * 86400 + clock) * 1_000_000
            if ts <= rts + 2 * DAY_US:
                return form, ts
    return 0, 0


@part
def _iso_stamp(data: Bytes, p: int, e: int, zone: int) -> tuple[int, int, int, int]:  # noqa: C901, PLR0911, PLR0912  # a kernel stays in one piece
    """Return (form, µs, minutes east, end) of an RFC 3339 time stamp at `p`, form 0 when there is none."""
    none = (0, 0, 0, 0)
    if e - p < 19 or data[p + 4] != 45 or data[p + 7] != 45 or data[p + 10] != 84 or data[p + 13] != 58 or data[p + 16] != 58:
        return none
    high, low = _two(data, p), _two(data, p + 2)
    month, day = _two(data, p + 5), _two(data, p + 8)
    hour, minute, second = _two(data, p + 11), _two(data, p + 14), _two(data, p + 17)
    if high < 0 or low < 0 or month < 1 or month > 12 or day < 1 or day > _month_length(high * 100 + low, month):
        return none
    if hour < 0 or hour > 23 or minute < 0 or minute > 59 or second < 0 or second > 59:
        return none
    q = p + 19
    micro = 0
    digits = 0
    if q < e and data[q] == 46:
        q += 1
        while q < e and 48 <= data[q] <= 57:
            if digits < 6:
                micro = micro * 10 + (wide(data[q]) - 48)
            digits += 1
            q += 1
        if digits == 0 or digits > 9:
            return none
        for _ in range(6 - digits):
            micro *= 10
    form = 30 + min(digits, 6)
    off = zone
    if q < e and data[q] == 90:
        form -= 20
        off = 0
        q += 1
    elif q + 5 < e and (data[q] == 43 or data[q] == 45) and data[q + 3] == 58:
        hours, minutes = _two(data, q + 1), _two(data, q + 4)
        if hours < 0 or hours > 23 or minutes < 0 or minutes > 59:
            return none
        off = hours * 60 + minutes
        if data[q] == 45:
            off = -off
        form -= 10
        q += 6
    if q < e and data[q] != 32:
        return none
    seconds = day_number(high * 100 + low, month, day) * 86400 + hour * 3600 + minute * 60 + second - off * 60
    return form, seconds * 1_000_000 + micro, off, q


@kernel
def _sd_end(data: Bytes, p: int, e: int) -> int:  # noqa: C901  # a kernel stays in one piece
    """Return the end of RFC 5424 structured data at `p` (`-` or elements), or -1."""
    if p >= e:
        return -1
    if data[p] == 45:
        return p + 1
    quoted = False
    inside = False
    while p < e:
        c = data[p]
        if not inside:
            if c != 91:
                break
            inside = True
        elif quoted:
            if c == 92:
                p += 1
            elif c == 34:
                quoted = False
        elif c == 34:
            quoted = True
        elif c == 93:
            inside = False
        p += 1
    return -1 if inside or p > e else p


@part
def _word_end(data: Bytes, p: int, e: int) -> int:
    while p < e and data[p] != 32:
        p += 1
    return p


@part
def _digits(data: Bytes, p: int, e: int) -> int:
    """Return the number that data[p:e] spells (1..9 digits), or -1."""
    if e <= p or e - p > 9:
        return -1
    value = 0
    for i in range(p, e):
        if data[i] < 48 or data[i] > 57:
            return -1
        value = value * 10 + (wide(data[i]) - 48)
    return value


@part
def _rfc5424(data: Bytes, p: int, e: int, span: Table, i: int, bounds: Ints) -> tuple[int, int, int]:
    """Fill `span` row i from the fields after the time stamp (host onward); return (ok, lay, pid). `bounds` is room for eight numbers."""
    for k in range(4):
        q = _word_end(data, p, e)
        if q == p or q >= e:
            return 0, 0, -1
        bounds[2 * k] = p
        bounds[2 * k + 1] = q
        p = q + 1
    end = _sd_end(data, p, e)
    if end < 0 or (end < e and data[end] != 32):
        return 0, 0, -1
    for k in range(4):
        if bounds[2 * k + 1] - bounds[2 * k] == 1 and data[bounds[2 * k]] == 45:
            bounds[2 * k + 1] = bounds[2 * k]
    span[i, HOST_S], span[i, HOST_E] = bounds[0], bounds[1]
    span[i, APP_S], span[i, APP_E] = bounds[2], bounds[3]
    pid = _digits(data, bounds[4], bounds[5])
    span[i, MID_S], span[i, MID_E] = bounds[6], bounds[7]
    span[i, SD_S], span[i, SD_E] = (p, p) if data[p] == 45 else (p, end)
    lay = PID if pid >= 0 else 0
    if end < e:
        lay |= SPACE
        end += 1
    span[i, MSG_S] = end
    return 1, lay, pid


@part
def _rfc3164(data: Bytes, p: int, e: int, span: Table, i: int) -> tuple[int, int]:  # noqa: C901  # a kernel stays in one piece
    """Fill `span` row i from host and tag, `p` being the place after the time stamp's space; return (lay, pid)."""
    lay = 0
    pid = -1
    q = _word_end(data, p, e)
    tag_like = q > p and data[q - 1] == 58
    for k in range(p, q):
        if data[k] == 91:
            tag_like = True
    if q < e and q > p and not tag_like:
        lay = HOST
        span[i, HOST_S], span[i, HOST_E] = p, q
        p = q + 1
    q = p
    while q < e and data[q] != 32 and data[q] != 58 and data[q] != 91:
        q += 1
    name_end = q
    if q > p and q < e and data[q] == 91:
        close = q + 1
        while close < e and data[close] != 93 and data[close] != 32:
            close += 1
        if close + 1 < e and data[close] == 93 and data[close + 1] == 58:
            pid = _digits(data, q + 1, close)
            if pid >= 0:
                lay |= PID
            q = close + 1
    if q > p and q < e and data[q] == 58 and (q + 1 == e or data[q + 1] == 32 or q > name_end):
        lay |= TAG
        span[i, APP_S], span[i, APP_E] = p, name_end
        p = q + 1
        if p < e and data[p] == 32:
            lay |= SPACE
            p += 1
    else:
        pid = -1
        lay &= HOST
    span[i, MSG_S] = p
    return lay, pid


@kernel
def scan(  # noqa: C901, PLR0912, PLR0915  # a kernel stays in one piece
    data: Bytes, starts: Ints, ends: Ints, record: Table, rts: Ints, year: Ints, zone: Ints, allowed: Table,
    kind: Table, lay: Table, form: Table, pri: Table, ts: Ints, off: Table, pid: Table, flags: Table, hdr: Table, span: Table,
    scratch: Bytes, bounds: Ints, memo: Ints, memo_text: Bytes,
) -> None:  # fmt: skip
    """Parse all lines. `record` maps a line to its record; `rts` (µs), `year`, `zone` (minutes east) and `allowed` headers are per record.

    Fills the columns of render.py, `flags`, `hdr` (1 = keep the header verbatim) and `span` (byte places, see above).
    """
    known = known_ts = known_p = known_r = 0  # the last time stamp of RFC 3164: most lines repeat it
    for i in range(len(starts)):
        s, e = wide(starts[i]), wide(ends[i])
        r = wide(record[i])
        for k in range(PLACES):
            span[i, k] = s
        kind[i] = 0
        lay[i] = 0
        form[i] = 0
        pri[i] = -1
        off[i] = zone[r]  # a parser of bare lines reads their own time stamps by it
        pid[i] = -1
        hdr[i] = 0
        ts[i] = rts[r]
        flags[i] = NO_TIME
        p = s
        if allowed[r] == 0:
            continue
        if e - s >= 3 and data[s] == 60:
            q = s + 1
            while q < e and q < s + 4 and 48 <= data[q] <= 57:
                q += 1
            if q < e and data[q] == 62:
                value = _digits(data, s + 1, q)
                if 0 <= value <= 191:
                    pri[i] = value
                    p = q + 1
        if p > s and p + 1 < e and data[p] == 49 and data[p + 1] == 32 and allowed[r] & MODERN:
            p += 2
            q = _word_end(data, p, e)
            f, stamp, minutes, _ = _iso_stamp(data, p, q, 0)
            ok, bits, number = _rfc5424(data, q + 1, e, span, i, bounds)
            if ok:
                kind[i] = 2
                lay[i] = bits
                pid[i] = number
                if 10 <= f < 30:
                    form[i] = f
                    ts[i] = stamp
                    off[i] = minutes
                    flags[i] = 0
        elif allowed[r] & BSD:
            if known > 0 and r == known_r and p + 15 <= e and same(data, p, data, known_p, 15):
                f, stamp = known, known_ts
            else:
                f, stamp = _bsd_stamp(data, p, e, year[r], rts[r], zone[r])
                known, known_ts, known_p, known_r = f, stamp, p, r
            minutes = zone[r]
            q = p + 15
            if f == 0:
                f, stamp, minutes, q = _iso_stamp(data, p, e, zone[r])
            if f > 0 and q < e and data[q] == 32:
                kind[i] = 1
                form[i] = f
                ts[i] = stamp
                off[i] = minutes
                flags[i] = 0
                bits, number = _rfc3164(data, q + 1, e, span, i)
                lay[i] = bits
                pid[i] = number
        if kind[i] == 0:
            continue
        if flags[i] == 0:
            if ts[i] > rts[r] + DAY_US:
                flags[i] = AHEAD
            elif ts[i] < rts[r] - DAY_US:
                flags[i] = BEHIND
        m = span[i, MSG_S]
        if m - s > SCRATCH:
            hdr[i] = 1
            continue
        n = header(
            scratch, 0, kind[i], lay[i], form[i], pri[i], ts[i], off[i], pid[i],
            data, span[i, HOST_S], span[i, HOST_E], data, span[i, APP_S], span[i, APP_E],
            data, span[i, MID_S], span[i, MID_E], data, span[i, SD_S], span[i, SD_E],
            memo, memo_text,
        )  # fmt: skip
        if n != m - s or not same(scratch, 0, data, s, n):
            hdr[i] = 1
