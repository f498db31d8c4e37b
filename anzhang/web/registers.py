"""The pages of any register: index, list, row, form with comparison, import with preview, export (DESIGN 4)."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

from django.core import signing
from django.db.models import Field, ForeignKey, JSONField, Model
from django.forms.models import ModelForm
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from anzhang import clock
from anzhang.casework import exports, routes, sheet_cases
from anzhang.permissions import RefusedError
from anzhang.registers import attachments, exporting, forms, history, listing, panels, procedures, rights, values
from anzhang.registers.declaration import CHAPTER_LABELS, REGISTERS, Filter, Kind, Register
from anzhang.registers.filters import instants
from anzhang.registers.models import SavedFilter
from anzhang.registers.rights import Sight
from anzhang.web.access import login_needed
from anzhang.web.actors import actor_of

LONG = 200  # characters that a column may hold from which on it is cut on a list
BASE_SALT = "anzhang.registers.base"


@dataclass(frozen=True)
class Heading:
    """One column heading of a list: its label and where a click leads."""

    label: str
    address: str
    mark: str


@dataclass(frozen=True)
class Choosing:
    """One filter as the page shows it."""

    name: str
    label: str
    value: str
    choices: tuple[tuple[str, str], ...]

    @property
    def options(self) -> SafeString:
        """Return the choices as HTML: a template loop over a hundred units costs more than the rows of the list."""
        written = (
            f'<option value="{escape(v)}"{" selected" if v == self.value else ""}>{escape(label)}</option>' for v, label in self.choices
        )
        return SafeString("".join(written))


def sight_of(request: HttpRequest) -> Sight:
    """Return what the person behind a request sees now."""
    return Sight(actor_of(request), clock.now())


def register_or_404(register_id: str) -> Register:
    """Return a declared register."""
    register = REGISTERS.get(register_id)
    if register is None:
        raise Http404(register_id)
    return register


def row_or_404(register: Register, pk: int, sight: Sight) -> Any:
    """Return a row that the reader sees: a stranger's row does not exist for them."""
    row = sight.rows(register).select_related(*register.relations(register.shown)).filter(pk=pk).first()
    if row is None:
        raise Http404(f"{register.id} {pk}")
    return row


@require_GET
@login_needed
def index(request: HttpRequest) -> HttpResponse:
    """Show every register, grouped by chapter."""
    groups: dict[str, list[Register]] = {}
    for register in REGISTERS.values():
        groups.setdefault(register.chapter, []).append(register)
    chapters = [(str(CHAPTER_LABELS.get(chapter, chapter)), registers) for chapter, registers in groups.items()]
    return render(request, "registers/index.html", {"chapters": chapters})


@require_GET
@login_needed
def rows(request: HttpRequest, register_id: str) -> HttpResponse:
    """Show a page of a register; htmx asks for the rows alone."""
    register, sight = register_or_404(register_id), sight_of(request)
    fault, status = "", 200
    try:
        query = listing.parse(register, request.GET.dict())
        page = listing.page(register, query, sight)
    except listing.BadQueryError as error:
        fault, status, query = error.message, 400, listing.Query()
        page = listing.Page(register, query, 0, (), register.columns)
    may_write = rights.may_write(register, sight.actor, sight.at)
    may_pick = register.changeable and may_write
    partial = bool(getattr(request, "htmx", False)) and not request.headers.get("HX-History-Restore-Request")
    context = {
        "register": register,
        "query": query,
        "page": page,
        "fault": fault,
        "table": _table(page, pick=may_pick),
        "may_pick": may_pick,
        "headings": _headings(register, query),
    }
    context |= _paging(page)
    if not partial:
        context |= {
            "filters": [_choosing(each, query, sight) for each in register.filters],
            "instants": [Choosing(each.name, str(each.label), query.filters.get(each.name, ""), ()) for each in instants(register.model)],
            "saved": SavedFilter.objects.filter(user_id=sight.actor.user_id or 0, register=register.id),
            "sizes": listing.SIZES,
            "searched": "、".join(register.label(path) for path in register.search),
            "may_write": may_write,
            "file_case": _case_link(register),
            "file_sheet": _sheet_link(register),
            "export_query": query.address(page=1),
        }
    return render(request, "registers/rows.html" if partial else "registers/list.html", context, status=status)


@require_GET
@login_needed
def row(request: HttpRequest, register_id: str, pk: int) -> HttpResponse:
    """Show one row: its fields, what was done to it, and the panels registered for it."""
    register, sight = register_or_404(register_id), sight_of(request)
    found = row_or_404(register, pk, sight)
    fields = [(register.label(name), _cell(register, found, name)) for name in register.shown]
    sides = [(panel.title, panel.lines(register, found, sight)) for panel in panels.PANELS]
    context = {
        "register": register,
        "row": found,
        "name": name_of(found),
        "fields": fields,
        "revisions": history.revisions(register, found),
        "panels": [(title, lines) for title, lines in sides if lines],
        "files": attachments.of(register, found),
        "may_attach": attachments.may_attach(register, sight.actor, sight.at),
        "accepted": ",".join(attachments.TYPES),
        "largest": attachments.MAX_BYTES // 2**20,
        "may_change": register.changeable and rights.may_write(register, sight.actor, sight.at),
        "file_case": _case_link(register),
    }
    return render(request, "registers/row.html", context)


