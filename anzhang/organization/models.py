"""Officers, filings, policy documents, training, responsibility statements; decisions, directives, inspections (Art. 3-6)."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from anzhang.directory.models import Bitemporal
from anzhang.journal.models import Ledgered

__all__ = [
    "ControlMeasure",
    "Decision",
    "Directive",
    "Filing",
    "Inspection",
    "Officer",
    "PlanItem",
    "PolicyDocument",
    "ResponsibilityStatement",
    "TrainingRecord",
]


class Officer(Bitemporal):
    """A unit's security officer (Art. 5). An authority register: changed only by an approved case."""

    NAMED_BY: ClassVar = ("unit", "person")  # what `str` reads

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
        ROOM_MANAGEMENT = "room_management", _("机房管理制度")
        DUTY = "duty", _("值班制度")
        EQUIPMENT_REGISTRATION = "equipment_registration", _("设备登记制度")
        DATABASE = "database", _("数据库管理制度")
        INCIDENT_REPORTING = "incident_reporting", _("事件报告制度")
        # Construction (Art. 11): approved by the leading group, route `construction_policy`.
        DEVELOPMENT_POLICY = "development_policy", _("开发制度")
        INTEGRATION_POLICY = "integration_policy", _("集成制度")
        MAINTENANCE_POLICY = "maintenance_policy", _("维护制度")
        DEVELOPMENT_PROCEDURE = "development_procedure", _("开发操作规程")
        INTEGRATION_PROCEDURE = "integration_procedure", _("集成操作规程")
        MAINTENANCE_PROCEDURE = "maintenance_procedure", _("维护操作规程")

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


class ResponsibilityStatement(Ledgered):
    """A responsibility statement (责任书) of a person for a unit and term: handed out, signed, countersigned by the level above (Art. 4).

    `on_paper` marks one that was signed outside the platform and entered by the Office; the platform did not see the hands.
    """

    number = models.CharField(_("责任书编号"), max_length=48, unique=True)
    term = models.CharField(_("责任期"), max_length=16)
    unit = models.ForeignKey("anzhang.Unit", models.PROTECT, verbose_name=_("单位"))
    person = models.ForeignKey("anzhang.Person", models.PROTECT, verbose_name=_("责任人"))
    duties = models.TextField(_("责任内容"), max_length=2000)
    issued_at = models.DateTimeField(_("下发时间"))
    signed_at = models.DateTimeField(_("签字时间"), null=True, blank=True)
    superior = models.ForeignKey(
        "anzhang.Person", models.PROTECT, verbose_name=_("上一级签字人"), null=True, blank=True, related_name="statements_countersigned"
    )
    countersigned_at = models.DateTimeField(_("上一级签字时间"), null=True, blank=True)
    on_paper = models.BooleanField(_("纸质补录"), default=False)
    version = models.PositiveIntegerField(_("版本"), default=1, editable=False)

    class Meta:
        verbose_name = _("责任书")
        ordering = ("-term", "unit", "pk")
        indexes = (models.Index(fields=["person", "unit", "countersigned_at"], name="statement_person"),)
        constraints = (
            models.UniqueConstraint(fields=["person", "unit", "term"], name="one_statement_per_term"),
            models.CheckConstraint(condition=Q(countersigned_at=None) | Q(signed_at__isnull=False), name="signed_before_countersigned"),
            models.CheckConstraint(condition=Q(superior=None) | ~Q(superior=models.F("person")), name="nobody_countersigns_their_own"),
        )

    def __str__(self) -> str:
        return f"{self.number} {self.person}"

    @property
    def stage(self) -> str:
        """Return whose turn it is: issued (to be signed), signed (to be countersigned), in_force."""
        return "in_force" if self.countersigned_at else "signed" if self.signed_at else "issued"


