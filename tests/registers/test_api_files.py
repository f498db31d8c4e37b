"""Files beside rows through the API: it works by a scoped token, it needs the role, it refuses a stranger and every trick in the file."""

import hashlib

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from anzhang.directory import tokens
from anzhang.journal.models import Entry
from anzhang.registers import antivirus, attachments
from anzhang.registers.declaration import REGISTERS
from anzhang.registers.models import Attachment
from tests import world

PDF = b"%PDF-1.7\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n"
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89"


@pytest.fixture
def bearer(bureau, acting, clock):
    """Return a caller with a token of a user: `bearer("liuyang", "read", "write")`."""

    def make(username, *scopes):
        _row, text = tokens.issue(
            acting("mali"), name="测试", user=bureau.user[username], unit=None, scopes=scopes, address="127.0.0.1", days=30, at=clock.now
        )
        return Client(headers={"Authorization": f"Bearer {text}"})

    return make


@pytest.fixture
def place(bureau):
    """The address of the files of a person."""
    return lambda code="P021": f"/api/registers/person/{bureau.person[code].pk}/files"


def send(client, address, data=PDF, name="任命 文件.pdf"):
    return client.post(address, {"file": SimpleUploadedFile(name, data)})


def test_a_file_is_added_listed_given_out_and_taken_down(bearer, place):
    client = bearer("liuyang", "read", "write")
    made = send(client, place())
    assert made.status_code == 201
    said = made.json()
    assert (said["name"], said["content_type"], said["size"]) == ("任命 文件.pdf", "application/pdf", len(PDF))
    assert (said["sha256"], said["uploaded_by"]) == (hashlib.sha256(PDF).hexdigest(), "liuyang")
    assert client.get(place()).json() == [said]
    answer = client.get(f"{place()}/{said['id']}")
    assert (answer.content, answer["Content-Type"], answer["X-Content-Type-Options"]) == (PDF, "application/pdf", "nosniff")
    assert answer["Content-Disposition"].startswith("attachment; ")
    assert answer["Cache-Control"] == "private, no-store"
    assert client.delete(f"{place()}/{said['id']}").status_code == 204
    assert (client.get(place()).json(), client.get(f"{place()}/{said['id']}").status_code) == ([], 404)
    assert list(Entry.objects.filter(object_type="attachment").values_list("act", "via")) == [
        ("registers:attachment:add", "api"),
        ("registers:attachment:remove", "api"),
    ]


def test_a_read_token_reads_and_neither_adds_nor_takes_down(bearer, place):
    kept = send(bearer("liuyang", "write"), place()).json()["id"]
    for scopes in (("read",), ("read:person",)):
        client = bearer("liuyang", *scopes)
        assert client.get(f"{place()}/{kept}").content == PDF
        for answer in (send(client, place()), client.delete(f"{place()}/{kept}")):
            assert (answer.status_code, answer.json()["code"]) == (403, "token_scope")
    assert Attachment.objects.get().removed_at is None


def test_a_token_for_one_register_opens_the_files_of_no_other(bearer, bureau, place):
    client = bearer("liuyang", "read:person", "write:person")
    assert send(client, place()).status_code == 201
    unit = f"/api/registers/unit/{bureau.unit['JYC'].pk}/files"
    assert {client.get(unit).status_code, send(client, unit).status_code} == {403}


def test_a_token_gives_no_role(bearer, place):
    answer = send(bearer("sunli", "read", "write"), place())
    assert (answer.status_code, answer.json()["code"]) == (403, "writer_role_missing")
    assert not Attachment.objects.exists()


def test_a_foreign_row_and_a_file_of_another_row_do_not_exist(bearer, place):
    head, other = bearer("liuyang", "read", "write"), bearer("xubin", "read", "write")
    kept = send(other, place("P031")).json()["id"]
    own = send(head, place()).json()["id"]
    answers = [
        head.get(place("P031")), send(head, place("P031")), head.get(f"{place('P031')}/{kept}"), head.delete(f"{place('P031')}/{kept}"),
        head.get(f"{place()}/{kept}"), head.delete(f"{place()}/{kept}"), head.get(f"{place('P022')}/{own}"),
        head.get(f"{place()}/999999999999999999999"), head.get(f"{place()}/../{own}"), head.get(f"{place()}/%2e%2e%2fsecret"),
    ]  # fmt: skip
    assert {answer.status_code for answer in answers} == {404}
    assert Attachment.objects.filter(removed_at=None).count() == 2


def test_a_stranger_gets_nothing(bearer, place):
    kept = send(bearer("liuyang", "write"), place()).json()["id"]
    for client in (Client(), Client(headers={"Authorization": "Bearer az_00000000_x"})):
        answers = [client.get(place()), client.get(f"{place()}/{kept}"), send(client, place()), client.delete(f"{place()}/{kept}")]
        assert {answer.status_code for answer in answers} == {401}


