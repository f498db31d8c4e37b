"""Read the rows of a sheet as a register's fields, against what the register holds: what each would do, every fault with its cell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import ForeignKey, Model
from django.utils import translation
from django.utils.translation import gettext as _

from anzhang.registers import procedures, rights, sheets, values
from anzhang.registers.declaration import Register
from anzhang.registers.plans import FAULTS_HEADER, Fault, Plan, Write

_REMEMBERED = 5000  # texts of one column whose reading is kept: units and days come again and again


def columns_of(register: Register, headers: tuple[str, ...]) -> dict[str, int]:
    """Return the column of each field. Headers are labels of any language or field names. Raises BadSheetError."""
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


class Reader:
    """Reads rows against what the register holds; relations and keys are loaded once."""

    def __init__(self, register: Register, columns: dict[str, int], sight: rights.Sight) -> None:
        """Load what the register holds."""
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
        """Add to the plan what a row would do, or its faults."""
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
