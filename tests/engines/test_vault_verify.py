"""Change one thing in the vault: verification says which segment and which part."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from anzhang.engines.vault import Batch, Query, Sealed, Vault, facts, filters, ondisk, tree
from anzhang.engines.vault import verify as verifying
from anzhang.engines.vault.block import Block
from tests.engines.logs import AT, lines
from tests.engines.test_vault import fill

Change = Callable[[Path, dict[int, Path]], None]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A vault of four segments with several row groups each."""
    rows, ondisk.GROUP_ROWS = ondisk.GROUP_ROWS, 256
    root = tmp_path_factory.mktemp("built") / "vault"
    fill(Vault(root), lines(2000), per_batch=500, per_segment=1)
    ondisk.GROUP_ROWS = rows
    return root


@pytest.fixture
def root(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "vault"))


def folders(root: Path) -> dict[int, Path]:
    return {int(path.name[-9:]): path for path in (root / "segments").glob("day=*/n1-*")}


def heads(root: Path) -> list[Sealed]:
    return [Sealed(sealed.number, sealed.name, sealed.root_sha256) for sealed in Vault(root).segments()]


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def longer(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x")


def sql(root: Path, statement: str) -> None:
    with sqlite3.connect(root / "catalog.sqlite3") as db:
        assert db.execute(statement).rowcount > 0
    db.close()


def forget(root: Path, folder: Path) -> None:
    shutil.rmtree(folder)
    sql(root, f"delete from segment where name = '{folder.name}'")


def swap(one: Path, other: Path) -> None:
    one.rename(one.with_suffix(".swap"))
    other.rename(one)
    one.with_suffix(".swap").rename(other)


def footer_place(folder: Path) -> int:
    return (folder / tree.ROWS).stat().st_size - 20


CHANGES: dict[str, tuple[Change, int, str]] = {
    "row group": (lambda _r, f: flip(f[2] / tree.ROWS, 500), 2, "row group 0"),
    "later row group": (lambda _r, f: flip(f[2] / tree.ROWS, tree.parts(f[2])[1][2][0][0] + 9), 2, "row group 1"),
    "footer": (lambda _r, f: flip(f[3] / tree.ROWS, footer_place(f[3])), 3, "footer"),
    "magic": (lambda _r, f: flip(f[3] / tree.ROWS, 0), 3, "footer"),
    "filter": (lambda _r, f: flip(f[1] / tree.FILTER, -5), 1, "filter"),
    "template file": (lambda _r, f: flip(f[1] / tree.TEMPLATES, 20), 1, "template rows"),
    "template registry": (lambda r, _f: sql(r, "update template set pattern = 'x' where tid = 1"), 1, "template rows"),
    "template removed": (lambda r, _f: sql(r, "delete from template where tid = 1"), 1, "template rows"),
    "removed segment": (lambda _r, f: shutil.rmtree(f[2]), 2, "segment"),
    "removed last segment": (lambda _r, f: shutil.rmtree(f[4]), 4, "segment"),
    "removed from folder and catalog": (lambda r, f: forget(r, f[2]), 2, "segment"),
    "swapped folders": (lambda _r, f: swap(f[2], f[3]), 2, "segment"),
    "swapped rows": (lambda _r, f: swap(f[2] / tree.ROWS, f[3] / tree.ROWS), 3, "row group 0"),
    "removed file": (lambda _r, f: (f[2] / tree.FILTER).unlink(), 2, "filter.bin"),
    "longer file": (lambda _r, f: longer(f[2] / tree.FILTER), 2, "filter.bin"),
    "shorter file": (lambda _r, f: (f[2] / tree.ROWS).write_bytes((f[2] / tree.ROWS).read_bytes()[:-9]) and None, 2, "rows.parquet"),
    "tree broken": (lambda _r, f: (f[2] / tree.TREE).write_bytes(b"{") and None, 2, "segment.tree"),
    "catalog root": (lambda r, _f: sql(r, "update segment set root_sha256 = 'ff' where number = 2"), 2, "segment.tree"),
    "foreign file": (lambda _r, f: (f[2] / "note.txt").write_text("hello") and None, 2, "segment"),
    "stream": (lambda r, _f: (r / "streams/auth_event/n1-000000002.parquet").unlink(), 2, "stream auth_event"),
}  # fmt: skip


@pytest.mark.parametrize("what", CHANGES)
def test_it_names_segment_and_part(root: Path, what: str) -> None:
    assert Vault(root).verify(heads(root)) == []
    change, number, part = CHANGES[what]
    change(root, folders(root))
    assert (number, part) in {(fault.number, fault.part) for fault in Vault(root).verify()}


def test_a_block_that_says_something_else_than_its_lines_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "STEPS", (7,))
    found = Vault(root).verify()
    assert {(fault.number, fault.part) for fault in found} == {(number, "filter") for number in (1, 2, 3, 4)}
    assert "block 0" in found[0].what


