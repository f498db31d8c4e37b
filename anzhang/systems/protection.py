"""How systems stand under classified protection, as pages show it (Art. 8)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from anzhang import clock
from anzhang.casework import parameters
from anzhang.systems import obligations_gradings as levels
from anzhang.systems.models import System
from anzhang.systems.tables import ProtectionGrading


@dataclass(frozen=True)
class State:
    """How one system stands on a day."""

    system: System
    grading: ProtectionGrading | None
    level: int | None
    filing: bool  # whether its level must be filed
    due_on: date | None  # of the next evaluation
    proved: int
    required: int
    today: date

    @property
    def late(self) -> bool:
        """Whether the next evaluation is overdue."""
        return self.due_on is not None and self.due_on < self.today

    @property
    def differs(self) -> bool:
        """Whether register and grading name different levels."""
        own = self.system.protection_level
        return self.grading is not None and own is not None and own != self.grading.level


def states(systems: list[System], at: datetime) -> list[State]:
    """Return how systems stand at an instant; a few queries for any number of them."""
    values, today = parameters.values(at), clock.day_of(at)
    graded, required, proofs = levels.gradings(today), levels.requirements(), levels.proofs(systems[0] if len(systems) == 1 else None)
    filing, days = values.get("filing_level"), values.get("evaluation_days", {})
    found = []
    for system in systems:
        grading = graded.get(system.pk)
        level = levels.level_of(system, grading)
        due = levels.dues(system, level, required, proofs) if level is not None else []
        limit = levels.longest(level, days) if level is not None else None
        begun = (grading.evaluated_on or grading.graded_on) if grading else None
        due_on = begun + timedelta(days=limit) if begun and limit is not None else None
        if grading is not None and grading.next_due_on is not None:
            due_on = min(grading.next_due_on, due_on or grading.next_due_on)
        proved = sum(each.state(today) == "proved" for each in due)
        must_file = level is not None and filing is not None and level >= int(filing)
        found.append(State(system, grading, level, must_file, due_on, proved, len(due), today))
    return found
