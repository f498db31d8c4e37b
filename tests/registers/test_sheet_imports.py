"""Large sheets: read by the worker with progress, confirmed by their owner, written at once or not at all."""

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
import xlsxwriter
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError
from django.test import Client
from python_calamine import load_workbook

from anzhang.directory import bulk
from anzhang.directory.models import Person
from anzhang.journal import verify
from anzhang.journal.models import Entry
from anzhang.permissions import RefusedError
from anzhang.registers import faulty, importing, plans, sheet_imports
from anzhang.registers.declaration import REGISTERS
from anzhang.registers.models import SheetImport
from tests import world
from tests.postgres import cluster

PERSON = REGISTERS["person"]
HEAD = ["工号", "姓名", "类别", "所在单位", "职务", "办公电话", "工作邮箱", "入职日期", "离职日期"]
State = SheetImport.State


def lines(count, unit="JYC", start=0):
    return [[f"N{n:06}", f"新{n}", "本局人员", unit, "科员", "", "", "2026-03-01", ""] for n in range(start, start + count)]


def xlsx(rows, head=HEAD):
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"constant_memory": True})
    sheet = book.add_worksheet()
    for number, row in enumerate([head, *rows]):
        for place, cell in enumerate(row):
            sheet.write_string(number, place, cell)
    book.close()
    return out.getvalue()


def csv(rows):
    return "\r\n".join(",".join(row) for row in [HEAD, *rows]).encode()


@pytest.fixture
def submitted(acting, clock):
    def submit(rows, username="liuyang"):
        return sheet_imports.submit(acting(username), PERSON, csv(rows), "people.csv", clock.now)

    return submit


def swept(found, clock):
    sheet_imports.sweep(clock.now)
    found.refresh_from_db()
    return found


def test_it_is_read_confirmed_and_written_with_every_row_in_the_ledger(submitted, acting, clock):
    before, found = Person.objects.count(), submitted(lines(1200))
    assert swept(found, clock).state == State.READY
    assert (found.created, found.done, found.total, Person.objects.count()) == (1200, 1200, 1200, before)
    sheet_imports.confirm(acting("liuyang"), found, clock.now)
    assert swept(found, clock).state == State.DONE
    assert Person.objects.count() == before + 1200
    entries = Entry.objects.filter(object_type="person", act="registers:row:create", actor="user:liuyang")
    assert entries.count() == 1200
    assert Entry.objects.filter(act="registers:sheet:import").count() == 1
    assert not [fault for fault in verify.check(clock.now).faults if fault["kind"].startswith("row")]
    assert sheet_imports.original(found) is None


def test_changes_go_in_bulk_too_and_days_of_leaving_take_their_consequences(bureau, submitted, acting, clock):
    wanted = lines(600)
    first = submitted(wanted)
    swept(first, clock)
    sheet_imports.confirm(acting("liuyang"), first, clock.now)
    swept(first, clock)
    for row in wanted:
        row[4] = "主任科员"
    head = bureau.person["P020"]
    wanted.append([head.code, head.name, "本局人员", "JYC", head.post, "", "", head.joined_on.isoformat(), "2026-11-24"])
    second = submitted(wanted)
    assert swept(second, clock).state == State.READY
    assert (second.created, second.changed) == (0, 601)
    sheet_imports.confirm(acting("liuyang"), second, clock.now)
    assert swept(second, clock).state == State.DONE
    changed = Person.objects.get(code="N000001")
    assert (changed.post, changed.version) == ("主任科员", 2)
    assert head.assignment_set.filter(superseded_at=None, valid_to=None).count() == 0
    assert not [fault for fault in verify.check(clock.now).faults if fault["kind"].startswith("row")]


def test_five_thousand_errors_are_listed_with_their_cells_and_go_back_in_the_sheet(submitted, clock):
    rows = lines(6000)
    for row in rows[:5000]:
        row[3] = "NOWHERE"
    found = submitted(rows)
    assert swept(found, clock).state == State.FAULTY
    listed = sheet_imports.faults(found)
    assert (found.faults, len(listed), listed[0].cell, listed[-1].cell) == (5000, 5000, "D2", "D5001")
    book = load_workbook(io.BytesIO(faulty.book(sheet_imports.original(found), found.name, listed)))
    first, second = (book.get_sheet_by_index(place).to_python() for place in (0, 1))
    assert first[0][-1] == plans.FAULTS_HEADER
    assert "NOWHERE" in first[1][-1]
    assert first[5001][-1] == ""
    assert len(second) == 5001


def test_a_sheet_that_comes_back_with_its_column_of_problems_is_taken(submitted, clock):
    found = submitted([[*row[:3], "NOWHERE", *row[4:]] for row in lines(2)])
    swept(found, clock)
    body = faulty.book(sheet_imports.original(found), found.name, sheet_imports.faults(found))
    rows = load_workbook(io.BytesIO(body)).get_sheet_by_index(0).to_python()
    again = xlsx([[*row[:3], "JYC", *row[4:]] for row in rows[1:]], rows[0])
    assert importing.plan(PERSON, again, "a.xlsx", world.actor_of_machine(), clock.now).created == 2


