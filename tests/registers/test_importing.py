"""A sheet becomes rows, all or none."""

import io
from datetime import date, timedelta

import pytest
import xlsxwriter
from python_calamine import load_workbook

from anzhang.assessment.models import Assessment
from anzhang.casework.legal_basis import LegalBasis
from anzhang.casework.models import Holiday
from anzhang.directory.models import Person, Unit
from anzhang.endpoints.models import Endpoint, PatchBaseline, Peripheral, SoftwareBaseline
from anzhang.journal.models import Entry
from anzhang.monitoring.models import LegalHold
from anzhang.network.models import Device, Interface, SecurityProduct, Zone
from anzhang.organization.models import ControlMeasure
from anzhang.organization.tables import Project, ProjectChecklist
from anzhang.permissions import Actor, Administrator, RefusedError, Via
from anzhang.registers import exporting, importing, listing, rights, sheets
from anzhang.registers.declaration import REGISTERS, Kind
from anzhang.registers.rights import Sight
from anzhang.rooms.models import Facility, MachineRoom, Shift
from anzhang.systems.models import System
from anzhang.systems.tables import Database, DesignItem, Environment, ProtectionGrading, Release, TestReport
from anzhang.systems.upkeep import CheckPlan, CheckRun, OpsDossier
from anzhang.thirdparty.models import Provider

pytestmark = pytest.mark.usefixtures("bureau")
PERSON, HOLIDAY = REGISTERS["person"], REGISTERS["holiday"]
OPERATOR = Actor(id="os:root@host", via=Via.CLI)
HEAD = "工号,姓名,类别,所在单位,职务,办公电话,工作邮箱,入职日期,离职日期\r\n"


def plan(text, clock, register=PERSON, actor=OPERATOR):
    return importing.plan(register, text.encode(), "a.csv", actor, clock.now)


def test_it_creates_changes_and_leaves_alone(clock):
    text = HEAD + "P100,钱多,本局人员,JYC,科员,,,2026/3/1,\r\nP021,孙丽,staff,JYC 就业促进处,副处长,,,2025-11-24,\r\n"
    made = plan(text, clock)
    assert (made.created, made.changed, made.unchanged, made.faults) == (1, 1, 0, [])
    assert Person.objects.filter(code="P100").count() == 0
    importing.apply(made, OPERATOR, clock.now)
    assert Person.objects.get(code="P100").joined_on.isoformat() == "2026-03-01"
    assert Person.objects.get(code="P021").post == "副处长"
    again = plan(text, clock)
    assert (again.created, again.changed, again.unchanged) == (0, 0, 2)
    assert Entry.objects.filter(act="registers:sheet:import").count() == 1


