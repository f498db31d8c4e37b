"""What the runs of a rule cost and found, a row a day (DESIGN 8): the rule page draws it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from anzhang import clock
from anzhang.casework.tables import RuleDay

KEPT = timedelta(days=400)


def keep(runs: Collection[Any], at: datetime) -> None:
    """Add runs (`rule_runs.run.Run`) to the day's rows, and let go of those of more than a year ago."""
    if not runs:
        return
    day = clock.day_of(at)
    rows = {row.rule: row for row in RuleDay.objects.filter(day=day, rule__in={run.rule for run in runs})}
    if not rows:
        RuleDay.objects.filter(day__lt=day - KEPT).delete()
    for run in runs:
        row = rows.setdefault(run.rule, RuleDay(rule=run.rule, day=day))
        outcome = run.outcome
        row.runs, row.fresh, row.seconds = row.runs + 1, row.fresh + run.fresh, row.seconds + run.seconds
        row.slowest = max(row.slowest, run.seconds)
        row.population, row.hits = len(outcome.population), len(outcome.breaches)
        row.regularized, row.unknown = len(outcome.regularized), len(outcome.unknown)
    RuleDay.objects.bulk_create([row for row in rows.values() if row.pk is None])
    told = ["runs", "fresh", "seconds", "slowest", "population", "hits", "regularized", "unknown"]
    RuleDay.objects.bulk_update([row for row in rows.values() if row.pk is not None], told)


def days(rule: str, most: int = 30) -> list[RuleDay]:
    """Return the newest days of a rule, newest first."""
    return list(RuleDay.objects.filter(rule=rule).order_by("-day")[:most])
