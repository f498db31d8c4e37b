"""One run of a rule: what it reads is given to the locked-down process, what comes back becomes an Outcome (DESIGN 8)."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from anzhang.casework.rule_runs.tables import Tables, box, heard, naive
from anzhang.casework.rules import FACTS, HEARD, Rule, RuleError
from anzhang.engines import facts as engine
from anzhang.engines.sqlbox.box import Held
from anzhang.engines.vault.streams.schemas import schema
from anzhang.regulation.checks import Context
from anzhang.regulation.verdicts import Breach, Ground, Outcome, Subject, Why

COLUMNS = ("kind", "key", "label", "unit", "person", "code", "params", "evidence", "since", "detail")
TOLD = ("subject", "breach", "regularized", "unknown")


@dataclass(frozen=True)
class Run:
    """What one run of a rule did: the outcome, how many events were new to it, and the seconds it took."""

    rule: str
    outcome: Outcome
    fresh: int
    seconds: float


def evaluate(rule: Rule, context: Context) -> Outcome:
    """Run a rule and return what it found."""
    return run(rule, context).outcome


def run(rule: Rule, context: Context, *, folder: Path | None = None) -> Run:
    """Run a rule at the context's instant, once for all checks of a run. `folder`: keep its facts there and not beside the vault.

    Raises RuleError, BoxError.
    """
    bound = {name: context.parameters[name] for name in rule.parameters}
    return context.shared(("rule", rule.text, repr(bound)), lambda: _run(rule, context, bound, folder))


def _run(rule: Rule, context: Context, bound: dict[str, Any], folder: Path | None) -> Run:
    begun = time.perf_counter()
    tables = context.tables if isinstance(context.tables, Tables) else Tables()
    given: dict[str, Held] = {register: tables.register(register) for register in rule.registers}
    if HEARD in rule.judging.tables:
        table = heard(context.vault)
        given[HEARD] = engine.once(table)
    bound = bound | {"at": naive(context.at), "since": naive(context.at - rule.window)}
    bound = {name: value for name, value in bound.items() if name in rule.judging.parameters}
    streams, views, fresh = {}, {}, 0
    if rule.recipe is None:
        streams = {stream: engine.once(events(rule, context, stream)) for stream in rule.streams}
    else:
        found = _facts(rule, rule.recipe, context, folder)
        given |= found.tables
        views[FACTS], fresh = _episodes(rule, found.view), found.fresh
    rows = engine.asked(box(), rule.judging, streams, others=given, parameters=bound, views=views)
    if tuple(rows.column_names) != COLUMNS:
        raise RuleError(f"{rule.path.name}: returns {', '.join(rows.column_names)}; it owes {', '.join(COLUMNS)}")
    done = Run(rule.name, outcome(rule, rows), fresh, time.perf_counter() - begun)
    context.runs.append(done)
    return done


def events(rule: Rule, context: Context, stream: str) -> pa.Table:
    """Return the events of a stream in the rule's window, in the columns that it reads; none where no vault stands."""
    since, until = context.at - rule.window, context.at
    columns = engine.columns_of(rule.judging)
    table = schema(stream).empty_table() if context.vault is None else context.vault.events(stream, since, until, columns)
    return engine.plain(table)


def _facts(rule: Rule, recipe: engine.Recipe, context: Context, folder: Path | None) -> engine.Facts:
    if context.vault is None:
        return engine.nothing(recipe, box())
    store = engine.Store(folder or context.vault.root / "facts", box())
    try:
        return store.facts(recipe, context.vault, context.at, anew=context.anew)
    except engine.RecipeError as error:
        raise RuleError(f"{rule.path.name}: {error}") from error


def _episodes(rule: Rule, view: str) -> str:
    """Return the view of facts with the number and beginning of each one's episode, where the rule asks for them."""
    if not rule.group_by:
        return view
    group = ", ".join(f'"{name}"' for name in rule.group_by)
    gap = int(rule.episode_gap.total_seconds())
    return (
        f"WITH f AS ({view}),"  # noqa: S608  # names of columns of a rule that was parsed
        f" ended AS (SELECT *, max(last_at) OVER (PARTITION BY {group} ORDER BY first_at, last_at"
        f" ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before_at FROM f),"
        f" counted AS (SELECT * EXCLUDE (before_at), count(*) FILTER (WHERE before_at IS NULL OR first_at > before_at + to_seconds({gap}))"
        f" OVER (PARTITION BY {group} ORDER BY first_at, last_at ROWS UNBOUNDED PRECEDING) AS episode FROM ended)"
        f" SELECT *, min(first_at) OVER (PARTITION BY {group}, episode) AS episode_at FROM counted"
    )


class Population:
    """The subjects that a rule looked at: counted in bulk, made one by one only where somebody wants to see them."""

    def __init__(self, rows: pa.Table) -> None:
        """Keep the rows."""
        self.rows = rows

    def __len__(self) -> int:
        return int(self.rows.num_rows)

    def __iter__(self) -> Iterator[Subject]:
        columns = (self.rows[name].to_pylist() for name in ("key", "label", "unit", "person"))
        return (Subject(*each) for each in zip(*columns, strict=True))

    def by_unit(self) -> Mapping[str | None, int]:
        """Return how many different subjects each unit has."""
        if not self.rows.num_rows:
            return {}
        counted = self.rows.select(["unit", "key"]).group_by(["unit", "key"]).aggregate([]).group_by("unit").aggregate([([], "count_all")])
        return dict(zip(counted["unit"].to_pylist(), counted["count_all"].to_pylist(), strict=True))


def outcome(rule: Rule, rows: pa.Table) -> Outcome:
    """Return the Outcome that a rule's rows say. Raises RuleError for a kind that is none."""
    kinds = set(pc.unique(rows["kind"]).to_pylist())
    if strange := kinds - set(TOLD):
        raise RuleError(f"{rule.path.name}: kind {min(map(str, strange))!r} is none of {', '.join(TOLD)}")
    parts = {kind: rows.filter(pc.equal(rows["kind"], kind)) for kind in TOLD}
    grounds = tuple(map(_ground, parts["unknown"].to_pylist()))
    return Outcome(
        Population(parts["subject"]), tuple(map(_breach, parts["breach"].to_pylist())), grounds,
        regularized=tuple(map(_breach, parts["regularized"].to_pylist())),
    )  # fmt: skip


def _ground(row: Mapping[str, Any]) -> Ground:
    """Return unwatched ground: of one subject where the row names one, which keeps open no finding of another."""
    subject = Subject(row["key"], row["label"], row["unit"], row["person"]) if row["key"] else None
    return Ground(row["unit"], _why(row), subject)


def _why(row: Mapping[str, Any]) -> Why:
    return Why(row["code"] or "", json.loads(row["params"]) if row["params"] else {})


def _breach(row: Mapping[str, Any]) -> Breach:
    subject = Subject(row["key"], row["label"], row["unit"], row["person"])
    begun = row["since"].replace(tzinfo=UTC) if row["since"] else None
    return Breach(subject, _why(row), tuple(row["evidence"] or ()), begun, row["detail"] or "")
