"""The sweep over waiting cases looks at them only when somebody's seat may have moved."""

from datetime import timedelta

import pytest

from anzhang import jobs
from anzhang.casework import movements
from anzhang.casework.models import Case, Schedule, Todo
from anzhang.demo.bureau import SETUP
from anzhang.directory import procedures as directory
from anzhang.directory.models import Assignment
from tests.casework.paths import file, route, step

JOB = next(job for job in jobs.JOBS if job.key == "cases")


@pytest.fixture
def settled(bureau, acting, clock):
    """A case that waits for 刘洋, and a sweep that has seen it."""
    case = file(bureau, acting, clock, route(step("head", "unit_head@applicant")))
    clock.advance(minutes=10)
    run(clock)
    clock.advance(minutes=10)
    return case


def run(clock) -> str:
    Schedule.objects.get_or_create(key="cases", defaults={"next_at": clock.now})
    return jobs.run(JOB, clock.now)


def waiting() -> set[str]:
    return set(Todo.objects.filter(closed_at=None).values_list("person__code", flat=True))


def test_where_nothing_moved_no_case_is_read(settled, clock, django_assert_max_num_queries):
    with django_assert_max_num_queries(20):
        assert run(clock) == "nobody's seat moved"


def test_a_new_head_gets_the_todo(settled, bureau, clock):
    post = Assignment.objects.get(duty="unit_head", unit=bureau.unit["JYC"])
    directory.end_assignment(SETUP, post, clock.now, clock.now)
    directory.start_assignment(
        SETUP, person=bureau.named("唐欣"), duty="unit_head", unit=bureau.unit["JYC"], basis=None, valid_from=clock.now, at=clock.now
    )
    assert run(clock) == "1 cases changed"
    assert waiting() == {"P023"}


def test_a_post_that_ends_by_the_calendar_is_noticed_at_its_minute(settled, bureau, clock):
    post = Assignment.objects.get(duty="unit_head", unit=bureau.unit["JYC"])
    directory.end_assignment(SETUP, post, clock.now + timedelta(minutes=30), clock.now)
    run(clock)
    clock.advance(minutes=10)
    run(clock)
    assert waiting() == {"P020"}
    clock.advance(minutes=21)
    assert run(clock) == "1 cases changed"
    assert Case.objects.get().fault == "too_few"


def test_every_new_day_looks_again_and_so_does_the_run_after_a_failure(settled, clock):
    last = Schedule.objects.get(key="cases").finished_at
    assert movements.since(last, last + timedelta(days=1))
    Schedule.objects.filter(key="cases").update(result="failed: x")
    assert run(clock) == "0 cases changed"
