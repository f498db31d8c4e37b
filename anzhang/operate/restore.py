"""`anzhang restore`: stand an installation up from a backup on an empty machine, everything verified before it gets its name.

1. Unpack beside the target: regular files under the names of the manifest and nothing else.
2. Every part has the size and digest of the manifest; the envelope opens and holds the manifest's digest.
3. SQLite's own integrity check, or the dump loaded into the empty database on PostgreSQL that the settings name.
4. `ledger verify` since the head in the backup; `vault verify` against the ledger.
5. Rename into place, and one entry in the restored ledger.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from django.db import DatabaseError

from anzhang.engines import durable
from anzhang.engines.crypto import EnvelopeError, unseal
from anzhang.home import Home
from anzhang.operate import copies, postgres
from anzhang.operate.backup import CHUNK, FORMAT
from anzhang.operate.initialize import write_private

UNLISTED = {"manifest.json", "keys.enc"}


class RestoreError(Exception):
    """The backup is no backup, damaged, or cannot be put here; nothing stands under the target's name."""


class UnverifiedError(Exception):
    """What was unpacked does not verify; it is left beside the target for inspection."""


@dataclass(frozen=True)
class Restored:
    """What stands again, and how long it took in seconds."""

    entries: int
    rows: int
    segments: int
    head: int
    seconds: float


def restore(home: Home, backup: Path, passphrase: str) -> Restored:
    """Unpack, verify and put in place. Raises RestoreError, UnverifiedError."""
    started = time.monotonic()
    if home.path.exists() and any(home.path.iterdir()):
        raise RestoreError(f"{home.path} is not empty; choose another folder with --home")
    staging = home.path.with_name(f".{home.path.name}.restoring")
    if staging.exists():
        raise RestoreError(f"{staging} is left from an earlier attempt; remove it")
    staging.mkdir(mode=0o700, parents=True)
    try:
        head = _unpack(backup, staging, passphrase)
    except BaseException:
        shutil.rmtree(staging)
        raise
    if (staging / copies.DUMP).is_file():
        _load(staging)
    entries, rows, segments = _verify(staging)
    _sync(staging)
    if home.path.exists():
        home.path.rmdir()
    staging.rename(home.path)
    durable.sync_folder(home.path.parent)
    return Restored(entries, rows, segments, head, time.monotonic() - started)


def _unpack(backup: Path, staging: Path, passphrase: str) -> int:
    try:
        with tarfile.open(backup, mode="r:") as tar:
            found = {member.name: _extract(tar, member, staging) for member in tar}
        text = (staging / "manifest.json").read_bytes()
        manifest = json.loads(text)
        envelope = json.loads(unseal((staging / "keys.enc").read_bytes(), passphrase))
    except (OSError, tarfile.TarError, ValueError) as error:
        raise RestoreError(f"{backup}: not a whole backup ({error})") from error
    except EnvelopeError as error:
        raise RestoreError(f"{backup}: the keys do not open: {error}") from error
    if hashlib.sha256(text).hexdigest() != envelope["manifest"]:
        raise RestoreError(f"{backup}: the manifest is not the one that was sealed with the keys")
    if manifest["format"] != FORMAT:
        raise RestoreError(f"{backup}: format {manifest['format']}, this release reads {FORMAT}")
    _compare(manifest["parts"], found)
    for name in ("keys", "vault", "attachments", "run"):
        (staging / name).mkdir(mode=0o700, exist_ok=True)
    for name, content in envelope["keys"].items():
        write_private(staging / "keys" / Path(name).name, content.encode())
    (staging / "keys.enc").unlink()
    return int(manifest["head"])


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, staging: Path) -> dict[str, Any]:
    place = PurePosixPath(member.name)
    content = tar.extractfile(member) if member.isreg() else None
    if content is None or place.is_absolute() or not place.parts or ".." in place.parts:
        raise RestoreError(f"the backup holds {member.name!r}, which no backup of ours does")
    target = staging.joinpath(*place.parts)
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as file:
        while chunk := content.read(CHUNK):
            digest.update(chunk)
            file.write(chunk)
    return {"bytes": target.stat().st_size, "sha256": digest.hexdigest()}


def _compare(listed: dict[str, Any], found: dict[str, Any]) -> None:
    for name in sorted(listed.keys() | (found.keys() - UNLISTED)):
        if name not in found:
            raise RestoreError(f"part {name} is missing")
        if listed.get(name) != found[name]:
            raise RestoreError(f"part {name} differs from the manifest")


def _load(staging: Path) -> None:
    """Load the dump by a process that reads the restored settings, then drop the file: the database has it."""
    command = [sys.executable, "-m", "anzhang", "--home", str(staging), "restore", "--stage", "database", str(staging / copies.DUMP)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        shutil.rmtree(staging)
        raise RestoreError(done.stderr.strip().removeprefix("anzhang: "))
    (staging / copies.DUMP).unlink()


def load(source: Path) -> None:
    """Load a dump into the database that the settings name. Raises RestoreError when that is no empty one on PostgreSQL."""
    if copies.kind() != copies.DUMP:
        raise RestoreError("this backup is of an installation on PostgreSQL: set ANZHANG_DATABASE_URL to an empty database there")
    try:
        if found := postgres.tables():
            raise RestoreError(f"the database is not empty (it has {found[0]}): set ANZHANG_DATABASE_URL to an empty one")
        postgres.load(source)
    except (DatabaseError, postgres.PostgresError) as error:
        raise RestoreError(f"the database could not be filled: {str(error).splitlines()[0]}") from error


def _verify(staging: Path) -> tuple[int, int, int]:
    if (staging / copies.FILE).is_file():
        with closing(sqlite3.connect(staging / copies.FILE)) as database:
            answer = database.execute("PRAGMA integrity_check").fetchone()[0]
        if answer != "ok":
            raise UnverifiedError(f"{staging / copies.FILE}: {answer}")
    ledger = _run(staging, "ledger", "verify", "--json", *(("--since", str(staging / "head")) if (staging / "head").stat().st_size else ()))
    vault = _run(staging, "vault", "verify", "--json")
    return ledger["entries"], ledger["rows"], vault["segments"]


def _run(staging: Path, *words: str) -> dict[str, Any]:
    embedded = (staging / copies.FILE).is_file()
    environment = {name: value for name, value in os.environ.items() if not (embedded and name == "ANZHANG_DATABASE_URL")}
    command = [sys.executable, "-m", "anzhang", "--home", str(staging), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise UnverifiedError(f"{' '.join(words[:2])}: {done.stderr.strip()}; left in {staging}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _sync(folder: Path) -> None:
    for path in folder.glob("**/*"):
        (durable.sync_folder if path.is_dir() else durable.sync_file)(path)
    durable.sync_folder(folder)
