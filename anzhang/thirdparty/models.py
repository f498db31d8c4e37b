"""Outside bodies (Art. 3, 21): who they are, what they do here, which unit answers for them."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from anzhang.journal.models import Ledgered

__all__ = ["Provider"]


class Provider(Ledgered):
    """A body outside the bureau that uses its network or information; its people are rows of `person`."""

    class Kind(models.TextChoices):
        """What sort of body it is."""

        COMPANY = "company", _("企业")
        PUBLIC_BODY = "public_body", _("机关和事业单位")
        BANK = "bank", _("银行和经办网点")
        HOSPITAL = "hospital", _("医疗机构")
        OTHER = "other", _("其他机构")

    code = models.CharField(_("机构编号"), max_length=32, unique=True)
    name = models.CharField(_("机构名称"), max_length=100)
    kind = models.CharField(_("机构类别"), max_length=16, choices=Kind.choices)
    credit_code = models.CharField(_("统一社会信用代码"), max_length=18, blank=True)
    unit = models.ForeignKey("anzhang.Unit", models.PROTECT, verbose_name=_("归口单位"))
    purpose = models.CharField(_("使用网络或信息的事由"), max_length=200)
    contact = models.CharField(_("联系人"), max_length=50, blank=True)
    phone = models.CharField(_("联系电话"), max_length=32, blank=True)
    began_on = models.DateField(_("起始日期"))
    ended_on = models.DateField(_("终止日期"), null=True, blank=True)  # the first day that it no longer works here
    version = models.PositiveIntegerField(_("版本"), default=1, editable=False)

    class Meta:
        verbose_name = _("第三方机构")
        ordering = ("code",)
        constraints = (models.CheckConstraint(condition=Q(ended_on=None) | Q(ended_on__gte=F("began_on")), name="provider_ends_later"),)

    def __str__(self) -> str:
        return self.name
