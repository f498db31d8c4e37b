"""Every plain register goes out and comes back as it was, whatever stands in its rows; registers declared later are met too."""

import csv
import io

import pytest

from anzhang.directory.models import Person, Unit
from anzhang.journal.models import Entry
from anzhang.network.models import Device, Zone
from anzhang.organization.tables import Project
from anzhang.permissions import Actor, Via
from anzhang.registers import exporting, importing, sheets, values
from anzhang.registers.declaration import REGISTERS
from anzhang.rooms.models import MachineRoom
from anzhang.systems.models import System
from anzhang.systems.tables import Release
from anzhang.systems.upkeep import CheckPlan
from tests.registers import hard

pytestmark = pytest.mark.usefixtures("bureau")
OPERATOR = Actor(id="os:root@host", via=Via.CLI)


@pytest.mark.parametrize("register_id", [each.id for each in REGISTERS.values() if each.writable])
def test_hard_rows_come_back_cell_by_cell_change_nothing_and_run_nowhere(register_id, clock):
    register = REGISTERS[register_id]
    if register_id in {"facility", "shift"}:
        MachineRoom.objects.create(code="R1", name="一号机房", unit=Unit.objects.get(code="IC"), in_service_on=clock.now.date())
    if register_id in {"interface", "endpoint"}:
        Zone.objects.create(code="Z1", name="业务专网", kind="business", unit=Unit.objects.get(code="IC"))
    if register_id == "interface":
        Device.objects.create(code="D1", name="交换机", kind="switch", unit=Unit.objects.get(code="IC"))
    if register_id == "check_run":
        unit, person = Unit.objects.get(code="IC"), Person.objects.get(code="P011")
        CheckPlan.objects.create(
            code="CP1", title="日检", unit=unit, person=person, rhythm="daily", at_time="09:00", items=["电源"], valid_from=hard.FIRST
        )
    if register_id == "project_checklist":
        unit, person = Unit.objects.get(code="IC"), Person.objects.order_by("pk").first()
        Project.objects.create(code="XM1", name="项目", kind="other", unit=unit, person=person)
    if register_id == "test_report":
        Release.objects.create(
            code="R1", system=System.objects.get(code="SB01"), label="1", artifact="a", digests=["0" * 64], built_on=hard.FIRST
        )
    kept = hard.rows(register)
    chosen = register.model._default_manager.filter(pk__in=[row.pk for row in kept]).order_by("pk")
    before = Entry.objects.count()
    for form in ("xlsx", "csv"):
        body, count = exporting.export(register, chosen, form)
        assert_read_back(register, kept, sheets.read(body, f"a.{form}"))  # of xlsx: a formula cell is refused by its address
        again = importing.plan(register, body, f"a.{form}", OPERATOR, clock.now)
        assert ([(fault.cell, fault.message) for fault in again.faults], [write.changes for write in again.writes]) == ([], [])
        assert again.unchanged == count == len(kept)
        importing.apply(again, OPERATOR, clock.now)
    assert Entry.objects.count() == before
    for line in csv.reader(io.StringIO(body.decode("utf-8-sig"), newline="")):
        assert not any(cell[:1] in {"=", "+", "-", "@", "\t", "\r"} for cell in line)


def assert_read_back(register, kept, sheet):
    """Hold every cell to the value that it was written from."""
    for (_number, cells), row in zip(sheet.rows, kept, strict=True):
        for place, name in enumerate(register.fields):
            was = getattr(row, name)
            got = values.read(register.field(name), cells[place], {values.code_of(was): was} if hasattr(was, "pk") else {})
            assert got == was or [got, was] in (["", None], [None, ""]), (name, was, got)
