"""Construction projects and the checklists on which their schemes were held against standards (Art. 8, 11)."""

from __future__ import annotations

from datetime import date
from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from anzhang.journal.models import Ledgered
from anzhang.organization import fields

__all__ = ["Project", "ProjectChecklist"]


class Project(Ledgered):
    """A construction project (建设项目): what a unit builds, how far it is, and the leading group's approval behind it.

    A stage is entered by the verb that asks the gate `project_approval`, and leaves its day here. `basis` is set by an approved case
    only; `covers_from` is the day from which on that case approves what was built before it was decided (补批).
    """

    class Kind(models.TextChoices):
        """What is built."""

        CONSTRUCTION = "construction", _("信息系统建设")
        RECONSTRUCTION = "reconstruction", _("信息系统改造")
        NETWORK = "network", _("网络建设改造")
        OTHER = "other", _("其他")

    class Stage(models.TextChoices):
        """How far it is."""

        PROPOSED = "proposed", _("拟建")
        INITIATED = "initiated", _("已立项")
        BUILDING = "under_construction", _("建设中")
        ACCEPTED = "accepted", _("已验收")
        CLOSED = "closed", _("已结项")
        CANCELLED = "cancelled", _("已取消")

    ENDED: ClassVar = (Stage.CLOSED, Stage.CANCELLED)
    NEXT: ClassVar = {
        Stage.PROPOSED: Stage.INITIATED, Stage.INITIATED: Stage.BUILDING, Stage.BUILDING: Stage.ACCEPTED, Stage.ACCEPTED: Stage.CLOSED,
    }  # fmt: skip
    DAYS: ClassVar = {  # the column that keeps the day of each stage
        Stage.INITIATED: "initiated_on", Stage.BUILDING: "started_on", Stage.ACCEPTED: "accepted_on", Stage.CLOSED: "ended_on",
        Stage.CANCELLED: "ended_on",
    }  # fmt: skip

    class Result(models.TextChoices):
        """What the protection review found."""

        PASSED = "passed", _("通过")
        FAILED = "failed", _("未通过")

    code = models.CharField(_("项目编号"), max_length=32, unique=True)
    name = models.CharField(_("项目名称"), max_length=200)
    kind = models.CharField(_("项目类别"), max_length=16, choices=Kind.choices)
    unit = models.ForeignKey("anzhang.Unit", models.PROTECT, verbose_name=_("建设单位"))
    person = models.ForeignKey("anzhang.Person", models.PROTECT, verbose_name=_("项目负责人"), related_name="projects")
    systems = models.JSONField(_("所建信息系统"), default=list, blank=True, validators=[fields.codes])  # codes
    devices = models.JSONField(
        _("所涉网络设备"), default=list, blank=True, validators=[fields.codes]
    )  # codes; may be changed while it is built
    protection_level = models.PositiveSmallIntegerField(_("拟定等保级别"), null=True, blank=True)
    stage = models.CharField(_("阶段"), max_length=24, choices=Stage.choices, default=Stage.PROPOSED)
    initiated_on = models.DateField(_("立项日期"), null=True, blank=True)
    contract_on = models.DateField(_("合同日期"), null=True, blank=True)
    started_on = models.DateField(_("开工日期"), null=True, blank=True)
    accepted_on = models.DateField(_("验收日期"), null=True, blank=True)
    ended_on = models.DateField(_("结项或取消日期"), null=True, blank=True)
    review_on = models.DateField(_("防护审查日期"), null=True, blank=True)
    review_result = models.CharField(_("防护审查结论"), max_length=16, choices=Result.choices, blank=True)
    reviewer = models.ForeignKey(
        "anzhang.Person", models.PROTECT, verbose_name=_("防护审查人"), null=True, blank=True, related_name="projects_reviewed"
    )
    basis = models.ForeignKey("anzhang.Approval", models.PROTECT, verbose_name=_("批准"), null=True, blank=True)
    covers_from = models.DateField(_("批准追溯自"), null=True, blank=True)
    version = models.PositiveIntegerField(_("版本"), default=1, editable=False)

    class Meta:
        verbose_name = _("建设项目")
        ordering = ("code",)
        indexes = (models.Index(fields=["unit", "stage"], name="project_unit"),)
        constraints = (
            models.CheckConstraint(
                condition=Q(protection_level=None) | Q(protection_level__range=(1, 5)),
                name="project_level_1_to_5",
                violation_error_message=_("等级为 1 至 5。"),
            ),
            models.CheckConstraint(
                condition=Q(stage="proposed", initiated_on=None, started_on=None, accepted_on=None, ended_on=None)
                | Q(stage="initiated", initiated_on__isnull=False, started_on=None, accepted_on=None, ended_on=None)
                | Q(stage="under_construction", initiated_on__isnull=False, started_on__isnull=False, accepted_on=None, ended_on=None)
                | Q(stage="accepted", initiated_on__isnull=False, started_on__isnull=False, accepted_on__isnull=False, ended_on=None)
                | Q(
                    stage="closed",
                    initiated_on__isnull=False,
                    started_on__isnull=False,
                    accepted_on__isnull=False,
                    ended_on__isnull=False,
                )
                | Q(stage="cancelled", ended_on__isnull=False),
                name="project_days_suit_its_stage",
                violation_error_message=_("到了哪个阶段，就写到哪个阶段的日期，后面的不写。"),
            ),
            models.CheckConstraint(
                condition=(Q(started_on=None) | Q(started_on__gte=F("initiated_on")))
                & (Q(accepted_on=None) | Q(accepted_on__gte=F("started_on")))
                & (Q(ended_on=None) | Q(accepted_on=None) | Q(ended_on__gte=F("accepted_on"))),
                name="project_days_in_order",
                violation_error_message=_("立项、开工、验收、结项的日期要依次不早于前一个。"),
            ),
            models.CheckConstraint(
                condition=Q(review_on=None, review_result="", reviewer=None)
                | (Q(review_on__isnull=False, reviewer__isnull=False) & ~Q(review_result="") & ~Q(reviewer=F("person"))),
                name="project_review_is_whole",
                violation_error_message=_("防护审查写明日期、结论和审查人；审查人不能是项目负责人。"),
            ),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def is_initiated(self) -> bool:
        """Whether it is past initiation and was not given up."""
        return self.stage not in {self.Stage.PROPOSED, self.Stage.CANCELLED}

    @property
    def next_stage(self) -> str | None:
        """Return the stage that follows, None for one that has ended."""
        return self.NEXT.get(self.Stage(self.stage))

    def entered_on(self, stage: str) -> date | None:
        """Return the day on which a stage was entered, as kept."""
        column = self.DAYS.get(self.Stage(stage))
        found: date | None = getattr(self, column) if column else None
        return found


class ProjectChecklist(Ledgered):
    """A scheme held against standards, point by point, and signed by two people (A11.3).

    `standards` are codes of legal bases, each one version of a standard. Whoever prepared the list signs nothing. One that was signed
    before it came here says so (`on_paper`).
    """

    NAMED_BY: ClassVar = ("project",)

    code = models.CharField(_("核对表编号"), max_length=32, unique=True)
    project = models.ForeignKey(Project, models.PROTECT, verbose_name=_("建设项目"), related_name="checklists")
    scheme_title = models.CharField(_("建设方案"), max_length=200)
    scheme_on = models.DateField(_("方案日期"))
    standards = models.JSONField(_("所依标准"), validators=[fields.some_codes])
    points = models.JSONField(_("逐条核对"), default=list, blank=True, validators=[fields.points])
    prepared_by = models.ForeignKey(
        "anzhang.Person", models.PROTECT, verbose_name=_("编制人"), null=True, blank=True, related_name="checklists_prepared"
    )
    first_signer = models.ForeignKey(
        "anzhang.Person", models.PROTECT, verbose_name=_("第一签字人"), null=True, blank=True, related_name="checklists_signed_first"
    )
    first_signed_on = models.DateField(_("第一签字日期"), null=True, blank=True)
    second_signer = models.ForeignKey(
        "anzhang.Person", models.PROTECT, verbose_name=_("第二签字人"), null=True, blank=True, related_name="checklists_signed_second"
    )
    second_signed_on = models.DateField(_("第二签字日期"), null=True, blank=True)
    on_paper = models.BooleanField(_("纸质补录"), default=False)
    version = models.PositiveIntegerField(_("版本"), default=1, editable=False)

    class Meta:
        verbose_name = _("方案核对表")
        ordering = ("project", "code")
        constraints = (
            models.CheckConstraint(
                condition=Q(first_signer=None, first_signed_on=None, second_signer=None, second_signed_on=None)
                | Q(first_signer__isnull=False, first_signed_on__isnull=False, second_signer=None, second_signed_on=None)
                | (
                    Q(first_signer__isnull=False, first_signed_on__isnull=False, second_signer__isnull=False)
                    & Q(second_signed_on__gte=F("first_signed_on"))
                    & ~Q(second_signer=F("first_signer"))
                ),
                name="checklist_signed_by_two",
                violation_error_message=_("两次签字依次写明签字人和日期，第二签字人不能是第一签字人。"),
            ),
        )

    def __str__(self) -> str:
        return f"{self.code} {self.scheme_title}"

    @property
    def is_signed(self) -> bool:
        """Whether two different people have signed."""
        return self.second_signer_id is not None and self.second_signer_id != self.first_signer_id
