"""Deadlines that pass: remind who must act, tell their head, then the Office (DESIGN 5).

One sweep over the open todos by an index on stage and deadline: it reads only what moves to a new stage, tells each person once
with one notice however many cases there are, and raises the stage in the same transaction. Missed, it catches up; run twice, it
writes nothing. Days are working days of the Holiday register.

After a standstill a hundred thousand todos move at once. One statement per stage moves them and says which they were, so that
two sweeps at once tell nobody twice; what a notice says is read for the earliest todo of each addressee only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum
from itertools import starmap
from typing import Any, NamedTuple

from django.db import connection, transaction

from anzhang import clock
from anzhang.casework import notices, parameters, workdays
from anzhang.casework.models import Todo
from anzhang.directory.models import Assignment, Bitemporal, Person, Unit
from anzhang.directory.queries import employed, office_members
from anzhang.permissions import Actor

# What is late moves up and says so. Its deadline as the text that the database writes, which is in the order of time: turning a
# hundred thousand of them into instants takes longer than all the rest.
MOVE = (
    f"UPDATE {Todo._meta.db_table} SET escalated = %s WHERE closed_at IS NULL AND escalated = %s AND due_at < %s"  # noqa: S608 - a table name of ours
    " RETURNING CAST(due_at AS text), id, case_id, person_id"
)
INSTANT = timedelta(microseconds=1)  # the least step of an instant: at its deadline a todo is overdue


class Stage(IntEnum):
    """How far a todo's deadline has been followed up (`Todo.escalated`)."""

    NONE = 0
    REMINDED = 1
    OVERDUE = 2
    OFFICE = 3


class Late(NamedTuple):
    """A todo that reaches a stage; a tuple, because after a standstill there are a hundred thousand. They sort by deadline."""

    due: str  # as the database writes it
    pk: int
    case_id: int
    person_id: int


@dataclass
class Told:
    """How many todos reached each stage in one sweep."""

    reminded: int = 0
    overdue: int = 0
    office: int = 0

    def __bool__(self) -> bool:
        return bool(self.reminded or self.overdue or self.office)

    def __str__(self) -> str:
        return f"{self.reminded} reminded, {self.overdue} overdue, {self.office} to the office"


def sweep(actor: Actor, at: datetime) -> Told:
    """Follow up every deadline that has come near or passed; return how many todos reached which stage."""
    values, calendar = parameters.values(at), workdays.calendar()
    near = calendar.deadline(at, max(1, int(values["reminder_days"])))
    long_past = calendar.before(at, max(1, int(values["escalation_days"])))
    told = Told()
    with transaction.atomic():
        fresh = _moved(Stage.OFFICE, (Stage.NONE, Stage.REMINDED), before=long_past)
        late = fresh + _moved(Stage.OFFICE, (Stage.OVERDUE,), before=long_past)
        told.office = len(late)
        _tell_late(actor, fresh, at)
        if late:
            _tell(actor, dict.fromkeys(office_members(at).values_list("pk", flat=True), late), "case_overdue_office", at)
        overdue = _moved(Stage.OVERDUE, (Stage.NONE, Stage.REMINDED), before=at + INSTANT)
        told.overdue = len(overdue)
        _tell_late(actor, overdue, at)
        soon = _moved(Stage.REMINDED, (Stage.NONE,), before=near + INSTANT)
        told.reminded = len(soon)
        _tell(actor, _by_person(soon), "todo_reminder", at)
    return told


def _moved(stage: Stage, below: Iterable[Stage], *, before: datetime) -> list[Late]:
    """Raise the open todos of these stages whose deadline lies before an instant, and return them."""
    # One range per stage below, so that the index on (stage, deadline) of open todos is walked and nothing else.
    rows: list[Late] = []
    with connection.cursor() as cursor:
        for each in below:
            cursor.execute(MOVE, (int(stage), int(each), connection.ops.adapt_datetimefield_value(before)))
            rows += starmap(Late, cursor.fetchall())
    return rows


def _tell_late(actor: Actor, late: Sequence[Late], at: datetime) -> None:
    """Tell those who are late, and the head of each; a head's own delay goes to the head above."""
    if not late:
        return
    by_person = _by_person(late)
    _tell(actor, by_person, "todo_overdue", at)
    heads = _Heads(at)
    by_head: dict[int, list[Late]] = defaultdict(list)
    for person, unit in Person.objects.filter(pk__in=by_person).order_by("pk").values_list("pk", "unit_id"):
        for head in heads.over(unit, person):
            by_head[head] += by_person[person]
    _tell(actor, by_head, "case_overdue", at)


def _by_person(late: Iterable[Late]) -> dict[int, list[Late]]:
    found: dict[int, list[Late]] = defaultdict(list)
    for each in late:
        found[each.person_id].append(each)
    return found


# One case is named, several are counted: (code of one, code of several, where several are listed).
_SEVERAL: Mapping[str, tuple[str, str]] = {
    "todo_reminder": ("todos_reminder", "/cases/?list=todo"),
    "todo_overdue": ("todos_overdue", "/cases/?list=todo"),
    "case_overdue": ("cases_overdue", "/cases/?list=all&late=1"),
    "case_overdue_office": ("cases_overdue_office", "/cases/?list=all&late=1"),
}


def _tell(actor: Actor, by_person: Mapping[int, Sequence[Late]], code: str, at: datetime) -> None:
    told = {person: min(late) for person, late in by_person.items()}
    firsts = Todo.objects.select_related("case").in_bulk({late.pk for late in told.values()})
    for person, late in sorted(by_person.items()):
        first = firsts[told[person].pk]
        count, due = len({each.case_id for each in late}), f"{first.due_at.astimezone(clock.BEIJING):%Y-%m-%d}"
        if count == 1:
            words: dict[str, Any] = {"title": first.case.title, "number": first.case.number, "due": due, "person": _names(late)}
            notices.notify(actor, person, code, words, f"/cases/{first.case.number}/", at)
        else:
            several, link = _SEVERAL[code]
            notices.notify(actor, person, several, {"count": count, "due": due}, link, at)


def _names(late: Sequence[Late]) -> str:
    names = dict(Person.objects.filter(pk__in={each.person_id for each in late}).values_list("pk", "name"))
    return "、".join(dict.fromkeys(names[each.person_id] for each in sorted(late)))


@dataclass
class _Heads:
    """Who heads which unit at the instant; two queries, however many todos are late."""

    at: datetime
    by_unit: dict[int, set[int]] = field(default_factory=dict)
    parents: dict[int, int | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        duties = [Assignment.Duty.UNIT_HEAD, Assignment.Duty.ACTING_HEAD]
        working = Person.objects.filter(employed(self.at))
        posts = Assignment.objects.filter(Bitemporal.in_force(self.at), duty__in=duties, person__in=working)
        for unit, person in posts.values_list("unit_id", "person_id"):
            self.by_unit.setdefault(unit, set()).add(person)
        self.parents = dict(Unit.objects.values_list("pk", "parent_id"))

    def over(self, unit: int | None, person: int) -> set[int]:
        """Return the heads over a person: of the unit, or of the next one above that has another head."""
        while unit is not None:
            heads = self.by_unit.get(unit, set()) - {person}
            if heads:
                return heads
            unit = self.parents.get(unit)
        return set()
