"""Who runs the demo's systems and how (Art. 12, 13): administrators, planned checks with their runs, dossiers, monitors, and four breaches.

A12.1  the manager of one system stopped 20 days ago, and nobody has followed.
A12.2  one important system has no operations dossier.
A12.3  one quarterly check was due 10 days ago and nobody made it.
A13.4  one system was put under load two days ago, without a load test that anybody had evaluated.

`EXPECTED` says by unit which finding each makes. Monitors tell of every system every five minutes, while the demo runs too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from anzhang import clock
from anzhang.casework import workdays
from anzhang.demo import conduct, logs
from anzhang.demo.bureau import SETUP, Bureau
from anzhang.demo.crowd import WITHOUT_OFFICER, Crowd, put
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
LOADED, PROXY, TESTER = "10.27.1.10", "10.27.1.5", "10.27.1.66"  # of one net: nobody outside is served
ORDINARY, SURGE, MONTH = 20, 200, 32
ITEMS = ("服务和进程", "磁盘空间", "备份结果", "安全日志", "账号变动")
IMPORTANT = 3
GONE, UNMADE, LATE = timedelta(days=20), timedelta(days=10), timedelta(days=400)
DAILY, WEEKLY, MONTHLY, QUARTERLY = CheckPlan.Rhythm


@dataclass(frozen=True)
class Planted:
    """The systems in which something is wrong: without manager, dossier, check, load test."""

    vacant: System
    unfiled: System
    unchecked: System
    loaded: System

    @property
    def expected(self) -> Mapping[str, str]:
        """Return the obligation of the finding that each makes, by the name of the unit."""
        obligations = {"A12.1": self.vacant, "A12.2": self.unfiled, "A12.3": self.unchecked, "A13.4": self.loaded}
        return {system.managing_unit.name: obligation for obligation, system in obligations.items()}


def operate(bureau: Bureau, crowd: Crowd, now: datetime) -> Planted:
    """Name administrators, plan checks and make them, open dossiers, register the monitor; plant. Runs in the caller's transaction."""
    planted = plant(crowd)
    keepers = _administrators(bureau, crowd, now)
    systems = list(System.objects.filter(state=System.State.IN_SERVICE).select_related("managing_unit").order_by("code"))
    _checks(systems, keepers, planted, now)
    _daily(bureau, now)
    important = [each for each in systems if (each.protection_level or 0) >= IMPORTANT and each.pk != planted.unfiled.pk]
    opened_on = clock.day_of(now) - timedelta(days=300)
    put(now, OpsDossier, [OpsDossier(system=each, opened_on=opened_on, keeper=keepers[each.pk]) for each in important], Event.DOSSIER_OPEN)
    _monitor(bureau, planted, now)
    return planted


def plant(crowd: Crowd) -> Planted:
    """Choose the systems of the breaches: each of a unit of its own, of which nothing else is expected."""
    taken = {*conduct.EXPECTED, WITHOUT_OFFICER}
    chosen: list[System] = []
    for important in (False, True, False, False):
        free = (
            each for each in crowd.systems if each.managing_unit.name not in taken and (each.protection_level == IMPORTANT) is important
        )
        chosen.append(next(free))
        taken.add(chosen[-1].managing_unit.name)
    return Planted(*chosen)


def _administrators(bureau: Bureau, crowd: Crowd, now: datetime) -> Mapping[int, Person]:
    """Give every system that has none a manager; end the post of one. Return who runs each system, by its key."""
    posts = {post.system_id: post for post in crowd.posts if post.duty == Assignment.Duty.SYSTEM_MANAGER and post.system_id is not None}
    own = {"IC": bureau.person["P011"], "JYC": bureau.person["P021"], "SBZX": bureau.person["P031"]}
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
    directory.end_assignment(SETUP, posts[plant(crowd).vacant.pk], now - GONE, now)
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


def _checks(systems: Sequence[System], keepers: Mapping[int, Person], planted: Planted, now: datetime) -> None:
    """Plan a check of every system, monthly where it is important, else quarterly, and make every run but one."""
    calendar, today = workdays.calendar(), clock.day_of(now)
    plans = []
    for number, system in enumerate(systems):
        important, missed = (system.protection_level or 0) >= IMPORTANT, system.pk == planted.unchecked.pk
        day = today - (UNMADE if missed else timedelta(days=3 + number % 7))
        plans.append(
            CheckPlan(
                code=f"JC-{system.code}", title=f"{system.name}例行检查", system=system, unit=system.managing_unit,
                person=keepers[system.pk], rhythm=MONTHLY if important or missed else QUARTERLY, on_day=min(day.day, 28),
                at_time="10:00", workdays_only=False, items=list(ITEMS),
                valid_from=today - LATE,
            )
        )  # fmt: skip
    runs = []
    for plan in put(now, CheckPlan, plans, Event.CHECK_PLAN_REGISTER):
        found = [each for each in due.occurrences(plan, now - LATE, now, calendar) if clock.day_of(each) < today]
        made = found[:-1] if plan.system_id == planted.unchecked.pk else found
        runs += [_run(plan, each, number) for number, each in enumerate(made[-3:])]
    put(now, CheckRun, runs, Event.CHECK_RUN_SIGN)


