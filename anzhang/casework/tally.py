"""The 36 squares as home and board draw them, counted by the database: a bureau has thousands of verdicts, a square a few figures.

`board` says the same with every verdict and its reason; a test holds the two together.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from django.db.models import Case, CharField, Count, F, Q, QuerySet, Value, When
from django.db.models.functions import StrIndex, Substr

from anzhang.casework import parameters
from anzhang.casework.board import FRESH, SCOPE, STATES, bears
from anzhang.casework.models import Verdict
from anzhang.directory.models import Unit
from anzhang.directory.prepared import Prepared
from anzhang.regulation.catalog import Article, Obligation
from anzhang.regulation.verdicts import State, worst


@dataclass(frozen=True)
class Tile:
    """One article in figures. `proofs` counts the obligations Met under each proof class.

    `units` of the bureau answer for some part of it; on the board of one unit there is nothing to count.
    """

    article: Article
    state: str
    counts: Mapping[str, int]
    proofs: Mapping[str, int]
    provisional: bool
    units: int = 0
    units_without_breach: int = 0

    @property
    def number(self) -> int:
        """Return the number of the article."""
        return self.article.number


@dataclass(frozen=True)
class Tally:
    """Every article at an instant, for the whole bureau or one unit."""

    at: datetime
    unit: Unit | None
    tiles: tuple[Tile, ...] = field(default=())

    @cached_property
    def totals(self) -> dict[str, int]:
        """Return how many articles are in each state."""
        found = Counter(tile.state for tile in self.tiles)
        return {state: found[state] for state in ("met", "breach", "unknown", SCOPE)}

    @cached_property
    def met_by_proof(self) -> dict[str, int]:
        """Return how many obligations are Met under each proof class; the figures are never added up."""
        return dict(sum((Counter(tile.proofs) for tile in self.tiles), Counter[str]()))


@dataclass(frozen=True)
class _Stand:
    """Where an obligation stands: its worst state, and whether a verdict rests on an unsigned default."""

    state: State
    provisional: bool = False


def tally(at: datetime, unit: Unit | None = None) -> Tally:
    """Return the tally at an instant, of the whole bureau or of one unit; two queries."""
    rules = parameters.catalog()
    stale = at - FRESH
    stands = _of_bureau(stale) if unit is None else _of_unit(unit, stale)
    units = {} if unit is not None else {row[0]: row[1:] for row in _UNITS.rows(stale=stale)}
    tiles = []
    for article in rules.articles:
        own = rules.by_article[article.number]
        every, breached = units.get(_prefix(own), (0, 0))
        tiles.append(_tile(article, [(each, stands.get(each.id) or _Stand(State.UNKNOWN)) for each in own], every, every - breached))
    return Tally(at, unit, tuple(tiles))


def _tile(article: Article, parts: list[tuple[Obligation, _Stand]], units: int, good: int) -> Tile:
    counted = [stand.state for _obligation, stand in parts if stand.state is not State.NOT_APPLICABLE]
    return Tile(
        article=article,
        state=str(worst(counted)) if counted else SCOPE,
        counts=dict(Counter(str(stand.state) for _obligation, stand in parts)),
        proofs=dict(Counter(obligation.proof for obligation, stand in parts if stand.state is State.MET)),
        provisional=any(stand.provisional for _obligation, stand in parts),
        units=units,
        units_without_breach=good,
    )


def _of_bureau(stale: datetime) -> dict[str, _Stand]:
    states: dict[str, list[State]] = defaultdict(list)
    provisional = set()
    for obligation, state, unsigned in _BY_STATE.rows(stale=stale):
        states[obligation].append(STATES[state])
        if unsigned:
            provisional.add(obligation)
    return {obligation: _Stand(worst(found), obligation in provisional) for obligation, found in states.items()}


def _of_unit(unit: Unit, stale: datetime) -> dict[str, _Stand]:
    """Return where each judged obligation stands for a unit: by its own verdict, else as `board` says."""
    own: dict[str, _Stand] = {}
    bureau: dict[str, _Stand] = {}
    for obligation, whose, state, provisional in _OF_UNIT.rows(unit=unit.pk, stale=stale):
        (bureau if whose is None else own)[obligation] = _Stand(STATES[state], bool(provisional))
    by_id = parameters.catalog().by_id
    stands = {}
    for (obligation,) in _JUDGED.rows():
        stand = own.get(obligation)
        shared = bureau.get(obligation)
        if stand is None and shared is not None and obligation in by_id and bears(by_id[obligation], shared.state):
            stand = shared
        stands[obligation] = stand or _Stand(State.NOT_APPLICABLE)
    return stands


def _prefix(obligations: Sequence[Obligation]) -> str:
    """Return what the ids of an article's obligations begin with: `A05` of `A05.3`."""
    return obligations[0].id.partition(".")[0] if obligations else ""


def _current(stale: datetime) -> Any:
    """Return the current verdicts with the state shown: Unknown when nobody has looked since `stale`."""
    renewed = Q(checked_at__gte=stale) | Q(state=Verdict.State.NOT_APPLICABLE)
    shown = Case(When(renewed, then=F("state")), default=Value(str(State.UNKNOWN)), output_field=CharField())
    return Verdict.objects.filter(current=True).annotate(shown=shown)


def _by_state(stale: datetime) -> Any:
    rows = _current(stale).values("obligation", "shown").annotate(unsigned=Count("pk", filter=Q(provisional=True)))
    return rows.values_list("obligation", "shown", "unsigned")


def _of_units(stale: datetime) -> Any:
    article = Substr("obligation", 1, StrIndex("obligation", Value(".")) - 1)
    rows = _current(stale).exclude(unit=None).exclude(shown=Verdict.State.NOT_APPLICABLE).annotate(article=article).values("article")
    breached = Count("unit", distinct=True, filter=Q(shown=Verdict.State.BREACH))
    return rows.annotate(every=Count("unit", distinct=True), breached=breached).values_list("article", "every", "breached")


def _unit_rows(unit: int, stale: datetime) -> Any:
    rows = _current(stale).filter(Q(unit_id=unit) | Q(unit=None))
    return rows.values_list("obligation", "unit_id", "shown", "provisional")


def _judged() -> QuerySet[Any]:
    return Verdict.objects.filter(current=True).values_list("obligation").distinct()


_BY_STATE = Prepared(_by_state, stale=datetime)
_UNITS = Prepared(_of_units, stale=datetime)
_OF_UNIT = Prepared(_unit_rows, unit=int, stale=datetime)
_JUDGED = Prepared(_judged)
