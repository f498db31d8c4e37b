"""Cases, approvals, findings, verdicts, notices, holidays and the imported text."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from anzhang.directory.models import Bitemporal
from anzhang.journal.models import Ledgered

__all__ = [
    "Act",
    "Approval",
    "Case",
    "Finding",
    "Holiday",
    "Interpretation",
    "Notice",
    "OfficialSentence",
    "RegulationVersion",
    "Schedule",
    "Todo",
    "Verdict",
]


class Case(Ledgered):
    """A request on its way through a route; the route's rules are frozen in `rules` at filing."""

    class State(models.TextChoices):
        """Where the case stands."""

        OPEN = "open", _("办理中")
        RETURNED = "returned", _("已退回")
        APPROVED = "approved", _("已办结")
        REFUSED = "refused", _("不予批准")
        WITHDRAWN = "withdrawn", _("已撤回")
        REVOKED = "revoked", _("批准已撤销")

    number = models.CharField(_("事项编号"), max_length=32, unique=True)
    route = models.CharField(_("流程"), max_length=64)
    title = models.CharField(_("事项"), max_length=200)
    rules = models.JSONField(_("流程规则"))
    form = models.JSONField(_("申请内容"))
    unit = models.ForeignKey("anzhang.Unit", models.PROTECT, verbose_name=_("申请单位"))
    applicant = models.ForeignKey("anzhang.Person", models.PROTECT, verbose_name=_("申请人"))
    state = models.CharField(_("状态"), max_length=16, choices=State.choices, default=State.OPEN)
    round = models.PositiveSmallIntegerField(_("轮次"), default=1)
    step = models.PositiveSmallIntegerField(_("环节"), default=0)
    opening = models.JSONField(_("环节人选"), default=dict, blank=True)  # who may act in this step, how many must: eligibility.Panel
    fault = models.CharField(_("无法办理的原因"), max_length=32, blank=True)  # too_few, role_vacant: nobody can pass the step
    filed_at = models.DateTimeField(_("提出时间"))
    due_at = models.DateTimeField(_("办结时限"), null=True, blank=True)
    decided_at = models.DateTimeField(_("办结时间"), null=True, blank=True)
    # Acted first, to be regularized (补批) until then; NULL for every other case.
    emergency_until = models.DateTimeField(_("补批时限"), null=True, blank=True)

    class Meta:
        verbose_name = _("事项")
        ordering = ("-filed_at", "pk")
        indexes = (
            models.Index(fields=["state", "due_at"], name="case_due"),
            models.Index(fields=["unit", "-filed_at"], name="case_unit"),
            models.Index(fields=["-filed_at", "id"], name="case_newest"),
            models.Index(fields=["applicant", "-filed_at"], name="case_applicant"),
            models.Index(fields=["title", "number"], name="case_searched"),  # a search counts without reading rules and forms
            models.Index(fields=["filed_at"], name="case_stuck", condition=~Q(fault="")),
            models.Index(fields=["emergency_until"], name="case_emergency", condition=Q(emergency_until__isnull=False)),
        )

    def __str__(self) -> str:
        return f"{self.title} {self.number}"


class Todo(models.Model):
    """One person's turn at one step (待办; closed = 已办).

    Follows from the case: who may act is in `Case.opening`, which the ledger keeps, so an invented row here lets nobody decide.
    """

    class Outcome(models.TextChoices):
        """How it ended."""

        PENDING = "", _("待办")
        DONE = "done", _("已办")
        DROPPED = "dropped", _("已由他人办结")
        DELEGATED = "delegated", _("已转办")

    case = models.ForeignKey(Case, models.PROTECT, verbose_name=_("事项"), related_name="todos")
    round = models.PositiveSmallIntegerField(_("轮次"))
    step = models.PositiveSmallIntegerField(_("环节"))
    person = models.ForeignKey("anzhang.Person", models.PROTECT, verbose_name=_("办理人"))
    opened_at = models.DateTimeField(_("到达时间"))
    due_at = models.DateTimeField(_("办结时限"))
    closed_at = models.DateTimeField(_("办结时间"), null=True, blank=True)
    outcome = models.CharField(_("结果"), max_length=16, choices=Outcome.choices, blank=True)
    principal = models.ForeignKey("anzhang.Person", models.PROTECT, verbose_name=_("代谁办理"), related_name="+", null=True, blank=True)
    escalated = models.PositiveSmallIntegerField(_("催办级别"), default=0)  # escalation.Stage

    class Meta:
        verbose_name = _("待办")
        ordering = ("due_at", "pk")
        indexes = (
            models.Index(fields=["person", "closed_at", "due_at"], name="todo_person"),
            models.Index(fields=["escalated", "due_at"], name="todo_escalation", condition=Q(closed_at=None)),
        )
        constraints = (models.UniqueConstraint(fields=["case", "round", "step", "person"], name="one_todo_per_person_and_step"),)


