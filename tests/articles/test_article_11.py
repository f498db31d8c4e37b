"""Art. 11: design at initiation (A11.1), a scheme held against standards (A11.3), policies (A11.4), the approval of the group (A11.5)."""

from __future__ import annotations

import json
from datetime import date, timedelta

import pytest
from django.db import IntegrityError, transaction

from anzhang.casework import forms
from anzhang.casework import procedures as cases
from anzhang.casework.models import Approval, Case
from anzhang.directory.rows import RowError
from anzhang.organization import policies
from anzhang.organization import projects as papers
from anzhang.organization.models import PolicyDocument
from anzhang.organization.tables import Project, ProjectChecklist
from anzhang.permissions import RefusedError, system
from anzhang.systems import procedures as systems
from anzhang.systems import project_gate, projects, releases
from tests import world
from tests.articles import works
from tests.articles.stories import file, measure, opened, state, through, verdict
from tests.articles.works import today

pytestmark = pytest.mark.usefixtures("bureau")
DESIGN, SCHEME, POLICIES, APPROVAL = "A11.1", "A11.3", "A11.4", "A11.5"
PROJECT = "project:XM01"
SETUP = system("test")
KINDS = tuple(f"{what}_{how}" for how in ("policy", "procedure") for what in ("development", "integration", "maintenance"))


@pytest.fixture(autouse=True)
def laws(bureau):
    return works.standards()


def found(obligation, clock):
    """Measure, and return the findings that stand: subject and reason, with their state."""
    assert measure(clock, obligation).failed == []
    return {(each.subject, each.reason["code"]): each.state for each in opened(obligation)}


def refused(wanted, act, *args, **values):
    with pytest.raises(RefusedError) as caught:
        act(*args, **values)
    assert caught.value.code == wanted


# A11.5


def test_construction_without_the_groups_approval_is_found_and_an_approval_that_reaches_back_regularizes(bureau, acting, clock):
    assert found(APPROVAL, clock) == {}
    assert state(APPROVAL, None) == "unknown", "no project, nothing watched"
    row = works.project(bureau, acting, clock)
    assert found(APPROVAL, clock) == {}
    assert state(APPROVAL, "JYC") == "met", "nothing was built yet"
    row = papers.change_project(acting("sunli"), row, at=clock.now, contract_on=today(clock) - timedelta(days=3))
    assert found(APPROVAL, clock) == {(PROJECT, "built_before_approval"): "open"}
    (finding,) = opened(APPROVAL, "JYC")
    assert (finding.person.code, finding.evidence, finding.reason["params"]["on"]) == ("P021", [f"project:{row.pk}"], "2026-11-21")
    assert verdict(APPROVAL, "JYC").state == "breach"

    works.design(bureau, acting, clock, row)
    works.signed(acting, clock, works.prepared(acting, clock, row))
    works.approved(bureau, acting, clock, row)
    assert found(APPROVAL, clock) == {(PROJECT, "built_before_approval"): "open"}, "it does not reach back"
    clock.advance(days=1)
    row = works.approved(bureau, acting, clock, row, covers_from=f"{today(clock) - timedelta(days=4)}")
    assert row.covers_from == date(2026, 11, 21)
    assert set(found(APPROVAL, clock).values()) == {"regularized"}
    assert state(APPROVAL, "JYC") == "met"


def test_what_is_dated_on_or_after_the_day_of_approval_is_silent_and_the_day_before_is_not(bureau, acting, clock):
    row = works.approved(bureau, acting, clock, works.ready(bureau, acting, clock))
    clock.advance(days=2)
    row = papers.change_project(acting("sunli"), row, at=clock.now, contract_on=date(2026, 11, 24))
    release = {"code": "R1", "system": bureau.system["JY01"], "label": "2.0", "artifact": "jy.jar", "digests": ["a" * 64], "project": row}
    made = releases.register_release(acting("sunli"), at=clock.now, built_on=date(2026, 11, 25), **release)
    assert found(APPROVAL, clock) == {}
    releases.change_release(acting("sunli"), made, at=clock.now, built_on=date(2026, 11, 23))
    assert found(APPROVAL, clock) == {(PROJECT, "built_before_approval"): "open"}
    (finding,) = opened(APPROVAL)
    assert finding.evidence == [f"release:{made.pk}", f"approval:{row.basis_id}"]
    releases.change_release(acting("sunli"), made, at=clock.now, built_on=date(2026, 11, 26), project=None)
    assert found(APPROVAL, clock) == {}


