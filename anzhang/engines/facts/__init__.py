"""Facts: what a rule keeps of event streams, made once of each sealed line and never again (DESIGN 8, ADR 0019).

A recipe is one SELECT that reduces events to facts. Two ways:

- *append*: the SELECT reads only new events. Facts that agree in every column but those below are one fact and are merged:

      first_at   the earliest     first_line  the line of the earliest
      last_at    the latest       last_line   the line of the latest
      times      the sum
      bytes      the sum, NULL where no event told any

  Merging comes later: a fact may be asked for in several rows, as if its events had been counted in parts, so what asks takes the
  minimum, the maximum, the sum.

- *window*: the SELECT reads all events of the entities that the new ones touch, in the buckets of event time that they touch and
  `lookback` on each side; its facts of those (entity, bucket) pairs take the place of the earlier ones. A fact is of the bucket of its
  `first_at`.

The cursor is the sequence number of lines, so a late line is new whatever time it bears, and a segment that was merged is not. What was
redacted, or read by other parsers, or by another recipe, makes all facts of a recipe anew. Facts are no evidence: they can be made again.
"""

from __future__ import annotations

from anzhang.engines.facts.recipe import Facts, Recipe, RecipeError, asked, columns_of, once, plain
from anzhang.engines.facts.store import Store, nothing

__all__ = ["Facts", "Recipe", "RecipeError", "Store", "asked", "columns_of", "nothing", "once", "plain"]
