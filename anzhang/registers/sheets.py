"""Read an uploaded sheet, xlsx or CSV, without trusting it: bounds first, then shape, then cells with their addresses.

xlsx is a zip of XML: its entries are inflated once with a counter before anything parses them, because the sizes that
a zip declares are the sender's word. Formulas are refused by address: what they compute is not what somebody approved.
"""

from __future__ import annotations

import csv
import io
import re
import struct
import zipfile
import zlib
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as ET

from django.utils.translation import gettext as _
from python_calamine import CalamineError, CalamineSheet, load_workbook
from xlsxwriter.utility import xl_col_to_name, xl_rowcol_to_cell

MAX_BYTES = 32 * 2**20
MAX_INFLATED = 512 * 2**20
MAX_ENTRIES = 1000
MAX_ROWS = 100_000
MAX_COLUMNS = 200
MAX_CELL = 32_767  # the limit of a spreadsheet's own cells
MAX_FAULTS = 20
_CHUNK = 2**20
_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_LOCAL_HEADER = struct.Struct("<4s5H3I2H")
_FORMULA = re.compile(rb"<(?:[A-Za-z0-9_]{1,32}:)?f[\s/>]")
_GUARDED = re.compile(r"'+[=+\-@\t\r]")


class BadSheetError(Exception):
    """The file cannot be taken as a sheet; each line of `faults` says what and where."""

    def __init__(self, *faults: str) -> None:
        """Keep the lines."""
        super().__init__("; ".join(faults))
        self.faults = faults


@dataclass(frozen=True)
class Sheet:
    """A sheet: headers, and rows as (row number on the sheet from 1, cells as wide as the headers)."""

    headers: tuple[str, ...]
    rows: tuple[tuple[int, tuple[Any, ...]], ...]


def address(row: int, column: int) -> str:
    """Return the address of a cell, `B7`: row from 1, column from 0."""
    return f"{xl_col_to_name(column)}{row}"


def read(data: bytes, name: str) -> Sheet:
    """Return the sheet in a file, told by its content and then by its name. Raises BadSheetError."""
    return _shape(grid(data, name))


