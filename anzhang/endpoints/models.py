"""Endpoints, what they report of themselves, and what they may run (Art. 14, 15).

A report is kept whole (`PostureDocument`) beside what it came to (`PostureReport`). `EndpointStanding` repeats of each endpoint what its
newest reports came to, so that the gate, the pages and the checks read one row; it is derived and made anew whenever a register that
it depends on changes.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from anzhang.journal.models import Ledgered
from anzhang.network import fields

__all__ = [
    "BusinessException",
    "Endpoint",
    "EndpointStanding",
    "PatchBaseline",
    "Peripheral",
    "PostureDocument",
    "PostureReport",
    "SoftwareBaseline",
]

PLATFORMS = (
    ("windows", "Windows"),
    ("linux", "Linux"),
    ("kylin", _("麒麟")),
    ("uos", _("统信")),
    ("macos", "macOS"),
    ("other", _("其他")),
)
KEY_BYTES = 32


def public_key(value: Any) -> None:
    """Refuse what is no Ed25519 public key in base64 (RFC 8032: 32 bytes)."""
    try:
        right = len(base64.b64decode(value, validate=True)) == KEY_BYTES
    except (binascii.Error, ValueError):
        right = False
    if not right:
        raise ValidationError(_now("不是 Ed25519 公钥，应为 44 个字符的 base64；用 anzhang posture key 生成。"))


class Endpoint(Ledgered):
    """A terminal of a business or office network: its kind, who answers for it, into which zone it comes, by what it is known."""

    class Kind(models.TextChoices):
        """Kinds of Art. 15."""

        DESKTOP = "desktop", _("桌面终端")
        COUNTER = "counter", _("柜面终端")
        REMOTE_ACCESS = "remote_access", _("远程接入终端")
        LAPTOP = "laptop", _("便携式计算机")
        SELF_SERVICE = "self_service", _("自助设备")
        OTHER = "other", _("其他")

    class State(models.TextChoices):
        """Life of an endpoint."""

        IN_SERVICE = "in_service", _("在用")
        RETIRED = "retired", _("停用")

    NAMED_BY = ("unit",)

    code = models.CharField(_("客户端编号"), max_length=32, unique=True)
    name = models.CharField(_("客户端名称"), max_length=100)
    kind = models.CharField(_("客户端类别"), max_length=32, choices=Kind.choices, blank=True)
    endpoint_class = models.CharField(_("软件清单"), max_length=32, blank=True)  # the software baseline it follows
    device = models.OneToOneField("anzhang.Device", models.PROTECT, verbose_name=_("设备"), null=True, blank=True)
    mac = fields.MacField(_("MAC 地址"), blank=True)  # its own, besides those of its device's interfaces
    hosts = models.JSONField(_("主机名"), default=list, blank=True, validators=[fields.hosts])
    zone = models.ForeignKey("anzhang.Zone", models.PROTECT, verbose_name=_("网络区域"))
    unit = models.ForeignKey("anzhang.Unit", models.PROTECT, verbose_name=_("使用单位"))
    person = models.ForeignKey("anzhang.Person", models.PROTECT, verbose_name=_("责任人"))
    posture_key = models.CharField(_("报告签名公钥"), max_length=64, blank=True, validators=[public_key])
    state = models.CharField(_("状态"), max_length=16, choices=State.choices, default=State.IN_SERVICE)
    version = models.PositiveIntegerField(_("版本"), default=1, editable=False)

    class Meta:
        verbose_name = _("客户端")
        ordering = ("code",)
        indexes = (models.Index(fields=["unit", "state"], name="endpoint_unit_state"),)
        constraints = (
            models.CheckConstraint(
                condition=~Q(mac="") | Q(device__isnull=False),
                name="endpoint_is_known_by_something",
                violation_error_message=_("登记 MAC 地址，或所属设备（其接口登记 MAC 地址）。"),
            ),
            models.UniqueConstraint(
                fields=["mac"],
                condition=~Q(mac=""),
                name="one_endpoint_per_mac",
                violation_error_message=_("这个 MAC 地址已登记在另一客户端上。"),
            ),
        )

    def __str__(self) -> str:
        return self.name


class PostureReport(Ledgered):
    """What an endpoint or a server said of itself at an instant, who signed it, and what that came to under the rules of that instant."""

    class Source(models.TextChoices):
        """In which form it came."""

        AGENT = "agent", _("客户端程序")
        LYNIS = "lynis", "Lynis"
        OPENSCAP = "openscap", "OpenSCAP"

    class State(models.TextChoices):
        """What a report came to; what is not proved is never a pass."""

        PASSED = "pass", _("合格")
        FAILED = "fail", _("不合格")
        UNKNOWN = "unknown", _("证据不足")

    endpoint = models.ForeignKey(Endpoint, models.PROTECT, verbose_name=_("客户端"), null=True, blank=True)
    device = models.ForeignKey("anzhang.Device", models.PROTECT, verbose_name=_("设备"), null=True, blank=True)
    source = models.CharField(_("来源"), max_length=16, choices=Source.choices)
    signer = models.CharField(_("签名者"), max_length=80)
    sequence = models.BigIntegerField(_("序号"))
    collected_at = models.DateTimeField(_("采集时间"))
    received_at = models.DateTimeField(_("收到时间"))
    state = models.CharField(_("结论"), max_length=8, choices=State.choices)
    passed_until = models.DateTimeField(_("合格至"), null=True, blank=True)
    reasons = models.JSONField(_("原因"), default=list, blank=True)  # [{"code", "params"}]
    digest = models.CharField(_("报告摘要"), max_length=64, unique=True)

    class Meta:
        verbose_name = _("安全状态报告")
        ordering = ("-collected_at", "-pk")
        indexes = (
            models.Index(fields=["endpoint", "-collected_at"], name="posture_endpoint"),
            models.Index(fields=["device", "-collected_at"], name="posture_device"),
            models.Index(fields=["collected_at"], name="posture_collected"),
            models.Index(fields=["signer", "-sequence"], name="posture_signer"),
        )
        constraints = (
            models.CheckConstraint(condition=Q(endpoint__isnull=False) | Q(device__isnull=False), name="posture_of_something"),
            models.CheckConstraint(condition=Q(passed_until=None) | Q(state="pass"), name="posture_passed_until_when_passed"),
            models.UniqueConstraint(fields=["signer", "endpoint", "sequence"], name="posture_sequence_once_per_endpoint"),
            models.UniqueConstraint(fields=["signer", "device", "sequence"], name="posture_sequence_once_per_device"),
        )

    def __str__(self) -> str:
        return f"{self.endpoint or self.device} {self.sequence}"


class PostureDocument(models.Model):
    """The signed bytes of a report and the facts read from them; the report's digest binds them."""

    report = models.OneToOneField(PostureReport, models.PROTECT, primary_key=True, related_name="document")
    document = models.TextField(_("报告原文"))
    signature = models.CharField(_("签名"), max_length=100)
    facts = models.JSONField(_("事实"), default=dict)

    class Meta:
        verbose_name = _("安全状态报告原文")


