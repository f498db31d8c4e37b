"""What runs in production in the demo: environments, releases, design items, tests, scans and go-lives of five systems, told by digests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import sha256

from anzhang import clock
from anzhang.demo.bureau import SETUP, Bureau
from anzhang.demo.chapter import Chapter, Line, NearMiss, Planted, Site
from anzhang.demo.crowd import Crowd, put
from anzhang.demo.hands import hand, minute, walk
from anzhang.demo.presence import event, stamp
from anzhang.directory.models import Assignment, Person
from anzhang.events import Event
from anzhang.monitoring.models import LogSource
from anzhang.organization.models import TrainingRecord
from anzhang.systems import go_lives, procedures, releases
from anzhang.systems.models import System
from anzhang.systems.tables import Environment, GoLive, Release

# environment, hosts, addresses, folder; the last three stand for systems of the crowd
PLACES = (
    ("HJ-SB", ["sbapp01", "sbdb01"], ["10.21.1.10", "10.21.1.11"], "/opt/sb"), ("HJ-JY", ["jyapp01"], ["10.21.2.10"], "/opt/jy"),
    ("HJ-A", ["fw0010"], ["10.21.16.12"], "/opt/a"), ("HJ-B", ["fw0011"], ["10.21.16.13"], "/opt/b"),
    ("HJ-C", ["fw0016"], ["10.21.16.18"], "/opt/c"),
)  # fmt: skip
WENT_LIVE = timedelta(days=38)
SECOND = timedelta(days=5)  # when the second release of 就业 was started, a day before anybody had agreed


def digest(name: str) -> str:
    """Return the digest of an artifact of the demo."""
    return sha256(f"anzhang demo artifact {name}".encode()).hexdigest()


def sarif(tool: str, at: datetime, *, high: bool = False) -> bytes:
    """Return a scan's result, with or without a finding that keeps an artifact from going live."""
    place = {"physicalLocation": {"artifactLocation": {"uri": "src/main/java/Pay.java"}, "region": {"startLine": 87}}}
    found = [{"ruleId": "sql-injection", "level": "error", "message": {"text": "拼接 SQL"}, "locations": [place]}] if high else []
    run = {"tool": {"driver": {"name": tool, "semanticVersion": "1.2.3"}}, "results": found,
           "invocations": [{"executionSuccessful": True, "endTimeUtc": f"{at:%Y-%m-%dT%H:%M:%SZ}"}]}  # fmt: skip
    return json.dumps({"version": "2.1.0", "runs": [run]}).encode()


def posts(site: Site, bureau: Bureau, crowd: Crowd) -> None:
    """Give two engineers of the companies a developer's post with an account: one operates without leave, the other with it."""
    started, duty = site.now - timedelta(days=300), Assignment.Duty
    other = next(person for person in crowd.staff["IC"] if person.kind == "outside")
    rows = []
    for person, code in ((bureau.person["P090"], "SB01"), (other, "JY01")):
        system = bureau.system[code]
        rows += [
            Assignment(person=person, duty=each, unit=system.managing_unit, system=system, valid_from=started, recorded_at=site.now)
            for each in (duty.DEVELOPER, duty.MAINTAINER)
        ]
    crowd.posts += put(site.now, Assignment, rows, Event.ASSIGNMENT_START)
    today = clock.day_of(site.now)
    for person, code, name in ((bureau.person["P090"], "SB01", "zhaoqiang"), (other, "JY01", ACCEPTED)):
        procedures.open_account(
            SETUP, at=site.now, system=bureau.system[code], name=name, person=person, opened_on=today - timedelta(days=280)
        )
    put(site.now, TrainingRecord, [TrainingRecord(person=other, topic="驻场人员入场培训", trained_on=today - timedelta(days=50), hours=2)])


ACCEPTED = "w_jyfw"


