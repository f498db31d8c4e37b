"""Sealed segments replaced by a successor: several by one, or one by itself without the text of some lines (ADR 0017)."""

from __future__ import annotations

import operator
import os
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from anzhang.engines import durable
from anzhang.engines.vault import (
    Batch,
    BusyError,
    Query,
    Redaction,
    Sealed,
    SealedSegment,
    SuccessionError,
    Vault,
    locks,
    offsite,
    ondisk,
    streams,
    succession,
    tree,
)
from anzhang.engines.vault.block import Block
from anzhang.engines.vault.catalog import Catalog
from anzhang.engines.vault.places import locate
from tests.engines.logs import AT, lines

LATER = AT + timedelta(days=1)
SALT = b"\x07" * 32


@dataclass
class Ledger:
    """What was told of a vault, in order."""

    vault: Vault
    told: list[Sealed] = field(default_factory=list)

    def seals(self) -> None:
        """Tell of every segment that was sealed and not told of."""
        known = {head.number for head in self.told}
        fresh = [sealed for sealed in self.vault.segments() if sealed.number not in known and sealed.succession is None]
        self.told += [Sealed(sealed.number, sealed.name, sealed.root_sha256) for sealed in fresh]

    def announce(self, sealed: SealedSegment) -> None:
        """Tell of a successor."""
        self.told.append(Sealed(sealed.number, sealed.name, sealed.root_sha256, sealed.first_number))

    def knows(self, sealed: SealedSegment) -> bool:
        """Whether it was told of a root."""
        return any(head.root == sealed.root_sha256 for head in self.told)

    def faults(self) -> list[str]:
        """Return what verification finds."""
        return [str(fault) for fault in self.vault.verify(self.told)]


def small(vault: Vault, made: list[bytes], *, per_segment: int = 150, at: datetime = AT) -> Ledger:
    """Seal many small segments, of two sources and with idempotency keys; return what the ledger was told."""
    with vault.writer() as writer:
        for number, begin in enumerate(range(0, len(made), per_segment)):
            piece = b"".join(line + b"\n" for line in made[begin : begin + per_segment])
            key = f"k{number}" if at == AT else ""
            writer.append(Batch(f"S{number % 2}", piece, at + timedelta(seconds=number), address="10.0.0.9", key=key))
            writer.seal(at + timedelta(seconds=number))
    ledger = Ledger(vault)
    ledger.seals()
    return ledger


def merged(vault: Vault, ledger: Ledger) -> list[SealedSegment]:
    """Merge what can be merged."""
    with vault.writer() as writer:
        made = [writer.merge(run, LATER, ledger.announce) for run in succession.mergeable(vault.segments(), LATER.date())]
    return [each for each in made if each is not None]


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path / "vault")


QUERIES = (
    Query(limit=10_000),
    Query(term="Failed", limit=10_000),
    Query(phrase="Failed password for root", limit=10_000),
    Query(term="社保", limit=10_000),
    Query(term="拒绝访问", limit=10_000),
    Query(app="sshd", host="sbapp01", limit=10_000, panel=("host", "source")),
    Query(sources=("S1",), substring="word for li", limit=10_000),
    Query(regex=r"port \d{4}$", limit=10_000),
)


def answers(vault: Vault) -> list[object]:
    """Return what every query finds, but for the names of segments and numbers of blocks."""
    found = [vault.search(query) for query in QUERIES]
    named = operator.attrgetter("seq", "at", "ts", "received", "source", "address", "host", "app", "raw")
    shown = [[named(hit) for hit in result.hits] for result in found]
    return [(rows, result.total, result.panel) for rows, result in zip(shown, found, strict=True)]


def events(vault: Vault) -> dict[str, list[dict[str, object]]]:
    return {stream: vault.events(stream).drop_columns(["segment"]).to_pylist() for stream in streams.STREAMS}


