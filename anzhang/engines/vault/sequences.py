"""Which numbers of a sender's own count are missing: `[meta sequenceId="N"]` of RFC 5424 section 7.3.1, as syslog-ng and devices send it.

A sender counts what it gives to the network, so a number that never comes is a line that was lost or taken out on the way.
Numbers start again at 1 when the sender does, and after 2147483647.
"""

from __future__ import annotations

import itertools
import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from anzhang.engines.vault import places, tree
from anzhang.engines.vault.batch import instant

log = logging.getLogger(__name__)

NAME = b'sequenceId="'
REORDERED = 1000  # so far back a number is late; further back the count has started again
LATE_FIRST = 64  # up to here a 1 is late; after it the count has started again
FURTHEST = 10_000  # a larger leap is another count; who loses so many lines is also silent
MOST_RUNS = 4  # in one segment; what starts again more often is several programs of one host, each with a count of its own
MOST_STRETCHES = 1000  # of one count in a segment; what is missing beyond is not told apart

Stretch = tuple[int, int, int]  # first, last, receipt of its first line (µs)


@dataclass(frozen=True)
class Count:
    """The numbers that came of one sender's count in one segment, as stretches without a gap; ascending."""

    source: str
    address: str
    host: str
    stretches: tuple[Stretch, ...]


@dataclass(frozen=True)
class Gap:
    """Numbers that did not come: first and last of them, and when the next one did."""

    source: str
    address: str
    host: str
    first: int
    last: int
    at: datetime

    @property
    def missing(self) -> int:
        """Return how many."""
        return self.last - self.first + 1


def counts(root: Path, segment: str, digest: str) -> tuple[Count, ...]:
    """Return the counts in a segment, in order of arrival; none where its files are gone or damaged, which verification names.

    `digest` is the segment's root: a file replaced is read anew.
    """
    try:
        return _read(root, segment, digest)
    except tree.DAMAGE as error:
        log.warning("%s: the numbers of its senders cannot be read: %s", segment, error)
        return ()


def gaps(found: Iterable[Count]) -> Iterator[Gap]:
    """Yield what is missing in counts of segments that follow each other; a number that comes late is none."""
    running: dict[tuple[str, str, str], list[Stretch]] = {}
    done: list[tuple[tuple[str, str, str], list[Stretch]]] = []
    for count in found:
        key = (count.source, count.address, count.host)
        before = running.get(key)
        if before is not None and _continues(count.stretches[0][0], before[-1][1]):
            running[key] = joined([*before, *count.stretches])
        else:
            if before is not None:
                done.append((key, before))
            running[key] = list(count.stretches)
    for key, stretches in [*done, *running.items()]:
        for (_, before_last, _), (first, _, at) in itertools.pairwise(stretches):
            yield Gap(*key, before_last + 1, first - 1, instant(at))


def joined(stretches: Iterable[Stretch]) -> list[Stretch]:
    """Return stretches, ascending, with those joined that touch; a joined one came when its first number did."""
    made: list[Stretch] = []
    for first, last, at in sorted(stretches):
        if made and first <= made[-1][1] + 1:
            made[-1] = made[-1][0], max(made[-1][1], last), made[-1][2]
        else:
            made.append((first, last, at))
    return made


def _continues(number: int, highest: int) -> bool:
    """Whether a number belongs to the count that has come to `highest`; else the count has started again, or it is another one."""
    return highest - REORDERED < number <= highest + FURTHEST and not (number == 1 and highest > LATE_FIRST)


@lru_cache(maxsize=4096)
def _read(root: Path, segment: str, digest: str) -> tuple[Count, ...]:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    from anzhang.engines.vault import ondisk
    from anzhang.engines.vault.block import Block

    del digest
    folder = places.folder_of(root, segment)
    if folder is None:
        raise FileNotFoundError(segment)
    rows: dict[tuple[bytes, bytes, bytes], list[tuple[int, int, int]]] = defaultdict(list)
    with ondisk.open_file(folder / tree.ROWS) as opened:
        for k in range(opened.num_row_groups):
            texts = Block(ondisk.read_group(opened, k, ["sd"])).coded("sd")[1]
            if not pc.any(pc.match_substring(texts, NAME)).as_py():
                continue
            block = Block(ondisk.read_group(opened, k, ["seq", "rts", "source", "address", "host", "sd"]))
            numbers = pc.extract_regex(block.values("sd"), rb'sequenceId="(?P<n>[0-9]{1,10})"').field("n")
            which = np.flatnonzero(numbers.is_valid().to_numpy(zero_copy_only=False))
            taken = pa.array(which)
            columns = [block.values(name).take(taken).to_pylist() for name in ("source", "address", "host")]
            columns += [block.numbers(name)[which].tolist() for name in ("seq", "rts")]
            for source, address, host, seq, rts, number in zip(*columns, numbers.take(taken).to_pylist(), strict=True):
                rows[source, address, host].append((seq, int(number), rts))
    found = []
    for (source, address, host), mine in rows.items():
        runs = list(_runs(sorted(mine)))
        if len(runs) <= MOST_RUNS:
            who = source.decode(), address.decode(), host.decode("utf-8", "replace")
            found += [(seq, Count(*who, stretches)) for seq, stretches in runs]
    return tuple(count for _, count in sorted(found, key=lambda each: each[0]))


def _runs(rows: list[tuple[int, int, int]]) -> Iterator[tuple[int, tuple[Stretch, ...]]]:
    """Yield the runs of one sender's count, each with where it begins: a run ends where the count starts again."""
    begin, highest = 0, rows[0][1]
    for place in range(1, len(rows) + 1):
        number = rows[place][1] if place < len(rows) else None
        if number is not None and _continues(number, highest):
            highest = max(highest, number)
            continue
        run = joined((each, each, rts) for _, each, rts in rows[begin:place])
        rest = run[MOST_STRETCHES:]
        yield rows[begin][0], (*run[:MOST_STRETCHES], *([(rest[0][0], rest[-1][1], rest[0][2])] if rest else []))
        if number is not None:
            begin, highest = place, number
