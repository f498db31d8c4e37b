"""The registers of information systems and their accounts (Art. 4, 14, 34)."""

from __future__ import annotations

from django.db.models import Model
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from anzhang.registers.declaration import Kind, Register, Writer, declare
from anzhang.registers.filters import by_choice, by_flag, by_unit
from anzhang.registers.panels import Line, panel
from anzhang.registers.rights import Sight
from anzhang.systems import bulk as _bulk  # noqa: F401  # named procedures
from anzhang.systems import databases as _databases  # noqa: F401  # named procedures
from anzhang.systems import dossiers as _dossiers  # noqa: F401  # named procedures
from anzhang.systems import go_lives as _go_lives  # noqa: F401  # named procedures
from anzhang.systems import gradings as _gradings  # noqa: F401  # named procedures
from anzhang.systems import load_tests as _load_tests  # noqa: F401  # named procedures
from anzhang.systems import projects as _projects  # noqa: F401  # named procedures
from anzhang.systems import releases as _releases  # noqa: F401  # named procedures
from anzhang.systems import rounds as _rounds  # noqa: F401  # named procedures
from anzhang.systems.models import Account, System
from anzhang.systems.tables import (
    CodeScan,
    Database,
    DesignItem,
    DeveloperException,
    Environment,
    GoLive,
    ProtectionGrading,
    Release,
    TestReport,
)
from anzhang.systems.upkeep import CheckPlan, CheckRun, LoadTest, OpsDossier

declare(
    Register(
        id="system",
        chapter="systems",
        model=System,
        kind=Kind.PLAIN,
        columns=("code", "name", "kind", "managing_unit", "responsible_unit", "protection_level", "centrally_planned", "state"),
        order=("code",),
        search=("code", "name"),
        filters=(by_unit("managing_unit"), by_choice(System, "kind"), by_flag(System, "centrally_planned"), by_choice(System, "state")),
        scope=("managing_unit__path", "responsible_unit__path"),
        key=("code",),
        fields=(
            "code",
            "name",
            "kind",
            "managing_unit",
            "responsible_unit",
            "centrally_planned",
            "management_level",
            "protection_level",
            "state",
        ),
        create="register_system",
        change="change_system",
        bulk="register_systems",
        singly=frozenset({"state"}),
        fixed=frozenset({"code"}),
        writers=frozenset({Writer.OFFICE, Writer.UNIT}),
        articles=(4, 34),
    )
)
declare(
    Register(
        id="account",
        chapter="systems",
        model=Account,
        kind=Kind.PLAIN,
        columns=("system", "name", "person", "of_application", "state", "opened_on", "closed_on"),
        order=("system__code", "name"),
        search=("name", "person__code", "person__name", "system__code", "system__name"),
        filters=(by_unit("system__managing_unit"), by_flag(Account, "of_application"), by_choice(Account, "state")),
        scope=("system__managing_unit__path", "person__unit__path"),
        key=("system", "name"),
        fields=("system", "name", "person", "of_application", "state", "opened_on", "closed_on"),
        create="open_account",
        change="change_account",
        bulk="open_accounts",
        singly=frozenset({"state", "closed_on"}),
        fixed=frozenset({"system", "name"}),
        writers=frozenset({Writer.UNIT}),
        articles=(14,),
        hints={"of_application": _("应用程序连接数据库用的账号填“是”，“使用人”为保管人；个人账号留空")},
    )
)

