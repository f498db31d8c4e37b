"""A sheet for an authority register: it becomes one case for all its rows (DESIGN 4)."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from anzhang.casework import routes, sheet_cases
from anzhang.casework.routes import Route
from anzhang.directory.models import Person, Unit
from anzhang.permissions import RefusedError
from anzhang.registers import exporting, sheets
from anzhang.registers.declaration import Kind, Register
from anzhang.registers.plans import Fault
from anzhang.registers.rights import Sight
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
    """Take a sheet and file one case for it, or say what is wrong at which cell."""
    register, sight = register_or_404(register_id), sight_of(request)
    way = _way(register)
    person = Person.objects.select_related("unit").filter(pk=sight.actor.person_id or 0).first()
    if person is None:
        raise RefusedError("not_a_person", _("该账号没有对应的人员，不能提出事项。"))
    units = _units(person, sight)
    context: dict[str, Any] = {"register": register, "route": way, "units": units, "unit": person.unit, "most": sheet_cases.MOST_ROWS}
    if request.method == "GET":
        return render(request, "registers/sheet.html", context)
    upload = request.FILES.get("file")
    if upload is None or (upload.size or 0) > sheets.MAX_BYTES:
        problem = _("请选择文件") if upload is None else _("文件超过 %(mb)d MB") % {"mb": sheets.MAX_BYTES // 2**20}
        return _faulty(request, context, [Fault("", problem)])
    unit = next((each for each in units if each.code == request.POST.get("unit", person.unit.code)), None)
    if unit is None:
        raise Http404(request.POST.get("unit"))
    try:
        case = sheet_cases.file_sheet(sight.actor, way, unit, person, upload.read(), upload.name or "", sight.at)
    except sheets.BadSheetError as error:
        return _faulty(request, context, [Fault("", fault) for fault in error.faults])
    except sheet_cases.SheetFaultsError as error:
        return _faulty(request, context, error.faults)
    except RefusedError as refusal:
        return _faulty(request, context, [Fault("", f"{refusal.message} {refusal.remedy}")])
    messages.success(request, _("已提出 %s，批准后各行一并生效。") % case.number)
    return redirect("case", case.number)


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
