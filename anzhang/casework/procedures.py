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
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, NoReturn

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from anzhang import clock
from anzhang.casework import eligibility, forms, notices, queries, routes, workdays
from anzhang.casework import holidays as _holidays  # noqa: F401  # named procedures
from anzhang.casework import interpretations as _interpretations  # noqa: F401  # named procedures
from anzhang.casework.eligibility import Panel, Tally
from anzhang.casework.models import Act, Approval, Case, Todo
from anzhang.casework.numbering import numbered
from anzhang.casework.routes import Route, Step, StepKind
from anzhang.directory.models import Person, Unit
from anzhang.directory.queries import is_employed, office_members
from anzhang.events import Event
from anzhang.journal.procedures import record, write
from anzhang.permissions import Actor, RefusedError, Via
from anzhang.regulation.checks import PROCEDURES, procedure

log = logging.getLogger("anzhang.casework")
OPINION_LENGTH = 1000
TITLE_LENGTH = 200
Seen = tuple[int, int]  # round and step that the page showed


@procedure("file_case")
def file_case(actor: Actor, route: str | Route, unit: Unit, applicant: Person, title: str, form: Mapping[str, Any], at: datetime) -> Case:
    """Open a case on a route and call its first step; return it.

    Raises RefusedError (`unknown_route`, `not_yourself`, `not_a_filer`, `form_invalid` with `.faults`).
    """
    way = _route(route)
    if actor.person_id != applicant.pk:
        raise RefusedError("not_yourself", _("事项只能由申请人本人提出。"), _("请申请人登录后提出。"))
    values = forms.validate(way, form)
    case = Case(
        route=way.key, title=_heading(title, way, unit), rules=dict(way.source), form=values, unit=unit, applicant=applicant, filed_at=at
    )
    _check_filer(case, way, applicant, at)
    case.due_at = workdays.deadline(at, way.days)

    def save(number: str) -> Case:
        case.pk, case.number = None, number
        write(actor, Event.CASE_FILE, case, at=at, payload={"number": number, "route": way.key})
        return case

    with transaction.atomic():
        numbered(Case, "number", "", at, save)
        _act(actor, case, Act.Verb.FILE, "", at, form=values)
        _open_step(actor, case, way.steps[0], at)
        return _keep(actor, case, at)


@procedure("agree")
def agree(actor: Actor, case: Case, opinion: str, at: datetime, seen: Seen | None = None) -> Case:
    """Agree in the present step, or take it on file where the step receives; return the case as it now stands."""
    with transaction.atomic():
        case, step = _enter(actor, case, at, seen)
        _vote(actor, case, Act.Verb.AGREE, opinion, at)
        return _move_on(actor, case, step, at)


@procedure("refuse")
def refuse(actor: Actor, case: Case, opinion: str, at: datetime, seen: Seen | None = None) -> Case:
    """Refuse in the present step, with a reason; return the case as it now stands."""
    _need_reason(opinion)
    with transaction.atomic():
        case, step = _enter(actor, case, at, seen)
        if step.kind is StepKind.RECEIVE:
            raise RefusedError("receive_only", _("该事项已获批准，备案环节不能否决。"), _("材料不全时可以退回补正。"))
        _vote(actor, case, Act.Verb.REFUSE, opinion, at)
        return _move_on(actor, case, step, at)


@procedure("send_back")
def send_back(actor: Actor, case: Case, opinion: str, at: datetime, seen: Seen | None = None) -> Case:
    """Give the case back to its applicant, with a reason; return it."""
    _need_reason(opinion)
    with transaction.atomic():
        case, _step = _enter(actor, case, at, seen)
        _vote(actor, case, Act.Verb.SEND_BACK, opinion, at)
        _close_todos(case, at)
        case.state, case.opening, case.fault = Case.State.RETURNED, {}, ""
        notices.notify(actor, case.applicant, "case_returned", _names(case), link(case), at)
        return _keep(actor, case, at)


@procedure("resubmit")
def resubmit(actor: Actor, case: Case, form: Mapping[str, Any] | None, at: datetime, opinion: str = "") -> Case:
    """Hand a returned case in again as a new round, with its form as edited (None: unchanged); return it.

    What has been granted stands: then the form stays as approved and the round begins at the step that takes it on file.
    """
    with transaction.atomic():
        case = _locked(case)
        _need_applicant(actor, case)
        if case.state != Case.State.RETURNED:
            raise RefusedError("not_returned", _("只有被退回的事项才能重新提交。"))
        way = queries.route_of(case)
        granted = queries.approval_of(case) is not None
        values = forms.validate(way, case.form if form is None else form)
        if granted and values != case.form:
            raise RefusedError("form_granted", _("内容已获批准，不能再改。"), _("内容不变、补正说明后重新提交；要改内容，另提事项。"))
        case.form, case.round, case.state = values, case.round + 1, Case.State.OPEN
        case.step = way.deciding if granted else 0
        case.due_at = workdays.deadline(at, sum(step.days for step in way.steps[case.step :]))
        _act(actor, case, Act.Verb.RESUBMIT, opinion, at, form=values)
        _open_step(actor, case, way.steps[case.step], at)
        return _keep(actor, case, at)


