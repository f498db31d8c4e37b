"""What lets a user in: requests of the administrators, one-time links, old passwords, tokens, command-line tickets.

Secrets stand here as digests only. Who can change these rows can let themselves in; who can only read them cannot.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from anzhang.journal.models import Ledgered

__all__ = ["ApiToken", "CliTicket", "IdentityRequest", "OneTimeLink", "PasswordHistory"]


class IdentityRequest(Ledgered):
    """An act on a user that one administrator starts and another confirms (DESIGN 12)."""

    class Kind(models.TextChoices):
        """What shall happen to the user."""

        CREATE = "create", _("新建用户")
        RESET = "reset", _("重置登录凭据")
        REACTIVATE = "reactivate", _("恢复启用")
        TO_PASSWORD = "to_password", _("改用本地密码登录")
        TO_LDAP = "to_ldap", _("改用单位目录登录")
        TO_OIDC = "to_oidc", _("改用统一身份认证登录")

    class State(models.TextChoices):
        """Where the request stands."""

        WAITING = "waiting", _("待确认")
        CONFIRMED = "confirmed", _("已确认")
        REFUSED = "refused", _("已否决")

    kind = models.CharField(_("事项"), max_length=16, choices=Kind.choices)
    user = models.ForeignKey("anzhang.User", models.PROTECT, verbose_name=_("用户"), related_name="identity_requests")
    reason = models.CharField(_("理由"), max_length=200)
    started_by = models.ForeignKey("anzhang.User", models.PROTECT, verbose_name=_("发起人"), related_name="+")
    started_at = models.DateTimeField(_("发起时间"))
    state = models.CharField(_("状态"), max_length=16, choices=State.choices, default=State.WAITING)
    decided_by = models.ForeignKey("anzhang.User", models.PROTECT, verbose_name=_("确认人"), related_name="+", null=True, blank=True)
    decided_at = models.DateTimeField(_("确认时间"), null=True, blank=True)

    class Meta:
        verbose_name = _("用户事项")
        ordering = ("-started_at", "-pk")
        constraints = (
            models.CheckConstraint(condition=Q(decided_by=None) | ~Q(decided_by=F("started_by")), name="identity_request_by_two"),
            models.CheckConstraint(condition=Q(decided_by=None) | ~Q(decided_by=F("user")), name="identity_request_not_own"),
            models.UniqueConstraint(fields=["user"], condition=Q(state="waiting"), name="one_waiting_request_per_user"),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.user}"


class OneTimeLink(models.Model):
    """A link that lets one user in once. The token itself is never stored."""

    class Purpose(models.TextChoices):
        """What the link is for."""

        SETUP = "setup", _("首次设置")
        RESET = "reset", _("重置")
        DEMO = "demo", _("演示登录")

    user = models.ForeignKey("anzhang.User", models.PROTECT, verbose_name=_("用户"), related_name="one_time_links")
    purpose = models.CharField(_("用途"), max_length=16, choices=Purpose.choices)
    digest = models.CharField(_("令牌摘要"), max_length=64, unique=True)
    issued_at = models.DateTimeField(_("签发时间"))
    expires_at = models.DateTimeField(_("失效时间"))
    used_at = models.DateTimeField(_("使用时间"), null=True, blank=True)

    class Meta:
        verbose_name = _("一次性链接")
        indexes = (models.Index(fields=["user", "purpose"], name="link_user"),)


class PasswordHistory(models.Model):
    """A password that a user had, as it was hashed: the last five may not come back (GB/T 22239-2019 8.1.4.1 a)."""

    user = models.ForeignKey("anzhang.User", models.CASCADE, verbose_name=_("用户"), related_name="passwords")
    password = models.CharField(_("密码散列"), max_length=128)
    set_at = models.DateTimeField(_("设置时间"))

    class Meta:
        verbose_name = _("历史密码")
        ordering = ("-set_at", "-pk")


class ApiToken(Ledgered):
    """A token of the API or of a log sender: hashed, scoped, bound to an address, at most 90 days. It never decides (DESIGN 5)."""

    LEDGER_EXCLUDE: ClassVar[frozenset[str]] = frozenset({"last_used_at"})

    class Scope(models.TextChoices):
        """What a token may do."""

        READ = "read", _("读")
        WRITE = "write", _("写")
        INGEST = "ingest", _("推送日志")

    name = models.CharField(_("用途"), max_length=100)
    user = models.ForeignKey("anzhang.User", models.PROTECT, verbose_name=_("用户"), null=True, blank=True, related_name="tokens")
    unit = models.ForeignKey("anzhang.Unit", models.PROTECT, verbose_name=_("单位范围"), null=True, blank=True)
    prefix = models.CharField(_("前缀"), max_length=12, unique=True)
    digest = models.CharField(_("令牌摘要"), max_length=64, unique=True)
    scopes = models.JSONField(_("权限"), default=list)
    address = models.CharField(_("绑定地址"), max_length=64)
    issued_by = models.ForeignKey("anzhang.User", models.PROTECT, verbose_name=_("签发人"), related_name="+")
    issued_at = models.DateTimeField(_("签发时间"))
    expires_at = models.DateTimeField(_("失效时间"))
    revoked_at = models.DateTimeField(_("吊销时间"), null=True, blank=True)
    last_used_at = models.DateTimeField(_("最近使用"), null=True, blank=True)

    class Meta:
        verbose_name = _("接口令牌")
        ordering = ("-issued_at", "-pk")
        constraints = (models.CheckConstraint(condition=Q(expires_at__gt=F("issued_at")), name="token_expires_after_issue"),)

    def __str__(self) -> str:
        return f"{self.prefix}… {self.name}"


class CliTicket(models.Model):
    """What `anzhang login` got: a secret on the operator's disk that a browser session with a second factor confirmed."""

    digest = models.CharField(_("凭据摘要"), max_length=64, unique=True)
    code = models.CharField(_("核对码"), max_length=9, unique=True)
    place = models.CharField(_("终端"), max_length=128)
    user = models.ForeignKey("anzhang.User", models.CASCADE, verbose_name=_("用户"), null=True, blank=True, related_name="cli_tickets")
    created_at = models.DateTimeField(_("申请时间"))
    confirmed_at = models.DateTimeField(_("确认时间"), null=True, blank=True)
    expires_at = models.DateTimeField(_("失效时间"))

    class Meta:
        verbose_name = _("命令行凭据")