def test_an_environment_without_its_day_is_unknown_under_an_approval_and_a_breach_without(bureau, acting, clock):
    row = works.ready(bureau, acting, clock)
    given = {"code": "E1", "name": "就业生产环境", "system": bureau.system["JY01"], "kind": "production", "project": row}
    there = releases.register_environment(acting("sunli"), at=clock.now, **given)
    assert found(APPROVAL, clock) == {(PROJECT, "built_before_approval"): "open"}
    works.approved(bureau, acting, clock, row)
    assert found(APPROVAL, clock) == {(PROJECT, "built_before_approval"): "open"}, "nobody can tell whether it is mended"
    assert "act_without_day" in json.dumps(verdict(APPROVAL, "JYC").why)
    releases.change_environment(acting("sunli"), there, at=clock.now, set_up_on=today(clock))
    assert found(APPROVAL, clock) == {}
    assert state(APPROVAL, "JYC") == "met"


def test_a_system_under_construction_without_a_project_is_unknown(bureau, acting, clock):
    row = works.approved(bureau, acting, clock, works.ready(bureau, acting, clock))
    systems.change_system(acting("sunli"), bureau.system["JY01"], at=clock.now, state="building")
    new = {"code": "JY02", "name": "新系统", "managing_unit": bureau.unit["JYC"], "responsible_unit": bureau.unit["JYC"]}
    made = systems.register_system(acting("sunli"), at=clock.now, state="building", **new)
    for obligation in (DESIGN, SCHEME, POLICIES, APPROVAL):
        measure(clock, obligation)
        assert "system_without_project" in json.dumps(verdict(obligation, "JYC").why) or state(obligation, "JYC") == "breach"
    papers.change_project(acting("sunli"), row, at=clock.now, systems=["JY01", made.code])
    found(APPROVAL, clock)
    assert state(APPROVAL, "JYC") == "met"


def test_a_revoked_approval_covers_what_was_built_under_it_and_nothing_later(bureau, acting, clock):
    row = works.approved(bureau, acting, clock, works.ready(bureau, acting, clock))
    papers.change_project(acting("sunli"), row, at=clock.now, contract_on=today(clock))
    clock.advance(days=1)
    number = row.basis.case.number
    form = {"approval": number, "reason": "方案已变"}
    case = cases.file_case(acting("sunli"), "revocation", row.unit, row.person, "", form, clock.now)
    through(case, acting, clock, *works.STEPS[1:])
    assert found(APPROVAL, clock) == {}
    clock.advance(days=1)
    papers.change_project(acting("sunli"), row, at=clock.now, contract_on=today(clock))
    assert found(APPROVAL, clock) == {(PROJECT, "built_before_approval"): "open"}
    assert project_gate.project_approval(row, "initiated", clock.now).code == "approval_over"


def test_a_construction_document_needs_the_group_and_is_regularized_when_it_agrees_afterwards(bureau, acting, clock):
    day = today(clock) - timedelta(days=5)
    given = {"unit": bureau.unit["JYC"], "title": "开发制度", "edition": "一", "issued_on": day, "reviewed_on": day, "in_force_from": day}
    document = PolicyDocument.objects.create(kind="development_policy", **given)
    PolicyDocument.objects.create(kind="endpoint", **given)
    subject = (f"policy_document:{document.pk}", "construction_policy_unapproved")
    assert found(APPROVAL, clock) == {subject: "open"}
    form = {"kind": "development_policy", "title": "开发制度", "edition": "一", "in_force_from": ""}
    case = file(bureau, acting, clock, "sunli", "construction_policy", **form)
    assert found(APPROVAL, clock) == {subject: "open"}, "asked is not granted"
    through(case, acting, clock, *works.STEPS)
    assert set(found(APPROVAL, clock).values()) == {"regularized"}
    again = file(bureau, acting, clock, "sunli", "construction_policy", **form)
    refused("edition_exists", through, again, acting, clock, *works.STEPS)
    through(file(bureau, acting, clock, "sunli", "construction_policy", **{**form, "edition": "二"}), acting, clock, *works.STEPS)
    clock.advance(days=1)
    assert found(APPROVAL, clock) == {}, "the edition in force was approved first"


