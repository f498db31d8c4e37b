"""Hand a turn over, take it back, ask for one more signature: within a delegation, and never more than the principal could."""

from datetime import timedelta

import pytest

from anzhang.casework import procedures as cases
from anzhang.casework import turns
from anzhang.casework.models import Act, Approval, Case, Notice, Todo
from anzhang.directory.models import Delegation
from anzhang.journal.models import Entry
from anzhang.journal.procedures import row_digest
from anzhang.permissions import RefusedError
from tests.casework.paths import acting_as, delegate_by_row, file, person, post, route, step, walk

ONE = route(step("head", "unit_head@applicant", otherwise=["super_head@applicant"]), step("office", "office"))
PAIR = route(step("pair", "unit_head@applicant", "security_officer@applicant", need="all"), step("office", "office"))
GROUP = route(step("group", "leading_group", need="majority"))


def refused(call, *given):
    with pytest.raises(RefusedError) as refusal:
        call(*given)
    return refusal.value.code


def waiting(case: Case) -> set[str]:
    return set(Todo.objects.filter(case=case, closed_at=None).values_list("person__code", flat=True))


@pytest.fixture
def case(bureau, acting, clock):
    return file(bureau, acting, clock, ONE)


@pytest.fixture
def row(bureau, clock, case):
    """刘洋 lets 孙丽 sign as head of 就业促进处 for a week."""
    return delegate_by_row(clock, bureau.named("刘洋"), bureau.named("孙丽"), "unit_head")


def test_a_turn_goes_to_the_deputy_and_counts_as_the_principals_seat(bureau, acting, clock, case, row):
    case = turns.delegate(acting("liuyang"), case, bureau.named("孙丽"), "出差", clock.now)
    assert waiting(case) == {"P021"}
    assert Todo.objects.get(case=case, person=bureau.named("刘洋")).outcome == Todo.Outcome.DELEGATED
    assert Notice.objects.filter(person=bureau.named("孙丽"), code="todo_opened").count() == 1
    case = cases.agree(acting("sunli"), case, "同意", clock.now)
    assert case.step == 1
    act = Act.objects.get(case=case, verb="agree")
    assert (act.person, act.principal) == (bureau.named("孙丽"), bureau.named("刘洋"))
    assert Entry.objects.filter(object_type="act", object_key=str(act.pk)).get().after == row_digest(act)


def test_it_refuses_without_a_delegation(bureau, acting, clock, case):
    assert refused(turns.delegate, acting("liuyang"), case, bureau.named("孙丽"), "", clock.now) == "no_delegation"
    assert waiting(case) == {"P020"}


@pytest.mark.parametrize("days", [-1, 8])
def test_it_refuses_outside_the_dates_of_the_delegation(days, bureau, acting, clock, case, row):
    at = clock.now + timedelta(days=days)
    assert refused(turns.delegate, acting("liuyang"), case, bureau.named("孙丽"), "", at) == "no_delegation"


def test_it_refuses_a_delegation_of_another_role(bureau, acting, clock, case):
    delegate_by_row(clock, bureau.named("刘洋"), bureau.named("孙丽"), "leading_group")
    assert refused(turns.delegate, acting("liuyang"), case, bureau.named("孙丽"), "", clock.now) == "no_delegation"


def test_the_turn_returns_when_the_delegation_ends_before_the_deputy_acts(bureau, acting, clock, case, row):
    case = turns.delegate(acting("liuyang"), case, bureau.named("孙丽"), "", clock.now)
    at = clock.advance(days=8)
    assert refused(cases.agree, acting("sunli"), case, "同意", at) == "post_ended"
    assert cases.agree(acting("liuyang"), case, "同意", at).step == 1


def test_the_sweep_gives_the_turn_back_when_the_delegation_ends(bureau, acting, clock, case, row):
    case = turns.delegate(acting("liuyang"), case, bureau.named("孙丽"), "", clock.now)
    cases.refresh_cases(acting("liuyang"), clock.advance(days=8))
    assert waiting(case) == {"P020"}


