"""Bad input, item by item: a clear error or a bounded quarantine each, nothing half-written.

What the other tests hold already:

    broken TOML                 operate/test_doctor.py    test_it_names_a_broken_settings_file_by_line
                                regulation/test_catalog.py    test_broken_toml_is_named_by_file_and_line
    wrong docx                  casework/test_text.py    test_the_verb_calls_a_wrong_file_bad_input
    wrong sheet                 registers/test_sheets.py    test_it_says_what_is_wrong_with_a_file
    10 MB line                  monitoring/test_collector.py    test_a_line_of_ten_megabytes_is_kept_in_pieces
    NUL bytes in a log          monitoring/test_collector.py    test_bytes_of_any_kind_come_back_as_they_were_sent
    year 2099 in a log          engines/test_vault.py    test_a_clock_far_ahead_does_not_move_a_line_out_of_sight
    unregistered sender         monitoring/test_collector.py    test_an_unregistered_sender_fills_a_bounded_quarantine_and_no_stream
    quota exceeded              monitoring/test_collector.py    test_over_its_quota_a_source_is_held_back_and_the_others_are_not
                                monitoring/test_push.py    test_over_the_quota_it_says_when_to_come_back
    wrong token                 monitoring/test_push.py    test_it_refuses_with_a_json_error
                                web/test_registers_api.py    test_no_token_a_wrong_token_and_a_foreign_address_get_401
    a foreign unit's id         web/test_registers.py    test_a_foreign_units_row_does_not_exist_for_a_stranger
                                web/test_cases.py    test_a_stranger_finds_no_such_case
                                web/test_pages.py    test_a_foreign_finding_does_not_exist
                                web/test_search.py    test_a_line_names_its_segment_and_proof_and_a_strangers_line_is_not_there
    two editors at once         web/test_registers.py    test_the_second_of_two_editors_gets_a_comparison_and_loses_nothing

Here stands what a person can type or send to a page, the API or a verb besides.
"""

import json
import re

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from anzhang.casework import reconciliation
from anzhang.casework.models import Act, Case, Finding
from anzhang.directory.models import Person
from anzhang.journal.models import Entry
from anzhang.permissions import system
from anzhang.registers.declaration import REGISTERS
from anzhang.registers.rights import Sight
from tests.web.visitors import enter

pytestmark = pytest.mark.usefixtures("bureau")
SCRIPT = '"><script>alert(1)</script>{{ 7 }}'
LONG_NUMBER = "9" * 5000  # Python refuses to read it as a number
JUNK = ("", "-1", "1e9", LONG_NUMBER, "a\x00b", "²", "%", SCRIPT, "0001-01-01T00:00", "[", "\u202e")
LISTS = ("/cases/", "/findings/", "/inbox/", "/board/", "/search/", "/ledger/", "/api/registers/person", "/administration/users/")
NAMED = {"int": "7", "slug": "x", "str": "x"}


@pytest.fixture
def visitor(bureau):
    """Return the browser of a user."""
    return lambda name: enter(Client(), bureau.user[name])


def person(**changes):
    given = {"code": "P900", "name": "钱多", "kind": "staff", "unit": "JYC", "post": "科员", "joined_on": "2026-03-01"}
    return {**given, **changes}


def addresses(patterns, above=""):
    """Return one address for every pattern of the site."""
    for each in patterns:
        path = above + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from addresses(each.url_patterns, path)
        elif isinstance(each, URLPattern):
            yield "/" + re.sub(r"<(?:(\w+):)?\w+>", lambda found: NAMED.get(found[1] or "str", "x"), path).replace("^", "").replace("$", "")


# Half a character, a NUL, a number beyond all bounds, a body that is no JSON


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (rb'{"code":"P900","name":"\ud83d","kind":"staff","unit":"JYC","post":"","joined_on":"2026-03-01"}', 400),
        (rb'{"code":"P900","name":"a\u0000b","kind":"staff","unit":"JYC","post":"","joined_on":"2026-03-01"}', 422),
        (rb'{"code":"P900","name":1e999,"kind":"staff","unit":"JYC","post":"","joined_on":"2026-03-01"}', 400),
        (b"[" * 100_000, 400),
        (b"\xff\xfe{", 400),
        (b"null", 422),
    ],
)
def test_the_api_answers_a_senseless_body_and_writes_nothing(body, status, visitor):
    before = Entry.objects.count()
    answer = visitor("liuyang").post("/api/registers/person", body, content_type="application/json")
    assert answer.status_code == status
    assert answer["Content-Type"] == "application/problem+json"
    assert not Person.objects.filter(code="P900").exists()
    assert Entry.objects.count() == before


