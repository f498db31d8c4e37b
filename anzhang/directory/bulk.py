"""Write thousands of rows of one class with their entries in one short transaction.

1. `Batch.check` says of every row what its columns, unique keys, constraints and its class's own rules refuse, without a question per row.
2. `Batch.prepare` gives new rows their keys and makes every digest, payload and leaf; nothing is locked yet.
3. `Batch.write`, inside a transaction, asks the class's own rules again, inserts, updates under the versions that were read, and appends
   the entries.

`batcher` makes the procedure that a register names as its `bulk`; a class with rules of its own (an account needs a post) gives it a judge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.db import connection, models
from django.db.models import ForeignKey, Q, UniqueConstraint
from django.utils.translation import gettext as _

from anzhang.directory import conditions, rows
from anzhang.directory.rows import RowError
from anzhang.events import Event
from anzhang.journal import bulk
from anzhang.journal.copying import copy
from anzhang.journal.models import Ledgered
from anzhang.permissions import Actor, RefusedError

R = TypeVar("R", bound=Ledgered)
Progress = Callable[[int], None]
Faults = Iterable[tuple[int, RefusedError]]  # by the place of the row in its batch
Judge = Callable[["Batch"], Faults]
Naming = Event | Callable[[Any], Event]
EVERY = 1000  # rows between two reports of progress


class BatchRefusedError(RefusedError):
    """A row is refused as the batch is written; `place` is its place among new and changed rows."""

    def __init__(self, place: int, why: RefusedError) -> None:
        """Keep the place."""
        super().__init__(why.code, why.message, why.remedy)
        self.place = place


@dataclass(frozen=True)
class Change:
    """A row as it was read and as it shall be; `row` carries the new values and the new version."""

    row: Any
    version: int | None
    changed: Mapping[str, list[Any]]


class Batch:
    """Rows of one class, new and changed, on their way in."""

    def __init__(
        self,
        actor: Actor,
        at: datetime,
        model: type[Ledgered],
        act: Naming = Event.ROW_CREATE,
        changed: Naming = Event.ROW_CHANGE,
        judge: Judge | None = None,
    ) -> None:
        """Start empty; `act` and `changed` are what the entries of new and changed rows are called, `judge` the rules of the class."""
        self.actor, self.at, self.model = actor, at, model
        self.act, self.changed, self.judge = act, changed, judge
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
        checks = [each for each in self.model._meta.constraints if isinstance(each, models.CheckConstraint)]
        at_hand = {field.name for field in self.fields if isinstance(field, ForeignKey)}
        for place, row in enumerate(self):
            try:
                if not cleaned:
                    row.clean_fields(at_hand)
                for constraint in checks:
                    if not conditions.satisfied(constraint, row):
                        raise ValidationError(constraint.get_violation_error_message(), code=constraint.violation_error_code)
            except ValidationError as error:
                found[place] = RowError(row, error)
        self._check_unique(found)
        for place, refusal in self._judged():
            found.setdefault(place, refusal)
        return found

    def _judged(self) -> Faults:
        return self.judge(self) if self.judge is not None else ()

    def _check_unique(self, found: dict[int, RefusedError]) -> None:
        for names, condition in _unique(self.model):
            attnames = [self.model._meta.get_field(name).attname for name in names]  # type: ignore[union-attr]  # columns only
            there = self.model._default_manager.filter(condition) if condition is not None else self.model._default_manager
            taken = {tuple(rest): pk for pk, *rest in there.values_list("pk", *attnames).iterator(5000)}
            for place, row in enumerate(self):
                key = tuple(getattr(row, name) for name in attnames)
                if None in key or not _among(condition, row):
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
            self._entries.append(bulk.prepare(self.actor, _named(self.act, row), row, at=self.at, payload=payload))
            _report(progress, place)
        for place, change in enumerate(self.changes, start=len(self.new)):
            payload = {"changed": dict(change.changed)}
            self._entries.append(bulk.prepare(self.actor, _named(self.changed, change.row), change.row, at=self.at, payload=payload))
            _report(progress, place)

    def write(self) -> None:
        """Insert, update and append, inside a transaction.

        Raises BatchRefusedError when the class's own rules refuse a row by now, RefusedError `stale` when one was saved meanwhile.
        """
        for place, refusal in self._judged():
            raise BatchRefusedError(place, refusal)
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
        given = ((row.pk, *self._values(row, add=True)) for row in self.new)
        if connection.vendor == "postgresql":
            copy(self.model._meta.db_table, columns, given)
        else:
            names, marks = ", ".join(connection.ops.quote_name(column) for column in columns), ", ".join(["%s"] * len(columns))
            cursor.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", list(given))  # noqa: S608  # names of our own tables
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


def batcher(
    model: type[Ledgered],
    act: Naming = Event.ROW_CREATE,
    changed: Naming = Event.ROW_CHANGE,
    judge: Judge | None = None,
    make: Callable[..., Any] | None = None,
) -> Callable[..., Batch]:
    """Return the function `(actor, new, changes, at=at)` that adds and changes rows as the verbs for one row would, all together.

    `new` are the values of each new row, `changes` rows as read with their new values. What has consequences for other rows is no
    matter of a batch: the register lists those fields as `singly`. `make(at, **values)` returns a new row where its class fills it in.
    """

    def batch(actor: Actor, new: Iterable[Mapping[str, Any]], changes: Iterable[tuple[Any, Mapping[str, Any]]], *, at: datetime) -> Batch:
        made = Batch(actor, at, model, act, changed, judge)
        made.new.extend(make(at, **values) if make is not None else model(**values) for values in new)
        for row, values in changes:
            made.change(row, values)
        return made

    batch.__qualname__ = f"batcher({model.__name__})"
    return batch


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


def _named(naming: Naming, row: Any) -> Event:
    return naming if isinstance(naming, Event) else naming(row)


def _among(condition: Q | None, row: Any) -> bool:
    """Whether a row is among those that a unique rule is about; where that is not decided here, the database has the word."""
    try:
        return condition is None or conditions.holds(condition, row) is True
    except (conditions.UnknownConditionError, AttributeError):
        return False


def _unique(model: type[Ledgered]) -> Sequence[tuple[tuple[str, ...], Q | None]]:
    """Return what must not come twice, and among which rows."""
    single: list[tuple[tuple[str, ...], Q | None]] = [
        ((field.name,), None) for field in model._meta.local_concrete_fields if field.unique and not field.primary_key
    ]
    rules = [each for each in model._meta.constraints if isinstance(each, UniqueConstraint) and each.fields]
    return [*single, *((tuple(each.fields), each.condition) for each in rules)]
