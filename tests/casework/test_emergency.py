"""Act first and be approved afterwards; enter what was approved on paper."""

from datetime import timedelta

import pytest

from anzhang.casework import emergency, queries, reconciliation, revocation
from anzhang.casework import procedures as cases
from anzhang.casework.forms import FormError
from anzhang.casework.models import Approval, Case, Finding, Notice
from anzhang.directory.models import Assignment
from anzhang.permissions import RefusedError, Via, system
from tests.casework.paths import walk

RECONCILE, SWEEP = system("reconcile"), system("approvals")


def refused(call, *given):
    with pytest.raises(RefusedError) as refusal:
        call(*given)
    return refusal.value.code


def act_first(bureau, acting, clock, username="sunli", **form):
    person = bureau.user[username].person
    given = {"person": "P022", "duty": "maintainer", "system": "JY01", **form}
    return emergency.act_first(acting(username), "assignment", person.unit, person, "", given, "夜间故障，需立即处置", clock.now)


def measure(at):
    reconciliation.run(RECONCILE, at)
    return list(Finding.objects.filter(subject__startswith="emergency:").order_by("pk"))


def posts(at):
    return Assignment.objects.filter(Assignment.in_force(at), duty="maintainer", person__code="P022")


@pytest.fixture
def case(bureau, acting, clock):
    return act_first(bureau, acting, clock)


def test_what_is_needed_tonight_begins_now_and_its_superiors_know(case, bureau, clock):
    approval = queries.approval_of(case)
    assert (approval.origin, approval.valid_to) == (Approval.Origin.EMERGENCY, clock.now + timedelta(hours=24))
    assert posts(clock.now).count() == 1
    assert case.state == Case.State.OPEN
    told = set(Notice.objects.filter(code="acted_first").values_list("person__code", flat=True))
    assert told == {"P020", "P004", "P005", "P006"}


def test_it_is_a_finding_until_it_is_regularized_and_then_says_so(case, bureau, clock):
    (finding,) = measure(clock.now)
    assert (finding.state, finding.reason["code"]) == (Finding.State.OPEN, "emergency_pending")
    case = walk(case, bureau.named("刘洋"), at=clock.advance(hours=3))
    approval = queries.approval_of(case)
    assert (case.state, approval.origin, approval.valid_to) == (Case.State.APPROVED, Approval.Origin.REGULARIZED, None)
    assert posts(clock.now).count() == 1
    finding.refresh_from_db()
    assert finding.state == Finding.State.REGULARIZED
    (finding,) = measure(clock.advance(minutes=1))
    assert finding.state == Finding.State.CLOSED


def test_a_pending_emergency_leaves_the_verdict_alone_and_an_overdue_one_turns_it_red(case, clock):
    from anzhang.casework.models import Verdict

    obligation = measure(clock.now)[0].obligation
    before = set(Verdict.objects.filter(obligation=obligation, current=True, unit__code="JYC").values_list("state", flat=True))
    assert "breach" not in before
    found = measure(clock.advance(hours=25))
    assert [each.reason["code"] for each in found if each.state != "closed"] == ["emergency_overdue"]
    assert Verdict.objects.get(obligation=obligation, current=True, unit__code="JYC").state == "breach"


def test_when_the_hours_pass_what_rested_on_it_ends(case, bureau, clock):
    at = clock.advance(hours=24)
    assert not queries.in_force("assignment", at).exists()
    assert revocation.expire(SWEEP, at) == 1
    assert not posts(at).exists()
    assert Notice.objects.filter(code="emergency_lapsed", person=bureau.named("刘洋")).count() == 1


def test_a_late_approval_begins_anew(case, bureau, clock):
    revocation.expire(SWEEP, clock.advance(hours=30))
    case = walk(case, bureau.named("刘洋"), at=clock.advance(hours=1))
    assert case.state == Case.State.APPROVED
    assert posts(clock.now).get().valid_from == clock.now
    assert all(each.state == Finding.State.CLOSED for each in measure(clock.now))


def test_a_late_approval_before_any_sweep_begins_anew_too(case, bureau, clock):
    case = walk(case, bureau.named("刘洋"), at=clock.advance(hours=30))
    assert posts(clock.now).get().valid_from == clock.now


