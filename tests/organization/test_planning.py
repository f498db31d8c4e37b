"""The verbs and pages of unified planning: who may, in which order, what is refused, and what the check says of it (Art. 4)."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from anzhang.casework.models import Notice
from anzhang.journal.models import Entry
from anzhang.organization import planning
from anzhang.organization.models import PlanItem
from anzhang.registers.models import Attachment
from tests.articles.stories import measure, opened, state
from tests.organization.actions import day, refused
from tests.web.visitors import enter

PDF = ("验收单.pdf", b"%PDF-1.7\n%%EOF\n")


@pytest.fixture
def add(bureau, acting, clock):
    """Enter an item for JYC, answered for by P021; what is given otherwise is otherwise."""

    def put(who="wujie", **given):
        values = {
            "year": 2026, "title": "账号清理", "content": "核对账号与岗位。", "unit": bureau.unit["JYC"], "owner": bureau.person["P021"],
            "due_on": day(clock, 10),
        } | given  # fmt: skip
        return planning.add_plan_item(acting(who), **values, at=clock.now)

    return put


@pytest.fixture
def visit(bureau):
    """Return the client of a user."""
    return lambda username: enter(Client(), bureau.user[username])


def test_an_item_is_the_offices_to_enter_and_tells_who_answers(add, bureau, clock):
    assert refused(add, who="liuyang") == "not_the_office"
    assert refused(add, title=" ") == "title_needed"
    assert refused(add, content="") == "content_needed"
    assert refused(add, year=1926) == "wrong_year"
    assert refused(add, due_on=day(clock, -1)) == "day_passed"
    assert refused(add, owner=bureau.person["P031"]) == "owner_elsewhere"
    assert not PlanItem.objects.exists()
    item = add()
    assert (item.number, item.state, str(item)) == ("GH2026-0001", "open", "GH2026-0001 账号清理")
    assert set(Notice.objects.filter(code="plan_item_added").values_list("person__code", flat=True)) == {"P020", "P021"}


def test_it_is_completed_with_proof_by_who_answers(add, acting, clock):
    item = add()
    complete = planning.complete_plan_item
    assert refused(complete, acting("xubin"), item, "已完成", "文号", clock.now) == "not_the_unit"
    assert refused(complete, acting("wujie"), item, "已完成", "文号", clock.now) == "not_the_unit"
    assert refused(complete, acting("sunli"), item, "", "文号", clock.now) == "result_needed"
    assert refused(complete, acting("sunli"), item, "已完成", " ", clock.now) == "no_evidence"
    assert refused(complete, acting("sunli"), item, "已完成", "字" * 501, clock.now) == "text_too_long"
    assert refused(complete, acting("sunli"), item, "已完成", "", clock.now, files=[("a.exe", b"MZ")]) == "file_type"
    assert refused(complete, acting("sunli"), item, "已完成", "文号", clock.now, 9) == "stale"
    item = complete(acting("sunli"), item, "已完成", "", clock.now, item.version, [PDF])
    assert (item.state, item.completed_by.code) == ("completed", "P021")
    for again in (
        lambda: complete(acting("sunli"), item, "又完成", "文号", clock.now),
        lambda: planning.drop_plan_item(acting("wujie"), item, "不做了", clock.now),
        lambda: planning.postpone_plan_item(acting("wujie"), item, day(clock, 20), "延期", clock.now),
    ):
        assert refused(again) == "not_open"
    acts = list(Entry.objects.filter(object_type="plan_item").order_by("index").values_list("act", flat=True))
    assert acts == ["organization:plan:add", "organization:plan:complete"]


def test_the_office_postpones_and_drops_with_a_reason(add, acting, clock):
    item, office = add(), acting("wujie")
    assert refused(planning.postpone_plan_item, acting("liuyang"), item, day(clock, 20), "延期", clock.now) == "not_the_office"
    assert refused(planning.postpone_plan_item, office, item, day(clock, 20), "", clock.now) == "remark_needed"
    assert refused(planning.postpone_plan_item, office, item, day(clock, -1), "延期", clock.now) == "day_passed"
    item = planning.postpone_plan_item(office, item, day(clock, 20), "设备到货晚", clock.now)
    assert (item.due_on, item.remark) == (day(clock, 20), "设备到货晚")
    assert refused(planning.drop_plan_item, acting("liuyang"), item, "不做了", clock.now) == "not_the_office"
    assert planning.drop_plan_item(office, item, "并入下年", clock.now).state == "dropped"


def test_an_item_past_its_day_is_a_breach_until_it_is_completed_with_proof(add, acting, clock):
    item, other = add(), add(title="另一项")
    clock.advance(days=10)
    measure(clock, "A04.2")
    assert state("A04.2", "JYC") == "met"  # the last day is still in time
    clock.advance(days=1)
    measure(clock, "A04.2")
    found = opened("A04.2", "JYC")
    assert (state("A04.2", "JYC"), {each.reason["code"] for each in found}, len(found)) == ("breach", {"plan_item_overdue"}, 2)
    assert {each.person.code for each in found} == {"P021"}
    planning.postpone_plan_item(acting("wujie"), other, day(clock, 30), "设备到货晚", clock.now)
    planning.complete_plan_item(acting("sunli"), item, "已完成", "验收单 7 号", clock.now)
    measure(clock, "A04.2")
    assert (state("A04.2", "JYC"), opened("A04.2", "JYC")) == ("met", [])


def test_a_completion_whose_proof_is_taken_down_is_a_breach(add, acting, clock):
    item = planning.complete_plan_item(acting("sunli"), add(), "已完成", "", clock.now, files=[PDF])
    measure(clock, "A04.2")
    assert state("A04.2", "JYC") == "met"
    PlanItem.objects.filter(pk=item.pk).update(evidence="")
    Attachment.objects.update(removed_at=clock.now)
    measure(clock, "A04.2")
    assert [each.reason["code"] for each in opened("A04.2", "JYC")] == ["plan_item_without_evidence"]


def test_an_item_dropped_is_owed_by_nobody(add, acting, clock):
    planning.drop_plan_item(acting("wujie"), add(), "并入下年", clock.now)
    clock.advance(days=99)
    measure(clock, "A04.2")
    assert opened("A04.2", "JYC") == []


def test_the_pages_take_an_item_from_the_office_to_its_completion(bureau, clock, visit):
    office, owner = visit("wujie"), visit("sunli")
    assert 'href="/plan/new/"' in office.get("/plan/").text
    assert 'href="/plan/new/"' not in owner.get("/plan/").text
    given = {
        "title": "账号清理",
        "content": "核对。",
        "year": "2026",
        "unit": "JYC",
        "owner": "P021 孙丽",
        "due_on": day(clock, 10).isoformat(),
    }
    assert office.get("/plan/new/").status_code == 200
    for name, wrong in (("unit", "X"), ("owner", "P999"), ("due_on", ""), ("year", "26"), ("title", ""), ("owner", "P031")):
        page = office.post("/plan/new/", given | {name: wrong})
        assert (page.status_code, "核对。" in page.text) == (422, True)
    for username in ("liuyang", "sunli", "chenjing"):
        assert visit(username).get("/plan/new/").status_code == visit(username).post("/plan/new/", given).status_code == 409
    assert office.post("/plan/new/", given).url == "/plan/GH2026-0001/"
    path = "/plan/GH2026-0001/"
    assert path in owner.get("/plan/?year=2026&state=open&unit=JYC").text
    assert "GH2026" not in owner.get("/plan/?year=2025").text
    assert visit("xubin").get(path).status_code == 404
    assert visit("xubin").post(path, {"verb": "complete"}).status_code == 404
    assert visit("zhanghua").post(path, {"verb": "complete", "result": "已完成", "evidence": "文号"}).status_code == 422
    assert office.post(path, {"verb": "postpone", "due_on": day(clock, 20).isoformat(), "remark": "晚", "version": "1"}).status_code == 302
    assert owner.post(path, {"verb": "complete", "result": "已完成", "version": "1", "evidence": "文号"}).status_code == 422  # stale
    done = owner.post(path, {"verb": "complete", "result": "已完成", "version": "2", "file": SimpleUploadedFile(*PDF)})
    assert done.status_code == 302
    page = owner.get(path).text
    assert all(words in page for words in ("已完成", "验收单.pdf", "孙丽"))
    assert owner.post(path, {"verb": "explode"}).status_code == 404
    assert Client().get("/plan/").status_code == Client().get(path).status_code == 302


@pytest.mark.parametrize("rows", [2, 200])
def test_the_list_asks_a_bounded_number_of_queries(rows, bureau, clock, visit, django_assert_max_num_queries):
    common = {"year": 2026, "title": "事项", "content": "要求", "unit": bureau.unit["JYC"], "entered_at": clock.now}
    PlanItem.objects.bulk_create(PlanItem(number=f"GH2026-{n:04}", due_on=day(clock, n), **common) for n in range(rows))
    client = visit("liuyang")
    client.get("/plan/")
    with django_assert_max_num_queries(12):
        assert client.get("/plan/").status_code == 200
    with django_assert_max_num_queries(12):
        assert client.get("/plan/GH2026-0001/").status_code == 200
