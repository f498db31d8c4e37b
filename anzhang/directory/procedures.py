"""The verbs of the directory: units, people, posts and terms (Art. 3-5).

Units and people are plain registers: who may write them is said by the register. Posts and terms are authority: they start
with an approval as their basis (or with the set-up of an installation), and `organization` derives them from decided cases.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from anzhang import clock
from anzhang.directory import queries, rows
from anzhang.directory.bulk import batcher
from anzhang.directory.models import Assignment, Bitemporal, LeadingGroupMember, Person, Unit
from anzhang.events import Event
from anzhang.permissions import Actor, Permission, RefusedError, Via
from anzhang.regulation.checks import procedure

OWN = frozenset({Via.SETUP, Via.JOB})  # the platform itself
Leaving = Callable[[Actor, Person, date, datetime], int]
LEAVING: list[Leaving] = []  # what else ends when a person leaves; chapters above add theirs: an officer's post, accounts


@procedure("register_unit")
def register_unit(actor: Actor, *, at: datetime, **values: Any) -> Unit:
    """Add a unit (Art. 3); its path follows from its parent. Raises RowError."""
    unit = Unit(**values)
    unit.path = _path(unit)
    return rows.create(actor, unit, at)


@procedure("change_unit")
def change_unit(actor: Actor, row: Unit, *, at: datetime, expected_version: int | None = None, **values: Any) -> Unit:
    """Change a unit; moving it moves everything below it.

    Raises RefusedError `code_fixed`, `own_ancestor`, `unit_in_use` (closing a unit that still has people or units), StaleError, RowError.
    """
    with transaction.atomic():
        before = rows.locked(row)
        if values.get("code", before.code) != before.code:
            raise RefusedError("code_fixed", _("单位代码不能更改。"), _("撤销旧单位，登记新单位。"))
        parent = values.get("parent", before.parent)
        if parent is not None and parent.path.startswith(before.path):
            raise RefusedError("own_ancestor", _("单位不能隶属于自己或自己的下级。"))
        if values.get("closed_on") and not before.closed_on:
            _refuse_in_use(before, values["closed_on"])
        unit = Unit(code=before.code, parent=parent)
        changed = rows.change(actor, row, {**values, "path": _path(unit)}, at, expected_version)
        for below in Unit.objects.filter(path__startswith=before.path).exclude(pk=before.pk).order_by("path"):
            path = changed.path + below.path.removeprefix(before.path)
            if path != below.path:
                rows.change(actor, below, {"path": path}, at)
        return changed


@procedure("register_person")
def register_person(actor: Actor, *, at: datetime, **values: Any) -> Person:
    """Add a person. Raises RowError."""
    return rows.create(actor, Person(**values), at)


register_people = procedure("register_people")(batcher(Person))  # days of leaving go one by one


@procedure("change_person")
def change_person(actor: Actor, row: Person, *, at: datetime, expected_version: int | None = None, **values: Any) -> Person:
    """Change a person; noting the day of leaving ends the person's posts, terms and what `LEAVING` says, as of that day.

    Raises RefusedError `code_fixed`, StaleError, RowError.
    """
    with transaction.atomic():
        before = rows.locked(row)
        if values.get("code", before.code) != before.code:
            raise RefusedError("code_fixed", _("工号不能更改。"), _("工号是其他台账的依据。"))
        leaves = values.get("left_on") is not None and values["left_on"] != before.left_on
        person = rows.change(actor, row, values, at, expected_version, Event.PERSON_LEAVE if leaves else Event.ROW_CHANGE)
        if leaves:
            end_posts(actor, person, values["left_on"], at)
            for end in LEAVING:
                end(actor, person, values["left_on"], at)
        return person


def end_posts(actor: Actor, person: Person, day: date, at: datetime) -> int:
    """End every post and term of a person as of the beginning of a day; return how many."""
    ends = clock.start_of(day)
    held: list[Assignment | LeadingGroupMember] = [
        *Assignment.objects.filter(person=person, superseded_at=None),
        *LeadingGroupMember.objects.filter(person=person, superseded_at=None),
    ]
    running = [row for row in held if row.valid_to is None or row.valid_to > ends]
    for row in running:
        act = Event.ASSIGNMENT_END if isinstance(row, Assignment) else Event.MEMBER_LEAVE
        rows.amend(actor, act, row, at, valid_to=max(ends, row.valid_from))
    return len(running)


def start_assignment(
    actor: Actor, *, person: Person, duty: str, unit: Unit, basis: Any, valid_from: datetime, at: datetime,
    system: Any = None, room: Any = None, valid_to: datetime | None = None, functions: list[str] | None = None,
    jurisdiction: list[str] | None = None, hours: str | None = None,
) -> Assignment:  # fmt: skip
    """Give a person a post. `basis` is the approval; None only while an installation is set up.

    Functions, jurisdiction and hours are what business it covers. A post that the person holds already ends where one that states other
    ones begins.

    Raises RefusedError `no_approval`, `not_employed`, `already_assigned`, `system_needed`, `room_needed`, `ends_before_start`, RowError.
    """
    require_basis(actor, basis, at)
    require_employed(person, valid_from)
    require_period(valid_from, valid_to)
    if duty == Assignment.Duty.SYSTEM_MANAGER and system is None:
        raise RefusedError("system_needed", _("系统管理人员要写明所管理的信息系统。"), _("选择信息系统后重新提交。"))
    if (duty in Assignment.ROOM_DUTIES) != (room is not None):
        message = _("机房专管员和机房值班人员要写明机房，其他职责不写。")
        raise RefusedError("room_needed", message, _("改正后重新提交。"))
    same = Assignment.objects.filter(Bitemporal.in_force(valid_from), person=person, duty=duty, unit=unit, system=system, room=room)
    with transaction.atomic():
        stated = (functions, jurisdiction, hours)
        for held in same:
            if not any(stated) or stated == (held.functions, held.jurisdiction, held.hours):
                raise RefusedError("already_assigned", _("%s 已在该岗位。") % person.name)
            require_period(held.valid_from, valid_from)
            rows.amend(actor, Event.ASSIGNMENT_END, held, at, valid_to=valid_from)
        post = Assignment(
            person=person, duty=duty, unit=unit, system=system, room=room, basis=basis, valid_from=valid_from, valid_to=valid_to,
            recorded_at=at, functions=functions, jurisdiction=jurisdiction, hours=hours,
        )  # fmt: skip
        return rows.create(actor, post, at, Event.ASSIGNMENT_START)


@procedure("end_assignment")
def end_assignment(actor: Actor, assignment: Assignment, ends: datetime, at: datetime) -> Assignment:
    """End a post as of an instant. It takes rights away, so the unit head, the Office or the platform itself may.

    Raises RefusedError `not_answerable`, `post_ended`, `ends_before_start`.
    """
    require_answerable(actor, assignment.unit, at)
    require_period(assignment.valid_from, ends)
    if assignment.valid_to is not None and assignment.valid_to <= ends:
        raise RefusedError("post_ended", _("该岗位已经结束。"))
    return rows.amend(actor, Event.ASSIGNMENT_END, assignment, at, valid_to=ends)


def seat_leading_group_member(
    actor: Actor, *, person: Person, role: str, basis: Any, valid_from: datetime, at: datetime, valid_to: datetime | None = None
) -> LeadingGroupMember:
    """Seat a person in the leading group for a term (Art. 4); a seat the person already holds ends when the new one begins.

    Raises RefusedError `no_approval`, `not_employed`, `already_seated`, `chair_taken`, `ends_before_start`.
    """
    require_basis(actor, basis, at)
    require_employed(person, valid_from)
    require_period(valid_from, valid_to)
    with transaction.atomic():
        seated = LeadingGroupMember.objects.filter(Bitemporal.in_force(valid_from))
        if seated.filter(person=person, role=role).exists():
            raise RefusedError("already_seated", _("%s 已是领导小组的这一身份。") % person.name)
        if role == LeadingGroupMember.Role.CHAIR and seated.filter(role=role).exclude(person=person).exists():
            raise RefusedError("chair_taken", _("领导小组已有组长。"), _("先办理现任组长的调整。"))
        for seat in seated.filter(person=person):
            rows.amend(actor, Event.MEMBER_LEAVE, seat, at, valid_to=valid_from)
        member = LeadingGroupMember(person=person, role=role, basis=basis, valid_from=valid_from, valid_to=valid_to, recorded_at=at)
        return rows.create(actor, member, at, Event.MEMBER_SEAT)


def unseat_leading_group_member(actor: Actor, *, person: Person, basis: Any, ends: datetime, at: datetime) -> int:
    """End a person's seats in the leading group as of an instant; return how many. Raises RefusedError `not_seated`."""
    require_basis(actor, basis, at)
    seats = LeadingGroupMember.objects.filter(Bitemporal.in_force(ends), person=person)
    with transaction.atomic():
        for seat in seats:
            rows.amend(actor, Event.MEMBER_LEAVE, seat, at, valid_to=ends)
        if not seats:
            raise RefusedError("not_seated", _("%s 不在领导小组任内。") % person.name)
        return len(seats)


