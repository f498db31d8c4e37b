"""The printed forms as a reader gets them: from the case, from the filing, in each form, in both languages, ledgered."""

import hashlib
import io
import json

import pikepdf
import pytest
from django.test import Client
from docx import Document

from anzhang.casework import documents, procedures, turns
from anzhang.casework.models import Case
from anzhang.demo import bureau as demo
from anzhang.engines.crypto import SUITES
from anzhang.engines.ledger.proof import Proof
from anzhang.engines.printing import fonts
from anzhang.events import Event
from anzhang.home import Home
from anzhang.journal import heads, keys
from anzhang.journal.models import Entry, Payload
from anzhang.organization.models import Filing
from tests.documents.sheets import EVIL, squeezed
from tests.web.visitors import enter

REASON = "结合工作需要。\n" + EVIL


@pytest.fixture
def case(bureau, acting, clock):
    """孙丽 asks that 张华 become security officer; the head agrees, the Office takes it on file."""
    form = {"person": "P022", "reason": REASON}
    made = procedures.file_case(acting("sunli"), "officer_appointment", bureau.unit["JYC"], bureau.person["P021"], "", form, clock.now)
    procedures.agree(acting("liuyang"), made, "同意，请备案", clock.advance(hours=1))
    made.refresh_from_db()
    procedures.agree(acting("wujie"), made, "", clock.advance(hours=1))
    return Case.objects.get(pk=made.pk)


@pytest.fixture
def sunli(bureau):
    return enter(Client(), bureau.user["sunli"])


@pytest.fixture
def home(tmp_path, settings):
    """A data directory of one's own, with the ledger's key."""
    settings.HOME = Home(tmp_path / "home")
    keys.create(settings.HOME)
    return settings.HOME


def sheet(client, case, form="pdf"):
    return client.get(f"/cases/{case.number}/sheet.{form}")


def test_the_approval_sheet_says_what_was_asked_and_decided(case, sunli):
    answer = sheet(sunli, case)
    assert answer["Content-Type"] == "application/pdf"
    assert case.number in answer["Content-Disposition"]
    text = squeezed(answer.content)
    for part in ("任命备案审批单", case.number, "就业促进处", "张华", "刘洋", "同意，请备案", "吴洁", "已通过", "".join(EVIL.split())):
        assert part in text


def test_it_names_the_entry_and_its_digest(case, sunli):
    text = squeezed(sheet(sunli, case).content)
    entry = Entry.objects.filter(object_type="case", object_key=str(case.pk)).latest("index")
    assert f"存证记录：{entry.index}" in text
    assert f"http://testserver/ledger/{entry.index}/" in text
    for suite in SUITES:
        assert suite.leaf(bytes(entry.leaf)).hex() in text
    assert sunli.get(f"/ledger/{entry.index}/").status_code == 200


def test_the_archive_form_carries_the_case_with_its_proofs(home, case, sunli):
    heads.sign_heads(case.decided_at)
    body = sheet(sunli, case, "archive").content
    with pikepdf.open(io.BytesIO(body)) as file:
        about = file.open_metadata()
        record = json.loads(file.attachments["case.json"].get_file().read_bytes())
    assert (about["pdfaid:part"], about["pdfaid:conformance"]) == ("3", "B")
    assert record["number"] == case.number
    assert [act["verb"] for act in record["acts"]] == ["file", "agree", "agree"]
    assert record["acts"][0]["ledger"]["leaf"]
    for holder in (record, *record["acts"]):
        evidence = holder["ledger"]
        assert Proof.parse(evidence["proof"]).index == evidence["index"]


def test_the_word_form_can_be_opened(case, sunli):
    document = Document(io.BytesIO(sheet(sunli, case, "docx").content))
    cells = [cell.text for table in document.tables for row in table.rows for cell in row.cells]
    assert "张华（就业促进处 业务岗）" in cells


@pytest.mark.parametrize("form", ["pdf", "archive", "docx"])
def test_every_printing_is_in_the_ledger(case, sunli, form):
    before = Entry.objects.count()
    body = sheet(sunli, case, form).content
    entry = Entry.objects.get(index=before)
    assert (entry.act, entry.object_type, entry.object_key) == (Event.DOCUMENT_PRINT, "document", case.number)
    assert entry.actor == "user:sunli"
    said = json.loads(bytes(Payload.objects.get(entry=entry).body))
    assert said == {"kind": "approval_sheet", "form": form, "sha256": hashlib.sha256(body).hexdigest()}


def test_a_stranger_prints_nothing(bureau, case):
    before = Entry.objects.count()
    for name, address in (("luona", f"/cases/{case.number}/sheet.pdf"), ("luona", f"/registers/filing/{Filing.objects.get().pk}/form.pdf")):
        assert enter(Client(), bureau.user[name]).get(address).status_code == 404
    assert Entry.objects.count() == before


