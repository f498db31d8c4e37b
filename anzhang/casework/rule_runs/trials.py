"""What a rule would have said: run on days of the past, over the lines that are kept and the registers as they stand (DESIGN 8)."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from anzhang import clock
from anzhang.casework import parameters
from anzhang.casework.rule_runs import run as rule_runs
from anzhang.casework.rule_runs.tables import Tables
from anzhang.casework.rules import Rule
from anzhang.regulation.checks import Context
from anzhang.regulation.verdicts import Breach

MOST_DAYS = 60
SAMPLES = 5


@dataclass(frozen=True)
class TrialDay:
    """What a rule says at the end of a Beijing day: subjects, breaches, those of them that the day before had not, and some of those."""

    day: date
    population: int
    hits: int
    new: tuple[Breach, ...]
    regularized: int
    unknown: int

    @property
    def samples(self) -> tuple[Breach, ...]:
        """Return a few of the new ones."""
        return self.new[:SAMPLES]


@dataclass
class Trial:
    """Days in order, and whether the time sufficed for all of them."""

    days: list[TrialDay]
    seconds: float
    complete: bool = True


def trial(rule: Rule, days: int, at: datetime, vault: Any, budget_seconds: float = 30.0) -> Trial:
    """Run a rule at the end of each of the last days, oldest first, and now. Writes nothing that stays. Raises RuleError, BoxError.

    Parameters are those in force now. Where the budget is used up it says so and returns the days it came to.
    """
    begun, tables = time.perf_counter(), Tables()
    found = Trial([], 0.0)
    before: set[tuple[str, str]] | None = None
    with tempfile.TemporaryDirectory(prefix="anzhang-trial-") as folder:
        for day, instant in _instants(min(max(days, 1), MOST_DAYS), at):
            context = Context(instant, parameters.values(at), vault, tables)
            outcome = rule_runs.run(rule, context, folder=Path(folder)).outcome
            keys = {(breach.subject.key, breach.detail) for breach in outcome.breaches}
            new = tuple(each for each in outcome.breaches if (each.subject.key, each.detail) not in (before or set()))
            told = len(outcome.breaches), new, len(outcome.regularized), len(outcome.unknown)
            found.days.append(TrialDay(day, len(outcome.population), *told))
            before = keys
            if time.perf_counter() - begun > budget_seconds and instant < at:
                found.complete = False
                break
    found.seconds = time.perf_counter() - begun
    return found


def _instants(days: int, at: datetime) -> Iterator[tuple[date, datetime]]:
    """Yield the last days and the instants at which they are judged: their ends, and now."""
    today = clock.day_of(at)
    for back in range(days - 1, 0, -1):
        day = today - timedelta(days=back)
        yield day, clock.start_of(day + timedelta(days=1))
    yield today, at