class EndpointStanding(models.Model):
    """What an endpoint's newest report comes to now; derived, so outside the ledger."""

    endpoint = models.OneToOneField(Endpoint, models.CASCADE, primary_key=True, related_name="standing")
    report = models.ForeignKey(PostureReport, models.PROTECT, related_name="+")
    collected_at = models.DateTimeField(_("采集时间"))
    state = models.CharField(_("结论"), max_length=8, choices=PostureReport.State.choices)
    passed_until = models.DateTimeField(_("合格至"), null=True)
    reasons = models.JSONField(_("原因"), default=list)
    outside = models.JSONField(_("清单外软件"), default=dict, null=True)  # name to when it was first reported; null: nobody can say
    tells_network = models.BooleanField(_("说明了联网方式"), default=False)
    basis = models.CharField(_("依据"), max_length=16, db_index=True)  # digest of the rules it was judged by
    judged_at = models.DateTimeField(_("判定时间"), db_index=True)

    class Meta:
        verbose_name = _("客户端现状")


class PatchBaseline(Ledgered):
    """A patch that every endpoint of a platform must have some days after it stood on the internal mirror (Art. 15)."""

    class Severity(models.TextChoices):
        """How bad it is to lack it; the parameter patch_grace_days gives the days of each."""

        CRITICAL = "critical", _("严重")
        HIGH = "high", _("高")
        MEDIUM = "medium", _("中")
        LOW = "low", _("低")

    code = models.CharField(_("补丁编号"), max_length=64, unique=True)  # as posture reports call it
    title = models.CharField(_("说明"), max_length=200, blank=True)
    platform = models.CharField(_("适用系统"), max_length=16, choices=PLATFORMS)
    severity = models.CharField(_("级别"), max_length=16, choices=Severity.choices)
    published_on = models.DateField(_("镜像站发布日期"))
    withdrawn_on = models.DateField(_("撤回日期"), null=True, blank=True)  # from that day on nobody needs it
    version = models.PositiveIntegerField(_("版本"), default=1, editable=False)

    class Meta:
        verbose_name = _("补丁基线")
        ordering = ("-published_on", "code")

    def __str__(self) -> str:
        return self.code


