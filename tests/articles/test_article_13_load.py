"""Art. 13: production is put under load only in an evaluated load test (A13.4): the case, the gate, what is found afterwards."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command

from anzhang.casework import revocation
from anzhang.engines.vault import Batch
from anzhang.permissions import Actor, RefusedError, Via
from anzhang.systems import load_tests, procedures, releases
from anzhang.systems.upkeep import LoadTest
from tests.articles.stories import file, measure, opened, state, through, verdict

pytestmark = pytest.mark.usefixtures("bureau")
LOAD = "A13.4"
SETUP = Actor(id="setup", via=Via.SETUP)
SOURCE, TARGET, PROXY, CLIENT = "10.50.0.9", "10.20.1.10", "10.20.9.1", "10.30.2.7"


@pytest.fixture
def production(bureau, clock):
    for code, system in bureau.system.items():
        if code != "SB01":
            procedures.change_system(SETUP, system, at=clock.now, state="planned")
    return releases.register_environment(
        SETUP, at=clock.now, code="SB-P", name="社保生产", system=bureau.system["SB01"], kind="production", hosts=["sbapp01"],
        addresses=[TARGET],
    )  # fmt: skip


@pytest.fixture
def told(vault, clock):
    """Return what seals flows, each (source, when, how many), and measures."""

    def seal(*loads, target=TARGET, stream="flow_event"):
        lines = []
        for source, at, times in loads:
            for number in range(times):
                when = at + timedelta(seconds=number)
                said = {
                    "stream": stream,
                    "time": when.astimezone(UTC).isoformat(),
                    "source_ip": source,
                    "action": "allowed",
                    "result": "success",
                }
                said |= {"destination_ip": target} if stream == "flow_event" else {"function": "查询", "user": "luona"}
                host = "fw01" if stream == "flow_event" else "sbapp01"
                lines.append((when, f"<30>1 {when.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ} {host} netwatch 1 - - {json.dumps(said)}\n"))
        with vault.writer() as writer:
            writer.append(Batch("PROBE", "".join(line for _when, line in sorted(lines)).encode(), clock.now))
            writer.seal(clock.now)
        clock.advance(minutes=1)
        measure(clock, LOAD, vault=vault)
        return {finding.reason["params"]["source"]: finding.reason["code"] for finding in opened(LOAD)}

    return seal


@pytest.fixture
def ordinary(told, clock):
    """A month of ordinary days behind, at most four in an hour; the present hour is ten."""
    begin = clock.now.replace(minute=0) - timedelta(days=31)
    told(
        *((PROXY, begin + timedelta(days=day), 3) for day in range(0, 30, 5)),
        (CLIENT, begin + timedelta(days=5, minutes=9), 1),
        (PROXY, clock.now, 2),
    )
    clock.now = clock.now.replace(hour=2, minute=0, second=0)


def minute(at: datetime) -> str:
    return (at + timedelta(hours=8)).strftime("%Y-%m-%d %H:%M")


def form(begin: datetime, hours=1, **values) -> dict[str, str]:
    return {
        "environment": "SB-P", "targets": f"{TARGET}\nsbapp01", "sources": SOURCE, "window_from": minute(begin),
        "window_to": minute(begin + timedelta(hours=hours)), "expected_factor": "5", "scheme": "缴费高峰压测方案", "risk": "避开缴费日",
        "rollback": "停压测机", "watching": "值班看负载", "evaluator": "P011", "second_evaluator": "P012", **values,
    }  # fmt: skip


def granted(bureau, acting, clock, begin, **values) -> LoadTest:
    case = file(bureau, acting, clock, "liming", "load_test", **form(begin, **values))
    return LoadTest.objects.get(basis__case=through(case, acting, clock, "zhouwei"))


def test_a_load_test_runs_in_its_window_from_its_source_and_nowhere_else(production, bureau, acting, clock):
    def refused(source=SOURCE, environment=production):
        found = load_tests.load_test(environment, source, clock.now)
        return found and found.code

    missing = load_tests.load_test(production, SOURCE, clock.now)
    assert (missing.code, "压测审批" in missing.remedy) == ("load_test_missing", True)
    clock.now = clock.now.replace(minute=30)
    begin = clock.now.replace(minute=0) + timedelta(hours=1)
    row = granted(bureau, acting, clock, begin)
    assert (row.sources, row.is_late, row.basis.authority) == ([SOURCE], False, "managing_unit")
    assert refused() == "window_not_open"
    assert refused("10.50.0.10") == "other_source"
    assert refused("x") == "source_unreadable"
    clock.now = begin
    assert refused() is None
    assert refused(f" {SOURCE} ") is None
    clock.advance(minutes=59, seconds=59)
    assert refused() is None
    clock.advance(seconds=1)
    assert refused() == "window_over"
    clock.now = begin
    revocation.revoke(acting("zhouwei"), row.basis.case, "用途已变", clock.now)
    clock.advance(seconds=1)
    assert refused() == "approval_revoked"
    test = releases.register_environment(
        SETUP, at=clock.now, code="SB-T", name="测试", system=bureau.system["SB01"], kind="test", hosts=["t1"]
    )
    assert refused(environment=test) is None
    releases.change_environment(SETUP, production, at=clock.now, state="retired")
    production.refresh_from_db()
    assert refused() == "environment_retired"


def test_the_command_says_no_with_what_is_missing(production, bureau, acting, clock, capsys):
    with pytest.raises(SystemExit) as refused:
        call_command("load_test", "check", "--environment", "SB-P", "--source", SOURCE, "--json")
    said = json.loads(capsys.readouterr().out)
    assert refused.value.code == 1
    assert (said["allowed"], said["refused"]["code"], said["apply"]) == (
        False,
        "load_test_missing",
        "/cases/new/load_test/?environment=SB-P",
    )
    clock.now = clock.now.replace(minute=0)
    granted(bureau, acting, clock, clock.now)
    call_command("load_test", "check", "--environment", "SB-P", "--source", SOURCE)
    assert "可以压测" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("values", "field", "text"),
    [
        ({"window_from": "2026-11-24 10:30"}, "window_from", "整点"),
        ({"window_to": "2026-11-24 09:00"}, "window_to", "晚于"),
        ({"window_to": "2026-11-30 09:00"}, "window_to", "3 天"),
        ({"window_from": "2026-11-10 09:00", "window_to": "2026-11-10 10:00"}, "window_from", "7 天"),
        ({"sources": "10.50.0.9\nx"}, "sources", "IP"),
        ({"targets": "sbapp09"}, "targets", "登记的主机"),
        ({"expected_factor": "0"}, "expected_factor", "整数"),
        ({"second_evaluator": "P011"}, "second_evaluator", "同一人"),
        ({"evaluator": "P021"}, "evaluator", "管理单位"),
    ],
)
def test_what_is_not_evaluated_is_not_asked_for(values, field, text, production, bureau, acting, clock):
    clock.now = clock.now.replace(minute=0)
    with pytest.raises(RefusedError) as found:
        file(bureau, acting, clock, "liming", "load_test", **{**form(clock.now + timedelta(hours=1)), **values})
    assert text in found.value.faults[field]


@pytest.mark.usefixtures("ordinary")
def test_a_load_above_the_factor_is_found_and_regularized_by_a_later_approval(production, told, bureau, acting, vault, clock):
    begin = clock.now
    clock.advance(minutes=5)
    assert told((SOURCE, begin, 12)) == {}  # three times four exactly
    assert (state(LOAD, "IC"), told((SOURCE, begin, 1))) == ("met", {SOURCE: "load_without_test"})
    (finding,) = opened(LOAD)
    assert (finding.subject, finding.unit.code, finding.severity) == ("environment:SB-P", "IC", "medium")
    said = finding.reason["params"]
    assert (said["load"], said["peak"], said["target"], said["at"]) == (13, 4, TARGET, "2026-11-24 10:00")
    granted(bureau, acting, clock, begin)
    measure(clock, LOAD, vault=vault)
    finding.refresh_from_db()
    assert (finding.state, finding.reason["code"], state(LOAD, "IC")) == ("regularized", "load_approved_later", "met")
    clock.advance(days=8)
    assert told((PROXY, clock.now, 1)) == {}


@pytest.mark.usefixtures("ordinary")
def test_inside_the_window_is_silent_and_a_second_after_it_is_not(production, told, bureau, acting, clock):
    begin = clock.now = clock.now + timedelta(hours=1)
    granted(bureau, acting, clock, begin)
    clock.now = begin + timedelta(hours=1, minutes=30)
    assert told((SOURCE, begin, 60)) == {}
    assert told(("10.50.0.10", begin + timedelta(minutes=2), 13)) == {"10.50.0.10": "load_of_other_source"}
    found = told((SOURCE, begin + timedelta(hours=1, seconds=1), 13))
    assert found == {"10.50.0.10": "load_of_other_source", SOURCE: "load_outside_window"}


@pytest.mark.usefixtures("ordinary")
def test_what_everybody_comes_through_has_its_own_measure_and_a_test_is_no_measure(production, told, bureau, acting, clock):
    begin = clock.now
    clock.advance(minutes=30)
    assert (
        told(*((f"10.30.3.{number}", begin + timedelta(minutes=number), 3) for number in range(1, 9))) == {}
    )  # many together are business
    clock.advance(days=2)
    assert told((PROXY, clock.now.replace(minute=0), 60)) == {}  # 24 in an hour are now the peak, twice and a half is below the factor
    begin = clock.now = clock.now.replace(minute=0) + timedelta(hours=1)
    granted(bureau, acting, clock, begin)
    clock.advance(hours=1)
    assert told((SOURCE, begin, 800)) == {}
    clock.advance(days=2)
    assert told(("10.50.0.77", clock.now.replace(minute=0), 190)) == {"10.50.0.77": "load_without_test"}  # 60 are the peak, not 800


@pytest.mark.usefixtures("ordinary")
def test_elsewhere_is_not_production(production, told, clock):
    assert told((SOURCE, clock.now.replace(minute=0), 50), target="10.20.1.99") == {}


def test_without_a_month_of_logs_nobody_knows_the_peak(production, told, clock, vault):
    measure(clock, LOAD, vault=vault)
    assert (state(LOAD, "IC"), verdict(LOAD, "IC").why["code"]) == ("unknown", "load_not_watched")
    assert told((PROXY, clock.now - timedelta(days=29), 3), (SOURCE, clock.now - timedelta(minutes=5), 50)) == {}
    assert (state(LOAD, "IC"), verdict(LOAD, "IC").why["code"]) == ("unknown", "load_without_peak")
    releases.change_environment(SETUP, production, at=clock.now, hosts=[], addresses=[])
    measure(clock, LOAD, vault=vault)
    assert verdict(LOAD, "IC").why["code"] == "environment_without_addresses"


def test_records_of_the_application_are_a_load_too(production, told, clock):
    old = clock.now.replace(minute=0) - timedelta(days=31)
    loads = [(CLIENT, old, 1), (CLIENT, old + timedelta(days=3), 3), (SOURCE, clock.now.replace(minute=0), 10)]
    clock.advance(minutes=5)
    assert told(*loads, stream="app_event") == {SOURCE: "load_without_test"}
