"""Findings: opened, reopened and closed by measurement alone; people only plan the remedy (DESIGN 9).

One active finding per fingerprint (obligation, subject, detail). The responsible unit and person are those of the
instant at which the breach began, read from the posts of that time (Art. 33).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from anzhang import clock
from anzhang.casework import eligibility, notices, workdays
from anzhang.casework.models import Finding, Notice
from anzhang.casework.numbering import following
from anzhang.directory.models import Assignment, Person, Unit
from anzhang.directory.queries import office_members
from anzhang.events import Event
from anzhang.journal.procedures import write
from anzhang.permissions import Actor, RefusedError
from anzhang.regulation.catalog import Obligation
from anzhang.regulation.checks import procedure
from anzhang.regulation.verdicts import Breach, Outcome

EVIDENCE_KEPT = 20  # references per finding; the check finds the rest again
PLAN_LENGTH = 1000


@dataclass
class Tally:
    """What one measurement changed."""

    opened: list[str] = field(default_factory=list)
    reopened: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    regularized: list[str] = field(default_factory=list)


def fingerprint(obligation: str, breach: Breach) -> str:
    """Return what makes two measurements of a breach the same finding."""
    return hashlib.sha256(f"{obligation}\n{breach.subject.key}\n{breach.detail}".encode()).hexdigest()


def link(finding: Finding) -> str:
    """Return the path of a finding's page."""
    return f"/findings/{finding.number}/"


def sync(actor: Actor, measured: Iterable[tuple[Obligation, Outcome]], deadlines: Mapping[str, int], at: datetime) -> Tally:
    """Make the findings of measured obligations equal to their outcomes; return what changed.

    `deadlines` are working days by severity. A finding closes only when its subject was measured and no longer fails:
    ground that nobody watches (`Outcome.unknown`) closes nothing. Runs inside the caller's transaction.
    """
    measured = list(measured)
    active = {
        finding.fingerprint: finding
        for finding in Finding.objects.exclude(state=Finding.State.CLOSED).filter(obligation__in=[o.id for o, _outcome in measured])
    }
    failing = {fingerprint(o.id, breach): (o, breach) for o, outcome in measured for breach in outcome.breaches}
    allowed = {fingerprint(o.id, breach): (o, breach) for o, outcome in measured for breach in outcome.regularized}
    allowed = {key: pair for key, pair in allowed.items() if key not in failing}
    tally = Tally()
    new = {key: pair for key, pair in (failing | allowed).items() if key not in active}
    gone = [finding for key, finding in active.items() if key not in failing and key not in allowed]
    moved = [finding for key, finding in active.items() if (finding.state == Finding.State.REGULARIZED) != (key in allowed)]
    if new or gone or moved:
        register, numbers = Posts(), following(Finding, "number", "F", at)
        closed = {f.fingerprint: f for f in Finding.objects.filter(state=Finding.State.CLOSED, fingerprint__in=new).order_by("pk")}
        calendar = workdays.calendar()
        for key, (obligation, breach) in new.items():
            if key in closed and key in allowed:
                continue  # it was told once; nothing is owed
            due = calendar.deadline(at, max(1, int(deadlines[obligation.severity])))
            if key in closed:
                tally.reopened.append(_reopen(actor, closed[key], breach, register, due, at).number)
            else:
                finding = _open(actor, obligation, breach, register, next(numbers), due, at)
                tally.opened.append(finding.number)
                moved += [finding] if key in allowed else []
        for finding in moved:
            _follow_approval(actor, finding, failing, allowed, tally, at)
        outcomes = {obligation.id: outcome for obligation, outcome in measured}
        for finding in gone:
            if _was_measured(finding, outcomes[finding.obligation], register):
                tally.closed.append(_close(actor, finding, register, at).number)
    seen = (set(failing) | set(allowed)) & set(active)
    Finding.objects.filter(fingerprint__in=seen, state__in=_ACTIVE).update(last_seen_at=at)
    return tally


