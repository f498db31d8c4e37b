"""Event streams derived from sealed lines: source parsers declared as data, one TOML file per kind of source.

A stream is no evidence; each row names the segment and the sequence number of its line, and `verify` derives it again.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from anzhang.engines.vault import match
from anzhang.engines.vault.block import Block
from anzhang.engines.vault.jit import Ints
from anzhang.engines.vault.text import decode

FOLDER = Path(__file__).parent
STREAMS = ("auth_event",)

SCHEMA = pa.schema(
    [
        ("timestamp", pa.timestamp("us", "UTC")),  # event time: the one search uses
        ("ingested", pa.timestamp("us", "UTC")),  # receipt
        ("segment", pa.string()),
        ("seq", pa.int64()),
        ("source", pa.string()),
        ("host_name", pa.string()),
        ("user_name", pa.string()),
        ("source_ip", pa.string()),
        ("source_port", pa.int32()),
        ("event_action", pa.string()),
        ("event_outcome", pa.string()),
        ("method", pa.string()),
        ("target_user", pa.string()),
        ("by_user", pa.string()),
        ("command", pa.string()),
        ("refusal", pa.string()),
        ("repeated", pa.int32()),
        ("process_name", pa.string()),
        ("process_pid", pa.int32()),
        ("message", pa.string()),
    ]
)
NUMBERS = {"source_port": 65_535, "repeated": 1_000_000}  # columns that are numbers, and the most they hold
_READ = ["ts", "rts", "flags", "seq", "source", "host", "app", "pid", "msg", "enc"]


class ParserError(ValueError):
    """A source parser file is wrong; the message names file, pattern and why."""


@dataclass(frozen=True)
class Pattern:
    """One message shape and the event it is."""

    contains: str
    regex: re.Pattern[str]
    action: str
    outcome: str


@dataclass(frozen=True)
class Parser:
    """One TOML file."""

    name: str
    stream: str
    apps: frozenset[bytes]
    patterns: tuple[Pattern, ...]


def load(path: Path) -> Parser:
    """Read one parser. Raises ParserError."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        patterns = tuple(Pattern(p["contains"], re.compile(p["regex"]), p["action"], p["outcome"]) for p in content["pattern"])
        parser = Parser(path.stem, content["stream"], frozenset(a.encode() for a in content["apps"]), patterns)
    except (tomllib.TOMLDecodeError, KeyError, TypeError, re.error) as error:
        raise ParserError(f"{path}: {error!r}") from error
    for pattern in parser.patterns:
        unknown = set(pattern.regex.groupindex) - set(SCHEMA.names)
        if unknown:
            raise ParserError(f"{path}: {pattern.contains!r}: no column {', '.join(sorted(unknown))}")
    return parser


@cache
def parsers() -> tuple[Parser, ...]:
    """Return the parsers that ship with the engine."""
    return tuple(load(path) for path in sorted(FOLDER.glob("*.toml")))


@cache
def version() -> str:
    """Return a digest of all parsers: a stream derived by others must be derived again."""
    state = hashlib.sha256()
    for path in sorted(FOLDER.glob("*.toml")):
        state.update(path.read_bytes())
    return state.hexdigest()[:16]


def derive(stream: str, segment: str, table: pa.Table) -> pa.Table:
    """Return the events of one stream that a segment's rows hold, in order of sequence number."""
    found = [SCHEMA.empty_table()]
    for parser in parsers():
        if parser.stream == stream:
            found += _derive(parser, segment, table)
    return pa.concat_tables(found).sort_by([("seq", "ascending")]).combine_chunks()


def _derive(parser: Parser, segment: str, table: pa.Table) -> Iterator[pa.Table]:
    wanted = pa.array(sorted(parser.apps), pa.binary())
    rows = np.flatnonzero(pc.is_in(Block(table).values("app"), wanted).to_numpy(zero_copy_only=False))
    if not len(rows):
        return
    chosen = table.select(_READ).take(pa.array(rows))
    message = Block(chosen).values("msg")
    data = np.frombuffer(bytearray(message.buffers()[2] or b"\0"), np.uint8)
    offsets = np.frombuffer(message.buffers()[1], np.int32)[message.offset : message.offset + len(message) + 1].astype(np.int64)
    starts, ends = offsets[:-1].copy(), offsets[1:].copy()
    taken = np.zeros(len(rows), np.bool_)
    for literal in dict.fromkeys(pattern.contains for pattern in parser.patterns):
        out = (~taken).astype(np.uint8)
        match.contains(data, starts, ends, np.frombuffer(bytearray(literal.encode()), np.uint8), False, False, False, out)
        candidates = np.flatnonzero(out)
        if len(candidates):
            places, events = _parse([p for p in parser.patterns if p.contains == literal], segment, chosen.take(pa.array(candidates)))
            taken[candidates[places]] = True
            yield from events


def _parse(patterns: list[Pattern], segment: str, table: pa.Table) -> tuple[Ints, list[pa.Table]]:
    """Return the rows that one of the patterns fits, and their events, a table per pattern."""
    enc = Block(table).numbers("enc").tolist()
    messages = [decode(raw, code) for raw, code in zip(table["msg"].to_pylist(), enc, strict=True)]
    left: list[int] = list(range(len(messages)))
    places, events = [], []
    for pattern in patterns:
        matched = [(i, found.groups()) for i in left if (found := pattern.regex.match(messages[i]))]
        if matched:
            rows = np.array([i for i, _ in matched], np.int64)
            places.append(rows)
            events.append(_events(pattern, segment, table.take(pa.array(rows)), [messages[i] for i in rows], [g for _, g in matched]))
            left = sorted(set(left) - set(rows.tolist()))
    return (np.concatenate(places) if places else np.empty(0, np.int64)), events


def _events(pattern: Pattern, segment: str, table: pa.Table, messages: list[str], groups: list[tuple[str | None, ...]]) -> pa.Table:
    """Return the events of rows that a pattern fits."""
    block, n = Block(table), len(messages)
    enc = block.numbers("enc").tolist()
    columns = {
        "timestamp": pa.array(block.at, pa.timestamp("us", "UTC")),
        "ingested": pa.array(block.numbers("rts"), pa.timestamp("us", "UTC")),
        "segment": pa.repeat(segment, n),
        "seq": block.table["seq"].combine_chunks(),
        "source": _text(block, "source", enc),
        "host_name": _text(block, "host", enc),
        "event_action": pa.repeat(pattern.action, n),
        "event_outcome": pa.repeat(pattern.outcome, n),
        "process_name": _text(block, "app", enc),
        "process_pid": block.table["pid"].combine_chunks(),
        "message": pa.array(messages, pa.string()),
        "repeated": pa.repeat(pa.scalar(1, pa.int32()), n),
    }
    for name, values in zip(pattern.regex.groupindex, zip(*groups, strict=True), strict=True):
        kind = SCHEMA.field(name).type
        if name in NUMBERS:
            default = 1 if name == "repeated" else None
            columns[name] = pa.array([min(int(v), NUMBERS[name]) if v else default for v in values], kind)
        else:
            columns[name] = pa.array([v or None for v in values], kind)
    return pa.table([columns.get(f.name, pa.nulls(n, f.type)) for f in SCHEMA], schema=SCHEMA)


def _text(block: Block, name: str, enc: list[int]) -> pa.Array:
    values = block.values(name)
    try:
        return values.cast(pa.string())
    except pa.ArrowInvalid:
        return pa.array([decode(raw, code) for raw, code in zip(values.to_pylist(), enc, strict=True)], pa.string())
