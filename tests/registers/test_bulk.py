"""Thousands of rows at once: what is written is what the verbs for one row would have written, and what they refuse is refused."""

import csv
import io
import time
from contextlib import suppress
from datetime import date, datetime, timedelta

import pytest
from django.db import connection, transaction
from django.db.models import Q, UniqueConstraint
from django.test.utils import CaptureQueriesContext

from anzhang.directory import procedures
from anzhang.directory.models import Assignment
from anzhang.events import Event
from anzhang.journal import verify
from anzhang.journal.models import Entry
from anzhang.network import procedures as network
from anzhang.permissions import Actor, RefusedError, Via
from anzhang.registers import importing, plans, sheet_imports
from anzhang.registers.declaration import REGISTERS
from anzhang.registers.models import SheetImport
from anzhang.rooms import procedures as rooms
from anzhang.systems.models import Account
from anzhang.thirdparty.models import Provider
from tests import world

OPERATOR = world.actor_of_machine()
SETUP = Actor(id="setup", via=Via.SETUP)
PEOPLE = (("工号", "姓名", "类别", "所在单位", "入职日期"), lambda n: (f"N{n:06}", f"新{n}", "本局人员", "JYC", "2026-03-01"))
SYSTEMS = (
    ("系统编号", "系统名称", "管理单位", "安全责任单位", "纳入市局统一规划", "状态"),
    lambda n: (f"N{n:06}", f"系统{n}", "JYC", "IC", "是" if n % 2 else "", "在用"),
)
ACCOUNTS = (
    ("信息系统", "账号", "使用人", "状态", "启用日期", "停用日期"),
    lambda n: ("JY01", f"n{n:06}", "P021", *(("停用", "2026-03-01", "2026-09-01") if n % 7 == 3 else ("启用", "2026-03-01", ""))),
)
TRAININGS = (("人员", "内容", "培训日期", "学时"), lambda n: ("P021", f"课程{n}", "2026-03-01", "1.5"))
PROVIDERS = (
    ("机构编号", "机构名称", "机构类别", "归口单位", "使用网络或信息的事由", "起始日期"),
    lambda n: (f"V{n:06}", f"公司{n}", "企业", "IC", "运维", "2026-03-01"),
)
SOURCES = (
    ("code", "name", "transport", "addresses", "hosts", "unit", "registered_on"),
    lambda n: (f"N{n:06}", f"设备{n}", "syslog_tcp", f"10.{100 + n // 62500}.{n // 250 % 250}.{n % 250 + 1}", f"h{n}", "IC", "2026-03-01"),
)
ZONES = (
    ("区域编号", "区域名称", "区域类别", "网段", "运维单位"),
    lambda n: (f"N{n:06}", f"区域{n}", "业务专网", f"10.{n % 250}.0.0/16", "IC"),
)
DEVICES = (
    ("设备编号", "设备名称", "设备类别", "使用单位", "主机名", "启用日期", "状态", "停用日期"),
    lambda n: (f"N{n:06}", f"设备{n}", "交换机", "IC", f"sw{n}", "2020-03-01", *(("停用", "2026-03-01") if n % 7 == 3 else ("在用", ""))),
)
INTERFACES = (
    ("设备", "接口", "MAC 地址", "IP 地址"),
    lambda n: ("DEV1", f"ge{n}", f"02-00-00-{n // 65536:02X}-{n // 256 % 256:02X}-{n % 256:02X}", f"10.20.{n // 250 % 250}.{n % 250 + 1}"),
)
FACILITIES = (
    ("机房", "设施类别", "设施名称", "状态", "不设的理由"),
    lambda n: ("R1", "供电", f"电源{n}", *(("不设", "由大楼供电") if n % 7 == 3 else ("在用", ""))),
)


def minutes(number: int) -> str:
    """Return a Beijing time so many minutes into 2027."""
    return f"{datetime(2027, 1, 1) + timedelta(minutes=number):%Y-%m-%d %H:%M}"  # as a sheet writes it


