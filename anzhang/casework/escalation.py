"""Deadlines that pass: remind who must act, tell their head, then the Office (DESIGN 5).

One sweep over the open todos by an index on stage and deadline: it reads only what moves to a new stage, tells each person once
with one notice however many cases there are, and raises the stage in the same transaction. Missed, it catches up; run twice, it
writes nothing. Days are working days of the Holiday register.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from itertools import starmap
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import QuerySet

from anzhang import clock
from anzhang.casework import notices, parameters, workdays
from anzhang.casework.models import Todo
from anzhang.directory.models import Assignment, Bitemporal, Person, Unit
from anzhang.directory.queries import employed, office_members
from anzhang.permissions import Actor

BATCH = 5000


class Stage(IntEnum):
    """How far a todo's deadline has been followed up (`Todo.escalated`)."""

    NONE = 0
    REMINDED = 1
    OVERDUE = 2
    OFFICE = 3


class Late(NamedTuple):
    """A todo that reaches a stage; a tuple, because after a standstill there are a hundred thousand."""

    pk: int
    person_id: int
    person: str
    unit_id: int
    number: str
    title: str
    due_at: datetime
    stage: int


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
        late = _reaching(Todo.objects.filter(due_at__lt=long_past), Stage.OFFICE)
        told.office = len(late)
        if late:
            _tell_late(actor, [each for each in late if each.stage < Stage.OVERDUE], at)
            _tell(actor, dict.fromkeys(office_members(at).values_list("pk", flat=True), late), "case_overdue_office", at)
            _raise(late, Stage.OFFICE)
        overdue = _reaching(Todo.objects.filter(due_at__lte=at), Stage.OVERDUE)
        told.overdue = len(overdue)
        _tell_late(actor, overdue, at)
        _raise(overdue, Stage.OVERDUE)
        soon = _reaching(Todo.objects.filter(due_at__lte=near), Stage.REMINDED)
        told.reminded = len(soon)
        _tell(actor, _by_person(soon), "todo_reminder", at)
        _raise(soon, Stage.REMINDED)
    return told


def _reaching(todos: QuerySet[Todo], stage: Stage) -> list[Late]:
    # One range per stage below, so that the index on (stage, deadline) of open todos is walked and nothing else.
    rows: list[Late] = []
    for below in range(stage):
        found = todos.filter(closed_at=None, escalated=below).order_by("due_at", "pk")
        columns = ("pk", "person_id", "person__name", "person__unit_id", "case__number", "case__title", "due_at", "escalated")
        rows += starmap(Late, found.values_list(*columns).iterator(BATCH))
    return rows


def _raise(late: Sequence[Late], stage: Stage) -> None:
    keys = [each.pk for each in late]
    for start in range(0, len(keys), BATCH):
        Todo.objects.filter(pk__in=keys[start : start + BATCH]).update(escalated=stage)


def _tell_late(actor: Actor, late: Sequence[Late], at: datetime) -> None:
    """Tell those who are late, and the head of each; a head's own delay goes to the head above."""
    if not late:
        return
    _tell(actor, _by_person(late), "todo_overdue", at)
    heads, by_head = _Heads(at), defaultdict(list)
    for each in late:
        for head in heads.over(each.unit_id, each.person_id):
            by_head[head].append(each)
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
    for person, late in sorted(by_person.items()):
        due = f"{min(each.due_at for each in late).astimezone(clock.BEIJING):%Y-%m-%d}"
        numbers = {each.number for each in late}
        if len(numbers) == 1:
            first = late[0]
            names = "、".join(dict.fromkeys(each.person for each in late))
            words: dict[str, Any] = {"title": first.title, "number": first.number, "due": due, "person": names}
            notices.notify(actor, person, code, words, f"/cases/{first.number}/", at)
        else:
            several, link = _SEVERAL[code]
            notices.notify(actor, person, several, {"count": len(numbers), "due": due}, link, at)


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
