"""The board: 36 articles, their obligations, one verdict each. The one source of the CLI, the home, board and article pages.

A square shows its worst state and the share of units without breach. A verdict that nobody has renewed for two days is
Unknown: green needs somebody who looked. No figure adds up proof classes (实测 events, 台账 register, 人工 attested).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from anzhang.casework import parameters, wording
from anzhang.casework.models import Verdict
from anzhang.directory.models import Unit
from anzhang.regulation.catalog import Article, Obligation
from anzhang.regulation.checks import CHECKS
from anzhang.regulation.verdicts import State, Why, worst

FRESH = timedelta(days=2)
SCOPE = "scope"  # an article of which nothing is judged
NAMED_UNITS = 3
STATES = {str(state): state for state in State}
STATE_WORDS: dict[str, str | Promise] = {
    "met": _("符合"),
    "breach": _("不符合"),
    "unknown": _("未知"),
    "not_applicable": _("不适用"),
    SCOPE: _("说明"),
}
PROOF_WORDS: dict[str, str | Promise] = {
    "events": _("实测"),
    "register": _("台账"),
    "attested": _("人工"),
    "informative": _("说明"),
}
# Duties that the bureau's bodies bear themselves: a unit's board does not show them as the unit's own.
BODIES = frozenset({"bureau", "leading_group", "office", "info_center"})


@dataclass(frozen=True)
class UnitVerdict:
    """The verdict of one obligation for one unit; `code` empty is the bureau as a whole."""

    code: str
    name: str
    state: State
    why: Why
    population: int
    breaches: int
    coverage: float | None
    provisional: bool
    checked_at: datetime
    since: datetime


@dataclass(frozen=True)
class Square:
    """One obligation on the board."""

    obligation: Obligation
    state: State
    why: Why
    by_unit: tuple[UnitVerdict, ...] = ()

    @property
    def population(self) -> int:
        """Return how many subjects were judged."""
        return sum(verdict.population for verdict in self.by_unit)

    @property
    def breaches(self) -> int:
        """Return how many subjects fail."""
        return sum(verdict.breaches for verdict in self.by_unit)

    @property
    def coverage(self) -> float | None:
        """Return the smallest watched share of any unit, None where nothing needs watching."""
        return min((verdict.coverage for verdict in self.by_unit if verdict.coverage is not None), default=None)

    @property
    def provisional(self) -> bool:
        """Whether a verdict rests on an unsigned default (暂行)."""
        return any(verdict.provisional for verdict in self.by_unit)

    @property
    def checked_at(self) -> datetime | None:
        """Return when the verdict looked at longest ago was checked."""
        return min((verdict.checked_at for verdict in self.by_unit), default=None)

    @property
    def units(self) -> int:
        """Return how many units are judged, NotApplicable left out."""
        return sum(verdict.state is not State.NOT_APPLICABLE for verdict in self.by_unit)

    @property
    def units_without_breach(self) -> int:
        """Return how many of `units` have no breach."""
        return self.units - sum(verdict.state is State.BREACH for verdict in self.by_unit)

    @property
    def is_judged(self) -> bool:
        """Whether a check is bound to it."""
        return self.obligation.check in CHECKS

    @property
    def text(self) -> str:
        """Return the reason in the language of the moment."""
        return wording.text(self.why)

    @property
    def state_text(self) -> str:
        """Return the state in the language of the moment."""
        return str(STATE_WORDS[self.state])

    @property
    def proof_text(self) -> str:
        """Return the proof class in the language of the moment."""
        return str(PROOF_WORDS[self.obligation.proof])

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "id": self.obligation.id,
            "title": {"zh": self.obligation.title.zh, "en": self.obligation.title.en},
            "modality": self.obligation.modality,
            "severity": self.obligation.severity,
            "verdict": str(self.state),
            "state": str(self.state),
            "proof_class": self.obligation.proof,
            "population": self.population,
            "breaches": self.breaches,
            "coverage": self.coverage,
            "units": self.units,
            "units_without_breach": self.units_without_breach,
            "provisional": self.provisional,
            "checked_at": self.checked_at.isoformat() if self.checked_at else None,
            "why": {"code": self.why.code, "params": dict(self.why.params), **wording.both(self.why)},
            "by_unit": [
                {
                    "unit": v.code, "name": v.name, "verdict": str(v.state), "population": v.population, "breaches": v.breaches,
                    "why": {"code": v.why.code, "params": dict(v.why.params)},
                }
                for v in self.by_unit
            ],
        }  # fmt: skip


@dataclass(frozen=True)
class ArticleSquare:
    """One article on the board. `state` is met, breach, unknown, or scope where nothing of it is judged."""

    article: Article
    squares: tuple[Square, ...]

    @property
    def number(self) -> int:
        """Return the number of the article."""
        return self.article.number

    @cached_property
    def state(self) -> str:
        """Return Breach if any, else Unknown if any, else Met; informative and NotApplicable do not count."""
        states = [square.state for square in self.squares if square.state is not State.NOT_APPLICABLE]
        return str(worst(states)) if states else SCOPE

    @property
    def state_text(self) -> str:
        """Return the state in the language of the moment."""
        return str(STATE_WORDS[self.state])

    @cached_property
    def counts(self) -> dict[str, int]:
        """Return how many of its obligations are in each state."""
        return dict(Counter(str(square.state) for square in self.squares))

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "number": self.number,
            "chapter": self.article.chapter,
            "title": {"zh": self.article.title.zh, "en": self.article.title.en},
            "verdict": self.state,
            "state": self.state,
            "counts": self.counts,
            "obligations": [square.as_json() for square in self.squares],
        }


@dataclass(frozen=True)
class Board:
    """Every article at an instant, for the whole bureau or one unit."""

    at: datetime
    catalog: str
    unit: Unit | None
    articles: tuple[ArticleSquare, ...] = field(default=())

    @cached_property
    def squares(self) -> tuple[Square, ...]:
        """Return the obligations of every article."""
        return tuple(square for article in self.articles for square in article.squares)

    @cached_property
    def counts(self) -> dict[str, int]:
        """Return how many obligations are in each state."""
        found = Counter(str(square.state) for square in self.squares)
        return {str(state): found[str(state)] for state in (State.MET, State.BREACH, State.UNKNOWN, State.NOT_APPLICABLE)}

    @cached_property
    def met_by_proof(self) -> dict[str, int]:
        """Return how many obligations are Met under each proof class; the figures are never added up."""
        return dict(Counter(square.obligation.proof for square in self.squares if square.state is State.MET))

    def article(self, number: int) -> ArticleSquare:
        """Return one article. Raises KeyError when the catalog has none of that number."""
        return {article.number: article for article in self.articles}[number]

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "at": self.at.isoformat(),
            "catalog": self.catalog,
            "unit": {"code": self.unit.code, "name": self.unit.name} if self.unit else None,
            "counts": {"articles": len(self.articles), "obligations": len(self.squares), **self.counts},
            "met_by_proof": self.met_by_proof,
            "articles": [article.as_json() for article in self.articles],
        }


def board(at: datetime, unit: Unit | None = None, only: Collection[Obligation] | None = None) -> Board:
    """Return the board at an instant, of the whole bureau or of one unit; two queries.

    `only` reads the verdicts of some obligations: the squares of the others are not to be looked at.
    """
    catalog = parameters.catalog()
    verdicts = _verdicts(at, unit, only)
    judged = set(Verdict.objects.filter(current=True).values_list("obligation", flat=True).distinct()) if unit else set(verdicts)
    articles = tuple(
        ArticleSquare(article, tuple(_square(o, verdicts.get(o.id, ()), unit, run=o.id in judged) for o in obligations))
        for article, obligations in ((article, catalog.by_article[article.number]) for article in catalog.articles)
    )
    return Board(at, catalog.name, unit, articles)


def _verdicts(at: datetime, unit: Unit | None, only: Collection[Obligation] | None) -> Mapping[str, Sequence[UnitVerdict]]:
    """Return the current verdicts by obligation; of a unit's own rows and the bureau's when a unit is given."""
    rows = Verdict.objects.filter(current=True)
    if only is not None:
        rows = rows.filter(obligation__in=[obligation.id for obligation in only])
    if unit is not None:
        rows = rows.filter(unit_id=unit.pk) | rows.filter(unit=None)
    names = {unit.pk: unit} if unit is not None else {u.pk: u for u in Unit.objects.only("pk", "code", "name")}
    found: dict[str, list[UnitVerdict]] = defaultdict(list)
    columns = ("obligation", "unit_id", "state", "why", "population", "breaches", "coverage", "provisional", "checked_at", "since")
    # Named tuples: a bureau has thousands of verdicts, and instances would cost more than the query.
    for row in rows.order_by("obligation", "unit__path").values_list(*columns, named=True):
        state, why = STATES[row.state], Why(row.why["code"], row.why["params"])
        if at - row.checked_at > FRESH and state is not State.NOT_APPLICABLE:
            state, why = State.UNKNOWN, Why("stale", {"checked_at": row.checked_at.isoformat(timespec="minutes")})
        found[row.obligation].append(_unit_verdict(row, names.get(row.unit_id or 0), state, why))
    return found


def _unit_verdict(row: Any, whose: Unit | None, state: State, why: Why) -> UnitVerdict:
    return UnitVerdict(
        code=whose.code if whose else "", name=whose.name if whose else "", state=state, why=why, population=row.population,
        breaches=row.breaches, coverage=row.coverage, provisional=row.provisional, checked_at=row.checked_at, since=row.since,
    )  # fmt: skip


def _square(obligation: Obligation, verdicts: Sequence[UnitVerdict], unit: Unit | None, *, run: bool) -> Square:
    if not run:
        return Square(obligation, State.UNKNOWN, Why("not_run"))
    if unit is not None:
        return _unit_square(obligation, verdicts)
    state = worst(verdict.state for verdict in verdicts)
    return Square(obligation, state, _why(state, verdicts), tuple(verdicts))


def _unit_square(obligation: Obligation, verdicts: Sequence[UnitVerdict]) -> Square:
    """Return a unit's own verdict; without one the bureau's where nobody has looked, else that the unit owes nothing here."""
    own = [verdict for verdict in verdicts if verdict.code]
    if own:
        return Square(obligation, own[0].state, own[0].why, (own[0],))
    bureau = verdicts[0] if verdicts else None
    if bureau and bears(obligation, bureau.state):
        return Square(obligation, bureau.state, bureau.why, (bureau,))
    return Square(obligation, State.NOT_APPLICABLE, Why("not_this_unit"))


def bears(obligation: Obligation, bureau: State) -> bool:
    """Whether a unit without a verdict of its own shows the bureau's."""
    return obligation.is_informative or (bureau is State.UNKNOWN and obligation.subject not in BODIES)


def _why(state: State, verdicts: Sequence[UnitVerdict]) -> Why:
    """Return the reason of the worst verdicts: the one there is, or the units and their first reasons."""
    bearing = [verdict for verdict in verdicts if verdict.state is state]
    if state in {State.MET, State.NOT_APPLICABLE}:
        return _sum(bearing)
    if len(bearing) == 1:
        return bearing[0].why
    shown = bearing[:NAMED_UNITS]
    reasons = [{"code": verdict.why.code, "params": dict(verdict.why.params)} for verdict in shown]
    return Why("in_units", {"count": len(bearing), "units": [verdict.name for verdict in shown], "reasons": reasons})


def _sum(verdicts: Sequence[UnitVerdict]) -> Why:
    """Return the reason of a green or empty square: counts added, the smallest coverage."""
    first = verdicts[0].why
    if first.code == "all_met":
        return Why("all_met", {"count": sum(verdict.population for verdict in verdicts)})
    return min((verdict.why for verdict in verdicts), key=lambda why: why.params.get("percent", 0)) if len(verdicts) > 1 else first
