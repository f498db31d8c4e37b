"""What is derived from a sealed segment and lies beside it: its event streams and their coverage. No evidence; it can be made again."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from anzhang.engines import durable
from anzhang.engines.vault import ondisk, streams, tree
from anzhang.engines.vault.jit import Table


def stream_path(root: Path, stream: str, name: str) -> Path:
    """Return the file of a segment's derived events."""
    return root / "streams" / stream / f"{name}.parquet"


def coverage_path(root: Path, name: str) -> Path:
    """Return the file that says what a segment's streams hold and what no parser read."""
    return root / "streams" / "coverage" / f"{name}.json"


def write(root: Path, name: str, folder: Path, table: pa.Table | None = None, foreign: Table | None = None) -> None:
    """Derive the streams of a segment whose files are in `folder`; its rows, and which are not UTF-8, where they are at hand."""
    derived = streams.derive(name, ondisk.read(folder / tree.ROWS) if table is None else table, foreign=foreign)
    for stream in streams.STREAMS:
        path = stream_path(root, stream, name)
        if stream in derived.tables:
            durable.make_folder(path.parent)
            durable.write_file(path, streams.dump(derived.tables[stream]))
        else:
            path.unlink(missing_ok=True)
    path = coverage_path(root, name)
    durable.make_folder(path.parent)
    durable.write_file(path, streams.coverage_file(derived))


def remove(root: Path, name: str) -> None:
    """Delete what was derived from a segment."""
    for stream in streams.STREAMS:
        stream_path(root, stream, name).unlink(missing_ok=True)
    coverage_path(root, name).unlink(missing_ok=True)


def is_current(root: Path, name: str) -> bool:
    """Whether the streams of a segment are there, whole, and come from the parsers of this release."""
    try:
        parsers, rows, _ = streams.coverage_of(coverage_path(root, name).read_bytes())
        found = [pq.read_metadata(stream_path(root, stream, name)) for stream in rows]
    except (OSError, pa.ArrowException, ValueError, KeyError, TypeError, AttributeError):
        return False
    made_by = {(file.metadata or {}).get(b"parsers", b"").decode() for file in found}
    return parsers == streams.version() and made_by <= {parsers} and [file.num_rows for file in found] == list(rows.values())
