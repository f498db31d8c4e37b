"""`anzhang ledger`: heads, proofs and exports that somebody with nothing but Python can check."""

import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection

from anzhang.engines.ledger import verifier
from anzhang.events import Event
from anzhang.journal import procedures
from anzhang.journal.models import Entry, Head
from anzhang.permissions import system


@pytest.fixture
def ledger(bureau, home, clock):
    """The bureau, signed; the directory counts as an installation."""
    home.settings_file.write_text('[bureau]\nname = "x"\n')
    for _ in range(14):  # more than one full tile
        for person in bureau.person.values():
            procedures.write(system("test"), Event.ROW_CHANGE, person, at=clock.now)
        procedures.sign_heads(clock.now)
    return home


def run(*words):
    out = io.StringIO()
    call_command("ledger", *words, stdout=out)
    return out.getvalue()


def fails(capsys, code, *words):
    with pytest.raises(SystemExit) as exit_:
        run(*words)
    assert exit_.value.code == code
    return capsys.readouterr().err


def standalone(*words):
    """Run the verifier as an auditor does: a file of its own, isolated from everything that is installed."""
    return subprocess.run([sys.executable, "-I", *map(str, words)], capture_output=True, text=True, check=False)


@pytest.fixture
def exported(ledger, tmp_path):
    run("export", str(tmp_path / "out"), "--payloads")
    (tmp_path / "key").write_text(run("key"))
    (tmp_path / "verify.py").write_text(run("verifier"))
    return tmp_path / "out"


def check(exported, *more):
    return standalone(exported.parent / "verify.py", exported, "--key", exported.parent / "key", *more)


def test_it_prints_heads_that_verify_against_later(ledger, tmp_path, clock, bureau):
    file = tmp_path / "head"
    file.write_text(run("head"))
    procedures.write(system("test"), Event.ROW_CHANGE, bureau.person["P011"], at=clock.now)
    report = json.loads(run("verify", "--since", str(file), "--json"))
    assert report["ok"]
    assert report["since"] == Head.objects.order_by("-size").first().size
    assert report["unsigned"] == 1
    assert "agrees" not in run("confirm", str(file))


def test_it_exits_1_and_names_what_differs(ledger, capsys):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE anzhang_payload SET body = %s WHERE entry_id = 3", [b"[]"])
    assert "payload 3" in fails(capsys, 1, "verify")


def test_it_refuses_a_saved_head_that_is_none(ledger, tmp_path, capsys):
    (tmp_path / "head").write_text("anzhang/x\n")
    assert "no signed head" in fails(capsys, 1, "verify", "--since", str(tmp_path / "head"))
    assert "No such file" in fails(capsys, 2, "verify", "--since", str(tmp_path / "absent"))


def test_a_proof_of_any_entry_holds_with_the_public_key_alone(ledger, tmp_path):
    (tmp_path / "verify.py").write_text(run("verifier"))
    (tmp_path / "key").write_text(run("key"))
    for suite in ("sha256", "sm3"):
        for index in (0, 5, Entry.objects.count() - 1):
            file = tmp_path / "a.tlog-proof"
            run("prove", str(index), "--suite", suite, "--out", str(file))
            done = standalone(tmp_path / "verify.py", "--proof", file, "--key", tmp_path / "key")
            assert (done.returncode, f"entry {index} of" in done.stdout) == (0, True), done.stderr
    file.write_text(file.read_text().replace("index ", "index 1"))
    assert standalone(tmp_path / "verify.py", "--proof", file, "--key", tmp_path / "key").returncode == 1


def test_it_refuses_to_prove_what_is_not_there(ledger, capsys):
    assert "no entry 99999" in fails(capsys, 1, "prove", "99999")
    assert "give the number" in fails(capsys, 2, "prove")


def test_an_export_is_verified_with_the_standard_library(exported):
    done = check(exported)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("ok: anzhang/") == 2
    assert f"{Entry.objects.count()} entries" in done.stdout


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("tile/entries/000", "entry "),
        ("tile/0/000", "entry "),
        ("sm3/tile/0/000", "entry "),
        ("tile/1/000.p/1", "tile 1/0"),
        ("checkpoint", "signature"),
        ("heads", "signature"),
        ("payloads.jsonl", "payload "),
    ],
)
def test_an_export_with_a_changed_byte_is_refused(exported, name, named):
    file = exported / name
    content = bytearray(file.read_bytes())
    place = (
        content.index(b'"body"') + 12
        if name == "payloads.jsonl"
        else content.index(b"\n") + 1
        if b"\xe2\x80\x94" in content
        else 300 % len(content)
    )
    content[place] ^= 1
    file.write_bytes(content)
    done = check(exported)
    assert done.returncode in {1, 2}
    assert named in done.stderr or done.returncode == 2


def test_an_export_with_a_missing_bundle_or_another_key_is_refused(exported, ledger):
    (exported.parent / "key").write_text((exported.parent / "key").read_text().replace("anzhang/", "anzhang/x"))
    assert check(exported).returncode == 2
    (exported.parent / "key").write_text(run("key"))
    shutil.rmtree(exported / "tile" / "entries")
    assert "missing" in check(exported).stderr


def test_an_older_export_is_refused_by_a_newer_head(exported, tmp_path, clock, bureau):
    procedures.write(system("test"), Event.ROW_CHANGE, bureau.person["P011"], at=clock.now)
    (tmp_path / "head").write_text(run("head"))
    done = check(exported, "--since", tmp_path / "head")
    assert (done.returncode, "cut" in done.stderr) == (1, True)


def test_it_exports_into_a_new_folder_only(exported, capsys):
    assert "exists already" in fails(capsys, 2, "export", str(exported))


@pytest.mark.parametrize(
    ("public", "message", "signature"),
    [  # RFC 8032, section 7.1, tests 1 to 3
        (
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ),
        (
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ),
    ],
)
def test_its_own_ed25519_verifies_the_published_signatures(public, message, signature):
    public, message, signature = map(bytes.fromhex, (public, message, signature))
    assert verifier.ed25519(public, message, signature)
    assert not verifier.ed25519(public, message + b"x", signature)
    assert not verifier.ed25519(public, message, signature[:33] + bytes([signature[33] ^ 1]) + signature[34:])


def test_its_own_sm3_hashes_the_published_inputs():
    assert verifier.slow_sm3(b"abc").hex() == "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
    assert verifier.slow_sm3(b"abcd" * 16).hex() == "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"


def test_the_verifier_is_one_short_file_that_imports_nothing_of_ours():
    lines = Path(verifier.__file__).read_text(encoding="utf-8").splitlines()
    imported = {line.split()[1].split(".")[0] for line in lines if line.startswith(("import ", "from "))}
    assert len(lines) <= 450
    assert imported <= sys.stdlib_module_names
