"""How procedures write rows: a new row, a changed row under its version, a dated row without losing what was believed.

`change` refuses the second of two editors with a `StaleError` that carries the row as it stands. `amend` is the rule of dated
registers: the row keeps its key and its references, and what it said until now is kept as a superseded copy, so that
"who was answerable at that minute, as known then" (Art. 33) stays answerable.
"""

from __future__ import annotations

import copy
from collections.abc import Container, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypeVar

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import models, transaction
from django.utils.translation import gettext as _

from anzhang.directory.models import Bitemporal
from anzhang.events import Event
from anzhang.journal.models import Ledgered
from anzhang.journal.procedures import record
from anzhang.permissions import Actor, RefusedError

R = TypeVar("R", bound=Ledgered)
B = TypeVar("B", bound=Bitemporal)


class StaleError(RefusedError):
    """Somebody saved the row since it was read: `theirs` is the row as it stands now, `read` the version that the editor had."""

    def __init__(self, theirs: Ledgered, read: int) -> None:
        """Keep both for a comparison."""
        super().__init__("stale", _("这条记录在您编辑期间已被他人修改。"), _("比较两次修改后再提交。"))
        self.theirs = theirs
        self.read = read


class RowError(RefusedError):
    """A row breaks a rule of its columns; `faults` maps column names to messages, "" to those of the whole row."""

    def __init__(self, row: Ledgered, error: ValidationError) -> None:
        """Word the faults column by column."""
        named = error.message_dict if hasattr(error, "error_dict") else {"": error.messages}
        self.faults = {"" if name == "__all__" else name: "；".join(messages) for name, messages in named.items()}
        labels = {field.name: field.verbose_name for field in row._meta.concrete_fields}
        lines = [f"{labels[name]}：{text}" if name in labels else text for name, text in self.faults.items()]
        super().__init__("invalid", " ".join(lines), _("改正后重新提交。"))


def create(actor: Actor, row: R, at: datetime, act: Event = Event.ROW_CREATE, payload: Mapping[str, Any] | None = None) -> R:
    """Check and save a new row with its entry. Raises RowError."""
    check(row)
    with transaction.atomic():
        row.save(force_insert=True)
        record(actor, act, row, at=at, payload={**(payload or {}), "row": snapshot(row)})
    return row


def change(
    actor: Actor, row: R, values: Mapping[str, Any], at: datetime, expected_version: int | None = None, act: Event = Event.ROW_CHANGE
) -> R:
    """Change columns of a row and raise its version; no difference, no entry. Returns the row as it now stands.

    Raises StaleError when the row is no longer at `expected_version`, RowError when a column is wrong.
    """
    with transaction.atomic():
        row = locked(row)
        version: int = getattr(row, "version", 0)
        if expected_version is not None and version != expected_version:
            raise StaleError(row, expected_version)
        before = snapshot(row, values)
        for name, value in values.items():
            setattr(row, name, value)
        changed = difference(before, snapshot(row, values))
        if not changed:
            return row
        if hasattr(row, "version"):
            row.version = version + 1
        check(row)
        row.save()
        record(actor, act, row, at=at, payload={"changed": changed})
    return row


def amend(actor: Actor, act: Event, row: B, at: datetime, **values: Any) -> B:
    """Change a dated row as of now; what was believed until now stays as a superseded copy. Returns the row as it stands."""
    with transaction.atomic():
        row = locked(row)
        before = snapshot(row)
        past = copy.copy(row)
        past.pk, past._state = None, models.base.ModelState()
        past.superseded_at = at
        past.save(force_insert=True)
        record(actor, act, past, at=at, payload={"superseded_by": row.pk, "row": snapshot(past)})
        for name, value in values.items():
            setattr(row, name, value)
        row.recorded_at = at
        check(row)
        row.save()
        record(actor, act, row, at=at, payload={"changed": difference(before, snapshot(row))})
    return row


def check(row: Ledgered) -> None:
    """Raise RowError unless every column, choice, unique key and constraint of the row holds.

    As `full_clean`, without asking the database again whether the related rows at hand exist; the foreign keys say so.
    """
    at_hand = {field.name for field in row._meta.concrete_fields if isinstance(field, models.ForeignKey) and field.is_cached(row)}
    errors: dict[str, Any] = {}
    for step in (lambda skip: row.clean_fields(skip | at_hand), row.validate_unique, row.validate_constraints):
        try:
            step({name for name in errors if name != NON_FIELD_ERRORS})
        except ValidationError as error:
            errors = error.update_error_dict(errors)
    if errors:
        raise RowError(row, ValidationError(errors))


def locked(row: R) -> R:
    """Return the row as it stands, locked until the transaction ends."""
    found: R = type(row)._default_manager.select_for_update().get(pk=row.pk)
    return found


def snapshot(row: models.Model, also: Container[str] = ()) -> dict[str, Any]:
    """Return a row's editable columns, and those named in `also`, as JSON carries them, relations by code."""
    fields = [field for field in row._meta.concrete_fields if not field.primary_key and (field.editable or field.name in also)]
    return {field.name: _plain(getattr(row, field.name)) for field in fields}


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return the columns that differ as [before, after]."""
    return {name: [before[name], after[name]] for name in after if before[name] != after[name]}


def _plain(value: Any) -> Any:
    if isinstance(value, models.Model):
        return next((str(getattr(value, name)) for name in ("code", "number", "receipt_no") if hasattr(value, name)), str(value.pk))
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else value
