"""How many must agree: one, all, k, majority; ties, impossible majorities, ended terms, too few people."""

import pytest

from anzhang.casework import procedures as cases
from anzhang.casework import queries
from anzhang.casework.models import Case, Notice, Todo
from anzhang.directory.models import LeadingGroupMember
from anzhang.permissions import RefusedError, system
from tests.casework.paths import acting_as, file, person, post, route, seat, step

GROUP = route(step("group", "leading_group", need="majority"))
PAIR = route(step("both", "unit_head@applicant", "security_officer@applicant", need="all"))
TWO = route(step("two", "leading_group", need=2))


def refused(call, *given):
    with pytest.raises(RefusedError) as refusal:
        call(*given)
    return refusal.value.code


def vote(case, clock, verb, *people):
    for each in people:
        case = verb(acting_as(each), case, "意见", clock.now)
    return case


@pytest.fixture
def group(bureau):
    return [bureau.person[code] for code in ("P001", "P002", "P003")]


@pytest.fixture
def case(bureau, acting, clock):
    return file(bureau, acting, clock, GROUP)


def test_a_majority_is_more_than_half_of_all_members(case, group, clock):
    case = vote(case, clock, cases.agree, group[0])
    assert case.state == Case.State.OPEN
    assert vote(case, clock, cases.agree, group[1]).state == Case.State.APPROVED


def test_the_third_todo_is_dropped_when_the_vote_is_over(case, group, clock):
    case = vote(case, clock, cases.agree, *group[:2])
    assert list(Todo.objects.filter(case=case).order_by("person").values_list("outcome", flat=True)) == ["done", "done", "dropped"]


def test_a_tie_does_not_pass(bureau, acting, clock, group):
    fourth = person(bureau, "P004X")
    seat(clock, fourth)
    case = file(bureau, acting, clock, GROUP)
    case = vote(case, clock, cases.agree, *group[:2])
    assert case.state == Case.State.OPEN
    case = vote(case, clock, cases.refuse, group[2])
    assert case.state == Case.State.OPEN
    case = vote(case, clock, cases.refuse, fourth)
    assert case.state == Case.State.REFUSED


def test_a_vote_ends_as_soon_as_a_majority_is_impossible(case, group, clock):
    case = vote(case, clock, cases.refuse, group[0])
    assert case.state == Case.State.OPEN
    case = vote(case, clock, cases.refuse, group[2])
    assert case.state == Case.State.REFUSED
    assert refused(cases.agree, acting_as(group[1]), case, "同意", clock.now) == "case_closed"


def test_members_who_do_not_vote_count_against(bureau, acting, clock, group):
    seat(clock, *(person(bureau, f"M{n}") for n in range(2)))
    case = file(bureau, acting, clock, GROUP)
    assert vote(case, clock, cases.agree, *group[:2]).state == Case.State.OPEN


def test_an_applicant_who_is_a_member_counts_in_the_body_and_cannot_vote(bureau, acting, clock, group):
    case = file(bureau, acting, clock, GROUP, "hemin")
    assert refused(cases.agree, acting("hemin"), case, "同意", clock.now) == "own_case"
    case = vote(case, clock, cases.agree, group[0])
    assert case.state == Case.State.OPEN
    assert vote(case, clock, cases.agree, group[2]).state == Case.State.APPROVED


def test_a_member_whose_term_ended_after_the_step_opened_cannot_decide(case, group, clock):
    LeadingGroupMember.objects.filter(person=group[0]).update(valid_to=clock.now)
    assert refused(cases.agree, acting_as(group[0]), case, "同意", clock.now) == "post_ended"


def test_a_vote_counts_only_while_its_voter_sits(case, group, clock):
    case = vote(case, clock, cases.agree, group[0])
    LeadingGroupMember.objects.filter(person=group[0]).update(valid_to=clock.advance(hours=1))
    case = vote(case, clock, cases.agree, group[1])
    assert case.state == Case.State.OPEN
    assert vote(case, clock, cases.agree, group[2]).state == Case.State.APPROVED


