"""What a verdict rests on, subject by subject: measured anew for whoever looks, written nowhere.

A verdict keeps counts; a finding keeps what fails. Here the check of one obligation runs once more and every subject that it looked
at is told with its state, its reason and the references that prove it. What cases and notices add to an obligation
(`breaches`) is told by its findings.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.cache import cache

from anzhang.casework import parameters, reconciliation
from anzhang.regulation.catalog import Obligation
from anzhang.regulation.verdicts import WEIGHT, State, Subject, Why

SLOW_S, KEPT_S = 0.5, 30  # a measurement that takes longer is kept a while: a page is no load test


@dataclass(frozen=True)
class Item:
    """One subject, or one piece of ground that nobody watched."""

    subject: Subject
    state: State
    why: Why | None = None
    evidence: tuple[str, ...] = ()
    since: datetime | None = None


@dataclass(frozen=True)
class Proofs:
    """What one measurement looked at, the worst first; `why` where nothing could be measured."""

    at: datetime
    items: tuple[Item, ...]
    why: Why | None = None

    def of(self, units: Collection[str | None] | None) -> list[Item]:
        """Return the items of the units, None for those of the bureau as a whole; all where None is given."""
        return [item for item in self.items if units is None or item.subject.unit in units]


def measure(obligation: Obligation, at: datetime, vault: Any) -> Proofs:
    """Run the check of an obligation and return what it looked at; reads only."""
    kept: Proofs | None = cache.get(f"proofs:{obligation.id}")
    if kept is not None and kept.at <= at:
        return kept
    begun = time.perf_counter()
    found = _measured(obligation, at, vault)
    if time.perf_counter() - begun > SLOW_S:
        cache.set(f"proofs:{obligation.id}", found, KEPT_S)
    return found


def _measured(obligation: Obligation, at: datetime, vault: Any) -> Proofs:
    measured = reconciliation.measure(parameters.catalog(), obligation, parameters.values(at), at, vault)
    outcome = measured.outcome
    if outcome is None:
        return Proofs(at, (), measured.judgements[0].why)
    items = [Item(each.subject, State.BREACH, each.why, each.evidence, each.since) for each in outcome.breaches]
    nobody = f"obligation:{obligation.id}"
    items += [Item(each.subject or Subject(nobody, "", each.unit), State.UNKNOWN, each.why) for each in outcome.unknown]
    told = {item.subject.key for item in items}
    rest = {subject.key: subject for subject in outcome.population if subject.key not in told}
    items += [Item(subject, State.MET) for subject in rest.values()]
    return Proofs(at, tuple(sorted(items, key=lambda item: WEIGHT.index(item.state))))
