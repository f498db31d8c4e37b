"""The pages of unit routes: the list, the form with add, move and remove, the comparison, the case that it files."""

import json

import pytest
from django.test import Client

from anzhang.casework import routes
from anzhang.casework.models import Case
from anzhang.casework.tables import UnitRoute
from tests.casework.paths import walk
from tests.web.visitors import enter

FORM = "/cases/new/route_change/"


@pytest.fixture
def liuyang(bureau):
    return enter(Client(), bureau.user["liuyang"])


def post(client, do, steps=("head", "filing"), **given):
    return client.post(FORM, {"route": "officer_appointment", "unit_of_case": "JYC", "do": do, "step": list(steps), **given})


def test_it_lists_the_catalogs_routes_and_says_that_no_unit_has_its_own(liuyang):
    page = liuyang.get("/cases/routes/").text
    assert "各单位均按规定流程办理" in page
    assert all(str(route.title) in page for route in routes.current().values())
    assert liuyang.get(FORM)["Location"] == "/cases/routes/"


def test_a_step_is_added_before_the_receiving_one_moved_and_removed(liuyang):
    page = post(liuyang, "add").text
    assert page.index('value="head"') < page.index('value="added1"') < page.index('value="filing"')
    assert "新增" in page
    page = post(liuyang, "up:added1", ("head", "added1", "filing"), **{"title-added1": "会签", "who-added1": "office"}).text
    assert page.index('value="added1"') < page.index('value="head"')
    assert 'value="会签"' in page
    page = post(liuyang, "remove:added1", ("head", "added1", "filing")).text
    assert "added1" not in page
    assert "remove:head" not in page
    assert 'value="head"' in post(liuyang, "remove:head").text


def test_it_files_the_case_and_shows_the_comparison_until_and_after_it_is_approved(liuyang, bureau, clock):
    given = {"title-added1": "安全员会签", "who-added1": "super_head@applicant", "days-added1": "2", "reason": "人员多"}
    answer = post(liuyang, "file", ("head", "added1", "filing"), **given)
    case = Case.objects.get()
    assert answer["Location"] == f"/cases/{case.number}/"
    page = liuyang.get(answer["Location"]).text
    assert "流程调整前后" in page
    assert "安全员会签" in page
    assert '"key"' not in page
    walk(case, bureau.named("高建国"), bureau.named("郑凯"), at=clock.now)
    assert UnitRoute.objects.get().unit == bureau.unit["JYC"]
    assert "<strong>新增</strong>" in liuyang.get(answer["Location"]).text
    listed = liuyang.get("/cases/routes/").text
    assert "安全员会签" in listed
    form = liuyang.get("/cases/new/officer_appointment/").text
    assert "安全员会签" in form


def test_it_says_what_is_below_the_minimum_and_keeps_what_was_typed(liuyang):
    page = post(liuyang, "file", **{"days-head": "99", "reason": "放宽"}).text
    assert "时限不能超过" in page
    assert "放宽" in page
    assert not Case.objects.exists()


def test_what_the_catalog_prescribes_is_not_taken_from_the_form(liuyang):
    given = {"who-head": "staff@applicant", "title-head": "改名", "who-added1": "office", "title-added1": "x", "reason": "r"}
    post(liuyang, "file", ("head", "added1", "filing"), **given)
    steps = {step["key"]: step for step in json.loads(Case.objects.get().form["rules"])}
    assert steps["head"]["who"] == ["unit_head@applicant"]
    assert steps["head"]["title"]["zh"] == "单位负责人审批"


@pytest.mark.parametrize("given", [{"days-head": "-1"}, {"need-head": "9999"}, {"need-head": "eval"}, {"days-head": "x" * 50}])
def test_strange_values_are_answered_calmly(given, liuyang):
    assert post(liuyang, "file", **given).status_code == 200
    assert post(liuyang, "nonsense:x", **given).status_code == 200
    assert post(liuyang, "file", ("head",) * 60, **given).status_code == 200


def test_an_unknown_route_is_not_found_and_a_clerk_is_refused(liuyang, bureau):
    assert liuyang.get(f"{FORM}?route=nothing").status_code == 404
    sunli = enter(Client(), bureau.user["sunli"])
    page = post(sunli, "file", ("head", "added1", "filing"), **{"title-added1": "x", "who-added1": "office", "reason": "r"})
    assert "不能为" in page.text
    assert not Case.objects.exists()


def test_a_unit_out_of_sight_is_not_changed(liuyang):
    given = {"unit_of_case": "IC", "title-added1": "x", "who-added1": "office", "reason": "r"}
    post(liuyang, "file", ("head", "added1", "filing"), **given)
    assert not Case.objects.filter(unit__code="IC").exists()


def test_both_pages_ask_twelve_questions_at_most(liuyang, django_assert_max_num_queries):
    liuyang.get("/cases/routes/")
    with django_assert_max_num_queries(12):
        liuyang.get("/cases/routes/")
    with django_assert_max_num_queries(12):
        liuyang.get(f"{FORM}?route=officer_appointment")
