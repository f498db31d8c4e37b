"""Who is who, and when: units, people, posts, the leading group, and the users who log in.

Periods are half-open, `valid_from <= at < valid_to`. Registers that answer "who was answerable at that minute"
(Art. 33) are bitemporal: `recorded_at` says since when the row was known, `superseded_at` when it stopped being believed.
"""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.hashers import check_password
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from anzhang.directory import scope
from anzhang.journal.models import Ledgered
from anzhang.permissions import Administrator

__all__ = [
    "Assignment",
    "Bitemporal",
    "Delegation",
    "LeadingGroupMember",
    "Person",
    "Unit",
    "User",
]


class Unit(Ledgered):
    """A unit under the measures (Art. 3). `path` is the chain of codes from the bureau down: `/HRSS/IC/`."""

    class Kind(models.TextChoices):
        """Kinds of unit; the catalog's `unit_kinds` says which the text covers."""

        BUREAU = "bureau", _("市局")
        BUREAU_DIVISION = "bureau_division", _("机关处室")
        CIVIL_SERVICE_BUREAU = "civil_service_bureau", _("市公务员局")
        FOREIGN_EXPERTS_BUREAU = "foreign_experts_bureau", _("市外国专家局")
        SUBORDINATE_UNIT = "subordinate_unit", _("局属单位")

    class Function(models.TextChoices):
        """What the text calls a unit by its function."""

        NONE = "", _("一般单位")
        OFFICE = "office", _("领导小组办公室")
        INFO_CENTER = "info_center", _("信息中心")

    code = models.CharField(_("单位代码"), max_length=32, unique=True)
    name = models.CharField(_("单位名称"), max_length=100)
    kind = models.CharField(_("单位类别"), max_length=32, choices=Kind.choices)
    function = models.CharField(_("职能"), max_length=16, choices=Function.choices, blank=True)
    parent = models.ForeignKey("self", models.PROTECT, verbose_name=_("上级单位"), null=True, blank=True)
    path = models.CharField(_("路径"), max_length=255, unique=True, editable=False)
    established_on = models.DateField(_("设立日期"))
    closed_on = models.DateField(_("撤销日期"), null=True, blank=True)
    version = models.PositiveIntegerField(_("版本"), default=1, editable=False)

    class Meta:
        verbose_name = _("单位")
        ordering = ("path",)

    def __str__(self) -> str:
        return self.name


class Person(Ledgered):
    """Someone inside or outside the bureau: name, post, unit, work contact, nothing more (DESIGN 12)."""

    class Kind(models.TextChoices):
        """Inside or outside."""

        STAFF = "staff", _("本局人员")
        OUTSIDE = "outside", _("外部人员")

    code = models.CharField(_("工号"), max_length=32, unique=True)
    name = models.CharField(_("姓名"), max_length=50)
    kind = models.CharField(_("类别"), max_length=16, choices=Kind.choices, default=Kind.STAFF)
    unit = models.ForeignKey(Unit, models.PROTECT, verbose_name=_("所在单位"))
    post = models.CharField(_("职务"), max_length=50, blank=True)
    phone = models.CharField(_("办公电话"), max_length=32, blank=True)
    email = models.EmailField(_("工作邮箱"), blank=True)
    joined_on = models.DateField(_("入职日期"))
    left_on = models.DateField(_("离职日期"), null=True, blank=True)  # the first day not employed
    provider = models.ForeignKey("anzhang.Provider", models.PROTECT, verbose_name=_("所属第三方机构"), null=True, blank=True)
    version = models.PositiveIntegerField(_("版本"), default=1, editable=False)

    class Meta:
        verbose_name = _("人员")
        ordering = ("code",)
        indexes = (
            models.Index(fields=["unit", "code"], name="person_unit"),
            models.Index(fields=["name", "code"], name="person_name_code"),
            models.Index(fields=["code", "name"], name="person_search"),  # both columns a search reads, in the list's order
            # What else a list is ordered by: without an index every page sorts everybody.
            models.Index(fields=["kind", "code"], name="person_kind"),
            models.Index(fields=["post", "code"], name="person_post"),
            models.Index(fields=["joined_on", "code"], name="person_joined"),
            models.Index(fields=["left_on", "code"], name="person_left"),
        )
        constraints = (
            models.CheckConstraint(condition=Q(left_on=None) | Q(left_on__gte=F("joined_on")), name="person_leaves_after_joining"),
        )

    def __str__(self) -> str:
        return self.name


