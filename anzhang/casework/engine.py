"""The moves of a case under the verbs: who may enter, what an act leaves, how the votes are counted, where the case goes.

Nothing here is called by a face. The verbs in `procedures`, `turns`, `revocation` and `emergency` call it inside their
transaction, with the case locked by `enter` or `locked`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, NoReturn

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from anzhang import clock
from anzhang.casework import conditions, eligibility, forms, notices, queries, resting, workdays
from anzhang.casework.eligibility import Panel, Tally
from anzhang.casework.models import Act, Approval, Case, Finding, Todo
from anzhang.casework.routes import Route, Step, StepKind
from anzhang.directory import rows
from anzhang.directory.models import Person, Unit
from anzhang.directory.queries import is_employed, office_members
from anzhang.events import Event
from anzhang.journal.procedures import record, write
from anzhang.permissions import Actor, RefusedError, Via
from anzhang.regulation.checks import PROCEDURES

OPINION_LENGTH = 1000
TITLE_LENGTH = 200
Seen = tuple[int, int]  # round and step that the page showed


def link(case: Case) -> str:
    """Return the address of a case's page."""
    return f"/cases/{case.number}/"


# Entering a case


def check_filer(case: Case, way: Route, applicant: Person, at: datetime) -> None:
    """Refuse whoever the route does not let file for the unit."""
    if not is_employed(applicant, at) or not any(applicant.pk in eligibility.resolve(who, case, at) for who in way.filers):
        message = _("您不能为%(unit)s提出“%(route)s”。") % {"unit": case.unit.name, "route": way.title}
        raise RefusedError("not_a_filer", message, _("请由该单位的在职人员提出。"))


def heading(title: str, way: Route, unit: Unit) -> str:
    """Return the title of a case, by default the unit and the route. Raises FormError."""
    text = title.strip() or f"{unit.name} {way.title}"
    if len(text) > TITLE_LENGTH or "\x00" in text:
        raise forms.FormError({"title": _("事项名称最多 %d 个字。") % TITLE_LENGTH})
    return text


def enter(actor: Actor, case: Case, at: datetime, seen: Seen | None) -> tuple[Case, Step, Panel]:
    """Return the locked case, its step and who may act in it, or refuse the actor."""
    require_decider(actor)
    shown = seen or (case.round, case.step)
    case = locked(case)
    if case.state != Case.State.OPEN:
        raise closed(case)
    if shown != (case.round, case.step):
        raise RefusedError("stale", _("该事项已进入下一环节或下一轮。"), _("刷新页面，查看最新情况后再办理。"))
    who = person_of(actor)
    if who == case.applicant_id:
        raise RefusedError("own_case", _("任何人都不能办理自己提出的事项，管理员也不例外。"), _("由其他有权人员办理。"))
    step = queries.step_of(case)
    panel = eligibility.convene(case, step, at)
    if who not in eligibility.hands(step.need, panel, *votes(case)):
        _refuse_outsider(who, case, panel)
    if Act.objects.filter(cast(case), person_id=who).exists():
        raise RefusedError("already_decided", _("您已在本环节办理过。"))
    return case, step, panel


def require_decider(actor: Actor) -> None:
    """Refuse every way in but a browser session with its second factor."""
    if actor.via is not Via.BROWSER:
        raise RefusedError("not_browser", _("办理事项只能在浏览器中进行；令牌、命令行和定时任务不能办理。"), _("登录网页后办理。"))
    if not actor.second_factor:
        raise RefusedError("no_second_factor", _("办理事项需要第二重验证。"), _("完成第二重验证后再办理。"))


def person_of(actor: Actor) -> int:
    """Return the person who acts, by id."""
    if actor.person_id is None:
        raise RefusedError("not_a_person", _("该账号没有对应的人员，不能办理事项。"))
    return actor.person_id


