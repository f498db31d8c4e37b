"""Append many entries in one transaction, with everything that needs no lock done before it begins.

A leaf does not hold its index, so leaves and payloads are made while nothing is locked; the transaction itself only joins
hashes and inserts. Where entries are not indexed by the writer (PostgreSQL) each goes the ordinary way.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from django.db import connection, transaction

from anzhang.engines.crypto import SHA256, SM3
from anzhang.engines.ledger import canonical as jcs
from anzhang.engines.ledger.tiles import MAX_ENTRY_BYTES
from anzhang.events import Event
from anzhang.journal.append import INSERT_ENTRY, INSERT_PAYLOAD, UPDATE, EntryTooLongError, _frontiers, append
from anzhang.journal.digests import row_digest
from anzhang.journal.models import Entry, Ledgered
from anzhang.journal.procedures import NotInTransactionError, canonical, object_type
from anzhang.permissions import Actor

_CHUNK = 5000
_TEXTS = frozenset({str, bool, type(None)})


@dataclass(frozen=True)
class Prepared:
    """An entry that only lacks its index: `columns` are act, object, actor and via, `at` the instant in UTC."""

    columns: tuple[str, str, str, str, str]
    at: datetime
    after: str
    leaf: bytes
    salt: bytes
    body: bytes


def prepare(actor: Actor, act: Event, row: Ledgered, *, at: datetime, payload: dict[str, Any]) -> Prepared:
    """Return the entry about a row as it will stand, its primary key included. Raises CanonicalError, EntryTooLongError."""
    kind, key, after = object_type(row), str(row.pk), row_digest(row)
    salt, body = secrets.token_bytes(16), _canonical(payload)
    leaf = orjson.dumps(
        {
            "v": 1,
            "act": str(act),
            "object": [kind, key],
            "actor": actor.id,
            "via": str(actor.via),
            "at": jcs.instant(at),
            "after": after,
            "payload": hashlib.sha256(salt + body).hexdigest(),
        },
        option=orjson.OPT_SORT_KEYS,
    )
    if len(leaf) > MAX_ENTRY_BYTES:
        raise EntryTooLongError(f"{act}: {len(leaf)} bytes")
    return Prepared((str(act), kind, key, actor.id, str(actor.via)), at.astimezone(UTC), after, leaf, salt, body)


def _canonical(payload: dict[str, Any]) -> bytes:
    """Return `canonical(payload)`; two levels of plain texts, as most rows are, need no walk through the domain."""
    values = [value for part in payload.values() for value in (part.values() if isinstance(part, dict) else [0.0])]
    if all(type(value) in _TEXTS for value in values):
        return orjson.dumps(payload, option=orjson.OPT_SORT_KEYS)
    return canonical(payload)


def append_all(prepared: Sequence[Prepared]) -> None:
    """Write prepared entries in their order, inside the transaction of their rows. Raises NotInTransactionError."""
    if not transaction.get_connection().in_atomic_block:
        raise NotInTransactionError("append_all")
    if connection.vendor != "sqlite":
        for each in prepared:
            act, kind, key, actor, via = each.columns
            entry = Entry(act=act, object_type=kind, object_key=key, actor=actor, via=via, at=each.at, after=each.after, leaf=each.leaf)
            append(entry, each.salt, each.body)
        return
    if not prepared:
        return
    with connection.cursor() as cursor:
        frontiers = _frontiers(cursor)
        index = frontiers[SHA256.name].size
        for start in range(0, len(prepared), _CHUNK):
            some = prepared[start : start + _CHUNK]
            for each in some:
                for frontier in frontiers.values():
                    frontier.append(frontier.suite.leaf(each.leaf))
            cursor.executemany(INSERT_ENTRY, _entry_rows(some, index + start))
            cursor.executemany(INSERT_PAYLOAD, [(index + start + place, each.salt, each.body) for place, each in enumerate(some)])
        size = index + len(prepared)
        cursor.execute(UPDATE, (size, SHA256.name, frontiers[SHA256.name].pack(), frontiers[SM3.name].pack()))


def _entry_rows(prepared: Iterable[Prepared], index: int) -> list[tuple[Any, ...]]:
    adapt = connection.ops.adapt_datetimefield_value
    return [(index + place, *each.columns, adapt(each.at), each.after, each.leaf) for place, each in enumerate(prepared)]
