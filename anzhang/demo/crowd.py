"""The demo at its full size: 40 units, 2,000 people, 150 systems around the cast that everybody knows by name.

Made on the spot from a seed and written in bulk, every row with its ledger entry. `bureau.build` comes first: the cast, its
units and its systems stay as they are. What these units owe on paper is in `conduct`, what they fail to do in `conduct.EXPECTED`.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TypeVar

from anzhang import clock
from anzhang.demo import names
from anzhang.demo.bureau import SETUP, Bureau
from anzhang.directory import procedures as directory
from anzhang.directory.bulk import write_many
from anzhang.directory.models import Assignment, Person, Unit, User
from anzhang.events import Event
from anzhang.journal.models import Ledgered
from anzhang.organization.models import Officer
from anzhang.systems.models import Account, System
from anzhang.thirdparty.models import Provider

R = TypeVar("R", bound=Ledgered)
UNITS, PEOPLE, SYSTEMS = 40, 2000, 150
SEED = 20261124
FOUNDED = date(2009, 7, 1)
WITHOUT_OFFICER = "信访接待处"
Duty = Assignment.Duty
OUTSIDE_DUTIES = (Duty.DEVELOPER, Duty.INTEGRATOR, Duty.MAINTAINER)


@dataclass
class Crowd:
    """What was made, by unit code where that is how one looks for it."""

    units: list[Unit] = field(default_factory=list)
    staff: dict[str, list[Person]] = field(default_factory=dict)
    officers: list[Officer] = field(default_factory=list)
    posts: list[Assignment] = field(default_factory=list)
    systems: list[System] = field(default_factory=list)
    providers: list[Provider] = field(default_factory=list)

    def head(self, unit: Unit) -> Person:
        """Return the head of one of these units: its first person."""
        return self.staff[unit.code][0]

    def officer(self, unit: Unit) -> Person:
        """Return who is the officer of one of these units, or would be."""
        return self.staff[unit.code][1]


def put(now: datetime, model: type[R], new: Iterable[R], act: Event = Event.ROW_CREATE) -> list[R]:
    """Write new rows of one class with their entries; return them."""
    return write_many(SETUP, model, new, now, act)


def populate(bureau: Bureau, now: datetime) -> Crowd:
    """Add units, people, bodies, posts, systems and accounts around the cast; return them. Runs in the caller's transaction."""
    crowd, dice = Crowd(), random.Random(SEED)  # noqa: S311  # demo data, not a secret
    crowd.units = _units(bureau, now)
    crowd.providers = _providers(bureau, now)
    _people(bureau, crowd, dice, now)
    crowd.systems = _systems(bureau, crowd, dice, now)
    _posts(bureau, crowd, dice, now)
    _users(crowd, now)
    return crowd


def _units(bureau: Bureau, now: datetime) -> list[Unit]:
    rows = [(f"D{number:02d}", name, "bureau_division") for number, name in enumerate(names.DIVISIONS, 1)]
    rows += list(names.BUREAUS)
    rows += [(f"S{number:02d}", name, "subordinate_unit") for number, name in enumerate(names.SUBORDINATES, 1)]
    return [
        directory.register_unit(SETUP, at=now, code=code, name=name, kind=kind, parent=bureau.unit["HRSS"], established_on=FOUNDED)
        for code, name, kind in rows[: UNITS - len(bureau.unit)]
    ]


def _providers(bureau: Bureau, now: datetime) -> list[Provider]:
    began = clock.day_of(now) - timedelta(days=400)
    return put(
        now,
        Provider,
        (
            Provider(code=f"V{number:02d}", name=name, kind=kind, unit=bureau.unit["IC"], purpose=purpose, began_on=began)
            for number, (name, kind, purpose) in enumerate(names.BODIES, 1)
        ),
    )


