"""The verbs of environments, releases, design items, test reports and code scans (Art. 11, 13)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from anzhang import clock
from anzhang.directory import rows
from anzhang.directory.models import Person
from anzhang.directory.procedures import OWN
from anzhang.events import Event
from anzhang.permissions import Actor, RefusedError
from anzhang.registers import rights
from anzhang.registers.declaration import REGISTERS
from anzhang.regulation.checks import procedure
from anzhang.systems import sarif
from anzhang.systems.tables import CodeScan, DesignItem, Environment, GoLive, Release, TestReport


@procedure("register_environment")
def register_environment(actor: Actor, *, at: datetime, **values: Any) -> Environment:
    """Add an environment of a system. Raises RefusedError `host_taken`, RowError."""
    environment = Environment(**values)
    rows.check(environment)
    _require_own_hosts(environment)
    return rows.create(actor, environment, at, Event.ENVIRONMENT_REGISTER)


@procedure("change_environment")
def change_environment(actor: Actor, row: Environment, *, at: datetime, expected_version: int | None = None, **values: Any) -> Environment:
    """Change an environment. Raises RefusedError `host_taken`, StaleError, RowError."""
    with transaction.atomic():
        environment = rows.change(actor, row, values, at, expected_version, Event.ENVIRONMENT_CHANGE)
        _require_own_hosts(environment)
        return environment


def _require_own_hosts(environment: Environment) -> None:
    """Raise RefusedError where a host of production stands in an environment of another kind of the same system, or the other way round.

    The same host in both would let whatever is tested there count as production, or hide it.
    """
    if environment.state == Environment.State.RETIRED:
        return
    mine = {host.lower() for host in environment.hosts}
    others = Environment.objects.filter(system=environment.system_id, state=Environment.State.IN_SERVICE).exclude(pk=environment.pk)
    for other in others.exclude(kind=environment.kind):
        if shared := sorted(mine & {host.lower() for host in other.hosts}):
            message = _("主机 %(host)s 已登记在“%(other)s”（%(kind)s）。")
            told = {"host": shared[0], "other": other.name, "kind": other.get_kind_display()}
            raise RefusedError("host_taken", message % told, _("生产和其他环境不共用主机；核对后再登记。"))


@procedure("register_release")
def register_release(actor: Actor, *, at: datetime, **values: Any) -> Release:
    """Add a release; one that was live before this register stood is entered as such. Raises RefusedError `person_unknown`, RowError."""
    release = Release(**values)
    rows.check(release)
    _require_sound(release, at)
    return rows.create(actor, release, at, Event.RELEASE_REGISTER)


@procedure("change_release")
def change_release(actor: Actor, row: Release, *, at: datetime, expected_version: int | None = None, **values: Any) -> Release:
    """Change a release. Its digests and developers stand once a go-live was granted, and only `put_live` makes it live.

    Raises RefusedError `release_granted`, `live_by_gate`, `person_unknown`, StaleError, RowError.
    """
    with transaction.atomic():
        before = rows.locked(row)
        changed = [name for name in ("digests", "developers") if values.get(name, getattr(before, name)) != getattr(before, name)]
        if changed and GoLive.objects.filter(release=before).exists():
            raise RefusedError("release_granted", _("版本 %s 已有上线批准，摘要和开发人员不能更改。") % before, _("登记新的版本发布。"))
        if values.get("state") == Release.State.LIVE and before.state == Release.State.CANDIDATE:
            raise RefusedError("live_by_gate", _("版本由上线关口转为已上线，不在这里更改。"), _("获准后由执行人员在系统档案中登记上线。"))
        release = rows.change(actor, row, values, at, expected_version, Event.RELEASE_CHANGE)
        _require_sound(release, at)
        return release


def _require_sound(release: Release, at: datetime) -> None:
    known = set(Person.objects.filter(code__in=release.developers).values_list("code", flat=True))
    if strange := [code for code in release.developers if code not in known]:
        raise RefusedError("person_unknown", _("开发人员 %s 不在人员台账中。") % strange[0][:40], _("写人员的工号。"))
    if release.built_on > clock.day_of(at):
        raise RefusedError("in_the_future", _("构建日期不能晚于今天。"), _("改正后重新提交。"))
    if release.live_at is not None and release.live_at > at:
        raise RefusedError("in_the_future", _("上线时间不能晚于现在。"), _("改正后重新提交。"))


@procedure("register_design_item")
def register_design_item(actor: Actor, *, at: datetime, **values: Any) -> DesignItem:
    """Add a security function that the design of a system or a project promises (A11.1, A11.2).

    Raises RefusedError `system_not_of_project`, `in_the_future`, RowError.
    """
    item = DesignItem(**values)
    rows.check(item)
    _require_of_project(item, at)
    return rows.create(actor, item, at)


@procedure("change_design_item")
def change_design_item(actor: Actor, row: DesignItem, *, at: datetime, expected_version: int | None = None, **values: Any) -> DesignItem:
    """Change a design item. Raises RefusedError `system_not_of_project`, `in_the_future`, StaleError, RowError."""
    with transaction.atomic():
        item = rows.change(actor, row, values, at, expected_version)
        _require_of_project(item, at)
        return item


def _require_of_project(item: DesignItem, at: datetime) -> None:
    if item.project is not None and item.system is not None and item.system.code not in item.project.systems:
        told = {"project": item.project.name, "system": item.system.name}
        message = _("项目“%(project)s”没有写明建设“%(system)s”。") % told
        raise RefusedError("system_not_of_project", message, _("在建设项目台账中补上所建信息系统，或改正项目。"))
    if item.designed_on is not None and item.designed_on > clock.day_of(at):
        raise RefusedError("in_the_future", _("设计日期不能晚于今天。"), _("改正后重新提交。"))


@procedure("record_test_report")
def record_test_report(actor: Actor, *, at: datetime, **values: Any) -> TestReport:
    """Record what a test found. Raises RefusedError `digest_of_no_release`, `item_unknown`, `in_the_future`, RowError."""
    report = TestReport(**values)
    rows.check(report)
    _require_traced(report, at)
    return rows.create(actor, report, at, Event.TEST_REPORT)


@procedure("change_test_report")
def change_test_report(actor: Actor, row: TestReport, *, at: datetime, expected_version: int | None = None, **values: Any) -> TestReport:
    """Correct a test report. Raises what `record_test_report` does, and StaleError."""
    with transaction.atomic():
        report = rows.change(actor, row, values, at, expected_version, Event.TEST_REPORT)
        _require_traced(report, at)
        return report


def _require_traced(report: TestReport, at: datetime) -> None:
    if strange := sorted(set(report.digests) - set(report.release.digests)):
        message = _("摘要 %(digest)s… 不是版本 %(release)s 的制品。") % {"digest": strange[0][:12], "release": report.release}
        raise RefusedError("digest_of_no_release", message, _("测的和上的须是同一份；核对摘要。"))
    items = set(DesignItem.objects.filter(system=report.release.system_id).values_list("code", flat=True))
    if unknown := [code for code in report.cases if code not in items]:
        raise RefusedError("item_unknown", _("“%s”不是该系统的安全设计项。") % unknown[0][:40], _("写安全设计项台账中的编号。"))
    if report.tested_on > clock.day_of(at):
        raise RefusedError("in_the_future", _("测试日期不能晚于今天。"), _("改正后重新提交。"))


@procedure("import_code_scan")
def import_code_scan(actor: Actor, release: Release, digest: str, body: bytes, at: datetime) -> CodeScan:
    """Take in a SARIF 2.1.0 file about one artifact of a release; the same file twice is one scan.

    Raises RefusedError `digest_of_no_release`, `scan_unreadable`, `in_the_future`, and `writer_role_missing` or `foreign_unit` for
    whoever may not write the releases of the unit.
    """
    if actor.via not in OWN:
        register = REGISTERS["release"]
        rights.require_write(register, actor, at)
        rights.require_place(register, release, rights.Sight(actor, at))
    if digest not in release.digests:
        message = _("摘要 %(digest)s… 不是版本 %(release)s 的制品。") % {"digest": digest[:12], "release": release}
        raise RefusedError("digest_of_no_release", message, _("扫的和上的须是同一份；核对摘要。"))
    try:
        scan = sarif.read(body)
    except sarif.SarifError as error:
        raise RefusedError("scan_unreadable", _("扫描结果不能用：%s。") % error, _("导出 SARIF 2.1.0 文件后重新导入。")) from error
    if scan.scanned_at is not None and scan.scanned_at > at:
        raise RefusedError("in_the_future", _("扫描时间不能晚于现在。"), _("核对扫描机的时钟。"))
    with transaction.atomic():
        known = CodeScan.objects.filter(release=release, digest=digest, tool=scan.tool, sarif_sha256=scan.sha256).first()
        if known is not None:
            return known
        row = CodeScan(
            release=release, digest=digest, tool=scan.tool, tool_version=scan.tool_version, suppressed=scan.suppressed,
            worst=scan.worst, sarif_sha256=scan.sha256, scanned_at=scan.scanned_at or at, recorded_at=at, **scan.open,
        )  # fmt: skip
        return rows.create(actor, row, at, Event.CODE_SCAN)
