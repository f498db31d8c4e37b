"""The approval engine: file, agree, refuse, send back, resubmit, withdraw (DESIGN 5).

1. A case freezes its route at filing. One step is open at a time; `Case.opening` says who may act in it and how many must.
2. Every act locks the case, looks the people up anew, appends an `Act` and its ledger entry, counts, and moves the case on.
3. Deciding needs a browser session with a second factor; tokens, commands and jobs never decide.
4. When the last deciding step has passed, the approval is granted and the route's effect runs, all in the transaction of the
   act: an effect that refuses undoes the act.
5. A sweep (`refresh_cases`) follows the registers: successors get the todo, a step that nobody can pass is marked. It never votes.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from anzhang.casework import conditions, eligibility, engine, forms, notices, queries, stand_ins, unit_routes, workdays
from anzhang.casework import holidays as _holidays  # noqa: F401  # named procedures
from anzhang.casework import interpretations as _interpretations  # noqa: F401  # named procedures
from anzhang.casework import topics as _topics  # noqa: F401  # named procedures
from anzhang.casework.engine import Seen
from anzhang.casework.models import Act, Case
from anzhang.casework.numbering import numbered
from anzhang.casework.routes import Route, StepKind
from anzhang.directory.models import Person, Unit
from anzhang.events import Event
from anzhang.journal.procedures import write
from anzhang.permissions import Actor, RefusedError
from anzhang.regulation.checks import procedure

log = logging.getLogger("anzhang.casework")


@procedure("file_case")
def file_case(actor: Actor, route: str | Route, unit: Unit, applicant: Person, title: str, form: Mapping[str, Any], at: datetime) -> Case:
    """Open a case on a route and call its first step; return it.

    Raises RefusedError (`unknown_route`, `not_yourself`, `not_a_filer`, `form_invalid` with `.faults`).
    """
    if actor.person_id != applicant.pk:
        raise RefusedError("not_yourself", _("事项只能由申请人本人提出。"), _("请申请人登录后提出。"))
    way = route if isinstance(route, Route) else unit_routes.effective(route, unit, at)
    with transaction.atomic():
        case = opened(actor, way, unit, applicant, title, form, at)
        engine.open_step(actor, case, queries.step_of(case), at)
        return engine.keep(actor, case, at)


def opened(
    actor: Actor, way: Route, unit: Unit, applicant: Person, title: str, form: Mapping[str, Any], at: datetime,
    emergency_until: datetime | None = None, opinion: str = "",
) -> Case:  # fmt: skip
    """Return a new case with its number and its first act, before anybody is called. Raises RefusedError."""
    eligibility.require_changer(actor)
    values = forms.validate(way, form)
    forms.check_together(way, values, unit, at)
    case = Case(
        route=way.key, title=engine.heading(title, way, unit), rules=dict(way.source), form=values, unit=unit, applicant=applicant,
        filed_at=at, emergency_until=emergency_until,
    )  # fmt: skip
    engine.check_filer(case, way, applicant, at)
    way = stand_ins.settled(way, case, at)
    case.rules = dict(way.source)
    case.step = conditions.first(way, case)
    case.due_at = workdays.deadline(at, conditions.days_from(way, case, case.step))

    def save(number: str) -> Case:
        case.pk, case.number = None, number
        write(actor, Event.CASE_FILE, case, at=at, payload={"number": number, "route": way.key})
        return case

    numbered(Case, "number", "", at, save)
    engine.act(actor, case, Act.Verb.FILE, opinion, at, form=values)
    return case


@procedure("agree")
def agree(actor: Actor, case: Case, opinion: str, at: datetime, seen: Seen | None = None) -> Case:
    """Agree in the present step, or take it on file where the step receives; return the case as it now stands."""
    with transaction.atomic():
        case, step, panel = engine.enter(actor, case, at, seen)
        if panel.before - engine.votes(case)[0] and actor.person_id in panel.seats:
            raise RefusedError("signers_first", _("前加签的人员尚未签署，您暂不能同意。"), _("等加签人签署；也可以退回或不同意。"))
        engine.vote(actor, case, panel, Act.Verb.AGREE, opinion, at)
        return engine.move_on(actor, case, step, at)


@procedure("refuse")
def refuse(actor: Actor, case: Case, opinion: str, at: datetime, seen: Seen | None = None) -> Case:
    """Refuse in the present step, with a reason; return the case as it now stands."""
    engine.need_reason(opinion)
    with transaction.atomic():
        case, step, panel = engine.enter(actor, case, at, seen)
        if step.kind is StepKind.RECEIVE:
            raise RefusedError("receive_only", _("该事项已获批准，备案环节不能否决。"), _("材料不全时可以退回补正。"))
        engine.vote(actor, case, panel, Act.Verb.REFUSE, opinion, at)
        return engine.move_on(actor, case, step, at)


@procedure("send_back")
def send_back(actor: Actor, case: Case, opinion: str, at: datetime, seen: Seen | None = None) -> Case:
    """Give the case back to its applicant, with a reason; return it."""
    engine.need_reason(opinion)
    with transaction.atomic():
        case, _step, panel = engine.enter(actor, case, at, seen)
        engine.vote(actor, case, panel, Act.Verb.SEND_BACK, opinion, at)
        engine.close_todos(case, at)
        case.state, case.opening, case.fault = Case.State.RETURNED, {}, ""
        notices.notify(actor, case.applicant, "case_returned", engine.names(case), engine.link(case), at)
        return engine.keep(actor, case, at)


@procedure("resubmit")
def resubmit(actor: Actor, case: Case, form: Mapping[str, Any] | None, at: datetime, opinion: str = "") -> Case:
    """Hand a returned case in again as a new round, with its form as edited (None: unchanged); return it.

    What has been granted stands: then the form stays as approved and the round begins at the step that takes it on file.
    """
    with transaction.atomic():
        case = engine.locked(case)
        engine.need_applicant(actor, case)
        if case.state != Case.State.RETURNED:
            raise RefusedError("not_returned", _("只有被退回的事项才能重新提交。"))
        way = queries.route_of(case)
        granted = queries.is_granted(case)
        values = forms.validate(way, case.form if form is None else form)
        forms.check_together(way, values, case.unit, at)
        if granted and values != case.form:
            raise RefusedError("form_granted", _("内容已获批准，不能再改。"), _("内容不变、补正说明后重新提交；要改内容，另提事项。"))
        case.form, case.round, case.state = values, case.round + 1, Case.State.OPEN
        case.step = conditions.first(way, case, StepKind.RECEIVE if granted else StepKind.DECIDE)
        case.due_at = workdays.deadline(at, conditions.days_from(way, case, case.step))
        engine.act(actor, case, Act.Verb.RESUBMIT, opinion, at, form=values)
        engine.open_step(actor, case, way.steps[case.step], at)
        return engine.keep(actor, case, at)


@procedure("withdraw")
def withdraw(actor: Actor, case: Case, opinion: str, at: datetime) -> Case:
    """Take one's own case back while nothing has been granted; return it."""
    with transaction.atomic():
        case = engine.locked(case)
        engine.need_applicant(actor, case)
        if case.state not in {Case.State.OPEN, Case.State.RETURNED}:
            raise engine.closed(case)
        if case.emergency_until is not None:
            raise RefusedError("acted_first", _("该事项已应急先行办理，不能撤回。"), _("等待补批；不再需要时申请撤销批准。"))
        if queries.is_granted(case):
            raise RefusedError("granted", _("该事项已获批准，不能撤回。"), _("要改变已批准的事项，另提新的事项。"))
        engine.act(actor, case, Act.Verb.WITHDRAW, opinion, at)
        engine.end(case, Case.State.WITHDRAWN, at)
        return engine.keep(actor, case, at)


def refresh_cases(actor: Actor, at: datetime) -> int:
    """Follow the registers in every open case and return how many changed; running twice changes nothing.

    Posts and terms move while a case waits: successors get the todo, people who left lose it, `Case.fault` says when nobody
    can pass the step. Votes already cast are counted again, no vote is added.
    """
    return sum(_refresh(actor, case, at) for case in list(Case.objects.filter(state=Case.State.OPEN)))


def _refresh(actor: Actor, case: Case, at: datetime) -> bool:
    try:
        with transaction.atomic():
            case = engine.locked(case)
            if case.state != Case.State.OPEN:
                return False
            before = (case.state, case.step, case.fault, case.opening)
            engine.settle(actor, case, queries.step_of(case), at)
            changed = (case.state, case.step, case.fault, case.opening) != before
            if changed:
                engine.keep(actor, case, at)
            return changed
    except RefusedError as refusal:
        # An effect refuses (everybody left on the panel had agreed, and then somebody left): the case waits for its people.
        log.warning("case %s: %s: %s", case.number, refusal.code, refusal.message)
        return False
