"""Waivers: an approved, expiring case on a finding. The finding stays, and is open again when the waiver ends."""

from datetime import timedelta

import pytest

from anzhang.casework import procedures as cases
from anzhang.casework import reconciliation, revocation, waivers
from anzhang.casework.forms import FormError
from anzhang.casework.models import Approval, Case, Finding, Notice
from anzhang.journal.models import Entry
from anzhang.journal.procedures import row_digest
from anzhang.permissions import RefusedError, system
from tests.casework.paths import walk

JOB = system("approvals")


def stands(bureau, clock):
    """就业促进处 has no security officer."""
    clock.advance(days=40)
    reconciliation.run(JOB, clock.now)


@pytest.fixture
def finding(bureau):
    return Finding.objects.filter(unit=bureau.unit["JYC"], state="open").order_by("pk")[0]


def ask(bureau, acting, clock, about, username="sunli", **form):
    person = bureau.user[username].person
    given = {"finding": about.number, "last_on": "2027-02-28", "reason": "人员编制未到位，由信息中心代管", **form}
    return cases.file_case(acting(username), "finding_waiver", person.unit, person, "", given, clock.now)


def waive(bureau, acting, clock, finding):
    return walk(ask(bureau, acting, clock, finding), bureau.named("刘洋"), bureau.named("郑凯"), at=clock.now)


def test_an_approved_case_waives_through_a_day_and_measuring_leaves_it_waived(finding, bureau, acting, clock):
    case = waive(bureau, acting, clock, finding)
    finding.refresh_from_db()
    assert (case.state, finding.state) == (Case.State.APPROVED, Finding.State.WAIVED)
    assert finding.waived_until.isoformat() == "2027-02-28T16:00:00+00:00"
    assert Approval.objects.get(case=case, superseded_at=None).valid_to == finding.waived_until
    assert Entry.objects.filter(object_type="finding", object_key=str(finding.pk)).order_by("-index")[0].after == row_digest(finding)
    reconciliation.run(JOB, clock.advance(days=1))
    finding.refresh_from_db()
    assert finding.state == Finding.State.WAIVED
    assert Notice.objects.filter(code="finding_waived").exists()


def test_it_is_open_again_the_moment_the_waiver_ends(finding, bureau, acting, clock):
    waive(bureau, acting, clock, finding)
    finding.refresh_from_db()
    ends = finding.waived_until
    assert waivers.resume(JOB, ends - timedelta(seconds=1)) == 0
    assert waivers.resume(JOB, ends) == 1
    assert waivers.resume(JOB, ends) == 0
    finding.refresh_from_db()
    assert (finding.state, finding.waived_until) == (Finding.State.OPEN, None)
    assert Notice.objects.filter(code="waiver_ended").exists()


def test_revoking_the_approval_ends_the_waiver(finding, bureau, acting, clock):
    case = waive(bureau, acting, clock, finding)
    revocation.revoke(acting("wujie"), case, "代管已停止", clock.advance(days=2))
    assert waivers.resume(JOB, clock.now) == 1
    finding.refresh_from_db()
    assert finding.state == Finding.State.OPEN


def test_nothing_is_waived_before_both_have_agreed(finding, bureau, acting, clock):
    walk(ask(bureau, acting, clock, finding), bureau.named("刘洋"), at=clock.now)
    finding.refresh_from_db()
    assert finding.state == Finding.State.OPEN


@pytest.mark.parametrize(
    ("form", "fault"),
    [({"last_on": "2026-11-24"}, "last_on"), ({"last_on": "2029-01-01"}, "last_on"), ({"finding": "F2026-9999"}, "finding")],
)
def test_it_names_what_is_wrong(form, fault, finding, bureau, acting, clock):
    with pytest.raises(FormError) as refusal:
        ask(bureau, acting, clock, finding, **form)
    assert set(refusal.value.faults) == {fault}


def test_a_unit_waives_only_its_own_findings(finding, bureau, acting, clock):
    with pytest.raises(FormError) as refusal:
        ask(bureau, acting, clock, finding, "luona")
    assert set(refusal.value.faults) == {"finding"}


def test_a_finding_that_closed_meanwhile_is_not_waived(finding, bureau, acting, clock):
    case = walk(ask(bureau, acting, clock, finding), bureau.named("刘洋"), at=clock.now)
    Finding.objects.filter(pk=finding.pk).update(state=Finding.State.CLOSED)
    with pytest.raises(RefusedError):
        walk(case, bureau.named("郑凯"), at=clock.now)


def test_a_finding_is_waived_once_at_a_time(finding, bureau, acting, clock):
    waive(bureau, acting, clock, finding)
    with pytest.raises(FormError):
        ask(bureau, acting, clock, finding)
