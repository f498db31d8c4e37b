"""`anzhang backup`: everything an installation needs to stand up again, in one file, while it runs.

The file is a tar: `anzhang.toml`, `db.sqlite3` (from PostgreSQL `db.dump`), `vault/`, `attachments/`, `collector/`, `head` (the
newest signed heads), `manifest.json` (size and SHA-256 of every part), and `keys.enc`: the keys and the manifest's digest in
an envelope under a passphrase, so that whoever does not know it can neither read the keys nor change a part. The rest is not
encrypted: keep the file as carefully as the database.

The order makes the parts fit, though the collector may go on sealing:
1. The database, as of one consistent moment: by SQLite's backup interface, or by pg_dump. Every segment it names is sealed already.
2. The write-ahead log: what it holds twice, a segment consumed and its reader passes over.
3. The vault's catalog, the same way as the database.
4. The segments and streams that this catalog lists; later ones belong to the next backup.
Meanwhile no segment is replaced by a successor, nor disposed of (`engines/vault/locks.py`).
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from anzhang import __version__
from anzhang.engines import durable
from anzhang.engines.crypto import seal
from anzhang.engines.vault import locks
from anzhang.home import Home
from anzhang.journal import heads
from anzhang.operate import copies, postgres

FORMAT = 1
LEAST_PASSPHRASE = 12
CHUNK = 1 << 20
WHOLE_FOLDERS = ("attachments", "collector", "fonts", "templates")  # plain files, each replaced by rename


class BackupError(Exception):
    """The backup cannot be made; nothing is left under its name. The message says what to do."""


@dataclass
class Made:
    """A finished backup."""

    path: Path
    bytes: int = 0
    parts: int = 0
    segments: int = 0
    head: int = 0
    manifest: str = ""


@dataclass
class _Writer:
    """A tar being written and what its manifest will say."""

    tar: tarfile.TarFile
    parts: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add_bytes(self, name: str, content: bytes) -> None:
        """Add a part from memory."""
        self._add(name, io.BytesIO(content), len(content))

    def add_file(self, name: str, path: Path) -> None:
        """Add a file as long as it is at this moment; one that is appended to meanwhile is cut there."""
        with path.open("rb") as file:
            self._add(name, file, os.fstat(file.fileno()).st_size)

    def _add(self, name: str, content: IO[bytes], size: int) -> None:
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = size, 0o600
        reader = _Hashing(content)
        self.tar.addfile(entry, reader)
        self.parts[name] = {"bytes": size, "sha256": reader.digest.hexdigest()}


class _Hashing:
    """A reader that digests what passes."""

    def __init__(self, content: IO[bytes]) -> None:
        """Start with nothing read."""
        self.content, self.digest = content, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        data = self.content.read(size)
        self.digest.update(data)
        return data


def make(home: Home, target: Path, passphrase: str, at: datetime) -> Made:
    """Write a backup to `target` (a new file, or an existing folder that gets a dated one) and return what it holds.

    Raises BackupError.
    """
    _check(home, passphrase)
    path = target / f"anzhang-{at:%Y%m%dT%H%M%SZ}.backup" if target.is_dir() else target
    if path.exists():
        raise BackupError(f"{path} exists already; choose another name")
    if not path.parent.is_dir():
        raise BackupError(f"{path.parent} is no folder")
    heads.sign_heads(at)
    building = path.with_name(f".{path.name}.new")
    made = Made(path)
    try:
        descriptor = os.open(building, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
                _fill(_Writer(tar), home, passphrase, at, made)
            file.flush()
            os.fsync(file.fileno())
        building.rename(path)
        durable.sync_folder(path.parent)
    except FileNotFoundError as error:
        raise BackupError(f"{error.filename} was removed while it was read; run the backup again") from error
    except (OSError, copies.ForeignDatabaseError, postgres.PostgresError) as error:
        raise BackupError(f"{error}") from error
    finally:
        building.unlink(missing_ok=True)
    made.bytes = path.stat().st_size
    return made


def _check(home: Home, passphrase: str) -> None:
    if not home.exists:
        raise BackupError(f"{home.path} holds no installation")
    if len(passphrase) < LEAST_PASSPHRASE:
        raise BackupError(f"the passphrase that guards the keys needs at least {LEAST_PASSPHRASE} characters")


def _fill(writer: _Writer, home: Home, passphrase: str, at: datetime, made: Made) -> None:
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=home.path) as work, locks.unchanged(home.vault):
        database = Path(work) / copies.kind()
        notes = copies.take(home, database)
        made.head = max((int(note.split("\n")[1]) for note in notes), default=0)
        writer.add_file(database.name, database)
        writer.add_bytes("head", "\n".join(notes).encode())
        made.segments = _add_vault(writer, home.vault, Path(work))
    for name in ("anzhang.toml", "clock.json"):
        if (home.path / name).is_file():
            writer.add_file(name, home.path / name)
    for folder in WHOLE_FOLDERS:
        for file in _files(home.path / folder):
            writer.add_file(str(file.relative_to(home.path)), file)
    manifest = {"format": FORMAT, "version": __version__, "made_at": at.isoformat(), "head": made.head, "parts": writer.parts}
    text = json.dumps(manifest, indent=1, sort_keys=True).encode()
    made.parts, made.manifest = len(writer.parts), hashlib.sha256(text).hexdigest()
    writer.add_bytes("manifest.json", text)
    keys = {file.name: file.read_text(encoding="utf-8") for file in sorted(home.keys.iterdir())}
    writer.add_bytes("keys.enc", seal(json.dumps({"manifest": made.manifest, "keys": keys}).encode(), passphrase))


def _add_vault(writer: _Writer, vault: Path, work: Path) -> int:
    for file in _files(vault / "wal"):
        # Consumed since it was listed: its lines stand in a segment of the catalog, which is copied after this.
        with suppress(FileNotFoundError):
            writer.add_file(f"vault/{file.relative_to(vault)}", file)
    if not (vault / "catalog.sqlite3").is_file():
        return 0
    catalog = work / "catalog.sqlite3"
    copies.copy_file(vault / "catalog.sqlite3", catalog)
    writer.add_file("vault/catalog.sqlite3", catalog)
    with closing(sqlite3.connect(f"file:{catalog}?mode=ro", uri=True)) as copy:
        names = {name for (name,) in copy.execute("SELECT name FROM segment WHERE disposed_at = ''")}
    for file in [*_files(vault / "segments"), *_files(vault / "streams")]:
        if names & {file.parent.name, file.stem}:
            writer.add_file(f"vault/{file.relative_to(vault)}", file)
    return len(names)


def _files(folder: Path) -> Iterator[Path]:
    """Yield the finished files of a folder; names that begin with a dot are not finished, locks say nothing later.

    Hidden folders are not entered: a segment being written stands in one, which is renamed away under the reader.
    """
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            file = Path(place, name)
            if not name.startswith(".") and name != "lock" and not file.is_symlink() and file.is_file():
                yield file