class Decision(Ledgered):
    """A resolution of the leading group with the minutes of its meeting (Art. 4). Recorded when the vote has passed."""

    number = models.CharField(_("决议编号"), max_length=32, unique=True)
    title = models.CharField(_("议题"), max_length=200)
    resolution = models.TextField(_("决议内容"), max_length=2000)
    case = models.OneToOneField("anzhang.Case", models.PROTECT, verbose_name=_("表决事项"), related_name="decision")
    about = models.ForeignKey(
        "anzhang.Case", models.PROTECT, verbose_name=_("所议事项"), null=True, blank=True, related_name="decisions_about"
    )
    members = models.PositiveSmallIntegerField(_("应到人数"))
    agreed = models.PositiveSmallIntegerField(_("同意人数"))
    decided_at = models.DateTimeField(_("议定时间"))
    held_on = models.DateField(_("会议日期"), null=True, blank=True)
    chair = models.ForeignKey("anzhang.Person", models.PROTECT, verbose_name=_("主持人"), null=True, blank=True, related_name="+")
    present = models.JSONField(_("出席人员"), default=list, blank=True)  # codes of people
    minutes = models.TextField(_("会议纪要"), max_length=10000, blank=True)
    minuted_at = models.DateTimeField(_("纪要登记时间"), null=True, blank=True)
    minuted_by = models.ForeignKey("anzhang.Person", models.PROTECT, verbose_name=_("记录人"), null=True, blank=True, related_name="+")
    version = models.PositiveIntegerField(_("版本"), default=1, editable=False)

    class Meta:
        verbose_name = _("决议")
        ordering = ("-decided_at", "pk")

    def __str__(self) -> str:
        return f"{self.number} {self.title}"


class Directive(Ledgered):
    """One unit's part of a deployment (工作部署): what to do, by when, what came of it and what proves it (Art. 4)."""

    class State(models.TextChoices):
        """Where the item stands."""

        OPEN = "open", _("办理中")
        REPORTED = "reported", _("已报送")
        FINISHED = "finished", _("已办结")
        WITHDRAWN = "withdrawn", _("已撤销")

    number = models.CharField(_("部署编号"), max_length=32, unique=True)
    title = models.CharField(_("部署事项"), max_length=200)
    content = models.TextField(_("工作要求"), max_length=4000)
    unit = models.ForeignKey("anzhang.Unit", models.PROTECT, verbose_name=_("承办单位"))
    basis = models.ForeignKey(Decision, models.PROTECT, verbose_name=_("依据决议"), null=True, blank=True)
    issued_at = models.DateTimeField(_("部署时间"))
    issued_by = models.ForeignKey("anzhang.Person", models.PROTECT, verbose_name=_("部署人"), null=True, blank=True, related_name="+")
    due_on = models.DateField(_("办结期限"))
    state = models.CharField(_("状态"), max_length=16, choices=State.choices, default=State.OPEN)
    result = models.TextField(_("办理结果"), max_length=4000, blank=True)
    evidence = models.CharField(_("办结凭据"), max_length=500, blank=True)  # document number, file name with its digest, link
    reported_at = models.DateTimeField(_("报送时间"), null=True, blank=True)
    reported_by = models.ForeignKey("anzhang.Person", models.PROTECT, verbose_name=_("报送人"), null=True, blank=True, related_name="+")
    remark = models.CharField(_("办公室意见"), max_length=500, blank=True)
    finished_at = models.DateTimeField(_("办结时间"), null=True, blank=True)
    reminded_at = models.DateTimeField(_("最近督办"), null=True, blank=True)
    version = models.PositiveIntegerField(_("版本"), default=1, editable=False)

    class Meta:
        verbose_name = _("工作部署")
        ordering = ("due_on", "pk")
        indexes = (
            models.Index(fields=["state", "due_on"], name="directive_due"),
            models.Index(fields=["unit", "state", "due_on"], name="directive_unit"),
        )

    def __str__(self) -> str:
        return f"{self.number} {self.title}"


