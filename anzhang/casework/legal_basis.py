"""Superior law (上位依据) by version, cross-walked to the articles that rest on it, and its review after a change (Art. 1).

A newer version names the row it replaces. Whoever reviews notes what the change means for the articles; the check of the
catalog counts the days since the replacement.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django.db import models, transaction
from django.db.models import F, Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from anzhang import clock
from anzhang.casework import parameters
from anzhang.directory import queries, rows
from anzhang.events import Event
from anzhang.journal.models import Ledgered
from anzhang.permissions import Actor, RefusedError, Via
from anzhang.regulation.checks import procedure

__all__ = ["LegalBasis"]


class LegalBasis(Ledgered):
    """One version of a law, regulation or standard on which articles rest."""

    class Kind(models.TextChoices):
        """Rank of the source."""

        LAW = "law", gettext_lazy("法律")
        REGULATION = "regulation", gettext_lazy("行政法规")
        RULE = "rule", gettext_lazy("部门规章")
        LOCAL = "local", gettext_lazy("地方性法规和规章")
        DOCUMENT = "document", gettext_lazy("规范性文件")
        STANDARD = "standard", gettext_lazy("标准")

    code = models.CharField(gettext_lazy("编号"), max_length=32, unique=True)
    title = models.CharField(gettext_lazy("名称"), max_length=200)
    kind = models.CharField(gettext_lazy("类别"), max_length=16, choices=Kind.choices)
    document_no = models.CharField(gettext_lazy("文号或标准号"), max_length=100, blank=True)
    edition = models.CharField(gettext_lazy("版本"), max_length=64)
    in_force_from = models.DateField(gettext_lazy("施行日期"))
    in_force_to = models.DateField(gettext_lazy("失效日期"), null=True, blank=True)
    replaces = models.OneToOneField(
        "self", models.PROTECT, verbose_name=gettext_lazy("代替"), null=True, blank=True, related_name="replaced_by"
    )
    articles = models.JSONField(gettext_lazy("依据它的条款"), default=list, blank=True)  # numbers as words, as sheets carry them
    reviewed_on = models.DateField(gettext_lazy("最近复核"), null=True, blank=True)
    review = models.CharField(gettext_lazy("复核意见"), max_length=1000, blank=True)
    version = models.PositiveIntegerField(gettext_lazy("版本号"), default=1, editable=False)

    class Meta:
        verbose_name = gettext_lazy("上位依据")
        ordering = ("kind", "code")
        constraints = (
            models.CheckConstraint(condition=Q(in_force_to=None) | Q(in_force_to__gt=F("in_force_from")), name="law_ends_after_it_begins"),
        )

    def __str__(self) -> str:
        return f"{self.title}（{self.edition}）"

    def holds_on(self, day: date) -> bool:
        """Whether it is in force on a day; the day on which it ends is the first without it."""
        return self.in_force_from <= day and (self.in_force_to is None or day < self.in_force_to)


@procedure("register_legal_basis")
def register_legal_basis(actor: Actor, *, at: datetime, **values: Any) -> LegalBasis:
    """Add a version of a law or standard; the version that it replaces ends on the day the new one begins.

    Raises RefusedError `unknown_article`, `replaced_already`, RowError.

    Source: Art. 1.
    """
    with transaction.atomic():
        row = rows.create(actor, _sound(LegalBasis(**values)), at)
        _end_before(actor, row, at)
        return row


@procedure("change_legal_basis")
def change_legal_basis(actor: Actor, row: LegalBasis, *, at: datetime, expected_version: int | None = None, **values: Any) -> LegalBasis:
    """Correct a version. Raises RefusedError `unknown_article`, `own_predecessor`, StaleError, RowError."""
    with transaction.atomic():
        changed = _sound(rows.change(actor, row, values, at, expected_version))
        _end_before(actor, changed, at)
        return changed


@procedure("review_legal_basis")
def review_legal_basis(actor: Actor, row: LegalBasis, opinion: str, at: datetime, expected_version: int | None = None) -> LegalBasis:
    """Note what the Office found when it held the articles against this version. Raises RefusedError `not_the_office`, `opinion_needed`.

    Source: Art. 1: rules are reviewed again whenever superior law changes.
    """
    member = actor.person_id is not None and queries.office_members(at).filter(pk=actor.person_id).exists()
    if not (member or actor.via is Via.SETUP):
        raise RefusedError("not_the_office", _("上位依据由领导小组办公室复核。"), _("请办公室工作人员办理。"))
    if not opinion.strip():
        raise RefusedError("opinion_needed", _("请写明复核意见。"), _("写明条款是否需要修改、如何修改。"))
    values = {"reviewed_on": clock.day_of(at), "review": opinion.strip()}
    return rows.change(actor, row, values, at, expected_version, Event.LAW_REVIEW)


def _sound(row: LegalBasis) -> LegalBasis:
    known = {str(article.number) for article in parameters.catalog().articles}
    strange = [str(each) for each in row.articles if str(each) not in known]
    if strange:
        raise RefusedError("unknown_article", _("办法没有第%s条。") % "、".join(strange[:5]), _("填写条的序号，如 9。"))
    if row.replaces_id is not None and row.replaces_id == row.pk:
        raise RefusedError("own_predecessor", _("不能代替自己。"))
    return row


def _end_before(actor: Actor, row: LegalBasis, at: datetime) -> None:
    before = row.replaces
    if before is not None and before.in_force_to is None and row.in_force_from > before.in_force_from:
        rows.change(actor, before, {"in_force_to": row.in_force_from}, at)
