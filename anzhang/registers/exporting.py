"""Write a register's rows as xlsx (strings only, never formulas) or CSV (UTF-8 with BOM), and the empty import template."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import xlsxwriter
from django.db.models import BooleanField, DateField, ForeignKey, JSONField, QuerySet
from django.utils.translation import gettext as _
from xlsxwriter.utility import xl_col_to_name

from anzhang.registers import values
from anzhang.registers.declaration import Register
from anzhang.registers.reading import required
from anzhang.registers.rights import Sight
from anzhang.registers.sheets import MAX_CELL, guard

_WIDTH = 18
_BATCH = 2000
_STRINGS = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
_MOST_OFFERED = 500  # related rows in a list
_FILLED = 5000  # rows of a template that offer their lists
TYPES = {"xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "csv": "text/csv; charset=utf-8"}


def fields(register: Register) -> tuple[str, ...]:
    """Return what an export carries: the import's columns of a plain register, every shown field of another."""
    return register.fields if register.writable else register.shown


def export(register: Register, rows: QuerySet[Any], form: str) -> tuple[bytes, int]:
    """Return the rows as a file of a form in `TYPES`, and how many they are."""
    lines = list(_lines(register, rows))
    return (_book(register, lines) if form == "xlsx" else _csv(register, lines)), len(lines)


def template(register: Register, sight: Sight | None = None) -> bytes:
    """Return an empty sheet to fill: labels, a note on each column, lists to choose from, and a sheet that explains.

    With a sight the lists offer the related rows that may be named, as far as they are few.
    """
    out = io.BytesIO()
    book = xlsxwriter.Workbook(
        out, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    )
    text, bold = book.add_format({"num_format": "@"}), book.add_format({"bold": True, "num_format": "@", "bottom": 1})
    sheet = book.add_worksheet(register.title[:31])
    names = fields(register)
    sheet.set_column(0, max(0, len(names) - 1), _WIDTH, text)
    sheet.freeze_panes(1, 0)
    lists = {name: found for name in names if (found := _offered(register, name, sight))}
    for place, name in enumerate(names):
        sheet.write_string(0, place, register.label(name) + (" *" if _needed(register, name) else ""), bold)
        note = hint(register, name)
        if note:
            sheet.write_comment(0, place, note)
    _explain(book, register, names, bold)
    _offer(book, sheet, names, lists)
    book.close()
    return out.getvalue()


def _needed(register: Register, name: str) -> bool:
    return name in register.key or required(register, name)


def _offered(register: Register, name: str, sight: Sight | None) -> list[str]:
    """Return what may be chosen for a column, nothing where it is free or the choice too long."""
    field = register.field(name)
    if field.choices:
        return [str(label) for value, label in field.flatchoices if value != ""]
    if isinstance(field, BooleanField):
        return [str(values.YES), str(values.NO)]
    if isinstance(field, ForeignKey) and sight is not None and isinstance(field.related_model, type):
        rows = list(sight.choices(field.related_model)[: _MOST_OFFERED + 1])
        return [values.write(field, row) for row in rows] if len(rows) <= _MOST_OFFERED else []
    return []


def _explain(book: Any, register: Register, names: tuple[str, ...], bold: Any) -> None:
    sheet = book.add_worksheet(_("填写说明"))
    sheet.set_column(0, 1, _WIDTH)
    sheet.set_column(2, 2, _WIDTH * 4)
    lines = [(register.label(name), str(values.YES) if _needed(register, name) else "", hint(register, name)) for name in names]
    for row, line in enumerate([(_("列"), _("必填"), _("填写说明")), *lines]):
        for place, cell in enumerate(line):
            sheet.write_string(row, place, cell, *([bold] if row == 0 else []))
    rules = (
        _("只读取第一张工作表；带 * 的列必填。"),
        _("已有的编号会被修改，没有的编号会新增，没有变化的行不动。"),
        _("不要使用公式和合并单元格；编号列设为文本格式，以免丢失前面的 0。"),
        _("任何一处有错误时，一行也不会导入。"),
    )
    for row, rule in enumerate(rules, start=len(lines) + 2):
        sheet.write_string(row, 0, rule)


def _offer(book: Any, sheet: Any, names: tuple[str, ...], lists: Mapping[str, list[str]]) -> None:
    """Let the columns be chosen from lists that stand on a hidden sheet: in a cell rule they may have 255 characters only."""
    if not lists:
        return
    kept = book.add_worksheet("lists")
    kept.hide()
    for column, (name, offered) in enumerate(lists.items()):
        for row, word in enumerate(offered):
            kept.write_string(row, column, word[:MAX_CELL])
        letter, place = xl_col_to_name(column), names.index(name)
        source = f"=lists!${letter}$1:${letter}${len(offered)}"
        sheet.data_validation(1, place, _FILLED, place, {"validate": "list", "source": source, "error_type": "warning"})


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


def _book(register: Register, lines: Iterable[list[str]]) -> bytes:
    out = io.BytesIO()
    options = {
        "in_memory": True,
        "constant_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
    }
    book = xlsxwriter.Workbook(out, options)
    sheet = book.add_worksheet(register.title[:31])
    text, bold = book.add_format({"num_format": "@"}), book.add_format({"bold": True, "num_format": "@", "bottom": 1})
    names = fields(register)
    sheet.set_column(0, max(0, len(names) - 1), _WIDTH, text)
    sheet.freeze_panes(1, 0)
    for place, name in enumerate(names):
        sheet.write_string(0, place, register.label(name), bold)
    for number, line in enumerate(lines, start=1):
        for place, cell in enumerate(line):
            sheet.write_string(number, place, cell[:MAX_CELL], text)
    book.close()
    return out.getvalue()
