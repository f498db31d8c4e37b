"""How far a source's clock is off, read from sealed lines: the time stamp in the line against the time of its receipt."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from pathlib import Path

from anzhang.engines.vault import places, tree

log = logging.getLogger(__name__)

NO_STAMP = 4  # of the column `flags`: the line carries no usable time stamp


@dataclass(frozen=True)
class Clock:
    """The clock of one source in one segment: time stamp minus receipt, of the middle line and of the line that came freshest.

    A clock that runs ahead shows in the middle line: one wrong line among good ones does not. A clock that runs behind looks
    like lines that waited on their way, so it shows only where even the freshest line came late, and all came equally late:
    lines that were kept and are sent together are of different age.
    """

    middle: timedelta
    freshest: timedelta
    lines: int

    def off(self, tolerance: timedelta) -> timedelta:
        """Return how far the clock is off, positive when ahead; nothing within the tolerance."""
        if self.middle > tolerance:
            return self.middle
        equally = self.freshest - self.middle <= tolerance
        return self.freshest if self.freshest < -tolerance and equally else timedelta()


def clocks(root: Path, segment: str, digest: str) -> dict[str, Clock]:
    """Return the clocks of a segment's sources; empty where its files are gone or damaged, which verification names.

    `digest` is the segment's root: a file replaced is read anew.
    """
    try:
        return _read(root, segment, digest)
    except tree.DAMAGE as error:
        log.warning("%s: its clocks cannot be read: %s", segment, error)
        return {}


@lru_cache(maxsize=1024)
def _read(root: Path, segment: str, digest: str) -> dict[str, Clock]:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    from anzhang.engines.vault import ondisk

    del digest
    folder = places.folder_of(root, segment)
    if folder is None:
        raise FileNotFoundError(segment)
    table = ondisk.read(folder / tree.ROWS, ["ts", "rts", "source", "flags"])
    table = table.filter(pc.equal(pc.bit_wise_and(table["flags"], pa.scalar(NO_STAMP, table["flags"].type)), 0))
    sources = table["source"].cast(pa.binary()).to_numpy(zero_copy_only=False)
    apart = (table["ts"].cast(pa.int64()).to_numpy() - table["rts"].cast(pa.int64()).to_numpy()).astype(np.int64)
    found = {}
    for source in set(sources):
        mine = apart[sources == source]
        found[bytes(source).decode()] = Clock(_span(np.median(mine)), _span(mine.max()), len(mine))
    return found


def _span(microseconds: float) -> timedelta:
    return timedelta(microseconds=int(microseconds))
