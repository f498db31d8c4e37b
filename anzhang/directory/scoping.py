"""Which rows an actor sees: those of the units below their own, or all for the few who answer for the whole bureau.

One range over the materialised path, never EXISTS per row: `name LIKE 'x%' ESCAPE` finds no index on SQLite.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeVar

from django.db import connection, models
from django.db.models import Exists, Q, QuerySet

from anzhang.directory.models import Assignment, LeadingGroupMember, Unit
from anzhang.directory.prepared import Prepared
from anzhang.permissions import Actor, Via

Row = TypeVar("Row", bound=models.Model)


def reach(actor: Actor, at: datetime) -> str | None:
    """Return the path of the unit at and below which the actor sees rows, None for every unit, empty for none.

    Every unit: administrators, the Office, the leading group, and the platform's own processes. One query.
    """
    if actor.administrator is not None or actor.via in {Via.JOB, Via.DAEMON, Via.SETUP} or actor.id.startswith("os:"):
        return None
    if actor.unit_id is None:
        return ""
    found = _STANDING.rows(unit=actor.unit_id, person=actor.person_id or 0, at=at)
    if not found:
        return ""
    path, function, wide = found[0]
    return None if wide or function == Unit.Function.OFFICE else str(path)


def _standing(unit: int, person: int, at: datetime) -> QuerySet[Any]:
    in_force = Assignment.in_force(at) & Q(person_id=person)
    office = Exists(Assignment.objects.filter(in_force, duty=Assignment.Duty.OFFICE_MEMBER))
    group = Exists(LeadingGroupMember.objects.filter(in_force))
    return Unit.objects.filter(pk=unit).order_by().annotate(wide=office | group).values_list("path", "function", "wide")


_STANDING = Prepared(_standing, unit=int, person=int, at=datetime)  # every page asks


def sees_all(actor: Actor, at: datetime) -> bool:
    """Whether the actor sees every unit."""
    return reach(actor, at) is None


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
    path = reach(actor, at)
    return queryset if path is None else queryset.filter(below(path, path_field))


def units(actor: Actor, at: datetime) -> QuerySet[Unit]:
    """Return the units that the actor may see."""
    return visible(Unit.objects.all(), actor, at, "path")
