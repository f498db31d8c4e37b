"""Event streams derived from sealed lines: source parsers declared as data, one TOML file per kind of source.

A stream is no evidence; each row names the segment and the sequence number of its line, and `verify` derives it again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from anzhang.engines.vault.block import Block
from anzhang.engines.vault.jit import Ints, Table, frozen
from anzhang.engines.vault.scan import REDACTED
from anzhang.engines.vault.streams import columns, coverage, matcher, reading, schemas, secrets
from anzhang.engines.vault.streams.claims import Claims, Dispatch, gather
from anzhang.engines.vault.streams.columns import Coded
from anzhang.engines.vault.streams.coverage import Coverage, Heard, merged
from anzhang.engines.vault.streams.coverage import load as coverage_of
from anzhang.engines.vault.streams.language import NONE, Parser, ParserError, Value, load, slots_of
from anzhang.engines.vault.streams.program import Assembler, Programs
from anzhang.engines.vault.streams.reading import Reader
from anzhang.engines.vault.streams.schemas import STREAMS, schema
from anzhang.engines.vault.streams.several import joined
from anzhang.engines.vault.streams.texts import Names, Texts

__all__ = [
    "STREAMS",
    "Compiled",
    "Derived",
    "Heard",
    "Parser",
    "ParserError",
    "compile_parsers",
    "compiled",
    "coverage_file",
    "coverage_of",
    "derive",
    "dump",
    "load",
    "merged",
    "parsers",
    "plain",
    "read",
    "schema",
    "version",
]

FOLDER = Path(__file__).parent
FORM = 5  # of the files; counts up when the same parsers give other rows or columns
REPEATED = frozen(np.frombuffer(b"message repeated ", np.uint8))
_PLAIN = {
    "user_name",
    "source_ip",
    "command",
    "command_line",
    "statement",
    "url",
    "path",
    "session_id",
    "request_id",
    "refusal",
    "object_id",
}


@dataclass(frozen=True)
class Compiled:
    """Parsers in the order in which they are tried, and the programs of all their patterns."""

    readers: tuple[Reader, ...]
    programs: Programs
    claims: Claims


@dataclass(frozen=True)
class Derived:
    """What a segment's rows say: events by stream (those that have some, and auth_event), and what no parser read."""

    tables: Mapping[str, pa.Table]
    coverage: Coverage
    state: Table  # of each row: 0 unread, 1 of an event, 2 known and no event


def compile_parsers(told: tuple[Parser, ...]) -> Compiled:
    """Join parsers."""
    assembler = Assembler({})
    drafts: list[Reader] = []
    nothing = assembler.programs()
    for parser in sorted(told, key=lambda p: (p.order, p.name)):
        gate, skip = -1, -1
        if parser.begins:
            gate = len(assembler.entry)
            assembler.add(parser.begins, {})
        if parser.skip:
            skip = len(assembler.entry)
            assembler.add(f"(?P<skipped>{parser.skip})", {"skipped": 0})
        begin, end, slots, names = [], [], [], []
        for step in parser.steps:
            of_step = slots_of(p.regex for p in step.patterns)
            begin.append(len(assembler.entry))
            for pattern in step.patterns:
                assembler.add(pattern.regex, of_step)
            end.append(len(assembler.entry))
            slots.append(of_step)
            names.append(None if step.form == "pattern" else Names.of(parser.fields, exact=step.exact))
        drafts.append(Reader(parser, nothing, tuple(begin), tuple(end), tuple(slots), tuple(names), gate, skip))
    programs = assembler.programs()
    readers = tuple(replace(draft, programs=programs) for draft in drafts)
    return Compiled(readers, programs, Claims.of(readers))


@cache
def parsers() -> tuple[Parser, ...]:
    """Return the parsers that ship with the engine."""
    return tuple(load(path) for path in sorted(FOLDER.glob("*.toml")))


@cache
def compiled() -> Compiled:
    """Return the shipped parsers, joined."""
    return compile_parsers(parsers())


@cache
def version() -> str:
    """Return a digest of all parsers: a stream derived by others must be derived again."""
    state = hashlib.sha256(f"{FORM}\n".encode())
    for path in sorted(FOLDER.glob("*.toml")):
        state.update(path.read_bytes())
    return state.hexdigest()[:16]


