"""Project dossiers and classified protection: what is on file, what is missing, signatures, stages, and who sees what."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from django.test import Client

from anzhang.assessment import procedures as assessments
from anzhang.casework import where
from anzhang.casework.models import Approval, Case
from anzhang.organization.models import ControlMeasure
from anzhang.organization.tables import Project, ProjectChecklist
from anzhang.systems import gradings
from anzhang.systems.models import System
from tests.articles import works
from tests.articles.stories import measure
from tests.web.visitors import enter

pytestmark = pytest.mark.usefixtures("bureau")
PLACE = "/projects/XM01/"


@pytest.fixture
def at(bureau):
    """Return what opens the site as one of the cast."""
    return lambda name: enter(Client(), bureau.user[name])


def test_where_nothing_stands_the_pages_say_what_to_do(bureau, at):
    assert "没有可查看的建设项目" in at("wujie").get("/projects/").text
    page = at("wujie").get("/protection/").text
    for said in ("未定级", "未备案", "还没有规定信息系统的防护措施", "规则集按等级给出 20 项防护措施"):
        assert said in page, said
    page = at("wujie").get("/systems/SB01/").text
    for said in ("没有规定这一级的防护措施", "没有登记建设项目", "未定级"):
        assert said in page, said
    assert at("wujie").get("/projects/NN/").status_code == 404
    assert Client().get("/projects/").status_code == 302


def test_a_project_goes_from_stage_to_stage_on_its_page(bureau, acting, at, clock):
    works.standards()
    row = works.project(bureau, acting, clock)
    page = at("sunli").get(PLACE).text
    for said in ("没有登记安全设计项", "没有两人签字的方案核对表", "没有领导小组的批准", "/cases/new/project_approval/?project=XM01"):
        assert said in page, said
    assert "进入“已立项”</button>" not in page
    assert "/registers/design_item/new/?project=XM01" in page
    assert 'value="XM01" selected' in at("liuyang").get("/registers/design_item/new/?project=XM01").text
    works.design(bureau, acting, clock, row)
    checklist = works.prepared(acting, clock, row)
    for name, said in (("sunli", "编制核对表或申请立项的人不能签字"), ("zhouwei", ""), ("liuyang", "签字</button>")):
        answer = at(name).get(PLACE)
        assert answer.status_code == (200 if said else 404), name
        assert said in answer.text
    for name in ("zhanghua", "liuyang"):
        assert at(name).post(f"{PLACE}sign/", {"row": checklist.pk, "version": ""}).status_code == 302
    refused = at("zhanghua").post(f"{PLACE}sign/", {"row": checklist.pk})
    assert (refused.status_code, "已由两人签字" in refused.text) == (422, True)
    assert at("sunli").post(f"{PLACE}sign/", {"row": "x"}).status_code == 404
    signed = ProjectChecklist.objects.get()
    assert (signed.first_signer.code, signed.second_signer.code, signed.on_paper) == ("P022", "P020", False)

    assert at("sunli").post(PLACE, {"verb": "advance", "stage": "initiated"}).status_code == 422
    works.approved(bureau, acting, clock, row)
    assert "设计、核对表和批准都已在案" in at("sunli").get(PLACE).text
    assert at("zhanghua").post(PLACE, {"verb": "advance", "stage": "initiated"}).status_code == 422
    assert at("sunli").post(PLACE, {"verb": "advance", "stage": "initiated", "version": "1"}).status_code == 422, "somebody was faster"
    row.refresh_from_db()
    assert at("sunli").post(PLACE, {"verb": "advance", "stage": "initiated", "version": row.version}).status_code == 302
    assert at("sunli").post(PLACE, {"verb": "nothing"}).status_code == 404
    page = at("sunli").get(PLACE).text
    for said in ("双因素登录", "张华签署核对表", "刘洋签署核对表", "领导小组批准", "已立项", f"/cases/{row.basis.case.number}/"):
        assert said in page, said
    assert "就业系统改造" in at("sunli").get("/systems/JY01/").text
    assert "就业系统改造" in at("wujie").get("/projects/").text
    assert "就业系统改造" not in at("luona").get("/projects/").text
    assert at("sunli").post(PLACE, {"verb": "advance", "stage": "cancelled"}).status_code == 302
    assert "取消" in at("sunli").get(PLACE).text
    assert Project.objects.get().stage == "cancelled"


def test_the_office_puts_a_paper_approval_under_a_project(bureau, acting, at, clock):
    works.standards()
    row = works.ready(bureau, acting, clock)
    form = {"route": "project_approval", "paper_number": "津人社〔2026〕3号", "content": "就业系统改造"}
    case = Case.objects.create(
        number="B1", title="t", route="back_entry", rules={}, form=form, unit=row.unit, applicant=row.person, filed_at=clock.now
    )
    paper = Approval.objects.create(
        case=case, kind="project_approval", scope={}, authority="leading_group", origin="paper", valid_from=clock.now - timedelta(days=9),
        recorded_at=clock.now,
    )  # fmt: skip
    assert "津人社〔2026〕3号" not in at("sunli").get(PLACE).text
    assert "津人社〔2026〕3号" in at("wujie").get(PLACE).text
    assert at("sunli").post(PLACE, {"verb": "rest", "row": paper.pk}).status_code == 422
    assert at("wujie").post(PLACE, {"verb": "rest", "row": paper.pk}).status_code == 302
    row.refresh_from_db()
    assert row.basis == paper


def test_protection_shows_each_level_and_the_office_adopts_what_is_proposed(bureau, acting, at, clock):
    assert at("liming").post("/protection/").status_code == 422
    assert at("wujie").post("/protection/").status_code == 302
    assert ControlMeasure.objects.count() == 20
    assert at("wujie").post("/protection/").status_code == 422
    system = bureau.system["SB01"]
    given = {"evaluated_on": date(2025, 3, 1), "result": "good", "evaluator": "某测评中心"}
    gradings.record_protection_grading(
        acting("liming"), at=clock.now, system=system, graded_on=date(2025, 1, 10), level=2, filing_number="12-0001",
        filed_on=date(2025, 2, 1), **given,
    )  # fmt: skip
    page = at("wujie").get("/protection/").text
    for said in ("12-0001", "（不一致）", "2026-03-01", "0 / 19"):
        assert said in page, said
    page = at("zhouwei").get("/systems/SB01/").text
    for said in ("12-0001", "定级 2 级，台账 3 级", "从未证明", "某测评中心"):
        assert said in page, said
    measure(clock, "A08.2")
    assert "最近测评在 2025-03-01" in at("zhouwei").get("/systems/SB01/").text
    assert "社会保险核心业务系统" not in at("sunli").get("/protection/").text
    assert System.objects.get(pk=system.pk).protection_level == 3, "a grading changes no system"


def test_the_pages_speak_english(bureau, acting, at, clock):
    works.standards()
    works.project(bureau, acting, clock)
    office = at("wujie")
    office.post("/language/", {"language": "en"})
    for place, said in (
        (PLACE, "What is missing"),
        ("/projects/", "Missing for the next stage"),
        ("/protection/", "Classified protection"),
    ):
        assert said in office.get(place).text


def test_registers_take_what_the_chapter_needs(bureau, acting, at, clock):
    for register in ("project", "project_checklist", "protection_grading", "assessment"):
        assert at("wujie").get(f"/registers/{register}/").status_code == 200
        assert at("wujie").get(f"/registers/{register}/new/").status_code == 200
        assert at("wujie").get(f"/registers/{register}/import/template.xlsx").status_code == 200
    day = clock.now.date()
    given = {"performed_from": day, "performed_to": day, "assessor": bureau.person["P011"], "unit": bureau.unit["IC"]}
    made = assessments.record_assessment(acting("wujie"), at=clock.now, code="PG1", kind="bureau", title="年度评估", **given)
    assert "年度评估" in at("wujie").get(f"/registers/assessment/{made.pk}/").text


def test_anzhang_where_finds_pages_gates_and_verbs():
    for obligation, gate, page in (
        ("A11.1", "project_approval", "project"), ("A11.3", "project_approval", "projects"), ("A11.5", "project_approval", "project"),
        ("A08.2", None, "protection"), ("A10.3", "link_activation", "register"),
    ):  # fmt: skip
        (found,) = where.where(obligation)
        assert found.check.place
        assert (found.gate.name if found.gate else None) == gate
        assert not gate or found.gate.place.startswith("anzhang/")
        assert page in {each.name for each in found.pages}
        assert found.procedures
        assert all(each.place for each in found.procedures)
