"""A bureau of 100,000 people with its cases, todos, findings, verdicts, notices and ledger entries, for the page bench.

People, cases, todos and findings are written in bulk; verdicts come from a real run of the checks, and every case and finding
has its ledger entry. Nothing here is random: two fills are equal.
`python -m bench.lib_bureau fill HOME PEOPLE` makes the directory; `... enter HOME PORT` logs the readers in and prints what to ask.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anzhang.casework.models import Case, Finding
    from anzhang.casework.routes import Route
    from anzhang.demo.bureau import Bureau
    from anzhang.directory.models import Person, Unit, User
    from anzhang.events import Event
    from anzhang.permissions import Actor

FAMILY, GIVEN = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗", "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超兰霞平刚桂英"
UNITS, CASES, TODOS, FINDINGS, NOTICES = 40, 20_000, 50_000, 20_000, 5_000
# The head of the Office, who sees everything; the head of one unit with its fortieth of it; the auditor, who sees every entry.
READER, HEAD, AUDITOR = "zhengkai", "head07", "chenjing"
BATCH = 5000
KEPT = "filled.json"


@dataclass(frozen=True)
class Filled:
    """What the bench asks for: the keys of some rows, the registers, and after `enter` session keys by log-in name."""

    unit: int
    person: int
    case: str
    finding: str
    registers: dict[str, list[str]]  # the columns that a list may be ordered by
    sessions: dict[str, str] = dataclasses.field(default_factory=dict)


def _set_up(home: Path) -> None:
    os.environ["ANZHANG_HOME"] = str(home)
    os.environ["DJANGO_SETTINGS_MODULE"] = "anzhang.settings"
    import django

    django.setup()


def fill(home: Path, people: int) -> None:
    """Make the directory, the bureau and the rows. Sets Django up: once per process."""
    from anzhang.home import Home
    from anzhang.operate import database, initialize

    initialize.make_directory(Home(home), name="bench", demo=False, ports=initialize.Ports())
    _set_up(home)

    database.make_tables()
    from anzhang import clock
    from anzhang.casework import reconciliation
    from anzhang.demo import bureau as demo
    from anzhang.journal import keys
    from anzhang.registers import listing
    from anzhang.registers.declaration import REGISTERS

    keys.create(Home(home))
    now = clock.now()
    bureau = demo.build(now)
    units = _units(bureau, now)
    reconciliation.run(demo.SETUP, now)  # before the invented findings, which it would close
    staff = _people(units, people, now)
    cases = _cases(bureau, units, staff, now)
    finding = _findings(units, staff, now)
    _notices(bureau, now)
    head(units[7], now)
    registers = {each.id: sorted(listing.sortable(each)) for each in REGISTERS.values()}
    filled = Filled(units[7].pk, staff[len(staff) // 2].pk, cases, finding, registers)
    (home / KEPT).write_text(json.dumps(dataclasses.asdict(filled)), encoding="utf-8")


def enter(home: Path, port: int) -> Filled:
    """Move the directory to a port and log the readers in. Sets Django up: once per process."""
    file = home / "anzhang.toml"
    file.write_text(re.sub(r'(?m)^bind = "[^"]*"', f'bind = "127.0.0.1:{port}"', file.read_text(encoding="utf-8")), encoding="utf-8")
    _set_up(home)
    from anzhang import clock
    from anzhang.directory.models import User

    now = clock.now()
    sessions = {user.username: _session(user, now) for user in User.objects.filter(username__in=[READER, HEAD, AUDITOR])}
    return Filled(**json.loads((home / KEPT).read_text(encoding="utf-8")) | {"sessions": sessions})


def _units(bureau: Bureau, now: datetime) -> list[Unit]:
    from anzhang.directory.models import Unit

    top = bureau.unit["HRSS"]
    Unit.objects.bulk_create(
        Unit(code=f"B{i:02}", name=f"第{i}分局", kind="subordinate_unit", parent=top, path=f"{top.path}B{i:02}/", established_on=now.date())
        for i in range(UNITS)
    )
    return list(Unit.objects.filter(code__startswith="B").order_by("code"))


def _people(units: list[Unit], people: int, now: datetime) -> list[Person]:
    from anzhang.directory.models import Person

    Person.objects.bulk_create(
        (
            Person(
                code=f"X{i:06}",
                name=FAMILY[i % len(FAMILY)] + GIVEN[i // 7 % len(GIVEN)] + (GIVEN[i // 31 % len(GIVEN)] if i % 3 else ""),
                kind="outside" if i % 50 == 0 else "staff",
                unit=units[i * 7919 % UNITS],
                post="科员",
                joined_on=now.date(),
            )
            for i in range(people)
        ),
        batch_size=BATCH,
    )
    return list(Person.objects.filter(code__startswith="X").order_by("code")[:10_000])


def _cases(bureau: Bureau, units: list[Unit], staff: list[Person], now: datetime) -> str:
    """Write the cases with two or three todos each; a tenth of the open ones wait for the reader. Return one's number."""
    from anzhang.casework import routes
    from anzhang.casework.models import Case, Todo
    from anzhang.demo.bureau import SETUP
    from anzhang.events import Event

    every = list(routes.current().values())
    made = [_case(i, every[i % len(every)], units[i // 4 % UNITS], staff[i * 31 % len(staff)], now) for i in range(CASES)]
    Case.objects.bulk_create(made, batch_size=BATCH)
    _entries(SETUP, Event.CASE_FILE, made, now)
    reader = bureau.user[READER].person
    assert reader is not None
    Todo.objects.bulk_create(
        (
            Todo(
                case=case,
                round=1,
                step=k,
                person=reader if k == 0 and i % 10 < 2 else staff[(i * 7 + k) % len(staff)],
                opened_at=case.filed_at,
                due_at=case.filed_at + timedelta(days=10),
                closed_at=case.decided_at,
                outcome="" if case.decided_at is None else "done",
            )
            for i, case in enumerate(made)
            for k in range(3 if i % 2 else 2)
        ),
        batch_size=BATCH,
    )
    return made[40].number


def _case(i: int, route: Route, unit: Unit, applicant: Person, now: datetime) -> Case:
    from anzhang.casework.models import Case

    filed = now - timedelta(minutes=20 * i)
    decided = filed + timedelta(days=3) if i % 4 else None
    return Case(
        number=f"SX2026-{i:06}",
        route=route.key,
        title=f"{route.title} {i}",
        rules=dict(route.source),
        form={},
        unit=unit,
        applicant=applicant,
        state="approved" if decided else "open",
        filed_at=filed,
        due_at=filed + timedelta(days=30),
        decided_at=decided,
    )


def _findings(units: list[Unit], staff: list[Person], now: datetime) -> str:
    """Write the findings, three quarters of them active; return the number of one."""
    from anzhang.casework.models import Finding
    from anzhang.demo.bureau import SETUP
    from anzhang.events import Event

    made = [
        Finding(
            number=f"WT2026-{i:06}",
            obligation=("A05.3", "A05.1", "A29.7", "A05.4")[i % 4],
            subject=f"unit:B{i // 4 % UNITS:02}-{i}",
            subject_label=f"第{i // 4 % UNITS}分局 {i}",
            fingerprint=f"bench-{i}",
            severity=("high", "medium", "low")[i % 3],
            state="closed" if i % 4 == 3 else "open",
            reason={"code": "officer_missing", "params": {"unit": f"第{i // 4 % UNITS}分局", "since": now.date().isoformat(), "days": 5}},
            unit=units[i // 4 % UNITS],
            person=staff[i * 13 % len(staff)],
            opened_at=now - timedelta(minutes=i),
            due_at=now + timedelta(minutes=i - FINDINGS // 2),
            last_seen_at=now,
            closed_at=now if i % 4 == 3 else None,
        )
        for i in range(FINDINGS)
    ]
    Finding.objects.bulk_create(made, batch_size=BATCH)
    _entries(SETUP, Event.FINDING_OPEN, made, now)
    return made[0].number


def _notices(bureau: Bureau, now: datetime) -> None:
    from anzhang.casework.models import Notice

    person = bureau.user[READER].person
    Notice.objects.bulk_create(
        (
            Notice(
                person=person,
                code="case_approved",
                params={"title": "信息安全管理人员备案", "number": f"SX2026-{i:06}"},
                link="/cases/",
                created_at=now - timedelta(minutes=i),
                read_at=now if i % 2 else None,
            )
            for i in range(NOTICES)
        ),
        batch_size=BATCH,
    )


def _entries(actor: Actor, act: Event, rows: Sequence[Case | Finding], now: datetime) -> None:
    from django.db import transaction

    from anzhang.journal.procedures import record

    with transaction.atomic():
        for row in rows:
            record(actor, act, row, at=now, payload={"number": row.number})


def head(unit: Unit, now: datetime) -> User:
    """Give a unit a head who can log in."""
    from anzhang.demo.bureau import SETUP
    from anzhang.directory import procedures
    from anzhang.directory.models import Person, User
    from anzhang.events import Event
    from anzhang.journal.procedures import write

    person = Person.objects.filter(unit=unit, kind="staff").order_by("code")[0]
    procedures.start_assignment(SETUP, person=person, duty="unit_head", unit=unit, basis=None, valid_from=now, at=now)
    user = User(username=HEAD, person=person, created_at=now)
    user.set_unusable_password()
    write(SETUP, Event.USER_CREATE, user, at=now)
    return user


def _session(user: User, now: datetime) -> str:
    """Return the key of a session of a user that has passed the second factor."""
    from django.conf import settings
    from django.contrib.sessions.backends.db import SessionStore

    from anzhang.web import actors

    session = SessionStore()
    session["_auth_user_id"] = str(user.pk)
    session["_auth_user_backend"] = settings.AUTHENTICATION_BACKENDS[-1]
    session["_auth_user_hash"] = user.get_session_auth_hash()
    actors.mark_second_factor(session, user, "totp", now)
    session.save()
    return str(session.session_key)


if __name__ == "__main__":
    if sys.argv[1] == "fill":
        fill(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        print(json.dumps(dataclasses.asdict(enter(Path(sys.argv[2]), int(sys.argv[3])))))
