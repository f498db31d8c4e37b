"""The demo's network devices: what they are set to and send (Art. 8), changes with and without an order, and what went down meanwhile.

Every network device is collected once a day at a minute of its own; its configuration stays as it is but for the changes below. A change
lies between two collections, so it is told by the day on which it was seen first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from anzhang import clock
from anzhang.demo import estate, gateways
from anzhang.demo.bureau import SETUP, Bureau
from anzhang.demo.chapter import Chapter, Line, NearMiss, Planted, Site
from anzhang.demo.crossings import session
from anzhang.demo.crowd import Crowd, put
from anzhang.demo.estate import Machine, fixed
from anzhang.demo.hands import minute, walk
from anzhang.demo.logs import INFO, LOCAL0, rfc5424
from anzhang.demo.presence import event, stamp
from anzhang.events import Event
from anzhang.monitoring.models import LogSource
from anzhang.network import snapshots
from anzhang.network.models import Device, Interface
from anzhang.network.snapshots import NETWORK_KINDS
from anzhang.systems import releases
from anzhang.systems.models import System

BEFORE = 2  # whole days of collections before the demo begins; a device that was changed has those of a week
WEEK = 7
SILENT, PATIENT = fixed("firewall", 1), fixed("security", 2)  # one that tells of no flows any more, one that may be silent longer
BORDER = fixed("router", 1)
UNORDERED, JUST_ORDERED, WAY_OUT = fixed("switch", 8), fixed("switch", 9), fixed("switch", 3)
STRUCK, ALLOWED = fixed("switch", 6), fixed("switch", 7)  # balance the load of a system each
OUTSIDE = "198.51.100.33"  # the way out that WAY_OUT was set up for
PRINTER, SEEN = fixed("printer", 3), "198.51.100.80"
CHANGED = 4  # days ago, when the planted changes were made
STOPPED, PAUSED, MAY_PAUSE = timedelta(hours=3), timedelta(minutes=100), 180
# Who of the estate's kinds tells under which source; the silent and the patient one have sources of their own.
SOURCES = {
    "router": ("WL-LY", "路由器日志"), "switch": ("WL-JH", "交换机日志"), "firewall": ("WL-FH", "防火墙日志"),
    "wireless": ("WL-WX", "无线设备日志"), "security": ("WL-AQ", "安全设备日志"), "jump_host": ("WL-TB", "跳板机日志"),
}  # fmt: skip
OWN = {SILENT: ("WL-FH1", "防火墙 0001", None), PATIENT: ("WL-AQ2", "日志审计设备 0002", MAY_PAUSE)}
FLOWING = ("router", "firewall")
MARK = 15  # minutes between two lines of a kind
TEXT = """#
sysname {host}
#
 info-center loghost 10.40.96.3
#
vlan batch 100 200
#
interface GigabitEthernet0/0/1
 description {name}
 ip address {address} 255.255.0.0
{more} undo shutdown
#
interface GigabitEthernet0/0/2
 shutdown
#
aaa
 local-user admin password irreversible-cipher $1c$demo{host}$demo