def registers(site: Site, bureau: Bureau, crowd: Crowd) -> None:
    """Write environments, releases and their proofs; let each go live by the gate; then plant."""
    at = (site.now - WENT_LIVE).replace(second=0, microsecond=0)
    ours = [bureau.system["SB01"], bureau.system["JY01"], *graver(crowd)]
    developer = next(person for person in crowd.staff["IC"] if person.kind == "outside")
    places = {}
    for (code, hosts, addresses, folder), system in zip(PLACES, ours, strict=True):
        places[code] = releases.register_environment(
            SETUP, at=at, code=code, name=f"{system.name}生产环境", system=system, kind="production", hosts=hosts, addresses=addresses,
            folders=[folder],
        )  # fmt: skip
    releases.register_environment(
        SETUP, at=at, code="HJ-SBT", name="社保核心测试环境", system=ours[0], kind="test", hosts=["sbtest01"], addresses=["10.50.1.10"]
    )
    for code in ("SB", "JY", "A", "B"):
        _goes_live(bureau, crowd, places[f"HJ-{code}"], f"FB-{code}-1", developer, at)
    _later(site, bureau, crowd, places["HJ-JY"], developer)
    _window(site, bureau, crowd, places["HJ-SB"], developer)
    _plant(site, bureau, places, developer)
    put(
        site.now,
        LogSource,
        [
            LogSource(
                code="SSH-CS", name="社保测试主机", transport="syslog_tcp", addresses=["127.0.0.1"], hosts=["sbtest01"],
                unit=bureau.unit["IC"], system=ours[0], kinds=["security_log"], registered_on=clock.day_of(site.now),
            )
        ],
        Event.SOURCE_REGISTER,
    )  # fmt: skip


def graver(crowd: Crowd) -> list[System]:
    """Return three systems of the third level that units of the crowd manage."""
    return [system for system in crowd.systems if system.protection_level == 3][:3]


def _release(place: Environment, code: str, developer: Person, at: datetime, label: str = "1.0") -> Release:
    system = place.system
    row = releases.register_release(
        SETUP, at=at, code=code, system=system, label=label, artifact=f"{place.code[3:].lower()}app.jar", digests=[digest(code)],
        developers=[developer.code], built_on=clock.day_of(at) - timedelta(days=6),
    )  # fmt: skip
    if label == "1.0":
        releases.register_design_item(SETUP, at=at, code=f"SJ-{place.code[3:]}-1", name="经办操作留痕", system=system)
    return row


def _prove(row: Release, tester: Person, at: datetime, cases: list[str]) -> None:
    for kind in ("functional", "security"):
        releases.record_test_report(
            SETUP, at=at, code=f"{row.code}-{kind[:2].upper()}", release=row, kind=kind, digests=row.digests, passed=True,
            tested_on=clock.day_of(at) - timedelta(days=2), tester=tester, cases=cases,
        )  # fmt: skip
    for each in row.digests:
        releases.import_code_scan(SETUP, row, each, sarif("semgrep", at - timedelta(days=3)), at)


def _people(bureau: Bureau, crowd: Crowd, system: System) -> tuple[Person, Person]:
    """Return who asks for a going live of a system, and the head who decides."""
    unit = system.managing_unit
    cast = {"IC": ("P011", "P010"), "JYC": ("P021", "P020")}
    if unit.code in cast:
        asks, head = cast[unit.code]
        return bureau.person[asks], bureau.person[head]
    return crowd.staff[unit.code][2], crowd.head(unit)


def _goes_live(bureau: Bureau, crowd: Crowd, place: Environment, code: str, developer: Person, at: datetime) -> None:
    row = _release(place, code, developer, at - timedelta(days=2))
    _prove(row, bureau.person["P031"], at - timedelta(days=1), [f"SJ-{place.code[3:]}-1"])
    grant = _grant(bureau, crowd, place, row, at, at + timedelta(hours=4), at - timedelta(hours=20))
    go_lives.put_live(hand(bureau.person["P011"], at), grant, at + timedelta(hours=1))


def _grant(bureau: Bureau, crowd: Crowd, place: Environment, row: Release, begins: datetime, ends: datetime, at: datetime) -> GoLive:
    asks, head = _people(bureau, crowd, place.system)
    form = {
        "release": row.code, "environment": place.code, "digest": row.digests[0], "window_from": minute(begins), "window_to": minute(ends),
        "operator": "P011", "reason": "按计划发布新版本",
    }  # fmt: skip
    return GoLive.objects.get(basis__case=walk("go_live", asks, form, at, head))


def _later(site: Site, bureau: Bureau, crowd: Crowd, place: Environment, developer: Person) -> None:
    """Let the second release of 就业 be approved a day after it was started."""
    started = (site.now - SECOND).replace(second=0, microsecond=0)
    row = _release(place, "FB-JY-2", developer, started - timedelta(days=3), "1.1")
    _prove(row, bureau.person["P031"], started - timedelta(days=1), ["SJ-JY-1"])
    decided = started + timedelta(days=1)
    grant = _grant(bureau, crowd, place, row, started - timedelta(hours=1), decided + timedelta(hours=4), decided)
    go_lives.put_live(hand(bureau.person["P011"], decided), grant, decided + timedelta(hours=1))


