"""Append to the ledger in the transaction of the business change. The one way in for every procedure."""

from __future__ import annotations

import hashlib
import secrets
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import orjson
from django.db import models, transaction

from anzhang.events import Event
from anzhang.journal.models import Entry, Ledgered, Payload
from anzhang.permissions import Actor


class NotInTransactionError(Exception):
    """A ledger entry was about to be written outside the transaction of its act."""


def record(
    actor: Actor,
    act: Event,
    obj: Ledgered | tuple[str, str],
    *,
    at: datetime,
    payload: dict[str, Any] | None = None,
) -> Entry:
    """Append one entry about `obj` (a saved row, or a (type, key) pair) and return it.

    Must run inside `transaction.atomic()` together with the change itself; raises NotInTransactionError otherwise.
    The entry holds the row's digest after the change and a salted commitment to `payload`.
    """
    if not transaction.get_connection().in_atomic_block:
        raise NotInTransactionError(act)
    kind, key = (object_type(obj), str(obj.pk)) if isinstance(obj, Ledgered) else obj
    after = row_digest(obj) if isinstance(obj, Ledgered) else ""
    salt = secrets.token_bytes(16)
    body = canonical(payload or {})
    last = Entry.objects.order_by("-index").values_list("index", flat=True).first()
    index = 0 if last is None else last + 1
    leaf = canonical(
        {
            "v": 1,
            "act": str(act),
            "object": [kind, key],
            "actor": actor.id,
            "via": str(actor.via),
            "at": at,
            "after": after,
            "payload": hashlib.sha256(salt + body).hexdigest(),
        }
    )
    entry = Entry.objects.create(
        index=index, act=act, object_type=kind, object_key=key, actor=actor.id, via=actor.via, at=at, after=after, leaf=leaf
    )
    Payload.objects.create(entry=entry, salt=salt, body=body)
    return entry


def write(actor: Actor, act: Event, obj: Ledgered, *, at: datetime, payload: dict[str, Any] | None = None) -> Entry:
    """Save `obj` and append its entry: what most procedures end with. Runs its own savepoint."""
    with transaction.atomic():
        obj.save()
        return record(actor, act, obj, at=at, payload=payload)


def object_type(obj: models.Model) -> str:
    """Return the register id of a row's class: `leading_group_member` for LeadingGroupMember."""
    name = type(obj).__name__
    return "".join(f"_{c.lower()}" if c.isupper() and i else c.lower() for i, c in enumerate(name))


def row_digest(obj: Ledgered) -> str:
    """Return the SHA-256 of a row's canonical content, hex."""
    row = {field.attname: getattr(obj, field.attname) for field in obj._meta.concrete_fields if field.name not in obj.LEDGER_EXCLUDE}
    return hashlib.sha256(canonical(row)).hexdigest()


def canonical(value: Any) -> bytes:
    """Return RFC 8785 canonical JSON of a value of ASCII keys, integers, strings, lists, dates and instants."""
    return orjson.dumps(value, default=_plain, option=orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATETIME)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value.normalize())
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    if hasattr(value, "_proxy____cast") or hasattr(value, "__str__"):
        return str(value)
    raise TypeError(type(value).__name__)