SHIFTS = (("机房", "值班人员", "开始时间", "结束时间"), lambda n: ("R1", "P012", minutes(n * 10), minutes(n * 10 + 9)))
PRODUCTS = (
    ("产品编号", "产品名称", "产品类别", "要求安装的对象", "最新特征库日期"),
    lambda n: (f"N{n:06}", f"产品{n}", "杀毒软件", "endpoint; server", "2026-03-01"),
)
ENDPOINTS = (
    ("客户端编号", "客户端名称", "客户端类别", "MAC 地址", "网络区域", "使用单位", "责任人", "状态"),
    lambda n: (
        f"N{n:06}",
        f"窗口{n}",
        "柜面终端",
        f"02-00-01-{n // 65536:02X}-{n // 256 % 256:02X}-{n % 256:02X}",
        "Z1",
        "JYC",
        "P021",
        "在用",
    ),
)
PATCHES = (
    ("补丁编号", "适用系统", "级别", "镜像站发布日期"),
    lambda n: (f"KB{n:06}", "Windows", "严重", "2026-03-01"),
)
SOFTWARE = (("软件清单", "类别", "名称"), lambda n: ("counter", "程序", f"程序{n}"))
PERIPHERALS = (
    ("外设编号", "外设名称", "外设类别", "厂商标识", "产品标识", "序列号", "使用单位"),
    lambda n: (f"N{n:06}", f"U盘{n}", "存储", "0951", "1666", f"S{n}", "JYC"),
)


def graded(number: int) -> str:
    """Return a day for each three numbers, all of them past."""
    return f"{date(1930, 1, 1) + timedelta(days=number // 3)}"


GRADINGS = (
    ("信息系统", "定级日期", "等级", "备案证明编号", "备案日期"),
    lambda n: (("JY01", "SB01", "AZ01")[n % 3], graded(n), "2", *((f"12-{n:06}", graded(n)) if n % 7 == 3 else ("", ""))),
)
DATABASES = (
    ("数据库编号", "数据库名称", "数据库产品", "所属信息系统", "管理单位", "责任人", "IP 地址", "端口", "状态"),
    lambda n: (f"N{n:06}", f"库{n}", "人大金仓", "JY01", "JYC", "P021", f"10.21.{n // 250 % 250}.{n % 250 + 1}", "54321", "在用"),
)
SHEETS = {
    "database": DATABASES,
    "person": PEOPLE,
    "system": SYSTEMS,
    "account": ACCOUNTS,
    "training_record": TRAININGS,
    "provider": PROVIDERS,
    "log_source": SOURCES,
    "zone": ZONES,
    "device": DEVICES,
    "interface": INTERFACES,
    "facility": FACILITIES,
    "shift": SHIFTS,
    "security_product": PRODUCTS,
    "endpoint": ENDPOINTS,
    "patch_baseline": PATCHES,
    "software_baseline": SOFTWARE,
    "peripheral": PERIPHERALS,
    "protection_grading": GRADINGS,
}


@pytest.fixture(autouse=True)
def _posted(bureau, clock, monkeypatch):
    """P021 may work with every system, one device stands, P012 is on duty in a room; and thousands begin at thirty."""
    network.register_device(SETUP, at=clock.now, code="DEV1", name="核心交换机", kind="switch", unit=bureau.unit["IC"])
    room = rooms.register_machine_room(
        SETUP, at=clock.now, code="R1", name="一号机房", unit=bureau.unit["IC"], in_service_on=clock.now.date()
    )
    procedures.start_assignment(
        SETUP,
        person=bureau.person["P012"],
        duty="room_attendant",
        unit=room.unit,
        room=room,
        basis=None,
        valid_from=clock.now,
        at=clock.now,
    )
    network.register_zone(SETUP, at=clock.now, code="Z1", name="业务专网", kind="business", vlan=100, unit=bureau.unit["IC"])
    monkeypatch.setattr(plans, "REHEARSED", 30)
    person = bureau.person["P021"]
    procedures.start_assignment(SETUP, person=person, duty="maintainer", unit=person.unit, basis=None, valid_from=clock.now, at=clock.now)


def sheet(register_id, count, start=0, change=None):
    head, line = SHEETS[register_id]
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(head)
    for number in range(start, start + count):
        cells = list(line(number))
        if change:
            change(number, cells)
        writer.writerow(cells)
    return out.getvalue().encode()


