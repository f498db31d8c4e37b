"""Bring a sheet into a plain register: a plan first (what each row would do, every fault with its cell), then all rows or none.

A row is recognized by the register's key: new keys are created, known ones changed where a cell differs, equal ones left
alone, so importing an unchanged export writes nothing. Cells are read here; every row is written by the register's procedure.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import ForeignKey, Model
from django.utils import translation
from django.utils.translation import gettext as _

from anzhang.directory.bulk import Batch
from anzhang.permissions import Actor, RefusedError
from anzhang.registers import procedures, rights, sheets, values
from anzhang.registers.declaration import Register
from anzhang.regulation.checks import PROCEDURES

REHEARSED = 500  # a preview rehearses up to so many writes, rolled back; above, a register with a bulk procedure checks them all together
EVERY = 1000  # rows between two reports of progress
_KEYS = 500
_REMEMBERED = 5000  # texts of one column whose reading is kept: units and days come again and again
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Fault:
    """Something wrong at one cell, or with a whole row when `cell` names only the row."""

    cell: str
    message: str


@dataclass(frozen=True)
class Write:
    """One row to create (`row` None) or to change."""

    number: int
    data: Mapping[str, Any]
    row: Model | None
    changes: Mapping[str, tuple[Any, Any]]


@dataclass
class Plan:
    """What a sheet would do."""

    register: Register
    digest: str  # SHA-256 of the file
    writes: list[Write] = field(default_factory=list)
    unchanged: int = 0
    faults: list[Fault] = field(default_factory=list)

    @property
    def created(self) -> int:
        """Return how many rows are new."""
        return sum(write.row is None for write in self.writes)

    @property
    def changed(self) -> int:
        """Return how many rows would change."""
        return len(self.writes) - self.created

    @property
    def in_bulk(self) -> bool:
        """Whether the rows are written together rather than one by one."""
        return bool(self.register.bulk) and len(self.writes) > REHEARSED

    @property
    def seal(self) -> str:
        """Return a digest of file, rows and versions: a confirm must meet the very plan that was shown."""
        state = [(w.number, w.row.pk if w.row else None, getattr(w.row, "version", None)) for w in self.writes]
        return hashlib.sha256(f"{self.register.id} {self.digest} {state}".encode()).hexdigest()


FAULTS_HEADER = "问题（不导入）"  # the column that a sheet of faults carries; coming back with it is allowed


class _RehearsalOverError(Exception):
    """Rolls a rehearsal back."""


def plan(register: Register, data: bytes, name: str, actor: Actor, at: datetime, progress: Progress | None = None) -> Plan:
    """Return what a sheet would do, told `progress(rows done, rows in all)` on the way.

    Raises BadSheetError when the file or its headers cannot be taken, RefusedError when the actor may not write the register.
    """
    rights.require_write(register, actor, at)
    sheet = sheets.read(data, name)
    columns = _columns(register, sheet.headers)
    plan = Plan(register, hashlib.sha256(data).hexdigest())
    reader = _Reader(register, columns, rights.Sight(actor, at))
    for place, (number, cells) in enumerate(sheet.rows):
        reader.read(plan, number, cells)
        if progress is not None and place % EVERY == 0:
            progress(place, len(sheet.rows))
    if plan.in_bulk:
        _check_batch(plan, actor, at)
    elif not plan.faults and 0 < len(plan.writes) <= REHEARSED:
        _rehearse(plan, actor, at)
    return plan


def apply(plan: Plan, actor: Actor, at: datetime, also: Callable[[], None] | None = None, progress: Progress | None = None) -> None:
    """Write every row of a plan, or none; `also` runs in the same transaction. Raises RefusedError naming the row that is refused.

    What can be made beforehand is made beforehand, so that the transaction of a large sheet is short.
    """
    if plan.faults:
        raise RefusedError("sheet_has_faults", _("表格有 %(count)d 处错误，未导入任何一行") % {"count": len(plan.faults)})
    if not plan.writes:
        if also is not None:
            also()
        return
    rights.require_write(plan.register, actor, at)
    batch, singly = _prepared(plan, actor, at, progress) if plan.in_bulk else (None, plan.writes)
    with transaction.atomic():
        if batch is not None:
            batch.write()
            _require_places(plan.register, batch, rights.Sight(actor, at))
        for write in singly:
            try:
                _write(plan.register, write, actor, at)
            except RefusedError as refusal:
                message = _("第 %(row)d 行：%(why)s；未导入任何一行") % {"row": write.number, "why": refusal.message}
                raise RefusedError(refusal.code, message, refusal.remedy) from refusal
        procedures.record_import(actor, plan.register, at=at, created=plan.created, changed=plan.changed, digest=plan.digest)
        if also is not None:
            also()


def _split(plan: Plan) -> tuple[list[Write], list[Write]]:
    """Return the writes that go in bulk and those whose change has consequences of its own."""
    together: list[Write] = []
    singly: list[Write] = []
    for write in plan.writes:
        (singly if plan.register.singly & write.changes.keys() else together).append(write)
    return together, singly


def _batch(plan: Plan, together: list[Write], actor: Actor, at: datetime) -> Batch:
    new = [write.data for write in together if write.row is None]
    changes = [(copy.copy(write.row), write.data) for write in together if write.row is not None]
    batch: Batch = PROCEDURES[plan.register.bulk](actor, new, changes, at=at)
    return batch


def _check_batch(plan: Plan, actor: Actor, at: datetime) -> None:
    together, _singly = _split(plan)
    together.sort(key=lambda write: write.row is not None)  # a batch counts its new rows first
    for write in together:
        try:
            procedures.require_plausible(plan.register, write.data)
        except RefusedError as error:
            plan.faults.append(Fault(str(write.number), error.message))
    for place, refusal in _batch(plan, together, actor, at).check(cleaned=True).items():
        plan.faults.append(Fault(str(together[place].number), refusal.message))


def _prepared(plan: Plan, actor: Actor, at: datetime, progress: Progress | None) -> tuple[Batch, list[Write]]:
    together, singly = _split(plan)
    batch, count = _batch(plan, together, actor, at), len(plan.writes)
    batch.prepare((lambda done: progress(done, count)) if progress is not None else None)
    return batch, singly


def _require_places(register: Register, batch: Batch, sight: rights.Sight) -> None:
    """Raise RefusedError when a written row lies outside what the actor sees."""
    if sight.path is None:
        return
    keys = [row.pk for row in batch]
    for start in range(0, len(keys), _KEYS):
        some = keys[start : start + _KEYS]
        if sight.rows(register).filter(pk__in=some).count() != len(some):
            raise rights.foreign()


def _rehearse(plan: Plan, actor: Actor, at: datetime) -> None:
    """Run the procedures and roll back, so that the preview shows what they refuse."""
    try:
        with transaction.atomic():
            for write in plan.writes:
                try:
                    with transaction.atomic():
                        _write(plan.register, write, actor, at)
                except RefusedError as refusal:
                    plan.faults.append(Fault(str(write.number), f"{refusal.message} {refusal.remedy}".strip()))
            raise _RehearsalOverError
    except _RehearsalOverError:
        return


def _write(register: Register, write: Write, actor: Actor, at: datetime) -> None:
    if write.row is None:
        procedures.create(register, actor, write.data, at=at)
    else:
        procedures.change(register, actor, write.row, write.data, at=at, expected_version=getattr(write.row, "version", None))


def _columns(register: Register, headers: tuple[str, ...]) -> dict[str, int]:
    """Return the column of each field. Headers are labels of any language or field names."""
    known: dict[str, str] = {}
    for language in ("zh-hans", "en"):
        with translation.override(language):
            known |= {register.label(name): name for name in register.fields}
    known |= {name: name for name in register.fields}
    columns: dict[str, int] = {}
    faults: list[str] = []
    for place, header in enumerate(headers):
        if header == FAULTS_HEADER:
            continue
        name = known.get(header.rstrip(" *＊"))
        cell = sheets.address(1, place)
        if name is None:
            faults.append(_("%(cell)s：没有“%(header)s”这一列") % {"cell": cell, "header": header[:40]})
        elif name in columns:
            faults.append(_("%(cell)s：表头“%(header)s”重复") % {"cell": cell, "header": header[:40]})
        else:
            columns[name] = place
    faults += [_("缺少必填列“%(label)s”") % {"label": register.label(name)} for name in _required(register) if name not in columns]
    if faults:
        raise sheets.BadSheetError(*faults[: sheets.MAX_FAULTS])
    return columns


def _required(register: Register) -> list[str]:
    found = [name for name in register.fields if name in register.key]
    return found + [name for name in register.fields if name not in found and required(register, name)]


def required(register: Register, name: str) -> bool:
    """Whether a field must be filled."""
    field = register.field(name)
    return not field.blank and not field.has_default() and field.get_internal_type() != "BooleanField"


class _Reader:
    """Reads rows against what the register holds; relations and keys are loaded once."""

    def __init__(self, register: Register, columns: dict[str, int], sight: rights.Sight) -> None:
        self.register, self.columns = register, columns
        self.fields = {name: register.field(name) for name in columns}
        self.read_before: dict[str, dict[str, Any]] = {name: {} for name in columns}
        self.related: dict[str, dict[str, Any]] = {}
        for name in columns:
            relation = register.field(name)
            if isinstance(relation, ForeignKey):
                code = values.code_field(relation.related_model)
                self.related[name] = {str(getattr(row, code)): row for row in sight.choices(relation.related_model)}
        self.seen: dict[tuple[Any, ...], int] = {}
        everything = register.model._default_manager.select_related(*register.relations(register.fields))
        self.known = {self._key({name: getattr(row, name) for name in register.key}): row for row in everything}
        self.taken = {name: {getattr(row, name) for row in self.known.values()} for name, field in self.fields.items() if _is_code(field)}
        self.mine = None if sight.path is None else set(sight.rows(register).values_list("pk", flat=True))

    def read(self, plan: Plan, number: int, cells: tuple[Any, ...]) -> None:
        before = len(plan.faults)
        data: dict[str, Any] = {}
        for name, place in self.columns.items():
            try:
                data[name] = self._value(name, cells[place])
            except values.ValueFaultError as fault:
                plan.faults.append(Fault(sheets.address(number, place), str(fault)))
        if len(plan.faults) > before:
            return
        key = self._key(data)
        if key in self.seen:
            plan.faults.append(Fault(str(number), _("与第 %(row)d 行重复") % {"row": self.seen[key]}))
            return
        self.seen[key] = number
        lost = self._lost_zeros(key, cells)
        if lost:
            plan.faults.append(Fault(sheets.address(number, self.columns[self.register.key[0]]), lost))
            return
        self._place(plan, number, data, self.known.get(key))

    def _lost_zeros(self, key: tuple[Any, ...], cells: tuple[Any, ...]) -> str:
        """Return what to say of a new row whose only key is a number that lacks the zeros of a known one."""
        if len(key) > 1 or key in self.known or not isinstance(cells[self.columns[self.register.key[0]]], float | int):
            return ""
        return values.zeros_lost(str(key[0]), (str(known) for (known,) in self.known))

    def _value(self, name: str, cell: Any) -> Any:
        """Return the value of a cell; a text that its column had before is not read again."""
        known = self.read_before[name]
        if isinstance(cell, str) and cell in known:
            return known[cell]
        remembered = cell
        field = self.fields[name]
        if isinstance(cell, str) and name in self.taken and cell.strip() not in self.taken[name]:
            cell = values.narrow(cell)
        value = values.read(field, cell, self.related.get(name))
        if value is None or value == "":
            value = self._nothing(name)
        _clean(field, value)
        if isinstance(remembered, str) and len(known) < _REMEMBERED and not isinstance(value, list):
            known[remembered] = value
        return value

    def _place(self, plan: Plan, number: int, data: dict[str, Any], row: Model | None) -> None:
        if row is None:
            plan.writes.append(Write(number, data, None, {}))
            return
        if self.mine is not None and row.pk not in self.mine:
            plan.faults.append(Fault(str(number), _("该编号属于您管辖范围以外的单位")))
            return
        changes = procedures.differences(row, data)
        if not changes:
            plan.unchanged += 1
        elif not self.register.changeable:
            plan.faults.append(Fault(str(number), _("该行已存在，且不能修改")))
        elif self.register.fixed & changes.keys():
            name = min(self.register.fixed & changes.keys())
            cell = sheets.address(number, self.columns[name])
            plan.faults.append(Fault(cell, _("“%(label)s”登记后不能修改") % {"label": self.register.label(name)}))
        else:
            plan.writes.append(Write(number, data, row, changes))

    def _nothing(self, name: str) -> Any:
        """Return what an empty cell means: nothing where that is allowed, else the field's default, else a fault."""
        field = self.register.field(name)
        if field.has_default() and not field.blank:
            return field.get_default()
        if not field.blank and field.get_internal_type() == "BooleanField":
            return False
        if not field.blank:
            raise values.ValueFaultError(_("必填"))
        return None if field.null else ""

    def _key(self, data: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(value.pk if isinstance(value, Model) else value for value in (data[name] for name in self.register.key))


def _is_code(field: Any) -> bool:
    """Whether a column holds texts that name a row: an input method's full-width slip in one is mended, unless a row is named so."""
    return bool(field.unique) and not isinstance(field, ForeignKey)


def _clean(field: Any, value: Any) -> None:
    """Apply the model field's own validators (length, range, e-mail form)."""
    if isinstance(field, ForeignKey) or value in (None, "", []):
        return
    try:
        field.run_validators(field.to_python(value))
    except ValidationError as error:
        raise values.ValueFaultError(str(error.messages[0])) from error
