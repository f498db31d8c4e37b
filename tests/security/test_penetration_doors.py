"""More attacks, door by door: what is uploaded, what is exported, whose row an address names, what a text may hold.

Like `test_penetration`, each is one attempt on the running application; here each is a test of its own, for most try every
register, route or page in turn.
"""

import csv
import io
import json
import struct
import time
import zipfile
import zlib
from urllib.parse import urljoin

import docx
import pytest
from django.contrib.auth import hashers
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from anzhang.casework import routes
from anzhang.casework.models import Case, Finding, RegulationVersion
from anzhang.demo import bureau as demo
from anzhang.directory.models import Person, User
from anzhang.journal.models import Entry
from anzhang.monitoring.models import LogSource
from anzhang.organization.models import Directive, Filing
from anzhang.registers import attachments, sheet_imports, sheets
from anzhang.registers.declaration import REGISTERS
from anzhang.registers.models import SavedFilter, SheetImport
from tests import world
from tests.security.test_penetration import NEW

pytestmark = pytest.mark.django_db
REFUSED = {400, 403, 404, 405, 409, 413, 422}
SECRET = "root:x:0:0"  # the beginning of /etc/passwd
EVIL = "https://evil.example"
ZEROS = 700 * 2**20  # more than any door takes


def packed(**parts: bytes) -> bytes:
    """Return a zip of the parts; `__` in a name is a slash."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name.replace("__", "/"), data)
    return file.getvalue()


def bomb(name: str, *, lies: bool) -> bytes:
    """Return a zip whose one entry inflates to `ZEROS` zeros; when it lies, it says a hundred."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = b"".join([*(deflate.compress(bytes(2**20)) for _n in range(ZEROS // 2**20)), deflate.flush()])
    size, entry = 100 if lies else ZEROS, name.encode()
    local = struct.pack("<4s5H3I2H", b"PK\3\4", 20, 0, 8, 0, 33, 0, len(body), size, len(entry), 0) + entry
    central = struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, 20, 0, 8, 0, 33, 0, len(body), size, len(entry), 0, 0, 0, 0, 0, 0) + entry
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 1, 1, len(central), len(local) + len(body), 0)
    return local + body + central + end


def doors(target):
    """Return every way in for a file: what it is called, and a function that sends one."""
    person, clerk, security = target.bureau.person["P021"], target.client("liuyang"), target.client("mali")
    back = {"kind": "policy_document", "number": "1", "signer": "x", "approved_on": "2026-01-02", "content": "x", "title_of_case": "x"}
    return {
        "import": ("a.xlsx", lambda file: clerk.post("/registers/person/import/", {"file": file})),
        "sheet": ("a.xlsx", lambda file: clerk.post("/registers/assignment/sheet/", {"file": file, "unit": "JYC"})),
        "regulation": ("a.docx", lambda file: security.post("/regulation/", {"file": file})),
        "attachment": ("a.docx", lambda file: clerk.post(f"/registers/person/{person.pk}/files/", {"file": file})),
        "scan": ("a.pdf", lambda file: clerk.post("/cases/new/back_entry/", {**back, "scan": file})),
    }


DOORS = ("import", "sheet", "regulation", "attachment", "scan")


@pytest.fixture(scope="module")
def bombs():
    """Return the two bombs, made once."""
    return {lies: bomb("xl/workbook.xml", lies=lies) for lies in (False, True)}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("lies", [False, True])
def test_an_archive_that_inflates_without_end_is_not_unpacked(door, lies, bombs, target, entries):
    name, send = doors(target)[door]
    began = time.process_time()
    answer = send(SimpleUploadedFile(name, bombs[lies]))
    assert time.process_time() - began < 20
    if door == "attachment":
        assert answer.status_code == 302  # kept as it came, given out as it came; nothing opens it
        return
    if door == "import":  # a large sheet waits for the worker
        assert sheet_imports.sweep(target.clock.now) == 1
        assert SheetImport.objects.get().state == SheetImport.State.FAULTY
    assert answer.status_code in REFUSED | {200, 302}, answer.status_code  # 200: the form again, with what is wrong
    assert entries() == 0
    assert not RegulationVersion.objects.exists()


ENTITY = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd"><!ENTITY h SYSTEM "{EVIL}/">]>'
LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a0 "ha">' + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12)) + "]>"
)


