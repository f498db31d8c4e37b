"""What keeps systems running (Art. 12, 13): planned checks and their runs, evaluated load tests, operations dossiers."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from anzhang.journal.models import Ledgered
from anzhang.network.fields import addresses
from anzhang.rooms.fields import clock_times
from anzhang.systems import fields
from anzhang.systems.models import System
from anzhang.systems.tables import Environment

__all__ = ["CheckPlan", "CheckRun", "LoadTest", "OpsDossier"]


class CheckPlan(Ledgered):
    """A check that somebody makes of a system, a room or some devices again and again: when, by whom, what is looked at (A12.3).

    Its rhythm stands from its first day to its last; another rhythm is another plan, so that no miss can be planned away afterwards.
    """

    class Rhythm(models.TextChoices):
        """How often."""

        DAILY = "daily", _("每天")
        WEEKLY = "weekly", _("每周")
        MONTHLY = "monthly", _("每月")
        QUARTERLY = "quarterly", _("每季")

    code = models.CharField(_("计划编号"), max_length=32, unique=True)
    title = models.CharField(_("检查名称"), max_length=100)
    system = models.ForeignKey(System, models.PROTECT, verbose_name=_("信息系统"), null=True, blank=True)
    room = models.ForeignKey("anzhang.MachineRoom", models.PROTECT, verbose_name=_("机房"), null=True, blank=True)
    devices = models.JSONField(_("设备"), default=list, blank=True, validators=[fields.codes])  # codes of devices
    unit = models.ForeignKey("anzhang.Unit", models.PROTECT, verbose_name=_("检查单位"))
    person = models.ForeignKey("anzhang.Person", models.PROTECT, verbose_name=_("检查人员"))
    rhythm = models.CharField(_("检查频次"), max_length=16, choices=Rhythm.choices)
    on_day = models.PositiveSmallIntegerField(_("检查日"), null=True, blank=True)  # 1 Monday to 7; day of the month up to 28
    at_time = models.CharField(_("应完成时间"), max_length=5, choices=clock_times(0, 47))
    workdays_only = models.BooleanField(_("遇休息日顺延"), default=True)  # a daily check then has none on that day
    items = models.JSONField(_("检查项"), validators=[fields.check_items])
    valid_from = models.DateField(_("自"))
    valid_to = models.DateField(_("至"), null=True, blank=True)  # the first day without
    version = models.PositiveIntegerField(_("版本"), default=1, editable=False)

    NAMED_BY: ClassVar = ("unit",)

    class Meta:
        verbose_name = _("检查计划")
        ordering = ("code",)
        indexes = (models.Index(fields=["system"], name="check_plan_system"), models.Index(fields=["person"], name="check_plan_person"))
        constraints = (
            models.CheckConstraint(
                condition=Q(valid_to=None) | Q(valid_to__gte=F("valid_from")),
                name="check_plan_ends_after_start",
                violation_error_message=_("截止日期不能早于起始日期。"),
            ),
            models.CheckConstraint(
                condition=Q(rhythm="daily", on_day=None)
                | Q(rhythm="weekly", on_day__range=(1, 7))
                | Q(rhythm__in=["monthly", "quarterly"], on_day__range=(1, 28)),
                name="check_plan_day_fits_rhythm",
                violation_error_message=_("每天的检查不写检查日；每周的写 1 至 7（周一至周日）；每月、每季的写 1 至 28 日。"),
            ),
        )

    def __str__(self) -> str:
        return self.title


class CheckRun(Ledgered):
    """One run of a planned check: what was found item by item, who made it and when. What is signed is never changed.

    `signed` is one that its person signed in the browser; another was entered by the unit, from paper or by an import.
    """

    plan = models.ForeignKey(CheckPlan, models.PROTECT, verbose_name=_("检查计划"))
    due_at = models.DateTimeField(_("应完成时间"))
    person = models.ForeignKey("anzhang.Person", models.PROTECT, verbose_name=_("检查人员"))
    done_at = models.DateTimeField(_("完成时间"))
    results = models.JSONField(_("检查结果"), validators=[fields.check_results])  # item | 正常 or 异常 | remark | action
    abnormal = models.PositiveSmallIntegerField(_("异常项"), default=0, editable=False)
    signed = models.BooleanField(_("本人签名"), default=False, editable=False)
    recorded_at = models.DateTimeField(_("登记时间"), editable=False)

    NAMED_BY: ClassVar = ("plan",)

    class Meta:
        verbose_name = _("检查记录")
        ordering = ("-due_at", "pk")
        indexes = (models.Index(fields=["plan", "-due_at"], name="check_run_plan"),)
        constraints = (
            models.UniqueConstraint(
                fields=["plan", "due_at"], name="one_run_per_due_check", violation_error_message=_("这一次检查已有记录。")
            ),
        )

    def __str__(self) -> str:
        return f"{self.plan} {self.due_at:%Y-%m-%d}"


class LoadTest(Ledgered):
    """An evaluated load test in production: from where on what, in which hours, how heavy. Only an approved case gives one (A13.4).

    The window begins and ends on the full hour, which is how load is counted. One that was approved after its window began was recorded
    later than it begins (补批), and it says so.
    """

    environment = models.ForeignKey(Environment, models.PROTECT, verbose_name=_("运行环境"))
    targets = models.JSONField(_("压测目标"), validators=[fields.load_targets])  # of the environment's hosts and addresses
    sources = models.JSONField(_("压测来源地址"), validators=[addresses])
    window_from = models.DateTimeField(_("压测时间自"))
    window_to = models.DateTimeField(_("压测时间至"))
    expected_factor = models.PositiveSmallIntegerField(_("预计负载倍数"))  # of the target's own peak
    scheme = models.CharField(_("压测方案"), max_length=200)
    risk = models.CharField(_("风险评估"), max_length=1000)
    rollback = models.CharField(_("中止与回退"), max_length=1000)
    watching = models.CharField(_("监测安排"), max_length=1000)
    evaluator = models.ForeignKey("anzhang.Person", models.PROTECT, verbose_name=_("评估人"), related_name="+")
    second_evaluator = models.ForeignKey("anzhang.Person", models.PROTECT, verbose_name=_("评估人（二）"), related_name="+")
    basis = models.ForeignKey("anzhang.Approval", models.PROTECT, verbose_name=_("批准"))
    recorded_at = models.DateTimeField(_("登记时间"))

    NAMED_BY: ClassVar = ("environment",)

    class Meta:
        verbose_name = _("压测方案")
        ordering = ("-window_from", "pk")
        indexes = (models.Index(fields=["environment", "window_from"], name="load_test_environment"),)
        constraints = (
            models.CheckConstraint(condition=Q(window_to__gt=F("window_from")), name="load_test_ends_after_start"),
            models.CheckConstraint(condition=~Q(evaluator=F("second_evaluator")), name="load_test_two_evaluators"),
        )

    def __str__(self) -> str:
        return self.scheme

    @property
    def is_late(self) -> bool:
        """Whether it was approved after its window had begun."""
        return self.recorded_at > self.window_from


class OpsDossier(Ledgered):
    """The operations dossier of a system: who keeps it, since when. Its entries link themselves (A12.2)."""

    system = models.ForeignKey(System, models.PROTECT, verbose_name=_("信息系统"))
    opened_on = models.DateField(_("建档日期"))
    keeper = models.ForeignKey("anzhang.Person", models.PROTECT, verbose_name=_("档案保管人"))
    note = models.CharField(_("说明"), max_length=500, blank=True)
    version = models.PositiveIntegerField(_("版本"), default=1, editable=False)

    NAMED_BY: ClassVar = ("system",)

    class Meta:
        verbose_name = _("运维档案")
        ordering = ("system",)
        constraints = (
            models.UniqueConstraint(fields=["system"], name="one_dossier_per_system", violation_error_message=_("这个系统已有运维档案。")),
        )

    def __str__(self) -> str:
        return f"{self.system}"