def test_a_session_needs_the_csrf_token_to_add(bureau, place):
    client = Client(enforce_csrf_checks=True)
    world.enter(client, bureau.user["liuyang"])
    assert send(client, place()).status_code == 403
    client.get("/registers/person/new/")
    headers = {"X-CSRFToken": client.cookies["csrftoken"].value}
    assert client.post(place(), {"file": SimpleUploadedFile("a.pdf", PDF)}, headers=headers).status_code == 201


@pytest.mark.parametrize(
    ("data", "name", "code"),
    [
        (b"", "a.pdf", "file_empty"),
        (b"MZ\x90\x00" + b"\x00" * 60, "a.pdf", "file_mismatch"),
        (PNG, "a.pdf", "file_mismatch"),
        (b"<html><script>alert(1)</script></html>", "a.png", "file_mismatch"),
        (b"<html><script>alert(1)</script></html>", "a.html", "file_type"),
        (b"<svg onload=alert(1)>", "a.svg", "file_type"),
        (b"x", "a.pdf.exe", "file_type"),
        (b"x", ".htaccess", "file_type"),
        (b"\x00\x01binary", "a.txt", "file_mismatch"),
    ],
)
def test_a_file_that_is_not_what_it_says_is_refused(data, name, code, bearer, place):
    answer = send(bearer("liuyang", "write"), place(), data, name)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert answer["Content-Type"] == "application/problem+json"
    assert not Attachment.objects.exists()


@pytest.mark.parametrize("name", ["../../etc/passwd.pdf", "..\\..\\a.pdf", "/tmp/a.pdf", 'a"; filename="b.html.pdf', "\u202egnp.pdf"])
def test_a_name_becomes_no_path_and_no_header(name, bearer, place):
    client = bearer("liuyang", "read", "write")
    kept = send(client, place(), PDF, name).json()
    assert not set("/\\\r\n\u202e") & set(kept["name"])
    answer = client.get(f"{place()}/{kept['id']}")
    assert (answer["Content-Type"], "set-cookie" in answer.headers) == ("application/pdf", False)
    assert answer["Content-Disposition"].startswith(f'attachment; filename="file{kept["id"]}"; ')


def test_a_file_too_large_is_refused_before_it_is_read(bearer, place, monkeypatch):
    monkeypatch.setattr(attachments, "MAX_BYTES", 100)
    answer = send(bearer("liuyang", "write"), place(), PDF + b" " * 100)
    assert (answer.status_code, answer.json()["code"]) == (422, "file_too_large")


def test_a_scanner_that_is_gone_refuses_and_a_changed_file_is_not_given_out(bearer, place, monkeypatch, tmp_path):
    client = bearer("liuyang", "read", "write")
    kept = send(client, place()).json()
    attachments._path(kept["sha256"]).write_bytes(b"changed")
    changed = client.get(f"{place()}/{kept['id']}")
    assert (changed.status_code, changed.json()["code"]) == (409, "file_damaged")
    monkeypatch.setattr(antivirus, "path", lambda: tmp_path / "clamd.ctl")
    answer = send(client, place())
    assert (answer.status_code, answer.json()["code"]) == (409, "file_unscanned")


@pytest.mark.parametrize("body", [{}, {"file": "text"}, {"other": SimpleUploadedFile("a.pdf", PDF)}])
def test_a_body_without_a_file_is_a_problem(body, bearer, place):
    answer = bearer("liuyang", "write").post(place(), body)
    assert (answer.status_code, answer["Content-Type"]) == (422, "application/problem+json")


@pytest.mark.parametrize("body", [b"", b"{}", b"--x\r\n", b"[1]"])
@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data", "multipart/form-data; boundary=x", "text/plain"])
def test_a_body_of_another_kind_is_a_problem(body, kind, bearer, place):
    assert bearer("liuyang", "write").post(place(), data=body, content_type=kind).status_code in {400, 422}


def test_the_description_names_what_each_register_takes(bearer):
    paths = bearer("zhengkai", "read").get("/api/openapi.json").json()["paths"]
    for register in REGISTERS.values():
        files = f"/api/registers/{register.id}/{{pk}}/files"
        assert set(paths[files]) == ({"get", "post"} if register.writable else {"get"})
        assert set(paths[files + "/{file}"]) == ({"get", "delete"} if register.writable else {"get"})
    assert "multipart/form-data" in paths["/api/registers/person/{pk}/files"]["post"]["requestBody"]["content"]
    given = paths["/api/registers/person/{pk}/files/{file}"]["get"]["responses"]["200"]["content"]
    assert given == {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}


@pytest.mark.parametrize("register_id", [each.id for each in REGISTERS.values() if not each.writable])
def test_a_register_without_a_form_takes_no_file(register_id, bearer):
    row = REGISTERS[register_id].model._default_manager.first()
    client, address = bearer("zhengkai", "read", "write"), f"/api/registers/{register_id}/{row.pk if row else 1}/files"
    assert {send(client, address).status_code, client.delete(address + "/1").status_code} <= {404, 405}
    assert not Attachment.objects.exists()
