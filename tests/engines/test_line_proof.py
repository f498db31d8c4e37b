"""A file that proves one line: nothing in it can be changed, exchanged or left out."""

from __future__ import annotations

import io
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from anzhang.engines.ledger.tree import ProofError
from anzhang.engines.vault import Vault, line_proof, ondisk
from anzhang.engines.vault.block import Block
from anzhang.engines.vault.places import locate
from tests.engines.logs import lines
from tests.engines.test_vault import fill

Files = dict[str, bytes]
SEAL = {"payload.json": b"{}"}


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Vault:
    """Two segments of several row groups; the last group of each is a short one."""
    rows, ondisk.GROUP_ROWS = ondisk.GROUP_ROWS, 256
    built = Vault(tmp_path_factory.mktemp("proved") / "vault")
    fill(built, lines(2100), per_batch=1050, per_segment=1)
    ondisk.GROUP_ROWS = rows
    return built


def proof(vault: Vault, seq: int) -> bytes:
    sealed = next(each for each in vault.segments() if each.first_seq <= seq <= each.last_seq)
    hit = vault.line(sealed.name, seq)
    assert hit is not None
    return line_proof.prove(locate(vault.root)[sealed.name], hit, SEAL)


@pytest.fixture(scope="module")
def made(vault: Vault) -> bytes:
    return proof(vault, 700)


def unpacked(content: bytes) -> Files:
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        return {name: file.read(name) for name in file.namelist()}


def packed(files: Files, method: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as file:
        for name, content in files.items():
            file.writestr(name, content)
    return out.getvalue()


def test_every_line_is_proved_as_it_came(vault: Vault) -> None:
    chance, first = random.Random(4), vault.segments()[0]
    for seq in [1, first.last_seq, first.last_seq + 1, vault.segments()[-1].last_seq, *(chance.randrange(1, 2101) for _ in range(30))]:
        proved = line_proof.check(proof(vault, seq))
        sealed = next(each for each in vault.segments() if each.name == proved.hit.segment)
        assert proved.hit == vault.line(sealed.name, seq)
        assert (proved.root_sha256, proved.root_sm3, dict(proved.header)) == (sealed.root_sha256, sealed.root_sm3, sealed.header())
        assert proved.seal == SEAL


def test_a_proof_of_a_segment_with_one_row_group(tmp_path: Path) -> None:
    vault = Vault(tmp_path / "vault")
    fill(vault, lines(3), per_batch=3, per_segment=1)
    assert line_proof.check(proof(vault, 2)).hit.seq == 2


def test_one_changed_bit_anywhere_is_found(made: bytes) -> None:
    files, chance = unpacked(made), random.Random(7)
    for name in ("header.json", "rows.bin", "footer.bin", "line.bin", "proof.json"):
        for place in [0, len(files[name]) - 1, *(chance.randrange(len(files[name])) for _ in range(40))]:
            content = bytearray(files[name])
            content[place] ^= 1 << chance.randrange(8)
            try:
                shown = line_proof.check(packed({**files, name: bytes(content)}))
            except ProofError:
                continue
            # A space of the JSON became another one, or a key that nobody reads: it still shows the same.
            assert name == "proof.json"
            assert shown == line_proof.check(made)


def altered(change: Callable[[dict], None]) -> Callable[[Files, Files], Files]:
    def changed(files: Files, _other: Files) -> Files:
        said = orjson.loads(files["proof.json"])
        change(said)
        return {**files, "proof.json": orjson.dumps(said)}

    return changed


CHANGES = {
    "another line of the group": altered(lambda said: said.update(seq=701)),
    "a line of another group": altered(lambda said: said.update(seq=1)),
    "another group": altered(lambda said: said.update(group=said["group"] + 1)),
    "a group below zero": altered(lambda said: said.update(group=-1)),
    "a smaller tree": altered(lambda said: said.update(leaves=said["leaves"] - 1)),
    "another segment": altered(lambda said: said.update(segment="n1-other")),
    "another root": altered(lambda said: said.update(root_sha256="00" * 32)),
    "another SM3 root": altered(lambda said: said.update(root_sm3="00" * 32)),
    "no SM3 paths": altered(lambda said: said["paths"].pop("sm3")),
    "a later version": altered(lambda said: said.update(v=2)),
    "no paths": altered(lambda said: said.update(paths=[])),
    "header of another segment": lambda files, other: {**files, "header.json": other["header.json"]},
    "rows of another segment": lambda files, other: {**files, "rows.bin": other["rows.bin"]},
    "footer of another segment": lambda files, other: {**files, "footer.bin": other["footer.bin"]},
    "a line that is not there": lambda files, _other: {**files, "line.bin": files["line.bin"] + b"x"},
    "no line": lambda files, _other: {name: content for name, content in files.items() if name != "line.bin"},
    "no rows": lambda files, _other: {name: content for name, content in files.items() if name != "rows.bin"},
    "no proof": lambda files, _other: {name: content for name, content in files.items() if name != "proof.json"},
    "no JSON": lambda files, _other: {**files, "proof.json": b"{"},
    "a list": lambda files, _other: {**files, "proof.json": b"[]"},
    "rows in the footer's place": lambda files, _other: {**files, "footer.bin": files["rows.bin"]},
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_a_proof_put_together_otherwise_is_refused(name: str, vault: Vault, made: bytes) -> None:
    files, other = unpacked(made), unpacked(proof(vault, 1500))
    with pytest.raises(ProofError):
        line_proof.check(packed(CHANGES[name](files, other)))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"nothing", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_zip_is_refused(content: bytes) -> None:
    with pytest.raises(ProofError):
        line_proof.check(content)


def test_a_file_that_would_grow_is_refused(made: bytes) -> None:
    with pytest.raises(ProofError, match="stored, never compressed"):
        line_proof.check(packed({**unpacked(made), "bomb": bytes(1 << 20)}, zipfile.ZIP_DEFLATED))
    with pytest.raises(ProofError, match="too large"):
        line_proof.check(packed({f"{number}": b"" for number in range(line_proof.PIECES + 1)}))


def test_a_vault_that_was_changed_proves_nothing(tmp_path: Path) -> None:
    vault = Vault(tmp_path / "vault")
    fill(vault, lines(50), per_batch=50, per_segment=1)
    proof(vault, 9)
    file = next(vault.root.glob("segments/*/*/rows.parquet"))
    table = pq.read_table(file)
    told = np.where(Block(table).numbers("seq") == 9, 4711, Block(table).numbers("pid"))
    at = table.column_names.index("pid")
    pq.write_table(table.set_column(at, table.field("pid"), pa.array(told, pa.int32())), file)
    with pytest.raises(ProofError):
        proof(vault, 9)
