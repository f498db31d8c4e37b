"""Officers and papers as chapters, checks and pages read them."""

from __future__ import annotations

from datetime import datetime

from django.db.models import QuerySet

from anzhang.directory import queries
from anzhang.directory.models import Bitemporal, Person, Unit
from anzhang.organization.models import Officer


def officers(unit: Unit | int, at: datetime) -> QuerySet[Officer]:
    """Return the serving security officers of a unit (Art. 5), of people who still work here."""
    unit_id = unit if isinstance(unit, int) else unit.pk
    working = Person.objects.filter(queries.employed(at))
    return Officer.objects.filter(Bitemporal.in_force(at), unit_id=unit_id, person__in=working).select_related("person")
