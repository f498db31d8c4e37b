"""The files that facts lie in: each is written once under a name that nothing else ever has."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from anzhang.engines import durable
from anzhang.engines.sqlbox.box import Held


@dataclass(frozen=True)
class Parts:
    """The parts in one folder."""

    folder: Path

    def write(self, table: pa.Table) -> str:
        """Keep facts and return the name of their part."""
        name = f"{secrets.token_hex(8)}.parquet"
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd", compression_level=1)
        durable.write_file(self.folder / name, sink.getvalue().to_pybytes())
        return name

    def read(self, part: str) -> pa.Table:
        """Return the facts of a part."""
        return pq.read_table(self.folder / part)

    def held(self, part: str) -> Held:
        """Return a part as the box asks for it."""
        return Held(part, partial(self.read, part))

    def columns(self, part: str) -> list[str]:
        """Return the names of its columns."""
        return list(pq.read_schema(self.folder / part).names)

    def clean(self, kept: tuple[str, ...]) -> None:
        """Remove every other part, and the folders of earlier forms of the recipe."""
        for file in self.folder.glob("*.parquet"):
            if file.name not in kept:
                file.unlink(missing_ok=True)
        for other in self.folder.parent.iterdir():
            if other != self.folder and other.is_dir():
                for file in other.iterdir():
                    file.unlink(missing_ok=True)
                other.rmdir()