def require_basis(actor: Actor, basis: Any, at: datetime) -> None:
    """Raise RefusedError unless an approval in force stands behind the change, or an installation is being set up."""
    if basis is None:
        if actor.via is not Via.SETUP:
            raise RefusedError("no_approval", _("这项变更需要一份有效的批准。"), _("先按相应流程提出事项，经批准后生效。"))
    elif basis.superseded_at is not None or basis.valid_from > at or (basis.valid_to is not None and basis.valid_to <= at):
        raise RefusedError("no_approval", _("批准不在有效期内。"), _("重新提出事项。"))


def require_employed(person: Person, at: datetime) -> None:
    """Raise RefusedError unless a person works here on the day of the instant."""
    if not queries.is_employed(person, at):
        raise RefusedError("not_employed", _("%s 在该日期不在职。") % person.name, _("核对人员台账后重新提交。"))


def require_period(valid_from: datetime, valid_to: datetime | None) -> None:
    """Raise RefusedError when a period ends before it begins."""
    if valid_to is not None and valid_to <= valid_from:
        raise RefusedError("ends_before_start", _("终止时间要晚于起始时间。"))


def require_answerable(actor: Actor, unit: Unit, at: datetime) -> None:
    """Raise RefusedError unless the actor heads the unit or one above it, sits in the Office, or is the platform itself."""
    if actor.via in OWN:
        return
    if actor.person_id is not None and (
        queries.heads_over(actor.person_id, unit, at) or queries.office_members(at).filter(pk=actor.person_id).exists()
    ):
        return
    raise RefusedError("not_answerable", _("只有单位负责人或领导小组办公室可以办理。"), _("请由他们办理。"))


def require_personnel(actor: Actor, unit: Unit, at: datetime) -> None:
    """Raise RefusedError unless the actor keeps the unit's people: the system administrator or whoever answers for the unit."""
    if not actor.may(Permission.UNITS_MANAGE):
        require_answerable(actor, unit, at)


def _path(unit: Unit) -> str:
    return f"{unit.parent.path if unit.parent else '/'}{unit.code}/"


def _refuse_in_use(unit: Unit, day: date) -> None:
    at = clock.start_of(day)
    if Unit.objects.filter(parent=unit, closed_on=None).exists() or Person.objects.filter(queries.employed(at), unit=unit).exists():
        raise RefusedError("unit_in_use", _("该单位还有下级单位或在职人员，不能撤销。"), _("先调整下级单位和人员。"))
