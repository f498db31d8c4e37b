"""The values a check deals in: subjects, breaches, coverage and the verdict they add up to (DESIGN 3)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol, TypeVar

T = TypeVar("T", "Breach", "Ground")


class State(StrEnum):
    """State of an obligation for a unit; `Breach` outweighs `Unknown` outweighs `Met`."""

    MET = "met"
    BREACH = "breach"
    UNKNOWN = "unknown"
    NOT_APPLICABLE = "not_applicable"


@dataclass(frozen=True)
class Why:
    """A reason as code and parameters; the sentence is rendered per language by the page."""

    code: str
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Subject:
    """One thing that owes: `key` is stable (`unit:JYC`, `system:SI01`, `source:SSH01`).

    `unit` is the code of the responsible unit, or None where the bureau as a whole answers; `person` is the code of
    the answerable person.
    """

    key: str
    label: str
    unit: str | None
    person: str | None = None


@dataclass(frozen=True)
class Breach:
    """One subject that fails, why, since when, and what proves it.

    `evidence` are references a reader can follow: `officer:12`, `line:<segment>:<seq>`, `segment:<name>`, `entry:<index>`.
    `detail` separates several breaches of one subject in the fingerprint; empty for one per subject.
    """

    subject: Subject
    why: Why
    evidence: tuple[str, ...] = ()
    since: datetime | None = None
    detail: str = ""


@dataclass(frozen=True)
class Ground:
    """Ground that nobody watched: why it is unknown. `unit` None concerns the bureau as a whole."""

    unit: str | None
    why: Why
    subject: Subject | None = None


class Subjects(Protocol):
    """Any number of subjects: a tuple of them, or what counts them without making each; then it has `by_unit` too."""

    def __iter__(self) -> Iterator[Subject]:
        """Yield each."""
        ...

    def __len__(self) -> int:
        """Return how many rows there are, of which several may be of one subject."""
        ...


def by_unit(subjects: Subjects) -> Mapping[str | None, int]:
    """Return how many different subjects each unit has."""
    counted: Callable[[], Mapping[str | None, int]] | None = getattr(subjects, "by_unit", None)
    return counted() if counted is not None else Counter(unit for unit, _key in {(subject.unit, subject.key) for subject in subjects})


@dataclass(frozen=True)
class Outcome:
    """What a check returns.

    `population` are the subjects that owe (modality must) or the watched subjects (must_not, may_if_approved).
    `regularized` are acts that an approval recorded after them covers: findings that turn no verdict.
    `coverage` maps a unit code (or None) to the watched share, 0.0 to 1.0; absent where the check needs no watching.
    """

    population: Subjects
    breaches: tuple[Breach, ...] = ()
    unknown: tuple[Ground, ...] = ()
    coverage: Mapping[str | None, float] = field(default_factory=dict)
    regularized: tuple[Breach, ...] = ()


@dataclass(frozen=True)
class Judgement:
    """The verdict of one obligation for one unit, before it is stored. `unit` None is the bureau as a whole."""

    unit: str | None
    state: State
    why: Why
    population: int = 0
    breaches: int = 0
    coverage: float | None = None


# Worst first: an article, a square and a unit show the first of these that any of their parts has (DESIGN 3).
WEIGHT = (State.BREACH, State.UNKNOWN, State.MET, State.NOT_APPLICABLE)
SHOWN_REASONS = 3


def worst(states: Iterable[State]) -> State:
    """Return Breach if any, else Unknown if any, else Met if any, else NotApplicable."""
    present = set(states)
    return next((state for state in WEIGHT if state in present), State.NOT_APPLICABLE)


def judge(outcome: Outcome, *, watches: bool) -> list[Judgement]:
    """Return one judgement per unit that the outcome touches, bureau first, then by unit code.

    `watches` is true for must_not and may_if_approved: there the population is watched ground, zero acts on it is Met
    worded as "none observed" with its coverage, and nothing watched at all is Unknown, never green. For the other
    modalities the population are the subjects that owe; where none could owe it the obligation does not apply.
    """
    population = by_unit(outcome.population)
    breaches, grounds = _grouped(outcome.breaches), _grouped(outcome.unknown)
    units = {*population, *breaches, *grounds}
    if watches:
        units |= set(outcome.coverage)
    if not units:
        if watches:
            return [Judgement(None, State.UNKNOWN, Why("nothing_watched"))]
        return [Judgement(None, State.NOT_APPLICABLE, Why("no_subject"))]
    return [
        _judge_unit(
            unit, population.get(unit, 0), breaches.get(unit, []), grounds.get(unit, []), outcome.coverage.get(unit), watches=watches
        )
        for unit in sorted(units, key=lambda unit: (unit is not None, unit or ""))
    ]


def _grouped(found: Iterable[T]) -> dict[str | None, list[T]]:
    """Return breaches or grounds by unit."""
    groups: dict[str | None, list[T]] = {}
    for each in found:
        groups.setdefault(each.subject.unit if isinstance(each, Breach) else each.unit, []).append(each)
    return groups


def _judge_unit(
    unit: str | None, population: int, breaches: list[Breach], grounds: list[Ground], coverage: float | None, *, watches: bool
) -> Judgement:
    if breaches:
        failing = len({breach.subject.key for breach in breaches})
        why = _reasons("breaches", [breach.why for breach in breaches])
        return Judgement(unit, State.BREACH, why, max(population, failing), failing, coverage)
    if grounds or (watches and not population and not coverage):
        why = _reasons("unknowns", [ground.why for ground in grounds]) if grounds else Why("nothing_watched")
        return Judgement(unit, State.UNKNOWN, why, population, 0, coverage)
    if watches:
        share = 1.0 if coverage is None else coverage
        return Judgement(unit, State.MET, Why("none_observed", {"percent": math.floor(share * 100)}), population, 0, share)
    return Judgement(unit, State.MET, Why("all_met", {"count": population}), population, 0, coverage)


def _reasons(code: str, whys: list[Why]) -> Why:
    """Return the one reason as it is, or several as a list of the first few with their number."""
    distinct = list({(why.code, repr(sorted(why.params.items()))): why for why in whys}.values())
    if len(distinct) == 1:
        return distinct[0]
    shown = [{"code": why.code, "params": dict(why.params)} for why in distinct[:SHOWN_REASONS]]
    return Why(code, {"count": len(distinct), "reasons": shown})
