"""The register pages: they work, they need the role, they refuse a stranger, they refuse bad input."""

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from anzhang.casework import routes
from anzhang.casework.models import Holiday
from anzhang.directory.models import Person
from anzhang.journal.models import Entry
from anzhang.registers.declaration import REGISTERS, Kind
from tests import world

MOST_QUERIES = 12


@pytest.fixture
def browser(bureau):
    return lambda username: logged_in(bureau, username)


def logged_in(bureau, username, **options) -> Client:
    client = Client(**options)
    world.enter(client, bureau.user[username])
    return client


def form_of(page) -> dict[str, str]:
    """Return the hidden fields of the last form of a page."""
    return dict(re.findall(r'<input type="hidden" name="(version|base|ticket)" value="([^"]*)"', page.content.decode()))


def typed(person, **changes):
    data = {
        "code": person.code, "name": person.name, "kind": person.kind, "unit": person.unit.code, "post": person.post,
        "phone": person.phone, "email": person.email, "joined_on": person.joined_on.isoformat(), "left_on": "",
    }  # fmt: skip
    return data | changes


@pytest.mark.parametrize("register_id", REGISTERS)
def test_every_register_has_a_list_and_its_rows_have_pages(register_id, browser):
    client = browser("zhengkai")
    page = client.get(f"/registers/{register_id}/")
    assert page.status_code == 200
    for address in set(re.findall(rf'href="(/registers/{register_id}/\d+/)"', page.content.decode())):
        assert client.get(address).status_code == 200


def test_the_index_names_every_register(browser):
    text = browser("sunli").get("/registers/").content.decode()
    assert all(f"/registers/{register_id}/" in text for register_id in REGISTERS)


def test_an_anonymous_reader_is_sent_to_the_log_in_page():
    for address in ("/registers/", "/registers/person/", "/registers/person/export.csv", "/registers/person/import/"):
        assert Client().get(address).status_code == 302


def test_a_foreign_units_row_does_not_exist_for_a_stranger(bureau, browser):
    foreign = bureau.person["P031"].pk
    client = browser("liuyang")
    assert client.get(f"/registers/person/{foreign}/").status_code == 404
    assert client.get(f"/registers/person/{foreign}/edit/").status_code == 404
    assert client.post(f"/registers/person/{foreign}/edit/", typed(bureau.person["P031"], unit="JYC", version="1")).status_code == 404
    assert client.get("/registers/person/99999999999999999999999/").status_code == 404
    assert client.get("/registers/nothing/").status_code == 404
    assert "罗娜" not in client.get("/registers/person/?q=罗娜").content.decode().replace('value="罗娜"', "")


def test_a_senseless_address_is_answered_plainly(browser):
    page = browser("zhengkai").get("/registers/person/?kind=robot")
    assert page.status_code == 400
    assert "类别" in page.content.decode()


def test_htmx_gets_the_rows_alone(browser):
    text = browser("zhengkai").get("/registers/person/", headers={"HX-Request": "true"}).content.decode()
    assert text.lstrip().startswith('<div id="register-rows">')
    assert "<html" not in text


def test_text_of_a_row_is_escaped_everywhere(bureau, browser):
    Person.objects.filter(code="P022").update(name="<script>alert(1)</script>", post='"><img src=x>')
    client = browser("liuyang")
    for address in ("/registers/person/", f"/registers/person/{bureau.person['P022'].pk}/"):
        text = client.get(address).content.decode()
        assert "<script>alert" not in text
        assert "<img" not in text


@pytest.mark.parametrize("rows", [2, 200])
def test_a_list_and_a_row_ask_a_bounded_number_of_queries(rows, bureau, browser, clock):
    Person.objects.bulk_create(Person(code=f"X{i:03}", name="甲", unit=bureau.unit["JYC"], joined_on=clock.now.date()) for i in range(rows))
    client = browser("liuyang")
    client.get("/registers/person/")
    for address in ("/registers/person/?size=100", f"/registers/person/{bureau.person['P022'].pk}/", "/registers/unit/?size=100"):
        with CaptureQueriesContext(connection) as asked:
            client.get(address)
        assert len(asked) <= MOST_QUERIES, "\n".join(query["sql"][:150] for query in asked)


