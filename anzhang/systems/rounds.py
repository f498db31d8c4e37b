"""The verbs of planned checks (巡检): a plan is registered, its runs are signed by who makes them, or entered by the unit (Art. 12)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from anzhang import clock
from anzhang.casework import workdays
from anzhang.directory import rows
from anzhang.directory.models import Assignment, Bitemporal, Person
from anzhang.directory.queries import is_employed
from anzhang.events import Event
from anzhang.network.models import Device
from anzhang.permissions import Actor, RefusedError, Via
from anzhang.regulation.checks import procedure
from anzhang.systems import due, fields
from anzhang.systems.upkeep import CheckPlan, CheckRun

CHECKING = (
    Assignment.Duty.SYSTEM_MANAGER, Assignment.Duty.MAINTAINER, Assignment.Duty.DBA, Assignment.Duty.ROOM_KEEPER,
    Assignment.Duty.ROOM_ATTENDANT,
)  # fmt: skip


@procedure("register_check_plan")
def register_check_plan(actor: Actor, *, at: datetime, **values: Any) -> CheckPlan:
    """Add a plan. Raises RefusedError `plan_without_object`, `device_unknown`, `in_the_past`, RowError."""
    plan = CheckPlan(**values)
    rows.check(plan)
    _require_sound(plan)
    if plan.valid_from < clock.day_of(at) and actor.via is not Via.SETUP:
        raise RefusedError("in_the_past", _("计划不能从今天以前开始：以前的检查没有安排过。"), _("起始日期写今天或以后。"))
    return rows.create(actor, plan, at, Event.CHECK_PLAN_REGISTER)


@procedure("change_check_plan")
def change_check_plan(actor: Actor, row: CheckPlan, *, at: datetime, expected_version: int | None = None, **values: Any) -> CheckPlan:
    """Change who checks, what is looked at, or end a plan, from today at the earliest; its rhythm stands.

    Raises RefusedError `rhythm_fixed`, `in_the_past`, `plan_without_object`, `device_unknown`, StaleError, RowError.
    """
    with transaction.atomic():
        before = rows.locked(row)
        for name in ("rhythm", "on_day", "at_time", "workdays_only", "valid_from"):
            if values.get(name, getattr(before, name)) != getattr(before, name):
                raise RefusedError("rhythm_fixed", _("检查频次和时间不能更改：漏做的检查不能靠改计划消去。"), _("停止本计划，另登记一个。"))
        ends = values.get("valid_to", before.valid_to)
        if ends != before.valid_to and ends is not None and ends < clock.day_of(at):
            raise RefusedError("in_the_past", _("计划最早今天停止。"), _("截止日期写今天或以后。"))
        plan = rows.change(actor, row, values, at, expected_version, Event.CHECK_PLAN_CHANGE)
        _require_sound(plan)
        return plan


def _require_sound(plan: CheckPlan) -> None:
    if plan.system_id is None and plan.room_id is None and not plan.devices:
        raise RefusedError("plan_without_object", _("没有写明检查什么。"), _("写明信息系统、机房或设备。"))
    known = set(Device.objects.filter(code__in=plan.devices).values_list("code", flat=True))
    if strange := [code for code in plan.devices if code not in known]:
        raise RefusedError("device_unknown", _("设备 %s 不在设备台账中。") % strange[0][:40], _("写设备编号，每行一个。"))


def may_sign(person_id: int, plan: CheckPlan, at: datetime) -> bool:
    """Whether somebody makes the runs of a plan: its person, or who holds a post of daily operation in its unit."""
    return plan.person_id == person_id or stand_ins(plan, at).filter(person=person_id).exists()


def stand_ins(plan: CheckPlan, at: datetime) -> QuerySet[Assignment]:
    """Return the posts whose holders may stand in for the person of a plan."""
    return Assignment.objects.filter(Bitemporal.in_force(at), duty__in=CHECKING, unit=plan.unit_id)


@procedure("sign_check_run")
def sign_check_run(actor: Actor, plan: CheckPlan, due_at: datetime, results: Sequence[str], at: datetime) -> CheckRun:
    """Sign the run of a plan that is to be made now. `results` are lines as `fields.join_result` makes them, one for each item.

    Raises RefusedError `not_your_check`, `not_due`, `done_already`, `results_incomplete`, RowError.

    Source: Art. 12; A12.3.
    """
    with transaction.atomic():
        plan = rows.locked(plan)
        if actor.person_id is None or not may_sign(actor.person_id, plan, at):
            message = _("检查由%s或本单位的运行维护人员本人办理。") % plan.person.name
            raise RefusedError("not_your_check", message, _("请其本人登录办理。"))
        last = CheckRun.objects.filter(plan=plan).order_by("-due_at").values_list("due_at", flat=True).first()
        if CheckRun.objects.filter(plan=plan, due_at=due_at).exists():
            raise RefusedError("done_already", _("这一次检查已有记录。"))
        if due.owed(plan, last, at, workdays.calendar()).now != due_at:
            raise RefusedError("not_due", _("现在不是做这一次检查的时候。"), _("从“今日检查”打开当前应做的检查。"))
        run = CheckRun(
            plan=plan, due_at=due_at, person=Person.objects.get(pk=actor.person_id), done_at=at, results=list(results), signed=True,
            recorded_at=at,
        )  # fmt: skip
        return _entered(actor, run, at, Event.CHECK_RUN_SIGN)


@procedure("record_check_run")
def record_check_run(actor: Actor, *, at: datetime, **values: Any) -> CheckRun:
    """Enter a run that was made on paper. It says that nobody signed it here.

    Raises RefusedError `not_due`, `in_the_future`, `not_employed`, `results_incomplete`, RowError.
    """
    run = CheckRun(**values, signed=False, recorded_at=at)
    rows.check(run)
    if run.done_at > at:
        raise RefusedError("in_the_future", _("完成时间不能晚于现在。"), _("改正后重新提交。"))
    day = clock.start_of(clock.day_of(run.due_at))
    if run.due_at not in set(due.occurrences(run.plan, day, run.due_at, workdays.calendar())) or run.done_at < day:
        message = _("“%(plan)s”没有应在 %(due)s 完成的检查，或完成时间早于当日。") % {"plan": run.plan, "due": clock.minute(run.due_at)}
        raise RefusedError("not_due", message, _("核对检查计划的频次和时间。"))
    if not is_employed(run.person, run.done_at):
        raise RefusedError("not_employed", _("%s 在该日期不在职。") % run.person.name, _("核对人员台账。"))
    return _entered(actor, run, at, Event.CHECK_RUN_RECORD)


def _entered(actor: Actor, run: CheckRun, at: datetime, act: Event) -> CheckRun:
    rows.check(run)
    parts = [fields.split_result(line) for line in run.results]
    said, wanted = [part[0] for part in parts], [item.strip() for item in run.plan.items]
    if sorted(said) != sorted(wanted):
        lacking = next((item for item in wanted if item not in said), "") or next((item for item in said if item not in wanted), "")
        message = _("检查项与计划不一致：%s。") % (lacking or _("有重复"))
        raise RefusedError("results_incomplete", message, _("计划中的每一项写一个结果，不多不少。"))
    run.abnormal = sum(part[1] == fields.ABNORMAL for part in parts)
    return rows.create(actor, run, at, act)
