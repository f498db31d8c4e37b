"""Write thousands of rows of one class with their entries in one short transaction.

1. `Batch.check` says of every row what its columns, unique keys and constraints refuse, without a question per row.
2. `Batch.prepare` gives new rows their keys and makes every digest, payload and leaf; nothing is locked yet.
3. `Batch.write`, inside a transaction, inserts, updates under the versions that were read, and appends the entries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.db import connection, models
from django.db.models import F, ForeignKey, Q, UniqueConstraint
from django.utils.translation import gettext as _

from anzhang.directory import rows
from anzhang.directory.rows import RowError
from anzhang.events import Event
from anzhang.journal import bulk
from anzhang.journal.models import Ledgered
from anzhang.permissions import Actor, RefusedError

R = TypeVar("R", bound=Ledgered)
Progress = Callable[[int], None]
EVERY = 1000  # rows between two reports of progress
_LOOKUPS: dict[str, Callable[[Any, Any], bool]] = {
    "exact": lambda a, b: bool(a == b),
    "gte": lambda a, b: bool(a >= b),
    "gt": lambda a, b: bool(a > b),
    "lte": lambda a, b: bool(a <= b),
    "lt": lambda a, b: bool(a < b),
    "in": lambda a, b: a in b,
}


class UnknownConditionError(Exception):
    """A condition is not one that is decided here; the database is asked instead."""


@dataclass(frozen=True)
class Change:
    """A row as it was read and as it shall be; `row` carries the new values and the new version."""

    row: Any
    version: int | None
    changed: Mapping[str, list[Any]]


class Batch:
    """Rows of one class, new and changed, on their way in."""

    def __init__(self, actor: Actor, at: datetime, model: type[Ledgered], act: Event = Event.ROW_CREATE) -> None:
        """Start empty; `act` is what the entry of a new row is called."""
        self.actor, self.at, self.model, self.act = actor, at, model, act
        self.new: list[Any] = []
        self.changes: list[Change] = []
        self._entries: list[Any] = []  # as journal.bulk prepares them
        self._keys: list[int] = []
        self.fields = [field for field in model._meta.local_concrete_fields if not field.primary_key]

    def change(self, row: Any, values: Mapping[str, Any]) -> None:
        """Take a row, as read, with its new values; nothing happens when nothing differs."""
        before = rows.snapshot(row, values)
        for name, value in values.items():
            setattr(row, name, value)
        changed = rows.difference(before, rows.snapshot(row, values))
        if changed:
            version = getattr(row, "version", None)
            if version is not None:
                row.version = version + 1
            self.changes.append(Change(row, version, changed))

    def __len__(self) -> int:
        return len(self.new) + len(self.changes)

    def __iter__(self) -> Iterator[Any]:
        yield from self.new
        yield from (change.row for change in self.changes)

    def check(self, *, cleaned: bool = False) -> dict[int, RefusedError]:
        """Return what is wrong by the place of the row, new ones first; `cleaned` values have passed their columns' rules already."""
        found: dict[int, RefusedError] = {}
        conditions = [each for each in self.model._meta.constraints if isinstance(each, models.CheckConstraint)]
        at_hand = {field.name for field in self.fields if isinstance(field, ForeignKey)}
        for place, row in enumerate(self):
            try:
                if not cleaned:
                    row.clean_fields(at_hand)
                for constraint in conditions:
                    if not _satisfied(constraint, row):
                        raise ValidationError(constraint.get_violation_error_message(), code=constraint.violation_error_code)
            except ValidationError as error:
                found[place] = RowError(row, error)
        self._check_unique(found)
        return found

    def _check_unique(self, found: dict[int, RefusedError]) -> None:
        for names in _unique(self.model):
            attnames = [self.model._meta.get_field(name).attname for name in names]  # type: ignore[union-attr]  # columns only
            pairs = self.model._default_manager.values_list("pk", *attnames).iterator(5000)
            taken = {tuple(rest): pk for pk, *rest in pairs}
            for place, row in enumerate(self):
                key = tuple(getattr(row, name) for name in attnames)
                if None in key:
                    continue
                owner = taken.setdefault(key, row.pk or -1 - place)
                if owner not in {row.pk, -1 - place} and place not in found:
                    found[place] = RowError(row, row.unique_error_message(self.model, names))

    def prepare(self, progress: Progress | None = None) -> None:
        """Give keys and make the entries. Call it outside the transaction."""
        self._keys = _reserve(self.model, len(self.new))
        self._prepare(progress)

    def _prepare(self, progress: Progress | None = None) -> None:
        self._entries = []
        for place, row in enumerate(self.new):
            row.pk = self._keys[place]
            payload = {"row": rows.snapshot(row)}
            self._entries.append(bulk.prepare(self.actor, self.act, row, at=self.at, payload=payload))
            _report(progress, place)
        for place, change in enumerate(self.changes, start=len(self.new)):
            payload = {"changed": dict(change.changed)}
            self._entries.append(bulk.prepare(self.actor, Event.ROW_CHANGE, change.row, at=self.at, payload=payload))
            _report(progress, place)

    def write(self) -> None:
        """Insert, update and append, inside a transaction. Raises RefusedError `stale` when a row was saved meanwhile."""
        if connection.vendor == "sqlite" and self.new and _reserve(self.model, 1)[0] != self._keys[0]:
            self._keys = _reserve(self.model, len(self.new))  # somebody took them since: the digests name them, so make them anew
            self._prepare()
        table = connection.ops.quote_name(self.model._meta.db_table)
        with connection.cursor() as cursor:
            self._insert(cursor, table)
            self._update(cursor, table)
        bulk.append_all(self._entries)

    def _insert(self, cursor: Any, table: str) -> None:
        if not self.new:
            return
        columns = ["id", *(str(field.column) for field in self.fields)]
        names, marks = ", ".join(connection.ops.quote_name(column) for column in columns), ", ".join(["%s"] * len(columns))
        sql = f"INSERT INTO {table} ({names}) VALUES ({marks})"  # noqa: S608  # names of our own tables
        cursor.executemany(sql, [(row.pk, *self._values(row, add=True)) for row in self.new])
        for row in self.new:
            row._state.adding, row._state.db = False, connection.alias

    def _update(self, cursor: Any, table: str) -> None:
        if not self.changes:
            return
        names = ", ".join(f"{connection.ops.quote_name(str(field.column))} = %s" for field in self.fields)
        versioned = any(field.column == "version" for field in self.fields)
        where = "id = %s AND version = %s" if versioned else "id = %s"
        given = [(*self._values(c.row, add=False), c.row.pk, *([c.version] if versioned else [])) for c in self.changes]
        cursor.executemany(f"UPDATE {table} SET {names} WHERE {where}", given)  # noqa: S608  # names of our own tables
        if cursor.rowcount != len(self.changes):
            raise RefusedError("stale", _("有记录在此期间已被他人修改。"), _("重新核对后再提交。"))

    def _values(self, row: Any, *, add: bool) -> list[Any]:
        return [field.get_db_prep_save(field.pre_save(row, add), connection) for field in self.fields]


