"""A sheet for an authority register: shown with what it would do, then filed as one case for all its rows (DESIGN 4)."""

from __future__ import annotations

import hashlib
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from anzhang.casework import routes, sheet_cases, sheet_previews
from anzhang.casework.routes import Route
from anzhang.casework.sheet_previews import Filing
from anzhang.directory.models import Person, Unit
from anzhang.permissions import RefusedError
from anzhang.registers import exporting, sheets
from anzhang.registers.declaration import Kind, Register
from anzhang.registers.plans import Fault
from anzhang.registers.rights import Sight
from anzhang.web import held_sheets
from anzhang.web.access import login_needed
from anzhang.web.registers import attachment, register_or_404, sight_of

SHOWN = 200


@require_GET
@login_needed
def template(request: HttpRequest, register_id: str) -> HttpResponse:  # noqa: ARG001  # every view takes it
    """Send the sheet to fill."""
    register = register_or_404(register_id)
    return attachment(sheet_cases.template(_way(register)), exporting.TYPES["xlsx"], f"{register.id}-template.xlsx")


@require_http_methods(["GET", "POST"])
@login_needed
def sheet(request: HttpRequest, register_id: str) -> HttpResponse:
    """Take a sheet and show what it would do, or what is wrong at which cell; take the confirm and file one case for it."""
    register, sight = register_or_404(register_id), sight_of(request)
    way = _way(register)
    person = Person.objects.select_related("unit").filter(pk=sight.actor.person_id or 0).first()
    if person is None:
        raise RefusedError("not_a_person", _("该账号没有对应的人员，不能提出事项。"))
    units = _units(person, sight)
    context: dict[str, Any] = {"register": register, "route": way, "units": units, "unit": person.unit, "most": sheet_cases.MOST_ROWS}
    if request.method == "GET":
        return render(request, "registers/sheet.html", context)
    try:
        if "ticket" in request.POST:
            held = held_sheets.take(request.POST["ticket"], sight.actor.id, register.id)
            data, name, code = held.data, held.name, held.extra
        else:
            held, (data, name), code = None, _uploaded(request), request.POST.get("unit", person.unit.code)
        unit = next((each for each in units if each.code == code), None)
        if unit is None:
            raise Http404(code)
        found = sheet_previews.preview(Filing(sight.actor, way, unit, person, sight.at), register, data, name)
        seal = hashlib.sha256(repr((data, unit.pk, found.lines)).encode()).hexdigest()
        if held is None or found.faults or held.seal != seal:
            ticket = "" if found.faults else held_sheets.keep(sight.actor.id, register.id, data, name, seal, unit.code)
            return _previewed(request, {**context, "unit": unit, "file_name": name}, found, ticket, moved=held is not None)
        case = sheet_cases.file_sheet(sight.actor, way, unit, person, data, name, sight.at)
    except _WRONG as error:
        return _faulty(request, context, _faults_of(error))
    held.forget()
    messages.success(request, _("已提出 %s，批准后各行一并生效。") % case.number)
    return redirect("case", case.number)


_WRONG = (
    held_sheets.ExpiredError, held_sheets.ForeignError, sheets.BadSheetError, sheet_cases.SheetFaultsError, RefusedError
)  # fmt: skip


def _faults_of(error: Exception) -> list[Fault]:
    if isinstance(error, sheet_cases.SheetFaultsError):
        return error.faults
    if isinstance(error, sheets.BadSheetError):
        return [Fault("", fault) for fault in error.faults]
    if isinstance(error, RefusedError):
        return [Fault("", f"{error.message} {error.remedy}".strip())]
    return [Fault("", _("预览已过期，请重新上传"))]


def _uploaded(request: HttpRequest) -> tuple[bytes, str]:
    upload = request.FILES.get("file")
    if upload is None:
        raise sheets.BadSheetError(_("请选择文件"))
    if (upload.size or 0) > sheets.MAX_BYTES:
        raise sheets.BadSheetError(_("文件超过 %(mb)d MB") % {"mb": sheets.MAX_BYTES // 2**20})
    return upload.read(), upload.name or ""


def _previewed(request: HttpRequest, context: dict[str, Any], found: sheet_previews.Preview, ticket: str, *, moved: bool) -> HttpResponse:
    if found.faults:
        return _faulty(request, context, found.faults)
    shown = {"preview": found, "counts": found.counts, "ticket": ticket, "moved": moved}
    return render(request, "registers/sheet.html", {**context, **shown}, status=409 if moved else 200)


def _faulty(request: HttpRequest, context: dict[str, Any], faults: list[Fault]) -> HttpResponse:
    more = max(0, len(faults) - SHOWN)
    return render(request, "registers/sheet.html", {**context, "faults": faults[:SHOWN], "more": more}, status=422)


def _way(register: Register) -> Route:
    way = routes.current().get(register.route) if register.kind is Kind.AUTHORITY else None
    if way is None or not sheet_cases.takes_sheets(way):
        raise Http404(register.id)
    return way


def _units(person: Person, sight: Sight) -> list[Unit]:
    seen = sight.narrowed(Unit.objects.filter(closed_on=None), ("path",))
    return sorted(seen, key=lambda unit: (unit.pk != person.unit_id, unit.path))
