"""Which rows a parser is asked about: those of its applications, and lines of no known application that begin as its lines do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from anzhang.engines.vault.jit import Ints, Table
from anzhang.engines.vault.streams import columns
from anzhang.engines.vault.streams.columns import Coded
from anzhang.engines.vault.streams.language import ParserError
from anzhang.engines.vault.streams.program import ANYTHING, STOP
from anzhang.engines.vault.streams.reading import Reader, fit
from anzhang.engines.vault.streams.texts import Texts
from anzhang.engines.vault.text import normalise


@dataclass(frozen=True)
class Claims:
    """For each application the parsers that read it; `prefixes` for names of which only the beginning is known."""

    readers: tuple[Reader, ...]
    apps: dict[bytes, tuple[int, ...]]
    prefixes: tuple[tuple[bytes, int], ...]

    @classmethod
    def of(cls, readers: Sequence[Reader]) -> Claims:
        """Collect what the parsers say. Raises ParserError for a gate that lets every line in."""
        apps: dict[bytes, tuple[int, ...]] = {}
        prefixes = []
        for number, reader in enumerate(readers):
            for app in sorted(reader.parser.apps):
                if app.endswith(b"*"):
                    prefixes.append((app[:-1], number))
                else:
                    apps[app] = (*apps.get(app, ()), number)
            if reader.gate >= 0 and reader.programs.first[reader.gate] == ANYTHING:
                raise ParserError(f"{reader.parser.name}: `begins` does not say with which characters its lines begin")
        return cls(tuple(readers), apps, tuple(prefixes))

    def of_app(self, app: bytes) -> tuple[int, ...]:
        """Return the parsers that read an application, in order."""
        name = app.rsplit(b"/", 1)[-1]
        exact = self.apps.get(app) or self.apps.get(name.lower(), ())
        return tuple(sorted({*exact, *(number for prefix, number in self.prefixes if app.startswith(prefix))}))

    @cached_property
    def first_bytes(self) -> Table:
        """Return which bytes a line begins with that some gate lets in; of two and more bytes the first."""
        found = np.zeros(256, bool)
        for reader in self.readers:
            if reader.gate >= 0:
                found |= reader.programs.sets[reader.programs.first[reader.gate]][:STOP] != 0
        return found


class Dispatch:
    """The rows of one segment, parted by the parsers that are to read them."""

    def __init__(self, claims: Claims, table: pa.Table, app: Coded, enc: Table, foreign: Table | None) -> None:
        """Part the rows by application, and find those of no known one that may begin as a parser's lines do."""
        self.claims = claims
        by_app = [claims.of_app(value) for value in app.values]
        of_code = _grouped(app.codes, len(app.values))
        parts: dict[int, list[Ints]] = {}
        free = []
        for code, numbers in enumerate(by_app):
            rows = of_code[code]
            for number in numbers:
                parts.setdefault(number, []).append(rows)
            if not numbers:
                free.append(rows)
        self.parts = {number: np.sort(np.concatenate(rows)) for number, rows in parts.items()}
        unclaimed = np.concatenate(free) if free else np.empty(0, np.int64)
        self.free = _beginning(table, unclaimed, claims.first_bytes)
        self.texts = gather(table, self.free, enc, foreign)
        self.first = self.texts.data[self.texts.starts]

    def rows(self, number: int, state: Table) -> Ints:
        """Return the rows that parser `number` is to read, of those that none before it has."""
        reader = self.claims.readers[number]
        found = [self.parts[number]] if number in self.parts else []
        if reader.gate >= 0 and len(self.free):
            begins = reader.programs.sets[reader.programs.first[reader.gate]][:STOP]
            left = np.flatnonzero(begins[self.first])
            left = left[state[self.free[left]] == 0]
            which, _ = fit(reader.programs, self.texts.take(left), reader.gate, reader.gate + 1, 0)
            found.append(self.free[left[which >= 0]])
        if not found:
            return np.empty(0, np.int64)
        rows = found[0] if len(found) == 1 else np.concatenate(found)
        return np.sort(rows[state[rows] == 0])


def _grouped(codes: Ints, count: int) -> list[Ints]:
    """Return the rows of each code; those of a segment stand together."""
    places = np.flatnonzero(np.diff(codes)) + 1
    begins, ends = np.concatenate(([0], places)), np.concatenate((places, [len(codes)]))
    found: list[list[Ints]] = [[] for _ in range(count)]
    for begin, end in zip(begins.tolist(), ends.tolist(), strict=True) if len(codes) else ():
        found[codes[begin]].append(np.arange(begin, end))
    return [np.concatenate(rows) if rows else np.empty(0, np.int64) for rows in found]


def _beginning(table: pa.Table, rows: Ints, wanted: Table) -> Ints:
    """Return the rows whose message begins with a wanted byte."""
    message = columns.whole(table, "msg")
    if not len(rows) or not wanted.any():
        return np.empty(0, np.int64)
    data, bounds = columns.bytes_of(message)
    starts, ends = bounds[rows], bounds[rows + 1]
    good = starts < ends
    good[good] = wanted[data[starts[good]]]
    return np.sort(rows[good]).astype(np.int64)


def gather(table: pa.Table, rows: Ints, enc: Table, foreign: Table | None = None) -> Texts:
    """Return the messages of rows as UTF-8. `foreign`, when known, is 0 for rows whose bytes are certainly that."""
    message = columns.whole(table, "msg")
    data, bounds = columns.bytes_of(message)
    starts, ends = bounds[rows].astype(np.int64), bounds[rows + 1].astype(np.int64)
    data, starts, ends = normalise(data, starts, ends, enc[rows], None if foreign is None else foreign[rows])
    view = data.view()
    view.flags.writeable = False
    return Texts(view, starts, ends)
