"""Rooms, their keepers, and who may be where, as pages, gates and checks read them (Art. 16)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from django.db.models import Q, QuerySet

from anzhang.directory import queries as people
from anzhang.directory.models import Assignment, Bitemporal, Person
from anzhang.rooms.models import EquipmentMove, MachineRoom, RoomVisit, Shift

IN_SERVICE = MachineRoom.State.IN_SERVICE


def rooms_in_service() -> QuerySet[MachineRoom]:
    """Return the rooms in service with their units."""
    return MachineRoom.objects.filter(state=IN_SERVICE).select_related("unit").order_by("code")


def posts_in(rooms: Iterable[MachineRoom], at: datetime) -> QuerySet[Assignment]:
    """Return the standing posts (专管员, 值班人员) in rooms at an instant, of people who work here."""
    working = Person.objects.filter(people.employed(at))
    posts = Assignment.objects.filter(Bitemporal.in_force(at), duty__in=Assignment.ROOM_DUTIES, room__in=rooms, person__in=working)
    return posts.select_related("person").order_by("valid_from", "pk")


def keepers(rooms: Iterable[MachineRoom], at: datetime) -> dict[int, list[Person]]:
    """Return the keepers of rooms at an instant, by room."""
    found: dict[int, list[Person]] = defaultdict(list)
    for post in posts_in(rooms, at).filter(duty=Assignment.Duty.ROOM_KEEPER):
        if post.room_id is not None:
            found[post.room_id].append(post.person)
    return dict(found)


def standing(approval_path: str, at: datetime) -> Q:
    """Return the condition that the approval behind a row was neither revoked nor over at an instant.

    It may have been given after the instant: what was approved afterwards (补批) is covered and marked as such.
    """
    ends = Q(**{f"{approval_path}__valid_to": None}) | Q(**{f"{approval_path}__valid_to__gt": at})
    return Q(**{f"{approval_path}__superseded_at": None}) & ends


def visits_at(room: MachineRoom, person: Person, at: datetime) -> QuerySet[RoomVisit]:
    """Return the visits that let a person be in a room at the instant, as they stand."""
    within = RoomVisit.objects.filter(room=room, person=person, enters_from__lte=at, leaves_by__gt=at)
    return within.filter(standing("basis", at), basis__valid_from__lte=at)


def moves_at(room: MachineRoom, device_id: int, at: datetime) -> QuerySet[EquipmentMove]:
    """Return the moves that let a device be carried into or out of a room at the instant and are not carried out yet."""
    open_moves = EquipmentMove.objects.filter(Q(from_room=room) | Q(to_room=room), device=device_id, moved_at=None)
    return open_moves.filter(standing("basis", at), moves_from__lte=at, moves_by__gt=at, basis__valid_from__lte=at)


def following(shift: Shift) -> Shift | None:
    """Return the shift of somebody else that takes over in the same room as one ends, None where duty ends with it."""
    after = Shift.objects.filter(room=shift.room_id, starts_at__gt=shift.starts_at, starts_at__lte=shift.ends_at, ends_at__gt=shift.ends_at)
    return after.exclude(person=shift.person_id).select_related("person").order_by("starts_at", "pk").first()