@pytest.mark.parametrize("prolog", [ENTITY + "<r>&e;&h;</r>", LAUGHS + "<r>&a11;</r>"], ids=["entity", "laughs"])
@pytest.mark.parametrize(
    "part", ["xl__workbook.xml", "xl___rels__workbook.xml.rels", "xl__worksheets__sheet1.xml", "xl__sharedStrings.xml"]
)
def test_a_sheet_reads_no_file_of_the_server_and_expands_nothing(part, prolog, target):
    good = io.BytesIO(target.client("liuyang").get("/registers/person/import/template.xlsx").content)
    with zipfile.ZipFile(good) as archive:
        parts = {name.replace("/", "__"): archive.read(name) for name in archive.namelist()}
    client, began = target.client("liuyang"), time.process_time()
    page = client.post("/registers/person/import/", {"file": SimpleUploadedFile("a.xlsx", packed(**{**parts, part: prolog.encode()}))})
    assert SECRET not in page.content.decode()
    assert time.process_time() - began < 10


@pytest.mark.parametrize("inside", [ENTITY + "&e;", LAUGHS + "&a11;"], ids=["entity", "laughs"])
def test_a_word_file_reads_no_file_of_the_server_and_expands_nothing(inside, target):
    document, file = docx.Document(), io.BytesIO()
    document.add_paragraph("第一条 文字。MARK")
    document.save(file)
    prolog, said = inside.split("]>")
    with zipfile.ZipFile(file) as archive:
        parts = {name.replace("/", "__"): archive.read(name) for name in archive.namelist()}
    body = parts["word__document.xml"].decode().partition("?>")[2]
    parts["word__document.xml"] = (prolog + "]>" + body.replace("MARK", said)).encode()
    began = time.process_time()
    page = target.client("mali").post("/regulation/", {"file": SimpleUploadedFile("a.docx", packed(**parts)), "accept": "1"}, follow=True)
    assert SECRET not in page.content.decode()
    assert not any(SECRET in str(text) for text in RegulationVersion.objects.values_list("sentences", flat=True))
    assert time.process_time() - began < 10


# Exports


def texts_of(register):
    """Return the text columns of a register, with their lengths."""
    return {
        field.name: field.max_length or 2000
        for field in register.model._meta.concrete_fields
        if field.get_internal_type() in {"CharField", "TextField"} and not field.choices and not field.primary_key and field.name != "path"
    }


@pytest.mark.parametrize("register_id", REGISTERS)
def test_no_cell_of_an_export_begins_a_formula(register_id, target):
    register = REGISTERS[register_id]
    row = register.model._default_manager.first()
    if row is not None:
        register.model._default_manager.filter(pk=row.pk).update(
            **{name: "=cmd|'/C calc'!A0"[:most] for name, most in texts_of(register).items()}
        )
    client = target.client("zhengkai")
    cells = list(csv.reader(io.StringIO(client.get(f"/registers/{register_id}/export.csv").content.decode("utf-8-sig"))))
    assert row is None or len(cells) > 1
    assert not [cell for line in cells for cell in line if cell[:1] in set("=+-@\t\r")]
    sheets.grid(client.get(f"/registers/{register_id}/export.xlsx").content, "a.xlsx")  # raises where a cell is a formula


def test_no_private_page_or_file_stays_in_a_cache(target):
    person = target.bureau.person["P021"]
    kept = attachments.keep(world.actor(target.bureau, "liuyang"), ("person", str(person.pk)), b"text", "a.txt", at=target.clock.now)
    client = target.client("liuyang")
    for address in (
        "/", "/inbox/", "/cases/?list=all", "/findings/", "/unit/", "/account/", "/registers/person/export.xlsx",
        f"/registers/person/{person.pk}/", f"/registers/person/{person.pk}/history/", f"/registers/person/{person.pk}/files/{kept.pk}/",
        "/api/openapi.json", "/no/such/page/",
    ):  # fmt: skip
        answer = client.get(address)
        assert "no-store" in answer["Cache-Control"], address
        assert "public" not in answer["Cache-Control"], address
    sheet = target.client("liming").get(f"/cases/{target.case.number}/sheet.docx")
    assert sheet.status_code == 200
    assert "no-store" in sheet["Cache-Control"]


# Whose row an address names


