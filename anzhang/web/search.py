"""Search of the sealed logs: only the reader's own sources, masked, every query in the ledger (Art. 29)."""

from __future__ import annotations

import csv
import hashlib
import io
import time
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib import messages
from django.core.cache import cache
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from anzhang import clock
from anzhang.casework import exports
from anzhang.directory.scoping import visible
from anzhang.engines import masking
from anzhang.engines.vault.tree import DAMAGE
from anzhang.journal.models import Entry
from anzhang.journal.queries import SEALS
from anzhang.monitoring.line_proofs import standing
from anzhang.monitoring.models import LogSource, VaultSegment
from anzhang.monitoring.procedures import record_query
from anzhang.permissions import Actor, RefusedError
from anzhang.registers.models import SavedFilter
from anzhang.registers.sheets import guard
from anzhang.regulation.checks import page
from anzhang.web import saved, searched, searching
from anzhang.web.access import login_needed
from anzhang.web.actors import actor_of
from anzhang.web.registers import attachment
from anzhang.web.searching import Form, FormError

if TYPE_CHECKING:
    from anzhang.engines.vault import Hit, Vault

PANEL_VALUES = 8  # of each field
MOST_EXPORTED = 100_000  # lines
AROUND = 10  # lines before and after one
LIVE_KEPT = timedelta(minutes=10)


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
    vault = Vault(settings.HOME.vault)
    sources = sources_of(actor, now)
    names = {source.code: source.name for source in sources}
    context: dict[str, object] = {
        "sources": sources,
        "modes": searching.MODES,
        "hints": searching.HINTS,
        "severities": searched.SEVERITIES,
        "form": Form.parse({}, now),
        "saved": SavedFilter.objects.filter(user_id=actor.user_id or 0, register=saved.SEARCH),
    }
    try:
        form = Form.parse(request.GET.dict(), now)
        context["form"] = form
        if not request.GET:
            return render(request, "search/search.html", context)
        since, until = _span(form, vault, now)
        step = searched.step_of(since, until)
        query = form.query(tuple(names), panel=tuple(searched.FIELDS), bar=step, east=searched.EAST, top=PANEL_VALUES)
        begin = time.perf_counter()
        found = vault.search(query)
        context["milliseconds"] = round((time.perf_counter() - begin) * 1000)
    except (FormError, QueryError) as error:
        return render(request, "search/search.html", {**context, "fault": str(error)}, status=400)
    context["unread"] = found.unread
    _keep(actor, form, found.total or 0, now)
    total = found.total or 0
    pages = min(-(-total // searching.PAGE_LINES), searching.DEEPEST)
    context |= {
        "rows": _rows(found.hits, names, form),
        "total": total,
        "searched": True,
        "pages": pages,
        "before": searched.address(form, page=form.page - 1) if form.page > 1 else "",
        "after": searched.address(form, page=form.page + 1) if form.page < pages else "",
        "bars": searched.bars(found, form, since, until, step) if total else [],
        "panel": searched.panel(found, form, names),
        "until_shown": searching.wall(until),
        "here": searched.address(form),
        "live": searched.address(form, live="" if form.live else "1", until=""),
    }
    return render(request, "search/search.html", context)


@page("log_line", nouns=("log_source", "vault_segment"))
@require_GET
@login_needed
def line(request: HttpRequest, number: int, seq: int) -> HttpResponse:
    """Show one line with what proves it: its segment, sequence number, row group and roots. A foreign source's line is 404."""
    from anzhang.engines.vault import Vault

    now, actor = clock.now(), actor_of(request)
    segment = standing(number)
    if segment is None or not segment.first_seq <= seq <= segment.last_seq:
        raise Http404(f"line {number}/{seq}")
    sources = {source.code: source for source in sources_of(actor, now)}
    vault = Vault(settings.HOME.vault)
    try:
        hit = vault.line(segment.name, seq)
        before, after = vault.around(segment.name, seq, AROUND) if hit is not None else ([], [])
    except DAMAGE as error:
        message = _("日志段 %s 已损坏，这一行或它的前后文无法读取。") % segment.name
        raise RefusedError("segment_unreadable", message, _("请系统管理员运行 anzhang vault verify，并从异地副本恢复。")) from error
    if hit is None or hit.source not in sources:
        raise Http404(f"line {number}/{seq}")
    record_query(actor, {"line": f"{number}/{seq}"}, hits=1, at=now)
    names = {source.code: source.name for source in sources.values()}
    sealed = Entry.objects.filter(act__in=SEALS, object_type="vault_segment", object_key=str(segment.number))
    entry = sealed.order_by("-index").values_list("index", flat=True).first()
    context = {
        "hit": hit,
        "at": searching.wall(hit.at),
        "received": searching.wall(hit.received),
        "segment": segment,
        "entry": entry,
        "source": sources[hit.source],
        "html": searching.shown(hit.line, Form(), most=searching.WHOLE_CHARACTERS),
        "around": [(row, row.hit.seq == seq) for row in _rows([*before, hit, *after], names, Form())],
    }
    return render(request, "search/line.html", context)


@require_POST
@login_needed
def save(request: HttpRequest) -> HttpResponse:
    """Keep a search under a name: what is looked for, not when; it is asked of the last seven days again."""
    form = _posted(request)
    name = saved.keep(actor_of(request), saved.SEARCH, request.POST.get("name", ""), searched.conditions(form))
    messages.success(request, _("已存为常用检索“%s”。") % name)
    return redirect(f"{reverse('search')}?{searched.conditions(form)}")


@require_POST
@login_needed
def forget(request: HttpRequest, pk: int) -> HttpResponse:
    """Forget one of one's own kept searches."""
    saved.forget(actor_of(request), saved.SEARCH, pk)
    return redirect("search")


@require_GET
@login_needed
def export(request: HttpRequest) -> HttpResponse:
    """Give what a search finds as CSV, masked as on the page; above a thousand lines with an approval of this very search (DESIGN 12)."""
    from anzhang.engines.vault import QueryError, Vault

    now, actor = clock.now(), actor_of(request)
    names = {source.code: source.name for source in sources_of(actor, now)}
    try:
        form = Form.parse(request.GET.dict(), now)
        query = form.query(tuple(names))
        vault = Vault(settings.HOME.vault)
        rows = vault.search(replace(query, limit=0, offset=0)).total or 0
        asked = searched.address(form).removeprefix("?")
        if rows > MOST_EXPORTED:
            raise FormError(_("共 %(rows)d 行，一次最多导出 %(most)d 行；请缩小时间范围。") % {"rows": rows, "most": MOST_EXPORTED})
        approval = exports.require(actor, saved.SEARCH, asked, rows, now)
        found = vault.search(replace(query, limit=rows, offset=0, newest_first=False))
        if found.unread:
            raise FormError(_("日志段 %s 无法读取，导出会缺行，因此没有导出。请先校验日志库。") % "、".join(found.unread))
    except (FormError, QueryError) as error:
        return HttpResponse(str(error), status=400, content_type="text/plain; charset=utf-8")
    except exports.ExportNeedsApprovalError as refusal:
        return render(request, "search/export_refused.html", {"refusal": refusal, "here": searched.address(form)}, status=409)
    basis = approval.case.number if approval else ""
    record_query(actor, {**form.described(), "export": "csv", "basis": basis}, hits=len(found.hits), at=now)
    return attachment(_csv(found.hits, names), "text/csv; charset=utf-8", f"log-{clock.day_of(now)}.csv")


def _csv(hits: list[Hit], names: dict[str, str]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(
        [
            _("时间"),
            _("收到时间"),
            _("日志源"),
            _("来源地址"),
            _("主机"),
            _("程序"),
            _("日志段"),
            _("序号"),
            _("日志原文（个人信息已遮蔽）"),
        ]
    )
    for hit in hits:
        cells = [searching.wall(hit.at), searching.wall(hit.received), names.get(hit.source, hit.source), hit.address, hit.host, hit.app]
        writer.writerow([guard(cell) for cell in (*cells, hit.segment, str(hit.seq), masking.mask(hit.line))])
    return out.getvalue().encode("utf-8-sig")


def _posted(request: HttpRequest) -> Form:
    try:
        return Form.parse(QueryDict(request.POST.get("query", "").removeprefix("?")).dict(), clock.now())
    except FormError as error:
        raise RefusedError("bad_query", str(error)) from error


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


def _span(form: Form, vault: Vault, now: datetime) -> tuple[datetime, datetime]:
    """Return from and until when the lines are drawn: what is asked for, else all that is kept. Raises FormError."""
    since, until = form.span
    until = until or now + timedelta(minutes=1)
    if since is None:
        since = min((sealed.min_at for sealed in vault.segments()), default=until - searching.FIRST_SPAN)
    return min(since, until - timedelta(minutes=1)), until


def _keep(actor: Actor, form: Form, hits: int, at: datetime) -> None:
    """Put the query into the ledger; a page that asks again by itself is kept once in a while."""
    if form.live:
        asked = hashlib.sha256(repr((actor.id, form)).encode()).hexdigest()
        if not cache.add(f"search:live:{asked}", True, LIVE_KEPT.total_seconds()):
            return
    record_query(actor, form.described(), hits=hits, at=at)
