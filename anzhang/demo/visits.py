"""Who was given leave to enter the demo's machine rooms, and what was carried: decided by the head of the unit that keeps the room."""

from __future__ import annotations

from datetime import datetime, timedelta

from anzhang.demo.bureau import Bureau
from anzhang.demo.chapter import Chapter, Site
from anzhang.demo.crowd import Crowd
from anzhang.demo.hands import hand, minute, walk
from anzhang.demo.rooms import CARRIED, OUTSTAYED, moved_at
from anzhang.directory.models import Person
from anzhang.rooms import moves
from anzhang.rooms.models import EquipmentMove

# room, days ago, hour, minutes, card, purpose, reason
VISITS = (
    ("R1", 26, 9, 120, "LS0001", "maintenance", "更换存储控制器电池"), ("R1", 23, 14, 90, "LS0002", "inspection", "消防季度检查"),
    ("R2", 20, 10, 60, "LS0003", "maintenance", "灾备链路测试"), ("R1", 16, 9, 180, "LS0004", "maintenance", "精密空调保养"),
    ("R1", 12, 15, 60, "LS0001", "delivery", "服务器到货上架"), ("R2", 9, 10, 90, "LS0002", "maintenance", "UPS 电池检测"),
    ("R1", 6, 9, 120, "LS0003", "maintenance", "更换核心交换机电源"), ("R1", 4, 14, 60, "LS0005", "inspection", "等级测评现场查看"),
)  # fmt: skip


def registers(site: Site, bureau: Bureau, crowd: Crowd) -> None:
    """Let visits and a move be asked for, decided and carried out."""
    head, outside = bureau.person["P010"], [person for person in crowd.staff["IC"] if person.kind == "outside"]
    for number, (room, days, hour, minutes, card, purpose, reason) in enumerate(VISITS):
        begins = (site.now - timedelta(days=days)).replace(hour=hour - 8, minute=0, second=0, microsecond=0)
        _visit(bureau, outside[number % len(outside)], room, begins, minutes, card, purpose, reason, begins - timedelta(hours=20), head)
    ends = (site.now - timedelta(days=1)).replace(second=0, microsecond=0)
    engineer = bureau.person["P090"]
    _visit(
        bureau,
        engineer,
        "R1",
        ends - timedelta(hours=2),
        120,
        OUTSTAYED,
        "maintenance",
        "核心系统补丁安装",
        ends - timedelta(hours=26),
        head,
    )
    # A repair at night: entered first, asked for and decided two hours later.
    begins = (site.now - timedelta(days=2)).replace(second=0, microsecond=0)
    _visit(bureau, engineer, "R2", begins, 180, "LS0008", "repair", "灾备存储故障抢修", begins + timedelta(hours=2), head)
    _carry(site, bureau, head)


def _visit(
    bureau: Bureau,
    person: Person,
    room: str,
    begins: datetime,
    minutes: int,
    card: str,
    purpose: str,
    reason: str,
    at: datetime,
    head: Person,
) -> None:
    form = {
        "room": room, "person": person.code, "escort": "P011", "purpose": purpose, "enters_from": minute(begins), "card": card,
        "leaves_by": minute(begins + timedelta(minutes=minutes)), "reason": reason,
    }  # fmt: skip
    walk("room_visit", bureau.person["P011"], form, at, head)


def _carry(site: Site, bureau: Bureau, head: Person) -> None:
    """Let a server be carried from the first room to the second, with leave."""
    at = moved_at(site)
    asked = at - timedelta(hours=30)
    form = {
        "device": CARRIED, "room": "R2", "direction": "in", "moves_from": minute(at - timedelta(hours=4)),
        "moves_by": minute(at + timedelta(hours=4)),
        "reason": "灾备扩容，调拨一台服务器",
    }  # fmt: skip
    case = walk("equipment_move", bureau.person["P012"], form, asked, head)
    moves.carry_out_move(hand(bureau.person["P011"], at), EquipmentMove.objects.get(basis__case=case), at)


CHAPTER = Chapter("visits", registers=registers)