def test_no_text_of_a_case_takes_a_nul(visitor):
    applicant = visitor("sunli")
    for changes in ({"title_of_case": "a\x00b"}, {"reason": "a\x00b"}):
        form = {"unit_of_case": "JYC", "title_of_case": "t", "person": "P022", "reason": "r", **changes}
        assert 'role="alert"' in applicant.post("/cases/new/officer_appointment/", form).text
    assert not Case.objects.exists()


def test_a_nul_is_in_no_plan_and_no_search(visitor, acting, clock):
    reconciliation.run(system("reconcile"), clock.now)
    finding = Finding.objects.get(obligation="A05.3", unit__code="JYC")
    head = visitor("liuyang")
    assert 'role="alert"' in head.post(f"/findings/{finding.number}/", {"plan": "本周\x00任命"}).text
    finding.refresh_from_db()
    assert finding.plan == ""
    assert finding.number in head.get("/findings/", {"q": f"{finding.number}\x00"}).text


# A day that nobody meant


@pytest.mark.parametrize("day", ["0001-01-01", "0202-03-01", "9999-12-31"])
def test_a_register_refuses_an_implausible_day(day, visitor, bureau):
    head = visitor("liuyang")
    page = head.post("/registers/person/new/", person(joined_on=day))
    assert page.status_code == 422
    assert "1900" in page.text
    row = bureau.person["P022"]
    old = person(code="P022", name=row.name, version=row.version, left_on=day)
    assert head.post(f"/registers/person/{row.pk}/edit/", {**old, "joined_on": "0001-01-01"}).status_code == 422
    row.refresh_from_db()
    assert row.left_on is None
    assert not Person.objects.filter(code="P900").exists()