def derive(segment: str, table: pa.Table, by: Compiled | None = None, foreign: Table | None = None) -> Derived:
    """Return the events that a segment's rows hold, in the order of the rows, and what was not read.

    Columns are those of `schema`; those with few values come dictionary-coded, `plain` makes them strings. `foreign`, when known, is 0
    for rows whose bytes are certainly their text in UTF-8.
    """
    work = _Work(by or compiled(), segment, table, foreign)
    dispatch = Dispatch(work.by.claims, table, work.app, work.enc, foreign)
    for number, reader in enumerate(work.by.readers):
        work.run(reader, dispatch.rows(number, work.state))
    tables = {stream: work.table(stream) for stream in STREAMS if stream == STREAMS[0] or stream in work.parts}
    return Derived(tables, coverage.of(table, work.state), work.state)


class _Work:
    """One derivation: the rows of a segment, which of them are read, and the pieces of the streams."""

    def __init__(self, by: Compiled, segment: str, table: pa.Table, foreign: Table | None) -> None:
        self.by, self.segment, self.raw, self.foreign = by, segment, table, foreign
        self.block = Block(table)
        self.app = columns.coded(table, "app")
        self.source, self.host = columns.coded(table, "source"), columns.coded(table, "host")
        self.enc: Table = self.block.numbers("enc").astype(np.uint8)
        # 1: of an event, 2: known and none
        self.state: Table = np.where(self.block.numbers("flags") & REDACTED, np.uint8(2), np.uint8(0))
        self.parts: dict[str, list[tuple[Ints, pa.Table]]] = {}

    def texts(self, rows: Ints, *, whole_line: bool) -> Texts:
        """Return the messages of rows, or their whole lines, as UTF-8."""
        if whole_line:
            data, starts, ends = Block(self.raw.take(pa.array(rows))).text
            return Texts(frozen(data), starts.copy(), ends.copy())
        return gather(self.raw, rows, self.enc, self.foreign)

    def run(self, reader: Reader, rows: Ints) -> None:
        """Apply one parser to rows that nobody has read."""
        if not len(rows):
            return
        texts = self.texts(rows, whole_line=reader.parser.whole_line)
        counts = np.ones(len(rows), np.int32)
        matcher.unwrap(texts.data, texts.starts, texts.ends, REPEATED, counts)
        texts = reading.after_skipped(reader, texts)
        if reader.parser.several is not None:
            texts, consumed = joined(reader.parser.several, texts, rows, self.raw, self.state)
        else:
            consumed = np.empty((0, 2), np.int64)
        found = reading.read(reader, texts)
        found = reading.together(found, reader.parser, self._apart(rows[found.base]))
        at = rows[found.base]
        instants = reading.instants(
            found, reader.parser, self.block.at[at], self.block.numbers("rts")[at], self.block.numbers("off")[at].astype(np.int64)
        )
        read = np.zeros(len(rows), np.uint8)
        read[found.known] = 2
        for stream, sets, chosen in reading.chosen(found, reader.parser):
            read[found.base[chosen]] = 2 if stream == NONE else 1
            if stream != NONE:
                events = self._events(reader.parser, stream, sets, found, chosen, at[chosen], instants[chosen], counts[found.base[chosen]])
                self.parts.setdefault(stream, []).append((at[chosen], events))
        if found.group is not None:  # every record shares the lot of its event
            read[found.fits] = read[found.base][found.group]
        self.state[rows] = read
        if len(consumed):
            self.state[consumed[:, 1]] = np.maximum(self.state[consumed[:, 1]], read[consumed[:, 0]])

    def _apart(self, rows: Ints) -> Ints:
        return self.source.codes[rows] * (len(self.host.values) + 1) + self.host.codes[rows]

    def _events(
        self, parser: Parser, stream: str, sets: Mapping[str, Value], found: reading.Found, chosen: Ints, rows: Ints, at: Ints,
        counts: Table,
    ) -> pa.Table:  # fmt: skip
        """Return the events of field rows `chosen`; `rows` are their rows in the segment."""
        everything = len(chosen) == len(found.base)
        fields = {name: column if everything else column.take(pa.array(chosen)) for name, column in found.fields.items()}
        n = len(chosen)
        made = {
            "timestamp": pa.array(at, pa.timestamp("us", "UTC")),
            "ingested": pa.array(self.block.numbers("rts")[rows], pa.timestamp("us", "UTC")),
            "segment": columns.constant(self.segment, n),
            "seq": pa.array(self.block.numbers("seq")[rows], pa.int64()),
            "source": self._text(self.source, rows),
        }
        header = {"host_name": lambda: self._text(self.host, rows), "process_name": lambda: self._text(self.app, rows)}
        for name in schema(stream).names:
            if name in made:
                continue
            column = reading.column_of(name, sets, parser, fields, n)
            if name == "process_pid" and column.null_count and not parser.whole_line:
                column = pc.coalesce(column, columns.integers(self.block.numbers("pid")[rows], missing=-1))
            elif name in header and column.null_count:
                own = header[name]()
                column = own if column.null_count == n else pc.coalesce(column, own.dictionary_decode())
                if name == "process_name" and parser.program and column.null_count:
                    column = pc.fill_null(column.dictionary_decode() if pa.types.is_dictionary(column.type) else column, parser.program)
            elif name == "repeated" and counts.max() > 1:
                column = pa.array(np.maximum(counts, column.to_numpy(zero_copy_only=False)).astype(np.int32))
            if name in secrets.COLUMNS and column.null_count < n:
                column = secrets.hidden(column)
            if name in schemas.FEW and not pa.types.is_dictionary(column.type):
                column = column.dictionary_encode()
            made[name] = column
        return pa.table([made[name] for name in schema(stream).names], schema(stream).names)

    def _text(self, column: Coded, rows: Ints) -> pa.Array:
        made = columns.texts(column, rows, self.enc[rows])
        words = made.dictionary.to_pylist()
        if "" not in words:
            return made
        codes = made.indices.to_numpy(zero_copy_only=False)
        return pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes == words.index("")), made.dictionary)

    def table(self, stream: str) -> pa.Table:
        """Return the events of a stream in the order of their rows."""
        parts = self.parts.get(stream, [])
        if not parts:
            empty = schema(stream).empty_table()
            return pa.table(
                [c.dictionary_encode() if n in schemas.FEW else c for n, c in zip(empty.column_names, empty.columns, strict=True)],
                empty.column_names,
            )
        if len(parts) == 1 and (np.diff(parts[0][0]) >= 0).all():
            return parts[0][1]
        rows = np.concatenate([part[0] for part in parts])
        events = pa.concat_tables([part[1] for part in parts]).unify_dictionaries().combine_chunks()
        return events.take(pa.array(np.argsort(rows, kind="stable")))


