"""The inbox: what the platform told the reader, with a link each."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from anzhang import clock
from anzhang.casework import notices
from anzhang.casework.models import Notice
from anzhang.web import deliveries
from anzhang.web.access import login_needed
from anzhang.web.actors import actor_of

PAGE_SIZE = 50


@dataclass(frozen=True)
class Line:
    """One notice and its sentence in the language of the moment."""

    notice: Notice
    text: str


@require_GET
@login_needed
def index(request: HttpRequest) -> HttpResponse:
    """List the notices, the newest first; `list=unread` leaves the read ones out."""
    actor = actor_of(request)
    rows = notices.inbox(actor.person_id or 0)
    which = "unread" if request.GET.get("list") == "unread" else "all"
    if which == "unread":
        rows = rows.filter(read_at=None)
    page = Paginator(rows, PAGE_SIZE).get_page(request.GET.get("page"))
    lines = [Line(notice, notices.text(notice)) for notice in page]
    context = {
        "page": page,
        "lines": lines,
        "which": which,
        "query": "list=unread&" if which == "unread" else "",
        "may_see_deliveries": deliveries.may_read(actor),
    }
    return render(request, "inbox/index.html", context)


@require_POST
@login_needed
def follow(request: HttpRequest, pk: int) -> HttpResponse:
    """Mark a notice read and go where it points."""
    actor = actor_of(request)
    notice = notices.inbox(actor.person_id or 0).filter(pk=pk).first()
    if notice is None:
        raise Http404(pk)
    notices.mark_read(actor, notice, clock.now())
    return redirect(notice.link if notice.link.startswith("/") else "inbox")


@require_POST
@login_needed
def read_all(request: HttpRequest) -> HttpResponse:
    """Mark everything read."""
    count = notices.mark_all_read(actor_of(request), clock.now())
    messages.success(request, _("已将 %(count)s 条通知标为已读。") % {"count": count})
    return redirect("inbox")
