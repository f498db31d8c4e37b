"""Numbers that senders give their lines: what is missing is named, what is late, restarted or somebody else's is not."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import pytest

from anzhang.engines.vault import Batch, Vault, sequences, succession
from anzhang.engines.vault.places import locate
from tests.engines.logs import AT


def numbered(numbers: Iterable[int], host: str = "h1") -> bytes:
    """Return lines as syslog-ng writes them."""
    return b"".join(
        b'<13>1 2026-03-02T01:30:00Z %b app 7 - [meta sequenceId="%d"][x@1 a="b"] line %d\n' % (host.encode(), n, n) for n in numbers
    )


def found(tmp_path: Path, *segments: bytes) -> list[tuple[str, int, int]]:
    """Seal lines segment by segment; return what is missing as (host, first, last)."""
    vault = Vault(tmp_path / "vault")
    with vault.writer() as writer:
        for number, data in enumerate(segments):
            writer.append(Batch("S", data, AT + timedelta(seconds=number), address="10.0.0.1"))
            writer.seal(AT)
    every = (count for s in vault.segments() for count in sequences.counts(vault.root, s.name, s.root_sha256))
    return sorted((gap.host, gap.first, gap.last) for gap in sequences.gaps(every))


def test_what_did_not_come_is_named(tmp_path: Path) -> None:
    assert found(tmp_path, numbered([*range(1, 50), *range(55, 90), 91])) == [("h1", 50, 54), ("h1", 90, 90)]


def test_between_two_segments_too(tmp_path: Path) -> None:
    assert found(tmp_path, numbered(range(5, 40)), numbered(range(43, 60)), numbered(range(60, 70))) == [("h1", 40, 42)]


def test_what_comes_late_is_not_missing_nor_what_comes_twice(tmp_path: Path) -> None:
    numbers = list(range(1, 3001))
    chance = random.Random(1)
    order = sorted(numbers, key=lambda n: n + chance.randrange(60))
    pieces = [numbered([*order[i : i + 700], order[i + 9]]) for i in range(0, len(order), 700)]
    assert found(tmp_path, *pieces) == []


def test_a_sender_that_starts_again_has_lost_nothing(tmp_path: Path) -> None:
    assert found(tmp_path, numbered([*range(700, 720), *range(1, 30)]), numbered([30, 31, 1, 2])) == []
    assert found(tmp_path / "wrapped", numbered([2147483646, 2147483647, 1, 2, 4])) == [("h1", 3, 3)]
    assert found(tmp_path / "far", numbered([*range(90_000, 90_020), *range(50, 60)])) == []


def test_each_host_has_a_count_of_its_own(tmp_path: Path) -> None:
    one, other = numbered([1, 2, 4]), numbered([7, 8, 10], "h2")
    assert found(tmp_path, one + other, numbered([5], "h1") + numbered([11], "h2")) == [("h1", 3, 3), ("h2", 9, 9)]


def test_several_programs_that_count_on_one_host_are_no_loss(tmp_path: Path) -> None:
    mixed = b"".join(numbered([n, 50_000 + n * 3, 7_000_000 + n]) for n in range(1, 40))
    assert found(tmp_path, mixed) == []


def test_lines_without_numbers_say_nothing(tmp_path: Path) -> None:
    plain = b'<13>1 2026-03-02T01:30:00Z h1 app 7 - [origin ip="10.0.0.1"] line\n<13>Mar  2 09:30:00 h1 app: sequenceId="5"\n'
    assert found(tmp_path, plain * 20, numbered([3, 4]) + plain) == []


def test_many_gaps_are_bounded(tmp_path: Path) -> None:
    assert len(found(tmp_path, numbered(range(1, 6000, 2)))) == sequences.MOST_STRETCHES


def test_merged_segments_say_the_same(tmp_path: Path) -> None:
    expected = found(tmp_path, numbered(range(5, 40)), numbered(range(43, 60)), numbered([60, 62]))
    vault = Vault(tmp_path / "vault")
    with vault.writer() as writer:
        (run,) = succession.mergeable(vault.segments(), AT.date() + timedelta(days=2))
        writer.merge(run, AT, lambda _sealed: None)
    (whole,) = vault.segments()
    gaps = sequences.gaps(sequences.counts(vault.root, whole.name, whole.root_sha256))
    assert [(gap.host, gap.first, gap.last) for gap in gaps] == expected == [("h1", 40, 42), ("h1", 61, 61)]


@pytest.mark.parametrize("damage", [b"", b"PAR1"])
def test_a_damaged_segment_says_nothing(damage: bytes, tmp_path: Path) -> None:
    found(tmp_path, numbered([1, 3]))
    vault = Vault(tmp_path / "vault")
    (sealed,) = vault.segments()
    (locate(vault.root)[sealed.name] / "rows.parquet").write_bytes(damage)
    assert sequences.counts(vault.root, sealed.name, "another root") == ()
    assert sequences.counts(vault.root, "n1-000000009", "r") == ()
