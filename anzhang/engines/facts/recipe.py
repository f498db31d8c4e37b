"""What facts a rule keeps, and how a statement is asked over events."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
import pyarrow as pa

from anzhang.engines.sqlbox import Box, Statement
from anzhang.engines.sqlbox.box import Held

MERGED = {
    "first_at": "min(first_at)",
    "last_at": "max(last_at)",
    "times": "sum(times)::BIGINT",
    "bytes": "sum(bytes)::BIGINT",
    "first_line": "arg_min(first_line, first_at)",
    "last_line": "arg_max(last_line, last_at)",
}


class RecipeError(Exception):
    """A recipe returns something else than facts; the message says what it lacks."""


@dataclass(frozen=True)
class Recipe:
    """What facts a rule keeps.

    `entity` and `bucket` are given in the window way; `entity` are columns that every one of its streams has.
    """

    name: str
    statement: Statement
    streams: tuple[str, ...]
    window: timedelta
    entity: tuple[str, ...] = ()
    bucket: timedelta | None = None
    lookback: timedelta = timedelta()

    @property
    def digest(self) -> str:
        """Return what changes when the facts would."""
        said = [self.statement.sql, self.streams, self.entity, str(self.bucket), str(self.lookback)]
        return hashlib.sha256(orjson.dumps(said)).hexdigest()[:16]

    def columns(self) -> dict[str, frozenset[str] | None]:
        """Return the columns that it reads of each stream, None for all."""
        return dict.fromkeys(self.streams, columns_of(self.statement, *self.entity))


def columns_of(statement: Statement, *others: str) -> frozenset[str] | None:
    """Return the columns of events that a statement needs, None for all. `line` is made of segment and number."""
    if statement.takes_all:
        return None
    return statement.names | set(others) | ({"segment", "seq"} if "line" in statement.names else set())


def asked(box: Box, statement: Statement, events: Mapping[str, Held], *, others: Mapping[str, Held] | None = None,
          parameters: Mapping[str, Any] | None = None, views: Mapping[str, str] | None = None) -> pa.Table:  # fmt: skip
    """Run a statement over streams of events, which have a column `line` more, and other tables. Raises BoxError."""
    line = ", 'line:' || segment || ':' || seq AS line" if statement.takes_all or "line" in statement.names else ""
    named = {name: f'SELECT *{line} FROM "events of {name}"' for name in events}  # names of streams
    tables = {f"events of {name}": held for name, held in events.items()} | dict(others or {})
    return box.run(statement.sql, tables, parameters, named | dict(views or {}))


@dataclass(frozen=True)
class State:
    """What is kept of a recipe: made of lines up to `cursor`, by which parsers, after how many redactions, of events since when."""

    parsers: str
    redactions: int
    since: datetime
    cursor: int
    parts: tuple[str, ...] = ()
    rows: tuple[int, ...] = ()

    def dump(self) -> bytes:
        """Return it as JSON."""
        return orjson.dumps({**self.__dict__, "since": self.since.isoformat()})

    @classmethod
    def load(cls, content: bytes) -> State:
        """Return what `dump` wrote. Raises ValueError, TypeError, KeyError."""
        said = orjson.loads(content)
        whole = {**said, "since": datetime.fromisoformat(said["since"]), "parts": tuple(said["parts"]), "rows": tuple(said["rows"])}
        return cls(**whole)


@dataclass(frozen=True)
class Facts:
    """Facts ready to be asked: tables to give to the box, and the view `facts` over them; `fresh`: how many events were new."""

    tables: Mapping[str, Held]
    view: str
    cursor: int
    fresh: int


def plain(table: pa.Table) -> pa.Table:
    """Return events with instants in UTC without zone, which is what rules compare."""
    types = [(f.name, pa.timestamp("us") if pa.types.is_timestamp(f.type) else f.type) for f in table.schema]
    return table.cast(pa.schema(types))


def once(table: pa.Table) -> Held:
    """Return a table that is asked once."""
    load: Callable[[], Any] = lambda: table  # noqa: E731  # a name for its type
    return Held(secrets.token_hex(8), load, kept=False)


def listed(names: list[str] | tuple[str, ...]) -> str:
    """Return names as identifiers, with commas."""
    return ", ".join(quoted(name) for name in names)


def quoted(name: str) -> str:
    """Return a name as an identifier."""
    return '"' + name.replace('"', '""') + '"'
