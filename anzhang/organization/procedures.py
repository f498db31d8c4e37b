"""The verbs of Art. 3-6: officers and their filing, policy documents, training, and the posts that decided cases give.

What a case grants is an effect, `effect(actor, case, approval, at)`: it runs in the transaction of the deciding act, and what it
refuses undoes that act. Every effect first asks that the approval is this case's and in force.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from functools import partial
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from anzhang import clock
from anzhang.casework import eligibility, forms
from anzhang.casework.eligibility import Ground
from anzhang.casework.models import Approval, Case
from anzhang.casework.numbering import numbered
from anzhang.casework.queries import require_approval
from anzhang.directory import procedures as directory
from anzhang.directory import rows, scope
from anzhang.directory.bulk import Batch, Faults, batcher
from anzhang.directory.models import Assignment, LeadingGroupMember, Person
from anzhang.directory.queries import holders, office_members
from anzhang.events import Event
from anzhang.organization import decisions as _decisions  # noqa: F401  # named procedures
from anzhang.organization import directives as _directives  # noqa: F401  # named procedures
from anzhang.organization import inspections as _inspections  # noqa: F401  # named procedures
from anzhang.organization import measures as _measures  # noqa: F401  # named procedures
from anzhang.organization import planning as _planning  # noqa: F401  # named procedures
from anzhang.organization import policies as _policies  # noqa: F401  # named procedures
from anzhang.organization import projects as _projects  # noqa: F401  # named procedures
from anzhang.organization import statements as _statements  # noqa: F401  # named procedures
from anzhang.organization.models import Filing, Officer, PolicyDocument, TrainingRecord
from anzhang.organization.queries import officers
from anzhang.permissions import Actor, RefusedError
from anzhang.regulation.checks import procedure


@eligibility.role("security_officer")
def security_officer(ground: Ground, at: datetime) -> Iterable[Person]:
    """Return the serving security officers of a unit."""
    return [officer.person for officer in officers(ground.unit, at)] if ground.unit else ()


@procedure("appoint_officer")
def appoint_officer(actor: Actor, case: Case, approval: Approval, at: datetime) -> Officer:
    """Put the person of the case into the officer's post of the unit that asked; whoever held it leaves as the new one begins.

    Raises RefusedError `no_approval`, `backdated`, `not_employed`, `other_unit`, `already_officer`.

    Source: Art. 5; route `officer_appointment`.
    """
    require_approval(case, approval, "officer_appointment", at)
    person, begins = _person(case), _begins(case, at)
    directory.require_employed(person, begins)
    if person.unit_id != case.unit_id or person.kind != Person.Kind.STAFF:
        message = _("%(person)s 不是%(unit)s的在编人员。") % {"person": person.name, "unit": case.unit.name}
        raise RefusedError("other_unit", message, _("信息安全管理人员须由本单位人员担任。"))
    serving = Officer.objects.filter(Officer.in_force(begins), unit=case.unit).select_related("person")
    if any(officer.person_id == person.pk for officer in serving):
        raise RefusedError("already_officer", _("%s 已是本单位的信息安全管理人员。") % person.name)
    with transaction.atomic():
        for officer in serving:
            reason = _("由%s接任") % person.name
            rows.amend(actor, Event.OFFICER_LEAVE, officer, at, valid_to=begins, end_reason=reason)
        new = Officer(unit=case.unit, person=person, basis=approval, valid_from=begins, recorded_at=at)
        return rows.create(actor, new, at, Event.OFFICER_APPOINT)


@procedure("end_officer")
def end_officer(actor: Actor, case: Case, approval: Approval, at: datetime) -> Officer:
    """End the post of the officer named in the case, as of the beginning of the day it names (a past day is a correction).

    Raises RefusedError `no_approval`, `not_officer`, `ends_before_start`.

    Source: Art. 5; route `officer_departure`.
    """
    require_approval(case, approval, "officer_departure", at)
    person = _person(case)
    officer = Officer.objects.filter(unit=case.unit, person=person, superseded_at=None, valid_to=None).first()
    if officer is None:
        raise RefusedError("not_officer", _("%s 不是本单位现任的信息安全管理人员。") % person.name, _("核对台账后重新提交。"))
    return _end(actor, officer, date.fromisoformat(case.form["effective_on"]), str(case.form["reason"]), at)


def end_officer_posts(actor: Actor, person: Person, day: date, at: datetime) -> int:
    """End every officer's post of a person who leaves, as of the beginning of a day; return how many."""
    lasting = Q(valid_to=None) | Q(valid_to__gt=clock.start_of(day))
    serving = list(Officer.objects.filter(lasting, person=person, superseded_at=None))
    for officer in serving:
        _end(actor, officer, day, _("离职"), at)
    return len(serving)


