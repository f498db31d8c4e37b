"""Facts: what a rule keeps of event streams, made once of each sealed line and never again (DESIGN 8, ADR 0019).

A recipe is one SELECT that reduces events to facts. Two ways:

- *append*: the SELECT reads only new events. Facts that agree in every column but those below are one fact and are merged:

      first_at   the earliest     first_line  the line of the earliest
      last_at    the latest       last_line   the line of the latest
      times      the sum

- *window*: the SELECT reads all events of the entities that the new ones touch, in the buckets of event time that they touch and
  `lookback` on each side; its facts of those (entity, bucket) pairs take the place of the earlier ones. A fact is of the bucket of its `first_at`.

The cursor is the sequence number of lines, so a late line is new whatever time it bears, and a segment that was merged is not. What was
redacted, or read by other parsers, or by another recipe, makes all facts of a recipe anew. Facts are no evidence: they can be made again.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from anzhang.engines import durable
from anzhang.engines.sqlbox import Box, Statement
from anzhang.engines.sqlbox.box import Held
from anzhang.engines.vault import streams
from anzhang.engines.vault.streams.schemas import schema
from anzhang.engines.vault.vault import Vault

BEIJING = timedelta(hours=8)  # buckets begin at its midnight
ROWS_AT_ONCE = 1_000_000
PARTS = 8  # small parts before they become one
MERGED = {
    "first_at": "min(first_at)", "last_at": "max(last_at)", "times": "sum(times)::BIGINT",
    "first_line": "arg_min(first_line, first_at)", "last_line": "arg_max(last_line, last_at)",
}  # fmt: skip
OWED = ("first_at", "last_at")


class RecipeError(Exception):
    """A recipe returns something else than facts; the message says what it lacks."""


@dataclass(frozen=True)
class Recipe:
    """What facts a rule keeps. `entity` and `bucket` are given in the window way; `entity` are columns that every one of its streams has."""

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
    named = {name: f'SELECT *{line} FROM "events of {name}"' for name in events}  # noqa: S608  # names of streams
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


@dataclass
class Store:
    """The facts of every recipe, in one folder."""

    root: Path
    box: Box
    _seen: dict[str, State] = field(default_factory=dict)

    def facts(self, recipe: Recipe, vault: Vault, at: datetime, *, anew: bool = False) -> Facts:
        """Bring the facts of a recipe up to the newest sealed line and return those of its window up to an instant.

        `anew`: forget what is kept and make it of all lines again. Raises BoxError, RecipeError.
        """
        folder = self.root / recipe.name / recipe.digest
        durable.make_folder(folder)
        with _alone(folder):
            work = _Work(recipe, folder, vault, self.box, at)
            state = None if anew else self._seen.get(str(folder)) or work.load()
            state, fresh = work.follow(state)
            self._seen[str(folder)] = state
            work.clean(state)
        return work.ready(state, fresh)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one process at a time write the facts of a recipe."""
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@dataclass
class _Work:
    """One bringing up to date."""

    recipe: Recipe
    folder: Path
    vault: Vault
    box: Box
    at: datetime

    @property
    def floor(self) -> datetime:
        """Return the Beijing midnight at or before the beginning of the window: events before it are in no fact."""
        begin = (self.at - self.recipe.window).astimezone(UTC) + BEIJING
        return begin.replace(hour=0, minute=0, second=0, microsecond=0) - BEIJING

    def load(self) -> State | None:
        """Return what is kept, None where nothing whole is."""
        try:
            state = State.load((self.folder / "state.json").read_bytes())
        except (OSError, ValueError, TypeError, KeyError):
            return None
        return state if all((self.folder / part).exists() for part in state.parts) else None

    def follow(self, kept: State | None) -> tuple[State, int]:
        """Take in every later line; return what is kept then, and how many events were new."""
        parsers, redactions = streams.version(), sum(len(sealed.redactions) for sealed in self.vault.segments())
        if kept is not None:
            on_disk = self.load()
            if on_disk is None or on_disk.cursor > kept.cursor:  # another process went on meanwhile
                kept = on_disk
        stands = kept is not None
        if kept is None or (kept.parsers, kept.redactions) != (parsers, redactions) or self.floor < kept.since:
            kept, stands = self._begin(parsers, redactions), False
        fresh, cursor = 0, kept.cursor
        made: list[pa.Table] = []
        chunk: list[dict[str, pa.Table]] = []
        for last, tables in self.vault.follow(self.recipe.columns(), kept.cursor, kept.since):
            cursor = last
            rows = sum(table.num_rows for table in tables.values())
            if rows:
                fresh += rows
                chunk.append(tables)
            if sum(table.num_rows for each in chunk for table in each.values()) >= ROWS_AT_ONCE:
                made += self._made(chunk)
                chunk = []
        made += self._made(chunk)
        if cursor == kept.cursor and stands:
            return kept, 0
        state = self._kept(kept, made, cursor)
        durable.write_file(self.folder / "state.json", state.dump())
        return state, fresh

    def _begin(self, parsers: str, redactions: int) -> State:
        """Return the state of a recipe that has read nothing: one part without rows, which says what columns its facts have."""
        empty = {name: plain(schema(name).empty_table()) for name in self.recipe.streams}
        table = asked(self.box, self.recipe.statement, {name: once(each) for name, each in empty.items()})
        if lacking := [name for name in OWED if name not in table.column_names]:
            raise RecipeError(f"its facts have no {' and no '.join(lacking)}")
        if self.recipe.bucket is not None and (lacking := [name for name in self.recipe.entity if name not in table.column_names]):
            raise RecipeError(f"its facts have no {' and no '.join(lacking)}")
        return State(parsers, redactions, self.floor, 0, (self._write(table),), (0,))

    def _made(self, chunk: list[dict[str, pa.Table]]) -> list[pa.Table]:
        """Return the facts of some new events, in the window way the events themselves."""
        if not chunk:
            return []
        tables = {name: plain(pa.concat_tables([each[name] for each in chunk if name in each])) for name in self.recipe.streams}
        if self.recipe.bucket is not None:
            return [self._touched(tables)]
        return [asked(self.box, self.recipe.statement, {name: once(table) for name, table in tables.items()})]

    def _kept(self, kept: State, made: list[pa.Table], cursor: int) -> State:
        if self.recipe.bucket is not None:
            parts, rows = self._replaced(kept, made)
        else:
            new = [table for table in made if table.num_rows]
            if len(new) > 1:  # a long way behind: one part of all
                new = [self._merge([once(table) for table in new], new[0].column_names)]
            parts = (*kept.parts, *(self._write(table) for table in new))
            rows = (*kept.rows, *(table.num_rows for table in new))
            parts, rows = self._tidied(parts, rows)
        return State(kept.parsers, kept.redactions, kept.since, cursor, parts, rows)

    # Append: parts are merged, the large first one seldom.

    def _tidied(self, parts: tuple[str, ...], rows: tuple[int, ...]) -> tuple[tuple[str, ...], tuple[int, ...]]:
        """Merge the small parts when there are many, and with the first when together they are a quarter of it."""
        small = sum(rows[1:])
        if small * 4 > rows[0] and small > 0:
            table = self._merge([self._held(part) for part in parts], self._columns(parts))
            return (self._write(self._in_window(table)),), (table.num_rows,)
        if len(parts) > PARTS:
            table = self._merge([self._held(part) for part in parts[1:]], self._columns(parts))
            return (parts[0], self._write(table)), (rows[0], table.num_rows)
        return parts, rows

    def _merge(self, tables: list[Held], columns: list[str]) -> pa.Table:
        names = {f"part {k}": held for k, held in enumerate(tables)}
        together = " UNION ALL ".join(f'SELECT {_listed(columns)} FROM "{name}"' for name in names)
        return self._ask(_merged(columns, together), {name: Held(held.token, held.load, kept=False) for name, held in names.items()})

    def _in_window(self, table: pa.Table) -> pa.Table:
        """Return the facts that are not older than any window asked for from now on."""
        return table.filter(pc.greater_equal(table["last_at"], pa.scalar(self.floor.replace(tzinfo=None), pa.timestamp("us"))))

    # Window: the facts of touched pairs are made anew.

    def _touched(self, tables: dict[str, pa.Table]) -> pa.Table:
        """Return the pairs of entity and bucket that new events reach."""
        assert self.recipe.bucket is not None
        entity, size = _listed(self.recipe.entity), int(self.recipe.bucket.total_seconds())
        reach = int(self.recipe.lookback.total_seconds())
        one = " UNION ALL ".join(f'SELECT {entity}, epoch("timestamp")::BIGINT AS t FROM "{name}"' for name in tables)
        first, last = f"((t - {reach} + 28800) // {size})", f"((t + {reach} + 28800) // {size})"
        sql = f"SELECT DISTINCT {entity}, unnest(range({first}, {last} + 1)) AS bucket FROM (SELECT DISTINCT {entity}, t FROM ({one}))"  # noqa: S608  # names of columns and numbers of ours
        return self._ask(sql, {name: once(table) for name, table in tables.items()})

    def _replaced(self, kept: State, touched: list[pa.Table]) -> tuple[tuple[str, ...], tuple[int, ...]]:
        """Return the parts in which the facts of the touched pairs are those of all events there are now."""
        assert self.recipe.bucket is not None
        if not touched:
            return kept.parts, kept.rows
        pairs = pa.concat_tables(touched).group_by([*self.recipe.entity, "bucket"]).aggregate([])
        size = int(self.recipe.bucket.total_seconds())
        before = self._read(kept.parts[0])
        same = " AND ".join(f"f.{_quoted(name)} IS NOT DISTINCT FROM p.{_quoted(name)}" for name in self.recipe.entity)
        of_pair = f"{same} AND (epoch(f.first_at)::BIGINT + 28800) // {size} = p.bucket"
        listed = ", ".join(f"f.{_quoted(name)}" for name in before.column_names)
        rest = f"SELECT {listed} FROM before AS f ANTI JOIN pairs AS p ON {of_pair} WHERE f.last_at >= TIMESTAMP '{self.floor:%Y-%m-%d %H:%M:%S}'"  # noqa: S608
        found = [self._ask(rest, {"before": once(before), "pairs": once(pairs)})]
        for begin, end in _runs(sorted(set(pairs["bucket"].to_pylist()))):
            events = self._events_of(pairs, begin * size - 28800, (end + 1) * size - 28800)
            facts = asked(self.box, self.recipe.statement, {name: once(table) for name, table in events.items()})
            chosen = f"SELECT {listed} FROM facts AS f SEMI JOIN pairs AS p ON {of_pair} WHERE (epoch(f.first_at)::BIGINT + 28800) // {size} BETWEEN {begin} AND {end}"  # noqa: S608
            found.append(self._ask(chosen, {"facts": once(facts), "pairs": once(pairs)}))
        table = pa.concat_tables([each.cast(before.schema) for each in found])
        return (self._write(table),), (table.num_rows,)

    def _events_of(self, pairs: pa.Table, begin: int, end: int) -> dict[str, pa.Table]:
        """Return the events of touched entities in a run of buckets and `lookback` around it; seconds since 1970."""
        since, until = (datetime.fromtimestamp(second, UTC) for second in (begin, end))
        found = {}
        for name, columns in self.recipe.columns().items():
            table = plain(self.vault.events(name, since - self.recipe.lookback, until + self.recipe.lookback, columns))
            same = " AND ".join(f"e.{_quoted(each)} IS NOT DISTINCT FROM p.{_quoted(each)}" for each in self.recipe.entity)
            listed = ", ".join(f"e.{_quoted(each)}" for each in table.column_names)
            sql = f"SELECT {listed} FROM events AS e SEMI JOIN pairs AS p ON {same}"  # noqa: S608
            found[name] = self._ask(sql, {"events": once(table), "pairs": once(pairs)})
        return found

    # Parts: files that never change once they have their name.

    def _write(self, table: pa.Table) -> str:
        name = f"{secrets.token_hex(8)}.parquet"
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd", compression_level=1)
        durable.write_file(self.folder / name, sink.getvalue().to_pybytes())
        return name

    def _read(self, part: str) -> pa.Table:
        return pq.read_table(self.folder / part)

    def _held(self, part: str) -> Held:
        return Held(part, lambda: self._read(part))

    def _columns(self, parts: tuple[str, ...]) -> list[str]:
        return list(pq.read_schema(self.folder / parts[0]).names)

    def _ask(self, sql: str, tables: Mapping[str, Held]) -> pa.Table:
        return self.box.run(sql, tables)

    def clean(self, state: State) -> None:
        """Remove parts that no state names, and the facts of earlier forms of the recipe."""
        for file in self.folder.glob("*.parquet"):
            if file.name not in state.parts:
                file.unlink(missing_ok=True)
        for other in self.folder.parent.iterdir():
            if other != self.folder and other.is_dir():
                for file in other.iterdir():
                    file.unlink(missing_ok=True)
                other.rmdir()

    def ready(self, state: State, fresh: int) -> Facts:
        """Return the tables and the view of the facts that lie in the window, begun before the instant."""
        names = {f"{self.recipe.name}/{part}": self._held(part) for part in state.parts}
        columns = self._columns(state.parts)
        begin, end = ((each).astimezone(UTC).replace(tzinfo=None).isoformat(" ") for each in (self.at - self.recipe.window, self.at))
        within = f"last_at >= TIMESTAMP '{begin}' AND first_at < TIMESTAMP '{end}'"
        base, *deltas = names
        if not deltas:
            return Facts(names, f'SELECT * FROM "{base}" WHERE {within}', state.cursor, fresh)  # noqa: S608
        keys = [name for name in columns if name not in MERGED]
        same = " AND ".join(f"b.{_quoted(name)} IS NOT DISTINCT FROM d.{_quoted(name)}" for name in keys) or "true"
        listed, of_base = _listed(columns), ", ".join(f"b.{_quoted(name)}" for name in columns)
        newer = " UNION ALL ".join(f'SELECT {listed} FROM "{name}"' for name in deltas)
        view = (
            f'WITH d AS MATERIALIZED ({newer}), met AS (SELECT {of_base} FROM "{base}" AS b SEMI JOIN d ON {same})'  # noqa: S608
            f' SELECT * FROM (SELECT {of_base} FROM "{base}" AS b ANTI JOIN d ON {same}'
            f" UNION ALL ({_merged(columns, f'SELECT {listed} FROM met UNION ALL SELECT {listed} FROM d')})) WHERE {within}"
        )
        return Facts(names, view, state.cursor, fresh)


