"""The verbs of visits (出入单): a decided case gives one, the keeper notes who comes and goes (Art. 16, A16.8)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from anzhang import clock
from anzhang.casework import forms
from anzhang.casework.models import Approval, Case
from anzhang.casework.queries import require_approval
from anzhang.directory import queries as people
from anzhang.directory import rows
from anzhang.directory.models import Person, Unit
from anzhang.directory.procedures import require_answerable
from anzhang.events import Event
from anzhang.permissions import Actor, RefusedError
from anzhang.regulation.checks import procedure
from anzhang.rooms import queries
from anzhang.rooms.gate import VISIT_ROUTE, room_entry
from anzhang.rooms.models import MachineRoom, RoomVisit

LONGEST = timedelta(days=7)  # of a visit; and how far back an entry may be approved afterwards


@forms.rule(VISIT_ROUTE)
def _together(form: Mapping[str, Any], _unit: Unit, at: datetime) -> Mapping[str, str]:
    faults = window_faults(form, "enters_from", "leaves_by", at)
    if form["escort"] == form["person"]:
        faults["escort"] = _("陪同人员不能是进入人员本人。")
    visitor = Person.objects.filter(code=form["person"]).first()
    if visitor is not None and visitor.kind == Person.Kind.OUTSIDE:
        escort = Person.objects.filter(code=form["escort"] or "").first()
        if escort is None or escort.kind != Person.Kind.STAFF or not people.is_employed(escort, at):
            faults["escort"] = _("外部人员进入机房，须写明在职的陪同人员。")
    room = MachineRoom.objects.filter(code=form["room"]).first()
    if room is not None and room.state != MachineRoom.State.IN_SERVICE:
        faults["room"] = _("“%s”不在用。") % room.name
    return faults


def window_faults(form: Mapping[str, Any], first: str, last: str, at: datetime) -> dict[str, str]:
    """Return what is wrong with the window of a form: its end before its beginning, too long, too far back."""
    begins, ends = forms.instant(form[first]), forms.instant(form[last])
    if ends <= begins:
        return {last: _("要晚于 %s。") % clock.minute(begins)}
    if ends - begins > LONGEST:
        return {last: _("一次最长 %d 天，更长的分开提出。") % LONGEST.days}
    if begins < at - LONGEST:
        return {first: _("最多补办 %d 天以内的。") % LONGEST.days}
    return {}


@procedure("authorize_visit")
def authorize_visit(actor: Actor, case: Case, approval: Approval, at: datetime) -> RoomVisit:
    """Enter the visit that a case grants. Raises RefusedError `no_approval`, `form_invalid`.

    One whose window began before is entered as approved afterwards (补批): `recorded_at` says so.

    Source: Art. 16; route `room_visit`.
    """
    require_approval(case, approval, VISIT_ROUTE, at)
    form = case.form
    if faults := {name: text for name, text in _together(form, case.unit, at).items() if name != "enters_from"}:  # cases may take days
        raise forms.FormError(faults)
    visit = RoomVisit(
        room=MachineRoom.objects.get(code=form["room"]), person=Person.objects.get(code=form["person"]),
        escort=Person.objects.get(code=form["escort"]) if form["escort"] else None, purpose=form["purpose"], reason=form["reason"],
        card=form["card"] or "", enters_from=forms.instant(form["enters_from"]), leaves_by=forms.instant(form["leaves_by"]),
        basis=approval, recorded_at=at,
    )  # fmt: skip
    return rows.create(actor, visit, at, Event.VISIT_AUTHORIZE)


@procedure("enter_room")
def enter_room(actor: Actor, visit: RoomVisit, at: datetime) -> RoomVisit:
    """Note that a visitor enters now; the gate decides whether they may.

    Raises RefusedError `not_the_keeper`, `entered_already` and what the gate `room_entry` refuses with.

    Source: Art. 16; A16.8.
    """
    with transaction.atomic():
        visit = rows.locked(visit)
        require_keeper(actor, visit.room, at)
        if visit.entered_at is not None:
            raise RefusedError("entered_already", _("已登记进入。"))
        if (refusal := room_entry(visit.person, visit.room, at)) is not None:
            raise refusal
        if not queries.visits_at(visit.room, visit.person, at).filter(pk=visit.pk).exists():
            raise RefusedError(
                "visit_not_open", _("这份出入单此刻不在有效时间内，或批准已撤销。"), _("用有效的出入单登记，或重新提出申请。")
            )
        return rows.change(actor, visit, {"entered_at": at}, at, act=Event.VISIT_ENTER)


@procedure("leave_room")
def leave_room(actor: Actor, visit: RoomVisit, at: datetime) -> RoomVisit:
    """Note that a visitor leaves now. Raises RefusedError `not_the_keeper`, `not_entered`, `left_room_already`."""
    with transaction.atomic():
        visit = rows.locked(visit)
        require_keeper(actor, visit.room, at)
        if visit.entered_at is None:
            raise RefusedError("not_entered", _("尚未登记进入。"))
        if visit.left_at is not None:
            raise RefusedError("left_room_already", _("已登记离开。"))
        return rows.change(actor, visit, {"left_at": at}, at, act=Event.VISIT_LEAVE)


def keeps(actor: Actor, room: MachineRoom, at: datetime) -> bool:
    """Whether the actor holds a post in the room, heads the unit that manages it, or sits in the Office."""
    if actor.person_id is not None and queries.posts_in([room], at).filter(person=actor.person_id).exists():
        return True
    try:
        require_answerable(actor, room.unit, at)
    except RefusedError:
        return False
    return True


def require_keeper(actor: Actor, room: MachineRoom, at: datetime) -> None:
    """Raise RefusedError `not_the_keeper` unless the actor keeps the room or is on its duty list."""
    if not keeps(actor, room, at):
        raise RefusedError("not_the_keeper", _("由“%s”的专管员或值班人员登记。") % room.name, _("请他们办理。"))
