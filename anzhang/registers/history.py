"""What was done to a row, read from the ledger: revisions with what changed, versions as they stood, two of them compared.

Nothing is stored twice: every entry about a row keeps what it changed as before and after, so a version is the present row
with the later changes taken back. The ledger being append-only, so are the revisions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Model

from anzhang.directory import rows
from anzhang.journal import sequencer
from anzhang.journal.models import Entry
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
    sequencer.settle()
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
        return register.show(name, value)
    except (FieldDoesNotExist, TypeError):
        return "" if value is None else str(value)


@dataclass(frozen=True)
class Version:
    """A row as it stood from an entry on. `exact` is false below an entry that does not say what it changed."""

    index: int
    at: datetime
    act: str
    actor: str
    values: Mapping[str, Any]  # as the ledger carries them: relations by code, days in ISO form
    exact: bool

    def shown(self, register: Register) -> dict[str, str]:
        """Return the values as people read them, by field."""
        return {name: _shown(register, name, value) for name, value in self.values.items()}


def versions(register: Register, row: Model) -> list[Version]:
    """Return every version of a row, newest first; two queries at most, one more on PostgreSQL."""
    sequencer.settle()
    entries = Entry.objects.filter(object_type=register.id, object_key=str(row.pk)).exclude(after="")
    names = [name for name in register.shown if name != "id"]
    present = rows.snapshot(row, names)
    values = {name: present[name] for name in names if name in present}
    exact = True
    found: list[Version] = []
    for entry in entries.select_related("payload").order_by("-index"):
        found.append(Version(entry.index, entry.at, entry.act, entry.actor, dict(values), exact))
        payload = orjson.loads(bytes(entry.payload.body) or b"{}")
        changed = payload.get("changed") if isinstance(payload, dict) else None
        if not isinstance(changed, dict):
            exact = exact and isinstance(payload, dict) and "row" in payload  # nothing stood before the entry that made the row
            continue
        values.update({name: pair[0] for name, pair in changed.items() if name in values and isinstance(pair, list)})
    return found


def as_of(found: list[Version], at: datetime) -> Version | None:
    """Return the version that stood at an instant, None when the row was not there yet."""
    return next((version for version in found if version.at <= at), None)


def compare(register: Register, old: Version, new: Version) -> tuple[Difference, ...]:
    """Return the fields in which two versions differ."""
    before, after = old.shown(register), new.shown(register)
    return tuple(Difference(_label(register, name), before[name], after[name]) for name in after if before[name] != after[name])