def _run(plan: CheckPlan, due_at: datetime, number: int) -> CheckRun:
    """Return a run that was signed in the morning of its day; now and then something was wrong."""
    wrong = ITEMS[1] if number == 0 and plan.pk % 9 == 0 else ""
    results = [
        fields.join_result(
            item, item == wrong, "数据盘已用 91%" if item == wrong else "", "清理历史日志，申请扩容" if item == wrong else ""
        )
        for item in ITEMS
    ]
    done_at = due_at - timedelta(minutes=20)
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
    found = [each for each in due.occurrences(plan, now - timedelta(days=30), now, calendar) if clock.day_of(each) < today]
    results = [fields.join_result(item, False, "", "") for item in plan.items]  # abnormal
    put(
        now,
        CheckRun,
        [
            CheckRun(
                plan=plan, due_at=each, person=plan.person, done_at=each - timedelta(minutes=35), results=results, signed=True,
                recorded_at=each - timedelta(minutes=35),
            )
            for each in found
        ],
        Event.CHECK_RUN_SIGN,
    )  # fmt: skip


def _monitor(bureau: Bureau, planted: Planted, now: datetime) -> None:
    """Register the host that watches systems and flows, and where the loaded system runs."""
    source = LogSource(
        code="MON-01", name="监测平台", transport="syslog_tcp", addresses=["127.0.0.1"], hosts=[MONITOR], unit=bureau.unit["IC"],
        kinds=["security_log"], registered_on=clock.day_of(now),
    )  # fmt: skip
    write(SETUP, Event.SOURCE_REGISTER, source, at=now)
    system = planted.loaded
    environment = Environment(
        code=f"{system.code}-SC", name=f"{system.name}生产环境", system=system, kind=Environment.Kind.PRODUCTION,
        hosts=[f"{system.code.lower()}app01"], addresses=[LOADED],
    )  # fmt: skip
    write(SETUP, Event.ENVIRONMENT_REGISTER, environment, at=now)


def lines(now: datetime) -> Iterator[bytes]:
    """Yield what the monitor told until now: the last hour of probes, a month of flows to one system, and the load on it."""
    today = clock.day_of(now)
    for number in range(MONTH, 1, -2):
        yield from _flows(PROXY, today - timedelta(days=number), 10, ORDINARY)
    yield from _flows(TESTER, today - timedelta(days=2), 21, SURGE)
    yield from probes(now - SHOWN, now)


def probes(begin: datetime, end: datetime) -> Iterator[bytes]:
    """Yield what the monitor tells each five minutes, `begin < at <= end`, the last time at the end itself."""
    for number in range(int((end - begin) / EVERY) - 1, -1, -1):
        yield from told_at(end - number * EVERY)


def told_at(at: datetime) -> Iterator[bytes]:
    """Yield what the monitor tells of every system in service at an instant, and a flow, so that flows are watched."""
    codes = System.objects.filter(state=System.State.IN_SERVICE).order_by("code").values_list("code", flat=True)
    for number, code in enumerate(codes):
        text = f"target={code} service=http state=up ms={20 + (at.minute + number) % 60}"
        yield logs.rfc5424(logs.LOCAL0, logs.INFO, at, MONITOR, "probe", text)
    yield _flow(PROXY, at)


def _flows(source: str, day: date, hour: int, times: int) -> Iterator[bytes]:
    begin = clock.start_of(day) + timedelta(hours=hour)
    yield from (_flow(source, begin + timedelta(seconds=17 * number)) for number in range(times))


def _flow(source: str, at: datetime) -> bytes:
    said = {
        "stream": "flow_event", "time": at.isoformat(), "source_ip": source, "destination_ip": LOADED, "destination_port": 8080,
        "protocol": "tcp", "action": "allowed", "result": "success",
    }  # fmt: skip
    return logs.rfc5424(logs.LOCAL0, logs.INFO, at, MONITOR, "netwatch", json.dumps(said))
