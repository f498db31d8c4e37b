"""Read source parsers, one TOML file per kind of source. The language is docs/formats/streams.md."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anzhang.engines.vault.streams import cleaning, schemas
from anzhang.engines.vault.streams.program import Assembler, PatternError

NONE = "none"  # in place of a stream: a line that is known and no event
FORMS = ("pattern", "pairs", "values", "json")
_NAME = re.compile(r"\(\?P<(\w+)>")


class ParserError(ValueError):
    """A source parser file is wrong; the message names file, pattern and why."""


@dataclass(frozen=True)
class Value:
    """Where a column's value comes from: fields (the first that has one, or all joined), cleaned, mapped; or a constant."""

    of: tuple[str, ...] = ()
    join: str | None = None
    cleaned: tuple[str, ...] = ()
    map: Mapping[str, str] | None = None
    otherwise: str | None = None
    constant: str | None = None


@dataclass(frozen=True)
class Pattern:
    """One message shape and the event it is."""

    regex: str
    action: str = ""
    outcome: str = ""
    stream: str = ""
    sets: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """One way of splitting a text (`of` is empty) or a field of an earlier step into fields. What the first does not fit is unread."""

    form: str
    of: str = ""
    patterns: tuple[Pattern, ...] = ()
    names: tuple[str, ...] = ()
    signs: str = "="
    stops: str = " \t\n"
    nested: bool = False
    exact: bool = False
    separator: str = ","
    quote: str = '"'
    encoded: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Case:
    """What makes a split text an event: the first case whose conditions hold."""

    stream: str
    when: Mapping[str, tuple[str, ...]]
    sets: Mapping[str, Value]


@dataclass(frozen=True)
class Together:
    """Several records are one event when they agree in the fields `by`; `skip` names records that contribute nothing."""

    by: tuple[str, ...]
    first: Mapping[str, tuple[str, ...]]
    skip: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Several:
    """A record goes on over further lines of the same source: until its quotes close, an empty line, or a line without a tab before it."""

    until: str  # quotes | blank | tab
    most: int


@dataclass(frozen=True)
class Parser:
    """One TOML file."""

    name: str
    stream: str
    order: int
    apps: frozenset[bytes]
    program: str  # what process_name is where a line has no header that says
    begins: str
    skip: str  # what may stand before every message and says nothing
    whole_line: bool
    steps: tuple[Step, ...]
    alias: Mapping[str, tuple[str, ...]]  # a field that stands under several names
    columns: Mapping[str, Value]
    cases: tuple[Case, ...]
    time: Value | None
    forms: tuple[str, ...]
    together: Together | None
    several: Several | None

    @property
    def fields(self) -> frozenset[str]:
        """Return the fields that something asks for, folded as the splitters compare them."""
        used = set(self.time.of if self.time else ())
        for value in self._values():
            used |= set(value.of)
        for case in self.cases:
            used |= set(case.when)
        if self.together:
            used |= {*self.together.by, *self.together.first, *self.together.skip}
        used |= {name for names in self.alias.values() for name in names}
        return frozenset(used | {step.of for step in self.steps if step.of} | {name for step in self.steps for name in step.names})

    def _values(self) -> Iterator[Value]:
        yield from self.columns.values()
        for case in self.cases:
            yield from case.sets.values()

    @property
    def streams(self) -> frozenset[str]:
        """Return the streams it may feed."""
        found = {case.stream for case in self.cases} | {p.stream for step in self.steps for p in step.patterns if p.stream}
        return frozenset((found or {self.stream}) - {NONE, ""})


