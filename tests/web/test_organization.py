"""The pages of the organization: they work, need their role, hide from strangers, refuse bad input, and ask little."""

import io

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from anzhang.casework.models import Interpretation, RegulationVersion
from anzhang.demo import conduct
from anzhang.organization.models import Decision, Directive, Inspection, ResponsibilityStatement
from tests.articles.stories import file, measure, state, through
from tests.articles.test_article_04_supervision import deploy
from tests.organization.actions import inspect
from tests.web.visitors import enter

LISTS = ("/statements/", "/directives/", "/inspections/", "/decisions/", "/regulation/", "/law/", "/interpretations/")
SMALL = "第1条 甲。乙。\n第2条 丙。\n"


@pytest.fixture
def visit(bureau):
    """Return the client of a user."""
    return lambda username: enter(Client(), bureau.user[username])


@pytest.mark.parametrize("path", [*LISTS, "/units/JYC/"])
@pytest.mark.parametrize("username", ["wujie", "liuyang", "chenjing", "sunli"])
def test_a_page_opens_for_everybody_it_concerns(path, username, visit):
    assert visit(username).get(path).status_code == 200


def test_one_comes_to_the_own_unit(visit):
    assert visit("liuyang").get("/unit/").url == "/units/JYC/"


@pytest.mark.parametrize("path", ["/units/SBZX/", "/units/NONE/", "/directives/BS2026-9999/", "/inspections/X/", "/decisions/X/"])
def test_what_is_not_in_sight_does_not_exist(path, visit):
    assert visit("liuyang").get(path).status_code == 404


def test_the_page_of_a_unit_says_who_answers_what_is_due_and_what_is_wrong(bureau, acting, clock, visit):
    measure(clock, "A05.3")
    (item,) = deploy(bureau, acting, clock, "JYC")
    inspect(bureau, acting, clock, "JYC")
    clock.advance(days=400)
    page = visit("liuyang").get("/units/JYC/").text
    for words in ("刘洋", "自 2025-11-24 起", "空缺", "任命并报备", item.title, "张华", "最近 2026-09-25", "缺 3 份"):
        assert words in page
    assert "没有信息安全管理人员" in page
    assert "李明" in visit("zhouwei").get("/units/IC/").text


def test_a_row_leads_to_the_page_on_which_it_is_worked_on(bureau, acting, clock, visit):
    (item,) = deploy(bureau, acting, clock, "JYC")
    head = visit("liuyang")
    assert f'href="/directives/{item.number}/"' in head.get(f"/registers/directive/{item.pk}/").text
    assert 'href="/units/JYC/"' in head.get(f"/registers/unit/{bureau.unit['JYC'].pk}/").text


def test_a_deployment_goes_from_the_office_to_the_unit_and_back(bureau, visit):
    office, head, officer = visit("wujie"), visit("liuyang"), visit("liming")
    form = {"title": "弱口令清理", "content": "清理并报送。", "due_on": "2026-12-10", "unit": ["JYC", "IC"]}
    assert office.post("/directives/new/", form).status_code == 302
    assert office.post("/directives/new/", form | {"due_on": "2026-11-01"}).status_code == 422
    assert "至少选择一个" in office.post("/directives/new/", form | {"unit": []}).text
    assert Directive.objects.count() == 2
    assert head.post("/directives/new/", form).status_code == 409
    item = Directive.objects.get(unit__code="JYC")
    path = f"/directives/{item.number}/"
    assert officer.get(path).status_code == 404
    assert "报送" in head.get(path).text
    assert "办结凭据" in head.post(path, {"verb": "report", "result": "已清理", "evidence": "", "version": 1}).text
    assert head.post(path, {"verb": "report", "result": "已清理", "evidence": "就业〔2026〕3号", "version": 1}).status_code == 302
    assert head.post(path, {"verb": "finish", "version": 2}).status_code == 422
    assert office.post(path, {"verb": "return", "remark": "", "version": 2}).status_code == 422
    assert office.post(path, {"verb": "finish", "remark": "同意", "version": 1}).status_code == 422  # somebody else's edition
    assert office.post(path, {"verb": "finish", "remark": "同意", "version": 2}).status_code == 302
    assert Directive.objects.get(pk=item.pk).state == "finished"
    assert office.post(path, {"verb": "dance"}).status_code == 404


def test_a_file_beside_the_item_is_proof_enough(bureau, acting, clock, visit):
    (item,) = deploy(bureau, acting, clock, "JYC")
    head, path = visit("liuyang"), f"/directives/{item.number}/"
    bad = io.BytesIO(b"MZ\x90")
    bad.name = "a.exe"
    form = {"verb": "report", "result": "已清理", "evidence": "", "version": 1}
    assert head.post(path, form | {"file": bad}).status_code == 422
    assert Directive.objects.get().state == "open"
    good = io.BytesIO("清单".encode())
    good.name = "清单.txt"
    assert head.post(path, form | {"file": good}).status_code == 302
    assert "清单.txt" in head.get(path).text
    assert visit("wujie").post(path, {"verb": "finish", "remark": "", "version": 2}).status_code == 302
    measure(clock, "A04.4")
    assert state("A04.4", "JYC") == "met"


