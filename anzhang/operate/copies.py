"""A copy of the database as of one moment, whichever kind it is: taken while others write, put back while nobody does."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from django.conf import settings
from django.db import connection, connections, transaction

from anzhang.engines import durable
from anzhang.engines.crypto import SUITES
from anzhang.home import Home
from anzhang.journal import heads
from anzhang.operate import postgres

FILE, DUMP = "db.sqlite3", "db.dump"  # what the copy is called in a backup tells what it is


class ForeignDatabaseError(Exception):
    """The installation's database is neither its own SQLite file nor on PostgreSQL."""


def kind() -> str:
    """Return the name that a copy of this installation's database has in a backup."""
    return DUMP if connection.vendor == "postgresql" else FILE


def take(home: Home, target: Path) -> list[str]:
    """Copy the database into a new file (0600), flush it, and return the newest signed head of each tree in the copy.

    Raises ForeignDatabaseError, PostgresError.
    """
    if kind() == FILE:
        copy_file(file(home), target)
        return _heads_in(target)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute("SELECT pg_export_snapshot()")
        postgres.dump(target, cursor.fetchone()[0])
        newest = [heads.latest(suite) for suite in SUITES]
    durable.sync_file(target)
    return [head.note for head in newest if head]


def put_back(home: Home, copy: Path) -> None:
    """Put a copy in the place of the database that it was taken of. Raises PostgresError."""
    if kind() == DUMP:
        postgres.empty()
        connections.close_all()
        postgres.load(copy)
        return
    database = file(home)
    connections.close_all()
    for suffix in ("-wal", "-shm"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)
    fresh = database.with_name(f".{database.name}.back")
    fresh.unlink(missing_ok=True)
    copy_file(copy, fresh)
    fresh.rename(database)
    durable.sync_folder(database.parent)


def file(home: Home) -> Path:
    """Return the embedded database. Raises ForeignDatabaseError when the installation uses another file."""
    name = Path(settings.DATABASES["default"]["NAME"])
    if name != home.path / FILE:
        raise ForeignDatabaseError(f"the database {name} stands outside the data directory: copy both by hand")
    return name


def copy_file(source: Path, target: Path) -> None:
    """Copy an SQLite database that may be in use, as of one moment, into a new file (0600) and flush it."""
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True, timeout=20)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)
        new.execute("PRAGMA journal_mode=DELETE")  # one file, no -wal beside it
    durable.sync_file(target)


def _heads_in(database: Path) -> list[str]:
    query = "SELECT note FROM anzhang_head WHERE suite = ? ORDER BY size DESC LIMIT 1"
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as copy:
        rows = [copy.execute(query, (suite.name,)).fetchone() for suite in SUITES]
    return [row[0] for row in rows if row]
