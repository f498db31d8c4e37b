"""A program that does what the bureau does, on a data directory of its own, and is killed for it: `python -m tests.journal.worksite HOME`.

It prepares the bureau once, says `ready`, and then takes one command a line: `work` forks a worker that performs procedures
without end, printing `begin N WHAT` before each and `done N JSON` once it is acknowledged; when the worker ends by whatever
means the site says `ended PID STATUS`. `check JSON` verifies everything in a fork and prints what it found. Forks, because
loading the program anew for each kill would take most of the time; no connection is open in the site itself.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


def main() -> None:
    home = Path(sys.argv[1])
    os.environ["ANZHANG_HOME"] = str(home)
    os.environ["DJANGO_SETTINGS_MODULE"] = "anzhang.settings"
    from anzhang.home import Home
    from anzhang.operate import initialize

    initialize.make_directory(Home(home), name="worksite", demo=False, ports=initialize.Ports(web=18300))
    import django

    django.setup()
    _forked(_prepare)
    import anzhang.casework.procedures  # loaded once, for every fork
    import anzhang.journal.verify
    import anzhang.organization.procedures  # noqa: F401

    _say("ready")
    for command in sys.stdin:
        verb, _, rest = command.strip().partition(" ")
        if verb == "work":
            pid = _fork(_work)
            _say(f"worker {pid}")
            _say(f"ended {pid} {os.waitpid(pid, 0)[1]}")
        else:
            _forked(lambda rest=rest: _check(json.loads(rest)))


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _fork(run: Callable[[], None]) -> int:
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            run()
            status = 0
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    return pid


def _forked(run: Callable[[], None]) -> None:
    status = os.waitpid(_fork(run), 0)[1]
    if status:
        sys.exit(f"a step ended with {status}")


def _prepare() -> None:
    from django.conf import settings

    from anzhang import clock
    from anzhang.casework import holidays
    from anzhang.demo import bureau as demo
    from anzhang.operate import database

    database.create(settings.HOME)
    now = clock.now()
    demo.build(now)
    holidays.seed_holidays(demo.SETUP, now.year, now)


def _work() -> None:
    from anzhang.journal import sequencer
    from anzhang.journal.models import Entry

    for number, (what, act) in enumerate(_acts()):
        _say(f"begin {number} {what}")
        rows = act()
        sequencer.sequence()  # PostgreSQL: where another process was at it, the act may wait a moment yet
        newest = Entry.objects.order_by("-index").values_list("index", flat=True).first()
        _say(f"done {number} {json.dumps({'what': what, 'entry': newest, 'rows': rows})}")


def _acts() -> Iterator[tuple[str, Callable[[], dict[str, int]]]]:  # noqa: C901 - one small function per act
    """Yield procedures for ever: people come, officers are appointed and filed, cases are withdrawn, heads are signed."""
    from anzhang import clock
    from anzhang.casework import procedures as cases
    from anzhang.casework.models import Act, Case
    from anzhang.directory import procedures as directory
    from anzhang.directory.models import Person, Unit, User
    from anzhang.journal.procedures import sign_heads
    from anzhang.organization import procedures as organization
    from anzhang.permissions import Actor, Administrator, Via

    def acting(username: str) -> Actor:
        user = User.objects.select_related("person").get(username=username)
        return Actor(
            id=f"user:{username}", via=Via.BROWSER, user_id=user.pk, person_id=user.person_id, unit_id=user.person.unit_id,
            administrator=Administrator(user.administrator) if user.administrator else None, second_factor=True,
        )  # fmt: skip

    admin, clerk, head, office = (acting(name) for name in ("guolei", "sunli", "liuyang", "wujie"))
    unit = Unit.objects.get(code="JYC")
    applicant = Person.objects.get(code="P021")
    made: dict[str, Any] = {}

    def of_case(case: Case) -> dict[str, int]:
        made["case"] = case
        return {"case": case.pk, "act": Act.objects.filter(case=case).order_by("-pk")[0].pk}

    def join() -> dict[str, int]:
        code = f"N{Person.objects.count():05}"
        row = {"code": code, "name": "新人", "unit": unit, "post": "业务岗", "joined_on": clock.today()}
        made["person"] = directory.register_person(admin, at=clock.now(), **row)
        return {"person": made["person"].pk}

    def move() -> dict[str, int]:
        return {"person": directory.change_person(admin, made["person"], at=clock.now(), post="综合岗").pk}

    def train() -> dict[str, int]:
        row = {"person": made["person"], "topic": "上岗培训", "trained_on": clock.today(), "hours": 4}
        return {"training_record": organization.record_training(admin, at=clock.now(), **row).pk}

    def ask() -> dict[str, int]:
        form = {"person": made["person"].code}
        return of_case(cases.file_case(clerk, "officer_appointment", unit, applicant, "", form, clock.now()))

    def grant() -> dict[str, int]:
        return of_case(cases.agree(head, made["case"], "同意", clock.now()))

    def receive() -> dict[str, int]:
        return of_case(cases.agree(office, made["case"], "", clock.now()))

    def withdraw() -> dict[str, int]:
        return of_case(cases.withdraw(clerk, made["case"], "改日再办", clock.now()))

    def sign() -> dict[str, int]:
        sign_heads(clock.now())
        return {}

    round_ = (join, move, train, ask, grant, receive, sign, ask, withdraw, sign)
    return ((act.__name__, act) for act in itertools.cycle(round_))


def _check(acknowledged: list[dict[str, Any]]) -> None:
    """Print what verification, the database and the acknowledged acts say: faults, integrity, what is lost, entries."""
    from django.db import connection

    from anzhang.journal.models import Entry
    from anzhang.journal.rows import ledgered
    from anzhang.journal.verify import verify

    report, tables, lost = verify(), ledgered(), []
    indexes = set(Entry.objects.values_list("index", flat=True))
    kept = {kind: set(tables[kind].objects.values_list("pk", flat=True)) for kind in {kind for act in acknowledged for kind in act["rows"]}}
    written = set(Entry.objects.exclude(after="").values_list("object_type", "object_key"))
    for act in acknowledged:
        rows = act["rows"].items()
        whole = act["entry"] in indexes and all(pk in kept[kind] and (kind, str(pk)) in written for kind, pk in rows)
        if not whole:
            lost.append(act)
    integrity = "ok"  # PostgreSQL has no such question; its pages are checked as they are read
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA integrity_check")
            integrity = cursor.fetchone()[0]
    faults = [str(fault) for fault in report.faults]
    _say(
        "checked " + json.dumps({"faults": faults, "integrity": integrity, "lost": lost, "entries": report.entries, "heads": report.heads})
    )


if __name__ == "__main__":
    main()
