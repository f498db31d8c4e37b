"""The demo's links and connections with outside bodies, as the leading group decided them, and the traffic that the border tells of."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from anzhang import clock
from anzhang.casework import procedures as cases
from anzhang.casework.legal_basis import LegalBasis
from anzhang.demo import estate
from anzhang.demo.bureau import Bureau
from anzhang.demo.chapter import Chapter, Line, NearMiss, Planted, Site
from anzhang.demo.crowd import Crowd, put
from anzhang.demo.estate import Machine, fixed
from anzhang.demo.hands import hand, minute, walk
from anzhang.demo.presence import event, stamp
from anzhang.organization import decisions

MB = 1_000_000
CARRIER, OTHER_CARRIER = "203.0.113.1", "198.51.100.9"
BORDER, UNASKED = fixed("router", 1), fixed("router", 2)
WEB = fixed("server", 13)  # talks with a body that nobody approved
LATER, LATE_TOLD = fixed("server", 14), fixed("server", 15)  # approved afterwards; its lines come after the first judgement
BANK_HOST = "sbdb01"
STRANGE_PEER, LATER_PEER, LATE_PEER = "172.30.9.9", "172.31.9.20", "172.30.9.77"


@dataclass(frozen=True)
class Partner:
    """A connection: with whom, over which networks and ports, how much a day, by which standard, for how long from its approval on."""

    code: str
    name: str
    partner: str
    peers: str
    port: int
    daily_mb: int
    standard: str = "GB22239"
    days: int = 365


PARTNERS = (
    Partner("HL01", "养老金代发专线", "津沽银行社保结算部", "172.31.1.16/28", 443, 500),
    Partner("HL02", "保险费代收专线", "渤海湾农商银行社保部", "172.31.2.16/28", 443, 500),
    Partner("HL03", "医疗待遇联网结算", "第一中心医院医保科", "172.31.3.0/28", 8443, 500),
    Partner("HL04", "联网结算（试点到期）", "海滨人民医院医保科", "172.31.4.0/28", 8443, 500, days=38),
    Partner("HL05", "政务数据交换", "市大数据管理中心", "172.31.5.0/28", 443, 800),
    Partner("HL06", "基金收支对账", "市财政局国库处", "172.31.6.0/28", 443, 200, standard="GBT22240-2008"),
    Partner("HL07", "制卡数据交换", "津卫制卡有限公司", "172.31.7.0/28", 443, 300, standard="GBT25070-2010"),
)  # fmt: skip
DECIDED = timedelta(days=40)  # before the demo began


def registers(site: Site, bureau: Bureau, _crowd: Crowd) -> None:
    """Let links and interconnections be asked for and decided, the older standards end, and one connection be approved afterwards."""
    today, at = clock.day_of(site.now), (site.now - DECIDED).replace(second=0, microsecond=0)
    put(
        site.now,
        LegalBasis,
        [
            LegalBasis(
                code=code, title=title, kind="standard", document_no=code, edition=edition,
                in_force_from=today - timedelta(days=3000), in_force_to=today + timedelta(days=days), articles=["10"],
                reviewed_on=today - timedelta(days=100),
                review="按过渡期安排执行。",
            )
            for code, title, edition, days in (
                ("GBT22240-2008", "信息系统安全等级保护定级指南", "2008 版", -10),
                ("GBT25070-2010", "等级保护安全设计技术要求", "2010 版", 1)
            )
        ],
    )  # fmt: skip
    group = [bureau.person[code] for code in ("P004", "P001", "P002")]
    asker = bureau.person["P011"]
    link = {
        "code": "LL01", "name": "互联网出口（对外服务）", "person": "P011",
        "near_zone": "GL", "near_prefixes": "10.40.0.0/16", "far_zone": "HLW",
        "far_prefixes": "203.0.113.0/29", "ports": "tcp/443", "carrier": "某电信天津分公司", "line_number": "TJ-HLW-0001",
        "purpose": "对外服务区发布网站，边界路由器与运营商对接", "opens_at": minute(at), "closes_at": minute(at + timedelta(days=365)),
    }  # fmt: skip
    walk("link", asker, link, at - timedelta(days=1), *group)
    for partner in PARTNERS:
        _connect(bureau, partner, at, at - timedelta(days=1))
    begun = (site.now - timedelta(days=4)).replace(second=0, microsecond=0)
    afterwards = Partner("HL08", "劳动用工备案数据核验", "市大数据管理中心", "172.31.9.16/28", 443, 100)
    _connect(bureau, afterwards, begun, begun + timedelta(days=3))


def _connect(bureau: Bureau, partner: Partner, begins: datetime, at: datetime) -> None:
    """Let a connection be asked for, resolved on by the leading group with its minutes, and agreed to."""
    group = [bureau.person[code] for code in ("P004", "P001", "P002")]
    asker, clerk = bureau.person["P011"], bureau.person["P005"]
    case = cases.file_case(hand(asker, at), "interconnection", asker.unit, asker, "", _form(partner, begins, minute(begins)), at)
    matter = {"matter": f"审议{partner.name}", "proposal": f"同意与{partner.partner}互联，按方案执行。", "about": case.number}
    asked = at + timedelta(minutes=5)
    resolved = walk("group_resolution", clerk, matter, asked, *group)
    decisions.take_minutes(
        hand(clerk, asked), resolved.decision, held_on=clock.day_of(asked), chair=group[1], present=group[1:], minutes="会议审议通过。",
        at=asked + timedelta(hours=1),
    )  # fmt: skip
    for number, person in enumerate(group, 1):
        case = cases.agree(hand(person, at), case, "同意", at + timedelta(hours=2, minutes=number))


def _form(partner: Partner, at: datetime, opens_at: str) -> dict[str, str]:
    return {
        "code": partner.code, "name": partner.name, "person": "P011", "partner": partner.partner, "purpose": f"{partner.name}业务",
        "level": "3", "standard": partner.standard, "scheme_title": f"{partner.name}互联方案",
        "scheme_on": f"{clock.day_of(at) - timedelta(days=15)}", "peers": partner.peers, "inner": "10.21.0.0/16",
        "ports": f"tcp/{partner.port}",
        "clients": "", "data_fields": "", "daily_mb": f"{partner.daily_mb}", "opens_at": opens_at,
        "closes_at": minute(at + timedelta(days=partner.days)),
    }  # fmt: skip


def session(at: datetime, source: str, target: str, port: int, sent: int, received: int) -> bytes:
    """Return the line by which the border firewall says that a session ended, and how much went through it."""
    told = (
        f"IPVer=4,protocol=tcp,source-ip={source},destination-ip={target},source-port={40000 + at.second},destination-port={port},"
        f"send-byte={sent},receive-byte={received},policy-name=p{port}"
    )
    return f"<190>{stamp(at)} fw01 %%01SECLOG/6/SESSION_TEARDOWN(l)[{at.minute}]:{told}".encode()


def lines(site: Site, begin: datetime, end: datetime) -> Iterator[Line]:
    """Yield traffic inside what was approved, and what clients do on production servers, oldest first."""
    day = clock.day_of(begin)
    while (start := clock.start_of(day)) < end:
        found = [*_exchange(site, start), *_clients(site, start)]
        yield from sorted(each for each in found if begin <= each[0] < end)
        day += timedelta(days=1)


def peer_of(partner: Partner) -> str:
    """Return the address by which an outside body is met."""
    return partner.peers.partition("/")[0].rpartition(".")[0] + "." + str(int(partner.peers.partition("/")[0].rpartition(".")[2]) + 4)


def _exchange(site: Site, start: datetime) -> Iterator[Line]:
    known = {each.host: each for each in estate.machines(site.devices) if each.kind == "server"}
    for partner in PARTNERS:
        for hour in (8, 10, 13, 15, 17, 22):
            at = start + timedelta(hours=hour, minutes=11 + int(partner.code[2:]), seconds=hour)
            if at < over(site, partner):
                yield at, session(at, known[BANK_HOST].ip, peer_of(partner), partner.port, 2 * MB, 9 * MB)
    for hour in range(24):
        at = start + timedelta(hours=hour, minutes=3)
        yield at, neighbor(at, BORDER, CARRIER)


def over(site: Site, partner: Partner) -> datetime:
    """Return when the approval of a connection ends."""
    return (site.now - DECIDED).replace(second=0, microsecond=0) + timedelta(days=partner.days)


def neighbor(at: datetime, router: str, address: str) -> bytes:
    """Return what the collector of the core says of a router's neighbor."""
    return event(at, "core01", "sighting_event", host=router.lower(), neighbor=address, action="neighbor-up", interface="GE0/0/1")


