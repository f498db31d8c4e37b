"""What surrounds every page: who is logged in, where they stand, what waits for them, where they may go."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache

from django.conf import settings
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import get_language, gettext_lazy

from anzhang import clock
from anzhang.casework import notices, queries
from anzhang.directory.models import Person, User
from anzhang.directory.prepared import Prepared
from anzhang.permissions import Administrator


@dataclass(frozen=True)
class Entry:
    """One link of the nav: a named page. `place` is what the keyboard shortcut finds it by; `kin` are addresses that belong to it too."""

    title: str | Promise
    name: str
    place: str
    query: str = ""
    kin: tuple[str, ...] = ()

    @cached_property
    def href(self) -> str:
        """Return the address."""
        return reverse(self.name) + self.query

    def holds(self, path: str, chosen: str) -> bool:
        """Whether a page lies here; `chosen` is which list of cases is shown."""
        here = self.href.partition("?")[0]
        if self.query:
            return path == here and chosen == self.query.rpartition("=")[2]
        return path == here if here == "/" else path.startswith((here, *self.kin))


@dataclass(frozen=True)
class Group:
    """Links under one heading."""

    title: str | Promise
    entries: tuple[Entry, ...]


_NAV = (
    Group("", (Entry(gettext_lazy("工作台"), "home", "home"), Entry(gettext_lazy("通知"), "inbox", "inbox"))),
    Group(
        gettext_lazy("办理"),
        (
            Entry(gettext_lazy("待办"), "cases", "todo", "?list=todo"),
            Entry(gettext_lazy("已办"), "cases", "done", "?list=done"),
            Entry(gettext_lazy("全部事项"), "cases", "cases", "?list=all"),
            Entry(gettext_lazy("提出事项"), "case_new", "new"),
        ),
    ),
    Group(
        gettext_lazy("核对"),
        (
            Entry(gettext_lazy("核对问题"), "findings", "findings"),
            Entry(gettext_lazy("条款落实"), "board", "board", kin=("/articles/",)),
            Entry(gettext_lazy("客户端合规"), "endpoints", "endpoints"),
            Entry(gettext_lazy("日志检索"), "search", "search"),
            Entry(gettext_lazy("日志源"), "sources", "sources"),
            Entry(gettext_lazy("核对规则"), "rules", "rules"),
            Entry(gettext_lazy("存证"), "ledger", "ledger"),
        ),
    ),
    Group(
        gettext_lazy("组织"),
        (
            Entry(gettext_lazy("本单位"), "own_unit", "own_unit", kin=("/units/",)),
            Entry(gettext_lazy("部署与检查"), "directives", "directives", kin=("/inspections/", "/decisions/", "/plan/")),
            Entry(gettext_lazy("责任书"), "statements", "statements"),
            Entry(gettext_lazy("系统档案"), "systems", "systems", kin=("/projects/", "/protection/")),
            Entry(gettext_lazy("今日检查"), "check_rounds", "check_rounds", kin=("/rounds/",)),
            Entry(gettext_lazy("机房"), "rooms", "rooms"),
            Entry(gettext_lazy("网络图"), "network", "network", kin=("/configurations/",)),
        ),
    ),
    Group(
        gettext_lazy("登记"),
        (
            Entry(gettext_lazy("台账目录"), "registers", "registers"),
            Entry(gettext_lazy("办法与依据"), "regulation", "regulation", kin=("/law/", "/interpretations/")),
        ),
    ),
)
_MANAGING = Group(gettext_lazy("管理"), (Entry(gettext_lazy("系统管理"), "administration", "administration"),))
_AUDITING = Group(gettext_lazy("管理"), (Entry(gettext_lazy("审计"), "administration", "administration"),))


class Shell:
    """The frame of a page; everything is asked for once, and only when the template needs it."""

    def __init__(self, request: HttpRequest) -> None:
        """Keep the request."""
        self.request = request

    @cached_property
    def user(self) -> User | None:
        """Return who is logged in."""
        user = getattr(self.request, "user", None)
        return user if isinstance(user, User) else None

    @cached_property
    def person(self) -> Person | None:
        """Return the person behind the user."""
        return self.user.person if self.user else None

    @property
    def now(self) -> datetime:
        """Return the present instant."""
        return clock.now()

    @property
    def is_demo(self) -> bool:
        """Whether this is a demonstration."""
        return bool(settings.HOME.is_demo)

    @property
    def post(self) -> str:
        """Return the reader's post."""
        return self.person.post if self.person else ""

    @property
    def unit(self) -> str:
        """Return the name of the reader's unit, empty for the bureau itself."""
        return self.person.unit.name if self.person and self.person.unit.parent_id else ""

    @property
    def bureau(self) -> str:
        """Return the bureau's name as the settings file has it."""
        return str(settings.HOME.get("bureau", "name", ""))

    @cached_property
    def todos(self) -> int:
        """Return how many cases wait for the reader."""
        return _TODOS.count(person_id=self.person.pk) if self.person else 0

    @cached_property
    def unread(self) -> int:
        """Return how many notices the reader has not seen."""
        return _UNREAD.count(person=self.person.pk) if self.person else 0

    @property
    def leave(self) -> str:
        """Return the address that ends the session."""
        return reverse("account_logout")

    @property
    def menu(self) -> SafeString:
        """Return the links that make sense for this reader."""
        if self.user is None:
            return SafeString()
        groups = _groups(self.user.administrator)
        chosen = self.request.GET.get("list", "todo")
        here = next((entry.place for group in groups for entry in group.entries if entry.holds(self.request.path, chosen)), "")
        return _menu(get_language() or "", self.user.administrator, here, self.todos, self.unread)

    @property
    def help(self) -> SafeString:
        """Return the list of keys."""
        return _help(get_language() or "")


_TODOS = Prepared(queries.todos, person_id=int)
_UNREAD = Prepared(lambda person: notices.inbox(person).filter(read_at=None), person=int)


def _groups(administrator: str) -> tuple[Group, ...]:
    if not administrator:
        return _NAV
    return (*_NAV, _AUDITING if administrator == Administrator.AUDITOR else _MANAGING)


# Hardly anything of the frame differs from page to page: it is written once for each way it can look.
@lru_cache(maxsize=1000)
def _menu(language: str, administrator: str, here: str, todos: int, unread: int) -> SafeString:  # noqa: ARG001  # the language decides the words
    context = {"groups": _groups(administrator), "here": here, "counts": {"todo": todos, "inbox": unread}}
    return SafeString(render_to_string("nav.html", context))


@lru_cache(maxsize=10)
def _help(language: str) -> SafeString:  # noqa: ARG001  # the language decides the words
    return SafeString(render_to_string("help.html"))


def shell(request: HttpRequest) -> dict[str, Shell]:
    """Give templates the frame (context processor)."""
    return {"shell": Shell(request)}
