"""Who may hold an account of a system, as registers say."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q, QuerySet

from anzhang.directory.models import Assignment, Bitemporal, Person
from anzhang.systems.models import System


def posts_for(person: Person, system: System, at: datetime) -> QuerySet[Assignment]:
    """Return the posts by which a person works with a system at the instant.

    A post names the system, or names none and then stands for every system that its holder's unit works with; heading a
    unit or sitting in the Office is no such post.
    """
    return working_posts(at).filter(Q(system=system) | Q(system=None), person=person)


def working_posts(at: datetime) -> QuerySet[Assignment]:
    """Return every post in force at the instant by which somebody works with systems."""
    duties = [Assignment.Duty.UNIT_HEAD, Assignment.Duty.OFFICE_MEMBER]
    return Assignment.objects.filter(Bitemporal.in_force(at)).exclude(duty__in=duties)
