"""The demo's network on paper: which devices there are, whose, in which zone, by which addresses they are known. Nothing here is stored.

The same number of devices gives the same estate, so what writes the registers and what makes the lines agree without asking each other.
Names by which a planted breach or a near-miss is called stand in `MARKED`; everything else is in order.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from anzhang.demo import names

SEED = 20261130
ZONES: tuple[tuple[str, str, str, list[str], int | None, dict[str, Any]], ...] = (  # code, name, kind, networks, vlan, more
    ("HLW", "互联网", "internet", [], None, {}),
    ("DMZ", "对外服务区", "dmz", ["10.90.0.0/24"], None, {}),
    ("YW", "业务专网", "business", ["10.20.0.0/16"], 100, {"mac_admits": True, "fail_mode": "last_verdict", "fail_hours": 8}),
    ("BG", "办公网", "office", ["10.30.0.0/16"], 200, {"mac_admits": True}),
    ("SC", "生产服务器区", "business", ["10.21.0.0/16"], None, {}),
    ("GL", "管理网", "management", ["10.40.0.0/16"], None, {}),
    ("CS", "测试网", "test", ["10.50.0.0/16"], None, {}),
    ("GLQ", "隔离修复区", "quarantine", ["10.60.0.0/24"], 666, {}),
)  # fmt: skip
# Of a thousand devices that are no terminals so many are of a kind: kind, share, zone, name, models
FIXED = (
    ("printer", 500, "BG", "打印机", ("惠普 M405", "兄弟 HL-5590", "奔图 P3370")),
    ("server", 236, "SC", "服务器", ("浪潮 NF5280M6", "华为 2288H V6", "曙光 I620-G30")),
    ("switch", 171, "GL", "接入交换机", ("华为 S5735", "H3C S5130")),
    ("wireless", 60, "GL", "无线接入点", ("华为 AP4050", "H3C WA6320")),
    ("router", 10, "GL", "路由器", ("华为 AR6140",)),
    ("firewall", 10, "GL", "防火墙", ("华为 USG6525E",)),
    ("security", 8, "GL", "日志审计设备", ("明御 DAS-LOG",)),
    ("storage", 5, "GL", "存储", ("华为 OceanStor 5310",)),
)  # fmt: skip
TERMINALS = 0.825  # of all devices
KINDS = (
    ("desktop", 65, "桌面终端"),
    ("counter", 20, "柜面终端"),
    ("laptop", 8, "便携机"),
    ("self_service", 4, "自助机"),
    ("remote_access", 3, "远程终端"),
)
OUI = ("3c:7c:3f", "b0:83:fe", "00:e0:4c", "c8:5b:76", "74:86:e2", "f8:b4:6a")
CAST_UNITS = ("IC", "LGO", "JYC", "SBZX")
SUBORDINATE = ("IC", "SBZX")


@dataclass(frozen=True, slots=True)
class Machine:
    """A device as planned: `unit` by code, `endpoint` its kind as an endpoint ("" where it is none), `room` where it stands in one."""

    code: str
    name: str
    kind: str
    model: str
    unit: str
    zone: str
    mac: str
    ip: str
    host: str
    endpoint: str = ""
    room: str = ""
    leased: bool = False  # its address comes from DHCP


# Terminals by number that something is planted on, or that stand beside one; what it is, the chapters say.
MARKED: Mapping[str, int] = {
    name: 11 + place
    for place, name in enumerate((
        "surfer", "lender", "retired_seen", "retired_gone", "unclassed", "dialer", "scannerless", "scanner_late",
        "outdated", "outdated_less",
        "unpatched", "unpatched_less", "gamer", "gamer_new", "sticky", "sticky_listed", "unadmitted",
        "last_verdict", "denied_only", "lent_to",
        "expiring", "expiring_replaced", "extended", "other_kind", "far_end",
    ))
}  # fmt: skip


OF_UNIT = {"surfer": "JYC", "lender": "JYC", "lent_to": "JYC"}  # marked terminals of people whom everybody knows


def terminal(name: str) -> str:
    """Return the code of a marked terminal."""
    return f"ZD{MARKED[name]:05d}"


def fixed(kind: str, number: int) -> str:
    """Return the code of a device that is no terminal, by kind and number."""
    return f"{CODES[kind]}{number:04d}"


CODES = {
    "printer": "DY", "server": "FW", "switch": "JH", "wireless": "WX", "router": "LY", "firewall": "FH", "security": "AQ", "storage": "CC",
    "jump_host": "TB",
}  # fmt: skip
# Servers that the bureau knows by the names of its systems' hosts: number, host, name, unit, address, room
NAMED_SERVERS = (
    (1, "sbapp01", "社保核心应用服务器", "IC", "10.21.1.10", "R1"), (2, "sbdb01", "社保核心数据库服务器", "IC", "10.21.1.11", "R1"),
    (3, "jyapp01", "就业系统应用服务器", "IC", "10.21.2.10", "R1"), (4, "sbtest01", "社保测试服务器", "IC", "10.50.1.10", "R1"),
)  # fmt: skip
ROOMS = ("R1", "R2", "R3")


def units() -> list[str]:
    """Return the codes of the units that have devices, in the order of the registers."""
    crowd = [f"D{number:02d}" for number in range(1, len(names.DIVISIONS) + 1)] + [code for code, _name, _kind in names.BUREAUS]
    return [*CAST_UNITS, *crowd, *(f"S{number:02d}" for number in range(1, len(names.SUBORDINATES) + 1))]


@lru_cache(maxsize=4)
def machines(devices: int) -> tuple[Machine, ...]:
    """Return the whole estate: terminals first, then printers, servers and what joins them."""
    dice = random.Random(f"estate/{SEED}")  # noqa: S311  # demo data, not a secret
    homes = units()
    weights = [3 if code.startswith("S") or code in SUBORDINATE else 1 for code in homes]
    wanted = round(devices * TERMINALS)
    made: list[Machine] = []
    placed: Counter[str] = Counter()
    moved = {MARKED[name]: unit for name, unit in OF_UNIT.items()}
    for number, drawn in enumerate(dice.choices(homes, weights, k=wanted), 1):
        home = moved.get(number, drawn)
        made.append(_terminal(number, home, dice, homes.index(home) * 6 + placed[home] // 250, placed[home] % 250 + 2))
        placed[home] += 1
    rest = devices - wanted - 1
    shares = [max(2, round(rest * share / 1000)) for _kind, share, *_ in FIXED]
    shares[0] += rest - sum(shares)
    for (kind, _share, zone, name, models), count in zip(FIXED, shares, strict=True):
        made += [_fixed(kind, number, zone, name, dice.choice(models), homes, weights, dice) for number in range(1, count + 1)]
    jump = Machine("TB0001", "运维跳板机", "jump_host", "浪潮 NF5280M6", "IC", "GL", _mac(9, 1), "10.40.250.10", "jump01", room="R1")
    return (*made, jump)


def by_code(devices: int) -> dict[str, Machine]:
    """Return the estate by code."""
    return {each.code: each for each in machines(devices)}


def _terminal(number: int, home: str, dice: random.Random, third: int, last: int) -> Machine:
    kind, _share, word = dice.choices(KINDS, [share for _kind, share, _word in KINDS])[0]
    marked = number in MARKED.values()
    kind, word = ("desktop", "桌面终端") if marked else (kind, word)
    zone, net = ("YW", 20) if marked or kind in {"counter", "self_service"} or number % 3 else ("BG", 30)
    ip = f"10.{net}.{third}.{last}"
    return Machine(
        f"ZD{number:05d}", f"{word} {number:05d}", "terminal", "联想 M455" if number % 2 else "清华同方 超扬", home, zone,
        _mac(number % 4, number),
        ip, f"zd{number:05d}", endpoint=kind, leased=True,
    )  # fmt: skip


def _fixed(kind: str, number: int, zone: str, name: str, model: str, homes: list[str], weights: list[int], dice: random.Random) -> Machine:
    named = next((each for each in NAMED_SERVERS if kind == "server" and each[0] == number), None)
    code, mac = fixed(kind, number), _mac(4 + (kind == "server"), number + 100_000 + 10_000 * list(CODES).index(kind))
    if named:
        _number, host, title, unit, ip, room = named
        return Machine(code, title, kind, model, unit, "CS" if ip.startswith("10.50.") else "SC", mac, ip, host, room=room)
    home = dice.choices(homes, weights)[0]
    room = ""
    if kind in {"server", "storage", "security", "firewall"}:
        room, home = ROOMS[number % 3 if number % 9 else 0], "IC"
        home = "S08" if room == "R3" else home
    net = {"BG": 30, "SC": 21, "GL": 40}[zone]
    third = 235 + number // 250 if zone == "BG" else 16 * list(CODES).index(kind) + number // 250
    ip = f"10.{net}.{third % 250}.{number % 250 + 2}"
    return Machine(code, f"{name} {number:04d}", kind, model, home, zone, mac, ip, code.lower(), room=room)


def _mac(make: int, number: int) -> str:
    return f"{OUI[make % len(OUI)]}:{number >> 16 & 255:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"