@pytest.mark.parametrize("register_id", [r.id for r in REGISTERS.values() if r.kind is Kind.PLAIN])
@pytest.mark.parametrize("form", ["xlsx", "csv"])
def test_an_export_imports_back_as_unchanged(register_id, form, clock):
    Holiday.objects.create(day="2026-10-01", is_workday=False, name="=国庆节")
    begun = date(2019, 12, 1)
    LegalBasis.objects.create(code="STD-1", title="基本要求", kind="standard", edition="2019 版", in_force_from=begun, articles=["8", "9"])
    Provider.objects.create(code="V01", name="某公司", kind="company", unit=Unit.objects.get(code="IC"), purpose="运维", began_on=begun)
    LegalHold.objects.create(
        code="BQ01", reason="案件调查", sources=["SSH-SB01"], since=clock.now, placed_by="user:liming", placed_at=clock.now
    )
    unit = Unit.objects.get(code="IC")
    zone = Zone.objects.create(code="Z1", name="业务专网", kind="business", networks=["10.20.0.0/16"], unit=unit)
    room = MachineRoom.objects.create(code="R1", name="一号机房", unit=unit, cards=["000123 P011"], in_service_on=begun)
    Facility.objects.create(room=room, kind="power", name="市电")
    Shift.objects.create(room=room, person=Person.objects.get(code="P012"), starts_at=clock.now, ends_at=clock.now + timedelta(hours=8))
    ControlMeasure.objects.create(code="YQ1", name="门禁", kind="machine_room", level=2, unit=unit)
    device = Device.objects.create(code="D1", name="交换机", kind="switch", zone=zone, unit=unit, room=room, hosts=["sw1"])
    Interface.objects.create(device=device, name="ge0/1", mac="00:1a:2b:3c:4d:5e", addresses=["10.20.0.1"])
    SecurityProduct.objects.create(
        code="AV1", name="杀毒", kind="antivirus", platforms=["windows"], required_of=["endpoint"], settings=["实时防护=开"]
    )
    person = Person.objects.get(code="P021")
    Endpoint.objects.create(code="C1", name="窗口一", kind="counter", device=device, hosts=["ck1"], zone=zone, unit=unit, person=person)
    PatchBaseline.objects.create(code="KB1", title="=补丁", platform="windows", severity="high", published_on=begun)
    SoftwareBaseline.objects.create(endpoint_class="counter", name="社保前台*", purpose="业务")
    Peripheral.objects.create(code="W1", name="U盘", kind="storage", vendor_id="0951", product_id="1666", serial="000123", unit=unit)
    system = System.objects.get(code="SB01")
    Database.objects.create(code="DB1", name="=库", engine="dm", system=system, unit=unit, person=person, addresses=["10.1.1.1"], port=5236)
    Environment.objects.create(code="E1", name="生产", system=system, kind="production", hosts=["a1"], folders=["/opt/a"])
    release = Release.objects.create(
        code="R1", system=system, label="=1", artifact="a.jar", digests=["0" * 64], developers=["P014"], built_on=begun
    )
    DesignItem.objects.create(code="S1", name="审计", system=system)
    TestReport.objects.create(
        code="T1", release=release, kind="security", digests=["0" * 64], passed=True, tested_on=begun, tester=person, cases=["S1"]
    )
    plan = CheckPlan.objects.create(
        code="CP1", title="=日检", system=system, unit=unit, person=person, rhythm="weekly", on_day=2, at_time="09:00", items=["电源"],
        valid_from=begun,
    )  # fmt: skip
    CheckRun.objects.create(
        plan=plan, due_at=clock.now, person=person, done_at=clock.now, results=["电源 | 正常 |  |"], recorded_at=clock.now
    )
    OpsDossier.objects.create(system=system, opened_on=begun, keeper=person)
    project = Project.objects.create(code="XM1", name="=项目", kind="other", unit=unit, person=person, systems=["SB01"])
    ProjectChecklist.objects.create(
        code="H1", project=project, scheme_title="方案", scheme_on=begun, standards=["STD-1"], points=["STD-1 8.1 符合 a;b"]
    )
    ProtectionGrading.objects.create(system=system, graded_on=begun, level=3, earlier=["2020-03-01"])
    Assessment.objects.create(
        code="P1", kind="system", title="评估", unit=unit, subject="SB01", performed_from=begun, performed_to=begun, assessor=person,
        result="passed", concluded_at=clock.now,
    )  # fmt: skip
    register = REGISTERS[register_id]
    rows = listing.select(register, listing.Query(), Sight(OPERATOR, clock.now))
    body, count = exporting.export(register, rows, form)
    assert count == rows.count() > 0
    again = importing.plan(register, body, f"a.{form}", OPERATOR, clock.now)
    assert (again.faults, again.writes, again.unchanged) == ([], [], count)


def test_every_fault_has_its_cell_and_nothing_is_written(clock):
    text = HEAD + (
        "P100,,本局人员,JYC,,,,2026-03-01,\r\n"  # B2 empty
        "P101,甲,机器人,JYC,,,,2026-03-01,\r\n"  # C3 unknown choice
        "P102,乙,本局人员,XX,,,,2026-03-01,\r\n"  # D4 unknown unit
        "P103,丙,本局人员,JYC,,,not-mail,2026-02-30,\r\n"  # G5, H5
        "P104,丁,本局人员,JYC,,,,2026-03-01,\r\n"
        "P104,戊,本局人员,JYC,,,,2026-03-01,\r\n"  # twice
        f"P105,{'长' * 60},本局人员,JYC,,,,2026-03-01,\r\n"  # B8 too long
    )
    made = plan(text, clock)
    assert [fault.cell for fault in made.faults] == ["B2", "C3", "D4", "G5", "H5", "7", "B8"]
    with pytest.raises(RefusedError, match="7"):
        importing.apply(made, OPERATOR, clock.now)
    assert not Person.objects.filter(code__startswith="P10").exists()


def test_what_a_procedure_refuses_is_in_the_preview(clock):
    made = plan("日期,上班,名称\r\n2026-11-24,是,不是例外\r\n", clock, HOLIDAY)
    assert [fault.cell for fault in made.faults] == ["2"]
    assert not Holiday.objects.exists()


def test_a_constraint_is_in_the_preview(clock):
    made = plan(HEAD + "P100,钱多,本局人员,JYC,,,,2026-03-01,2026-02-01\r\n", clock)
    assert [fault.cell for fault in made.faults] == ["2"]


