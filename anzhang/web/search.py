"""Search of the sealed logs: only the reader's own sources, masked, every query in the ledger (Art. 29)."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.safestring import SafeString
from django.views.decorators.http import require_GET

from anzhang import clock
from anzhang.directory.scoping import visible
from anzhang.events import Event
from anzhang.journal.models import Entry
from anzhang.monitoring.models import LogSource, VaultSegment
from anzhang.monitoring.procedures import record_query
from anzhang.permissions import Actor
from anzhang.regulation.checks import page
from anzhang.web import searching
from anzhang.web.access import login_needed
from anzhang.web.actors import actor_of
from anzhang.web.searching import Form, FormError

if TYPE_CHECKING:
    from anzhang.engines.vault import Hit


@dataclass(frozen=True)
class Row:
    """One found line as the table shows it."""

    hit: Hit
    number: int  # of the segment; 0 while unsealed
    at: str
    source_name: str
    html: SafeString


@page("search", nouns=("log_source", "vault_segment"))
@require_GET
@login_needed
def search(request: HttpRequest) -> HttpResponse:
    """Show the form; with a query also what was found, newest first."""
    from anzhang.engines.vault import QueryError, Vault

    now, actor = clock.now(), actor_of(request)
    sources = sources_of(actor, now)
    names = {source.code: source.name for source in sources}
    context: dict[str, object] = {"sources": sources, "modes": searching.MODES, "hints": searching.HINTS, "form": Form.parse({}, now)}
    try:
        form = Form.parse(request.GET.dict(), now)
        context["form"] = form
        if not request.GET:
            return render(request, "search/search.html", context)
        query = form.query(tuple(names))
        begin = time.perf_counter()
        found = Vault(settings.HOME.vault).search(query)
        context["milliseconds"] = round((time.perf_counter() - begin) * 1000)
    except (FormError, QueryError) as error:
        return render(request, "search/search.html", {**context, "fault": str(error)}, status=400)
    record_query(actor, form.described(), hits=found.total or 0, at=now)
    total = found.total or 0
    pages = min(-(-total // searching.PAGE_LINES), searching.DEEPEST)
    context |= {
        "rows": _rows(found.hits, names, form),
        "total": total,
        "searched": True,
        "pages": pages,
        "before": _address(form, form.page - 1) if form.page > 1 else "",
        "after": _address(form, form.page + 1) if form.page < pages else "",
    }
    return render(request, "search/search.html", context)


@page("log_line", nouns=("log_source", "vault_segment"))
@require_GET
@login_needed
def line(request: HttpRequest, number: int, seq: int) -> HttpResponse:
    """Show one line with what proves it: its segment, sequence number, row group and roots. A foreign source's line is 404."""
    from anzhang.engines.vault import Vault

    now, actor = clock.now(), actor_of(request)
    segment = VaultSegment.objects.filter(number=number, first_seq__lte=seq, last_seq__gte=seq).first()
    if segment is None:
        raise Http404(f"line {number}/{seq}")
    sources = {source.code: source for source in sources_of(actor, now)}
    hit = Vault(settings.HOME.vault).line(segment.name, seq)
    if hit is None or hit.source not in sources:
        raise Http404(f"line {number}/{seq}")
    record_query(actor, {"line": f"{number}/{seq}"}, hits=1, at=now)
    entry = Entry.objects.filter(act=Event.SEGMENT_SEAL, object_key=str(number)).values_list("index", flat=True).first()
    context = {
        "hit": hit,
        "at": searching.wall(hit.at),
        "received": searching.wall(hit.received),
        "segment": segment,
        "entry": entry,
        "source": sources[hit.source],
        "html": searching.shown(hit.line, Form(), most=searching.WHOLE_CHARACTERS),
    }
    return render(request, "search/line.html", context)


def sources_of(actor: Actor, at: datetime) -> list[LogSource]:
    """Return the sources whose lines an actor may read: those of units at or below their own."""
    return list(visible(LogSource.objects.select_related("unit"), actor, at).order_by("code"))


def _rows(hits: list[Hit], names: dict[str, str], form: Form) -> list[Row]:
    segments = VaultSegment.objects.filter(name__in={hit.segment for hit in hits}).values_list("name", "number")
    numbers = dict(segments)
    return [
        Row(hit, numbers.get(hit.segment, 0), searching.wall(hit.at), names.get(hit.source, hit.source), searching.shown(hit.line, form))
        for hit in hits
    ]


def _address(form: Form, number: int) -> str:
    fields = {name: value for name, value in vars(form).items() if name != "page" and value}
    return "?" + urlencode({**fields, "page": number})
