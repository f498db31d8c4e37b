"""Queries whose SQL is written once per process: on small answers Django spends ten times longer on the text than the database.

A query is built with stand-ins for its values, and their places in the parameters are remembered; each call only fills
them in. Values are whole numbers, instants and strings; a string may also stand inside a longer parameter (`path` in `path/`).
Meant for the few queries that every page asks. What a value decides about the *shape* of a query cannot be prepared; where a
parameter is reckoned from a value (a day from an instant), rows and counts are asked for as usual, and a condition is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any

from django.db import connection, models
from django.db.models import QuerySet
from django.db.models.expressions import RawSQL

Value = int | str | datetime
FIRST_NUMBER = 7_071_000_000_000_000  # no key, no count comes near
FIRST_INSTANT = datetime(1903, 3, 7, 1, 2, 3, tzinfo=UTC)  # before any instant that the platform holds
MARK = "\ue007"  # private use: in no name and no code


class NotPreparableError(Exception):
    """A query does not use its values as they are; the message says which."""


class Prepared:
    """A query with named values, e.g. `Prepared(queries.todos_of, person=int)`; the builder is called once per database."""

    def __init__(self, build: Callable[..., QuerySet[Any]], **kinds: type[Value]) -> None:
        """Keep the builder and the kind of each value it takes."""
        self._build = build
        self._kinds = kinds
        self._texts: dict[tuple[str, str], tuple[str, tuple[Any, ...]]] = {}
        self._lock = Lock()

    def rows(self, **values: Value) -> list[tuple[Any, ...]]:
        """Return the rows as the database gives them: no instants, no JSON, booleans as 0 and 1."""
        try:
            text, params = self._text("rows", lambda rows: rows.query.sql_with_params())
        except NotPreparableError:
            return list(self._build(**values))
        with connection.cursor() as cursor:
            cursor.execute(text, self._filled(params, values))
            return list(cursor.fetchall())

    def count(self, **values: Value) -> int:
        """Return how many rows there are."""
        try:
            text, params = self._text("count", _count)
        except NotPreparableError:
            return self._build(**values).count()
        with connection.cursor() as cursor:
            cursor.execute(text, self._filled(params, values))
            return int(cursor.fetchone()[0])

    def condition(self, **values: Value) -> RawSQL:
        """Return what the query filters by, to be put on another query of the same table."""
        text, params = self._text("condition", _condition)
        return RawSQL(text, self._filled(params, values), output_field=models.BooleanField())  # noqa: S611  # Django wrote the text

    def _text(self, part: str, write: Callable[[QuerySet[Any]], tuple[str, Sequence[Any]]]) -> tuple[str, tuple[Any, ...]]:
        key = (connection.vendor, part)
        if key not in self._texts:
            with self._lock:
                self._texts[key] = self._written(write)
        return self._texts[key]

    def _written(self, write: Callable[[QuerySet[Any]], tuple[str, Sequence[Any]]]) -> tuple[str, tuple[Any, ...]]:
        text, params = write(self._build(**{name: _stand_in(i, kind) for i, (name, kind) in enumerate(self._kinds.items())}))
        return text, tuple(self._place(param) for param in params)

    def _place(self, param: Any) -> Any:
        """Return where a value goes, or the constant that a parameter is."""
        stand_ins = {name: _adapted(_stand_in(i, kind)) for i, (name, kind) in enumerate(self._kinds.items())}
        for name, stand_in in stand_ins.items():
            if type(param) is type(stand_in) and param == stand_in:
                return _Place((name,))
        if isinstance(param, str):
            marks = {name: str(stand_in) for name, stand_in in stand_ins.items() if str(stand_in) in param}
            if marks:
                return _Place(tuple(marks), param, marks)
        if str(FIRST_INSTANT.year) in str(param) or (isinstance(param, int) and param >= FIRST_NUMBER):
            raise NotPreparableError(f"{param!r} was reckoned from a value")
        return param

    def _filled(self, params: Sequence[Any], values: Mapping[str, Value]) -> list[Any]:
        if values.keys() != self._kinds.keys():
            raise TypeError(f"expected {', '.join(self._kinds)}, not {', '.join(values)}")
        return [place.filled(values) if isinstance(place, _Place) else place for place in params]


@dataclass(frozen=True)
class _Place:
    """A parameter to fill in: a whole value, or a text with values where their marks stand."""

    names: tuple[str, ...]
    text: str = ""
    marks: Mapping[str, str] = field(default_factory=dict)

    def filled(self, values: Mapping[str, Value]) -> Any:
        """Return the parameter."""
        if not self.text:
            return _adapted(values[self.names[0]])
        text = self.text
        for name in self.names:
            value = str(values[name])
            # Django escapes what stands in a pattern when it builds one; so does whoever fills one in.
            text = text.replace(self.marks[name], connection.ops.prep_for_like_query(value) if self.text.endswith("%") else value)
        return text


def _stand_in(i: int, kind: type[Value]) -> Value:
    if kind is datetime:
        return FIRST_INSTANT + timedelta(seconds=i)
    return FIRST_NUMBER + i if kind is int else f"{MARK}{i}{MARK}"


def _adapted(value: Value) -> Any:
    return connection.ops.adapt_datetimefield_value(value) if isinstance(value, datetime) else value


def _count(rows: QuerySet[Any]) -> tuple[str, Sequence[Any]]:
    text, params = rows.order_by().values("pk").query.sql_with_params()
    return f"SELECT COUNT(*) FROM ({text}) counted", params  # noqa: S608  # Django wrote the text


def _condition(rows: QuerySet[Any]) -> tuple[str, Sequence[Any]]:
    """Return the WHERE of a query over one table."""
    compiler = rows.query.get_compiler(connection=connection)
    compiler.pre_sql_setup()
    text, params = compiler.compile(compiler.where)
    if [alias for alias, count in rows.query.alias_refcount.items() if count and alias != rows.model._meta.db_table]:
        raise NotPreparableError(f"{rows.model.__name__}: a condition over a join")
    return f"({text})", params
