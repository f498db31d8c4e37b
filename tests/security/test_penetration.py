"""Our own list of attacks: each is one named attempt on the running application, and each is refused.

An attempt returns the answers it got; `refused` are statuses that let nothing happen. Attempts that look at what a page says
assert it themselves. See docs/THREATS.md for who would try.
"""

import re
import time

import pytest
from django.core import signing
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from anzhang.casework import channels, routes
from anzhang.directory.models import Person, Unit, User
from anzhang.registers import attachments, sheets
from anzhang.registers.declaration import REGISTERS
from anzhang.registers.models import Attachment, SheetImport
from tests import world

pytestmark = pytest.mark.usefixtures("bureau")
REFUSED = {302, 400, 401, 403, 404, 405, 409, 413, 422}
NEW = {"code": "P100", "name": "钱多", "unit": "JYC", "joined_on": "2026-03-01"}
ATTEMPTS = {}


def attempt(function):
    """Add an attempt under its own name."""
    ATTEMPTS[function.__name__] = function
    return function


# Other people's rows (IDOR)


@attempt
def reading_a_foreign_person(target):
    return target.client("liuyang").get(f"/registers/person/{target.bureau.person['P031'].pk}/")


@attempt
def editing_a_foreign_person(target):
    return target.client("liuyang").post(f"/registers/person/{target.bureau.person['P031'].pk}/edit/", {**NEW, "version": "1"})


@attempt
def reading_a_foreign_person_through_the_api(target):
    return target.bearer("liuyang", "read").get(f"/api/registers/person/{target.bureau.person['P031'].pk}")


@attempt
def writing_a_foreign_person_through_the_api(target):
    address = f"/api/registers/person/{target.bureau.person['P031'].pk}"
    return target.send(target.bearer("liuyang", "read", "write"), "put", address, {"post": "局长", "version": 1})


@attempt
def reading_a_foreign_case(target):
    return target.client("sunli").get(f"/cases/{target.case.number}/")


@attempt
def deciding_a_foreign_case(target):
    return target.client("liuyang").post(f"/cases/{target.case.number}/decide/", {"act": "agree", "opinion": "同意"})


@attempt
def printing_a_foreign_case(target):
    return target.client("sunli").get(f"/cases/{target.case.number}/sheet.pdf")


@attempt
def reading_a_foreign_case_through_the_api(target):
    return target.bearer("sunli", "read").get(f"/api/cases/{target.case.number}")


@attempt
def reading_a_foreign_finding(target):
    return target.client("liuyang").get(f"/findings/{target.foreign_finding.number}/")


@attempt
def reading_a_foreign_finding_through_the_api(target):
    return target.bearer("liuyang", "read").get(f"/api/findings/{target.foreign_finding.number}")


@attempt
def reading_a_foreign_units_board(target):
    return target.client("liuyang").get("/board/?unit=SBZX")


@attempt
def reading_a_foreign_units_board_through_the_api(target):
    return target.bearer("liuyang", "read").get("/api/board?unit=SBZX")


@attempt
def filtering_by_a_foreign_unit_shows_nothing(target):
    page = target.bearer("liuyang", "read").get("/api/registers/person?unit=SBZX")
    assert page.json().get("items", []) == []


@attempt
def walking_past_ones_own_rows(target):
    items = target.bearer("liuyang", "read").get("/api/registers/person?after=0&size=100").json()["items"]
    assert {item["unit"] for item in items} == {"JYC"}


@attempt
def exporting_foreign_rows(target):
    text = target.client("liuyang").get("/registers/person/export.csv").content.decode()
    assert target.bureau.person["P031"].name not in text


@attempt
def downloading_a_foreign_attachment(target):
    kept = attachments.keep(_actor(target), ("person", str(target.bureau.person["P031"].pk)), b"text", "a.txt", at=target.clock.now)
    return target.client("liuyang").get(f"/registers/person/{target.bureau.person['P031'].pk}/files/{kept.pk}/")


@attempt
def reaching_an_attachment_through_a_row_of_ones_own(target):
    kept = attachments.keep(_actor(target), ("person", str(target.bureau.person["P031"].pk)), b"text", "a.txt", at=target.clock.now)
    return target.client("liuyang").get(f"/registers/person/{target.bureau.person['P021'].pk}/files/{kept.pk}/")


