"""Raw lines of all source kinds, by the demo's generator, come out as the events that the generator meant."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from anzhang.demo import sources
from anzhang.engines.vault import Batch, Vault
from anzhang.engines.vault import streams as parsers

BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
BATCH = 4000  # records
SEAL_BYTES = 48 << 20


class Month:
    """A vault filled by the generator, and where each record's lines stand in it."""

    def __init__(self, root: Path, records: int, days: float) -> None:
        self.vault, self.seq = Vault(root), 1
        self.places: list[tuple[int, sources.Record]] = []
        self.lines = 0
        end = BEGIN + timedelta(days=days)
        with self.vault.writer() as writer:
            waiting: dict[str, list[sources.Record]] = {}
            size = 0
            for number, record in enumerate(sources.records(BEGIN, days, records), 1):
                waiting.setdefault(record.kind, []).append(record)
                if number % BATCH == 0 or number == records:
                    size += sum(self.append(writer, kind, group, end) for kind, group in sorted(waiting.items()))
                    waiting = {}
                if size > SEAL_BYTES:
                    writer.seal(end)
                    size = 0
            while writer.seal(end):
                pass

    def append(self, writer: Any, kind: str, group: list[sources.Record], end: datetime) -> int:
        """Append records of one kind, which is one source; return the bytes."""
        raw = "".join(f"{line}\n" for record in group for line in record.lines).encode()
        for record in group:
            self.places.append((self.seq, record))
            self.seq += len(record.lines)
        self.lines = self.seq - 1
        writer.append(Batch(kind, raw, max(group[-1].at, BEGIN) + timedelta(seconds=1)))
        return len(raw)

    def events(self, lines: set[int]) -> dict[int, list[tuple[str, dict[str, Any]]]]:
        """Return the events of some lines by their sequence number."""
        found: dict[int, list[tuple[str, dict[str, Any]]]] = {}
        wanted = pa.array(sorted(lines))
        for stream in parsers.STREAMS:
            events = self.vault.events(stream)
            for row in events.filter(pc.is_in(events["seq"], value_set=wanted)).to_pylist():
                found.setdefault(row["seq"], []).append((stream, row))
        return found


def differences(month: Month, sample: int) -> list[str]:
    """Return every event too few, too many or with a wrong field among sampled records."""
    chosen = random.Random(7).sample(month.places, sample)
    found = month.events({seq for first, record in chosen for seq in range(first, first + len(record.lines))})
    wrong = []
    for first, record in chosen:
        rows = [each for seq in range(first, first + len(record.lines)) for each in found.get(seq, [])]
        if [stream for stream, _row in rows] != [stream for stream, _truth in record.truth]:
            wrong.append(f"{record.kind}: {[stream for stream, _row in rows]} from {record.lines}")
            continue
        for (_stream, truth), (_same, row) in zip(record.truth, rows, strict=True):
            wrong += [
                f"{record.kind}: {name} {row[name]!r}, not {value!r}: {record.lines}" for name, value in truth.items() if row[name] != value
            ]
    return wrong


def check(month: Month, sample: int) -> None:
    heard = month.vault.coverage()
    assert set(heard) == set(sources.KINDS)
    assert sum(each.lines for each in heard.values()) == month.lines
    assert {kind: shape.text for kind, each in heard.items() if each.share < 0.99 for shape in each.shapes} == {}
    assert differences(month, sample) == []


def test_twenty_thousand_lines_of_all_kinds_say_what_was_meant(tmp_path: Path) -> None:
    month = Month(tmp_path, 16_500, 1)
    assert month.lines > 20_000
    check(month, 16_500)
    assert {stream for _first, record in month.places for stream, _truth in record.truth} == set(parsers.STREAMS)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_month_of_a_million_lines_is_read_without_a_wrong_field(tmp_path: Path) -> None:
    month = Month(tmp_path, 830_000, 30)
    assert month.lines > 1_000_000
    check(month, 1000)
    assert month.vault.verify() == []