def _refuse_outsider(who: int, case: Case, panel: Panel) -> NoReturn:
    if who in eligibility.excluded(case):
        raise RefusedError("decided_other_step", _("您已在该事项的另一环节办理过，不能再办理本环节。"), _("由其他有权人员办理。"))
    if who in panel.proxies:
        raise RefusedError("handed_over", _("您已将该事项转办他人。"), _("需要自己办理时，先收回转办。"))
    if who in panel.after:
        raise RefusedError("not_yet", _("本环节的办理人办理后才轮到您签署。"))
    asked = Todo.objects.filter(case=case, person_id=who)
    if asked.filter(round=case.round, step=case.step).exists():
        raise RefusedError("post_ended", _("您的任职、任期或授权已经结束，不能再办理该事项。"))
    if asked.exists():
        raise RefusedError("not_your_step", _("该事项已不在您办理的环节。"))
    raise RefusedError("not_your_step", _("您不是本环节的办理人。"))


def closed(case: Case) -> RefusedError:
    """Return the refusal of an act on a case that is over."""
    return RefusedError("case_closed", _("该事项%s，不能再办理。") % case.get_state_display())


def locked(case: Case) -> Case:
    """Return the case as it stands, locked until the transaction ends."""
    return Case.objects.select_for_update(of=("self",)).select_related("unit", "applicant").get(pk=case.pk)


def need_applicant(actor: Actor, case: Case) -> None:
    """Refuse everybody but the applicant."""
    if actor.person_id is None or actor.person_id != case.applicant_id:
        raise RefusedError("not_the_applicant", _("只有申请人可以撤回或重新提交。"))


def need_reason(opinion: str) -> None:
    """Refuse an empty opinion."""
    if not opinion.strip():
        raise RefusedError("reason_needed", _("退回、不同意、撤销或加签时要写明理由。"), _("填写意见后再提交。"))


# Acting


_EVENTS = {
    Act.Verb.FILE: Event.CASE_FILE,
    Act.Verb.AGREE: Event.CASE_AGREE,
    Act.Verb.REFUSE: Event.CASE_REFUSE,
    Act.Verb.SEND_BACK: Event.CASE_SEND_BACK,
    Act.Verb.RESUBMIT: Event.CASE_RESUBMIT,
    Act.Verb.WITHDRAW: Event.CASE_WITHDRAW,
    Act.Verb.DELEGATE: Event.CASE_DELEGATE,
    Act.Verb.TAKE_BACK: Event.CASE_TAKE_BACK,
    Act.Verb.ADD_SIGNER: Event.CASE_ADD_SIGNER,
    Act.Verb.REVOKE: Event.CASE_REVOKE,
}


def vote(actor: Actor, case: Case, panel: Panel, verb: Act.Verb, opinion: str, at: datetime) -> None:
    """Append a decision, in the seat of a principal where the actor is a deputy, and close the actor's todo."""
    who = person_of(actor)
    seat = panel.seats.get(who, who)
    act(actor, case, verb, opinion, at, principal_id=None if seat == who else seat)
    Todo.objects.filter(case=case, round=case.round, step=case.step, person_id=who).update(closed_at=at, outcome=Todo.Outcome.DONE)


def act(actor: Actor, case: Case, verb: Act.Verb, opinion: str, at: datetime, form: Mapping[str, Any] | None = None, **columns: Any) -> Act:
    """Append what somebody does to a case, with its entry; return it."""
    opinion = opinion.strip()
    if len(opinion) > OPINION_LENGTH or "\x00" in opinion:
        raise RefusedError("opinion_too_long", _("意见最多 %d 个字。") % OPINION_LENGTH)
    row = Act(
        case=case, round=case.round, step=case.step, verb=verb, person_id=person_of(actor), opinion=opinion, at=at,
        form=None if form is None else dict(form), **columns,
    )  # fmt: skip
    payload = {"case": case.number, "round": case.round, "step": case.step, "verb": str(verb), "opinion": opinion, "form": row.form}
    extra = {name: value for name, value in columns.items() if value is not None}
    write(actor, _EVENTS[verb], row, at=at, payload={**payload, **extra})
    return row


def cast(case: Case) -> Q:
    """Return the condition "a vote in the present step and round"."""
    return Q(case=case, round=case.round, step=case.step, verb__in=(Act.Verb.AGREE, Act.Verb.REFUSE))


