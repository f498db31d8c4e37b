"""The rows of a segment in its order, and its small files: templates.jsonl, keys.jsonl. The format is docs/formats/segment.md."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa

from anzhang.engines.vault import filters, ondisk, scan, tree
from anzhang.engines.vault.batch import SealedSegment
from anzhang.engines.vault.catalog import Key, Template
from anzhang.engines.vault.intern import distribute, fingerprint, gather, gather_offsets
from anzhang.engines.vault.jit import Bytes, Ints, Table
from anzhang.engines.vault.parse import Lines, codes_of, numbers_of

TEMPLATE_LINES = 8  # a message shape becomes a template when a segment holds it this often
MOST_TEMPLATES = 1 << 16
PATTERN_BYTES = 400
_BLANK = re.compile(rb"[A-Za-z0-9_.\-]*[0-9][A-Za-z0-9_.\-]*")
_NULLABLE = ("pri", "pid")


@dataclass
class Sorted:
    """Lines with their order in the segment and their dictionary-coded columns (code per line in arrival order, values)."""

    lines: Lines
    first_seq: int
    order: Ints
    tid: Table
    source: tuple[Table, list[bytes]]
    address: tuple[Table, list[bytes]]
    host: tuple[Table, list[bytes]]
    app: tuple[Table, list[bytes]]
    msgid: tuple[Table, list[bytes]]


def arrange(lines: Lines, first_seq: int, known: Mapping[int, int], number: int) -> tuple[Sorted, list[Template]]:
    """Sort lines by application, template, form of the time stamp, arrival; return them and the templates that segment `number` uses first.

    `known` maps fingerprints to template ids. Lines of no template have id 0 and stand last within their application.
    """
    host = codes_of(lines, *lines.column(scan.HOST_S, scan.HOST_E))
    app = codes_of(lines, *lines.column(scan.APP_S, scan.APP_E))
    msgid = codes_of(lines, *lines.column(scan.MID_S, scan.MID_E))
    tid, new = templates_of(lines.data, *lines.message, known, number)
    rank = np.empty(len(app[1]), np.int64)
    rank[sorted(range(len(app[1])), key=app[1].__getitem__)] = np.arange(len(app[1]))
    key = (rank[app[0]] << 40) | (np.where(tid == 0, np.int64(0xFFFFFFFF), tid) << 8) | lines.form
    return Sorted(
        lines, first_seq, _order(key), tid, _per_record(lines, [r.source for r in lines.records]),
        _per_record(lines, [r.address for r in lines.records]), host, app, msgid,
    ), new  # fmt: skip


def _order(key: Ints) -> Ints:
    """Return the stable order of keys that have few values."""
    codes, first = numbers_of(key.view(np.uint64))
    ranked = np.argsort(key[first])
    counts = np.bincount(codes, minlength=len(first))[ranked]
    places = np.empty(len(first), np.int64)
    places[ranked] = np.cumsum(counts) - counts
    order = np.empty(len(key), np.int64)
    distribute(codes, places, order)
    return order


def _per_record(lines: Lines, values: list[str]) -> tuple[Table, list[bytes]]:
    numbers = {value: i for i, value in enumerate(dict.fromkeys(values))}
    return np.array([numbers[v] for v in values], np.int32)[lines.record], [value.encode() for value in numbers]


def templates_of(data: Bytes, starts: Ints, ends: Ints, known: Mapping[int, int], number: int) -> tuple[Table, list[Template]]:
    """Return the template of each message data[starts[i]:ends[i]], 0 for none, and those that segment `number` uses first."""
    hashes = np.empty(len(starts), np.uint64)
    fingerprint(data, starts, ends, hashes)
    inverse, first = numbers_of(hashes)
    values, counts = hashes[first], np.bincount(inverse, minlength=len(first))
    tids = np.zeros(len(values), np.int32)
    new: list[Template] = []
    following = max(known.values(), default=0) + 1
    for i in np.flatnonzero((counts >= TEMPLATE_LINES) | np.isin(values, np.fromiter(known, np.uint64, len(known)))):
        value = int(values[i])
        tid = known.get(value, 0)
        if not tid and following < MOST_TEMPLATES:
            tid, following = following, following + 1
            message = data[starts[first[i]] : ends[first[i]]][:PATTERN_BYTES].tobytes()
            pattern = _BLANK.sub(b"<*>", message).decode("utf-8", "replace")
            new.append(Template(tid, f"{value:016x}", pattern, number))
        tids[i] = tid
    return tids[inverse], new


def arrow(rows: Sorted) -> pa.Table:
    """Return the segment's table, sorted. Columns: docs/formats/segment.md."""
    lines, order = rows.lines, rows.order
    n = len(order)
    start, end = lines.message
    hdr_end = np.where(lines.hdr, start, lines.starts)
    pid = lines.pid[order]
    pri = lines.pri[order]
    columns = {
        "ts": pa.array(lines.ts[order], pa.timestamp("us", "UTC")),
        "rts": pa.array(lines.rts[order], pa.timestamp("us", "UTC")),
        "seq": pa.array(order + rows.first_seq, pa.int64()),
        "source": _dictionary(rows.source, order),
        "address": _dictionary(rows.address, order),
        "pri": pa.array(pri, pa.int16(), mask=pri < 0),
        "kind": pa.array(_taken(lines.kind, order)),
        "lay": pa.array(_taken(lines.lay, order)),
        "form": pa.array(_taken(lines.form, order)),
        "off": pa.array(_taken(lines.off, order)),
        "flags": pa.array(_taken(lines.flags, order)),
        "term": pa.array(_taken(lines.term, order)),
        "enc": pa.array(_taken(lines.enc, order)),
        "host": _dictionary(rows.host, order),
        "app": _dictionary(rows.app, order),
        "pid": pa.array(pid, pa.int32(), mask=pid < 0),
        "msgid": _dictionary(rows.msgid, order),
        "sd": _sparse(lines, *lines.column(scan.SD_S, scan.SD_E), order),
        "msg": _binary(lines, start, end, order),
        "hdr": _sparse(lines, lines.starts, hdr_end, order),
        "tid": pa.array(rows.tid[order]),
        "blk": pa.array((np.arange(n) // ondisk.GROUP_ROWS).astype(np.int32)),
    }
    fields = [pa.field(name, column.type, nullable=name in _NULLABLE) for name, column in columns.items()]
    return pa.Table.from_arrays(list(columns.values()), schema=pa.schema(fields))


def ordered(table: pa.Table) -> pa.Table:
    """Return rows whose columns are plain in the order and the form in which `arrow` returns them."""
    app = table["app"].combine_chunks().dictionary_encode()
    words = app.dictionary.to_pylist()
    rank = np.empty(len(words), np.int64)
    rank[sorted(range(len(words)), key=words.__getitem__)] = np.arange(len(words))
    tid = table["tid"].to_numpy().astype(np.int64)
    key = (rank[app.indices.to_numpy()] << 40) | (np.where(tid == 0, np.int64(0xFFFFFFFF), tid) << 8) | table["form"].to_numpy()
    order = np.lexsort((table["seq"].to_numpy(), key))
    taken = table.take(pa.array(order)).combine_chunks()
    columns = {name: taken[name].combine_chunks() for name in table.column_names}
    for name in ("source", "address", "host", "app", "msgid"):
        columns[name] = columns[name].dictionary_encode()
    for name in ("sd", "hdr"):
        coded = columns[name].dictionary_encode()
        columns[name] = coded if coded.dictionary.to_pylist() == [b""] else columns[name]
    columns["blk"] = pa.array((np.arange(len(order)) // ondisk.GROUP_ROWS).astype(np.int32))
    fields = [pa.field(name, column.type, nullable=name in _NULLABLE) for name, column in columns.items()]
    return pa.Table.from_arrays(list(columns.values()), schema=pa.schema(fields))


def _dictionary(coded: tuple[Table, list[bytes]], order: Ints) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(coded[0][order]), pa.array(coded[1], pa.binary()))


def _taken(column: Table, order: Ints) -> Table:
    """Return a column in the order of the segment; most have one value, and then nothing needs fetching from here and there."""
    return column if (column == column[:1]).all() else column[order]


def _sparse(lines: Lines, starts: Ints, ends: Ints, order: Ints) -> pa.Array:
    """Return what stands between places, coded where that is nothing at all."""
    if (starts == ends).all():
        return pa.DictionaryArray.from_arrays(pa.array(np.zeros(len(order), np.int32)), pa.array([b""], pa.binary()))
    return _binary(lines, starts, ends, order)


def _binary(lines: Lines, starts: Ints, ends: Ints, order: Ints) -> pa.Array:
    """Return what stands between places."""
    offsets = np.empty(len(order) + 1, np.int32)
    out = np.empty(gather_offsets(starts, ends, order, offsets), np.uint8)
    gather(lines.data, starts, order, offsets, out)
    return pa.Array.from_buffers(pa.binary(), len(order), [None, pa.py_buffer(offsets), pa.py_buffer(out)])


def write(folder: Path, table: pa.Table, foreign: Ints, templates: bytes, keys: bytes) -> None:
    """Write a segment's files but for its tree: rows in their order; `foreign` are those whose bytes are not their text in UTF-8."""
    packed = ondisk.pack(table)
    ondisk.write(packed, folder / tree.ROWS)
    (folder / tree.FILTER).write_bytes(filters.dump(table, packed, foreign))
    (folder / tree.TEMPLATES).write_bytes(templates)
    (folder / tree.KEYS).write_bytes(keys)


def template_rows(templates: list[Template]) -> bytes:
    """Return templates.jsonl."""
    return b"".join(orjson.dumps({"tid": t.tid, "hash": t.hash, "pattern": t.pattern, "segment": t.segment}) + b"\n" for t in templates)


def read_templates(folder: Path) -> list[Template]:
    """Return the templates a segment used first."""
    return [Template(**orjson.loads(line)) for line in (folder / tree.TEMPLATES).read_bytes().splitlines()]


def keys_of(lines: Lines) -> list[Key]:
    """Return the idempotency keys of the records consumed."""
    return [Key(r.source, r.key, hashlib.sha256(r.data).hexdigest(), r.number, r.received) for r in lines.records if r.key]


def dump_keys(keys: Iterable[Key]) -> bytes:
    """Return keys.jsonl."""
    return b"".join(orjson.dumps([k.source, k.key, k.digest, k.record, k.received]) + b"\n" for k in keys)


def read_keys(folder: Path) -> list[Key]:
    """Return the idempotency keys of the records a segment consumed."""
    return [Key(*orjson.loads(line)) for line in (folder / tree.KEYS).read_bytes().splitlines()]


def read_sealed(folder: Path) -> SealedSegment:
    """Return what a published segment says it is. Raises OSError, ValueError, KeyError or TypeError."""
    header, _, sha256, sm3 = tree.load(folder)
    size = sum(path.stat().st_size for path in folder.iterdir())
    return SealedSegment.from_header(header, file_bytes=size, root_sha256=sha256, root_sm3=sm3)


def counts(coded: tuple[Table, list[bytes]]) -> dict[str, int]:
    """Return rows per value of a coded column."""
    numbers = np.bincount(coded[0], minlength=len(coded[1]))
    return {value.decode(): int(n) for value, n in zip(coded[1], numbers, strict=True) if n}


def heard(rows: Sorted) -> dict[str, tuple[int, int]]:
    """Return first and last receipt per source, µs."""
    found: dict[str, tuple[int, int]] = {}
    for record in rows.lines.records:
        first, last = found.get(record.source, (record.received, record.received))
        found[record.source] = (min(first, record.received), max(last, record.received))
    return {source: found[source] for source in counts(rows.source)}