WRITERS = frozenset({Writer.UNIT})
declare(
    Register(
        id="protection_grading",
        chapter="systems",
        model=ProtectionGrading,
        kind=Kind.PLAIN,
        columns=("system", "level", "graded_on", "filing_number", "filed_on", "evaluated_on", "result", "next_due_on"),
        order=("system__code", "-graded_on"),
        search=("system__code", "system__name", "filing_number"),
        filters=(by_unit("system__managing_unit"), by_choice(ProtectionGrading, "result")),
        scope=("system__managing_unit__path", "system__responsible_unit__path"),
        key=("system", "graded_on"),
        fields=(
            "system",
            "graded_on",
            "level",
            "filing_number",
            "filed_on",
            "evaluated_on",
            "result",
            "evaluator",
            "earlier",
            "next_due_on",
        ),
        create="record_protection_grading",
        change="change_protection_grading",
        bulk="record_protection_gradings",
        fixed=frozenset({"system", "graded_on"}),
        writers=frozenset({Writer.OFFICE, Writer.UNIT}),
        hints={
            "filing_number": _("公安机关备案证明上的编号。"),
            "earlier": _("以前各次测评的日期，每行一个；登记新的测评时自动保留上一次。"),
        },
        articles=(8,),
    )
)
declare(
    Register(
        id="environment",
        chapter="systems",
        model=Environment,
        kind=Kind.PLAIN,
        columns=("code", "name", "system", "kind", "hosts", "state"),
        order=("code",),
        search=("code", "name", "system__code", "system__name"),
        filters=(by_unit("system__managing_unit"), by_choice(Environment, "kind"), by_choice(Environment, "state")),
        scope=("system__managing_unit__path",),
        key=("code",),
        fields=("code", "name", "system", "kind", "hosts", "addresses", "folders", "project", "set_up_on", "state"),
        create="register_environment",
        change="change_environment",
        fixed=frozenset({"code", "system"}),
        writers=WRITERS,
        hints={
            "hosts": _("日志里的主机名，每行一个。"),
            "folders": _("应用程序所在的目录，每行一个；不填则核对主机上的全部程序。"),
            "project": _("由建设项目建成的，写明项目和建成日期。"),
        },
        articles=(11, 13),
    )
)
declare(
    Register(
        id="database",
        chapter="systems",
        model=Database,
        kind=Kind.PLAIN,
        columns=("code", "name", "engine", "system", "unit", "person", "addresses", "state"),
        order=("code",),
        search=("code", "name", "system__code", "system__name"),
        filters=(by_unit("unit"), by_choice(Database, "engine"), by_choice(Database, "state")),
        scope=("unit__path", "system__managing_unit__path"),
        key=("code",),
        fields=("code", "name", "engine", "label", "system", "unit", "person", "addresses", "port", "in_service_on", "state"),
        create="register_database",
        change="change_database",
        bulk="register_databases",
        fixed=frozenset({"code"}),
        writers=frozenset({Writer.OFFICE, Writer.UNIT}),
        hints={
            "system": _("还不清楚属于哪个系统的先不填，会列为问题，查清后补上。"),
            "addresses": _("每行一个，数据库对外应答的 IP 地址。"),
        },
        articles=(4, 34),
    )
)
declare(
    Register(
        id="release",
        chapter="systems",
        model=Release,
        kind=Kind.PLAIN,
        columns=("code", "system", "label", "artifact", "built_on", "state", "live_at"),
        order=("system__code", "-built_on"),
        search=("code", "label", "artifact", "system__code", "system__name"),
        filters=(by_unit("system__managing_unit"), by_choice(Release, "state")),
        scope=("system__managing_unit__path",),
        key=("code",),
        fields=("code", "system", "label", "artifact", "digests", "developers", "built_on", "project", "state", "live_at"),
        create="register_release",
        change="change_release",
        fixed=frozenset({"code", "system"}),
        writers=WRITERS,
        hints={
            "digests": _("运行的每个文件的 SHA-256，每行一个。"),
            "developers": _("参与开发的人员的工号，每行一个。"),
            "live_at": _("只有启用本台账之前已上线的版本才填；其余由上线关口登记。"),
        },
        articles=(13,),
    )
)
declare(
    Register(
        id="design_item",
        chapter="systems",
        model=DesignItem,
        kind=Kind.PLAIN,
        columns=("code", "name", "system", "project", "designed_on", "state"),
        order=("code",),
        search=("code", "name", "system__code", "project__code"),
        filters=(by_unit("system__managing_unit"), by_choice(DesignItem, "state")),
        scope=("system__managing_unit__path", "project__unit__path"),
        key=("code",),
        fields=("code", "name", "system", "project", "designed_on", "state"),
        create="register_design_item",
        change="change_design_item",
        fixed=frozenset({"code", "system"}),
        hints={"system": _("网络项目的设计项可以不填信息系统，只写项目。"), "designed_on": _("设计文件上的日期。")},
        writers=WRITERS,
        articles=(11,),
    )
)
declare(
    Register(
        id="test_report",
        chapter="systems",
        model=TestReport,
        kind=Kind.PLAIN,
        columns=("code", "release", "kind", "passed", "tested_on", "tester"),
        order=("-tested_on", "code"),
        search=("code", "release__code"),
        filters=(by_unit("release__system__managing_unit"), by_choice(TestReport, "kind"), by_flag(TestReport, "passed")),
        scope=("release__system__managing_unit__path",),
        key=("code",),
        fields=("code", "release", "kind", "digests", "passed", "tested_on", "tester", "cases", "report_sha256"),
        create="record_test_report",
        change="change_test_report",
        fixed=frozenset({"code", "release"}),
        writers=WRITERS,
        hints={"cases": _("通过的安全设计项的编号，每行一个。"), "report_sha256": _("报告文件的 SHA-256；文件可作为附件保存。")},
        articles=(11, 13),
    )
)
declare(
    Register(
        id="code_scan",
        chapter="systems",
        model=CodeScan,
        kind=Kind.OBSERVED,
        columns=("release", "digest", "tool", "critical", "high", "medium", "low", "scanned_at"),
        order=("-scanned_at",),
        search=("release__code", "digest", "tool"),
        filters=(by_unit("release__system__managing_unit"),),
        scope=("release__system__managing_unit__path",),
        articles=(13,),
    )
)
declare(
    Register(
        id="go_live",
        chapter="systems",
        model=GoLive,
        kind=Kind.AUTHORITY,
        columns=("release", "environment", "window_from", "window_to", "operator", "done_at"),
        order=("-window_from",),
        search=("release__code", "environment__code", "operator__name"),
        filters=(by_unit("release__system__managing_unit"),),
        scope=("release__system__managing_unit__path", "operator__unit__path"),
        route="go_live",
        articles=(13,),
    )
)
declare(
    Register(
        id="developer_exception",
        chapter="systems",
        model=DeveloperException,
        kind=Kind.AUTHORITY,
        columns=("system", "person", "starts_at", "ends_at", "reason"),
        order=("-starts_at",),
        search=("system__code", "person__code", "person__name"),
        filters=(by_unit("system__managing_unit"),),
        scope=("system__managing_unit__path", "person__unit__path"),
        route="developer_operates",
        articles=(13,),
    )
)

