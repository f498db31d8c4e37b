"""The head of the bureau has nobody above: the leading group decides in place of that seat, as the catalog says."""

import json

import pytest
from django.test import Client

from anzhang.casework import eligibility, queries, reconciliation, route_changes, routes, stand_ins
from anzhang.casework import procedures as cases
from anzhang.casework.models import Case, Finding
from anzhang.casework.routes import Need, RouteError
from anzhang.directory.models import Assignment, LeadingGroupMember
from anzhang.permissions import RefusedError, system
from anzhang.rooms.models import MachineRoom
from anzhang.systems.models import System
from tests.casework.paths import file, person, post, route, step, walk
from tests.web.visitors import enter

STAND_IN = {"who": ["leading_group"], "need": "majority"}
HEAD = route(step("head", "unit_head@applicant", otherwise=["super_head@applicant"], stand_in=STAND_IN), articles=[3])
ABOVE = route(step("above", "super_head@applicant", stand_in=STAND_IN), articles=[3])
WITH_STAND_IN = sorted(key for key, way in routes.current().items() if any(each.stand_in for each in way.steps))


def refused(call, *given):
    with pytest.raises(RefusedError) as refusal:
        call(*given)
    return refusal.value.code


def test_no_route_of_the_catalog_leaves_the_head_of_the_bureau_without_deciders(bureau, clock):
    assert len(WITH_STAND_IN) > 8
    MachineRoom.objects.create(code="R1", name="主楼机房", unit=bureau.unit["HRSS"], in_service_on=clock.now.date())
    System.objects.create(
        code="S1", name="本级系统", kind="business", managing_unit=bureau.unit["HRSS"], responsible_unit=bureau.unit["HRSS"]
    )
    for key in WITH_STAND_IN:
        asked = {"unit": bureau.unit["HRSS"], "applicant": bureau.named("高建国"), "form": {"room": "R1", "system": "S1"}, "rules": {}}
        case = Case.objects.create(number=key, route=key, filed_at=clock.now, **asked)
        settled = stand_ins.settled(routes.current()[key], case, clock.now)
        for case.step, each in enumerate(settled.steps):
            assert eligibility.convene(case, each, clock.now).fault is None, (key, each.key)
        assert ("leading_group",) in {each.who for each in settled.steps}


def test_every_step_of_the_catalog_that_asks_the_head_above_has_a_stand_in():
    asked = [each for way in routes.current().values() for each in way.steps if "super_head@applicant" in (*each.who, *each.otherwise)]
    when_below = [each for each in asked if any(condition.field == "unit_kind" for condition in each.when)]
    assert [each.key for each in asked if each.stand_in is None] == []
    assert len(asked) > len(when_below) > 0


@pytest.mark.parametrize("way", [HEAD, ABOVE])
def test_the_group_decides_by_majority_and_never_the_applicant(way, bureau, acting, clock):
    case = file(bureau, acting, clock, way, "gaojianguo")
    assert (case.fault, queries.step_of(case).need) == ("", Need.MAJORITY)
    assert refused(cases.agree, acting("gaojianguo"), case, "同意", clock.now) == "own_case"
    case = walk(case, bureau.named("何敏"), at=clock.now)
    assert case.state == Case.State.OPEN, "two of three: the chair who asks counts in the body and does not vote"
    assert walk(case, bureau.named("林涛"), at=clock.now).state == Case.State.APPROVED


def test_whoever_else_of_the_bureau_asks_is_decided_by_its_head(bureau, acting, clock):
    case = file(bureau, acting, clock, HEAD, "hemin")
    assert queries.step_of(case).who == ("unit_head@applicant",)
    assert walk(case, bureau.named("高建国"), at=clock.now).state == Case.State.APPROVED


def test_an_acting_head_of_the_bureau_decides_before_the_group_is_asked(bureau, acting, clock):
    post(clock, bureau.named("何敏"), "acting_head", unit=bureau.unit["HRSS"])
    assert walk(file(bureau, acting, clock, HEAD, "gaojianguo"), bureau.named("何敏"), at=clock.now).state == Case.State.APPROVED


def test_a_vacant_seat_above_stays_a_finding_and_is_not_stood_in_for(bureau, acting, clock):
    Assignment.objects.filter(person=bureau.named("高建国")).update(valid_to=clock.now)
    case = file(bureau, acting, clock, HEAD, "liuyang")
    assert (case.fault, queries.step_of(case).who) == ("too_few", ("unit_head@applicant",))


def test_a_group_too_small_to_stand_in_is_a_finding(bureau, acting, clock):
    LeadingGroupMember.objects.filter(person=bureau.named("林涛")).update(valid_to=clock.now)
    LeadingGroupMember.objects.filter(person=bureau.named("何敏")).update(valid_to=clock.now)
    case = file(bureau, acting, clock, HEAD, "gaojianguo")
    assert case.fault == "too_few"
    reconciliation.run(system("reconcile"), clock.now)
    assert Finding.objects.get(subject=f"case:{case.number}").obligation == "A04.1"


def test_what_was_settled_at_filing_stays_when_posts_move(bureau, acting, clock):
    case = file(bureau, acting, clock, HEAD, "gaojianguo")
    Assignment.objects.filter(person=bureau.named("高建国")).update(valid_to=clock.advance(hours=1))
    post(clock, person(bureau, "P900"), "unit_head", unit=bureau.unit["HRSS"])
    cases.refresh_cases(system("cases"), clock.advance(minutes=1))
    case.refresh_from_db()
    assert walk(case, bureau.named("何敏"), bureau.named("林涛"), at=clock.now).state == Case.State.APPROVED


def test_a_units_own_route_keeps_the_stand_in(bureau, acting, clock):
    steps = route_changes.as_rules(routes.current()["officer_appointment"])
    steps[0].pop("stand_in")
    with pytest.raises(RefusedError) as refusal:
        route_changes.proposed("officer_appointment", json.dumps(steps))
    assert "替代办理人不能更换" in refusal.value.message


@pytest.mark.parametrize(
    "stand_in", [{"who": ["king"]}, {"who": []}, {"who": ["office"], "effect": "x"}, {"who": ["office"], "days": 999}, "office"]
)
def test_a_stand_in_outside_the_closed_set_is_refused(stand_in):
    with pytest.raises(RouteError):
        route(step("head", "unit_head@applicant", stand_in=stand_in))


def test_only_a_deciding_step_that_needs_one_has_a_stand_in():
    with pytest.raises(RouteError):
        route(step("pair", "unit_head@applicant", "office", need="all", stand_in=STAND_IN))
    with pytest.raises(RouteError):
        route(step("head", "unit_head@applicant"), step("in", "office", kind="receive", stand_in=STAND_IN))


def test_the_form_says_beforehand_who_will_decide(bureau):
    head, other = (enter(Client(), bureau.user[name]).get("/cases/new/back_entry/").text for name in ("gaojianguo", "hemin"))
    assert "领导小组代行审批" in head
    assert "领导小组代行审批" not in other
    assert "第二人核对原件" in other
