"""Assessments of systems, outside connections and the bureau (Art. 10, 27)."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from anzhang.journal.models import Ledgered
from anzhang.systems.fields import digest

__all__ = ["Assessment"]


class Assessment(Ledgered):
    """What was assessed, by whom, when it was concluded, with what result, and until when that holds.

    `subject` is the code of an interconnection or a system; an assessment of the bureau names none. Before `concluded_at` nothing
    was passed.
    """

    class Kind(models.TextChoices):
        """What is looked at."""

        INTERCONNECTION = "interconnection", _("对外互联评估")
        SYSTEM = "system", _("信息系统评估")
        BUREAU = "bureau", _("全局评估")

    class Result(models.TextChoices):
        """What came out."""

        PASSED = "passed", _("通过")
        CONDITIONAL = "conditional", _("有条件通过")
        FAILED = "failed", _("未通过")

    code = models.CharField(_("评估编号"), max_length=32, unique=True)
    kind = models.CharField(_("评估类别"), max_length=16, choices=Kind.choices)
    title = models.CharField(_("评估名称"), max_length=200)
    unit = models.ForeignKey("anzhang.Unit", models.PROTECT, verbose_name=_("组织单位"))
    subject = models.CharField(_("评估对象编号"), max_length=32, blank=True)
    performed_from = models.DateField(_("评估起始日期"))
    performed_to = models.DateField(_("评估结束日期"))
    assessor = models.ForeignKey("anzhang.Person", models.PROTECT, verbose_name=_("评估人"), null=True, blank=True, related_name="+")
    provider = models.ForeignKey("anzhang.Provider", models.PROTECT, verbose_name=_("评估机构"), null=True, blank=True)
    concluded_at = models.DateTimeField(_("结论时间"), null=True, blank=True)
    result = models.CharField(_("评估结论"), max_length=16, choices=Result.choices, blank=True)
    report_sha256 = models.CharField(_("报告文件摘要"), max_length=64, blank=True, validators=[digest])
    valid_until = models.DateField(_("有效期至"), null=True, blank=True)
    version = models.PositiveIntegerField(_("版本"), default=1, editable=False)

    class Meta:
        verbose_name = _("安全评估")
        ordering = ("-performed_to", "code")
        indexes = (models.Index(fields=["kind", "subject"], name="assessment_subject"),)
        constraints = (
            models.CheckConstraint(
                condition=Q(performed_to__gte=F("performed_from")),
                name="assessment_ends_after_start",
                violation_error_message=_("结束日期不早于起始日期。"),
            ),
            models.CheckConstraint(
                condition=Q(kind="bureau", subject="") | (~Q(kind="bureau") & ~Q(subject="")),
                name="assessment_names_its_subject",
                violation_error_message=_("对外互联和信息系统的评估写对象编号，全局评估不写。"),
            ),
            models.CheckConstraint(
                condition=Q(assessor__isnull=False) | Q(provider__isnull=False),
                name="assessment_names_who",
                violation_error_message=_("写明评估人或评估机构。"),
            ),
            models.CheckConstraint(
                condition=Q(concluded_at=None, result="", valid_until=None) | (Q(concluded_at__isnull=False) & ~Q(result="")),
                name="assessment_concluded_with_result",
                violation_error_message=_("结论和结论时间一起写；有结论才写有效期。"),
            ),
        )

    def __str__(self) -> str:
        return self.title