def test_a_vote_given_while_the_delegation_ran_stands(bureau, acting, clock):
    way = route(step("pair", "unit_head@applicant", "security_officer@applicant", need="all"))
    bureau_officer = bureau.named("唐欣")
    from anzhang.organization.models import Officer

    Officer.objects.create(unit=bureau.unit["JYC"], person=bureau_officer, valid_from=clock.now, recorded_at=clock.now)
    case = file(bureau, acting, clock, way)
    delegate_by_row(clock, bureau.named("刘洋"), bureau.named("孙丽"), "unit_head")
    case = turns.delegate(acting("liuyang"), case, bureau.named("孙丽"), "", clock.now)
    case = cases.agree(acting("sunli"), case, "同意", clock.now)
    assert case.state == Case.State.OPEN
    case = cases.agree(acting_as(bureau_officer), case, "同意", clock.advance(days=9))
    assert case.state == Case.State.APPROVED


def test_the_deputy_decides_nothing_the_principal_could_not(bureau, acting, clock):
    """The applicant is no deputy, and who decided an earlier step decides no later one through somebody else's seat."""
    case = file(bureau, acting, clock, ONE, "sunli")
    delegate_by_row(clock, bureau.named("刘洋"), bureau.named("孙丽"), "unit_head")
    assert refused(turns.delegate, acting("liuyang"), case, bureau.named("孙丽"), "", clock.now) == "barred"
    delegate_by_row(clock, bureau.named("郑凯"), bureau.named("刘洋"), "office")
    case = cases.agree(acting("liuyang"), case, "同意", clock.now)
    assert refused(turns.delegate, acting("zhengkai"), case, bureau.named("刘洋"), "", clock.now) == "barred"


def test_whose_seat_was_filled_does_not_decide_a_later_step(bureau, acting, clock, row, case):
    post(clock, bureau.named("刘洋"), "office_member", unit=bureau.unit["LGO"])
    case = turns.delegate(acting("liuyang"), case, bureau.named("孙丽"), "", clock.now)
    case = cases.agree(acting("sunli"), case, "同意", clock.now)
    for username in ("liuyang", "sunli"):
        assert refused(cases.agree, acting(username), case, "同意", clock.now) == "decided_other_step"


def test_nobody_carries_two_seats_of_a_vote(bureau, acting, clock):
    case = file(bureau, acting, clock, GROUP)
    for name in ("何敏", "林涛"):
        delegate_by_row(clock, bureau.named(name), bureau.named("高建国"), "leading_group")
        delegate_by_row(clock, bureau.named(name), bureau.named("周伟"), "leading_group")
    assert refused(turns.delegate, acting("hemin"), case, bureau.named("高建国"), "", clock.now) == "has_a_turn"
    case = turns.delegate(acting("hemin"), case, bureau.named("周伟"), "", clock.now)
    assert refused(turns.delegate, acting("lintao"), case, bureau.named("周伟"), "", clock.now) == "has_a_turn"
    case = cases.agree(acting("zhouwei"), case, "同意", clock.now)
    assert case.state == Case.State.OPEN
    assert refused(cases.agree, acting("zhouwei"), case, "同意", clock.now) == "already_decided"
    assert cases.agree(acting("lintao"), case, "同意", clock.now).state == Case.State.APPROVED


def test_a_deputy_does_not_pass_the_turn_on(bureau, acting, clock, case, row):
    delegate_by_row(clock, bureau.named("孙丽"), bureau.named("唐欣"), "unit_head")
    case = turns.delegate(acting("liuyang"), case, bureau.named("孙丽"), "", clock.now)
    assert refused(turns.delegate, acting("sunli"), case, bureau.named("唐欣"), "", clock.now) == "no_seat"


def test_a_turn_is_taken_back_until_the_deputy_acts(bureau, acting, clock, case, row):
    case = turns.delegate(acting("liuyang"), case, bureau.named("孙丽"), "", clock.now)
    assert refused(cases.agree, acting("liuyang"), case, "同意", clock.now) == "handed_over"
    case = turns.take_back(acting("liuyang"), case, "", clock.now)
    assert waiting(case) == {"P020"}
    assert refused(turns.take_back, acting("liuyang"), case, "", clock.now) == "not_handed_over"
    assert refused(cases.agree, acting("sunli"), case, "同意", clock.now) == "post_ended"
    assert cases.agree(acting("liuyang"), case, "同意", clock.now).step == 1


