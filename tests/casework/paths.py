"""Small routes for the tests of the engine, and how the cast walks them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from anzhang.casework import procedures as cases
from anzhang.casework import routes
from anzhang.directory.models import Assignment, Delegation, LeadingGroupMember, Person
from anzhang.permissions import Actor, Via

LABEL = {"zh": "测试", "en": "Test"}


def step(key: str, *who: str, **keys: Any) -> dict[str, Any]:
    return {"key": key, "title": LABEL, "who": list(who), "days": 3, **keys}


def route(*steps: dict[str, Any], **keys: Any) -> routes.Route:
    row = {"key": "trial", "title": LABEL, "authority": "unit_head", "step": list(steps), **keys}
    return routes.parse(row, "trial.toml")


def file(bureau, acting, clock, way, username="zhanghua", form=None):
    person = bureau.user[username].person
    return cases.file_case(acting(username), way, person.unit, person, "试验", form or {}, clock.now)


def person(bureau, code: str, unit: str = "HRSS", **keys: Any) -> Person:
    return Person.objects.create(
        code=code, name=f"人员{code}", unit=bureau.unit[unit], joined_on=bureau.unit["HRSS"].established_on, **keys
    )


def acting_as(someone: Person) -> Actor:
    return Actor(id=f"person:{someone.code}", via=Via.BROWSER, person_id=someone.pk, unit_id=someone.unit_id, second_factor=True)


def seat(clock, *people: Person, days: int | None = None) -> list[LeadingGroupMember]:
    ends = clock.now + timedelta(days=days) if days else None
    return [
        LeadingGroupMember.objects.create(
            person=each, role="member", valid_from=clock.now - timedelta(days=30), valid_to=ends, recorded_at=clock.now
        )
        for each in people
    ]


def post(clock, someone: Person, duty: str, **keys: Any) -> Assignment:
    return Assignment.objects.create(
        person=someone,
        duty=duty,
        unit=keys.pop("unit", someone.unit),
        valid_from=clock.now - timedelta(days=30),
        recorded_at=clock.now,
        **keys,
    )


def walk(case, *people: Person, at) -> Any:
    """Let people agree one after the other."""
    for someone in people:
        case = cases.agree(acting_as(someone), case, "同意", at)
    return case


def delegate_by_row(clock, principal: Person, deputy: Person, duty: str, *, days: int = 7) -> Delegation:
    return Delegation.objects.create(
        principal=principal,
        deputy=deputy,
        duty=duty,
        valid_from=clock.now,
        valid_to=clock.now + timedelta(days=days),
        recorded_at=clock.now,
    )