def plan(register_id, data, clock):
    return importing.plan(REGISTERS[register_id], data, "a.csv", OPERATOR, clock.now)


def written(register_id, count):
    """Return the newest rows as they stand and what their entries are called."""
    register = REGISTERS[register_id]
    rows = list(register.model._default_manager.order_by("-pk")[:count])[::-1]
    acts = dict(Entry.objects.filter(object_type=register_id).order_by("index").values_list("object_key", "act"))
    return [({name: getattr(row, name) for name in register.fields}, acts[str(row.pk)]) for row in rows]


def one_by_one(register_id, count, clock):
    """Return what the verbs for one row write; it is taken back."""
    found = []
    with suppress(InterruptedError), transaction.atomic():
        importing.apply(plan(register_id, sheet(register_id, count), clock), OPERATOR, clock.now)
        found = written(register_id, count)
        raise InterruptedError
    return found


def test_every_register_that_takes_thousands_is_tried_here():
    assert set(SHEETS) == {each.id for each in REGISTERS.values() if each.bulk}


@pytest.mark.parametrize("register_id", SHEETS)
def test_rows_come_in_together_as_they_would_one_by_one(register_id, clock):
    many, expected = plans.REHEARSED + 1, one_by_one(register_id, 10, clock)
    together = plan(register_id, sheet(register_id, many), clock)
    assert (together.faults, together.created, together.in_bulk) == ([], many, True)
    importing.apply(together, OPERATOR, clock.now)
    assert written(register_id, many)[:10] == expected
    assert not [fault for fault in verify.check(clock.now).faults if fault["kind"].startswith("row")]
    again = plan(register_id, sheet(register_id, many), clock)
    assert (again.faults, again.writes, again.unchanged) == ([], [], many)


WRONG = {  # what the class's own rules refuse, by register: how to spoil a line
    "account": lambda cells: cells.__setitem__(2, "P020"),  # heads the unit and holds no post by which one works with a system
    "training_record": lambda cells: cells.__setitem__(2, "2026-12-31"),  # in the future
    "log_source": lambda cells: cells.__setitem__(0, "小写"),
    "person": lambda cells: cells.__setitem__(4, "0202-03-01"),
    "zone": lambda cells: cells.__setitem__(3, "10.20.0.1/16"),
    "interface": lambda cells: cells.__setitem__(2, "00:1a"),
    "facility": lambda cells: cells.__setitem__(3, "不设") or cells.__setitem__(4, ""),
    "shift": lambda cells: cells.__setitem__(1, "P021"),  # holds no post in the room
    "endpoint": lambda cells: cells.__setitem__(3, ""),  # known by nothing
    "peripheral": lambda cells: cells.__setitem__(5, ""),  # a storage device without serial number
}


@pytest.mark.parametrize("register_id", WRONG)
def test_what_the_verb_for_one_row_refuses_is_named_by_row(register_id, clock):
    data = sheet(register_id, plans.REHEARSED + 10, change=lambda number, cells: WRONG[register_id](cells) if number in {4, 9} else None)
    made = plan(register_id, data, clock)
    assert [fault.cell.lstrip("ABCDE") for fault in made.faults] == ["6", "11"]
    with pytest.raises(RefusedError):
        importing.apply(made, OPERATOR, clock.now)


def test_two_sources_of_one_sheet_do_not_claim_the_same_lines(clock):
    def same(number, cells):
        if number in {7, 8, 9}:
            cells[3], cells[4] = "10.9.9.9; 10.9.9.8", "h" if number < 9 else "another"

    made = plan("log_source", sheet("log_source", plans.REHEARSED + 10, change=same), clock)
    assert [(fault.cell, "N000007" in fault.message) for fault in made.faults] == [("10", True)]


def test_a_right_that_ended_after_the_preview_is_found_as_the_rows_are_written(bureau, clock):
    made = plan("account", sheet("account", plans.REHEARSED + 10), clock)
    post = Assignment.objects.get(person__code="P021", duty="maintainer")
    procedures.end_assignment(SETUP, post, clock.advance(hours=1), clock.now)
    with pytest.raises(RefusedError, match="第 2 行"):
        importing.apply(made, OPERATOR, clock.advance(minutes=1))
    assert not Account.objects.filter(name__startswith="n0").exists()


