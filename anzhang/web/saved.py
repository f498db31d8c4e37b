"""Queries that somebody keeps under a name: of a register's list, or of the log search."""

from __future__ import annotations

from django.http import Http404
from django.utils.translation import gettext as _

from anzhang.permissions import Actor, RefusedError
from anzhang.registers.models import SavedFilter

SEARCH = "log_search"  # what the log search keeps under; no register is called so
MOST = 20  # of each list
_NAME = SavedFilter._meta.get_field("name").max_length or 0
_QUERY = SavedFilter._meta.get_field("query").max_length or 0


def keep(actor: Actor, place: str, name: str, query: str) -> str:
    """Keep a query under a name and return the name; the same name again replaces it. Raises RefusedError."""
    name = name.strip()
    if not name or len(name) > _NAME or not name.isprintable():
        raise RefusedError("filter_name", _("请填写筛选名称，最多 %d 个字。") % _NAME)
    if not query or len(query) > _QUERY:
        raise RefusedError("filter_query", _("没有可保存的筛选条件。"))
    own = SavedFilter.objects.filter(user_id=actor.user_id or 0, register=place)
    if own.exclude(name=name).count() >= MOST:
        raise RefusedError("filter_too_many", _("每个台账最多保存 %d 个常用筛选。") % MOST, _("先删除不用的。"))
    SavedFilter.objects.update_or_create(user_id=actor.user_id or 0, register=place, name=name, defaults={"query": query})
    return name


def forget(actor: Actor, place: str, pk: int) -> None:
    """Forget one of one's own. Raises Http404."""
    gone, _kinds = SavedFilter.objects.filter(pk=pk, user_id=actor.user_id or 0, register=place).delete()
    if not gone:
        raise Http404(pk)
