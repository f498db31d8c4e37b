"""Who holds which post at an instant. Everything here reads; periods are half-open, `valid_from <= at < valid_to`."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q, QuerySet

from anzhang import clock
from anzhang.directory.models import Assignment, Bitemporal, LeadingGroupMember, Person, Unit
from anzhang.permissions import Administrator


def employed(at: datetime) -> Q:
    """Return the condition "works here on the day of the instant"; `left_on` is the first day not employed."""
    today = clock.day_of(at)
    return Q(joined_on__lte=today) & (Q(left_on=None) | Q(left_on__gt=today))


def is_employed(person: Person, at: datetime) -> bool:
    """Whether a person works here on the day of the instant."""
    today = clock.day_of(at)
    return person.joined_on <= today and (person.left_on is None or person.left_on > today)


def holders(duty: str, at: datetime) -> QuerySet[Assignment]:
    """Return the assignments of a duty in force at the instant, of people who still work here."""
    working = Person.objects.filter(employed(at))
    return Assignment.objects.filter(Bitemporal.in_force(at), duty=duty, person__in=working)


def heads(unit: Unit | int, at: datetime) -> QuerySet[Person]:
    """Return the head of a unit (Art. 5), as a set: empty while the post is vacant."""
    unit_id = unit if isinstance(unit, int) else unit.pk
    return Person.objects.filter(pk__in=holders(Assignment.Duty.UNIT_HEAD, at).filter(unit_id=unit_id).values("person"))


def head(unit: Unit | int, at: datetime) -> Person | None:
    """Return the head of a unit, None while the post is vacant."""
    return heads(unit, at).order_by("pk").first()


def staff(unit: Unit | int, at: datetime) -> QuerySet[Person]:
    """Return the bureau's own people of a unit."""
    unit_id = unit if isinstance(unit, int) else unit.pk
    return Person.objects.filter(employed(at), unit_id=unit_id, kind=Person.Kind.STAFF)


def office_members(at: datetime) -> QuerySet[Person]:
    """Return the head and the members of the Office of the leading group (Art. 4)."""
    duties = [Assignment.Duty.UNIT_HEAD, Assignment.Duty.OFFICE_MEMBER]
    posts = Assignment.objects.filter(Bitemporal.in_force(at), duty__in=duties, unit__function=Unit.Function.OFFICE)
    return Person.objects.filter(employed(at), pk__in=posts.values("person"))


def auditors(at: datetime) -> QuerySet[Person]:
    """Return the people whose account is an auditor's (GB/T 22239-2019 8.1.5.2)."""
    return Person.objects.filter(employed(at), user__administrator=Administrator.AUDITOR, user__is_active=True)


def group_members(at: datetime) -> QuerySet[Person]:
    """Return the members of the leading group whose term runs at the instant (Art. 4)."""
    terms = LeadingGroupMember.objects.filter(Bitemporal.in_force(at))
    return Person.objects.filter(employed(at), pk__in=terms.values("person"))


def heads_over(person_id: int, unit: Unit, at: datetime) -> bool:
    """Whether a person heads the unit or one above it."""
    codes = [code for code in unit.path.split("/") if code]
    return holders(Assignment.Duty.UNIT_HEAD, at).filter(person_id=person_id, unit__code__in=codes).exists()
