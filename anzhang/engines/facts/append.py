"""The append way: facts of new events are parts beside the others, merged now and then. One fact may come in several rows until it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from anzhang.engines.facts.parts import Parts
from anzhang.engines.facts.recipe import MERGED, Recipe, asked, listed, once, quoted
from anzhang.engines.sqlbox import Box
from anzhang.engines.sqlbox.box import Held

PARTS = 8  # small parts before they become one


@dataclass(frozen=True)
class Append:
    """One recipe that is followed in this way; facts that ended before `floor` need not be kept."""

    recipe: Recipe
    box: Box
    parts: Parts
    floor: datetime

    def made(self, events: dict[str, pa.Table]) -> pa.Table:
        """Return the facts of some new events."""
        return asked(self.box, self.recipe.statement, {name: once(table) for name, table in events.items()})

    def kept(self, parts: tuple[str, ...], rows: tuple[int, ...], made: list[pa.Table]) -> tuple[tuple[str, ...], tuple[int, ...]]:
        """Return the parts, and the rows of each, when new facts are among them."""
        new = [table for table in made if table.num_rows]
        if len(new) > 1:  # a long way behind: one part of all
            new = [self._merge([once(table) for table in new], new[0].column_names)]
        parts = (*parts, *(self.parts.write(table) for table in new))
        rows = (*rows, *(table.num_rows for table in new))
        columns, small = self.parts.columns(parts[0]), sum(rows[1:])
        if small * 4 > rows[0] and small > 0:  # with the first, when together they are a quarter of it
            table = self._in_window(self._merge([self.parts.held(part) for part in parts], columns))
            return (self.parts.write(table),), (table.num_rows,)
        if len(parts) > PARTS:
            table = self._merge([self.parts.held(part) for part in parts[1:]], columns)
            return (parts[0], self.parts.write(table)), (rows[0], table.num_rows)
        return parts, rows

    def _merge(self, tables: list[Held], columns: list[str]) -> pa.Table:
        names = {f"part {k}": Held(held.token, held.load, kept=False) for k, held in enumerate(tables)}
        return self.box.run(merged(columns, " UNION ALL ".join(f'SELECT {listed(columns)} FROM "{name}"' for name in names)), names)

    def _in_window(self, table: pa.Table) -> pa.Table:
        return table.filter(pc.greater_equal(table["last_at"], pa.scalar(self.floor.replace(tzinfo=None), pa.timestamp("us"))))

    def view(self, names: list[str], columns: list[str]) -> str:
        """Return the SELECT of all facts over the tables of the parts: not merged, which would cost more than what is asked of them."""
        return " UNION ALL ".join(f'SELECT {listed(columns)} FROM "{name}"' for name in names)


def merged(columns: list[str], rows: str) -> str:
    """Return the SELECT that makes one fact of those that agree in their keys."""
    keys = [name for name in columns if name not in MERGED]
    chosen = ", ".join(f"{MERGED[name]} AS {name}" if name in MERGED else quoted(name) for name in columns)
    return f"SELECT {chosen} FROM ({rows})" + (f" GROUP BY {listed(keys)}" if keys else "")
