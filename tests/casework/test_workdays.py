"""Working days: deadlines over weekends, holidays and days worked instead."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anzhang import clock
from anzhang.casework import holidays, workdays
from anzhang.casework.models import Holiday
from anzhang.casework.workdays import Calendar
from anzhang.demo.bureau import SETUP
from anzhang.journal.models import Entry
from anzhang.permissions import RefusedError

# National Day 2026: 1-7 October off, Saturday 10 October and Sunday 20 September worked.
AUTUMN = Calendar({date(2026, 10, n): False for n in (1, 2, 5, 6, 7)} | {date(2026, 9, 20): True, date(2026, 10, 10): True})
INSTANTS = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC))
CALENDARS = st.dictionaries(st.dates(date(2026, 1, 1), date(2028, 12, 31)), st.booleans(), max_size=40).map(Calendar)


def morning(year, month, day):
    return datetime(year, month, day, 9, 30, tzinfo=clock.BEIJING)


def local(instant):
    return f"{instant.astimezone(clock.BEIJING):%Y-%m-%d %H:%M}"


@pytest.mark.parametrize(
    ("start", "days", "due"),
    [
        (morning(2026, 11, 24), 1, "2026-11-25 18:00"),
        (morning(2026, 11, 27), 1, "2026-11-30 18:00"),  # Friday to Monday
        (morning(2026, 11, 28), 1, "2026-11-30 18:00"),  # from a Saturday
        (morning(2026, 9, 18), 1, "2026-09-20 18:00"),  # a Sunday that is worked
        (morning(2026, 9, 30), 1, "2026-10-08 18:00"),
        (morning(2026, 9, 30), 3, "2026-10-10 18:00"),  # a Saturday that is worked
        (morning(2026, 9, 30), 4, "2026-10-12 18:00"),
    ],
)
def test_a_period_ends_when_the_office_closes_on_its_last_working_day(start, days, due):
    assert local(AUTUMN.deadline(start, days)) == due


def test_the_day_is_that_of_beijing():
    # 23:30 UTC on Monday is Tuesday morning in Beijing.
    assert local(Calendar().deadline(datetime(2026, 11, 23, 23, 30, tzinfo=UTC), 1)) == "2026-11-25 18:00"


def test_the_day_of_the_start_is_not_counted_however_early_or_late():
    due = {AUTUMN.deadline(clock.start_of(date(2026, 11, 24)) + timedelta(minutes=n), 2) for n in range(0, 24 * 60, 30)}
    assert due == {morning(2026, 11, 26).replace(hour=18, minute=0)}


def test_a_period_without_a_day_is_refused():
    with pytest.raises(ValueError, match="at least one working day"):
        Calendar().deadline(morning(2026, 11, 24), 0)


def test_past_the_last_known_year_a_deadline_is_provisional():
    assert not AUTUMN.is_provisional(AUTUMN.deadline(morning(2026, 12, 30), 1))
    assert AUTUMN.is_provisional(AUTUMN.deadline(morning(2026, 12, 30), 3))
    assert Calendar().is_provisional(morning(2026, 1, 1))


@given(CALENDARS, INSTANTS, st.integers(1, 40))
def test_a_deadline_falls_on_a_working_day_after_the_start(calendar, start, days):
    due = calendar.deadline(start, days)
    assert due > start
    assert calendar.is_workday(clock.day_of(due))


@given(CALENDARS, INSTANTS, st.integers(1, 40))
def test_between_counts_what_deadline_gives(calendar, start, days):
    due = calendar.deadline(start, days)
    assert calendar.between(clock.day_of(start), clock.day_of(due)) == days


@given(CALENDARS, INSTANTS, st.integers(1, 20), st.integers(1, 20))
def test_two_periods_end_to_end_are_one(calendar, start, first, second):
    assert calendar.deadline(calendar.deadline(start, first), second) == calendar.deadline(start, first + second)


@given(CALENDARS, INSTANTS, INSTANTS, st.integers(1, 20))
def test_a_later_start_never_ends_earlier(calendar, one, other, days):
    early, late = sorted((one, other))
    assert calendar.deadline(early, days) <= calendar.deadline(late, days)


@given(CALENDARS, INSTANTS, st.integers(1, 20), st.dates(date(2026, 1, 1), date(2028, 12, 31)))
def test_one_more_holiday_never_ends_a_period_earlier(calendar, start, days, day):
    more = Calendar({**calendar.exceptions, day: False})
    assert more.deadline(start, days) >= calendar.deadline(start, days)


def test_the_register_is_seeded_with_the_known_days_that_differ(bureau, clock):
    assert holidays.seed_holidays(SETUP, 2026, clock.now) == Holiday.objects.count()
    assert Holiday.objects.get(day=date(2026, 10, 1)).is_workday is False
    assert Holiday.objects.get(day=date(2026, 10, 10)).is_workday is True
    assert not Holiday.objects.filter(day=date(2026, 10, 3)).exists()  # a Saturday off is no exception
    assert local(workdays.deadline(morning(2026, 9, 30), 1)) == "2026-10-08 18:00"
    assert not workdays.is_provisional(morning(2026, 12, 31))
    assert workdays.is_provisional(morning(2027, 1, 4))


def test_seeding_twice_writes_nothing_new_and_keeps_what_people_entered(bureau, clock):
    holidays.register_holiday(SETUP, at=clock.now, day=date(2026, 10, 1), is_workday=False, name="国庆")
    holidays.seed_holidays(SETUP, 2026, clock.now)
    entries = Entry.objects.count()
    assert holidays.seed_holidays(SETUP, 2026, clock.now) == 0
    assert Entry.objects.count() == entries
    assert Holiday.objects.get(day=date(2026, 10, 1)).name == "国庆"


def test_the_yearly_notice_makes_deadlines_firm(bureau, clock):
    holidays.seed_holidays(SETUP, 2026, clock.now)
    start = morning(2026, 12, 31)
    assert local(workdays.deadline(start, 1)) == "2027-01-01 18:00"
    holidays.register_holiday(SETUP, at=clock.now, day=date(2027, 1, 1), is_workday=False, name="元旦")
    assert local(workdays.deadline(start, 1)) == "2027-01-04 18:00"
    assert not workdays.is_provisional(workdays.deadline(start, 1))


@pytest.mark.parametrize(("day", "is_workday"), [(date(2027, 1, 2), False), (date(2027, 1, 4), True)])
def test_a_day_that_does_not_differ_is_refused(bureau, clock, day, is_workday):
    with pytest.raises(RefusedError) as refusal:
        holidays.register_holiday(SETUP, at=clock.now, day=day, is_workday=is_workday, name="x")
    assert refusal.value.code == "not_an_exception"


def test_a_day_is_registered_once(bureau, clock):
    holidays.register_holiday(SETUP, at=clock.now, day=date(2027, 1, 1), is_workday=False, name="元旦")
    with pytest.raises(RefusedError) as refusal:
        holidays.register_holiday(SETUP, at=clock.now, day=date(2027, 1, 1), is_workday=False, name="元旦")
    assert refusal.value.code == "invalid"


def test_a_day_is_corrected_by_the_first_of_two_editors(bureau, clock):
    row = holidays.register_holiday(SETUP, at=clock.now, day=date(2027, 1, 1), is_workday=False, name="元旦")
    holidays.change_holiday(SETUP, row, at=clock.now, expected_version=1, name="元旦节")
    with pytest.raises(RefusedError) as refusal:
        holidays.change_holiday(SETUP, row, at=clock.now, expected_version=1, name="新年")
    assert (refusal.value.code, refusal.value.theirs.name) == ("stale", "元旦节")
