"""Deadlines followed up: reminder, head, Office; by working days, once each, by as many queries for many as for few."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from anzhang.casework import escalation, holidays, workdays
from anzhang.casework import procedures as cases
from anzhang.casework.models import Act, Holiday, Notice, Todo
from anzhang.casework.workdays import Calendar
from anzhang.demo.bureau import SETUP
from anzhang.permissions import system
from tests.casework.paths import file, post, route, step

WAY = route(step("head", "unit_head@applicant"), step("office", "office"))
SWEEP = system("deadlines")
# Filed on Tuesday 2026-11-24 with three working days: due Friday the 27th, 18:00 Beijing time.
DUE = datetime(2026, 11, 27, 10, 0, tzinfo=UTC)


def told(code: str) -> list[str]:
    return sorted(Notice.objects.filter(code=code).values_list("person__code", flat=True))


@pytest.fixture
def case(bureau, acting, clock):
    return file(bureau, acting, clock, WAY)


def test_nobody_is_told_before_the_deadline_comes_near(case, clock):
    assert not escalation.sweep(SWEEP, clock.now)
    assert not escalation.sweep(SWEEP, DUE - timedelta(days=1, hours=24))


def test_a_day_before_whoever_must_act_is_reminded_once(case, clock):
    assert escalation.sweep(SWEEP, DUE - timedelta(hours=20)).reminded == 1
    assert told("todo_reminder") == ["P020"]
    assert not escalation.sweep(SWEEP, DUE - timedelta(hours=1))


def test_at_the_deadline_the_person_and_the_head_above_are_told_once(case, clock):
    assert not escalation.sweep(SWEEP, DUE - timedelta(seconds=1)).overdue
    assert escalation.sweep(SWEEP, DUE).overdue == 1
    assert (told("todo_overdue"), told("case_overdue")) == (["P020"], ["P001"])
    assert Notice.objects.get(code="case_overdue").params["person"] == "刘洋"
    assert not escalation.sweep(SWEEP, DUE + timedelta(hours=3))


def test_two_working_days_later_the_office_is_told(case, clock):
    escalation.sweep(SWEEP, DUE)
    assert not escalation.sweep(SWEEP, DUE + timedelta(days=3))  # Monday evening: one working day
    assert escalation.sweep(SWEEP, DUE + timedelta(days=4)).office == 1
    assert told("case_overdue_office") == ["P004", "P005", "P006"]


def test_a_sweep_that_was_missed_catches_up_in_one_run(case, clock):
    found = escalation.sweep(SWEEP, DUE + timedelta(days=30))
    assert (found.office, found.overdue, found.reminded) == (1, 0, 0)
    assert (told("todo_overdue"), told("case_overdue"), told("case_overdue_office")) == (["P020"], ["P001"], ["P004", "P005", "P006"])
    assert not escalation.sweep(SWEEP, DUE + timedelta(days=31))


def test_a_clerks_delay_goes_to_their_own_head(bureau, acting, clock):
    post(clock, bureau.named("孙丽"), "system_manager", system_id=None)
    file(bureau, acting, clock, route(step("one", "system_manager@applicant")))
    escalation.sweep(SWEEP, DUE)
    assert (told("todo_overdue"), told("case_overdue")) == (["P021"], ["P020"])


def test_who_acted_in_time_is_left_alone_and_the_next_step_has_its_own_deadline(case, acting, clock):
    clock.advance(days=2)
    cases.agree(acting("liuyang"), case, "同意", clock.now)
    assert not escalation.sweep(SWEEP, DUE)
    assert told("todo_overdue") == []
    assert escalation.sweep(SWEEP, datetime(2026, 12, 1, 10, 0, tzinfo=UTC)).overdue == 3


def test_many_cases_are_one_notice_for_each_person(bureau, acting, clock):
    for _each in range(5):
        file(bureau, acting, clock, WAY)
    assert escalation.sweep(SWEEP, DUE).overdue == 5
    notice = Notice.objects.get(code="todos_overdue")
    assert (notice.person.code, notice.params["count"], notice.link) == ("P020", 5, "/cases/?list=todo")
    assert Notice.objects.get(code="cases_overdue").person.code == "P001"


def test_the_queries_do_not_grow_with_the_cases(bureau, acting, clock, django_assert_max_num_queries):
    template = Todo.objects.get(case=file(bureau, acting, clock, WAY))
    plant(template, 300)
    with django_assert_max_num_queries(60):
        assert escalation.sweep(SWEEP, DUE).overdue == 301
    with django_assert_max_num_queries(12):
        assert not escalation.sweep(SWEEP, DUE)


def plant(template: Todo, count: int) -> None:
    from anzhang.casework.models import Case

    case = template.case
    for number in range(count):
        case.pk, case.number = None, f"2026-8{number:04d}"
        case.save(force_insert=True)
        Todo.objects.create(case=case, round=1, step=0, person=template.person, opened_at=template.opened_at, due_at=template.due_at)
    assert Case.objects.count() == count + 1
    assert Act.objects.count() == 1


def test_the_sweep_reads_by_its_index(case):
    """A hundred thousand open todos far from their deadline are not read at all."""
    explain = "EXPLAIN QUERY PLAN"
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":  # which reads a table of one row from end to end unless told otherwise
            cursor.execute("SET LOCAL enable_seqscan TO off")
            explain = "EXPLAIN"
        cursor.execute(f"{explain} {escalation.MOVE}", (1, 0, connection.ops.adapt_datetimefield_value(DUE)))
        assert "todo_escalation" in str(cursor.fetchall())


def test_one_case_that_waits_for_several_people_is_one_case_to_their_head(case, acting, clock):
    cases.agree(acting("liuyang"), case, "同意", clock.now)
    waiting = Todo.objects.filter(closed_at=None).select_related("person").order_by("due_at", "pk")
    names = [todo.person.name for todo in waiting]
    assert len(names) == 3
    assert escalation.sweep(SWEEP, DUE).overdue == 3
    heard = {notice.params["person"] for notice in Notice.objects.filter(code="case_overdue")}
    assert any(set(each.split("、")) > {names[1]} for each in heard), heard
    assert not Notice.objects.filter(code="cases_overdue").exists()


def test_the_earliest_deadline_of_several_is_named(bureau, acting, clock):
    late = file(bureau, acting, clock, WAY)
    file(bureau, acting, clock, WAY)
    Todo.objects.filter(case=late).update(due_at=DUE - timedelta(days=9), escalated=escalation.Stage.REMINDED)
    assert escalation.sweep(SWEEP, DUE + timedelta(days=30)).office == 2
    assert {notice.params["due"] for notice in Notice.objects.filter(code__startswith="todos_")} == {"2026-11-18"}
    assert {notice.params["due"] for notice in Notice.objects.filter(code="cases_overdue_office")} == {"2026-11-18"}


# The calendar


@pytest.mark.parametrize(
    ("due", "days", "late_from"),
    [
        (datetime(2026, 11, 27, 10, 0, tzinfo=UTC), 1, datetime(2026, 11, 30, 10, 0, tzinfo=UTC)),
        (datetime(2026, 11, 27, 10, 0, tzinfo=UTC), 2, datetime(2026, 12, 1, 10, 0, tzinfo=UTC)),
        # A deadline late in the evening by UTC is already the next day in Beijing.
        (datetime(2026, 11, 26, 17, 0, tzinfo=UTC), 1, datetime(2026, 11, 30, 10, 0, tzinfo=UTC)),
        # National Day 2026-10-01 to 10-07 is off: the day after 09-30 is 10-08.
        (datetime(2026, 9, 30, 10, 0, tzinfo=UTC), 1, datetime(2026, 10, 8, 10, 0, tzinfo=UTC)),
    ],
)
def test_before_is_the_inverse_of_the_deadline(due, days, late_from):
    calendar = Calendar({datetime(2026, 10, day, tzinfo=UTC).date(): False for day in (1, 2, 5, 6, 7)})
    assert calendar.deadline(due, days) == late_from
    assert due < calendar.before(late_from, days)
    assert due >= calendar.before(late_from - timedelta(seconds=1), days)


def test_a_worked_weekend_counts_and_a_holiday_does_not(bureau, acting, clock):
    Holiday.objects.create(day=datetime(2026, 11, 25, tzinfo=UTC).date(), is_workday=False, name="放假")
    Holiday.objects.create(day=datetime(2026, 11, 28, tzinfo=UTC).date(), is_workday=True, name="调休上班")
    file(bureau, acting, clock, WAY)
    assert Todo.objects.get().due_at == datetime(2026, 11, 28, 10, 0, tzinfo=UTC)  # the worked Saturday


def test_past_the_last_known_year_monday_to_friday_counts_and_the_deadline_is_provisional(bureau, acting, clock):
    holidays.seed_holidays(SETUP, 2026, clock.now)
    last = workdays.calendar().known_to
    clock.now = datetime(last, 12, 31, 2, 0, tzinfo=UTC)
    file(bureau, acting, clock, WAY)
    due = Todo.objects.get().due_at
    assert due.year == last + 1
    assert workdays.is_provisional(due)
    assert escalation.sweep(SWEEP, due).overdue == 1
    assert not workdays.is_provisional(datetime(last, 12, 31, 10, 0, tzinfo=UTC))


def test_the_days_are_beijing_days(bureau, acting, clock):
    clock.now = datetime(2026, 11, 24, 16, 30, tzinfo=UTC)  # half past midnight on Wednesday in Beijing
    file(bureau, acting, clock, WAY)
    assert Todo.objects.get().due_at == datetime(2026, 11, 30, 10, 0, tzinfo=UTC)