def test_an_interpretation_may_leave_the_documents_or_the_projects_out(bureau, acting, clock):
    papers.change_project(acting("sunli"), works.project(bureau, acting, clock), at=clock.now, contract_on=today(clock))
    day = today(clock)
    given = {"unit": bureau.unit["JYC"], "title": "开发制度", "edition": "一", "issued_on": day, "reviewed_on": day, "in_force_from": day}
    PolicyDocument.objects.create(kind="development_procedure", **given)
    assert {code for _subject, code in found(APPROVAL, clock)} == {"built_before_approval", "construction_policy_unapproved"}
    form = {"parameter": "approval_covers", "value": "procedure", "reason": "只管规程"}
    through(file(bureau, acting, clock, "wujie", "interpretation", **form), acting, clock, "zhengkai")
    assert {code for _subject, code in found(APPROVAL, clock)} == {"construction_policy_unapproved"}


# The gate, the stages and the case


def test_the_gate_says_what_is_missing_until_all_three_are_on_file(bureau, acting, clock):
    row = works.project(bureau, acting, clock)
    gate = project_gate.project_approval
    assert gate(row, "initiated", clock.now).code == "design_missing"
    item = works.design(bureau, acting, clock, row, designed_on=None)
    assert gate(row, "initiated", clock.now).code == "design_undated"
    releases.change_design_item(acting("sunli"), item, at=clock.now, designed_on=today(clock))
    assert gate(row, "initiated", clock.now).code == "checklist_missing"
    with pytest.raises(forms.FormError) as caught:
        works.filed(bureau, acting, clock, row)
    assert "方案核对表" in caught.value.faults["project"]
    works.signed(acting, clock, works.prepared(acting, clock, row))
    assert gate(row, "initiated", clock.now).code == "approval_missing"
    refused("approval_missing", works.advanced, acting, clock, row, "initiated")
    row = works.approved(bureau, acting, clock, row)
    assert gate(row, "initiated", clock.now) is None
    assert gate(row, "accepted", clock.now).code == "other_stage"
    assert gate(row, "initiated", row.basis.valid_from - timedelta(seconds=1)).code == "approval_over"
    refused("not_the_unit", projects.advance_project, acting("xubin"), row, "initiated", clock.now)
    row = works.advanced(acting, clock, row, "initiated", "under_construction", "accepted", "closed")
    assert (row.stage, row.initiated_on, row.ended_on) == ("closed", today(clock), today(clock))
    assert gate(row, "cancelled", clock.now).code == "project_ended"
    for obligation in (DESIGN, SCHEME, APPROVAL):
        assert found(obligation, clock) == {}
        assert state(obligation, "JYC") == "met"


def test_a_network_project_is_closed_after_its_protection_review_and_needs_no_system(bureau, acting, clock):
    row = works.approved(bureau, acting, clock, works.ready(bureau, acting, clock, kind="network", systems=[]))
    row = works.advanced(acting, clock, row, "initiated", "under_construction", "accepted")
    refused("review_missing", works.advanced, acting, clock, row, "closed")
    with pytest.raises(RowError):
        papers.change_project(acting("sunli"), row, at=clock.now, review_on=today(clock), review_result="passed", reviewer=row.person)
    review = {"review_on": today(clock), "reviewer": bureau.person["P011"]}
    row = papers.change_project(acting("sunli"), row, at=clock.now, review_result="failed", **review)
    refused("review_failed", works.advanced, acting, clock, row, "closed")
    row = papers.change_project(acting("sunli"), row, at=clock.now, review_result="passed")
    assert works.advanced(acting, clock, row, "closed").stage == "closed"


