"""The breaches that are planted in the demo, one per obligation judged, each as a bureau would really have it.

A05.1  社会保险基金管理中心's responsibility policy was last reviewed 400 days ago.
A05.2  丁涛 left ten days ago; his account 'dingtao' was used after that.
A05.3  就业促进处 and 社会保险基金管理中心 have no officer.
A04.2  the training registration system carries no planning flag and no level.
A06.1  the archive system is centrally planned and names 社会保险基金管理中心 as responsible.
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from django.db import transaction

from anzhang import clock
from anzhang.demo import logs
from anzhang.demo.bureau import SETUP, Bureau
from anzhang.demo.chapter import Chapter, Line, Planted, Site
from anzhang.directory.models import Person
from anzhang.events import Event
from anzhang.journal.procedures import write
from anzhang.organization.models import PolicyDocument
from anzhang.systems.models import Account, System

LEAVER = logs.Staff("dingtao", "sbapp01", "10.20.3.44")


@transaction.atomic
def plant(bureau: Bureau, now: datetime) -> None:
    """Write the breaches into the registers."""
    today = clock.day_of(now)
    center, fund = bureau.unit["IC"], bureau.unit["SBZX"]
    document = PolicyDocument.objects.get(unit=fund, kind="responsibility")
    document.issued_on = document.reviewed_on = document.in_force_from = today - timedelta(days=400)
    write(SETUP, Event.ROW_CHANGE, document, at=now)
    leaver = Person(
        code="P032", name="丁涛", unit=fund, post="信息科科员", joined_on=today - timedelta(days=900), left_on=today - timedelta(days=10)
    )
    write(SETUP, Event.ROW_CREATE, leaver, at=now)
    account = Account(system=bureau.system["SB01"], name=LEAVER.account, person=leaver, opened_on=today - timedelta(days=800))
    write(SETUP, Event.ACCOUNT_OPEN, account, at=now)
    training = System(
        code="PX01", name="职业培训报名系统", kind="website", managing_unit=bureau.unit["JYC"], responsible_unit=bureau.unit["JYC"]
    )
    write(SETUP, Event.SYSTEM_REGISTER, training, at=now)
    archive = System(
        code="DA01", name="参保档案影像系统", kind="management", managing_unit=center, responsible_unit=fund, centrally_planned=True,
        management_level="bureau", protection_level=2,
    )  # fmt: skip
    write(SETUP, Event.SYSTEM_REGISTER, archive, at=now)


def lines(site: Site) -> list[Line]:
    """Return the log lines of the planted log-in: two days ago at 10:15."""
    begin = clock.start_of(clock.day_of(site.now)) - timedelta(days=2) + timedelta(hours=10, minutes=15)
    return logs.session(LEAVER, begin, timedelta(minutes=21), random.Random(LEAVER.account))  # noqa: S311  # demo data, not a secret


CHAPTER = Chapter(
    "breaches",
    planted=lines,
    expected=(
        Planted("A05.1", "unit:SBZX", "责任制度上次复审在 400 天以前"),
        Planted("A05.2", "account:SB01/dingtao", "丁涛十天前已离职，账号仍被用来登录"),
        Planted("A14.2", "account:SB01/dingtao", "同一次登录：离职人员的账号仍在使用"),
        Planted("A03.2", "identity:system/SB01/dingtao", "同一次登录：账号没有在职的使用人"),
        Planted("A05.3", "unit:JYC", "没有信息安全管理人员"),
        Planted("A05.3", "unit:SBZX", "没有信息安全管理人员"),
        Planted("A04.2", "system:PX01", "系统没有规划标志，也没有定管理级别"),
        Planted("A06.1", "system:DA01", "统一规划的系统，安全责任单位却不是信息中心"),
    ),
)
