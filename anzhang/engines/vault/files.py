"""Take log files in: cut them into batches at line ends."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from anzhang.engines.vault.batch import Batch
from anzhang.engines.vault.writer import LARGEST_BATCH

CHUNK = 8 << 20


class LineTooLongError(ValueError):
    """A line does not fit into a batch; nothing of the file was stored."""


def cuts(path: Path) -> list[int]:
    """Return the offsets at which a file is cut: after line ends, about every 8 MiB, and at its end. Raises LineTooLongError."""
    found, begin, end, size = [0], 0, 0, 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            last = chunk.rfind(b"\n")
            if last >= 0:
                if size + last + 1 - begin > LARGEST_BATCH:
                    end = size + chunk.find(b"\n") + 1
                    _fits(path, begin, end)
                    found.append(end)
                    begin = end
                end = size + last + 1
                if end - begin >= CHUNK:
                    found.append(end)
                    begin = end
            size += len(chunk)
            _fits(path, end, size)
    if end > begin:
        found.append(end)
        begin = end
    if size > begin:
        found.append(size)
    return found


def _fits(path: Path, begin: int, end: int) -> None:
    if end - begin > LARGEST_BATCH:
        raise LineTooLongError(f"{path}: the line at byte {begin} is longer than {LARGEST_BATCH} bytes; nothing of the file was stored")


def batches(path: Path, source: str, received_at: datetime, *, timezone: str, encoding: str) -> Iterator[Batch]:
    """Yield the batches of a file; `address` is its path. Raises LineTooLongError before the first."""
    places = cuts(path)
    with path.open("rb") as file:
        for begin, end in itertools.pairwise(places):
            yield Batch(
                source, file.read(end - begin), received_at, transport="file", address=str(path), timezone=timezone, encoding=encoding
            )  # fmt: skip
