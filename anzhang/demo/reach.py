"""Services and who owns them (Art. 6), and links between networks of the bureau that are used beyond what was approved (Art. 31)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from anzhang.demo import estate
from anzhang.demo.bureau import Bureau
from anzhang.demo.chapter import Chapter, Line, NearMiss, Planted, Site
from anzhang.demo.crossings import DECIDED, session
from anzhang.demo.crowd import Crowd
from anzhang.demo.estate import fixed
from anzhang.demo.hands import minute, walk
from anzhang.demo.presence import event

SHADOW, YOUNG, REFUSING = fixed("server", 6), fixed("server", 7), fixed("server", 8)  # on no system's environment
SWITCH, OWNED = fixed("switch", 1), fixed("server", 3)
TESTED, GUARD, OTHER_GUARD = fixed("server", 4), fixed("security", 1), fixed("security", 2)
CLIENTS = (fixed("server", 12), fixed("server", 5))
JUMP = fixed("jump_host", 1)
FRONT = "10.90.0.20"  # of the area that serves the internet
EIGHT_HOURS, OPENED = timedelta(hours=8), timedelta(days=4)
ENDED = timedelta(days=2)  # ago, when the link of the trial ended


def registers(site: Site, bureau: Bureau, _crowd: Crowd) -> None:
    """Let links between networks be asked for and decided: one in use, one that ended, one approved afterwards, one for operation."""
    at = (site.now - DECIDED).replace(second=0, microsecond=0)
    ended, begun = (site.now - ENDED).replace(second=0, microsecond=0), (site.now - OPENED).replace(second=0, microsecond=0)
    day = timedelta(days=1)
    links = (
        ("LL02", "测试网运维", ("GL", "10.40.0.0/16"), ("CS", "10.50.0.0/16"), "tcp/22", at, at + 365 * day, at - day),
        ("LL03", "前置接入（试点到期）", ("DMZ", "10.90.0.0/24"), ("SC", "10.21.0.0/16"), "tcp/443", at, ended, at - day),
        ("LL04", "测试数据装载", ("CS", "10.50.0.0/16"), ("SC", "10.21.0.0/16"), "tcp/1521", begun, begun + 365 * day, begun + 2 * day),
        ("LL05", "对外服务区管理", ("GL", "10.40.0.0/16"), ("DMZ", "10.90.0.0/24"), "tcp/443", at, at + 365 * day, at - day),
    )
    for code, name, near, far, ports, opens, closes, asked in links:
        form = {
            "code": code, "name": name, "person": "P011", "near_zone": near[0], "near_prefixes": near[1], "far_zone": far[0],
            "far_prefixes": far[1], "ports": ports, "carrier": "自建", "line_number": "", "purpose": name, "opens_at": minute(opens),
            "closes_at": minute(closes),
        }  # fmt: skip
        walk("link", bureau.person["P011"], form, asked, *(bureau.person[each] for each in ("P004", "P001", "P002")))


def planted(site: Site) -> Iterator[Line]:
    """Yield a service that nobody owns with its near-misses, and what passed between networks."""
    yield from _services(site)
    known = estate.by_code(site.devices)
    test, server = known[TESTED].ip, known[CLIENTS[0]].ip
    at = site.now - timedelta(hours=15)
    yield at, session(at, known[GUARD].ip, test, 22, 900, 9000)
    yield at + timedelta(minutes=1), session(at + timedelta(minutes=1), known[GUARD].ip, test, 3306, 900, 9000)
    last = (site.now - ENDED).replace(second=0, microsecond=0) - timedelta(seconds=1)
    yield last, session(last, FRONT, server, 443, 900, 9000)
    late = site.now - timedelta(days=3)
    yield late, session(late, test, server, 1521, 9000, 900)
    yield at, session(at, known[OTHER_GUARD].ip, FRONT, 443, 900, 9000)
    yield at, session(at, known[JUMP].ip, FRONT, 22, 900, 9000)
    half = {"source_ip": FRONT, "source_port": 443, "destination_ip": known[OTHER_GUARD].ip, "destination_port": 51515, "bytes_out": 9000}
    yield at, event(at, "fw01", "flow_event", **half, protocol="tcp", action="allowed", result="success")


def _services(site: Site) -> Iterator[Line]:
    known = estate.by_code(site.devices)
    one, other = (known[each].ip for each in CLIENTS)
    for code, port, length, back in (
        (SHADOW, 8090, timedelta(days=7, hours=12), 9000), (YOUNG, 8090, timedelta(days=6, hours=20), 9000),
        (REFUSING, 8090, timedelta(days=7, hours=12), 40), (SWITCH, 443, timedelta(days=7, hours=12), 9000),
        (OWNED, 443, timedelta(days=7, hours=12), 9000),
    ):  # fmt: skip
        for turn in range(int(length / EIGHT_HOURS) + 1):
            at = site.now - length + turn * EIGHT_HOURS
            yield at, session(at, other if turn % 2 else one, known[code].ip, port, 900, back)
        at = site.now - timedelta(hours=2)
        yield at, session(at, one, known[code].ip, port, 900, back)


CHAPTER = Chapter(
    "reach",
    registers=registers,
    planted=planted,
    expected=(
        Planted("A06.2", f"device:{SHADOW}", "服务器上有人常用的服务，不属于任何系统"),
        Planted("A31.2", "link:LL02", "用了链路批准以外的端口"),
        Planted("A31.2", "link:LL04", "先有往来，后批准的链路", state="regularized"),
    ),
    near=(
        NearMiss("A06.2", f"device:{YOUNG}", "出现还不满七天的服务"),
        NearMiss("A06.2", f"device:{REFUSING}", "每次都被拒绝的连接"),
        NearMiss("A06.2", f"device:{SWITCH}", "交换机自己的管理页面"),
        NearMiss("A06.2", f"device:{OWNED}", "登记在系统环境里的地址"),
        NearMiss("A31.2", "link:LL03", "批准到期前一秒的往来"),
        NearMiss("A31.2", "link:LL05", "批准之内的往来及其回应，经跳板机的运维"),
    ),
)
