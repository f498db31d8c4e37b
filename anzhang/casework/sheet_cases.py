"""A sheet for an authority register: its rows become one case, decided as one; granted, each row takes effect, or none does.

The case runs on the register's own route, so the same people decide. What they see in its form is every row in words; what
takes effect is the kept sheet, found by the digest that the form holds and the ledger therefore keeps (DESIGN 4).
"""

from __future__ import annotations

import copy
import hashlib
import io
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import orjson
import xlsxwriter
from django.db import transaction
from django.utils.translation import gettext as _

from anzhang.casework import forms, procedures, routes
from anzhang.casework.models import Approval, Case
from anzhang.casework.routes import Field, Route
from anzhang.directory.models import Person, Unit
from anzhang.permissions import Actor, RefusedError
from anzhang.registers import attachments, sheets, values
from anzhang.registers.models import Attachment
from anzhang.registers.plans import FAULTS_HEADER, Fault
from anzhang.regulation.checks import PROCEDURES, procedure

MOST_ROWS = 200  # what people who decide can still read
OBJECT = "case_sheet"
_EFFECT = "apply_sheet"
_SHOWN = 40_000
_FIELDS: list[dict[str, Any]] = [
    {"name": "rows", "kind": "number", "label": {"zh": "行数", "en": "Rows"}},
    {"name": "content", "kind": "long_text", "max_length": _SHOWN, "label": {"zh": "各行内容", "en": "Content of the rows"}},
    {"name": "sheet", "kind": "text", "max_length": 64, "label": {"zh": "表格摘要", "en": "Digest of the sheet"}},
]


class SheetFaultsError(Exception):
    """The sheet has faults; each names its cell."""

    def __init__(self, faults: list[Fault]) -> None:
        """Keep them."""
        super().__init__(f"{len(faults)} faults")
        self.faults = faults


def takes_sheets(way: Route) -> bool:
    """Whether a route's rows can be decided together: its people must not depend on a single row, nor its steps, nor a rule of its form."""
    roles = [role for step in way.steps for role in (*step.who, *step.otherwise, *(step.stand_in.who if step.stand_in else ()))]
    alone = way.key in forms.RULES or any(step.when for step in way.steps)
    return bool(way.effect) and not alone and not any(role.endswith(("@managing", "@room")) for role in roles)


def template(way: Route) -> bytes:
    """Return the sheet to fill for a route."""
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    text, bold = book.add_format({"num_format": "@"}), book.add_format({"bold": True, "num_format": "@", "bottom": 1})
    sheet = book.add_worksheet(str(way.title)[:31])
    sheet.set_column(0, len(way.fields) - 1, 18, text)
    sheet.freeze_panes(1, 0)
    for place, field in enumerate(way.fields):
        sheet.write_string(0, place, str(field.label) + (" *" if field.required else ""), bold)
        if field.hint:
            sheet.write_comment(0, place, str(field.hint))
        labels = [str(label) for _value, label in field.choices]
        if labels and sum(map(len, labels)) < 200:
            sheet.data_validation(1, place, MOST_ROWS, place, {"validate": "list", "source": labels})
    book.close()
    return out.getvalue()


@dataclass(frozen=True)
class Row:
    """One row of a sheet: its number there and its form."""

    number: int
    form: dict[str, Any]


def read(way: Route, data: bytes, name: str) -> list[Row]:
    """Return the rows. Raises BadSheetError for the file, SheetFaultsError for its cells."""
    sheet = sheets.read(data, name)
    columns = _columns(way, sheet.headers)
    if not sheet.rows:
        raise sheets.BadSheetError(_("表格只有表头，没有内容"))
    if len(sheet.rows) > MOST_ROWS:
        raise sheets.BadSheetError(_("一件事项最多 %d 行，请分批提出") % MOST_ROWS)
    found: list[Row] = []
    faults: list[Fault] = []
    for number, cells in sheet.rows:
        given = {field.name: _cell(field, cells[columns[field.name]]) for field in way.fields if field.name in columns}
        try:
            found.append(Row(number, forms.validate(way, given)))
        except forms.FormError as error:
            for field_name, message in error.faults.items():
                place = columns.get(field_name)
                faults.append(Fault(str(number) if place is None else sheets.address(number, place), message))
    if faults:
        raise SheetFaultsError(faults)
    return found


@procedure("file_sheet")
def file_sheet(actor: Actor, way: Route, unit: Unit, applicant: Person, data: bytes, name: str, at: datetime) -> Case:
    """File one case for a whole sheet. Raises BadSheetError, SheetFaultsError, RefusedError."""
    require_takes_sheets(way)
    rows = [row.form for row in read(way, data, name)]
    kept, form = _kept(way, rows), form_of(way, rows)
    title = _("%(unit)s %(route)s（%(count)d 行）") % {"unit": unit.name, "route": way.title, "count": len(rows)}
    with transaction.atomic():
        case = procedures.file_case(actor, whole(way), unit, applicant, title, form, at)
        attachments.keep(actor, (OBJECT, case.number), kept, "sheet.txt", at=at)
        return case


