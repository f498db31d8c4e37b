"""Which steps of a route take part in a case, and whether its emergency path is open: conditions read against the form."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from anzhang.casework.models import Approval, Case
from anzhang.casework.routes import Condition, Route, Step, StepKind


def fact(case: Case, name: str) -> Any:
    """Return what a condition compares: a field of the form, the kind of the unit that asks, who granted the approval at issue."""
    if name == "unit_kind":
        return case.unit.kind
    if name == "approval_authority":
        number = case.form.get("approval")
        return Approval.objects.filter(case__number=number, superseded_at=None).values_list("authority", flat=True).first()
    return case.form.get(name)


def hold(case: Case, conditions: Iterable[Condition]) -> bool:
    """Whether every condition holds for a case."""
    return all(condition.holds(fact(case, condition.field)) for condition in conditions)


def taking_part(route: Route, case: Case) -> list[int]:
    """Return the numbers of the steps that take part in a case, in order."""
    return [number for number, step in enumerate(route.steps) if hold(case, step.when)]


def following(route: Route, case: Case) -> int | None:
    """Return the step after the present one, None where it is the last."""
    return next((number for number in taking_part(route, case) if number > case.step), None)


def first(route: Route, case: Case, kind: StepKind = StepKind.DECIDE) -> int:
    """Return the first step of a kind that takes part. There is a deciding one always; raises StopIteration for others."""
    return next(number for number in taking_part(route, case) if route.steps[number].kind is kind)


def days_from(route: Route, case: Case, start: int) -> int:
    """Return the working days of the steps from one on."""
    return sum(route.steps[number].days for number in taking_part(route, case) if number >= start)


def steps(route: Route, case: Case) -> list[Step]:
    """Return the steps that take part."""
    return [route.steps[number] for number in taking_part(route, case)]