class PlanItem(Ledgered):
    """One item of a year's unified plan (统一规划): what is built or done, by which unit, who answers, by when, what proves it (Art. 4)."""

    FURTHEST: ClassVar = 5  # years before and after this one that a plan may be for

    class State(models.TextChoices):
        """Where the item stands."""

        OPEN = "open", _("实施中")
        COMPLETED = "completed", _("已完成")
        DROPPED = "dropped", _("已调出规划")

    number = models.CharField(_("规划编号"), max_length=32, unique=True)
    year = models.PositiveSmallIntegerField(_("规划年度"))
    title = models.CharField(_("规划事项"), max_length=200)
    content = models.TextField(_("建设内容和要求"), max_length=4000)
    unit = models.ForeignKey("anzhang.Unit", models.PROTECT, verbose_name=_("牵头单位"))
    owner = models.ForeignKey("anzhang.Person", models.PROTECT, verbose_name=_("责任人"), null=True, blank=True, related_name="+")
    due_on = models.DateField(_("完成期限"))
    basis = models.ForeignKey(Decision, models.PROTECT, verbose_name=_("依据决议"), null=True, blank=True)
    entered_at = models.DateTimeField(_("登记时间"))
    entered_by = models.ForeignKey("anzhang.Person", models.PROTECT, verbose_name=_("登记人"), null=True, blank=True, related_name="+")
    state = models.CharField(_("状态"), max_length=16, choices=State.choices, default=State.OPEN)
    result = models.TextField(_("完成情况"), max_length=4000, blank=True)
    evidence = models.CharField(_("完成凭据"), max_length=500, blank=True)  # document number, link
    completed_at = models.DateTimeField(_("完成时间"), null=True, blank=True)
    completed_by = models.ForeignKey("anzhang.Person", models.PROTECT, verbose_name=_("填报人"), null=True, blank=True, related_name="+")
    remark = models.CharField(_("办公室意见"), max_length=500, blank=True)
    version = models.PositiveIntegerField(_("版本"), default=1, editable=False)

    class Meta:
        verbose_name = _("规划事项")
        ordering = ("-year", "due_on", "pk")
        indexes = (
            models.Index(fields=["year", "state", "due_on"], name="plan_item_year"),
            models.Index(fields=["unit", "state", "due_on"], name="plan_item_unit"),
        )

    def __str__(self) -> str:
        return f"{self.number} {self.title}"


class Inspection(Ledgered):
    """A supervision visit to a unit, the notice (整改通知) that followed and the unit's reply (Art. 4)."""

    class Form(models.TextChoices):
        """How the unit was inspected."""

        ON_SITE = "on_site", _("现场检查")
        REMOTE = "remote", _("远程检查")
        DOCUMENTS = "documents", _("书面检查")

    number = models.CharField(_("检查编号"), max_length=32, unique=True)
    unit = models.ForeignKey("anzhang.Unit", models.PROTECT, verbose_name=_("受检单位"))
    inspected_on = models.DateField(_("检查日期"))
    form = models.CharField(_("检查方式"), max_length=16, choices=Form.choices, default=Form.ON_SITE)
    inspector = models.ForeignKey("anzhang.Person", models.PROTECT, verbose_name=_("检查人"), null=True, blank=True, related_name="+")
    result = models.TextField(_("检查情况"), max_length=4000)
    notice = models.TextField(_("整改通知"), max_length=4000, blank=True)
    notified_at = models.DateTimeField(_("通知时间"), null=True, blank=True)
    reply_due_on = models.DateField(_("回复期限"), null=True, blank=True)
    reply = models.TextField(_("单位回复"), max_length=4000, blank=True)
    replied_at = models.DateTimeField(_("回复时间"), null=True, blank=True)
    replied_by = models.ForeignKey("anzhang.Person", models.PROTECT, verbose_name=_("回复人"), null=True, blank=True, related_name="+")
    remark = models.CharField(_("办公室意见"), max_length=500, blank=True)
    accepted_at = models.DateTimeField(_("认可时间"), null=True, blank=True)
    version = models.PositiveIntegerField(_("版本"), default=1, editable=False)

    class Meta:
        verbose_name = _("监督检查")
        ordering = ("-inspected_on", "-pk")
        indexes = (
            models.Index(fields=["unit", "-inspected_on"], name="inspection_unit"),
            models.Index(fields=["-inspected_on", "-id"], name="inspection_newest"),
        )
        constraints = (
            models.CheckConstraint(condition=Q(notified_at=None) | Q(reply_due_on__isnull=False), name="a_notice_names_its_reply_date"),
        )

    def __str__(self) -> str:
        return f"{self.number} {self.unit}"

    @property
    def stage(self) -> str:
        """Return where it stands: done (no notice), notified (the unit owes a reply), replied, accepted."""
        if self.notified_at is None:
            return "done"
        return "accepted" if self.accepted_at else "replied" if self.replied_at else "notified"