def _clients(site: Site, start: datetime) -> Iterator[Line]:
    """Yield sessions of terminals with the servers of the two systems that everybody knows."""
    if start.astimezone(clock.BEIJING).weekday() > 4:
        return
    dice = random.Random(f"clients/{start:%Y%m%d}")  # noqa: S311  # demo data, not a secret
    terminals = estate.machines(site.devices)[: round(site.devices * estate.TERMINALS)]
    for _number in range(60):
        who: Machine = dice.choice(terminals)
        at = start + timedelta(hours=8, minutes=dice.randint(30, 540), seconds=dice.randint(0, 59))
        yield at, session(at, who.ip, dice.choice(("10.21.1.10", "10.21.2.10")), 443, dice.randint(900, 90000), dice.randint(900, 900000))


def planted(site: Site) -> Iterator[Line]:
    """Yield what went beyond an approval, what had none, what got one later, and what stayed just inside."""
    servers = {each.code: each for each in estate.machines(site.devices) if each.kind == "server"}
    bank = next(each for each in servers.values() if each.host == BANK_HOST)
    two_days = site.now - timedelta(days=2)
    yield two_days, neighbor(two_days, UNASKED, OTHER_CARRIER)
    for hours in (26, 50):
        at = site.now - timedelta(hours=hours)
        yield at, session(at, servers[WEB].ip, STRANGE_PEER, 443, MB, 2 * MB)
    at = site.now - timedelta(days=3)
    yield at, session(at, servers[LATER].ip, LATER_PEER, 443, MB, 2 * MB)
    noon = clock.start_of(clock.day_of(site.now)) - timedelta(hours=12)  # yesterday's
    yield noon, session(noon, bank.ip, peer_of(PARTNERS[2]), 8443, 100 * MB, 1500 * MB)
    day_of_six = 6 * 11 * MB
    yield noon, session(noon, bank.ip, peer_of(PARTNERS[1]), 443, 100 * MB, 3 * PARTNERS[1].daily_mb * MB - 100 * MB - day_of_six)
    last = over(site, PARTNERS[3]) - timedelta(seconds=1)
    yield last, session(last, bank.ip, peer_of(PARTNERS[3]), 8443, MB, MB)
    at = site.now - timedelta(hours=30)
    yield at, session(at, bank.ip, peer_of(PARTNERS[4]), 21, MB, MB)