#
ip route-static 10.30.0.0 255.255.0.0 10.40.0.254
{routes}#
return
"""


@dataclass(frozen=True)
class Outage:
    """A system behind a device: the device, the address that it answers at, the code of the environment."""

    device: str
    address: str
    place: str


OUTAGES = (Outage(STRUCK, "10.21.200.6", "HJ-FZ1"), Outage(ALLOWED, "10.21.200.7", "HJ-FZ2"))
DOWN = timedelta(minutes=20)


def down_at(site: Site) -> datetime:
    """Return when both systems went down: an hour after the configurations of the morning, on the day of the planted changes."""
    return clock.start_of(clock.day_of(site.now) - timedelta(days=CHANGED)) + timedelta(hours=15)


def behind(crowd_systems: list[System]) -> list[System]:
    """Return the two systems behind the devices: the last ones of the crowd, of which nothing else is expected."""
    return crowd_systems[-2:]


def devices(site: Site) -> list[Machine]:
    """Return the network devices of the estate."""
    return [each for each in estate.machines(site.devices) if each.kind in set(NETWORK_KINDS)]


def collected(site: Site, begin: datetime, end: datetime) -> Iterator[tuple[datetime, Machine]]:
    """Yield the newest collection of every network device of `begin <= instant < end`."""
    for number, each in enumerate(devices(site)):
        after = timedelta(hours=3, seconds=20 * number)
        at = clock.start_of(clock.day_of(end)) + after
        while at >= end:
            at -= timedelta(days=1)
        if at >= begin:
            yield at, each


def text(site: Site, machine: Machine, at: datetime) -> bytes:
    """Return the configuration of a device as it was collected at an instant."""
    changed = clock.day_of(at) > clock.day_of(site.now) - timedelta(days=CHANGED)
    more = " mtu 1400\n" if changed and machine.code in {UNORDERED, JUST_ORDERED, STRUCK, ALLOWED} else ""
    if machine.code == gateways.CORE:
        return gateways.core(machine).encode()
    if machine.code == BORDER:
        return gateways.border(machine).encode()
    routes = f"ip route-static 198.51.100.0 255.255.255.0 {OUTSIDE}\n" if machine.code == WAY_OUT else ""
    return TEXT.format(host=machine.host, name=machine.name, address=machine.ip, more=more, routes=routes).encode()


def registers(site: Site, bureau: Bureau, crowd: Crowd) -> None:
    """Write sources and balanced addresses, ask for orders, receive configurations."""
    _sources(site, bureau)
    _balance(site, crowd)
    _orders(site, bureau)
    weekly = {UNORDERED, JUST_ORDERED, STRUCK, ALLOWED}
    for day in range(WEEK, -1, -1):
        end = site.now - timedelta(days=day)
        for at, machine in collected(site, end - timedelta(days=1), end):
            if day < BEFORE or machine.code in weekly:
                _receive(site, machine, at)


def _receive(site: Site, machine: Machine, at: datetime) -> None:
    snapshots.receive_snapshot(SETUP, text(site, machine, at), at, device=machine.code, collected_at=at)


def goes_on(site: Site, begin: datetime, end: datetime) -> None:
    """Receive what is collected as time passes: of every device the newest."""
    for at, machine in collected(site, begin, end):
        _receive(site, machine, at)


def _sources(site: Site, bureau: Bureau) -> None:
    rows: list[tuple[str, str, list[str], int | None]] = []
    for kind, (code, name) in SOURCES.items():
        hosts = [each.host for each in devices(site) if each.kind == kind and each.code not in OWN]
        rows.append((code, name, hosts, None))
    known = estate.by_code(site.devices)
    rows += [(code, name, [known[device].host], patience) for device, (code, name, patience) in OWN.items()]
    put(
        site.now,
        LogSource,
        [
            LogSource(
                code=code, name=name, transport="syslog_tcp", addresses=["127.0.0.1"], hosts=hosts, unit=bureau.unit["IC"],
                kinds=["security_log"], silence_minutes=patience, registered_on=clock.day_of(site.now),
            )
            for code, name, hosts, patience in rows
        ],
        Event.SOURCE_REGISTER,
    )  # fmt: skip


def _balance(site: Site, crowd: Crowd) -> None:
    """Let two switches answer for a system each."""
    for outage, system in zip(OUTAGES, behind(crowd.systems), strict=True):
        device = Device.objects.get(code=outage.device)
        put(site.now, Interface, [Interface(device=device, name="vip1", mac="", addresses=[outage.address])])
        releases.register_environment(
            SETUP, at=site.now - timedelta(days=30), code=outage.place, name=f"{system.name}生产环境", system=system, kind="production",
            hosts=[], addresses=[outage.address],
        )  # fmt: skip


def _orders(site: Site, bureau: Bureau) -> None:
    """Order three of the changes: in an evening after the outage, around the outage, and until just within a day of the collection."""
    struck = down_at(site)
    collections = {each.code: 20 * number for number, each in enumerate(devices(site))}
    before = clock.start_of(clock.day_of(struck)) + timedelta(hours=3, seconds=collections[JUST_ORDERED])
    just = (before - timedelta(hours=24)).replace(second=0, microsecond=0) + timedelta(minutes=1)
    for device, begins, ends in (
        (STRUCK, struck + timedelta(hours=6), struck + timedelta(hours=8)),
        (ALLOWED, struck - timedelta(hours=1), struck + timedelta(hours=1)),
        (JUST_ORDERED, just - timedelta(hours=2), just),
    ):
        form = {
            "kind": "network", "devices": device, "environment": "", "what": "调整接口 MTU", "rollback": "恢复原值", "executor": "P014",
            "window_from": minute(begins), "window_to": minute(ends),
        }  # fmt: skip
        walk("change_order", bureau.person["P011"], form, begins - timedelta(days=1), bureau.person["P010"])


def lines(site: Site, begin: datetime, end: datetime) -> Iterator[Line]:
    """Yield a mark of every kind each quarter of an hour, by its devices in turn, and flows of routers and firewalls."""
    by_kind: dict[str, list[Machine]] = {}
    for each in devices(site):
        if each.code not in OWN:
            by_kind.setdefault(each.kind, []).append(each)
    known = estate.by_code(site.devices)
    day = clock.day_of(begin)
    while (start := clock.start_of(day)) < end:
        found: list[Line] = []
        for turn in range(1440 // MARK):
            at = start + timedelta(minutes=turn * MARK + 2, seconds=11)
            for kind, machines in by_kind.items():
                found += _told(at, machines[turn % len(machines)], kind)
            for code in OWN:
                if code == SILENT or _speaks(site, at):
                    found += _told(at, known[code], known[code].kind if code != SILENT or at < site.now - STOPPED else "")
        yield from sorted(each for each in found if begin <= each[0] < end)
        day += timedelta(days=1)


def _speaks(site: Site, at: datetime) -> bool:
    return not site.now - PAUSED < at < site.now + timedelta(minutes=10)


def _told(at: datetime, machine: Machine, kind: str) -> Iterator[Line]:
    yield at, f"<78>{stamp(at)} {machine.host} CRON[{at.minute + 300}]: (root) CMD (/usr/local/bin/selfcheck)".encode()
    if kind in FLOWING:
        yield (
            at,
            event(
                at, machine.host, "flow_event", source_ip=machine.ip, destination_ip="10.40.96.3", destination_port=514, protocol="udp",
                action="allowed", result="success",
            ),
        )  # fmt: skip


def planted(site: Site) -> Iterator[Line]:
    """Yield a flow from the office to the internet, one that was blocked, and the outages of two systems."""
    known = estate.by_code(site.devices)
    at, inside = site.now - timedelta(hours=20), known[estate.terminal("other_kind")]
    yield at, session(at, known[PRINTER].ip, SEEN, 443, 900, 9000)
    yield at, event(at, "fw01", "flow_event", source_ip=inside.ip, destination_ip=SEEN, destination_port=443, protocol="tcp",
                    action="denied", result="failure")  # fmt: skip
    begins = down_at(site)
    for outage in OUTAGES:
        for number in range(int(DOWN / timedelta(minutes=5)) + 1):
            at = begins + timedelta(minutes=5 * number, seconds=20)
            state = "down" if at < begins + DOWN else "up"
            yield at, probe(at, outage.address, state)


def probe(at: datetime, target: str, state: str = "up") -> bytes:
    """Return what the monitor says of a target."""
    return rfc5424(LOCAL0, INFO, at, "mon01", "probe", f"target={target} service=http state={state} ms=21")


CHAPTER = Chapter(
    "configurations",
    registers=registers,
    lines=lines,
    planted=planted,
    goes_on=goes_on,
    expected=(
        Planted("A08.1", f"device:{UNORDERED}", "四天前改了配置，没有变更单"),
        Planted("A08.3", f"device:{SILENT}", "防火墙还有日志，三小时没有流量记录"),
        Planted("A09.1", "zone:BG", "办公网的打印机与互联网通信"),
        Planted("A09.1", "zone:SC", "路由器和防火墙各有一条调试时留下的规则，合起来从互联网通到就业服务器"),
        Planted("A09.3", f"device:{PRINTER}", "同一通信：打印机上了互联网"),
        Planted("A10.1", f"device:{PRINTER}", "同一通信：没有批准的外部地址"),
        Planted("A09.2", f"configuration:{WAY_OUT}", "配置里有一条到互联网的路由，没有批准的链路"),
        Planted("A07.1", "system:XT243", "变更单窗口以外改动了设备，系统中断二十分钟"),
    ),
    near=(
        NearMiss("A08.1", f"device:{JUST_ORDERED}", "变更单的窗口在上次采集前不到二十四小时结束"),
        NearMiss("A08.3", f"device:{PATIENT}", "一百分钟没有日志，台账允许静默三小时"),
        NearMiss("A09.1", "zone:YW", "到互联网的连接被防火墙拦下，配置也隔得开"),
        NearMiss("A09.2", f"configuration:{BORDER}", "到运营商的路由，链路经过批准"),
        NearMiss("A07.1", "system:XT244", "同样中断二十分钟，在变更单的窗口以内"),
    ),
)
