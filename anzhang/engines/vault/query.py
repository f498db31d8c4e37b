"""The closed search form and what it may skip. The meaning of every mode is docs/formats/search.md."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from anzhang.engines.vault import filters, tokens
from anzhang.engines.vault.jit import Bytes

SEVERITIES = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
FIELDS = ("address", "app", "facility", "host", "kind", "msgid", "pid", "severity", "source")
# words that filters leave out, because they may be of any line's time stamp
_STAMP = re.compile(rb"[0-9]{1,2}z?|[0-9]{2}t[0-9]{2}|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec", re.IGNORECASE)
_FRACTION = re.compile(rb"([0-9]{1,9})z?", re.IGNORECASE)
_IDEOGRAPH = "㐀-\u9fff"
_ELEMENT = re.compile(rf"[0-9A-Za-z_]+|[{_IDEOGRAPH}]+")


class QueryError(ValueError):
    """The query cannot be run; the message says which part and why."""


@dataclass(frozen=True)
class Query:
    """What to look for; everything given must hold.

    `since` and `until` are event times, half-open. `sources` None = every source, an empty tuple = none. `fields` compares a column with
    a value (names: FIELDS). Four text modes over the whole original line: `term` = `LC_ALL=C grep -iwF`, `phrase` = its words one after
    the other, `substring` = `grep -F`, `regex` = RE2. `ignore_case` concerns the last two. `count` False allows stopping at `limit`.
    `group` names a field to count by, `panel` further ones, `top` the largest groups returned of each. `bar` counts lines by event time
    in steps of so many seconds, from midnight `east` seconds east of Greenwich. `extract` is RE2 with one group: what it finds in the
    lines is counted like a field.
    """

    since: datetime | None = None
    until: datetime | None = None
    sources: tuple[str, ...] | None = None
    host: str = ""
    app: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    term: str = ""
    phrase: str = ""
    substring: str = ""
    regex: str = ""
    ignore_case: bool = False
    limit: int = 100
    offset: int = 0
    newest_first: bool = True
    count: bool = True
    group: str = ""
    top: int = 10
    panel: tuple[str, ...] = ()
    bar: int = 0
    east: int = 0
    extract: str = ""

    def __post_init__(self) -> None:
        for name in [*self.fields, *([self.group] if self.group else []), *self.panel]:
            if name not in FIELDS:
                raise QueryError(f"field {name!r}: use one of {', '.join(FIELDS)}")
        if self.limit < 0 or self.offset < 0 or self.bar < 0:
            raise QueryError("limit, offset and bar must not be negative")
        if self.phrase and not elements(self.phrase):
            raise QueryError("phrase: no word in it; use substring for punctuation")
        for name in ("pid", "facility", "kind"):
            if name in self.fields and not self.fields[name].isdecimal():
                raise QueryError(f"field {name}: {self.fields[name]!r} is not a number")
        severity = self.fields.get("severity", "")
        if severity and severity not in SEVERITIES and severity not in "01234567":
            raise QueryError(f"field severity: {severity!r}: use 0..7 or one of {', '.join(SEVERITIES)}")


@dataclass(frozen=True)
class Cut:
    """A token of query text: its filter hash, kind and place."""

    hash: np.uint64
    kind: int
    begin: int
    end: int


def array(text: str) -> Bytes:
    """Return text as the bytes that kernels read."""
    return np.frombuffer(bytearray(text.encode("utf-8", "surrogatepass")), np.uint8)


def cut(text: str) -> list[Cut]:
    """Return the tokens of a text."""
    data = array(text)
    room = len(data) * 2 + 2
    hashes, kinds = np.empty(room, np.uint64), np.empty(room, np.uint8)
    begins, ends = np.empty(room, np.int64), np.empty(room, np.int64)
    n = tokens.cut(data, 0, len(data), hashes, kinds, begins, ends)
    return [Cut(hashes[i], int(kinds[i]), int(begins[i]), int(ends[i])) for i in range(n)]


def elements(phrase: str) -> list[str]:
    """Return the words of a phrase: runs of ASCII word characters and runs of ideographs."""
    return _ELEMENT.findall(phrase)


@dataclass(frozen=True)
class Needle:
    """A filter token that every matching line has. `digits`, not 0: unless it is a time stamp's fraction of so many digits."""

    hash: np.uint64
    digits: int = 0


def needles(query: Query) -> list[Needle]:
    """Return the filter tokens that every matching line must have, so that blocks without one can be skipped."""
    found = _all(query.term)
    for element in elements(query.phrase):
        found += [each for each in _all(element) if each[0].kind != tokens.ADDRESS]
    text = query.substring
    size = len(text.encode())
    # a word at the edge of a substring may be part of a longer one
    found += [each for each in _all(text) if each[0].kind == tokens.BIGRAM or (each[0].begin > 0 and each[0].end < size)]
    wanted = [
        (filters.FIELD_HOST, query.host or query.fields.get("host", "")),
        (filters.FIELD_APP, query.app or query.fields.get("app", "")),
    ]
    wanted.append((filters.FIELD_ADDRESS, query.fields.get("address", "")))
    wanted.append((filters.FIELD_SOURCE, query.fields.get("source", "")))
    return [Needle(token.hash, digits) for token, digits in found] + [
        Needle(filters.field_hash(number, value.encode())) for number, value in wanted if value
    ]


def _all(text: str) -> list[tuple[Cut, int]]:
    """Return the tokens of a text that filters hold, and of how many digits those are that may be a fraction."""
    data = text.encode()
    found = []
    for token in cut(text):
        word = data[token.begin : token.end]
        if token.kind != tokens.WORD:
            found.append((token, 0))
        elif not _STAMP.fullmatch(word):
            fraction = _FRACTION.fullmatch(word)
            found.append((token, len(fraction[1]) if fraction else 0))
    return found
