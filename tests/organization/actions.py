"""What the organization's tests do again and again: a refusal's code, statements signed up the line, a unit inspected."""

from datetime import date, timedelta

import pytest

from anzhang import clock as wall
from anzhang.organization import inspections, statements
from anzhang.permissions import RefusedError


def refused(call, *given, **named) -> str:
    with pytest.raises(RefusedError) as refusal:
        call(*given, **named)
    return refusal.value.code


def day(clock, days: int = 0) -> date:
    return wall.day_of(clock.now) + timedelta(days=days)


def inspect(bureau, acting, clock, unit: str, days_ago: int = 0):
    return inspections.record_inspection(
        acting("wujie"), bureau.unit[unit], day(clock, -days_ago), "on_site", "台账齐全，口令策略符合要求。", clock.now
    )


def signed(bureau, acting, clock, unit: str, head: str, *people: str, term: str = "2026"):
    """Hand out a unit's statements and let people sign theirs; return them by person."""
    made = statements.issue_statements(acting(head), bureau.unit[unit], term, "落实网络信息安全责任。", clock.now)
    by_person = {each.person_id: each for each in made}
    return {
        username: statements.sign_statement(acting(username), by_person[bureau.user[username].person_id], clock.now) for username in people
    }
