"""The versions of a row: one as it stood at an instant, two of them compared."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from anzhang.registers import history
from anzhang.registers.filters import moment
from anzhang.web.access import login_needed
from anzhang.web.asked import typed
from anzhang.web.registers import name_of, register_or_404, row_or_404, sight_of


@require_GET
@login_needed
def versions(request: HttpRequest, register_id: str, pk: int) -> HttpResponse:
    """List the versions; `as_of` shows one, `old` and `new` (ledger entries) compare two, by default the last two."""
    register, sight = register_or_404(register_id), sight_of(request)
    row = row_or_404(register, pk, sight)
    found = history.versions(register, row)
    asked, stood, fault = typed(request, "as_of"), None, ""
    if asked:
        try:
            stood = history.as_of(found, moment(asked))
            fault = "" if stood else _("当时还没有这条记录。")
        except ValueError:
            fault = _("“%s”不是时间，请写成 2026-11-24 或 2026-11-24T09:30。") % asked[:40]
    new = _chosen(found, typed(request, "new"), 0)
    old = _chosen(found, typed(request, "old"), 1)
    lines = [(register.label(name), value) for name, value in stood.shown(register).items()] if stood else []
    context = {
        "register": register,
        "row": row,
        "name": name_of(row),
        "versions": found,
        "asked": asked,
        "stood": stood,
        "lines": lines,
        "fault": fault,
        "old": old,
        "new": new,
        "differences": history.compare(register, old, new) if old and new else (),
    }
    return render(request, "registers/history.html", context, status=400 if fault and not found else 200)


def _chosen(found: list[history.Version], index: str, otherwise: int) -> history.Version | None:
    """Return the version of a ledger entry; what is not one of the row's own falls back to the default."""
    chosen = next((version for version in found if str(version.index) == index), None)
    return chosen or (found[otherwise] if len(found) > otherwise else None)
