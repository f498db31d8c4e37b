"""The window way: facts that cannot be merged from their pieces are made anew where new events touch them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from anzhang.engines.facts.parts import Parts
from anzhang.engines.facts.recipe import Recipe, asked, listed, once, plain, quoted
from anzhang.engines.sqlbox import Box
from anzhang.engines.vault.vault import Vault

EAST = 28800  # seconds by which Beijing is ahead: buckets begin at its midnight
BUCKETS_AT_ONCE = 8


@dataclass(frozen=True)
class Window:
    """One recipe that is followed in this way; facts that ended before `floor` need not be kept."""

    recipe: Recipe
    box: Box
    parts: Parts
    floor: datetime
    vault: Vault
    bucket: timedelta

    def made(self, tables: dict[str, pa.Table]) -> pa.Table:
        """Return the pairs of entity and bucket that new events reach."""
        entity, size = listed(self.recipe.entity), int(self.bucket.total_seconds())
        reach = int(self.recipe.lookback.total_seconds())
        one = " UNION ALL ".join(f'SELECT {entity}, epoch("timestamp")::BIGINT AS t FROM "{name}"' for name in tables)
        first, last = f"((t - {reach} + {EAST}) // {size})", f"((t + {reach} + {EAST}) // {size})"
        sql = f"SELECT DISTINCT {entity}, unnest(range({first}, {last} + 1)) AS bucket FROM (SELECT DISTINCT {entity}, t FROM ({one}))"
        return self.box.run(sql, {name: once(table) for name, table in tables.items()})

    def kept(self, parts: tuple[str, ...], rows: tuple[int, ...], made: list[pa.Table]) -> tuple[tuple[str, ...], tuple[int, ...]]:
        """Return the one part in which the facts of the touched pairs are those of all events there are now."""
        if not made:
            return parts, rows
        pairs = pa.concat_tables(made).group_by([*self.recipe.entity, "bucket"]).aggregate([])
        size = int(self.bucket.total_seconds())
        before = self.parts.read(parts[0])
        same = " AND ".join(f"f.{quoted(name)} IS NOT DISTINCT FROM p.{quoted(name)}" for name in self.recipe.entity)
        of_pair = f"{same} AND (epoch(f.first_at)::BIGINT + {EAST}) // {size} = p.bucket"
        columns = ", ".join(f"f.{quoted(name)}" for name in before.column_names)
        in_window = f"f.last_at >= TIMESTAMP '{self.floor:%Y-%m-%d %H:%M:%S}'"
        rest = f"SELECT {columns} FROM before AS f ANTI JOIN pairs AS p ON {of_pair} WHERE {in_window}"
        found = [self.box.run(rest, {"before": once(before), "pairs": once(pairs)})]
        for begin, end in runs(sorted(set(pairs["bucket"].to_pylist()))):
            events = self._events_of(pairs, begin * size - EAST, (end + 1) * size - EAST)
            facts = asked(self.box, self.recipe.statement, {name: once(table) for name, table in events.items()})
            in_run = f"(epoch(f.first_at)::BIGINT + {EAST}) // {size} BETWEEN {begin} AND {end}"
            chosen = f"SELECT {columns} FROM facts AS f SEMI JOIN pairs AS p ON {of_pair} WHERE {in_run}"
            found.append(self.box.run(chosen, {"facts": once(facts), "pairs": once(pairs)}))
        table = pa.concat_tables([each.cast(before.schema) for each in found])
        return (self.parts.write(table),), (table.num_rows,)

    def _events_of(self, pairs: pa.Table, begin: int, end: int) -> dict[str, pa.Table]:
        """Return the events of touched entities in a run of buckets and `lookback` around it; seconds since 1970."""
        since, until = (datetime.fromtimestamp(second, UTC) for second in (begin, end))
        found = {}
        for name, columns in self.recipe.columns().items():
            table = plain(self.vault.events(name, since - self.recipe.lookback, until + self.recipe.lookback, columns))
            same = " AND ".join(f"e.{quoted(each)} IS NOT DISTINCT FROM p.{quoted(each)}" for each in self.recipe.entity)
            chosen = ", ".join(f"e.{quoted(each)}" for each in table.column_names)
            sql = f"SELECT {chosen} FROM events AS e SEMI JOIN pairs AS p ON {same}"
            found[name] = self.box.run(sql, {"events": once(table), "pairs": once(pairs)})
        return found

    def view(self, names: list[str], _columns: list[str]) -> str:
        """Return the SELECT of all facts: those of the one part."""
        return f'SELECT * FROM "{names[0]}"'


def runs(numbers: list[int]) -> Iterator[tuple[int, int]]:
    """Yield first and last of each run of neighbours, in pieces of BUCKETS_AT_ONCE."""
    begin = last = None
    for number in numbers:
        if begin is None or last is None or number > last + 1 or number - begin >= BUCKETS_AT_ONCE:
            if begin is not None and last is not None:
                yield begin, last
            begin = number
        last = number
    if begin is not None and last is not None:
        yield begin, last