def _window(site: Site, bureau: Bureau, crowd: Crowd, place: Environment, developer: Person) -> None:
    """Let a second release of 社保 go live six days ago; a file of it is changed in the last second of its window."""
    begins = closing(site) - timedelta(hours=2)
    row = _release(place, "FB-SB-2", developer, begins - timedelta(days=3), "1.1")
    _prove(row, bureau.person["P031"], begins - timedelta(days=1), ["SJ-SB-1"])
    grant = _grant(bureau, crowd, place, row, begins, closing(site), begins - timedelta(hours=20))
    go_lives.put_live(hand(bureau.person["P011"], begins), grant, begins + timedelta(minutes=30))


def closing(site: Site) -> datetime:
    """Return when the window of the second release of 社保 closed."""
    return (site.now - timedelta(days=6)).replace(second=0, microsecond=0)


def _plant(site: Site, bureau: Bureau, places: dict[str, Environment], developer: Person) -> None:
    now, at = site.now, site.now - timedelta(days=2)
    releases.register_design_item(SETUP, at=at, code="SJ-A-2", name="批量导出二次确认", system=places["HJ-A"].system)
    dropped = releases.register_design_item(SETUP, at=at, code="SJ-B-2", name="移动端人脸登录", system=places["HJ-B"].system)
    releases.change_design_item(SETUP, dropped, at=at, state="dropped")
    first, second = Release.objects.get(code="FB-A-1"), Release.objects.get(code="FB-B-1")
    releases.import_code_scan(SETUP, first, first.digests[0], sarif("semgrep", at, high=True), at)
    releases.import_code_scan(SETUP, second, second.digests[0], sarif("semgrep", at - timedelta(days=2), high=True), at)
    releases.import_code_scan(SETUP, second, second.digests[0], sarif("semgrep", at), at)
    # An old system entered as it stood: live for long, tested but not for security, never approved.
    place, since = places["HJ-C"], now - timedelta(days=35)
    row = releases.register_release(
        SETUP, at=now, code="FB-C-1", system=place.system, label="3.2", artifact="capp.jar", digests=[digest("FB-C-1")], state="live",
        developers=[developer.code], built_on=clock.day_of(since) - timedelta(days=30), live_at=since,
    )  # fmt: skip
    releases.register_design_item(SETUP, at=now, code="SJ-C-1", name="经办操作留痕", system=place.system)
    releases.record_test_report(
        SETUP, at=now, code="FB-C-1-FU", release=row, kind="functional", digests=row.digests, passed=True,
        tested_on=clock.day_of(since) - timedelta(days=5), tester=bureau.person["P031"], cases=["SJ-C-1"],
    )  # fmt: skip
    releases.import_code_scan(SETUP, row, row.digests[0], sarif("semgrep", since - timedelta(days=3)), now)
    day = clock.day_of(now)
    form = {
        "system": "JY01", "person": developer.code, "effective_on": f"{day - timedelta(days=10)}", "last_on": f"{day + timedelta(days=60)}",
        "reason": "新模块试运行期间由开发人员协助处理业务",
    }  # fmt: skip
    walk("developer_operates", bureau.person["P021"], form, now - timedelta(days=10), bureau.person["P020"])


@lru_cache(maxsize=1)
def _running() -> tuple[tuple[str, str, str], ...]:
    """Return (environment, code of the release, folder) of what runs from the beginning on."""
    return tuple((code, f"FB-{code[3:]}-1", folder) for code, _hosts, _addresses, folder in PLACES)


def lines(site: Site, begin: datetime, end: datetime) -> Iterator[Line]:
    """Yield what the hosts' guard says: programs started at night, logs turned, sessions over."""
    day = clock.day_of(begin)
    while (start := clock.start_of(day)) < end:
        found = [line for place in PLACES for line in _host(site, start, *place)]
        marks = (start + timedelta(minutes=minute, seconds=9) for minute in range(3, 1440, 20))
        found += [(at, f"<78>{stamp(at)} sbtest01 CRON[{at.minute + 900}]: (root) CMD (/usr/local/bin/selfcheck)".encode()) for at in marks]
        yield from sorted(each for each in found if begin <= each[0] < end)
        day += timedelta(days=1)


