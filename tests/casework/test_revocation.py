"""Approvals end: by their authority, by a case, by the calendar; and what rested on them ends too."""

import json
from datetime import timedelta

import pytest

from anzhang.casework import procedures as cases
from anzhang.casework import queries, revocation
from anzhang.casework.models import Act, Approval, Case, Notice
from anzhang.directory.models import Assignment, Delegation
from anzhang.journal.models import Entry
from anzhang.journal.procedures import row_digest
from anzhang.permissions import RefusedError, system
from tests.casework.paths import file, route, step, walk

HEAD = route(step("head", "unit_head@applicant"), valid_days=30)
OFFICE = route(step("office", "office"), authority="office")
GROUP = route(step("group", "leading_group", need="majority"), authority="leading_group")
SWEEP = system("approvals")


def refused(call, *given):
    with pytest.raises(RefusedError) as refusal:
        call(*given)
    return refusal.value.code


@pytest.fixture
def granted(bureau, acting, clock):
    """What 刘洋 has granted to 张华 for thirty days."""
    return walk(file(bureau, acting, clock, HEAD), bureau.named("刘洋"), at=clock.now)


def test_the_authority_takes_its_approval_back_and_gates_stop_at_once(granted, acting, clock):
    assert queries.in_force("trial", clock.now).count() == 1
    at = clock.advance(hours=1)
    case = revocation.revoke(acting("liuyang"), granted, "用途已变", at)
    assert case.state == Case.State.REVOKED
    assert not queries.in_force("trial", at).exists()
    assert queries.in_force("trial", at - timedelta(minutes=1)).count() == 1  # what was entitled before stays so
    row = queries.approval_of(case)
    assert (row.revoked_at, row.valid_to) == (at, at)
    assert Entry.objects.filter(object_type="approval", object_key=str(row.pk)).order_by("-index")[0].after == row_digest(row)
    assert Act.objects.filter(case=case, verb="revoke").get().opinion == "用途已变"
    assert Notice.objects.filter(code="approval_revoked", person=case.applicant).count() == 1
    assert refused(revocation.revoke, acting("liuyang"), case, "再撤", at) == "ended"


def test_the_approval_before_the_revocation_stays_answerable(granted, acting, clock):
    """Who was entitled at that minute is still said by the row: it began, and ended when it was revoked."""
    began, at = clock.now, clock.advance(hours=1)
    revocation.revoke(acting("liuyang"), granted, "用途已变", at)
    row = queries.approval_of(granted)
    assert row.valid_from == began
    assert Approval.objects.filter(case=granted, superseded_at=at).get().valid_to != at


def test_it_refuses_everybody_else(granted, acting, clock):
    assert refused(revocation.revoke, acting("zhouwei"), granted, "x", clock.now) == "not_the_authority"
    assert refused(revocation.revoke, acting("zhanghua"), granted, "x", clock.now) == "own_case"
    assert refused(revocation.revoke, acting("liuyang"), granted, " ", clock.now) == "reason_needed"


def test_it_refuses_what_was_not_granted(bureau, acting, clock):
    case = file(bureau, acting, clock, HEAD)
    assert refused(revocation.revoke, acting("liuyang"), case, "x", clock.now) == "not_granted"


def test_one_member_is_not_the_group(bureau, acting, clock):
    case = walk(file(bureau, acting, clock, GROUP), bureau.named("高建国"), bureau.named("何敏"), at=clock.now)
    assert refused(revocation.revoke, acting("gaojianguo"), case, "x", clock.now) == "not_the_authority"


def ask(bureau, acting, clock, case, username="sunli"):
    person = bureau.user[username].person
    return cases.file_case(
        acting(username), "revocation", person.unit, person, "", {"approval": case.number, "reason": "不再需要"}, clock.now
    )


def test_a_case_revokes_what_another_case_granted(granted, bureau, acting, clock):
    asked = ask(bureau, acting, clock, granted)
    assert walk(asked, bureau.named("郑凯"), at=clock.now).state == Case.State.APPROVED
    granted.refresh_from_db()
    assert granted.state == Case.State.REVOKED
    assert asked.number in Act.objects.get(case=granted, verb="revoke").opinion


