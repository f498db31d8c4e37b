"""Kill the writer at every step of a seal: nothing acknowledged is lost, nothing is there twice."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from anzhang.engines import durable
from anzhang.engines.vault import Batch, Query, Vault, WriterDeadError, catalog, wal
from tests.engines.logs import AT

SCRIPT = """
import os, sys
from datetime import timedelta
from pathlib import Path
from anzhang.engines import durable
from anzhang.engines.vault import Batch, Vault, catalog, ondisk, segment, tree, wal
from tests.engines.logs import AT

root, where, when, round_ = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
out = Vault(root).writer()
owner, name = {
    "sync": (durable.AppendFile, "sync"), "write_rows": (ondisk, "write"), "tree": (tree, "dump"),
    "derive": (durable, "write_file"), "publish": (durable, "publish_folder"), "list": (catalog.Catalog, "insert"),
    "release": (wal, "release"), "forget": (catalog.Catalog, "forget_keys"),
}[where]
real, calls = getattr(owner, name), 0

def fatal(*arguments, **named):
    if when == "before":
        os._exit(9)
    real(*arguments, **named)
    os._exit(9)

for i in range(8):
    key = f"{round_}-{i}"
    if where == "sync" and i == 5:
        setattr(owner, name, fatal)
    out.append(Batch("S", f"line {key}\\n".encode() * 3, AT, key=key))
    os.write(1, f"{key}\\n".encode())
setattr(owner, name, fatal)
out.seal(AT)
os._exit(0)
"""


def killed(root: Path, where: str, when: str, number: int) -> list[str]:
    """Run appends and a seal until the kill; return the acknowledged keys."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(root), where, when, str(number)], capture_output=True, check=False, cwd=Path(__file__).parents[2]
    )
    assert done.returncode == 9, done.stderr.decode()
    return done.stdout.decode().split()


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_kill_at_any_step_loses_nothing_and_doubles_nothing(tmp_path: Path, when: str) -> None:
    vault, acknowledged, sent = Vault(tmp_path), [], []
    steps = ["sync", "write_rows", "tree", "derive", "publish", "list", "release", "forget"]
    for number, where in enumerate(steps):
        acknowledged += killed(tmp_path, where, when, number)
        seen = [hit.line for hit in vault.search(Query(limit=10_000)).hits]
        assert set(acknowledged) <= {line.removeprefix("line ") for line in seen}
        sent += [f"{number}-{i}" for i in range(8)]
        with vault.writer() as writer:
            for key in sent:  # the client does not know what arrived and sends everything again
                writer.append(Batch("S", f"line {key}\n".encode() * 3, AT, key=key))
            if number % 3 == 2:
                writer.seal(AT)
        assert vault.verify() == []
        assert sorted(b"".join(vault.raw("S")).decode().splitlines()) == sorted(f"line {key}" for key in sent for _ in range(3))
    assert len(acknowledged) == 8 * len(steps) - 3
    with vault.writer() as writer:
        writer.seal(AT)
        assert writer.append(Batch("S", b"line 0-0\n" * 3, AT, key="0-0")).duplicate
    numbers = [sealed.number for sealed in vault.segments()]
    assert numbers == list(range(1, len(numbers) + 1))


