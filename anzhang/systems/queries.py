"""Who may hold an account of a system, as registers say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime

from django.db.models import Q, QuerySet

from anzhang.directory.models import Assignment, Bitemporal, Person
from anzhang.systems.models import System

NOT_WORKING = (
    Assignment.Duty.UNIT_HEAD, Assignment.Duty.OFFICE_MEMBER, Assignment.Duty.ENDPOINT_KEEPER, *Assignment.ROOM_DUTIES
)  # fmt: skip


def posts_for(person: Person, system: System, at: datetime) -> QuerySet[Assignment]:
    """Return the posts by which a person works with a system at the instant.

    A post names the system, or names none and then stands for every system that its holder's unit works with; heading a
    unit, sitting in the Office or keeping a machine room is no such post.
    """
    return working_posts(at).filter(Q(system=system) | Q(system=None), person=person)


def posts_by_system(systems: Collection[System], at: datetime) -> Mapping[int, list[Assignment]]:
    """Return the posts, held or ended, by which somebody answers for each system: it is named, or its managing unit's post names none."""
    found: dict[int, list[Assignment]] = {system.pk: [] for system in systems}
    managed: dict[int, list[int]] = defaultdict(list)
    for system in systems:
        managed[system.managing_unit_id].append(system.pk)
    posts = Assignment.objects.filter(superseded_at=None, valid_from__lte=at).exclude(duty__in=NOT_WORKING).select_related("person")
    for post in posts.order_by("valid_from", "pk"):
        for key in [post.system_id] if post.system_id is not None else managed[post.unit_id]:
            if key in found:
                found[key].append(post)
    return found


def working_posts(at: datetime) -> QuerySet[Assignment]:
    """Return every post in force at the instant by which somebody works with systems."""
    return Assignment.objects.filter(Bitemporal.in_force(at)).exclude(duty__in=NOT_WORKING)
