"""The check that nothing is without somebody answerable: systems, devices, databases, links and rooms (Art. 4; A04.7)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet

from anzhang import clock
from anzhang.directory.models import Assignment, Person
from anzhang.directory.queries import is_employed
from anzhang.journal.models import Entry
from anzhang.network import links
from anzhang.network.models import Device
from anzhang.regulation.checks import Context, check
from anzhang.regulation.verdicts import Breach, Outcome, Subject, Why
from anzhang.rooms.obligations import room_keeper_in_post
from anzhang.systems.models import System
from anzhang.systems.obligations import registered, stopped, subject
from anzhang.systems.queries import posts_by_system
from anzhang.systems.tables import Database

Found = tuple[list[Subject], list[Breach]]


@check("systems_answered_for")
def systems_answered_for(context: Context) -> Outcome:
    """Find systems, devices, databases, links and rooms in service that nobody answers for. Source: Art. 4; A04.7.

    A system is answered for by a post that names it, or one that names none of its managing unit; a room by its keeper (as A16.6 has
    it); the others by the person on the register. A vacancy is given its days, counted from the end of the last post or from the day on
    which the thing came on the register or into service, whichever is later; one whose every holder has left is none.
    """
    limit = timedelta(days=context.parameters["vacancy_days"])
    rooms = room_keeper_in_post(context)
    parts = [
        _systems(context.at, limit),
        (list(rooms.population), list(rooms.breaches)),
        _things("device", Device.objects.filter(state=Device.State.IN_SERVICE), context.at, limit),
        _things("database", Database.objects.filter(state=Database.State.IN_SERVICE), context.at, limit),
        _things("link", links.lasting(context.at).filter(valid_from__lte=context.at), context.at, limit),
    ]
    return Outcome(tuple(each for found, _ in parts for each in found), tuple(each for _, found in parts for each in found))


def _systems(at: datetime, limit: timedelta) -> Found:
    systems = list(System.objects.filter(state=System.State.IN_SERVICE).select_related("managing_unit").order_by("code"))
    posts = posts_by_system(systems, at)
    begun_at = registered([system for system in systems if not posts[system.pk]])
    population, breaches = [], []
    for system in systems:
        owes = subject(system, system.managing_unit)
        population.append(owes)
        held = posts[system.pk]
        if any(_holds(post, at) for post in held):
            continue
        current = [post for post in held if post.valid_to is None or post.valid_to > at]
        begun = max((stopped(post, at) for post in held), default=begun_at.get(str(system.pk)))
        params = {"system": system.name, "days": limit.days, "since": clock.day_of(begun).isoformat() if begun else ""}
        evidence = tuple(f"assignment:{post.pk}" for post in held[-3:])
        if current:
            left = {**params, "person": "、".join(sorted({post.person.name for post in current}))}
            breaches.append(Breach(owes, Why("system_keeper_left", left), evidence, begun))
        elif begun is None or at - begun > limit:
            breaches.append(Breach(owes, Why("system_without_keeper", params), evidence, begun))
    return population, breaches


def _holds(post: Assignment, at: datetime) -> bool:
    return (post.valid_to is None or post.valid_to > at) and is_employed(post.person, at)


def _things(kind: str, rows: QuerySet[Any], at: datetime, limit: timedelta) -> Found:
    """Judge the rows of a register whose rows name their unit and the person who answers for them.

    There are as many as there are devices, so no row is made an object; people are, once each.
    """
    people = Person.objects.only("code", "name", "joined_on", "left_on").in_bulk(
        list(rows.order_by().values_list("person", flat=True).distinct())
    )
    dated = "in_service_on" in {field.name for field in rows.model._meta.get_fields()}
    columns = ("pk", "code", "name", "unit__code", "person_id", *(("in_service_on",) if dated else ()))
    population, breaches, bare = [], [], []
    for key, code, name, unit, person_id, *day in rows.order_by("code").values_list(*columns):
        person = people.get(person_id)
        owes = Subject(f"{kind}:{code}", name, unit, person.code if person else None)
        population.append(owes)
        if person is None:
            bare.append((key, owes, day[0] if day else None))
        elif not is_employed(person, at):
            left = clock.start_of(person.left_on) if person.left_on else at
            params = {"thing": name, "person": person.name, "since": clock.day_of(left).isoformat()}
            breaches.append(Breach(owes, Why("thing_keeper_left", params), (f"{kind}:{key}", f"person:{person_id}"), left))
    came = _came(kind, [key for key, _owes, _day in bare])
    for key, owes, since in bare:
        begun = max((each for each in (came.get(key), clock.start_of(since) if since else None) if each is not None), default=None)
        if begun is None or at - begun > limit:
            params = {"thing": owes.label, "days": limit.days, "since": clock.day_of(begun).isoformat() if begun else ""}
            breaches.append(Breach(owes, Why("thing_without_keeper", params), (f"{kind}:{key}",), begun))
    return population, breaches


def _came(kind: str, keys: Sequence[int]) -> dict[int, datetime]:
    """Return when rows came on their register, as the ledger has it."""
    found: dict[int, datetime] = {}
    for some in _batches(keys):
        entries = Entry.objects.filter(object_type=kind, object_key__in=[str(key) for key in some]).order_by("-index")
        found |= {int(key): at for key, at in entries.values_list("object_key", "at")}
    return found


def _batches(keys: Sequence[int]) -> Iterable[Sequence[int]]:
    return (keys[begin : begin + BATCH] for begin in range(0, len(keys), BATCH))


BATCH = 5000  # keys of one query