def _host(site: Site, start: datetime, code: str, hosts: list[str], _addresses: list[str], folder: str) -> Iterator[Line]:
    release = f"FB-{code[3:]}-1"
    for number, host in enumerate(hosts):
        at = start + timedelta(hours=3, minutes=10 + number)
        if code == "HJ-JY" and at >= site.now - SECOND:
            release = "FB-JY-2"
        if code == "HJ-SB" and at >= closing(site) - timedelta(minutes=90):
            release = "FB-SB-2"
        yield at, started(at, host, folder, digest(release))
        at += timedelta(minutes=40)
        yield at, event(at, "edr01", "file_event", host=host, path=f"/var/log/{code[3:].lower()}/app.log", action="renamed",
                        result="success", user="root")  # fmt: skip
        at += timedelta(minutes=5)
        yield at, event(at, "edr01", "auth_event", host=host, user="root", action="session-closed", result="success", service="cron")


def started(at: datetime, host: str, folder: str, file_hash: str) -> bytes:
    """Return the line by which the guard of a host says that a program was started."""
    return event(
        at, "edr01", "process_event", host=host, executable=f"{folder}/app.jar", file_hash=file_hash, user="svc", action="started",
        result="success",
    )  # fmt: skip


def planted(site: Site) -> Iterator[Line]:
    """Yield starts at their own hour, files changed outside and inside a window, and developers at work."""
    at = (site.now - SECOND).replace(second=0, microsecond=0)
    yield at, started(at, "jyapp01", "/opt/jy", digest("FB-JY-2"))
    at = closing(site) - timedelta(minutes=88)
    for host in ("sbapp01", "sbdb01"):
        yield at, started(at, host, "/opt/sb", digest("FB-SB-2"))
    at = closing(site) - timedelta(seconds=1)
    yield at, _changed(at, "sbapp01", "/opt/sb/conf/app.yml")
    at = site.now - timedelta(days=3)
    yield at, _changed(at, "fw0011", "/opt/b/lib/patch.jar")
    at = site.now - timedelta(hours=28)
    yield at, event(at, "edr01", "process_event", host="fw0010", executable="/opt/a/tool.jar", file_hash=digest("nobody's"), user="svc",
                    action="started", result="success")  # fmt: skip
    at = site.now - timedelta(hours=29)
    yield at, operates(at, "sbapp01", "zhaoqiang")
    yield at, operates(at, "sbtest01", "zhaoqiang")
    yield at, operates(at, "jyapp01", ACCEPTED)


def _changed(at: datetime, host: str, path: str) -> bytes:
    return event(at, "edr01", "file_event", host=host, path=path, action="modified", result="success", user="svc")


def operates(at: datetime, host: str, account: str) -> bytes:
    """Return what the business application on a host says of somebody who works with it."""
    return event(at, host, "app_event", user=account, action="query", function="参保查询", record_count=3, result="success")


CHAPTER = Chapter(
    "releases",
    registers=registers,
    lines=lines,
    planted=planted,
    expected=(
        Planted("A11.2", "release:FB-A-1", "上线后补的安全设计项没有通过的测试"),
        Planted("A13.1", "system:SB01", "赵强是社保核心系统的开发人员，又用账号办业务"),
        Planted("A13.2", "release:FB-A-1", "两天前的复扫有一个严重问题未解决"),
        Planted("A13.2", "environment:HJ-A", "生产主机上跑着不属于任何版本的程序"),
        Planted("A13.3", "environment:HJ-B", "三天前在上线窗口以外改了生产程序"),
        Planted("A13.5", "release:FB-C-1", "老系统在线，没有安全测试报告"),
        Planted("A13.6", "environment:HJ-C", "老系统的程序从未经上线审批"),
        Planted("A13.6", "environment:HJ-A", "同一来历不明的程序，也不是获准的版本"),
        Planted("A13.6", "environment:HJ-JY", "新版本先启动，一天后才补批", state="regularized"),
    ),
    near=(
        NearMiss("A11.2", "release:FB-B-1", "没测的设计项已取消"),
        NearMiss("A13.1", "system:JY01", "开发人员在批准的例外期内操作"),
        NearMiss("A13.2", "release:FB-B-1", "早先一次扫描有问题，最新一次已无"),
        NearMiss("A13.3", "environment:HJ-SB", "窗口关闭前一秒改的配置"),
        NearMiss("A13.5", "release:FB-SB-2", "上线前功能、安全测试都已通过"),
        NearMiss("A13.6", "environment:HJ-SB", "新版本在获准的窗口内启动"),
    ),
)
POSTS = Chapter("developers", registers=posts)
