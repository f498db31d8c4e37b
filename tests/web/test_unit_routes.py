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


# Versions


@pytest.fixture
def versions(liuyang, bureau, clock):
    """就业促进处 adds a step, and a week later takes it away again."""
    given = {"title-added1": "安全员会签", "who-added1": "super_head@applicant", "days-added1": "2", "reason": "人员多"}
    post(liuyang, "file", ("head", "added1", "filing"), **given)
    walk(Case.objects.get(), bureau.named("高建国"), bureau.named("郑凯"), at=clock.now)
    clock.advance(days=7)
    post(enter(liuyang, bureau.user["liuyang"]), "file", reason="恢复规定流程")
    walk(Case.objects.order_by("-pk")[0], bureau.named("高建国"), bureau.named("郑凯"), at=clock.now)
    return list(UnitRoute.objects.filter(superseded_at=None).order_by("version"))


def test_a_version_is_compared_with_the_one_before_with_any_other_and_with_the_catalogs(versions, liuyang):
    first, second = versions
    page = liuyang.get(f"/cases/routes/{second.pk}/").text
    assert "第 1 版与第 2 版的比较" in page
    assert "取消" in page
    assert "规定流程与第 1 版的比较" in liuyang.get(f"/cases/routes/{first.pk}/").text
    page = liuyang.get(f"/cases/routes/{second.pk}/?against=0").text
    assert "规定流程与第 2 版的比较" in page
    assert "取消" not in page
    assert "新增" in liuyang.get(f"/cases/routes/{first.pk}/?against=2").text
    for strange in ("-1", "x", "99999999999"):
        assert liuyang.get(f"/cases/routes/{first.pk}/?against={strange}").status_code == 200


def test_the_list_says_what_held_on_a_day(versions, liuyang):
    assert "安全员会签" not in liuyang.get("/cases/routes/").text
    page = liuyang.get("/cases/routes/?on=2026-11-26").text
    assert "安全员会签" in page
    assert "2026-11-26 时的单位流程" in page
    assert "各单位均按规定流程办理" in liuyang.get("/cases/routes/?on=2026-11-20").text
    for strange in ("2026-13-40", "x", "0001-01-01"):
        assert "不是日期" in liuyang.get(f"/cases/routes/?on={strange}").text


def test_it_is_a_register_that_is_read_and_never_written(versions, liuyang, bureau):
    first, second = versions
    listed = liuyang.get("/registers/unit_route/").text
    assert "officer_appointment" in listed
    row = liuyang.get(f"/registers/unit_route/{first.pk}/").text
    assert "安全员会签" in row
    assert f"/cases/routes/{first.pk}/" in row
    assert str(first.basis.case.number) in row
    known = {each["id"]: each for each in liuyang.get("/api/registers/unit_route").json()["items"]}
    assert {first.pk, second.pk} <= known.keys()
    assert liuyang.get(f"/api/registers/unit_route/{second.pk}").json()["version"] == 2
    for method in (liuyang.post, liuyang.put, liuyang.patch, liuyang.delete):
        assert method(f"/api/registers/unit_route/{first.pk}", "{}", content_type="application/json").status_code == 405
    assert liuyang.post("/api/registers/unit_route", "{}", content_type="application/json").status_code == 405
    for address in ("new/", "import/", f"{first.pk}/edit/", "sheet/"):
        assert liuyang.get(f"/registers/unit_route/{address}").status_code in {403, 404, 409}


def test_other_units_see_no_version(versions, bureau):
    luona = enter(Client(), bureau.user["luona"])
    for row in versions:
        assert luona.get(f"/cases/routes/{row.pk}/").status_code == 404
        assert luona.get(f"/registers/unit_route/{row.pk}/").status_code == 404
        assert luona.get(f"/api/registers/unit_route/{row.pk}").status_code == 404
    assert luona.get("/api/registers/unit_route").json()["items"] == []
    assert "就业促进处" not in luona.get("/cases/routes/?on=2026-11-26").text
    assert Client().get(f"/cases/routes/{versions[0].pk}/")["Location"].startswith("/account/login/")


def test_a_version_asks_twelve_questions_at_most(versions, liuyang, django_assert_max_num_queries):
    liuyang.get("/")
    with django_assert_max_num_queries(12):
        liuyang.get(f"/cases/routes/{versions[0].pk}/")
