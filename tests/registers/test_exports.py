"""Exports above 1,000 rows need an approval that opens the download for its applicant until it expires."""

import pytest
from django.core.management import call_command
from django.test import Client

from anzhang.casework import exports, procedures
from anzhang.directory.models import Person
from anzhang.journal.models import Entry
from tests import world


@pytest.fixture
def many(bureau, clock):
    rows = (Person(code=f"X{i:04}", name="甲", unit=bureau.unit["JYC"], joined_on=clock.now.date()) for i in range(exports.FREE + 10))
    Person.objects.bulk_create(rows)


@pytest.fixture
def browser(bureau):
    def enter(username):
        client = Client()
        world.enter(client, bureau.user[username])
        return client

    return enter


def granted(bureau, acting, clock, query="unit=JYC", rows=2000):
    form = {"register": "person", "query": query, "rows": str(rows), "reason": "核对编制"}
    case = procedures.file_case(acting("sunli"), exports.ROUTE, bureau.unit["JYC"], bureau.person["P021"], "", form, clock.now)
    return procedures.agree(acting("liuyang"), case, "同意", clock.advance(minutes=5))


def test_a_small_export_needs_none(browser, many):
    assert browser("sunli").get("/registers/person/export.csv?q=孙丽").status_code == 200


@pytest.mark.usefixtures("many")
def test_a_large_export_is_refused_and_leads_to_the_form_filled_in(browser):
    client = browser("sunli")
    answer = client.get("/registers/person/export.csv?unit=JYC")
    assert answer.status_code == 409
    text = answer.content.decode()
    assert "/cases/new/register_export/?register=person&amp;query=unit%3DJYC" in text
    assert not Entry.objects.filter(act="registers:sheet:export").exists()
    form = client.get("/cases/new/register_export/?register=person&query=unit%3DJYC&rows=1014").content.decode()
    assert 'value="person"' in form


@pytest.mark.usefixtures("many")
def test_an_approval_opens_it_for_its_applicant_that_filter_and_that_time(bureau, acting, clock, browser):
    case = granted(bureau, acting, clock)
    own, other = browser("sunli"), browser("liuyang")
    assert own.get("/registers/person/export.csv?unit=JYC&sort=-code").status_code == 200
    assert case.number.encode() in bytes(Entry.objects.get(act="registers:sheet:export").payload.body)
    assert own.get("/registers/person/export.csv").status_code == 409  # another filter
    assert own.get("/registers/person/export.csv?unit=JYC&kind=staff").status_code == 409
    assert other.get("/registers/person/export.csv?unit=JYC").status_code == 409  # another person
    clock.advance(days=8)
    assert browser("sunli").get("/registers/person/export.csv?unit=JYC").status_code == 409  # expired


@pytest.mark.usefixtures("many")
def test_more_rows_than_granted_are_refused(bureau, acting, clock, browser):
    granted(bureau, acting, clock, rows=1005)
    assert browser("sunli").get("/registers/person/export.csv?unit=JYC").status_code == 409


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("username", ["zhengkai", "mali", "chenjing"])
def test_no_office_exempts_from_it(username, browser):
    assert browser(username).get("/registers/person/export.xlsx").status_code == 409


@pytest.fixture
def export(capsys, monkeypatch, tmp_path):
    """Run `anzhang export person` as the operating-system user; return (exit code, standard error, the file)."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    file = tmp_path / "people.csv"

    def run(*words):
        code = 0
        try:
            call_command("export", "person", str(file), *words)
        except SystemExit as stop:
            code = stop.code
        return code, capsys.readouterr().err, file

    return run


@pytest.mark.usefixtures("many")
def test_whoever_works_at_the_machine_asks_for_it_too_and_the_try_is_kept(export):
    code, err, file = export("--filter", "unit=JYC")
    assert (code, "--case" in err, file.exists()) == (1, True, False)
    entry = Entry.objects.get(act="registers:sheet:export_refused")
    assert entry.actor.startswith("os:")
    assert b'"rows":1014' in bytes(entry.payload.body)
    assert export("--filter", "unit=JYC&q=孙丽")[0] == 0  # a small one is free


@pytest.mark.usefixtures("many")
def test_a_granted_case_opens_it_at_the_machine_for_that_filter_and_that_time(bureau, acting, clock, export):
    case = granted(bureau, acting, clock)
    code, _err, file = export("--filter", "unit=JYC", "--case", case.number)
    assert (code, len(file.read_text(encoding="utf-8-sig").splitlines())) == (0, 1015)
    entry = Entry.objects.get(act="registers:sheet:export")
    assert entry.actor.startswith("os:")
    assert case.number.encode() in bytes(entry.payload.body)
    assert export("--case", case.number)[0] == 1  # another filter
    assert export("--filter", "unit=JYC", "--case", "X")[0] == 1
    clock.advance(days=8)
    assert export("--filter", "unit=JYC", "--case", case.number)[0] == 1  # expired
