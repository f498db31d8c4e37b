"""What was done to a row, read from the ledger: revisions with what changed, oldest first kept, newest first shown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Model

from anzhang.journal.models import Entry
from anzhang.registers import values
from anzhang.registers.declaration import Register

LATEST = 50


@dataclass(frozen=True)
class Difference:
    """One field before and after, as people read it."""

    label: str
    before: str
    after: str


@dataclass(frozen=True)
class Revision:
    """One act on the row."""

    index: int
    at: datetime
    act: str
    actor: str
    changes: tuple[Difference, ...]


def revisions(register: Register, row: Model) -> list[Revision]:
    """Return the latest acts on a row, newest first."""
    entries = Entry.objects.filter(object_type=register.id, object_key=str(row.pk)).select_related("payload").order_by("-index")[:LATEST]
    return [
        Revision(entry.index, entry.at, entry.act, entry.actor, _changes(register, orjson.loads(bytes(entry.payload.body) or b"{}")))
        for entry in entries
    ]


def _changes(register: Register, payload: Any) -> tuple[Difference, ...]:
    changed = payload.get("changed", {}) if isinstance(payload, dict) else {}
    if not isinstance(changed, dict):
        return ()
    return tuple(
        Difference(_label(register, name), _shown(register, name, pair[0]), _shown(register, name, pair[1]))
        for name, pair in changed.items()
        if isinstance(pair, list) and len(pair) == 2 and name not in register.hidden  # before and after
    )


def _label(register: Register, name: str) -> str:
    try:
        return register.label(name)
    except FieldDoesNotExist:
        return name


def _shown(register: Register, name: str, value: Any) -> str:
    try:
        return values.show(register.field(name), value)
    except (FieldDoesNotExist, TypeError):
        return "" if value is None else str(value)
