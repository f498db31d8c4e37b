"""Rows that are hard to carry: what a spreadsheet would run, round, cut, trim or take for something else."""

from __future__ import annotations

import base64
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Field, ForeignKey

from anzhang.directory.models import Unit
from anzhang.endpoints import models as endpoints
from anzhang.network import fields as network
from anzhang.organization import fields as organization
from anzhang.registers.declaration import Register
from anzhang.rooms import fields as rooms
from anzhang.systems import fields as systems
from anzhang.systems.models import System

TEXTS = (
    "=1+1", "+86", "-1", "@SUM(A1)", "'=1", "''-2", "'", "000123", "1E5", "12.50", "2026-03-01", "TRUE", "是", "#N/A", "None", "null",
    "第一行\n第二行", "第一行\r\n第二行", "第一行\n\n第三行", "a;b；c", '"引号"', '",\n"', "中间\t制表", "a,b", "a  b", "_x0041_",
    "ＡＢ１２",
    "𠮷野家",    "<b>&amp;</b>", "%s %(x)d {0}", "\\n", "/etc", "e\u0301", "\u00e9",
)  # fmt: skip
_CHECKED: tuple[tuple[Any, tuple[list[str], ...]], ...] = (  # lists that hold no text whatever, by what checks them
    (network.addresses, ([], ["10.20.1.7"], ["fe80::1", "10.0.0.1"])),
    (network.networks, ([], ["10.20.0.0/16", "fd00::/8"])),
    (network.hosts, ([], ["000123"], ["a.b-c_d", "1E5"])),
    (rooms.cards, ([], ["000123 P011"], ["=1 P011", "1E5\tP012"])),
    (network.platforms, ([], ["windows"], ["kylin", "uos"])),
    (systems.digests, (["0" * 64], ["1" * 63 + "e", "f" * 64])),
    (systems.folders, ([], ["/opt/=a b"], ["D:\\app", "/srv/;，"])),
    (systems.check_items, (["=1+1"], ["电源", "a;b；c"])),
    (systems.check_results, (["电源 | 正常 |  |"], ["=1 | 异常 | 热 | 已报修", "a;b | 正常 | 两端 |"])),
    (systems.load_targets, (["10.20.1.7"], ["sbapp01", "1E5"])),
    (systems.codes, ([], ["000123"], ["=1", "1E5"])),
    (systems.days, ([], ["2026-03-01"], ["2024-02-29", "2025-12-31"])),
    (organization.codes, ([], ["000123"], ["=1", "1E5"])),
    (organization.some_codes, (["000123"], ["=1", "1E5"])),
    (organization.points, ([], ["000123 =1 符合"], ["1E5 +8.1 不适用 =1+1", "GB 8.1.4 符合 a;b；c"])),
    (network.required_of, ([], ["endpoint"], ["server", "terminal"])),
    (network.settings, ([], ["实时防护=开"], ["a=", "b=1", "更新源=http://10.1.1.1/a;b；c"])),
)
_KNOWN: tuple[tuple[Any, Callable[[int], str]], ...] = (  # texts that are not any text, by what checks them
    (network.usb_id, lambda place: f"{place:04x}"),
    (systems.digest, lambda place: f"{place:064x}"),
    (endpoints.public_key, lambda place: base64.b64encode(bytes([place] * 32)).decode()),
)
_TOGETHER: dict[str, Callable[[Any, int], dict[str, Any]]] = {  # fields that stand only together, by register
    "release": lambda row, place: {"live_at": datetime(2024, 3, 1 + place % 28, tzinfo=UTC) if row.state == "live" else None},
    "check_plan": lambda row, place: {"on_day": None if row.rhythm == "daily" else 1 + place % 7},
    "ops_dossier": lambda _row, place: {"system": _system(place)},
    "project": lambda row, _place: _stage(row),
    "project_checklist": lambda row, place: {"second_signer": None, "second_signed_on": None, **_signature(row)},
    "protection_grading": lambda row, _place: _grading(row),
    "assessment": lambda row, _place: _assessment(row),
    "design_item": lambda row, place: {} if row.system or row.project else {"system": _related(row._meta.get_field("system"))},
    "zone": lambda row, place: {"fail_hours": 8 if row.fail_mode == "last_verdict" else None, "vlan": place + 1 if place % 3 else None},
}
FIRST = date(2024, 2, 29)
_LISTS = ([], ["000123"], ["a;b", "c；d"], ["=1+1", " 两端 "], ['["x"]'], ["第一行\n第二行", "尾"])
_MAKERS: tuple[tuple[type[Field[Any, Any]], Callable[[Field[Any, Any], int], Any]], ...] = (
    (
        models.DateTimeField,
        lambda field, place: (
            datetime(2024, 2, 29, 1, 2, 3, 456789 * (place % 3 == 0), tzinfo=UTC) + timedelta(days=_order(field) + place * 40)
        ),
    ),
    (models.DateField, lambda field, place: FIRST + timedelta(days=_order(field) + place * 40)),
    (models.BooleanField, lambda _f, place: place % 4 == 0),
    (models.DecimalField, lambda field, place: Decimal(place).scaleb(-min(getattr(field, "decimal_places", 0), 1))),
    (models.IntegerField, lambda _f, place: 1 + place % 3),
    (models.JSONField, lambda _f, place: _LISTS[place % len(_LISTS)]),
    (network.MacField, lambda _f, place: f"02:00:00:00:00:{place:02x}"),
    (models.EmailField, lambda _f, place: f"a{place}@example.cn"),
)


