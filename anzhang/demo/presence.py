"""Who is on the demo's network when: admissions, leases and sightings of a month, as FreeRADIUS, dhcpd and the core switch tell them.

A terminal comes in on a working day, is let in and takes an address; counters and self-service machines come on Saturdays too. Printers,
servers and what joins them are seen every day. Marked terminals have no day like any other: their lines stand in `planted`.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from functools import lru_cache

from anzhang import clock
from anzhang.demo import estate
from anzhang.demo.bureau import Bureau
from anzhang.demo.chapter import Chapter, Line, NearMiss, Planted, Site
from anzhang.demo.crowd import Crowd, put
from anzhang.demo.estate import Machine, fixed, terminal
from anzhang.events import Event
from anzhang.monitoring.models import LogSource

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# code, name, hosts
SOURCES = (
    ("DHCP", "地址分配服务器", ["dhcp01"]), ("RADIUS", "准入认证服务器", ["radius01"]), ("HEXIN", "核心交换机采集", ["core01"]),
    ("FHQ", "边界防火墙", ["fw01"]), ("TANZHEN", "流量探针", ["probe01"]), ("JIFANG", "机房门禁与动环", ["door01", "env01"]),
    ("JFJH", "机房接入交换机", ["tor01", "tor02", "tor03"]), ("ZDGK", "终端管控服务器", ["edc01"]), ("EDR", "主机安全管理平台", ["edr01"]),
)  # fmt: skip
TROUBLED = ("scannerless", "outdated", "unpatched", "dialer", "unadmitted", "last_verdict", "retired_seen", "retired_gone", "denied_only")
PLAIN = (
    "surfer", "lender", "lent_to", "unclassed", "sticky", "sticky_listed", "expiring", "expiring_replaced", "extended", "last_verdict",
    "other_kind",
)  # fmt: skip
ARRIVED = timedelta(hours=5)  # before now, when the marked ones were let in
STRANGER = "aa:bb:cc:01:02:03"
MARK_MINUTES = 20  # between two lines by which a source says that it is there
PRESENT = 0.9


def registers(site: Site, bureau: Bureau, _crowd: Crowd) -> None:
    """Register the sources that tell of the network."""
    put(
        site.now,
        LogSource,
        [
            LogSource(
                code=code, name=name, transport="syslog_tcp", addresses=["127.0.0.1"], hosts=hosts, unit=bureau.unit["IC"],
                kinds=["security_log"], registered_on=clock.day_of(site.now),
            )
            for code, name, hosts in SOURCES
        ],
        Event.SOURCE_REGISTER,
    )  # fmt: skip


@lru_cache(maxsize=64)
def _day(devices: int, day: date) -> tuple[tuple[int, Machine], ...]:
    """Return (second of the day, terminal) of everybody who comes in on a day."""
    if day.weekday() == 6:
        return ()
    dice = random.Random(f"presence/{estate.SEED}/{day}")  # noqa: S311  # demo data, not a secret
    found = []
    for each in estate.machines(devices)[: round(devices * estate.TERMINALS)]:
        chance, second = dice.random(), int(dice.triangular(7.6 * 3600, 10 * 3600, 8.4 * 3600))
        if chance < PRESENT and (day.weekday() < 5 or each.endpoint in {"counter", "self_service"}):
            found.append((second, each))
    found.sort(key=lambda pair: pair[0])
    return tuple(found)


@lru_cache(maxsize=8)
def _marked() -> tuple[frozenset[str], frozenset[str]]:
    return frozenset(map(terminal, estate.MARKED)), frozenset(map(terminal, TROUBLED))


def arrivals(site: Site, begin: datetime, end: datetime) -> Iterator[tuple[datetime, Machine]]:
    """Yield who is let in of `begin <= instant < end`, in order; marked terminals only after the demo began, troubled ones never."""
    marked, troubled = _marked()
    day = clock.day_of(begin)
    while (start := clock.start_of(day)) < end:
        for second, machine in _day(site.devices, day):
            at = start + timedelta(seconds=second)
            if begin <= at < end and machine.code not in (marked if at < site.now else troubled):
                yield at, machine
        day += timedelta(days=1)


def lines(site: Site, begin: datetime, end: datetime) -> Iterator[Line]:
    """Yield admissions, leases, sightings, and the marks of every source, oldest first."""
    day = clock.day_of(begin)
    while clock.start_of(day) < end:
        start = clock.start_of(day)
        found: list[Line] = []
        for at, machine in arrivals(site, max(begin - timedelta(seconds=5), start), min(end, start + timedelta(days=1))):
            found.append((at, accept(at, machine)))
            found.append((at + timedelta(seconds=3), lease(at + timedelta(seconds=3), machine.mac, machine.ip, machine.host)))
        found += _standing(site, start)
        found += _alive(start)
        yield from sorted(each for each in found if begin <= each[0] < end)
        day += timedelta(days=1)


def _standing(site: Site, start: datetime) -> Iterator[Line]:
    """Yield the sightings of a day of what always stands there: what is in a machine room is told by the switch of that room."""
    for number, each in enumerate(estate.machines(site.devices)[round(site.devices * estate.TERMINALS) :]):
        if not each.room:
            at = start + timedelta(seconds=7 * 3600 + number * 37 % 36000)
            yield at, sighting(at, "core01", each)


def _alive(start: datetime) -> Iterator[Line]:
    for code, _name, hosts in SOURCES:
        for place, host in enumerate(hosts):
            for minute in range((len(code) + place) % MARK_MINUTES, 1440, MARK_MINUTES):
                at = start + timedelta(minutes=minute, seconds=7)
                yield at, f"<78>{stamp(at)} {host} CRON[{1000 + minute}]: (root) CMD (/usr/local/bin/selfcheck)".encode()


def stamp(at: datetime) -> str:
    """Return a device's time stamp (RFC 3164)."""
    local = at.astimezone(clock.BEIJING)
    return f"{MONTHS[local.month - 1]} {local.day:>2} {local.hour:02d}:{local.minute:02d}:{local.second:02d}"


