"""Policies and procedures of construction, which the leading group approves, and what units lack of them (Art. 11)."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from anzhang import clock
from anzhang.casework.models import Approval, Case
from anzhang.casework.queries import require_approval
from anzhang.directory import rows
from anzhang.directory.models import Unit
from anzhang.events import Event
from anzhang.organization.models import PolicyDocument
from anzhang.permissions import Actor, RefusedError
from anzhang.regulation.checks import procedure

ROUTE, GROUP = "construction_policy", "leading_group"


@procedure("issue_construction_policy")
def issue_construction_policy(actor: Actor, case: Case, approval: Approval, at: datetime) -> PolicyDocument:
    """Put a construction document in force; an edition that is in force without the group's approval gets it afterwards (补批).

    Raises RefusedError `no_approval`, `backdated`, `edition_exists`.

    Source: Art. 11; A11.4, A11.5; route `construction_policy`.
    """
    require_approval(case, approval, ROUTE, at)
    form, today = case.form, clock.day_of(at)
    of_kind = PolicyDocument.objects.filter(unit=case.unit, kind=form["kind"]).select_related("basis")
    with transaction.atomic():
        known = of_kind.filter(edition=form["edition"]).first()
        if known is not None:
            if known.basis is not None and known.basis.authority == GROUP:
                raise RefusedError("edition_exists", _("该类制度的版次“%s”已发布过。") % form["edition"], _("换一个版次。"))
            return rows.change(actor, known, {"basis": approval}, at, act=Event.POLICY_ISSUE)
        begins = date.fromisoformat(form["in_force_from"]) if form.get("in_force_from") else today
        if begins < today:
            raise RefusedError("backdated", _("起始日期 %s 早于批准之日。") % begins, _("退回申请人，改为批准之日或以后。"))
        for before in of_kind.filter(in_force_to=None, in_force_from__lte=begins):
            rows.change(actor, before, {"in_force_to": begins}, at)
        document = PolicyDocument(
            unit=case.unit, kind=form["kind"], title=form["title"], edition=form["edition"], issued_on=today, reviewed_on=today,
            in_force_from=begins, basis=approval,
        )  # fmt: skip
        return rows.create(actor, document, at, Event.POLICY_ISSUE)


def in_force(today: date, kinds: Collection[str]) -> QuerySet[PolicyDocument]:
    """Return the documents of some kinds that are in force on a day."""
    return PolicyDocument.objects.filter(Q(in_force_to=None) | Q(in_force_to__gt=today), kind__in=kinds, in_force_from__lte=today)


@dataclass(frozen=True)
class Lacking:
    """A unit without a document of a kind in force (`document` None), or whose newest one was not reviewed in time."""

    unit: Unit
    kind: str
    label: str
    document: PolicyDocument | None


def lacking(units: Collection[Unit], kinds: Collection[str], limit: timedelta, today: date) -> Iterator[Lacking]:
    """Yield what units lack of the kinds of document, one query for all of them."""
    documents = in_force(today, kinds).filter(unit__in=units).order_by("reviewed_on", "pk")
    newest = {(document.unit_id, document.kind): document for document in documents}
    labels = dict(PolicyDocument.Kind.choices)
    for unit in units:
        for kind in kinds:
            found = newest.get((unit.pk, kind))
            if found is None or today - found.reviewed_on > limit:
                yield Lacking(unit, kind, str(labels.get(kind, kind)), found)
