"""What the platform itself finds about its own cases and notices, bound to the obligations they serve (DESIGN 5).

- A case that nobody can decide (`stuck`).
- A case that acted first and is not approved yet is a finding from its first minute, without turning the verdict; when the hours
  have passed, or when it is refused, it is a breach.
- An escalation that no channel delivered and nobody has read is a breach of the duty to keep the office's seat filled: the
  warning reached nobody.

Every subject begins with a prefix of its own, so that an obligation with a finding of this kind is measured until it closes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from anzhang import clock
from anzhang.casework import stuck
from anzhang.casework.models import Approval, Case, Finding, Notice
from anzhang.casework.tables import Delivery
from anzhang.regulation.catalog import Catalog
from anzhang.regulation.verdicts import Breach, Subject, Why

EMERGENCY = "emergency:"
NOTICE = "notice:"
ESCALATIONS = (
    "todo_overdue", "todos_overdue", "case_overdue", "cases_overdue", "case_overdue_office", "cases_overdue_office", "finding_overdue",
    "emergency_lapsed",
)  # fmt: skip
KEPT = timedelta(days=90)  # an escalation older than that has been overtaken by the next


@dataclass
class Found:
    """Breaches of one obligation: `red` turn its verdict, `pending` are findings only."""

    red: list[Breach] = field(default_factory=list)
    pending: list[Breach] = field(default_factory=list)


def concerned(catalog: Catalog, at: datetime) -> Mapping[str, Found]:
    """Return what was found by the id of the obligation; an empty entry for each that still has a finding of this kind."""
    found: dict[str, Found] = defaultdict(Found)
    for key, waiting in stuck.concerned(catalog, at).items():
        found[key].red += waiting
    for prefix in (EMERGENCY, NOTICE):
        active = Finding.objects.exclude(state=Finding.State.CLOSED).filter(subject__startswith=prefix)
        for obligation in active.values_list("obligation", flat=True):
            found[obligation]  # an entry is enough
    _emergencies(catalog, found, at)
    _undelivered(catalog, found, at)
    return found


def _emergencies(catalog: Catalog, found: dict[str, Found], at: datetime) -> None:
    unfinished = Approval.Origin.EMERGENCY
    rows = Approval.objects.filter(origin=unfinished, superseded_at=None, recorded_at__lte=at).select_related("case__unit")
    for approval in rows:
        case = approval.case
        obligation = stuck.duty(catalog, "", case)
        if obligation is None or case.emergency_until is None:
            continue
        overdue = case.emergency_until <= at or case.state == Case.State.REFUSED
        code = "emergency_refused" if case.state == Case.State.REFUSED else "emergency_overdue" if overdue else "emergency_pending"
        why = Why(code, {"case": case.number, "title": case.title, "until": clock.minute(case.emergency_until)})
        subject = Subject(f"{EMERGENCY}{case.number}", f"{case.title}（{case.number}）", case.unit.code)
        breach = Breach(subject, why, (f"{stuck.SUBJECT}{case.number}",), case.filed_at, "overdue" if overdue else "pending")
        (found[obligation.id].red if overdue else found[obligation.id].pending).append(breach)


def _undelivered(catalog: Catalog, found: dict[str, Found], at: datetime) -> None:
    failed = Delivery.objects.filter(state=Delivery.State.FAILED, notice__code__in=ESCALATIONS, notice__read_at=None)
    reached = Delivery.objects.exclude(state=Delivery.State.FAILED).values("notice")
    rows = Notice.objects.filter(pk__in=failed.values("notice"), created_at__gte=at - KEPT).exclude(pk__in=reached)
    notices = list(rows.select_related("person__unit"))
    obligation = next((each for each in catalog.obligations if "office" in each.seats), None) if notices else None
    for notice in notices:
        if obligation is None:
            break
        words = {"person": notice.person.name, "sent": clock.minute(notice.created_at)}
        subject = Subject(f"{NOTICE}{notice.pk}", notice.person.name, notice.person.unit.code)
        found[obligation.id].red.append(Breach(subject, Why("escalation_undelivered", words), (f"notice:{notice.pk}",), notice.created_at))
