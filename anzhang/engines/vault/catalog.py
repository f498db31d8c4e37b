"""The catalog: which segments, templates and idempotency keys there are. SQLite; it can be rebuilt from the segments."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import orjson

from anzhang.engines.vault.batch import SealedSegment

_SCHEMA = """
create table if not exists segment (
  number integer primary key, name text not null unique, header text not null, file_bytes integer not null,
  root_sha256 text not null, root_sm3 text not null, disposed_at text not null default '');
create table if not exists template (tid integer primary key, hash text not null unique, pattern text not null, segment integer not null);
create index if not exists template_segment on template (segment);
create table if not exists idempotency (
  source text not null, key text not null, digest text not null, record integer not null, received integer not null,
  primary key (source, key)) without rowid;
create index if not exists idempotency_received on idempotency (received);
create table if not exists replaced (
  name text primary key, number integer not null, header text not null, file_bytes integer not null,
  root_sha256 text not null, root_sm3 text not null, successor text not null);
"""


@dataclass(frozen=True)
class Template:
    """A message template: its number, fingerprint (hex), masked text and the segment that first used it."""

    tid: int
    hash: str
    pattern: str
    segment: int


@dataclass(frozen=True)
class Key:
    """An idempotency key and what came with it."""

    source: str
    key: str
    digest: str
    record: int
    received: int


class CatalogError(OSError):
    """The catalog cannot be read or written, because the disk is full or fails; what was asked for was not done."""


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Say errors of SQLite as what they are to a caller: the disk's."""
    try:
        yield
    except sqlite3.Error as error:
        raise CatalogError(f"{path}: {error}") from error


