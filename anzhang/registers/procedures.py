"""Create and change rows through the procedures that registers name, and note exports and imports in the ledger.

A named procedure is called as `create(actor, at=at, **values)` and `change(actor, row, at=at, expected_version=n, **values)`.
Page, import and API all come through here, so that rights and unit scope are asked in one place.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import transaction
from django.db.models import Model
from django.utils.translation import gettext as _

from anzhang import clock
from anzhang.events import Event
from anzhang.journal.procedures import record
from anzhang.permissions import Actor, RefusedError
from anzhang.registers import rights
from anzhang.registers.declaration import Register
from anzhang.regulation.checks import PROCEDURES

_NOTHING: tuple[Any, ...] = (None, "", [])


def create(register: Register, actor: Actor, data: Mapping[str, Any], *, at: datetime) -> Model:
    """Create a row through the procedure that the register names. Raises RefusedError."""
    rights.require_write(register, actor, at)
    require_plausible(register, data)
    with transaction.atomic():
        act = PROCEDURES[register.create]
        row: Model = act(actor, register.model(**data), at=at) if register.whole_row else act(actor, at=at, **data)
        rights.require_place(register, row, rights.Sight(actor, at))
    return row


def change(register: Register, actor: Actor, row: Model, data: Mapping[str, Any], *, at: datetime, expected_version: int | None) -> Model:
    """Change a row through the procedure that the register names; nothing happens when nothing differs. Raises RefusedError."""
    rights.require_write(register, actor, at)
    if not register.changeable:
        raise RefusedError("register_only_grows", _("该台账只能新增，不能修改"))
    if not differences(row, data):
        return row
    require_plausible(register, data)
    with transaction.atomic():
        rights.require_place(register, row, rights.Sight(actor, at))
        changed = _change(register, actor, copy.copy(row), data, at, expected_version)
        rights.require_place(register, changed, rights.Sight(actor, at))
    return changed


@dataclass(frozen=True)
class Outcome:
    """What a change of many rows did to one of them: `refusal` says why it was not changed, empty when it was."""

    row: Model
    changed: bool
    refusal: str = ""


def change_each(
    register: Register, actor: Actor, chosen: Iterable[tuple[Model, int | None]], data: Mapping[str, Any], *, at: datetime
) -> list[Outcome]:
    """Give many rows the same values, each by itself under the version that was shown; return what became of each.

    Raises RefusedError when the actor may not write the register at all.
    """
    rights.require_write(register, actor, at)
    found: list[Outcome] = []
    for row, version in chosen:
        if not differences(row, data):
            found.append(Outcome(row, changed=False))
            continue
        try:
            found.append(Outcome(change(register, actor, row, data, at=at, expected_version=version), changed=True))
        except RefusedError as refusal:
            found.append(Outcome(row, changed=False, refusal=f"{refusal.message} {refusal.remedy}".strip()))
    return found


def require_plausible(register: Register, data: Mapping[str, Any]) -> None:
    """Raise RefusedError for a slip such as the year 202: a check that reckons from it would fail for everybody."""
    for name, value in data.items():
        if isinstance(value, date) and not clock.is_plausible(value):
            message = _("%(label)s：“%(day)s”不在 1900 年至 2199 年之间") % {"label": register.label(name), "day": value.isoformat()[:10]}
            raise RefusedError("implausible_day", message, _("核对年份后重新提交"))


def _change(register: Register, actor: Actor, row: Model, data: Mapping[str, Any], at: datetime, version: int | None) -> Model:
    act = PROCEDURES[register.change]
    if not register.whole_row:
        changed: Model = act(actor, row, at=at, expected_version=version, **data)
        return changed
    for name, value in {**data, "version": version}.items():
        setattr(row, name, value)
    became: Model = act(actor, row, at=at)
    return became


def differences(row: Model, data: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return the fields whose value would change, as (before, after)."""
    pairs = {name: (getattr(row, name), value) for name, value in data.items()}
    return {name: pair for name, pair in pairs.items() if _differ(*pair)}


def _differ(before: Any, after: Any) -> bool:
    """Whether two values differ: nothing is nothing however it is kept, and an editor's kind of line end is no change."""
    if before in _NOTHING or after in _NOTHING:
        return not (before in _NOTHING and after in _NOTHING)
    if isinstance(before, str) and isinstance(after, str):
        return before.replace("\r\n", "\n") != after.replace("\r\n", "\n")
    return bool(before != after)


def record_export(actor: Actor, register: Register, *, at: datetime, rows: int, form: str, query: str, basis: str = "") -> None:
    """Note in the ledger who took which rows out, and the number of the case that allowed it (DESIGN 12)."""
    payload = {"rows": rows, "format": form, "query": query, "basis": basis}
    with transaction.atomic():
        record(actor, Event.ROW_EXPORT, ("register", register.id), at=at, payload=payload)


def record_export_refused(actor: Actor, register: Register, *, at: datetime, rows: int, query: str) -> None:
    """Note in the ledger who tried at the command line to take out more rows than are free, without an approval."""
    with transaction.atomic():
        record(actor, Event.ROW_EXPORT_REFUSED, ("register", register.id), at=at, payload={"rows": rows, "query": query})


def record_import(actor: Actor, register: Register, *, at: datetime, created: int, changed: int, digest: str) -> None:
    """Note in the ledger which sheet brought the rows in; runs in the transaction of the import."""
    payload = {"created": created, "changed": changed, "sha256": digest}
    record(actor, Event.ROW_IMPORT, ("register", register.id), at=at, payload=payload)