def nothing(recipe: Recipe, box: Box) -> Facts:
    """Return the facts where no vault stands: none."""
    empty = {name: once(plain(schema(name).empty_table())) for name in recipe.streams}
    table = asked(box, recipe.statement, empty)
    return Facts({"no facts": once(table)}, 'SELECT * FROM "no facts"', 0, 0)


def plain(table: pa.Table) -> pa.Table:
    """Return events with instants in UTC without zone, which is what rules compare."""
    types = [(f.name, pa.timestamp("us") if pa.types.is_timestamp(f.type) else f.type) for f in table.schema]
    return table.cast(pa.schema(types))


def once(table: pa.Table) -> Held:
    """Return a table that is asked once."""
    load: Callable[[], Any] = lambda: table  # noqa: E731  # a name for its type
    return Held(secrets.token_hex(8), load, kept=False)


def _merged(columns: list[str], rows: str) -> str:
    """Return the SELECT that makes one fact of those that agree in their keys."""
    keys = [name for name in columns if name not in MERGED]
    listed = ", ".join(f"{MERGED[name]} AS {name}" if name in MERGED else _quoted(name) for name in columns)
    return f"SELECT {listed} FROM ({rows})" + (f" GROUP BY {_listed(keys)}" if keys else "")  # noqa: S608


def _listed(names: list[str] | tuple[str, ...]) -> str:
    return ", ".join(_quoted(name) for name in names)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _runs(numbers: list[int]) -> Iterator[tuple[int, int]]:
    """Yield first and last of each run of neighbours."""
    begin = last = None
    for number in numbers:
        if begin is None or last is None or number > last + 1:
            if begin is not None and last is not None:
                yield begin, last
            begin = number
        last = number
    if begin is not None and last is not None:
        yield begin, last