def test_another_units_rows_have_no_address_by_any_way(target):
    head, token = target.client("liuyang"), target.bearer("liuyang", "read", "write")
    person, finding = target.bureau.person["P031"], target.foreign_finding
    demo.put_on_file(target.bureau, target.clock.now)
    filing = Filing.objects.exclude(unit__code="JYC").first()
    source = LogSource.objects.exclude(unit__code="JYC").first()
    entry = Entry.objects.filter(object_type="person", object_key=str(person.pk)).first()
    addresses = [
        f"/registers/person/{person.pk}/history/", f"/registers/person/{person.pk}/files/1/", "/registers/person/?unit=SBZX",
        f"/registers/filing/{filing.pk}/", f"/registers/filing/{filing.pk}/form.pdf", f"/registers/log_source/{source.pk}/",
        f"/sources/{source.code}/", f"/findings/{finding.number}/", f"/cases/{target.case.number}/sheet.docx", "/units/SBZX/",
        f"/ledger/{entry.index}/", f"/ledger/{entry.index}/proof/sha256/", "/inbox/deliveries/", "/sources/quarantine/",
    ]  # fmt: skip
    found = {address: head.get(address) for address in addresses}
    for address, answer in found.items():
        assert answer.status_code in REFUSED or person.name not in answer.content.decode("utf-8", "replace"), address
        assert answer.status_code in REFUSED or address == "/registers/person/?unit=SBZX", f"{address}: {answer.status_code}"
    for path in (f"person/{person.pk}/revisions", f"filing/{filing.pk}", f"log_source/{source.pk}/revisions"):
        assert token.get(f"/api/registers/{path}").status_code == 404, path


def test_another_units_rows_are_changed_by_no_post(target, entries):
    head, person, finding = target.client("liuyang"), target.bureau.person["P031"], target.foreign_finding
    source = LogSource.objects.exclude(unit__code="JYC").first()
    for address, form in (
        (f"/registers/person/{person.pk}/files/", {"file": SimpleUploadedFile("a.txt", b"text")}),
        (f"/registers/person/{person.pk}/files/1/remove/", {}),
        (f"/findings/{finding.number}/remedy/", {"verb": "plan", "plan": "x"}),
        (f"/findings/{finding.number}/remedy/", {"verb": "add", "title": "x", "address": "/x"}),
        (f"/cases/{target.case.number}/turn/", {"verb": "withdraw"}),
        (f"/cases/{target.case.number}/apply/", {}),
        (f"/sources/{source.code}/token/", {}),
        (f"/sources/{source.code}/token/revoke/", {}),
        ("/inbox/deliveries/1/retry/", {}),
        ("/statements/issue/", {"unit": "SBZX", "term": "2026", "content": "x"}),
        ("/law/review/", {"pk": "1", "opinion": "x"}),
        ("/ledger/confirm/", {"head": "x"}),
    ):
        assert head.post(address, form).status_code in REFUSED | {302}, address
    assert entries() == 0


def test_a_kept_filter_is_its_owners_alone(target):
    own = SavedFilter.objects.create(user=target.bureau.user["sunli"], register="person", name="私人筛选", query="q=x")
    head = target.client("liuyang")
    assert "私人筛选" not in head.get("/registers/person/").content.decode()
    assert head.post(f"/registers/person/filters/{own.pk}/delete/").status_code == 404
    assert SavedFilter.objects.filter(pk=own.pk).exists()


def test_a_change_of_many_rows_reaches_no_foreign_row_and_no_hidden_field(target, entries):
    head, foreign, own = target.client("liuyang"), target.bureau.person["P031"], target.bureau.person["P021"]
    sent = {"row": [f"{foreign.pk}:1"], "field": "post", "seen": "1", "post": "局长", "confirm": "1"}
    head.post("/registers/person/bulk/", sent)
    for field in ("version", "id", "pk", "code", "token_hash", "unit__code", "__class__", "password"):
        answer = head.post("/registers/person/bulk/", {"row": [f"{own.pk}:1"], "field": field, "seen": "1", field: "9", "confirm": "1"})
        assert answer.status_code == 404, field
    foreign.refresh_from_db()
    assert foreign.post != "局长"
    assert entries() == 0


@pytest.mark.parametrize(
    "more", [{"id": 1}, {"pk": 1}, {"version": 7}, {"path": "/"}, {"token_hash": "x"}, {"created_by": 1}, {"unit_id": 1}]
)
def test_the_api_takes_no_field_that_it_does_not_name(more, target):
    token, own = target.bearer("liuyang", "read", "write"), target.bureau.person["P021"]
    assert target.send(token, "post", "/api/registers/person", {**NEW, "kind": "staff", **more}).status_code == 422
    if "version" not in more:
        body = {"post": "x", "version": own.version, **more}
        assert target.send(token, "put", f"/api/registers/person/{own.pk}", body).status_code == 422
    assert not Person.objects.filter(code="P100").exists()