def test_a_head_adds_and_changes_a_person_of_the_own_unit(bureau, browser):
    client = browser("liuyang")
    new = client.post("/registers/person/new/", typed(bureau.person["P021"], code="P100", name="钱多"))
    assert new.status_code == 302
    made = Person.objects.get(code="P100")
    page = client.get(f"/registers/person/{made.pk}/edit/")
    saved = client.post(f"/registers/person/{made.pk}/edit/", typed(made, post="科员") | form_of(page))
    assert saved.status_code == 302
    made.refresh_from_db()
    assert (made.post, made.version) == ("科员", 2)
    assert [entry.actor for entry in Entry.objects.filter(object_type="person", object_key=str(made.pk))] == ["user:liuyang"] * 2
    assert "科员" in client.get(f"/registers/person/{made.pk}/").content.decode()


def test_what_is_wrong_is_said_beside_the_field_and_nothing_is_saved(bureau, browser):
    client = browser("liuyang")
    page = client.post("/registers/person/new/", typed(bureau.person["P021"], code="P001", name="", email="x", joined_on="2026-02-30"))
    assert page.status_code == 422
    assert page.content.decode().count('role="alert"') >= 3
    assert Person.objects.filter(code="P001").get().name == "高建国"


@pytest.mark.parametrize("unit", ["SBZX", "HRSS", "NOWHERE"])
def test_a_head_adds_nobody_to_a_foreign_unit(unit, bureau, browser):
    page = browser("liuyang").post("/registers/person/new/", typed(bureau.person["P021"], code="P100", unit=unit))
    assert page.status_code == 422
    assert not Person.objects.filter(code="P100").exists()


@pytest.mark.parametrize("username", ["sunli", "chenjing", "mali"])
def test_a_reader_without_the_role_is_refused_on_every_way_in(username, bureau, browser):
    client, person = browser(username), bureau.person["P021"]
    before = Entry.objects.count()
    answers = [
        client.get("/registers/person/new/"),
        client.post("/registers/person/new/", typed(person, code="P100")),
        client.post(f"/registers/person/{person.pk}/edit/", typed(person, post="局长", version="1")),
        client.get("/registers/person/import/"),
        client.get("/registers/person/import/template.xlsx"),
        client.post("/registers/person/import/", {"file": SimpleUploadedFile("a.csv", b"x")}),
    ]
    assert {answer.status_code for answer in answers} <= {403, 409}
    assert Entry.objects.count() == before
    assert 'href="/registers/person/new/"' not in client.get("/registers/person/").content.decode()


@pytest.mark.parametrize("register_id", [r.id for r in REGISTERS.values() if r.kind is not Kind.PLAIN])
def test_a_forged_post_to_a_register_without_a_form_is_refused(register_id, browser):
    client, before = browser("zhengkai"), Entry.objects.count()
    row = REGISTERS[register_id].model._default_manager.first()
    answers = [client.post(f"/registers/{register_id}/new/", {}), client.post(f"/registers/{register_id}/import/", {})]
    if row is not None:
        answers += [
            client.post(f"/registers/{register_id}/{row.pk}/edit/", {"version": "1"}),
            client.post(f"/registers/{register_id}/{row.pk}/"),
        ]
    assert {answer.status_code for answer in answers} <= {403, 404, 405, 409}
    assert Entry.objects.count() == before


def test_a_post_without_the_csrf_token_is_refused(bureau):
    client = logged_in(bureau, "liuyang", enforce_csrf_checks=True)
    assert client.post("/registers/person/new/", typed(bureau.person["P021"], code="P100")).status_code == 403


def test_the_second_of_two_editors_gets_a_comparison_and_loses_nothing(bureau, browser):
    person = bureau.person["P021"]
    address = f"/registers/person/{person.pk}/edit/"
    first, second = browser("liuyang"), browser("guolei")
    hidden_first, hidden_second = form_of(first.get(address)), form_of(second.get(address))
    assert first.post(address, typed(person, post="副处长") | hidden_first).status_code == 302
    page = second.post(address, typed(person, phone="022-1234") | hidden_second)
    assert page.status_code == 409
    text = page.content.decode()
    assert "综合岗" in text  # what both opened
    assert "副处长" in text  # theirs
    assert "022-1234" in text  # mine
    person.refresh_from_db()
    assert (person.post, person.phone) == ("副处长", "")
    assert second.post(address, typed(person, phone="022-1234") | form_of(page)).status_code == 302
    person.refresh_from_db()
    assert (person.post, person.phone, person.version) == ("副处长", "022-1234", 3)