def late(site: Site) -> Iterator[Line]:
    """Yield what a branch's firewall had kept while its line was down."""
    server = next(each for each in estate.machines(site.devices) if each.code == LATE_TOLD)
    bank = next(each for each in estate.machines(site.devices) if each.host == BANK_HOST)
    for hours, source, peer in ((48, server.ip, LATE_PEER), (31, bank.ip, peer_of(PARTNERS[0])), (7, bank.ip, peer_of(PARTNERS[0]))):
        at = site.now - timedelta(hours=hours)
        yield at, session(at, source, peer, 443, MB, MB)


CHAPTER = Chapter(
    "crossings",
    registers=registers,
    lines=lines,
    planted=planted,
    late=late,
    expected=(
        Planted("A09.2", f"device:{UNASKED}", "路由器接了另一家运营商，没有批准的链路"),
        Planted("A10.1", f"device:{WEB}", "服务器与未经批准的外部地址通信"),
        Planted("A10.1", f"device:{LATER}", "先通信，三天后才补办审批", state="regularized"),
        Planted("A10.1", f"device:{LATE_TOLD}", "网点防火墙断线期间的日志补传后才发现", late=True),
        Planted("A10.4", "interconnection:HL08", "同一通信：在后来批准的范围以内", state="regularized"),
        Planted("A10.2", "interconnection:HL06", "所依标准十天前已废止"),
        Planted("A10.4", "interconnection:HL03", "一天传输超过批准量的三倍"),
        Planted("A10.4", "interconnection:HL05", "用了批准以外的端口"),
    ),
    near=(
        NearMiss("A09.2", f"device:{BORDER}", "与运营商对接的边界路由器，链路经过批准"),
        NearMiss("A10.1", "device:FW0002", "与获准的外部机构通信"),
        NearMiss("A10.2", "interconnection:HL07", "所依标准明天才废止", today=True),
        NearMiss("A10.4", "interconnection:HL02", "一天传输恰为批准量的三倍"),
        NearMiss("A10.4", "interconnection:HL04", "批准到期前一秒结束的通信"),
    ),
)
