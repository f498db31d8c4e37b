"""Who signs for whom, and who acts as head: authority with dates, given by an approved case (DESIGN 4, 5).

A delegation lets its deputy take over single turns (转办) of its principal in one role; an acting head holds the post itself
for a time, beside the head. Both are read at the minute of the act and end by themselves.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from anzhang import clock
from anzhang.casework.models import Approval, Case
from anzhang.casework.queries import require_approval
from anzhang.directory import procedures as directory
from anzhang.directory import rows
from anzhang.directory.models import Assignment, Bitemporal, Delegation, Person, Unit
from anzhang.directory.queries import employed, holders
from anzhang.events import Event
from anzhang.permissions import Actor, RefusedError
from anzhang.regulation.checks import procedure


def heads(unit: Unit | int, at: datetime) -> QuerySet[Person]:
    """Return the head of a unit and whoever acts as its head at the instant."""
    unit_id = unit if isinstance(unit, int) else unit.pk
    duties = [Assignment.Duty.UNIT_HEAD, Assignment.Duty.ACTING_HEAD]
    posts = Assignment.objects.filter(Bitemporal.in_force(at), duty__in=duties, unit_id=unit_id)
    return Person.objects.filter(employed(at), pk__in=posts.values("person"))


def runs(principal: int, deputy: int, roles: Collection[str], at: datetime) -> bool:
    """Whether a delegation from one person to the other covers one of the roles at the instant."""
    return Delegation.objects.filter(Bitemporal.in_force(at), principal=principal, deputy=deputy, duty__in=roles).exists()


def deputies(principal: int, roles: Collection[str], at: datetime) -> QuerySet[Person]:
    """Return who may take over a turn of somebody in one of the roles at the instant."""
    given = Delegation.objects.filter(Bitemporal.in_force(at), principal=principal, duty__in=roles)
    return Person.objects.filter(employed(at), pk__in=given.values("deputy")).select_related("unit")


@procedure("start_delegation")
def start_delegation(actor: Actor, case: Case, approval: Approval, at: datetime) -> Delegation:
    """Let the deputy of the case sign for its applicant from day to day, in the role it names.

    Raises RefusedError `no_approval`, `not_employed`, `own_deputy`, `ends_before_start`, `delegation_overlaps`.

    Source: DESIGN 5; route `delegation`.
    """
    require_approval(case, approval, "delegation", at)
    deputy = Person.objects.get(code=case.form["deputy"])
    begins, ends = _period(case, at)
    if deputy.pk == case.applicant_id:
        raise RefusedError("own_deputy", _("不能授权自己代签。"))
    directory.require_employed(deputy, begins)
    duty = str(case.form["duty"])
    same = Delegation.objects.filter(superseded_at=None, principal=case.applicant, deputy=deputy, duty=duty)
    overlap = same.filter(Q(valid_to=None) | Q(valid_to__gt=begins), valid_from__lt=ends)
    with transaction.atomic():
        if overlap.exists():
            raise RefusedError("delegation_overlaps", _("同一期间已有相同的授权。"), _("等原授权结束，或先撤销原授权。"))
        row = Delegation(
            principal=case.applicant, deputy=deputy, duty=duty, basis=approval, valid_from=begins, valid_to=ends, recorded_at=at
        )
        return rows.create(actor, row, at, Event.DELEGATION_START)


@procedure("end_delegation")
def end_delegation(actor: Actor, delegation: Delegation, at: datetime) -> Delegation:
    """End a delegation now; its principal may, and whoever answers for the principal's unit.

    Raises RefusedError `not_answerable`, `delegation_ended`.
    """
    if actor.person_id != delegation.principal_id:
        directory.require_answerable(actor, delegation.principal.unit, at)
    if delegation.valid_to is not None and delegation.valid_to <= at:
        raise RefusedError("delegation_ended", _("该授权已经结束。"))
    return rows.amend(actor, Event.DELEGATION_END, delegation, at, valid_to=max(at, delegation.valid_from))


@procedure("appoint_acting_head")
def appoint_acting_head(actor: Actor, case: Case, approval: Approval, at: datetime) -> Assignment:
    """Let the person of the case act as head of its unit from day to day.

    Raises RefusedError `no_approval`, `not_employed`, `already_head`, `already_assigned`, `ends_before_start`.

    Source: DESIGN 5; route `acting_head`.
    """
    require_approval(case, approval, "acting_head", at)
    person = Person.objects.get(code=case.form["person"])
    begins, ends = _period(case, at)
    if holders(Assignment.Duty.UNIT_HEAD, begins).filter(unit=case.unit, person=person).exists():
        raise RefusedError("already_head", _("%s 就是该单位负责人，无需代理。") % person.name)
    return directory.start_assignment(
        actor, person=person, duty=Assignment.Duty.ACTING_HEAD, unit=case.unit, basis=approval, valid_from=begins, valid_to=ends, at=at
    )


def _period(case: Case, at: datetime) -> tuple[datetime, datetime]:
    """Return from when to when: never before the approval, through the last day that the form names."""
    first = case.form.get("effective_on")
    begins = max(at, clock.start_of(date.fromisoformat(first))) if first else at
    last = date.fromisoformat(case.form["last_on"])
    if not clock.is_plausible(last):
        raise RefusedError("ends_before_start", _("终止日期不可用。"))
    ends = clock.start_of(date.fromordinal(last.toordinal() + 1))
    directory.require_period(begins, ends)
    return begins, ends