def test_work_is_deployed_to_every_unit_at_once(visit):
    form = {"title": "年度自查", "content": "自查并报送。", "due_on": "2026-12-10", "all": "on"}
    assert visit("wujie").post("/directives/new/", form).status_code == 302
    assert set(Directive.objects.values_list("unit__code", flat=True)) == {"LGO", "IC", "JYC", "SBZX"}


def test_the_office_presses_and_calls_off(bureau, acting, clock, visit):
    mine, other = deploy(bureau, acting, clock, "JYC", "SBZX")
    office = visit("wujie")
    assert office.post(f"/directives/{mine.number}/", {"verb": "remind"}).status_code == 302
    assert "督办" in visit("liuyang").get("/inbox/").text
    assert office.post(f"/directives/{other.number}/", {"verb": "withdraw", "remark": "合并办理", "version": 1}).status_code == 302
    assert other.number not in office.get("/directives/").text
    assert other.number in office.get("/directives/?state=all").text
    assert other.number not in office.get("/directives/?state=all&unit=JYC").text


def test_a_visit_its_notice_and_the_reply(bureau, visit):
    office, head = visit("wujie"), visit("liuyang")
    form = {
        "unit": "JYC",
        "inspected_on": "2026-11-20",
        "form": "on_site",
        "result": "抽查",
        "notice": "补签",
        "reply_due_on": "2026-12-01",
    }
    assert office.post("/inspections/new/", form | {"unit": ""}).status_code == 422
    assert office.post("/inspections/new/", form | {"inspected_on": "soon"}).status_code == 422
    assert head.post("/inspections/new/", form).status_code == 409
    assert office.post("/inspections/new/", form).status_code == 302
    visit_ = Inspection.objects.get()
    path = f"/inspections/{visit_.number}/"
    assert head.post(path, {"verb": "accept", "version": 2}).status_code == 422
    assert head.post(path, {"verb": "reply", "reply": "已补签", "version": 2}).status_code == 302
    back = {"verb": "return", "remark": "附名单", "reply_due_on": "2026-12-05", "version": 3}
    assert office.post(path, back).status_code == 302
    assert "附名单" in head.get(path).text
    assert head.post(path, {"verb": "reply", "reply": "名单附后", "version": 4}).status_code == 302
    assert office.post(path, {"verb": "accept", "remark": "", "version": 5}).status_code == 302
    assert Inspection.objects.get().stage == "accepted"
    assert visit("zhouwei").get(path).status_code == 404


def test_statements_are_handed_out_signed_and_countersigned_on_one_page(bureau, visit):
    head, clerk, chief = visit("liuyang"), visit("zhanghua"), visit("gaojianguo")
    form = {"unit": "JYC", "term": "2026", "duties": "负责"}
    assert head.post("/statements/issue/", form | {"term": ""}).status_code == 422
    assert head.post("/statements/issue/", form | {"unit": "SBZX"}).status_code == 404
    assert visit("sunli").post("/statements/issue/", form).status_code == 422
    assert head.post("/statements/issue/", form).status_code == 302
    mine = ResponsibilityStatement.objects.get(person=bureau.person["P022"])
    heads = ResponsibilityStatement.objects.get(person=bureau.person["P020"])
    assert mine.number in clerk.get("/statements/").text
    assert visit("sunli").post("/statements/sign/", {"statement": mine.pk}).status_code == 404
    assert clerk.post("/statements/sign/", {"statement": mine.pk}).status_code == 302
    assert head.post("/statements/sign/", {"statement": [mine.pk, heads.pk]}).status_code == 302
    assert chief.post("/statements/sign/", {"statement": heads.pk}).status_code == 302
    assert ResponsibilityStatement.objects.filter(countersigned_at=None).count() == 1
    assert clerk.post("/statements/sign/", {"statement": "x"}).status_code == 404


