"""A line that came in is proved to somebody who has nothing but the file and the public keys."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from anzhang.engines.ledger import verifier
from anzhang.engines.ledger.note import Verifier
from anzhang.engines.ledger.tree import ProofError
from anzhang.monitoring.line_proofs import check_line
from tests.monitoring.installation import Installation

LINE = b"<38>Nov 24 09:00:00 sbapp01 sshd[4711]: Failed password for root from 203.0.113.9 port 4242 ssh2"


def run(home: Path, *words: str, code: int = 0) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ANZHANG_", "DJANGO_"))}
    command = [sys.executable, "-m", "anzhang", "--home", str(home), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_a_line_is_proved_without_the_vault(installation: Installation, tmp_path: Path) -> None:
    installation.start()
    installation.send(b"".join(b"<38>Nov 24 09:00:00 sbapp01 sshd[1]: line %d\n" % each for each in range(40)), "127.0.0.2")
    installation.stop()
    installation.start()
    installation.send(b"<38>Nov 24 09:00:00 sbapp01 sshd[1]: before\n" + LINE + b"\n", "127.0.0.2")
    installation.stop()
    sealed = installation.vault.segments()[-1]
    hit = next(
        hit
        for hit in (installation.vault.line(sealed.name, seq) for seq in range(sealed.first_seq, sealed.last_seq + 1))
        if hit.raw == LINE
    )

    file, keys = tmp_path / "line.zip", tmp_path / "keys"
    said = run(installation.home, "vault", "prove", str(sealed.number), str(hit.seq), "--out", str(file))
    assert str(file) in said
    keys.write_text(run(installation.home, "ledger", "key"))
    # The other side has no installation: an empty folder.
    nobody = tmp_path / "nobody"
    said = run(nobody, "vault", "check", str(file), "--key", str(keys))
    assert said.endswith(LINE.decode() + "\n")
    told = json.loads(run(nobody, "vault", "check", str(file), "--key", str(keys), "--json"))
    assert (told["seq"], told["source"], told["line"], sorted(told["heads"])) == (hit.seq, "PLAIN", LINE.decode(), ["sha256", "sm3"])
    assert not nobody.exists()
    assert "no line" in run(installation.home, "vault", "prove", str(sealed.number), str(sealed.last_seq + 9), "--out", str(file), code=2)
    assert file.exists(), "a refusal leaves the earlier file"
    asked = installation.rows("select count(*) from anzhang_entry where act = 'monitoring:vault:query'")
    assert asked == [(1,)], "the ledger holds that it was given out"

    verifiers = [Verifier.parse(line) for line in keys.read_text().split()]
    assert check_line(file.read_bytes(), verifiers).proved.hit.raw == LINE
    others = [Verifier(each.name, bytes(32)) for each in verifiers]
    for wrong in (others, verifiers[:1], []):
        with pytest.raises(ProofError):
            check_line(file.read_bytes(), wrong)
    other = _other_segment(installation, tmp_path)
    for name in ("payload.json", "salt", "sha256.tlog-proof", "sm3.tlog-proof"):
        for content in (b"", b"{}", other.get(name, b"x"), b"00" * 16):
            with pytest.raises(ProofError):
                check_line(_with(file.read_bytes(), f"seal/{name}", content), verifiers)
    swapped = {"sha256.tlog-proof": "sm3.tlog-proof", "sm3.tlog-proof": "sha256.tlog-proof"}
    files = _files(file.read_bytes())
    for name, from_ in swapped.items():
        with pytest.raises(ProofError):
            check_line(_with(file.read_bytes(), f"seal/{name}", files[f"seal/{from_}"]), verifiers)
    _check_with_nothing_but_python(file, keys, other, tmp_path)
    run(nobody, "vault", "check", str(keys), "--key", str(keys), code=1)
    run(nobody, "vault", "check", str(tmp_path / "missing"), "--key", str(keys), code=2)


def _check_with_nothing_but_python(file: Path, keys: Path, other: dict[str, bytes], folder: Path) -> None:
    def verify(content: bytes) -> subprocess.CompletedProcess[str]:
        (folder / "given.zip").write_bytes(content)
        command = [sys.executable, "-I", verifier.__file__, "--line", str(folder / "given.zip"), "--key", str(keys)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    sound = file.read_bytes()
    done = verify(sound)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("ok: ") == 3
    assert done.stdout.endswith(f": {LINE.decode()}\n")
    for name, content in _files(sound).items():
        if name in {"line.bin", "proof.json"}:
            continue
        wrong = other.get(name.removeprefix("seal/"), b"x" + content)
        assert verify(_with(sound, name, wrong)).returncode in {1, 2}, name
    for content in (b"", b"PK", _with(sound, "proof.json", b"[]"), _with(sound, "proof.json", b"{}")):
        assert verify(content).returncode == 2


def _other_segment(installation: Installation, folder: Path) -> dict[str, bytes]:
    """Return what the ledger says about the first segment, whole and sound."""
    first = installation.vault.segments()[0]
    run(installation.home, "vault", "prove", str(first.number), str(first.first_seq), "--out", str(folder / "other.zip"))
    return {name.removeprefix("seal/"): content for name, content in _files((folder / "other.zip").read_bytes()).items()}


def _files(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        return {name: file.read(name) for name in file.namelist()}


def _with(content: bytes, name: str, other: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for each, held in {**_files(content), name: other}.items():
            file.writestr(each, held)
    return out.getvalue()
