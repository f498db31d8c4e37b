"""What a search counts over every line that matches: groups by fields, by what an expression finds, and by time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from anzhang.engines.vault.batch import instant
from anzhang.engines.vault.block import Block
from anzhang.engines.vault.facts import SECOND, count_by
from anzhang.engines.vault.jit import Ints
from anzhang.engines.vault.query import Query, QueryError

Group = tuple[str, int]  # a value and its rows


class Counts:
    """What is counted over every line that matches."""

    def __init__(self, query: Query) -> None:
        """Begin at nothing."""
        self.fields = tuple(dict.fromkeys(name for name in (query.group, *query.panel) if name))
        self.wanted = bool(self.fields or query.bar or query.extract)
        self.reads_lines = bool(query.extract)
        self._query = query
        self._groups: dict[str, Counter[str]] = {name: Counter() for name in self.fields}
        self._extracted: Counter[str] = Counter()
        self._bars: Counter[int] = Counter()

    def add(self, at: Ints, block: Block, rows: Ints, lines: Block | None) -> None:
        """Count the rows of a block that match; `at` are their event times, `lines` what they say where `reads_lines`."""
        for name, groups in self._groups.items():
            groups.update(count_by(name, block, rows))
        if self._query.bar:
            steps, times = np.unique((at + self._query.east * SECOND) // (self._query.bar * SECOND), return_counts=True)
            self._bars.update(dict(zip(steps.tolist(), times.tolist(), strict=True)))
        if lines is not None:
            self._extracted.update(_extracted(self._query.extract, lines))

    def fit(self, facts: Mapping[str, Any] | None) -> bool:
        """Whether what a block says about itself is enough to count it."""
        if facts is None or self._query.extract or any(name not in facts["counts"] for name in self.fields):
            return False
        bar, east = self._query.bar, self._query.east
        return not bar or ("time" in facts and bar % facts["time"][0] == 0 and east % facts["time"][0] == 0)

    def add_facts(self, facts: Mapping[str, Any]) -> None:
        """Count a block of which every line matches by what it says about itself."""
        for name, groups in self._groups.items():
            groups.update(facts["counts"][name])
        if self._query.bar:
            step, first, lines = facts["time"]
            bar, east = self._query.bar, self._query.east
            numbers = (np.arange(first, first + len(lines)) * step + east) // bar
            sums = np.bincount(numbers - numbers[0], weights=lines).astype(np.int64)
            for place in np.flatnonzero(sums).tolist():
                self._bars[int(numbers[0]) + place] += int(sums[place])

    @property
    def groups(self) -> list[Group]:
        """Return the groups of the field to group by."""
        return self._largest(self._query.group) if self._query.group else []

    @property
    def panel(self) -> dict[str, list[Group]]:
        """Return the groups of every field of the panel."""
        return {name: self._largest(name) for name in self._query.panel}

    @property
    def extracted(self) -> list[Group]:
        """Return the groups of what was extracted."""
        return _largest(self._extracted, self._query.top)

    @property
    def bars(self) -> dict[datetime, int]:
        """Return how many lines each step of time has, in order; steps without a line are left out."""
        bar, east = self._query.bar * SECOND, self._query.east * SECOND
        return {instant(step * bar - east): rows for step, rows in sorted(self._bars.items())}

    def _largest(self, name: str) -> list[Group]:
        return _largest(self._groups[name], self._query.top)


def _largest(groups: Counter[str], top: int) -> list[Group]:
    return sorted(groups.items(), key=lambda item: (-item[1], item[0]))[:top]


def _extracted(pattern: str, block: Block) -> Counter[str]:
    """Count what a pattern's one group holds, over the lines of a block; lines without it do not count."""
    try:
        found = pc.extract_regex(block.texts(), _one_named(pattern)).drop_null()
    except pa.ArrowInvalid as error:
        raise QueryError(f"extract: {error}") from error
    return Counter({row["values"]: row["counts"] for row in found.field(0).value_counts().to_pylist()})


def _one_named(pattern: str) -> str:
    """Return the pattern with its group named, as Arrow wants it. Raises QueryError unless there is exactly one group."""
    opening = [i for i, c in enumerate(pattern) if c == "(" and not _escaped(pattern, i)]
    groups = [i for i in opening if not pattern.startswith("(?", i) or pattern.startswith(("(?P<", "(?<"), i)]
    if len(groups) != 1:
        raise QueryError("extract: the expression needs exactly one group ( ), which is what is counted")
    at = groups[0]
    if pattern.startswith(("(?P<", "(?<"), at):
        return pattern
    return f"{pattern[:at]}(?P<found>{pattern[at + 1 :]}"


def _escaped(pattern: str, i: int) -> bool:
    """Whether the character at `i` stands behind a backslash or inside brackets."""
    inside, skip = False, False
    for c in pattern[:i]:
        if skip:
            skip = False
        elif c == "\\":
            skip = True
        elif c in "[]":
            inside = c == "["
    return inside or skip