@require_http_methods(["GET", "POST"])
@login_needed
def create(request: HttpRequest, register_id: str) -> HttpResponse:
    """Add a row through the register's procedure."""
    register, sight = register_or_404(register_id), sight_of(request)
    rights.require_write(register, sight.actor, sight.at)
    given = {name: request.GET[name] for name in register.fields if name in request.GET}  # a link may fill the form in
    form = forms.form_class(register, sight, changing=False)(request.POST if request.method == "POST" else None, initial=given)
    refusal = None
    if request.method == "POST" and form.is_valid():
        try:
            made = procedures.create(register, sight.actor, form.cleaned_data, at=sight.at)
        except RefusedError as error:
            refusal = error
        else:
            return redirect("register_row", register.id, made.pk)
    context = {"register": register, "form": form, "refusal": refusal}
    return render(request, "registers/form.html", context, status=_status(request))


@require_http_methods(["GET", "POST"])
@login_needed
def change(request: HttpRequest, register_id: str, pk: int) -> HttpResponse:
    """Change a row; the second of two editors gets both versions side by side, and nothing typed is lost."""
    register, sight = register_or_404(register_id), sight_of(request)
    found = row_or_404(register, pk, sight)
    rights.require_write(register, sight.actor, sight.at)
    if not register.changeable:
        raise Http404(register_id)
    made = forms.form_class(register, sight, changing=True)
    initial = forms.initial_rows(register, found)
    form = made(request.POST if request.method == "POST" else None, instance=forms.copy_of(found), initial=initial)
    refusal = None
    if request.method == "POST" and form.is_valid():
        if _posted_version(request) != found.version:
            return _compare(request, register, found, form)
        try:
            procedures.change(register, sight.actor, found, form.cleaned_data, at=sight.at, expected_version=found.version)
        except RefusedError as error:
            if error.code in {"stale", "version_conflict"}:
                return _compare(request, register, row_or_404(register, pk, sight), form)
            refusal = error
        else:
            return redirect("register_row", register.id, pk)
    version = found.version if request.method == "GET" else _posted_version(request)
    context = {
        "register": register,
        "row": found,
        "name": name_of(found),
        "form": form,
        "refusal": refusal,
        "version": version,
        "base": _sealed_base(register, found) if request.method == "GET" else request.POST.get("base", ""),
    }
    return render(request, "registers/form.html", context, status=_status(request))


@require_GET
@login_needed
def export(request: HttpRequest, register_id: str, form: str) -> HttpResponse:
    """Send the rows of the current filter as xlsx or CSV; the ledger keeps who took them."""
    register, sight = register_or_404(register_id), sight_of(request)
    if form not in exporting.TYPES:
        raise Http404(form)
    try:
        query = listing.parse(register, request.GET.dict())
        chosen = listing.select(register, query, sight)
    except listing.BadQueryError as error:
        return HttpResponse(error.message, status=400, content_type="text/plain; charset=utf-8")
    asked = query.address(page=1, sort="", size=listing.DEFAULT_SIZE)
    try:
        approval = exports.require(sight.actor, register.id, asked, chosen.count(), sight.at)
    except exports.ExportNeedsApprovalError as refusal:
        return render(request, "registers/export_refused.html", {"register": register, "refusal": refusal}, status=409)
    body, count = exporting.export(register, chosen, form)
    basis = approval.case.number if approval else ""
    procedures.record_export(sight.actor, register, at=sight.at, rows=count, form=form, query=query.address(page=1), basis=basis)
    return attachment(body, exporting.TYPES[form], f"{register.id}-{clock.day_of(sight.at)}.{form}")


def attachment(body: bytes, content_type: str, name: str) -> HttpResponse:
    """Return a download."""
    return HttpResponse(body, content_type=content_type, headers={"Content-Disposition": f'attachment; filename="{name}"'})


def _compare(request: HttpRequest, register: Register, theirs: Any, form: ModelForm[Any]) -> HttpResponse:
    """Show what was there, what they saved and what is about to be saved; sending again saves on top of theirs."""
    base = _opened_base(request.POST.get("base", ""), register, theirs)
    mine, now = forms.shown(register, form.cleaned_data), forms.initial_of(register, theirs)
    lines = [
        {
            "label": register.label(name),
            "base": base.get(name),
            "theirs": now[name],
            "mine": mine[name],
            "conflict": now[name] != mine[name],
        }
        for name in register.fields
    ]
    context = {
        "register": register,
        "row": theirs,
        "name": name_of(theirs),
        "form": form,
        "lines": lines,
        "version": theirs.version,
        "base": _sealed_base(register, theirs),
        "revision": next(iter(history.revisions(register, theirs)), None),
    }
    return render(request, "registers/compare.html", context, status=409)


