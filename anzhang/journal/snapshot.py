"""One consistent view of the database for a long read, while others go on writing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

BEGIN = {"sqlite": "BEGIN DEFERRED", "postgresql": "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"}


@contextmanager
def snapshot() -> Iterator[None]:
    """Read from one snapshot until the block ends; inside a transaction that is already open, from that one.

    Django's own transactions begin IMMEDIATE on SQLite and would stop every writer for as long as the read takes.
    """
    with _lenient_text():
        if connection.in_atomic_block:
            yield
            return
        with connection.cursor() as cursor:
            cursor.execute(BEGIN[connection.vendor])
        try:
            yield
        finally:
            with connection.cursor() as cursor:
                cursor.execute("ROLLBACK")


@contextmanager
def _lenient_text() -> Iterator[None]:
    """Read text that is not UTF-8 as what it is: SQLite lets anybody with SQL store it, and it must not end the reading."""
    connection.ensure_connection()
    raw = connection.connection
    if connection.vendor != "sqlite" or raw is None:
        yield
        return
    before = raw.text_factory
    raw.text_factory = lambda content: content.decode("utf-8", "surrogateescape")
    try:
        yield
    finally:
        raw.text_factory = before
