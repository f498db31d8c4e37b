"""Remedies by people: a waiver for a time (豁免), a plan with its day, evidence pointed to. Only a check closes a finding.

A waiver is an approved case with an end: the finding stays in the list, marked, and is open again the moment the waiver ends
or is revoked. The verdict of the obligation stays what was measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from anzhang import clock
from anzhang.casework import findings, forms, notices, parameters
from anzhang.casework.models import Approval, Case, Finding
from anzhang.casework.queries import require_approval
from anzhang.directory import rows
from anzhang.directory.models import Unit
from anzhang.events import Event
from anzhang.journal.procedures import write
from anzhang.permissions import Actor
from anzhang.regulation.checks import procedure

WAIVABLE = (Finding.State.OPEN, Finding.State.PLANNED, Finding.State.REGULARIZED)


@procedure("waive_finding")
def waive_finding(actor: Actor, case: Case, approval: Approval, at: datetime) -> Finding:
    """Waive the finding of the case through the day it names; the approval ends with the waiver.

    Raises RefusedError (`no_approval`, `form_invalid` when the finding has closed meanwhile or the day has passed).

    Source: DESIGN 9; route `finding_waiver`.
    """
    require_approval(case, approval, "finding_waiver", at)
    faults = _together(case.form, case.unit, at)
    if faults:
        raise forms.FormError(faults)
    ends = _ends(case.form)
    with transaction.atomic():
        finding = Finding.objects.select_for_update().get(number=case.form["finding"])
        granted = rows.amend(actor, Event.FINDING_WAIVE, approval, at, valid_to=ends)
        finding.state, finding.waiver, finding.waived_until = Finding.State.WAIVED, granted, ends
        write(actor, Event.FINDING_WAIVE, finding, at=at, payload={"number": finding.number, "case": case.number})
        _tell(actor, finding, "finding_waived", at, ends=clock.minute(ends))
    return finding


def resume(actor: Actor, at: datetime) -> int:
    """Open every waived finding again whose waiver has ended or was revoked; return how many. Running twice changes nothing."""
    over = Finding.objects.filter(Q(waived_until__lte=at) | Q(waiver__valid_to__lte=at), state=Finding.State.WAIVED)
    resumed = 0
    for key in list(over.values_list("pk", flat=True)):
        with transaction.atomic():
            finding = Finding.objects.select_for_update().get(pk=key)
            if finding.state != Finding.State.WAIVED:
                continue
            finding.state = Finding.State.PLANNED if finding.plan else Finding.State.OPEN
            finding.waived_until = None
            write(actor, Event.FINDING_RESUME, finding, at=at, payload={"number": finding.number})
            _tell(actor, finding, "waiver_ended", at)
            resumed += 1
    return resumed


def _tell(actor: Actor, finding: Finding, code: str, at: datetime, **words: Any) -> None:
    head = findings.Posts().head(finding.unit, at)
    for who in sorted({person for person in (finding.person_id, head.pk if head else None) if person}):
        params = {"number": finding.number, "label": finding.subject_label, **words}
        notices.notify(actor, who, code, params, findings.link(finding), at)


def _ends(form: Mapping[str, Any]) -> datetime:
    return clock.start_of(date.fromisoformat(form["last_on"]) + timedelta(days=1))


@forms.rule("finding_waiver")
def _together(form: Mapping[str, Any], unit: Unit, at: datetime) -> Mapping[str, str]:
    faults = {}
    finding = Finding.objects.select_related("unit").filter(number=form["finding"]).first()
    if finding is None or finding.state not in WAIVABLE:
        faults["finding"] = _("该问题已消除或已豁免，无需豁免。")
    elif finding.unit is None or not finding.unit.path.startswith(unit.path):
        faults["finding"] = _("只能豁免本单位的问题。")
    today, last = clock.day_of(at), date.fromisoformat(form["last_on"])
    longest = int(parameters.values(at)["waiver_days"])
    if not today <= last <= today + timedelta(days=longest):
        faults["last_on"] = _("豁免期限须在今天之后，且不超过 %d 天。") % longest
    return faults


def _find(number: str) -> str | None:
    finding = Finding.objects.filter(number=number).first()
    return f"{finding.number} {finding.subject_label}" if finding else None


def _options(unit: Unit, _at: datetime) -> Sequence[tuple[str, str]]:
    found = Finding.objects.filter(state__in=WAIVABLE, unit__path__startswith=unit.path).order_by("due_at")[:200]
    return [(each.number, f"{each.number} {each.subject_label}") for each in found]


forms.lookup("finding", _find, _options)
