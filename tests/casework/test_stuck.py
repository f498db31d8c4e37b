"""A case that nobody can decide is a finding of the duty to keep the seat filled, until somebody sits there again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from anzhang import permissions
from anzhang.casework import parameters, reconciliation, routes, stuck
from anzhang.casework import procedures as cases
from anzhang.casework.models import Case, Finding, Notice
from anzhang.directory.models import Assignment, LeadingGroupMember
from anzhang.permissions import system
from tests.articles.stories import measure, opened, state
from tests.casework.paths import acting_as, file, person, post, route, seat, step
from tests.world import enter

GROUP = route(step("group", "leading_group", need="majority"), articles=[4])
HEAD = route(step("head", "unit_head@applicant"), articles=[5])


@pytest.fixture
def case(bureau, acting, clock) -> Case:
    return file(bureau, acting, clock, GROUP)


def end_terms(clock, *codes: str) -> None:
    LeadingGroupMember.objects.filter(person__code__in=codes).update(valid_to=clock.advance(hours=1))
    cases.refresh_cases(system("cases"), clock.now)


def test_a_leading_group_too_small_is_a_finding_until_a_new_member_sits(bureau, case, clock):
    measure(clock, "A04.1")
    assert not opened("A04.1"), "three sit, two must agree: nothing is missing"
    end_terms(clock, "P002", "P003")
    measure(clock, "A04.1")
    (finding,) = opened("A04.1", "LGO")
    assert (finding.subject, finding.severity, finding.person.name) == (f"case:{case.number}", "high", "郑凯")
    assert (finding.reason["code"], finding.reason["params"]["people"], finding.reason["params"]["need"]) == ("case_too_few", 1, 2)
    assert state("A04.1", "LGO") == "breach"
    assert Notice.objects.filter(code="finding_opened", person__name="郑凯").exists()

    new = person(bureau, "M1")
    seat(clock, new)
    cases.refresh_cases(system("cases"), clock.now)
    measure(clock, "A04.1")
    finding.refresh_from_db()
    assert finding.state == Finding.State.CLOSED
    case = cases.agree(acting_as(bureau.person["P001"]), Case.objects.get(pk=case.pk), "同意", clock.now)
    assert cases.agree(acting_as(new), case, "同意", clock.now).state == Case.State.APPROVED


def test_one_member_less_that_leaves_the_quorum_is_no_finding(case, clock):
    end_terms(clock, "P003")
    measure(clock, "A04.1")
    assert not opened("A04.1")


def test_the_last_sweeps_mark_is_not_believed(bureau, case, clock):
    end_terms(clock, "P002", "P003")
    seat(clock, person(bureau, "M1"))
    assert Case.objects.get(pk=case.pk).fault == "too_few", "the sweep has not come by since"
    measure(clock, "A04.1")
    assert not opened("A04.1")


def test_a_withdrawn_case_closes_its_finding(acting, case, clock):
    end_terms(clock, "P002", "P003")
    measure(clock, "A04.1")
    cases.withdraw(acting("zhanghua"), Case.objects.get(pk=case.pk), "不再需要", clock.now)
    measure(clock, "A04.1")
    assert not opened("A04.1")


def test_a_vacant_unit_head_is_the_units_finding_and_the_head_above_answers(bureau, acting, clock):
    bureau.named("刘洋").assignment_set.update(valid_to=clock.now)
    case = file(bureau, acting, clock, HEAD)
    measure(clock, "A03.1")
    finding = Finding.objects.get(subject=f"case:{case.number}")
    assert (finding.obligation, finding.unit.code, finding.person.name) == ("A03.1", "JYC", "高建国")
    post(clock, bureau.person["P021"], "unit_head")
    measure(clock, "A03.1")
    finding.refresh_from_db()
    assert finding.state == Finding.State.CLOSED


def test_a_countersigner_who_applies_names_the_vacant_role(bureau, acting, clock):
    pair = route(step("both", "unit_head@applicant", "security_officer@applicant", need="all"), articles=[5])
    case = file(bureau, acting, clock, pair, "liming")
    measure(clock, "A05.3", "A03.1")
    finding = Finding.objects.get(subject=f"case:{case.number}")
    assert (finding.obligation, finding.reason["code"], finding.unit.code) == ("A05.3", "case_seat_vacant", "IC")


def test_an_empty_office_is_a_finding_of_the_office(bureau, acting, clock):
    Assignment.objects.filter(unit__code="LGO").update(valid_to=clock.now)
    file(bureau, acting, clock, route(step("office", "office"), articles=[35]))
    measure(clock, "A04.4")
    assert len(opened("A04.4", "LGO")) == 1
    assert state("A04.4", "LGO") == "breach"
    post(clock, bureau.person["P005"], "office_member")
    measure(clock, "A04.4")
    assert not opened("A04.4", "LGO")


def test_it_is_found_and_closed_under_an_obligation_that_nothing_else_judges_yet(bureau, acting, clock, monkeypatch):
    known = parameters.catalog()
    bare = replace(known, obligations=tuple(replace(each, check="") if each.id == "A12.1" else each for each in known.obligations))
    monkeypatch.setattr(parameters, "catalog", lambda: bare)
    way = route(
        step("owner", "system_manager@managing"), field=[{"name": "system", "kind": "system", "label": {"zh": "系统", "en": "System"}}]
    )
    file(bureau, acting, clock, way, form={"system": "SB01"})
    assert not parameters.catalog().by_id["A12.1"].check
    measure(clock, "A12.1")
    assert (state("A12.1", "IC"), state("A12.1", None), len(opened("A12.1", "IC"))) == ("breach", "unknown", 1)
    post(clock, bureau.person["P014"], "system_manager", system=bureau.system["SB01"])
    measure(clock, "A12.1")
    assert (state("A12.1", None), opened("A12.1")) == ("unknown", [])


def test_a_role_that_no_obligation_names_breaks_the_article_its_route_rests_on(bureau, acting, clock, monkeypatch):
    known = parameters.catalog()
    bare = replace(known, obligations=tuple(replace(each, seats=()) for each in known.obligations))
    monkeypatch.setattr(parameters, "catalog", lambda: bare)
    bureau.named("刘洋").assignment_set.update(valid_to=clock.now)
    case = file(bureau, acting, clock, HEAD)
    reconciliation.run(permissions.system("reconcile"), clock.now)
    assert Finding.objects.get(subject=f"case:{case.number}").obligation == "A05.1"


def test_every_role_of_the_routes_has_a_duty_that_its_vacancy_breaks():
    named = [role for obligation in parameters.catalog().obligations for role in obligation.seats]
    used = {who.partition("@")[0] for way in routes.current().values() for each in way.steps for who in (*each.who, *each.otherwise)}
    assert len(named) == len(set(named))
    assert used <= set(named) <= routes.ROLES


def test_the_case_page_leads_those_who_may_see_it_to_the_finding(bureau, client, case, clock):
    end_terms(clock, "P002", "P003")
    measure(clock, "A04.1")
    (finding,) = opened("A04.1")
    enter(client, bureau.user["chenjing"])
    assert f"/findings/{finding.number}/" in client.get(f"/cases/{case.number}/").content.decode()
    assert finding.number in client.get("/findings/").content.decode()
    shown = client.get(f"/findings/{finding.number}/").content.decode()
    assert f"/cases/{case.number}/" in shown
    assert "领导小组成员中有权办理的只有 1 人，须有 2 人" in shown
    enter(client, bureau.user["zhanghua"])
    assert "法定人数不减" in client.get(f"/cases/{case.number}/").content.decode()
    assert client.get(f"/findings/{finding.number}/").status_code == 404


def test_a_decided_case_is_not_measured_at_all(bureau, clock, case, django_assert_max_num_queries):
    with django_assert_max_num_queries(1):
        assert stuck.breaches(parameters.catalog(), clock.now) == {}