def test_one_refusal_takes_every_row_back(clock):
    made = plan("日期,上班,名称\r\n2026-10-01,否,国庆节\r\n2026-10-02,否,国庆节\r\n", clock, HOLIDAY)
    Holiday.objects.create(day="2026-10-02", is_workday=False, name="已有人登记")
    with pytest.raises(RefusedError, match="第 3 行"):
        importing.apply(made, OPERATOR, clock.now)
    assert Holiday.objects.count() == 1


@pytest.mark.parametrize(
    ("head", "why"),
    [
        ("工号,姓名,姓名,所在单位,入职日期", "C1：表头“姓名”重复"),
        ("工号,姓名,所在单位,入职日期,密码", "E1：没有“密码”"),
        ("工号,姓名,所在单位", "入职日期"),
    ],
)
def test_headers_are_checked_by_cell(head, why, clock):
    with pytest.raises(sheets.BadSheetError, match=why):
        plan(head + "\r\n1,2,3\r\n", clock)


def test_a_code_that_a_spreadsheet_made_a_number_is_taken_back(clock):
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True})
    sheet = book.add_worksheet()
    sheet.write_row(0, 0, ["code", "name", "unit", "joined_on", "phone"])
    sheet.write_row(1, 0, [20260001, "钱多", "JYC", "2026-03-01", 12.5])
    book.close()
    made = importing.plan(PERSON, out.getvalue(), "a.xlsx", OPERATOR, clock.now)
    assert [fault.cell for fault in made.faults] == ["E2"]
    text = "code,name,unit,joined_on\r\n20260001,钱多,JYC,2026-03-01\r\n"
    assert plan(text, clock).created == 1


def test_a_unit_head_writes_only_into_the_own_unit(acting, clock):
    head = acting("liuyang")
    text = "工号,姓名,所在单位,入职日期\r\n"
    assert plan(text + "P100,钱多,JYC,2026-03-01\r\n", clock, actor=head).created == 1
    foreign = plan(text + "P101,乙,SBZX,2026-03-01\r\n", clock, actor=head)
    assert [fault.cell for fault in foreign.faults] == ["C2"]
    taken = plan(text + "P031,罗娜,JYC,2026-03-01\r\n", clock, actor=head)
    assert "管辖范围" in taken.faults[0].message


@pytest.mark.parametrize("username", ["sunli", "chenjing", "mali"])
def test_others_do_not_import(username, acting, clock):
    with pytest.raises(RefusedError) as caught:
        plan(HEAD, clock, actor=acting(username))
    assert caught.value.code == "writer_role_missing"


@pytest.mark.parametrize("register_id", [r.id for r in REGISTERS.values() if r.kind is not Kind.PLAIN])
def test_no_sheet_writes_an_authority_decision_or_observed_register(register_id, clock):
    with pytest.raises(RefusedError) as caught:
        plan(HEAD, clock, REGISTERS[register_id])
    assert caught.value.code == "register_is_read_only"


def test_the_seal_of_a_plan_changes_with_what_it_would_meet(clock):
    text = HEAD + "P021,孙丽,本局人员,JYC,副处长,,,2025-11-24,\r\n"
    first = plan(text, clock)
    importing.apply(plan(text.replace("副处长", "调研员"), clock), OPERATOR, clock.now)
    assert plan(text, clock).seal != first.seal


def test_the_template_of_every_plain_register_reads_back_as_an_empty_sheet():
    for register in REGISTERS.values():
        if register.kind is Kind.PLAIN:
            sheet = sheets.read(exporting.template(register), "a.xlsx")
            assert sheet.rows == ()
            assert len(sheet.headers) == len(register.fields)


@pytest.mark.parametrize("administrator", [Administrator.AUDITOR, Administrator.SECURITY_ADMIN, None])
def test_a_log_in_at_the_command_line_gives_no_role_to_somebody_without_a_person(administrator, clock):
    actor = Actor(id="user:somebody", via=Via.CLI, user_id=1, administrator=administrator)
    assert not rights.may_write(REGISTERS["person"], actor, clock.now)


@pytest.mark.parametrize("via", [Via.CLI, Via.BROWSER])
def test_the_system_administrator_of_a_new_installation_fills_the_first_registers(via, clock):
    actor = Actor(id="user:sysadmin", via=via, user_id=1, administrator=Administrator.SYSTEM_ADMIN)
    assert rights.may_write(REGISTERS["unit"], actor, clock.now)
    assert not rights.may_write(REGISTERS["officer"], actor, clock.now)


