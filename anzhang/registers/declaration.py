"""One declaration per register: its list, filters, detail, form, import, export and API all follow from it (DESIGN 4).

A register is declared in `<chapter>/registers.py` by calling `declare(Register(...))`. Four kinds say what may be written:
plain (form, import, API), authority (only an approved case), decision (only procedures), observed (only collectors).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db.models import Field, ForeignKey, Model, Q
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from anzhang.registers import values

MAX_FILTERS = 4


class DeclarationError(Exception):
    """A register is declared wrongly; the message names the register and the key."""


class Kind(StrEnum):
    """Who may write the rows."""

    PLAIN = "plain"
    AUTHORITY = "authority"
    DECISION = "decision"
    OBSERVED = "observed"


KIND_LABELS: Mapping[Kind, Promise] = {
    Kind.PLAIN: _("一般台账"),
    Kind.AUTHORITY: _("审批台账"),
    Kind.DECISION: _("决定记录"),
    Kind.OBSERVED: _("采集记录"),
}

CHAPTER_LABELS: Mapping[str, Promise] = {
    "directory": _("单位与人员"),
    "organization": _("组织责任"),
    "systems": _("信息系统"),
    "network": _("网络与设备"),
    "rooms": _("机房"),
    "endpoints": _("客户端"),
    "monitoring": _("监测与日志"),
    "thirdparty": _("第三方"),
    "assessment": _("评估整改"),
    "casework": _("审批与问题"),
}


class Writer(StrEnum):
    """Who may use form, import and writing API of a plain register; answered by `rights.HOLDERS`."""

    SYSTEM_ADMIN = "system_admin"
    OFFICE = "office"
    UNIT = "unit"  # head or security officer of a unit, for rows of that unit and those below it


@dataclass(frozen=True)
class Filter:
    """One filter of a list: `condition(value, at)` narrows; a value it does not know raises ValueError.

    `choices` are (value, label) pairs; a filter by unit takes its choices from the units that the reader sees.
    """

    name: str
    label: str | Promise
    condition: Callable[[str, datetime], Q]
    choices: tuple[tuple[str, str | Promise], ...] = ()
    by_unit: bool = False


@dataclass(frozen=True)
class Register:
    """A register; fields are named by their model names, relations by their paths (`person__unit`)."""

    id: str
    chapter: str
    model: type[Model]
    kind: Kind
    columns: tuple[str, ...]  # of the list page
    order: tuple[str, ...]
    search: tuple[str, ...] = ()
    filters: tuple[Filter, ...] = ()
    scope: tuple[str, ...] = ()  # paths to a unit's path; a row is seen through any of them; none: seen by everyone who logs in
    key: tuple[str, ...] = ()  # what identifies a row on a sheet
    fields: tuple[str, ...] = ()  # of form, import, export and API, in order
    create: str = ""  # names of procedures; without them the register is read-only
    change: str = ""
    whole_row: bool = False  # its procedures take a row as it should become, not the values
    bulk: str = ""  # a procedure `(actor, new, changes, at=at)` that returns a `directory.bulk.Batch`: thousands of rows at once
    singly: frozenset[str] = frozenset()  # fields whose change has consequences, so that it goes through `change` even in bulk
    fixed: frozenset[str] = frozenset()  # fields that a change cannot touch
    writers: frozenset[Writer] = frozenset()
    route: str = ""  # an authority register's rows come from cases of this route
    hidden: frozenset[str] = frozenset()  # fields that no face shows
    articles: tuple[int, ...] = ()
    labels: Mapping[str, str | Promise] = field(default_factory=dict)
    hints: Mapping[str, str | Promise] = field(default_factory=dict)
    words: Mapping[str, Callable[[Any], str]] = field(default_factory=dict)  # how people read a column whose values are codes

    @property
    def title(self) -> str:
        """Return the register's name in the language of the moment."""
        return str(self.model._meta.verbose_name)

    @property
    def writable(self) -> bool:
        """Whether a form, an import and a writing API exist at all."""
        return self.kind is Kind.PLAIN and bool(self.create)

    @property
    def changeable(self) -> bool:
        """Whether an existing row may be edited by form, import or API."""
        return self.kind is Kind.PLAIN and bool(self.change)

    @property
    def kind_label(self) -> str:
        """Return the kind in the language of the moment."""
        return str(KIND_LABELS[self.kind])

    def field(self, path: str) -> Field[Any, Any]:
        """Return the model field at the end of a path. Raises FieldDoesNotExist."""
        return values.field_at(self.model, path)

    def label(self, path: str) -> str:
        """Return the heading of a field."""
        return str(self.labels.get(path) or self.field(path).verbose_name)

    def show(self, path: str, value: Any) -> str:
        """Return a value of a field as people read it."""
        word = self.words.get(path)
        return word(value) if word is not None and value else values.show(self.field(path), value)

    def filter(self, name: str) -> Filter | None:
        """Return a filter by name."""
        return next((each for each in self.filters if each.name == name), None)

    @property
    def shown(self) -> tuple[str, ...]:
        """Return every field of the detail page, the exports and the API, declared ones first."""
        rest = (f.name for f in self.model._meta.concrete_fields if f.name not in {"id", "version", *self.fields, *self.hidden})
        return (*self.fields, *(name for name in rest if name not in self.hidden))

    def relations(self, paths: tuple[str, ...]) -> list[str]:
        """Return what to select together with the rows so that showing `paths` asks nothing more."""
        found = {path.rpartition("__")[0] for path in paths if "__" in path}
        for path in paths:
            if isinstance(link := self.field(path), ForeignKey):
                found |= {path, *(f"{path}__{name}" for name in getattr(link.related_model, "NAMED_BY", ()))}
        return sorted(found)


REGISTERS: dict[str, Register] = {}


def declare(register: Register) -> Register:
    """Add a register to `REGISTERS`. Raises DeclarationError naming what is wrong."""
    fault = _fault(register)
    if fault:
        raise DeclarationError(f"register {register.id}: {fault}")
    REGISTERS[register.id] = register
    return register


def _fault(register: Register) -> str:  # noqa: PLR0911  # one return per rule
    before = REGISTERS.get(register.id)
    if before is not None and before.model is not register.model:
        return f"declared twice, for {before.model.__name__} and {register.model.__name__}"
    if register.model.__name__ != "".join(part.capitalize() for part in register.id.split("_")):
        return f"the model of a register is the CamelCase of its id, not {register.model.__name__}"
    if len(register.filters) > MAX_FILTERS:
        return f"at most {MAX_FILTERS} filters"
    if register.kind is not Kind.PLAIN and (register.create or register.change):
        return f"kind {register.kind} has no form: create and change are for plain registers"
    if register.writable and not (register.key and register.fields and register.writers):
        return "a plain register names key, fields and writers"
    paths = (
        *register.columns,
        *register.search,
        *register.scope,
        *register.key,
        *register.fields,
        *(o.lstrip("-") for o in register.order),
    )
    for path in paths:
        try:
            register.field(path)
        except FieldDoesNotExist:
            return f"no field {path!r}"
    return ""
