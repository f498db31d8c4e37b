"""Rebuild the header of a line from its columns: used at ingest to check every line, and at reading to give lines back.

`lay` bits: 1 host, 2 tag (`app:` or `app[pid]:`), 4 pid, 8 space before the message.
`form` of the time stamp: 0 none, 1 `Mmm _d hh:mm:ss`, 2 `Mmm 0d hh:mm:ss`, 10+n ISO with n fraction digits and Z, 20+n with a numeric
zone, 30+n without zone. `kind`: 0 bare, 1 RFC 3164, 2 RFC 5424.
"""

from __future__ import annotations

import numpy as np

from anzhang.engines.vault.jit import Bytes, Ints, Table, copy, kernel, maker, part

HOST, TAG, PID, SPACE = 1, 2, 4, 8
MONTHS = np.frombuffer(b"JanFebMarAprMayJunJulAugSepOctNovDec", np.uint8)
NEVER = -(1 << 62)  # no second
ROOM = 96  # the most a header takes besides host, app, msgid and sd


@kernel
def civil(days: int) -> tuple[int, int, int]:
    """Return year, month, day of a day number counted from 1970-01-01 (Hinnant, `civil_from_days`)."""
    z = days + 719468
    era = z // 146097
    doe = z - era * 146097
    yoe = (doe - doe // 1460 + doe // 36524 - doe // 146096) // 365
    doy = doe - (365 * yoe + yoe // 4 - yoe // 100)
    mp = (5 * doy + 2) // 153
    day = doy - (153 * mp + 2) // 5 + 1
    month = mp + 3 if mp < 10 else mp - 9
    return yoe + era * 400 + (1 if month <= 2 else 0), month, day


@kernel
def day_number(year: int, month: int, day: int) -> int:
    """Return the day number, counted from 1970-01-01, of a calendar day (Hinnant, `days_from_civil`)."""
    y = year - 1 if month <= 2 else year
    era = y // 400
    yoe = y - era * 400
    doy = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    return era * 146097 + yoe * 365 + yoe // 4 - yoe // 100 + doy - 719468


@kernel
def _number(out: Bytes, o: int, value: int, width: int) -> int:
    """Write a decimal number, zero-padded to `width`; return the new place."""
    digits = 1
    limit = 10
    while value >= limit:
        digits += 1
        limit *= 10
    digits = max(digits, width)
    rest = np.uint32(value)  # divides faster than a signed number
    for i in range(digits):
        out[o + digits - 1 - i] = np.uint32(48) + rest % np.uint32(10)
        rest //= np.uint32(10)
    return o + digits


@kernel
def _date_and_clock(out: Bytes, o: int, form: int, seconds: int) -> int:
    """Write date and time of day, to the second."""
    days = seconds // 86400
    rest = seconds - days * 86400
    year, month, day = civil(days)
    if form <= 2:
        o = copy(out, o, MONTHS, month * 3 - 3, month * 3)
        out[o] = 32
        o += 1
        if form == 1 and day < 10:
            out[o] = 32
            o = _number(out, o + 1, day, 1)
        else:
            o = _number(out, o, day, 2)
        out[o] = 32
    else:
        o = _number(out, o, year, 4)
        out[o] = 45
        o = _number(out, o + 1, month, 2)
        out[o] = 45
        o = _number(out, o + 1, day, 2)
        out[o] = 84
    o = _number(out, o + 1, rest // 3600, 2)
    out[o] = 58
    o = _number(out, o + 1, rest // 60 % 60, 2)
    out[o] = 58
    return _number(out, o + 1, rest % 60, 2)


def memory() -> tuple[Table, Bytes]:
    """Return what carries time stamps from line to line: for each of three shapes the second and the end of its text; the texts."""
    return np.full((3, 2), NEVER, np.int64), np.empty(128, np.uint8)


@part
def _stamp(out: Bytes, o: int, form: int, ts: int, off: int, memo: Table, memo_text: Bytes) -> int:
    """Write the time stamp of instant `ts` (µs) at `off` minutes east.

    Neighbours often share the second, so the last one of each shape is kept.
    """
    local = ts + off * 60_000_000
    seconds = local // 1_000_000
    micro = local - seconds * 1_000_000
    shape = min(form, 10) % 10  # ISO 0, the others 1 and 2
    begin = shape * 32
    if memo[shape, 0] != seconds:
        memo[shape, 0] = seconds
        memo[shape, 1] = _date_and_clock(memo_text, begin, min(form, 10), seconds)
    o = copy(out, o, memo_text, begin, memo[shape, 1])
    if form >= 10:
        fraction = form % 10
        if fraction > 0:
            out[o] = 46
            for _ in range(6 - fraction):
                micro //= 10
            o = _number(out, o + 1, micro, fraction)
        if form < 20:
            out[o] = 90
            o += 1
        elif form < 30:
            out[o] = 45 if off < 0 else 43
            o = _number(out, o + 1, abs(off) // 60, 2)
            out[o] = 58
            o = _number(out, o + 1, abs(off) % 60, 2)
    return o


@part
def _field(out: Bytes, o: int, data: Bytes, start: int, end: int) -> int:
    """Write an RFC 5424 field, `-` when empty, and the space after it."""
    if end > start:
        o = copy(out, o, data, start, end)
    else:
        out[o] = 45
        o += 1
    out[o] = 32
    return o + 1


@part
def header(
    out: Bytes, o: int, kind: int, lay: int, form: int, pri: int, ts: int, off: int, pid: int,
    hosts: Bytes, hs: int, he: int, apps: Bytes, as_: int, ae: int, mids: Bytes, ms: int, me: int, sds: Bytes, ss: int, se: int,
    memo: Table, memo_text: Bytes,
) -> int:  # fmt: skip
    """Write the header of one line into `out` from place `o`; return the place after it.

    `memo` and `memo_text`, what `memory` returns, carry the last time stamps from line to line.
    """
    if kind == 0:
        return o
    if pri >= 0:
        out[o] = 60
        o = _number(out, o + 1, pri, 1)
        out[o] = 62
        o += 1
    if kind == 1:
        o = _stamp(out, o, form, ts, off, memo, memo_text)
        out[o] = 32
        o += 1
        if lay & HOST:
            o = copy(out, o, hosts, hs, he)
            out[o] = 32
            o += 1
        if lay & TAG:
            o = copy(out, o, apps, as_, ae)
            if lay & PID:
                out[o] = 91
                o = _number(out, o + 1, pid, 1)
                out[o] = 93
                o += 1
            out[o] = 58
            o += 1
            if lay & SPACE:
                out[o] = 32
                o += 1
        return o
    out[o] = 49
    out[o + 1] = 32
    o += 2
    if form == 0:
        out[o] = 45
        o += 1
    else:
        o = _stamp(out, o, form, ts, off, memo, memo_text)
    out[o] = 32
    o = _field(out, o + 1, hosts, hs, he)
    o = _field(out, o, apps, as_, ae)
    if lay & PID:
        o = _number(out, o, pid, 1)
    else:
        out[o] = 45
        o += 1
    out[o] = 32
    o = _field(out, o + 1, mids, ms, me)
    o = _field(out, o, sds, ss, se)
    return o if lay & SPACE else o - 1


@maker
def lines(
    out: Bytes, starts: Ints, ends: Ints, kind: Table, lay: Table, form: Table, pri: Table, ts: Ints, off: Table, pid: Table,
    hosts: Bytes, host_at: Table, apps: Bytes, app_at: Table, mids: Bytes, mid_at: Table, sds: Bytes, sd_at: Table,
    msgs: Bytes, msg_at: Table, hdrs: Bytes, hdr_at: Table,
) -> int:  # fmt: skip
    """Write whole lines from columns: row i fills out[starts[i]:ends[i]]. Return the bytes written.

    The `*_at` arrays are Arrow offsets (n + 1). A non-empty `hdr` stands in for the rebuilt header.
    """
    o = 0
    memo, memo_text = np.full((3, 2), NEVER, np.int64), np.empty(128, np.uint8)
    for i in range(len(starts)):
        starts[i] = o
        if hdr_at[i + 1] > hdr_at[i]:
            o = copy(out, o, hdrs, hdr_at[i], hdr_at[i + 1])
        else:
            o = header(
                out, o, kind[i], lay[i], form[i], pri[i], ts[i], off[i], pid[i],
                hosts, host_at[i], host_at[i + 1], apps, app_at[i], app_at[i + 1],
                mids, mid_at[i], mid_at[i + 1], sds, sd_at[i], sd_at[i + 1], memo, memo_text,
            )  # fmt: skip
        o = copy(out, o, msgs, msg_at[i], msg_at[i + 1])
        ends[i] = o
    return o
