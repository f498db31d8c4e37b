"""Officers, papers and duties as chapters, checks and pages read them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from anzhang.directory import queries
from anzhang.directory.models import Assignment, Bitemporal, Person, Unit
from anzhang.journal.procedures import object_type
from anzhang.organization.models import Directive, Officer
from anzhang.registers.models import Attachment


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
    named = set(items.exclude(evidence="").values_list("pk", flat=True))
    beside = Attachment.objects.filter(object_type=object_type(Directive), removed_at=None).values_list("object_key", flat=True)
    return named | set(items.filter(pk__in=[int(key) for key in beside]).values_list("pk", flat=True))
