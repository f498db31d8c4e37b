"""The verbs of machine rooms, their facilities and their shifts (Art. 16); visits and moves have files of their own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.apps import apps
from django.db import transaction
from django.utils.translation import gettext as _

from anzhang import clock
from anzhang.casework import eligibility, forms, parameters
from anzhang.casework.eligibility import Ground
from anzhang.casework.models import Case
from anzhang.directory import rows
from anzhang.directory.bulk import Batch, Faults, batcher
from anzhang.directory.models import Assignment, Person, Unit
from anzhang.directory.queries import holders, is_employed
from anzhang.events import Event
from anzhang.permissions import Actor, RefusedError, Via
from anzhang.regulation.checks import procedure
from anzhang.rooms import queries
from anzhang.rooms.fields import holders as card_holders
from anzhang.rooms.models import Facility, MachineRoom, Shift


@procedure("register_machine_room")
def register_machine_room(actor: Actor, *, at: datetime, **values: Any) -> MachineRoom:
    """Add a machine room (Art. 16). Raises RefusedError `system_unknown`, `holder_unknown`, `name_taken`, RowError."""
    room = MachineRoom(**values)
    rows.check(room)
    _require_known(room)
    return rows.create(actor, room, at, Event.ROOM_REGISTER)


@procedure("change_machine_room")
def change_machine_room(actor: Actor, row: MachineRoom, *, at: datetime, expected_version: int | None = None, **values: Any) -> MachineRoom:
    """Change a machine room. Raises RefusedError `system_unknown`, `holder_unknown`, `name_taken`, StaleError, RowError."""
    with transaction.atomic():
        room = rows.change(actor, row, values, at, expected_version, Event.ROOM_CHANGE)
        _require_known(room)
        return room


@procedure("register_facility")
def register_facility(actor: Actor, *, at: datetime, **values: Any) -> Facility:
    """Add a facility of a room, or say why it has none of a kind. Raises RowError."""
    return rows.create(actor, Facility(**values), at)


@procedure("change_facility")
def change_facility(actor: Actor, row: Facility, *, at: datetime, expected_version: int | None = None, **values: Any) -> Facility:
    """Change a facility. Raises StaleError, RowError."""
    return rows.change(actor, row, values, at, expected_version)


register_facilities = procedure("register_facilities")(batcher(Facility))


@procedure("roster_shift")
def roster_shift(actor: Actor, *, at: datetime, **values: Any) -> Shift:
    """Put somebody on the roster of a room. Raises RefusedError `shift_past`, `not_posted`, `shift_overlaps`, RowError."""
    shift = Shift(**values)
    rows.check(shift)
    Roster([shift]).require(actor, shift, at)
    return rows.create(actor, shift, at, Event.SHIFT_ROSTER)


@procedure("change_shift")
def change_shift(actor: Actor, row: Shift, *, at: datetime, expected_version: int | None = None, **values: Any) -> Shift:
    """Change when a shift that has not begun ends; nobody rewrites one that has.

    Raises RefusedError `shift_past`, `not_posted`, `shift_overlaps`, StaleError, RowError.
    """
    with transaction.atomic():
        if row.starts_at <= at:
            raise RefusedError("shift_past", _("已开始的班次不能更改。"), _("另排后面的班次。"))
        shift = rows.change(actor, row, values, at, expected_version, Event.SHIFT_CHANGE)
        Roster([shift]).require(actor, shift, at)
        return shift


def _rosterable(batch: Batch) -> Faults:
    shifts = list(batch)
    roster = Roster(shifts)
    for place, shift in enumerate(shifts):
        try:
            roster.require(batch.actor, shift, batch.at)
        except RefusedError as refusal:
            yield place, refusal


roster_shifts = procedure("roster_shifts")(batcher(Shift, Event.SHIFT_ROSTER, Event.SHIFT_CHANGE, judge=_rosterable))


@procedure("sign_in_shift")
def sign_in_shift(actor: Actor, shift: Shift, at: datetime) -> Shift:
    """Note that the person on duty has come; nobody signs for another, nor long before the shift, nor after it.

    A late sign-in is taken and stays late. Raises RefusedError `not_your_shift`, `signed_in_already`, `too_early`, `shift_over`.

    Source: Art. 16; A16.4.
    """
    with transaction.atomic():
        shift = rows.locked(shift)
        _require_own(actor, shift)
        if shift.signed_in_at is not None:
            raise RefusedError("signed_in_already", _("该班次已于 %s 签到。") % clock.minute(shift.signed_in_at))
        if at < shift.starts_at - _leeway(at):
            raise RefusedError("too_early", _("班次 %s 开始，还不能签到。") % clock.minute(shift.starts_at), _("到岗后再签到。"))
        if at >= shift.ends_at:
            raise RefusedError("shift_over", _("班次已于 %s 结束，不能补签。") % clock.minute(shift.ends_at))
        return rows.change(actor, shift, {"signed_in_at": at}, at, act=Event.SHIFT_SIGN_IN)


@procedure("hand_over_shift")
def hand_over_shift(actor: Actor, shift: Shift, note: str, at: datetime) -> Shift:
    """Note that the person on duty hands over to whoever follows, and how things stand.

    Raises RefusedError `not_your_shift`, `not_signed_in`, `handed_over_already`, `note_needed`, `too_early`.

    Source: Art. 16; A16.4.
    """
    with transaction.atomic():
        shift = rows.locked(shift)
        _require_own(actor, shift)
        if shift.signed_in_at is None:
            raise RefusedError("not_signed_in", _("该班次没有签到，不能交接。"), _("先签到。"))
        if shift.handed_over_at is not None:
            raise RefusedError("handed_over_already", _("该班次已于 %s 交接。") % clock.minute(shift.handed_over_at))
        if at < shift.ends_at - _leeway(at):
            raise RefusedError("too_early", _("班次到 %s 结束，还不能交接。") % clock.minute(shift.ends_at), _("下班时再交接。"))
        note = note.strip()
        if not note:
            raise RefusedError("note_needed", _("请写明交接情况，没有异常也写一句。"))
        after = queries.following(shift)
        values = {"handed_over_at": at, "handed_to": after.person if after else None, "note": note[:1000]}
        return rows.change(actor, shift, values, at, act=Event.SHIFT_HAND_OVER)


def _require_own(actor: Actor, shift: Shift) -> None:
    if actor.person_id is None or actor.person_id != shift.person_id:
        raise RefusedError("not_your_shift", _("签到和交接由值班人员本人办理。"))


def _leeway(at: datetime) -> timedelta:
    return timedelta(minutes=parameters.values(at)["handover_minutes"])


class Roster:
    """What stands against new shifts, read once for all of them: posts in their rooms, and other shifts of their people."""

    def __init__(self, shifts: Sequence[Shift]) -> None:
        """Read what concerns the shifts, which also stand in each other's way."""
        first = min((shift.starts_at for shift in shifts), default=None)
        last = max((shift.ends_at for shift in shifts), default=None)
        rooms, people = {shift.room_id for shift in shifts}, {shift.person_id for shift in shifts}
        self.posts: dict[tuple[int, int], list[Assignment]] = defaultdict(list)
        held = Assignment.objects.filter(superseded_at=None, duty__in=Assignment.ROOM_DUTIES, room__in=rooms, person__in=people)
        for post in held:
            self.posts[post.room_id or 0, post.person_id].append(post)
        self.others: dict[int, list[Shift]] = defaultdict(list)
        own = {shift.pk for shift in shifts if shift.pk}
        standing = (
            Shift.objects.filter(person__in=people, starts_at__lt=last, ends_at__gt=first) if first and last else Shift.objects.none()
        )
        for shift in [*(each for each in standing.select_related("room") if each.pk not in own), *shifts]:
            self.others[shift.person_id].append(shift)
        for each in self.others.values():
            each.sort(key=lambda shift: shift.starts_at)
        self.places = {id(shift): place for each in self.others.values() for place, shift in enumerate(each)}

    def require(self, actor: Actor, shift: Shift, at: datetime) -> None:
        """Raise RefusedError unless a shift lies ahead, its person holds a post in the room and has no other shift meanwhile."""
        if shift.starts_at < at and actor.via is not Via.SETUP:
            message = _("班次 %s 已经开始，不能事后补排。") % clock.minute(shift.starts_at)
            raise RefusedError("shift_past", message, _("从现在以后排班。"))
        begins, ends, person = shift.starts_at, shift.ends_at, shift.person
        posts = self.posts.get((shift.room_id, shift.person_id), ())
        if not is_employed(person, begins) or not any(_covers(post, begins) for post in posts):
            message = _("%(person)s 在“%(room)s”没有专管员或值班人员的岗位指派。") % {"person": person.name, "room": shift.room.name}
            raise RefusedError("not_posted", message, _("先提出“岗位指派”事项，职责选机房值班人员，经批准后排班。"))
        mine = self.others[shift.person_id]
        place = self.places[id(shift)]
        near = [*mine[max(0, place - 1) : place], *mine[place + 1 : place + 2]]
        if other := next((each for each in near if each.starts_at < ends and each.ends_at > begins), None):
            told = {"person": person.name, "since": clock.minute(other.starts_at), "until": clock.minute(other.ends_at)}
            message = _("%(person)s 在 %(since)s 至 %(until)s 已有班次（%(room)s）。") % {**told, "room": other.room.name}
            raise RefusedError("shift_overlaps", message, _("改换人员或时间。"))


