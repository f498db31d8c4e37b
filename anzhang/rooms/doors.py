"""Door openings of machine rooms, and whose they are (Art. 16): what the controllers said, matched to posts and visits.

An opening is a card or key that was let in, in either direction, or a door that was forced; a refused card opens nothing, and a door
that stays open was opened before. A card on the room's list or on a visit says who it was, whatever name stands beside it; without
one the name or code in the line does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from django.db.models import Q

from anzhang import clock
from anzhang.directory.models import Assignment, Person
from anzhang.rooms.fields import holders
from anzhang.rooms.models import MachineRoom, RoomVisit
from anzhang.rooms.procedures import names

FORCED, REFUSED, HELD = "forced", "refused", "held-open"
COLUMNS = ("timestamp", "segment", "seq", "room", "door", "card", "person", "user_name", "direction", "event_action", "event_outcome")


@dataclass(frozen=True)
class Opening:
    """One opening of a door of a room; `holder` is the name or code in the line, `reference` where the line is."""

    at: datetime
    room_id: int
    door: str
    card: str
    holder: str
    direction: str
    action: str
    reference: str

    @property
    def is_forced(self) -> bool:
        """Whether nobody was let in and the door opened all the same."""
        return self.action == FORCED

    @property
    def who(self) -> str:
        """Return what the line says of who it was."""
        return self.holder or self.card


@dataclass(frozen=True)
class Heard:
    """What the doors of the rooms said in a period: `rooms` are those of which any door line came, let in or not."""

    openings: tuple[Opening, ...]
    rooms: frozenset[int]

    def of(self, room: MachineRoom) -> list[Opening]:
        """Return the openings of a room in order."""
        return [each for each in self.openings if each.room_id == room.pk]


def heard(vault: Any, rooms: Collection[MachineRoom], since: datetime, until: datetime) -> Heard:
    """Return the openings of rooms of `since <= at < until`; nothing where no vault stands. Rooms are known by `procedures.names`."""
    if vault is None:
        return Heard((), frozenset())
    by_name = {name: room.pk for room in rooms for name in names(room)}
    table = vault.events("door_event", since=since, until=until).select(COLUMNS)
    found, said = [], set()
    for row in table.to_pylist():
        room_id = by_name.get((row["room"] or "").strip().lower())
        if room_id is None:
            continue
        said.add(room_id)
        if _opens(row["event_action"], row["event_outcome"]):
            found.append(_opening(row, room_id))
    return Heard(tuple(found), frozenset(said))


def _opens(action: str | None, outcome: str | None) -> bool:
    if action == FORCED:
        return True
    return action not in {REFUSED, HELD} and outcome != "failure"


def _opening(row: dict[str, Any], room_id: int) -> Opening:
    return Opening(
        at=row["timestamp"].astimezone(UTC), room_id=room_id, door=row["door"] or "", card=row["card"] or "",
        holder=(row["person"] or row["user_name"] or "").strip(), direction=row["direction"] or "", action=row["event_action"] or "",
        reference=f"line:{row['segment']}:{row['seq']}",
    )  # fmt: skip


class Book:
    """What allows people to be in rooms in a period: cards, standing posts and visits, read once."""

    def __init__(self, rooms: Sequence[MachineRoom], since: datetime, until: datetime) -> None:
        """Read what may matter between two instants."""
        self.rooms, self.since, self.until = rooms, since, until

    @cached_property
    def posts(self) -> dict[tuple[int, int], list[Assignment]]:
        """Return the standing posts by room and person."""
        lasting = Q(valid_to=None) | Q(valid_to__gt=self.since)
        posts = Assignment.objects.filter(lasting, superseded_at=None, valid_from__lt=self.until, room__in=self.rooms)
        found: dict[tuple[int, int], list[Assignment]] = defaultdict(list)
        for post in posts.filter(duty__in=Assignment.ROOM_DUTIES).select_related("person"):
            if post.room_id is not None:
                found[post.room_id, post.person_id].append(post)
        return found

    @cached_property
    def visits(self) -> dict[int, list[RoomVisit]]:
        """Return the visits by room."""
        visits = RoomVisit.objects.filter(room__in=self.rooms, enters_from__lt=self.until, leaves_by__gt=self.since)
        found: dict[int, list[RoomVisit]] = defaultdict(list)
        for visit in visits.select_related("person", "escort", "basis__case").order_by("enters_from", "pk"):
            found[visit.room_id].append(visit)
        return found

    @cached_property
    def cards(self) -> dict[int, dict[str, int]]:
        """Return the holders of the cards on the lists of the rooms, by room."""
        lists = {room.pk: holders(room.cards) for room in self.rooms}
        codes = {code for each in lists.values() for code in each.values()}
        people = dict(Person.objects.filter(code__in=codes).values_list("code", "pk"))
        return {pk: {card: people[code] for card, code in each.items() if code in people} for pk, each in lists.items()}

    def people(self, opening: Opening) -> set[int]:
        """Return who may have opened a door, among those who hold a card, a post or a visit of the room."""
        card = opening.card.lower()
        if card and (holder := self.cards.get(opening.room_id, {}).get(card)) is not None:
            return {holder}
        visits = self.visits.get(opening.room_id, [])
        lent = {visit.person_id for visit in visits if card and visit.card.lower() == card and _within(visit, opening.at)}
        if lent:
            return lent
        known = [visit.person for visit in visits]
        known += [posts[0].person for (room_id, _person_id), posts in self.posts.items() if room_id == opening.room_id]
        return {person.pk for person in known if opening.holder and opening.holder in {person.code, person.name}}

    def allows(self, opening: Opening) -> Assignment | RoomVisit | None:
        """Return the standing post or the visit to which an opening belongs, None where nothing covers it."""
        if opening.is_forced:
            return None
        for person_id in self.people(opening):
            for post in self.posts.get((opening.room_id, person_id), ()):
                if _holds(post, opening.at):
                    return post
        mine = self.people(opening)
        visits = self.visits.get(opening.room_id, [])
        return next((visit for visit in visits if visit.person_id in mine and _within(visit, opening.at)), None)

    def is_of(self, opening: Opening, person: Person) -> bool:
        """Whether an opening was made by a person."""
        mine = self.people(opening)
        return not opening.is_forced and (person.pk in mine or (not mine and opening.holder in {person.code, person.name}))


def _holds(post: Assignment, at: datetime) -> bool:
    left = post.person.left_on
    return post.valid_from <= at and (post.valid_to is None or at < post.valid_to) and (left is None or at < clock.start_of(left))


def _within(visit: RoomVisit, at: datetime) -> bool:
    """Whether a visit covers an instant under an approval that was not over by then; one given afterwards covers it too (补批)."""
    basis = visit.basis
    stands = basis.superseded_at is None and (basis.valid_to is None or at < basis.valid_to)
    return stands and visit.enters_from <= at < visit.leaves_by


def by_person(openings: Iterable[Opening]) -> dict[tuple[str, str, bool], list[Opening]]:
    """Return openings by holder, card and whether the door was forced."""
    found: dict[tuple[str, str, bool], list[Opening]] = defaultdict(list)
    for each in openings:
        found[each.holder, each.card, each.is_forced].append(each)
    return found