@procedure("withdraw")
def withdraw(actor: Actor, case: Case, opinion: str, at: datetime) -> Case:
    """Take one's own case back while nothing has been granted; return it."""
    with transaction.atomic():
        case = _locked(case)
        _need_applicant(actor, case)
        if case.state not in {Case.State.OPEN, Case.State.RETURNED}:
            raise _closed(case)
        if queries.approval_of(case) is not None:
            raise RefusedError("granted", _("该事项已获批准，不能撤回。"), _("要改变已批准的事项，另提新的事项。"))
        _act(actor, case, Act.Verb.WITHDRAW, opinion, at)
        _end(case, Case.State.WITHDRAWN, at)
        return _keep(actor, case, at)


def refresh_cases(actor: Actor, at: datetime) -> int:
    """Follow the registers in every open case and return how many changed; running twice changes nothing.

    Posts and terms move while a case waits: successors get the todo, people who left lose it, `Case.fault` says when nobody
    can pass the step. Votes already cast are counted again, no vote is added.
    """
    return sum(_refresh(actor, case, at) for case in list(Case.objects.filter(state=Case.State.OPEN)))


def _refresh(actor: Actor, case: Case, at: datetime) -> bool:
    try:
        with transaction.atomic():
            case = _locked(case)
            if case.state != Case.State.OPEN:
                return False
            before = (case.state, case.step, case.fault, case.opening)
            _settle(actor, case, queries.step_of(case), at)
            changed = (case.state, case.step, case.fault, case.opening) != before
            if changed:
                _keep(actor, case, at)
            return changed
    except RefusedError as refusal:
        # An effect refuses (everybody left on the panel had agreed, and then somebody left): the case waits for its people.
        log.warning("case %s: %s: %s", case.number, refusal.code, refusal.message)
        return False


def link(case: Case) -> str:
    """Return the address of a case's page."""
    return f"/cases/{case.number}/"


# Entering a case


def _route(route: str | Route) -> Route:
    if isinstance(route, Route):
        return route
    try:
        return routes.current()[route]
    except KeyError:
        raise RefusedError("unknown_route", _("没有名为“%s”的流程。") % route[:64]) from None


def _check_filer(case: Case, way: Route, applicant: Person, at: datetime) -> None:
    if not is_employed(applicant, at) or not any(applicant.pk in eligibility.resolve(who, case, at) for who in way.filers):
        message = _("您不能为%(unit)s提出“%(route)s”。") % {"unit": case.unit.name, "route": way.title}
        raise RefusedError("not_a_filer", message, _("请由该单位的在职人员提出。"))


def _heading(title: str, way: Route, unit: Unit) -> str:
    heading = title.strip() or f"{unit.name} {way.title}"
    if len(heading) > TITLE_LENGTH or "\x00" in heading:
        raise forms.FormError({"title": _("事项名称最多 %d 个字。") % TITLE_LENGTH})
    return heading


def _enter(actor: Actor, case: Case, at: datetime, seen: Seen | None) -> tuple[Case, Step]:
    """Return the locked case and its step, or refuse the actor."""
    if actor.via is not Via.BROWSER:
        raise RefusedError("not_browser", _("办理事项只能在浏览器中进行；令牌、命令行和定时任务不能办理。"), _("登录网页后办理。"))
    if not actor.second_factor:
        raise RefusedError("no_second_factor", _("办理事项需要第二重验证。"), _("完成第二重验证后再办理。"))
    shown = seen or (case.round, case.step)
    case = _locked(case)
    if case.state != Case.State.OPEN:
        raise _closed(case)
    if shown != (case.round, case.step):
        raise RefusedError("stale", _("该事项已进入下一环节或下一轮。"), _("刷新页面，查看最新情况后再办理。"))
    person_id = _person_id(actor)
    if person_id == case.applicant_id:
        raise RefusedError("own_case", _("任何人都不能办理自己提出的事项，管理员也不例外。"), _("由其他有权人员办理。"))
    step = queries.step_of(case)
    panel = eligibility.convene(case, step, at)
    if person_id not in panel.people:
        _refuse_outsider(person_id, case)
    if Act.objects.filter(_cast(case), person_id=person_id).exists():
        raise RefusedError("already_decided", _("您已在本环节办理过。"))
    return case, step