def grid(data: bytes, name: str) -> list[list[Any]]:
    """Return the cells of the first sheet that is shown, headers among them. Raises BadSheetError."""
    if len(data) > MAX_BYTES:
        raise BadSheetError(_("文件超过 %(mb)d MB") % {"mb": MAX_BYTES // 2**20})
    if not data.strip():
        raise BadSheetError(_("文件是空的"))
    if data[:4] == b"PK\x03\x04":
        return _xlsx(data)
    if data[:8] == b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1":
        raise BadSheetError(_("这是旧版 .xls 或加密的文件，请另存为 .xlsx 再导入"))
    if name.lower().endswith((".xlsx", ".xlsm")):
        raise BadSheetError(_("文件已损坏：不是 xlsx"))
    return _csv(data)


def unguard(text: str) -> str:
    """Take back the quote that an export puts before a cell that a spreadsheet would run as a formula."""
    return text[1:] if _GUARDED.match(text) else text


def guard(text: str) -> str:
    """Put a quote before a cell that a spreadsheet would run as a formula; `unguard` takes it back exactly."""
    return f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r"} or _GUARDED.match(text) else text


def _xlsx(data: bytes) -> list[list[Any]]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _bound(archive, data)
            if any(name.lower().endswith("vbaproject.bin") for name in archive.namelist()):
                raise BadSheetError(_("文件含有宏，请另存为不含宏的 .xlsx 再导入"))
            states = _sheet_entries(archive)
            place = next((i for i, (_entry, shown) in enumerate(states) if shown), 0)
            formulas = _formulas(archive, states[place][0])
        book = load_workbook(io.BytesIO(data))
        faults = [_("%(cell)s 是公式，请改为填写值") % {"cell": cell} for cell in formulas[:MAX_FAULTS]]
        sheet = book.get_sheet_by_index(place)
        faults += _merged(sheet)
        if faults:
            raise BadSheetError(*faults)
        return list(sheet.to_python(skip_empty_area=False))
    except (zipfile.BadZipFile, CalamineError, ET.ParseError, KeyError, IndexError, zlib.error, struct.error, NotImplementedError) as error:
        raise BadSheetError(_("文件已损坏：不是 xlsx")) from error


def _bound(archive: zipfile.ZipFile, data: bytes) -> None:
    """Inflate every entry once and count what really comes out."""
    entries = archive.infolist()
    if len(entries) > MAX_ENTRIES:
        raise BadSheetError(_("文件含有过多部件，不予展开"))
    total = 0
    for entry in entries:
        if entry.flag_bits & 1:
            raise BadSheetError(_("文件已加密，请去掉密码再导入"))
        head = _LOCAL_HEADER.unpack_from(data, entry.header_offset)
        start = entry.header_offset + _LOCAL_HEADER.size + head[-2] + head[-1]
        if entry.compress_type != zipfile.ZIP_DEFLATED:
            total += entry.compress_size
        else:
            total += _inflated(memoryview(data)[start : start + entry.compress_size], MAX_INFLATED - total)
        if total > MAX_INFLATED:
            raise BadSheetError(_("文件展开后超过 %(mb)d MB，不予展开") % {"mb": MAX_INFLATED // 2**20})


def _inflated(packed: memoryview, limit: int) -> int:
    """Return the inflated size, or more than `limit` as soon as it is passed."""
    inflate, rest, size = zlib.decompressobj(-15), bytes(packed), 0
    while size <= limit:
        out = inflate.decompress(rest, _CHUNK)
        size += len(out)
        rest = inflate.unconsumed_tail
        if inflate.eof or (not out and not rest):
            break
    return size


def _sheet_entries(archive: zipfile.ZipFile) -> list[tuple[str, bool]]:
    """Return the entry of each sheet and whether it is shown: workbook.xml names relations, the relations name entries."""
    book = ET.fromstring(archive.read("xl/workbook.xml"))  # noqa: S314  # bounded above; expat refuses entity bombs
    relations = ET.fromstring(archive.read("xl/_rels/workbook.xml.rels"))  # noqa: S314  # as above
    targets = {relation.get("Id"): relation.get("Target", "") for relation in relations}
    found: list[tuple[str, bool]] = []
    for sheet in book.iterfind(f"{_MAIN}sheets/{_MAIN}sheet"):
        target = targets[next(value for key, value in sheet.attrib.items() if key.endswith("}id"))]
        entry = target[1:] if target.startswith("/") else f"xl/{target}"
        found.append((entry, sheet.get("state", "visible") == "visible"))
    if not found:
        raise KeyError("sheet")
    return found


def _formulas(archive: zipfile.ZipFile, entry: str) -> list[str]:
    """Return the addresses of formula cells on a sheet."""
    found: list[str] = []
    cell = ""
    if not _mentions_formula(archive, entry):
        return found
    with archive.open(entry) as stream:
        for event, element in ET.iterparse(stream, events=("start", "end")):  # noqa: S314  # as above
            if event == "start" and element.tag == f"{_MAIN}c":
                cell = element.get("r", "?")
            elif event == "start" and element.tag == f"{_MAIN}f":
                found.append(cell)
            elif event == "end" and element.tag == f"{_MAIN}row":
                element.clear()
    return found


def _mentions_formula(archive: zipfile.ZipFile, entry: str) -> bool:
    """Whether the XML has anything like a formula element: one pass over bytes, so that only such sheets are parsed twice."""
    rest = b""
    with archive.open(entry) as stream:
        while part := stream.read(_CHUNK):
            if _FORMULA.search(rest + part):
                return True
            rest = part[-64:]
    return False


def _merged(sheet: CalamineSheet) -> list[str]:
    ranges = sheet.merged_cell_ranges or []
    return [
        _("%(first)s:%(last)s 是合并单元格，请拆分") % {"first": xl_rowcol_to_cell(*first), "last": xl_rowcol_to_cell(*last)}
        for first, last in ranges[:MAX_FAULTS]
    ]


def _csv(data: bytes) -> list[list[Any]]:
    if b"\x00" in data:
        raise BadSheetError(_("文件含有空字符，不是文本表格"))
    text = _decode(data)
    first = text.split("\n", 1)[0]
    rows: list[list[Any]] = []
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter="\t" if "\t" in first and "," not in first else ",", strict=True):
            if len(rows) > MAX_ROWS + 1:
                break
            rows.append([unguard(cell) for cell in row])
    except csv.Error as error:
        raise BadSheetError(_("第 %(row)d 行附近的引号不成对或单元格过长") % {"row": len(rows) + 1}) from error
    return rows


def _decode(data: bytes) -> str:
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise BadSheetError(_("文件的文字编码既不是 UTF-8 也不是 GB18030"))


def _shape(grid: list[list[Any]]) -> Sheet:
    if not grid or not any(str(cell).strip() for cell in grid[0]):
        raise BadSheetError(_("第一行应为表头"))
    headers = [str(cell).strip() for cell in grid[0]]
    while headers and not headers[-1]:
        headers.pop()
    if len(headers) > MAX_COLUMNS:
        raise BadSheetError(_("表头超过 %(most)d 列") % {"most": MAX_COLUMNS})
    rows: list[tuple[int, tuple[Any, ...]]] = []
    faults: list[str] = []
    for number, cells in enumerate(grid[1:], start=2):
        if not any(cell != "" and str(cell).strip() for cell in cells):
            continue
        over = next((i for i, cell in enumerate(cells) if i >= len(headers) and str(cell).strip()), None)
        if over is not None:
            faults.append(_("%(cell)s 没有表头") % {"cell": address(number, over)})
        long = next((i for i, cell in enumerate(cells) if isinstance(cell, str) and (len(cell) > MAX_CELL or "\x00" in cell)), None)
        if long is not None:
            faults.append(_("%(cell)s 过长或含有空字符") % {"cell": address(number, long)})
        rows.append((number, tuple((*cells, *[""] * len(headers))[: len(headers)])))
        if len(rows) > MAX_ROWS:
            raise BadSheetError(_("超过 %(most)d 行，请分批导入") % {"most": MAX_ROWS})
    if faults:
        raise BadSheetError(*faults[:MAX_FAULTS])
    return Sheet(tuple(headers), tuple(rows))
