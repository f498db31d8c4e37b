"""A sheet given back with its faults: a column of problems, a note at each cell, and the list on a second sheet."""

from __future__ import annotations

import io
import re
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from datetime import date, datetime
from typing import Any

import xlsxwriter
from django.utils.translation import gettext as _

from anzhang.registers import sheets
from anzhang.registers.plans import FAULTS_HEADER, Fault

_CELL = re.compile(r"([A-Z]{1,3})?(\d+)")
_WIDTH = 18
MOST_NOTES = 5000  # a spreadsheet grows slow with more


def book(data: bytes, name: str, faults: Sequence[Fault]) -> bytes:
    """Return the sheet as xlsx, strings only. A file that cannot be read at all gives the list of faults alone."""
    out = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    made = xlsxwriter.Workbook(out, options)
    with suppress(sheets.BadSheetError):  # then the list says why
        _marked(made, sheets.grid(data, name), faults)
    _listed(made, faults)
    made.close()
    return out.getvalue()


def _marked(made: Any, grid: list[list[Any]], faults: Sequence[Fault]) -> None:
    text, bold = made.add_format({"num_format": "@"}), made.add_format({"bold": True, "num_format": "@", "bottom": 1})
    wrong = made.add_format({"num_format": "@", "bg_color": "#FDE9E7"})
    sheet = made.add_worksheet(_("改正后再导入"))
    at: dict[int, list[tuple[int, Fault]]] = defaultdict(list)
    for fault in faults:
        found = _CELL.fullmatch(fault.cell)
        if found:
            at[int(found[2])].append((_column(found[1] or ""), fault))
    headers = [str(cell) for cell in grid[0]] if grid else []
    last = headers.index(FAULTS_HEADER) if FAULTS_HEADER in headers else len(headers)
    sheet.set_column(0, last, _WIDTH, text)
    sheet.freeze_panes(1, 0)
    notes = 0
    for number, cells in enumerate(grid, start=1):
        marks = {column: fault for column, fault in at[number] if column >= 0}
        for column, cell in enumerate(cells[:last]):
            sheet.write_string(number - 1, column, _text(cell), bold if number == 1 else wrong if column in marks else text)
        said = "；".join(fault.message for _c, fault in at[number])
        sheet.write_string(number - 1, last, FAULTS_HEADER if number == 1 else said[: sheets.MAX_CELL], bold if number == 1 else text)
        for column, fault in marks.items():
            if notes < MOST_NOTES:
                sheet.write_comment(number - 1, column, fault.message[:1000])
                notes += 1


def _listed(made: Any, faults: Sequence[Fault]) -> None:
    sheet = made.add_worksheet(_("问题清单"))
    sheet.set_column(1, 1, _WIDTH * 4)
    for row, (cell, message) in enumerate([(_("位置"), _("问题")), *((fault.cell, fault.message) for fault in faults)]):
        sheet.write_string(row, 0, cell)
        sheet.write_string(row, 1, message[: sheets.MAX_CELL])


def _column(letters: str) -> int:
    """Return the column of `C` (2), -1 for none."""
    value = 0
    for letter in letters:
        value = value * 26 + ord(letter) - 64
    return value - 1


def _text(cell: Any) -> str:
    if isinstance(cell, datetime):
        return cell.strftime("%Y-%m-%d %H:%M:%S").removesuffix(" 00:00:00")
    if isinstance(cell, date):
        return cell.isoformat()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)[: sheets.MAX_CELL]
