"""Who runs the demo's systems and how (Art. 12, 13): administrators, planned checks with their runs, dossiers, monitors, load tests.

Monitors tell of every system in service: once a day in the month before, every five minutes in the last hour of what is asked, so that a
month is short and whoever listens has heard of everybody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from anzhang import clock
from anzhang.casework import workdays
from anzhang.demo import conduct
from anzhang.demo.bureau import SETUP, Bureau
from anzhang.demo.chapter import Chapter, Line, NearMiss, Planted, Site
from anzhang.demo.configurations import probe
from anzhang.demo.crowd import WITHOUT_OFFICER, Crowd, put
from anzhang.demo.hands import minute, walk
from anzhang.demo.presence import event
from anzhang.directory import procedures as directory
from anzhang.directory.models import Assignment, Person
from anzhang.events import Event
from anzhang.journal.procedures import write
from anzhang.monitoring.models import LogSource
from anzhang.organization import statements
from anzhang.organization.models import ResponsibilityStatement
from anzhang.organization.queries import owing_statements
from anzhang.systems import due, fields
from anzhang.systems.models import System
from anzhang.systems.tables import Environment
from anzhang.systems.upkeep import CheckPlan, CheckRun, OpsDossier

EVERY, SHOWN = timedelta(minutes=5), timedelta(hours=1)
MONITOR = "mon01"
LOADED, TESTED, PROXY, TESTER = "10.27.1.10", "10.27.1.20", "10.27.1.5", "10.27.1.66"  # of one net: nobody outside is served
ORDINARY, SURGE, MONTH = 20, 200, 32
AHEAD = timedelta(minutes=20)  # a check is signed so long before it is due
ITEMS = ("服务和进程", "磁盘空间", "备份结果", "安全日志", "账号变动")
IMPORTANT = 3
GONE, LEAVES, UNMADE, LATE = timedelta(days=20), timedelta(days=6), timedelta(days=10), timedelta(days=400)
GRACE = timedelta(hours=20)  # ago, when a check fell due that may still be made
DAILY, WEEKLY, MONTHLY, QUARTERLY = CheckPlan.Rhythm


@dataclass(frozen=True)
class Chosen:
    """The systems in which something is wrong, and those beside them."""

    vacant: System
    unfiled: System
    unchecked: System
    loaded: System
    leaving: System  # its manager stopped six days ago
    late: System  # its check was due yesterday
    tested: System


def registers(site: Site, bureau: Bureau, crowd: Crowd) -> None:
    """Name administrators, plan checks and make them, open dossiers, register the monitor; plant."""
    now, chosen = site.now, choose(crowd)
    keepers = _administrators(bureau, crowd, now)
    systems = list(System.objects.filter(state=System.State.IN_SERVICE).select_related("managing_unit").order_by("code"))
    _checks(systems, keepers, chosen, now)
    _daily(bureau, now)
    important = [each for each in systems if (each.protection_level or 0) >= IMPORTANT and each.pk != chosen.unfiled.pk]
    opened_on = clock.day_of(now) - timedelta(days=300)
    put(now, OpsDossier, [OpsDossier(system=each, opened_on=opened_on, keeper=keepers[each.pk]) for each in important], Event.DOSSIER_OPEN)
    _monitor(bureau, chosen, now)
    _load_test(site, crowd, chosen)


def choose(crowd: Crowd) -> Chosen:
    """Choose the systems of the breaches and near-misses: each of a unit of its own, of which nothing else is expected."""
    taken = {*conduct.EXPECTED, WITHOUT_OFFICER}
    chosen: list[System] = []
    for important in (False, True, False, False, False, False, False):
        free = (
            each for each in crowd.systems if each.managing_unit.name not in taken and (each.protection_level == IMPORTANT) is important
        )
        chosen.append(next(free))
        taken.add(chosen[-1].managing_unit.name)
    return Chosen(*chosen)


def _administrators(bureau: Bureau, crowd: Crowd, now: datetime) -> Mapping[int, Person]:
    """Give every system that has none a manager; end the post of one. Return who runs each system, by its key."""
    posts = {post.system_id: post for post in crowd.posts if post.duty == Assignment.Duty.SYSTEM_MANAGER and post.system_id is not None}
    own = {"IC": bureau.person["P011"], "JYC": bureau.person["P023"], "SBZX": bureau.person["P031"]}
    found = {key: post.person for key, post in posts.items()}
    new = []
    for system in System.objects.filter(state=System.State.IN_SERVICE).select_related("managing_unit"):
        if system.pk in found:
            continue
        unit = system.managing_unit
        found[system.pk] = own.get(unit.code) or crowd.staff[unit.code][2]
        if unit.code != "IC":  # whose maintainer stands for all of them
            started = now - timedelta(days=200)
            new.append(
                Assignment(
                    person=found[system.pk], duty=Assignment.Duty.SYSTEM_MANAGER, unit=unit, system=system, valid_from=started,
                    recorded_at=now,
                )
            )  # fmt: skip
    put(now, Assignment, new, Event.ASSIGNMENT_START)
    _statements({post.person_id for post in new}, now)
    chosen = choose(crowd)
    directory.end_assignment(SETUP, posts[chosen.vacant.pk], now - GONE, now)
    directory.end_assignment(SETUP, posts[chosen.leaving.pk], now - LEAVES, now)
    return found


def _statements(people: set[int], now: datetime) -> None:
    """Enter the paper statements of those who owe one by their new post."""
    people -= set(ResponsibilityStatement.objects.filter(person__in=people).values_list("person", flat=True))
    signed_on = clock.day_of(now) - timedelta(days=190)
    papers = [
        statements.Paper(owing.person, owing.unit, owing.superiors[0], signed_on, signed_on + timedelta(days=5))
        for owing in owing_statements(now)
        if owing.person.pk in people and owing.superiors
    ]
    statements.enter_paper_statements(SETUP, str(signed_on.year), conduct.DUTIES, papers, now)


def _checks(systems: Sequence[System], keepers: Mapping[int, Person], chosen: Chosen, now: datetime) -> None:
    """Plan a check of every system, monthly where it is important, else quarterly, and make every run but one."""
    calendar, today = workdays.calendar(), clock.day_of(now)
    lately = (now - GRACE).astimezone(clock.BEIJING)
    lately -= timedelta(minutes=lately.minute % 30)  # times of checks are half hours
    plans = []
    for number, system in enumerate(systems):
        important, missed = (system.protection_level or 0) >= IMPORTANT, system.pk == chosen.unchecked.pk
        late = system.pk == chosen.late.pk
        day = today - (UNMADE if missed else timedelta(days=3 + number % 7))
        rhythm = WEEKLY if late else MONTHLY if important or missed else QUARTERLY
        plans.append(
            CheckPlan(
                code=f"JC-{system.code}", title=f"{system.name}例行检查", system=system, unit=system.managing_unit,
                person=keepers[system.pk], rhythm=rhythm,
                on_day=lately.isoweekday() if late else min(day.day, 28),
                at_time=f"{lately:%H:%M}" if late else "10:00", workdays_only=False, items=list(ITEMS),
                valid_from=today - LATE,
            )
        )  # fmt: skip
    runs = []
    for plan in put(now, CheckPlan, plans, Event.CHECK_PLAN_REGISTER):
        found = list(due.occurrences(plan, now - LATE, now, calendar))
        made = found[:-1] if plan.system_id in {chosen.unchecked.pk, chosen.late.pk} else found
        runs += [_run(plan, each, number) for number, each in enumerate(made[-3:])]
    put(now, CheckRun, runs, Event.CHECK_RUN_SIGN)


def _run(plan: CheckPlan, due_at: datetime, number: int) -> CheckRun:
    """Return a run that was signed in the morning of its day; now and then something was wrong."""
    wrong = ITEMS[1] if number == 0 and plan.pk % 9 == 0 else ""
    results = [
        fields.join_result(
            item, item == wrong, "数据盘已用 91%" if item == wrong else "", "清理历史日志，申请扩容" if item == wrong else ""
        )
        for item in plan.items
    ]
    done_at = due_at - AHEAD
    return CheckRun(
        plan=plan, due_at=due_at, person=plan.person, done_at=done_at, results=results, abnormal=int(bool(wrong)), signed=True,
        recorded_at=done_at,
    )  # fmt: skip


def _daily(bureau: Bureau, now: datetime) -> None:
    """Plan a check of the core system on every working day: the one of today is still to be made."""
    today, calendar = clock.day_of(now), workdays.calendar()
    plan = CheckPlan(
        code="RJ-SB01", title="社保核心系统日检", system=bureau.system["SB01"], unit=bureau.unit["IC"], person=bureau.person["P011"],
        rhythm=DAILY, at_time="17:00", items=["业务受理", "批处理结果", "数据库连接", "磁盘空间"], valid_from=today - timedelta(days=30),
    )  # fmt: skip
    write(SETUP, Event.CHECK_PLAN_REGISTER, plan, at=now)
    found = [each for each in due.occurrences(plan, now - timedelta(days=30), now + AHEAD, calendar) if each - AHEAD < now]
    results = [fields.join_result(item, False, "", "") for item in plan.items]  # abnormal
    put(
        now,
        CheckRun,
        [
            CheckRun(
                plan=plan, due_at=each, person=plan.person, done_at=each - AHEAD, results=results, signed=True,
                recorded_at=each - AHEAD,
            )
            for each in found
        ],
        Event.CHECK_RUN_SIGN,
    )  # fmt: skip


def _monitor(bureau: Bureau, chosen: Chosen, now: datetime) -> None:
    """Register the host that watches systems and flows, and where the loaded system runs."""
    source = LogSource(
        code="MON-01", name="监测平台", transport="syslog_tcp", addresses=["127.0.0.1"], hosts=[MONITOR], unit=bureau.unit["IC"],
        kinds=["security_log"], registered_on=clock.day_of(now),
    )  # fmt: skip
    write(SETUP, Event.SOURCE_REGISTER, source, at=now)
    for system, address in ((chosen.loaded, LOADED), (chosen.tested, TESTED)):
        environment = Environment(
            code=f"{system.code}-SC", name=f"{system.name}生产环境", system=system, kind=Environment.Kind.PRODUCTION,
            hosts=[f"{system.code.lower()}app01"], addresses=[address],
        )  # fmt: skip
        write(SETUP, Event.ENVIRONMENT_REGISTER, environment, at=now)


def _load_test(site: Site, crowd: Crowd, chosen: Chosen) -> None:
    """Let the load on one system be evaluated by two and approved by the head of its unit."""
    unit, begins = chosen.tested.managing_unit, _loaded_at(site)
    staff = crowd.staff[unit.code]
    form = {
        "environment": f"{chosen.tested.code}-SC", "targets": TESTED, "sources": TESTER, "window_from": minute(begins),
        "window_to": minute(begins + timedelta(hours=1)), "expected_factor": "10", "scheme": "并发查询压测", "risk": "夜间无业务，影响小",
        "rollback": "停止压测程序", "watching": "监测平台专人值守", "evaluator": staff[2].code, "second_evaluator": staff[3].code,
    }  # fmt: skip
    walk("load_test", staff[2], form, begins - timedelta(days=1), crowd.head(unit))


def _loaded_at(site: Site) -> datetime:
    return clock.start_of(clock.day_of(site.now) - timedelta(days=2)) + timedelta(hours=21)


def lines(_site: Site, begin: datetime, end: datetime) -> Iterator[Line]:
    """Yield what the monitor tells, oldest first."""
    codes = list(System.objects.filter(state=System.State.IN_SERVICE).order_by("code").values_list("code", flat=True))
    full = end - SHOWN
    at = datetime.fromtimestamp(begin.timestamp() // EVERY.total_seconds() * EVERY.total_seconds(), tz=begin.tzinfo)
    while at < end:
        if at >= begin and (at >= full or (at.hour, at.minute) == (2, 0)):  # at ten in the morning
            yield from ((at, probe(at, code)) for code in codes)
            yield from ((at, flow(at, PROXY, address)) for address in (LOADED, TESTED))
        at += EVERY


def planted(site: Site) -> Iterator[Line]:
    """Yield two months of flows to two systems and the load on each."""
    today = clock.day_of(site.now)
    for address in (LOADED, TESTED):
        for number in range(MONTH, 1, -2):
            yield from _flows(PROXY, address, clock.start_of(today - timedelta(days=number)) + timedelta(hours=11), ORDINARY)
        yield from _flows(TESTER, address, _loaded_at(site), SURGE)


def _flows(source: str, address: str, begin: datetime, times: int) -> Iterator[Line]:
    for number in range(times):
        at = begin + timedelta(seconds=17 * number)
        yield at, flow(at, source, address)


def flow(at: datetime, source: str, address: str) -> bytes:
    """Return what the monitor says of a connection."""
    return event(
        at, MONITOR, "flow_event", source_ip=source, destination_ip=address, destination_port=8080, protocol="tcp", action="allowed",
        result="success",
    )  # fmt: skip


def goes_on(_site: Site, begin: datetime, end: datetime) -> None:
    """Sign the checks that fall due, but for the one that nobody makes."""
    calendar, runs = workdays.calendar(), []
    newest = due.newest()
    plans = CheckPlan.objects.filter(valid_to=None, person__left_on=None).select_related("person").order_by("code")
    for plan in plans:
        last = newest.get(plan.pk)
        made = [
            each for each in due.occurrences(plan, begin, end + AHEAD, calendar)
            if begin <= each - AHEAD < end and (last is None or each > last)
        ]  # fmt: skip
        runs += [_run(plan, each, 1) for each in made]
    put(end, CheckRun, runs, Event.CHECK_RUN_SIGN)


CHAPTER = Chapter(
    "operations",
    registers=registers,
    lines=lines,
    planted=planted,
    goes_on=goes_on,
    expected=(
        Planted("A12.1", "system:XT101", "系统管理员卸任二十天，无人接任"),
        Planted("A12.2", "system:XT105", "重要信息系统没有运维档案"),
        Planted("A12.3", "check_plan:JC-XT102", "十天前该做的检查没有做"),
        Planted("A13.4", "environment:XT103-SC", "两天前压测，没有评估过的方案"),
    ),
    near=(
        NearMiss("A12.1", "system:XT104", "管理员六天前卸任，空缺未满七天"),
        NearMiss("A12.2", "system:SB01", "建档三百天，近三十天有检查记录"),
        NearMiss("A12.3", "check_plan:JC-XT106", "昨天该做的检查还在二十四小时的宽限内", today=True),
        NearMiss("A13.4", "environment:XT107-SC", "同样的压测，在评估批准的方案之内"),
    ),
)