def test_a_register_that_moved_is_read_again_and_confirmed_again(bureau, submitted, acting, clock):
    rows = lines(600)
    rows.append(["P021", "孙丽", "本局人员", "JYC", "调研员", "", "", bureau.person["P021"].joined_on.isoformat(), ""])
    found = submitted(rows)
    swept(found, clock)
    Person.objects.filter(code="P021").update(version=7)
    sheet_imports.confirm(acting("liuyang"), found, clock.now)
    assert swept(found, clock).state == State.READY
    assert found.message
    assert not Person.objects.filter(code="N000001").exists()


def test_a_worker_that_dies_leaves_nothing_and_the_next_one_takes_over(submitted, clock):
    found = submitted(lines(3))
    SheetImport.objects.filter(pk=found.pk).update(state=State.READING, attempts=1, seen_at=clock.now)
    assert swept(found, clock).state == State.READING
    clock.advance(minutes=2)
    assert swept(found, clock).state == State.READY


def test_a_sheet_that_kills_its_worker_three_times_is_given_up(submitted, clock):
    found = submitted(lines(3))
    SheetImport.objects.filter(pk=found.pk).update(state=State.READING, attempts=3, seen_at=clock.now)
    clock.advance(minutes=2)
    assert swept(found, clock).state == State.FAILED


def test_a_writing_that_fails_at_its_end_leaves_no_row(submitted, acting, clock, monkeypatch):
    before, found = Person.objects.count(), submitted(lines(600))
    swept(found, clock)
    sheet_imports.confirm(acting("liuyang"), found, clock.now)
    real = bulk.bulk.append_all

    def breaks(prepared):
        real(prepared)
        raise RefusedError("broken", "坏了")

    monkeypatch.setattr(bulk.bulk, "append_all", breaks)
    assert swept(found, clock).state == State.FAILED
    assert Person.objects.count() == before


def test_a_worker_that_was_thought_dead_writes_nothing(submitted, acting, clock, monkeypatch):
    found = submitted(lines(600))
    swept(found, clock)
    sheet_imports.confirm(acting("liuyang"), found, clock.now)
    real = bulk.bulk.append_all

    def overtaken(prepared):
        real(prepared)
        SheetImport.objects.filter(pk=found.pk).update(attempts=9)  # another worker took it meanwhile

    monkeypatch.setattr(bulk.bulk, "append_all", overtaken)
    swept(found, clock)
    assert not Person.objects.filter(code="N000001").exists()


def test_a_right_that_ended_between_preview_and_writing_stops_it(bureau, submitted, acting, clock):
    found = submitted(lines(600))
    swept(found, clock)
    sheet_imports.confirm(acting("liuyang"), found, clock.now)
    bureau.user["liuyang"].person.assignment_set.update(valid_to=clock.now)
    clock.advance(minutes=1)
    assert swept(found, clock).state == State.FAILED
    assert not Person.objects.filter(code="N000001").exists()


def test_confirm_needs_a_preview_and_its_owner(submitted, acting, clock):
    found = submitted(lines(3))
    with pytest.raises(RefusedError):
        sheet_imports.confirm(acting("liuyang"), found, clock.now)
    swept(found, clock)
    with pytest.raises(RefusedError):
        sheet_imports.confirm(acting("guolei"), found, clock.now)
    sheet_imports.cancel(acting("liuyang"), found, clock.now)
    with pytest.raises(RefusedError):
        sheet_imports.confirm(acting("liuyang"), found, clock.now)
    assert sheet_imports.original(found) is None


def test_the_page_shows_progress_preview_and_the_result_to_its_owner_alone(bureau, clock):
    client, other = Client(), Client()
    world.enter(client, bureau.user["liuyang"])
    world.enter(other, bureau.user["guolei"])
    data = csv([[*row[:4], "说明" * 10, *row[5:]] for row in lines(3000)])
    page = client.post("/registers/person/import/", {"file": SimpleUploadedFile("people.csv", data)})
    assert page.status_code == 302
    address = page["Location"]
    text = client.get(address).content.decode()
    assert "<progress" in text
    assert 'hx-trigger="every 1s"' in text
    assert "刷新" in text  # the way on without JavaScript
    assert other.get(address).status_code == 404
    assert other.post(address, {"act": "confirm"}).status_code == 404
    assert client.post(address, {"act": "confirm"}).status_code == 409
    sheet_imports.sweep(clock.now)
    partial = client.get(address, headers={"HX-Request": "true"})
    assert (partial.status_code, "<html" in partial.content.decode()) == (286, False)
    assert "确认导入" in partial.content.decode()
    assert client.post(address, {"act": "confirm"}).status_code == 302
    sheet_imports.sweep(clock.now)
    assert "新增 3000 行" in client.get(address).content.decode()
    assert Person.objects.filter(code="N002999").exists()