class Act(Ledgered):
    """What somebody did to a case; append-only."""

    class Verb(models.TextChoices):
        """What may be done to a case."""

        FILE = "file", _("提出")
        AGREE = "agree", _("同意")
        REFUSE = "refuse", _("不同意")
        SEND_BACK = "send_back", _("退回")
        RESUBMIT = "resubmit", _("重新提交")
        WITHDRAW = "withdraw", _("撤回")
        DELEGATE = "delegate", _("转办")
        TAKE_BACK = "take_back", _("收回转办")
        ADD_SIGNER = "add_signer", _("加签")
        REVOKE = "revoke", _("撤销批准")

    class Placement(models.TextChoices):
        """When an added signer signs: before the people of the step, or after them."""

        BEFORE = "before", _("前加签")
        AFTER = "after", _("后加签")

    case = models.ForeignKey(Case, models.PROTECT, verbose_name=_("事项"), related_name="acts")
    round = models.PositiveSmallIntegerField(_("轮次"))
    step = models.PositiveSmallIntegerField(_("环节"))
    verb = models.CharField(_("办理"), max_length=16, choices=Verb.choices)
    person = models.ForeignKey("anzhang.Person", models.PROTECT, verbose_name=_("办理人"))
    opinion = models.CharField(_("意见"), max_length=1000, blank=True)
    form = models.JSONField(_("申请内容"), null=True, blank=True)  # what was asked, kept with filing and resubmitting
    target = models.ForeignKey("anzhang.Person", models.PROTECT, verbose_name=_("转办或加签给"), related_name="+", null=True, blank=True)
    principal = models.ForeignKey("anzhang.Person", models.PROTECT, verbose_name=_("代谁办理"), related_name="+", null=True, blank=True)
    placement = models.CharField(_("加签方式"), max_length=8, choices=Placement.choices, null=True, blank=True)  # noqa: DJ001  # digests
    at = models.DateTimeField(_("时间"))

    class Meta:
        verbose_name = _("办理记录")
        ordering = ("at", "pk")
        constraints = (
            models.UniqueConstraint(
                fields=["case", "round", "step", "person"], condition=Q(verb__in=["agree", "refuse"]), name="one_vote_per_person_and_step"
            ),
        )


class Approval(Bitemporal):
    """What was granted: kind, scope, validity. The gates read it. Written only when a case passes."""

    NAMED_BY = ("case",)

    kind = models.CharField(_("批准种类"), max_length=64)

    class Origin(models.TextChoices):
        """How it came to be, where not by the last signature of its route."""

        EMERGENCY = "emergency", _("应急先行")
        REGULARIZED = "regularized", _("补批")
        PAPER = "paper", _("纸质补录")

    case = models.ForeignKey(Case, models.PROTECT, verbose_name=_("事项"), related_name="approvals")
    scope = models.JSONField(_("范围"))
    authority = models.CharField(_("批准机关"), max_length=32)
    # NULL is left out of a row's digest, so that approvals of an earlier release keep theirs.
    origin = models.CharField(_("来源"), max_length=16, choices=Origin.choices, null=True, blank=True)  # noqa: DJ001
    scan_sha256 = models.CharField(_("扫描件摘要"), max_length=64, null=True, blank=True)  # noqa: DJ001
    revoked_at = models.DateTimeField(_("撤销时间"), null=True, blank=True)
    warned_at = models.DateTimeField(_("到期提醒时间"), null=True, blank=True)
    expired_at = models.DateTimeField(_("到期处理时间"), null=True, blank=True)

    class Meta:
        verbose_name = _("审批")
        ordering = ("-valid_from", "pk")
        indexes = (
            models.Index(fields=["kind", "valid_from"], name="approval_kind"),
            models.Index(fields=["valid_to"], name="approval_ends", condition=Q(expired_at=None, superseded_at=None)),
        )
        constraints = (models.UniqueConstraint(fields=["case"], condition=Q(superseded_at=None), name="one_approval_per_case"),)

    def __str__(self) -> str:
        return self.case.number


