"""Apply one parser to texts: split, bring records together, choose the event, make its columns. Everything goes by column."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from anzhang.engines.vault.jit import Ints, Table
from anzhang.engines.vault.parse import numbers_of
from anzhang.engines.vault.streams import cleaning, columns, matcher, schemas, times
from anzhang.engines.vault.streams.columns import bytes_of
from anzhang.engines.vault.streams.language import NONE, Case, Parser, Pattern, Step, Value
from anzhang.engines.vault.streams.program import Programs
from anzhang.engines.vault.streams.texts import Names, Texts, of_array, split

Fields = dict[str, pa.Array]
Conditions = Mapping[str, tuple[str, ...]]
_NO_FIELD = Value()
_MARKS, _MARK_BOUNDS = bytes_of(pa.array(sorted(cleaning.NOTHING)))


@dataclass(frozen=True)
class Reader:
    """A parser with what is needed to run it: begin[k]..end[k] of the programs are the patterns of step k; gate and skip are one each."""

    parser: Parser
    programs: Programs
    begin: tuple[int, ...]
    end: tuple[int, ...]
    slots: tuple[Mapping[str, int], ...]
    names: tuple[Names | None, ...]
    gate: int
    skip: int


@dataclass
class Found:
    """What a parser made of some rows: `fits` became an event or belong to one, `base` is the row each field row stands for.

    `known` are those whose pattern says that they are no event.
    """

    fields: Fields
    base: Ints
    fits: Ints
    known: Ints
    group: Ints | None = None  # of each of `fits`, the field row it went into


def read(reader: Reader, texts: Texts) -> Found:
    """Split texts by the steps of a parser. Rows that the first step does not fit are left out."""
    fields: Fields = {}
    rows = np.arange(len(texts), dtype=np.int64)
    known = np.empty(0, np.int64)
    for k, step in enumerate(reader.parser.steps):
        if step.of:
            if step.of not in fields:
                continue
            new, _ = _split(reader, k, of_array(fields[step.of]))
        else:
            new, fit = _split(reader, k, texts)
            if k == 0:
                silent = _silent(step)
                known = np.flatnonzero(silent[fit]) if silent.any() else known
                kept = np.flatnonzero(~silent[fit] & (fit > 0)) if silent.any() else np.flatnonzero(fit)
                if len(kept) < len(rows):
                    rows, texts = rows[kept], texts.take(kept)
                    new = {name: column.take(pa.array(kept)) for name, column in new.items()}
        for name, column in new.items():
            fields[name] = columns.first_of((fields[name], column)) if name in fields and k else column
        for name, told in reader.parser.alias.items():
            present = [fields[each] for each in told if each in fields]
            if present:
                fields[name] = columns.first_of(present)
    return Found(fields, rows, rows, known)


def after_skipped(reader: Reader, texts: Texts) -> Texts:
    """Return the texts without what the parser passes over at their beginning."""
    if reader.skip < 0:
        return texts
    which, spans = fit(reader.programs, texts, reader.skip, reader.skip + 1, 1)
    return Texts(texts.data, np.where(which >= 0, spans[1], texts.starts), texts.ends)


def _silent(step: Step) -> Table:
    """Return for 0 and each pattern of a step, counted from 1, whether it says that a line is no event."""
    return np.array([False, *(pattern.stream == NONE for pattern in step.patterns)])


def _split(reader: Reader, k: int, texts: Texts) -> tuple[Fields, Ints]:
    step = reader.parser.steps[k]
    names = reader.names[k]
    if names is not None:
        return split(step, names, texts)
    return _by_pattern(reader, k, step, texts)


def _by_pattern(reader: Reader, k: int, step: Step, texts: Texts) -> tuple[Fields, Ints]:
    slots = reader.slots[k]
    which, spans = fit(reader.programs, texts, reader.begin[k], reader.end[k], len(slots))
    fields = {}
    for name, slot in slots.items():
        starts, ends = spans[2 * slot], spans[2 * slot + 1]
        if (ends > starts).any():
            fields[name] = Texts(texts.data, starts, ends).array()
    for name in ("event_action", "event_outcome", "stream", *sorted({name for p in step.patterns for name in p.sets})):
        told = [_told(pattern, name) for pattern in step.patterns]
        if any(told):
            column = columns.chosen([*told, ""], np.where(which < 0, len(told), which))
            fields[name] = columns.first_of((fields[name], column)) if name in fields else column
    return fields, which + 1


def _told(pattern: Pattern, name: str) -> str:
    return {"event_action": pattern.action, "event_outcome": pattern.outcome, "stream": pattern.stream}.get(
        name, pattern.sets.get(name, "")
    )


def fit(programs: Programs, texts: Texts, begin: int, end: int, slots: int) -> tuple[Ints, Table]:
    """Return the pattern begin..end that fits each text, counted from begin (-1: none), and the places of its groups."""
    n = len(texts)
    rows, chosen, spans = np.empty(n, np.int64), np.empty(n, np.int64), np.empty((2 * slots, n), np.int32)
    count = matcher.fit(
        texts.data, texts.starts, texts.ends, begin, end, programs.code, programs.sets, programs.pool, programs.entry,
        programs.following, programs.prefix, rows, chosen, spans,
    )  # fmt: skip
    if count == n:
        return chosen - begin, spans
    which, wide = np.full(n, -1, np.int64), np.full((2 * slots, n), -1, np.int32)
    which[rows[:count]] = chosen[:count] - begin
    wide[:, rows[:count]] = spans[:, :count]
    return which, wide


def together(found: Found, parser: Parser, apart: Table) -> Found:
    """Join the records that agree in the fields of `parser.together` and in `apart` (a number per row: its source and host)."""
    rule = parser.together
    if rule is None or not len(found.base) or rule.by[0] not in found.fields:
        return found
    n = len(found.base)
    key = apart.astype(np.int64)
    for name in rule.by:
        if name in found.fields:
            coded = found.fields[name].dictionary_encode()
            codes = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
            key = _numbers(key * (len(coded.dictionary) + 1) + codes + 1)
    lone = found.fields[rule.by[0]].is_null().to_numpy(zero_copy_only=False)
    key = _numbers(np.where(lone, key.max() + 1 + np.arange(n), key))
    groups = int(key.max()) + 1
    silent = _holds(found.fields, rule.skip, n) if rule.skip else np.zeros(n, bool)
    order = np.arange(n)
    base = _first(key, order, groups)
    if rule.first:
        chosen = np.flatnonzero(_holds(found.fields, rule.first, n))
        leading = _first(key[chosen], chosen, groups)
        base = np.where(leading >= 0, leading, base)
    fields = {}
    for name, column in found.fields.items():
        valid = np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False) & ~silent)
        pick = _first(key[valid], valid, groups)
        own = column.is_valid().to_numpy(zero_copy_only=False)[base]
        pick = np.where(own, base, pick)
        fields[name] = column.take(pa.array(pick, mask=pick < 0))
    return Found(fields, found.base[base], found.fits, found.known, key)


def _numbers(values: Table) -> Ints:
    return numbers_of(np.ascontiguousarray(values).view(np.uint64))[0].astype(np.int64)


def _first(key: Ints, rows: Ints, groups: int) -> Ints:
    """Return for each group the first of the rows, -1 for none."""
    first = np.full(groups, -1, np.int64)
    first[key[::-1]] = rows[::-1]  # of several the last assignment stays
    return first


def instants(found: Found, parser: Parser, header: Ints, receipt: Ints, zones: Ints) -> Ints:
    """Return the event time of each field row: the parser's own where it reads one, else the header's. All µs; zones in minutes east."""
    at = header.copy()
    column = None if parser.time is None else evaluate(parser.time, found.fields, len(at))
    if column is None:
        return at
    texts = of_array(column)
    years = receipt.astype("datetime64[us]").astype("datetime64[Y]").astype(np.int64) + 1970
    times.read(texts.data, texts.starts, texts.ends, *_forms(parser.forms), zones, years, at)
    return np.where(at > receipt + 86_400_000_000, receipt, at)


@lru_cache
def _forms(forms: tuple[str, ...]) -> tuple[Table, Ints]:
    return times.forms_of(forms)


def chosen(found: Found, parser: Parser) -> list[tuple[str, Mapping[str, Value], Ints]]:
    """Return (stream, values of columns, field rows) of every case that occurs; NONE is a stream too. What no case takes is unparsed."""
    n = len(found.base)
    left = np.ones(n, bool)
    made = []
    for case in parser.cases or _by_stream(found.fields, parser):
        taken = left & _holds(found.fields, case.when, n)
        if taken.any():
            made.append((case.stream, case.sets, np.flatnonzero(taken)))
            left &= ~taken
    return made


def _by_stream(fields: Fields, parser: Parser) -> list[Case]:
    if "stream" not in fields:
        return [Case(parser.stream, {}, {})]
    names = [name for name in fields["stream"].unique().to_pylist() if name]
    return [*(Case(name, {"stream": (name,)}, {}) for name in names), Case(parser.stream, {"stream": ("",)}, {})]


def _holds(fields: Fields, when: Conditions, n: int) -> Table:
    """Return where every condition holds. Forms: a value; `*` present; empty: absent; `!x` not x; `^x` begins with it; `~x` has it."""
    good = np.ones(n, bool)
    for name, wanted in when.items():
        column = fields.get(name)
        if column is None:
            if "" not in wanted and not all(each.startswith("!") for each in wanted):
                return np.zeros(n, bool)
            continue
        coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        values = [*coded.dictionary.to_pylist(), ""]
        flags = np.array([_is_wanted(value or "", wanted) for value in values], bool)
        good &= flags[coded.indices.fill_null(len(values) - 1).to_numpy(zero_copy_only=False)]
    return good


def _is_wanted(value: str, wanted: tuple[str, ...]) -> bool:
    if value in wanted or (value and "*" in wanted):
        return True
    denied = [each[1:] for each in wanted if each.startswith("!")]
    if denied and value not in denied:
        return True
    low = value.lower()
    return any((w[:1] == "^" and low.startswith(w[1:].lower())) or (w[:1] == "~" and w[1:].lower() in low) for w in wanted)


def evaluate(value: Value, fields: Fields, n: int) -> pa.Array | None:
    """Return a column as its declaration says, None when nothing in these rows has it."""
    if value.constant is not None:
        if not value.constant:
            return None
        return pa.repeat(value.constant, n)
    told = [fields[name] for name in value.of if name in fields]
    if value.join is not None:
        column = pc.binary_join_element_wise(*map(columns.decoded, told), value.join, null_handling="skip") if told else None
        told = [] if column is None else [pc.if_else(pc.equal(column, ""), None, column)]
    for name in value.cleaned:
        told = [cleaning.cleaned(column, name) for column in told]
    if not told:
        return None if value.otherwise in (None, "=") else pa.repeat(value.otherwise, n)
    column = columns.first_of(told)
    if value.map is not None:
        table, otherwise = value.map, value.otherwise
        column = cleaning.each(column, lambda text: table.get(text, table.get(text.lower(), text if otherwise == "=" else otherwise)))
    return column if value.otherwise in (None, "=") else pc.fill_null(columns.decoded(column), value.otherwise)


def column_of(name: str, sets: Mapping[str, Value], parser: Parser, fields: Fields, n: int) -> pa.Array:
    """Return a stream's column for some field rows: as the case says, else as the parser says, else the field of that name; typed."""
    value = sets.get(name) or parser.columns.get(name)
    column = evaluate(value, fields, n) if value is not None else fields.get(name)
    kind = schemas.kind_of(name)
    if column is None:
        if name == "repeated":
            return pa.array(np.ones(n, np.int32))
        return pa.nulls(n, kind)
    if name in schemas.ADDRESSES or name in schemas.MACS:
        return cleaning.cleaned(column, "mac" if name in schemas.MACS else "address")
    if not pa.types.is_string(kind):
        return _integers(column, name, kind) if pa.types.is_integer(kind) else _floats(column, kind)
    if (value is not None and (value.constant or value.map)) or not _says_nothing(column):
        return column if name in schemas.FEW else columns.decoded(column)
    return cleaning.each(column, cleaning.known)


def _says_nothing(column: pa.Array) -> bool:
    """Whether a column holds a value that says that there is none."""
    if pa.types.is_dictionary(column.type):
        return any(cleaning.known(value) != value for value in column.dictionary.to_pylist())
    return bool(matcher.any_of(*bytes_of(column), _MARKS, _MARK_BOUNDS))


def _integers(column: pa.Array, name: str, kind: pa.DataType) -> pa.Array:
    texts = of_array(column)
    most, missing = schemas.SMALL.get(name, ((1 << 31) - 1 if pa.types.is_int32(kind) else (1 << 62), -1))
    out, valid = np.empty(len(texts), np.int64), np.empty(len(texts), np.uint8)
    matcher.integers(texts.data, texts.starts, texts.ends, most, out, valid)
    if name == "repeated":
        return pa.array(np.where(valid, out, missing), kind)
    return pa.array(out, kind, mask=valid == 0)


def _floats(column: pa.Array, kind: pa.DataType) -> pa.Array:
    return cleaning.each(column, lambda text: text if _is_number(text) else None).cast(kind)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text.lower().strip("+-") not in {"nan", "inf", "infinity"}
