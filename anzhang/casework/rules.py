"""Reconciliation rules: a `.sql` file with TOML front matter becomes a check (DESIGN 8, ADR 0004).

    /* +++
    name = "staff_logins_entitled"
    streams = ["auth_event"]                 # loaded from the vault for the window, event time
    registers = ["account", "person"]        # loaded by register id, every column, as they stand
    parameters = ["leaver_hours"]            # bound as $leaver_hours
    window_days = 30
    +++ */
    SELECT ...

DuckDB runs it over snapshots, without files, network or extensions. Instants are UTC without zone; JSON columns are text.
Bound besides the parameters: $at (the instant checked) and $since (start of the window). The view `heard(source, first_at,
last_at, rows)` says what the vault has heard of each log source.

The SELECT returns one row per subject, breach or unwatched ground:

    kind      'subject' | 'breach' | 'unknown'
    key label unit person     the Subject (`unit`, `person`: codes or NULL)
    code params               the Why; params a JSON object or NULL
    evidence                  list of references, or NULL
    since detail              of a breach, or NULL
"""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.db import models

from anzhang.regulation.checks import CHECKS, Check, Context, check
from anzhang.regulation.verdicts import Breach, Ground, Outcome, Subject, Why

if TYPE_CHECKING:
    import pyarrow as pa  # loaded by whoever runs a rule: pages bind rules and run none

FRONT = re.compile(r"\A\s*/\*\s*\+\+\+\s*\n(.*?)\n\s*\+\+\+\s*\*/", re.DOTALL)
KEYS = {"name": str, "title": str, "streams": list, "registers": list, "parameters": list, "window_days": int}
COLUMNS = ("kind", "key", "label", "unit", "person", "code", "params", "evidence", "since", "detail")


class RuleError(Exception):
    """A rule file is wrong, or returned something else than the columns it owes; the message names the file."""


@dataclass(frozen=True)
class Rule:
    """One rule file."""

    path: Path
    name: str
    title: str
    streams: tuple[str, ...]
    registers: tuple[str, ...]
    parameters: tuple[str, ...]
    window: timedelta
    sql: str


def bind(path: Path) -> Check:
    """Bind a rule file as the check of its name and return it. Raises RuleError, or BindingError for a taken name."""
    rule = parse(path)

    def run(context: Context) -> Outcome:
        return evaluate(rule, context)

    run.__doc__ = rule.title
    run.__qualname__ = rule.name
    run.rule = rule  # type: ignore[attr-defined]  # `where` prints the file
    return CHECKS[rule.name] if rule.name in CHECKS else check(rule.name)(run)


def parse(path: Path) -> Rule:
    """Return a rule file. Raises RuleError naming file, key and why."""
    text = path.read_text(encoding="utf-8")
    match = FRONT.match(text)
    if match is None:
        raise RuleError(f"{path.name}: begins with no front matter between /* +++ and +++ */")
    try:
        front = tomllib.loads(match[1])
    except tomllib.TOMLDecodeError as error:
        raise RuleError(f"{path.name}: front matter: {error}") from error
    for key, kind in KEYS.items():
        if not isinstance(front.get(key), kind):
            raise RuleError(f"{path.name}: {key}: must be {kind.__name__}")
    if strange := set(front) - set(KEYS):
        raise RuleError(f"{path.name}: {min(strange)}: is not a key of a rule")
    for register in front["registers"]:
        model(register)
    streams, registers, names = (tuple(front[key]) for key in ("streams", "registers", "parameters"))
    window = timedelta(days=front["window_days"])
    return Rule(path, front["name"], front["title"], streams, registers, names, window, text[match.end() :])


def evaluate(rule: Rule, context: Context) -> Outcome:
    """Run a rule at the context's instant: one query per register, one read per stream, one SELECT."""
    import duckdb

    since = context.at - rule.window
    tables = {register: snapshot(register) for register in rule.registers}
    for stream in rule.streams:
        tables[stream] = events(context.vault, stream, since, context.at)
    tables["heard"] = heard(context.vault)
    bound = {name: context.parameters[name] for name in rule.parameters}
    bound |= {"at": naive(context.at), "since": naive(since)}
    with duckdb.connect(":memory:", config={"enable_external_access": "false", "threads": "1"}) as connection:
        for name, table in tables.items():
            connection.register(name, table)
        used = {name: value for name, value in bound.items() if re.search(rf"\${name}\b", rule.sql)}
        cursor = connection.execute(rule.sql, used)
        columns = tuple(column[0] for column in cursor.description or ())
        if columns != COLUMNS:
            raise RuleError(f"{rule.path.name}: returns {', '.join(columns)}; it owes {', '.join(COLUMNS)}")
        return outcome(rule, cursor.fetchall())


