"""The runner: judge every obligation, keep verdicts and findings equal to what was measured (DESIGN 3, 8, 9).

1. Read the values in force and run every bound check, outside any transaction: checks only read.
2. Turn each outcome into one judgement per unit. An obligation without a check is Unknown and names what it waits for;
   a check that raises is Unknown, its findings stay as they are, and the traceback is logged.
3. In one transaction: write a verdict row where state, reason or population changed or the Beijing day did, and move
   `checked_at` on the others by one UPDATE; open, reopen and close findings; tell whom it concerns; append to the ledger.

Running it twice at the same instant writes nothing new.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from django.apps import apps
from django.db import transaction

from anzhang import clock
from anzhang.casework import breaches, findings, parameters, rule_history, rules
from anzhang.casework.models import Verdict
from anzhang.directory.models import Unit
from anzhang.events import Event
from anzhang.journal.procedures import canonical, record
from anzhang.permissions import Actor
from anzhang.regulation.catalog import Catalog, Obligation
from anzhang.regulation.checks import CHECKS, Context
from anzhang.regulation.parameters import MissingParameterError, Tracked, Values
from anzhang.regulation.verdicts import Ground, Judgement, Outcome, State, Subject, Why, judge, worst

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Measurement:
    """What running an obligation's check gave: an outcome, or None where nothing could be measured."""

    obligation: Obligation
    judgements: list[Judgement]
    outcome: Outcome | None
    provisional: bool


@dataclass
class Summary:
    """What one run did: obligations by worst state, verdict rows written, findings changed, seconds taken."""

    at: datetime
    judged: int = 0
    states: dict[str, int] = field(default_factory=dict)
    verdicts_written: int = 0
    opened: list[str] = field(default_factory=list)
    reopened: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    regularized: list[str] = field(default_factory=list)
    escalated: int = 0
    failed: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self) | {"at": self.at.isoformat()}

    def __str__(self) -> str:
        changes = f"{len(self.opened)} opened, {len(self.reopened)} reopened, {len(self.closed)} closed"
        changes += f", {len(self.regularized)} regularized" if self.regularized else ""
        failures = f", checks failed: {', '.join(self.failed)}" if self.failed else ""
        return f"{self.judged} obligations judged, {self.verdicts_written} verdicts written, findings: {changes}{failures}"


def run(
    actor: Actor, at: datetime, vault: Any = None, obligations: Collection[str] | None = None, *, tables: Any = None, anew: bool = False
) -> Summary:
    """Judge the obligations (all, or those of the given ids) at an instant and return what changed.

    `vault` is the log vault, or None where none stands. `tables` are registers as a run before read them, kept by whoever calls often
    (`rule_runs.tables.Tables`); `anew` makes every fact of the sealed lines again. Raises KeyError for an id that the catalog lacks.
    """
    started = time.perf_counter()
    catalog, values = parameters.catalog(), parameters.values(at)
    chosen = catalog.obligations if obligations is None else [catalog.by_id[key] for key in obligations]
    own = breaches.concerned(catalog, at)
    context = Context(at, values, vault, _tables() if tables is None else tables, anew)
    measurements = [with_own_breaches(catalog, measure(catalog, each, values, at, vault, context), own.get(each.id)) for each in chosen]
    summary = Summary(
        at,
        failed=[
            m.obligation.id for m in measurements if m.judgements and m.judgements[0].why.code in {"check_failed", "parameter_missing"}
        ],
    )
    with transaction.atomic():
        summary.verdicts_written, states = _store(actor, measurements, at)
        measured = [(m.obligation, m.outcome) for m in measurements if m.outcome is not None]
        tally = findings.sync(actor, measured, values["remediation_days"], at)
        summary.escalated = findings.escalate(actor, at)
        rule_history.keep(context.runs, at)
    summary.judged, summary.states = len(measured), dict(states)
    summary.opened, summary.reopened, summary.closed = tally.opened, tally.reopened, tally.closed
    summary.regularized = tally.regularized
    summary.seconds = round(time.perf_counter() - started, 3)
    return summary


def _tables() -> Any:
    """Return registers that nobody has read yet, for the rules of one run to share."""
    from anzhang.casework.rule_runs.tables import Tables  # with Arrow, which only a run needs

    return Tables()


def measure(
    catalog: Catalog, obligation: Obligation, values: Values, at: datetime, vault: Any, context: Context | None = None
) -> Measurement:
    """Run the check of one obligation and judge what it returns; reads only. `context` is that of the run it belongs to."""
    if obligation.is_informative:
        return Measurement(obligation, [Judgement(None, State.NOT_APPLICABLE, Why("informative"))], None, provisional=False)
    check = CHECKS.get(obligation.check) if obligation.check else None
    if check is None:
        return Measurement(obligation, [Judgement(None, State.UNKNOWN, waits_for(catalog, obligation))], None, provisional=False)
    tracked = Tracked(values)
    try:
        outcome = check(replace(context or Context(at, tracked, vault), parameters=tracked))
        judgements = judge(outcome, watches=obligation.watches)
    except MissingParameterError as error:  # another regulation binds the check without giving the value it needs
        why = Why("parameter_missing", {"check": obligation.check, "parameter": error.name})
        return Measurement(obligation, [Judgement(None, State.UNKNOWN, why)], None, provisional=False)
    except Exception as error:  # a check that breaks must neither stop the others nor leave its square green
        log.exception("check %s of %s failed", obligation.check, obligation.id)
        why = Why("check_failed", {"check": obligation.check, "error": type(error).__name__})
        return Measurement(obligation, [Judgement(None, State.UNKNOWN, why)], None, provisional=False)
    return Measurement(obligation, judgements, outcome, tracked.is_provisional)


