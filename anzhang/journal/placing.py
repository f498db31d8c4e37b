"""Put entries at the right edge of both trees.

1. Read the frontiers, locked: on SQLite the transaction began IMMEDIATE and its one writer is the sequencer; on PostgreSQL
   only the holder of the sequencer's lock comes here (`sequencer.py`).
2. The first entry's index is the size of the tree.
3. Write entries and payloads: COPY on PostgreSQL, where a batch is large.
4. Write the frontiers with the new leaves.

Plain SQL, because four statements stand in every business transaction and the ORM would cost more than they do. On SQLite
they go past Django's cursor too: it costs twice what the statements do.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from django.db import connection

from anzhang.engines.crypto import SHA256, SM3, SUITES
from anzhang.engines.ledger.canonical import instant
from anzhang.engines.ledger.tiles import MAX_ENTRY_BYTES
from anzhang.engines.ledger.tree import Frontier
from anzhang.events import Event
from anzhang.journal.copying import copy
from anzhang.journal.models import Entry, Payload
from anzhang.journal.models import Frontier as FrontierRow
from anzhang.permissions import Actor

FRONTIERS, ENTRIES, PAYLOADS = (model._meta.db_table for model in (FrontierRow, Entry, Payload))
ENTRY = ("index", "act", "object_type", "object_key", "actor", "via", "at", "after", "leaf")
PAYLOAD = ("entry_id", "salt", "body")
SELECT = f"SELECT suite, size, hashes FROM {FRONTIERS} ORDER BY suite"  # noqa: S608 - table names of ours, here and below
UPDATE = f"UPDATE {FRONTIERS} SET size = %s, hashes = CASE suite WHEN %s THEN %s ELSE %s END"  # noqa: S608
UPDATE_SQLITE = UPDATE.replace("%s", "?")
INSERT_ENTRY = f"INSERT INTO {ENTRIES} ({', '.join(map(connection.ops.quote_name, ENTRY))}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
INSERT_PAYLOAD = f"INSERT INTO {PAYLOADS} ({', '.join(PAYLOAD)}) VALUES (?, ?, ?)"  # noqa: S608
SUITE = {suite.name: suite for suite in SUITES}
Row = tuple[Any, ...]
CHUNK = 5000


class EntryTooLongError(Exception):
    """An entry is longer than a bundle can hold; only its payload may be long."""


@dataclass(frozen=True)
class Prepared:
    """An entry that only lacks its index: `columns` are act, object type, object key, actor and via, `at` the instant in UTC."""

    columns: tuple[str, str, str, str, str]
    at: datetime
    after: str
    leaf: bytes
    salt: bytes
    body: bytes


def prepare(actor: Actor, act: Event, subject: tuple[str, str], after: str, body: bytes, at: datetime) -> Prepared:
    """Return the entry about a (type, key) that now has the digest `after`; `body` is its canonical payload.

    Raises EntryTooLongError above 65,535 bytes. Source: C2SP tlog-tiles, log entries.
    """
    kind, key = subject
    salt = secrets.token_bytes(16)
    said = {
        "v": 1,
        "act": str(act),
        "object": [kind, key],
        "actor": actor.id,
        "via": str(actor.via),
        "at": instant(at),
        "after": after,
        "payload": hashlib.sha256(salt + body).hexdigest(),
    }
    leaf = orjson.dumps(said, option=orjson.OPT_SORT_KEYS)  # canonical: ASCII keys, strings, one small integer
    if len(leaf) > MAX_ENTRY_BYTES:
        raise EntryTooLongError(f"{act}: {len(leaf)} bytes")
    return Prepared((str(act), kind, key, actor.id, str(actor.via)), at.astimezone(UTC), after, leaf, salt, body)


def staged(leaf: bytes, salt: bytes, body: bytes) -> Prepared:
    """Return a prepared entry from what an outbox row holds; every column is read from its leaf."""
    said = orjson.loads(leaf)
    columns = (said["act"], *said["object"], said["actor"], said["via"])
    return Prepared(columns, datetime.fromisoformat(said["at"]), said["after"], leaf, salt, body)


def place(prepared: Sequence[Prepared]) -> int:
    """Write prepared entries in their order at the next indexes, inside an open transaction, and return the first index."""
    return _place_sqlite(prepared) if connection.vendor == "sqlite" else _place_postgres(prepared)


def _place_sqlite(prepared: Sequence[Prepared]) -> int:
    raw = connection.connection
    with connection.wrap_database_errors:
        frontiers = _unpacked(raw.execute(SELECT).fetchall()) or _unpacked(_founded())
        first = frontiers[SHA256.name].size
        for index, some in _joined(prepared, frontiers, first):
            raw.executemany(INSERT_ENTRY, _entry_rows(some, index))
            raw.executemany(INSERT_PAYLOAD, _payload_rows(some, index))
        raw.execute(UPDATE_SQLITE, _edges(frontiers))
    return first


def _place_postgres(prepared: Sequence[Prepared]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(SELECT + " FOR UPDATE")
        frontiers = _unpacked(cursor.fetchall()) or _unpacked(_founded())
        first = frontiers[SHA256.name].size
        for index, some in _joined(prepared, frontiers, first):
            copy(ENTRIES, ENTRY, _entry_rows(some, index))
            copy(PAYLOADS, PAYLOAD, _payload_rows(some, index))
        cursor.execute(UPDATE, _edges(frontiers))
    return first


def _joined(prepared: Sequence[Prepared], frontiers: dict[str, Frontier], first: int) -> Iterator[tuple[int, Sequence[Prepared]]]:
    """Join the leaves to both trees, piece by piece; yield the first index of each piece and the piece."""
    for start in range(0, len(prepared), CHUNK):
        some = prepared[start : start + CHUNK]
        for each in some:
            for frontier in frontiers.values():
                frontier.append(frontier.suite.leaf(each.leaf))
        yield first + start, some


def _entry_rows(prepared: Iterable[Prepared], index: int) -> list[Row]:
    adapt = connection.ops.adapt_datetimefield_value
    return [(index + place, *each.columns, adapt(each.at), each.after, each.leaf) for place, each in enumerate(prepared)]


def _payload_rows(prepared: Iterable[Prepared], index: int) -> list[Row]:
    return [(index + place, each.salt, each.body) for place, each in enumerate(prepared)]


def _edges(frontiers: dict[str, Frontier]) -> Row:
    return frontiers[SHA256.name].size, SHA256.name, frontiers[SHA256.name].pack(), frontiers[SM3.name].pack()


def _unpacked(rows: Iterable[tuple[str, int, bytes | memoryview]]) -> dict[str, Frontier]:
    return {name: Frontier.unpack(SUITE[name], size, bytes(hashes)) for name, size, hashes in rows}


def _founded() -> Iterable[tuple[str, int, bytes | memoryview]]:
    """Write the edges of the two empty trees and return them; somebody else may have come first."""
    FrontierRow.objects.bulk_create([FrontierRow(suite=suite.name) for suite in SUITES], ignore_conflicts=True)
    return FrontierRow.objects.select_for_update().order_by("suite").values_list("suite", "size", "hashes")