def accept(at: datetime, machine: Machine) -> bytes:
    """Return the line by which FreeRADIUS says that it let a terminal in."""
    station, switch = machine.mac.upper().replace(":", "-"), f"sw-{machine.unit.lower()}"
    return (
        f"<86>{stamp(at)} radius01 radiusd[877]: ({int(machine.code[2:])}) Login OK: [{machine.mac.replace(':', '')}] "
        f"(from client {switch} port {int(machine.code[2:]) % 48 + 1} cli {station})"
    ).encode()


def lease(at: datetime, mac: str, ip: str, host: str) -> bytes:
    """Return the line by which dhcpd says that it gave an address."""
    return f"<30>{stamp(at)} dhcp01 dhcpd[771]: DHCPACK on {ip} to {mac} ({host}) via eth1".encode()


def sighting(at: datetime, teller: str, machine: Machine) -> bytes:
    """Return what a switch says of a device that it sees."""
    return event(at, teller, "sighting_event", source_mac=machine.mac, source_ip=machine.ip, device_name=machine.host, action="seen")


def event(at: datetime, teller: str, stream: str, **values: object) -> bytes:
    """Return an event in an application's own form (docs/formats/streams.md) behind the header of the host that tells it."""
    told = json.dumps({"stream": stream, **values}, ensure_ascii=False)
    return f"<134>1 {at.astimezone(clock.BEIJING).isoformat(timespec='milliseconds')} {teller} netwatch 1 - - {told}".encode()


def planted(site: Site) -> Iterator[Line]:
    """Yield what the marked terminals did within the last day."""
    known, came = estate.by_code(site.devices), site.now - ARRIVED
    for name in (*PLAIN, "scannerless", "outdated", "unpatched", "dialer", "scanner_late", "outdated_less", "unpatched_less"):
        machine = known[terminal(name)]
        if name == "last_verdict":
            yield came, event(came, "radius01", "admission_event", source_mac=machine.mac, vlan="100", action="accept", result="success",
                              reason="last_verdict")  # fmt: skip
        else:
            yield came, accept(came, machine)
        yield came + timedelta(seconds=3), lease(came + timedelta(seconds=3), machine.mac, machine.ip, machine.host)
    for name, hours in (("unadmitted", 4), ("retired_seen", 3)):
        at, machine = site.now - timedelta(hours=hours), known[terminal(name)]
        yield at, lease(at, machine.mac, machine.ip, machine.host)
    gone, last = known[terminal("retired_gone")], clock.start_of(clock.day_of(site.now)) - timedelta(seconds=1)
    yield last, lease(last, gone.mac, gone.ip, gone.host)
    at = site.now - timedelta(hours=2)
    yield at, lease(at, STRANGER, "10.20.2.251", "lenovo-pc")
    refused, station = known[terminal("denied_only")], known[terminal("denied_only")].mac.upper().replace(":", "-")
    yield (
        at,
        (
            f"<86>{stamp(at)} radius01 radiusd[877]: (7) Login incorrect (posture): [{refused.mac.replace(':', '')}] "
            f"(from client sw-ic port 9 cli {station})"
        ).encode(),
    )
    yield from _reused(site, known)


def _reused(site: Site, known: dict[str, Machine]) -> Iterator[Line]:
    """Yield how one terminal had an address that another took later and asked a name server of the internet with."""
    before, surfer = known[terminal("far_end")], known[terminal("surfer")]
    at = site.now - timedelta(hours=9)
    yield at, accept(at, before)
    yield at + timedelta(seconds=3), lease(at + timedelta(seconds=3), before.mac, surfer.ip, before.host)
    for minutes in (70, 61, 60):
        at = site.now - timedelta(minutes=minutes)
        yield at, event(at, "probe01", "dns_event", source_ip=surfer.ip, server_ip="114.114.114.114", question_name="www.example.com")


CHAPTER = Chapter(
    "presence",
    registers=registers,
    lines=lines,
    planted=planted,
    expected=(
        Planted("A09.6", f"device:{terminal('retired_seen')}", "十二天前已停用的终端今天又上了网"),
        Planted("A09.3", f"device:{terminal('surfer')}", "业务专网终端向互联网的域名服务器查询"),
        Planted("A14.8", f"endpoint:{terminal('surfer')}", "同一次查询，落到当时登录的张华"),
        Planted("A15.7", f"endpoint:{terminal('unadmitted')}", "没有经过准入就取得了地址"),
        Planted("A15.7", f"endpoint:{terminal('last_verdict')}", "准入服务失效时沿用上次结论放行"),
        Planted("A15.7", f"mac:{STRANGER}", "没有登记的计算机接入业务专网"),
    ),
    near=(
        NearMiss("A09.6", f"device:{terminal('retired_gone')}", "停用当天最后一秒还在网上，之后没有"),
        NearMiss("A09.6", f"device:{terminal('extended')}", "过了厂商停止支持日，已批准延用"),
        NearMiss("A09.3", f"device:{terminal('far_end')}", "那个地址早些时候租给过它，查询时已归另一台"),
        NearMiss("A14.8", f"endpoint:{terminal('far_end')}", "查询时那个地址已不是它的，使用人与此无关"),
        NearMiss("A15.7", f"endpoint:{terminal('denied_only')}", "被拒绝入网，没有取得地址"),
        NearMiss("A15.7", f"mac:{estate.by_code(400)[fixed('printer', 1)].mac}", "打印机是登记设备，不是客户端，不经准入"),
    ),
)