class Bitemporal(Ledgered):
    """A row with a period of validity and a period of belief."""

    valid_from = models.DateTimeField(_("生效时间"))
    valid_to = models.DateTimeField(_("失效时间"), null=True, blank=True)
    recorded_at = models.DateTimeField(_("登记时间"))
    superseded_at = models.DateTimeField(_("更正时间"), null=True, blank=True)

    class Meta:
        abstract = True

    @staticmethod
    def in_force(at: object) -> Q:
        """Return the condition "valid at the instant, as believed now"."""
        return Q(superseded_at=None, valid_from__lte=at) & (Q(valid_to=None) | Q(valid_to__gt=at))


class Assignment(Bitemporal):
    """Person x duty x object x period: a post. An authority register: changed only by an approved case."""

    class Duty(models.TextChoices):
        """Duties that checks and routes read."""

        UNIT_HEAD = "unit_head", _("单位负责人")
        ACTING_HEAD = "acting_head", _("代理负责人")
        OFFICE_MEMBER = "office_member", _("办公室工作人员")
        SYSTEM_MANAGER = "system_manager", _("系统管理人员")
        DBA = "dba", _("数据库管理员")
        DEVELOPER = "developer", _("开发人员")
        INTEGRATOR = "integrator", _("集成人员")
        MAINTAINER = "maintainer", _("运维人员")
        OPERATOR = "operator", _("使用人员")
        ROOM_KEEPER = "room_keeper", _("机房专管员")
        ROOM_ATTENDANT = "room_attendant", _("机房值班人员")
        ENDPOINT_KEEPER = "endpoint_keeper", _("客户端责任人")

    ROOM_DUTIES: ClassVar = ("room_keeper", "room_attendant")  # posts in a machine room, not with systems

    person = models.ForeignKey(Person, models.PROTECT, verbose_name=_("人员"))
    duty = models.CharField(_("职责"), max_length=32, choices=Duty.choices)
    unit = models.ForeignKey(Unit, models.PROTECT, verbose_name=_("单位"))
    system = models.ForeignKey("anzhang.System", models.PROTECT, verbose_name=_("信息系统"), null=True, blank=True)
    room = models.ForeignKey("anzhang.MachineRoom", models.PROTECT, verbose_name=_("机房"), null=True, blank=True)
    # What business the post covers; what it does not state is not judged. NULL: the digests of rows from before leave it out.
    functions = models.JSONField(_("办理业务"), null=True, blank=True, validators=[scope.names])  # as the application's log names them
    jurisdiction = models.JSONField(_("办理辖区"), null=True, blank=True, validators=[scope.names])  # units and areas, likewise
    hours = models.CharField(_("办理时段"), max_length=16, null=True, blank=True, validators=[scope.hours])  # noqa: DJ001  # digests
    basis = models.ForeignKey("anzhang.Approval", models.PROTECT, verbose_name=_("批准"), null=True, blank=True)

    class Meta:
        verbose_name = _("岗位指派")
        ordering = ("-valid_from", "pk")
        indexes = (models.Index(fields=["unit", "duty"], name="assignment_unit"), models.Index(fields=["person"], name="assignment_person"))

    def __str__(self) -> str:
        return f"{self.person} {self.get_duty_display()}"