def _follow_approval(actor: Actor, finding: Finding, failing: Found, allowed: Found, tally: Tally, at: datetime) -> None:
    """Say that an act was approved after it (补批), or that the approval no longer holds."""
    if finding.fingerprint in allowed and finding.state in {Finding.State.OPEN, Finding.State.PLANNED}:
        finding.state, finding.reason = Finding.State.REGULARIZED, _reason(allowed[finding.fingerprint][1])
        tally.regularized.append(finding.number)
    elif finding.fingerprint in failing and finding.state == Finding.State.REGULARIZED:
        finding.state, finding.reason = Finding.State.OPEN, _reason(failing[finding.fingerprint][1])
        tally.reopened.append(finding.number)
    else:
        return
    act = Event.FINDING_REGULARIZE if finding.state == Finding.State.REGULARIZED else Event.FINDING_REOPEN
    write(actor, act, finding, at=at, payload={**_payload(finding), "state": finding.state})


Found = Mapping[str, tuple[Obligation, Breach]]
_ACTIVE = [state for state in Finding.State if state is not Finding.State.CLOSED]


class Posts:
    """Who headed which unit when, and who is who: two queries and one for each person named, then answers from memory."""

    def __init__(self) -> None:
        """Read units and every post of a unit head that is still believed."""
        self.units = {unit.code: unit for unit in Unit.objects.all()}
        self.people: dict[str, Person | None] = {}
        self.codes = {unit.pk: unit.code for unit in self.units.values()}
        self.posts = list(
            Assignment.objects.filter(duty=Assignment.Duty.UNIT_HEAD, superseded_at=None)
            .select_related("person")
            .order_by("-valid_from", "-pk")
        )

    def person(self, code: str) -> Person | None:
        """Return a person by code, asked for once."""
        if code not in self.people:
            self.people[code] = Person.objects.filter(code=code).first()
        return self.people[code]

    def unit(self, code: str | None) -> Unit | None:
        """Return a unit by code; None stands for the bureau as a whole."""
        return self.units[code] if code else None

    def head(self, unit: Unit | None, at: datetime) -> Person | None:
        """Return who headed a unit at an instant; where the post was vacant, who headed the unit above it."""
        day = clock.day_of(at)
        while unit is not None:
            for post in self.posts:
                in_force = post.valid_from <= at and (post.valid_to is None or post.valid_to > at)
                if post.unit_id == unit.pk and in_force and (post.person.left_on is None or post.person.left_on > day):
                    return post.person
            unit = self.units.get(self.codes.get(unit.parent_id or 0, ""))
        return None


def _open(actor: Actor, obligation: Obligation, breach: Breach, posts: Posts, number: str, due: datetime, at: datetime) -> Finding:
    unit = posts.unit(breach.subject.unit)
    finding = Finding(
        number=number, obligation=obligation.id, subject=breach.subject.key, subject_label=breach.subject.label,
        fingerprint=fingerprint(obligation.id, breach), severity=obligation.severity, reason=_reason(breach),
        evidence=list(breach.evidence[:EVIDENCE_KEPT]), unit=unit, person=_answerable(breach, unit, posts, at),
        opened_at=at, due_at=due, last_seen_at=at,
    )  # fmt: skip
    write(actor, Event.FINDING_OPEN, finding, at=at, payload=_payload(finding))
    _tell(actor, finding, "finding_opened", posts, at, due=clock.day_of(due).isoformat())
    return finding


def _reopen(actor: Actor, finding: Finding, breach: Breach, posts: Posts, due: datetime, at: datetime) -> Finding:
    unit = posts.unit(breach.subject.unit)
    finding.state, finding.closed_at = Finding.State.OPEN, None
    finding.subject_label, finding.reason = breach.subject.label, _reason(breach)
    finding.evidence = list(breach.evidence[:EVIDENCE_KEPT])
    finding.unit, finding.person = unit, _answerable(breach, unit, posts, at)
    finding.due_at, finding.last_seen_at, finding.reopened = due, at, finding.reopened + 1
    write(actor, Event.FINDING_REOPEN, finding, at=at, payload=_payload(finding))
    _tell(actor, finding, "finding_reopened", posts, at)
    return finding


def _close(actor: Actor, finding: Finding, posts: Posts, at: datetime) -> Finding:
    finding.state, finding.closed_at, finding.last_seen_at = Finding.State.CLOSED, at, at
    write(actor, Event.FINDING_CLOSE, finding, at=at, payload={"number": finding.number, "obligation": finding.obligation})
    _tell(actor, finding, "finding_closed", posts, at)
    return finding