def test_a_stranger_and_a_token_hand_nothing_over(bureau, acting, clock, case, row):
    import dataclasses

    from anzhang.permissions import Via

    assert refused(turns.delegate, acting("zhouwei"), case, bureau.named("孙丽"), "", clock.now) == "not_your_step"
    token = dataclasses.replace(acting("liuyang"), via=Via.API)
    assert refused(turns.delegate, token, case, bureau.named("孙丽"), "", clock.now) == "not_browser"
    assert refused(turns.take_back, token, case, "", clock.now) == "not_browser"


# Added signers


def test_a_signer_before_signs_first(bureau, acting, clock, case):
    case = turns.add_signer(acting("liuyang"), case, bureau.named("李明"), "before", "请信息中心核对", clock.now)
    assert waiting(case) == {"P020", "P011"}
    assert refused(cases.agree, acting("liuyang"), case, "同意", clock.now) == "signers_first"
    case = cases.agree(acting("liming"), case, "已核对", clock.now)
    assert (case.step, waiting(case)) == (0, {"P020"})
    assert cases.agree(acting("liuyang"), case, "同意", clock.now).step == 1


def test_a_signer_after_is_called_when_the_quorum_stands(bureau, acting, clock, case):
    case = turns.add_signer(acting("liuyang"), case, bureau.named("李明"), "after", "会签", clock.now)
    assert waiting(case) == {"P020"}
    assert refused(cases.agree, acting("liming"), case, "同意", clock.now) == "not_yet"
    case = cases.agree(acting("liuyang"), case, "同意", clock.now)
    assert (case.step, waiting(case)) == (0, {"P011"})
    assert cases.agree(acting("liming"), case, "同意", clock.now).step == 1


@pytest.mark.parametrize("placement", ["before", "after"])
def test_a_signer_who_refuses_ends_the_case(placement, bureau, acting, clock, case):
    case = turns.add_signer(acting("liuyang"), case, bureau.named("李明"), placement, "会签", clock.now)
    if placement == "after":
        case = cases.agree(acting("liuyang"), case, "同意", clock.now)
    assert cases.refuse(acting("liming"), case, "不符合要求", clock.now).state == Case.State.REFUSED


def test_a_signer_never_makes_up_for_a_missing_head(bureau, acting, clock, case):
    """The signature comes on top: without the head the step does not pass."""
    case = turns.add_signer(acting("liuyang"), case, bureau.named("李明"), "before", "会签", clock.now)
    case = cases.agree(acting("liming"), case, "同意", clock.now)
    assert (case.step, case.state) == (0, Case.State.OPEN)
    assert not Approval.objects.exists()


def test_a_signer_who_leaves_is_waited_for_no_longer(bureau, acting, clock, case):
    case = turns.add_signer(acting("liuyang"), case, bureau.named("李明"), "before", "会签", clock.now)
    signer = bureau.named("李明")
    signer.left_on = clock.now.date()
    signer.save()
    case = cases.agree(acting("liuyang"), case, "同意", clock.now)
    assert case.step == 1


def test_it_refuses_signers_who_may_not_or_need_not_sign(bureau, acting, clock, case):
    def add(who, placement="before", why="会签", by="liuyang"):
        return refused(turns.add_signer, acting(by), case, who, placement, why, clock.now)

    assert add(bureau.named("张华")) == "barred"  # the applicant
    assert add(bureau.named("刘洋")) == "has_a_turn"
    assert add(bureau.named("李明"), why=" ") == "reason_needed"
    assert add(bureau.named("李明"), placement="aside") == "placement"
    assert add(bureau.named("李明"), by="zhouwei") == "not_your_step"
    gone = person(bureau, "P900", left_on=clock.now.date())
    assert add(gone) == "barred"


def test_voted_and_receiving_steps_take_no_signers(bureau, acting, clock):
    case = file(bureau, acting, clock, GROUP)
    assert refused(turns.add_signer, acting("hemin"), case, bureau.named("李明"), "before", "x", clock.now) == "body_votes"
    way = route(step("head", "unit_head@applicant"), step("file", "office", kind="receive"))
    case = walk(file(bureau, acting, clock, way), bureau.named("刘洋"), at=clock.now)
    assert refused(turns.add_signer, acting("zhengkai"), case, bureau.named("李明"), "before", "x", clock.now) == "receive_only"


