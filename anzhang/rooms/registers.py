"""The registers of machine rooms (Art. 16): rooms, facilities, shifts, visits, equipment moves."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from anzhang.registers.declaration import Kind, Register, Writer, declare
from anzhang.registers.filters import by_choice, by_unit
from anzhang.rooms import moves as _moves  # noqa: F401  # named procedures
from anzhang.rooms import procedures as _procedures  # noqa: F401  # named procedures
from anzhang.rooms import visits as _visits  # noqa: F401  # named procedures
from anzhang.rooms.models import EquipmentMove, Facility, MachineRoom, RoomVisit, Shift

WRITERS = frozenset({Writer.OFFICE, Writer.UNIT})

declare(
    Register(
        id="machine_room",
        chapter="rooms",
        model=MachineRoom,
        kind=Kind.PLAIN,
        columns=("code", "name", "place", "unit", "grade", "doors_controlled", "state"),
        order=("code",),
        search=("code", "name", "place"),
        filters=(by_unit("unit"), by_choice(MachineRoom, "state")),
        scope=("unit__path",),
        key=("code",),
        fields=(
            "code",
            "name",
            "place",
            "unit",
            "grade",
            "systems",
            "aliases",
            "doors_controlled",
            "cards",
            "sensors",
            "witnesses",
            "duty_from",
            "duty_to",
            "duty_workdays",
            "state",
            "in_service_on",
            "retired_on",
        ),
        create="register_machine_room",
        change="change_machine_room",
        fixed=frozenset({"code"}),
        writers=WRITERS,
        hints={
            "grade": _("按所放设备的重要程度定 1 至 5 级，不低于所放信息系统的等保级别。"),
            "systems": _("每行一个信息系统编号。"),
            "aliases": _("每行一个，门禁和环境日志里对本机房的称呼；编号和名称不必再写。"),
            "cards": _("每行一张：卡号 工号。临时卡写在出入申请里。"),
            "sensors": _("每行一个测点编号；写明后，从不发声的测点也能发现。"),
            "witnesses": _("每行一个主机名：只接本机房设备的交换机或盘点器，它看到的设备就在本机房。"),
            "duty_from": _("全天值班为 00:00 至 24:00。"),
        },
        articles=(16,),
    )
)
declare(
    Register(
        id="facility",
        chapter="rooms",
        model=Facility,
        kind=Kind.PLAIN,
        columns=("room", "kind", "name", "model", "state"),
        order=("room__code", "kind", "name"),
        search=("room__code", "name"),
        filters=(by_unit("room__unit"), by_choice(Facility, "kind"), by_choice(Facility, "state")),
        scope=("room__unit__path",),
        key=("room", "kind", "name"),
        fields=("room", "kind", "name", "model", "state", "reason"),
        create="register_facility",
        change="change_facility",
        bulk="register_facilities",
        fixed=frozenset({"room", "kind", "name"}),
        writers=WRITERS,
        hints={"reason": _("状态为“不设”时必填。")},
        articles=(16,),
    )
)
declare(
    Register(
        id="shift",
        chapter="rooms",
        model=Shift,
        kind=Kind.PLAIN,
        columns=("room", "person", "starts_at", "ends_at", "signed_in_at", "handed_over_at", "handed_to"),
        order=("-starts_at",),
        search=("room__code", "person__code", "person__name"),
        filters=(by_unit("room__unit"),),
        scope=("room__unit__path",),
        key=("room", "person", "starts_at"),
        fields=("room", "person", "starts_at", "ends_at"),
        create="roster_shift",
        change="change_shift",
        bulk="roster_shifts",
        singly=frozenset({"ends_at"}),
        fixed=frozenset({"room", "person", "starts_at"}),
        writers=WRITERS,
        hints={"person": _("须是本机房的专管员或值班人员。")},
        articles=(16,),
    )
)
declare(
    Register(
        id="room_visit",
        chapter="rooms",
        model=RoomVisit,
        kind=Kind.AUTHORITY,
        columns=("room", "person", "purpose", "enters_from", "leaves_by", "entered_at", "left_at"),
        order=("-enters_from",),
        search=("room__code", "person__code", "person__name"),
        filters=(by_unit("room__unit"), by_choice(RoomVisit, "purpose")),
        scope=("room__unit__path", "person__unit__path"),
        route="room_visit",
        articles=(16,),
    )
)
declare(
    Register(
        id="equipment_move",
        chapter="rooms",
        model=EquipmentMove,
        kind=Kind.AUTHORITY,
        columns=("device", "from_room", "to_room", "moves_from", "moves_by", "moved_at", "moved_by"),
        order=("-moves_from",),
        search=("device__code", "device__name"),
        filters=(by_unit("device__unit"),),
        scope=("device__unit__path", "from_room__unit__path", "to_room__unit__path"),
        route="equipment_move",
        articles=(16,),
    )
)
