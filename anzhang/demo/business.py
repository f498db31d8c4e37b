"""What the demo's applications and databases tell of business data (Art. 14): changes, exports, and who made them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from anzhang import clock
from anzhang.demo.bureau import SETUP, Bureau
from anzhang.demo.chapter import Chapter, Line, NearMiss, Planted, Site
from anzhang.demo.crowd import Crowd
from anzhang.demo.presence import event
from anzhang.systems import procedures

# system, the account by which its application works, who keeps it
APPLICATIONS = (("SB01", "sbapp", "P012"), ("JY01", "jyapp", "P023"))


def registers(site: Site, bureau: Bureau, _crowd: Crowd) -> None:
    """Put the accounts by which applications work on file."""
    opened_on = clock.day_of(site.now) - timedelta(days=300)
    for code, name, keeper in APPLICATIONS:
        procedures.open_account(
            SETUP, at=site.now, system=bureau.system[code], name=name, person=bureau.person[keeper], opened_on=opened_on,
            of_application=True,
        )  # fmt: skip


def statement(at: datetime, host: str, user: str, command: str, rows: int, **more: object) -> bytes:
    """Return what a database says of a statement."""
    kind = "read" if command == "SELECT" else "write"
    told = {"user": user, "action": kind, "command": command, "object_name": "person.detail", "rows": rows, "result": "success", **more}
    return event(at, host, "db_event", **told)


def act(at: datetime, host: str, user: str, action: str, count: int, function: str) -> bytes:
    """Return what an application says of a business act."""
    return event(at, host, "app_event", user=user, action=action, function=function, record_count=count, result="success")


def planted(site: Site) -> Iterator[Line]:
    """Yield a change and an export without order, and beside them what only looks like it."""
    at = (site.now - timedelta(days=3)).replace(second=0, microsecond=0)
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
        yield when, statement(when, "jyapp01", user, command, rows, result=result)
    at = site.now - timedelta(days=2, hours=1)
    yield at, act(at, "sbapp01", "luona", "export", 1200, "参保查询")
    yield at, act(at, "jyapp01", "zhanghua", "export", 100, "就业登记查询")
    yield at, act(at, "jyapp01", "zhanghua", "query", 800, "就业登记查询")


CHAPTER = Chapter(
    "business",
    registers=registers,
    planted=planted,
    expected=(
        Planted("A14.4", "system:SB01", "罗娜一次导出 1200 条，没有数据提取单"),
        Planted("A14.5", "system:SB01", "王芳绕过应用改了 12 行数据，没有工单"),
    ),
    near=(
        NearMiss("A14.4", "system:JY01", "一次导出恰好 100 条，另一次只是查询"),
        NearMiss("A14.5", "system:JY01", "应用程序账号的更改距业务操作恰好 60 秒；个人的语句没有改到数据"),
    ),
)