class SoftwareBaseline(Ledgered):
    """A program or site that endpoints of a class may use (Art. 14)."""

    class Kind(models.TextChoices):
        """What is allowed."""

        PROGRAM = "program", _("程序")
        SITE = "site", _("站点")

    endpoint_class = models.CharField(_("软件清单"), max_length=32)
    kind = models.CharField(_("类别"), max_length=16, choices=Kind.choices, default=Kind.PROGRAM)
    name = models.CharField(_("名称"), max_length=200)  # a * at the end stands for anything that follows
    purpose = models.CharField(_("用途"), max_length=200, blank=True)
    version = models.PositiveIntegerField(_("版本"), default=1, editable=False)

    class Meta:
        verbose_name = _("软件与站点清单")
        ordering = ("endpoint_class", "kind", "name")
        constraints = (models.UniqueConstraint(fields=["endpoint_class", "kind", "name"], name="one_software_line_per_class"),)

    def __str__(self) -> str:
        return self.name


class Peripheral(Ledgered):
    """A peripheral that may be attached, by its identity (Art. 14)."""

    class Kind(models.TextChoices):
        """What it is."""

        STORAGE = "storage", _("存储")
        NETWORK = "network", _("网卡")
        INPUT = "input", _("键盘鼠标")
        PRINTER = "printer", _("打印扫描")
        CARD_READER = "card_reader", _("读卡密码设备")
        OTHER = "other", _("其他")

    code = models.CharField(_("外设编号"), max_length=32, unique=True)
    name = models.CharField(_("外设名称"), max_length=100)
    kind = models.CharField(_("外设类别"), max_length=16, choices=Kind.choices)
    vendor_id = models.CharField(_("厂商标识"), max_length=8, validators=[fields.usb_id])
    product_id = models.CharField(_("产品标识"), max_length=8, validators=[fields.usb_id])
    serial = models.CharField(_("序列号"), max_length=128, blank=True)  # none: every one of this make
    endpoint = models.ForeignKey(Endpoint, models.PROTECT, verbose_name=_("限用客户端"), null=True, blank=True)
    unit = models.ForeignKey("anzhang.Unit", models.PROTECT, verbose_name=_("使用单位"))
    ended_on = models.DateField(_("停用日期"), null=True, blank=True)
    version = models.PositiveIntegerField(_("版本"), default=1, editable=False)

    class Meta:
        verbose_name = _("外设清单")
        ordering = ("code",)
        indexes = (models.Index(fields=["vendor_id", "product_id"], name="peripheral_make"),)
        constraints = (
            models.CheckConstraint(
                condition=~Q(kind="storage") & ~Q(kind="network") | ~Q(serial=""),
                name="peripheral_storage_by_serial",
                violation_error_message=_("存储和网卡逐个登记，写明序列号。"),
            ),
        )

    def __str__(self) -> str:
        return self.name


class BusinessException(Ledgered):
    """Leave for a person to do business outside the scope of the post for some days. Only an approved case gives one (A14.1)."""

    person = models.ForeignKey("anzhang.Person", models.PROTECT, verbose_name=_("办理人员"))
    system = models.ForeignKey("anzhang.System", models.PROTECT, verbose_name=_("信息系统"))
    what = models.CharField(_("办理内容"), max_length=500)
    starts_at = models.DateTimeField(_("开始时间"))
    ends_at = models.DateTimeField(_("结束时间"))
    reason = models.CharField(_("理由"), max_length=500)
    basis = models.ForeignKey("anzhang.Approval", models.PROTECT, verbose_name=_("批准"))
    recorded_at = models.DateTimeField(_("登记时间"))

    NAMED_BY: ClassVar = ("person", "system")

    class Meta:
        verbose_name = _("超常规办理业务")
        ordering = ("-starts_at", "pk")
        indexes = (models.Index(fields=["system", "person"], name="business_exception_of"),)
        constraints = (models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="business_exception_has_length"),)

    def __str__(self) -> str:
        return f"{self.system} {self.person}"
