"""Files beside rows: by content, within bounds, under their digest, and never a path."""

import hashlib
import shutil
import subprocess
import time

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from anzhang.journal.models import Entry
from anzhang.permissions import RefusedError
from anzhang.registers import antivirus, attachments
from anzhang.registers.declaration import REGISTERS
from anzhang.registers.models import Attachment
from tests import world
from tests.programs import program, wait_until

PERSON = REGISTERS["person"]
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<<>>\nendobj\n"
EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


@pytest.fixture(autouse=True)
def _no_scanner(monkeypatch):
    monkeypatch.setattr(antivirus, "DEFAULT", "/nowhere/clamd.ctl")


@pytest.fixture
def attach(bureau, acting, clock):
    def put(data=PDF, name="任命文件.pdf", username="liuyang", code="P021"):
        return attachments.attach(acting(username), PERSON, bureau.person[code], data, name, at=clock.now)

    return put


@pytest.fixture
def browser(bureau):
    def enter(username):
        client = Client()
        world.enter(client, bureau.user[username])
        return client

    return enter


def test_it_keeps_the_bytes_under_their_digest_and_the_digest_in_the_ledger(attach):
    kept = attach()
    assert kept.sha256 == hashlib.sha256(PDF).hexdigest()
    assert attachments.read(kept) == PDF
    file = settings.HOME.attachments / kept.sha256[:2] / kept.sha256
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (PDF, 0o600)
    entry = Entry.objects.get(act="registers:attachment:add")
    assert kept.sha256.encode() in bytes(entry.payload.body)


def test_a_file_changed_on_disk_is_not_given_out(attach, browser, bureau):
    kept = attach()
    file = settings.HOME.attachments / kept.sha256[:2] / kept.sha256
    file.write_bytes(PDF + b"forged")
    with pytest.raises(attachments.DamagedError):
        attachments.read(kept)
    assert browser("liuyang").get(f"/registers/person/{bureau.person['P021'].pk}/files/{kept.pk}/").status_code == 409
    file.unlink()
    with pytest.raises(attachments.DamagedError):
        attachments.read(kept)


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../etc/passwd.txt", "passwd.txt"),
        ("..\\..\\windows\\a.txt", "a.txt"),
        ("/etc/cron.d/x.txt", "x.txt"),
        ("a\x00b.txt", "ab.txt"),
        ("a\r\nSet-Cookie: x.txt", "aSet-Cookie: x.txt"),
        ("报告\u202etxt.exe.txt", "报告txt.exe.txt"),
        ("长" * 300 + ".txt", "长" * 146 + ".txt"),
    ],
)
def test_no_typed_name_becomes_a_path(name, kept, attach):
    made = attach(b"text", name)
    assert made.name == kept
    files = [file for file in settings.HOME.attachments.rglob("*") if file.is_file()]
    assert all(len(file.name) == 64 for file in files)


@pytest.mark.parametrize(
    ("data", "name", "code"),
    [
        (b"", "a.pdf", "file_empty"),
        (b"MZ\x90\x00" + bytes(100), "a.pdf", "file_mismatch"),
        (b"MZ\x90\x00" + bytes(100), "a.exe", "file_type"),
        (b"<html><script>alert(1)</script>", "a.html", "file_type"),
        (b"<!DOCTYPE html><html><script>alert(1)</script></html>", "a.txt", "file_mismatch"),
        (b'<svg xmlns="http://www.w3.org/2000/svg" onload="x"/>', "a.png", "file_mismatch"),
        (PDF, "a.docx", "file_mismatch"),
        (PDF, "pdf", "file_type"),
        (PDF, ".pdf", "file_type"),
        (b"a\x00b", "a.txt", "file_mismatch"),
        (b"x" * (attachments.MAX_BYTES + 1), "a.txt", "file_too_large"),
    ],
)
def test_it_refuses_what_is_not_what_it_says(data, name, code, attach):
    with pytest.raises(RefusedError) as refusal:
        attach(data, name)
    assert refusal.value.code == code
    assert not Attachment.objects.exists()


