"""Who decides where there is no seat above: the stand-in that the catalog names in a step (`stand_in`).

The head of the whole bureau has nobody above. Where the applicant alone would decide, or the step asks for a head above that the
unit does not have, the step's stand-in takes its place: the leading group, by majority (Art. 4). A seat that exists and is vacant is
no such case: it stays a finding, and the quorum is not made smaller. It is settled once, when the case freezes its route.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from anzhang.casework import eligibility
from anzhang.casework.models import Case
from anzhang.casework.routes import Route, Step, parse

_ABOVE = "super_head"


def settled(way: Route, case: Case, at: datetime) -> Route:
    """Return the route as the case freezes it: with the stand-in of every step that has no seat for this applicant."""
    chosen = {step.key for step in way.steps if step.stand_in is not None and _has_no_seat(step, case, at)}
    if not chosen:
        return way
    steps = [_stood_in(row) if row["key"] in chosen else row for row in way.source["step"]]
    return parse({**way.source, "step": steps}, f"route {way.key}")


def _has_no_seat(step: Step, case: Case, at: datetime) -> bool:
    if not any(_exists(who, case) for who in step.who):
        return True
    people = set().union(*(eligibility.resolve(who, case, at) for who in step.who))
    alone = people == {case.applicant_id}
    return alone and not any(_exists(who, case) for who in step.otherwise)


def _exists(who: str, case: Case) -> bool:
    """Whether the bureau has such a seat at all, filled or vacant."""
    name, _at, place = who.partition("@")
    if name != _ABOVE:
        return True
    unit = eligibility.PLACES[place](case).unit
    return unit is not None and unit.parent_id is not None


def _stood_in(row: dict[str, Any]) -> dict[str, Any]:
    """Return a step's table with its stand-in's people and quorum in place of its own."""
    kept = {key: value for key, value in row.items() if key not in {"stand_in", "otherwise", "need", "minimum"}}
    return {**kept, **row["stand_in"]}