def test_the_page_of_a_faulty_sheet_offers_it_back(bureau, clock):
    client = Client()
    world.enter(client, bureau.user["liuyang"])
    data = csv([[*row[:3], "NOWHERE", "说明" * 10, *row[5:]] for row in lines(3000)])
    address = client.post("/registers/person/import/", {"file": SimpleUploadedFile("people.csv", data)})["Location"]
    sheet_imports.sweep(clock.now)
    text = client.get(address).content.decode()
    assert "共 3000 处错误" in text
    assert "D2" in text
    download = client.get(address + "faults.xlsx")
    assert download.content[:2] == b"PK"
    assert download["Content-Disposition"].startswith("attachment")


def test_constraints_are_judged_as_the_database_judges_them(bureau, clock):
    rows = [Person(code=f"K{n}", name="甲", unit=bureau.unit["JYC"], joined_on=world.START.date()) for n in range(3)]
    rows[1].left_on = world.START.date().replace(year=2020)
    batch = bulk.Batch(world.actor_of_machine(), clock.now, Person)
    batch.new = rows
    assert list(batch.check()) == [1]
    batch.prepare()
    with pytest.raises(IntegrityError):
        batch.write()


KILLED = """
import os, sys, django
os.environ["DJANGO_SETTINGS_MODULE"] = "anzhang.settings"
django.setup()
from anzhang import clock
from anzhang.journal import bulk
from anzhang.registers import sheet_imports
real = bulk.append_all
def dies(prepared):
    real(prepared)
    print("written", flush=True)
    import time; time.sleep(60)
bulk.append_all = dies
sheet_imports.sweep(clock.now())
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request) -> Iterator[dict[str, str]]:
    """What tells a program its database: nothing for a file of its own, the address of a server of its own."""
    if request.param == "sqlite":
        yield {}
        return
    with cluster() as server:
        yield {"ANZHANG_DATABASE_URL": server.create("import")}


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_killed_worker_leaves_nothing_half_written(tmp_path, database):
    """A real worker process, a real database, kill -9 when every row has been inserted and nothing committed."""
    environment = {name: value for name, value in os.environ.items() if name != "ANZHANG_DATABASE_URL"} | database
    environment |= {"ANZHANG_HOME": str(tmp_path / "home"), "DJANGO_SETTINGS_MODULE": "anzhang.settings"}
    run = lambda code: subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True).stdout  # noqa: E731
    subprocess.run(
        [sys.executable, "-m", "anzhang", "demo", "--once", "--devices", "400"], env=environment, check=True, capture_output=True
    )
    start = "import os, django; django.setup()\nfrom anzhang import clock\n"
    (tmp_path / "people.csv").write_bytes(csv(lines(1000)))
    run(
        start + "from anzhang.directory.models import User\nfrom anzhang.registers import sheet_imports\n"
        "from anzhang.registers.declaration import REGISTERS\nimport anzhang.urls\n"
        "u = User.objects.get(username='liuyang'); a = sheet_imports._actor(u)\n"
        f"f = sheet_imports.submit(a, REGISTERS['person'], open({str(tmp_path / 'people.csv')!r}, 'rb').read(), 'p.csv', clock.now())\n"
        "sheet_imports.sweep(clock.now()); f.refresh_from_db(); sheet_imports.confirm(a, f, clock.now())"
    )
    with subprocess.Popen([sys.executable, "-c", KILLED], env=environment, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout.readline().strip() == "written"
        worker.send_signal(signal.SIGKILL)
    count = start + "from anzhang.directory.models import Person\nfrom anzhang.registers.models import SheetImport\n"
    count += "print(Person.objects.filter(code__startswith='N00').count(), SheetImport.objects.get().state)"
    assert run(count).split() == ["0", "writing"]
    run(
        start
        + "import datetime\nfrom anzhang.registers import sheet_imports\nsheet_imports.sweep(clock.now() + datetime.timedelta(minutes=2))"
    )
    assert run(count).split() == ["1000", "done"]


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_hundred_thousand_people_come_in_from_excel(bureau, acting, clock):
    data = xlsx(lines(100_000))
    started = time.monotonic()
    found = sheet_imports.submit(acting("liuyang"), PERSON, data, "people.xlsx", clock.now)
    assert swept(found, clock).state == State.READY
    sheet_imports.confirm(acting("liuyang"), found, clock.now)
    assert swept(found, clock).state == State.DONE
    print(f"100,000 people in {time.monotonic() - started:.1f} s")  # noqa: T201  # the figure is the point; a limit would be a flaky test
    assert Person.objects.filter(code__startswith="N").count() == 100_000