def _people(bureau: Bureau, crowd: Crowd, dice: random.Random, now: datetime) -> None:
    """Make everybody but the cast: each unit's head and officer first, then its staff; two people of every outside body."""
    there = Person.objects.count()
    outside = 2 * len(crowd.providers)
    weights = [3 if unit.kind == "subordinate_unit" else 1 for unit in crowd.units]
    wanted = PEOPLE - there - outside
    homes = crowd.units * 3 + dice.choices(crowd.units, weights, k=wanted - 3 * len(crowd.units))
    named, today = names.people(SEED), clock.day_of(now)
    rows: list[Person] = []
    for number, unit in enumerate(homes):
        post = ("负责人", "综合岗（信息安全）", "系统管理岗")[number // len(crowd.units)] if number < 3 * len(crowd.units) else "业务岗"
        joined = today - timedelta(days=dice.randint(400, 6000))
        rows.append(Person(code=f"P{1001 + number}", name=next(named), unit=unit, post=post, joined_on=max(joined, FOUNDED)))
    for number in range(outside):
        provider = crowd.providers[number % len(crowd.providers)]
        rows.append(
            Person(
                code=f"W{101 + number}", name=next(named), unit=bureau.unit["IC"], kind="outside", provider=provider,
                post="驻场人员" if provider.kind == "company" else "联络人", joined_on=provider.began_on,
            )
        )  # fmt: skip
    put(now, Person, rows)
    for person in rows:
        crowd.staff.setdefault(person.unit.code, []).append(person)


def _systems(bureau: Bureau, crowd: Crowd, dice: random.Random, now: datetime) -> list[System]:
    """Make systems until there are 150: every third planned centrally and the center's, the rest their units'."""
    center, made = bureau.unit["IC"], []
    wanted = SYSTEMS - 1 - System.objects.count()  # `conduct` adds one that nobody has classed
    for number, (name, kind) in zip(range(wanted), names.systems(), strict=False):
        planned = number % 3 == 0
        unit = crowd.units[number % len(crowd.units)]
        made.append(
            System(
                code=f"XT{101 + number}", name=name, kind=kind, managing_unit=unit, responsible_unit=center if planned else unit,
                centrally_planned=planned, management_level="bureau" if planned else "unit", protection_level=dice.choice((2, 2, 2, 3)),
            )
        )  # fmt: skip
    return put(now, System, made, Event.SYSTEM_REGISTER)


def _posts(bureau: Bureau, crowd: Crowd, dice: random.Random, now: datetime) -> None:
    """Give every unit its head and officer, every system its manager, maintainer and users with their accounts."""
    started = now - timedelta(days=365)
    posts = [_post(crowd.head(unit), Duty.UNIT_HEAD, unit, started, now) for unit in crowd.units]
    accounts: list[Account] = []
    company = [person for person in crowd.staff["IC"] if person.kind == "outside"]
    for number, system in enumerate(crowd.systems):
        unit = system.managing_unit
        staff = crowd.staff[unit.code]
        posts.append(_post(staff[2], Duty.SYSTEM_MANAGER, unit, started, now, system))
        users = dice.sample(staff[3:], k=min(2, len(staff) - 3))
        hands = [(person, Duty.OPERATOR, unit) for person in users]
        if number % 5 == 0:
            hands.append(
                (company[number // 5 % len(company)], dice.choice((Duty.DEVELOPER, Duty.INTEGRATOR, Duty.MAINTAINER)), bureau.unit["IC"])
            )
        for person, duty, place in hands:
            posts.append(_post(person, duty, place, started, now, system))
            accounts.append(Account(system=system, name=person.code.lower(), person=person, opened_on=clock.day_of(started)))
    crowd.posts = put(now, Assignment, posts, Event.ASSIGNMENT_START)
    put(now, Account, accounts, Event.ACCOUNT_OPEN)
    officers = [
        Officer(unit=unit, person=crowd.officer(unit), valid_from=started, recorded_at=now)
        for unit in crowd.units
        if unit.name != WITHOUT_OFFICER
    ]
    crowd.officers = put(now, Officer, officers, Event.OFFICER_APPOINT)


def _post(person: Person, duty: str, unit: Unit, started: datetime, now: datetime, system: System | None = None) -> Assignment:
    return Assignment(person=person, duty=duty, unit=unit, system=system, valid_from=started, recorded_at=now)


def _users(crowd: Crowd, now: datetime) -> None:
    """Let heads and officers log in; their log-in name is the code in small letters."""

    def accounts() -> Iterator[User]:
        for unit in crowd.units:
            for person in (crowd.head(unit), crowd.officer(unit)):
                user = User(username=person.code.lower(), person=person, created_at=now)
                user.set_unusable_password()
                yield user

    put(now, User, accounts(), Event.USER_CREATE)
