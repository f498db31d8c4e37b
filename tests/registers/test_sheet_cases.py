"""A sheet for an authority register becomes one case: granted, every row takes effect; refused, none."""

import io

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from python_calamine import load_workbook

from anzhang.casework import procedures, routes, sheet_cases
from anzhang.casework.models import Case
from anzhang.directory.models import Assignment
from anzhang.permissions import RefusedError
from anzhang.registers import attachments, sheets
from anzhang.registers.models import Attachment
from tests import world

HEAD = "人员,职责,信息系统,起始日期\r\n"
TWO = HEAD + "P021 孙丽,开发人员,,\r\nP022,integrator,,\r\n"


@pytest.fixture
def filed(bureau, acting, clock):
    def put(text=TWO, username="sunli", code="P021"):
        way = routes.current()["assignment"]
        person = bureau.person[code]
        return sheet_cases.file_sheet(acting(username), way, bureau.unit["JYC"], person, text.encode(), "posts.csv", clock.now)

    return put


def posts():
    return Assignment.objects.filter(duty__in=["developer", "integrator"], person__code__in=["P021", "P022"]).count()


def test_a_granted_sheet_takes_effect_row_by_row_in_one_act(filed, acting, clock):
    case = filed()
    assert Case.objects.count() == 1
    assert "孙丽" in case.form["content"]
    assert "集成人员" in case.form["content"]
    before = posts()
    procedures.agree(acting("liuyang"), case, "同意", clock.advance(hours=1))
    assert posts() == before + 2
    assert {post.basis.case_id for post in Assignment.objects.filter(duty="developer", person__code="P021")} == {case.pk}


def test_a_refused_sheet_changes_nothing(filed, acting, clock):
    case, before = filed(), posts()
    procedures.refuse(acting("liuyang"), case, "理由不足", clock.advance(hours=1))
    assert posts() == before


def test_a_row_that_is_refused_at_its_effect_undoes_the_whole_act(filed, acting, clock):
    case, before = filed(HEAD + "P021,开发人员,,\r\nP021,开发人员,,\r\n"), posts()
    with pytest.raises(RefusedError) as refusal:
        procedures.agree(acting("liuyang"), case, "同意", clock.advance(hours=1))
    assert "第 2 行" in refusal.value.message
    case.refresh_from_db()
    assert (case.state, posts()) == ("open", before)


def test_a_sheet_changed_on_disk_is_not_applied(filed, acting, clock):
    case, before = filed(), posts()
    kept = Attachment.objects.get()
    file = attachments._path(kept.sha256)
    file.write_bytes(file.read_bytes().replace(b"developer", b"dba"))
    with pytest.raises(RefusedError) as refusal:
        procedures.agree(acting("liuyang"), case, "同意", clock.advance(hours=1))
    assert (refusal.value.code, posts()) == ("sheet_damaged", before)


def test_every_fault_has_its_cell_and_no_case_is_filed(filed):
    with pytest.raises(sheet_cases.SheetFaultsError) as error:
        filed(HEAD + "P999,开发人员,,\r\nP021,国王,,昨天\r\n")
    assert {fault.cell for fault in error.value.faults} == {"A2", "B3", "D3"}
    assert not Case.objects.exists()


@pytest.mark.parametrize("text", ["", HEAD, "人员,职责,国王\r\nP021,dba,x\r\n", "人员,人员,职责\r\nP021,P021,dba\r\n", "职责\r\ndba\r\n"])
def test_a_sheet_that_cannot_be_taken_is_refused(text, filed):
    with pytest.raises(sheets.BadSheetError):
        filed(text)
    assert not Case.objects.exists()


def test_only_somebody_of_the_unit_files_it(filed):
    with pytest.raises(RefusedError):
        filed(username="liming", code="P011")


def test_the_page_files_the_case_and_offers_the_template(bureau):
    client = Client()
    world.enter(client, bureau.user["sunli"])
    assert "/registers/assignment/sheet/" in client.get("/registers/assignment/").content.decode()
    assert "导入申请" in client.get("/registers/assignment/sheet/").content.decode()
    header = load_workbook(io.BytesIO(client.get("/registers/assignment/sheet/template.xlsx").content))
    assert header.get_sheet_by_index(0).to_python()[0][0] == "人员 *"
    faulty = client.post("/registers/assignment/sheet/", {"file": SimpleUploadedFile("a.csv", (HEAD + "P999,dba,,").encode())})
    assert (faulty.status_code, "A2" in faulty.content.decode()) == (422, True)
    done = client.post("/registers/assignment/sheet/", {"file": SimpleUploadedFile("a.csv", TWO.encode())})
    assert done.status_code == 302
    assert "孙丽" in client.get(done["Location"]).content.decode()
    assert (
        client.post("/registers/assignment/sheet/", {"unit": "SBZX", "file": SimpleUploadedFile("a.csv", TWO.encode())}).status_code == 404
    )


@pytest.mark.parametrize("register_id", ["person", "finding", "vault_segment", "approval", "holiday"])
def test_only_an_authority_register_takes_a_sheet_as_a_case(register_id, bureau):
    client = Client()
    world.enter(client, bureau.user["sunli"])
    assert client.get(f"/registers/{register_id}/sheet/").status_code == 404
    assert client.post(f"/registers/{register_id}/sheet/", {}).status_code == 404
