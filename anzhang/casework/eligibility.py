"""Who may act in a step at an instant, and how many of them must agree.

1. Roles are looked up in the registers at the instant the step opens, and again at every act: nobody decides by a post or
   a term that has ended, and a vote counts only while its voter still holds the seat.
2. The applicant never decides, in whatever role; nobody decides in two steps of one case.
3. Excluding people never makes the quorum smaller: fewer eligible people than `need` is a fault of the case, not a pass.
4. A voting body is frozen when its step opens: majority is more than half of all who sat in it then, a tie is none.

Roles that live in chapters above casework (security officers, managing units of systems) are added with `role` and `where`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from anzhang.casework.models import Act, Case
from anzhang.casework.routes import BUREAU_ROLES, ROLES, WHERES, Need, RouteError, Step
from anzhang.directory import queries
from anzhang.directory.models import Person, Unit


@dataclass(frozen=True)
class Ground:
    """Where a role is looked for: the unit, and the system where the place names one."""

    unit: Unit | None
    system_id: int | None = None


Resolver = Callable[[Ground, datetime], Iterable[Person]]
Place = Callable[[Case], Ground]

RESOLVERS: dict[str, Resolver] = {}
PLACES: dict[str, Place] = {}

DECISIONS = (Act.Verb.AGREE, Act.Verb.REFUSE, Act.Verb.SEND_BACK)


def role(name: str) -> Callable[[Resolver], Resolver]:
    """Say how a role of the closed set is found in the registers. Raises RouteError for a name outside the set."""

    def bind(resolver: Resolver) -> Resolver:
        if name not in ROLES:
            raise RouteError(f"role {name!r} is not in the closed set of roles")
        RESOLVERS[name] = resolver
        return resolver

    return bind


def where(name: str) -> Callable[[Place], Place]:
    """Say how a place of the closed set is found in a case. Raises RouteError for a name outside the set."""

    def bind(place: Place) -> Place:
        if name not in WHERES:
            raise RouteError(f"place {name!r} is not in the closed set of places")
        PLACES[name] = place
        return place

    return bind


@role("unit_head")
def unit_head(ground: Ground, at: datetime) -> Iterable[Person]:
    """Return the head of the unit."""
    return queries.heads(ground.unit, at) if ground.unit else ()


@role("super_head")
def super_head(ground: Ground, at: datetime) -> Iterable[Person]:
    """Return the head of the unit above."""
    return queries.heads(ground.unit.parent_id, at) if ground.unit and ground.unit.parent_id else ()


@role("staff")
def staff(ground: Ground, at: datetime) -> Iterable[Person]:
    """Return the people of the unit."""
    return queries.staff(ground.unit, at) if ground.unit else ()


@role("office")
def office(_ground: Ground, at: datetime) -> Iterable[Person]:
    """Return the members of the Office."""
    return queries.office_members(at)


@role("leading_group")
def leading_group(_ground: Ground, at: datetime) -> Iterable[Person]:
    """Return the members of the leading group in term."""
    return queries.group_members(at)


@role("system_manager")
def system_manager(ground: Ground, at: datetime) -> Iterable[Person]:
    """Return who manages the system at hand for the unit, or the unit's system managers where none is named."""
    if ground.unit is None:
        return ()
    posts = queries.holders("system_manager", at).filter(unit=ground.unit)
    if ground.system_id is not None:
        posts = posts.filter(system_id=ground.system_id)
    return Person.objects.filter(pk__in=posts.values("person"))


@where("applicant")
def applicant(case: Case) -> Ground:
    """Return the unit that asks."""
    return Ground(case.unit)


def resolve(expression: str, case: Case, at: datetime) -> set[int]:
    """Return the people (by id) that `role` or `role@where` names at the instant. Raises RouteError when nothing finds it."""
    name, _at, place = expression.partition("@")
    if name not in RESOLVERS or (place and place not in PLACES):
        raise RouteError(f"route {case.route}: {expression!r} is not bound to a register")
    ground = Ground(None) if name in BUREAU_ROLES else PLACES[place](case)
    return {person.pk for person in RESOLVERS[name](ground, at)}


