"""The store: the facts of every recipe, brought up to the newest sealed line by whoever asks, one at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

import pyarrow as pa

from anzhang.engines import durable
from anzhang.engines.facts.append import Append
from anzhang.engines.facts.parts import Parts
from anzhang.engines.facts.recipe import Facts, Recipe, RecipeError, State, asked, once, plain
from anzhang.engines.facts.window import Window
from anzhang.engines.sqlbox import Box
from anzhang.engines.vault import streams
from anzhang.engines.vault.streams.schemas import schema
from anzhang.engines.vault.vault import Vault

BEIJING = timedelta(hours=8)
ROWS_AT_ONCE = 1_000_000
OWED = ("first_at", "last_at")


@dataclass
class Store:
    """The facts of every recipe, in one folder."""

    root: Path
    box: Box

    def facts(self, recipe: Recipe, vault: Vault, at: datetime, *, anew: bool = False) -> Facts:
        """Bring the facts of a recipe up to the newest sealed line and return those of its window up to an instant.

        `anew`: forget what is kept and make it of all lines again. Raises BoxError, RecipeError.
        """
        folder = self.root / recipe.name / recipe.digest
        durable.make_folder(folder)
        with _alone(folder):
            work = _Work(recipe, folder, vault, self.box, at)
            state, fresh = work.follow(None if anew else work.load())
            work.parts.clean(state.parts)
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

    @cached_property
    def parts(self) -> Parts:
        """Return the parts of the recipe."""
        return Parts(self.folder)

    @cached_property
    def way(self) -> Append | Window:
        """Return how the recipe is followed."""
        told = self.recipe, self.box, self.parts, self.floor
        return Append(*told) if self.recipe.bucket is None else Window(*told, self.vault, self.recipe.bucket)

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
        parts, rows_of = self.way.kept(kept.parts, kept.rows, made)
        state = State(kept.parsers, kept.redactions, kept.since, cursor, parts, rows_of)
        durable.write_file(self.folder / "state.json", state.dump())
        return state, fresh

    def _begin(self, parsers: str, redactions: int) -> State:
        """Return the state of a recipe that has read nothing: one part without rows, which says what columns its facts have."""
        empty = {name: plain(schema(name).empty_table()) for name in self.recipe.streams}
        table = asked(self.box, self.recipe.statement, {name: once(each) for name, each in empty.items()})
        owed = (*OWED, *(self.recipe.entity if self.recipe.bucket is not None else ()))
        if lacking := [name for name in owed if name not in table.column_names]:
            raise RecipeError(f"its facts have no {' and no '.join(lacking)}")
        return State(parsers, redactions, self.floor, 0, (self.parts.write(table),), (0,))

    def _made(self, chunk: list[dict[str, pa.Table]]) -> list[pa.Table]:
        """Return what is to be kept of some new events."""
        if not chunk:
            return []
        return [self.way.made({name: plain(pa.concat_tables([each[name] for each in chunk])) for name in self.recipe.streams})]

    def ready(self, state: State, fresh: int) -> Facts:
        """Return the tables and the view of the facts that lie in the window, begun before the instant."""
        names = {f"{self.recipe.name}/{part}": self.parts.held(part) for part in state.parts}
        begin, end = (each.astimezone(UTC).replace(tzinfo=None).isoformat(" ") for each in (self.at - self.recipe.window, self.at))
        within = f"last_at >= TIMESTAMP '{begin}' AND first_at < TIMESTAMP '{end}'"
        view = f"SELECT * FROM ({self.way.view(list(names), self.parts.columns(state.parts[0]))}) WHERE {within}"
        return Facts(names, view, state.cursor, fresh)


def nothing(recipe: Recipe, box: Box) -> Facts:
    """Return the facts where no vault stands: none."""
    empty = {name: once(plain(schema(name).empty_table())) for name in recipe.streams}
    table = asked(box, recipe.statement, empty)
    return Facts({"no facts": once(table)}, 'SELECT * FROM "no facts"', 0, 0)