def outcome(rule: Rule, rows: list[tuple[Any, ...]]) -> Outcome:
    """Return the Outcome that a rule's rows say."""
    subjects: list[Subject] = []
    breaches: list[Breach] = []
    grounds: list[Ground] = []
    for kind, key, label, unit, person, code, params, evidence, since, detail in rows:
        subject = Subject(key, label, unit, person)
        why = Why(code or "", json.loads(params) if params else {})
        if kind == "subject":
            subjects.append(subject)
        elif kind == "breach":
            begun = since.replace(tzinfo=UTC) if since else None
            breaches.append(Breach(subject, why, tuple(evidence or ()), begun, detail or ""))
        elif kind == "unknown":
            grounds.append(Ground(unit, why))
        else:
            raise RuleError(f"{rule.path.name}: kind {kind!r} is neither subject, breach nor unknown")
    return Outcome(tuple(subjects), tuple(breaches), tuple(grounds))


def model(register: str) -> type[models.Model]:
    """Return the model of a register id: its CamelCase name. Raises RuleError when there is none."""
    try:
        return apps.get_model("anzhang", register.replace("_", ""))
    except LookupError as error:
        raise RuleError(f"register {register!r} has no table") from error


def snapshot(register: str) -> pa.Table:
    """Return a register as an Arrow table of all its columns by column name; one query."""
    import pyarrow as pa

    fields = list(model(register)._meta.concrete_fields)
    names = [field.attname for field in fields]
    rows = list(model(register)._default_manager.values_list(*names))
    columns = zip(*rows, strict=True) if rows else ([] for _name in names)
    return pa.table(
        {
            name: pa.array([_value(value) for value in column], type=_type(field))
            for name, field, column in zip(names, fields, columns, strict=True)
        }
    )


def events(vault: Any, stream: str, since: datetime, until: datetime) -> pa.Table:
    """Return a stream's events of `since <= event time < until` with naive UTC instants; empty where no vault stands."""
    import pyarrow as pa

    from anzhang.engines.vault.streams.schemas import schema

    table = schema(stream).empty_table() if vault is None else vault.events(stream, since=since, until=until)
    return table.cast(pa.schema([(f.name, pa.timestamp("us") if pa.types.is_timestamp(f.type) else f.type) for f in table.schema]))


def heard(vault: Any) -> pa.Table:
    """Return what the vault has heard of each source."""
    import pyarrow as pa

    schema = pa.schema([("source", pa.string()), ("first_at", pa.timestamp("us")), ("last_at", pa.timestamp("us")), ("rows", pa.int64())])
    rows = [] if vault is None else sorted(vault.heard().items())
    columns = {
        "source": [source for source, _h in rows],
        "first_at": [naive(h.first_at) for _source, h in rows],
        "last_at": [naive(h.last_at) for _source, h in rows],
        "rows": [h.rows for _source, h in rows],
    }
    return pa.table(columns, schema=schema)


def naive(instant: datetime) -> datetime:
    """Return an aware instant as UTC without zone, which is what rules compare."""
    return instant.astimezone(UTC).replace(tzinfo=None)


def _value(value: Any) -> Any:
    if isinstance(value, datetime):
        return naive(value)
    if value is None or isinstance(value, str | int | float | date):
        return value
    return float(value) if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=False, default=str)


def _type(field: models.Field[Any, Any]) -> pa.DataType:
    import pyarrow as pa

    kinds: tuple[tuple[tuple[type, ...], pa.DataType], ...] = (
        ((models.DateTimeField,), pa.timestamp("us")),
        ((models.DateField,), pa.date32()),
        ((models.BooleanField,), pa.bool_()),
        ((models.FloatField, models.DecimalField), pa.float64()),
        ((models.IntegerField, models.AutoField, models.ForeignKey), pa.int64()),
    )
    return next((kind for classes, kind in kinds if isinstance(field, classes)), pa.string())
