"""The list of a register: the query in the address, the rows it selects, one page of them.

The page, the export and the API read the same query. Rows are fetched in two steps: first the keys of the page, which
walks an index even at row 97,000, then those rows with their relations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django.db.models import ForeignKey, JSONField, Model, Q, QuerySet
from django.utils.translation import gettext as _

from anzhang.registers import text_index
from anzhang.registers.declaration import Register
from anzhang.registers.filters import KNOWN_AT, VALID_AT, instants
from anzhang.registers.rights import Sight

SIZES = (25, 50, 100)
DEFAULT_SIZE = 50
LONGEST_SEARCH = 100
LAST_PAGE = 1_000_000
COUNTED = 1000  # a search is counted so far past the page shown: one read has to do, also where no index narrows it


class BadQueryError(Exception):
    """A parameter of the address is not one of the register's; `name` says which."""

    def __init__(self, name: str, message: str) -> None:
        """Keep both parts."""
        super().__init__(message)
        self.name = name
        self.message = message


@dataclass(frozen=True)
class Query:
    """What the address asks for."""

    search: str = ""
    filters: Mapping[str, str] = field(default_factory=dict)
    sort: str = ""  # a column, `-` before it for descending; empty: the register's order
    page: int = 1
    size: int = DEFAULT_SIZE

    def address(self, **changes: Any) -> str:
        """Return the query string of this query with some parts replaced; page and size only when not the default."""
        parts = {"q": self.search, **self.filters, "sort": self.sort, "page": self.page, "size": self.size, **changes}
        defaults = {"page": 1, "size": DEFAULT_SIZE}
        return urlencode({key: value for key, value in parts.items() if value not in {"", None} and defaults.get(key) != value})


def parse(register: Register, given: Mapping[str, str]) -> Query:
    """Return the query that an address holds. Raises BadQueryError.

    Unknown parameters are left alone (a stale bookmark still opens); known ones must make sense.
    """
    search = given.get("q", "").strip()
    if len(search) > LONGEST_SEARCH or "\x00" in search:
        raise BadQueryError("q", _("检索词过长或含有非法字符"))
    filters = {
        each.name: given[each.name].strip() for each in (*register.filters, *instants(register.model)) if given.get(each.name, "").strip()
    }
    sort = given.get("sort", "")
    if sort and sort.removeprefix("-") not in sortable(register):
        raise BadQueryError("sort", _("不能按“%(name)s”排序") % {"name": sort[:40]})
    size = _number("size", given.get("size", ""), DEFAULT_SIZE)
    if size not in SIZES:
        raise BadQueryError("size", _("每页行数只能是 25、50 或 100"))
    return Query(search, filters, sort, _number("page", given.get("page", ""), 1), size)


def sortable(register: Register) -> frozenset[str]:
    """Return the columns that a list may be ordered by."""
    return frozenset(path for path in register.columns if not isinstance(register.field(path), JSONField))


def select(register: Register, query: Query, sight: Sight) -> QuerySet[Any]:
    """Return the rows that the query names and the reader sees, ordered. Raises BadQueryError."""
    rows = sight.rows(register)
    for name, value in query.filters.items():
        chosen = register.filter(name) or next((each for each in instants(register.model) if each.name == name), None)
        if chosen is None:
            continue
        try:
            rows = rows.filter(chosen.condition(value, sight.at))
        except (ValueError, OverflowError) as error:
            raise BadQueryError(name, _("筛选条件“%(label)s”没有取值“%(value)s”") % {"label": chosen.label, "value": value[:40]}) from error
    if VALID_AT in query.filters and KNOWN_AT not in query.filters:
        rows = rows.filter(superseded_at=None)  # what held then, as known now
    if query.search and register.search:
        found = Q()
        for path in register.search:
            found |= Q(**{f"{path}__holds": query.search})
        rows = text_index.narrow(rows.filter(found), register.search, query.search)
    return rows.order_by(*_order(register, query.sort))


@dataclass(frozen=True)
class Page:
    """One page of a list."""

    register: Register
    query: Query
    count: int
    keys: tuple[Any, ...]
    paths: tuple[str, ...]
    more: bool = False  # there are more rows than `count`

    @cached_property
    def rows(self) -> list[Model]:
        """Return the rows in order, with the relations that their columns show."""
        found = (
            self.register.model._default_manager.select_related(*self.register.relations(self.paths)).in_bulk(list(self.keys))
            if self.keys
            else {}
        )
        return [found[key] for key in self.keys if key in found]

    @property
    def pages(self) -> int:
        """Return the number of pages, at least one."""
        return max(1, -(-self.count // self.query.size))

    @property
    def first(self) -> int:
        """Return the number of the first row shown, from 1; 0 when there is none."""
        return (self.query.page - 1) * self.query.size + 1 if self.keys else 0

    @property
    def last(self) -> int:
        """Return the number of the last row shown."""
        return (self.query.page - 1) * self.query.size + len(self.keys) if self.keys else 0


def page(register: Register, query: Query, sight: Sight, paths: tuple[str, ...] = (), *, exact: bool = False) -> Page:
    """Return the page that the query names; past the end it is empty. `exact` counts a search to its end.

    Raises BadQueryError.
    """
    rows = select(register, query, sight)
    start = (query.page - 1) * query.size
    ahead = COUNTED if query.search and not exact else 0
    found = tuple(rows.values_list("pk", flat=True)[start : start + query.size + ahead])
    keys, shown = found[: query.size], paths or register.columns
    if ahead and found:
        more = len(found) == query.size + ahead
        return Page(register, query, start + len(found), keys, shown, more)
    # A short first page knows its own count; only longer lists ask for it.
    count = len(keys) if query.page == 1 and len(keys) < query.size else rows.order_by().count()
    return Page(register, query, count, keys, shown)


def _order(register: Register, sort: str) -> list[str]:
    if not sort:
        return [*register.order] if _is_unique(register, register.order) else [*register.order, "pk"]
    sign, path = ("-" if sort.startswith("-") else ""), sort.removeprefix("-")
    named = register.field(path)
    # A bare relation would be ordered by its model's own ordering, which joins and sorts; its key is what the index holds.
    column = f"{path}_id" if isinstance(named, ForeignKey) else path
    if named.unique:
        return [sign + column]
    # Equal values follow the register's own order where that is one column: the indexes that hold both serve filters too.
    own = register.order[0] if len(register.order) == 1 and _is_unique(register, register.order) else "pk"
    return [sign + column, sign + own.lstrip("-")]


def _is_unique(register: Register, order: tuple[str, ...]) -> bool:
    return any(path.lstrip("-") == "pk" or register.field(path.lstrip("-")).unique for path in order)


def _number(name: str, text: str, default: int) -> int:
    if not text:
        return default
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text[:8]) <= LAST_PAGE or len(text) > len(str(LAST_PAGE)):
        raise BadQueryError(name, _("“%(text)s”不是页码") % {"text": text[:20]})
    return int(text)