def votes(case: Case) -> tuple[set[int], set[int]]:
    """Return who has agreed and who has refused in the present step and round."""
    found = list(Act.objects.filter(cast(case)).values_list("verb", "person_id"))
    return {who for verb, who in found if verb == Act.Verb.AGREE}, {who for verb, who in found if verb == Act.Verb.REFUSE}


def move_on(actor: Actor, case: Case, step: Step, at: datetime) -> Case:
    """Count, let the case follow, and keep it."""
    settle(actor, case, step, at)
    return keep(actor, case, at)


def settle(actor: Actor, case: Case, step: Step, at: datetime) -> None:
    """Count the present step and let the case follow."""
    panel = eligibility.convene(case, step, at)
    agreed, refused = votes(case)
    tally = eligibility.count(step.need, panel, agreed, refused)
    if tally is Tally.PASSED:
        _pass(actor, case, step, at)
    elif tally is Tally.REFUSED:
        notices.notify(actor, case.applicant_id, "case_refused", names(case), link(case), at)
        end(case, Case.State.REFUSED, at)
        approval = queries.approval_of(case)
        if approval is not None:  # what was done first is not regularized: it ends here
            resting.lapse(actor, approval, at, Event.APPROVAL_REVOKE, revoked_at=at)
    else:
        _seat(actor, case, step, panel, eligibility.hands(step.need, panel, agreed, refused), at)


def _pass(actor: Actor, case: Case, step: Step, at: datetime) -> None:
    way = queries.route_of(case)
    close_todos(case, at)
    case.opening, case.fault = {}, ""
    after = conditions.following(way, case)
    if step.kind is StepKind.RECEIVE:
        run(step.effect, actor, case, queries.approval_of(case), at)
    elif after is None or way.steps[after].kind is StepKind.RECEIVE:
        _grant(actor, case, way, at, ends_case=after is None)
    if after is not None:
        case.step = after
        open_step(actor, case, way.steps[after], at)
    else:
        end(case, Case.State.APPROVED, at)
        notices.notify(actor, case.applicant_id, "case_finished", names(case), link(case), at)


def _grant(actor: Actor, case: Case, way: Route, at: datetime, *, ends_case: bool) -> None:
    provisional = queries.approval_of(case)
    if provisional is None:
        run(way.effect, actor, case, record_approval(actor, case, way, at, _ends(way, at)), at)
    else:
        _regularize(actor, case, way, provisional, at)
    if not ends_case:
        notices.notify(actor, case.applicant_id, "case_approved", names(case), link(case), at)


def record_approval(actor: Actor, case: Case, way: Route, at: datetime, ends: datetime | None, origin: str | None = None) -> Approval:
    """Write what a case grants, with its entry; return it."""
    approval = Approval(
        kind=way.key, case=case, scope={"unit": case.unit.code, **case.form}, authority=way.authority, valid_from=at, valid_to=ends,
        recorded_at=at, origin=origin,
    )  # fmt: skip
    payload = {"case": case.number, "kind": way.key, "scope": approval.scope}
    write(actor, Event.APPROVAL_RECORD, approval, at=at, payload=payload)
    return approval


def _regularize(actor: Actor, case: Case, way: Route, provisional: Approval, at: datetime) -> None:
    """Turn what was allowed for hours into what the route grants; what had lapsed meanwhile begins anew."""
    lapsed = provisional.valid_to is not None and provisional.valid_to <= at
    if lapsed:
        resting.end(actor, provisional, at)
    approval = rows.amend(
        actor, Event.APPROVAL_REGULARIZE, provisional, at, valid_to=_ends(way, at), origin=Approval.Origin.REGULARIZED, expired_at=None
    )
    if lapsed:
        run(way.effect, actor, case, approval, at)
    for finding in Finding.objects.filter(subject=f"emergency:{case.number}").exclude(state=Finding.State.CLOSED):
        finding.state = Finding.State.REGULARIZED  # approved after the act: said so until the next measurement closes it
        write(actor, Event.FINDING_REGULARIZE, finding, at=at, payload={"number": finding.number, "case": case.number})