def with_own_breaches(catalog: Catalog, measured: Measurement, own: breaches.Found | None) -> Measurement:
    """Return a measurement to which the platform's own findings are added; None means that none ever concerned the obligation."""
    if own is None or (measured.outcome is None and CHECKS.get(measured.obligation.check) is not None):
        return measured  # a check that failed closes nothing, and adds nothing either
    obligation = measured.obligation
    ground = Ground(None, waits_for(catalog, obligation), Subject(f"obligation:{obligation.id}", obligation.title.zh, None))
    outcome = measured.outcome or Outcome((), unknown=(ground,))
    red = replace(outcome, breaches=(*outcome.breaches, *own.red))
    judgements = judge(red, watches=obligation.watches)
    return replace(measured, outcome=replace(red, breaches=(*red.breaches, *own.pending)), judgements=judgements)


def waits_for(catalog: Catalog, obligation: Obligation) -> Why:
    """Return why an obligation without a check is unknown: the registers and event streams that do not stand yet."""
    own = getattr(CHECKS.get(obligation.check), "rule", None)  # what judges a part of it stands on its own streams only
    read = set(own.streams) if own is not None else {stream for rule in rules.bound().values() for stream in rule.streams}
    missing = [noun for noun in sorted(obligation.nouns) if not _stands(catalog, noun, read)]
    if not missing:
        return Why("waits_for_check")
    return Why("waits_for", {"missing": [{"zh": _label(catalog, noun)["zh"], "en": noun.replace("_", " ")} for noun in missing]})


def _stands(catalog: Catalog, noun: str, read: Collection[str]) -> bool:
    if noun in catalog.streams:
        return noun in read
    try:
        apps.get_model("anzhang", noun.replace("_", ""))
    except LookupError:
        return False
    return True


def _label(catalog: Catalog, noun: str) -> Mapping[str, Any]:
    return catalog.vocabulary["stream" if noun in catalog.streams else "register"][noun]


def _store(actor: Actor, measurements: Iterable[Measurement], at: datetime) -> tuple[int, Counter[str]]:
    """Write what changed and return how many rows, and obligations by their worst state."""
    measurements = list(measurements)
    units = dict(Unit.objects.values_list("code", "pk"))
    codes = {pk: code for code, pk in units.items()}
    standing: dict[str, dict[str | None, Verdict]] = {}
    for verdict in Verdict.objects.filter(current=True, obligation__in=[m.obligation.id for m in measurements]):
        standing.setdefault(verdict.obligation, {})[codes.get(verdict.unit_id or 0)] = verdict
    fresh: list[Verdict] = []
    retired: list[int] = []
    touched: list[int] = []
    for measurement in measurements:
        before = standing.get(measurement.obligation.id, {})
        changes: list[tuple[str | None, str, Verdict | None]] = []
        for judgement in measurement.judgements:
            old = before.pop(judgement.unit, None)
            row = _row(measurement, judgement, units, at)
            if old is not None and _same(old, row):
                touched.append(old.pk)
                continue
            fresh.append(row)
            retired += [old.pk] if old is not None else []
            if old is None or (old.state, old.why) != (row.state, row.why):
                changes.append((judgement.unit, old.state if old else "", row))
        retired += [old.pk for old in before.values()]
        changes += [(unit, old.state, None) for unit, old in before.items()]
        _note(actor, measurement, changes, at)
    Verdict.objects.filter(pk__in=retired).update(current=False)
    Verdict.objects.bulk_create(fresh)
    Verdict.objects.filter(pk__in=touched).update(checked_at=at)
    return len(fresh), Counter(str(worst(j.state for j in m.judgements)) for m in measurements)


def _row(measurement: Measurement, judgement: Judgement, units: Mapping[str, int], at: datetime) -> Verdict:
    return Verdict(
        obligation=measurement.obligation.id, unit_id=units[judgement.unit] if judgement.unit else None, state=str(judgement.state),
        proof=measurement.obligation.proof, why={"code": judgement.why.code, "params": dict(judgement.why.params)},
        population=judgement.population, breaches=judgement.breaches, coverage=judgement.coverage,
        provisional=measurement.provisional, since=at, checked_at=at,
    )  # fmt: skip


def _same(old: Verdict, new: Verdict) -> bool:
    """Whether the standing row may stay: nothing that is said changed, and it was written on the same Beijing day."""
    said = ("state", "population", "breaches", "coverage", "provisional", "proof")
    same = all(getattr(old, name) == getattr(new, name) for name in said) and canonical(old.why) == canonical(new.why)
    return same and clock.day_of(old.since) == clock.day_of(new.since)


def _note(actor: Actor, measurement: Measurement, changes: list[tuple[str | None, str, Verdict | None]], at: datetime) -> None:
    """Append one ledger entry per obligation whose verdicts changed; a first Unknown is no news."""
    news = [
        {
            "unit": unit or "", "from": before, "to": row.state if row else "retired",
            "why": row.why if row else {}, "population": row.population if row else 0, "breaches": row.breaches if row else 0,
        }
        for unit, before, row in changes
        if before or (row is not None and measurement.outcome is not None)
    ]  # fmt: skip
    if news:
        payload = {"obligation": measurement.obligation.id, "verdicts": news}
        record(actor, Event.VERDICT_CHANGE, ("obligation", measurement.obligation.id), at=at, payload=payload)
