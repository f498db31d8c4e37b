"""Act first, be approved afterwards (补批); and approvals on paper that come into the register later (补录).

1. Only a route that says so lets anybody act first, and only where its conditions hold; it allows hours, not days.
2. What was done first is a finding from the first minute; when the hours have passed without approval it is a breach, and what
   rested on it ends (`revocation.expire`). An approval in time makes the finding regularized, never silently gone.
3. A paper approval is entered by a case of its own with the digest of the scan and a second person who compared it with the
   paper. It is marked as such, drives no effect and is attested, not proved.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from anzhang import clock
from anzhang.casework import conditions, delegations, engine, forms, notices, parameters, procedures, routes, unit_routes
from anzhang.casework.models import Approval, Case
from anzhang.casework.queries import require_approval, step_of
from anzhang.casework.routes import Route
from anzhang.directory import rows
from anzhang.directory.models import Person, Unit
from anzhang.directory.queries import office_members
from anzhang.events import Event
from anzhang.permissions import Actor, RefusedError
from anzhang.regulation.checks import procedure


@procedure("act_first")
def act_first(
    actor: Actor, route: str | Route, unit: Unit, applicant: Person, title: str, form: Mapping[str, Any], reason: str, at: datetime
) -> Case:  # fmt: skip
    """Open a case and let its effect begin now, for the hours within which it must be approved; return the case.

    Raises RefusedError (`reason_needed`, `not_yourself`, `no_emergency_path`, and what filing refuses).
    """
    engine.need_reason(reason)
    engine.require_decider(actor)
    if actor.person_id != applicant.pk:
        raise RefusedError("not_yourself", _("事项只能由申请人本人提出。"), _("请申请人登录后提出。"))
    way = route if isinstance(route, Route) else unit_routes.effective(route, unit, at)
    until = at + timedelta(hours=int(parameters.values(at)["regularization_hours"]))
    with transaction.atomic():
        case = procedures.opened(actor, way, unit, applicant, title, form, at, emergency_until=until, opinion=reason)
        if way.emergency is None or not conditions.hold(case, way.emergency):
            raise RefusedError("no_emergency_path", _("“%s”在这种情形下不能先办后批。") % way.title, _("按正常流程提出。"))
        approval = engine.record_approval(actor, case, way, at, until, Approval.Origin.EMERGENCY)
        engine.run(way.effect, actor, case, approval, at)
        engine.open_step(actor, case, step_of(case), at)
        _tell(actor, case, until, at)
        return engine.keep(actor, case, at)


def _tell(actor: Actor, case: Case, until: datetime, at: datetime) -> None:
    told = {*delegations.heads(case.unit, at).values_list("pk", flat=True), *office_members(at).values_list("pk", flat=True)}
    for who in sorted(told - {case.applicant_id}):
        notices.notify(actor, who, "acted_first", {**engine.names(case), "ends": clock.minute(until)}, engine.link(case), at)


@procedure("enter_paper_approval")
def enter_paper_approval(actor: Actor, case: Case, approval: Approval, at: datetime) -> Approval:
    """Turn the approval of a back-entry into the one that the paper holds, valid from the day of the paper, marked attested.

    Raises RefusedError (`no_approval`, and what the form's rule refuses).

    Source: DESIGN 4; route `back_entry`.
    """
    require_approval(case, approval, "back_entry", at)
    forms.check_together(routes.current()["back_entry"], case.form, case.unit, at)
    way = routes.current()[case.form["route"]]
    last = case.form["last_on"]
    return rows.amend(
        actor, Event.APPROVAL_ENTER, approval, at, kind=way.key, authority=way.authority, origin=Approval.Origin.PAPER,
        valid_from=clock.start_of(date.fromisoformat(case.form["approved_on"])), valid_to=_after(last) if last else None,
        scan_sha256=case.form["scan"],
    )  # fmt: skip


def _after(day: str) -> datetime:
    return clock.start_of(date.fromisoformat(day) + timedelta(days=1))


@forms.rule("back_entry")
def _together(form: Mapping[str, Any], _unit: Unit, at: datetime) -> Mapping[str, str]:
    faults = {}
    approved = date.fromisoformat(form["approved_on"])
    if approved > clock.day_of(at):
        faults["approved_on"] = _("批准日期不能晚于今天。")
    if form["last_on"] and date.fromisoformat(form["last_on"]) < approved:
        faults["last_on"] = _("有效期不能早于批准日期。")
    if form["route"] == "back_entry":
        faults["route"] = _("补录本身不能补录。")
    return faults