def test_a_returned_case_starts_without_the_signers_of_the_round_before(bureau, acting, clock, case):
    case = turns.add_signer(acting("liuyang"), case, bureau.named("李明"), "before", "会签", clock.now)
    case = cases.send_back(acting("liuyang"), case, "补充说明", clock.now)
    case = cases.resubmit(acting("zhanghua"), case, None, clock.now)
    assert waiting(case) == {"P020"}


# Where the authority comes from


def file_delegation(bureau, acting, clock, username="liuyang", **form):
    applicant = bureau.user[username].person
    given = {"deputy": "P021", "duty": "unit_head", "last_on": "2026-12-04", "reason": "出差", **form}
    return cases.file_case(acting(username), "delegation", applicant.unit, applicant, "", given, clock.now)


def test_a_delegation_is_given_by_an_approved_case_and_ends_by_itself(bureau, acting, clock):
    case = file_delegation(bureau, acting, clock)
    case = walk(case, bureau.named("高建国"), bureau.named("郑凯"), at=clock.now)
    assert case.state == Case.State.APPROVED
    row = Delegation.objects.get()
    assert (row.principal, row.deputy, row.duty) == (bureau.named("刘洋"), bureau.named("孙丽"), "unit_head")
    assert row.basis == Approval.objects.get(case=case)
    assert f"{row.valid_to.isoformat()}" == "2026-12-04T16:00:00+00:00"  # the end of that Beijing day
    turn = file(bureau, acting, clock, ONE)
    assert turns.delegate(acting("liuyang"), turn, bureau.named("孙丽"), "", clock.now).state == Case.State.OPEN
    late = file(bureau, acting, clock, ONE)
    at = row.valid_to
    assert refused(turns.delegate, acting("liuyang"), late, bureau.named("孙丽"), "", at) == "no_delegation"


def test_a_seat_in_the_group_is_delegated_by_the_groups_vote(bureau, acting, clock):
    case = file_delegation(bureau, acting, clock, "hemin", duty="leading_group", deputy="P010")
    case = walk(case, bureau.named("郑凯"), at=clock.now)
    assert cases.queries.step_of(case).key == "group"
    case = walk(case, bureau.named("高建国"), bureau.named("林涛"), at=clock.now)
    assert Delegation.objects.get().duty == "leading_group"


def test_a_delegation_to_oneself_or_twice_is_refused_to_the_last_signer(bureau, acting, clock):
    case = walk(file_delegation(bureau, acting, clock, deputy="P020"), bureau.named("高建国"), at=clock.now)
    assert refused(cases.agree, acting("zhengkai"), case, "同意", clock.now) == "own_deputy"
    walk(file_delegation(bureau, acting, clock), bureau.named("高建国"), bureau.named("郑凯"), at=clock.now)
    again = walk(file_delegation(bureau, acting, clock), bureau.named("高建国"), at=clock.now)
    assert refused(cases.agree, acting("zhengkai"), again, "同意", clock.now) == "delegation_overlaps"


def test_an_acting_head_decides_from_day_to_day(bureau, acting, clock):
    form = {"person": "P021", "last_on": "2026-11-30", "reason": "处长出国"}
    applicant = bureau.named("张华")
    case = cases.file_case(acting("zhanghua"), "acting_head", applicant.unit, applicant, "", form, clock.now)
    case = walk(case, bureau.named("高建国"), bureau.named("郑凯"), at=clock.now)
    assert case.state == Case.State.APPROVED
    turn = file(bureau, acting, clock, ONE)
    assert waiting(turn) == {"P020", "P021"}
    assert cases.agree(acting("sunli"), turn, "同意", clock.now).step == 1
    late = file(bureau, acting, clock, ONE)
    assert refused(cases.agree, acting("sunli"), late, "同意", clock.advance(days=7)) == "post_ended"


def test_the_archived_record_says_in_whose_seat_a_deputy_signed(bureau, acting, clock, case, row):
    from anzhang.casework.documents import record_of

    turns.delegate(acting("liuyang"), case, bureau.named("孙丽"), "出差", clock.now)
    cases.agree(acting("sunli"), case, "同意", clock.now)
    filed, handed, signed = record_of(Case.objects.get(pk=case.pk))["acts"]
    assert "principal" not in filed
    assert handed["target"]["code"] == "P021"
    assert (signed["person"]["code"], signed["principal"]["code"]) == ("P021", "P020")
