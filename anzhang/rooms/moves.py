"""The verbs of equipment moves (设备进出): a decided case allows one, the keeper notes it when it is done (Art. 16, A16.5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from anzhang.casework import forms
from anzhang.casework.models import Approval, Case
from anzhang.casework.queries import require_approval
from anzhang.directory import rows
from anzhang.directory.models import Unit
from anzhang.events import Event
from anzhang.network.models import Device
from anzhang.network.procedures import change_device
from anzhang.permissions import Actor, RefusedError
from anzhang.regulation.checks import procedure
from anzhang.rooms import queries
from anzhang.rooms.gate import MOVE_ROUTE, room_entry
from anzhang.rooms.models import EquipmentMove, MachineRoom
from anzhang.rooms.visits import require_keeper, window_faults


@forms.rule(MOVE_ROUTE)
def _together(form: Mapping[str, Any], _unit: Unit, at: datetime) -> Mapping[str, str]:
    faults = window_faults(form, "moves_from", "moves_by", at)
    device = Device.objects.select_related("room").filter(code=form["device"]).first()
    room = MachineRoom.objects.filter(code=form["room"]).first()
    if device is None or room is None:
        return faults
    if form["direction"] == "out" and device.room_id != room.pk:
        faults["room"] = _("“%(device)s”不在“%(room)s”。") % {"device": device.name, "room": room.name}
    elif form["direction"] == "in" and device.room_id == room.pk:
        faults["room"] = _("“%(device)s”已在“%(room)s”。") % {"device": device.name, "room": room.name}
    elif form["direction"] == "in" and device.room is not None and device.room.unit_id != room.unit_id:
        faults["room"] = _("“%(device)s”还在“%(room)s”，先办理移出。") % {"device": device.name, "room": device.room.name}
    elif form["direction"] == "in" and room.state != MachineRoom.State.IN_SERVICE:
        faults["room"] = _("“%s”不在用。") % room.name
    return faults


@procedure("authorize_move")
def authorize_move(actor: Actor, case: Case, approval: Approval, at: datetime) -> EquipmentMove:
    """Enter the move that a case allows. Raises RefusedError `no_approval`, `form_invalid`.

    Source: Art. 16; route `equipment_move`.
    """
    require_approval(case, approval, MOVE_ROUTE, at)
    form = case.form
    if faults := {name: text for name, text in _together(form, case.unit, at).items() if name != "moves_from"}:
        raise forms.FormError(faults)
    device, room = Device.objects.get(code=form["device"]), MachineRoom.objects.get(code=form["room"])
    inwards = form["direction"] == "in"
    move = EquipmentMove(
        device=device, from_room=device.room if inwards else room, to_room=room if inwards else None, reason=form["reason"],
        moves_from=forms.instant(form["moves_from"]), moves_by=forms.instant(form["moves_by"]), basis=approval, recorded_at=at,
    )  # fmt: skip
    return rows.create(actor, move, at, Event.MOVE_AUTHORIZE)


@procedure("carry_out_move")
def carry_out_move(actor: Actor, move: EquipmentMove, at: datetime) -> EquipmentMove:
    """Note that a device is moved now; the register of devices then says where it stands.

    Raises RefusedError `not_the_keeper`, `moved_already`, `elsewhere` and what the gate `room_entry` refuses with.

    Source: Art. 16; A16.5.
    """
    with transaction.atomic():
        move = rows.locked(move)
        room = move.to_room or move.from_room
        if room is None:  # the database forbids it
            raise RefusedError("elsewhere", _("这份批准没有写明机房。"))
        require_keeper(actor, room, at)
        if move.moved_at is not None:
            raise RefusedError("moved_already", _("已登记移动。"))
        if (refusal := room_entry(move.device, room, at)) is not None:
            raise refusal
        device: Device = rows.locked(move.device)
        if device.room_id != move.from_room_id or not queries.moves_at(room, device.pk, at).filter(pk=move.pk).exists():
            raise RefusedError("elsewhere", _("“%s”已不在批准时所在的位置，或这份批准此刻无效。") % device.name, _("重新提出申请。"))
        change_device(actor, device, at=at, room=move.to_room)
        return rows.change(actor, move, {"moved_at": at, "moved_by_id": actor.person_id}, at, act=Event.MOVE_CARRY_OUT)


def _find_device(code: str) -> str | None:
    return Device.objects.filter(code=code).values_list("name", flat=True).first()


def _devices(unit: Unit, _at: datetime) -> Sequence[tuple[str, str]]:
    found = Device.objects.exclude(state=Device.State.RETIRED).values_list("code", "name", "unit_id").order_by("code")
    return [(code, f"{name}（{code}）") for code, name, owner in sorted(found, key=lambda row: row[2] != unit.pk)]


forms.lookup("device", _find_device, _devices)