# Log-in


def test_an_unknown_log_in_name_costs_what_a_wrong_password_costs(target, monkeypatch):
    """Counted, not timed: each try hashes as often, so that an answer says nothing of who has an account."""
    User.objects.filter(username="sunli").update(password=hashers.make_password("Long-enough-1-password"))
    hasher, counted = type(hashers.get_hasher()), []
    encode = hasher.encode
    monkeypatch.setattr(hasher, "encode", lambda self, *given: counted.append(1) or encode(self, *given))
    costs, pages = [], []
    for name in ("sunli", "nobody-of-that-name"):
        counted.clear()
        page = Client().post("/account/login/", {"login": name, "password": "Wrong-password-1"})
        costs.append(len(counted))
        pages.append(page.content.decode().replace(name, "").split("<main", 1)[1].split("csrfmiddlewaretoken")[0])
        assert page.status_code in {200, 422}
    assert costs[0] == costs[1] >= 1
    assert pages[0] == pages[1]


@pytest.mark.parametrize(
    "there", [EVIL, "//evil.example", "/\\evil.example", "javascript:alert(1)", "%2f%2fevil.example", "\thttps://evil.example"]
)
def test_no_page_sends_a_reader_to_another_site(there, target):
    client = target.client("liuyang")
    for address in ("/account/reauthenticate/", "/account/password/", "/account/factors/", "/account/login/", "/"):
        answer = client.get(address, {"next": there})
        assert urljoin(f"http://testserver{address}", answer.get("Location", "")).startswith("http://testserver/"), address
        assert f'href="{there}' not in answer.content.decode(), address
    answer = client.post("/language/", {"language": "en"}, headers={"Referer": f"https://testserver/{there}"})
    assert not answer["Location"].startswith(("//", "http", "java", "\\"))
    client.post("/account/logout/", {"next": there})


def test_a_token_opens_nothing_from_an_address_a_body_or_a_cookie(target):
    text = target.bearer("liuyang", "read").defaults["HTTP_AUTHORIZATION"].removeprefix("Bearer ")
    client = Client()
    client.cookies["token"] = client.cookies["Authorization"] = text
    for name in ("token", "access_token", "api_key", "Authorization", "bearer"):
        assert client.get("/api/registers/person", {name: text}).status_code == 401, name
        assert client.post("/api/registers/person", {name: text}).status_code in {401, 403}, name
    assert Client(headers={"X-Api-Key": text}).get("/api/registers/person").status_code == 401


# Numbers and patterns


