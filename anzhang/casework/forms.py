"""The form of a route: what was asked, validated field by field, kept as plain JSON (codes for people, units and systems).

Chapters above casework add how their objects are found with `lookup` (systems adds `system`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from django.db.models import Q
from django.utils.translation import gettext as _

from anzhang import clock
from anzhang.casework.routes import Field, Route
from anzhang.directory import queries
from anzhang.directory.models import Person, Unit
from anzhang.permissions import RefusedError

Options = Sequence[tuple[str, str]]
LONGEST_NUMBER = 15


class FormError(RefusedError):
    """A form is wrong; `faults` maps field names to messages."""

    def __init__(self, faults: Mapping[str, str]) -> None:
        """Join the faults for faces that show one line."""
        self.faults = dict(faults)
        super().__init__("form_invalid", " ".join(faults.values()), _("改正后重新提交。"))


class FaultError(Exception):
    """One value is wrong; the message says why, in the reader's language."""


@dataclass(frozen=True)
class Lookup:
    """How an object is named in a form.

    `find` returns the label of a code, None for an unknown one; `options` what a unit may choose from at an instant.
    """

    find: Callable[[str], str | None]
    options: Callable[[Unit, datetime], Options]


LOOKUPS: dict[str, Lookup] = {}
Rule = Callable[[Mapping[str, Any], Unit, datetime], Mapping[str, str]]
RULES: dict[str, Rule] = {}
FIELD_RULES: dict[tuple[str, str], Callable[[str], str]] = {}


def rule(route: str) -> Callable[[Rule], Rule]:
    """Say what the fields of a route's form must satisfy together; the function returns faults by field."""

    def bind(function: Rule) -> Rule:
        RULES[route] = function
        return function

    return bind


def field_rule(route: str, name: str, function: Callable[[str], str]) -> None:
    """Say what one field of a route's form must satisfy by itself, in sheets too; the function returns the fault, or nothing."""
    FIELD_RULES[route, name] = function


def check_together(route: Route, form: Mapping[str, Any], unit: Unit, at: datetime) -> None:
    """Raise FormError when a clean form's fields do not go together, so that nobody is asked to decide what cannot be done."""
    found = RULES.get(route.key)
    faults = found(form, unit, at) if found else {}
    if faults:
        raise FormError(faults)


def lookup(kind: str, find: Callable[[str], str | None], options: Callable[[Unit, datetime], Options]) -> None:
    """Add a kind of object that forms name by code."""
    LOOKUPS[kind] = Lookup(find, options)


def validate(route: Route, form: Mapping[str, Any]) -> dict[str, Any]:
    """Return the cleaned form: every field of the route, empty optional ones as None. Raises FormError."""
    faults: dict[str, str] = {}
    clean: dict[str, Any] = {}
    for name in sorted(set(form) - {field.name for field in route.fields}):
        faults[name] = _("没有“%s”这一项。") % name[:40]
    for field in route.fields:
        try:
            value = clean[field.name] = _value(field, form.get(field.name))
            own = FIELD_RULES.get((route.key, field.name))
            if own and value is not None and (text := own(value)):
                raise FaultError(text)
        except FaultError as fault:
            faults[field.name] = f"{field.label}：{fault}"
    if faults:
        raise FormError(faults)
    return clean


def options(field: Field, unit: Unit, at: datetime) -> Options:
    """Return what a field of kind choice, person, unit or system may be chosen from: (value, label); empty for other kinds."""
    if field.kind == "choice":
        return [(value, str(label)) for value, label in field.choices]
    found = LOOKUPS.get(field.kind)
    return found.options(unit, at) if found else ()


