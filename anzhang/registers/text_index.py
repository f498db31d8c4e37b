"""An index for what registers search: which rows can hold a text at all, without reading every row.

SQLite only: beside each searched table stands a full-text table of three-character tokens (FTS5, `trigram`), kept in step by
triggers, so that whoever writes the table, also in bulk, writes the index. Two characters, the usual length of a Chinese
name, are found as the beginning of a token: every text is followed by two fillers, so each of its characters begins one.
The index only narrows; the search itself still decides. On other databases, and for a text that thousands of rows hold,
nothing is narrowed: a list that stops early is faster then.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from typing import Any

from django.db import connection
from django.db.models import AutoField, ForeignKey, Model, Q, QuerySet
from django.db.models.expressions import RawSQL

from anzhang.registers import values
from anzhang.registers.declaration import REGISTERS

FEW = 2000  # rows; above, a list that is read in its order meets its first page soon
TOKEN = 3  # characters
LAST = "\U0010ffff"


def narrow(rows: QuerySet[Any], paths: tuple[str, ...], text: str) -> QuerySet[Any]:
    """Return those rows that can hold the text at one of the paths (`person__name`); all where there is nothing to gain."""
    condition = Q()
    for relation in sorted({path.rpartition("__")[0] for path in paths}):
        keys = _keys(_holder(rows.model, relation), text)
        if keys is None:
            return rows
        listed = RawSQL("SELECT value FROM json_each(%s)", [json.dumps(keys)])
        condition |= Q(**{f"{relation}__in" if relation else "pk__in": listed})
    return rows.filter(condition)


def named(rows: QuerySet[Any], title: str, number: str, text: str) -> QuerySet[Any]:
    """Return the rows whose title holds the text or whose number, which is ASCII, begins with it."""
    condition = Q(**{f"{title}__holds": text})
    if text.isascii():
        condition |= Q(**{f"{number}__startswith": text})
    return narrow(rows.filter(condition), (title, number), text)


def ensure(**_signal: Any) -> None:
    """Make the index of every searched table, or make it anew where it or its triggers are not as they should be.

    Runs after every migration: SQLite changes a table by copying it, which loses its triggers.
    """
    if connection.vendor != "sqlite":
        return
    _stands.cache_clear()
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, sql FROM sqlite_master")
        standing = dict(cursor.fetchall())
        for model, columns in _searched().items():
            wanted = dict(_definitions(model, columns))
            if any(standing.get(name) != sql for name, sql in wanted.items()):
                _build(cursor, model, columns, wanted)


def _build(cursor: Any, model: type[Model], columns: tuple[str, ...], wanted: dict[str, str]) -> None:
    for name, sql in reversed(wanted.items()):
        cursor.execute(f'DROP {"TRIGGER" if sql.startswith("CREATE TRIGGER") else "TABLE"} IF EXISTS "{name}"')
    for sql in wanted.values():
        cursor.execute(sql)
    table, key = model._meta.db_table, _key(model)
    cursor.execute(f'INSERT INTO "{_index(model)}" (rowid, text) SELECT "{key}", {_text(columns)} FROM "{table}"')  # noqa: S608  # our own names


def _definitions(model: type[Model], columns: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Give name and statement of everything the index of a table is made of, as `sqlite_master` keeps them."""
    table, key, index = model._meta.db_table, _key(model), _index(model)
    put = f'INSERT OR REPLACE INTO "{index}" (rowid, text) VALUES (NEW."{key}", {_text(columns, "NEW.")});'  # noqa: S608  # our own names
    take = f'DELETE FROM "{index}" WHERE rowid = OLD."{key}";'  # noqa: S608  # our own names
    changed = " OR ".join(f'OLD."{column}" IS NOT NEW."{column}"' for column in (key, *columns))
    yield index, f"CREATE VIRTUAL TABLE \"{index}\" USING fts5(text, tokenize='trigram')"
    yield f"{index}_terms", f'CREATE VIRTUAL TABLE "{index}_terms" USING fts5vocab("{index}", instance)'
    yield f"{index}_insert", f'CREATE TRIGGER "{index}_insert" AFTER INSERT ON "{table}" BEGIN {put} END'
    yield f"{index}_update", f'CREATE TRIGGER "{index}_update" AFTER UPDATE ON "{table}" WHEN {changed} BEGIN {take} {put} END'
    yield f"{index}_delete", f'CREATE TRIGGER "{index}_delete" AFTER DELETE ON "{table}" BEGIN {take} END'


def _keys(model: type[Model], text: str) -> list[int] | None:
    """Return the keys of at most FEW rows that hold the text in one of the searched columns; None when they are more, or unknown."""
    # The index folds capitals of every script; a short text is folded here, so only where folding it is beyond doubt.
    if not _stands(_index(model)) or (len(text) < TOKEN and not text.isascii() and text != text.lower()):
        return None
    if len(text) < TOKEN:
        first = "".join(one.lower() if one.isascii() else one for one in text)
        sql = f'SELECT DISTINCT doc FROM "{_index(model)}_terms" WHERE term >= %s AND term <= %s LIMIT {FEW + 1}'  # noqa: S608  # our own names
        given = [first, first + LAST]
    else:
        sql = f'SELECT rowid FROM "{_index(model)}" WHERE "{_index(model)}" MATCH %s LIMIT {FEW + 1}'  # noqa: S608  # our own names
        given = ['"{}"'.format(text.replace('"', '""'))]
    with connection.cursor() as cursor:
        cursor.execute(sql, given)
        keys = [key for (key,) in cursor.fetchall()]
    return keys if len(keys) <= FEW else None


@functools.cache
def _stands(index: str) -> bool:
    return connection.vendor == "sqlite" and index in connection.introspection.table_names()


@functools.cache
def _searched() -> dict[type[Model], tuple[str, ...]]:
    """Return the columns that some register searches, by the model that holds them."""
    found: dict[type[Model], set[str]] = {}
    for register in REGISTERS.values():
        for path in register.search:
            field = values.field_at(register.model, path)
            found.setdefault(field.model, set()).add(str(field.column))
    return {model: tuple(sorted(columns)) for model, columns in found.items() if isinstance(model._meta.pk, AutoField)}


def _holder(model: type[Model], relation: str) -> type[Model]:
    if not relation:
        return model
    field = values.field_at(model, relation)
    assert isinstance(field, ForeignKey) and isinstance(field.related_model, type)  # noqa: PT018, S101  # the path led through it
    return field.related_model


def _index(model: type[Model]) -> str:
    return f"{model._meta.db_table}_text"


def _key(model: type[Model]) -> str:
    return str(model._meta.pk.column)


def _text(columns: tuple[str, ...], row: str = "") -> str:
    return " || ".join(f"coalesce({row}\"{column}\", '') || char(31, 31)" for column in columns)
