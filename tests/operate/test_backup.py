"""A backup restored on an empty machine is the same installation; a damaged one restores nothing."""

import io
import json
import os
import subprocess
import sys
import tarfile

import pytest

WORDS = "correct horse battery"


def anzhang(home, *words, check=True, **environment):
    """Run a verb as an operator does."""
    done = subprocess.run(
        [sys.executable, "-m", "anzhang", "--home", str(home), *map(str, words)],
        capture_output=True, text=True, check=False,
        env={**{k: v for k, v in os.environ.items() if not k.startswith("ANZHANG_")}, "DJANGO_SETTINGS_MODULE": "anzhang.settings",
             "ANZHANG_BACKUP_PASSPHRASE": WORDS, **environment},
    )  # fmt: skip
    assert not check or done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """An installation with a sealed segment, lines not sealed yet, and an attachment; and its backup."""
    root = tmp_path_factory.mktemp("original")
    home = root / "home"
    anzhang(home, "init")
    (root / "lines.log").write_bytes(b"Nov 24 07:00:00 sbapp01 sshd[1]: Accepted password for liming from 10.0.0.1 port 5 ssh2\n" * 500)
    anzhang(home, "vault", "ingest", "--source", "SSH-SB01", root / "lines.log")
    (home / "attachments" / "scan.pdf").write_bytes(b"%PDF-1.7")
    (home / "keys" / "ldap").write_text("服务账号的口令\n", encoding="utf-8")
    (home / "keys" / "ldap").chmod(0o600)
    anzhang(home, "reconcile")
    anzhang(home, "backup", root / "backup")
    return root


def rewrite(source, target, change):
    """Copy a backup, each part passed through `change(name, content)`; None drops it."""
    with tarfile.open(source) as old, tarfile.open(target, "w") as new:
        for member in old:
            content = change(member.name, old.extractfile(member).read())
            if content is not None:
                member.size = len(content)
                new.addfile(member, io.BytesIO(content))
    return target


def test_it_stands_up_again_equal(original, tmp_path):
    home, again = original / "home", tmp_path / "again"
    done = anzhang(again, "restore", original / "backup")
    assert done.stdout.rstrip().endswith(" s")
    before, after = (json.loads(anzhang(place, "vault", "verify", "--json").stdout) for place in (home, again))
    assert before == after
    assert (after["ok"], after["segments"] > 0) == (True, True)
    report = json.loads(anzhang(again, "ledger", "verify", "--json").stdout)
    assert report["ok"]
    boards = [json.loads(anzhang(place, "board", "--json").stdout) for place in (home, again)]
    for board in boards:
        del board["at"]  # when it was asked for
    assert boards[0] == boards[1]
    assert any(obligation["checked_at"] for article in boards[0]["articles"] for obligation in article["obligations"])
    for name in ("keys/secret.key", "keys/ledger.ed25519", "keys/ldap", "attachments/scan.pdf", "anzhang.toml"):
        assert (again / name).read_bytes() == (home / name).read_bytes()
        assert (again / name).stat().st_mode & 0o077 == 0 or name == "attachments/scan.pdf"


def test_it_is_noted_in_both_ledgers(original, tmp_path):
    anzhang(tmp_path / "again", "restore", original / "backup")
    counts = [
        json.loads(anzhang(place, "ledger", "verify", "--json").stdout)["entries"] for place in (original / "home", tmp_path / "again")
    ]
    assert counts[0] == counts[1]  # the backup itself there, the restore here


@pytest.mark.parametrize("part", ["db.sqlite3", "manifest.json", "keys.enc", "anzhang.toml", "vault/catalog.sqlite3"])
def test_a_changed_part_restores_nothing(original, tmp_path, part):
    def change(name, content):
        return content[:-9] + bytes([content[-9] ^ 1]) + content[-8:] if name == part else content

    damaged = rewrite(original / "backup", tmp_path / "damaged", change)
    assert anzhang(tmp_path / "again", "restore", damaged, check=False).returncode == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["damaged"]


def test_a_missing_part_a_stranger_and_a_torn_file_restore_nothing(original, tmp_path):
    missing = rewrite(original / "backup", tmp_path / "missing", lambda name, content: None if name == "head" else content)
    assert "part head is missing" in anzhang(tmp_path / "again", "restore", missing, check=False).stderr
    torn = tmp_path / "torn"
    torn.write_bytes((original / "backup").read_bytes()[:200_000])
    assert "not a whole backup" in anzhang(tmp_path / "again", "restore", torn, check=False).stderr
    evil = tmp_path / "evil"
    with tarfile.open(evil, "w") as tar:
        tar.addfile(tarfile.TarInfo("../outside"), io.BytesIO())
    assert "which no backup of ours does" in anzhang(tmp_path / "again", "restore", evil, check=False).stderr
    assert not (tmp_path / "outside").exists()
    assert not (tmp_path / "again").exists()


def test_the_passphrase_is_needed_and_long_enough(original, tmp_path):
    wrong = anzhang(tmp_path / "again", "restore", original / "backup", check=False, ANZHANG_BACKUP_PASSPHRASE="wrong horse battery")
    assert (wrong.returncode, "keys do not open" in wrong.stderr) == (2, True)
    short = anzhang(original / "home", "backup", tmp_path / "b", check=False, ANZHANG_BACKUP_PASSPHRASE="short")
    assert (short.returncode, "at least 12" in short.stderr) == (2, True)
    with tarfile.open(original / "backup") as tar:
        assert (original / "home" / "keys" / "secret.key").read_bytes() not in tar.extractfile("keys.enc").read()


def test_it_never_replaces_anything(original, tmp_path):
    again = anzhang(original / "home", "backup", original / "backup", check=False)
    assert (again.returncode, "exists already" in again.stderr) == (2, True)
    full = anzhang(original / "home", "restore", original / "backup", check=False)
    assert (full.returncode, "not empty" in full.stderr) == (2, True)