class Catalog:
    """One connection, usable from any thread. Every method raises CatalogError."""

    def __init__(self, path: Path, *, write: bool) -> None:
        """Open; a reader of a vault that has no catalog yet sees an empty one."""
        self._lock, self._path = threading.RLock(), path
        with disk_errors(path):
            self._open(path, write=write)

    def _open(self, path: Path, *, write: bool) -> None:
        if write:
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=20)
            self._db.execute("pragma journal_mode=wal")
            self._db.execute("pragma synchronous=full")
            self._db.execute("pragma secure_delete=on")  # the pattern of a redacted line does not stay in a free page
            self._db.executescript(_SCHEMA)
            path.chmod(0o600)
            return
        if path.is_file():
            self._db = sqlite3.connect(f"file:{path}?mode=rw", uri=True, check_same_thread=False, isolation_level=None, timeout=20)
            self._db.execute("pragma query_only=on")
            if self._db.execute("select 1 from sqlite_master where name = 'idempotency_received'").fetchone():
                return
            self._db.close()  # its first writer was killed before it had made the tables
        self._db = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, disk_errors(self._path):
            self._db.execute("begin immediate")
            try:
                yield self._db
                self._db.execute("commit")
            except BaseException:
                if self._db.in_transaction:  # a full disk has rolled it back already
                    self._db.execute("rollback")
                raise

    def _rows(self, sql: str, *arguments: object) -> list[tuple[object, ...]]:
        with self._lock, disk_errors(self._path):
            return self._db.execute(sql, arguments).fetchall()

    def segments(self, *, disposed: bool = False) -> list[SealedSegment]:
        """Return the segments in order; with `disposed` also those whose files were deleted."""
        condition = "" if disposed else "where disposed_at = ''"
        rows = self._rows(f"select header, file_bytes, root_sha256, root_sm3 from segment {condition} order by number")  # noqa: S608
        return [_sealed(str(header), int(str(size)), str(sha256), str(sm3)) for header, size, sha256, sm3 in rows]

    def newest(self) -> int:
        """Return the number of the newest kept segment, 0 without one."""
        return int(str(self._rows("select coalesce(max(number), 0) from segment where disposed_at = ''")[0][0]))

    def disposed(self) -> dict[int, str]:
        """Return the numbers of disposed segments and when."""
        return {int(str(n)): str(at) for n, at in self._rows("select number, disposed_at from segment where disposed_at <> ''")}

    def replaced(self) -> dict[str, str]:
        """Return the names of the segments that another one stands for, each with that one's name."""
        if not self._rows("select 1 from sqlite_master where name = 'replaced'"):
            return {}  # of a release that replaced none
        return {str(name): str(by) for name, by in self._rows("select name, successor from replaced")}

    def founding(self) -> str:
        """Return the SHA-256 root of the first segment that was ever sealed: what tells one vault from another. Empty without one."""
        was = "select number, name, root_sha256 from replaced union all " if self.replaced() else ""
        rows = self._rows(
            f"select root_sha256 from ({was}select number, name, root_sha256 from segment) order by number, length(name), name limit 1"  # noqa: S608
        )
        return str(rows[0][0]) if rows else ""

    def replace(self, successor: SealedSegment, templates: Iterable[Template], keys: Iterable[Key]) -> None:
        """Let one segment stand for those it replaces, in one transaction: this is the moment at which it does.

        `templates` and `keys` are its own; the registry says what they say.
        """
        with self._transaction() as db:
            for each in successor.replaces:
                moved = db.execute(
                    "insert into replaced select name, number, header, file_bytes, root_sha256, root_sm3, ? from segment"
                    " where number = ? and root_sha256 = ? and disposed_at = ''",
                    (successor.name, each.number, each.root_sha256),
                ).rowcount
                if moved != 1:
                    raise CatalogError(f"{self._path}: {each.name} is not what {successor.name} replaces")
                db.execute("delete from segment where number = ?", (each.number,))
            _insert(db, successor)
            db.executemany(
                "insert into template values (?, ?, ?, ?) on conflict (tid) do update set hash = excluded.hash, pattern = excluded.pattern",
                [(t.tid, t.hash, t.pattern, t.segment) for t in templates],
            )
            db.executemany(
                "update idempotency set digest = ? where source = ? and key = ? and record = ?",
                [(k.digest, k.source, k.key, k.record) for k in keys],
            )
        self._rows("pragma wal_checkpoint(truncate)")  # what was overwritten is not left in the journal beside it

    def templates(self, first: int | None = None, last: int | None = None) -> list[Template]:
        """Return the templates first used in the segments of some numbers, or all."""
        condition, arguments = ("", ()) if first is None else ("where segment between ? and ?", (first, first if last is None else last))
        rows = self._rows(f"select tid, hash, pattern, segment from template {condition} order by tid", *arguments)  # noqa: S608
        return [Template(int(str(t)), str(h), str(p), int(str(s))) for t, h, p, s in rows]

    def key(self, source: str, key: str) -> Key | None:
        """Return what came under an idempotency key."""
        rows = self._rows("select digest, record, received from idempotency where source = ? and key = ?", source, key)
        return Key(source, key, str(rows[0][0]), int(str(rows[0][1])), int(str(rows[0][2]))) if rows else None

    def insert(self, sealed: SealedSegment, templates: Iterable[Template], keys: Iterable[Key]) -> None:
        """Write a segment with its templates and keys in one transaction; again is the same."""
        with self._transaction() as db:
            _insert(db, sealed)
            db.executemany("insert or ignore into template values (?, ?, ?, ?)", [(t.tid, t.hash, t.pattern, t.segment) for t in templates])
            db.executemany(
                "insert or ignore into idempotency values (?, ?, ?, ?, ?)",
                [(k.source, k.key, k.digest, k.record, k.received) for k in keys],
            )

    def set_disposed(self, number: int, at: str) -> None:
        """Note that a segment's files are being deleted; its row stays."""
        with self._transaction() as db:
            db.execute("update segment set disposed_at = ? where number = ?", (at, number))

    def forget_keys(self, before: int) -> None:
        """Drop idempotency keys received before an instant (µs)."""
        with self._transaction() as db:
            db.execute("delete from idempotency where received < ?", (before,))


def _insert(db: sqlite3.Connection, sealed: SealedSegment) -> None:
    db.execute(
        "insert or replace into segment values (?, ?, ?, ?, ?, ?, coalesce((select disposed_at from segment where number = ?), ''))",
        (
            sealed.number, sealed.name, orjson.dumps(sealed.header(), option=orjson.OPT_SORT_KEYS).decode(), sealed.file_bytes,
            sealed.root_sha256, sealed.root_sm3, sealed.number,
        ),
    )  # fmt: skip


@lru_cache(maxsize=4096)
def _sealed(header: str, file_bytes: int, sha256: str, sm3: str) -> SealedSegment:
    return SealedSegment.from_header(orjson.loads(header), file_bytes=file_bytes, root_sha256=sha256, root_sm3=sm3)
