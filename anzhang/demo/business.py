"""What the demo's applications and databases tell of business (Art. 14): who did what, when and how much, changes of data, exports.

Acts lie on working days, at the same hours whenever the demo begins. `done(site, 1, 10)` is ten o'clock on the last working day.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta

from anzhang import clock
from anzhang.casework import workdays
from anzhang.demo.bureau import SETUP, Bureau
from anzhang.demo.chapter import Chapter, Line, NearMiss, Planted, Site
from anzhang.demo.crowd import Crowd
from anzhang.demo.hands import walk
from anzhang.demo.presence import event
from anzhang.directory import procedures as directory
from anzhang.directory.models import Person, Unit
from anzhang.systems import procedures

# system, the account by which its application works, who keeps it
APPLICATIONS = (("SB01", "sbapp", "P012"), ("JY01", "jyapp", "P023"))
# who, which functions and areas
SCOPES = (
    ("P022", ["就业登记", "就业登记查询"], ["和平区", "河西区"]), ("P023", ["就业登记"], ["和平区"]),
    ("P031", ["参保登记", "参保查询"], ["和平区"]),
)  # fmt: skip
HOURS = "08:00-18:00"
HISTORY, ORDINARY, FACTOR = 60, 200, 5  # days that the application of JY01 was heard, records of an ordinary one, and the bound's factor


def registers(site: Site, bureau: Bureau, _crowd: Crowd) -> None:
    """Put the accounts by which applications work on file, state what three posts cover, and let one of them work in an evening."""
    opened_on = clock.day_of(site.now) - timedelta(days=300)
    for code, name, keeper in APPLICATIONS:
        procedures.open_account(
            SETUP, at=site.now, system=bureau.system[code], name=name, person=bureau.person[keeper], opened_on=opened_on,
            of_application=True,
        )  # fmt: skip
    for code, functions, areas in SCOPES:
        person: Person = bureau.person[code]
        unit: Unit = person.unit
        directory.start_assignment(
            SETUP, person=person, duty="operator", unit=unit, basis=None, valid_from=site.now - timedelta(days=120), at=site.now,
            functions=functions, jurisdiction=areas, hours=HOURS,
        )  # fmt: skip
    day = workday(site, 3).isoformat()
    form = {
        "person": "P023", "system": "JY01", "what": "晚间补录就业登记", "effective_on": day, "last_on": day, "reason": "招聘会后集中补录"
    }  # fmt: skip
    walk("business_exception", bureau.person["P023"], form, done(site, 3, 9), bureau.person["P020"])


def workday(site: Site, back: int) -> date:
    """Return a working day before the demo began, the last one first."""
    calendar, day = workdays.calendar(), clock.day_of(site.now)
    while back:
        day -= timedelta(days=1)
        back -= calendar.is_workday(day)
    return day


def done(site: Site, back: int, hour: int, minute: int = 0) -> datetime:
    """Return an instant on a working day before the demo began."""
    return clock.start_of(workday(site, back)) + timedelta(hours=hour, minutes=minute)


def statement(at: datetime, host: str, user: str, command: str, rows: int, result: str = "success") -> bytes:
    """Return what a database says of a statement."""
    kind = "read" if command == "SELECT" else "write"
    return event(
        at, host, "db_event", user=user, action=kind, command=command, object_name="person.detail", rows=rows, result=result
    )  # fmt: skip


def act(at: datetime, host: str, user: str, action: str, count: int, function: str, area: str = "和平区") -> bytes:
    """Return what an application says of a business act."""
    return event(
        at, host, "app_event", user=user, action=action, function=function, unit=area, record_count=count, result="success"
    )  # fmt: skip


def planted(site: Site) -> Iterator[Line]:
    """Yield a change, an export and an act that nobody approved, and beside them what only looks like it."""
    yield from _changes(site)
    yield from _exports(site)
    yield from _scopes(site)
    yield from _volume(site)


def _changes(site: Site) -> Iterator[Line]:
    at = done(site, 2, 10)
    yield at, statement(at, "sbdb01", "sbapp", "UPDATE", 1)
    yield at, act(at, "sbapp01", "luona", "update", 1, "参保登记")
    later = at + timedelta(minutes=7)
    yield later, statement(later, "sbdb01", "wangfang", "UPDATE", 12)
    first = at + timedelta(minutes=10)
    yield first, act(first, "jyapp01", "zhanghua", "update", 1, "就业登记")
    for after, user, command, rows, result in (
        (60, "jyapp", "UPDATE", 1, "success"),  # the last second of the tolerance
        (120, "tangxin", "DELETE", 0, "success"),
        (121, "tangxin", "UPDATE", 3, "failure"),
        (122, "tangxin", "SELECT", 40, "success"),
    ):
        when = first + timedelta(seconds=after)
        yield when, statement(when, "jyapp01", user, command, rows, result)


def _exports(site: Site) -> Iterator[Line]:
    at = done(site, 2, 14)
    yield at, act(at, "sbapp01", "luona", "export", 1200, "参保查询")
    yield at, act(at, "jyapp01", "zhanghua", "export", 100, "就业登记查询")
    at += timedelta(minutes=5)
    yield at, act(at, "jyapp01", "zhanghua", "query", 150, "就业登记查询")


def _scopes(site: Site) -> Iterator[Line]:
    at = done(site, 1, 15)
    yield at, act(at, "sbapp01", "luona", "update", 1, "待遇核定")
    at = done(site, 1, 17, 59)
    yield at, act(at, "jyapp01", "zhanghua", "update", 1, "就业登记", "河西区")
    at = done(site, 3, 20)
    yield at, act(at, "jyapp01", "tangxin", "update", 30, "就业登记", "河西区")


def _volume(site: Site) -> Iterator[Line]:
    """Yield the ordinary days of one account, and one day that comes exactly to the bound."""
    calendar, today = workdays.calendar(), clock.day_of(site.now)
    for back in range(HISTORY, 0, -1):
        day = today - timedelta(days=back)
        if calendar.is_workday(day):
            at = clock.start_of(day) + timedelta(hours=9)
            yield at, act(at, "jyapp01", "zhanghua", "query", ORDINARY, "就业登记查询")
    at = done(site, 4, 16)
    yield at, act(at, "jyapp01", "zhanghua", "query", (FACTOR - 1) * ORDINARY, "就业登记查询")


CHAPTER = Chapter(
    "business",
    registers=registers,
    planted=planted,
    expected=(
        Planted("A14.1", "account:SB01/luona", "罗娜办了岗位以外的待遇核定"),
        Planted("A14.4", "system:SB01", "罗娜一次导出 1200 条，没有数据提取单"),
        Planted("A14.5", "system:SB01", "王芳绕过应用改了 12 行数据，没有工单"),
    ),
    near=(
        NearMiss("A14.1", "account:JY01/zhanghua", "下班前一分钟办的业务；有一天的数量恰好是五倍"),
        NearMiss("A14.1", "account:JY01/tangxin", "晚间补录别区的业务，事前已批准"),
        NearMiss("A14.4", "system:JY01", "一次导出恰好 100 条，另一次只是查询"),
        NearMiss("A14.5", "system:JY01", "应用程序账号的更改距业务操作恰好 60 秒；个人的语句没有改到数据"),
    ),
)
