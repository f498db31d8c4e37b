"""When the runs of a check plan fall due (A12.3). Everything here computes; the calendar is the Holiday register's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from django.db.models import Max

from anzhang import clock
from anzhang.casework.workdays import Calendar
from anzhang.systems.upkeep import CheckPlan, CheckRun

LONGEST = timedelta(days=400)  # how far back misses are looked for
LONGEST_REST = 15  # days: no rest of holidays is longer
STAMP = "%Y%m%dT%H%M"
FIRST_OF_QUARTER = frozenset({1, 4, 7, 10})


@dataclass(frozen=True)
class Due:
    """What a plan owes at an instant: the run to be made now, if any, the earlier ones that nobody made, and the next one."""

    now: datetime | None
    missed: tuple[datetime, ...]
    next: datetime | None


def occurrences(plan: CheckPlan, since: datetime, until: datetime, calendar: Calendar) -> Iterator[datetime]:
    """Yield when runs of a plan fall due, `since < due <= until`, in order.

    A day of rest moves a weekly, monthly or quarterly run to the next working day, and leaves a daily one out, where the plan says so.
    """
    begins = max(clock.day_of(since) - timedelta(days=LONGEST_REST), plan.valid_from)
    ends = clock.day_of(until)
    if plan.valid_to is not None:
        ends = min(ends, plan.valid_to - timedelta(days=1))
    at_time, before = time.fromisoformat(plan.at_time), None
    for number in range((ends - begins).days + 1):
        day = begins + timedelta(days=number)
        if not _falls_on(plan, day):
            continue
        if plan.workdays_only and not calendar.is_workday(day):
            if plan.rhythm == CheckPlan.Rhythm.DAILY:
                continue
            day = _next_workday(day, calendar)
        due = datetime.combine(day, at_time, clock.BEIJING).astimezone(UTC)
        if since < due <= until and due != before:  # a long rest may move two to one day
            before = due
            yield due


def _falls_on(plan: CheckPlan, day: date) -> bool:
    if plan.rhythm == CheckPlan.Rhythm.DAILY:
        return True
    if plan.rhythm == CheckPlan.Rhythm.WEEKLY:
        return day.isoweekday() == plan.on_day
    return day.day == plan.on_day and (plan.rhythm == CheckPlan.Rhythm.MONTHLY or day.month in FIRST_OF_QUARTER)


def _next_workday(day: date, calendar: Calendar) -> date:
    while not calendar.is_workday(day):
        day += timedelta(days=1)
    return day


def owed(plan: CheckPlan, last: datetime | None, at: datetime, calendar: Calendar) -> Due:
    """Return what a plan owes at an instant, `last` being when its newest run fell due. A run may be made from the start of its day on.

    A later run stands for the earlier ones that were missed: what a system was like last Tuesday nobody can look at today.
    """
    since = max(last or at - LONGEST, at - LONGEST, clock.start_of(plan.valid_from) - timedelta(seconds=1))
    today_ends = clock.start_of(clock.day_of(at) + timedelta(days=1)) - timedelta(seconds=1)
    open_ones = list(occurrences(plan, since, today_ends, calendar))
    if open_ones:
        return Due(open_ones[-1], tuple(open_ones[:-1]), None)
    return Due(None, (), next(occurrences(plan, today_ends, today_ends + timedelta(days=130), calendar), None))


def missed(plan: CheckPlan, last: datetime | None, at: datetime, grace: timedelta, calendar: Calendar) -> list[datetime]:
    """Return the runs after the newest one that are missed by more than the grace."""
    since = max(last or at - LONGEST, at - LONGEST, clock.start_of(plan.valid_from) - timedelta(seconds=1))
    return [due for due in occurrences(plan, since, at, calendar) if at - due > grace]


def newest() -> Mapping[int, datetime]:
    """Return when the newest run of each plan fell due, by its key; one query."""
    return dict(CheckRun.objects.order_by().values_list("plan").annotate(Max("due_at")))


def stamp(due_at: datetime) -> str:
    """Return when a run falls due as addresses carry it: the Beijing minute, 20261124T0900."""
    return due_at.astimezone(clock.BEIJING).strftime(STAMP)


def unstamp(text: str) -> datetime:
    """Return what `stamp` wrote. Raises ValueError."""
    return datetime.strptime(text, STAMP).replace(tzinfo=clock.BEIJING).astimezone(UTC)