def test_a_torn_tail_is_dropped_and_the_log_goes_on(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    with vault.writer() as writer:
        writer.append(Batch("S", b"whole\n", AT))
        writer.append(Batch("S", b"torn\n", AT))
    log = max((tmp_path / "wal").glob("*.wal"))
    for cut in range(1, 40, 3):
        log.write_bytes(log.read_bytes()[:-cut] if cut == 1 else log.read_bytes()[:-3])
        assert [hit.line for hit in vault.search(Query()).hits] == ["whole"]
    assert vault.verify() == []
    with vault.writer() as writer:
        writer.append(Batch("S", b"next\n", AT))
    with vault.writer() as writer:
        writer.seal(AT)
    assert b"".join(vault.raw("S")) == b"whole\nnext\n"
    assert vault.verify() == []


def test_damage_before_a_valid_record_is_named_and_set_aside(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    with vault.writer() as writer:
        for i in range(3):
            writer.append(Batch("S", b"line %d\n" % i, AT))
    log = max((tmp_path / "wal").glob("*.wal"))
    log.write_bytes(log.read_bytes().replace(b"line 1", b"line X"))
    assert [fault.part for fault in vault.verify()] == ["write-ahead log", "write-ahead log"]
    with vault.writer() as writer:
        writer.seal(AT)
    assert b"".join(vault.raw("S")) == b"line 0\nline 2\n"
    assert [fault.part for fault in vault.verify()] == ["write-ahead log"]
    assert b"line X" in next((tmp_path / "wal" / "damaged").iterdir()).read_bytes()


def test_a_payload_cannot_pretend_to_be_a_record(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    with vault.writer() as writer:
        writer.append(Batch("S", b"real\n", AT))
    log = max((tmp_path / "wal").glob("*.wal"))
    forged = log.read_bytes()[durable.SALT :]
    with Vault(tmp_path / "other").writer() as other:
        other.append(Batch("S", b"begin " + forged + b" end", AT))
    torn = max((tmp_path / "other" / "wal").glob("*.wal"))
    torn.write_bytes(torn.read_bytes()[:-1])
    assert Vault(tmp_path / "other").search(Query()).total == 0


def test_a_disk_that_cannot_sync_stops_the_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Vault(tmp_path).writer() as writer:
        writer.append(Batch("S", b"safe\n", AT))

        def failing(_file: durable.AppendFile) -> None:
            raise durable.DurabilityError("no")

        monkeypatch.setattr(durable.AppendFile, "sync", failing)
        with pytest.raises(durable.DurabilityError):
            writer.append(Batch("S", b"in doubt\n", AT))
        with pytest.raises(WriterDeadError):
            writer.append(Batch("S", b"never\n", AT))


def test_a_failed_seal_leaves_everything_to_be_sealed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vault = Vault(tmp_path)
    with vault.writer() as writer:
        writer.append(Batch("S", b"one\n", AT))
        with monkeypatch.context() as patched:

            def full(_temporary: Path, _final: Path) -> None:
                raise OSError(28, "No space left on device")

            patched.setattr(durable, "publish_folder", full)
            with pytest.raises(OSError, match="No space"):
                writer.seal(AT)
        writer.append(Batch("S", b"two\n", AT))
        sealed = writer.seal(AT + timedelta(seconds=1))
        assert sealed is not None
        assert (sealed.number, sealed.rows) == (1, 2)
    assert vault.verify() == []


def test_a_segment_that_was_published_and_not_listed_is_never_built_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vault = Vault(tmp_path)
    with vault.writer() as writer:
        writer.append(Batch("S", b"one\n", AT))
        with monkeypatch.context() as patched:

            def full(*_arguments: object) -> None:
                raise catalog.CatalogError("database or disk is full")

            patched.setattr(catalog.Catalog, "insert", full)
            for _attempt in range(2):
                with pytest.raises(catalog.CatalogError):
                    writer.seal(AT)
        writer.append(Batch("S", b"two\n", AT))
        first, second = writer.seal(AT), writer.seal(AT)
        assert first is not None
        assert second is not None
        assert (first.number, first.rows, second.number, second.rows) == (1, 1, 2, 1)
        assert writer.seal(AT) is None
    assert vault.verify() == []
    assert b"".join(vault.raw("S")) == b"one\ntwo\n"


def test_what_cannot_be_cleared_away_after_a_seal_is_cleared_with_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vault = Vault(tmp_path)
    with vault.writer() as writer:
        writer.append(Batch("S", b"one\n", AT))
        with monkeypatch.context() as patched:

            def failing(*_arguments: object) -> None:
                raise OSError(5, "Input/output error")

            patched.setattr(wal, "release", failing)
            assert writer.seal(AT) is not None
        assert len(wal.files(tmp_path / "wal")) == 2
        writer.append(Batch("S", b"two\n", AT))
        assert writer.seal(AT) is not None
        assert len(wal.files(tmp_path / "wal")) == 1
    assert vault.verify() == []
    assert b"".join(vault.raw("S")) == b"one\ntwo\n"


def test_a_catalog_without_tables_is_an_empty_one_to_a_reader(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    with vault.writer() as writer:
        writer.append(Batch("S", b"one\n", AT))
    (tmp_path / "catalog.sqlite3").write_bytes(b"")
    for leftover in tmp_path.glob("catalog.sqlite3-*"):
        leftover.unlink()
    assert [hit.line for hit in vault.search(Query()).hits] == ["one"]
    assert vault.verify() == []


def test_a_writer_that_could_not_open_is_in_nobodys_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:

        def failing(*_arguments: object) -> None:
            raise OSError(5, "Input/output error")

        patched.setattr(wal, "release", failing)
        with pytest.raises(OSError, match="Input"):
            Vault(tmp_path).writer()
    with Vault(tmp_path).writer() as writer:
        assert writer.append(Batch("S", b"one\n", AT)).record == 1