def test_stage_and_kept_days_are_not_edited_away(bureau, acting, clock):
    row = works.approved(bureau, acting, clock, works.ready(bureau, acting, clock))
    row = works.advanced(acting, clock, row, "initiated")
    refused("stage_by_gate", papers.change_project, acting("sunli"), row, at=clock.now, stage="accepted")
    refused("day_kept", papers.change_project, acting("sunli"), row, at=clock.now, initiated_on=date(2026, 11, 20))
    row = papers.change_project(acting("wujie"), row, at=clock.now, initiated_on=date(2026, 11, 23))
    assert row.initiated_on == date(2026, 11, 23)
    refused("in_the_future", papers.change_project, acting("sunli"), row, at=clock.now, contract_on=date(2026, 12, 24))
    refused("system_unknown", papers.change_project, acting("sunli"), row, at=clock.now, systems=["NN"])
    refused("system_not_of_project", works.design, bureau, acting, clock, row, code="X", system=bureau.system["SB01"])
    with pytest.raises(RowError):
        works.project(bureau, acting, clock, code="XM2", stage="accepted", initiated_on=date(2026, 1, 1))


def test_whoever_signed_the_checklist_is_not_granted_the_approval(bureau, acting, clock):
    row = works.project(bureau, acting, clock)
    works.design(bureau, acting, clock, row)
    works.signed(acting, clock, works.prepared(acting, clock, row))
    form = {"project": row.code, "summary": "改造"}
    case = file(bureau, acting, clock, "zhanghua", "project_approval", **form)
    with pytest.raises(RefusedError) as caught:
        through(case, acting, clock, *works.STEPS)
    assert caught.value.code == "own_checklist"
    row.refresh_from_db()
    assert row.basis is None


def test_another_unit_does_not_ask_for_it_and_nothing_reaches_back_from_tomorrow(bureau, acting, clock):
    row = works.ready(bureau, acting, clock)
    form = {"project": row.code, "summary": "改造"}
    with pytest.raises(forms.FormError):
        file(bureau, acting, clock, "luona", "project_approval", **form)
    with pytest.raises(forms.FormError) as caught:
        works.filed(bureau, acting, clock, row, covers_from="2026-11-25")
    assert set(caught.value.faults) == {"covers_from"}
    row = works.advanced(acting, clock, row, "cancelled")
    with pytest.raises(forms.FormError):
        works.filed(bureau, acting, clock, row)


def test_a_paper_approval_is_put_under_a_project_by_the_office(bureau, acting, clock):
    row = works.ready(bureau, acting, clock, contract_on=date(2026, 6, 1))
    form = {"route": "project_approval", "paper_number": "3号", "signed_by": "高建国", "approved_on": "2026-05-20", "content": "XM01",
            "scan": "0" * 64}  # fmt: skip
    case = Case.objects.create(
        number="B1", title="t", route="back_entry", rules={}, form=form, unit=row.unit, applicant=row.person, filed_at=clock.now
    )
    paper = Approval.objects.create(
        case=case, kind="project_approval", scope={}, authority="leading_group", origin="paper", valid_from=clock.now - timedelta(days=200),
        recorded_at=clock.now,
    )  # fmt: skip
    assert found(APPROVAL, clock) == {(PROJECT, "built_before_approval"): "open"}
    refused("not_the_office", projects.rest_project_on_paper, acting("sunli"), row, paper, clock.now)
    row = projects.rest_project_on_paper(acting("wujie"), row, paper, clock.now)
    assert found(APPROVAL, clock) == {}
    assert project_gate.project_approval(row, "initiated", clock.now) is None
    other = works.project(bureau, acting, clock, code="XM02")
    refused("not_of_this_project", projects.rest_project_on_paper, acting("wujie"), other, paper, clock.now)


# A11.1


