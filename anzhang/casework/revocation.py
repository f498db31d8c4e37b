"""Approvals end: revoked by the authority that gave them or by a case (撤销), expired by the calendar.

A gate asks `queries.in_force`, so it stops honouring an approval in the very minute; the sweep here only says so to people and
ends what an unregularized emergency had allowed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q
from django.utils.translation import gettext as _

from anzhang import clock
from anzhang.casework import delegations, eligibility, engine, forms, notices, parameters, resting
from anzhang.casework.models import Act, Approval, Case
from anzhang.casework.queries import approval_of, require_approval, route_of
from anzhang.casework.routes import StepKind
from anzhang.directory.models import Unit
from anzhang.directory.queries import office_members
from anzhang.events import Event
from anzhang.journal.procedures import write
from anzhang.permissions import Actor, RefusedError
from anzhang.regulation.checks import procedure

BATCH = 500  # rows of one sweep; the next sweep takes the rest


@procedure("revoke")
def revoke(actor: Actor, case: Case, opinion: str, at: datetime) -> Case:
    """Take back what a case granted, by the authority that granted it; return the case as it now stands.

    A member of the leading group alone is not the group: its approvals are revoked by a case that the group votes on.
    Raises RefusedError (`reason_needed`, `not_granted`, `ended`, `own_case`, `not_the_authority`).
    """
    engine.need_reason(opinion)
    engine.require_decider(actor)
    with transaction.atomic():
        case = engine.locked(case)
        approval = _revocable(case, at)
        who = engine.person_of(actor)
        if who == case.applicant_id:
            raise RefusedError("own_case", _("任何人都不能办理自己提出的事项，管理员也不例外。"), _("提出“撤销批准”事项。"))
        if not may_revoke(case, approval, who, at):
            message = _("只有批准机关可以直接撤销；领导小组批准的事项须经表决。")
            raise RefusedError("not_the_authority", message, _("提出“撤销批准”事项。"))
        return _take_back(actor, case, approval, opinion, at)


@procedure("revoke_approval")
def revoke_approval(actor: Actor, case: Case, approval: Approval, at: datetime) -> Case:
    """Take back the approval that the case names. Raises RefusedError (`no_approval`, `not_granted`, `ended`).

    Source: DESIGN 5; route `revocation`.
    """
    require_approval(case, approval, "revocation", at)
    with transaction.atomic():
        target = engine.locked(Case.objects.get(number=case.form["approval"]))
        reason = _("依据 %(number)s：%(reason)s") % {"number": case.number, "reason": case.form["reason"]}
        return _take_back(actor, target, _revocable(target, at), reason[: engine.OPINION_LENGTH], at)


def may_revoke(case: Case, approval: Approval, person_id: int, at: datetime) -> bool:
    """Whether a person alone is the authority that gave an approval."""
    if approval.authority == "office":
        return office_members(at).filter(pk=person_id).exists()
    if approval.authority in {"unit_head", "managing_unit"}:
        return any(delegations.heads(unit, at).filter(pk=person_id).exists() for unit in _deciding_units(case))
    return False


def _deciding_units(case: Case) -> list[Unit]:
    """Return the units whose heads decide a case: the one that asks, or that of the system or room named in the form."""
    deciding = (step for step in route_of(case).steps if step.kind is StepKind.DECIDE)
    places = {place for step in deciding for who in step.who for role, _at, place in [who.partition("@")] if role == "unit_head"}
    found = (eligibility.PLACES[place](case).unit for place in sorted(places))
    return [unit for unit in found if unit is not None] or [case.unit]


def is_revocable(approval: Approval | None, at: datetime) -> bool:
    """Whether there is something to take back."""
    return approval is not None and approval.revoked_at is None and (approval.valid_to is None or approval.valid_to > at)


def _revocable(case: Case, at: datetime) -> Approval:
    approval = approval_of(case)
    if approval is None:
        raise RefusedError("not_granted", _("该事项没有批准可以撤销。"))
    if not is_revocable(approval, at):
        raise RefusedError("ended", _("该批准已经撤销或到期。"))
    return approval


def _take_back(actor: Actor, case: Case, approval: Approval, reason: str, at: datetime) -> Case:
    engine.act(actor, case, Act.Verb.REVOKE, reason, at)
    resting.lapse(actor, approval, at, Event.APPROVAL_REVOKE, revoked_at=at)
    engine.end(case, Case.State.REVOKED, at)
    told = {case.applicant_id, *delegations.heads(case.unit, at).values_list("pk", flat=True)} - {actor.person_id}
    for who in sorted(told):
        notices.notify(actor, who, "approval_revoked", engine.names(case), engine.link(case), at)
    return engine.keep(actor, case, at)


def expire(actor: Actor, at: datetime) -> int:
    """Say once of every approval that it ends soon, and once that it has ended; return how many were told of.

    An emergency that nobody regularized in time takes with it what rested on it. Running twice writes nothing new.
    """
    days = int(parameters.values(at)["approval_warning_days"])
    live = Approval.objects.filter(superseded_at=None, revoked_at=None, expired_at=None).select_related("case__unit")
    ended = list(live.filter(valid_to__lte=at).order_by("valid_to")[:BATCH])
    for approval in ended:
        with transaction.atomic():
            _expire(actor, approval, at)
    # An approval that was short from the beginning is not announced at once as ending.
    lasted = Q(valid_from__lt=F("valid_to") - timedelta(days=2 * days))
    soon = live.filter(lasted, valid_to__gt=at, valid_to__lte=at + timedelta(days=days), warned_at=None)
    ending = list(soon.order_by("valid_to")[:BATCH])
    for approval in ending:
        with transaction.atomic():
            approval.warned_at = at
            write(actor, Event.APPROVAL_WARN, approval, at=at, payload={"case": approval.case.number})
            _tell(actor, approval, "approval_ends", at)
    return len(ended) + len(ending)


def _expire(actor: Actor, approval: Approval, at: datetime) -> None:
    emergency = approval.origin == Approval.Origin.EMERGENCY
    rested = resting.end(actor, approval, at) if emergency else 0
    approval.expired_at = at
    write(actor, Event.APPROVAL_EXPIRE, approval, at=at, payload={"case": approval.case.number, "rows_ended": rested})
    _tell(actor, approval, "emergency_lapsed" if emergency else "approval_expired", at)


def _tell(actor: Actor, approval: Approval, code: str, at: datetime) -> None:
    case, ends = approval.case, approval.valid_to
    told = {case.applicant_id}
    if code == "emergency_lapsed":
        told |= set(delegations.heads(case.unit, at).values_list("pk", flat=True)) | set(office_members(at).values_list("pk", flat=True))
    words = {**engine.names(case), "ends": clock.minute(ends) if ends else ""}
    for who in sorted(told):
        notices.notify(actor, who, code, words, engine.link(case), at)


def _find(number: str) -> str | None:
    case = Case.objects.filter(number=number, approvals__superseded_at=None).select_related("unit").first()
    return f"{case.title}（{case.number}）" if case else None


def _options(unit: Unit, at: datetime) -> Sequence[tuple[str, str]]:
    """Return what the unit was granted and still holds, the newest first."""
    lasting = Q(approvals__valid_to=None) | Q(approvals__valid_to__gt=at)
    held = Case.objects.filter(
        lasting, unit__path__startswith=unit.path, approvals__superseded_at=None, approvals__revoked_at=None, approvals__isnull=False
    )
    return [(case.number, f"{case.title}（{case.number}）") for case in held.order_by("-decided_at", "-pk")[:200]]


forms.lookup("approval", _find, _options)