def _ends(way: Route, at: datetime) -> datetime | None:
    return clock.start_of(clock.day_of(at) + timedelta(days=way.valid_days)) if way.valid_days else None


def run(effect: str, actor: Actor, case: Case, approval: Approval | None, at: datetime) -> None:
    """Do what the route says. What the effect refuses is refused to the person who acts, and nothing of the act is kept."""
    if not effect:
        return
    do: Callable[..., Any] | None = PROCEDURES.get(effect)
    if do is None:
        raise RefusedError("effect_unbound", _("流程要办的“%s”不存在，事项未办结。") % effect, _("请安全管理员检查流程设置。"))
    try:
        with transaction.atomic():
            do(actor, case, approval, at)
    except (IntegrityError, ValidationError) as error:
        raise RefusedError("effect_failed", _("批准后的变更无法写入，本次办理未生效：%s") % error, _("请退回申请人修改。")) from error


# Opening and closing steps


def open_step(actor: Actor, case: Case, step: Step, at: datetime) -> None:
    """Call the people of a step."""
    case.opening = {}
    panel = eligibility.convene(case, step, at)
    _seat(actor, case, step, panel, eligibility.hands(step.need, panel, (), ()), at)


def _seat(actor: Actor, case: Case, step: Step, panel: Panel, hands: frozenset[int], at: datetime) -> None:
    """Give the todo to those whose turn it is, take it from those whose it no longer is, and mark a step that nobody can pass."""
    case.opening = panel.as_json()
    fault = str(panel.fault or "")
    if fault and fault != case.fault:
        _tell_stuck(actor, case, at)
    case.fault = fault
    here = Todo.objects.filter(case=case, round=case.round, step=case.step)
    known = {todo.person_id: todo for todo in here}
    gone = here.filter(closed_at=None).exclude(person_id__in=hands)
    gone.filter(person_id__in=panel.proxies).update(closed_at=at, outcome=Todo.Outcome.DELEGATED)
    gone.update(closed_at=at, outcome=Todo.Outcome.DROPPED)
    due = next((todo.due_at for todo in known.values()), None) or workdays.deadline(at, step.days)
    for who in sorted(hands):
        todo = known.get(who)
        if todo is not None and (todo.closed_at is None or todo.outcome == Todo.Outcome.DONE):
            continue
        todo = todo or Todo(case=case, round=case.round, step=case.step, person_id=who)
        seat = panel.seats.get(who, who)
        todo.opened_at, todo.due_at, todo.closed_at, todo.outcome = at, due, None, Todo.Outcome.PENDING
        todo.principal_id = None if seat == who else seat
        todo.save()
        words = {**names(case), "due": f"{due.astimezone(clock.BEIJING):%Y-%m-%d}"}
        notices.notify(actor, who, "todo_opened", words, link(case), at)


def _tell_stuck(actor: Actor, case: Case, at: datetime) -> None:
    """Tell the applicant and the Office, whose business the vacancy is."""
    for who in sorted({case.applicant_id, *office_members(at).values_list("pk", flat=True)}):
        notices.notify(actor, who, "case_stuck", names(case), link(case), at)


def close_todos(case: Case, at: datetime) -> None:
    """Take the case from everybody who has it."""
    Todo.objects.filter(case=case, closed_at=None).update(closed_at=at, outcome=Todo.Outcome.DROPPED)


def end(case: Case, state: Case.State, at: datetime) -> None:
    """Let a case end in a state; the caller keeps it."""
    close_todos(case, at)
    case.state, case.decided_at, case.opening, case.fault = state, at, {}, ""


def keep(actor: Actor, case: Case, at: datetime) -> Case:
    """Save the case as it stands with its entry."""
    event = Event.CASE_APPROVE if case.state == Case.State.APPROVED else Event.CASE_ADVANCE
    payload = {"state": str(case.state), "round": case.round, "step": case.step, "fault": case.fault, "opening": case.opening}
    case.save()
    record(actor, event, case, at=at, payload=payload)
    return case


def names(case: Case) -> dict[str, str]:
    """Return how a notice names a case."""
    return {"title": case.title, "number": case.number}