def test_a_design_after_initiation_or_none_is_found_and_one_of_the_same_day_is_not(bureau, acting, clock):
    row = works.project(bureau, acting, clock)
    assert found(DESIGN, clock) == {}
    assert state(DESIGN, None) == "not_applicable", "not initiated yet"
    row.delete()
    row = works.project(bureau, acting, clock, stage="initiated", initiated_on=date(2026, 11, 20))
    assert found(DESIGN, clock) == {(PROJECT, "project_without_design"): "open"}
    (finding,) = opened(DESIGN, "JYC")
    assert (finding.person.code, finding.evidence) == ("P021", [f"project:{row.pk}"])
    item = works.design(bureau, acting, clock, row, designed_on=None)
    found(DESIGN, clock)
    assert state(DESIGN, "JYC") == "unknown"
    item = releases.change_design_item(acting("sunli"), item, at=clock.now, designed_on=date(2026, 11, 21))
    assert found(DESIGN, clock) == {(PROJECT, "design_after_initiation"): "open"}
    assert opened(DESIGN)[0].evidence == [f"project:{row.pk}", f"design_item:{item.pk}"]
    works.design(bureau, acting, clock, row, code="S2", designed_on=date(2026, 11, 20))
    assert found(DESIGN, clock) == {}
    assert state(DESIGN, "JYC") == "met"
    works.advanced(acting, clock, row, "cancelled")
    measure(clock, DESIGN)
    assert state(DESIGN, None) == "not_applicable", "what was given up owes nothing"


def test_a_design_of_another_project_proves_nothing_and_a_dropped_one_is_none(bureau, acting, clock):
    row = works.project(bureau, acting, clock, stage="initiated", initiated_on=date(2026, 11, 23))
    other = works.project(bureau, acting, clock, code="XM02")
    works.design(bureau, acting, clock, other)
    assert found(DESIGN, clock) == {(PROJECT, "project_without_design"): "open"}
    item = works.design(bureau, acting, clock, row)
    assert found(DESIGN, clock) == {}
    releases.change_design_item(acting("sunli"), item, at=clock.now, state="dropped")
    assert found(DESIGN, clock) == {(PROJECT, "project_without_design"): "open"}


# A11.3


def test_a_scheme_is_checked_and_signed_by_two_who_neither_prepared_it_nor_ask(bureau, acting, clock):
    row = works.project(bureau, acting, clock, stage="initiated", initiated_on=today(clock))
    assert found(SCHEME, clock) == {(PROJECT, "project_without_checklist"): "open"}
    checklist = works.prepared(acting, clock, row)
    refused("own_checklist", works.signed, acting, clock, checklist, "sunli")
    refused("not_the_unit", works.signed, acting, clock, checklist, "luona")
    refused("not_browser", papers.sign_project_checklist, world.actor_of_machine(), checklist, clock.now)
    checklist = works.signed(acting, clock, checklist, "zhanghua")
    assert found(SCHEME, clock) == {(PROJECT, "project_without_checklist"): "open"}, "one is not two"
    refused("signed_by_you", works.signed, acting, clock, checklist, "zhanghua")
    refused("signed_already", papers.change_project_checklist, acting("sunli"), checklist, at=clock.now, points=[])
    works.signed(acting, clock, checklist, "liuyang")
    assert found(SCHEME, clock) == {}
    assert state(SCHEME, "JYC") == "met"
    assert not ProjectChecklist.objects.get().on_paper
    refused("signed_already", works.signed, acting, clock, checklist, "liuyang")
    with pytest.raises(IntegrityError), transaction.atomic():
        ProjectChecklist.objects.update(second_signer=bureau.person["P022"])