def test_one_stands_for_several_and_nothing_of_them_changes(vault: Vault) -> None:
    made = lines(3000)
    ledger = small(vault, made)
    raw, before, seen = {s: b"".join(vault.raw(s)) for s in ("S0", "S1")}, answers(vault), events(vault)
    stats, heard, last = vault.stats(), vault.heard(), vault.segments()[-1]
    (successor,) = merged(vault, ledger)
    assert [sealed.name for sealed in vault.segments()] == [successor.name] == ["n1-000000020.1"]
    assert (successor.first_number, successor.number, successor.rows, successor.chain) == (1, 20, 3000, last.chain)
    assert successor.sealed_at == last.sealed_at
    assert {s: b"".join(vault.raw(s)) for s in ("S0", "S1")} == raw
    assert answers(vault) == before
    assert events(vault) == seen
    assert vault.heard() == heard
    assert (vault.stats().rows, vault.stats().raw_bytes) == (stats.rows, stats.raw_bytes)
    assert vault.stats().file_bytes < stats.file_bytes / 2
    assert list(locate(vault.root)) == [successor.name]
    assert {path.stem for path in (vault.root / "streams").rglob("*.*")} == {successor.name}
    assert ledger.faults() == []


def test_lines_too_few_for_a_template_have_one_together(vault: Vault) -> None:
    """Forty segments with one such line each: none is a template; together they are."""
    ledger = small(vault, [b"<13>Mar  2 09:00:00 h app: door %d opened" % n for n in range(40)], per_segment=1)
    folder = locate(vault.root)
    assert all(Block(ondisk.read(path / tree.ROWS)).numbers("tid").max() == 0 for path in folder.values())
    (successor,) = merged(vault, ledger)
    assert set(Block(ondisk.read(locate(vault.root)[successor.name] / tree.ROWS)).numbers("tid").tolist()) == {1}
    with vault.writer() as writer:  # and the writer knows it
        writer.append(Batch("S0", b"<13>Mar  2 09:00:00 h app: door 99 opened\n", LATER))
        sealed = writer.seal(LATER)
    assert sealed is not None
    assert Block(ondisk.read(locate(vault.root)[sealed.name] / tree.ROWS)).numbers("tid").tolist() == [1]
    ledger.seals()
    assert ledger.faults() == []


def test_a_day_is_merged_when_it_is_over_and_once(vault: Vault) -> None:
    ledger = small(vault, lines(600))
    small(vault, lines(600, 2), at=LATER)
    ledger.seals()
    assert [len(run) for run in succession.mergeable(vault.segments(), AT.date())] == []
    assert [len(run) for run in succession.mergeable(vault.segments(), LATER.date())] == [4]
    assert [len(run) for run in succession.mergeable(vault.segments(), LATER.date() + timedelta(days=1))] == [4, 4]
    (first,) = merged(vault, ledger)
    assert merged(vault, ledger) == []
    assert [sealed.number for sealed in vault.segments()] == [4, 5, 6, 7, 8]
    assert vault.segments()[0].name == first.name
    assert ledger.faults() == []


def test_of_the_present_day_many_are_merged_and_once_more_when_it_is_over(vault: Vault) -> None:
    made = lines(700)
    ledger = small(vault, made, per_segment=10)
    with vault.writer() as writer:
        for _ in range(3):
            for run in succession.mergeable(vault.segments(), AT.date()):
                writer.merge(run, AT, ledger.announce)
    assert [sealed.name for sealed in vault.segments()] == ["n1-000000070.1"]
    with vault.writer() as writer:
        for number in range(59):
            writer.append(Batch("S0", b"more %d\n" % number, AT))
            writer.seal(AT)
    ledger.seals()
    assert succession.mergeable(vault.segments(), AT.date()) == [], "not many yet"
    (whole,) = merged(vault, ledger)
    assert (whole.name, whole.first_number, whole.rows) == ("n1-000000129.1", 1, 759)
    assert [each.name for each in whole.replaces][:2] == ["n1-000000070.1", "n1-000000071"]
    assert ledger.faults() == []


