"""Append many entries in one transaction, with everything that needs no lock done before it begins.

A leaf does not hold its index, so leaves and payloads are made while nothing is locked; the transaction itself only joins
hashes and inserts.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson
from django.db import transaction

from anzhang.events import Event
from anzhang.journal.append import append
from anzhang.journal.digests import row_digest
from anzhang.journal.models import Ledgered
from anzhang.journal.placing import Prepared
from anzhang.journal.placing import prepare as prepared
from anzhang.journal.procedures import NotInTransactionError, canonical, object_type
from anzhang.permissions import Actor

_TEXTS = frozenset({str, bool, type(None)})


def prepare(actor: Actor, act: Event, row: Ledgered, *, at: datetime, payload: dict[str, Any]) -> Prepared:
    """Return the entry about a row as it will stand, its primary key included. Raises CanonicalError, EntryTooLongError."""
    return prepared(actor, act, (object_type(row), str(row.pk)), row_digest(row), _canonical(payload), at)


def _canonical(payload: dict[str, Any]) -> bytes:
    """Return `canonical(payload)`; two levels of plain texts, as most rows are, need no walk through the domain."""
    values = [value for part in payload.values() for value in (part.values() if isinstance(part, dict) else [0.0])]
    if all(type(value) in _TEXTS for value in values):
        return orjson.dumps(payload, option=orjson.OPT_SORT_KEYS)
    return canonical(payload)


def append_all(entries: Sequence[Prepared]) -> None:
    """Write prepared entries in their order, inside the transaction of their rows. Raises NotInTransactionError."""
    if not transaction.get_connection().in_atomic_block:
        raise NotInTransactionError("append_all")
    if entries:
        append(entries)