@attempt
def following_somebody_elses_import(target):
    user = target.bureau.user["sunli"]
    now = target.clock.now
    SheetImport.objects.create(key="k" * 32, register="person", name="a", digest="", size=1, user=user, requested_at=now, seen_at=now)
    client = target.client("liuyang")
    address = f"/registers/person/import/{'k' * 32}/"
    return [client.get(address), client.post(address, {"act": "confirm"}), client.get(address + "faults.xlsx")]


@attempt
def following_somebody_elses_notice(target):
    return target.client("liuyang").get("/inbox/999999/")


# Roles


@attempt
def administering_as_nobody(target):
    client = target.client("liuyang")
    return [client.get(address) for address in ("/administration/users/", "/administration/tokens/", "/administration/audit/")]


@attempt
def issuing_a_token_as_the_system_administrator(target):
    return target.client("zhengkai").post(
        "/administration/tokens/new/", {"name": "x", "scopes": "write", "address": "127.0.0.1", "days": 9}
    )


@attempt
def writing_as_the_auditor(target):
    return target.client("chenjing").post("/registers/person/new/", NEW)


@attempt
def writing_without_a_role(target):
    return target.client("sunli").post("/registers/person/new/", NEW)


@attempt
def deciding_without_the_second_factor(target):
    client = Client()
    client.force_login(target.bureau.user["liming"])
    return client.post(f"/cases/{target.case.number}/decide/", {"act": "agree", "opinion": "同意"})


@attempt
def deciding_ones_own_case(target):
    target.client("liming").post(f"/cases/{target.case.number}/decide/", {"act": "agree", "opinion": "同意"})
    target.case.refresh_from_db()
    assert target.case.state == "open"


@attempt
def reading_the_ledger_as_a_stranger(target):
    return Client().get("/ledger/")


# Sessions, cookies, cross-site requests


@attempt
def posting_without_the_csrf_token(target):
    return target.client("liuyang", enforce_csrf_checks=True).post("/registers/person/new/", NEW)


@attempt
def posting_with_somebody_elses_csrf_token(target):
    other = target.client("sunli", enforce_csrf_checks=True)
    other.get("/registers/person/new/")
    stolen = other.cookies["csrftoken"].value
    return target.client("liuyang", enforce_csrf_checks=True).post("/registers/person/new/", {**NEW, "csrfmiddlewaretoken": stolen})


@attempt
def posting_from_another_origin(target):
    client = target.client("liuyang", enforce_csrf_checks=True)
    client.get("/registers/person/new/")
    token = client.cookies["csrftoken"].value
    return client.post("/registers/person/new/", {**NEW, "csrfmiddlewaretoken": token}, headers={"Origin": "https://evil.example"})


@attempt
def logging_out_somebody_by_a_link(target):
    client = target.client("liuyang")
    client.get("/account/logout/")
    assert client.get("/board/").status_code == 200


@attempt
def writing_with_a_session_and_no_csrf_token_through_the_api(target):
    client = target.client("liuyang", enforce_csrf_checks=True)
    return target.send(client, "post", "/api/registers/person", NEW)


@attempt
def fixing_a_session(target):
    client = Client()
    client.cookies["anzhang_session"] = "a" * 32
    client.get("/account/login/")
    _log_in(client, target)
    assert client.cookies["anzhang_session"].value != "a" * 32


@attempt
def keeping_the_session_key_over_a_log_in(target):
    client = Client()
    client.get("/account/login/")
    session = client.session
    session["x"] = 1
    session.save()
    client.cookies["anzhang_session"] = before = session.session_key
    _log_in(client, target)
    assert client.cookies["anzhang_session"].value != before


@attempt
def using_a_session_after_its_logout(target):
    client = target.client("liuyang")
    key = client.cookies["anzhang_session"].value
    client.post("/account/logout/")
    thief = Client()
    thief.cookies["anzhang_session"] = key
    return thief.get("/board/")


@attempt
def using_a_session_after_its_idle_limit(target):
    client = target.client("liuyang")
    client.get("/board/")
    target.clock.advance(minutes=16)
    return client.get("/board/")