def test_closing_and_handing_over_go_the_way_of_the_single_verbs(bureau, clock):
    many = plans.REHEARSED + 5
    importing.apply(plan("account", sheet("account", many), clock), OPERATOR, clock.now)

    def other(number, cells):
        if number == 1:
            cells[3] = "停用"
        elif number % 7 != 3:
            cells[2] = "P022"

    made = plan("account", sheet("account", many, change=other), clock)
    assert (made.faults, made.changed > plans.REHEARSED // 2) == ([], True)
    importing.apply(made, OPERATOR, clock.now)
    closed = Account.objects.get(name="n000001")
    assert (closed.state, closed.closed_on, closed.person.code) == ("closed", world.START.date(), "P021")
    assert Entry.objects.filter(object_type="account", object_key=str(closed.pk)).latest("index").act == Event.ACCOUNT_CLOSE
    assert Account.objects.get(name="n000002").person.code == "P022"


def test_a_rule_for_some_rows_only_is_judged_as_the_database_judges_it(bureau, clock, monkeypatch):
    rule = UniqueConstraint(fields=["name"], condition=Q(kind="company"), name="companies_by_name")
    monkeypatch.setattr(Provider._meta, "constraints", [*Provider._meta.constraints, rule])

    def same(number, cells):
        if number in {3, 4, 5}:
            cells[1], cells[2] = "同名", "企业" if number < 5 else "银行和经办网点"

    made = plan("provider", sheet("provider", plans.REHEARSED + 5, change=same), clock)
    assert [fault.cell for fault in made.faults] == ["6"]


def test_a_large_sheet_goes_the_same_way_through_the_worker(acting, clock):
    found = sheet_imports.submit(acting("liuyang"), REGISTERS["account"], sheet("account", 120), "a.csv", clock.now)
    for state in (SheetImport.State.READY, SheetImport.State.DONE):
        sheet_imports.sweep(clock.now)
        found.refresh_from_db()
        assert (found.state, found.created, found.done) == (state, 120, 120)
        if state == SheetImport.State.READY:
            assert not Account.objects.filter(name="n000001").exists()
            sheet_imports.confirm(acting("liuyang"), found, clock.now)
    assert Account.objects.filter(name__startswith="n0").count() == 120


@pytest.mark.parametrize("register_id", SHEETS)
def test_the_database_is_asked_about_no_single_row(register_id, clock):
    """Twice the rows, the same questions: a constraint that is not decided in Python would ask one for each."""
    asked = []
    for count in (plans.REHEARSED + 10, 2 * plans.REHEARSED + 20):
        data = sheet(register_id, count)
        with CaptureQueriesContext(connection) as queries:
            assert plan(register_id, data, clock).faults == []
        asked.append(len(queries))
    assert asked[0] == asked[1]


def test_every_refused_account_is_listed_by_row(acting, clock):
    data = sheet("account", 600, change=lambda number, cells: WRONG["account"](cells) if number < 500 and number % 7 != 3 else None)
    found = sheet_imports.submit(acting("liuyang"), REGISTERS["account"], data, "a.csv", clock.now)
    sheet_imports.sweep(clock.now)
    found.refresh_from_db()
    assert (found.state, found.faults) == (SheetImport.State.FAULTY, sum(number % 7 != 3 for number in range(500)))
    assert sheet_imports.faults(found)[0].cell == "2"


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("register_id", SHEETS)
def test_a_hundred_thousand_rows_come_in(register_id, clock):
    data, started = sheet(register_id, 100_000), time.monotonic()
    made = plan(register_id, data, clock)
    assert (made.faults, made.created) == ([], 100_000)
    read = time.monotonic() - started
    importing.apply(made, OPERATOR, clock.now)
    print(f"100,000 rows of {register_id}: read in {read:.1f} s, all in {time.monotonic() - started:.1f} s")  # noqa: T201  # the figure is the point
    assert REGISTERS[register_id].model._default_manager.count() >= 100_000