def _end(actor: Actor, officer: Officer, day: date, reason: str, at: datetime) -> Officer:
    ends = clock.start_of(day)
    if ends <= officer.valid_from:
        began = clock.day_of(officer.valid_from)
        if day != began:
            message = _("%(person)s 自 %(day)s 起任职，卸任日期不能早于这一天。") % {"person": officer.person.name, "day": began}
            raise RefusedError("ends_before_start", message, _("核对日期后重新提交。"))
        # Appointed and gone on the same day: the post ends with the act, not before it began.
        directory.require_period(officer.valid_from, at)
        ends = at
    return rows.amend(actor, Event.OFFICER_LEAVE, officer, at, valid_to=ends, end_reason=reason[:200])


@procedure("receive_filing")
def receive_filing(actor: Actor, case: Case, approval: Approval, at: datetime) -> list[Filing]:
    """Take an appointment or a departure on file with the Office: one receipt for every officer that the case changed.

    Raises RefusedError `not_the_office`, `nothing_to_file`.

    Source: Art. 5, 备案; the receiving step of the officer routes.
    """
    receiver = actor.person_id
    if approval.case_id != case.pk or receiver is None or not office_members(at).filter(pk=receiver).exists():
        raise RefusedError("not_the_office", _("备案由领导小组办公室工作人员接收。"))
    changed = _changed_officers(case, approval)
    if not changed:
        raise RefusedError("nothing_to_file", _("该事项没有任命或变更可备案。"))
    with transaction.atomic():
        return [_file(actor, case, officer, kind, receiver, at) for officer, kind in changed]


def _changed_officers(case: Case, approval: Approval) -> list[tuple[Officer, str]]:
    current = Officer.objects.filter(unit=case.unit, superseded_at=None)
    if case.route == "officer_departure":
        left = current.filter(person=_person(case)).exclude(valid_to=None).order_by("-valid_to", "-pk").first()
        return [(left, Filing.Kind.OFFICER_CHANGED)] if left else []
    new = current.filter(basis=approval).first()
    if new is None:
        return []
    replaced = current.filter(valid_to=new.valid_from).exclude(pk=new.pk)
    return [(new, Filing.Kind.OFFICER_APPOINTED), *((officer, Filing.Kind.OFFICER_CHANGED) for officer in replaced)]


def _file(actor: Actor, case: Case, officer: Officer, kind: str, receiver: int, at: datetime) -> Filing:
    def save(number: str) -> Filing:
        filing = Filing(receipt_no=number, kind=kind, unit=case.unit, officer=officer, case=case, received_at=at, received_by_id=receiver)
        return rows.create(actor, filing, at, Event.FILING_RECEIVE)

    return numbered(Filing, "receipt_no", "BA", at, save)


@procedure("issue_policy_document")
def issue_policy_document(actor: Actor, case: Case, approval: Approval, at: datetime) -> PolicyDocument:
    """Put the document of the case in force; the edition of the same kind in force before ends on that day.

    Raises RefusedError `no_approval`, `backdated`, `edition_exists`.

    Source: Art. 5; route `policy_document`.
    """
    require_approval(case, approval, "policy_document", at)
    form, today = case.form, clock.day_of(at)
    begins = _day(form.get("in_force_from"), today)
    of_kind = PolicyDocument.objects.filter(unit=case.unit, kind=form["kind"])
    if of_kind.filter(edition=form["edition"]).exists():
        raise RefusedError("edition_exists", _("该类制度的版次“%s”已发布过。") % form["edition"], _("换一个版次。"))
    with transaction.atomic():
        for before in of_kind.filter(in_force_to=None, in_force_from__lte=begins):
            rows.change(actor, before, {"in_force_to": begins}, at)
        document = PolicyDocument(
            unit=case.unit, kind=form["kind"], title=form["title"], edition=form["edition"], issued_on=today, reviewed_on=today,
            in_force_from=begins, basis=approval,
        )  # fmt: skip
        return rows.create(actor, document, at, Event.POLICY_ISSUE)


@procedure("review_policy_document")
def review_policy_document(actor: Actor, document: PolicyDocument, at: datetime, expected_version: int | None = None) -> PolicyDocument:
    """Note that a document in force was reviewed today and stays as it is; the unit head or the Office does it.

    Raises RefusedError `not_answerable`, `not_in_force`, StaleError.
    """
    directory.require_answerable(actor, document.unit, at)
    today = clock.day_of(at)
    if document.in_force_to is not None and document.in_force_to <= today:
        raise RefusedError("not_in_force", _("该制度已废止，不能复审。"), _("发布新版次。"))
    return rows.change(actor, document, {"reviewed_on": today}, at, expected_version, Event.POLICY_REVIEW)


@procedure("record_training")
def record_training(actor: Actor, *, at: datetime, **values: Any) -> TrainingRecord:
    """Note training that a person took (Art. 5). Raises RefusedError `in_the_future`, RowError."""
    return rows.create(actor, _held(TrainingRecord(**values), at), at, Event.TRAINING_RECORD)


