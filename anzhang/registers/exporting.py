"""Write a register's rows as xlsx (strings only, never formulas) or CSV (UTF-8 with BOM), and the empty import template."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any

import xlsxwriter
from django.db.models import BooleanField, DateField, ForeignKey, JSONField, QuerySet
from django.utils.translation import gettext as _

from anzhang.registers import values
from anzhang.registers.declaration import Register
from anzhang.registers.importing import required
from anzhang.registers.sheets import MAX_CELL, guard

_WIDTH = 18
_BATCH = 2000
TYPES = {"xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "csv": "text/csv; charset=utf-8"}


def fields(register: Register) -> tuple[str, ...]:
    """Return what an export carries: the import's columns of a plain register, every shown field of another."""
    return register.fields if register.writable else register.shown


def export(register: Register, rows: QuerySet[Any], form: str) -> tuple[bytes, int]:
    """Return the rows as a file of a form in `TYPES`, and how many they are."""
    lines = list(_lines(register, rows))
    return (_book(register, lines) if form == "xlsx" else _csv(register, lines)), len(lines)


def template(register: Register) -> bytes:
    """Return an empty sheet to fill: labels, a note on each column, lists to choose from."""
    return _book(register, iter(()), hints=True)


def hint(register: Register, name: str) -> str:  # noqa: PLR0911  # one return per kind of field
    """Return what to write into a column."""
    given = register.hints.get(name)
    if given:
        return str(given)
    field = register.field(name)
    if isinstance(field, ForeignKey):
        return str(_("填%(what)s的编号，可在编号后空一格写名称") % {"what": field.related_model._meta.verbose_name})
    if field.choices:
        return "、".join(str(label) for value, label in field.flatchoices if value != "")
    if isinstance(field, DateField):
        return str(_("日期，写成 2026-11-24"))
    if isinstance(field, BooleanField):
        return str(_("填“是”或“否”"))
    if isinstance(field, JSONField):
        return str(_("多项用分号隔开"))
    return str(_("最多 %(most)d 个字") % {"most": field.max_length}) if getattr(field, "max_length", None) else ""


def _lines(register: Register, rows: QuerySet[Any]) -> Iterator[list[str]]:
    names = fields(register)
    columns = [(register.field(name), name) for name in names]
    for row in rows.select_related(*register.relations(names)).iterator(chunk_size=_BATCH):
        yield [values.write(field, values.value_at(row, name)) for field, name in columns]


def _csv(register: Register, lines: Iterable[list[str]]) -> bytes:
    """Return lines as CSV; cells that a spreadsheet would run carry a quote."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow([register.label(name) for name in fields(register)])
    writer.writerows([guard(cell) for cell in line] for line in lines)
    return out.getvalue().encode("utf-8-sig")


def _book(register: Register, lines: Iterable[list[str]], *, hints: bool = False) -> bytes:
    out = io.BytesIO()
    book = xlsxwriter.Workbook(
        out,
        {
            "in_memory": True,
            "constant_memory": not hints,
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "strings_to_numbers": False,
        },
    )
    sheet = book.add_worksheet(register.title[:31])
    text, bold = book.add_format({"num_format": "@"}), book.add_format({"bold": True, "num_format": "@", "bottom": 1})
    names = fields(register)
    sheet.set_column(0, max(0, len(names) - 1), _WIDTH, text)
    sheet.freeze_panes(1, 0)
    for place, name in enumerate(names):
        mark = " *" if hints and (name in register.key or required(register, name)) else ""
        sheet.write_string(0, place, register.label(name) + mark, bold)
        if hints:
            _help(sheet, register, name, place)
    for number, line in enumerate(lines, start=1):
        for place, cell in enumerate(line):
            sheet.write_string(number, place, cell[:MAX_CELL], text)
    book.close()
    return out.getvalue()


def _help(sheet: Any, register: Register, name: str, place: int) -> None:
    note = hint(register, name)
    if note:
        sheet.write_comment(0, place, note)
    field = register.field(name)
    labels = [str(label) for value, label in field.flatchoices if value != ""]
    if labels and sum(map(len, labels)) < 200:  # a list in a cell rule may hold 255 characters
        sheet.data_validation(1, place, 1000, place, {"validate": "list", "source": labels})