def coverage_file(derived: Derived) -> bytes:
    """Return the file that lies beside a segment's streams."""
    return coverage.dump(derived.coverage, version(), {stream: table.num_rows for stream, table in derived.tables.items()})


def plain(events: pa.Table, stream: str) -> pa.Table:
    """Return derived events as `schema` says, nothing dictionary-coded."""
    return events.cast(schema(stream))


def dump(events: pa.Table) -> bytes:
    """Return the Parquet file of derived events: zstd 1, dictionaries where values repeat. Its metadata names the parsers."""
    sink = pa.BufferOutputStream()
    words = [field.name for field in events.schema if not pa.types.is_primitive(field.type) and field.name not in _PLAIN]
    numbers = {
        field.name: "DELTA_BINARY_PACKED" for field in events.schema if pa.types.is_integer(field.type) or field.name in schemas.INSTANTS
    }
    with pq.ParquetWriter(
        sink, events.schema, compression="zstd", compression_level=1, store_schema=False, use_dictionary=words,
        column_encoding=numbers, write_statistics=["timestamp", "seq"],
    ) as writer:  # fmt: skip
        writer.write_table(events)
        writer.add_key_value_metadata({"parsers": version()})
    content: bytes = sink.getvalue().to_pybytes()
    return content


def read(file: Path | BinaryIO, stream: str, columns: Sequence[str] | None = None) -> pa.Table:
    """Return the events of a file that `dump` wrote, in all columns or in some. Raises OSError, pa.ArrowException."""
    names = schema(stream).names if columns is None else list(columns)
    return pq.read_table(file, columns=names).select(names).replace_schema_metadata(None)
