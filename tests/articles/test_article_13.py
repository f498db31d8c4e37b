"""Art. 13: developing, testing, going live. Each duty red on what is planted, silent on near-misses, green after the remedy, unknown
without evidence; the gate refuses what was not approved as it is done.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import pytest
from django.core.management import call_command
from django.db import IntegrityError, transaction
from django.test import Client

from anzhang.casework import procedures as cases
from anzhang.casework import revocation
from anzhang.casework.models import Case
from anzhang.directory import procedures as directory
from anzhang.engines.vault import Batch
from anzhang.journal import verify
from anzhang.permissions import Actor, RefusedError, Via
from anzhang.systems import gate, go_lives, procedures, releases
from anzhang.systems.tables import CodeScan, DeveloperException, GoLive, Release, TestReport
from tests import world
from tests.articles import stories
from tests.articles.stories import file, opened, state, through, verdict
from tests.web.visitors import enter

pytestmark = pytest.mark.usefixtures("bureau")
DESIGNED, OPERATE, SCANNED, PRODUCTION, TESTED, APPROVED = "A11.2", "A13.1", "A13.2", "A13.3", "A13.5", "A13.6"
SETUP = Actor(id="setup", via=Via.SETUP)
DAY = date(2026, 11, 24)  # of world.START
NEW, OTHER, STRANGE = "a" * 64, "b" * 64, "c" * 64
SOURCE, HOST, APP = "SSH-SB01", "sbapp01", "/opt/sb/app"


@pytest.fixture
def production(bureau, clock):
    """Return the production environment of SB01; JY01 and the others are out of service, so that SB01 alone owes."""
    for code, system in bureau.system.items():
        if code != "SB01":
            procedures.change_system(SETUP, system, at=clock.now, state="planned")
    directory.start_assignment(
        SETUP, person=bureau.person["P014"], duty="developer", unit=bureau.unit["IC"], system=bureau.system["SB01"], basis=None,
        valid_from=clock.now - timedelta(days=100), at=clock.now,
    )  # fmt: skip
    return releases.register_environment(
        SETUP, at=clock.now, code="SB-P", name="社保生产", system=bureau.system["SB01"], kind="production", hosts=[HOST, "sbdb01"],
        addresses=["10.20.1.10"], folders=["/opt/sb"],
    )  # fmt: skip


@pytest.fixture
def testing(bureau, clock, production):
    return releases.register_environment(
        SETUP, at=clock.now, code="SB-T", name="社保测试", system=bureau.system["SB01"], kind="test", hosts=["sbtest01"], addresses=[]
    )


@pytest.fixture
def release(bureau, clock, production):
    """Return a release whose developer is 郭磊, tested and scanned."""
    row = plain_release(bureau, clock)
    prove(row, bureau, clock)
    return row


def plain_release(bureau, clock, code="R1", digests=(NEW,), **values) -> Release:
    given = {"label": f"v{code}", "artifact": "sbapp.jar", "developers": ["P014"], "built_on": DAY - timedelta(days=5), **values}
    return releases.register_release(SETUP, at=clock.now, code=code, system=bureau.system["SB01"], digests=list(digests), **given)


def prove(release, bureau, clock, kinds=("functional", "security"), **values) -> list[TestReport]:
    given = {"digests": release.digests, "passed": True, "tested_on": DAY - timedelta(days=2), "tester": bureau.person["P031"], **values}
    made = [
        releases.record_test_report(
            SETUP, at=clock.now, code=f"{release.code}-{kind}-{TestReport.objects.count()}", release=release, kind=kind, **given
        )
        for kind in kinds
    ]
    for digest in release.digests:
        releases.import_code_scan(SETUP, release, digest, sarif(), clock.now)
    return made


def sarif(*results, tool="semgrep", rules=(), **run) -> bytes:
    driver = {"name": tool, "semanticVersion": "1.2.3", "rules": list(rules)}
    return json.dumps({"version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": list(results), **run}]}).encode()


def result(level="error", rule="sql-injection", **values) -> dict:
    place = {"physicalLocation": {"artifactLocation": {"uri": "src/Pay.java"}, "region": {"startLine": 12}}}
    return {"ruleId": rule, "level": level, "message": {"text": "拼接 SQL"}, "locations": [place], **values}


def measure(clock, *obligations: str, vault=None) -> None:
    """Measure a second later: what happens at the very instant is not seen yet."""
    stories.measure(world.Clock(clock.now + timedelta(seconds=1)), *obligations, vault=vault)


def minute(at: datetime) -> str:
    return (at + timedelta(hours=8)).strftime("%Y-%m-%d %H:%M")


def form(begin: datetime, minutes=120, **values) -> dict[str, str]:
    return {
        "release": "R1", "environment": "SB-P", "digest": NEW, "window_from": minute(begin),
        "window_to": minute(begin + timedelta(minutes=minutes)),
        "operator": "P011", "reason": "修复缴费计算", **values,
    }  # fmt: skip


def granted(bureau, acting, clock, begin=None, **values) -> GoLive:
    """Let 罗娜 ask and the head of 信息中心, which manages the system, agree."""
    case = file(bureau, acting, clock, "luona", "go_live", **form(begin or clock.now, **values))
    return GoLive.objects.get(basis__case=through(case, acting, clock, "zhouwei"))


def seal(vault, at, *events: dict) -> None:
    with vault.writer() as writer:
        lines = "".join(f"{line(**{'at': at, **event})}\n" for event in events)
        writer.append(Batch(SOURCE, lines.encode(), at))
        writer.seal(at)


def line(at, stream="process_event", host=HOST, **fields) -> str:
    return f"<14>1 {at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ} {host} edr - - - " + json.dumps({"stream": stream, **fields})


def run(at, digest=NEW, path=APP, user="sbsvc", **fields) -> dict:
    return {"at": at, "executable": path, "file_hash": digest, "user": user, "action": "started", **fields}


def codes(obligation: str) -> dict[str, str]:
    return {finding.subject: finding.reason["code"] for finding in opened(obligation)}


def why(obligation: str, unit: str | None = "IC") -> str:
    return verdict(obligation, unit).why["code"]


# A13.6: the gate


def refused(production, clock, digest=NEW, person="P011", bureau=None):
    return gate.go_live(production, digest, bureau.person[person], clock.now)


def test_an_approved_release_goes_live_inside_its_window_by_its_operator(production, release, bureau, acting, clock):
    before = refused(production, clock, bureau=bureau)
    assert (before.code, "上线审批" in before.remedy) == ("go_live_missing", True)
    leave = granted(bureau, acting, clock, clock.now + timedelta(minutes=10))
    assert (leave.digests, leave.operator.name, leave.is_late) == ([NEW], "李明", False)
    assert leave.basis.scope["digest"] == NEW
    assert refused(production, clock, bureau=bureau).code == "window_not_open"
    clock.advance(minutes=10)
    assert refused(production, clock, bureau=bureau) is None
    assert refused(production, clock, person="P012", bureau=bureau).code == "other_operator"
    assert refused(production, clock, person="P014", bureau=bureau).code == "own_developer"
    assert refused(production, clock, digest=OTHER, bureau=bureau).code == "other_digest"
    assert refused(production, clock, digest="x", bureau=bureau).code == "digest_invalid"
    clock.advance(minutes=119, seconds=59)
    assert refused(production, clock, bureau=bureau) is None
    clock.advance(seconds=1)
    assert refused(production, clock, bureau=bureau).code == "window_over"


def test_what_was_approved_elsewhere_or_taken_back_does_not_go_live(production, testing, release, bureau, acting, clock):
    second = releases.register_environment(
        SETUP, at=clock.now, code="SB-Q", name="社保灾备", system=bureau.system["SB01"], kind="production", hosts=["sbdr01"]
    )
    leave = granted(bureau, acting, clock)
    assert gate.go_live(second, NEW, bureau.person["P011"], clock.now).code == "other_environment"
    assert gate.go_live(testing, STRANGE, bureau.person["P014"], clock.now) is None  # testing needs no leave
    revocation.revoke(acting("zhouwei"), leave.basis.case, "用途已变", clock.now)
    assert refused(production, clock, bureau=bureau).code == "approval_revoked"


def test_a_digest_of_no_release_is_refused_with_what_to_do(production, release, bureau, clock):
    found = refused(production, clock, digest=STRANGE, bureau=bureau)
    assert (found.code, "登记版本发布" in found.remedy) == ("release_unknown", True)


def test_proof_that_fell_away_after_the_approval_stops_the_going_live(production, release, bureau, acting, clock):
    granted(bureau, acting, clock)
    assert refused(production, clock, bureau=bureau) is None
    clock.advance(minutes=1)
    releases.import_code_scan(SETUP, release, NEW, sarif(result()), clock.now)
    found = refused(production, clock, bureau=bureau)
    assert (found.code, "还有 1 个严重以上的问题" in found.message) == ("evidence_missing", True)


def test_nobody_who_left_and_nothing_withdrawn_goes_live(production, release, bureau, acting, clock):
    granted(bureau, acting, clock)
    releases.change_release(SETUP, release, at=clock.now, state="withdrawn")
    assert refused(production, clock, bureau=bureau).code == "release_withdrawn"
    directory.change_person(SETUP, bureau.person["P011"], at=clock.now, left_on=DAY)
    bureau.person["P011"].refresh_from_db()
    assert refused(production, clock, bureau=bureau).code == "not_employed"


def test_the_operator_notes_it_and_nobody_else_makes_it_live(production, release, bureau, acting, clock):
    leave = granted(bureau, acting, clock, clock.now + timedelta(minutes=1))
    with pytest.raises(RefusedError) as early:
        go_lives.put_live(acting("liming"), leave, clock.now)
    assert early.value.code == "window_not_open"
    clock.advance(minutes=1)
    with pytest.raises(RefusedError) as other:
        go_lives.put_live(acting("wangfang"), leave, clock.now)
    assert other.value.code == "not_the_operator"
    with pytest.raises(RefusedError) as formed:
        releases.change_release(acting("liming"), release, at=clock.now, state="live", live_at=clock.now)
    assert formed.value.code == "live_by_gate"
    go_lives.put_live(acting("liming"), leave, clock.now)
    release.refresh_from_db()
    assert (release.state, release.live_at) == ("live", clock.now)
    with pytest.raises(RefusedError, match="已于"):
        go_lives.put_live(acting("liming"), leave, clock.now)
    with pytest.raises(RefusedError) as fixed:
        releases.change_release(acting("liming"), release, at=clock.now, digests=[OTHER])
    assert fixed.value.code == "release_granted"
    assert not [fault for fault in verify.check(clock.now).faults if fault["kind"].startswith("row")]


@pytest.mark.parametrize(
    ("values", "field", "text"),
    [
        ({"operator": "P014"}, "operator", "开发人员"),
        ({"digest": OTHER}, "digest", "不是版本"),
        ({"digest": "1234"}, "digest", "SHA-256"),
        ({"environment": "SB-T"}, "environment", "生产环境"),
        ({"window_to": "2026-11-24 09:30"}, "window_to", "晚于"),
        ({"window_from": "2026-11-10 09:30", "window_to": "2026-11-10 10:30"}, "window_from", "7 天"),
        ({"window_to": "2026-12-24 09:30"}, "window_to", "7 天"),
    ],
)
def test_what_cannot_go_live_is_not_asked_for(values, field, text, production, testing, release, bureau, acting, clock):
    with pytest.raises(RefusedError) as found:
        file(bureau, acting, clock, "luona", "go_live", **{**form(clock.now), **values})
    assert text in found.value.faults[field]


@pytest.mark.parametrize(
    ("planted", "text"),
    [
        (lambda row, b, c: prove(row, b, c, kinds=("functional",)), "没有安全测试报告"),
        (lambda row, b, c: (prove(row, b, c), prove(row, b, c, kinds=("security",), passed=False, tested_on=DAY)), "没有通过"),
        (lambda row, b, c: (prove(row, b, c), CodeScan.objects.all().delete()), "没有代码扫描结果"),
        (lambda row, b, c: (prove(row, b, c), releases.import_code_scan(SETUP, row, NEW, sarif(result(), tool="z"), c.now)), "严重以上"),
    ],
)
def test_missing_proof_is_named_before_anybody_is_asked(planted, text, production, bureau, acting, clock):
    row = plain_release(bureau, clock)
    planted(row, bureau, clock)
    with pytest.raises(RefusedError) as found:
        file(bureau, acting, clock, "luona", "go_live", **form(clock.now))
    assert text in found.value.faults["digest"]


def test_who_developed_it_does_not_approve_it(production, bureau, acting, clock):
    row = plain_release(bureau, clock, developers=["P010"])
    prove(row, bureau, clock)
    with pytest.raises(RefusedError) as found:
        file(bureau, acting, clock, "luona", "go_live", **form(clock.now))
    assert "不能审批自己开发的版本" in found.value.faults["release"]


def test_the_head_of_the_managing_unit_decides_and_a_heads_own_request_goes_above(production, release, bureau, acting, clock):
    own = file(bureau, acting, clock, "zhouwei", "go_live", **form(clock.now))
    with pytest.raises(RefusedError) as found:
        cases.agree(acting("zhouwei"), own, "同意", clock.now)
    assert found.value.code == "own_case"
    assert through(own, acting, clock, "gaojianguo").state == Case.State.APPROVED


# A13.6: what is found afterwards


def test_a_start_one_second_inside_the_window_is_silent_and_so_are_later_restarts(production, release, bureau, vault, acting, clock):
    begin = clock.now
    granted(bureau, acting, clock, begin, minutes=60)
    clock.now = begin + timedelta(minutes=59, seconds=59)
    seal(vault, clock.now, run(clock.now))
    clock.advance(hours=20)
    seal(vault, clock.now, run(clock.now))
    measure(clock, APPROVED, vault=vault)
    assert (codes(APPROVED), state(APPROVED, "IC")) == ({}, "met")


def test_a_start_as_the_window_closes_is_found_with_everything_about_it(production, release, bureau, vault, acting, clock):
    leave = granted(bureau, acting, clock, clock.now, minutes=60)
    clock.advance(minutes=60)
    seal(vault, clock.now, run(clock.now, user="liming"))
    measure(clock, APPROVED, vault=vault)
    (finding,) = opened(APPROVED, "IC")
    assert (finding.subject, finding.reason["code"], finding.person.name) == ("environment:SB-P", "live_outside_window", "李明")
    assert f"go_live:{leave.pk}" in finding.evidence
    assert any(each.startswith("line:") for each in finding.evidence)
    assert finding.reason["params"]["digest"] == NEW[:12]


def test_what_was_never_approved_is_found_then_approved_afterwards_and_regularized(production, release, bureau, vault, acting, clock):
    began = clock.now
    seal(vault, began, run(began))
    measure(clock, APPROVED, vault=vault)
    (finding,) = opened(APPROVED, "IC")
    assert (finding.reason["code"], state(APPROVED, "IC")) == ("runs_without_go_live", "breach")
    clock.advance(hours=2)
    leave = granted(bureau, acting, clock, began)
    assert leave.is_late
    measure(clock, APPROVED, vault=vault)
    finding.refresh_from_db()
    assert (finding.state, finding.reason["code"], state(APPROVED, "IC")) == ("regularized", "live_approved_later", "met")


def test_another_artifact_than_the_approved_one_is_found_until_it_is_replaced(production, release, bureau, vault, acting, clock):
    granted(bureau, acting, clock)
    seal(vault, clock.now, run(clock.now, digest=OTHER))
    measure(clock, APPROVED, vault=vault)
    assert codes(APPROVED) == {"environment:SB-P": "runs_other_artifact"}
    clock.advance(minutes=5)
    seal(vault, clock.now, run(clock.now))
    measure(clock, APPROVED, vault=vault)
    assert (codes(APPROVED), state(APPROVED, "IC")) == ({}, "met")


def test_what_lies_outside_the_folders_of_the_programs_is_no_artifact(production, release, bureau, vault, acting, clock):
    granted(bureau, acting, clock)
    seal(vault, clock.now, run(clock.now), run(clock.now, STRANGE, "/usr/bin/bash"), run(clock.now, STRANGE, "/opt/sbx/app"))
    seal(vault, clock.now, run(clock.now, STRANGE, host="sbtest01"))
    measure(clock, APPROVED, SCANNED, vault=vault)
    assert (codes(APPROVED), codes(SCANNED)) == ({}, {})
    assert (state(APPROVED, "IC"), state(SCANNED, "IC")) == ("met", "met")


def test_who_put_it_live_is_the_operator_and_no_developer(production, release, bureau, vault, acting, clock):
    procedures.open_account(SETUP, at=clock.now, system=bureau.system["SB01"], name="guolei", person=bureau.person["P014"])
    granted(bureau, acting, clock)
    clock.advance(minutes=1)
    seal(vault, clock.now, run(clock.now, user="guolei"))
    measure(clock, APPROVED, vault=vault)
    (finding,) = opened(APPROVED)
    assert (finding.reason["code"], finding.person.name) == ("live_by_developer", "郭磊")


def test_another_than_the_operator_is_found(production, release, bureau, vault, acting, clock):
    granted(bureau, acting, clock)
    clock.advance(minutes=1)
    seal(vault, clock.now, run(clock.now, user="wangfang"))
    measure(clock, APPROVED, vault=vault)
    assert codes(APPROVED) == {"environment:SB-P": "live_by_other"}


def test_what_runs_on_after_its_approval_was_taken_back_is_found(production, release, bureau, vault, acting, clock):
    leave = granted(bureau, acting, clock)
    seal(vault, clock.now, run(clock.now))
    clock.advance(minutes=5)
    revocation.revoke(acting("zhouwei"), leave.basis.case, "发现缺陷", clock.now)
    measure(clock, APPROVED, vault=vault)
    assert codes(APPROVED) == {}
    clock.advance(minutes=5)
    seal(vault, clock.now, run(clock.now))
    measure(clock, APPROVED, vault=vault)
    assert codes(APPROVED) == {"environment:SB-P": "runs_after_revocation"}


def test_clients_are_not_served_before_the_approval(production, release, bureau, vault, acting, clock):
    flow = {"stream": "flow_event", "destination_ip": "10.20.1.10", "source_ip": "10.30.2.2", "action": "allowed", "result": "allowed"}
    own = {**flow, "source_ip": "10.20.1.11"}
    seal(vault, clock.now, run(clock.now, path="/usr/bin/x"), {**own, "at": clock.now})
    measure(clock, APPROVED, vault=vault)
    assert codes(APPROVED) == {}
    seal(vault, clock.now, {**flow, "at": clock.now})
    measure(clock, APPROVED, vault=vault)
    (finding,) = opened(APPROVED)
    assert (finding.reason["code"], finding.subject) == ("serves_without_approval", "environment:SB-P")
    clock.advance(minutes=5)
    granted(bureau, acting, clock, clock.now - timedelta(minutes=10))
    measure(clock, APPROVED, vault=vault)
    finding.refresh_from_db()
    assert finding.state == "regularized"


@pytest.mark.parametrize("obligation", [APPROVED, SCANNED, PRODUCTION])
def test_a_production_environment_without_evidence_is_unknown(obligation, production, release, bureau, vault, acting, clock):
    granted(bureau, acting, clock)
    measure(clock, obligation, vault=vault)
    silent = "environment_untold" if obligation == PRODUCTION else "environment_not_watched"
    assert (codes(obligation), state(obligation, "IC"), why(obligation)) == ({}, "unknown", silent)
    releases.change_environment(SETUP, production, at=clock.now, hosts=[])
    measure(clock, obligation, vault=vault)
    assert why(obligation) == "environment_without_hosts"
    releases.change_environment(SETUP, production, at=clock.now, state="retired")
    measure(clock, obligation, vault=vault)
    assert (state(obligation, "IC"), why(obligation)) == ("unknown", "system_without_production")


def test_a_source_that_fell_silent_proves_nothing(production, release, bureau, vault, acting, clock):
    granted(bureau, acting, clock)
    seal(vault, clock.now, run(clock.now))
    clock.advance(hours=23)
    measure(clock, APPROVED, SCANNED, vault=vault)
    assert (state(APPROVED, "IC"), state(SCANNED, "IC")) == ("met", "met")
    clock.advance(hours=2)
    measure(clock, APPROVED, SCANNED, vault=vault)
    assert (state(APPROVED, "IC"), state(SCANNED, "IC")) == ("unknown", "unknown")


# A13.2


def test_an_artifact_of_no_release_is_found_until_it_is_gone(production, release, bureau, vault, acting, clock):
    granted(bureau, acting, clock)
    seal(vault, clock.now, run(clock.now), run(clock.now, STRANGE, "/opt/sb/backdoor", user="wangfang"))
    measure(clock, SCANNED, vault=vault)
    (finding,) = opened(SCANNED, "IC")
    assert (finding.subject, finding.reason["code"], finding.person.name) == ("environment:SB-P", "artifact_unknown", "王芳")
    clock.advance(minutes=5)
    seal(vault, clock.now, {"stream": "file_event", "action": "deleted", "path": "/opt/sb/backdoor", "at": clock.now})
    measure(clock, SCANNED, vault=vault)
    assert (codes(SCANNED), state(SCANNED, "IC")) == ({}, "met")


def test_what_runs_was_scanned_by_its_own_digest_and_nothing_severe_is_open(production, bureau, vault, clock):
    row = plain_release(bureau, clock, digests=(NEW, OTHER), state="live", live_at=clock.now - timedelta(days=1))
    releases.import_code_scan(SETUP, row, OTHER, sarif(), clock.now)
    seal(vault, clock.now, run(clock.now))
    measure(clock, SCANNED, vault=vault)
    assert codes(SCANNED) == {"release:R1": "artifact_unscanned"}
    releases.import_code_scan(SETUP, row, NEW, sarif(result("warning"), result("error", suppressions=[{"kind": "external"}])), clock.now)
    measure(clock, SCANNED, vault=vault)
    assert (codes(SCANNED), state(SCANNED, "IC")) == ({}, "met")  # medium, and accepted, hold nothing up
    clock.advance(minutes=1)
    bad = releases.import_code_scan(SETUP, row, NEW, sarif(result("error")), clock.now)
    measure(clock, SCANNED, vault=vault)
    (finding,) = opened(SCANNED)
    assert (finding.reason["code"], finding.reason["params"]["count"]) == ("artifact_with_open_results", 1)
    assert {f"release:{row.pk}", f"code_scan:{bad.pk}"} <= set(finding.evidence)
    clock.advance(minutes=1)
    releases.import_code_scan(SETUP, row, NEW, sarif(result("note")), clock.now)
    measure(clock, SCANNED, vault=vault)
    assert (codes(SCANNED), state(SCANNED, "IC")) == ({}, "met")


# A13.1


def log_in(at, user="guolei", **fields) -> dict:
    return {"stream": "auth_event", "at": at, "user": user, "action": "log-on", "result": "success", **fields}


@pytest.fixture
def account(production, bureau, clock):
    return procedures.open_account(SETUP, at=clock.now, system=bureau.system["SB01"], name="guolei", person=bureau.person["P014"])


def test_a_developer_who_operates_is_found_and_an_ended_post_is_the_remedy(account, bureau, vault, acting, clock):
    seal(vault, clock.now, log_in(clock.now), log_in(clock.now, user="wangfang"))
    measure(clock, OPERATE, vault=vault)
    (finding,) = opened(OPERATE, "IC")
    assert (finding.subject, finding.reason["code"], finding.person.name) == ("system:SB01", "developer_operates", "郭磊")
    assert any(each.startswith("assignment:") for each in finding.evidence)
    clock.advance(hours=1)
    post = directory.Assignment.objects.get(duty="developer", superseded_at=None)
    directory.end_assignment(SETUP, post, clock.now, clock.now)
    measure(clock, OPERATE, vault=vault)
    assert (codes(OPERATE), state(OPERATE, "IC")) == ({}, "met")


def test_a_developer_on_the_test_hosts_or_of_another_system_operates_nothing(account, testing, bureau, vault, clock):
    seal(vault, clock.now, log_in(clock.now, host="sbtest01"), log_in(clock.now, user="liming"))
    directory.start_assignment(
        SETUP, person=bureau.person["P011"], duty="developer", unit=bureau.unit["IC"], system=bureau.system["JY01"], basis=None,
        valid_from=clock.now - timedelta(days=1), at=clock.now,
    )  # fmt: skip
    measure(clock, OPERATE, vault=vault)
    assert (codes(OPERATE), state(OPERATE, "IC")) == ({}, "met")


def test_an_approved_exception_lets_a_developer_operate_while_it_lasts(account, bureau, vault, acting, clock):
    asked = {"system": "SB01", "person": "P014", "effective_on": "2026-11-24", "last_on": "2026-11-25", "reason": "夜间值守"}
    with pytest.raises(RefusedError, match="最长 90 天"):
        file(bureau, acting, clock, "luona", "developer_operates", **{**asked, "last_on": "2027-02-22"})
    with pytest.raises(RefusedError, match="不需要例外"):
        file(bureau, acting, clock, "luona", "developer_operates", **{**asked, "person": "P012"})
    seal(vault, clock.now, log_in(clock.now))
    clock.advance(minutes=1)
    through(file(bureau, acting, clock, "luona", "developer_operates", **asked), acting, clock, "zhouwei")
    assert DeveloperException.objects.get().person.name == "郭磊"
    clock.advance(minutes=1)
    seal(vault, clock.now, log_in(clock.now))
    measure(clock, OPERATE, vault=vault)
    assert [finding.state for finding in opened(OPERATE)] == ["regularized"]
    clock.now = datetime(2026, 11, 25, 16, 0, tzinfo=UTC)  # midnight in Beijing: it is over
    seal(vault, clock.now, log_in(clock.now))
    measure(clock, OPERATE, vault=vault)
    assert state(OPERATE, "IC") == "breach"


def test_without_logs_nobody_knows_who_operates(production, vault, clock):
    measure(clock, OPERATE, vault=vault)
    assert (state(OPERATE, "IC"), why(OPERATE)) == ("unknown", "source_system_silent")


# A13.3


def changed(at, path="/opt/sb/lib/a.jar", **fields) -> dict:
    return {"stream": "file_event", "at": at, "action": "modified", "path": path, "user": "wangfang", **fields}


def alive(at) -> list[dict]:
    """Return what shows that the host tells of its files and its sessions, and nothing else."""
    return [changed(at, action="accessed"), log_in(at, user="wangfang")]


def test_programs_change_only_inside_an_approved_window(production, release, bureau, vault, acting, clock):
    granted(bureau, acting, clock, minutes=30)
    clock.advance(minutes=1)
    seal(vault, clock.now, changed(clock.now), changed(clock.now, "/var/log/sb.log"), *alive(clock.now))
    clock.advance(minutes=28, seconds=59)
    seal(vault, clock.now, changed(clock.now))
    measure(clock, PRODUCTION, vault=vault)
    assert (codes(PRODUCTION), state(PRODUCTION, "IC")) == ({}, "met")
    clock.advance(seconds=1)
    seal(vault, clock.now, changed(clock.now))
    measure(clock, PRODUCTION, vault=vault)
    (finding,) = opened(PRODUCTION, "IC")
    assert (finding.reason["code"], finding.person.name) == ("file_changed_in_production", "王芳")
    late = clock.now
    clock.advance(minutes=40)
    granted(bureau, acting, clock, late - timedelta(minutes=30), minutes=60)
    measure(clock, PRODUCTION, vault=vault)
    finding.refresh_from_db()
    assert (finding.state, state(PRODUCTION, "IC")) == ("regularized", "met")


def test_the_schema_of_production_changes_by_release_only(production, testing, release, bureau, vault, acting, clock):
    ddl = {"stream": "db_event", "at": clock.now, "action": "ddl", "object_name": "public.pay", "user": "wangfang"}
    seal(vault, clock.now, {**ddl, "host": "sbtest01"}, {**ddl, "host": "sbdb01", "action": "write"}, *alive(clock.now))
    measure(clock, PRODUCTION, vault=vault)
    assert (codes(PRODUCTION), state(PRODUCTION, "IC")) == ({}, "met")
    seal(vault, clock.now, {**ddl, "host": "sbdb01"})
    measure(clock, PRODUCTION, vault=vault)
    assert codes(PRODUCTION) == {"environment:SB-P": "schema_changed_in_production"}


def test_a_host_that_tells_of_files_but_not_of_log_ins_is_unknown(production, vault, clock):
    seal(vault, clock.now, changed(clock.now, action="accessed"))
    measure(clock, PRODUCTION, vault=vault)
    assert (state(PRODUCTION, "IC"), why(PRODUCTION)) == ("unknown", "environment_untold")
    seal(vault, clock.now, log_in(clock.now, user="wangfang"))
    releases.change_environment(SETUP, production, at=clock.now, folders=[])
    measure(clock, PRODUCTION, vault=vault)
    assert (state(PRODUCTION, "IC"), why(PRODUCTION)) == ("unknown", "environment_without_folders")


def test_who_only_develops_does_not_log_in_to_production(account, testing, bureau, vault, acting, clock):
    seal(vault, clock.now, log_in(clock.now, host="sbtest01"), log_in(clock.now, user="wangfang"))
    measure(clock, PRODUCTION, vault=vault)
    assert codes(PRODUCTION) == {}
    seal(vault, clock.now, {"stream": "gateway_event", "at": clock.now, "user": "guolei", "target_host": HOST, "action": "session-opened"})
    measure(clock, PRODUCTION, vault=vault)
    (finding,) = opened(PRODUCTION)
    assert (finding.reason["code"], finding.person.name) == ("developer_in_production", "郭磊")
    clock.advance(days=31)
    seal(vault, clock.now, *alive(clock.now))
    measure(clock, PRODUCTION, vault=vault)
    assert (codes(PRODUCTION), state(PRODUCTION, "IC")) == ({}, "met")


# A13.5, A11.2


def test_a_live_release_was_tested_before_by_its_own_digest(production, bureau, clock):
    row = plain_release(bureau, clock, digests=(NEW, OTHER), state="live", live_at=clock.now - timedelta(days=1))
    prove(row, bureau, clock, kinds=("functional",))
    (early,) = prove(row, bureau, clock, kinds=("security",), digests=[NEW])
    prove(row, bureau, clock, kinds=("security",), digests=[OTHER], tested_on=DAY)  # the day after it went live
    measure(clock, TESTED)
    (finding,) = opened(TESTED, "IC")
    assert (finding.subject, finding.reason["code"], finding.reason["params"]["digest"]) == ("release:R1", "release_untested", OTHER[:12])
    assert finding.reason["params"]["kind"] == "安全测试"
    releases.change_test_report(SETUP, early, at=clock.now, digests=[NEW, OTHER])
    measure(clock, TESTED)
    assert (codes(TESTED), state(TESTED, "IC")) == ({}, "met")
    (failed,) = prove(row, bureau, clock, kinds=("security",), passed=False, tested_on=DAY - timedelta(days=1))
    measure(clock, TESTED)
    assert {finding.reason["code"] for finding in opened(TESTED)} == {"release_test_failed"}
    assert f"test_report:{failed.pk}" in opened(TESTED)[0].evidence


def test_no_live_release_is_unknown_and_a_candidate_owes_nothing(production, release, clock):
    measure(clock, TESTED, DESIGNED)
    assert (state(TESTED, "IC"), why(TESTED), why(DESIGNED)) == ("unknown", "system_without_release", "system_without_release")


def test_each_designed_security_function_has_a_passed_test_of_the_release(production, bureau, clock):
    row = plain_release(bureau, clock, state="live", live_at=clock.now)
    measure(clock, DESIGNED)
    assert (state(DESIGNED, "IC"), why(DESIGNED)) == ("unknown", "system_without_design")
    items = [
        releases.register_design_item(SETUP, at=clock.now, code=code, name=code, system=bureau.system["SB01"])
        for code in ("S1", "S2", "S3")
    ]
    releases.change_design_item(SETUP, items[2], at=clock.now, state="dropped")
    prove(row, bureau, clock, kinds=("functional",), cases=["S1"])
    prove(row, bureau, clock, kinds=("security",), cases=["S2"], passed=False)
    measure(clock, DESIGNED)
    (finding,) = opened(DESIGNED)
    assert (finding.reason["params"]["item"], finding.evidence) == ("S2", [f"release:{row.pk}", f"design_item:{items[1].pk}"])
    prove(row, bureau, clock, kinds=("security",), cases=["S2"])
    measure(clock, DESIGNED)
    assert (codes(DESIGNED), state(DESIGNED, "IC")) == ({}, "met")


# SARIF


def imported(release, clock, body) -> CodeScan:
    return releases.import_code_scan(SETUP, release, NEW, body, clock.now)


def test_the_severity_of_a_result_is_read_as_scanners_write_it(production, bureau, clock):
    row = plain_release(bureau, clock)
    rules = [
        {"id": "cvss", "properties": {"security-severity": "9.1"}},
        {"id": "quiet", "defaultConfiguration": {"level": "note"}},
    ]
    told = imported(
        row, clock,
        sarif(
            result(rule="cvss", level="note"), {"ruleIndex": 1, "message": {"text": "x"}}, {"message": {"text": "y"}}, result("none"),
            result(kind="pass", level="none"), result(baselineState="absent"), result(suppressions=[{"kind": "inSource"}]),
            result(suppressions=[{"kind": "external", "status": "rejected"}]), rules=rules,
            invocations=[{"executionSuccessful": True, "endTimeUtc": "2026-11-23T10:00:00Z"}],
        ),
    )  # fmt: skip
    assert (told.critical, told.high, told.medium, told.low, told.suppressed) == (1, 1, 1, 1, 1)
    assert (told.tool, told.tool_version, told.scanned_at.isoformat()) == ("semgrep", "1.2.3", "2026-11-23T10:00:00+00:00")
    assert told.worst[0] == ["critical", "cvss", "src/Pay.java:12", "拼接 SQL"]


def test_the_same_file_twice_is_one_scan(production, bureau, clock):
    row = plain_release(bureau, clock)
    assert imported(row, clock, sarif()).pk == imported(row, clock, sarif()).pk


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b"", "$"),
        (b"\xff{", "$"),
        (b"[]", "$.version"),
        (b'{"version": "2.0.0", "runs": []}', "$.version"),
        (b'{"version": "2.1.0"}', "$.runs"),
        (b'{"version": "2.1.0", "runs": []}', "$.runs"),
        (b'{"version": "2.1.0", "runs": [7]}', "$.runs[0]"),
        (b'{"version": "2.1.0", "runs": [{}]}', "$.runs[0].tool"),
        (b'{"version": "2.1.0", "runs": [{"tool": {"driver": {"name": " "}}}]}', "$.runs[0].tool.driver.name"),
        (b'{"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "x"}}}]}', "$.runs[0].results"),
        (sarif(7), "$.runs[0].results[0]"),
        (sarif(result("fatal")), "$.runs[0].results[0].level"),
        (sarif(result(), result(kind="maybe")), "$.runs[0].results[1].kind"),
        (sarif(result(properties={"security-severity": "high"})), "$.runs[0].results[0].properties.security-severity"),
        (sarif(result(suppressions="all")), "$.runs[0].results[0].suppressions"),
        (sarif(invocations=[{"executionSuccessful": False}]), "$.runs[0].invocations[0].executionSuccessful"),
        (sarif(invocations=[{"endTimeUtc": "gestern"}]), "$.runs[0].invocations[0].endTimeUtc"),
        (sarif(invocations=7), "$.runs[0].invocations"),
        (sarif(result(level=["error"])), "$.runs[0].results[0].level"),
        (sarif(result(kind={})), "$.runs[0].results[0].kind"),
        (sarif(result(), rules=[7]), "$.runs[0].tool"),
    ],
)
def test_a_file_that_says_no_clear_result_is_refused_and_named_by_its_place(body, place, production, bureau, clock):
    row = plain_release(bureau, clock)
    with pytest.raises(RefusedError) as found:
        imported(row, clock, body)
    assert found.value.code == "scan_unreadable"
    assert f"{place}：" in found.value.message
    assert not CodeScan.objects.exists()


def test_a_scan_of_something_else_or_of_tomorrow_is_refused(production, bureau, acting, clock):
    row = plain_release(bureau, clock)
    for digest, body, code in (
        (OTHER, sarif(), "digest_of_no_release"),
        (NEW, sarif(invocations=[{"endTimeUtc": "2026-11-25T10:00:00Z"}]), "in_the_future"),
    ):
        with pytest.raises(RefusedError) as found:
            releases.import_code_scan(SETUP, row, digest, body, clock.now)
        assert found.value.code == code
    with pytest.raises(RefusedError):
        releases.import_code_scan(acting("luona"), row, NEW, sarif(), clock.now)
    assert releases.import_code_scan(acting("liming"), row, NEW, sarif(), clock.now).blocking == 0


# The registers


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"developers": ["P999"]}, "person_unknown"),
        ({"digests": []}, "invalid"),
        ({"digests": ["A" * 64]}, "invalid"),
        ({"digests": [NEW, NEW]}, "invalid"),
        ({"built_on": DAY + timedelta(days=1)}, "in_the_future"),
        ({"state": "live"}, "invalid"),
        ({"live_at": world.START}, "invalid"),
    ],
)
def test_what_is_wrong_with_a_release_is_named(values, code, production, bureau, clock):
    with pytest.raises(RefusedError) as found:
        plain_release(bureau, clock, code="R9", **values)
    assert found.value.code == code


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"digests": [OTHER]}, "digest_of_no_release"),
        ({"cases": ["S9"]}, "item_unknown"),
        ({"tested_on": DAY + timedelta(days=1)}, "in_the_future"),
        ({"report_sha256": "x"}, "invalid"),
    ],
)
def test_what_is_wrong_with_a_test_report_is_named(values, code, production, bureau, clock):
    with pytest.raises(RefusedError) as found:
        prove(plain_release(bureau, clock), bureau, clock, **values)
    assert found.value.code == code


def test_production_shares_no_host_with_testing(production, testing, clock):
    with pytest.raises(RefusedError) as found:
        releases.change_environment(SETUP, testing, at=clock.now, hosts=["SBAPP01"])
    assert found.value.code == "host_taken"


def test_the_database_refuses_what_must_not_be_stored(release, production, bureau, acting, clock):
    leave = granted(bureau, acting, clock)
    for wrong in (
        lambda: GoLive.objects.filter(pk=leave.pk).update(window_to=leave.window_from),
        lambda: GoLive.objects.filter(pk=leave.pk).update(done_at=leave.window_to),
        lambda: Release.objects.filter(pk=release.pk).update(state="live"),
        lambda: DeveloperException.objects.create(
            system=release.system, person_id=1, starts_at=clock.now, ends_at=clock.now, basis=leave.basis, recorded_at=clock.now
        ),
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            wrong()


# Command and page


def test_a_deployment_script_asks_and_is_told(production, release, bureau, acting, clock, capsys, tmp_path):
    artifact = tmp_path / "sbapp.jar"
    artifact.write_bytes(b"jar")
    with pytest.raises(SystemExit) as refusal:
        call_command("go_live", "check", "--environment", "SB-P", "--person", "P011", "--file", str(artifact), "--json")
    assert refusal.value.code == 1
    out = capsys.readouterr()
    told = json.loads(out.out)
    assert (told["allowed"], told["refusal"]["code"], told["apply"]) == (False, "release_unknown", "/cases/new/go_live/?environment=SB-P")
    assert out.err.startswith("anzhang: release_unknown: ")
    granted(bureau, acting, clock)
    call_command("go_live", "check", "--environment", "SB-P", "--person", "P011", "--digest", NEW.upper())
    assert "现在可以由李明上线" in capsys.readouterr().out
    for wrong in (("--environment", "XX", "--person", "P011"), ("--environment", "SB-P", "--person", "P999")):
        with pytest.raises(SystemExit) as bad:
            call_command("go_live", "check", *wrong, "--digest", NEW)
        assert bad.value.code == 2


def test_a_scan_is_taken_in_at_the_command_line(production, release, clock, capsys, tmp_path):
    found = tmp_path / "a.sarif"
    found.write_bytes(sarif(result(), tool="codeql"))
    call_command("go_live", "scan", str(found), "--release", "R1", "--digest", NEW)
    assert "codeql：特别严重 0，严重 1" in capsys.readouterr().out
    found.write_bytes(b"{}")
    with pytest.raises(SystemExit) as refusal:
        call_command("go_live", "scan", str(found), "--release", "R1", "--digest", NEW)
    assert refusal.value.code == 1
    assert "$.version" in capsys.readouterr().err


@pytest.fixture
def pages(bureau):
    return lambda username: enter(Client(), bureau.user[username])


def test_the_dossier_shows_what_runs_and_on_what_proof(production, testing, release, bureau, vault, acting, clock, pages):
    leave = granted(bureau, acting, clock)
    seal(vault, clock.now, run(clock.now, STRANGE))
    measure(clock, APPROVED, vault=vault)
    text = pages("liming").get("/systems/SB01/").text
    for each in (
        "社保生产",
        "生产环境",
        "sbapp.jar vR1",
        NEW[:16],
        "semgrep",
        "功能测试",
        leave.basis.case.number,
        "郭磊",
        "不是获准上线的那一份",
        "社保核心业务系统主机",
        "data-print",
        'value="put_live"',
    ):
        assert each in text, each
    assert "/systems/SB01/" in pages("liming").get("/systems/").text
    assert "/systems/SB01/" in pages("liming").get(f"/registers/system/{bureau.system['SB01'].pk}/").text


def test_the_operator_notes_it_on_the_dossier_and_a_scan_comes_in_there(production, release, bureau, acting, clock, pages):
    from django.core.files.uploadedfile import SimpleUploadedFile

    leave = granted(bureau, acting, clock)
    assert pages("wangfang").post("/systems/SB01/", {"verb": "put_live", "row": leave.pk}).status_code == 422
    assert pages("liming").post("/systems/SB01/", {"verb": "put_live", "row": leave.pk}).status_code == 302
    for wrong in ({"verb": "put_live", "row": "x"}, {"verb": "burn", "row": leave.pk}):
        assert pages("liming").post("/systems/SB01/", wrong).status_code == 404
    send_to = "/systems/SB01/releases/R1/scan/"
    assert pages("liming").post(send_to, {"digest": NEW, "file": SimpleUploadedFile("a.sarif", b"{}")}).status_code == 422
    assert pages("liming").post(send_to, {"digest": NEW, "file": SimpleUploadedFile("a.sarif", sarif(tool="z"))}).status_code == 302
    assert pages("liming").post(send_to, {"digest": NEW}).status_code == 422
    assert CodeScan.objects.filter(tool="z").exists()


def test_the_dossier_answers_as_the_gate_does_and_offers_to_apply(production, release, pages):
    text = pages("liming").get(f"/systems/SB01/?environment=SB-P&digest={NEW}&person=李明").text
    assert "没有在“社保生产”上线的批准" in text
    assert f"/cases/new/go_live/?environment=SB-P&amp;digest={NEW}&amp;release=R1" in text
    assert "人员台账中没有“无名”" in pages("liming").get(f"/systems/SB01/?environment=SB-P&digest={NEW}&person=无名").text
    asked = pages("luona").get(f"/cases/new/go_live/?release=R1&environment=SB-P&digest={NEW}").text
    assert (NEW in asked, 'value="SB-P" selected' in asked) == (True, True)


def test_a_stranger_finds_no_dossier(production, pages):
    assert pages("liuyang").get("/systems/SB01/").status_code == 404
    assert pages("liming").get("/systems/XX/").status_code == 404
