"""Recheck, evidence and planned days: what people may do about a finding, none of which closes it."""

from datetime import date, timedelta

import pytest

from anzhang.casework import findings, reconciliation, remedies
from anzhang.casework import procedures as cases
from anzhang.casework.models import Finding, Notice, Verdict
from anzhang.casework.tables import EvidenceLink
from anzhang.journal.models import Entry
from anzhang.journal.procedures import row_digest
from anzhang.permissions import RefusedError, system
from tests.casework.paths import walk

JOB = system("reconcile")


def refused(call, *given, **named):
    with pytest.raises(RefusedError) as refusal:
        call(*given, **named)
    return refusal.value.code


def stands(bureau, clock):
    """就业促进处 has no security officer."""
    clock.advance(days=40)
    reconciliation.run(JOB, clock.now)
    clock.advance(minutes=1)


@pytest.fixture
def finding(bureau):
    return Finding.objects.get(unit=bureau.unit["JYC"], obligation="A05.3")


def test_a_recheck_closes_what_the_check_no_longer_finds_and_nothing_else(finding, bureau, acting, clock):
    assert remedies.recheck(acting("sunli"), finding, None, clock.now).state == Finding.State.OPEN
    unit, person = bureau.unit["JYC"], bureau.named("孙丽")
    case = cases.file_case(acting("sunli"), "officer_appointment", unit, person, "", {"person": "P022"}, clock.now)
    walk(case, bureau.named("刘洋"), bureau.named("郑凯"), at=clock.now)
    assert remedies.recheck(acting("zhengkai"), finding, None, clock.advance(minutes=1)).state == Finding.State.CLOSED


def test_a_recheck_is_no_load_test(finding, acting, clock):
    remedies.recheck(acting("sunli"), finding, None, clock.now)
    assert refused(remedies.recheck, acting("sunli"), finding, None, clock.advance(seconds=9)) == "just_checked"
    remedies.recheck(acting("sunli"), finding, None, clock.advance(seconds=2))
    assert Verdict.objects.filter(obligation=finding.obligation, current=True, checked_at=clock.now).exists()


@pytest.mark.parametrize(("username", "code"), [("luona", "not_answerable"), ("chenjing", "auditor_changes_nothing")])
def test_others_neither_recheck_nor_point_to_evidence(username, code, finding, acting, clock):
    assert refused(remedies.recheck, acting(username), finding, None, clock.now) == code
    assert refused(remedies.add_evidence, acting(username), "x", "/cases/", clock.now, finding=finding) == code
    assert not EvidenceLink.objects.exists()


def test_evidence_stands_beside_and_is_taken_down_but_kept(finding, acting, clock):
    link = remedies.add_evidence(acting("sunli"), "任命文件", "/registers/officer/", clock.now, finding=finding)
    assert list(remedies.links_of(finding)) == [link]
    assert Entry.objects.get(object_type="evidence_link").after == row_digest(link)
    remedies.remove_evidence(acting("zhengkai"), link, clock.now)
    assert not remedies.links_of(finding).exists()
    assert EvidenceLink.objects.get().removed_at == clock.now
    finding.refresh_from_db()
    assert finding.state == Finding.State.OPEN


def test_evidence_stands_beside_a_verdict_too(finding, bureau, acting, clock):
    unit = bureau.unit["JYC"]
    link = remedies.add_evidence(acting("sunli"), "培训签到表", "https://oa.hrss.test/1", clock.now, obligation="A05.3", unit=unit)
    assert list(remedies.links_of(None, "A05.3", unit)) == [link]
    code = refused(remedies.add_evidence, acting("sunli"), "x", "/x", clock.now, obligation="A99.9", unit=unit)
    assert code == "unknown_obligation"


HARMFUL = ("javascript:alert(1)", "//evil.test/", "data:text/html,x", "", "oa", "/a b", "/\\evil.test", "https://", "/" + "x" * 300)


@pytest.mark.parametrize("address", HARMFUL)
def test_a_link_that_could_do_harm_is_refused(address, finding, acting, clock):
    assert refused(remedies.add_evidence, acting("sunli"), "名称", address, clock.now, finding=finding) == "link_invalid"


def test_a_planned_day_that_passes_is_told_once_and_again_for_a_new_day(finding, acting, clock):
    today = clock.now.date()
    findings.plan(acting("sunli"), finding, "近期任命", clock.now, today + timedelta(days=3))
    assert remedies.follow_plans(JOB, clock.advance(days=3)) == 0
    assert remedies.follow_plans(JOB, clock.advance(days=1)) == 1
    assert remedies.follow_plans(JOB, clock.advance(days=1)) == 0
    findings.plan(acting("sunli"), finding, "改期", clock.now, clock.now.date() + timedelta(days=1))
    assert remedies.follow_plans(JOB, clock.advance(days=2)) == 1
    assert Notice.objects.filter(code="plan_overdue", person__code="P020").count() == 2


@pytest.mark.parametrize("day", [date(2026, 11, 1), date(9999, 12, 31)])
def test_a_plan_for_a_past_or_absurd_day_is_refused(day, finding, acting, clock):
    assert refused(findings.plan, acting("sunli"), finding, "任命", clock.now, day) == "plan_past"