def test_a_run_is_no_larger_than_a_seal_makes_it(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = small(vault, lines(3000))
    sizes = [sealed.raw_bytes for sealed in vault.segments()]
    monkeypatch.setattr(succession, "MOST_BYTES", max(sizes) * 4)
    made = merged(vault, ledger)
    assert len(made) >= 4
    assert all(sealed.raw_bytes <= max(sizes) * 4 for sealed in made)
    assert succession.mergeable(vault.segments(), LATER.date()) == []
    assert ledger.faults() == []


def test_what_is_sealed_next_goes_on_from_the_first_roots(vault: Vault) -> None:
    ledger = small(vault, lines(450))
    original = vault.segments()[-1]
    with vault.writer() as writer:
        (run,) = succession.mergeable(vault.segments(), LATER.date())
        assert writer.merge(run, LATER, ledger.announce) is not None
        for n in range(2):
            writer.append(Batch("S0", b"one more %d\n" % n, LATER))
            sealed = writer.seal(LATER)
            assert sealed is not None
            assert n or sealed.previous_sha256 == original.root_sha256
    with vault.writer() as writer:
        writer.append(Batch("S0", b"and one\n", LATER))
        writer.seal(LATER)
    ledger.seals()
    assert [sealed.number for sealed in vault.segments()] == [3, 4, 5, 6]
    assert ledger.faults() == []


def test_a_line_is_found_by_every_name_its_segment_had(vault: Vault) -> None:
    ledger = small(vault, lines(600))
    old = vault.segments()[1]
    before, around = vault.line(old.name, 200), vault.around(old.name, 200)
    (successor,) = merged(vault, ledger)
    after = vault.line(old.name, 200)
    assert before is not None
    assert after is not None
    assert (after.segment, after.raw) == (successor.name, before.raw)
    assert [[hit.raw for hit in side] for side in vault.around(old.name, 200)] == [[hit.raw for hit in side] for side in around]
    redacted = redact(vault, ledger, (200, 200))
    found = vault.line(old.name, 200)
    assert found is not None
    assert (found.segment, found.redacted) == (redacted[0].name, True)


def test_a_key_known_before_is_known_after(vault: Vault) -> None:
    ledger = small(vault, lines(300))
    merged(vault, ledger)
    piece = b"".join(line + b"\n" for line in lines(300)[:150])
    with vault.writer() as writer:
        assert writer.append(Batch("S0", piece, AT, key="k0")).duplicate
        assert writer.append(Batch("S0", b"other\n", AT, key="k0")).conflict


def test_an_export_goes_on_while_segments_are_merged(vault: Vault) -> None:
    ledger = small(vault, lines(3000))
    whole = list(vault.raw("S0"))
    reading = vault.raw("S0")
    begun = [next(reading) for _ in range(200)]
    merged(vault, ledger)
    assert begun + list(reading) == whole


def test_damage_is_never_merged(vault: Vault) -> None:
    ledger = small(vault, lines(600))
    file = locate(vault.root)["n1-000000002"] / tree.ROWS
    content = bytearray(file.read_bytes())
    content[60] ^= 1
    file.write_bytes(content)
    with vault.writer() as writer, pytest.raises(SuccessionError, match="n1-000000002 is not what was sealed"):
        writer.merge(vault.segments(), LATER, ledger.announce)
    assert [sealed.number for sealed in vault.segments()] == [1, 2, 3, 4]
    assert len(locate(vault.root)) == 4
    assert len(ledger.told) == 4


def test_nothing_is_merged_while_somebody_verifies(vault: Vault) -> None:
    ledger = small(vault, lines(300))
    run = vault.segments()
    with vault.writer() as writer:
        with locks.unchanged(vault.root), pytest.raises(BusyError):
            writer.merge(run, LATER, ledger.announce)
        assert vault.segments() == run
        assert writer.merge(run, LATER, ledger.announce) is not None
        assert writer.merge(run, LATER, ledger.announce) is None, "they stand no more"


def test_what_the_ledger_refuses_does_not_happen(vault: Vault) -> None:
    small(vault, lines(300))
    names = [sealed.name for sealed in vault.segments()]

    def refuse(_sealed: SealedSegment) -> None:
        raise PermissionError

    with vault.writer() as writer, pytest.raises(PermissionError):
        writer.merge(vault.segments(), LATER, refuse)
    assert [sealed.name for sealed in vault.segments()] == names == list(locate(vault.root))
    assert {path.stem for path in (vault.root / "streams").rglob("*.*")} == set(names)
    assert vault.verify() == []


# Redaction


def redact(vault: Vault, ledger: Ledger, *runs: tuple[int, int], case: str = "2026-0007") -> list[SealedSegment]:
    return vault.redact(Redaction(case, "personal data sent by mistake", runs, LATER), SALT, ledger.announce)


SECRET = "身份证号 120101199003070011 张晓明xiaomingzhang"


def with_secret(place: int = 77) -> list[bytes]:
    made = lines(450)
    made[place] = f"<38>Mar  2 09:10:00 mailhost leaker[9]: {SECRET} port 22".encode()
    return made


def everywhere(root: Path) -> bytes:
    """Return every byte of a vault, Parquet files read out."""
    found = []
    for path in sorted(root.rglob("*")):
        if path.suffix == ".parquet":
            found.append(repr(pq.read_table(path).to_pylist()).encode())
            if path.name == tree.ROWS:
                found += [Block(ondisk.read(path)).line(row) for row in range(pq.read_metadata(path).num_rows)]
        if path.is_file():
            found.append(path.read_bytes())
    return b"\n".join(found)


def test_the_text_is_out_of_every_file_and_the_rest_as_it_was(vault: Vault) -> None:
    made = with_secret()
    ledger = small(vault, made)
    whole = list(vault.raw("S0"))
    assert any(b"xiaomingzhang" in piece for piece in whole)
    before = vault.line("n1-000000001", 78)
    assert before is not None
    (successor,) = redact(vault, ledger, (78, 78))
    everything = everywhere(vault.root)
    for part in ("xiaomingzhang", "120101199003070011", "张晓明", "mailhost", "leaker"):
        assert part.encode() not in everything
        assert vault.search(Query(term=part)).total == 0
    after = vault.line("n1-000000001", 78)
    assert after is not None
    digest = succession.digest_of(SALT, made[77])
    assert after.line == f"[redacted, case 2026-0007: personal data sent by mistake; SHA-256 {digest}]"
    assert (after.redacted, after.host, after.app, after.pid, after.facility) == (True, "", "", None, None)
    assert (after.at, after.ts, after.received, after.source, after.address) == (
        before.at, before.ts, before.received, before.source, before.address,
    )  # fmt: skip
    assert [piece for n, piece in enumerate(vault.raw("S0")) if n != 77] == [piece for n, piece in enumerate(whole) if n != 77]
    assert successor.redactions == (Redaction("2026-0007", "personal data sent by mistake", ((78, 78),), LATER),)
    assert vault.search(Query(term="2026-0007")).total == 1
    assert ledger.faults() == []


def test_lines_of_several_segments_and_a_second_case(vault: Vault) -> None:
    ledger = small(vault, lines(600))
    made = redact(vault, ledger, (140, 160), (305, 305))
    assert [(sealed.number, sealed.redactions[0].seqs) for sealed in made] == [
        (1, ((140, 150),)), (2, ((151, 160),)), (3, ((305, 305),)),
    ]  # fmt: skip
    assert redact(vault, ledger, (140, 160), (305, 305)) == made  # again is nothing
    assert [hit.redacted for hit in vault.search(Query(limit=1000, newest_first=False)).hits].count(True) == 22
    (other,) = redact(vault, ledger, (158, 170), case="2026-0009")
    assert [each.seqs for each in other.redactions] == [((151, 160),), ((161, 170),)]
    assert other.name == "n1-000000002.2"
    assert redact(vault, ledger, (160, 161), case="2026-0010") == [other]
    texts = {hit.seq: hit.line for hit in vault.search(Query(term="redacted", limit=100)).hits}
    assert "2026-0007" in texts[158]
    assert "2026-0009" in texts[161]
    assert ledger.faults() == []
    (whole,) = merged(vault, ledger)
    assert [each.case for each in whole.redactions] == ["2026-0007", "2026-0007", "2026-0009", "2026-0007"]
    assert ledger.faults() == []


def test_a_redacted_line_is_nobodys_event_and_no_unread_shape(vault: Vault) -> None:
    made = [b"<38>Mar  2 09:10:00 h sshd[9]: Failed password for root from 10.1.1.1 port 22 ssh2" for _ in range(20)]
    ledger = small(vault, made)
    assert len(vault.events()) == 20
    redact(vault, ledger, (3, 7))
    assert vault.events()["seq"].to_pylist() == [1, 2, *range(8, 21)]
    assert [shape for heard in vault.coverage().values() for shape in heard.shapes] == []


def test_a_pattern_that_only_redacted_lines_had_goes_from_the_registry(vault: Vault) -> None:
    made = [f"<38>Mar  2 09:10:00 h leak[9]: client zhangxiaoming number {n}".encode() for n in range(10)]
    made += [f"<38>Mar  2 09:10:00 h fine[9]: nothing secret {n}".encode() for n in range(10)]
    ledger = small(vault, made)
    redact(vault, ledger, (1, 9))
    assert b"client zhangxiaoming number <*>" in everywhere(vault.root)  # line 10 has it still
    with vault.writer():  # who has the registry open, with a journal beside it
        redact(vault, ledger, (10, 10), case="2026-0008")
        assert b"zhangxiaoming" not in everywhere(vault.root)
    assert ledger.faults() == []
    with vault.writer() as writer:
        writer.append(Batch("S0", b"".join(line + b"\n" for line in made), LATER))
        writer.seal(LATER)
    ledger.seals()
    assert ledger.faults() == []


def test_a_batch_sent_again_does_not_bring_the_text_back(vault: Vault) -> None:
    ledger = small(vault, with_secret())
    piece = b"".join(line + b"\n" for line in with_secret()[:150])
    redact(vault, ledger, (78, 78))
    with vault.writer() as writer:
        answer = writer.append(Batch("S0", piece, LATER, key="k0"))
        assert (answer.duplicate, answer.conflict) == (False, True)
        assert writer.append(Batch("S1", b"x\n", LATER, key="k1")).conflict  # another batch's key is as it was
        assert writer.seal(LATER) is None


def test_bytes_that_are_no_text_are_redacted_too(vault: Vault) -> None:
    made = [b"\xff\xfe\x00 binary \x80", "防火墙 拒绝".encode("gb18030"), b"", b"plain"]
    ledger = small(vault, made)
    redact(vault, ledger, (1, 3))
    pieces = list(vault.raw("S0"))
    assert [succession.digest_of(SALT, line).encode() in piece for line, piece in zip(made, pieces, strict=True)] == [True] * 3 + [False]
    assert pieces[3] == b"plain\n"
    assert ledger.faults() == []


def test_the_copy_elsewhere_takes_the_successor_and_loses_the_text(vault: Vault, tmp_path: Path) -> None:
    ledger, target = small(vault, with_secret()), tmp_path / "elsewhere"
    offsite.copy(vault.root, target)
    redact(vault, ledger, (78, 78))
    done = offsite.copy(vault.root, target)
    assert (done.copied, done.replaced, done.gone, done.faults) == (["n1-000000001.1"], ["n1-000000001"], [], [])
    assert b"xiaomingzhang" not in everywhere(target)
    (whole,) = merged(vault, ledger)
    redact(vault, ledger, (1, 1), case="2026-0011")
    done = offsite.copy(vault.root, target)
    assert (done.copied, len(done.replaced), done.faults) == ([f"{whole.name[:-2]}.2"], 3, [])
    assert offsite.verify(vault.segments(), target) == []
    assert [str(fault) for fault in Vault(target).verify(ledger.told) if "stream" not in fault.part and fault.part != "coverage"] == []


# What verification says


def test_a_segment_put_back_is_found(vault: Vault, tmp_path: Path) -> None:
    ledger = small(vault, with_secret())
    shutil.copytree(vault.root, tmp_path / "kept")
    redact(vault, ledger, (78, 78))
    shutil.rmtree(vault.root)
    (tmp_path / "kept").rename(vault.root)
    assert ledger.faults() == [
        "n1-000000001: catalog: the ledger holds its successor n1-000000001.1, and what was replaced still stands",
    ]


def test_an_old_folder_beside_its_successor_is_found(vault: Vault, tmp_path: Path) -> None:
    ledger = small(vault, with_secret())
    old = locate(vault.root)["n1-000000001"]
    shutil.copytree(old, tmp_path / "kept")
    redact(vault, ledger, (78, 78))
    (tmp_path / "kept").rename(old)
    (fault,) = ledger.faults()
    assert fault.startswith("n1-000000001: segment: it was replaced by n1-000000001.1 and is still there")
    with vault.writer() as writer:
        writer.settle(ledger.knows)
    assert ledger.faults() == []


def test_a_successor_that_the_ledger_was_not_told_of_is_found(vault: Vault) -> None:
    ledger = small(vault, with_secret())
    vault.redact(Redaction("2026-0007", "a reason of one's own", ((78, 78),), LATER), SALT, lambda _sealed: None)
    (fault,) = ledger.faults()
    assert fault.startswith("n1-000000001.1: catalog: root ")


def test_a_successor_of_other_segments_than_it_says_is_found(vault: Vault) -> None:
    ledger = small(vault, lines(450))
    merged(vault, ledger)
    ledger.told = [Sealed(head.number, head.name, "0" * 64) if head.number == 2 else head for head in ledger.told]
    (fault,) = ledger.faults()
    assert "it says that it replaces n1-000000002" in fault


def test_a_merged_segment_is_disposed_of_as_one(vault: Vault) -> None:
    ledger = small(vault, lines(450))
    (successor,) = merged(vault, ledger)
    vault.dispose(successor.name, LATER + timedelta(days=200))
    assert vault.segments() == []
    assert ledger.faults() == []


# Kills: the process ends for good at each step


class GoneError(BaseException):
    """The process ends here."""


STEPS: dict[str, tuple[object, str, bool]] = {
    "before the rename": (durable, "publish_folder", False),
    "after the rename": (durable, "publish_folder", True),
    "before the catalog": (Catalog, "replace", False),
    "after the catalog": (Catalog, "replace", True),
    "between two deletions": (succession, "_remove", True),
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("kind", ["merge", "redact"])
@pytest.mark.parametrize("told", [True, False])
def test_a_kill_at_any_step_loses_nothing(vault: Vault, step: str, kind: str, told: bool, tmp_path: Path) -> None:
    small(vault, with_secret())
    whole = list(vault.raw("S0"))
    child = os.fork()
    if not child:
        try:
            _killed_at(STEPS[step])
            announce: Callable[[SealedSegment], None] = lambda sealed: (tmp_path / "told").write_text(sealed.root_sha256)  # noqa: E731
            with vault.writer() as writer:
                if kind == "merge":
                    writer.merge(vault.segments(), LATER, announce)
            if kind == "redact":
                vault.redact(Redaction("2026-0007", "r", ((78, 78),), LATER), SALT, announce)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9, "the fault did not strike"
    announced = (tmp_path / "told").read_text() if (tmp_path / "told").exists() and told else ""
    assert (step in {"before the rename", "after the rename"}) == (not (tmp_path / "told").exists())
    listed = step in {"after the catalog", "between two deletions"}
    with vault.writer() as writer:
        writer.settle(lambda sealed: sealed.root_sha256 == announced)
    standing = vault.segments()
    replaced = bool(announced) or listed
    assert [sealed.name for sealed in standing] == (
        ["n1-000000001", "n1-000000002", "n1-000000003"] if not replaced
        else ["n1-000000003.1"] if kind == "merge" else ["n1-000000001.1", "n1-000000002", "n1-000000003"]
    )  # fmt: skip
    assert set(locate(vault.root)) == {sealed.name for sealed in standing}
    assert {path.stem for path in (vault.root / "streams").rglob("*.*")} == {sealed.name for sealed in standing}
    assert list((vault.root / "segments").rglob(".*")) == []
    after = list(vault.raw("S0"))
    changed = [n for n, (one, other) in enumerate(zip(whole, after, strict=True)) if one != other]
    assert changed == ([77] if kind == "redact" and replaced else [])
    assert vault.verify() == []


def _killed_at(step: tuple[object, str, bool]) -> None:
    where, name, after = step
    real = getattr(where, name)

    def end(*arguments: object, **named: object) -> object:
        if after:
            real(*arguments, **named)
        os._exit(9)

    setattr(where, name, end)


def test_a_catalog_of_the_release_before_is_read(vault: Vault) -> None:
    """It has no table of what was replaced."""
    small(vault, lines(300))
    with sqlite3.connect(vault.root / "catalog.sqlite3") as db:
        db.execute("drop table replaced")
    db.close()
    assert vault.verify() == []
    assert vault.line("n1-000000001", 5) is not None
    ledger = Ledger(vault)
    ledger.seals()
    assert len(merged(vault, ledger)) == 1
    assert ledger.faults() == []


def test_readers_find_every_line_while_segments_are_replaced(vault: Vault) -> None:
    """A child merges and redacts; meanwhile each search finds all lines."""
    ledger = small(vault, lines(3000))
    query = Query(limit=0)
    child = os.fork()
    if not child:
        try:
            for n in range(6):
                redact(vault, ledger, (n * 150 + 5, n * 150 + 9), case=f"c{n}")
            merged(vault, ledger)
            os._exit(0)
        finally:
            os._exit(1)
    totals, done = [], 0
    while not done:
        totals.append(vault.search(query).total)
        done, status = os.waitpid(child, os.WNOHANG)
    assert os.waitstatus_to_exitcode(status) == 0
    assert set(totals) == {3000}
    assert len(vault.segments()) == 1
    assert np.sum([hit.redacted for hit in vault.search(Query(limit=3000)).hits]) == 30