def workbook(cells):
    out = io.BytesIO()
    made = xlsxwriter.Workbook(out, {"in_memory": True})
    sheet = made.add_worksheet()
    for place, header in enumerate(("工号", "姓名", "所在单位", "入职日期", "办公电话")):
        sheet.write_string(0, place, header)
    for place, cell in enumerate(cells):
        sheet.write(1, place, cell)
    made.close()
    return out.getvalue()


def test_a_number_that_lost_the_zeros_of_a_known_code_is_named(bureau, clock):
    Person.objects.create(code="000123", name="甲", unit=bureau.unit["JYC"], joined_on="2026-01-01")
    made = importing.plan(PERSON, workbook([123, "甲", "JYC", "2026-03-01", ""]), "a.xlsx", OPERATOR, clock.now)
    assert [(fault.cell, "000123" in fault.message) for fault in made.faults] == [("A2", True)]
    Unit.objects.create(
        code="007", name="乙", kind="subordinate_unit", parent=bureau.unit["HRSS"], path="/HRSS/007/", established_on="2026-01-01"
    )
    made = importing.plan(PERSON, workbook(["P100", "甲", 7, "2026-03-01", ""]), "a.xlsx", OPERATOR, clock.now)
    assert [(fault.cell, "007" in fault.message) for fault in made.faults] == [("C2", True)]


@pytest.mark.parametrize(
    "day", ["2026-03-01", "2026/3/1", "2026.3.1", "2026年3月1日", "20260301", "２０２６－０３－０１", "2026-03-01 00:00:00"]
)
def test_days_are_read_as_people_write_them(day, clock):
    made = importing.plan(PERSON, workbook(["P100", "甲", "JYC", day, ""]), "a.xlsx", OPERATOR, clock.now)
    assert made.faults == []
    assert made.writes[0].data["joined_on"].isoformat() == "2026-03-01"


def test_full_width_codes_are_those_they_look_like(clock):
    made = importing.plan(PERSON, workbook(["Ｐ０２１", "孙丽", "ＪＹＣ", "2025-11-24", ""]), "a.xlsx", OPERATOR, clock.now)
    assert (made.faults, made.created) == ([], 0)


@pytest.mark.parametrize("cell", [46082, 1.5, True, "昨天", "2026-02-30", "0202-01-01"])
def test_a_wrong_type_is_named_at_its_cell(cell, clock):
    made = importing.plan(PERSON, workbook(["P100", "甲", "JYC", cell, ""]), "a.xlsx", OPERATOR, clock.now)
    assert len(made.faults) == 1
    assert made.faults[0].cell in {"D2", "2"}


def test_a_byte_order_mark_and_a_header_twice(clock):
    assert (
        importing.plan(PERSON, b"\xef\xbb\xbf" + (HEAD + "P100,甲,,JYC,,,,2026-03-01,\r\n").encode(), "a.csv", OPERATOR, clock.now).created
        == 1
    )
    with pytest.raises(sheets.BadSheetError, match="C1：表头“姓名”重复"):
        plan("工号,姓名,姓名\r\nP100,甲,乙\r\n", clock)


def test_the_template_offers_lists_and_explains_every_column(bureau, clock):
    sight = Sight(OPERATOR, clock.now)
    for register in (each for each in REGISTERS.values() if each.kind is Kind.PLAIN):
        body = exporting.template(register, sight)
        made = load_workbook(io.BytesIO(body))
        shown = [sheet.name for sheet in made.sheets_metadata if str(sheet.visible).endswith("Visible")]
        assert len(shown) == 2, register.id
        first = made.get_sheet_by_index(0).to_python()[0]
        assert [str(cell).rstrip(" *") for cell in first] == [register.label(name) for name in exporting.fields(register)]
        assert [row[0] for row in made.get_sheet_by_index(1).to_python()[1 : len(first) + 1]] == [cell.rstrip(" *") for cell in first]
        assert importing.plan(register, body, "a.xlsx", OPERATOR, clock.now).writes == []
    lists = load_workbook(io.BytesIO(exporting.template(PERSON, sight))).get_sheet_by_name("lists").to_python()
    assert "JYC 就业促进处" in {cell for row in lists for cell in row}


def test_an_unchanged_export_adds_nothing_to_the_ledger(clock):
    for register in (each for each in REGISTERS.values() if each.kind is Kind.PLAIN):
        body, _count = exporting.export(register, listing.select(register, listing.Query(), Sight(OPERATOR, clock.now)), "xlsx")
        before = Entry.objects.count()
        importing.apply(importing.plan(register, body, "a.xlsx", OPERATOR, clock.now), OPERATOR, clock.now)
        assert Entry.objects.count() == before, register.id