def _covers(post: Assignment, at: datetime) -> bool:
    return post.valid_from <= at and (post.valid_to is None or at < post.valid_to)


def _require_known(room: MachineRoom) -> None:
    """Raise RefusedError when a room names systems or people that nobody knows, or a name in the logs that another room has."""
    known = set(apps.get_model("anzhang", "system")._default_manager.filter(code__in=room.systems).values_list("code", flat=True))
    if missing := sorted(set(room.systems) - known):
        raise RefusedError("system_unknown", _("没有编号为“%s”的信息系统。") % missing[0][:40], _("填写信息系统台账中的编号，每行一个。"))
    codes = set(card_holders(room.cards).values())
    found = set(Person.objects.filter(code__in=codes).values_list("code", flat=True))
    if missing := sorted(codes - found):
        raise RefusedError("holder_unknown", _("没有工号为“%s”的人员。") % missing[0][:40], _("门禁卡写成“卡号 工号”。"))
    taken = {name: other for other in MachineRoom.objects.exclude(pk=room.pk) for name in names(other)}
    if same := sorted(names(room) & set(taken)):
        message = _("“%(name)s”已是“%(room)s”的编号、名称或日志中的名称。") % {"name": same[0], "room": taken[same[0]].name}
        raise RefusedError("name_taken", message, _("门禁和环境日志靠它分清机房，请换一个。"))