def test_a_standard_withdrawn_on_the_signing_date_is_refused_and_found_when_it_came_from_a_sheet(bureau, acting, clock):
    row = works.project(bureau, acting, clock, stage="initiated", initiated_on=today(clock))
    old = {"standards": ["GB22239-08"], "points": ["GB22239-08 7.1 符合"]}
    refused("standard_not_in_force", works.signed, acting, clock, works.prepared(acting, clock, row, code="H0", **old), "zhanghua")
    unfit = works.prepared(acting, clock, row, code="H2", points=["GB22239 8.1 不符合"])
    refused("point_unfit", works.signed, acting, clock, unfit, "zhanghua")
    bare = works.prepared(acting, clock, row, code="H3", points=[])
    refused("standard_not_checked", works.signed, acting, clock, bare, "zhanghua")
    refused("standard_unknown", works.prepared, acting, clock, row, code="H4", standards=["NN"])
    refused("point_of_no_standard", works.prepared, acting, clock, row, code="H4", points=["NN 1 符合"])
    given = {
        "first_signer": bureau.person["P022"], "second_signer": bureau.person["P020"], "first_signed_on": date(2019, 11, 1),
        "second_signed_on": date(2019, 12, 1), "scheme_on": date(2019, 10, 1), **old,
    }  # fmt: skip
    refused("not_the_office", works.prepared, acting, clock, row, code="H5", **given)
    paper = {"project": row, "scheme_title": "方案", "code": "H5"}
    entered = papers.register_project_checklist(acting("wujie"), at=clock.now, **paper, **given)
    assert entered.on_paper
    assert found(SCHEME, clock) == {(PROJECT, "checklist_of_withdrawn"): "open"}
    assert opened(SCHEME)[0].evidence == [f"project:{row.pk}", f"project_checklist:{entered.pk}"]
    works.design(bureau, acting, clock, row)
    assert project_gate.project_approval(row, "under_construction", clock.now).code == "standard_withdrawn"
    ProjectChecklist.objects.filter(pk=entered.pk).update(second_signed_on=date(2019, 11, 30))
    assert found(SCHEME, clock) == {}, "in force to the end of its last day"
    ProjectChecklist.objects.filter(pk=entered.pk).update(second_signed_on=date(2019, 12, 2))
    works.signed(acting, clock, works.prepared(acting, clock, row, code="H6"))
    assert found(SCHEME, clock) == {}, "the newest counts"


# A11.4


def document(unit, kind, day, **values):
    given = {"title": kind, "edition": "1", "issued_on": day, "reviewed_on": day, "in_force_from": day, **values}
    return PolicyDocument.objects.create(unit=unit, kind=kind, **given)


def test_a_building_unit_has_every_construction_document_reviewed_in_time(bureau, acting, clock):
    assert found(POLICIES, clock) == {}
    assert state(POLICIES, None) == "not_applicable"
    row = works.project(bureau, acting, clock)
    assert measure(clock, POLICIES).failed == []
    assert len(opened(POLICIES, "JYC")) == len(KINDS)
    year_ago = today(clock) - timedelta(days=365)
    for kind in KINDS:
        document(bureau.unit["JYC"], kind, year_ago)
    document(bureau.unit["SBZX"], KINDS[0], year_ago)
    assert found(POLICIES, clock) == {}, "reviewed a year ago to the day"
    clock.advance(days=1)
    assert {code for _subject, code in found(POLICIES, clock)} == {"construction_policy_review_overdue"}
    assert len(opened(POLICIES)) == len(KINDS)
    PolicyDocument.objects.filter(kind__in=KINDS[1:]).update(reviewed_on=today(clock))
    assert len(found(POLICIES, clock)) == 1
    PolicyDocument.objects.filter(kind=KINDS[0]).update(in_force_to=today(clock))
    assert len(found(POLICIES, clock)) == 1, "no longer in force is no better than not reviewed"
    works.advanced(acting, clock, row, "cancelled")
    assert found(POLICIES, clock) == {}
    assert list(policies.lacking([], KINDS, timedelta(1), today(clock))) == []


def test_the_command_line_asks_the_gate(bureau, acting, clock, capsys):
    from django.core.management import call_command

    from anzhang.management import FailedError

    row = works.ready(bureau, acting, clock)
    with pytest.raises((FailedError, SystemExit)):
        call_command("project", "check", row.code)
    works.approved(bureau, acting, clock, row)
    call_command("project", "check", row.code)
    capsys.readouterr()
    call_command("project", "check", row.code, "--json")
    assert json.loads(capsys.readouterr().out)["allowed"] is True
    assert Project.objects.get().stage == "proposed", "asking moves nothing"
