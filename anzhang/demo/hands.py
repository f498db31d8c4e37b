"""How people of the demo act: each in a browser session with its second factor, cases walked through their steps."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from anzhang import clock
from anzhang.casework import procedures as cases
from anzhang.casework.models import Case
from anzhang.demo.bureau import SETUP
from anzhang.directory.models import Person, User
from anzhang.events import Event
from anzhang.journal.procedures import write
from anzhang.permissions import Actor, Via


def hand(person: Person, at: datetime) -> Actor:
    """Return somebody in a browser session; whoever has no log-in yet is given one."""
    user = User.objects.filter(person=person).first()
    if user is None:
        user = User(username=person.code.lower(), person=person, created_at=at)
        user.set_unusable_password()
        write(SETUP, Event.USER_CREATE, user, at=at)
    return Actor(
        id=f"user:{user.username}", via=Via.BROWSER, user_id=user.pk, person_id=person.pk, unit_id=person.unit_id, second_factor=True
    )


def walk(route: str, applicant: Person, form: Mapping[str, str], at: datetime, *deciders: Person) -> Case:
    """File a case and let people agree, each some minutes later; return it."""
    case = cases.file_case(hand(applicant, at), route, applicant.unit, applicant, "", dict(form), at)
    for number, person in enumerate(deciders, 1):
        case = cases.agree(hand(person, at), case, "同意", at + timedelta(minutes=10 * number))
    return case


def minute(at: datetime) -> str:
    """Return an instant as forms take it."""
    return at.astimezone(clock.BEIJING).strftime("%Y-%m-%dT%H:%M")
