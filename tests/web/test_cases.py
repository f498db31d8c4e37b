"""The pages of cases: lists, the form of any route, the one screen on which a case is decided."""

import pytest
from django.test import Client

from anzhang.casework import procedures, routes
from anzhang.casework.models import Case
from tests.web.visitors import enter


@pytest.fixture
def sunli(bureau):
    """A clerk of 就业促进处, whose head is 刘洋."""
    return enter(Client(), bureau.user["sunli"])


@pytest.fixture
def liuyang(bureau):
    """The head of 就业促进处."""
    return enter(Client(), bureau.user["liuyang"])


@pytest.fixture
def case(bureau, acting, clock):
    """孙丽 asks that 张华 become security officer."""
    person, unit = bureau.person["P021"], bureau.unit["JYC"]
    return procedures.file_case(acting("sunli"), "officer_appointment", unit, person, "", {"person": "P022"}, clock.now)


def stand(case: Case) -> dict[str, int]:
    """Return round and step as the page sends them."""
    return {"round": case.round, "step": case.step}


def test_it_shows_the_form_of_every_route(sunli):
    for route in routes.current().values():
        if route.key == "route_change":  # has an editor of its own: tests/web/test_unit_routes.py
            continue
        page = sunli.get(f"/cases/new/{route.key}/")
        assert page.status_code == 200
        for field in route.fields:
            assert f'name="{field.name}"' in page.text


def test_it_files_a_case_and_shows_it(sunli):
    answer = sunli.post("/cases/new/officer_appointment/", {"person": "P022", "title_of_case": "", "unit_of_case": "JYC"})
    case = Case.objects.get()
    assert answer["Location"] == f"/cases/{case.number}/"
    page = sunli.get(answer["Location"]).text
    assert "单位负责人审批" in page
    assert "刘洋" in page
    assert 'value="agree"' not in page


def test_the_name_of_the_matter_is_not_the_field_called_title(sunli):
    document = {"kind": "operations", "title": "运维管理制度", "edition": "9", "in_force_from": "2026-12-01"}
    sunli.post("/cases/new/policy_document/", {**document, "title_of_case": "", "unit_of_case": "JYC"})
    case = Case.objects.get()
    assert case.form["title"] == "运维管理制度"
    assert case.title == "就业促进处 制度文件发布"
    page = sunli.get("/cases/new/policy_document/").text
    assert page.count('name="title"') == page.count('id="field-title"') == 1


def test_it_names_the_faulty_field_and_keeps_the_others(sunli):
    page = sunli.post("/cases/new/officer_appointment/", {"person": "", "title_of_case": "我的题目", "unit_of_case": "JYC"})
    assert 'id="fault-person"' in page.text
    assert "我的题目" in page.text
    assert not Case.objects.exists()


def test_the_opinion_box_is_for_whoever_must_act(case, sunli, liuyang):
    assert 'value="同意"' in liuyang.get(f"/cases/{case.number}/").text
    assert 'name="verb" value="agree"' not in sunli.get(f"/cases/{case.number}/").text


def test_agreeing_moves_the_case_on(case, liuyang):
    answer = liuyang.post(f"/cases/{case.number}/decide/", {"verb": "agree", "opinion": "同意", **stand(case)}, follow=True)
    assert "已办理" in answer.text
    case.refresh_from_db()
    assert case.step == 1


@pytest.mark.parametrize("verb", ["refuse", "send_back"])
def test_the_prefilled_agreement_is_no_reason_for_the_other_buttons(case, liuyang, verb):
    page = liuyang.post(f"/cases/{case.number}/decide/", {"verb": verb, "opinion": "同意", **stand(case)})
    assert 'role="alert"' in page.text
    case.refresh_from_db()
    assert (case.state, case.step) == (Case.State.OPEN, 0)


def test_a_page_that_is_behind_decides_nothing(case, liuyang):
    page = liuyang.post(f"/cases/{case.number}/decide/", {"verb": "agree", "opinion": "", "round": 7, "step": 0})
    assert "刷新页面" in page.text
    case.refresh_from_db()
    assert case.step == 0


def test_the_applicant_takes_back_and_hands_in_again(case, sunli, liuyang):
    liuyang.post(f"/cases/{case.number}/decide/", {"verb": "send_back", "opinion": "换一位", **stand(case)})
    page = sunli.get(f"/cases/{case.number}/").text
    assert "换一位" in page
    assert 'value="resubmit"' in page
    sunli.post(f"/cases/{case.number}/apply/", {"verb": "resubmit", "person": "P023", "opinion": "已换"})
    case.refresh_from_db()
    assert (case.round, case.form["person"]) == (2, "P023")
    sunli.post(f"/cases/{case.number}/apply/", {"verb": "withdraw", "opinion": ""})
    case.refresh_from_db()
    assert case.state == Case.State.WITHDRAWN


def test_a_stranger_finds_no_such_case(case, bureau):
    stranger = enter(Client(), bureau.user["luona"])
    assert stranger.get(f"/cases/{case.number}/").status_code == 404
    assert stranger.post(f"/cases/{case.number}/decide/", {"verb": "agree", **stand(case)}).status_code == 404
    assert case.number not in stranger.get("/cases/?list=all").text


def test_an_anonymous_reader_is_asked_to_log_in(case):
    assert Client().get(f"/cases/{case.number}/")["Location"].startswith("/account/login/")


@pytest.mark.parametrize("address", ["?list=nonsense", "?page=abc&list=all", "?route=x&state=y&list=all", "?q=%00&list=all"])
def test_a_strange_address_is_answered_calmly(sunli, address):
    assert sunli.get(f"/cases/{address}").status_code in {200, 404}


def test_the_list_asks_the_database_as_often_for_200_rows_as_for_2(bureau, acting, clock, liuyang, django_assert_max_num_queries):
    def file(count: int) -> None:
        for _case in range(count):
            person = bureau.person["P021"]
            procedures.file_case(acting("sunli"), "officer_appointment", bureau.unit["JYC"], person, "", {"person": "P022"}, clock.now)

    file(2)
    for _round in range(2):
        for which in ("todo", "all"):
            liuyang.get("/")
            with django_assert_max_num_queries(12):
                assert liuyang.get(f"/cases/?list={which}").status_code == 200
        file(60)
