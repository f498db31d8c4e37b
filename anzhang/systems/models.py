"""Information systems and their accounts (Art. 4, 5, 6, 34)."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from anzhang.journal.models import Ledgered

__all__ = ["Account", "System"]


class System(Ledgered):
    """An information system: who manages it, who answers for it, its levels."""

    class Kind(models.TextChoices):
        """Kinds of Art. 34."""

        BUSINESS = "business", _("业务处理系统")
        MANAGEMENT = "management", _("管理信息系统")
        OFFICE_AUTOMATION = "office_automation", _("办公自动化系统")
        WEBSITE = "website", _("网站")
        OTHER = "other", _("其他")

    class State(models.TextChoices):
        """Life of a system."""

        PLANNED = "planned", _("规划")
        BUILDING = "building", _("建设中")
        IN_SERVICE = "in_service", _("在用")
        RETIRED = "retired", _("停用")

    code = models.CharField(_("系统编号"), max_length=32, unique=True)
    name = models.CharField(_("系统名称"), max_length=100)
    kind = models.CharField(_("系统类别"), max_length=32, choices=Kind.choices, blank=True)
    managing_unit = models.ForeignKey("anzhang.Unit", models.PROTECT, verbose_name=_("管理单位"), related_name="systems_managed")
    responsible_unit = models.ForeignKey(
        "anzhang.Unit", models.PROTECT, verbose_name=_("安全责任单位"), related_name="systems_answered_for"
    )
    centrally_planned = models.BooleanField(_("纳入市局统一规划"), null=True, blank=True)
    management_level = models.CharField(_("管理级别"), max_length=16, blank=True, choices=[("bureau", _("市局级")), ("unit", _("单位级"))])
    protection_level = models.PositiveSmallIntegerField(_("等保级别"), null=True, blank=True)
    state = models.CharField(_("状态"), max_length=16, choices=State.choices, default=State.IN_SERVICE)
    version = models.PositiveIntegerField(_("版本"), default=1, editable=False)

    class Meta:
        verbose_name = _("信息系统")
        ordering = ("code",)
        constraints = (models.CheckConstraint(condition=Q(protection_level=None) | Q(protection_level__range=(1, 5)), name="level_1_to_5"),)

    def __str__(self) -> str:
        return self.name


class Account(Ledgered):
    """An account of a system, mapped to the person who holds it. `name` is what the logs call it."""

    class State(models.TextChoices):
        """Open or closed."""

        OPEN = "open", _("启用")
        CLOSED = "closed", _("停用")

    system = models.ForeignKey(System, models.PROTECT, verbose_name=_("信息系统"))
    name = models.CharField(_("账号"), max_length=64)
    person = models.ForeignKey("anzhang.Person", models.PROTECT, verbose_name=_("使用人"))
    state = models.CharField(_("状态"), max_length=16, choices=State.choices, default=State.OPEN)
    opened_on = models.DateField(_("启用日期"))
    closed_on = models.DateField(_("停用日期"), null=True, blank=True)
    # Held by the application itself, `person` keeps it. NULL is no: the digests of rows from before the column leave it out.
    of_application = models.BooleanField(_("应用程序专用"), null=True, blank=True)
    version = models.PositiveIntegerField(_("版本"), default=1, editable=False)

    class Meta:
        verbose_name = _("账号")
        ordering = ("system", "name")
        constraints = (models.UniqueConstraint(fields=["system", "name"], name="one_account_name_per_system"),)

    def __str__(self) -> str:
        return self.name
