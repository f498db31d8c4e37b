"""Log sources, what was heard from them, and the sealed segments (Art. 29)."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from anzhang.journal.models import Ledgered

__all__ = ["LegalHold", "LogRedaction", "LogSource", "LogSourceActivity", "VaultCheck", "VaultSegment"]


class LogSource(Ledgered):
    """A registered sender: what it is, whose it is, how its lines are to be read."""

    class Transport(models.TextChoices):
        """How its lines arrive."""

        SYSLOG_TCP = "syslog_tcp", _("Syslog TCP")
        SYSLOG_UDP = "syslog_udp", _("Syslog UDP")
        SYSLOG_TLS = "syslog_tls", _("Syslog TLS")
        RELP = "relp", _("RELP")
        HTTP = "http", _("HTTP 推送")
        FILE = "file", _("日志文件")

    class Format(models.TextChoices):
        """Which header its lines have; `auto` lets the parser see for itself, line by line; of JSON and text the whole line is message."""

        AUTO = "auto", _("自动识别")
        RFC3164 = "rfc3164", _("RFC 3164")
        RFC5424 = "rfc5424", _("RFC 5424")
        JSON = "json", _("JSON")
        TEXT = "text", _("纯文本")

    class Clock(models.TextChoices):
        """What its time stamps are worth; a device without a set clock is not judged by them."""

        SET = "set", _("已对时")
        UNSET = "unset", _("不对时，以接收时间为准")

    class State(models.TextChoices):
        """Whether it may send."""

        ACTIVE = "active", _("启用")
        CLOSED = "closed", _("停用")

    code = models.CharField(_("日志源编号"), max_length=32, unique=True)
    name = models.CharField(_("名称"), max_length=100)
    transport = models.CharField(_("接入方式"), max_length=16, choices=Transport.choices)
    addresses = models.JSONField(_("来源地址"), default=list, blank=True)  # IP addresses or CIDR blocks
    hosts = models.JSONField(_("主机名"), default=list, blank=True)  # header host names that are this source on a shared address
    file_path = models.CharField(_("文件路径"), max_length=500, blank=True)
    certificates = models.JSONField(_("客户端证书"), default=list, blank=True)  # SHA-256 fingerprints or names of the certificate
    token_hash = models.CharField(_("令牌摘要"), max_length=64, blank=True, editable=False)
    unit = models.ForeignKey("anzhang.Unit", models.PROTECT, verbose_name=_("责任单位"))
    system = models.ForeignKey("anzhang.System", models.PROTECT, verbose_name=_("信息系统"), null=True, blank=True)
    kinds = models.JSONField(_("日志种类"), default=list, blank=True)  # e.g. ["security_log"]
    timezone = models.CharField(_("时区"), max_length=64, default="Asia/Shanghai")
    encoding = models.CharField(_("编码"), max_length=16, default="utf-8")
    format = models.CharField(_("日志格式"), max_length=16, choices=Format.choices, default=Format.AUTO)
    clock = models.CharField(_("时钟"), max_length=16, choices=Clock.choices, default=Clock.SET)
    daily_lines = models.PositiveIntegerField(_("每日至少行数"), null=True, blank=True)  # None: not judged by its rate
    quota_bytes_per_hour = models.BigIntegerField(_("每小时配额（字节）"), default=1 << 30)
    silence_minutes = models.PositiveIntegerField(_("允许静默（分钟）"), null=True, blank=True)  # None: the parameter's
    state = models.CharField(_("状态"), max_length=16, choices=State.choices, default=State.ACTIVE)
    registered_on = models.DateField(_("登记日期"))
    version = models.PositiveIntegerField(_("版本"), default=1, editable=False)

    class Meta:
        verbose_name = _("日志源")
        ordering = ("code",)

    def __str__(self) -> str:
        return self.name


class LogSourceActivity(models.Model):
    """What was heard from a source; written only by the collector."""

    source = models.OneToOneField(LogSource, models.PROTECT, primary_key=True, related_name="activity")
    first_seen_at = models.DateTimeField(_("首次收到"))
    last_seen_at = models.DateTimeField(_("最近收到"))
    lines = models.BigIntegerField(_("行数"), default=0)
    bytes = models.BigIntegerField(_("字节数"), default=0)
    first_segment = models.BigIntegerField(_("首个日志段"), null=True, blank=True)
    over_quota_at = models.DateTimeField(_("最近一次超出配额"), null=True, blank=True)
    lost = models.BigIntegerField(_("丢失的报文"), default=0)  # datagrams that the kernel, or we, dropped while it was sending
    lost_at = models.DateTimeField(_("最近一次丢失报文"), null=True, blank=True)
    refused = models.BigIntegerField(_("被拒绝的连接"), default=0)
    refused_at = models.DateTimeField(_("最近一次被拒绝"), null=True, blank=True)
    refused_why = models.CharField(_("拒绝原因"), max_length=32, blank=True)

    class Meta:
        verbose_name = _("日志源活动")


class VaultSegment(Ledgered):
    """A sealed segment: dense sequence range, counts per source, both roots, the previous root.

    One that stands for others (ADR 0017) says so by `first_number`; its `chain_sha256` is the root of its own first seal, which the
    next segment names as previous. Those others stay as they were sealed, merged into it.
    """

    class State(models.TextChoices):
        """Kept, part of another one now, or deleted after the floor."""

        SEALED = "sealed", _("已封存")
        MERGED = "merged", _("已并入后段")
        DELETED = "deleted", _("已到期清理")

    number = models.BigIntegerField(_("段号"), primary_key=True)  # dense, per node, from 1
    name = models.CharField(_("段名"), max_length=64, unique=True)
    day = models.DateField(_("日期"))
    node = models.CharField(_("节点"), max_length=32)
    first_seq = models.BigIntegerField(_("首行序号"))
    last_seq = models.BigIntegerField(_("末行序号"))
    rows = models.BigIntegerField(_("行数"))
    raw_bytes = models.BigIntegerField(_("原始字节"))
    file_bytes = models.BigIntegerField(_("占用字节"))
    min_at = models.DateTimeField(_("最早时间"))
    max_at = models.DateTimeField(_("最晚时间"))
    sources = models.JSONField(_("各源行数"))  # {source code: rows}
    root_sha256 = models.CharField(_("SHA-256 根"), max_length=64)
    root_sm3 = models.CharField(_("SM3 根"), max_length=64)
    previous_sha256 = models.CharField(_("前段根"), max_length=64, blank=True)
    sealed_at = models.DateTimeField(_("封存时间"))
    state = models.CharField(_("状态"), max_length=16, choices=State.choices, default=State.SEALED)
    deleted_at = models.DateTimeField(_("清理时间"), null=True, blank=True)
    first_number = models.BigIntegerField(_("合并自段号"), null=True, blank=True)  # None: its own
    chain_sha256 = models.CharField(_("首次封存的根"), max_length=64, null=True, blank=True)  # noqa: DJ001  # None: its root
    merged_into = models.BigIntegerField(_("并入段号"), null=True, blank=True)
    redacted_lines = models.BigIntegerField(_("隐去行数"), null=True, blank=True)

    class Meta:
        verbose_name = _("日志段")
        ordering = ("-number",)
        indexes = (models.Index(fields=["state", "number"], name="segment_state"),)
        constraints = (
            models.CheckConstraint(
                condition=Q(state="deleted", deleted_at__isnull=False) | (~Q(state="deleted") & Q(deleted_at=None)),
                name="segment_deleted_has_time",
            ),
            models.CheckConstraint(
                condition=Q(state="merged", merged_into__isnull=False) | (~Q(state="merged") & Q(merged_into=None)),
                name="segment_merged_into",
            ),
            models.CheckConstraint(condition=Q(last_seq__gte=F("first_seq")), name="segment_seq_range"),
        )

    def __str__(self) -> str:
        return self.name


class LegalHold(Ledgered):
    """Evidence that is kept however old it is: no segment that may hold lines of it is disposed of until somebody else ends the hold."""

    code = models.CharField(_("保全编号"), max_length=32, unique=True)
    reason = models.CharField(_("保全事由"), max_length=500)
    sources = models.JSONField(_("日志源"), default=list, blank=True)  # codes; empty: every source
    since = models.DateTimeField(_("日志时间自"), null=True, blank=True)
    until = models.DateTimeField(_("日志时间至"), null=True, blank=True)
    placed_by = models.CharField(_("保全人"), max_length=100, editable=False)  # the actor, as the ledger names it
    placed_at = models.DateTimeField(_("保全时间"), editable=False)
    release_reason = models.CharField(_("解除理由"), max_length=500, blank=True)  # not empty: released
    released_at = models.DateTimeField(_("解除时间"), null=True, blank=True, editable=False)
    version = models.PositiveIntegerField(_("版本"), default=1, editable=False)

    class Meta:
        verbose_name = _("证据保全")
        ordering = ("-placed_at", "-pk")

    def __str__(self) -> str:
        return self.reason


class LogRedaction(Ledgered):
    """Lines whose text a case lets be taken out: approved first, then carried out by the worker (`redactions`)."""

    class State(models.TextChoices):
        """Whether the vault has followed."""

        WAITING = "waiting", _("待执行")
        DONE = "done", _("已隐去")
        REVOKED = "revoked", _("批准已撤销，未执行")

    LEDGER_EXCLUDE: ClassVar[frozenset[str]] = frozenset({"trouble"})

    code = models.CharField(_("事项编号"), max_length=32, unique=True)
    case = models.ForeignKey("anzhang.Case", models.PROTECT, verbose_name=_("事项"), related_name="+")
    reason = models.CharField(_("隐去理由"), max_length=200)
    lines = models.JSONField(_("行序号"))  # [[first, last], …]
    salt = models.CharField(_("盐"), max_length=64, editable=False)  # hex; with it the digest of a line can be shown to be its
    approved_at = models.DateTimeField(_("批准时间"))
    state = models.CharField(_("状态"), max_length=16, choices=State.choices, default=State.WAITING)
    done_at = models.DateTimeField(_("执行时间"), null=True, blank=True)
    trouble = models.CharField(_("未执行的原因"), max_length=500, blank=True)

    class Meta:
        verbose_name = _("日志隐去")
        ordering = ("-pk",)

    def __str__(self) -> str:
        return self.code


class VaultCheck(models.Model):
    """The result of verifying every kept segment once: what A29.6 reads."""

    at = models.DateTimeField(_("验证时间"))
    segments = models.BigIntegerField(_("段数"))
    faults = models.JSONField(_("问题"), default=list, blank=True)  # [{"segment", "part", "reason"}]
    seconds = models.FloatField(_("用时（秒）"), default=0.0)

    class Meta:
        verbose_name = _("日志段验证")
        ordering = ("-at",)
