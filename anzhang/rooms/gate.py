"""The gate of Art. 16: whether somebody may enter a machine room now, whether a device may be carried in or out of it now.

1. A room that is not in service is entered by nobody, and nothing is carried into it.
2. A person enters by a standing post there (专管员, 值班人员) or by a visit whose approval stands; one from outside is accompanied.
3. A device moves by an approved move whose window is open.
What is not plainly allowed is refused; a refusal names the missing approval and the route on which one applies for it.
"""

from __future__ import annotations

from datetime import datetime

from django.utils.translation import gettext as _

from anzhang import clock
from anzhang.directory import queries as people
from anzhang.directory.models import Person
from anzhang.network.models import Device
from anzhang.permissions import RefusedError
from anzhang.regulation.checks import gate
from anzhang.rooms import queries
from anzhang.rooms.models import MachineRoom, RoomVisit

VISIT_ROUTE, MOVE_ROUTE = "room_visit", "equipment_move"


@gate("room_entry")
def room_entry(what: Person | Device, room: MachineRoom, at: datetime) -> RefusedError | None:
    """Decide whether a person may enter, or a device be moved into or out of, a room at the instant: a refusal or None.

    The codes are `room_closed`, `not_employed`, `visit_missing`, `escort_missing`, `move_missing`.

    Source: Art. 16; A16.5, A16.8.
    """
    return _person(what, room, at) if isinstance(what, Person) else _device(what, room, at)


def _person(person: Person, room: MachineRoom, at: datetime) -> RefusedError | None:
    if room.state != MachineRoom.State.IN_SERVICE:
        return RefusedError("room_closed", _("“%s”不在用，不能进入。") % room.name, _("核对机房台账。"))
    if not people.is_employed(person, at):
        return RefusedError("not_employed", _("%s 在该日期不在职。") % person.name, _("核对人员台账。"))
    if queries.posts_in([room], at).filter(person=person).exists():
        return None
    visit = queries.visits_at(room, person, at).select_related("escort").first()
    if visit is None:
        message = _("%(person)s 没有此刻有效的“%(room)s”出入单，也不是这里的专管员或值班人员。")
        remedy = _("先提出“机房出入申请”，经机房管理单位负责人批准后进入。")
        return RefusedError("visit_missing", message % {"person": person.name, "room": room.name}, _nearest(room, person, at) + remedy)
    if person.kind == Person.Kind.OUTSIDE and (visit.escort is None or not people.is_employed(visit.escort, at)):
        message = _("%s 是外部人员，出入单上没有在职的陪同人员。") % person.name
        return RefusedError("escort_missing", message, _("重新提出“机房出入申请”，写明陪同人员。"))
    return None


def _nearest(room: MachineRoom, person: Person, at: datetime) -> str:
    """Say of a visit that has not begun, has ended or is no longer approved why it does not count."""
    visit = RoomVisit.objects.filter(room=room, person=person, leaves_by__gt=at).select_related("basis").order_by("enters_from").first()
    if visit is None:
        return ""
    if visit.enters_from > at:
        return _("已批准的出入单自 %s 起有效。") % clock.minute(visit.enters_from)
    return _("出入单的批准已撤销或到期。")


def _device(device: Device, room: MachineRoom, at: datetime) -> RefusedError | None:
    if room.state != MachineRoom.State.IN_SERVICE and device.room_id != room.pk:
        return RefusedError("room_closed", _("“%s”不在用，不能移入设备。") % room.name, _("核对机房台账。"))
    if not queries.moves_at(room, device.pk, at).exists():
        message = _("“%(device)s”没有此刻有效的“%(room)s”设备进出批准。") % {"device": device.name, "room": room.name}
        return RefusedError("move_missing", message, _("先提出“机房设备进出申请”，经机房管理单位批准后移动。"))
    return None
