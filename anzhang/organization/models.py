"""Officers, filings, policy documents and training (Art. 3-6)."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from anzhang.directory.models import Bitemporal
from anzhang.journal.models import Ledgered

__all__ = ["Filing", "Officer", "PolicyDocument", "TrainingRecord"]


class Officer(Bitemporal):
    """A unit's security officer (Art. 5). An authority register: changed only by an approved case."""

    unit = models.ForeignKey("anzhang.Unit", models.PROTECT, verbose_name=_("单位"))
    person = models.ForeignKey("anzhang.Person", models.PROTECT, verbose_name=_("信息安全管理人员"))
    basis = models.ForeignKey("anzhang.Approval", models.PROTECT, verbose_name=_("批准"), null=True, blank=True)
    end_reason = models.CharField(_("卸任原因"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("信息安全管理人员")
        ordering = ("-valid_from", "pk")
        indexes = (models.Index(fields=["unit", "valid_from"], name="officer_unit"),)

    def __str__(self) -> str:
        return f"{self.unit} {self.person}"


class Filing(Ledgered):
    """What the Office received for the file (备案), with its receipt number. A record of a decision."""

    class Kind(models.TextChoices):
        """What was filed."""

        OFFICER_APPOINTED = "officer_appointed", _("任命备案")
        OFFICER_CHANGED = "officer_changed", _("变更备案")

    receipt_no = models.CharField(_("回执编号"), max_length=32, unique=True)
    kind = models.CharField(_("备案类别"), max_length=32, choices=Kind.choices)
    unit = models.ForeignKey("anzhang.Unit", models.PROTECT, verbose_name=_("报备单位"))
    officer = models.ForeignKey(Officer, models.PROTECT, verbose_name=_("信息安全管理人员"), related_name="filings")
    case = models.ForeignKey("anzhang.Case", models.PROTECT, verbose_name=_("事项"), null=True, blank=True)
    received_at = models.DateTimeField(_("收到时间"))
    received_by = models.ForeignKey("anzhang.Person", models.PROTECT, verbose_name=_("接收人"))

    class Meta:
        verbose_name = _("备案")
        ordering = ("-received_at", "pk")

    def __str__(self) -> str:
        return self.receipt_no


class PolicyDocument(Ledgered):
    """A policy or procedure of a unit, by kind and version. Approved by the unit head; in force from a date."""

    class Kind(models.TextChoices):
        """Kinds of document the articles ask for."""

        RESPONSIBILITY = "responsibility", _("安全责任制度")
        DEVELOPMENT = "development", _("开发管理制度")
        INTEGRATION = "integration", _("集成管理制度")
        OPERATIONS = "operations", _("运维管理制度")
        ENDPOINT = "endpoint", _("客户端管理制度")
        MACHINE_ROOM = "machine_room", _("机房管理制度")
        DATABASE = "database", _("数据库管理制度")
        INCIDENT_REPORTING = "incident_reporting", _("事件报告制度")

    unit = models.ForeignKey("anzhang.Unit", models.PROTECT, verbose_name=_("单位"))
    kind = models.CharField(_("制度类别"), max_length=32, choices=Kind.choices)
    title = models.CharField(_("名称"), max_length=200)
    edition = models.CharField(_("版次"), max_length=32)
    issued_on = models.DateField(_("发布日期"))
    reviewed_on = models.DateField(_("最近复审"))
    in_force_from = models.DateField(_("施行日期"))
    in_force_to = models.DateField(_("废止日期"), null=True, blank=True)
    basis = models.ForeignKey("anzhang.Approval", models.PROTECT, verbose_name=_("批准"), null=True, blank=True)
    version = models.PositiveIntegerField(_("版本"), default=1, editable=False)

    class Meta:
        verbose_name = _("制度文件")
        ordering = ("unit", "kind", "-in_force_from")
        constraints = (
            models.UniqueConstraint(fields=["unit", "kind", "edition"], name="one_edition_per_unit_and_kind"),
            models.CheckConstraint(condition=Q(reviewed_on__gte=models.F("issued_on")), name="reviewed_after_issue"),
        )

    def __str__(self) -> str:
        return self.title


class TrainingRecord(Ledgered):
    """Training or a briefing that a person took (Art. 5)."""

    person = models.ForeignKey("anzhang.Person", models.PROTECT, verbose_name=_("人员"))
    topic = models.CharField(_("内容"), max_length=200)
    trained_on = models.DateField(_("培训日期"))
    hours = models.DecimalField(_("学时"), max_digits=5, decimal_places=1, default=1)
    version = models.PositiveIntegerField(_("版本"), default=1, editable=False)

    class Meta:
        verbose_name = _("培训记录")
        ordering = ("-trained_on", "pk")
        indexes = (models.Index(fields=["person", "trained_on"], name="training_person"),)