declare(
    Register(
        id="check_plan",
        chapter="systems",
        model=CheckPlan,
        kind=Kind.PLAIN,
        columns=("code", "title", "system", "room", "rhythm", "at_time", "person", "valid_to"),
        order=("code",),
        search=("code", "title", "person__name"),
        filters=(by_unit("unit"), by_choice(CheckPlan, "rhythm")),
        scope=("unit__path", "system__managing_unit__path"),
        key=("code",),
        fields=(
            *("code", "title", "system", "room", "devices", "unit", "person", "rhythm", "on_day", "at_time", "workdays_only"),
            *("items", "valid_from", "valid_to"),
        ),
        create="register_check_plan",
        change="change_check_plan",
        fixed=frozenset({"code", "system", "room"}),
        writers=WRITERS,
        hints={
            "devices": _("检查一组设备的，每行写一个设备编号。"),
            "on_day": _("每周的写 1 至 7（周一至周日），每月、每季的写 1 至 28 日；每天的不写。"),
            "items": _("逐项检查的内容，每行一项。"),
            "valid_from": _("从今天或以后开始。检查频次和时间登记后不能更改。"),
            "valid_to": _("停止之日，当天起不再检查；不填为长期。"),
        },
        articles=(12,),
    )
)
declare(
    Register(
        id="check_run",
        chapter="systems",
        model=CheckRun,
        kind=Kind.PLAIN,
        columns=("plan", "due_at", "person", "done_at", "abnormal", "signed"),
        order=("-due_at",),
        search=("plan__code", "plan__title", "person__name"),
        filters=(by_unit("plan__unit"), by_flag(CheckRun, "signed")),
        scope=("plan__unit__path", "person__unit__path"),
        key=("plan", "due_at"),
        fields=("plan", "due_at", "person", "done_at", "results"),
        create="record_check_run",
        fixed=frozenset({"plan", "due_at"}),
        writers=WRITERS,
        hints={
            "due_at": _("按计划应完成的时间，例如 2026-11-24 09:00。"),
            "results": _("每项一行：检查项 | 正常 | 备注 | 处理；异常的要写明情况和处理。纸面检查在此补录，不算本人签名。"),
        },
        articles=(12,),
    )
)
declare(
    Register(
        id="load_test",
        chapter="systems",
        model=LoadTest,
        kind=Kind.AUTHORITY,
        columns=("scheme", "environment", "window_from", "window_to", "expected_factor", "evaluator", "second_evaluator"),
        order=("-window_from",),
        search=("scheme", "environment__code", "environment__name"),
        filters=(by_unit("environment__system__managing_unit"),),
        scope=("environment__system__managing_unit__path",),
        route="load_test",
        articles=(13,),
    )
)
declare(
    Register(
        id="ops_dossier",
        chapter="systems",
        model=OpsDossier,
        kind=Kind.PLAIN,
        columns=("system", "opened_on", "keeper", "note"),
        order=("system__code",),
        search=("system__code", "system__name", "keeper__name"),
        filters=(by_unit("system__managing_unit"),),
        scope=("system__managing_unit__path",),
        key=("system",),
        fields=("system", "opened_on", "keeper", "note"),
        create="open_dossier",
        change="change_dossier",
        fixed=frozenset({"system"}),
        writers=WRITERS,
        articles=(12,),
    )
)


@panel(_("系统档案"))
def dossier(register: Register, row: Model, sight: Sight) -> list[Line]:  # noqa: ARG001  # every panel takes the sight
    """Lead from a system, an environment or a release to the dossier of the system."""
    of_system = Environment | Release | CheckPlan | OpsDossier | ProtectionGrading
    system = row if isinstance(row, System) else row.system if isinstance(row, of_system) else None
    return [Line(gettext("%s的系统档案") % system.name, reverse("system_dossier", args=[system.code]))] if system else []
