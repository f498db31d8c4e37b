"""Findings: opened once, closed by measurement, reopened, planned, escalated."""

from datetime import timedelta

import pytest

from anzhang import clock as wall
from anzhang import permissions
from anzhang.casework import findings, reconciliation, workdays
from anzhang.casework.models import Finding, Notice
from anzhang.events import Event
from anzhang.journal.models import Entry
from anzhang.journal.procedures import row_digest
from anzhang.organization.models import Officer
from anzhang.permissions import RefusedError

JUDGE = permissions.system("reconcile")


def run(clock):
    return reconciliation.run(JUDGE, clock.now, obligations=["A05.3"])


def entries(finding: Finding) -> list[str]:
    return list(Entry.objects.filter(object_type="finding", object_key=str(finding.pk)).order_by("index").values_list("act", flat=True))


@pytest.fixture
def finding(bureau, clock) -> Finding:
    run(clock)
    return Finding.objects.get(unit=bureau.unit["JYC"])


def test_it_is_numbered_dated_and_due_in_working_days(finding, clock):
    assert finding.number == "F2026-0001"
    assert (finding.opened_at, finding.last_seen_at) == (clock.now, clock.now)
    assert finding.due_at == workdays.deadline(clock.now, 30)  # severity high
    assert finding.reason["params"]["since"] == wall.day_of(clock.now - timedelta(days=365)).isoformat()


def test_measuring_again_moves_last_seen_and_keeps_the_ledger_true(finding, clock):
    clock.advance(hours=1)
    run(clock)
    finding.refresh_from_db()
    assert (finding.last_seen_at, entries(finding)) == (clock.now, [Event.FINDING_OPEN])
    assert Entry.objects.filter(object_type="finding", object_key=str(finding.pk)).latest("index").after == row_digest(finding)


def test_it_closes_by_measurement_and_reopens_as_the_same_finding(finding, bureau, clock):
    officer = Officer.objects.create(unit=bureau.unit["JYC"], person=bureau.named("张华"), valid_from=clock.now, recorded_at=clock.now)
    assert run(clock).closed == [finding.number]
    officer.valid_to = clock.now
    officer.save()
    clock.advance(days=8)
    assert run(clock).reopened == [finding.number]
    finding.refresh_from_db()
    assert (finding.state, finding.reopened, finding.closed_at) == ("open", 1, None)
    assert entries(finding) == [Event.FINDING_OPEN, Event.FINDING_CLOSE, Event.FINDING_REOPEN]
    told = Notice.objects.filter(link=findings.link(finding)).order_by("pk").values_list("code", flat=True)
    assert list(told) == ["finding_opened", "finding_closed", "finding_reopened"]


def test_the_responsible_unit_plans_the_remedy(finding, acting, clock):
    planned = findings.plan(acting("liuyang"), finding, "本周内任命", clock.now)
    assert (planned.state, planned.plan) == ("planned", "本周内任命")
    assert entries(finding)[-1] == Event.FINDING_PLAN


@pytest.mark.parametrize(
    ("who", "words", "code"),
    [("zhouwei", "代办", "not_your_unit"), ("liuyang", "  ", "plan_length"), ("liuyang", "长" * 1001, "plan_length")],
)
def test_it_refuses_a_plan_of_a_stranger_or_without_words(finding, acting, clock, who, words, code):
    with pytest.raises(RefusedError) as refusal:
        findings.plan(acting(who), finding, words, clock.now)
    assert refusal.value.code == code
    assert entries(finding) == [Event.FINDING_OPEN]


def test_it_refuses_a_plan_for_a_closed_finding(finding, bureau, acting, clock):
    Officer.objects.create(unit=bureau.unit["JYC"], person=bureau.named("张华"), valid_from=clock.now, recorded_at=clock.now)
    run(clock)
    with pytest.raises(RefusedError) as refusal:
        findings.plan(acting("liuyang"), finding, "补办", clock.now)
    assert refusal.value.code == "finding_not_open"


def test_an_overdue_finding_is_told_once_to_the_head_and_the_office(finding, clock):
    clock.now = finding.due_at - timedelta(seconds=1)
    run(clock)
    overdue = Notice.objects.filter(code="finding_overdue", link=findings.link(finding))
    assert overdue.count() == 0
    clock.advance(seconds=1)
    run(clock)
    assert set(overdue.values_list("person__name", flat=True)) == {"刘洋", "郑凯", "吴洁", "冯雪"}
    run(clock)
    assert overdue.count() == 4
