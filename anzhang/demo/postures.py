"""What the demo's endpoints and servers report of themselves: really signed, and received by the verb that receives a fleet's reports.

An endpoint reports when it comes in the morning, before it is let in; a server once a day. What a marked one says stands in `TOLD`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Any

from anzhang import clock
from anzhang.demo import estate, presence
from anzhang.demo.bureau import SETUP, Bureau
from anzhang.demo.chapter import Chapter, NearMiss, Planted, Site
from anzhang.demo.crowd import Crowd
from anzhang.demo.estate import Machine, fixed, terminal
from anzhang.demo.network import ANTIVIRUS, GUARD, IN_GRACE, PATCHES
from anzhang.demo.signing import COLLECTOR, key_of
from anzhang.endpoints.intake import Came, receive_postures
from anzhang.engines import posture

USEFUL = timedelta(hours=24)  # an older report proves nothing any more, and nobody takes it
BEFORE = timedelta(seconds=20)  # an endpoint reports before it is let in
WITHOUT_GUARD, GUARD_SET, BEHIND, JUST_CURRENT = fixed("server", 5), fixed("server", 6), fixed("server", 7), fixed("server", 8)
GAME = "在线游戏平台"
SOFTWARE = {
    "office": ("办公套件", "业务前台 3.1", "公文客户端"),
    "counter": ("业务前台 3.1", "读卡驱动"),
    "self_service": ("自助服务程序", "读卡驱动"),
}


def endpoint_says(machine: Machine, day: Any, name: str = "") -> dict[str, Any]:
    """Return what an endpoint says on a day; a marked one what is planted on it."""
    platform = "windows" if int(machine.code[2:]) % 3 else "kylin"
    installed = [code for code, _title, of, _severity, _days in PATCHES if of == platform]
    antivirus = {"kind": "antivirus", "name": ANTIVIRUS, "version": "6.0.5", "state": "running", "signatures_on": day.isoformat()}
    network: dict[str, Any] = {"default_routes": 1, "active": [{"name": "以太网", "kind": "wired"}], "proxy": "", "sharing": False}
    software = [{"name": each, "version": "1.0"} for each in SOFTWARE.get(machine.endpoint, SOFTWARE["office"])]
    match name:
        case "scannerless":
            antivirus["state"] = "stopped"
        case "outdated":
            antivirus["signatures_on"] = (day - timedelta(days=9)).isoformat()
        case "outdated_less":
            antivirus["signatures_on"] = (day - timedelta(days=7)).isoformat()
        case "unpatched":
            platform, installed = "windows", ["KB5044002", IN_GRACE]
        case "unpatched_less":
            platform, installed = "windows", ["KB5044001", "KB5044002"]
        case "gamer":
            software.append({"name": GAME, "version": "9.2"})
        case "dialer":
            network["active"].append({"name": "WLAN", "kind": "wireless"})
    return {
        "os": {"family": platform, "name": "Windows 10 22H2" if platform == "windows" else "银河麒麟 V10"}, "products": [antivirus],
        "patches": {"installed": installed}, "software": software, "network": network,
    }  # fmt: skip


def server_says(code: str) -> dict[str, Any]:
    """Return what a server says."""
    version = "3.2.1"
    guard = {"kind": "host_detection", "name": GUARD, "version": version, "state": "running", "settings": {"login_audit": "on"}}
    if code == WITHOUT_GUARD:
        guard["state"] = "stopped"
    if code == BEHIND:
        guard["version"] = "3.0.0"
    return {"os": {"family": "linux", "name": "Kylin Server V10"}, "products": [guard], "patches": {"installed": ["KYSA-202610-0003"]}}


def envelope(subject: str, signer: str, at: datetime, content: Mapping[str, Any]) -> bytes:
    """Return a signed report; its number is the second at which it was collected."""
    document = json.dumps(
        {
            "version": 1, "subject": subject, "signer": signer, "sequence": int(at.timestamp()), "collected_at": at.isoformat(),
            "form": "anzhang", "content": content,
        },
        ensure_ascii=False,
    )  # fmt: skip
    return json.dumps({"document": document, "signature": posture.sign(document, key_of(signer))}, ensure_ascii=False).encode()


def of_endpoint(machine: Machine, at: datetime, name: str = "", day: date | None = None) -> Came:
    """Return the report of an endpoint as it comes, of what was on its day or on another one."""
    return Came(envelope(machine.code, f"endpoint:{machine.code}", at, endpoint_says(machine, day or clock.day_of(at), name)), at)


def of_servers(site: Site, begin: datetime, end: datetime) -> Iterator[Came]:
    """Yield the reports of servers of `begin <= instant < end`: each at its own minute of the day."""
    for number, machine in enumerate(each for each in estate.machines(site.devices) if each.kind in {"server", "jump_host"}):
        at = clock.start_of(clock.day_of(begin)) + timedelta(minutes=number * 7 % 720, seconds=number % 60)
        while at < end:
            if at >= begin:
                yield Came(envelope(machine.code, f"collector:{COLLECTOR}", at, server_says(machine.code)), at)
            at += timedelta(hours=12)  # twice while a report may be used, so that none grows too old before the next


def came(site: Site, begin: datetime, end: datetime) -> list[Came]:
    """Return the reports of `begin <= instant < end` in order: of who comes in, of servers."""
    arrivals = presence.arrivals(site, begin + BEFORE, end + BEFORE)
    mark = {estate.terminal(name): name for name in estate.MARKED}
    found = [of_endpoint(machine, at - BEFORE, "gamer" if mark.get(machine.code) == "gamer" else "") for at, machine in arrivals]
    return sorted([*found, *of_servers(site, begin, end)], key=lambda each: each.at)


def registers(site: Site, _bureau: Bureau, _crowd: Crowd) -> None:
    """Receive what was reported before the demo began: each endpoint's newest, and the last day's."""
    since = site.now - USEFUL - timedelta(hours=2)
    last: dict[str, Came] = {}  # an endpoint that came since needs no older one
    for at, machine in presence.arrivals(site, site.now - timedelta(days=7), since):
        last[machine.code] = of_endpoint(machine, at - BEFORE)
    for _at, machine in presence.arrivals(site, since + BEFORE, site.now + BEFORE):
        last.pop(machine.code, None)
    recent = came(site, since, site.now)
    receive(site.now, [*sorted(last.values(), key=lambda each: each.at), *recent, *marked(site)])


def marked(site: Site) -> list[Came]:
    """Return what the marked endpoints reported in the last two days, in order."""
    known = estate.by_code(site.devices)

    def said(name: str, hours: float, told: str = "") -> Came:
        # What lies behind by a week does so from today, also where it was told before midnight.
        day = clock.day_of(site.now) if told == "outdated_less" else None
        return of_endpoint(known[terminal(name)], site.now - timedelta(hours=hours), told, day)

    found = [said("gamer", 40, "gamer"), said("gamer", 16, "gamer"), said("gamer_new", 20, "gamer"), said("gamer_new", 3, "gamer")]
    for name in ("scannerless", "outdated", "unpatched", "dialer"):  # in order when let in, no more since
        found += [said(name, 5.2), said(name, 2, name)]
    found += [said("scanner_late", 9, "scannerless"), said("scanner_late", 5.2)]
    found += [said(name, 5.2, name) for name in ("outdated_less", "unpatched_less")]
    found += [said(name, 5.2) for name in presence.PLAIN]
    found.append(said("far_end", 9.2))
    return sorted(found, key=lambda each: each.at)


def receive(at: datetime, reports: Iterable[Came]) -> None:
    """Receive reports by the verb."""
    receive_postures(SETUP, reports, at)


def goes_on(site: Site, begin: datetime, end: datetime) -> None:
    """Receive what is reported as time passes; what would be too old by now is not asked for."""
    if found := came(site, max(begin, end - USEFUL + timedelta(minutes=5)), end):
        receive(end, found)


CHAPTER = Chapter(
    "postures",
    registers=registers,
    goes_on=goes_on,
    expected=(
        Planted("A09.4", f"device:{WITHOUT_GUARD}", "服务器上的主机安全卫士停用"),
        Planted("A09.5", f"device:{BEHIND}", "主机安全卫士落后于最新版本一百天"),
        Planted("A09.3", f"endpoint:{terminal('dialer')}", "业务专网终端开着无线网卡"),
        Planted("A14.8", f"endpoint:{terminal('dialer')}", "同一终端：使用人可以由此上互联网"),
        Planted("A14.6", f"endpoint:{terminal('gamer')}", "装了清单外的游戏平台，已超过一天"),
        Planted("A15.4", f"endpoint:{terminal('scannerless')}", "入网后杀毒软件被停用"),
        Planted("A15.5", f"endpoint:{terminal('outdated')}", "特征库落后九天"),
        Planted("A15.6", f"endpoint:{terminal('unpatched')}", "缺少四十天前发布的严重级补丁"),
    ),
    near=(
        NearMiss("A09.4", f"device:{GUARD_SET}", "同型服务器，产品在运行且配置符合规定"),
        NearMiss("A09.5", f"device:{JUST_CURRENT}", "已装最新版本"),
        NearMiss("A14.6", f"endpoint:{terminal('gamer_new')}", "同样的软件，二十小时前才装上，未满一天"),
        NearMiss("A15.4", f"endpoint:{terminal('scanner_late')}", "早先停用，最新报告已在运行"),
        NearMiss("A15.5", f"endpoint:{terminal('outdated_less')}", "特征库恰好落后七天"),
        NearMiss("A15.6", f"endpoint:{terminal('unpatched_less')}", "缺的补丁发布十天，未过十四天的期限"),
    ),
)
