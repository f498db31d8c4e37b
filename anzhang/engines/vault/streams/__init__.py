"""Event streams derived from sealed lines: source parsers declared as data, one TOML file per kind of source.

A stream is no evidence; each row names the segment and the sequence number of its line, and `verify` derives it again.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa

from anzhang.engines.vault import match
from anzhang.engines.vault.block import Block
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
_NUMBERS = {"source_port", "repeated"}
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
    columns: dict[str, list[object]] = {name: [] for name in SCHEMA.names}
    for parser in parsers():
        if parser.stream == stream:
            _derive(parser, segment, table, columns)
    found = pa.table([pa.array(columns[f.name], f.type) for f in SCHEMA], schema=SCHEMA)
    return found.sort_by([("seq", "ascending")])


def _derive(parser: Parser, segment: str, table: pa.Table, columns: dict[str, list[object]]) -> None:
    apps = Block(table).values("app")
    wanted = pa.array(sorted(parser.apps), pa.binary())
    rows = np.flatnonzero(pa.compute.is_in(apps, wanted).to_numpy(zero_copy_only=False))
    if not len(rows):
        return
    chosen = table.select(_READ).take(pa.array(rows))
    message = Block(chosen).values("msg")
    data = np.frombuffer(bytearray(message.buffers()[2] or b"\0"), np.uint8)
    offsets = np.frombuffer(message.buffers()[1], np.int32)[message.offset : message.offset + len(message) + 1].astype(np.int64)
    taken = np.zeros(len(rows), np.bool_)
    for literal in dict.fromkeys(pattern.contains for pattern in parser.patterns):
        out = np.ones(len(rows), np.uint8)
        needle = np.frombuffer(bytearray(literal.encode()), np.uint8)
        match.contains(data, np.ascontiguousarray(offsets[:-1]), np.ascontiguousarray(offsets[1:]), needle, False, False, False, out)
        candidates = np.flatnonzero((out != 0) & ~taken)
        taken[candidates[_parse(parser, literal, segment, Block(chosen.take(pa.array(candidates))), columns)]] = True


def _parse(parser: Parser, literal: str, segment: str, block: Block, columns: dict[str, list[object]]) -> list[int]:
    patterns = [pattern for pattern in parser.patterns if pattern.contains == literal]
    rows, at, rts = block.table.to_pydict(), block.at, block.numbers("rts")
    parsed = []
    for i, raw in enumerate(rows["msg"]):
        enc = int(rows["enc"][i])
        message = decode(raw, enc)
        for pattern in patterns:
            groups = pattern.regex.match(message)
            if groups is None:
                continue
            event: dict[str, object] = {name: value for name, value in groups.groupdict().items() if value}
            event |= {name: int(str(event[name])) for name in _NUMBERS & event.keys()}
            event |= {
                "timestamp": int(at[i]), "ingested": int(rts[i]), "segment": segment, "seq": rows["seq"][i],
                "source": rows["source"][i].decode(), "host_name": decode(rows["host"][i], enc), "event_action": pattern.action,
                "event_outcome": pattern.outcome, "process_name": decode(rows["app"][i], enc), "process_pid": rows["pid"][i], "message": message,
            }  # fmt: skip
            event.setdefault("repeated", 1)
            for name, values in columns.items():
                values.append(event.get(name))
            parsed.append(i)
            break
    return parsed