def test_a_forged_version_or_base_does_not_slip_past_the_comparison(bureau, browser):
    person = bureau.person["P021"]
    address = f"/registers/person/{person.pk}/edit/"
    client = browser("liuyang")
    for forged in ({"version": ""}, {"version": "0"}, {"version": "99"}, {"version": "²"}, {"version": "1e0", "base": "x:y"}):
        assert client.post(address, typed(person, post="局长") | forged).status_code == 409
    person.refresh_from_db()
    assert person.post == "综合岗"


def test_a_sheet_is_previewed_confirmed_and_confirmed_only_once(browser):
    client = browser("liuyang")
    data = "工号,姓名,所在单位,入职日期\r\nP100,钱多,JYC,2026-03-01\r\n".encode("gb18030")
    page = client.post("/registers/person/import/", {"file": SimpleUploadedFile("a.csv", data)})
    assert page.status_code == 200
    assert not Person.objects.filter(code="P100").exists()
    ticket = form_of(page)
    assert client.post("/registers/person/import/", ticket).status_code == 200
    assert Person.objects.get(code="P100").name == "钱多"
    assert client.post("/registers/person/import/", ticket).status_code == 409


def test_a_preview_that_the_register_has_moved_away_from_is_shown_again(bureau, browser):
    client = browser("liuyang")
    data = "工号,姓名,所在单位,入职日期,职务\r\nP021,孙丽,JYC,2025-11-24,副处长\r\n".encode()
    ticket = form_of(client.post("/registers/person/import/", {"file": SimpleUploadedFile("a.csv", data)}))
    person = bureau.person["P021"]
    address = f"/registers/person/{person.pk}/edit/"
    assert client.post(address, typed(person, post="调研员") | form_of(client.get(address))).status_code == 302
    moved = client.post("/registers/person/import/", ticket)
    assert moved.status_code == 409
    assert Person.objects.get(code="P021").post == "调研员"
    assert client.post("/registers/person/import/", form_of(moved)).status_code == 200
    assert Person.objects.get(code="P021").post == "副处长"


def test_a_ticket_serves_only_its_owner_and_its_register(browser):
    data = "工号,姓名,所在单位,入职日期\r\nP100,钱多,JYC,2026-03-01\r\n".encode()
    ticket = form_of(browser("liuyang").post("/registers/person/import/", {"file": SimpleUploadedFile("a.csv", data)}))
    assert browser("guolei").post("/registers/person/import/", ticket).status_code == 409
    assert browser("liuyang").post("/registers/person/import/", {"ticket": "../../etc/passwd"}).status_code == 409
    assert not Person.objects.filter(code="P100").exists()


def test_faults_of_a_sheet_are_listed_with_their_cells(browser):
    data = "工号,姓名,所在单位,入职日期\r\nP100,钱多,XX,昨天\r\n".encode()
    page = browser("liuyang").post("/registers/person/import/", {"file": SimpleUploadedFile("a.csv", data)})
    assert page.status_code == 422
    assert "C2" in page.content.decode()
    assert "D2" in page.content.decode()
    assert form_of(page) == {}


def test_an_export_holds_the_filtered_rows_and_is_in_the_ledger(browser):
    client = browser("liuyang")
    page = client.get("/registers/person/export.csv?q=唐")
    lines = page.content.decode("utf-8-sig").splitlines()
    assert [line.split(",")[:2] for line in lines[1:]] == [["P023", "唐欣"]]
    assert page["Content-Disposition"].startswith("attachment")
    entry = Entry.objects.filter(act="registers:sheet:export").get()
    assert (entry.actor, entry.object_key) == ("user:liuyang", "person")
    assert client.get("/registers/person/export.xlsx").content[:2] == b"PK"
    assert client.get("/registers/person/export.pdf").status_code == 404


def test_an_export_leads_no_formula(browser):
    Holiday.objects.create(day="2026-10-01", is_workday=False, name='=HYPERLINK("http://x")')
    text = browser("zhengkai").get("/registers/holiday/export.csv").content.decode("utf-8-sig")
    assert "\"'=HYPERLINK" in text


def test_a_register_offers_only_a_route_that_the_catalog_has(browser, monkeypatch):
    without = {key: way for key, way in routes.current().items() if key != "delegation"}
    monkeypatch.setattr(routes, "current", lambda: without)
    office = browser("wujie")
    assert "/cases/new/officer_appointment/" in office.get("/registers/officer/").text
    assert "/cases/new/delegation/" not in office.get("/registers/delegation/").text
    assert office.get("/cases/new/delegation/").status_code == 404