def test_nobody_prints_without_logging_in(case):
    assert sheet(Client(), case).status_code == 302


def test_an_unknown_form_does_not_exist(case, sunli):
    assert sheet(sunli, case, "exe").status_code == 404
    assert sunli.get("/cases/SX-none/sheet.pdf").status_code == 404
    assert sunli.post(f"/cases/{case.number}/sheet.pdf").status_code == 405


def test_an_open_case_shows_for_whom_it_waits(bureau, acting, clock, sunli):
    made = procedures.file_case(
        acting("sunli"), "officer_appointment", bureau.unit["JYC"], bureau.person["P021"], "", {"person": "P022"}, clock.now
    )
    text = squeezed(sheet(sunli, made).content)
    assert f"{made.number}（办理中）" in text
    assert "待办：刘洋" in text
    assert "2.办公室备案未到" in text


def test_a_case_that_was_sent_back_shows_the_earlier_round(bureau, acting, clock):
    made = procedures.file_case(
        acting("sunli"), "officer_appointment", bureau.unit["JYC"], bureau.person["P021"], "", {"person": "P022"}, clock.now
    )
    procedures.send_back(acting("liuyang"), made, "请补充说明", clock.advance(hours=1))
    made.refresh_from_db()
    procedures.resubmit(acting("sunli"), made, None, clock.advance(hours=1), "已补充")
    text = squeezed(sheet(enter(Client(), bureau.user["sunli"]), made).content)
    assert "此前及其他办理" in text
    assert "请补充说明" in text
    assert "已补充" in text


def test_the_sheet_is_english_for_an_english_reader(case, sunli):
    sunli.post("/language/", {"language": "en", "next": "/"})
    answer = sheet(sunli, case)
    text = squeezed(answer.content)
    assert "Approvalsheet:Appointmentandfilingofasecurityofficer" in text
    assert "Verificationintheledger" in text
    assert "Decisionoftheunithead" in text


def test_the_filing_form_names_the_officer_and_the_receipt(case, sunli):
    filing = Filing.objects.get(case=case)
    answer = sunli.get(f"/registers/filing/{filing.pk}/form.archive")
    text = squeezed(answer.content)
    for part in ("信息安全管理人员备案表", filing.receipt_no, "张华", "吴洁", case.number, "存证记录："):
        assert part in text
    assert filing.receipt_no in Entry.objects.latest("index").object_key


def test_a_filing_without_a_case_can_be_printed(bureau, clock):
    demo.put_on_file(bureau, clock.now)
    client = enter(Client(), bureau.user["wujie"])
    for filing in Filing.objects.all():
        for form in ("pdf", "archive", "docx"):
            assert client.get(f"/registers/filing/{filing.pk}/form.{form}").status_code == 200


def test_the_pages_offer_the_forms(case, sunli):
    page = sunli.get(f"/cases/{case.number}/").text
    for form in ("pdf", "archive", "docx"):
        assert f"/cases/{case.number}/sheet.{form}" in page
    filing = Filing.objects.get(case=case)
    assert f"/registers/filing/{filing.pk}/form.pdf" in sunli.get(f"/registers/filing/{filing.pk}/").text


def test_the_bureaus_own_word_template_wins(home, case, sunli):
    home.templates.mkdir(parents=True)
    file = home.templates / "approval_sheet.docx"
    document = Document()
    document.add_paragraph("红头 {{ sheet.number.value }}")
    document.save(file)
    paragraphs = Document(io.BytesIO(sheet(sunli, case, "docx").content)).paragraphs
    assert [each.text for each in paragraphs] == [f"红头 {case.number}"]
    file.write_bytes(b"broken")
    answer = sheet(sunli, case, "docx")
    assert answer.status_code == 409
    assert "approval_sheet.docx" in answer.text


def test_without_typefaces_the_reader_is_told_what_to_do(case, sunli, monkeypatch):
    def none(_folder):
        raise fonts.FontsMissingError("仿宋")

    monkeypatch.setattr("anzhang.engines.printing.pdf.faces", none)
    answer = sheet(sunli, case)
    assert answer.status_code == 409
    assert "anzhang doctor" in answer.text
    assert sheet(sunli, case, "docx").status_code == 200


def test_an_added_signer_is_on_the_sheet_and_in_the_record(bureau, acting, clock, sunli):
    made = procedures.file_case(
        acting("sunli"), "officer_appointment", bureau.unit["JYC"], bureau.person["P021"], "", {"person": "P022"}, clock.now
    )
    turns.add_signer(acting("liuyang"), made, bureau.person["P010"], "before", "请信息中心先审", clock.advance(minutes=1))
    text = squeezed(sheet(sunli, made).content)
    assert "前加签→周伟" in text
    assert "请信息中心先审" in text
    asked = documents.record_of(made)["acts"][-1]
    assert (asked["verb"], asked["target"]["code"], asked["placement"]) == ("add_signer", "P010", "before")