@attempt
def reading_the_session_cookie_from_a_script(target):
    cookie = target.client("liuyang").cookies["anzhang_session"]
    client = Client()
    _log_in(client, target)
    cookie = client.cookies["anzhang_session"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert not cookie["domain"]


@attempt
def framing_a_page(target):
    page = target.client("liuyang").get("/board/")
    assert page["X-Frame-Options"] == "DENY"
    assert "frame-ancestors 'none'" in page["Content-Security-Policy"]


@attempt
def reading_pages_from_a_shared_cache(target):
    client = target.client("liuyang")
    for address in ("/", "/board/", "/registers/person/", "/registers/person/export.csv", "/api/registers/person"):
        assert "no-store" in client.get(address)["Cache-Control"], address


# Redirects, hosts, headers, methods


@attempt
def redirecting_to_another_site_after_the_log_in(target):
    for there in ("https://evil.example/", "//evil.example/", "https:evil.example", "/\\evil.example", "javascript:alert(1)"):
        client = Client()
        answer = _log_in(client, target, there)
        assert "evil" not in answer.get("Location", "")
        assert "javascript" not in answer.get("Location", "")


@attempt
def redirecting_to_another_site_after_choosing_the_language(target):
    answer = target.client("liuyang").post(
        "/language/", {"language": "en", "next": "https://evil.example/"}, headers={"Referer": "https://evil.example/"}
    )
    assert "evil" not in answer.get("Location", "")


@attempt
def asking_for_another_host(target):
    return target.client("liuyang").get("/board/", headers={"Host": "evil.example"})


@attempt
def forwarding_another_host(target):
    page = target.client("liuyang").get("/registers/person/", headers={"X-Forwarded-Host": "evil.example"})
    assert "evil.example" not in page.content.decode()


@attempt
def pretending_another_address_to_use_a_token(target):
    client = target.bearer("liuyang", "read")
    return client.get("/api/registers/person", REMOTE_ADDR="10.9.8.7", headers={"X-Forwarded-For": "127.0.0.1"})


@attempt
def splitting_a_header_by_a_file_name(target):
    client = target.client("liuyang")
    row = f"/registers/person/{target.bureau.person['P021'].pk}/"
    beside = ("person", str(target.bureau.person["P021"].pk))
    kept = attachments.keep(_actor(target), beside, b"text", 'a"\r\nX-Evil: 1\r\n.txt', at=target.clock.now)
    answer = client.get(f"{row}files/{kept.pk}/")
    assert "X-Evil" not in answer.headers
    assert "\n" not in answer["Content-Disposition"]


@attempt
def splitting_a_header_by_a_query(target):
    answer = target.client("liuyang").get("/registers/person/export.csv?q=%0d%0aX-Evil:1")
    assert "X-Evil" not in answer.headers


@attempt
def overriding_the_method_by_a_header(target):
    client = target.bearer("liuyang", "read")
    address = f"/api/registers/person/{target.bureau.person['P021'].pk}"
    answer = client.get(address, headers={"X-HTTP-Method-Override": "PUT", "X-Method-Override": "DELETE"})
    assert answer.status_code == 200
    return target.send(client, "post", address, {"post": "x", "version": 1, "_method": "PUT"})


@attempt
def deleting_rows(target):
    address = f"/registers/person/{target.bureau.person['P021'].pk}/"
    return [target.client("liuyang").delete(address), target.bearer("liuyang", "read", "write").delete("/api" + address.rstrip("/"))]


@attempt
def posting_to_pages_that_only_show(target):
    client = target.client("zhengkai")
    return [client.post(address) for address in ("/board/", "/registers/", "/ledger/", "/registers/person/")]


# Mass assignment and forged state


@attempt
def setting_the_version_and_key_through_the_form(target):
    target.client("liuyang").post("/registers/person/new/", {**NEW, "kind": "staff", "id": "1", "pk": "1", "version": "99"})
    made = Person.objects.get(code="P100")
    assert (made.version, made.pk != 1) == (1, True)


@attempt
def setting_a_hidden_column_through_the_api(target):
    client = target.bearer("liuyang", "read", "write")
    return [
        target.send(client, "post", "/api/registers/person", {**NEW, extra: 1}) for extra in ("id", "pk", "version", "unit_id", "__class__")
    ]


@attempt
def setting_the_path_of_a_unit(target):
    client = target.client("zhengkai")
    client.post(
        "/registers/unit/new/",
        {"code": "ZZ", "name": "乙", "kind": "subordinate_unit", "parent": "HRSS", "established_on": "2026-01-01", "path": "/"},
    )
    made = Unit.objects.filter(code="ZZ").first()
    assert made is None or made.path == "/HRSS/ZZ/"


@attempt
def becoming_an_administrator_through_ones_own_account(target):
    client = target.client("liuyang")
    client.post("/account/", {"administrator": "system_admin", "is_active": "1"})
    client.post("/account/password/", {"administrator": "system_admin"})
    assert User.objects.get(username="liuyang").administrator == ""


@attempt
def adding_fields_to_a_case(target):
    client = target.client("liuyang")
    data = {"person": "P021", "effective_on": "", "reason": "x", "state": "approved", "step": "9", "applicant": "1", "number": "X1"}
    client.post("/cases/new/officer_appointment/", data)
    assert not type(target.case).objects.filter(state="approved").exists()
    assert not type(target.case).objects.filter(number="X1").exists()


@attempt
def forging_the_ticket_of_an_import(target):
    client = target.client("liuyang")
    forged = signing.dumps({"file": "../../../etc/passwd", "register": "person", "actor": "user:liuyang"}, salt="another")
    return [client.post("/registers/person/import/", {"ticket": ticket}) for ticket in (forged, "x", "../../etc/passwd")]


@attempt
def forging_the_base_of_a_comparison(target):
    person = target.bureau.person["P021"]
    client = target.client("liuyang")
    answer = client.post(
        f"/registers/person/{person.pk}/edit/", {**NEW, "code": person.code, "kind": "staff", "version": "0", "base": "forged"}
    )
    person.refresh_from_db()
    assert person.version == 1
    return answer


# Tokens


@attempt
def writing_with_a_token_that_reads(target):
    return target.send(target.bearer("liuyang", "read"), "post", "/api/registers/person", NEW)


@attempt
def leaving_the_register_of_a_token(target):
    return target.bearer("liuyang", "read:person").get("/api/registers/unit")


@attempt
def leaving_the_register_of_a_token_by_a_trick_in_the_path(target):
    client = target.bearer("liuyang", "read:person")
    return [client.get(f"/api/registers/{path}") for path in ("person/../unit", "person%2f..%2funit", "./unit", "/unit")]


@attempt
def deciding_with_a_token(target):
    client = target.bearer("liming", "read", "write")
    return [
        client.post(f"/cases/{target.case.number}/decide/", {"act": "agree"}),
        target.send(client, "post", f"/api/cases/{target.case.number}", {"act": "agree"}),
    ]


@attempt
def opening_pages_with_a_token(target):
    client = target.bearer("guolei", "read", "write")
    return [client.get(address) for address in ("/board/", "/administration/users/", "/registers/person/")]


@attempt
def administering_with_an_administrators_token(target):
    client = target.bearer("zhengkai", "read", "write")
    return target.send(
        client, "post", "/api/registers/unit", {"code": "ZZ", "name": "乙", "kind": "subordinate_unit", "established_on": "2026-01-01"}
    )


@attempt
def guessing_tokens(target):
    client = Client(headers={"Authorization": "Bearer az_00000000_" + "x" * 43})
    statuses = [client.get("/api/registers/person").status_code for _n in range(25)]
    assert statuses[-1] == 429


@attempt
def sending_the_token_in_the_address(target):
    return Client().get("/api/registers/person?token=az_00000000_x&access_token=az_00000000_x")


# Paths


@attempt
def climbing_out_of_the_export(target):
    client = target.client("zhengkai")
    return [
        client.get(f"/registers/{path}")
        for path in ("..%2f..%2fetc/export.csv", "person/export.csv%00.pdf", "person/export.php", "%2e%2e/")
    ]


@attempt
def climbing_out_of_the_static_files(target):
    client = target.client("liuyang")
    return [client.get(f"/static/{path}") for path in ("../settings.py", "..%2fsettings.py", "%2e%2e/settings.py", "....//settings.py")]


@attempt
def climbing_out_of_an_import(target):
    return [target.client("liuyang").get(f"/registers/person/import/{key}/") for key in ("..%2f..", "%2e%2e", "a" * 32)]


@attempt
def uploading_a_name_that_climbs(target):
    client = target.client("liuyang")
    client.post(
        f"/registers/person/{target.bureau.person['P021'].pk}/files/", {"file": SimpleUploadedFile("../../../../etc/evil.txt", b"text")}
    )
    assert Attachment.objects.get().name == "evil.txt"


@attempt
def uploading_a_page_as_a_picture(target):
    client = target.client("liuyang")
    row = f"/registers/person/{target.bureau.person['P021'].pk}/files/"
    return [
        client.post(row, {"file": SimpleUploadedFile(name, b"<html><script>alert(1)</script>")})
        for name in ("a.png", "a.html", "a.svg", "a.txt")
    ]


# Bodies and patterns


@attempt
def sending_a_body_that_is_too_long(target):
    return target.send(
        target.bearer("liuyang", "read", "write"), "post", "/api/registers/person", b'{"name": "' + b"x" * (4 * 2**20) + b'"}'
    )


@attempt
def sending_a_form_with_too_many_fields(target):
    return target.client("liuyang").post("/registers/person/new/", {f"f{n}": "x" for n in range(2000)})


@attempt
def sending_json_that_nests_deeply(target):
    return target.send(target.bearer("liuyang", "read", "write"), "post", "/api/registers/person", b"[" * 100_000)


@attempt
def sending_half_a_character(target):
    return target.send(target.bearer("liuyang", "read", "write"), "post", "/api/registers/person", b'{"name": "\\ud800"}')


@attempt
def sending_a_number_that_is_too_large(target):
    client = target.bearer("zhengkai", "read")
    return [client.get(f"/api/registers/person/{'9' * 40}"), client.get(f"/api/registers/person?page={'9' * 40}")]


@attempt
def injecting_sql_by_search_filter_and_sort(target):
    client = target.client("zhengkai")
    count = Person.objects.count()
    answers = [
        client.get(f"/registers/person/?{query}")
        for query in ("sort=code;drop", "sort=code)--", "kind=staff' OR '1'='1", "sort=unit__person__code")
    ]
    page = client.get("/registers/person/?q=' OR 1=1 --")
    assert "没有符合条件的记录" in page.content.decode()
    assert Person.objects.count() == count
    return answers


@attempt
def ordering_by_a_secret(target):
    return [target.client("zhengkai").get(f"/registers/log_source/?sort={name}") for name in ("token_hash", "-token_hash", "unit__path")]


@attempt
def making_a_filter_backtrack(target):
    client, began = target.client("zhengkai"), time.process_time()
    for text in ("a" * 100, "(a+)+$" * 10, "%" * 100, "_" * 100):
        client.get("/registers/person/", {"q": text})
        client.get("/registers/person/", {"unit": text})
        client.get("/search/", {"q": text})
    sheets.unguard("'" * 100_000 + "x")
    assert time.process_time() - began < 20  # a backtracking pattern over these would take hours


@attempt
def putting_nul_bytes_everywhere(target):
    client = target.client("zhengkai")
    return [client.get(f"/registers/person/?{name}=%00") for name in ("q", "kind", "unit", "sort", "page", "size")]


@attempt
def asking_for_a_server_side_request(target):
    """No field of a register or a case makes the server fetch an address: sockets to other hosts are closed in the tests."""
    client = target.client("liuyang")
    address = "http://169.254.169.254/latest/meta-data/"
    client.post("/registers/person/new/", {**NEW, "kind": "staff", "post": address})
    page = client.get("/registers/person/")
    assert f'href="{address}' not in page.content.decode()
    assert f'src="{address}' not in page.content.decode()


@attempt
def sending_the_webhook_elsewhere(target):
    """Only an operator names the webhook, and even then it goes nowhere outside the networks that the settings name."""
    for host in ("169.254.169.254", "8.8.8.8", "0.0.0.0", "224.0.0.1", "::ffff:169.254.169.254", "2130706433"):
        with pytest.raises((channels.ChannelError, OSError)):
            channels.checked_address(host, 80, ["10.0.0.0/8"])
    assert target.client("guolei").get("/webhook/").status_code == 404  # no page takes an address


# Formulas


@attempt
def exporting_a_formula_as_csv(target):
    Person.objects.filter(code="P021").update(name="=cmd|' /C calc'!A0", post="@SUM(1)", phone="+1", email="-1@x.cn")
    text = target.client("liuyang").get("/registers/person/export.csv").content.decode("utf-8-sig")
    line = next(line for line in text.splitlines() if "cmd" in line)
    assert not any(cell.strip('"')[:1] in set("=+-@") for cell in line.split(","))


@attempt
def exporting_a_formula_as_excel(target):
    Person.objects.filter(code="P021").update(name="=cmd|' /C calc'!A0")
    body = target.client("liuyang").get("/registers/person/export.xlsx").content
    assert sheets.read(body, "a.xlsx").rows  # it reads back: a formula cell would be refused


@attempt
def importing_a_formula(target):
    data = "工号,姓名,所在单位,入职日期\r\nP100,=1+1,JYC,2026-03-01\r\n".encode()
    client = target.client("liuyang")
    page = client.post("/registers/person/import/", {"file": SimpleUploadedFile("a.csv", data)})
    ticket = re.search(r'name="ticket" value="([^"]+)"', page.content.decode())[1]
    client.post("/registers/person/import/", {"ticket": ticket})
    assert Person.objects.get(code="P100").name == "=1+1"  # a text like another, and guarded on its way out


@pytest.mark.parametrize("name", ATTEMPTS)
def test_the_attempt_is_refused(name, target):
    answers = ATTEMPTS[name](target)
    for answer in answers if isinstance(answers, list) else [answers] if answers is not None else []:
        assert answer.status_code in REFUSED, f"{name}: {answer.status_code}"
        if answer.status_code == 302:
            assert "/account/" in answer["Location"], answer["Location"]


def test_the_list_is_long_enough():
    assert len(ATTEMPTS) >= 60


# Stored scripts: every text column of every register, and every text field of every form of a case

SCRIPT = '"><script>alert(1)</script><img src=x onerror=alert(1)>'


def unescaped(text):
    return re.search(r"<script>alert|<img src=x|onerror=alert\(1\)>", text.replace("&lt;", "").replace("&#x27;", ""))


@pytest.mark.parametrize("register_id", REGISTERS)
def test_no_text_of_a_register_becomes_a_script(register_id, target):
    register = REGISTERS[register_id]
    row = register.model._default_manager.first()
    if row is None:
        row = register.model()
    texts = {
        field.name: SCRIPT[: field.max_length or len(SCRIPT)]
        for field in register.model._meta.concrete_fields
        if field.get_internal_type() in {"CharField", "TextField"} and not field.choices and not field.primary_key
    }
    texts.pop("path", None)
    if row.pk is not None:
        register.model._default_manager.filter(pk=row.pk).update(**texts)
    client = target.client("zhengkai")
    for address in ("", f"{row.pk}/", f"{row.pk}/edit/", f"?q={SCRIPT}", f"?sort={SCRIPT}", "new/", "import/"):
        assert not unescaped(client.get(f"/registers/{register_id}/{address}").content.decode()), address


def _routes():
    return sorted(routes.current())


@pytest.mark.parametrize("route", _routes())
def test_no_text_of_a_case_becomes_a_script(route, target):
    fields = routes.current()[route].fields
    client = target.client("wujie")
    data = {field.name: SCRIPT for field in fields} | {"title": SCRIPT, "title_of_case": SCRIPT}
    assert not unescaped(client.post(f"/cases/new/{route}/", data).content.decode())
    assert not unescaped(client.get(f"/cases/new/{route}/", data).content.decode())
    target.case.title, target.case.form = SCRIPT, dict.fromkeys(target.case.form, SCRIPT)
    type(target.case).objects.filter(pk=target.case.pk).update(title=SCRIPT, form=target.case.form)
    for address in (f"/cases/{target.case.number}/", "/cases/?list=all", f"/cases/?list=all&q={SCRIPT}"):
        assert not unescaped(client.get(address).content.decode()), address
    target.case.refresh_from_db()


# What each kind of register forbids, on its three faces


@pytest.mark.parametrize("register_id", [each.id for each in REGISTERS.values() if not each.writable])
def test_form_import_and_api_refuse_what_the_kind_forbids(register_id, target, entries):
    client, token = target.client("zhengkai"), target.bearer("liuyang", "read", "write")
    issued = entries()
    row = REGISTERS[register_id].model._default_manager.first()
    pk = row.pk if row else 1
    page, rest = f"/registers/{register_id}/", f"/api/registers/{register_id}"
    sheet = {"file": SimpleUploadedFile("a.csv", b"a\r\n1\r\n")}
    answers = [
        client.get(page + "new/"),
        client.post(page + "new/", {}),
        client.post(f"{page}{pk}/edit/", {"version": "1"}),
        client.post(f"{page}{pk}/files/", sheet),
        client.get(page + "import/"),
        client.post(page + "import/", sheet),
        client.get(page + "import/template.xlsx"),
    ]
    for method in ("post", "put", "patch", "delete"):
        answers += [target.send(token, method, rest, {}), target.send(token, method, f"{rest}/{pk}", {"version": 1})]
    assert {answer.status_code for answer in answers} <= {403, 404, 405, 409}
    assert entries() == issued


def _actor(target):
    return world.actor(target.bureau, "liuyang")


def _log_in(client, target, there=""):
    user = target.bureau.user["sunli"]
    user.set_password("Long-enough-1-password")
    user.save()
    return client.post("/account/login/", {"login": "sunli", "password": "Long-enough-1-password", "next": there})
