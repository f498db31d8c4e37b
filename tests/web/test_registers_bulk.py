"""Bulk changes and saved filters: they work, they need the role, they refuse a stranger, they refuse bad input."""

import re

import pytest
from django.test import Client

from anzhang.directory import procedures
from anzhang.directory.models import Person
from anzhang.journal.models import Entry
from anzhang.registers.models import SavedFilter
from tests import world

BULK = "/registers/person/bulk/"


@pytest.fixture
def browser(bureau):
    def enter(username):
        client = Client()
        world.enter(client, bureau.user[username])
        return client

    return enter


def boxes(page):
    return re.findall(r'name="row" value="(\d+:\d+)"', page.content.decode())


def test_chosen_rows_get_one_value_after_one_confirm(browser):
    client = browser("liuyang")
    chosen = boxes(client.get("/registers/person/"))
    assert len(chosen) == 4
    assert "修改哪一项" in client.post(BULK, {"row": chosen}).content.decode()
    assert "预览" in client.post(BULK, {"row": chosen, "field": "post"}).content.decode()
    preview = client.post(BULK, {"row": chosen, "field": "post", "seen": "1", "post": "科员"})
    assert "确认修改" in preview.content.decode()
    assert not Person.objects.filter(post="科员").exists()
    before = Entry.objects.count()
    done = client.post(BULK, {"row": chosen, "field": "post", "seen": "1", "post": "科员", "confirm": "1"})
    assert "已修改 4 行" in done.content.decode()
    assert Person.objects.filter(post="科员", unit__code="JYC").count() == 4
    assert Entry.objects.count() == before + 4


def test_a_row_saved_meanwhile_is_left_alone_and_said_so(browser, bureau, acting, clock):
    client = browser("liuyang")
    chosen = boxes(client.get("/registers/person/"))
    procedures.change_person(acting("liuyang"), bureau.person["P021"], at=clock.now, phone="022-1")
    done = client.post(BULK, {"row": chosen, "field": "post", "seen": "1", "post": "科员", "confirm": "1"}).content.decode()
    assert "已修改 3 行" in done
    assert "已被他人修改" in done
    assert Person.objects.get(code="P021").post != "科员"


def test_rows_of_a_foreign_unit_do_not_exist(browser, bureau):
    foreign = bureau.person["P031"]
    data = {"row": [f"{foreign.pk}:{foreign.version}"], "field": "post", "seen": "1", "post": "局长", "confirm": "1"}
    assert foreign.name not in browser("liuyang").post(BULK, data).content.decode()
    foreign.refresh_from_db()
    assert foreign.post != "局长"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        ({}, 409),
        ({"row": ["x"]}, 404),
        ({"row": ["1:1"] * 2 + [f"{n}:1" for n in range(300)]}, 409),
        ({"row": ["1:1"], "field": "code", "seen": "1"}, 404),
        ({"row": ["1:1"], "field": "unit__path"}, 404),
        ({"row": ["1:1"], "field": "joined_on", "seen": "1", "joined_on": "昨天", "confirm": "1"}, 422),
    ],
)
def test_senseless_choices_are_refused(data, status, browser):
    assert browser("liuyang").post(BULK, data).status_code == status


def test_it_needs_the_role_and_a_register_that_changes(browser):
    assert boxes(browser("sunli").get("/registers/person/")) == []
    assert browser("sunli").post(BULK, {"row": ["1:1"]}).status_code in {403, 409}
    assert browser("liuyang").post("/registers/officer/bulk/", {"row": ["1:1"]}).status_code == 404
    assert Client().post(BULK, {"row": ["1:1"]}).status_code == 302
    assert browser("liuyang").get(BULK).status_code == 405


def test_a_filter_is_saved_offered_replaced_and_deleted_by_its_owner_alone(browser):
    client, other = browser("liuyang"), browser("sunli")
    saved = client.post("/registers/person/filters/", {"name": "在职", "query": "employed=yes&sort=-code&page=3"})
    assert saved["Location"] == "/registers/person/?employed=yes&sort=-code"
    assert "在职" in client.get("/registers/person/").content.decode()
    assert 'href="?employed=yes&amp;sort=-code">在职' in client.get("/registers/person/").content.decode()
    assert other.get(saved["Location"]).status_code == 200  # the address is for anybody
    assert not re.search(r">在职</a><form", other.get("/registers/person/").content.decode())
    client.post("/registers/person/filters/", {"name": "在职", "query": "employed=no"})
    kept = SavedFilter.objects.get()
    assert kept.query == "employed=no"
    assert other.post(f"/registers/person/filters/{kept.pk}/delete/").status_code == 404
    assert client.post(f"/registers/person/filters/{kept.pk}/delete/").status_code == 302
    assert not SavedFilter.objects.exists()


@pytest.mark.parametrize(
    "data",
    [
        {"name": "", "query": "employed=yes"},
        {"name": "x" * 41, "query": "employed=yes"},
        {"name": "a\nb", "query": "employed=yes"},
        {"name": "a", "query": ""},
        {"name": "a", "query": "sort=password"},
        {"name": "a", "query": "javascript:alert(1)"},
    ],
)
def test_a_senseless_filter_is_refused(data, browser):
    assert browser("liuyang").post("/registers/person/filters/", data).status_code == 409
    assert not SavedFilter.objects.exists()
