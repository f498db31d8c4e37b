"""Nobody decides on their own case, nobody decides twice, and nobody decides from anywhere but a browser with a second factor."""

import dataclasses

import pytest

from anzhang.casework import procedures as cases
from anzhang.casework.models import Act, Case
from anzhang.permissions import Administrator, RefusedError, Via, system
from tests.casework.paths import acting_as, file, post, route, step

ONE = route(step("head", "unit_head@applicant", otherwise=["super_head@applicant"]))


def refused(call, *given):
    with pytest.raises(RefusedError) as refusal:
        call(*given)
    return refusal.value.code


@pytest.mark.parametrize("verb", [cases.agree, cases.refuse, cases.send_back])
def test_the_applicant_never_decides(verb, bureau, acting, clock):
    case = file(bureau, acting, clock, route(step("all", "staff@applicant")))
    assert refused(verb, acting("zhanghua"), case, "同意", clock.now) == "own_case"


@pytest.mark.parametrize("administrator", [Administrator.SYSTEM_ADMIN, Administrator.SECURITY_ADMIN])  # the auditor files none
def test_an_administrator_never_decides_their_own_case(administrator, bureau, acting, clock):
    username = {"system_admin": "guolei", "security_admin": "mali"}[administrator]
    case = file(bureau, acting, clock, route(step("all", "staff@applicant")), username)
    assert acting(username).administrator is administrator
    assert refused(cases.agree, acting(username), case, "同意", clock.now) == "own_case"


def test_an_administrator_decides_nothing_by_that_office(bureau, acting, clock):
    case = file(bureau, acting, clock, ONE)
    for username in ("guolei", "mali", "chenjing"):
        assert refused(cases.agree, acting(username), case, "同意", clock.now) == "not_your_step"


def test_a_heads_own_case_goes_to_the_head_above(bureau, acting, clock):
    case = file(bureau, acting, clock, ONE, "liuyang")
    assert refused(cases.agree, acting("liuyang"), case, "同意", clock.now) == "own_case"
    assert cases.agree(acting("gaojianguo"), case, "同意", clock.now).state == Case.State.APPROVED


def test_the_head_above_stands_in_for_nobody_else(bureau, acting, clock):
    case = file(bureau, acting, clock, ONE)
    assert refused(cases.agree, acting("gaojianguo"), case, "同意", clock.now) == "not_your_step"


def test_a_stranger_decides_nothing(bureau, acting, clock):
    case = file(bureau, acting, clock, ONE)
    assert refused(cases.agree, acting("zhouwei"), case, "同意", clock.now) == "not_your_step"


def test_nobody_decides_two_steps_of_a_case(bureau, acting, clock):
    post(clock, bureau.named("刘洋"), "office_member", unit=bureau.unit["LGO"])
    case = file(bureau, acting, clock, route(step("head", "unit_head@applicant"), step("office", "office")))
    case = cases.agree(acting("liuyang"), case, "同意", clock.now)
    assert refused(cases.agree, acting("liuyang"), case, "同意", clock.now) == "decided_other_step"
    assert cases.agree(acting("wujie"), case, "同意", clock.now).state == Case.State.APPROVED


def test_nobody_decides_a_second_step_in_a_later_round(bureau, acting, clock):
    post(clock, bureau.named("刘洋"), "office_member", unit=bureau.unit["LGO"])
    way = route(step("head", "unit_head@applicant"), step("office", "office"))
    case = cases.agree(acting("liuyang"), file(bureau, acting, clock, way), "同意", clock.now)
    case = cases.send_back(acting("wujie"), case, "补正", clock.now)
    case = cases.resubmit(acting("zhanghua"), case, None, clock.now)
    case = cases.agree(acting("liuyang"), case, "同意", clock.now)
    assert refused(cases.agree, acting("liuyang"), case, "同意", clock.now) == "decided_other_step"


@pytest.mark.parametrize("verb", [cases.agree, cases.refuse, cases.send_back])
@pytest.mark.parametrize("via", [Via.API, Via.CLI, Via.JOB, Via.DAEMON, Via.SETUP])
def test_tokens_commands_and_jobs_decide_nothing(via, verb, bureau, acting, clock):
    case = file(bureau, acting, clock, ONE)
    actor = dataclasses.replace(acting("liuyang"), via=via)
    assert refused(verb, actor, case, "同意", clock.now) == "not_browser"
    assert refused(verb, system("reconcile"), case, "同意", clock.now) == "not_browser"


def test_a_session_without_second_factor_decides_nothing(bureau, acting, clock):
    case = file(bureau, acting, clock, ONE)
    actor = dataclasses.replace(acting("liuyang"), second_factor=False)
    assert refused(cases.agree, actor, case, "同意", clock.now) == "no_second_factor"


def test_an_account_without_a_person_decides_nothing(bureau, acting, clock):
    case = file(bureau, acting, clock, ONE)
    actor = dataclasses.replace(acting("liuyang"), person_id=None)
    assert refused(cases.agree, actor, case, "同意", clock.now) == "not_a_person"


def test_nobody_votes_twice_in_a_step(bureau, acting, clock):
    case = file(bureau, acting, clock, route(step("group", "leading_group", need="majority")))
    case = cases.agree(acting("hemin"), case, "同意", clock.now)
    assert refused(cases.agree, acting("hemin"), case, "同意", clock.now) == "already_decided"
    assert refused(cases.refuse, acting("hemin"), case, "反悔", clock.now) == "already_decided"
    assert case.state == Case.State.OPEN


def test_a_refused_act_leaves_nothing_behind(bureau, acting, clock):
    case = file(bureau, acting, clock, ONE)
    before = list(Act.objects.values_list("pk", flat=True))
    refused(cases.agree, acting("zhanghua"), case, "同意", clock.now)
    refused(cases.agree, acting("zhouwei"), case, "同意", clock.now)
    assert list(Act.objects.values_list("pk", flat=True)) == before


def test_somebody_who_left_decides_nothing(bureau, acting, clock):
    case = file(bureau, acting, clock, ONE)
    bureau.named("刘洋").__class__.objects.filter(code="P020").update(left_on=clock.now.date())
    assert refused(cases.agree, acting("liuyang"), case, "同意", clock.now) == "post_ended"


def test_a_successor_decides_in_place_of_the_head_before(bureau, acting, clock):
    case = file(bureau, acting, clock, ONE)
    before = bureau.named("刘洋").assignment_set.get(duty="unit_head")
    before.valid_to = clock.now
    before.save()
    post(clock, bureau.person["P021"], "unit_head")
    assert refused(cases.agree, acting("liuyang"), case, "同意", clock.now) == "post_ended"
    assert cases.agree(acting_as(bureau.person["P021"]), case, "同意", clock.now).state == Case.State.APPROVED
