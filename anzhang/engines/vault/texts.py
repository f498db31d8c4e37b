"""Which rows of a block hold a text, without making every line whole: what a template fixes is decided once, blanks are looked through.

A blank is a whole run of [A-Za-z0-9_.-] with a digit in it, so what stands beside it is none of these characters. Therefore a match
inside a message lies within one fixed part of its template, or holds a piece of a blank; and one that begins in the header begins with
characters that some field of the header has. What neither can be said of is left to the lines themselves. The answers are those of
`match` over whole lines: a test compares them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from anzhang.engines.vault import match, ondisk, tokens
from anzhang.engines.vault.block import LINE_COLUMNS, Block
from anzhang.engines.vault.encodings import UTF8
from anzhang.engines.vault.jit import Bytes, Ints, Table, frozen
from anzhang.engines.vault.messages import BLANK, Slices
from anzhang.engines.vault.ondisk import Group
from anzhang.engines.vault.query import Query, QueryError, elements
from anzhang.engines.vault.text import mark_foreign

_RUN = re.compile(rb"[0-9A-Za-z_.\-]+")
_LEAD = re.compile(rb"[0-9A-Za-z_.\-]+|[\x80-\xff]+")
_STAMP = re.compile(rb"[0-9]{1,9}|(?!.*\..*\.)[0-9]{0,9}[tz.\-][0-9tz.\-]*")  # what a priority, a time stamp, a process number is made of
_MONTHS = b"jan feb mar apr may jun jul aug sep oct nov dec"
_HEADER = ("host", "app", "msgid", "sd", "hdr")


@dataclass(frozen=True)
class _Text:
    """One thing to look for. `words` are those of a phrase; otherwise the characters of `text` stand side by side."""

    text: bytes
    words: tuple[bytes, ...] = ()
    fold: bool = True
    bounded: bool = False

    def find(self, data: Bytes, starts: Ints, ends: Ints, out: Table) -> None:
        """Set out[i] to 0 where slice i does not hold it."""
        if self.words:
            bounds = np.cumsum([0, *(len(word) for word in self.words)]).astype(np.int64)
            match.phrase(data, starts, ends, _array(b"".join(self.words)), bounds, out)
            return
        text = self.text.lower() if self.fold else self.text
        left, right = (self.bounded and bool(tokens.is_word(text[k])) for k in (0, -1))
        match.contains(data, starts, ends, _array(text), self.fold, left, right, out)

    @property
    def pieces(self) -> list[bytes]:
        """Return what a blank that a match touches holds one of."""
        if self.words:
            return [word for word in self.words if word[0] < 0x80]
        found = []
        for run in _RUN.finditer(self.text):
            inside = run.start() > 0 and run.end() < len(self.text)
            if not inside or any(48 <= c <= 57 for c in run[0]):
                found.append(run[0].lower())
        return found

    @property
    def lead(self) -> bytes:
        """Return with what characters of one field a match begins, where it begins in the header; none when nothing is known."""
        if self.words:
            return self.words[0]
        found = _LEAD.match(self.text)
        return found[0].lower() if found else b""


def _array(content: bytes) -> Bytes:
    return np.frombuffer(bytearray(content), np.uint8)


def _texts(query: Query) -> list[_Text]:
    found = []
    if query.term:
        found.append(_Text(query.term.encode(), bounded=True))
    if query.phrase:
        words = tuple(word.encode().lower() for word in elements(query.phrase))
        found.append(_Text(b" ".join(words), words))
    if query.substring:
        found.append(_Text(query.substring.encode(), fold=query.ignore_case))
    return found


def rows_with(query: Query, group: Group, rows: Ints | None) -> Ints:
    """Return which rows (of `rows`, when given) hold what the query says about their text. Raises QueryError."""
    texts = _texts(query)
    if rows is not None and len(rows) * 8 < group.rows:  # so few that they are soon whole
        return _exactly(query, texts, group, rows)
    if not texts or "template" not in group.names:
        return _exactly(query, texts, group, np.arange(group.rows) if rows is None else rows)
    look = group.keep("look", lambda: _Look(group))
    sure, maybe = np.ones(group.rows, np.bool_), np.ones(group.rows, np.bool_)
    for text in texts:
        certain, possible = look.at(group, text)
        maybe &= certain | possible
        sure &= certain
    if query.regex:
        sure[:] = False
    if rows is not None:
        chosen = np.zeros(group.rows, np.bool_)
        chosen[rows] = True
        sure &= chosen
        maybe &= chosen
    left = np.flatnonzero(maybe & ~sure)
    if len(left):
        sure[_exactly(query, texts, group, left)] = True
    return np.flatnonzero(sure)


class _Look:
    """The columns of a block that are looked through."""

    def __init__(self, group: Group) -> None:
        packed, split = group.stored([*_HEADER, "enc", "template", "blanks"]), group.split
        self.codes, self.templates, self.values, self.plain = split.codes, split.texts, split.values, split.plain
        self.bare = np.diff(self.plain.at) > 0
        self.lowered = [column.data.tobytes().lower() for column in self.values]
        self.size = sum(len(column.data) for column in self.values) + 2 * group.rows  # bytes that it adds to the block
        self.header = [_values(packed[name].chunk(0)) for name in _HEADER]
        self.foreign: Table = _not_utf8(self.templates)[self.codes] | _not_utf8(self.plain) | (packed["enc"].to_numpy() != UTF8)
        for name, column in zip(_HEADER, self.header, strict=True):
            bad = _not_utf8(column)
            if bad.any():
                values_of = packed[name].chunk(0)
                self.foreign |= bad[values_of.indices.to_numpy()] if pa.types.is_dictionary(values_of.type) else bad

    def at(self, group: Group, text: _Text) -> tuple[Table, Table]:
        """Return of which rows it is certain that they hold a text, and of which further ones it is possible."""
        if BLANK in text.text or (text.words and b"0" in text.words):
            return np.zeros(len(self.codes), np.bool_), np.ones(len(self.codes), np.bool_)
        fixed = self.templates
        if text.words:  # words do not go on across a blank, which holds a word itself
            fixed = Slices(frozen(np.where(fixed.data == BLANK, np.uint8(48), fixed.data)), fixed.at)
        found = np.ones(len(fixed), np.uint8)
        text.find(fixed.data, *_places(fixed), found)
        certain: Table = found.astype(np.bool_)[self.codes]
        own = self.bare.astype(np.uint8)
        text.find(self.plain.data, *_places(self.plain), own)
        certain |= own.astype(np.bool_)
        certain &= ~self.foreign
        if text.bounded and text.text.isdigit() and 2 < len(text.text) < 10:
            possible = self._headers_with(group, int(text.text), len(text.text))
        elif self._may_begin_in_header(text.lead):
            return certain, np.ones(len(self.codes), np.bool_)
        else:
            possible = np.zeros(len(self.codes), np.bool_)
        touched = certain.astype(np.uint8)
        for piece in text.pieces:
            for column, lowered in zip(self.values, self.lowered, strict=True):
                if piece in lowered:
                    match.touch(column.data, column.at, _array(piece), touched)
        return certain, touched.astype(np.bool_) | self.foreign | possible

    def _headers_with(self, group: Group, number: int, digits: int) -> Table:
        """Return a mask of the rows whose header may have a number as a word: of its fields any, or of the line just that one."""
        if self._any_value(b"%0*d" % (digits, number)):
            return np.ones(len(self.codes), np.bool_)
        packed = group.stored(["pid", "pri", "form", "tick", "rts"])
        form = packed["form"].to_numpy()
        fraction = np.where(form > 10, form % 10, 0)
        found: Table = packed["pid"].fill_null(-1).to_numpy() == number
        found |= packed["pri"].fill_null(-1).to_numpy() == number
        found |= (fraction == digits) & (packed["tick"].to_numpy() % 10**digits == number)
        if digits == 4:
            years = ondisk.instants(packed).to_numpy().astype("datetime64[Y]").astype(np.int64) + 1970
            found |= np.abs(years - number) <= 1  # in whatever zone
        return found

    def _may_begin_in_header(self, lead: bytes) -> bool:
        if not lead or _STAMP.fullmatch(lead) or lead in _MONTHS:
            return True
        return self._any_value(lead)

    def _any_value(self, lead: bytes) -> bool:
        """Whether a field of a header holds some characters."""
        for column in self.header:
            if column.at[-1] >= len(lead):
                found = np.zeros(len(column), np.uint8)
                match.touch(column.data, column.at, _array(lead), found)
                if found.any():
                    return True
        return False


def _values(column: pa.Array) -> Slices:
    """Return the values of a column, each once where it is coded."""
    return ondisk.slices(column.dictionary if pa.types.is_dictionary(column.type) else column)


def _places(slices: Slices) -> tuple[Ints, Ints]:
    at = slices.at.astype(np.int64)
    return at[:-1], at[1:]


def _not_utf8(slices: Slices) -> Table:
    marked = np.zeros(len(slices), np.uint8)
    if slices.at[-1] and bool((slices.data >= 0x80).any()):
        marked[:] = 1
        mark_foreign(slices.data, *_places(slices), np.zeros(len(slices), np.uint8), marked)
    return marked.astype(np.bool_)


def _exactly(query: Query, texts: list[_Text], group: Group, rows: Ints) -> Ints:
    """Return which of some rows hold what the query says, as their lines say."""
    block = Block(group.whole(LINE_COLUMNS, None if len(rows) == group.rows else rows))
    data, starts, ends = block.text
    data = frozen(data)
    out = np.ones(len(starts), np.uint8)
    for text in texts:
        text.find(data, starts, ends, out)
    found = np.flatnonzero(out)
    if query.regex and len(found):
        try:
            fits = pc.match_substring_regex(block.texts().take(pa.array(found)), query.regex, ignore_case=query.ignore_case)
        except pa.ArrowInvalid as error:
            raise QueryError(f"regex: {error}") from error
        found = found[fits.to_numpy(zero_copy_only=False)]
    return rows[found]