def form_of(way: Route, rows: list[dict[str, Any]]) -> dict[str, str]:
    """Return the form of the case for a whole sheet: how many rows, each in words, and the digest of what takes effect."""
    return {"rows": str(len(rows)), "content": _worded(way, rows), "sheet": hashlib.sha256(_kept(way, rows)).hexdigest()}


def _kept(way: Route, rows: list[dict[str, Any]]) -> bytes:
    return orjson.dumps({"route": way.key, "effect": way.effect, "rows": rows}, option=orjson.OPT_SORT_KEYS)


def require_takes_sheets(way: Route) -> None:
    """Raise RefusedError unless a route's rows can be decided together."""
    if not takes_sheets(way):
        raise RefusedError("no_sheet", _("“%s”只能逐件提出。") % way.title)


@procedure(_EFFECT)
def apply_sheet(actor: Actor, case: Case, approval: Approval, at: datetime) -> None:
    """Let every row of a granted sheet take effect; what one row refuses undoes them all. Raises RefusedError."""
    attachment = Attachment.objects.filter(object_type=OBJECT, object_key=case.number, sha256=case.form["sheet"]).first()
    if attachment is None:
        raise RefusedError("sheet_gone", _("事项所附的表格不见了。"), _("请退回申请人重新提出。"))
    try:
        kept = orjson.loads(attachments.read(attachment))
    except attachments.DamagedError as error:
        raise RefusedError("sheet_damaged", _("事项所附的表格与提出时不符。"), _("请退回申请人重新提出。")) from error
    effect = PROCEDURES[kept["effect"]]
    for place, form in enumerate(kept["rows"], start=1):
        one = copy.copy(case)
        one.form = form
        try:
            effect(actor, one, approval, at)
        except RefusedError as refusal:
            message = _("第 %(row)d 行：%(why)s") % {"row": place, "why": refusal.message}
            raise RefusedError(refusal.code, message, refusal.remedy) from refusal


def whole(way: Route) -> Route:
    """Return the route of a whole sheet: the same steps, another form, another effect."""
    source = {**way.source, "field": _FIELDS, "effect": _EFFECT}
    source.pop("emergency", None)
    return routes.parse(source)


def _columns(way: Route, headers: tuple[str, ...]) -> dict[str, int]:
    known = {label: field.name for field in way.fields for label in (field.label.zh, field.label.en, field.name)}
    columns: dict[str, int] = {}
    faults: list[str] = []
    for place, header in enumerate(headers):
        name = known.get(header.rstrip(" *＊"))
        cell = sheets.address(1, place)
        if header == FAULTS_HEADER:
            continue
        if name is None:
            faults.append(_("%(cell)s：没有“%(header)s”这一列") % {"cell": cell, "header": header[:40]})
        elif name in columns:
            faults.append(_("%(cell)s：表头“%(header)s”重复") % {"cell": cell, "header": header[:40]})
        else:
            columns[name] = place
    faults += [_("缺少必填列“%(label)s”") % {"label": f.label} for f in way.fields if f.required and f.name not in columns]
    if faults:
        raise sheets.BadSheetError(*faults[: sheets.MAX_FAULTS])
    return columns


def _cell(field: Field, cell: Any) -> Any:
    """Return a cell as a form takes it: choices by their label too, codes with or without the name behind them."""
    if isinstance(cell, datetime):
        return cell.date().isoformat()
    if isinstance(cell, date):
        return cell.isoformat()
    text = str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell).strip()
    if field.kind == "choice":
        return next((value for value, label in field.choices if text in {value, label.zh, label.en}), text)
    if field.kind in forms.LOOKUPS:
        code = values.narrow(text)
        first = code.split(maxsplit=1)[0] if code else ""
        return first if first and forms.LOOKUPS[field.kind].find(code) is None else code
    return values.narrow(text).replace("/", "-") if field.kind == "date" else text


def _worded(way: Route, rows: list[dict[str, Any]]) -> str:
    lines = [
        f"{place}. " + "；".join(f"{label}：{value}" for label, value in forms.display(way, row) if value)
        for place, row in enumerate(rows, start=1)
    ]
    text = "\n".join(lines)
    if len(text) > _SHOWN:  # nobody decides on rows that they cannot read
        raise sheets.BadSheetError(_("内容超过 %d 个字，请分批提出") % _SHOWN)
    return text
