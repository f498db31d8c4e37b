"""What rules read besides events: registers as Arrow tables, and what the vault has heard; kept while nothing has changed.

One `Tables` serves one run, so that ten rules read a register once. The worker keeps one from run to run: what the ledger says has changed
since is read again, the rest is believed. A run on demand, and the worker's own once an hour, believes nothing.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache, partial
from typing import Any

import pyarrow as pa
from django.conf import settings
from django.db import models

from anzhang.casework.rules import DERIVED, model
from anzhang.engines.sqlbox import Box, Limits
from anzhang.engines.sqlbox.box import Held
from anzhang.journal.models import Entry, Ledgered, Outbox
from anzhang.journal.procedures import object_type


@cache
def box() -> Box:
    """Return the process in which this process's rules run."""
    said = settings.HOME.get
    return Box(
        Limits(seconds=said("rules", "seconds", 60), memory_mb=said("rules", "memory_mb", 2048), threads=said("rules", "threads", 1))
    )


@dataclass
class Tables:
    """Registers by id, each read when it is first asked for."""

    _tokens: dict[str, str] = field(default_factory=dict)
    _newest: tuple[int, bytes] = (-1, b"")

    def register(self, name: str) -> Held:
        """Return a register; one query when it is loaded. What no ledger follows is read each time."""
        fresh = secrets.token_hex(8)
        if name in DERIVED:
            parts = [self.register(each).token for each in DERIVED[name].of]
            return Held(f"{name} {' '.join(parts)}", partial(derived, name))
        rows = model(name)
        token = self._tokens.setdefault(object_type(rows), fresh) if issubclass(rows, Ledgered) else fresh
        return Held(f"{name} {token}", partial(snapshot, name))

    def refresh(self) -> None:
        """Forget the registers that acts have changed since the last call; all of them where the ledger does not say which."""
        last = Entry.objects.order_by("-index").values_list("index", "leaf").first()
        newest = (-1, b"") if last is None else (last[0], bytes(last[1]))
        index, leaf = self._newest
        before = Entry.objects.filter(index=index).values_list("leaf", flat=True).first()
        if Outbox.objects.exists() or before is None or bytes(before) != leaf:
            self._tokens.clear()
        else:
            for changed in set(Entry.objects.filter(index__gt=index).values_list("object_type", flat=True)):
                self._tokens.pop(changed, None)
        self._newest = newest


def snapshot(register: str) -> pa.Table:
    """Return a register as an Arrow table of all its columns by column name; one query."""
    fields = list(model(register)._meta.concrete_fields)
    names = [each.attname for each in fields]
    rows = list(model(register)._default_manager.values_list(*names))
    columns = zip(*rows, strict=True) if rows else ([] for _name in names)
    return pa.table(
        {
            name: pa.array([_value(value) for value in column], type=_type(each))
            for name, each, column in zip(names, fields, columns, strict=True)
        }
    )


KINDS = {int: pa.int64(), str: pa.string(), date: pa.date32(), datetime: pa.timestamp("us"), float: pa.float64(), bool: pa.bool_()}


def derived(name: str) -> pa.Table:
    """Return a table that is made of registers."""
    told = DERIVED[name]
    rows = list(told.rows())
    columns = zip(*rows, strict=True) if rows else ([] for _name in told.columns)
    kinds = told.columns.items()
    return pa.table(
        {column: pa.array(map(_value, values), type=KINDS[kind]) for (column, kind), values in zip(kinds, columns, strict=True)}
    )


def heard(vault: Any) -> pa.Table:
    """Return what the vault has heard of each source."""
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
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, datetime):
        return naive(value)
    if isinstance(value, date):
        return value
    return float(value) if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=False, default=str)


def _type(each: models.Field[Any, Any]) -> pa.DataType:
    kinds: tuple[tuple[tuple[type, ...], pa.DataType], ...] = (
        ((models.DateTimeField,), pa.timestamp("us")),
        ((models.DateField,), pa.date32()),
        ((models.BooleanField,), pa.bool_()),
        ((models.FloatField, models.DecimalField), pa.float64()),
        ((models.IntegerField, models.AutoField, models.ForeignKey), pa.int64()),
    )
    return next((kind for classes, kind in kinds if isinstance(each, classes)), pa.string())