def test_the_office_enters_a_units_paper_statements_with_their_scans(bureau, acting, clock, visit):
    office, path = visit("wujie"), "/statements/paper/"
    assert 'href="/statements/paper/"' in office.get("/statements/").text
    assert "先选择单位和责任期" in office.get(path).text
    page = office.get(path + "?unit=JYC&term=2026").text
    assert all(name in page for name in ("刘洋", "张华", "唐欣", "现任上一级"))
    clerk = bureau.person["P022"]
    given = {"unit": "JYC", "term": "2026", "duties": "负责", f"signed-{clerk.pk}": "2026-11-01", f"countersigned-{clerk.pk}": "2026-11-02"}
    given[f"superior-{clerk.pk}"] = "P020"

    def post(**more):
        return office.post(path, given | more | {"scan": SimpleUploadedFile("责任书.pdf", b"%PDF-1.7\n%%EOF\n")})

    assert "没有扫描件" in office.post(path, given).text
    for name, wrong in ((f"signed-{clerk.pk}", "昨天"), (f"superior-{clerk.pk}", "P999"), (f"countersigned-{clerk.pk}", "2026-10-01")):
        refused = post(**{name: wrong})
        assert refused.status_code == 422
        assert "2026-11-0" in refused.text  # what was typed stays
    assert office.post(path, {"unit": "JYC", "term": "2026", "duties": "负责"}).status_code == 422
    assert not ResponsibilityStatement.objects.exists()
    done = post()
    assert done.status_code == 302
    kept = ResponsibilityStatement.objects.get()
    assert (kept.person, kept.superior, kept.on_paper) == (clerk, bureau.person["P020"], True)
    assert kept.number in office.get(done["Location"]).text
    assert "责任书.pdf" in office.get(f"/registers/responsibility_statement/{kept.pk}/").text
    for username in ("liuyang", "sunli", "chenjing"):
        assert visit(username).get(path).status_code == 409
        assert visit(username).post(path, given).status_code == 409
    assert Client().get(path).status_code == 302


def test_the_minutes_of_a_decision(bureau, acting, clock, visit):
    case = file(bureau, acting, clock, "wujie", "group_resolution", matter="年度计划", proposal="同意。")
    through(case, acting, clock, "zhengkai", "gaojianguo", "hemin")
    decision = Decision.objects.get()
    office, path = visit("fengxue"), f"/decisions/{decision.number}/"
    assert "登记会议纪要" in office.get(path).text
    form = {"held_on": "2026-11-24", "chair": "P001", "present": ["P001"], "minutes": "同意。", "version": 1}
    assert "未过半数" in office.post(f"{path}minutes/", form).text
    assert office.post(f"{path}minutes/", form | {"chair": "P020"}).status_code == 422
    assert office.post(f"{path}minutes/", form | {"present": ["P001", "P003"]}).status_code == 302
    assert "高建国、林涛" in office.get(path).text
    assert visit("gaojianguo").post(f"{path}minutes/", form).status_code == 422
    assert visit("liuyang").get(path).status_code == 404


def test_texts_are_imported_by_the_security_administrator_and_compared(visit):
    guard = visit("mali")

    def bring(text, **more):
        upload = io.BytesIO(text.encode())
        upload.name = "text.txt"
        return guard.post("/regulation/", {"file": upload, **more})

    assert "未导入" in bring(SMALL).text
    assert bring(SMALL, accept="on", published_on="2026-01-01").status_code == 302
    assert bring(SMALL.replace("乙", "丁") + "第3条 戊。\n", accept="on").status_code == 302
    assert bring("\x00", accept="on").status_code == 422
    assert guard.post("/regulation/", {}).status_code == 422
    new, old = RegulationVersion.objects.order_by("-current")
    page = guard.get(f"/regulation/compare/?before={old.pk}&after={new.pk}").text
    assert "<del>乙</del><ins>丁</ins>" in page
    assert "<ins>戊。</ins>" in page
    assert old.sha256[:12] in guard.get("/regulation/").text
    assert guard.get("/regulation/compare/?before=x&after=y").status_code == 404
    upload = io.BytesIO(SMALL.encode())
    upload.name = "t.txt"
    assert visit("wujie").post("/regulation/", {"file": upload}).status_code == 422


def test_changed_law_waits_on_top_until_the_office_reviews_it(bureau, clock, visit):
    conduct._law(clock.now)
    office = visit("wujie")
    assert "待复核" in office.get("/law/").text
    assert office.post("/law/review/", {"code": "CSL-2026", "opinion": " "}).status_code == 422
    assert visit("liuyang").post("/law/review/", {"code": "CSL-2026", "opinion": "好"}).status_code == 422
    assert office.post("/law/review/", {"code": "CSL-2026", "opinion": "条号顺延，内容不变。"}).status_code == 302
    assert "待复核" not in office.get("/law/").text
    assert office.post("/law/review/", {"code": "NONE"}).status_code == 404


def test_open_words_stand_by_chapter_with_the_case_that_signed_them(bureau, acting, clock, visit):
    case = file(bureau, acting, clock, "wujie", "interpretation", parameter="vacancy_days", value="10", reason="通行做法")
    through(case, acting, clock, "zhengkai")
    assert Interpretation.objects.get().value == 10
    page = visit("wujie").get("/interpretations/").text
    assert f"/cases/{case.number}/" in page
    assert "parameter=training_days" in page
    chosen = visit("wujie").get("/interpretations/topic/?topic=组织&line=training_days+%3D+365&line=filing_days+%3D+15")
    form = visit("wujie").get(chosen.url).text
    assert "training_days = 365\nfiling_days = 15" in form
    assert "parameter=training_days" not in visit("liuyang").get("/interpretations/").text