class ControlMeasure(Ledgered):
    """A protection measure: what a grade asks of every object of a kind, or what one object does about it, proved on a day (Art. 8).

    A row without object is the requirement: `level` says from which grade on. A row with an object says how that object meets the
    requirement `requirement`, when that was last proved and by what.
    """

    class Kind(models.TextChoices):
        """What is protected."""

        ROOM = "machine_room", _("机房")
        SYSTEM = "system", _("信息系统")

    code = models.CharField(_("措施编号"), max_length=32, unique=True)
    name = models.CharField(_("措施"), max_length=200)
    kind = models.CharField(_("对象类别"), max_length=16, choices=Kind.choices)
    level = models.PositiveSmallIntegerField(_("自几级起要求"), null=True, blank=True)
    requirement = models.ForeignKey("self", models.PROTECT, verbose_name=_("所落实的要求"), null=True, blank=True)
    room = models.ForeignKey("anzhang.MachineRoom", models.PROTECT, verbose_name=_("机房"), null=True, blank=True)
    system = models.ForeignKey("anzhang.System", models.PROTECT, verbose_name=_("信息系统"), null=True, blank=True)
    unit = models.ForeignKey("anzhang.Unit", models.PROTECT, verbose_name=_("单位"))
    proved_on = models.DateField(_("最近证明日期"), null=True, blank=True)
    valid_until = models.DateField(_("证明有效期至"), null=True, blank=True)  # the last day; of a room the days after its proof count
    proof = models.CharField(_("证明"), max_length=500, blank=True)  # document number, report, link
    version = models.PositiveIntegerField(_("版本"), default=1, editable=False)

    class Meta:
        verbose_name = _("防护措施")
        ordering = ("code",)
        indexes = (models.Index(fields=["kind", "level"], name="control_measure_level"),)
        constraints = (
            models.CheckConstraint(condition=Q(level=None) | Q(level__range=(1, 5)), name="measure_level_1_to_5"),
            models.CheckConstraint(
                condition=Q(requirement=None, level__isnull=False, room=None, system=None, proved_on=None)
                | Q(requirement__isnull=False, level=None, kind="machine_room", room__isnull=False, system=None)
                | Q(requirement__isnull=False, level=None, kind="system", room=None, system__isnull=False),
                name="measure_is_requirement_or_its_fulfilment",
                violation_error_message=_("要求只写自几级起；落实措施写所落实的要求和与对象类别相应的机房或信息系统，不写级别。"),
            ),
            models.CheckConstraint(
                condition=Q(proved_on=None) | ~Q(proof=""),
                name="measure_proof_says_what",
                violation_error_message=_("填写证明日期的，要写明证明。"),
            ),
            models.CheckConstraint(
                condition=Q(valid_until=None) | Q(proved_on__isnull=False, valid_until__gte=models.F("proved_on")),
                name="measure_proof_lasts",
                violation_error_message=_("证明有效期不早于证明日期。"),
            ),
        )

    def __str__(self) -> str:
        return self.name