def test_a_changed_event_is_named(root: Path) -> None:
    path = root / "streams/auth_event/n1-000000001.parquet"
    table = pq.read_table(path)
    pq.write_table(table.set_column(table.schema.get_field_index("user_name"), "user_name", [["nobody"] * len(table)]), path)
    assert [(fault.number, fault.part) for fault in Vault(root).verify()] == [(1, "stream auth_event")]
    assert Vault(root).rebuild_streams() == 4
    assert Vault(root).verify() == []


def test_a_segment_sealed_anew_after_a_change_breaks_the_chain(root: Path) -> None:
    folder = folders(root)[2]
    table = pq.read_table(folder / tree.ROWS)
    kept = heads(root)
    changed = table.set_column(table.schema.get_field_index("pid"), "pid", [np.zeros(len(table), np.int32)])
    pq.write_table(changed, folder / tree.ROWS, row_group_size=256)
    header = tree.load(folder)[0]
    (folder / tree.TREE).write_bytes(tree.dump(header, tree.hash_parts(folder, tree.parts(folder))))
    _, _, sha256, sm3 = tree.load(folder)
    sql(root, f"update segment set root_sha256 = '{sha256}', root_sm3 = '{sm3}' where number = 2")
    faults = Vault(root).verify()
    assert (3, "chain") in {(fault.number, fault.part) for fault in faults}
    assert (2, "catalog") in {(fault.number, fault.part) for fault in Vault(root).verify(kept)}


@pytest.mark.parametrize("left", [0, 1, 3])
def test_a_vault_cut_below_the_ledger_is_named(root: Path, left: int) -> None:
    kept = heads(root)
    for number, folder in folders(root).items():
        if number > left:
            shutil.rmtree(folder)
            (root / f"streams/auth_event/{folder.name}.parquet").unlink()
    sql(root, f"delete from segment where number > {left}")
    sql(root, "delete from template")
    faults = Vault(root).verify(kept)
    assert {fault.number for fault in faults if fault.what.startswith("cut")} == set(range(left + 1, 5))


def test_a_segment_the_ledger_never_heard_of_is_named(root: Path) -> None:
    kept = heads(root)
    assert [(f.number, f.part) for f in Vault(root).verify([kept[0], kept[1], kept[3]])] == [(3, "ledger")]
    assert Vault(root).verify(kept[:3]) == []  # the newest may not have been recorded yet


@pytest.mark.parametrize("seed", range(12))
def test_any_flipped_byte_is_found(root: Path, seed: int) -> None:
    chance = np.random.default_rng(seed)
    files = sorted(path for path in root.glob("segments/day=*/n1-*/*") if path.stat().st_size)
    file = files[chance.integers(len(files))]
    flip(file, int(chance.integers(file.stat().st_size)))
    assert int(file.parent.name[-9:]) in {fault.number for fault in Vault(root).verify()}


