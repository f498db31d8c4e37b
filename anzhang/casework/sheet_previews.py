"""What a sheet for an authority register would do if it were granted now: tried row by row, shown, and taken back.

The rows run through the route's own effect under an approval that is never kept, so the preview says what the register's rules
say. Nothing is promised: the rows take effect when the case is decided, on the register as it stands then.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Max, Model

from anzhang.casework import engine, forms, procedures, sheet_cases
from anzhang.casework.models import Approval, Case
from anzhang.casework.routes import Route
from anzhang.directory.models import Bitemporal, Person, Unit
from anzhang.permissions import Actor, RefusedError
from anzhang.registers import values
from anzhang.registers.declaration import Register
from anzhang.registers.plans import Fault

_ENDS = ("valid_to", "in_force_to")  # what says that a row ended


@dataclass(frozen=True)
class Line:
    """One row of the sheet, and the register's rows that it would add, change and end, in words."""

    number: int
    asked: tuple[tuple[str, str], ...]
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    ended: tuple[str, ...] = ()


@dataclass
class Preview:
    """What the whole sheet would do."""

    lines: list[Line] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, int]:
        """Return how many rows of the register are added, changed, ended."""
        return {name: sum(len(getattr(line, name)) for line in self.lines) for name in ("added", "changed", "ended")}


@dataclass(frozen=True)
class Filing:
    """Who would file the sheet, for which unit, when."""

    actor: Actor
    way: Route
    unit: Unit
    applicant: Person
    at: datetime


class _TriedError(Exception):
    """Takes the trial back."""


def preview(filing: Filing, register: Register, data: bytes, name: str) -> Preview:
    """Return what a sheet would do. Raises BadSheetError, SheetFaultsError, and RefusedError where no case may be filed at all."""
    sheet_cases.require_takes_sheets(filing.way)
    sheet = sheet_cases.read(filing.way, data, name)
    form = sheet_cases.form_of(filing.way, [row.form for row in sheet])
    found = Preview()
    try:
        with transaction.atomic():
            way = sheet_cases.whole(filing.way)
            case = procedures.opened(filing.actor, way, filing.unit, filing.applicant, "", form, filing.at)
            approval = engine.record_approval(filing.actor, case, way, filing.at, None)
            watched = _Watched(register, filing)
            for row in sheet:
                _try(found, watched, case, approval, row)
            raise _TriedError
    except _TriedError:
        return found


def _try(found: Preview, watched: _Watched, case: Case, approval: Approval, row: sheet_cases.Row) -> None:
    filing, one = watched.filing, copy.copy(case)
    one.form = row.form
    try:
        engine.run(filing.way.effect, filing.actor, one, approval, filing.at)
    except RefusedError as refusal:
        found.faults.append(Fault(str(row.number), f"{refusal.message} {refusal.remedy}".strip()))
        return
    asked = tuple((label, value) for label, value in forms.display(filing.way, row.form) if value)
    found.lines.append(Line(row.number, asked, **watched.news()))


class _Watched:
    """The register's rows that a trial can touch, and what became of them since the last look."""

    def __init__(self, register: Register, filing: Filing) -> None:
        self.register, self.filing = register, filing
        self.highest: int = register.model._default_manager.aggregate(highest=Max("pk"))["highest"] or 0
        self.before = self._rows()

    def news(self) -> dict[str, tuple[str, ...]]:
        """Return what was added, changed and ended since the last call."""
        now = self._rows()
        found: dict[str, list[str]] = {"added": [], "changed": [], "ended": []}
        for key, row in now.items():
            was = self.before.get(key)
            if was is None or _state(was) != _state(row):
                kind = "added" if was is None and key > self.highest else "ended" if _ends(row) else "changed"
                found[kind].append(self._worded(row))
        self.before = now
        return {name: tuple(words) for name, words in found.items()}

    def _rows(self) -> Mapping[int, Any]:
        """Return the rows that were written at this instant, or where a register does not say when, those of the unit."""
        model = self.register.model
        rows = model._default_manager.select_related(*self.register.relations(self.register.columns))
        if issubclass(model, Bitemporal):
            rows = rows.filter(recorded_at=self.filing.at, superseded_at=None)
        elif "unit" in {each.name for each in model._meta.concrete_fields}:
            rows = rows.filter(unit=self.filing.unit)
        return {row.pk: row for row in rows.order_by("pk")}

    def _worded(self, row: Model) -> str:
        shown = ((path, values.show(self.register.field(path), values.value_at(row, path))) for path in self.register.columns)
        return "；".join(f"{self.register.label(path)}：{text}" for path, text in shown if text)


def _state(row: Model) -> tuple[Any, ...]:
    return tuple(getattr(row, each.attname) for each in row._meta.concrete_fields)


def _ends(row: Any) -> bool:
    return any(getattr(row, name, None) is not None for name in _ENDS)
