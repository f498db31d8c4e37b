"""Which rows an actor sees: those of the units below their own, or all for the few who answer for the whole bureau.

One range over the materialised path, never EXISTS per row: `name LIKE 'x%' ESCAPE` finds no index on SQLite.
"""

from __future__ import annotations

from datetime import datetime
from typing import TypeVar

from django.db import connection, models
from django.db.models import Q, QuerySet

from anzhang.directory.models import Assignment, LeadingGroupMember, Unit
from anzhang.permissions import Actor, Via

Row = TypeVar("Row", bound=models.Model)


def sees_all(actor: Actor, at: datetime) -> bool:
    """Whether the actor sees every unit: administrators, the Office, the leading group, and the platform's own processes."""
    if actor.administrator is not None or actor.via in {Via.JOB, Via.DAEMON, Via.SETUP} or actor.id.startswith("os:"):
        return True
    if actor.unit_id is not None and Unit.objects.filter(pk=actor.unit_id, function=Unit.Function.OFFICE).exists():
        return True
    if actor.person_id is None:
        return False
    in_force = Assignment.in_force(at) & Q(person_id=actor.person_id)
    return (
        Assignment.objects.filter(in_force, duty=Assignment.Duty.OFFICE_MEMBER).exists()
        or LeadingGroupMember.objects.filter(LeadingGroupMember.in_force(at), person_id=actor.person_id).exists()
    )


def path_of(actor: Actor) -> str:
    """Return the path of the actor's unit, empty when the actor has none."""
    if actor.unit_id is None:
        return ""
    return Unit.objects.values_list("path", flat=True).filter(pk=actor.unit_id).first() or ""


def below(path: str, path_field: str = "path") -> Q:
    """Return the condition "at or below the unit of that path"; an empty path matches nothing."""
    if not path:
        return Q(pk__in=())
    if connection.vendor == "sqlite":
        # Every path ends with "/"; "0" is the next character, so the half-open range is exactly the prefix.
        return Q(**{f"{path_field}__gte": path, f"{path_field}__lt": f"{path[:-1]}0"})
    return Q(**{f"{path_field}__startswith": path})  # other collations do not sort by byte


def visible(queryset: QuerySet[Row], actor: Actor, at: datetime, path_field: str = "unit__path") -> QuerySet[Row]:
    """Return the rows that the actor may see. Fetching an object from it is the permission check: a stranger gets 404."""
    return queryset if sees_all(actor, at) else queryset.filter(below(path_of(actor), path_field))


def units(actor: Actor, at: datetime) -> QuerySet[Unit]:
    """Return the units that the actor may see."""
    return visible(Unit.objects.all(), actor, at, "path")
