"""What devices are set to, as it was collected, and the orders by which that may change (Art. 7, 8, 9)."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from anzhang.directory.models import Bitemporal
from anzhang.journal.models import Ledgered
from anzhang.network import fields
from anzhang.network.models import Device

__all__ = ["ChangeOrder", "ConfigSnapshot", "ConfigText"]


class ConfigText(models.Model):
    """A configuration as it is kept: secrets replaced, compressed, with the facts read from it. The digest binds it; outside the ledger.

    One text serves every snapshot that found it again.
    """

    digest = models.CharField(_("配置摘要"), max_length=64, unique=True)
    body = models.BinaryField(_("配置原文"))  # zlib
    facts = models.JSONField(_("事实"), default=list)

    class Meta:
        verbose_name = _("配置原文")


class ConfigSnapshot(Ledgered):
    """What a device was set to at an instant, and how that differs from the snapshot before it."""

    class Dialect(models.TextChoices):
        """Whose words it is written in."""

        HUAWEI = "huawei", _("华为")
        H3C = "h3c", _("新华三")
        CISCO = "cisco", _("思科")
        IPTABLES = "iptables", "iptables"
        UNKNOWN = "unknown", _("不能识别")

    NAMED_BY: ClassVar = ("device",)

    device = models.ForeignKey(Device, models.PROTECT, verbose_name=_("设备"))
    collected_at = models.DateTimeField(_("采集时间"))
    received_at = models.DateTimeField(_("收到时间"))
    collector = models.CharField(_("采集者"), max_length=80)
    dialect = models.CharField(_("配置语言"), max_length=16, choices=Dialect.choices)
    digest = models.CharField(_("配置摘要"), max_length=64)
    lines = models.PositiveIntegerField(_("行数"))
    unread = models.JSONField(_("未读懂的行"), default=list, blank=True)  # numbers, the first few
    unread_count = models.PositiveIntegerField(_("未读懂行数"), default=0)
    previous = models.ForeignKey("self", models.PROTECT, verbose_name=_("上一份"), null=True, blank=True, related_name="+")
    added = models.PositiveIntegerField(_("新增行数"), default=0)
    removed = models.PositiveIntegerField(_("删除行数"), default=0)
    sample = models.JSONField(_("差异摘录"), default=list, blank=True)  # ["+12 interface X: shutdown", ...], the first few
    text = models.ForeignKey(ConfigText, models.PROTECT, verbose_name=_("配置原文"), editable=False)

    class Meta:
        verbose_name = _("配置快照")
        ordering = ("device", "-collected_at", "-pk")
        indexes = (
            models.Index(fields=["device", "-collected_at"], name="config_snapshot_device"),
            models.Index(fields=["collected_at"], name="config_snapshot_collected"),
        )
        constraints = (
            models.UniqueConstraint(fields=["device", "collected_at"], name="one_config_snapshot_at_a_time"),
            models.CheckConstraint(condition=Q(previous=None) | ~Q(previous=F("id")), name="config_snapshot_not_its_own_previous"),
        )

    def __str__(self) -> str:
        return f"{self.device} {self.digest[:12]}"

    @property
    def is_changed(self) -> bool:
        """Whether it differs from the one before it."""
        return bool(self.added or self.removed)


class ChangeOrder(Bitemporal):
    """Leave to change devices, or a production environment, in a window: from `valid_from` to `valid_to`. An authority register.

    Only an approved case opens one. One whose approval came after its window began was approved afterwards (补批), and says so.
    """

    class Kind(models.TextChoices):
        """What is changed."""

        NETWORK = "network", _("网络配置")
        AUDIT = "audit", _("审计配置")
        PRODUCTION = "production", _("生产环境")

    NAMED_BY: ClassVar = ("unit",)

    number = models.CharField(_("变更单号"), max_length=32)
    kind = models.CharField(_("变更类别"), max_length=16, choices=Kind.choices)
    devices = models.JSONField(_("设备"), default=list, blank=True, validators=[fields.names])  # codes
    system = models.ForeignKey("anzhang.System", models.PROTECT, verbose_name=_("信息系统"), null=True, blank=True)
    environment = models.ForeignKey("anzhang.Environment", models.PROTECT, verbose_name=_("生产环境"), null=True, blank=True)
    what = models.CharField(_("变更内容"), max_length=1000)
    rollback = models.CharField(_("回退办法"), max_length=1000)
    unit = models.ForeignKey("anzhang.Unit", models.PROTECT, verbose_name=_("申请单位"))
    applicant = models.ForeignKey("anzhang.Person", models.PROTECT, verbose_name=_("申请人"), related_name="+")
    executor = models.ForeignKey("anzhang.Person", models.PROTECT, verbose_name=_("执行人员"), related_name="+")
    basis = models.ForeignKey("anzhang.Approval", models.PROTECT, verbose_name=_("批准"))

    class Meta:
        verbose_name = _("变更单")
        ordering = ("-valid_from", "number", "pk")
        indexes = (models.Index(fields=["number"], name="change_order_number"), models.Index(fields=["valid_to"], name="change_order_end"))
        constraints = (
            models.CheckConstraint(
                condition=Q(valid_to__isnull=False, valid_to__gte=F("valid_from")), name="change_order_ends_after_start"
            ),
            models.CheckConstraint(
                condition=Q(kind="production", environment__isnull=False) | (~Q(kind="production") & ~Q(devices=[])),
                name="change_order_names_what_changes",
                violation_error_message=_("生产环境变更写明环境，网络和审计配置变更写明设备。"),
            ),
            models.UniqueConstraint(fields=["number"], condition=Q(superseded_at=None), name="one_change_order_per_number"),
            models.UniqueConstraint(fields=["basis"], condition=Q(superseded_at=None), name="one_change_order_per_approval"),
        )

    def __str__(self) -> str:
        return self.number

    @property
    def is_late(self) -> bool:
        """Whether it was approved after its window had begun."""
        return self.basis.valid_from > self.valid_from