def test_the_roots_are_rfc_6962_over_both_hashes(root: Path) -> None:
    header, leaves, sha256, sm3 = tree.load(folders(root)[1])
    assert tree.roots(header, leaves) == (sha256, sm3)
    assert [leaf.part for leaf in leaves] == ["row group 0", "row group 1", "footer", "filter", "template rows", "idempotency keys"]
    # known values: RFC 9162 reference tree heads, and SM3("abc") of GB/T 32905 A.1
    inputs = [b"", b"\x00", b"\x10", b"\x20\x21", b"\x30\x31", bytes(range(0x40, 0x44)), bytes(range(0x50, 0x58)), bytes(range(0x60, 0x70))]
    hashes = [tree.leaf_hash("sha256", data) for data in inputs]
    assert tree.root("sha256", []).hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert tree.root("sha256", hashes[:1]).hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert tree.root("sha256", hashes).hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
    assert tree.digest("sm3").hexdigest() == "1ab21d8355cfa17f8e61194831e81a8f22bec8c728fefb747ed035eb5082aa2b"
    state = tree.digest("sm3")
    state.update(b"abc")
    assert state.hexdigest() == "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
    assert orjson.loads(tree.canonical(header)) == header


def test_rows_in_other_groups_are_named_and_not_read(root: Path) -> None:
    folder = folders(root)[2]
    pq.write_table(pq.read_table(folder / tree.ROWS), folder / tree.ROWS)
    header = tree.load(folder)[0]
    (folder / tree.TREE).write_bytes(tree.dump(header, tree.hash_parts(folder, tree.parts(folder))))
    _, _, sha256, sm3 = tree.load(folder)
    sql(root, f"update segment set root_sha256 = '{sha256}', root_sm3 = '{sm3}' where number = 2")
    found = Vault(root).verify()
    assert {"it describes 2 blocks, the rows have 1", "unreadable: the blanks of a row group"} <= {
        f.what.partition(": the lengths")[0] for f in found
    }


def test_a_segment_of_the_older_form_is_read_as_it_is(root: Path) -> None:
    queries = [
        Query(term="failed", limit=10_000),
        Query(substring="port 4", host="sbapp01", limit=10_000),
        Query(phrase="link up", count=False),
    ]
    vault, folder = Vault(root), folders(root)[2]
    found, raw = [vault.search(query) for query in queries], list(vault.raw("S"))
    assert all(result.hits for result in found)
    whole = ondisk.read(folder / tree.ROWS)
    plain = [column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column for column in whole.columns]
    pq.write_table(pa.table(plain, whole.column_names), folder / tree.ROWS, row_group_size=256)
    header = tree.load(folder)[0]
    (folder / tree.TREE).write_bytes(tree.dump(header, tree.hash_parts(folder, tree.parts(folder))))
    _, _, sha256, sm3 = tree.load(folder)
    sql(root, f"update segment set root_sha256 = '{sha256}', root_sm3 = '{sm3}' where number = 2")
    assert [(result.total, result.hits) for result in map(vault.search, queries)] == [(result.total, result.hits) for result in found]
    assert list(vault.raw("S")) == raw
    assert {fault.part for fault in vault.verify()} == {"chain"}
    assert Block(ondisk.read(folder / tree.ROWS)).line(7) == Block(whole).line(7)


def test_a_damaged_segment_keeps_nobody_from_writing(root: Path) -> None:
    """After an upgrade streams are derived anew: one segment that cannot be read must not keep the collector from starting."""
    for coverage in (root / "streams" / "coverage").iterdir():
        coverage.unlink()
    rows = folders(root)[2] / tree.ROWS
    rows.write_bytes(b"PAR1" + bytes(rows.stat().st_size - 4))
    vault = Vault(root)
    with vault.writer() as writer:
        writer.append(Batch("S", b"one more line\n", AT))
        assert writer.seal(AT) is not None
    assert {path.stem[-1] for path in (root / "streams" / "coverage").iterdir()} == {"1", "3", "4", "5"}
    assert 2 in {fault.number for fault in vault.verify()}


