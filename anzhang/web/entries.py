"""Which ledger entries a reader sees, narrowed by what the address asks for, one page at a time by index.

Administrators see every entry. Everybody else sees the entries of the objects in their scope: rows of registers through
`Sight`, cases and findings in which they have a part, and what they did themselves. Only the auditor, and whoever sees the
object itself, reads the payload: an administrator's work needs none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any
from urllib.parse import urlencode

from django.db.models import CharField, F, Model, Q, QuerySet
from django.db.models.functions import Cast, Coalesce
from django.utils.translation import gettext as _

from anzhang import clock
from anzhang.casework.models import Act, Approval, Notice
from anzhang.directory.prepared import Prepared, Value
from anzhang.events import Event
from anzhang.journal import sequencer
from anzhang.journal.models import Entry
from anzhang.permissions import Actor, Administrator, Via
from anzhang.registers.declaration import REGISTERS
from anzhang.registers.rights import Sight
from anzhang.web import cases, findings

PAGE_SIZE = 50
LONGEST = 128
PUBLIC = ("obligation", "regulation_version")  # what the whole bureau may know that it happened


class BadFilterError(Exception):
    """A filter of the address makes no sense; the message is shown."""


@dataclass(frozen=True)
class Filter:
    """What the address asks for; days are Beijing days, `until` included. `before` and `after` are indexes, not included."""

    act: str = ""
    actor: str = ""
    kind: str = ""
    key: str = ""
    since: str = ""
    until: str = ""
    before: int | None = None
    after: int | None = None

    def address(self, **changes: Any) -> str:
        """Return the address of the same filter with some parts replaced, from the newest entry unless told otherwise."""
        parts = {**vars(self), "before": None, "after": None, **changes}
        return "?" + urlencode({name: value for name, value in parts.items() if value not in {"", None}})

    @property
    def narrows(self) -> bool:
        """Whether anything but the place in the list is asked for."""
        return any((self.act, self.actor, self.kind, self.key, self.since, self.until))

    def condition(self) -> Q:
        """Return the condition, without the place in the list. Raises BadFilterError."""
        wanted = Q()
        if self.act:
            wanted &= Q(act=self.act)
        if self.actor:
            wanted &= Q(actor=self.actor if ":" in self.actor else f"user:{self.actor}")
        if self.kind:
            wanted &= Q(object_type=self.kind)
        if self.key:
            wanted &= Q(object_key=self.key)
        if self.since:
            wanted &= Q(walked_at__gte=clock.start_of(_day(self.since)))
        if self.until:
            wanted &= Q(walked_at__lt=clock.start_of(_day(self.until) + timedelta(days=1)))
        return wanted


def parse(given: Mapping[str, str]) -> Filter:
    """Return the filter of an address. Raises BadFilterError."""
    text = {name: given.get(name, "").strip() for name in ("act", "actor", "kind", "key", "since", "until")}
    if any(len(value) > LONGEST or "\x00" in value for value in text.values()):
        raise BadFilterError(_("筛选条件过长或含有非法字符"))
    if text["act"] and text["act"] not in list(Event):
        raise BadFilterError(_("没有这种行为：%s") % text["act"][:40])
    found = Filter(**text, before=_index(given.get("before", "")), after=_index(given.get("after", "")))
    found.condition()
    return found


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise BadFilterError(_("“%s”不是日期") % text[:20]) from None
    if not 2000 <= day.year <= 2999:  # far inside what databases hold
        raise BadFilterError(_("“%s”不是日期") % text[:20])
    return day


def _index(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 15):  # inside 64 bits
        raise BadFilterError(_("“%s”不是序号") % text[:20])
    return int(text)


@dataclass(frozen=True)
class Page:
    """One page of entries, the newest first."""

    rows: list[Entry]
    newer: bool
    older: bool


def page(sight: Sight, chosen: Filter) -> Page:
    """Return the page that the filter names; the list is walked by index, so its depth costs nothing."""
    sequencer.settle()
    rows = _walked(seen(sight)).filter(chosen.condition()).defer("leaf")
    if chosen.after is not None:
        found = list(rows.filter(index__gt=chosen.after).order_by("index")[: PAGE_SIZE + 1])
        return Page(found[:PAGE_SIZE][::-1], len(found) > PAGE_SIZE, older=True)
    if chosen.before is not None:
        rows = rows.filter(index__lt=chosen.before)
    found = list(rows.order_by("-index")[: PAGE_SIZE + 1])
    return Page(found[:PAGE_SIZE], chosen.before is not None, len(found) > PAGE_SIZE)


def seen(sight: Sight) -> QuerySet[Entry]:
    """Return the entries that a reader sees."""
    everything = Entry.objects.all()
    if sight.actor.administrator is not None:
        return everything
    actor = sight.actor
    values: dict[str, Value] = {"actor": actor.id, "user": actor.user_id or 0, "person": actor.person_id or 0, "unit": actor.unit_id or 0}
    if sight.path == "":  # nobody's unit: another shape, and rare
        return _walked(everything).filter(_scope(sight))
    if sight.path is None:
        return everything.filter(_WHOLE.condition(at=sight.at, **values))
    return everything.filter(_BELOW.condition(at=sight.at, path=sight.path.removesuffix("/"), **values))


def _scoped(actor: str, user: int, person: int, unit: int, at: datetime, path: str | None = None) -> QuerySet[Entry]:
    sight = Sight(Actor(actor, Via.BROWSER, user_id=user, person_id=person, unit_id=unit), at)
    vars(sight)["path"] = path if path is None else f"{path}/"  # known already
    return _walked(Entry.objects.all()).filter(_scope(sight))


# Some twenty subqueries, a register each: to write them costs ten times what the database needs for a page.
_KINDS: dict[str, type[Value]] = {"actor": str, "user": int, "person": int, "unit": int, "at": datetime}
_WHOLE, _BELOW = Prepared(_scoped, **_KINDS), Prepared(_scoped, **_KINDS, path=str)


def _walked(rows: QuerySet[Entry]) -> QuerySet[Entry]:
    """Give the columns of wide conditions names that no index has.

    The list is walked in the order of the primary key until a page is full. Planners would rather collect everything that
    an index of the condition finds and sort it: at 100,000 entries that takes half a second, the walk some milliseconds.
    """
    columns = ("at", "object_type", "actor")
    return rows.alias(**{f"walked_{name}": Coalesce(F(name), F(name)) for name in columns})


def _scope(sight: Sight) -> Q:
    whole = [*PUBLIC, *(register.id for register in REGISTERS.values() if sight.path is None or not register.scope)]
    whole += ["case", "act"] if sight.path is None else []
    parts = [Q(walked_object_type__in=sorted(whole)), Q(walked_actor=sight.actor.id)]
    if sight.actor.user_id is not None:
        parts.append(Q(walked_object_type__in=["user", "second_factor"], object_key=str(sight.actor.user_id)))
    for kind, rows in _objects(sight).items():
        if kind not in whole:
            keys = rows.order_by().annotate(key_text=Cast("pk", CharField())).values("key_text")
            parts.append(Q(walked_object_type=kind, object_key__in=keys))
    return reduce(or_, parts)


def _objects(sight: Sight) -> dict[str, QuerySet[Any]]:
    """Return the objects that a reader sees, by type: rows of registers in scope, and those of cases they have a part in."""
    rows: dict[str, QuerySet[Any]] = {register.id: sight.rows(register) for register in REGISTERS.values()}
    rows["finding"] = findings.seen(sight)
    rows["case"] = cases.seen(sight)
    if sight.path is None:
        rows["act"] = Act.objects.all()
    else:
        of_cases = rows["case"].values("pk")
        rows["act"] = Act.objects.filter(case__in=of_cases)
        rows["approval"] = Approval.objects.filter(case__in=of_cases)
    rows["notice"] = Notice.objects.filter(person_id=sight.actor.person_id or 0)
    return rows


def object_of(sight: Sight, entry: Entry) -> Model | None:
    """Return the row that an entry is about when the reader sees it."""
    rows = _objects(sight).get(entry.object_type)
    if rows is None or not entry.object_key.isdigit():
        return None
    found: Model | None = rows.filter(pk=entry.object_key).first()
    return found


def reads_payload(sight: Sight, about: Model | None) -> bool:
    """Whether the reader may read what an entry commits to."""
    administrator = sight.actor.administrator
    return administrator is Administrator.AUDITOR or (administrator is None and about is not None)


def age(since: datetime, now: datetime) -> tuple[int, int]:
    """Return whole days and the hours beyond them."""
    hours = max(0, int((now - since) / timedelta(hours=1)))
    return divmod(hours, 24)