def test_the_page_uploads_lists_downloads_and_takes_down(browser, bureau):
    client, row = browser("liuyang"), f"/registers/person/{bureau.person['P021'].pk}/"
    assert client.post(row + "files/", {"file": SimpleUploadedFile("任命 文件.pdf", PDF)}).status_code == 302
    kept = Attachment.objects.get()
    assert "任命 文件.pdf" in client.get(row).content.decode()
    answer = client.get(f"{row}files/{kept.pk}/")
    assert answer.content == PDF
    assert answer["Content-Disposition"].startswith("attachment;")
    assert (answer["X-Content-Type-Options"], answer["Cache-Control"]) == ("nosniff", "private, no-store")
    assert client.post(f"{row}files/{kept.pk}/remove/").status_code == 302
    assert client.get(f"{row}files/{kept.pk}/").status_code == 404
    assert "任命 文件.pdf" not in client.get(row).content.decode().split("az-timeline")[0].split('id="files"')[1]
    assert attachments.read(kept) == PDF  # hidden, and still kept


def test_a_stranger_a_reader_and_a_foreign_row_are_refused(browser, bureau, attach):
    kept = attach()
    own, foreign = (f"/registers/person/{bureau.person[code].pk}/files/" for code in ("P021", "P031"))
    head = browser("liuyang")
    assert head.get(f"{foreign}{kept.pk}/").status_code == 404
    assert head.post(foreign, {"file": SimpleUploadedFile("a.pdf", PDF)}).status_code == 404
    assert browser("sunli").post(own, {"file": SimpleUploadedFile("a.pdf", PDF)}).status_code in {403, 409}
    assert head.post(own, {}).status_code == 409
    assert Client().get(f"{own}{kept.pk}/").status_code == 302
    assert Attachment.objects.count() == 1


@pytest.mark.parametrize("register_id", ["officer", "finding", "vault_segment"])
def test_a_register_without_a_form_takes_no_file(register_id, browser, bureau, clock):
    row = REGISTERS[register_id].model._default_manager.first()
    pk = row.pk if row else 1
    answer = browser("zhengkai").post(f"/registers/{register_id}/{pk}/files/", {"file": SimpleUploadedFile("a.pdf", PDF)})
    assert answer.status_code in {403, 404, 409}
    assert not Attachment.objects.exists()


def test_a_scanner_that_is_configured_and_gone_refuses(attach, monkeypatch, tmp_path):
    monkeypatch.setattr(antivirus, "path", lambda: tmp_path / "clamd.ctl")
    with pytest.raises(RefusedError) as refusal:
        attach()
    assert refusal.value.code == "file_unscanned"


@pytest.fixture
def clamd(tmp_path):
    """A real ClamAV daemon that knows one signature: the EICAR test file."""
    folder = tmp_path / "signatures"
    folder.mkdir()
    digest = hashlib.md5(EICAR, usedforsecurity=False).hexdigest()
    (folder / "test.hdb").write_text(f"{digest}:{len(EICAR)}:Eicar-Test-Signature\n")
    daemon, settings_file = tmp_path / "clamd.ctl", tmp_path / "clamd.conf"
    settings_file.write_text(
        f"DatabaseDirectory {folder}\nLocalSocket {daemon}\nForeground yes\nTemporaryDirectory {tmp_path}\nUser root\n"
    )
    for each in (tmp_path, *tmp_path.parents[:2]):
        each.chmod(0o755)
    process = subprocess.Popen([program("clamd"), "-c", str(settings_file)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(daemon.exists, 60, "clamd")
    time.sleep(0.2)
    yield daemon
    process.terminate()
    process.wait(20)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.long
def test_a_real_clamd_lets_a_clean_file_in_and_stops_eicar(attach, clamd, monkeypatch):
    monkeypatch.setattr(antivirus, "path", lambda: clamd)
    assert attach().scanned_by.startswith("ClamAV")
    with pytest.raises(RefusedError) as refusal:
        attach(EICAR, "eicar.txt")
    assert refusal.value.code == "file_infected"
    assert "Eicar" in refusal.value.message
    assert Attachment.objects.count() == 1