class Fault(StrEnum):
    """Why nobody can pass a step as things stand."""

    TOO_FEW = "too_few"
    ROLE_VACANT = "role_vacant"


@dataclass(frozen=True)
class Panel:
    """Who may act in a step: `people` by id, `need` of them must agree; `members` is the whole body, excluded people included."""

    who: tuple[str, ...]
    members: frozenset[int]
    people: frozenset[int]
    need: int
    fault: Fault | None = None
    vacant: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return what the case keeps."""
        return {
            "who": list(self.who),
            "members": sorted(self.members),
            "people": sorted(self.people),
            "need": self.need,
            "vacant": list(self.vacant),
        }


def convene(case: Case, step: Step, at: datetime) -> Panel:
    """Return the panel of a step as the registers have it now; `case.opening` is what it was when the step opened."""
    fresh = _look_up(case, step, at)
    if not step.is_body or not case.opening:
        return fresh
    frozen = case.opening
    seated = frozenset(frozen["people"]) & fresh.people
    if len(seated) >= frozen["need"]:
        return Panel(step.who, frozenset(frozen["members"]), seated, frozen["need"])
    # Too few of the frozen body are left: the body of today takes its place, with no smaller quorum than before.
    need = max(fresh.need, frozen["need"])
    return Panel(step.who, fresh.members, fresh.people, need, Fault.TOO_FEW if len(fresh.people) < need else None)


def _look_up(case: Case, step: Step, at: datetime) -> Panel:
    barred = excluded(case)
    who = step.who
    found = {each: resolve(each, case, at) for each in who}
    if step.otherwise and case.applicant_id in _union(found) and not _union(found) - barred:
        who = step.otherwise
        found = {each: resolve(each, case, at) for each in who}
    members = _union(found)
    people = members - barred
    need = _need(step, members, people)
    vacant = tuple(each for each in who if not found[each] - barred) if step.need is Need.ALL else ()
    fault = Fault.ROLE_VACANT if vacant else Fault.TOO_FEW if len(people) < need else None
    return Panel(who, frozenset(members), frozenset(people), need, fault, vacant)


def _need(step: Step, members: set[int], people: set[int]) -> int:
    if step.need is Need.MAJORITY:
        return max(step.minimum, len(members) // 2 + 1)
    return max(step.minimum, len(people)) if step.need is Need.ALL else step.minimum


def _union(found: dict[str, set[int]]) -> set[int]:
    return set().union(*found.values())


def excluded(case: Case) -> set[int]:
    """Return who may not decide in the present step: the applicant, and whoever decided in another step of the case."""
    elsewhere = Act.objects.filter(case=case, verb__in=DECISIONS).exclude(step=case.step).values_list("person", flat=True)
    return {case.applicant_id, *elsewhere}


class Tally(StrEnum):
    """Where a step stands after counting."""

    OPEN = "open"
    PASSED = "passed"
    REFUSED = "refused"
    STUCK = "stuck"


def count(need: Need | int, panel: Panel, agreed: Iterable[int], refused: Iterable[int]) -> Tally:
    """Count the votes of those who still sit on the panel.

    One refusal ends a step that needs one or all; a vote ends as refused as soon as enough agreement has become impossible.
    """
    yes, no = panel.people & set(agreed), panel.people & set(refused)
    pending = panel.people - yes - no
    if no and need in {Need.ONE, Need.ALL}:
        return Tally.REFUSED
    if panel.fault:
        return Tally.STUCK
    if len(yes) >= panel.need and (need is not Need.ALL or not pending):
        return Tally.PASSED
    return Tally.REFUSED if len(yes) + len(pending) < panel.need else Tally.OPEN
