"""Change one field of many rows: choose rows on the list, choose field and value, see what would change, confirm once."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from anzhang.permissions import RefusedError
from anzhang.registers import forms, procedures, rights, values
from anzhang.registers.declaration import Register
from anzhang.registers.rights import Sight
from anzhang.web.access import login_needed
from anzhang.web.registers import name_of, register_or_404, sight_of

MOST = 200
Chosen = list[tuple[Any, int | None]]


@require_POST
@login_needed
def change(request: HttpRequest, register_id: str) -> HttpResponse:
    """Show the chosen rows; with a field its form; with a value what would change; with `confirm` what became of each row."""
    register, sight = register_or_404(register_id), sight_of(request)
    if not register.changeable:
        raise Http404(register_id)
    rights.require_write(register, sight.actor, sight.at)
    chosen = _chosen(request, register, sight)
    able = [name for name in register.fields if name not in register.fixed]
    context: dict[str, Any] = {
        "register": register,
        "rows": [(row, name_of(row), f"{row.pk}:{'' if version is None else version}") for row, version in chosen],
        "able": [(name, register.label(name)) for name in able],
        "field": "",
    }
    name = request.POST.get("field", "")
    if not name:
        return render(request, "registers/bulk.html", context)
    if name not in able:
        raise Http404(name)
    made = forms.form_class(register, sight, changing=True, only=(name,))(request.POST if "seen" in request.POST else None)
    context |= {"field": name, "label": register.label(name), "form": made}
    if "seen" not in request.POST:
        return render(request, "registers/bulk.html", context)
    try:
        value = made.fields[name].clean(made[name].data)
    except ValidationError as error:
        return render(request, "registers/bulk.html", context | {"fault": " ".join(error.messages)}, status=422)
    if "confirm" in request.POST:
        outcomes = procedures.change_each(register, sight.actor, chosen, {name: value}, at=sight.at)
        done = {"outcomes": [(each, name_of(each.row)) for each in outcomes], "changed": sum(each.changed for each in outcomes)}
        return render(request, "registers/bulk_done.html", context | done)
    shown = values.show(register.field(name), value)
    before = [(line, values.show(register.field(name), getattr(line[0], name))) for line in context["rows"]]
    return render(request, "registers/bulk.html", context | {"shown": shown, "preview": before, "given": made[name].data or ""})


def _chosen(request: HttpRequest, register: Register, sight: Sight) -> Chosen:
    """Return the chosen rows with the versions that were on the list; rows that are not seen do not exist."""
    wanted: dict[int, int | None] = {}
    for text in request.POST.getlist("row"):
        key, _sep, version = text.partition(":")
        if not (key.isascii() and key.isdigit() and len(key) < 19):
            raise Http404(text)
        wanted[int(key)] = int(version) if version.isascii() and version.isdigit() and len(version) < 10 else None
    if not wanted:
        raise RefusedError("nothing_chosen", _("没有选择记录。"), _("在列表中勾选要修改的记录。"))
    if len(wanted) > MOST:
        raise RefusedError("too_many_chosen", _("一次最多修改 %d 行。") % MOST, _("更多的行请用导入。"))
    rows = sight.rows(register).select_related(*register.relations(register.shown)).filter(pk__in=wanted)
    return [(row, wanted[row.pk]) for row in rows.order_by("pk")]
