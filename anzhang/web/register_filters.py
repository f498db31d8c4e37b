"""Personal filters: a query kept under a name. Its address may be given to anybody, who sees what they may see."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from anzhang.permissions import RefusedError
from anzhang.registers import listing
from anzhang.registers.models import SavedFilter
from anzhang.web.access import login_needed
from anzhang.web.registers import register_or_404, sight_of

MOST = 20
_NAME = SavedFilter._meta.get_field("name").max_length or 0
_QUERY = SavedFilter._meta.get_field("query").max_length or 0


@require_POST
@login_needed
def save(request: HttpRequest, register_id: str) -> HttpResponse:
    """Keep the present query under a name; the same name again replaces it."""
    register, sight = register_or_404(register_id), sight_of(request)
    name = request.POST.get("name", "").strip()
    if not name or len(name) > _NAME or not name.isprintable():
        raise RefusedError("filter_name", _("请填写筛选名称，最多 %d 个字。") % _NAME)
    try:
        query = listing.parse(register, QueryDict(request.POST.get("query", "")).dict()).address(page=1)
    except listing.BadQueryError as error:
        raise RefusedError("bad_query", error.message) from error
    if not query or len(query) > _QUERY:
        raise RefusedError("filter_query", _("没有可保存的筛选条件。"))
    own = SavedFilter.objects.filter(user_id=sight.actor.user_id or 0, register=register.id)
    if own.exclude(name=name).count() >= MOST:
        raise RefusedError("filter_too_many", _("每个台账最多保存 %d 个常用筛选。") % MOST, _("先删除不用的。"))
    SavedFilter.objects.update_or_create(user_id=sight.actor.user_id or 0, register=register.id, name=name, defaults={"query": query})
    messages.success(request, _("已存为常用筛选“%s”。") % name)
    return redirect(f"{reverse('register', args=(register.id,))}?{query}")


@require_POST
@login_needed
def delete(request: HttpRequest, register_id: str, pk: int) -> HttpResponse:
    """Forget one of one's own filters."""
    register, sight = register_or_404(register_id), sight_of(request)
    gone, _kinds = SavedFilter.objects.filter(pk=pk, user_id=sight.actor.user_id or 0, register=register.id).delete()
    if not gone:
        raise Http404(pk)
    return redirect("register", register.id)
