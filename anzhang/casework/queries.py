"""Cases as pages, checks and chapters read them."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache

import orjson
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from anzhang.casework.models import Approval, Case, Todo
from anzhang.casework.routes import Route, Step, parse
from anzhang.permissions import RefusedError


def route_of(case: Case) -> Route:
    """Return the route as frozen when the case was filed."""
    return _parsed(orjson.dumps(case.rules))


@lru_cache(maxsize=256)
def _parsed(rules: bytes) -> Route:
    """Parse frozen rules once per process: a list shows fifty cases of a handful of routes."""
    return parse(orjson.loads(rules), "case")


def step_of(case: Case) -> Step:
    """Return the step at which an open or returned case stands."""
    return route_of(case).steps[case.step]


def todos(person_id: int) -> QuerySet[Todo]:
    """Return what waits for somebody (待办), the nearest deadline first."""
    return Todo.objects.filter(person_id=person_id, closed_at=None).select_related("case__unit", "case__applicant")


def done(person_id: int) -> QuerySet[Todo]:
    """Return what somebody has done (已办), the newest first."""
    return Todo.objects.filter(person_id=person_id, outcome=Todo.Outcome.DONE).select_related("case__unit").order_by("-closed_at", "-pk")


def applied(person_id: int) -> QuerySet[Case]:
    """Return what somebody has asked for, the newest first."""
    return Case.objects.filter(applicant_id=person_id).select_related("unit")


def concerning(person_id: int) -> Q:
    """Return the condition "a case in which this person has a part": asked for it, was asked to act, or acted."""
    return Q(applicant_id=person_id) | Q(todos__person_id=person_id) | Q(acts__person_id=person_id)


def stuck_cases(at: datetime) -> QuerySet[Case]:
    """Return the open cases whose present step nobody can pass: too few eligible people, or a vacant role.

    `case.fault` says which, `case.opening` who is left; the sweep `procedures.refresh_cases` keeps both current.
    """
    return Case.objects.filter(state=Case.State.OPEN, filed_at__lte=at).exclude(fault="").select_related("unit")


def overdue_cases(at: datetime) -> QuerySet[Case]:
    """Return the open cases whose present step is past its working-day limit."""
    return Case.objects.filter(state=Case.State.OPEN, todos__closed_at=None, todos__due_at__lt=at).select_related("unit").distinct()


def approval_of(case: Case) -> Approval | None:
    """Return what a case granted, None while it has not."""
    return Approval.objects.filter(case=case, superseded_at=None).first()


def is_granted(case: Case) -> bool:
    """Whether a case was granted by its route; what an emergency allowed for hours is not."""
    approval = approval_of(case)
    return approval is not None and approval.origin != Approval.Origin.EMERGENCY


def in_force(kind: str, at: datetime) -> QuerySet[Approval]:
    """Return the approvals of a kind that a gate may honour at the instant: granted, begun, not ended, expired or revoked."""
    return Approval.objects.filter(Approval.in_force(at), kind=kind)


def require_approval(case: Case, approval: Approval, route: str, at: datetime) -> None:
    """Raise RefusedError unless `approval` was granted by this very case, on that route, and is in force.

    Every effect asks this first: authority registers change by an approved case and by nothing else (DESIGN 4).
    """
    in_force = approval.valid_from <= at and (approval.valid_to is None or at < approval.valid_to) and approval.superseded_at is None
    if not approval.pk or approval.case_id != case.pk or approval.kind != route or case.route != route or not in_force:
        raise RefusedError("no_approval", _("这项变更需要一份有效的批准（%s）。") % route, _("先按该流程提出事项，经批准后生效。"))
