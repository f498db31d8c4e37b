"""Verbs that move a turn while a step is open: hand it over (转办), take it back, ask for one more signature (加签).

1. A turn is handed over only within a delegation that runs: one row from this person to that one, in the role of the step.
2. The deputy may do no more than the principal: not on their own case, not twice in a case, not in two seats.
3. An added signer comes on top of the step's own quorum. Voted steps and steps that take on file take none.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from anzhang.casework import delegations, eligibility, engine, queries
from anzhang.casework.eligibility import Panel
from anzhang.casework.engine import Seen
from anzhang.casework.models import Act, Case
from anzhang.casework.routes import Need, Step, StepKind
from anzhang.directory.models import Person
from anzhang.directory.queries import is_employed
from anzhang.permissions import Actor, RefusedError
from anzhang.regulation.checks import procedure


@procedure("delegate")
def delegate(actor: Actor, case: Case, deputy: Person, opinion: str, at: datetime, seen: Seen | None = None) -> Case:
    """Hand one's turn to a deputy within a delegation in force; return the case as it now stands.

    Raises RefusedError (`no_seat`, `no_delegation`, `barred`, `has_a_turn`, and what entering a case refuses).
    """
    with transaction.atomic():
        case, step, panel = engine.enter(actor, case, at, seen)
        who = engine.person_of(actor)
        if who not in panel.people:
            raise RefusedError("no_seat", _("只有本环节的办理人可以转办；代人办理或加签的不能再转。"), _("由本人办理，或请授权人收回。"))
        roles = eligibility.roles_of(panel, who, case, at)
        if not delegations.runs(who, deputy.pk, roles, at):
            message = _("您没有在有效期内授权%s代签本环节的事项。") % deputy.name
            raise RefusedError("no_delegation", message, _("先提出“授权代签”事项，经批准后再转办。"))
        _refuse_barred(case, panel, deputy, at)
        engine.act(actor, case, Act.Verb.DELEGATE, opinion, at, target_id=deputy.pk)
        return engine.move_on(actor, case, step, at)


@procedure("take_back")
def take_back(actor: Actor, case: Case, opinion: str, at: datetime) -> Case:
    """Take back a turn that one has handed over while the deputy has not acted; return the case as it now stands.

    Raises RefusedError (`not_handed_over`).
    """
    engine.require_decider(actor)
    with transaction.atomic():
        case = engine.locked(case)
        if case.state != Case.State.OPEN:
            raise engine.closed(case)
        step, who = queries.step_of(case), engine.person_of(actor)
        deputy = eligibility.convene(case, step, at).proxies.get(who)
        if deputy is None or Act.objects.filter(engine.cast(case), person_id=deputy).exists():
            raise RefusedError("not_handed_over", _("没有可以收回的转办：您未转办，或对方已经办理。"))
        engine.act(actor, case, Act.Verb.TAKE_BACK, opinion, at)
        return engine.move_on(actor, case, step, at)


@procedure("add_signer")
def add_signer(
    actor: Actor, case: Case, signer: Person, placement: str, opinion: str, at: datetime, seen: Seen | None = None
) -> Case:  # fmt: skip
    """Ask for one more signature in the present step, before or after its own people; return the case as it now stands.

    Raises RefusedError (`reason_needed`, `placement`, `no_seat`, `body_votes`, `receive_only`, `barred`, `has_a_turn`).
    """
    engine.need_reason(opinion)
    if placement not in Act.Placement.values:
        raise RefusedError("placement", _("请选择前加签或后加签。"))
    with transaction.atomic():
        case, step, panel = engine.enter(actor, case, at, seen)
        _refuse_more_signers(step)
        if engine.person_of(actor) not in panel.seats:
            raise RefusedError("no_seat", _("加签人不能再加签。"), _("由本环节的办理人加签。"))
        _refuse_barred(case, panel, signer, at)
        engine.act(actor, case, Act.Verb.ADD_SIGNER, opinion, at, target_id=signer.pk, placement=placement)
        return engine.move_on(actor, case, step, at)


def may_take_over(case: Case, person_id: int, at: datetime) -> QuerySet[Person]:
    """Return who may take over somebody's turn in the present step of an open case."""
    panel = eligibility.convene(case, queries.step_of(case), at)
    if person_id not in panel.people:
        return Person.objects.none()
    roles = eligibility.roles_of(panel, person_id, case, at)
    return delegations.deputies(person_id, roles, at).exclude(pk__in=eligibility.excluded(case) | set(panel.seats) | panel.signers)


def takes_signers(step: Step) -> bool:
    """Whether signers may be added to a step."""
    return step.kind is StepKind.DECIDE and step.need in {Need.ONE, Need.ALL}


def _refuse_more_signers(step: Step) -> None:
    if step.kind is StepKind.RECEIVE:
        raise RefusedError("receive_only", _("该事项已获批准，备案环节不能加签。"))
    if not takes_signers(step):
        raise RefusedError("body_votes", _("表决环节的成员在开始时已固定，不能加签。"), _("需要征求意见的，退回后由申请人补充。"))


def _refuse_barred(case: Case, panel: Panel, person: Person, at: datetime) -> None:
    if not is_employed(person, at):
        raise RefusedError("barred", _("%s 不在职。") % person.name)
    if person.pk in eligibility.excluded(case):
        message = _("%s 是本事项的申请人，或已在另一环节办理过，不能再办理。") % person.name
        raise RefusedError("barred", message, _("另选他人。"))
    if person.pk in panel.seats or person.pk in panel.people or person.pk in panel.signers:
        raise RefusedError("has_a_turn", _("%s 已是本环节的办理人，一人不能占两个席位。") % person.name, _("另选他人。"))