@pytest.mark.parametrize("harm", ["rows", "filter", "gone"])
def test_a_search_names_what_it_could_not_read(root: Path, harm: str) -> None:
    vault, folder = Vault(root), folders(root)[2]
    queries = [
        Query(limit=10_000),
        Query(term="ssh2", limit=10_000),
        Query(limit=0, bar=3600, group="app", top=99, sources=("S",), app="sshd"),
        Query(limit=0, app="sshd", extract=r"port (\d\d)", top=9999),
    ]
    whole = [vault.search(query) for query in queries]
    assert [result.unread for result in whole] == [[]] * len(queries)
    aside = shutil.copytree(folder, root.parent / "aside")
    if harm == "rows":
        (folder / tree.ROWS).write_bytes(b"PAR1" + bytes((folder / tree.ROWS).stat().st_size - 4))
    elif harm == "filter":
        (folder / tree.FILTER).write_bytes(b"{}")
    else:
        shutil.rmtree(folder)
    for query, before in zip(queries, whole, strict=True):
        now = vault.search(query)
        assert now.unread == ["n1-000000002"]
        left = [hit for hit in before.hits if hit.segment != "n1-000000002"]
        assert now.hits == left
        assert now.total is not None
        assert before.total is not None
        assert now.total < before.total
        if query.limit:
            assert now.total == len(left)
        assert sum(rows for _value, rows in now.groups) == (now.total if query.group else 0)
        assert sum(rows for _value, rows in now.extracted) == (now.total if query.extract else 0)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(aside, folder, copy_function=shutil.copyfile)
    assert [vault.search(query) for query in queries] == whole  # as it was, in the process that met the damage


def test_any_flipped_byte_of_the_rows_leaves_a_search_whole_or_named(root: Path) -> None:
    vault, rows = Vault(root), folders(root)[3] / tree.ROWS
    content, query = rows.read_bytes(), Query(term="ssh2", limit=10_000)
    expected = [hit for hit in vault.search(query).hits if hit.segment != "n1-000000003"]
    for place in range(4, len(content), 211):
        rows.write_bytes(content[:place] + bytes([content[place] ^ 8]) + content[place + 1 :])
        found = vault.search(query)  # it may be wrong where nobody can tell without the seal, but of other segments it is not
        assert [hit for hit in found.hits if hit.segment != "n1-000000003"] == expected
        assert set(found.unread) <= {"n1-000000003"}


def test_a_segment_that_does_not_say_how_long_fractions_are_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the release before sealed them; their filters leave out fractions of 3, 6 and 9 digits."""
    vault, counted = Vault(tmp_path), filters.facts_of
    monkeypatch.setattr(filters, "facts_of", lambda block: {name: what for name, what in counted(block).items() if name != "fractions"})
    fill(vault, lines(500), per_batch=500, per_segment=1)
    monkeypatch.undo()
    assert vault.verify() == []
    hits = vault.search(Query(host="fw01", limit=9)).hits
    assert hits
    for hit in hits:
        query = Query(term=hit.line.partition(".")[2].partition(" ")[0], limit=99)
        assert hit in vault.search(query).hits
        assert vault.search(query).hits == vault.search(query, prune=False).hits


def test_what_is_sealed_while_a_vault_is_verified_is_no_gap_in_its_log(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vault = Vault(root)
    given = heads(root)
    read, sealed = verifying._segment, []
    with vault.writer() as writer:

        def segment(*rest: object) -> object:
            if not sealed:  # a long verification: the collector seals more than once meanwhile
                for number in range(3):
                    writer.append(Batch("A", b"\n".join(lines(5, seed=number)), AT))
                    sealed.append(writer.seal(AT))
                writer.append(Batch("A", b"waits", AT))
            return read(*rest)  # type: ignore[arg-type]

        monkeypatch.setattr(verifying, "_segment", segment)
        assert vault.verify(lambda: given) == []
    assert len(sealed) == 3
