"""The verbs of decisions (决议, Art. 4): a passed vote of the leading group becomes a decision, its minutes are taken with the quorum."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime

from django.db.models import Q
from django.utils.translation import gettext as _

from anzhang import clock
from anzhang.casework import forms
from anzhang.casework.models import Act, Approval, Case
from anzhang.casework.numbering import numbered
from anzhang.casework.queries import require_approval
from anzhang.directory import queries, rows
from anzhang.directory.models import LeadingGroupMember, Person, Unit
from anzhang.events import Event
from anzhang.organization import desk
from anzhang.organization.models import Decision
from anzhang.permissions import Actor, RefusedError
from anzhang.regulation.checks import procedure


@procedure("record_decision")
def record_decision(actor: Actor, case: Case, approval: Approval, at: datetime) -> Decision:
    """Record what the leading group has resolved in this case. Raises RefusedError `no_approval`.

    Source: Art. 4; route `group_resolution`.
    """
    require_approval(case, approval, "group_resolution", at)
    about = case.form.get("about")
    agreed = Act.objects.filter(case=case, round=case.round, step=case.step, verb=Act.Verb.AGREE).count()

    def save(number: str) -> Decision:
        decision = Decision(
            number=number, title=str(case.form["matter"])[:200], resolution=case.form["proposal"], case=case,
            about=Case.objects.filter(number=about).first() if about else None,
            members=queries.group_members(at).count(), agreed=agreed, decided_at=at,
        )  # fmt: skip
        return rows.create(actor, decision, at, Event.DECISION_RECORD)

    return numbered(Decision, "number", "JY", at, save)


@procedure("take_minutes")
def take_minutes(
    actor: Actor,
    decision: Decision,
    *,
    held_on: date,
    chair: Person,
    present: Iterable[Person],
    minutes: str,
    at: datetime,
    expected_version: int | None = None,
) -> Decision:
    """Enter the minutes of the meeting: when, who presided, who was there. Correcting them later is a new revision.

    More than half of the members in term on that day must have been present, and the chair is one of them (quorum).
    Raises RefusedError `not_the_office`, `in_the_future`, `minutes_needed`, `chair_not_member`, `no_quorum`, StaleError.

    Source: Art. 4.
    """
    desk.require_office(actor, at)
    if held_on > clock.day_of(at) or not clock.is_plausible(held_on):
        raise RefusedError("in_the_future", _("会议日期不能晚于今天。"))
    text = desk.words(minutes, "minutes_needed", _("请填写会议纪要。"), 10000)
    people = {person.pk: person for person in (*present, chair)}
    seated = members_on(held_on)
    if chair.pk not in seated:
        raise RefusedError("chair_not_member", _("%s 在会议当日不在领导小组任期内，不能主持。") % chair.name)
    there = len(seated & set(people))
    if there * 2 <= len(seated):
        message = _("会议当日领导小组在任 %(members)d 人，出席 %(present)d 人，未过半数。") % {"members": len(seated), "present": there}
        raise RefusedError("no_quorum", message, _("核对出席人员；人数不足的会议不能形成决议。"))
    values = {
        "held_on": held_on, "chair": chair, "present": sorted(person.code for person in people.values()), "minutes": text,
        "members": len(seated), "minuted_at": at, "minuted_by_id": actor.person_id,
    }  # fmt: skip
    return rows.change(actor, decision, values, at, expected_version, Event.DECISION_MINUTES)


def members_on(day: date) -> set[int]:
    """Return who sat in the leading group at some instant of a Beijing day."""
    begins, ends = clock.start_of(day), clock.start_of(date.fromordinal(day.toordinal() + 1))
    terms = LeadingGroupMember.objects.filter(Q(valid_to=None) | Q(valid_to__gt=begins), superseded_at=None, valid_from__lt=ends)
    return set(terms.values_list("person_id", flat=True))


OFFERED = 200  # cases in a drop-down; an older one is written by its number


def _find_case(number: str) -> str | None:
    case = Case.objects.filter(number=number).only("number", "title").first()
    return f"{case.number} {case.title}" if case else None


def _open_cases(_unit: Unit, _at: datetime) -> Sequence[tuple[str, str]]:
    found = Case.objects.filter(state__in=(Case.State.OPEN, Case.State.RETURNED)).order_by("-filed_at", "pk")[:OFFERED]
    return [(number, f"{number} {title}") for number, title in found.values_list("number", "title")]


forms.lookup("case", _find_case, _open_cases)
