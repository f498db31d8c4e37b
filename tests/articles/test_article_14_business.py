"""Art. 14: business is done inside the functions, jurisdiction, hours and ordinary volume of one's post (A14.1)."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import pytest

from anzhang.casework import revocation, where
from anzhang.casework.models import Holiday
from anzhang.directory import procedures as directory
from anzhang.directory.models import Assignment
from anzhang.endpoints.models import BusinessException
from anzhang.engines.vault import Batch
from anzhang.journal import verify
from anzhang.permissions import Actor, RefusedError, Via
from anzhang.systems import procedures
from tests.articles import stories
from tests.articles.stories import file, opened, state, through, verdict

WITHIN = "A14.1"
SETUP = Actor(id="setup", via=Via.SETUP)
SUBJECT = "account:SB01/luona"
SCOPE = {"functions": "参保登记\n参保查询", "jurisdiction": "120101\n120102", "hours": "08:00-18:00"}
pytestmark = pytest.mark.usefixtures("bureau")


def beijing(day: int, hour: int, minute: int = 0, second: int = 0, month: int = 11) -> datetime:
    return datetime(2026, month, day, hour, minute, second, tzinfo=UTC) - timedelta(hours=8)


def stands(bureau, clock):
    """SB01 alone is in service, and 罗娜 is the only one who uses it: an operator for two functions and two areas, by day."""
    for code, system in bureau.system.items():
        if code != "SB01":
            procedures.change_system(SETUP, system, at=clock.now, state="planned")
    for row in bureau.system["SB01"].account_set.exclude(name="luona"):
        procedures.close_account(SETUP, row, clock.now)
    begins = clock.now - timedelta(days=100)
    for post in Assignment.objects.filter(person=bureau.person["P031"]):
        directory.end_assignment(SETUP, post, begins, clock.now)
    directory.start_assignment(
        SETUP, person=bureau.person["P031"], duty="operator", unit=bureau.unit["SBZX"], system=bureau.system["SB01"], basis=None,
        valid_from=begins, at=clock.now, functions=["参保登记", "参保查询"], jurisdiction=["120101", "120102"], hours="08:00-18:00",
    )  # fmt: skip


@pytest.fixture
def told(vault, clock):
    """Return what seals acts of SB01 and measures a second later: what is open, by code."""

    def seal(*acts: tuple) -> list[str]:
        lines = []
        for at, said in sorted(acts, key=lambda each: each[0]):
            body = {"stream": "app_event", "time": at.isoformat(), "user": "luona", "action": "update", "result": "success", **said}
            lines.append(f"<30>1 {at:%Y-%m-%dT%H:%M:%SZ} sbapp01 netwatch 1 - - {json.dumps(body, ensure_ascii=False)}\n")
        if lines:
            with vault.writer() as writer:
                writer.append(Batch("SSH-SB01", "".join(lines).encode(), clock.now))
                writer.seal(clock.now)
        clock.advance(seconds=1)
        stories.measure(clock, WITHIN, vault=vault)
        return sorted(f"{finding.reason['code']} {finding.state}" for finding in opened(WITHIN))

    return seal


def act(at, function="参保登记", unit="120101", count=1, **values):
    return at, {"function": function, "unit": unit, "record_count": count, **values}


def history(until: date, days=31, count=20) -> list[tuple]:
    """Return one act at ten in the morning of each of so many days before a day, weekends too."""
    return [act(beijing(until.day, 10) - timedelta(days=back), count=count) for back in range(1, days + 1)]


def weekday_history(until: date, days=45, count=20) -> list[tuple]:
    return [each for each in history(until, days, count) if (each[0] + timedelta(hours=8)).weekday() < 5]


MONDAY = date(2026, 11, 23)


def test_acts_within_everything_that_the_post_states_are_silent(told):
    edge = [act(beijing(23, 8)), act(beijing(23, 17, 59, 59)), act(beijing(23, 12), "参保查询", "120102")]
    assert told(*weekday_history(MONDAY), *edge, act(beijing(22, 12), result="failure")) == []  # a Sunday
    assert state(WITHIN, "SBZX") == "met"


@pytest.mark.parametrize(
    ("deed", "code"),
    [
        (act(beijing(23, 9), "待遇核定"), "act_outside_functions"),
        (act(beijing(23, 9), unit="120103"), "act_outside_jurisdiction"),
        (act(beijing(23, 7, 59, 59)), "act_outside_hours"),
        (act(beijing(23, 18)), "act_outside_hours"),
        (act(beijing(22, 10)), "act_outside_hours"),  # Sunday
    ],
)
def test_an_act_outside_the_post_is_found(told, deed, code):
    assert told(act(beijing(23, 10)), deed) == [f"{code} open"]
    (finding,) = opened(WITHIN)
    assert (finding.subject, finding.person.code, finding.unit.code, finding.severity) == (SUBJECT, "P031", "SBZX", "medium")
    assert {each.split(":")[0] for each in finding.evidence} == {"line", "assignment"}
    assert state(WITHIN, "SBZX") == "breach"


def test_holidays_and_worked_weekends_are_those_of_the_calendar(told):
    Holiday.objects.create(day=date(2026, 11, 22), is_workday=True, name="调休")
    assert told(*weekday_history(MONDAY), act(beijing(22, 10)), act(beijing(23, 10))) == []
    Holiday.objects.create(day=date(2026, 11, 23), is_workday=False, name="休")
    assert told() == ["act_outside_hours open"]


def test_what_is_thirty_days_old_is_over_and_the_rest_is_held(told, clock):
    assert told(act(beijing(23, 20))) == ["act_outside_hours open"]
    clock.advance(days=30)
    assert told(act(beijing(23, 10, month=12))) == []


def test_a_day_beyond_the_roles_norm_is_found_and_one_at_the_bound_is_not(told):
    past = weekday_history(MONDAY)
    assert told(*past, act(beijing(23, 10), count=60), act(beijing(23, 11), count=40)) == []  # 100 is five times twenty
    assert state(WITHIN, "SBZX") == "met"
    assert told(act(beijing(23, 12), count=1)) == ["volume_over_norm open"]
    said = opened(WITHIN)[0].reason["params"]
    assert (said["records"], said["most"], said["factor"], said["days"], said["day"]) == (101, "20.0", "5", 30, "2026-11-23")


def test_without_history_the_volume_is_unknown(told):
    assert told(act(beijing(20, 10)), act(beijing(23, 10), count=5000)) == []
    assert (state(WITHIN, "SBZX"), verdict(WITHIN, "SBZX").why["code"]) == ("unknown", "volume_without_norm")


def test_an_exception_covers_its_days_and_one_approved_afterwards_regularizes(told, bureau, acting, clock):
    asked = {
        "person": "P031", "system": "SB01", "what": "夜间补录", "effective_on": "2026-11-24", "last_on": "2026-11-24", "reason": "系统切换"
    }  # fmt: skip
    with pytest.raises(RefusedError, match="不是信息中心的人员"):
        file(bureau, acting, clock, "liming", "business_exception", **asked)
    with pytest.raises(RefusedError, match="最长 31 天"):
        file(bureau, acting, clock, "luona", "business_exception", **{**asked, "last_on": "2026-12-25"})
    with pytest.raises(RefusedError, match="最多补办 30 天"):
        file(bureau, acting, clock, "luona", "business_exception", **{**asked, "effective_on": "2026-10-24"})
    case = through(file(bureau, acting, clock, "luona", "business_exception", **asked), acting, clock, "xubin")
    assert BusinessException.objects.get().basis.case == case
    clock.now = beijing(24, 22)
    past = weekday_history(date(2026, 11, 24))
    assert told(*past, act(beijing(24, 21), count=400), act(beijing(24, 21), "待遇核定")) == []  # in advance
    assert state(WITHIN, "SBZX") == "met"
    clock.now = beijing(25, 22)
    assert told(act(beijing(25, 0), "待遇核定"), act(beijing(25, 9))) == ["act_outside_functions open"]  # the day after
    later = {**asked, "effective_on": "2026-11-25", "last_on": "2026-11-25"}
    again = through(file(bureau, acting, clock, "luona", "business_exception", **later), acting, clock, "xubin")
    assert told() == ["act_outside_functions regularized"]
    assert state(WITHIN, "SBZX") == "met"
    clock.advance(minutes=1)
    revocation.revoke(acting("xubin"), again, "误批", clock.now)
    assert not [fault for fault in verify.check(clock.now).faults if fault["kind"].startswith("row")]


def test_what_a_post_does_not_state_is_unknown_and_judged_by_nobody(told, bureau, acting, clock):
    given = {"person": "P031", "duty": "operator", "system": "SB01"}
    for wrong, why in ((("hours", "18:00-08:00"), "不是时段"), (("functions", "参保登记\n参保登记"), "有重复")):
        with pytest.raises(RefusedError, match=why):
            file(bureau, acting, clock, "luona", "assignment", **given, **{**SCOPE, wrong[0]: wrong[1]})
    with pytest.raises(RefusedError, match="已在该岗位"):
        through(file(bureau, acting, clock, "luona", "assignment", **given), acting, clock, "xubin")
    through(
        file(bureau, acting, clock, "luona", "assignment", **given, functions="参保登记", hours="每日 00:00-24:00"), acting, clock, "xubin"
    )
    held = Assignment.objects.filter(Assignment.in_force(clock.now), person=bureau.person["P031"])
    assert [(post.functions, post.jurisdiction, post.hours) for post in held] == [(["参保登记"], None, "每日 00:00-24:00")]
    clock.now = beijing(28, 23)  # a Saturday
    assert told(*weekday_history(date(2026, 11, 24)), act(beijing(28, 22), unit="999999")) == []
    assert (state(WITHIN, "SBZX"), verdict(WITHIN, "SBZX").why["params"]["missing"]) == (
        "unknown", {"zh": "办理辖区", "en": "jurisdiction"}
    )  # fmt: skip
    assert told(act(beijing(28, 22, 30), "待遇核定")) == ["act_outside_functions open"]


def test_logs_that_do_not_say_and_people_without_post_are_unknown(told, bureau, clock):
    assert told() == []
    assert (state(WITHIN, "IC"), verdict(WITHIN, "IC").why["code"]) == ("unknown", "application_not_told")
    assert told(*weekday_history(MONDAY), act(beijing(23, 10), unit=None)) == []
    assert verdict(WITHIN, "SBZX").why["code"] == "act_without_scope"
    (post,) = Assignment.objects.filter(Assignment.in_force(clock.now), person=bureau.person["P031"])
    directory.end_assignment(SETUP, post, clock.now, clock.now)
    assert told() == []
    assert verdict(WITHIN, "SBZX").why["code"] == "user_without_post"


def test_where_finds_what_enforces_it():
    assert "business_within_post.sql" in str(where.where(WITHIN))
    assert "business_exception" in str(where.where(WITHIN)) or "except_business" in str(where.where(WITHIN))
