"""What surrounds every page: who is logged in, where they stand, what waits for them, where they may go."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from anzhang import clock
from anzhang.casework import notices, queries
from anzhang.directory.models import Person, User
from anzhang.directory.prepared import Prepared
from anzhang.permissions import Administrator


@dataclass(frozen=True)
class Entry:
    """One link of the nav. `place` is what the keyboard shortcut finds it by."""

    title: str
    href: str
    place: str
    current: bool
    count: int = 0
    quiet: bool = False


# Places that belong to an entry without lying under its address.
KIN = {
    "board": ("/articles/",),
    "directives": ("/inspections/", "/decisions/"),
    "own_unit": ("/units/",),
    "regulation": ("/law/", "/interpretations/"),
}


@dataclass(frozen=True)
class Group:
    """Links under one heading."""

    title: str
    entries: tuple[Entry, ...]


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
    def nav(self) -> Iterator[Group]:
        """Return the links that make sense for this reader."""
        if self.user is None:
            return
        yield _group("", (self._entry(_("工作台"), "home"), self._entry(_("通知"), "inbox", count=self.unread)))
        yield _group(
            _("办理"),
            (
                self._entry(_("待办"), "cases", "todo", "?list=todo", self.todos),
                self._entry(_("已办"), "cases", "done", "?list=done"),
                self._entry(_("全部事项"), "cases", "cases", "?list=all"),
                self._entry(_("提出事项"), "case_new", "new"),
            ),
        )
        yield _group(
            _("核对"),
            (
                self._entry(_("核对问题"), "findings"),
                self._entry(_("条款落实"), "board"),
                self._entry(_("日志检索"), "search"),
                self._entry(_("日志源"), "sources"),
                self._entry(_("存证"), "ledger"),
            ),
        )
        yield _group(
            _("组织"),
            (self._entry(_("本单位"), "own_unit"), self._entry(_("部署与检查"), "directives"), self._entry(_("责任书"), "statements")),
        )
        yield _group(_("登记"), (self._entry(_("台账目录"), "registers"), self._entry(_("办法与依据"), "regulation")))
        if self.user.administrator:
            title = _("审计") if self.user.administrator == Administrator.AUDITOR else _("系统管理")
            yield _group(_("管理"), (self._entry(title, "administration"),))

    def _entry(self, title: str, name: str, place: str = "", query: str = "", count: int = 0) -> Entry:
        href = reverse(name)
        path = self.request.path
        if name == "cases":
            current = path == href and self.request.GET.get("list", "todo") == query.rpartition("=")[2]
        elif name == "case_new":
            current = path.startswith(href)
        elif name in KIN:
            current = path.startswith((href, *KIN[name]))
        else:
            current = path == href if href == "/" else path.startswith(href)
        return Entry(title, href + query, place or name, current, count)


_TODOS = Prepared(queries.todos, person_id=int)
_UNREAD = Prepared(lambda person: notices.inbox(person).filter(read_at=None), person=int)


def _group(title: str, entries: tuple[Entry, ...]) -> Group:
    return Group(title, entries)


def shell(request: HttpRequest) -> dict[str, Shell]:
    """Give templates the frame (context processor)."""
    return {"shell": Shell(request)}
