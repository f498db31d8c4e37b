"""The units that owe what the chapter asks, as checks name them (Art. 3)."""

from __future__ import annotations

from django.db.models import Q

from anzhang import clock
from anzhang.directory.models import Unit
from anzhang.regulation.checks import Context
from anzhang.regulation.verdicts import Subject


def covered_units(context: Context) -> list[Unit]:
    """Return the current units that the measures cover: the listed kinds (Art. 3).

    The bureau's own row is the root of the tree, not one of the units under it.
    """
    today = clock.day_of(context.at)
    current = Unit.objects.filter(Q(closed_on=None) | Q(closed_on__gt=today), established_on__lte=today)
    return list(current.filter(kind__in=context.parameters["unit_kinds"]).order_by("path"))


def subject(unit: Unit) -> Subject:
    """Return a unit as the one that owes."""
    return Subject(f"unit:{unit.code}", unit.name, unit.code)