class Verdict(models.Model):
    """The state of one obligation for one unit; `unit` is null where the bureau as a whole answers.

    A new row is written when state, reason or population changes and once a day; else only `checked_at` moves.
    """

    class State(models.TextChoices):
        """DESIGN 3."""

        MET = "met", _("符合")
        BREACH = "breach", _("不符合")
        UNKNOWN = "unknown", _("未知")
        NOT_APPLICABLE = "not_applicable", _("不适用")

    obligation = models.CharField(_("义务"), max_length=16)
    unit = models.ForeignKey("anzhang.Unit", models.PROTECT, verbose_name=_("责任单位"), null=True, blank=True)
    state = models.CharField(_("结论"), max_length=16, choices=State.choices)
    proof = models.CharField(_("证明方式"), max_length=16)
    why = models.JSONField(_("理由"))  # {"code": str, "params": {...}}
    population = models.PositiveIntegerField(_("对象数"), default=0)
    breaches = models.PositiveIntegerField(_("不符合数"), default=0)
    coverage = models.FloatField(_("覆盖率"), null=True, blank=True)
    provisional = models.BooleanField(_("暂行"), default=False)
    since = models.DateTimeField(_("起始时间"))
    checked_at = models.DateTimeField(_("核对时间"))
    current = models.BooleanField(_("当前"), default=True)

    class Meta:
        verbose_name = _("结论")
        constraints = (
            models.UniqueConstraint(
                fields=["obligation", "unit"], condition=Q(current=True), name="one_current_verdict", nulls_distinct=False
            ),
        )
        indexes = (models.Index(fields=["obligation", "unit", "-since"], name="verdict_history"),)


class Finding(Ledgered):
    """A difference between what is owed and what is, kept until a check measures that it is gone."""

    LEDGER_EXCLUDE: ClassVar[frozenset[str]] = frozenset({"last_seen_at"})

    class State(models.TextChoices):
        """DESIGN 9. Only a check closes."""

        OPEN = "open", _("待整改")
        PLANNED = "planned", _("整改中")
        REGULARIZED = "regularized", _("已补批")
        WAIVED = "waived", _("已豁免")
        CLOSED = "closed", _("已消除")

    number = models.CharField(_("问题编号"), max_length=32, unique=True)
    obligation = models.CharField(_("义务"), max_length=16)
    subject = models.CharField(_("对象"), max_length=128)  # stable key, e.g. "unit:JYC"
    subject_label = models.CharField(_("对象名称"), max_length=200)
    fingerprint = models.CharField(_("指纹"), max_length=64)
    severity = models.CharField(_("严重程度"), max_length=16)
    state = models.CharField(_("状态"), max_length=16, choices=State.choices, default=State.OPEN)
    reason = models.JSONField(_("原因"))  # {"code": str, "params": {...}}
    evidence = models.JSONField(_("证据"), default=list)
    unit = models.ForeignKey("anzhang.Unit", models.PROTECT, verbose_name=_("责任单位"), null=True, blank=True)
    person = models.ForeignKey("anzhang.Person", models.PROTECT, verbose_name=_("责任人"), null=True, blank=True)
    plan = models.CharField(_("整改措施"), max_length=1000, blank=True)
    planned_on = models.DateField(_("计划完成日期"), null=True, blank=True)
    waiver = models.ForeignKey(Approval, models.PROTECT, verbose_name=_("豁免批准"), related_name="+", null=True, blank=True)
    waived_until = models.DateTimeField(_("豁免至"), null=True, blank=True)
    opened_at = models.DateTimeField(_("发现时间"))
    due_at = models.DateTimeField(_("整改时限"))
    last_seen_at = models.DateTimeField(_("最近核对"))
    closed_at = models.DateTimeField(_("消除时间"), null=True, blank=True)
    reopened = models.PositiveSmallIntegerField(_("复发次数"), default=0)

    class Meta:
        verbose_name = _("问题")
        ordering = ("due_at", "pk")
        indexes = (
            models.Index(fields=["state", "due_at"], name="finding_due"),
            models.Index(fields=["unit", "state", "due_at"], name="finding_unit"),
            # The list by deadline walks this one; state and obligation are in it so that what is not shown is never fetched.
            models.Index(fields=["due_at", "id", "state", "obligation"], name="finding_list"),
            models.Index(fields=["subject_label", "number", "state"], name="finding_searched"),  # a search counts without reading evidence
        )
        constraints = (
            models.UniqueConstraint(fields=["fingerprint"], condition=~Q(state="closed"), name="one_active_finding_per_fingerprint"),
        )


