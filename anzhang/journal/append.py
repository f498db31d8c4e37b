"""Give an entry its index and put it at the right edge of both trees, inside the transaction of its act.

1. Read the frontiers, locked: on SQLite the transaction began IMMEDIATE and its one writer is the sequencer; elsewhere the
   rows are locked until commit.
2. The entry's index is the size of the tree.
3. Write entry and payload.
4. Write the frontiers with the new leaf.

Plain SQL, because four statements stand in every business transaction and the ORM would cost more than they do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import connection

from anzhang.engines.crypto import SHA256, SM3, SUITES
from anzhang.engines.ledger.tiles import MAX_ENTRY_BYTES
from anzhang.engines.ledger.tree import Frontier
from anzhang.journal.models import Entry, Payload
from anzhang.journal.models import Frontier as FrontierRow

FRONTIERS = FrontierRow._meta.db_table
SELECT = f"SELECT suite, size, hashes FROM {FRONTIERS} ORDER BY suite"  # noqa: S608 - a table name of ours
UPDATE = f"UPDATE {FRONTIERS} SET size = %s, hashes = CASE suite WHEN %s THEN %s ELSE %s END"  # noqa: S608
INSERT_ENTRY = (
    f'INSERT INTO {Entry._meta.db_table} ("index", act, object_type, object_key, actor, via, at, after, leaf)'  # noqa: S608
    " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
)
INSERT_PAYLOAD = f"INSERT INTO {Payload._meta.db_table} (entry_id, salt, body) VALUES (%s, %s, %s)"  # noqa: S608


class EntryTooLongError(Exception):
    """An entry is longer than a bundle can hold; only its payload may be long."""


def append(entry: Entry, salt: bytes, body: bytes) -> None:
    """Write `entry` (whose leaf is set) with its payload at the next index, and set `entry.index`.

    Raises EntryTooLongError above 65,535 bytes. Source: C2SP tlog-tiles, log entries.
    """
    leaf = bytes(entry.leaf)
    if len(leaf) > MAX_ENTRY_BYTES:
        raise EntryTooLongError(f"{entry.act}: {len(leaf)} bytes")
    with connection.cursor() as cursor:
        frontiers = _frontiers(cursor)
        index = frontiers[SHA256.name].size
        for frontier in frontiers.values():
            frontier.append(frontier.suite.leaf(leaf))
        at: Any = connection.ops.adapt_datetimefield_value(entry.at)
        cursor.execute(
            INSERT_ENTRY,
            (index, entry.act, entry.object_type, entry.object_key, entry.actor, entry.via, at, entry.after, leaf),
        )
        cursor.execute(INSERT_PAYLOAD, (index, salt, body))
        cursor.execute(UPDATE, (index + 1, SHA256.name, frontiers[SHA256.name].pack(), frontiers[SM3.name].pack()))
    entry.index = index
    entry._state.adding = False


def _frontiers(cursor: Any) -> dict[str, Frontier]:
    lock = "" if connection.vendor == "sqlite" else " FOR UPDATE"
    cursor.execute(SELECT + lock)
    rows: Sequence[tuple[str, int, bytes]] = cursor.fetchall()
    if not rows:
        FrontierRow.objects.bulk_create([FrontierRow(suite=suite.name) for suite in SUITES], ignore_conflicts=True)
        cursor.execute(SELECT + lock)
        rows = cursor.fetchall()
    suites = {suite.name: suite for suite in SUITES}
    return {name: Frontier.unpack(suites[name], size, bytes(hashes)) for name, size, hashes in rows}