def display(route: Route, form: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return a kept form as (label, value) lines in the language of the moment."""
    return [(str(field.label), _shown(field, form.get(field.name))) for field in route.fields]


def _shown(field: Field, value: Any) -> str:
    if value is None:
        return ""
    if field.kind == "choice":
        return next((str(label) for key, label in field.choices if key == value), str(value))
    if field.kind == "rules":
        return " → ".join(str(step.get("title", {}).get("zh", "")) for step in json.loads(str(value)))
    if field.kind == "instant":
        return str(value).replace("T", " ")
    found = LOOKUPS.get(field.kind)
    return (found.find(str(value)) or str(value)) if found else str(value)


def _value(field: Field, value: Any) -> Any:
    text = value.strip() if isinstance(value, str) else value
    if text is None or text == "":
        if field.required:
            raise FaultError(_("必填。"))
        return None
    if isinstance(text, bool) or not isinstance(text, str | int | date):
        raise FaultError(_("不能识别。"))
    text = text.isoformat()[:10] if isinstance(text, date) else str(text)
    if "\x00" in text:
        raise FaultError(_("含有不可用的字符。"))
    if len(text) > field.max_length:
        raise FaultError(_("最多 %d 个字。") % field.max_length)
    if field.kind in _READERS:
        return _READERS[field.kind](text)
    return _choice(field, text) if field.kind == "choice" else _named(field, text) if field.kind in LOOKUPS else text


def _date(text: str) -> str:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.min
    if not clock.is_plausible(day):
        raise FaultError(_("“%s”不是日期，请写成 2026-11-24。") % text[:40])
    return day.isoformat()


def _instant(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text.replace(" ", "T", 1)).replace(tzinfo=None, second=0, microsecond=0)
    except ValueError:
        moment = None
    if moment is None or not clock.is_plausible(moment.date()):
        raise FaultError(_("“%s”不是时间，请写成 2026-11-24 09:30。") % text[:40])
    return moment.isoformat(timespec="minutes")


def instant(text: str) -> datetime:
    """Return a kept field of kind instant, which is Beijing's, as an aware instant."""
    return datetime.fromisoformat(text).replace(tzinfo=clock.BEIJING).astimezone(UTC)


def _number(text: str) -> int:
    if not text.isascii() or not text.removeprefix("-").isdigit() or len(text) > LONGEST_NUMBER:
        raise FaultError(_("“%s”不是整数。") % text[:40])
    return int(text)


def _choice(field: Field, text: str) -> str:
    if text not in dict(field.choices):
        raise FaultError(
            _("“%(text)s”不在可选项内：%(known)s。") % {"text": text[:40], "known": "、".join(str(t) for _v, t in field.choices)}
        )
    return text


def _named(field: Field, text: str) -> str:
    if LOOKUPS[field.kind].find(text) is None:
        raise FaultError(_("没有编号为“%s”的记录。") % text[:40])
    return text


def _rules(text: str) -> str:
    try:
        steps = json.loads(text)
    except ValueError:
        steps = None
    if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
        raise FaultError(_("不是环节列表。"))
    return json.dumps(steps, ensure_ascii=False, sort_keys=True)


def _scan(text: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise FaultError(_("请选择扫描件。"))
    return text


_READERS: dict[str, Callable[[str], Any]] = {"date": _date, "instant": _instant, "number": _number, "rules": _rules, "scan": _scan}


def _find_person(code: str) -> str | None:
    person = Person.objects.filter(code=code).select_related("unit").first()
    return f"{person.name}（{person.unit.name} {person.post}）" if person else None


def _people(unit: Unit, at: datetime) -> Options:
    # The applying unit's own people first, then the bureau's.
    found = Person.objects.filter(queries.employed(at)).select_related("unit")
    own = sorted(found, key=lambda person: (person.unit_id != unit.pk, person.unit.path, person.code))
    return [(person.code, f"{person.name}（{person.unit.name} {person.post}）") for person in own]


def _find_unit(code: str) -> str | None:
    return Unit.objects.filter(code=code).values_list("name", flat=True).first()


def _units(unit: Unit, at: datetime) -> Options:
    there = Unit.objects.filter(Q(closed_on=None) | Q(closed_on__gt=clock.day_of(at)))
    found = there.values_list("code", "name", "path").order_by("path")
    return [(code, name) for code, name, path in sorted(found, key=lambda row: not row[2].startswith(unit.path))]


lookup("person", _find_person, _people)
lookup("unit", _find_unit, _units)
