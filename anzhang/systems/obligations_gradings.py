"""The check of Art. 8 on classified protection: filing, measures and evaluations suit the level of a system (A08.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from anzhang import clock
from anzhang.organization.models import ControlMeasure
from anzhang.regulation.checks import Context, check
from anzhang.regulation.verdicts import Breach, Ground, Outcome, Subject, Why
from anzhang.systems.models import System
from anzhang.systems.tables import ProtectionGrading

NAMED = 5  # measures that one finding names; it counts all


@dataclass(frozen=True)
class Due:
    """One measure that a system's level requires, and what it shows for it."""

    requirement: ControlMeasure
    proof: ControlMeasure | None

    def state(self, today: date) -> str:
        """Return `missing`, `over`, `endless` (proved, nobody knows until when) or `proved`."""
        if self.proof is None or self.proof.proved_on is None:
            return "missing"
        if self.proof.valid_until is None:
            return "endless"
        return "over" if self.proof.valid_until < today else "proved"


def gradings(day: date) -> dict[int, ProtectionGrading]:
    """Return the grading of each system that counts on a day: the newest one, by key of the system."""
    return {each.system_id: each for each in ProtectionGrading.objects.filter(graded_on__lte=day).order_by("graded_on", "pk")}


def level_of(system: System, grading: ProtectionGrading | None) -> int | None:
    """Return the level by which a system is judged: the higher where register and grading differ, None where nobody has said."""
    known = [level for level in (system.protection_level, grading.level if grading else None) if level is not None]
    return max(known, default=None)


def requirements() -> list[ControlMeasure]:
    """Return what the Office requires of systems, by code."""
    return list(ControlMeasure.objects.filter(kind=ControlMeasure.Kind.SYSTEM, requirement=None).order_by("code"))


def proofs(system: System | None = None) -> dict[tuple[int, int], ControlMeasure]:
    """Return the proof that lasts longest of each requirement for each system (or one), by system and requirement."""
    rows = ControlMeasure.objects.filter(kind=ControlMeasure.Kind.SYSTEM).exclude(requirement=None).exclude(proved_on=None)
    if system is not None:
        rows = rows.filter(system=system)
    found: dict[tuple[int, int], ControlMeasure] = {}
    for each in rows.order_by("proved_on", "pk"):
        place = (each.system_id or 0, each.requirement_id or 0)
        before = found.get(place)
        if before is None or (each.valid_until or each.proved_on or date.min) >= (before.valid_until or before.proved_on or date.min):
            found[place] = each
    return found


def dues(system: System, level: int, required: list[ControlMeasure], proved: Mapping[tuple[int, int], ControlMeasure]) -> list[Due]:
    """Return every measure that a level requires of a system with what it shows for it."""
    return [Due(each, proved.get((system.pk, each.pk))) for each in required if each.level is not None and each.level <= level]


def longest(level: int, days: Mapping[str, Any]) -> int | None:
    """Return how old the last evaluation may be at a level; above the highest that is named, as there; None: none is due."""
    named = {int(key.removeprefix("level_")): int(value) for key, value in days.items()}
    return named[min(level, max(named))] if named and level >= min(named) else None


@check("protection_suits_level")
def protection_suits_level(context: Context) -> Outcome:
    """Find systems without filing, measures or evaluation that their level requires, and gradings that say another level.

    A system that nobody has graded and that has no level, one whose first evaluation is not due, and a level for which the Office
    requires nothing are unknown: no evidence is never green. Source: Art. 8; A08.2.
    """
    today, filing, days = clock.day_of(context.at), int(context.parameters["filing_level"]), context.parameters["evaluation_days"]
    known, required, proved = gradings(today), requirements(), proofs()
    population: list[Subject] = []
    breaches: list[Breach] = []
    unknown: list[Ground] = []
    for system in System.objects.filter(state=System.State.IN_SERVICE).select_related("managing_unit").order_by("code"):
        owes = Subject(f"system:{system.code}", system.name, system.managing_unit.code)
        population.append(owes)
        grading = known.get(system.pk)
        level = level_of(system, grading)
        told = {"system": system.name, "level": level}
        cited = (f"system:{system.pk}", *((f"protection_grading:{grading.pk}",) if grading else ()))
        if grading is None and (level is None or level < filing):
            unknown.append(Ground(owes.unit, Why("system_without_grading", told), owes))
        if level is None:
            continue
        if grading is not None and system.protection_level is not None and grading.level != system.protection_level:
            why = Why("grading_differs", {**told, "graded": grading.level, "registered": system.protection_level})
            breaches.append(Breach(owes, why, cited, detail="level"))
        if level >= filing and not (grading and grading.filing_number):
            breaches.append(Breach(owes, Why("system_not_filed", told), cited, detail="filing"))
        due = dues(system, level, required, proved)
        if not due:
            unknown.append(Ground(owes.unit, Why("system_measures_not_set", told), owes))
        _measures(owes, told, due, today, (breaches, unknown))
        _evaluation(owes, told, (grading, longest(level, days), cited), today, (breaches, unknown))
    return Outcome(tuple(population), tuple(breaches), tuple(unknown))


Found = tuple[list[Breach], list[Ground]]


def _measures(owes: Subject, told: Mapping[str, Any], due: list[Due], today: date, found: Found) -> None:
    """Add what the measures of a system lack: one finding for those missing, one for those past their day."""
    breaches, unknown = found
    states: dict[str, list[Due]] = {}
    for each in due:
        states.setdefault(each.state(today), []).append(each)
    for state, code in (("missing", "measures_missing"), ("over", "measures_past_proof")):
        if lacking := states.get(state):
            rows = [row for each in lacking for row in (each.requirement, each.proof) if row is not None]
            why = Why(code, {**told, "count": len(lacking), "measures": [each.requirement.name for each in lacking[:NAMED]]})
            since = min((each.proof.valid_until for each in lacking if each.proof and each.proof.valid_until), default=None)
            begun = clock.start_of(since + timedelta(days=1)) if since else None
            breaches.append(Breach(owes, why, tuple(f"control_measure:{row.pk}" for row in rows[:20]), begun, state))
    if endless := states.get("endless"):
        unknown.append(Ground(owes.unit, Why("measures_without_end", {**told, "count": len(endless)}), owes))


def _evaluation(
    owes: Subject, told: Mapping[str, Any], state: tuple[ProtectionGrading | None, int | None, tuple[str, ...]], today: date, found: Found
) -> None:
    """Add what the evaluation of a system lacks; one that was never evaluated has its days from the grading on."""
    grading, limit, cited = state
    breaches, unknown = found
    if grading is None or limit is None:
        return
    last = grading.evaluated_on
    begun = last or grading.graded_on
    if today - begun > timedelta(days=limit):
        code = "evaluation_old" if last else "never_evaluated"
        why = Why(code, {**told, "since": begun.isoformat(), "days": limit})
        breaches.append(Breach(owes, why, cited, clock.start_of(begun + timedelta(days=limit + 1)), "evaluation"))
    elif last is None:
        unknown.append(Ground(owes.unit, Why("evaluation_not_yet", {**told, "since": begun.isoformat(), "days": limit}), owes))
