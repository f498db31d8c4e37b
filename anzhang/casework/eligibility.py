"""Who may act in a step at an instant, and how many of them must agree.

1. Roles are looked up in the registers at the instant the step opens, and again at every act: nobody decides by a post or
   a term that has ended, and a vote counts only while its voter still holds the seat.
2. The applicant never decides, in whatever role; nobody decides in two steps of one case.
3. Excluding people never makes the quorum smaller: fewer eligible people than `need` is a fault of the case, not a pass.
4. A voting body is frozen when its step opens: majority is more than half of all who sat in it then, a tie is none.
5. A turn handed over (转办) stays the principal's seat: the deputy votes in it while a delegation runs, may do no more than the
   principal, and one person never carries two seats. Added signers (加签) come on top of the quorum, never in its place.

Roles that live in chapters above casework (security officers, managing units of systems) are added with `role` and `where`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.utils.translation import gettext as _

from anzhang.casework import delegations
from anzhang.casework.models import Act, Case
from anzhang.casework.routes import BUREAU_ROLES, ROLES, WHERES, Need, RouteError, Step
from anzhang.directory import queries
from anzhang.directory.models import Person, Unit
from anzhang.permissions import Actor, Administrator, RefusedError


@dataclass(frozen=True)
class Ground:
    """Where a role is looked for: the unit, and the system or machine room where the place names one."""

    unit: Unit | None
    system_id: int | None = None
    room_id: int | None = None


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
    """Return the head of the unit, and whoever acts as head for a time."""
    return delegations.heads(ground.unit, at) if ground.unit else ()


@role("super_head")
def super_head(ground: Ground, at: datetime) -> Iterable[Person]:
    """Return the head of the unit above."""
    return delegations.heads(ground.unit.parent_id, at) if ground.unit and ground.unit.parent_id else ()


@role("staff")
def staff(ground: Ground, at: datetime) -> Iterable[Person]:
    """Return the people of the unit."""
    return queries.staff(ground.unit, at) if ground.unit else ()


@role("office")
def office(_ground: Ground, at: datetime) -> Iterable[Person]:
    """Return the members of the Office."""
    return queries.office_members(at)


@role("auditor")
def auditor(_ground: Ground, at: datetime) -> Iterable[Person]:
    """Return the auditors: they change nothing, and have a say only where a route asks for theirs."""
    return queries.auditors(at)


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


def require_changer(actor: Actor) -> None:
    """Raise RefusedError for the auditor, who reads everything and changes nothing (GB/T 22239-2019 8.1.5.2)."""
    if actor.administrator is Administrator.AUDITOR:
        message = _("审计管理员只查看、不改动：不能提出事项，也不能填写整改措施。")
        raise RefusedError("auditor_changes_nothing", message, _("请由本单位其他人员办理。"))


class Fault(StrEnum):
    """Why nobody can pass a step as things stand."""

    TOO_FEW = "too_few"
    ROLE_VACANT = "role_vacant"


@dataclass(frozen=True)
class Panel:
    """Who may act in a step: `people` by id hold its seats, `need` of them must agree; `members` is the whole body, excluded included.

    `proxies` gives the deputy of a seat whose turn was handed over; `before` and `after` are the added signers.
    """

    who: tuple[str, ...]
    members: frozenset[int]
    people: frozenset[int]
    need: int
    fault: Fault | None = None
    vacant: tuple[str, ...] = ()
    proxies: Mapping[int, int] = field(default_factory=dict)
    before: frozenset[int] = frozenset()
    after: frozenset[int] = frozenset()

    @property
    def seats(self) -> dict[int, int]:
        """Return the seat that each voter fills: their own, or that of their principal."""
        return {self.proxies.get(seat, seat): seat for seat in self.people}

    @property
    def signers(self) -> frozenset[int]:
        """Return everybody who was added."""
        return self.before | self.after

    def as_json(self) -> dict[str, Any]:
        """Return what the case keeps."""
        kept: dict[str, Any] = {
            "who": list(self.who),
            "members": sorted(self.members),
            "people": sorted(self.people),
            "need": self.need,
            "vacant": list(self.vacant),
        }
        if self.proxies:
            kept["proxies"] = [[seat, self.proxies[seat]] for seat in sorted(self.proxies)]
        if self.signers:
            kept["before"], kept["after"] = sorted(self.before), sorted(self.after)
        return kept


@dataclass(frozen=True)
class Done:
    """One act of a case, as far as it bears on who may act now."""

    verb: str
    round: int
    step: int
    person: int
    target: int | None
    principal: int | None
    placement: str | None


def history(case: Case) -> list[Done]:
    """Return the acts of a case that bear on who may act, oldest first; one query."""
    bearing = (*DECISIONS, Act.Verb.DELEGATE, Act.Verb.TAKE_BACK, Act.Verb.ADD_SIGNER)
    acts = Act.objects.filter(case=case, verb__in=bearing).order_by("pk")
    return [Done(*row) for row in acts.values_list("verb", "round", "step", "person", "target", "principal", "placement")]


def convene(case: Case, step: Step, at: datetime) -> Panel:
    """Return the panel of a step as the registers have it now; `case.opening` is what it was when the step opened."""
    done = history(case)
    barred = _excluded(case, done)
    panel = _frozen(case, step, _look_up(case, step, barred, at))
    here = [each for each in done if (each.round, each.step) == (case.round, case.step)]
    if any(each.target is not None for each in here):
        panel = _with_proxies(panel, here, barred, case, at)
        panel = _with_signers(panel, here, barred, at)
    return panel


def _frozen(case: Case, step: Step, fresh: Panel) -> Panel:
    if not step.is_body or not case.opening:
        return fresh
    frozen = case.opening
    seated = frozenset(frozen["people"]) & fresh.people
    if len(seated) >= frozen["need"]:
        return Panel(step.who, frozenset(frozen["members"]), seated, frozen["need"])
    # Too few of the frozen body are left: the body of today takes its place, with no smaller quorum than before.
    need = max(fresh.need, frozen["need"])
    return Panel(step.who, fresh.members, fresh.people, need, Fault.TOO_FEW if len(fresh.people) < need else None)


def _look_up(case: Case, step: Step, barred: set[int], at: datetime) -> Panel:
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


def _with_proxies(panel: Panel, here: Sequence[Done], barred: set[int], case: Case, at: datetime) -> Panel:
    """Let deputies fill the seats handed over to them; a hand-over that no longer holds gives the turn back.

    Once the deputy has voted, the end of the delegation changes nothing: the vote was given while it ran.
    """
    handed: dict[int, int] = {}
    for each in here:
        if each.verb == Act.Verb.DELEGATE and each.target is not None:
            handed[each.person] = each.target
        elif each.verb == Act.Verb.TAKE_BACK:
            handed.pop(each.person, None)
    voted = {(each.principal, each.person) for each in here if each.principal is not None}
    proxies: dict[int, int] = {}
    for seat, deputy in handed.items():
        taken = panel.people | set(proxies.values()) | barred
        holds = (seat, deputy) in voted or (
            delegations.runs(seat, deputy, roles_of(panel, seat, case, at), at) and _working({deputy}, at) == {deputy}
        )
        if seat in panel.people and deputy not in taken and holds:
            proxies[seat] = deputy
    return replace(panel, proxies=proxies) if proxies else panel


def _with_signers(panel: Panel, here: Sequence[Done], barred: set[int], at: datetime) -> Panel:
    """Add those whose signature somebody of the step asked for; who has left the bureau is waited for no longer."""
    added = {each.target: each.placement for each in here if each.verb == Act.Verb.ADD_SIGNER and each.target is not None}
    present = _working(set(added) - barred, at) - set(panel.seats)
    if not present:
        return panel
    before = frozenset(each for each in present if added[each] == Act.Placement.BEFORE)
    return replace(panel, before=before, after=frozenset(present) - before)


def _working(people: set[int], at: datetime) -> set[int]:
    return set(Person.objects.filter(queries.employed(at), pk__in=people).values_list("pk", flat=True)) if people else set()


def roles_of(panel: Panel, seat: int, case: Case, at: datetime) -> frozenset[str]:
    """Return the roles in which somebody sits on a panel; the head of the unit above sits there as a unit head."""
    held = (who.partition("@")[0] for who in panel.who if seat in resolve(who, case, at))
    return frozenset("unit_head" if name == "super_head" else name for name in held)


def excluded(case: Case) -> set[int]:
    """Return who may not decide in the present step: the applicant, and whoever decided in another step of the case."""
    return _excluded(case, history(case))


def _excluded(case: Case, done: Sequence[Done]) -> set[int]:
    elsewhere = [each for each in done if each.step != case.step and each.verb in DECISIONS]
    return {case.applicant_id, *(each.person for each in elsewhere), *(each.principal for each in elsewhere if each.principal)}


class Tally(StrEnum):
    """Where a step stands after counting."""

    OPEN = "open"
    PASSED = "passed"
    REFUSED = "refused"
    STUCK = "stuck"


def count(need: Need | int, panel: Panel, agreed: Iterable[int], refused: Iterable[int]) -> Tally:
    """Count the votes of those who still sit on the panel, then ask whether every added signer has signed.

    One refusal ends a step that needs one or all; a vote ends as refused as soon as enough agreement has become impossible.
    """
    agreed, refused = set(agreed), set(refused)
    tally = quorum(need, panel, agreed, refused)
    if panel.signers & refused:
        return Tally.REFUSED
    return Tally.OPEN if tally is Tally.PASSED and panel.signers - agreed else tally


def quorum(need: Need | int, panel: Panel, agreed: Iterable[int], refused: Iterable[int]) -> Tally:
    """Count the seats of the step alone, each once, through whoever votes in it."""
    seats = panel.seats
    yes, no = ({seats[who] for who in votes if who in seats} for votes in (agreed, refused))
    pending = panel.people - yes - no
    if no and need in {Need.ONE, Need.ALL}:
        return Tally.REFUSED
    if panel.fault:
        return Tally.STUCK
    if len(yes) >= panel.need and (need is not Need.ALL or not pending):
        return Tally.PASSED
    return Tally.REFUSED if len(yes) + len(pending) < panel.need else Tally.OPEN


def hands(need: Need | int, panel: Panel, agreed: Iterable[int], refused: Iterable[int]) -> frozenset[int]:
    """Return who has a turn or had one: those who vote in a seat, signers before them, and signers after once the quorum stands."""
    reached = quorum(need, panel, agreed, refused) is Tally.PASSED
    return frozenset(panel.seats) | panel.before | (panel.after if reached else frozenset())
