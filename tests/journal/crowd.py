"""A crowd of deciders on PostgreSQL, each with a connection of its own: `python -m tests.journal.crowd HOME DECIDERS`.

It prepares the bureau with one case a decider, says `ready`, and at the next line lets everybody decide at the same moment:
every case is decided twice at once, so that one of the two must be refused, while as many again record an act on one and
the same row. It prints what each was told, and what the registers and the ledger then say.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any


def main() -> None:
    home, deciders = Path(sys.argv[1]), int(sys.argv[2])
    os.environ["ANZHANG_HOME"] = str(home)
    os.environ["DJANGO_SETTINGS_MODULE"] = "anzhang.settings"
    from anzhang.home import Home
    from anzhang.operate import initialize

    initialize.make_directory(Home(home), name="crowd", demo=False, ports=initialize.Ports(web=18300))
    import django

    django.setup()
    cases = _prepare(deciders)
    _say("ready")
    sys.stdin.readline()
    started = time.monotonic()
    told = _decide(cases)
    seconds = time.monotonic() - started
    _say(json.dumps({"told": told, "seconds": round(seconds, 1), **_found()}, ensure_ascii=False))


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _acting(username: str) -> Any:
    from anzhang.directory.models import User
    from anzhang.permissions import Actor, Via

    user = User.objects.select_related("person").get(username=username)
    return Actor(
        id=f"user:{username}", via=Via.BROWSER, user_id=user.pk, person_id=user.person_id, unit_id=user.person.unit_id,
        second_factor=True,
    )  # fmt: skip


def _prepare(deciders: int) -> list[Any]:
    from django.conf import settings

    from anzhang import clock
    from anzhang.casework import holidays, procedures
    from anzhang.demo import bureau as demo
    from anzhang.directory.models import Person, Unit
    from anzhang.operate import database

    database.create(settings.HOME)
    demo.build(clock.now())
    holidays.seed_holidays(demo.SETUP, clock.now().year, clock.now())
    clerk, unit = _acting("sunli"), Unit.objects.get(code="JYC")
    applicant, form = Person.objects.get(code="P021"), {"person": "P022"}
    return [procedures.file_case(clerk, "officer_appointment", unit, applicant, "", form, clock.now()) for _ in range(deciders)]


def _decide(cases: list[Any]) -> dict[str, int]:
    from django.db import connection, transaction

    from anzhang import clock
    from anzhang.casework import procedures
    from anzhang.directory.models import Person
    from anzhang.directory.rows import locked
    from anzhang.events import Event
    from anzhang.journal.procedures import write
    from anzhang.permissions import RefusedError

    # Whoever waits for the interpreter wakes once in this time: at the usual 5 ms the waking of 1,500 threads alone would fill two cores.
    sys.setswitchinterval(1)
    head, told, gate = _acting("liuyang"), Counter[str](), threading.Barrier(3 * len(cases))

    def refuse(case: Any) -> None:
        procedures.refuse(head, case, "名额已满", clock.now())

    def rename(_case: Any) -> None:
        with transaction.atomic():
            person = locked(Person.objects.get(code="P021"))
            person.post = threading.current_thread().name
            write(head, Event.ROW_CHANGE, person, at=clock.now())

    def take_part(what: Callable[[Any], None], case: Any) -> None:
        with connection.cursor() as cursor:  # fifteen hundred threads of one interpreter: deadlocks are looked for, not patience
            cursor.execute("SET lock_timeout TO '10min'")
        gate.wait()
        try:
            what(case)
            told[what.__name__] += 1
        except RefusedError as refusal:
            told[refusal.code] += 1
        except Exception as error:  # noqa: BLE001 - a deadlock is what the test looks for
            told[f"{type(error).__name__}: {error}"[:200]] += 1
        finally:
            connection.close()

    threads = [threading.Thread(target=take_part, args=(what, case)) for case in cases for what in (refuse, refuse, rename)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return dict(told)


def _found() -> dict[str, Any]:
    from django.db.models import Count

    from anzhang import clock
    from anzhang.casework.models import Act
    from anzhang.events import Event
    from anzhang.journal import sequencer
    from anzhang.journal.models import Entry, Outbox
    from anzhang.journal.procedures import sign_heads
    from anzhang.journal.verify import verify

    waiting = Outbox.objects.count()
    before = verify()
    sequencer.sequence()
    sign_heads(clock.now())
    after = verify()
    decided = Act.objects.filter(verb=Act.Verb.REFUSE)
    entered = Entry.objects.filter(object_type="act", object_key__in=[str(pk) for pk in decided.values_list("pk", flat=True)])
    return {
        "waiting": [waiting, before.waiting, after.waiting],
        "faults": [str(fault) for fault in [*before.faults, *after.faults]],
        "decided": decided.count(),
        "entered": entered.count(),
        "twice": decided.values("case").annotate(n=Count("pk")).filter(n__gt=1).count(),
        "renamed": Entry.objects.filter(act=Event.ROW_CHANGE, object_type="person").count(),
        "entries": Entry.objects.count(),
        "newest": Entry.objects.order_by("-index").values_list("index", flat=True).first(),
    }


if __name__ == "__main__":
    main()