def test_an_ended_term_makes_no_smaller_quorum(bureau, acting, clock, group):
    others = [person(bureau, f"M{n}") for n in range(2)]
    seat(clock, *others)
    case = file(bureau, acting, clock, GROUP)
    LeadingGroupMember.objects.filter(person__in=others).update(valid_to=clock.advance(hours=1))
    case = vote(case, clock, cases.agree, *group[:2])
    assert case.state == Case.State.OPEN
    assert vote(case, clock, cases.agree, group[2]).state == Case.State.APPROVED


def test_a_member_seated_after_the_step_opened_has_no_vote(bureau, case, clock):
    late = person(bureau, "M9")
    seat(clock, late)
    assert refused(cases.agree, acting_as(late), case, "同意", clock.now) == "not_your_step"


def test_a_body_with_too_few_members_left_is_a_fault_and_no_smaller_quorum(case, group, clock):
    LeadingGroupMember.objects.filter(person__in=group[1:]).update(valid_to=clock.advance(hours=1))
    case = vote(case, clock, cases.agree, group[0])
    assert (case.state, case.fault) == (Case.State.OPEN, "too_few")
    assert list(queries.stuck_cases(clock.now)) == [case]


def test_the_sweep_marks_the_fault_and_tells_the_applicant_and_the_office(bureau, case, group, clock):
    LeadingGroupMember.objects.filter(person__in=group[1:]).update(valid_to=clock.advance(hours=1))
    assert cases.refresh_cases(system("cases"), clock.now) == 1
    assert queries.stuck_cases(clock.now).get().fault == "too_few"
    told = set(Notice.objects.filter(code="case_stuck").values_list("person__name", flat=True))
    assert told == {"张华", "郑凯", "吴洁", "冯雪"}
    assert cases.refresh_cases(system("cases"), clock.now) == 0


def test_new_members_cure_the_fault_with_the_old_quorum(bureau, case, group, clock):
    case = vote(case, clock, cases.agree, group[0])
    LeadingGroupMember.objects.filter(person__in=group[1:]).update(valid_to=clock.advance(hours=1))
    cases.refresh_cases(system("cases"), clock.now)
    new = person(bureau, "M1")
    seat(clock, new)
    assert cases.refresh_cases(system("cases"), clock.now) == 1
    case = Case.objects.get(pk=case.pk)
    assert (case.fault, case.opening["need"]) == ("", 2)
    assert vote(case, clock, cases.agree, new).state == Case.State.APPROVED


def test_a_body_of_one_decides_nothing(bureau, acting, clock, group):
    LeadingGroupMember.objects.filter(person__in=group[1:]).update(valid_to=clock.now)
    case = file(bureau, acting, clock, GROUP)
    assert case.fault == "too_few"
    assert vote(case, clock, cases.agree, group[0]).state == Case.State.OPEN


def test_countersigning_needs_everybody(bureau, acting, clock):
    case = file(bureau, acting, clock, PAIR, "wangfang")
    case = cases.agree(acting("zhouwei"), case, "同意", clock.now)
    assert case.state == Case.State.OPEN
    assert cases.agree(acting("liming"), case, "同意", clock.now).state == Case.State.APPROVED


def test_one_refusal_ends_countersigning(bureau, acting, clock):
    case = file(bureau, acting, clock, PAIR, "wangfang")
    case = cases.agree(acting("zhouwei"), case, "同意", clock.now)
    assert cases.refuse(acting("liming"), case, "不妥", clock.now).state == Case.State.REFUSED


def test_a_countersigner_who_applies_is_a_fault_not_a_smaller_quorum(bureau, acting, clock):
    case = file(bureau, acting, clock, PAIR, "liming")
    assert (case.state, case.fault) == (Case.State.OPEN, "role_vacant")
    case = cases.agree(acting("zhouwei"), case, "同意", clock.now)
    assert (case.state, case.fault) == (Case.State.OPEN, "role_vacant")


