"""Import of a sheet into a plain register: template, preview with every fault at its cell, one confirm (DESIGN 4).

Between preview and confirm the file waits (`held_sheets`); the confirm reads and plans it again and goes through only when the plan is
the one that was shown. A large file is
read and written by the worker (`registers.sheet_imports`); its page shows how far that is.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from anzhang.permissions import RefusedError
from anzhang.registers import exporting, faulty, importing, rights, sheet_imports, sheets, values
from anzhang.registers.declaration import Register
from anzhang.registers.models import SheetImport
from anzhang.registers.plans import Fault, Plan
from anzhang.registers.reading import required
from anzhang.registers.rights import Sight
from anzhang.web import held_sheets
from anzhang.web.access import login_needed
from anzhang.web.registers import attachment, register_or_404, sight_of

INLINE = 200 * 2**10  # a larger file is read by the worker: the page would wait for it too long
HTMX_STOP = 286  # tells htmx to stop polling
IDLE = timedelta(seconds=30)  # without progress: the worker is probably not running
MOVING = frozenset({"waiting", "reading", "confirmed", "writing"})
CANCELLABLE = frozenset({"waiting", "reading", "ready", "faulty", "confirmed"})
SHOWN = 200  # changes and faults listed on the page; the counts are of all


@require_GET
@login_needed
def template(request: HttpRequest, register_id: str) -> HttpResponse:
    """Send the sheet to fill."""
    register, sight = register_or_404(register_id), sight_of(request)
    rights.require_write(register, sight.actor, sight.at)
    return attachment(exporting.template(register, sight), exporting.TYPES["xlsx"], f"{register.id}-template.xlsx")


@require_http_methods(["GET", "POST"])
@login_needed
def sheet(request: HttpRequest, register_id: str) -> HttpResponse:  # noqa: PLR0911  # one return per state of the page
    """Take a file and show what it would do; take the confirm and do it."""
    register, sight = register_or_404(register_id), sight_of(request)
    rights.require_write(register, sight.actor, sight.at)
    if request.method == "GET":
        return _page(request, register, {})
    if "ticket" in request.POST:
        return _confirm(request, register)
    upload = request.FILES.get("file")
    if upload is None:
        return _page(request, register, {"faults": [Fault("", _("请选择文件"))]}, 422)
    if (upload.size or 0) > sheets.MAX_BYTES:
        return _page(request, register, {"faults": [Fault("", _("文件超过 %(mb)d MB") % {"mb": sheets.MAX_BYTES // 2**20})]}, 422)
    data, name = upload.read(), upload.name or ""
    if len(data) > INLINE:
        return _submit(request, register, data, name)
    try:
        plan = importing.plan(register, data, name, sight.actor, sight.at)
    except sheets.BadSheetError as error:
        return _page(request, register, {"faults": [Fault("", fault) for fault in error.faults], "file_name": name}, 422)
    ticket = "" if plan.faults or not plan.writes else _keep(sight, register, data, name, plan)
    return _page(request, register, _preview(plan) | {"ticket": ticket, "file_name": name}, 422 if plan.faults else 200)


def _submit(request: HttpRequest, register: Register, data: bytes, name: str) -> HttpResponse:
    sight = sight_of(request)
    try:
        made = sheet_imports.submit(sight.actor, register, data, name, sight.at)
    except RefusedError as refusal:
        fault = Fault("", f"{refusal.message} {refusal.remedy}")
        return _page(request, register, {"faults": [fault], "file_name": name}, 422)
    return redirect("register_import_run", register.id, made.key)


@require_http_methods(["GET", "POST"])
@login_needed
def run(request: HttpRequest, register_id: str, key: str) -> HttpResponse:
    """Show how far a large sheet is; take its confirm or its cancel. Only its owner sees it."""
    register, sight = register_or_404(register_id), sight_of(request)
    found = _own_or_404(register, key, sight)
    refusal = None
    if request.method == "POST":
        act = sheet_imports.cancel if request.POST.get("act") == "cancel" else sheet_imports.confirm
        try:
            act(sight.actor, found, sight.at)
        except RefusedError as error:
            refusal = error
            found.refresh_from_db()
        else:
            return redirect("register_import_run", register.id, key)
    context = _standing(register, found, sight) | {"refusal": refusal}
    partial = bool(getattr(request, "htmx", False)) and request.method == "GET"
    status = 409 if refusal else HTMX_STOP if partial and not context["moving"] else 200
    return render(request, "registers/import_state.html" if partial else "registers/import_run.html", context, status=status)


@require_GET
@login_needed
def faults(request: HttpRequest, register_id: str, key: str) -> HttpResponse:
    """Send a faulty sheet back with every fault at its cell."""
    register, sight = register_or_404(register_id), sight_of(request)
    found = _own_or_404(register, key, sight)
    data = sheet_imports.original(found)
    if data is None:
        raise Http404(key)
    body = faulty.book(data, found.name, sheet_imports.faults(found))
    return attachment(body, exporting.TYPES["xlsx"], f"{register.id}-faults.xlsx")


def _own_or_404(register: Register, key: str, sight: Sight) -> SheetImport:
    found = SheetImport.objects.filter(key=key, register=register.id).select_related("user").first()
    if found is None or found.user_id != sight.actor.user_id:
        raise Http404(key)
    return found


def _standing(register: Register, found: SheetImport, sight: Sight) -> dict[str, Any]:
    """Return what the page of a large sheet shows."""
    moving = found.state in MOVING
    listed = sheet_imports.faults(found)[:SHOWN] if found.state == SheetImport.State.FAULTY else []
    lines = _lines(sheet_imports.preview(found, sight.actor, sight.at, SHOWN)) if found.state == SheetImport.State.READY else []
    return {
        "register": register, "run": found, "moving": moving, "faults": listed, "more": max(0, found.faults - len(listed)),
        "lines": lines, "lines_more": max(0, found.created + found.changed - len(lines)),
        "may_cancel": found.state in CANCELLABLE, "idle": moving and sight.at - found.seen_at > IDLE,
    }  # fmt: skip


def _confirm(request: HttpRequest, register: Register) -> HttpResponse:
    sight = sight_of(request)
    try:
        held = held_sheets.take(request.POST["ticket"], sight.actor.id, register.id)
    except held_sheets.ExpiredError:
        return _page(request, register, {"faults": [Fault("", _("预览已过期，请重新上传"))]}, 409)
    except held_sheets.ForeignError:
        return _page(request, register, {"faults": [Fault("", _("预览不属于您或该台账，请重新上传"))]}, 409)
    plan = importing.plan(register, held.data, held.name, sight.actor, sight.at)
    if plan.seal != held.seal or plan.faults:
        ticket = "" if plan.faults else _keep(sight, register, held.data, held.name, plan)
        context = _preview(plan) | {"ticket": ticket, "file_name": held.name, "moved": True}
        return _page(request, register, context, 409)
    try:
        importing.apply(plan, sight.actor, sight.at)
    except RefusedError as refusal:
        return _page(request, register, {"faults": [Fault("", refusal.message)], "file_name": held.name}, 422)
    held.forget()
    return _page(request, register, {"done": plan, "file_name": held.name})


def _page(request: HttpRequest, register: Register, context: dict[str, Any], status: int = 200) -> HttpResponse:
    columns = [
        (register.label(name), name in register.key or required(register, name), exporting.hint(register, name)) for name in register.fields
    ]
    return render(request, "registers/import.html", {"register": register, "columns": columns, **context}, status=status)


def _preview(plan: Plan) -> dict[str, Any]:
    return {
        "plan": plan,
        "lines": _lines(plan),
        "faults": plan.faults[:SHOWN],
        "more": max(0, len(plan.faults) - SHOWN),
    }


def _lines(plan: Plan | None) -> list[dict[str, Any]]:
    if plan is None:
        return []
    register = plan.register
    return [
        {
            "number": write.number,
            "new": write.row is None,
            "name": " ".join(values.write(register.field(name), write.data[name]) for name in register.key),
            "changes": [
                (register.label(name), values.show(register.field(name), before), values.show(register.field(name), after))
                for name, (before, after) in write.changes.items()
            ],
        }
        for write in plan.writes[:SHOWN]
    ]


def _keep(sight: Sight, register: Register, data: bytes, name: str, plan: Plan) -> str:
    return held_sheets.keep(sight.actor.id, register.id, data, name, plan.seal)