def _sealed_base(register: Register, row: Any) -> str:
    return signing.dumps({"row": f"{register.id}:{row.pk}", "values": forms.initial_of(register, row)}, salt=BASE_SALT, compress=True)


def _opened_base(sealed: str, register: Register, row: Any) -> dict[str, str]:
    try:
        opened = signing.loads(sealed, salt=BASE_SALT)
    except signing.BadSignature:
        return {}
    found: dict[str, str] = opened["values"] if opened.get("row") == f"{register.id}:{row.pk}" else {}
    return found


def _posted_version(request: HttpRequest) -> int:
    text = request.POST.get("version", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def _status(request: HttpRequest) -> int:
    return 422 if request.method == "POST" else 200


def name_of(row: Model) -> str:
    """Return what a page calls a row: code and name."""
    text, code = str(row), values.code_of(row)
    return f"#{code}" if "object (" in text else text if text == code or code == str(row.pk) else f"{code} {text}"


def _case_link(register: Register) -> str:
    # A catalog need not have the route that a register names: then there is nothing to apply for here.
    if register.kind is not Kind.AUTHORITY or register.route not in routes.current():
        return ""
    return reverse("case_form", args=(register.route,))


def _sheet_link(register: Register) -> str:
    if not _case_link(register) or not sheet_cases.takes_sheets(routes.current()[register.route]):
        return ""
    return reverse("register_sheet", args=(register.id,))


def _choosing(chosen: Filter, query: listing.Query, sight: Sight) -> Choosing:
    choices: tuple[tuple[str, str], ...] = tuple((value, str(label)) for value, label in chosen.choices)
    if chosen.by_unit:
        units = sight.rows(REGISTERS["unit"]).order_by("path").values_list("code", "name", "path")
        top = min((path.count("/") for _code, _unit, path in units), default=0)
        choices = tuple((code, "　" * (path.count("/") - top) + name) for code, name, path in units)
    return Choosing(chosen.name, str(chosen.label), query.filters.get(chosen.name, ""), choices)


def _headings(register: Register, query: listing.Query) -> list[Heading]:
    able = listing.sortable(register)
    found = []
    for path in register.columns:
        now = query.sort.removeprefix("-") == path
        descending = now and not query.sort.startswith("-")
        address = query.address(sort=f"-{path}" if descending else path, page=1) if path in able else ""
        found.append(Heading(register.label(path), address, "" if not now else "▲" if descending else "▼"))
    return found


def _paging(page: listing.Page) -> dict[str, str]:
    number = page.query.page
    return {
        "newer": page.query.address(page=min(number - 1, page.pages)) if number > 1 else "",
        "older": page.query.address(page=number + 1) if number < page.pages else "",
        "first": page.query.address(page=1) if number > 1 else "",
        "last": page.query.address(page=page.pages) if number < page.pages and not page.more else "",
    }


def _table(page: listing.Page, *, pick: bool = False) -> SafeString:
    """Return the rows as HTML: written here because a template loop over 100 x 8 cells costs more than the query."""
    columns = [(page.register.field(path), path) for path in page.register.columns]
    base = reverse("register", args=(page.register.id,))
    # Long text gives way with an ellipsis; everything else keeps its width on one line.
    styles = [
        '<td class="line" title="{0}">{0}</td>' if _is_long(field) else '<td class="text-nowrap">{0}</td>' for field, _path in columns[1:]
    ]
    lines = []
    for found in page.rows:
        cells = [escape(page.register.show(path, values.value_at(found, path))) for _field, path in columns]
        rest = "".join(style.format(cell) for style, cell in zip(styles, cells[1:], strict=True))
        box = f'<td class="tight no-print">{_box(found, cells[0])}</td>' if pick else ""
        lines.append(f'<tr>{box}<td class="tight"><a href="{base}{found.pk}/">{cells[0] or "—"}</a></td>{rest}</tr>')
    return SafeString("".join(lines))  # every cell is escaped above


def _box(row: Model, name: str) -> str:
    value = f"{row.pk}:{getattr(row, 'version', '')}"
    label = escape(_("选择")) + f" {name}"  # the name is escaped already
    return f'<input class="form-check-input" type="checkbox" form="bulk" name="row" value="{value}" aria-label="{label}">'


def _is_long(field: Field[Any, Any]) -> bool:
    return isinstance(field, JSONField) or (not field.choices and (field.max_length or 0) >= LONG)


def _cell(register: Register, row: Model, name: str) -> str | SafeString:
    value, field = getattr(row, name), register.field(name)
    if isinstance(field, ForeignKey) and value is not None:
        related = next((each for each in REGISTERS.values() if each.model is type(value)), None)
        if related is not None:
            return format_html('<a href="{}">{}</a>', reverse("register_row", args=(related.id, value.pk)), name_of(value))
        return conditional_escape(name_of(value))
    return register.show(name, value)
