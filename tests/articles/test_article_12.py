"""Art. 12: who runs systems and devices (A12.1), the operations dossier (A12.2), checks on plan and live monitors (A12.3)."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import pytest

from anzhang.casework.models import Holiday
from anzhang.directory import procedures as directory
from anzhang.engines.vault import Batch
from anzhang.journal import verify
from anzhang.monitoring.models import VaultSegment
from anzhang.network import procedures as network
from anzhang.permissions import Actor, RefusedError, Via
from anzhang.systems import dossiers, due, fields, procedures, releases, rounds
from anzhang.systems.models import System
from anzhang.systems.upkeep import CheckPlan, CheckRun
from tests.articles import stories
from tests.articles.stories import opened, state, verdict
from tests.world import Clock

pytestmark = pytest.mark.usefixtures("bureau")
NAMED, DOSSIER, CHECKED = "A12.1", "A12.2", "A12.3"
SETUP = Actor(id="setup", via=Via.SETUP)
TUESDAY = date(2026, 11, 24)  # of world.START, half past nine in Beijing


def measure(clock, *obligations, vault=None):
    stories.measure(Clock(clock.now + timedelta(seconds=1)), *obligations, vault=vault)


def codes(obligation: str) -> dict[str, str]:
    return {finding.subject: finding.reason["code"] for finding in opened(obligation)}


@pytest.fixture
def alone(bureau, clock):
    """SB01 is the only system in service; 信息中心 manages it."""
    for code, system in bureau.system.items():
        if code != "SB01":
            procedures.change_system(SETUP, system, at=clock.now, state="planned")
    return bureau.system["SB01"]


# A12.1


def test_a_system_without_administrator_has_its_days_and_is_then_found_until_somebody_is_named(bureau, acting, clock):
    measure(clock, NAMED)
    assert (codes(NAMED), state(NAMED, "IC"), state(NAMED, "JYC")) == ({}, "met", "met")  # registered now: it has a week
    clock.advance(days=7)
    measure(Clock(clock.now - timedelta(seconds=1)), NAMED)
    assert codes(NAMED) == {}
    clock.advance(seconds=1)
    measure(clock, NAMED)
    (finding,) = opened(NAMED)
    assert (finding.subject, finding.reason["code"], finding.unit.code) == ("system:JY01", "system_without_administrator", "JYC")
    assert finding.reason["params"]["since"] == "2026-11-24"
    post = directory.start_assignment(
        SETUP, person=bureau.person["P021"], duty="system_manager", unit=bureau.unit["JYC"], system=bureau.system["JY01"], basis=None,
        valid_from=clock.now, at=clock.now,
    )  # fmt: skip
    measure(clock, NAMED)
    assert (codes(NAMED), state(NAMED, "JYC")) == ({}, "met")
    clock.advance(days=1)
    directory.end_assignment(SETUP, post, clock.now, clock.now)
    clock.advance(days=7)
    measure(Clock(clock.now - timedelta(seconds=2)), NAMED)
    assert codes(NAMED) == {}  # counted from the end of the post, not from the registration
    clock.advance(days=1)
    measure(clock, NAMED)
    said = opened(NAMED)[0].reason["params"]
    assert (said["system"], said["since"], said["person"]) == ("就业管理服务系统", "2026-12-02", "孙丽")


def test_who_left_administers_nothing_and_a_user_is_no_administrator(bureau, clock):
    directory.change_person(SETUP, bureau.person["P011"], at=clock.now, left_on=TUESDAY)
    measure(clock, NAMED)
    assert codes(NAMED) == {}  # 王芳 maintains too
    directory.change_person(SETUP, bureau.person["P012"], at=clock.now, left_on=TUESDAY)
    clock.advance(days=7, hours=15)
    measure(clock, NAMED)
    assert {key: code for key, code in codes(NAMED).items() if key != "system:JY01"} == dict.fromkeys(
        ("system:SB01", "system:AZ01"), "system_administrator_gone"
    )


def test_a_device_needs_somebody_in_post_and_another_change_gives_no_days(bureau, alone, clock):
    def device(code, **values):
        given = {"code": code, "name": f"设备{code}", "kind": "server", "unit": bureau.unit["JYC"], "hosts": [], **values}
        return network.register_device(SETUP, at=clock.now, **given)

    bare, kept = device("D1"), device("D2", person=bureau.person["P022"])
    device("D3", person=bureau.person["P021"])  # who holds no post
    device("D4", state="stock")
    leaver = device("D5", person=bureau.person["P023"])
    clock.advance(days=7)
    network.change_device(SETUP, bare, at=clock.now, model="X1")
    directory.change_person(SETUP, bureau.person["P023"], at=clock.now, left_on=TUESDAY + timedelta(days=5))
    clock.advance(minutes=1)
    measure(clock, NAMED)
    assert codes(NAMED) == {"device:D1": "device_without_administrator", "device:D3": "device_administrator_without_post"}
    assert opened(NAMED)[0].reason["params"]["since"] == "2026-11-24"
    network.change_device(SETUP, bare, at=clock.now, person=bureau.person["P022"])
    measure(clock, NAMED)
    assert codes(NAMED) == {"device:D3": "device_administrator_without_post"}
    network.change_device(SETUP, kept, at=clock.now, person=None)
    clock.advance(days=6)
    measure(clock, NAMED)
    assert codes(NAMED) == {"device:D3": "device_administrator_without_post", f"device:{leaver.code}": "device_administrator_gone"}
    clock.advance(days=1, seconds=1)
    measure(clock, NAMED)
    assert codes(NAMED)["device:D2"] == "device_without_administrator"


# A12.3: checks on plan


ITEMS = ["电源指示灯", "磁盘空间"]


def plan(bureau, clock, code="CP1", **values) -> CheckPlan:
    given = {
        "code": code, "title": "社保主机日检", "system": bureau.system["SB01"], "unit": bureau.unit["IC"], "person": bureau.person["P011"],
        "rhythm": "daily", "at_time": "10:00", "items": ITEMS, "valid_from": TUESDAY, **values,
    }  # fmt: skip
    return rounds.register_check_plan(SETUP, at=clock.now, **given)


def results(*abnormal) -> list[str]:
    return [
        fields.join_result(item, item in abnormal, "温度高" if item in abnormal else "", "已报修" if item in abnormal else "")
        for item in ITEMS
    ]


def at(text: str) -> datetime:
    return due.unstamp(text)


@pytest.fixture
def watched(vault, alone, clock):
    """Return what lets a probe tell of targets, and seals it."""

    def told(*targets, ago=0, status="up", host="mon01", text=""):
        when = clock.now - timedelta(minutes=ago)
        lines = []
        for target in targets:
            said = {"stream": "availability_event", "time": when.astimezone(UTC).isoformat(), "target": target, "state": status}
            said, app = (text, "monit") if text else (json.dumps(said), "netwatch")
            lines.append(f"<30>1 {when.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ} {host} {app} 1 - - {said}\n")
        with vault.writer() as writer:
            writer.append(Batch("PROBE", "".join(lines).encode(), clock.now))
            writer.seal(clock.now)
        sealed(clock.now)

    return told


def sealed(at: datetime) -> None:
    """Say that the platform sealed something then: it was listening."""
    number = VaultSegment.objects.count() + 1
    VaultSegment.objects.create(
        number=number, name=f"n1-{number:09d}", day=at.date(), node="n1", first_seq=number, last_seq=number, rows=1, raw_bytes=1,
        file_bytes=1, min_at=at, max_at=at, sources={}, root_sha256="", root_sm3="", sealed_at=at,
    )  # fmt: skip


def test_a_missed_check_is_found_after_the_grace_and_over_with_the_next_run(bureau, watched, vault, acting, clock):
    row = plan(bureau, clock)
    clock.now = at("20261125T1000")
    watched("SB01", ago=1)
    stories.measure(clock, CHECKED, vault=vault)
    assert (codes(CHECKED), state(CHECKED, "IC")) == ({}, "met")  # 24 hours exactly are no more than 24
    clock.advance(seconds=1)
    stories.measure(clock, CHECKED, vault=vault)
    (finding,) = opened(CHECKED)
    assert (finding.subject, finding.reason["code"], finding.person.code) == ("check_plan:CP1", "check_missed", "P011")
    assert (finding.reason["params"]["due"], finding.reason["params"]["times"]) == ("2026-11-24 10:00", 1)
    assert finding.reason["params"]["first"] == "2026-11-24 10:00"
    run = rounds.sign_check_run(acting("liming"), row, at("20261125T1000"), results("磁盘空间"), clock.now)
    assert (run.person.name, run.abnormal, run.signed) == ("李明", 1, True)
    watched("SB01")
    measure(clock, CHECKED, vault=vault)
    assert (codes(CHECKED), state(CHECKED, "IC")) == ({}, "met")
    faults = [fault for fault in verify.check(clock.now).faults if fault["kind"].startswith("row")]
    assert [fault for fault in faults if not fault["subject"].startswith("vault_segment")] == []


def test_days_of_rest_and_worked_weekends_are_those_of_the_calendar(bureau, clock):
    Holiday.objects.create(day=date(2026, 11, 26), is_workday=False, name="休")
    Holiday.objects.create(day=date(2026, 11, 28), is_workday=True, name="调休")

    def days(until=date(2026, 12, 2), **values):
        row = CheckPlan(rhythm="daily", at_time="09:00", valid_from=TUESDAY, **values)
        calendar = rounds.workdays.calendar()
        found = due.occurrences(row, at("20261124T0000"), datetime(until.year, until.month, until.day, 16, tzinfo=UTC), calendar)
        return [f"{each + timedelta(hours=8):%m%d}" for each in found]

    assert days() == ["1124", "1125", "1127", "1128", "1130", "1201", "1202"]
    assert days(workdays_only=False)[:7] == ["1124", "1125", "1126", "1127", "1128", "1129", "1130"]
    assert days(valid_to=date(2026, 11, 26)) == ["1124", "1125"]


@pytest.mark.parametrize(
    ("values", "dates"),
    [
        ({"rhythm": "weekly", "on_day": 6}, ["1130", "1207"]),  # Saturdays move to Monday
        ({"rhythm": "weekly", "on_day": 6, "workdays_only": False}, ["1128", "1205"]),
        ({"rhythm": "monthly", "on_day": 5}, ["1207"]),
        ({"rhythm": "quarterly", "on_day": 4}, []),
    ],
)
def test_weeks_months_and_quarters_fall_due_once(values, dates):
    row = CheckPlan(at_time="09:00", valid_from=TUESDAY, **values)
    found = due.occurrences(row, at("20261124T0000"), at("20261209T2300"), due.Calendar())
    assert [f"{each + timedelta(hours=8):%m%d}" for each in found] == dates


def test_only_what_is_due_is_signed_by_whoever_checks_completely(bureau, alone, acting, clock):
    row = plan(bureau, clock)
    first = at("20261124T1000")

    def refused(who="liming", due_at=first, given=None):
        with pytest.raises(RefusedError) as found:
            rounds.sign_check_run(acting(who), row, due_at, results() if given is None else given, clock.now)
        return found.value.code

    assert refused("luona") == "not_your_check"  # of another unit
    assert refused("mali") == "not_your_check"  # without a post of daily operation
    assert refused(due_at=at("20261125T1000")) == "not_due"
    assert refused(given=results()[:1]) == "results_incomplete"
    assert refused(given=[*results(), "门 | 正常 |  |"]) == "results_incomplete"
    assert refused(given=["电源指示灯 | 异常 | | ", results()[1]]) == "invalid"
    run = rounds.sign_check_run(acting("wangfang"), row, first, results(), clock.now)  # stands in, and says so
    assert run.person.name == "王芳"
    assert refused() == "done_already"
    clock.now = at("20261127T0001")
    assert refused(due_at=at("20261125T1000")) == "not_due"  # nobody signs today what was to be seen the day before yesterday


def test_a_plan_is_not_changed_to_hide_what_was_missed(bureau, alone, acting, clock):
    with pytest.raises(RefusedError) as past:
        rounds.register_check_plan(
            acting("liming"), at=clock.now, code="CP2", title="x", system=alone, unit=bureau.unit["IC"], person=bureau.person["P011"],
            rhythm="daily", at_time="10:00", items=["a"], valid_from=TUESDAY - timedelta(days=1),
        )  # fmt: skip
    assert past.value.code == "in_the_past"
    row = plan(bureau, clock)
    clock.advance(days=3)
    for values, code in (
        ({"at_time": "23:00"}, "rhythm_fixed"),
        ({"valid_to": TUESDAY}, "in_the_past"),
        ({"system": None}, "plan_without_object"),
    ):
        with pytest.raises(RefusedError) as found:
            rounds.change_check_plan(acting("liming"), row, at=clock.now, **values)
        assert found.value.code == code
    with pytest.raises(RefusedError, match="设备"):
        rounds.change_check_plan(acting("liming"), row, at=clock.now, devices=["NONE"])
    rounds.change_check_plan(acting("liming"), row, at=clock.now, valid_to=TUESDAY + timedelta(days=3), person=bureau.person["P012"])
    measure(clock, CHECKED)
    assert codes(CHECKED) == {"check_plan:CP1": "check_missed"}  # what was missed stays missed


def test_a_run_on_paper_is_entered_as_what_it_is(bureau, alone, acting, clock):
    row = plan(bureau, clock)
    clock.now = at("20261126T0900")
    given = {
        "plan": row,
        "due_at": at("20261125T1000"),
        "person": bureau.person["P011"],
        "results": results(),
        "done_at": at("20261125T1130"),
    }
    for values, code in (
        ({"due_at": at("20261125T1001")}, "not_due"),
        ({"done_at": at("20261124T2359")}, "not_due"),
        ({"done_at": at("20261127T0000")}, "in_the_future"),
    ):  # fmt: skip
        with pytest.raises(RefusedError) as found:
            rounds.record_check_run(acting("liming"), at=clock.now, **{**given, **values})
        assert found.value.code == code
    run = rounds.record_check_run(acting("liming"), at=clock.now, **given)
    assert (run.signed, CheckRun.objects.count()) == (False, 1)


# A12.3: monitors


def test_a_monitor_that_falls_silent_is_found_until_it_speaks_again(watched, vault, clock):
    watched("SB01")
    clock.advance(minutes=15)
    watched("elsewhere")  # the platform hears, of something else
    stories.measure(clock, CHECKED, vault=vault)
    assert codes(CHECKED) == {}  # fifteen minutes exactly
    clock.advance(seconds=1)
    stories.measure(clock, CHECKED, vault=vault)
    (finding,) = opened(CHECKED)
    assert (finding.subject, finding.reason["code"], finding.reason["params"]["last"]) == (
        "system:SB01",
        "monitor_silent",
        "2026-11-24 09:30",
    )
    assert [each[:5] for each in finding.evidence] == ["line:"]
    watched("SB01", status="down")  # a monitor that says so is alive
    measure(clock, CHECKED, vault=vault)
    assert (codes(CHECKED), state(CHECKED, "IC"), verdict(CHECKED, "IC").why["code"]) == ({}, "unknown", "system_without_check_plan")


def test_a_system_that_nobody_ever_watched_is_found_and_nothing_heard_is_unknown(watched, vault, clock):
    measure(clock, CHECKED)
    assert (codes(CHECKED), state(CHECKED, "IC")) == ({}, "unknown")
    watched("elsewhere")
    measure(clock, CHECKED, vault=vault)
    assert (codes(CHECKED), verdict(CHECKED, "IC").state) == ({}, "unknown")  # it has only begun to listen
    clock.advance(minutes=16)
    watched("elsewhere")
    measure(clock, CHECKED, vault=vault)
    assert codes(CHECKED) == {"system:SB01": "system_without_monitor"}
    clock.advance(hours=1)
    measure(clock, CHECKED, vault=vault)
    assert codes(CHECKED) == {"system:SB01": "system_without_monitor"}  # not measured: not closed
    assert state(CHECKED, "IC") == "unknown"


def test_what_a_monitor_names_is_matched_and_what_it_does_not_name_is_not(watched, vault, bureau, clock):
    given = {"at": clock.now, "system": bureau.system["SB01"], "addresses": []}
    releases.register_environment(
        SETUP, code="SB-P", name="社保生产", kind="production", hosts=["sbapp01"], **{**given, "addresses": ["10.20.1.10"]}
    )
    releases.register_environment(SETUP, code="SB-T", name="社保测试", kind="test", hosts=["sbtest01"], **given)
    sealed(clock.now - timedelta(minutes=16))
    watched("sbtest01", "sbapp011", "http://other/sbapp01", "10.20.1.100", "app/jyapp01")
    watched("", host="sbtest01", text="'sshd' process is running")
    watched("cpu", host="sbapp01")  # speaks of something else, from there
    measure(clock, CHECKED, vault=vault)
    assert codes(CHECKED) == {"system:SB01": "system_without_monitor"}
    for right in (
        "sbapp01",
        "SBAPP01:8443",
        "http://sbapp01:8080/health",
        "社会保险核心业务系统",
        "bk_web/sbapp01",
        "10.20.1.10:443",
        "sb01",
    ):
        clock.advance(minutes=16)  # what came before is too old
        watched(right)
        measure(clock, CHECKED, vault=vault)
        assert codes(CHECKED) == {}, right
    clock.advance(minutes=16)
    watched("", host="sbapp01", text="'sshd' process is running")
    measure(clock, CHECKED, vault=vault)
    assert codes(CHECKED) == {}


# A12.2


def test_an_important_system_has_a_dossier_that_fills_itself(bureau, alone, vault, acting, watched, clock):
    measure(clock, DOSSIER, vault=vault)
    (finding,) = opened(DOSSIER)
    assert (finding.subject, finding.reason["code"], finding.severity) == ("system:SB01", "dossier_missing", "low")
    row = dossiers.open_dossier(acting("liming"), at=clock.now, system=alone, opened_on=TUESDAY, keeper=bureau.person["P011"])
    measure(clock, DOSSIER, vault=vault)
    assert (codes(DOSSIER), state(DOSSIER, "IC")) == ({}, "met")
    assert state(DOSSIER, None) == "unknown"  # work orders, sessions and incidents stand on no register yet
    assert {"zh": "数据工单", "en": "work order"} in verdict(DOSSIER, None).why["params"]["missing"]
    clock.advance(days=31)
    measure(clock, DOSSIER, vault=vault)
    assert codes(DOSSIER) == {"system:SB01": "dossier_silent"}
    watched("SB01", status="down", ago=9)
    watched("SB01", ago=3)
    measure(clock, DOSSIER, vault=vault)
    assert codes(DOSSIER) == {}  # an outage is an entry
    check = plan(bureau, clock, valid_from=date(2026, 12, 25), at_time="23:30")
    rounds.sign_check_run(acting("liming"), check, at("20261225T2330"), results("磁盘空间"), clock.now)
    found = dossiers.items([alone], clock.now - timedelta(days=1), clock.now + timedelta(seconds=1), vault)
    assert [(source.kind, item.title, item.state[:5]) for _key, source, item in found] == [
        ("check_run", "社保主机日检 李明", "1 项异常"), ("outage", "SB01 不可用", "2026-")
    ]  # fmt: skip
    directory.change_person(SETUP, bureau.person["P011"], at=clock.now, left_on=date(2026, 12, 25))
    measure(clock, DOSSIER, vault=vault)
    assert codes(DOSSIER) == {"system:SB01": "dossier_keeper_left"}
    bureau.person["P011"].refresh_from_db()
    with pytest.raises(RefusedError):
        dossiers.change_dossier(acting("liming"), row, at=clock.now, keeper=bureau.person["P011"])
    dossiers.change_dossier(acting("liming"), row, at=clock.now, keeper=bureau.person["P012"])
    System.objects.filter(pk=alone.pk).update(protection_level=2)
    measure(clock, DOSSIER, vault=vault)
    assert (codes(DOSSIER), state(DOSSIER, None)) == ({}, "not_applicable")


def test_a_register_says_that_its_rows_are_entries(alone, clock, monkeypatch):
    monkeypatch.setattr(dossiers, "SOURCES", dict(dossiers.SOURCES))
    monkeypatch.setattr(dossiers, "EXPECTED", ("go_live", "load_test", "environment"))
    assert dossiers.unlinked() == ["environment"]

    @dossiers.source("environment", "环境")
    def environments(systems, since, until, _vault):
        yield from ((system.pk, dossiers.Item(since, "变更", "已办结", "case:1")) for system in systems if until > since)

    assert dossiers.unlinked() == []
    assert dossiers.newest([alone], clock.now - timedelta(days=1), clock.now, None) == {alone.pk: clock.now - timedelta(days=1)}