def test_a_refused_emergency_ends_at_once_and_stays_a_breach(case, acting, clock):
    at = clock.advance(hours=2)
    case = cases.refuse(acting("liuyang"), case, "并非紧急", at)
    assert not posts(at).exists()
    assert queries.approval_of(case).revoked_at == at
    assert [each.reason["code"] for each in measure(at)] == ["emergency_refused"]


def test_it_is_not_withdrawn(case, acting, clock):
    assert refused(cases.withdraw, acting("sunli"), case, "", clock.now) == "acted_first"


def test_a_returned_emergency_is_resubmitted_from_the_first_step_and_may_be_changed(case, bureau, acting, clock):
    case = cases.send_back(acting("liuyang"), case, "补充终止日期", clock.now)
    case = cases.resubmit(acting("sunli"), case, {**case.form, "ends_on": "2026-12-01"}, clock.now)
    assert (case.state, case.step) == (Case.State.OPEN, 0)


@pytest.mark.parametrize("duty", ["dba", "office_member", "system_manager"])
def test_no_authority_is_taken_by_emergency(duty, bureau, acting, clock):
    with pytest.raises(RefusedError) as refusal:
        act_first(bureau, acting, clock, duty=duty)
    assert refusal.value.code == "no_emergency_path"
    assert not Case.objects.exists()
    assert not Approval.objects.exists()


def test_a_route_without_an_emergency_path_has_none(bureau, acting, clock):
    person = bureau.named("孙丽")
    given = ("officer_appointment", person.unit, person, "", {"person": "P022"}, "急", clock.now)
    assert refused(emergency.act_first, acting("sunli"), *given) == "no_emergency_path"


def test_it_needs_a_reason_and_a_person_at_a_browser(bureau, acting, clock):
    import dataclasses

    person = bureau.named("孙丽")
    form = {"person": "P022", "duty": "maintainer"}
    given = ("assignment", person.unit, person, "", form)
    assert refused(emergency.act_first, acting("sunli"), *given, " ", clock.now) == "reason_needed"
    token = dataclasses.replace(acting("sunli"), via=Via.API)
    assert refused(emergency.act_first, token, *given, "急", clock.now) == "not_browser"
    assert refused(emergency.act_first, acting("zhanghua"), *given, "急", clock.now) == "not_yourself"


# Back-entry


SCAN = "ab" * 32
PAPER = {
    "route": "assignment", "paper_number": "津人社办〔2025〕18号", "signed_by": "刘洋", "approved_on": "2025-06-03",
    "last_on": "2027-06-02", "content": "张华负责就业系统运维", "scan": SCAN,
}  # fmt: skip


def enter(bureau, acting, clock, **form):
    person = bureau.named("张华")
    return cases.file_case(acting("zhanghua"), "back_entry", person.unit, person, "", {**PAPER, **form}, clock.now)


def test_a_paper_approval_enters_with_scan_and_second_signer_and_is_marked(bureau, acting, clock):
    case = walk(enter(bureau, acting, clock), bureau.named("刘洋"), bureau.named("郑凯"), at=clock.now)
    assert case.state == Case.State.APPROVED
    row = queries.approval_of(case)
    assert (row.kind, row.origin, row.scan_sha256) == ("assignment", Approval.Origin.PAPER, SCAN)
    assert row.valid_from.isoformat() == "2025-06-02T16:00:00+00:00"
    assert row.recorded_at == clock.now
    assert queries.in_force("assignment", clock.now).get() == row
    assert not Assignment.objects.filter(basis=row).exists()  # attested, it drives no effect


def test_the_second_signer_is_another_person(bureau, acting, clock):
    case = enter(bureau, acting, clock)
    assert refused(cases.agree, acting("zhanghua"), case, "同意", clock.now) == "own_case"
    case = walk(case, bureau.named("刘洋"), at=clock.now)
    assert case.state == Case.State.OPEN
    assert not queries.in_force("assignment", clock.now).exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [("approved_on", "2026-12-01"), ("last_on", "2025-01-01"), ("scan", "no digest"), ("route", "back_entry"), ("route", "none")],
)
def test_it_names_what_does_not_go_together(field, value, bureau, acting, clock):
    with pytest.raises(FormError) as refusal:
        enter(bureau, acting, clock, **{field: value})
    assert set(refusal.value.faults) == {field}
