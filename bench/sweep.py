"""How long the sweeps over deadlines take with 100,000 open cases.

Three moments of the escalation sweep: nothing has come due since the last one (what runs every minute), a hundredth has come due
(a Monday morning), everything is overdue at once (after a long standstill); each is run again at the same instant, which must
write nothing. Beside it the peer: the same question asked as most programs do, loading every open todo and comparing in Python.
Prints milliseconds of wall and processor time; the goal is one second for the sweep that finds nothing new or a hundredth.
`python -m bench.sweep [--cases N]`
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

GOAL_MS = 1000
BATCH = 5000


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=100_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="anzhang-bench-sweep-") as folder:
        os.environ["ANZHANG_HOME"] = folder
        os.environ["DJANGO_SETTINGS_MODULE"] = "anzhang.settings"
        import django

        django.setup()
        print(json.dumps({"open_cases": options.cases, "goal_ms": GOAL_MS, **_measure(options.cases)}, ensure_ascii=False, indent=1))


def _measure(cases: int) -> dict[str, Any]:

    from anzhang import clock, permissions
    from anzhang.casework import escalation
    from anzhang.demo import bureau as demo
    from anzhang.operate import database

    database.make_tables()
    now = clock.now()
    bureau = demo.build(now)
    _fill(bureau, cases, now)
    judge = permissions.system("deadlines")
    first = now + timedelta(days=30)  # the first todo comes due
    found: dict[str, Any] = {"nothing new": _timed(partial(escalation.sweep, judge, now))}
    escalation.sweep(judge, first)  # what comes near its deadline is followed up on the days before
    for name, at in {
        "a hundredth overdue": first + timedelta(minutes=cases // 100),
        "everything overdue": now + timedelta(days=365),
    }.items():
        found[name] = _timed(partial(escalation.sweep, judge, at))
        found[f"{name}, again"] = _timed(partial(escalation.sweep, judge, at))
    found["peer: load every open todo"] = _timed(partial(_by_hand, now))
    return found


def _timed(work: Callable[[], object]) -> dict[str, Any]:
    wall, cpu = time.perf_counter(), time.process_time()
    said = work()
    return {"ms": round((time.perf_counter() - wall) * 1000, 1), "cpu": round((time.process_time() - cpu) * 1000, 1), "said": str(said)}


def _by_hand(at: datetime) -> str:
    """Answer what is overdue the way a loop over objects does."""
    from anzhang.casework.models import Todo

    late = [todo for todo in Todo.objects.filter(closed_at=None).select_related("case", "person") if todo.due_at <= at]
    return f"{len(late)} late"


def _fill(bureau: Any, cases: int, now: datetime) -> None:
    """Write open cases that come due one a minute from a month ahead, each waiting for one of the bureau's people."""
    from anzhang.casework import routes
    from anzhang.casework.models import Case, Todo

    route = min(routes.current().values(), key=lambda each: len(str(each.source)))
    people, units = list(bureau.person.values()), list(bureau.unit.values())
    for start in range(0, cases, BATCH):
        made = Case.objects.bulk_create(
            Case(
                number=f"SX2026-{i:06}", route=route.key, title=f"事项 {i}", rules=dict(route.source), form={}, unit=units[i % len(units)],
                applicant=people[i % len(people)], state="open", filed_at=now, due_at=now + timedelta(days=60),
            )
            for i in range(start, min(start + BATCH, cases))
        )  # fmt: skip
        Todo.objects.bulk_create(
            Todo(case=case, round=1, step=0, person=people[i % len(people)], opened_at=now, due_at=now + timedelta(days=30, minutes=i))
            for i, case in enumerate(made, start)
        )


if __name__ == "__main__":
    main()
