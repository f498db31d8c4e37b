"""通知发送: what left the platform through which channel, what is tried again, what was given up."""

from __future__ import annotations

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from anzhang import clock
from anzhang.casework import channels, delivery
from anzhang.casework.tables import Delivery
from anzhang.permissions import Actor, Permission, RefusedError
from anzhang.web.access import login_needed
from anzhang.web.actors import actor_of

PAGE_SIZE = 50


def may_read(actor: Actor) -> bool:
    """Whether somebody runs or audits the platform."""
    return actor.may(Permission.BACKUP_RUN) or actor.may(Permission.AUDIT_READ)


@require_GET
@login_needed
def index(request: HttpRequest) -> HttpResponse:
    """List deliveries, the newest first; `state` narrows. For the system administrator and the auditor, 404 for others."""
    actor = actor_of(request)
    if not may_read(actor):
        raise Http404(request.path)
    rows = Delivery.objects.select_related("notice__person").order_by("-pk")
    state = request.GET.get("state", "")
    if state in Delivery.State.values:
        rows = rows.filter(state=state)
    context = {
        "page": Paginator(rows, PAGE_SIZE).get_page(request.GET.get("page")),
        "states": Delivery.State.choices,
        "state": state,
        "query": f"state={state}&" if state else "",
        "channels": list(channels.configured()),
        "may_retry": actor.may(Permission.BACKUP_RUN),
    }
    return render(request, "inbox/deliveries.html", context)


@require_POST
@login_needed
def retry(request: HttpRequest, pk: int) -> HttpResponse:
    """Send again what was given up."""
    actor = actor_of(request)
    row = Delivery.objects.filter(pk=pk).first()
    if row is None or not may_read(actor):
        raise Http404(pk)
    try:
        delivery.retry(actor, row, clock.now())
    except RefusedError as refusal:
        messages.error(request, f"{refusal.message} {refusal.remedy}".strip())
    else:
        messages.success(request, _("已放回待发送，稍后重试。"))
    return redirect("deliveries")