class LeadingGroupMember(Bitemporal):
    """A member of the leading group with a term (Art. 4)."""

    class Role(models.TextChoices):
        """Role in the group."""

        CHAIR = "chair", _("组长")
        DEPUTY = "deputy", _("副组长")
        MEMBER = "member", _("成员")

    person = models.ForeignKey(Person, models.PROTECT, verbose_name=_("人员"))
    role = models.CharField(_("身份"), max_length=16, choices=Role.choices)
    basis = models.ForeignKey("anzhang.Approval", models.PROTECT, verbose_name=_("批准"), null=True, blank=True)

    class Meta:
        verbose_name = _("领导小组成员")
        ordering = ("-valid_from", "pk")


class Delegation(Bitemporal):
    """Who may sign for whom, from when to when."""

    principal = models.ForeignKey(Person, models.PROTECT, verbose_name=_("授权人"), related_name="delegations_given")
    deputy = models.ForeignKey(Person, models.PROTECT, verbose_name=_("被授权人"), related_name="delegations_held")
    duty = models.CharField(_("职责"), max_length=32)
    basis = models.ForeignKey("anzhang.Approval", models.PROTECT, verbose_name=_("批准"), null=True, blank=True)

    class Meta:
        verbose_name = _("授权代签")


class UserManager(BaseUserManager["User"]):
    """Find users by their log-in name. There is no create_superuser: nobody holds every right (三员分立)."""

    def create_user(self, username: str, password: str | None = None, **fields: object) -> User:
        """Return a saved user; without password the account can only be opened by a one-time link."""
        user = self.model(username=self.model.normalize_username(username), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user


class User(AbstractBaseUser, Ledgered):
    """Someone who can log in. Rights come from the person's registers and from `administrator`.

    Ledgered with its password hash, so that a role or a password put in by SQL is named by `ledger verify`.
    """

    LEDGER_EXCLUDE: ClassVar[frozenset[str]] = frozenset({"last_login", "language"})

    class SignIn(models.TextChoices):
        """Who checks the password, when it is not this platform."""

        LDAP = "ldap", _("单位目录（LDAP）")
        OIDC = "oidc", _("统一身份认证（OIDC）")

    username = models.CharField(_("登录名"), max_length=64, unique=True)
    person = models.OneToOneField(Person, models.PROTECT, verbose_name=_("人员"), null=True, blank=True, related_name="user")
    administrator = models.CharField(_("管理员类别"), max_length=16, blank=True, choices=[(a.value, a.value) for a in Administrator])
    email = models.EmailField(_("邮箱"), blank=True)
    is_active = models.BooleanField(_("启用"), default=True)
    created_at = models.DateTimeField(_("创建时间"))
    password_changed_at = models.DateTimeField(_("密码更改时间"), null=True, blank=True)
    language = models.CharField(_("语言"), max_length=8, default="zh-hans")
    # NULL is a password of this platform: the digests of rows from before the column leave it out.
    sign_in = models.CharField(_("登录方式"), max_length=8, choices=SignIn.choices, null=True, blank=True)  # noqa: DJ001

    objects: ClassVar[UserManager] = UserManager()
    USERNAME_FIELD = "username"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        verbose_name = _("用户")
        ordering = ("username",)
        constraints = (
            models.CheckConstraint(
                condition=Q(administrator__in=["", *(a.value for a in Administrator)]), name="user_is_at_most_one_administrator"
            ),
            # Whoever runs the directory must not become an administrator by setting a password, and a directory that is down
            # must not lock the administrators out.
            models.CheckConstraint(condition=Q(administrator="") | Q(sign_in=None), name="administrators_have_passwords_here"),
        )

    def __str__(self) -> str:
        return self.person.name if self.person_id and self.person else self.username

    def check_password(self, raw_password: str | None) -> bool:
        """Compare; never re-hash on the way, because a changed row without its act would break the ledger."""
        return check_password(raw_password, self.password)