def _person_id(actor: Actor) -> int:
    if actor.person_id is None:
        raise RefusedError("not_a_person", _("该账号没有对应的人员，不能办理事项。"))
    return actor.person_id


def _refuse_outsider(person_id: int, case: Case) -> NoReturn:
    if person_id in eligibility.excluded(case):
        raise RefusedError("decided_other_step", _("您已在该事项的另一环节办理过，不能再办理本环节。"), _("由其他有权人员办理。"))
    asked = Todo.objects.filter(case=case, person_id=person_id)
    if asked.filter(round=case.round, step=case.step).exists():
        raise RefusedError("post_ended", _("您的任职或任期已经结束，不能再办理该事项。"))
    if asked.exists():
        raise RefusedError("not_your_step", _("该事项已不在您办理的环节。"))
    raise RefusedError("not_your_step", _("您不是本环节的办理人。"))


def _closed(case: Case) -> RefusedError:
    return RefusedError("case_closed", _("该事项%s，不能再办理。") % case.get_state_display())


def _locked(case: Case) -> Case:
    return Case.objects.select_for_update(of=("self",)).select_related("unit", "applicant").get(pk=case.pk)


def _need_applicant(actor: Actor, case: Case) -> None:
    if actor.person_id is None or actor.person_id != case.applicant_id:
        raise RefusedError("not_the_applicant", _("只有申请人可以撤回或重新提交。"))


def _need_reason(opinion: str) -> None:
    if not opinion.strip():
        raise RefusedError("reason_needed", _("退回或不同意时要写明理由。"), _("填写意见后再提交。"))


# Acting


def _vote(actor: Actor, case: Case, verb: Act.Verb, opinion: str, at: datetime) -> None:
    _act(actor, case, verb, opinion, at)
    Todo.objects.filter(case=case, round=case.round, step=case.step, person_id=_person_id(actor)).update(
        closed_at=at, outcome=Todo.Outcome.DONE
    )


_EVENTS = {
    Act.Verb.FILE: Event.CASE_FILE,
    Act.Verb.AGREE: Event.CASE_AGREE,
    Act.Verb.REFUSE: Event.CASE_REFUSE,
    Act.Verb.SEND_BACK: Event.CASE_SEND_BACK,
    Act.Verb.RESUBMIT: Event.CASE_RESUBMIT,
    Act.Verb.WITHDRAW: Event.CASE_WITHDRAW,
}


def _act(actor: Actor, case: Case, verb: Act.Verb, opinion: str, at: datetime, form: Mapping[str, Any] | None = None) -> None:
    opinion = opinion.strip()
    if len(opinion) > OPINION_LENGTH or "\x00" in opinion:
        raise RefusedError("opinion_too_long", _("意见最多 %d 个字。") % OPINION_LENGTH)
    act = Act(
        case=case, round=case.round, step=case.step, verb=verb, person_id=_person_id(actor), opinion=opinion, at=at,
        form=None if form is None else dict(form),
    )  # fmt: skip
    payload = {"case": case.number, "round": case.round, "step": case.step, "verb": str(verb), "opinion": opinion, "form": act.form}
    write(actor, _EVENTS[verb], act, at=at, payload=payload)


def _cast(case: Case) -> Q:
    """Return the condition "a vote in the present step and round"."""
    return Q(case=case, round=case.round, step=case.step, verb__in=(Act.Verb.AGREE, Act.Verb.REFUSE))


def _move_on(actor: Actor, case: Case, step: Step, at: datetime) -> Case:
    _settle(actor, case, step, at)
    return _keep(actor, case, at)


def _settle(actor: Actor, case: Case, step: Step, at: datetime) -> None:
    """Count the present step and let the case follow."""
    panel = eligibility.convene(case, step, at)
    votes = list(Act.objects.filter(_cast(case)).values_list("verb", "person_id"))
    tally = eligibility.count(
        step.need, panel, (who for verb, who in votes if verb == Act.Verb.AGREE), (who for verb, who in votes if verb == Act.Verb.REFUSE)
    )
    if tally is Tally.PASSED:
        _pass(actor, case, step, at)
    elif tally is Tally.REFUSED:
        notices.notify(actor, case.applicant_id, "case_refused", _names(case), link(case), at)
        _end(case, Case.State.REFUSED, at)
    else:
        _seat(actor, case, step, panel, at)


