"""The seal of a segment: a Merkle tree over its parts, with SHA-256 and SM3 side by side.

Leaves, in order: the header; the bytes of each row group; the remaining bytes of the Parquet file; the filter file; the rows of the
templates first used here; the idempotency keys. Source: RFC 6962 section 2.1 (prefixes 0x00, 0x01); GB/T 32905 (SM3).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

ROWS, FILTER, TEMPLATES, KEYS, TREE = "rows.parquet", "filter.bin", "templates.jsonl", "keys.jsonl", "segment.tree"
FILES = (ROWS, FILTER, TEMPLATES, KEYS)
SUITES = ("sha256", "sm3")
DAMAGE = (OSError, ValueError, LookupError, TypeError, ArithmeticError, RuntimeError)  # what Arrow and others say of damaged files
HASH = 32  # bytes of a hash of either suite
MAGIC = 4  # bytes with which a Parquet file begins

Spans = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Leaf:
    """One part of a segment and its two leaf hashes, hex. `spans` are byte ranges [offset, length) of `file`."""

    part: str
    file: str
    spans: Spans
    sha256: str
    sm3: str


def digest(suite: str) -> Any:
    """Return a fresh hash of a suite; SM3 needs an OpenSSL that has it."""
    return hashlib.new(suite)


def leaf_hash(suite: str, *parts: bytes | memoryview) -> bytes:
    """Return the RFC 6962 leaf hash of the concatenated parts."""
    state = digest(suite)
    state.update(b"\0")
    for part in parts:
        state.update(part)
    return bytes(state.digest())


def root(suite: str, leaves: list[bytes]) -> bytes:
    """Return the RFC 6962 tree head of leaf hashes."""
    if not leaves:
        return bytes(digest(suite).digest())
    level = leaves
    while len(level) > 1:
        pairs = [level[i : i + 2] for i in range(0, len(level), 2)]
        level = [pair[0] if len(pair) == 1 else _node(suite, *pair) for pair in pairs]
    return level[0]


def _node(suite: str, left: bytes, right: bytes) -> bytes:
    state = digest(suite)
    state.update(b"\1" + left + right)
    return bytes(state.digest())


def canonical(header: dict[str, Any]) -> bytes:
    """Return the bytes of a header as the first leaf holds them."""
    return orjson.dumps(header, option=orjson.OPT_SORT_KEYS)


def parts(folder: Path) -> list[tuple[str, str, Spans]]:
    """Return (part, file, spans) of a segment's files, row groups as the Parquet footer places them. Raises when that is unreadable."""
    import pyarrow.parquet as pq  # the pages ask for names of this module and never open a segment

    size = (folder / ROWS).stat().st_size
    with pq.ParquetFile(folder / ROWS) as file:
        spans = groups(file.metadata)
    found: list[tuple[str, str, Spans]] = [(f"row group {k}", ROWS, (span,)) for k, span in enumerate(spans)]
    place = sum(spans[-1]) if spans else MAGIC
    found.append(("footer", ROWS, ((0, MAGIC), (place, size - place))))
    names = {FILTER: "filter", TEMPLATES: "template rows", KEYS: "idempotency keys"}
    found += [(names[file], file, ((0, (folder / file).stat().st_size),)) for file in (FILTER, TEMPLATES, KEYS)]
    return found


def groups(metadata: Any) -> list[tuple[int, int]]:
    """Return offset and length of every row group, as a Parquet footer places them: they follow each other without a gap."""
    found, place = [], MAGIC
    for k in range(metadata.num_row_groups):
        group = metadata.row_group(k)
        chunks = [group.column(c) for c in range(group.num_columns)]
        end = max(_begin(chunk) + chunk.total_compressed_size for chunk in chunks)
        found.append((place, end - place))
        place = end
    return found


def _begin(chunk: Any) -> int:
    return int(chunk.dictionary_page_offset if chunk.has_dictionary_page else chunk.data_page_offset)


def hash_parts(folder: Path, spans: list[tuple[str, str, Spans]]) -> list[Leaf]:
    """Return the leaves of a segment's files."""
    content = {file: memoryview((folder / file).read_bytes()) for file in FILES}
    leaves = []
    for part, file, ranges in spans:
        pieces = [content[file][offset : offset + length] for offset, length in ranges]
        leaves.append(Leaf(part, file, ranges, leaf_hash("sha256", *pieces).hex(), leaf_hash("sm3", *pieces).hex()))
    return leaves


def roots(header: dict[str, Any], leaves: list[Leaf]) -> tuple[str, str]:
    """Return both roots over header and leaves, hex."""
    first = canonical(header)
    return (
        root("sha256", [leaf_hash("sha256", first), *(bytes.fromhex(leaf.sha256) for leaf in leaves)]).hex(),
        root("sm3", [leaf_hash("sm3", first), *(bytes.fromhex(leaf.sm3) for leaf in leaves)]).hex(),
    )


def dump(header: dict[str, Any], leaves: list[Leaf]) -> bytes:
    """Return the content of `segment.tree`."""
    sha256, sm3 = roots(header, leaves)
    listed = [{"part": x.part, "file": x.file, "spans": x.spans, "sha256": x.sha256, "sm3": x.sm3} for x in leaves]
    return orjson.dumps(
        {"header": header, "leaves": listed, "root_sha256": sha256, "root_sm3": sm3}, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2
    )


def load(folder: Path) -> tuple[dict[str, Any], list[Leaf], str, str]:
    """Return header, leaves and both roots as `segment.tree` states them. Raises OSError, ValueError, KeyError or TypeError."""
    content = orjson.loads((folder / TREE).read_bytes())
    leaves = [Leaf(x["part"], x["file"], tuple((int(a), int(b)) for a, b in x["spans"]), x["sha256"], x["sm3"]) for x in content["leaves"]]
    for leaf in leaves:
        if len(bytes.fromhex(leaf.sha256)) != HASH or len(bytes.fromhex(leaf.sm3)) != HASH:
            raise ValueError(f"{leaf.part}: a hash has {HASH} bytes")
    return content["header"], leaves, content["root_sha256"], content["root_sm3"]
