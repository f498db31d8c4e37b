"""Business as prescribed (Art. 14): leave for acts outside a post's scope, and the check of what people did (A14.1)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from anzhang import clock
from anzhang.casework import forms, rules
from anzhang.casework.models import Approval, Case
from anzhang.casework.queries import require_approval
from anzhang.directory import rows
from anzhang.directory.models import Person, Unit
from anzhang.endpoints.models import BusinessException
from anzhang.events import Event
from anzhang.permissions import Actor
from anzhang.regulation.checks import procedure
from anzhang.systems.models import System

ROUTE = "business_exception"
LONGEST = timedelta(days=31)
AFTERWARDS = timedelta(days=30)  # as far back as the rule looks
business_within_post = rules.bind(Path(__file__).parent / "rules" / "business_within_post.sql")


@forms.rule(ROUTE)
def _together(form: Mapping[str, Any], unit: Unit, at: datetime) -> Mapping[str, str]:
    begins, last = _days(form)
    faults = {}
    if last < begins:
        faults["last_on"] = _("截止日期不能早于起始日期。")
    elif last - begins >= LONGEST:
        faults["last_on"] = _("一次最长 %d 天，更长的分开提出。") % LONGEST.days
    if begins < clock.day_of(at) - AFTERWARDS:
        faults["effective_on"] = _("最多补办 %d 天以内的。") % AFTERWARDS.days
    person = Person.objects.filter(code=form["person"]).first()
    if person is not None and person.unit_id != unit.pk:
        faults["person"] = _("%(person)s 不是%(unit)s的人员，由其所在单位提出。") % {"person": person.name, "unit": unit.name}
    return faults


def _days(form: Mapping[str, Any]) -> tuple[date, date]:
    return date.fromisoformat(form["effective_on"]), date.fromisoformat(form["last_on"])


@procedure("except_business")
def except_business(actor: Actor, case: Case, approval: Approval, at: datetime) -> BusinessException:
    """Enter that a person may do business outside the scope of the post for some days. Raises RefusedError `no_approval`, `form_invalid`.

    Days before the decision are approved afterwards (补批): `recorded_at` says so.

    Source: Art. 14; A14.1; route `business_exception`.
    """
    require_approval(case, approval, ROUTE, at)
    form = case.form
    if faults := {name: text for name, text in _together(form, case.unit, at).items() if name != "effective_on"}:  # cases may take days
        raise forms.FormError(faults)
    begins, last = _days(form)
    row = BusinessException(
        person=Person.objects.get(code=form["person"]), system=System.objects.get(code=form["system"]), what=form["what"],
        starts_at=clock.start_of(begins), ends_at=clock.start_of(last + timedelta(days=1)), reason=form["reason"], basis=approval,
        recorded_at=at,
    )  # fmt: skip
    return rows.create(actor, row, at, Event.BUSINESS_EXCEPT)
