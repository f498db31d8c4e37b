"""A sheet for an authority register becomes one case: granted, every row takes effect; refused, none."""

import io
import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from python_calamine import load_workbook

from anzhang.casework import procedures, routes, sheet_cases, sheet_previews
from anzhang.casework.models import Case
from anzhang.casework.sheet_previews import Filing
from anzhang.directory import rows
from anzhang.directory.models import Assignment
from anzhang.journal.models import Entry
from anzhang.permissions import RefusedError
from anzhang.registers import attachments, sheets
from anzhang.registers.declaration import REGISTERS, Kind
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
    before = Case.objects.count(), Entry.objects.count()
    assert (faulty.status_code, "A2" in faulty.content.decode()) == (422, True)
    page = client.post("/registers/assignment/sheet/", {"file": SimpleUploadedFile("a.csv", TWO.encode())})
    text = page.content.decode()
    assert (page.status_code, "2 行，批准后新增 2 条、变更 0 条、终止 0 条" in text) == (200, True)
    assert "人员：孙丽；职责：开发人员" in text
    assert (Case.objects.count(), Entry.objects.count()) == before
    done = client.post("/registers/assignment/sheet/", {"ticket": ticket_of(page)})
    assert done.status_code == 302
    assert "孙丽" in client.get(done["Location"]).content.decode()
    assert Case.objects.count() == before[0] + 1
    again = client.post("/registers/assignment/sheet/", {"ticket": ticket_of(page)})
    assert (again.status_code, Case.objects.count()) == (422, before[0] + 1)  # a ticket serves once
    assert (
        client.post("/registers/assignment/sheet/", {"unit": "SBZX", "file": SimpleUploadedFile("a.csv", TWO.encode())}).status_code == 404
    )


def test_a_ticket_serves_only_its_owner_its_register_and_the_preview_that_was_shown(bureau, acting, clock):
    own, other = Client(), Client()
    world.enter(own, bureau.user["sunli"])
    world.enter(other, bureau.user["liuyang"])
    ticket = ticket_of(own.post("/registers/assignment/sheet/", {"file": SimpleUploadedFile("a.csv", TWO.encode())}))
    assert other.post("/registers/assignment/sheet/", {"ticket": ticket}).status_code == 422
    assert own.post("/registers/policy_document/sheet/", {"ticket": ticket}).status_code == 422
    assert own.post("/registers/assignment/sheet/", {"ticket": ticket + "x"}).status_code == 422
    bureau.person["P021"].name = "孙立"
    rows.change(acting("liuyang"), bureau.person["P021"], {"name": "孙立"}, clock.now)
    moved = own.post("/registers/assignment/sheet/", {"ticket": ticket})
    assert (moved.status_code, "孙立" in moved.content.decode()) == (409, True)
    assert not Case.objects.exists()
    assert own.post("/registers/assignment/sheet/", {"ticket": ticket_of(moved)}).status_code == 302


def test_the_preview_names_what_is_added_changed_ended_and_every_row_that_would_be_refused(bureau, acting, clock):
    def see(register_id, text, username="sunli", code="P021"):
        way, person = routes.current()[REGISTERS[register_id].route], bureau.person[code]
        filing = Filing(acting(username), way, person.unit, person, clock.now)
        return sheet_previews.preview(filing, REGISTERS[register_id], text.encode(), "a.csv")

    entries = Entry.objects.count()
    policy = see("policy_document", "制度类别,名称,版次\r\n安全责任制度,新办法,2027版\r\n数据库管理制度,库办法,1\r\n")
    assert (policy.faults, policy.counts) == ([], {"added": 2, "changed": 0, "ended": 1})
    assert "新办法" in policy.lines[0].added[0]
    officer = see("officer", "拟任人员\r\nP021\r\n")
    assert officer.counts["added"] == 1
    twice = see("assignment", HEAD + "P021,开发人员,,\r\nP022,集成人员,,\r\nP021,开发人员,,\r\n")
    assert ([fault.cell for fault in twice.faults], [line.number for line in twice.lines]) == (["4"], [2, 3])
    assert (Case.objects.count(), Entry.objects.count()) == (0, entries)
    with pytest.raises(RefusedError):  # nobody of another unit files for this one
        sheet_previews.preview(
            Filing(acting("liming"), routes.current()["assignment"], bureau.unit["JYC"], bureau.person["P011"], clock.now),
            REGISTERS["assignment"], TWO.encode(), "a.csv",
        )  # fmt: skip


CELLS = {"person": ("P021", "P022"), "system": ("JY01", "JY01"), "date": ("2026-12-01", "2026-12-01"), "number": ("1", "2")}
ROWS = {
    "assignment": {"duty": ("developer", "integrator"), "ends_on": ("", "")},
    "delegation": {"deputy": ("P022", "P023"), "duty": ("unit_head", "unit_head")},
    "leading_group_member": {"role": ("member", "member"), "ends_on": ("", "")},
}


@pytest.mark.parametrize("register_id", [each.id for each in REGISTERS.values() if each.kind is Kind.AUTHORITY])
def test_every_authority_register_becomes_one_case_or_takes_no_sheet(register_id, bureau):
    register, client = REGISTERS[register_id], Client()
    page, way = f"/registers/{register_id}/sheet/", routes.current().get(register.route)
    world.enter(client, bureau.user["zhengkai" if way is not None and way.filers == ("office",) else "liuyang"])
    before = list(register.model._default_manager.order_by("pk").values())
    if way is None or not sheet_cases.takes_sheets(way):
        assert client.get(page).status_code == client.post(page, {"file": SimpleUploadedFile("a.csv", b"a")}).status_code == 404
        return
    lines = [
        ",".join(field.name for field in way.fields),
        *(",".join(cell(register_id, field, row) for field in way.fields) for row in (0, 1)),
    ]
    shown = client.post(page, {"file": SimpleUploadedFile("a.csv", "\r\n".join(lines).encode())})
    assert shown.status_code == 200, re.findall(r"<td[^>]*>([^<]*)</td>", shown.content.decode())[:8]
    assert not Case.objects.exists()
    assert client.post(page, {"ticket": ticket_of(shown)}).status_code == 302
    assert Case.objects.get().form["rows"] == 2
    assert list(register.model._default_manager.order_by("pk").values()) == before  # until the case is granted


def cell(register_id, field, row):
    given = ROWS.get(register_id, {}).get(field.name) or CELLS.get(field.kind)
    if given:
        return given[row]
    if field.kind == "choice":
        return field.choices[row % len(field.choices)][0]
    return f"第{row}行" if field.required else ""


def ticket_of(page):
    return re.search(r'name="ticket" value="([^"]+)"', page.content.decode())[1]


@pytest.mark.parametrize("register_id", ["person", "finding", "vault_segment", "approval", "holiday"])
def test_only_an_authority_register_takes_a_sheet_as_a_case(register_id, bureau):
    client = Client()
    world.enter(client, bureau.user["sunli"])
    assert client.get(f"/registers/{register_id}/sheet/").status_code == 404
    assert client.post(f"/registers/{register_id}/sheet/", {}).status_code == 404