def _pass(actor: Actor, case: Case, step: Step, at: datetime) -> None:
    way = queries.route_of(case)
    _close_todos(case, at)
    case.opening, case.fault = {}, ""
    approval = queries.approval_of(case)
    if case.step + 1 == way.deciding:
        approval = _grant(actor, case, way, at)
        _run(way.effect, actor, case, approval, at)
    elif step.kind is StepKind.RECEIVE:
        _run(step.effect, actor, case, approval, at)
    if case.step + 1 < len(way.steps):
        case.step += 1
        _open_step(actor, case, way.steps[case.step], at)
    else:
        _end(case, Case.State.APPROVED, at)
        notices.notify(actor, case.applicant_id, "case_finished", _names(case), link(case), at)


def _grant(actor: Actor, case: Case, way: Route, at: datetime) -> Approval:
    ends = clock.start_of(clock.day_of(at) + timedelta(days=way.valid_days)) if way.valid_days else None
    approval = Approval(
        kind=way.key, case=case, scope={"unit": case.unit.code, **case.form}, authority=way.authority, valid_from=at, valid_to=ends,
        recorded_at=at,
    )  # fmt: skip
    payload = {"case": case.number, "kind": way.key, "scope": approval.scope}
    write(actor, Event.APPROVAL_RECORD, approval, at=at, payload=payload)
    if way.deciding < len(way.steps):
        notices.notify(actor, case.applicant_id, "case_approved", _names(case), link(case), at)
    return approval


def _run(effect: str, actor: Actor, case: Case, approval: Approval | None, at: datetime) -> None:
    """Do what the route says. What the effect refuses is refused to the person who acts, and nothing of the act is kept."""
    if not effect:
        return
    run: Callable[..., Any] | None = PROCEDURES.get(effect)
    if run is None:
        raise RefusedError("effect_unbound", _("流程要办的“%s”不存在，事项未办结。") % effect, _("请安全管理员检查流程设置。"))
    try:
        with transaction.atomic():
            run(actor, case, approval, at)
    except (IntegrityError, ValidationError) as error:
        raise RefusedError("effect_failed", _("批准后的变更无法写入，本次办理未生效：%s") % error, _("请退回申请人修改。")) from error


# Opening and closing steps


def _open_step(actor: Actor, case: Case, step: Step, at: datetime) -> None:
    case.opening = {}
    _seat(actor, case, step, eligibility.convene(case, step, at), at)


def _seat(actor: Actor, case: Case, step: Step, panel: Panel, at: datetime) -> None:
    """Give the todo to those who may act, take it from those who no longer may, and mark a step that nobody can pass."""
    case.opening = panel.as_json()
    fault = str(panel.fault or "")
    if fault and fault != case.fault:
        _tell_stuck(actor, case, at)
    case.fault = fault
    here = Todo.objects.filter(case=case, round=case.round, step=case.step)
    known = {todo.person_id: todo for todo in here}
    here.filter(closed_at=None).exclude(person_id__in=panel.people).update(closed_at=at, outcome=Todo.Outcome.DROPPED)
    due = next((todo.due_at for todo in known.values()), None) or workdays.deadline(at, step.days)
    for person_id in sorted(panel.people):
        todo = known.get(person_id)
        if todo is not None and (todo.closed_at is None or todo.outcome == Todo.Outcome.DONE):
            continue
        todo = todo or Todo(case=case, round=case.round, step=case.step, person_id=person_id)
        todo.opened_at, todo.due_at, todo.closed_at, todo.outcome = at, due, None, Todo.Outcome.PENDING
        todo.save()
        names = {**_names(case), "due": f"{due.astimezone(clock.BEIJING):%Y-%m-%d}"}
        notices.notify(actor, person_id, "todo_opened", names, link(case), at)


def _tell_stuck(actor: Actor, case: Case, at: datetime) -> None:
    """Tell the applicant and the Office, whose business the vacancy is."""
    for person_id in sorted({case.applicant_id, *office_members(at).values_list("pk", flat=True)}):
        notices.notify(actor, person_id, "case_stuck", _names(case), link(case), at)


def _close_todos(case: Case, at: datetime) -> None:
    Todo.objects.filter(case=case, closed_at=None).update(closed_at=at, outcome=Todo.Outcome.DROPPED)


def _end(case: Case, state: Case.State, at: datetime) -> None:
    _close_todos(case, at)
    case.state, case.decided_at, case.opening, case.fault = state, at, {}, ""


def _keep(actor: Actor, case: Case, at: datetime) -> Case:
    """Save the case as it stands with its entry."""
    event = Event.CASE_APPROVE if case.state == Case.State.APPROVED else Event.CASE_ADVANCE
    payload = {"state": str(case.state), "round": case.round, "step": case.step, "fault": case.fault, "opening": case.opening}
    case.save()
    record(actor, event, case, at=at, payload=payload)
    return case


def _names(case: Case) -> dict[str, str]:
    return {"title": case.title, "number": case.number}
