"""When a room's duty must be kept, and where the roster leaves it vacant (Art. 16, A16.4)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta

from anzhang import clock
from anzhang.casework import workdays
from anzhang.rooms.models import MachineRoom, Shift

Span = tuple[datetime, datetime]


def owed(room: MachineRoom, since: datetime, until: datetime, calendar: workdays.Calendar) -> list[Span]:
    """Return when somebody must be on duty in a room, cut to `since <= at < until`; spans that meet are one."""
    spans: list[Span] = []
    day = clock.day_of(since)
    while clock.start_of(day) < until:
        if not room.duty_workdays or calendar.is_workday(day):
            begin, end = (max(since, _at(day, room.duty_from)), min(until, _at(day, room.duty_to)))
            if begin < end:
                spans.append((begin, end))
        day += timedelta(days=1)
    return joined(spans)


def _at(day: date, time: str) -> datetime:
    hours, minutes = time.split(":")
    return clock.start_of(day) + timedelta(hours=int(hours), minutes=int(minutes))


def joined(spans: Iterable[Span]) -> list[Span]:
    """Return spans in order, those that overlap or meet made one."""
    found: list[Span] = []
    for begin, end in sorted(spans):
        if found and begin <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], end)
        else:
            found.append((begin, end))
    return found


def vacant(spans: Iterable[Span], shifts: Iterable[Shift]) -> list[Span]:
    """Return the parts of `spans` that no shift covers."""
    covered = joined((shift.starts_at, shift.ends_at) for shift in shifts)
    found: list[Span] = []
    for span_begin, span_end in spans:
        place = span_begin
        for begin, end in covered:
            if end <= place or begin >= span_end:
                continue
            if begin > place:
                found.append((place, begin))
            place = max(place, end)
        if place < span_end:
            found.append((place, span_end))
    return found
