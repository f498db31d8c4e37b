"""Append to the ledger in the transaction of the business change, and sign its heads. The one way in for every procedure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import models, transaction
from django.utils.functional import Promise

from anzhang.engines.ledger import canonical as jcs
from anzhang.events import Event
from anzhang.journal import heads
from anzhang.journal.append import append
from anzhang.journal.digests import row_digest
from anzhang.journal.heads import sign_heads
from anzhang.journal.models import Entry, HeadConfirmation, Ledgered
from anzhang.journal.placing import prepare
from anzhang.permissions import Actor

__all__ = ["NotInTransactionError", "canonical", "confirm", "object_type", "record", "row_digest", "sign_heads", "write"]


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
    """Append one entry about `obj` (a saved row, or a (type, key) pair) and return it; on PostgreSQL it has no index yet.

    Must run inside `transaction.atomic()` together with the change itself; raises NotInTransactionError otherwise.
    The entry holds the row's digest after the change and a salted commitment to `payload`.
    Raises CanonicalError when the payload holds floats, keys that are not ASCII, or integers of 2**53 and more;
    EntryTooLongError.
    """
    if not transaction.get_connection().in_atomic_block:
        raise NotInTransactionError(act)
    subject = (object_type(obj), str(obj.pk)) if isinstance(obj, Ledgered) else obj
    after = row_digest(obj) if isinstance(obj, Ledgered) else ""
    made = prepare(actor, act, subject, after, canonical(payload or {}), at)
    index = append([made])
    said, kind, key, who, via = made.columns
    entry = Entry(index, said, kind, key, who, via, made.at, after, made.leaf)  # type: ignore[misc]  # by position: half the cost
    entry._state.adding = index is None
    return entry


def write(actor: Actor, act: Event, obj: Ledgered, *, at: datetime, payload: dict[str, Any] | None = None) -> Entry:
    """Save `obj` and append its entry: what most procedures end with. Neither stands without the other.

    Inside a transaction no savepoint is set: whoever catches an error of this must have set one.
    """
    with transaction.atomic(savepoint=False):
        obj.save()
        return record(actor, act, obj, at=at, payload=payload)


def confirm(actor: Actor, text: str, at: datetime) -> HeadConfirmation:
    """Keep that a head saved outside this machine still agrees with the ledger; `text` is what `anzhang ledger head` printed.

    Raises RefusedError (`head_unreadable`, `ledger_cut`, `history_rewritten`).
    """
    with transaction.atomic():
        kept = heads.confirm(actor, text, at)
        record(actor, Event.LEDGER_CONFIRM, ("head", str(kept.size)), at=at, payload={"size": kept.size, "root": kept.root})
    return kept


def object_type(obj: models.Model | type[models.Model]) -> str:
    """Return the register id of a row's class: `leading_group_member` for LeadingGroupMember."""
    name = (obj if isinstance(obj, type) else type(obj)).__name__
    return "".join(f"_{c.lower()}" if c.isupper() and i else c.lower() for i, c in enumerate(name))


def canonical(value: Any) -> bytes:
    """Return RFC 8785 canonical JSON of a value; lazy texts count as text. Raises CanonicalError."""
    return jcs.canonical(value, lambda other: str(other) if isinstance(other, Promise) else None)