def test_a_sheet_with_an_implausible_day_writes_no_row(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    file = tmp_path / "a.csv"
    file.write_text("工号,姓名,所在单位,入职日期\nP900,钱多,JYC,2026-03-01\nP901,钱少,JYC,0001-01-01\n", encoding="utf-8")
    with pytest.raises(SystemExit) as stop:
        call_command("import", "person", str(file), as_json=True)
    assert stop.value.code == 1
    assert "1900" in json.loads(capsys.readouterr().out)["faults"][0]["message"]
    assert not Person.objects.filter(code__startswith="P90").exists()


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31", "2026-02-30"])
def test_a_case_with_an_implausible_day_is_not_filed(day, visitor):
    form = {"unit_of_case": "JYC", "title_of_case": "t", "person": "P022", "reason": "r", "effective_on": day}
    assert day in visitor("sunli").post("/cases/new/officer_appointment/", form).text
    assert not Case.objects.exists()


# Forged rounds, steps, people, versions


@pytest.mark.parametrize(("round_", "step"), [("2", "0"), ("1", "1"), (LONG_NUMBER, "0"), ("x", "0"), ("", "")])
def test_a_forged_round_or_step_decides_nothing(round_, step, visitor):
    number = filed(visitor("sunli"))
    visitor("liuyang").post(f"/cases/{number}/decide/", {"verb": "agree", "opinion": "同意", "round": round_, "step": step})
    assert list(Act.objects.values_list("verb", flat=True)) == ["file"]


@pytest.mark.parametrize("name", ["sunli", "wujie", "guolei", "mali", "chenjing", "gaojianguo", "xubin"])
def test_nobody_but_the_one_who_is_asked_decides(name, visitor):
    number = filed(visitor("sunli"))
    for verb in ("agree", "refuse", "send_back"):
        visitor(name).post(f"/cases/{number}/decide/", {"verb": verb, "opinion": "理由", "round": "1", "step": "0"})
    assert list(Act.objects.values_list("verb", flat=True)) == ["file"]
    assert Case.objects.get().state == Case.State.OPEN


@pytest.mark.parametrize("version", [LONG_NUMBER, "-1", "x", "²"])
def test_a_forged_version_saves_nothing(version, visitor, bureau):
    row = bureau.person["P022"]
    answer = visitor("liuyang").post(f"/registers/person/{row.pk}/edit/", person(code="P022", name="改", version=version))
    assert answer.status_code == 409
    row.refresh_from_db()
    assert row.name == "张华"


def test_a_case_for_a_foreign_unit_is_not_filed_for_the_own_one(visitor):
    form = {"unit_of_case": "SBZX", "title_of_case": "t", "person": "P022", "reason": "r"}
    assert visitor("sunli").post("/cases/new/officer_appointment/", form).status_code == 404
    assert not Case.objects.exists()


@pytest.mark.parametrize("name", ["liuyang", "luona"])
def test_no_row_out_of_sight_has_an_address(name, visitor, acting, clock):
    browser, sight, hidden = visitor(name), Sight(acting(name), clock.now), 0
    for register in REGISTERS.values():
        everything = register.model._default_manager.values_list("pk", flat=True)
        for pk in set(everything) - set(sight.rows(register).values_list("pk", flat=True)):
            hidden += 1
            for path in (f"/registers/{register.id}/{pk}/", f"/registers/{register.id}/{pk}/edit/", f"/api/registers/{register.id}/{pk}"):
                assert browser.get(path).status_code == 404, path
    assert hidden > 20


# Text that would be code


def test_what_was_typed_is_only_text_on_every_page_that_shows_it(visitor):
    applicant, head = visitor("sunli"), visitor("liuyang")
    number = filed(applicant, title=SCRIPT, reason=SCRIPT)
    head.post(f"/cases/{number}/decide/", {"verb": "send_back", "opinion": SCRIPT, "round": "1", "step": "0"})
    head.post("/registers/person/new/", person(name="<script>", post=SCRIPT))
    made = Person.objects.get(code="P900")
    for path in ("/", "/cases/?list=mine", f"/cases/{number}/", "/inbox/", "/registers/person/", f"/registers/person/{made.pk}/"):
        page = applicant.get(path).text
        assert "<script>alert" not in page
        assert "<script>" not in re.sub(r'<script src="[^"]+"', "", page).replace("<script defer", "")
    assert "&lt;script&gt;alert" in applicant.get(f"/cases/{number}/").text


# Every address, every method


@pytest.mark.parametrize("name", ["liuyang", "guolei", "chenjing"])
def test_no_address_fails_whatever_is_asked_of_it(name, visitor):
    browser = visitor(name)
    found = sorted(set(addresses(get_resolver().url_patterns)))
    assert len(found) > 100
    for path in found:
        for method in ("get", "post", "put", "delete", "options"):
            assert getattr(browser, method)(path).status_code < 500, (method, path)


@pytest.mark.parametrize("path", LISTS)
def test_no_query_fails(path, visitor):
    browser = visitor("guolei")
    for junk in JUNK:
        query = dict.fromkeys(("page", "q", "list", "state", "unit", "article", "route", "since", "source", "sort", "size"), junk)
        assert browser.get(path, query).status_code < 500, (path, junk)
        assert browser.get(path, {"page": junk}).status_code < 500, (path, junk)


@pytest.mark.parametrize("register_id", REGISTERS)
def test_no_query_of_a_register_fails(register_id, visitor):
    browser = visitor("wujie")
    names = ("page", "size", "sort", "q", *(each.name for each in REGISTERS[register_id].filters))
    for name in names:
        for junk in JUNK:
            assert browser.get(f"/registers/{register_id}/", {name: junk}).status_code in {200, 400}, (name, junk)


@pytest.mark.parametrize("path", [b"/%ff%fe", b"/cases/%00/", b"/registers/person/%E4%B8/", b"/findings/..%2f..%2fetc/"])
def test_bytes_in_an_address_find_nothing(path, visitor):
    assert visitor("wujie").get(path.decode("ascii")).status_code == 404


def test_a_foreign_host_name_is_refused():
    assert Client().get("/account/login/", headers={"host": "evil.example"}).status_code == 400


def filed(applicant: Client, **changes: str) -> str:
    """File the appointment of 张华 as 孙丽 and return its number."""
    form = {"unit_of_case": "JYC", "title_of_case": "t", "person": "P022", "reason": "r", **changes}
    applicant.post("/cases/new/officer_appointment/", form)
    return Case.objects.get().number
