"""Officers, papers and duties as chapters, checks and pages read them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet

from anzhang import clock
from anzhang.directory import queries
from anzhang.directory.models import Assignment, Bitemporal, Person, Unit
from anzhang.journal.procedures import object_type
from anzhang.organization.models import Directive, Officer, PlanItem
from anzhang.registers.models import Attachment
from anzhang.regulation.verdicts import Breach, Subject, Why


def officers(unit: Unit | int, at: datetime) -> QuerySet[Officer]:
    """Return the serving security officers of a unit (Art. 5), of people who still work here."""
    unit_id = unit if isinstance(unit, int) else unit.pk
    working = Person.objects.filter(queries.employed(at))
    return Officer.objects.filter(Bitemporal.in_force(at), unit_id=unit_id, person__in=working).select_related("person")


@dataclass(frozen=True)
class Owing:
    """Somebody who owes a responsibility statement for a unit, and who stands one level above."""

    person: Person
    unit: Unit
    superiors: tuple[Person, ...]


def owing_statements(at: datetime, unit: Unit | None = None) -> list[Owing]:
    """Return who owes a responsibility statement (Art. 4): whoever holds a post, once per unit; three queries.

    One level above the staff of a unit stands its head, above a head the nearest head further up. Whoever has nobody above,
    the head of the bureau, owes none inside it.
    """
    working = Person.objects.filter(queries.employed(at))
    posts = Assignment.objects.filter(Bitemporal.in_force(at), person__in=working).select_related("person", "unit")
    heads: dict[int, list[Person]] = defaultdict(list)
    for post in posts.filter(duty=Assignment.Duty.UNIT_HEAD).order_by("pk"):
        heads[post.unit_id].append(post.person)
    parents = dict(Unit.objects.values_list("pk", "parent_id"))
    held = posts if unit is None else posts.filter(unit=unit)
    found: dict[tuple[int, int], Owing] = {}
    for post in held.order_by("unit__path", "person__code", "pk"):
        place = (post.person_id, post.unit_id)
        if place in found:
            continue
        above = _above(post, heads, parents)
        if above is not None:
            found[place] = Owing(post.person, post.unit, above)
    return list(found.values())


def _above(post: Assignment, heads: Mapping[int, list[Person]], parents: Mapping[int, int | None]) -> tuple[Person, ...] | None:
    """Return the level above a post's holder: empty while that post is vacant, None where no level stands above."""
    own = heads.get(post.unit_id, [])
    if all(head.pk != post.person_id for head in own):
        return tuple(own)
    place = parents.get(post.unit_id)
    if place is None:
        return None
    while place is not None:
        if place in heads:
            return tuple(head for head in heads[place] if head.pk != post.person_id)
        place = parents.get(place)
    return ()


def evidence_of(item: Directive) -> bool:
    """Whether something proves what came of a directive: a document it names, or a file beside it."""
    return bool(evidenced(Directive.objects.filter(pk=item.pk)))


def evidenced(items: QuerySet[Directive]) -> set[int]:
    """Return which of the directives have a proof, by id."""
    return _proved(items, object_type(Directive))


def evidenced_plan_items(items: QuerySet[PlanItem]) -> set[int]:
    """Return which of the items of plans have a proof, by id."""
    return _proved(items, object_type(PlanItem))


def _proved(items: QuerySet[Any], kind: str) -> set[int]:
    """Return which rows name a document as `evidence` or have a file beside them."""
    named = set(items.exclude(evidence="").values_list("pk", flat=True))
    beside = Attachment.objects.filter(object_type=kind, removed_at=None).values_list("object_key", flat=True)
    return named | set(items.filter(pk__in=[int(key) for key in beside]).values_list("pk", flat=True))


def plan_breaches(at: datetime) -> tuple[list[Subject], list[Breach]]:
    """Return the items of plans that are owed, and which are past their day or completed without proof (Art. 4)."""
    today = clock.day_of(at)
    items = PlanItem.objects.filter(entered_at__lte=at).exclude(state=PlanItem.State.DROPPED)
    proved = evidenced_plan_items(items)
    population, breaches = [], []
    for item in items.select_related("unit", "owner").order_by("unit__path", "due_on", "pk"):
        owes = Subject(f"plan_item:{item.number}", f"{item.number} {item.title}", item.unit.code, item.owner.code if item.owner else None)
        population.append(owes)
        params = {"unit": item.unit.name, "item": f"{item.title}（{item.number}）", "due_on": item.due_on.isoformat()}
        evidence = (f"plan_item:{item.pk}",)
        if item.state == PlanItem.State.COMPLETED:
            if item.pk not in proved:
                breaches.append(Breach(owes, Why("plan_item_without_evidence", params), evidence, item.completed_at))
        elif item.due_on < today:
            breaches.append(Breach(owes, Why("plan_item_overdue", params), evidence, clock.start_of(item.due_on + timedelta(days=1))))
    return population, breaches
