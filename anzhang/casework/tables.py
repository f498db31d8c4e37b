"""Tables beside the cases: routes of single units, rules as changed, deliveries of notices, evidence that people point to."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from anzhang.casework.models import Approval, Notice
from anzhang.directory.models import Bitemporal
from anzhang.journal.models import Ledgered

__all__ = ["Delivery", "EvidenceLink", "RuleDay", "RuleVersion", "UnitRoute"]


class UnitRoute(Bitemporal):
    """A unit's own way for one of the catalog's routes, for itself and the units below it. Changed only by an approved case."""

    unit = models.ForeignKey("anzhang.Unit", models.PROTECT, verbose_name=_("单位"))
    route = models.CharField(_("流程"), max_length=64)
    version = models.PositiveIntegerField(_("版次"))
    rules = models.JSONField(_("流程规则"))
    basis = models.ForeignKey(Approval, models.PROTECT, verbose_name=_("批准"), related_name="+")

    class Meta:
        verbose_name = _("单位流程")
        ordering = ("unit", "route", "-valid_from")
        constraints = (
            models.UniqueConstraint(fields=["unit", "route", "version"], condition=Q(superseded_at=None), name="one_unit_route_version"),
        )

    def __str__(self) -> str:
        return f"{self.unit} {self.route} v{self.version}"


class RuleVersion(Bitemporal):
    """The text of a reconciliation rule that stands for the shipped one. Changed only by an approved case."""

    rule = models.CharField(_("规则"), max_length=64)
    version = models.PositiveIntegerField(_("版次"))
    text = models.TextField(_("规则文本"))
    basis = models.ForeignKey(Approval, models.PROTECT, verbose_name=_("批准"), related_name="+")

    class Meta:
        verbose_name = _("核对规则版本")
        ordering = ("rule", "-version")
        constraints = (models.UniqueConstraint(fields=["rule", "version"], condition=Q(superseded_at=None), name="one_rule_version"),)

    def __str__(self) -> str:
        return f"{self.rule} v{self.version}"


class RuleDay(models.Model):
    """What the runs of a rule cost and found on a Beijing day; the last four columns are those of its last run. No act: not ledgered."""

    rule = models.CharField(_("规则"), max_length=64)
    day = models.DateField(_("日期"))
    runs = models.PositiveIntegerField(_("运行次数"), default=0)
    fresh = models.BigIntegerField(_("新事件数"), default=0)
    seconds = models.FloatField(_("用时（秒）"), default=0)
    slowest = models.FloatField(_("最长用时（秒）"), default=0)
    population = models.PositiveIntegerField(_("对象数"), default=0)
    hits = models.PositiveIntegerField(_("命中数"), default=0)
    regularized = models.PositiveIntegerField(_("补批数"), default=0)
    unknown = models.PositiveIntegerField(_("未知数"), default=0)

    class Meta:
        verbose_name = _("规则运行")
        constraints = (models.UniqueConstraint(fields=["rule", "day"], name="one_rule_day"),)

    @property
    def average_ms(self) -> int:
        """Return what a run of the day took on average, in milliseconds."""
        return round(1000 * self.seconds / self.runs) if self.runs else 0

    @property
    def slowest_ms(self) -> int:
        """Return what the longest run of the day took, in milliseconds."""
        return round(1000 * self.slowest)


class Delivery(models.Model):
    """One notice on its way out through one channel; written with the notice, moved on by the worker.

    What became of it is an entry of the ledger about the notice, so this row only says what to try next.
    """

    class State(models.TextChoices):
        """Where it stands; a pending one is tried again at `next_at`."""

        PENDING = "pending", _("待发送")
        SENT = "sent", _("已送达")
        FAILED = "failed", _("未能送达")

    notice = models.ForeignKey(Notice, models.PROTECT, verbose_name=_("通知"), related_name="deliveries")
    channel = models.CharField(_("渠道"), max_length=32)
    state = models.CharField(_("状态"), max_length=16, choices=State.choices, default=State.PENDING)
    attempts = models.PositiveSmallIntegerField(_("尝试次数"), default=0)
    next_at = models.DateTimeField(_("下次尝试"))
    done_at = models.DateTimeField(_("完成时间"), null=True, blank=True)
    error = models.CharField(_("原因"), max_length=300, blank=True)

    class Meta:
        verbose_name = _("通知发送")
        ordering = ("-pk",)
        indexes = (
            models.Index(fields=["next_at"], name="delivery_due", condition=Q(state="pending")),
            models.Index(fields=["state", "-id"], name="delivery_state"),
        )
        constraints = (models.UniqueConstraint(fields=["notice", "channel"], name="one_delivery_per_channel"),)


class EvidenceLink(Ledgered):
    """Evidence that somebody points to beside a finding or a verdict: a register row, a case, a log line, a page of the bureau.

    It proves nothing by itself: only a check closes a finding.
    """

    finding = models.ForeignKey("anzhang.Finding", models.PROTECT, verbose_name=_("问题"), related_name="links", null=True, blank=True)
    obligation = models.CharField(_("义务"), max_length=16, blank=True)
    unit = models.ForeignKey("anzhang.Unit", models.PROTECT, verbose_name=_("责任单位"), related_name="+", null=True, blank=True)
    title = models.CharField(_("名称"), max_length=200)
    address = models.CharField(_("地址"), max_length=300)
    person = models.ForeignKey("anzhang.Person", models.PROTECT, verbose_name=_("登记人"), related_name="+")
    added_at = models.DateTimeField(_("登记时间"))
    removed_at = models.DateTimeField(_("撤下时间"), null=True, blank=True)

    class Meta:
        verbose_name = _("佐证链接")
        ordering = ("added_at", "pk")
        indexes = (models.Index(fields=["obligation", "unit"], name="evidence_verdict"),)
        constraints = (
            models.CheckConstraint(
                condition=Q(finding=None) & ~Q(obligation="") | Q(finding__isnull=False, obligation=""), name="evidence_of_one_thing"
            ),
        )