class Notice(Ledgered):
    """A message in somebody's inbox: a link and a code, no sensitive content. Written with the act that causes it."""

    LEDGER_EXCLUDE: ClassVar[frozenset[str]] = frozenset({"read_at"})

    person = models.ForeignKey("anzhang.Person", models.PROTECT, verbose_name=_("收件人"))
    code = models.CharField(_("种类"), max_length=64)
    params = models.JSONField(_("内容"), default=dict)
    link = models.CharField(_("链接"), max_length=200)
    created_at = models.DateTimeField(_("发出时间"))
    read_at = models.DateTimeField(_("阅读时间"), null=True, blank=True)

    class Meta:
        verbose_name = _("通知")
        ordering = ("-created_at", "pk")
        indexes = (models.Index(fields=["person", "read_at", "-created_at"], name="notice_inbox"),)


class Holiday(Ledgered):
    """A day that differs from its weekday: a holiday, or a weekend day worked (调休)."""

    day = models.DateField(_("日期"), unique=True)
    is_workday = models.BooleanField(_("上班"))
    name = models.CharField(_("名称"), max_length=50)
    version = models.PositiveIntegerField(_("版本"), default=1, editable=False)

    class Meta:
        verbose_name = _("节假日")
        ordering = ("day",)


class Interpretation(Bitemporal):
    """A signed value of an open word (Art. 35)."""

    parameter = models.CharField(_("参数"), max_length=64)
    value = models.JSONField(_("取值"))
    reason = models.CharField(_("理由"), max_length=500)
    case = models.ForeignKey(Case, models.PROTECT, verbose_name=_("事项"), null=True, blank=True)

    class Meta:
        verbose_name = _("解释记录")
        ordering = ("parameter", "-valid_from")


class RegulationVersion(Ledgered):
    """An imported version of the official text."""

    catalog = models.CharField(_("规则集"), max_length=64)
    title = models.CharField(_("名称"), max_length=200)
    sha256 = models.CharField(_("摘要"), max_length=64, unique=True)
    published_on = models.DateField(_("发布日期"), null=True, blank=True)
    effective_on = models.DateField(_("施行日期"), null=True, blank=True)
    imported_at = models.DateTimeField(_("导入时间"))
    current = models.BooleanField(_("现行"), default=True)

    class Meta:
        verbose_name = _("办法版本")
        constraints = (models.UniqueConstraint(fields=["catalog"], condition=Q(current=True), name="one_current_text"),)


class OfficialSentence(models.Model):
    """One sentence of an imported text; `aligned` when its digest is the one the catalog holds."""

    version = models.ForeignKey(RegulationVersion, models.CASCADE, related_name="sentences")
    article = models.PositiveSmallIntegerField(_("条"))
    ordinal = models.PositiveSmallIntegerField(_("句"))
    text = models.TextField(_("原文"))
    aligned = models.BooleanField(_("已对齐"))

    class Meta:
        verbose_name = _("办法原文")
        ordering = ("article", "ordinal")
        constraints = (models.UniqueConstraint(fields=["version", "article", "ordinal"], name="one_sentence_per_place"),)


class Schedule(models.Model):
    """When a job runs next; claimed by one conditional UPDATE, so that any number of workers may run."""

    key = models.CharField(_("任务"), max_length=64, primary_key=True)
    next_at = models.DateTimeField(_("下次运行"))
    started_at = models.DateTimeField(_("开始时间"), null=True, blank=True)
    finished_at = models.DateTimeField(_("完成时间"), null=True, blank=True)
    result = models.CharField(_("结果"), max_length=500, blank=True)

    class Meta:
        verbose_name = _("定时任务")