def test_what_the_group_granted_only_its_vote_revokes(bureau, acting, clock):
    case = walk(file(bureau, acting, clock, GROUP), bureau.named("高建国"), bureau.named("何敏"), at=clock.now)
    asked = walk(ask(bureau, acting, clock, case), bureau.named("郑凯"), at=clock.now)
    assert (asked.state, queries.step_of(asked).key) == (Case.State.OPEN, "group")
    walk(asked, bureau.named("高建国"), bureau.named("林涛"), at=clock.now)
    case.refresh_from_db()
    assert case.state == Case.State.REVOKED


def test_the_office_alone_revokes_what_no_group_granted(granted, bureau, acting, clock):
    """The voting step takes part only where the group is the authority."""
    asked = ask(bureau, acting, clock, granted)
    assert walk(asked, bureau.named("吴洁"), at=clock.now).state == Case.State.APPROVED


def test_posts_that_rest_on_a_revoked_approval_end(bureau, acting, clock):
    person = bureau.named("张华")
    form = {"person": "P023", "duty": "developer"}
    case = cases.file_case(acting("zhanghua"), "assignment", person.unit, person, "", form, clock.now)
    case = walk(case, bureau.named("刘洋"), at=clock.now)
    post = Assignment.objects.get(basis=queries.approval_of(case))
    at = clock.advance(days=2)
    revocation.revoke(acting("liuyang"), case, "人员调整", at)
    post.refresh_from_db()
    assert post.valid_to == at
    assert not Assignment.objects.filter(Assignment.in_force(at), pk=post.pk).exists()


def test_a_delegation_ends_with_its_approval(bureau, acting, clock):
    person = bureau.named("刘洋")
    form = {"deputy": "P021", "duty": "unit_head", "last_on": "2026-12-31", "reason": "出差"}
    case = cases.file_case(acting("liuyang"), "delegation", person.unit, person, "", form, clock.now)
    case = walk(case, bureau.named("高建国"), bureau.named("郑凯"), at=clock.now)
    revocation.revoke(acting("wujie"), case, "已返回", clock.advance(days=1))
    assert Delegation.objects.get(superseded_at=None).valid_to == clock.now


# Expiry


def test_gates_stop_at_the_minute_and_the_sweep_says_so_once(granted, clock):
    row = queries.approval_of(granted)
    assert queries.in_force("trial", row.valid_to - timedelta(seconds=1)).exists()
    assert not queries.in_force("trial", row.valid_to).exists()
    assert revocation.expire(SWEEP, row.valid_to) == 1
    assert revocation.expire(SWEEP, row.valid_to) == 0
    assert Notice.objects.filter(code="approval_expired").count() == 1
    row.refresh_from_db()
    assert Entry.objects.filter(object_type="approval", object_key=str(row.pk)).order_by("-index")[0].after == row_digest(row)


def test_the_holder_is_told_a_week_before_once(granted, clock):
    row = queries.approval_of(granted)
    assert revocation.expire(SWEEP, row.valid_to - timedelta(days=8)) == 0
    assert revocation.expire(SWEEP, row.valid_to - timedelta(days=6)) == 1
    assert revocation.expire(SWEEP, row.valid_to - timedelta(days=5)) == 0
    assert Notice.objects.get(code="approval_ends").person == granted.applicant


def test_a_short_approval_is_not_announced_as_ending_from_its_first_hour(bureau, acting, clock):
    way = route(step("head", "unit_head@applicant"), valid_days=3)
    walk(file(bureau, acting, clock, way), bureau.named("刘洋"), at=clock.now)
    assert revocation.expire(SWEEP, clock.now) == 0


def test_a_revoked_approval_does_not_expire_again(granted, acting, clock):
    revocation.revoke(acting("liuyang"), granted, "x", clock.now)
    assert revocation.expire(SWEEP, clock.advance(days=60)) == 0


def test_an_unknown_approval_is_named_at_filing(bureau, acting, clock):
    from anzhang.casework.forms import FormError

    person = bureau.named("孙丽")
    with pytest.raises(FormError) as refusal:
        cases.file_case(acting("sunli"), "revocation", person.unit, person, "", {"approval": "2026-9999", "reason": "x"}, clock.now)
    assert set(refusal.value.faults) == {"approval"}
    assert json.dumps(refusal.value.faults, ensure_ascii=False).count("2026-9999") == 1
