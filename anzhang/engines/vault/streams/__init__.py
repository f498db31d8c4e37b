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
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from anzhang.engines.vault.block import Block
from anzhang.engines.vault.jit import Ints, Table
from anzhang.engines.vault.streams import columns
from anzhang.engines.vault.streams.columns import Captured, Coded
from anzhang.engines.vault.streams.program import Assembler, PatternError, Programs

FOLDER = Path(__file__).parent
STREAMS = ("auth_event",)
FORM = 2  # of the files; counts up when the same parsers give other rows or columns

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
    ]
)
CAPTURED = ("user_name", "source_ip", "source_port", "method", "target_user", "by_user", "command", "refusal", "repeated")
NUMBERS = {"source_port": (65_535, -1), "repeated": (1_000_000, 1)}  # the most such a column holds; its value where nothing is captured
SLOTS = {name: number for number, name in enumerate(CAPTURED)}
_DELTA = dict.fromkeys(("timestamp", "ingested", "seq", "source_port", "repeated", "process_pid"), "DELTA_BINARY_PACKED")
_FEW = [
    "segment",
    "source",
    "host_name",
    "user_name",
    "event_action",
    "event_outcome",
    "method",
    "target_user",
    "by_user",
    "process_name",
]


class ParserError(ValueError):
    """A source parser file is wrong; the message names file, pattern and why."""


@dataclass(frozen=True)
class Pattern:
    """One message shape and the event it is."""

    regex: str
    action: str
    outcome: str


@dataclass(frozen=True)
class Parser:
    """One TOML file."""

    name: str
    stream: str
    apps: frozenset[bytes]
    patterns: tuple[Pattern, ...]


@dataclass(frozen=True)
class Compiled:
    """The parsers of one stream: their patterns in one row, and for each application the patterns begin..end that read it."""

    patterns: tuple[Pattern, ...]
    programs: Programs
    ranges: dict[bytes, tuple[int, int]]


def load(path: Path) -> Parser:
    """Read one parser. Raises ParserError."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        patterns = tuple(Pattern(p["regex"], p["action"], p["outcome"]) for p in content["pattern"])
        parser = Parser(path.stem, content["stream"], frozenset(a.encode() for a in content["apps"]), patterns)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
        raise ParserError(f"{path}: {error!r}") from error
    for pattern in patterns:
        try:
            Assembler(SLOTS, frozenset(NUMBERS)).add(pattern.regex)
        except (PatternError, re.error, TypeError) as error:
            raise ParserError(f"{path}: {pattern.regex!r}: {error}") from error
    return parser


def compile_parsers(parsers: tuple[Parser, ...]) -> Compiled:
    """Join the parsers of one stream. Raises ParserError when two read the same application."""
    assembler = Assembler(SLOTS, frozenset(NUMBERS))
    patterns: list[Pattern] = []
    ranges: dict[bytes, tuple[int, int]] = {}
    for parser in parsers:
        begin = len(patterns)
        for pattern in parser.patterns:
            assembler.add(pattern.regex)
            patterns.append(pattern)
        if twice := parser.apps & ranges.keys():
            raise ParserError(f"{parser.name}: {b', '.join(sorted(twice)).decode()} is read by another parser")
        ranges.update(dict.fromkeys(parser.apps, (begin, len(patterns))))
    return Compiled(tuple(patterns), assembler.programs(), ranges)


@cache
def parsers() -> tuple[Parser, ...]:
    """Return the parsers that ship with the engine."""
    return tuple(load(path) for path in sorted(FOLDER.glob("*.toml")))


@cache
def compiled(stream: str) -> Compiled:
    """Return the shipped parsers of one stream, joined."""
    return compile_parsers(tuple(parser for parser in parsers() if parser.stream == stream))


@cache
def version() -> str:
    """Return a digest of all parsers: a stream derived by others must be derived again."""
    state = hashlib.sha256(f"{FORM}\n".encode())
    for path in sorted(FOLDER.glob("*.toml")):
        state.update(path.read_bytes())
    return state.hexdigest()[:16]


def derive(stream: str, segment: str, table: pa.Table, by: Compiled | None = None) -> pa.Table:
    """Return the events of one stream that a segment's rows hold, in the order of the rows.

    Columns are those of SCHEMA; those with few values come dictionary-coded, `plain` makes them strings.
    """
    by = by or compiled(stream)
    app = columns.coded(table, "app")
    begin, end = (np.array([by.ranges.get(value, (0, 0))[k] for value in app.values], np.int64) for k in (0, 1))
    rows = np.flatnonzero((begin < end)[app.codes]) if len(app.values) else np.empty(0, np.int64)
    enc = Block(table).numbers("enc").astype(np.uint8)
    found = columns.capture(by.programs, len(CAPTURED), table, rows, enc, begin[app.codes[rows]], end[app.codes[rows]])
    return _events(by, segment, table, found, enc, app)


def _events(by: Compiled, segment: str, table: pa.Table, found: Captured, enc: Table, app: Coded) -> pa.Table:
    """Return the events of rows that a pattern fits."""
    rows: Ints = found.rows
    block, enc = Block(table), enc[rows]
    taken = {
        "timestamp": pa.array(block.at[rows], pa.timestamp("us", "UTC")),
        "ingested": pa.array(block.numbers("rts")[rows], pa.timestamp("us", "UTC")),
        "segment": columns.constant(segment, len(rows)),
        "seq": pa.array(block.numbers("seq")[rows], pa.int64()),
        "source": columns.texts(columns.coded(table, "source"), rows, enc),
        "host_name": columns.texts(columns.coded(table, "host"), rows, enc),
        "event_action": columns.chosen([p.action for p in by.patterns], found.which),
        "event_outcome": columns.chosen([p.outcome for p in by.patterns], found.which),
        "process_name": columns.texts(app, rows, enc),
        "process_pid": columns.integers(block.numbers("pid")[rows], missing=-1),
    }
    for name, slot in SLOTS.items():
        taken[name] = columns.integers(found.number(slot, *NUMBERS[name]), missing=-1) if name in NUMBERS else found.text(slot)
    return pa.table([taken[name] for name in SCHEMA.names], SCHEMA.names)


def plain(events: pa.Table) -> pa.Table:
    """Return derived events as SCHEMA says, nothing dictionary-coded."""
    return events.cast(SCHEMA)


def dump(events: pa.Table) -> bytes:
    """Return the Parquet file of derived events: zstd 1, dictionaries where values repeat. Its metadata names the parsers."""
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(
        sink, events.schema, compression="zstd", compression_level=1, store_schema=False, use_dictionary=_FEW,
        column_encoding=_DELTA, write_statistics=["timestamp", "seq"],
    ) as writer:  # fmt: skip
        writer.write_table(events)
        writer.add_key_value_metadata({"parsers": version()})
    content: bytes = sink.getvalue().to_pybytes()
    return content


def read(file: Path | BinaryIO) -> pa.Table:
    """Return the events of a file that `dump` wrote. Raises OSError, pa.ArrowException."""
    return pq.read_table(file, columns=SCHEMA.names).select(SCHEMA.names).replace_schema_metadata(None)
