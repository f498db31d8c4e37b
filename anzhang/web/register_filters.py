"""Personal filters: a query kept under a name. Its address may be given to anybody, who sees what they may see."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from anzhang.permissions import RefusedError
from anzhang.registers import listing
from anzhang.web import saved
from anzhang.web.access import login_needed
from anzhang.web.registers import register_or_404, sight_of


@require_POST
@login_needed
def save(request: HttpRequest, register_id: str) -> HttpResponse:
    """Keep the present query under a name."""
    register, sight = register_or_404(register_id), sight_of(request)
    try:
        query = listing.parse(register, QueryDict(request.POST.get("query", "")).dict()).address(page=1)
    except listing.BadQueryError as error:
        raise RefusedError("bad_query", error.message) from error
    name = saved.keep(sight.actor, register.id, request.POST.get("name", ""), query)
    messages.success(request, _("已存为常用筛选“%s”。") % name)
    return redirect(f"{reverse('register', args=(register.id,))}?{query}")


@require_POST
@login_needed
def delete(request: HttpRequest, register_id: str, pk: int) -> HttpResponse:
    """Forget one of one's own filters."""
    register, sight = register_or_404(register_id), sight_of(request)
    saved.forget(sight.actor, register.id, pk)
    return redirect("register", register.id)