def write_many(actor: Actor, model: type[R], new: Iterable[R], at: datetime, act: Event = Event.ROW_CREATE) -> list[R]:
    """Write new rows of one class with their entries, inside a transaction; return them. Raises what the first wrong row breaks."""
    batch = Batch(actor, at, model, act)
    batch.new.extend(new)
    for fault in batch.check().values():
        raise fault
    batch.prepare()
    batch.write()
    return batch.new


def _report(progress: Progress | None, place: int) -> None:
    if progress is not None and place % EVERY == EVERY - 1:
        progress(place + 1)


def _reserve(model: type[Ledgered], count: int) -> list[int]:
    """Return `count` primary keys: taken from the sequence on PostgreSQL, foreseen on SQLite."""
    table = model._meta.db_table
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = %s", (table,))
            found = cursor.fetchone()
            first = (found[0] if found else 0) + 1
            return list(range(first, first + count))
        cursor.execute("SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)", (table, count))
        return [int(row[0]) for row in cursor.fetchall()]


def _unique(model: type[Ledgered]) -> Sequence[tuple[str, ...]]:
    single = [(field.name,) for field in model._meta.local_concrete_fields if field.unique and not field.primary_key]
    plain = [tuple(each.fields) for each in model._meta.constraints if isinstance(each, UniqueConstraint) and each.condition is None]
    return [*single, *plain]


def _satisfied(constraint: models.CheckConstraint, row: Any) -> bool:
    try:
        return _holds(constraint.condition, row) is not False
    except (UnknownConditionError, AttributeError):
        try:
            constraint.validate(type(row), row)
        except ValidationError:
            return False
        return True


def _holds(condition: Any, row: Any) -> bool | None:
    """Return whether a condition holds, None when SQL would say NULL (which a check constraint lets pass)."""
    if not isinstance(condition, Q):
        raise UnknownConditionError(condition)
    parts = [_holds(each, row) if isinstance(each, Q) else _leaf(each, row) for each in condition.children]
    if condition.connector == Q.OR:
        value = True if True in parts else None if None in parts else False
    elif condition.connector == Q.AND:
        value = False if False in parts else None if None in parts else True
    else:
        raise UnknownConditionError(condition)
    return value if value is None or not condition.negated else not value


def _leaf(each: Any, row: Any) -> bool | None:
    path, wanted = each
    name, _sep, lookup = path.partition("__")
    if isinstance(wanted, F):
        wanted = getattr(row, wanted.name)  # type: ignore[attr-defined]  # the stubs forget it; a path has no such attribute
    elif hasattr(wanted, "resolve_expression"):
        raise UnknownConditionError(path)
    value = getattr(row, name)
    if lookup == "isnull":
        return (value is None) is bool(wanted)
    if wanted is None and lookup in {"", "exact"}:
        return value is None
    decide = _LOOKUPS.get(lookup or "exact")
    if decide is None:
        raise UnknownConditionError(path)
    return None if value is None or wanted is None else decide(value, wanted)
