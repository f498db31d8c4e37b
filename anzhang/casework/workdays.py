"""Working days: deadlines that skip weekends and holidays and count the weekend days worked instead (调休).

The day on which a period starts is not counted, and it ends when the office closes on its last working day, 18:00 Beijing
time (Civil Code, Art. 201 and 203: where there are business hours, the period ends when business stops). The Holiday
register holds only days that differ from their weekday; past the last year it knows, Monday to Friday counts and the
deadline is provisional (暂计).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property

from anzhang import clock
from anzhang.casework.models import Holiday

OFFICE_CLOSES = time(18, 0)


@dataclass(frozen=True)
class Calendar:
    """The days that differ from their weekday: `exceptions[day]` says whether that day is worked."""

    exceptions: Mapping[date, bool] = field(default_factory=dict)

    @cached_property
    def known_to(self) -> int:
        """Return the last year that the register knows, 0 when it is empty."""
        return max((day.year for day in self.exceptions), default=0)

    def is_workday(self, day: date) -> bool:
        """Whether people work on that day."""
        return self.exceptions.get(day, day.weekday() < 5)

    def deadline(self, start: datetime, days: int) -> datetime:
        """Return the instant at which `days` working days after `start` end, aware UTC.

        Raises ValueError for less than one day.
        """
        if days < 1:
            raise ValueError(f"a period has at least one working day, not {days}")
        day = clock.day_of(start)
        while days:
            day += timedelta(days=1)
            days -= self.is_workday(day)
        return datetime.combine(day, OFFICE_CLOSES, clock.BEIJING).astimezone(UTC)

    def before(self, at: datetime, days: int) -> datetime:
        """Return the instant before which whatever fell due is `days` working days late at `at`: `deadline(due, days) <= at`."""
        if days < 1:
            raise ValueError(f"a period has at least one working day, not {days}")
        day = clock.day_of(at)
        if at.astimezone(clock.BEIJING).time() < OFFICE_CLOSES:
            day -= timedelta(days=1)
        while days:
            days -= self.is_workday(day)
            day -= timedelta(days=1)
        return clock.start_of(day + timedelta(days=1))

    def between(self, start: date, end: date) -> int:
        """Return how many working days lie after `start` up to and including `end`."""
        return sum(self.is_workday(start + timedelta(days=n)) for n in range(1, (end - start).days + 1))

    def is_provisional(self, due: datetime) -> bool:
        """Whether a deadline falls into a year whose holidays are not known yet."""
        return clock.day_of(due).year > self.known_to


def calendar() -> Calendar:
    """Return the calendar of the Holiday register; one query."""
    return Calendar(dict(Holiday.objects.values_list("day", "is_workday")))


def deadline(start: datetime, days: int) -> datetime:
    """Return the instant at which `days` working days after `start` end, by the Holiday register."""
    return calendar().deadline(start, days)


def is_provisional(due: datetime) -> bool:
    """Whether a deadline is provisional (暂计), by the Holiday register."""
    return calendar().is_provisional(due)
