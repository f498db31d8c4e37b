"""A second copy elsewhere: whole or not at all, read back, and never over something else."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from anzhang.engines import durable
from anzhang.engines.vault import Query, Vault, offsite
from anzhang.engines.vault.places import locate
from tests.engines.logs import AT, lines
from tests.engines.test_vault import fill
from tests.engines.test_vault_verify import flip, longer


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("built") / "vault"
    fill(Vault(root), lines(90), per_batch=30, per_segment=1)
    return root


@pytest.fixture
def vault(built: Path, tmp_path: Path) -> Vault:
    return Vault(Path(shutil.copytree(built, tmp_path / "vault")))


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "elsewhere"


def copy(vault: Vault, target: Path) -> offsite.Copied:
    return offsite.copy(vault.root, target)


def test_the_copy_is_a_vault_of_its_own(vault: Vault, target: Path) -> None:
    done = copy(vault, target)
    assert (done.segments, len(done.copied), done.gone, done.faults) == (3, 3, [], [])
    again = copy(vault, target)
    assert (again.copied, again.bytes, again.faults) == ([], 0, [])
    assert offsite.verify(vault.segments(), target) == []
    shutil.rmtree(vault.root)
    restored = Vault(target)
    restored.rebuild_streams()
    assert restored.verify() == []
    assert restored.search(Query(limit=0)).total == 90


def test_what_was_sealed_since_follows_and_what_was_disposed_of_is_named(vault: Vault, target: Path) -> None:
    copy(vault, target)
    fill(vault, lines(10, seed=2), per_batch=10, per_segment=1)
    first = vault.segments()[0].name
    vault.dispose(first, AT + timedelta(days=400))
    done = copy(vault, target)
    assert (done.segments, done.copied, done.gone) == (3, [vault.segments()[-1].name], [first])
    assert offsite.verify(vault.segments(), target) == []


def test_a_run_that_was_killed_goes_on(vault: Vault, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    published: list[Path] = []

    def publish(temporary: Path, final: Path) -> None:
        if published:
            raise KeyboardInterrupt
        published.append(final)
        temporary.rename(final)

    with monkeypatch.context() as patch:
        patch.setattr(durable, "publish_folder", publish)
        with pytest.raises(KeyboardInterrupt):
            copy(vault, target)
    assert len(locate(target)) == 1
    (target / "segments" / published[0].parent.name / ".n1-000000002").mkdir()
    done = copy(vault, target)
    assert (len(done.copied), done.faults) == (2, [])
    assert not list(target.glob("segments/*/.*"))


CHANGES: dict[str, Callable[[Path], None]] = {
    "a byte of the rows": lambda folder: flip(folder / "rows.parquet", 300),
    "a longer filter": lambda folder: longer(folder / "filter.bin"),
    "a byte of the tree": lambda folder: flip(folder / "segment.tree", 40),
    "no keys": lambda folder: (folder / "keys.jsonl").unlink(),
    "no folder": shutil.rmtree,
}


@pytest.mark.parametrize("name", CHANGES)
def test_verification_reads_the_whole_copy(name: str, vault: Vault, target: Path) -> None:
    copy(vault, target)
    second = vault.segments()[1]
    CHANGES[name](locate(target)[second.name])
    faults = offsite.verify(vault.segments(), target)
    assert {fault.segment for fault in faults} == {second.name}


def test_a_segment_that_is_damaged_here_is_not_copied(vault: Vault, target: Path) -> None:
    second = vault.segments()[1]
    flip(locate(vault.root)[second.name] / "rows.parquet", 300)
    done = copy(vault, target)
    assert [fault.segment for fault in done.faults] == [second.name]
    assert second.name not in locate(target)
    assert len(done.copied) == 2


def test_a_copy_that_was_cut_is_named_and_not_written_over(vault: Vault, target: Path) -> None:
    copy(vault, target)
    second = vault.segments()[1]
    longer(locate(target)[second.name] / "rows.parquet")
    assert [fault.segment for fault in copy(vault, target).faults] == [second.name]


@pytest.mark.parametrize("kind", ["inside", "around", "itself", "foreign", "other", "missing", "relative", "empty"])
def test_a_folder_that_is_not_ours_is_refused_and_stays_as_it_is(kind: str, vault: Vault, tmp_path: Path, target: Path) -> None:
    place = {
        "inside": vault.root / "copy", "around": vault.root.parent, "itself": vault.root, "missing": tmp_path / "no" / "disk",
        "relative": Path("copy"),
    }.get(kind, target)  # fmt: skip
    if kind == "foreign":
        target.mkdir()
        (target / "letters.txt").write_text("private")
    if kind == "other":
        other = Vault(tmp_path / "other")
        fill(other, lines(10, seed=5), per_batch=10, per_segment=1)
        copy(other, target)
    before = sorted(target.rglob("*")) if target.exists() else []
    with pytest.raises(offsite.TargetError):
        offsite.copy(Vault(tmp_path / "nothing").root if kind == "empty" else vault.root, place)
    assert (sorted(target.rglob("*")) if target.exists() else []) == before


def test_what_is_no_copy_is_not_verified(vault: Vault, target: Path) -> None:
    with pytest.raises(offsite.TargetError):
        offsite.verify(vault.segments(), target)