def _was_measured(finding: Finding, outcome: Outcome, posts: Posts) -> bool:
    """Whether the subject stood on watched ground, or is no longer a subject at all."""
    unit = posts.codes.get(finding.unit_id or 0)
    return not any(ground.subject.key == finding.subject if ground.subject else ground.unit in {None, unit} for ground in outcome.unknown)


def _answerable(breach: Breach, unit: Unit | None, posts: Posts, at: datetime) -> Person | None:
    """Return the person whom the check names, else the head of the unit when the breach began."""
    if breach.subject.person:
        return posts.person(breach.subject.person)
    return posts.head(unit, breach.since or at) or posts.head(unit, at)


def _reason(breach: Breach) -> dict[str, Any]:
    since = {"since_at": breach.since.isoformat()} if breach.since else {}
    return {"code": breach.why.code, "params": {**breach.why.params, **since}}


def _payload(finding: Finding) -> dict[str, Any]:
    return {
        "number": finding.number, "obligation": finding.obligation, "subject": finding.subject, "reason": finding.reason,
        "evidence": finding.evidence, "unit": finding.unit_id, "person": finding.person_id,
    }  # fmt: skip


def _tell(actor: Actor, finding: Finding, code: str, posts: Posts, at: datetime, **params: str) -> None:
    """Put a notice into the inbox of the present head, and of the answerable person who is still here."""
    head = posts.head(finding.unit, at)
    people = {person.pk: person for person in (head, finding.person) if person is not None}
    today = clock.day_of(at)
    for person in people.values():
        if person.left_on is None or person.left_on > today:
            words = {"number": finding.number, "label": finding.subject_label, **params}
            notices.notify(actor, person, code, words, link(finding), at)


def escalate(actor: Actor, at: datetime) -> int:
    """Tell the responsible head and the Office once that a finding is overdue; return how many findings were told of."""
    overdue = list(Finding.objects.filter(state__in=[Finding.State.OPEN, Finding.State.PLANNED], due_at__lte=at))
    sent = Notice.objects.filter(code="finding_overdue").order_by("created_at").values_list("link", "created_at")
    told = dict(sent) if overdue else {}  # when each was told of last
    late = [f for f in overdue if link(f) not in told or told[link(f)] < f.due_at]
    if not late:
        return 0
    posts, office = Posts(), list(office_members(at))
    for finding in late:
        _tell(actor, finding, "finding_overdue", posts, at)
        head = posts.head(finding.unit, at)
        for person in office:
            if head is None or person.pk != head.pk:
                words = {"number": finding.number, "label": finding.subject_label}
                notices.notify(actor, person, "finding_overdue", words, link(finding), at)
    return len(late)


@procedure("plan_finding")
def plan(actor: Actor, finding: Finding, words: str, at: datetime, planned_on: date | None = None) -> Finding:
    """Enter how, and by which day, the responsible unit will remedy a finding. Nobody but a check closes it.

    Raises RefusedError when the finding is closed, the plan is empty, its day has passed, or the actor is not of the responsible unit.
    """
    eligibility.require_changer(actor)
    with transaction.atomic():
        finding = Finding.objects.select_for_update().get(pk=finding.pk)
        if finding.state not in {Finding.State.OPEN, Finding.State.PLANNED}:
            raise RefusedError("finding_not_open", _("这个问题已不在整改中，不能再填写整改措施。"))
        if not words.strip() or len(words) > PLAN_LENGTH or "\x00" in words:
            raise RefusedError("plan_length", _("请填写整改措施，不超过 %(length)s 字。") % {"length": PLAN_LENGTH})
        if finding.unit_id is None or actor.unit_id != finding.unit_id:
            raise RefusedError("not_your_unit", _("只有责任单位可以填写整改措施。"))
        if planned_on is not None and not (clock.day_of(at) <= planned_on and clock.is_plausible(planned_on)):
            raise RefusedError("plan_past", _("计划完成日期不能早于今天。"))
        finding.plan, finding.state, finding.planned_on = words.strip(), Finding.State.PLANNED, planned_on
        payload = {"number": finding.number, "plan": finding.plan, "planned_on": planned_on.isoformat() if planned_on else None}
        write(actor, Event.FINDING_PLAN, finding, at=at, payload=payload)
    return finding