# What a class leaves empty in all its rows but those that name another row of the same class, of which there is none yet.
_LEFT_EMPTY: dict[str, dict[str, Any]] = {
    "control_measure": {"level": 2, "room": None, "system": None, "proved_on": None, "valid_until": None}
}


def _system(place: int) -> Any:
    """Save and return a system of its own, for what each system has one of."""
    unit = Unit.objects.get(code="IC")
    return System.objects.create(code=f"HARD-{place}", name=f"系统{place}", managing_unit=unit, responsible_unit=unit)


def rows(register: Register) -> list[Any]:
    """Save and return a row for every hard text, its other fields filled in turn and left empty in turn, constraints kept."""
    made = []
    for place, text in enumerate((*TEXTS, "long")):
        row = register.model(**{name: _value(register.field(name), place, text) for name in register.fields})
        for name, value in _LEFT_EMPTY.get(register.id, {}).items():
            setattr(row, name, value)
        for field in register.model._meta.concrete_fields:  # what the platform fills in by itself
            if field.name not in register.fields and not field.primary_key and not field.has_default() and not field.null:
                setattr(row, field.name, f"/HARD/{place}/" if field.name == "path" else _value(field, place, text))
        for name, value in _TOGETHER.get(register.id, lambda _row, _place: {})(row, place).items():
            setattr(row, name, value)
        with suppress(ValidationError):
            row.validate_constraints()
            row.save(force_insert=True)
            made.append(row)
    assert len(made) > len(TEXTS) // 2, f"{register.id}: hardly any of the hard rows may stand"
    return made


def _value(field: Field[Any, Any], place: int, text: str) -> Any:
    if place % 2 and not field.unique and (field.null or field.blank):
        return None if field.null else [] if isinstance(field, models.JSONField) else ""
    if isinstance(field, ForeignKey):
        return _related(field)
    if field.choices:
        offered = [value for value, _label in field.flatchoices]
        return offered[place % len(offered)]
    for check, known in _KNOWN:
        if check in field.validators:
            return known(place)
    maker = _listing(field) or next((make for kind, make in _MAKERS if isinstance(field, kind)), None)
    if maker is not None:
        return maker(field, place)
    most = min(field.max_length or 2000, 2000)
    return ("长" * most if text == "long" else text)[:most]


def _listing(field: Field[Any, Any]) -> Callable[[Field[Any, Any], int], Any] | None:
    """Return what makes lists for a field whose lists hold no text whatever."""
    lists = next((lists for check, lists in _CHECKED if check in field.validators), None)
    return None if lists is None else lambda _f, place: lists[place % len(lists)]


def _related(field: ForeignKey[Any, Any]) -> Any:
    model = field.related_model
    found = None if field.unique or model is field.model else model._default_manager.order_by("pk").first()
    assert found is not None or field.null, f"no row to name in {field}"
    return found


def _order(field: Field[Any, Any]) -> int:
    """Return the place of a column: days grow in the order of the columns, as periods do."""
    return field.model._meta.concrete_fields.index(field)


def _stage(row: Any) -> dict[str, Any]:
    """Return the days of a project as its stage has them, and no review by who is responsible for it."""
    days = ("initiated_on", "started_on", "accepted_on", "ended_on")
    reached = {"proposed": 0, "initiated": 1, "under_construction": 2, "accepted": 3, "closed": 4, "cancelled": 0}[row.stage]
    given = {name: FIRST + timedelta(days=number) if number < reached else None for number, name in enumerate(days)}
    return {**given, **({"ended_on": FIRST} if row.stage == "cancelled" else {}), "review_on": None, "review_result": "", "reviewer": None}


def _signature(row: Any) -> dict[str, Any]:
    return {} if row.first_signer and row.first_signed_on else {"first_signer": None, "first_signed_on": None}


def _grading(row: Any) -> dict[str, Any]:
    filed = {} if row.filing_number and row.filed_on else {"filing_number": "", "filed_on": None}
    whole = row.evaluated_on and row.result and row.evaluator
    return filed | ({} if whole else {"evaluated_on": None, "result": "", "evaluator": ""})


def _assessment(row: Any) -> dict[str, Any]:
    subject = {"subject": "" if row.kind == "bureau" else row.subject or "000123"}
    who = {} if row.assessor or row.provider else {"assessor": _related(row._meta.get_field("assessor"))}
    concluded = {} if row.concluded_at and row.result else {"concluded_at": None, "result": "", "valid_until": None}
    return subject | who | concluded