def names(room: MachineRoom) -> set[str]:
    """Return everything by which logs may call a room, in lower case."""
    return {each.strip().lower() for each in (room.code, room.name, *room.aliases) if each.strip()}


@eligibility.where("room")
def managing(case: Case) -> Ground:
    """Return the unit that manages the room named in the case's form."""
    room = MachineRoom.objects.select_related("unit").filter(code=case.form.get("room") or "").first()
    return Ground(room.unit, room_id=room.pk) if room else Ground(None)


@eligibility.role("room_keeper")
def room_keeper(ground: Ground, at: datetime) -> Iterable[Person]:
    """Return the keepers of the room at hand, or of every room that the unit keeps where none is named."""
    if ground.unit is None:
        return ()
    posts = holders(Assignment.Duty.ROOM_KEEPER, at)
    posts = posts.filter(room_id=ground.room_id) if ground.room_id is not None else posts.filter(unit=ground.unit)
    return Person.objects.filter(pk__in=posts.values("person"))


def _find_room(code: str) -> str | None:
    return MachineRoom.objects.filter(code=code).values_list("name", flat=True).first()


def _rooms(unit: Unit, _at: datetime) -> Sequence[tuple[str, str]]:
    found = queries.rooms_in_service().values_list("code", "name", "unit_id")
    return [(code, name) for code, name, manager in sorted(found, key=lambda row: row[2] != unit.pk)]


forms.lookup("room", _find_room, _rooms)