def load(path: Path) -> Parser:
    """Read one parser. Raises ParserError."""
    try:
        parser = _parser(path.stem, tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise ParserError(f"{path}: {error!r}") from error
    for regex in [parser.begins, parser.skip, *(p.regex for step in parser.steps for p in step.patterns)]:
        try:
            if regex:
                Assembler(slots_of([regex])).add(regex)
        except (PatternError, re.error, TypeError) as error:
            raise ParserError(f"{path}: {regex!r}: {error}") from error
    return parser


def slots_of(regexes: Iterable[str]) -> dict[str, int]:
    """Return a number for each group that the expressions name."""
    return {name: number for number, name in enumerate(dict.fromkeys(name for regex in regexes for name in _NAME.findall(regex)))}


def _parser(name: str, content: Mapping[str, Any]) -> Parser:
    known = {
        "stream",
        "order",
        "apps",
        "program",
        "begins",
        "skip",
        "text",
        "pattern",
        "step",
        "alias",
        "columns",
        "case",
        "time",
        "together",
        "lines",
    }
    _refuse(content, known, "the file")
    stream = content["stream"]
    steps = [_step(each) for each in content.get("step", [])]
    if content.get("pattern"):
        steps.insert(0, Step("pattern", patterns=tuple(_pattern(p) for p in content["pattern"])))
    if not steps:
        raise ValueError("has neither a pattern nor a step")
    time = content.get("time")
    together, several = content.get("together"), content.get("lines")
    parser = Parser(
        name, stream, int(content.get("order", 50)), frozenset(app.encode() for app in content.get("apps", [])), content.get("program", ""),
        content.get("begins", ""), content.get("skip", ""), content.get("text", "message") == "line", tuple(steps),
        _conditions(content.get("alias", {})), {key: _value(value) for key, value in content.get("columns", {}).items()},
        tuple(_case(each, stream) for each in content.get("case", [])), _value({"of": time["of"]}) if time else None,
        tuple(time["form"]) if time else (),
        _together(together) if together else None,
        Several(several["until"], int(several.get("most", 200))) if several else None,
    )  # fmt: skip
    _refuse_columns(parser)
    return parser


def _refuse_columns(parser: Parser) -> None:
    streams = {parser.stream} | {case.stream for case in parser.cases} | {p.stream for s in parser.steps for p in s.patterns if p.stream}
    if strange := streams - {NONE, *schemas.STREAMS}:
        raise ValueError(f"no stream {', '.join(sorted(strange))}")
    columns = {name for stream in streams - {NONE} for name in schemas.schema(stream).names}
    named = {*parser.columns, *(name for case in parser.cases for name in case.sets)}
    named |= {name for step in parser.steps for p in step.patterns for name in p.sets}
    if strange := named - columns - {"event_action", "event_outcome"}:
        raise ValueError(f"no column {', '.join(sorted(strange))}")
    captured = {name for step in parser.steps for name in slots_of(p.regex for p in step.patterns)}
    if strange := captured - columns - parser.fields:
        raise ValueError(f"no column {', '.join(sorted(strange))}")


def _step(content: Mapping[str, Any]) -> Step:
    _refuse(content, {"form", "of", "pattern", "names", "signs", "stops", "nested", "exact", "separator", "quote", "encoded"}, "a step")
    if content["form"] not in FORMS:
        raise ValueError(f"form {content['form']!r} is none of {', '.join(FORMS)}")
    return Step(
        content["form"], content.get("of", ""), tuple(_pattern(p) for p in content.get("pattern", [])), tuple(content.get("names", [])),
        content.get("signs", "="), content.get("stops", " \t\n"), bool(content.get("nested", False)), bool(content.get("exact", False)),
        content.get("separator", ","), content.get("quote", '"'), frozenset(content.get("encoded", [])),
    )  # fmt: skip


def _pattern(content: Mapping[str, Any]) -> Pattern:
    _refuse(content, {"regex", "action", "outcome", "stream", "set"}, "a pattern")
    return Pattern(
        content["regex"], content.get("action", ""), content.get("outcome", ""), content.get("stream", ""), content.get("set", {})
    )


def _case(content: Mapping[str, Any], stream: str) -> Case:
    _refuse(content, {"stream", "when", "action", "outcome", "set"}, "a case")
    sets = {key: _value(value) for key, value in content.get("set", {}).items()}
    for key in ("action", "outcome"):
        if key in content:
            told = content[key]
            sets[f"event_{key}"] = Value(constant=told) if isinstance(told, str) else _value(told)
    return Case(content.get("stream", stream), _conditions(content.get("when", {})), sets)


def _value(told: Any) -> Value:
    if isinstance(told, str):
        return Value((told,))
    _refuse(told, {"of", "join", "as", "map", "else", "is"}, "a value")
    of, cleaned = told.get("of", ()), told.get("as", ())
    cleaned = (cleaned,) if isinstance(cleaned, str) else tuple(cleaned)
    if strange := set(cleaned) - cleaning.CLEANERS.keys():
        raise ValueError(f"no cleaner {', '.join(sorted(strange))}")
    return Value((of,) if isinstance(of, str) else tuple(of), told.get("join"), cleaned, told.get("map"), told.get("else"), told.get("is"))


def _together(told: Mapping[str, Any]) -> Together:
    return Together(tuple(told["by"]), _conditions(told.get("first", {})), _conditions(told.get("skip", {})))


def _conditions(told: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    return {name: (wanted,) if isinstance(wanted, str) else tuple(wanted) for name, wanted in told.items()}


def _refuse(content: Mapping[str, Any], known: set[str], what: str) -> None:
    if strange := set(content) - known:
        raise ValueError(f"{what} has no {', '.join(sorted(strange))}")
