"""Build the bureau: 信息中心 with its officer 李明, 就业处 with none, the DBA 王芳, the vendor engineer 赵强, the auditor 陈静.

Everything is written with the set-up actor through the ledger, dated `started` (a year before) unless said otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction

from anzhang import clock
from anzhang.directory import procedures as directory
from anzhang.directory.models import Person, Unit, User
from anzhang.events import Event
from anzhang.journal.procedures import write
from anzhang.monitoring.models import LogSource
from anzhang.organization import procedures as organization
from anzhang.organization.models import Filing, Officer, PolicyDocument
from anzhang.permissions import Actor, Administrator, Via
from anzhang.systems import procedures as systems
from anzhang.systems.models import System

SETUP = Actor(id="system:setup", via=Via.SETUP)

# code, name, kind, function, parent
UNITS = (
    ("HRSS", "市人力资源和社会保障局", "bureau", "", None),
    ("LGO", "领导小组办公室", "bureau_division", "office", "HRSS"),
    ("IC", "信息中心", "subordinate_unit", "info_center", "HRSS"),
    ("JYC", "就业促进处", "bureau_division", "", "HRSS"),
    ("SBZX", "社会保险基金管理中心", "subordinate_unit", "", "HRSS"),
)

# code, name, unit, post, duty or None, kind
PEOPLE = (
    ("P001", "高建国", "HRSS", "局长", "unit_head", "staff"),
    ("P002", "何敏", "HRSS", "副局长", None, "staff"),
    ("P003", "林涛", "HRSS", "副局长", None, "staff"),
    ("P004", "郑凯", "LGO", "办公室主任", "unit_head", "staff"),
    ("P005", "吴洁", "LGO", "办公室科员", "office_member", "staff"),
    ("P006", "冯雪", "LGO", "办公室科员", "office_member", "staff"),
    ("P010", "周伟", "IC", "主任", "unit_head", "staff"),
    ("P011", "李明", "IC", "安全管理员", "maintainer", "staff"),
    ("P012", "王芳", "IC", "数据库管理员", "dba", "staff"),
    ("P013", "陈静", "IC", "审计员", None, "staff"),
    ("P014", "郭磊", "IC", "系统管理员", None, "staff"),
    ("P015", "马丽", "IC", "安全管理员", None, "staff"),
    ("P020", "刘洋", "JYC", "处长", "unit_head", "staff"),
    ("P021", "孙丽", "JYC", "综合岗", None, "staff"),
    ("P022", "张华", "JYC", "业务岗", "operator", "staff"),
    ("P023", "唐欣", "JYC", "业务岗", "operator", "staff"),
    ("P030", "徐斌", "SBZX", "主任", "unit_head", "staff"),
    ("P031", "罗娜", "SBZX", "信息科科员", "operator", "staff"),
    ("P090", "赵强", "IC", "驻场工程师（某软件公司）", None, "outside"),
)

GROUP = (("P001", "chair"), ("P002", "deputy"), ("P003", "member"))

# code, name, kind, managing, responsible, planned, level, protection
SYSTEMS = (
    ("SB01", "社会保险核心业务系统", "business", "IC", "IC", True, "bureau", 3),
    ("JY01", "就业管理服务系统", "business", "JYC", "JYC", False, "unit", 2),
    ("AZ01", "安章", "management", "IC", "IC", True, "bureau", 3),
)

# system, account name, person
ACCOUNTS = (
    ("SB01", "liming", "P011"),
    ("SB01", "wangfang", "P012"),
    ("SB01", "luona", "P031"),
    ("JY01", "zhanghua", "P022"),
    ("JY01", "tangxin", "P023"),
)

# log-in name, person, administrator
USERS = (
    ("guolei", "P014", Administrator.SYSTEM_ADMIN),
    ("mali", "P015", Administrator.SECURITY_ADMIN),
    ("chenjing", "P013", Administrator.AUDITOR),
    ("gaojianguo", "P001", ""),
    ("hemin", "P002", ""),
    ("lintao", "P003", ""),
    ("zhengkai", "P004", ""),
    ("wujie", "P005", ""),
    ("fengxue", "P006", ""),
    ("zhouwei", "P010", ""),
    ("liming", "P011", ""),
    ("wangfang", "P012", ""),
    ("liuyang", "P020", ""),
    ("sunli", "P021", ""),
    ("zhanghua", "P022", ""),
    ("xubin", "P030", ""),
    ("luona", "P031", ""),
)

# code, name, transport, addresses, hosts, unit, system
SOURCES = (
    ("SSH-SB01", "社保核心业务系统主机", "syslog_tcp", ["127.0.0.1"], ["sbapp01", "sbdb01"], "IC", "SB01"),
    ("SSH-JY01", "就业系统主机", "syslog_tcp", ["127.0.0.1"], ["jyapp01"], "JYC", "JY01"),
)


@dataclass
class Bureau:
    """The rows by code."""

    unit: dict[str, Unit] = field(default_factory=dict)
    person: dict[str, Person] = field(default_factory=dict)
    system: dict[str, System] = field(default_factory=dict)
    user: dict[str, User] = field(default_factory=dict)
    source: dict[str, LogSource] = field(default_factory=dict)

    def named(self, name: str) -> Person:
        """Return the person of that name."""
        return next(person for person in self.person.values() if person.name == name)


@transaction.atomic
def build(now: datetime) -> Bureau:
    """Write the whole bureau as it has stood for a year, with 李明 as the only officer; return it."""
    started = now - timedelta(days=365)
    started_on, today = clock.day_of(started), clock.day_of(now)
    bureau = Bureau()
    for code, name, kind, function, parent in UNITS:
        above = bureau.unit[parent] if parent else None
        bureau.unit[code] = directory.register_unit(
            SETUP, at=now, code=code, name=name, kind=kind, function=function, parent=above, established_on=started_on
        )
    for code, name, unit_code, post, duty, kind in PEOPLE:
        person = directory.register_person(
            SETUP, at=now, code=code, name=name, unit=bureau.unit[unit_code], post=post, kind=kind, joined_on=started_on
        )
        bureau.person[code] = person
        if duty:
            directory.start_assignment(SETUP, person=person, duty=duty, unit=person.unit, basis=None, valid_from=started, at=now)
            organization.record_training(
                SETUP, at=now, person=person, topic="网络信息安全年度培训", trained_on=today - timedelta(days=60), hours=4
            )
    # A database administrator maintains the system too: one of the four kinds of staff of Art. 5.
    directory.start_assignment(
        SETUP, person=bureau.person["P012"], duty="maintainer", unit=bureau.unit["IC"], basis=None, valid_from=started, at=now
    )
    for code, role in GROUP:
        directory.seat_leading_group_member(SETUP, person=bureau.person[code], role=role, basis=None, valid_from=started, at=now)
    for code, name, kind, managing, responsible, planned, level, protection in SYSTEMS:
        bureau.system[code] = systems.register_system(
            SETUP, at=now, code=code, name=name, kind=kind, managing_unit=bureau.unit[managing], responsible_unit=bureau.unit[responsible],
            centrally_planned=planned, management_level=level, protection_level=protection,
        )  # fmt: skip
    for code, name, person_code in ACCOUNTS:
        systems.open_account(SETUP, at=now, system=bureau.system[code], name=name, person=bureau.person[person_code], opened_on=started_on)
    for code in ("HRSS", "LGO", "IC", "JYC", "SBZX"):
        document = PolicyDocument(
            unit=bureau.unit[code], kind="responsibility", title=f"{bureau.unit[code].name}网络信息安全责任制度", edition="第一版",
            issued_on=started_on, reviewed_on=today - timedelta(days=90), in_force_from=started_on,
        )  # fmt: skip
        write(SETUP, Event.POLICY_ISSUE, document, at=now)
    officer = Officer(unit=bureau.unit["IC"], person=bureau.person["P011"], valid_from=started, recorded_at=now)
    write(SETUP, Event.OFFICER_APPOINT, officer, at=now)
    for username, person_code, administrator in USERS:
        user = User(username=username, person=bureau.person[person_code], administrator=administrator, created_at=now)
        user.set_unusable_password()
        write(SETUP, Event.USER_CREATE, user, at=now)
        bureau.user[username] = user
    for code, name, transport, addresses, hosts, unit_code, system_code in SOURCES:
        source = LogSource(
            code=code, name=name, transport=transport, addresses=addresses, hosts=hosts, unit=bureau.unit[unit_code],
            system=bureau.system[system_code], kinds=["security_log"], registered_on=today,
        )  # fmt: skip
        write(SETUP, Event.SOURCE_REGISTER, source, at=now)
        bureau.source[code] = source
    return bureau


@transaction.atomic
def put_on_file(bureau: Bureau, now: datetime) -> None:
    """Give the Office its officer and file both officers, as a bureau in order has it."""
    started = now - timedelta(days=365)
    seat = Officer(unit=bureau.unit["LGO"], person=bureau.person["P006"], valid_from=started, recorded_at=now)
    write(SETUP, Event.OFFICER_APPOINT, seat, at=now)
    for number, officer in enumerate(Officer.objects.order_by("pk"), 1):
        filing = Filing(
            receipt_no=f"BA{clock.day_of(started).year}-{number:04d}", kind=Filing.Kind.OFFICER_APPOINTED,
            unit=officer.unit, officer=officer, received_at=started + timedelta(days=2), received_by=bureau.person["P005"],
        )  # fmt: skip
        write(SETUP, Event.FILING_RECEIVE, filing, at=now)