def test_no_number_of_an_address_is_too_large(target):
    client, huge = target.client("zhengkai"), ("9" * 19, "9" * 60, "-1", "٣")
    places = (
        "/registers/person/?page=", "/registers/person/?size=", "/cases/?list=all&page=", "/findings/?page=", "/ledger/?before=",
        "/ledger/?after=", "/inbox/?page=", "/directives/?page=", "/sources/?page=", "/search/?page=", "/search/?before=",
        "/inspections/?page=", "/api/registers/person?page=", "/api/registers/person?size=", "/api/registers/person?after=",
        "/api/cases?size=",
        "/api/cases?after=", "/api/findings?after=", "/registers/person/?valid_at=", "/regulation/compare/?before=",
    )  # fmt: skip
    for place in places:
        for number in huge:
            assert client.get(place + number).status_code in REFUSED | {200, 302}, place + number
    for number in huge:
        for path in ("/registers/person/{}/", "/ledger/{}/", "/articles/{}/", "/search/1/{}/", "/inbox/{}/", "/api/registers/person/{}"):
            assert client.get(path.format(number)).status_code in REFUSED | {200, 302}, path + number


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*b", "(.*a){30}", "(?=a)", "(?P<x>", "[" * 400, "a{1000}{1000}", "\\", "(?i)" * 100])
def test_a_pattern_of_the_log_search_does_not_run_away(pattern, target):
    client, began = target.client("wujie"), time.process_time()
    answer = client.get("/search/", {"q": pattern, "mode": "regex"})
    assert answer.status_code in REFUSED | {200}
    assert time.process_time() - began < 5


# NUL, half characters and other oddities in every text

ODD = {"nul": "a\x00b", "half": "a\ud800b", "turned": "a\u202eb\u2066", "escape": "\x1b[2J\x07", "long": "长" * 70_000}


def stored(model) -> list[str]:
    """Return the text of every row of a model."""
    return [json.dumps(row, default=str, ensure_ascii=False) for row in model._default_manager.values()]


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("register_id", [each.id for each in REGISTERS.values() if each.writable])
def test_no_form_of_a_register_takes_half_a_character_or_a_nul(register_id, odd, target):
    register, text = REGISTERS[register_id], ODD[odd].encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    client = target.client("zhengkai")
    data = dict.fromkeys(register.fields, text)
    assert client.post(f"/registers/{register_id}/new/", data).status_code in REFUSED | {200}
    row = register.model._default_manager.first()
    if row is not None and register.changeable:
        assert client.post(f"/registers/{register_id}/{row.pk}/edit/", {**data, "version": "1"}).status_code in REFUSED | {200}
        for name in register.fields:
            sent = {"row": [f"{row.pk}:1"], "field": name, "seen": "1", name: text}
            assert client.post(f"/registers/{register_id}/bulk/", sent).status_code in REFUSED | {200}, name
    client.post(f"/registers/{register_id}/filters/", {"name": text, "query": f"q={text}"})
    token = target.bearer("liuyang", "read", "write")
    body = json.dumps(dict.fromkeys(register.fields, ODD[odd]))  # writes half a character as \ud800
    assert token.post(f"/api/registers/{register_id}", body, content_type="application/json").status_code in REFUSED
    if odd in {"nul", "half"}:
        assert not [line for line in stored(register.model) if "a\\u0000b" in line or "a\\ud800b" in line]


@pytest.mark.parametrize("odd", ODD)
def test_no_other_text_takes_half_a_character_or_a_nul(odd, target):
    text = ODD[odd].encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    office, finding, case = target.client("wujie"), Finding.objects.first(), target.case
    directive = Directive.objects.first()
    posts = [
        ("/directives/new/", {"title": text, "content": text, "due_on": text, "unit": text}),
        ("/inspections/new/", {"unit": text, "visited_on": text, "kind": text, "content": text, "notice": text}),
        ("/statements/issue/", {"unit": text, "term": text, "content": text}),
        (f"/findings/{finding.number}/remedy/", {"verb": "plan", "plan": text, "planned_on": text}),
        (f"/findings/{finding.number}/remedy/", {"verb": "add", "title": text, "address": text}),
        (f"/cases/{case.number}/decide/", {"act": text, "opinion": text, "round": text, "step": text}),
        (f"/cases/{case.number}/turn/", {"verb": text, "opinion": text, "person": text}),
        ("/law/review/", {"pk": text, "opinion": text}),
        ("/language/", {"language": text}),
        ("/ledger/confirm/", {"head": text}),
        *[(f"/cases/new/{route}/", {**dict.fromkeys([each.name for each in way.fields], text), "title_of_case": text, "unit_of_case": text})
          for route, way in routes.current().items()],
    ]  # fmt: skip
    if directive is not None:
        posts.append((f"/directives/{directive.number}/", {"verb": text, "opinion": text, "content": text}))
    for address, form in posts:
        assert office.post(address, form).status_code in REFUSED | {200, 302}, address
    system, security = target.client("guolei"), target.client("mali")
    assert (
        system.post("/administration/users/new/", {"code": text, "username": text, "administrator": text, "reason": text}).status_code < 500
    )
    security.post("/administration/tokens/new/", {"name": text, "user": text, "unit": text, "scopes": text, "address": text, "days": text})
    security.post("/administration/locks/", {"username": text})
    Client().post("/account/login/", {"login": text, "password": text, "next": text})
    for address in (
        "/search/",
        "/ledger/",
        "/cases/",
        "/findings/",
        "/sources/",
        "/directives/",
        "/inspections/",
        "/administration/users/",
    ):
        client = system if "administration" in address else office
        names = ("q", "state", "unit", "route", "host", "app", "since", "until", "source", "actor", "kind", "key", "act", "list", "mode")
        query = dict.fromkeys(names, text[:500])
        assert client.get(address, query).status_code in REFUSED | {200}, address
    if odd in {"nul", "half"}:
        for model in (Case, Finding, Directive, SavedFilter, User):
            assert not [line for line in stored(model) if "a\\u0000b" in line or "a\\ud800b" in line], model