@procedure("change_training")
def change_training(
    actor: Actor, row: TrainingRecord, *, at: datetime, expected_version: int | None = None, **values: Any
) -> TrainingRecord:
    """Correct a training record. Raises RefusedError `in_the_future`, StaleError, RowError."""
    with transaction.atomic():
        return _held(rows.change(actor, row, values, at, expected_version), at)


def _held(training: TrainingRecord, at: datetime) -> TrainingRecord:
    if isinstance(training.trained_on, date) and training.trained_on > clock.day_of(at):
        raise RefusedError("in_the_future", _("培训日期不能晚于今天。"))
    return training


def _all_held(batch: Batch) -> Faults:
    for place, training in enumerate(batch):
        try:
            _held(training, batch.at)
        except RefusedError as refusal:
            yield place, refusal


record_trainings = procedure("record_trainings")(batcher(TrainingRecord, Event.TRAINING_RECORD, judge=_all_held))


@procedure("start_assignment")
def start_assignment(actor: Actor, case: Case, approval: Approval, at: datetime) -> Assignment:
    """Give the person of the case the post it names, in the unit that asked.

    Raises RefusedError `no_approval`, `backdated` and what `directory.procedures.start_assignment` raises.

    Source: Art. 5, 14; route `assignment`.
    """
    require_approval(case, approval, "assignment", at)
    return directory.start_assignment(
        actor, person=_person(case), duty=case.form["duty"], unit=case.unit, system=_named(case, "system"), room=_named(case, "room"),
        basis=approval, valid_from=_begins(case, at), valid_to=_ends(case), at=at, **_scope(case.form),
    )  # fmt: skip


def _fault(judge: Callable[[Any], None], read: Callable[[str], Any], text: str) -> str:
    try:
        judge(read(text))
    except ValidationError as error:
        return "".join(error.messages)
    return ""


def _hours(text: str) -> str:
    return " ".join(text.split())


for _name in ("functions", "jurisdiction"):
    forms.field_rule("assignment", _name, partial(_fault, scope.names, scope.lines))
forms.field_rule("assignment", "hours", partial(_fault, scope.hours, _hours))


def _scope(form: Mapping[str, Any]) -> dict[str, Any]:
    """Return what business a post covers as a form says it; cases from before say nothing."""
    hours = _hours(form.get("hours") or "") or None
    return {"functions": scope.lines(form.get("functions")), "jurisdiction": scope.lines(form.get("jurisdiction")), "hours": hours}


@procedure("appoint_unit_head")
def appoint_unit_head(actor: Actor, case: Case, approval: Approval, at: datetime) -> Assignment:
    """Register the head of the unit that asked; the head before leaves the post as the new one begins.

    Source: Art. 5; route `unit_head`.
    """
    require_approval(case, approval, "unit_head", at)
    begins, duty = _begins(case, at), Assignment.Duty.UNIT_HEAD
    with transaction.atomic():
        for post in holders(duty, begins).filter(unit=case.unit).exclude(person=_person(case)):
            rows.amend(actor, Event.ASSIGNMENT_END, post, at, valid_to=begins)
        return directory.start_assignment(actor, person=_person(case), duty=duty, unit=case.unit, basis=approval, valid_from=begins, at=at)


@procedure("seat_leading_group_member")
def seat_leading_group_member(actor: Actor, case: Case, approval: Approval, at: datetime) -> LeadingGroupMember | int:
    """Seat the person of the case in the leading group, or end the seat where the case says so.

    Source: Art. 4; route `leading_group_member`.
    """
    require_approval(case, approval, "leading_group_member", at)
    person, begins, role = _person(case), _begins(case, at), case.form["role"]
    if role == "leaves":
        return directory.unseat_leading_group_member(actor, person=person, basis=approval, ends=begins, at=at)
    return directory.seat_leading_group_member(
        actor, person=person, role=role, basis=approval, valid_from=begins, valid_to=_ends(case), at=at
    )


def _named(case: Case, column: str) -> Any:
    """Return the system or room that the case names, or None; their models stand above and are reached through the post's own columns."""
    code = case.form.get(column)
    model: Any = Assignment._meta.get_field(column).related_model
    return model._default_manager.get(code=code) if code else None


def _person(case: Case) -> Person:
    return Person.objects.select_related("unit").get(code=case.form["person"])


def _begins(case: Case, at: datetime) -> datetime:
    """Return when a granted post begins: now, or at the beginning of a later day. Nothing is granted backwards."""
    today = clock.day_of(at)
    day = _day(case.form.get("effective_on"), today)
    return at if day == today else clock.start_of(day)


def _ends(case: Case) -> datetime | None:
    text = case.form.get("ends_on")
    return clock.start_of(date.fromisoformat(text)) if text else None


def _day(text: str | None, today: date) -> date:
    day = date.fromisoformat(text) if text else today
    if day < today:
        raise RefusedError("backdated", _("起始日期 %s 早于批准之日。") % day, _("退回申请人，改为批准之日或以后。"))
    return day