def test_one_person_in_both_roles_does_not_countersign_alone(bureau, acting, clock):
    head = bureau.named("周伟")
    bureau.named("李明").officer_set.update(person=head)
    case = file(bureau, acting, clock, PAIR, "wangfang")
    assert case.fault == "too_few"
    assert cases.agree(acting("zhouwei"), case, "同意", clock.now).state == Case.State.OPEN


def test_a_vacant_post_is_a_fault(bureau, acting, clock):
    bureau.named("刘洋").assignment_set.update(valid_to=clock.now)
    case = file(bureau, acting, clock, route(step("head", "unit_head@applicant")))
    assert (case.state, case.fault, case.opening["people"]) == (Case.State.OPEN, "too_few", [])
    assert list(queries.stuck_cases(clock.now)) == [case]


def test_a_filled_post_cures_the_fault(bureau, acting, clock):
    bureau.named("刘洋").assignment_set.update(valid_to=clock.now)
    case = file(bureau, acting, clock, route(step("head", "unit_head@applicant")))
    post(clock, bureau.person["P021"], "unit_head")
    cases.refresh_cases(system("cases"), clock.now)
    assert not queries.stuck_cases(clock.now).exists()
    assert Todo.objects.get(case=case, closed_at=None).person == bureau.person["P021"]


def test_the_top_units_head_has_nobody_above(bureau, acting, clock):
    case = file(bureau, acting, clock, route(step("head", "unit_head@applicant", otherwise=["super_head@applicant"])), "gaojianguo")
    assert case.fault == "too_few"


def test_two_of_the_body_suffice_where_the_route_says_two(bureau, acting, clock, group):
    case = file(bureau, acting, clock, TWO)
    case = vote(case, clock, cases.refuse, group[0])
    assert case.state == Case.State.OPEN
    assert vote(case, clock, cases.agree, *group[1:]).state == Case.State.APPROVED


def test_the_system_managers_of_the_managing_unit_countersign(bureau, acting, clock):
    post(clock, bureau.person["P014"], "system_manager", system=bureau.system["SB01"])
    way = route(
        step("owner", "system_manager@managing", "security_officer@managing", need="all"),
        field=[{"name": "system", "kind": "system", "label": {"zh": "系统", "en": "System"}}],
    )
    case = file(bureau, acting, clock, way, form={"system": "SB01"})
    case = cases.agree(acting("guolei"), case, "同意", clock.now)
    assert cases.agree(acting("liming"), case, "同意", clock.now).state == Case.State.APPROVED


def test_another_systems_manager_does_not_countersign(bureau, acting, clock):
    post(clock, bureau.person["P014"], "system_manager", system=bureau.system["AZ01"])
    way = route(
        step("owner", "system_manager@managing"), field=[{"name": "system", "kind": "system", "label": {"zh": "系统", "en": "System"}}]
    )
    assert file(bureau, acting, clock, way, form={"system": "SB01"}).fault == "too_few"


def test_a_sweep_completes_countersigning_when_the_last_open_signer_leaves(bureau, acting, clock):
    second = post(clock, bureau.person["P014"], "system_manager", system=bureau.system["SB01"])
    post(clock, bureau.person["P012"], "system_manager", system=bureau.system["SB01"])
    way = route(
        step("owner", "system_manager@managing", need="all"),
        field=[{"name": "system", "kind": "system", "label": {"zh": "系统", "en": "System"}}],
    )
    case = file(bureau, acting, clock, way, form={"system": "SB01"})
    case = cases.agree(acting("wangfang"), case, "同意", clock.now)
    second.valid_to = clock.advance(hours=1)
    second.save()
    cases.refresh_cases(system("cases"), clock.now)
    assert Case.objects.get(pk=case.pk).state == Case.State.APPROVED


def test_an_excluded_member_makes_no_smaller_quorum(bureau, acting, clock, group):
    seat(clock, person(bureau, "M1"))
    case = file(bureau, acting, clock, GROUP, "hemin")
    # Four sit, one of them asks: three of four must agree, not two of three.
    case = vote(case, clock, cases.agree, group[0], group[2])
    assert (case.state, case.opening["need"]) == (Case.State.OPEN, 3)
