"""Routes as data: who decides what, in which order, how many must agree, by when, and what happens then.

A catalog's `routes.toml` holds an array of `[[route]]` tables; each becomes a frozen `Route`. A case keeps the table it
was filed under (`Case.rules`), so a later change of the file never touches a case on its way. Roles are a closed set of
names, `role` or `role@where`, resolved by `eligibility`; nothing in a route is ever evaluated as code.

Steps of kind `decide` come first; when the last of them has passed, the approval is granted and the route's effect runs.
Steps of kind `receive` follow: somebody takes the granted matter on file (备案) and may send papers back, not refuse.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from anzhang.casework import parameters

ROLE_NAMES = {
    "unit_head": _("单位负责人"),
    "super_head": _("上级单位负责人"),
    "security_officer": _("信息安全管理人员"),
    "system_manager": _("系统管理人员"),
    "office": _("领导小组办公室人员"),
    "auditor": _("审计管理员"),
    "leading_group": _("领导小组成员"),
    "staff": _("本单位人员"),
    "room_keeper": _("机房专管员"),
}
ROLES = frozenset(ROLE_NAMES)
WHERES = frozenset({"applicant", "managing", "room"})
BUREAU_ROLES = frozenset({"office", "leading_group", "auditor"})  # one of each in the bureau: they take no `@where`
KINDS = frozenset({
    "text", "long_text", "date", "number", "choice", "person", "unit", "system", "parameter", "case", "approval", "finding", "route",
    "rule", "rules", "scan", "instant", "room", "device", "release", "environment", "zone", "legal_basis", "link",
    "interconnection", "project",
})  # fmt: skip
PSEUDO_FIELDS = frozenset({"unit_kind", "approval_authority"})  # what a condition may read besides the form: `conditions.fact`
AUTHORITIES = frozenset({"leading_group", "office", "managing_unit", "unit_head"})


class RouteError(Exception):
    """A route is wrong; the message names file, route, key and why."""


class StepKind(StrEnum):
    """What the people of a step do."""

    DECIDE = "decide"
    RECEIVE = "receive"


class Need(StrEnum):
    """How many must agree; a whole number stands for "at least k"."""

    ONE = "one"
    ALL = "all"
    MAJORITY = "majority"


@dataclass(frozen=True)
class Text:
    """A label in the platform's languages; `str()` gives the one of the moment."""

    zh: str
    en: str

    def __str__(self) -> str:
        return self.en if (get_language() or "zh").startswith("en") else self.zh


@dataclass(frozen=True)
class Field:
    """One field of a route's form. `kind` is one of `KINDS`; people, units, systems, parameters and cases are given by code or number."""

    name: str
    label: Text
    kind: str
    required: bool
    choices: tuple[tuple[str, Text], ...]
    hint: Text | None
    max_length: int


@dataclass(frozen=True)
class Condition:
    """One comparison of a closed set: a field of the form is one of `any_of`, is at least `at_least`, or is given at all.

    `field` may also be one of `PSEUDO_FIELDS`. Nothing here is an expression: whoever edits a route writes no code.
    """

    field: str
    any_of: tuple[str, ...] = ()
    at_least: int | None = None
    given: bool = False

    def holds(self, value: Any) -> bool:
        """Whether the condition holds for the value of its field."""
        if self.any_of:
            return str(value) in self.any_of
        if self.at_least is not None:
            return isinstance(value, int) and value >= self.at_least
        return value not in (None, "")


@dataclass(frozen=True)
class Step:
    """One step: `who` may act, `need` of them must agree, within `days` working days.

    `need` is one, all, majority, or a whole number k; `minimum` is the smallest number of distinct people that may ever carry
    it (default: k; for all, one per entry of `who`; for majority, 2). `otherwise` stands in for `who` when the applicant
    alone would have decided: a unit head's own request goes to the head of the unit above. `stand_in` is the step that takes
    this one's place where there is no such seat, as for the head of the whole bureau (`stand_ins`). A step with `when` takes part
    only in cases for which every condition holds.
    """

    key: str
    title: Text
    kind: StepKind
    who: tuple[str, ...]
    otherwise: tuple[str, ...]
    need: Need | int
    minimum: int
    days: int
    effect: str
    when: tuple[Condition, ...] = ()
    stand_in: Step | None = None

    @property
    def is_body(self) -> bool:
        """Whether the step is voted on: its members are frozen when it opens."""
        return self.need is Need.MAJORITY or isinstance(self.need, int)


@dataclass(frozen=True)
class Route:
    """A way that a request takes; `source` is the table it was read from and what a case freezes.

    `emergency` are the conditions under which one may act first and be regularized afterwards (补批); None: never.
    """

    key: str
    title: Text
    articles: tuple[int, ...]
    authority: str
    filers: tuple[str, ...]
    effect: str
    valid_days: int | None
    fields: tuple[Field, ...]
    steps: tuple[Step, ...]
    source: Mapping[str, Any]
    emergency: tuple[Condition, ...] | None = None

    @property
    def deciding(self) -> int:
        """Return how many steps decide; the approval is granted when they have passed."""
        return sum(step.kind is StepKind.DECIDE for step in self.steps)

    @property
    def days(self) -> int:
        """Return the working days of all steps together."""
        return sum(step.days for step in self.steps)


def load(file: Path) -> dict[str, Route]:
    """Return the routes of a catalog by key, in the order of the file. Raises RouteError."""
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RouteError(f"{file}: {error}") from error
    rows = tables.get("route")
    if set(tables) != {"route"} or not isinstance(rows, list):
        raise RouteError(f"{file}: expected [[route]] tables only, found {', '.join(sorted(tables)) or 'nothing'}")
    routes: dict[str, Route] = {}
    for row in rows:
        route = parse(row, str(file))
        if route.key in routes:
            raise RouteError(f"{file}: route {route.key}: key: declared twice")
        routes[route.key] = route
    return routes


@cache
def current() -> Mapping[str, Route]:
    """Return the routes of the installation's catalog."""
    return load(parameters.folder() / "routes.toml")


def parse(row: Mapping[str, Any], file: str = "case") -> Route:
    """Return one route of a table. Raises RouteError."""
    table = _Table(row, f"{file}: route {row.get('key', '?') if isinstance(row, Mapping) else '?'}")
    route = Route(
        key=table.text("key"),
        title=table.label("title"),
        articles=tuple(table.of("articles", list, [])),
        authority=table.one_of("authority", AUTHORITIES),
        filers=table.roles("filers", ["staff@applicant"]),
        effect=table.of("effect", str, ""),
        valid_days=table.of("valid_days", int, 0) or None,
        fields=tuple(_field(each) for each in table.tables("field")),
        steps=tuple(_step(each) for each in table.tables("step")),
        source=row,
        emergency=_conditions(table, "emergency") if "emergency" in table.row else None,
    )
    table.close()
    _check(route, table)
    return route


def _field(table: _Table) -> Field:
    kind = table.one_of("kind", KINDS)
    choices = table.of("choices", dict, {})
    if (kind == "choice") != bool(choices):
        table.fail("choices", "a field of kind choice names its choices, another kind has none")
    field = Field(
        name=table.text("name"),
        label=table.label("label"),
        kind=kind,
        required=table.of("required", bool, True),
        choices=tuple((value, table.as_label("choices", label)) for value, label in choices.items()),
        hint=table.label("hint") if "hint" in table.row else None,
        max_length=table.of("max_length", int, 2000 if kind == "long_text" else 200),
    )
    table.close()
    return field


def _step(table: _Table) -> Step:
    need = _need(table)
    who, otherwise = table.roles("who"), table.roles("otherwise", [])
    if otherwise and need is not Need.ONE:
        table.fail("otherwise", "only a step that needs one may have stand-ins")
    least = need if isinstance(need, int) else {Need.ONE: 1, Need.ALL: len(who), Need.MAJORITY: 2}[need]
    minimum = table.of("minimum", int, least)
    if minimum < 1 or (isinstance(need, int) and minimum != need):
        table.fail("minimum", "must be 1 or more, and is k itself where need is k")
    kind = StepKind(table.one_of("kind", frozenset(StepKind), "decide"))
    if kind is StepKind.RECEIVE and need is not Need.ONE:
        table.fail("need", "a step that receives needs one")
    days = table.of("days", int)
    if not 1 <= days <= 250:
        table.fail("days", "must be 1 to 250 working days")
    step = Step(
        key=table.text("key"), title=table.label("title"), kind=kind, who=who, otherwise=otherwise, need=need,
        minimum=minimum, days=days, effect=table.of("effect", str, ""), when=_conditions(table, "when"), stand_in=_stand_in(table),
    )  # fmt: skip
    table.close()
    if step.stand_in and (kind is StepKind.RECEIVE or need is not Need.ONE):
        table.fail("stand_in", "only a deciding step that needs one may have a stand-in")
    if step.effect and kind is StepKind.DECIDE:
        table.fail("effect", "a deciding step has none: the route's effect runs when all have passed")
    return step


def _stand_in(table: _Table) -> Step | None:
    """Return the step that takes a step's place: its own title, people, quorum and days; all else is the step's."""
    if "stand_in" not in table.row:
        return None
    own = table.of("stand_in", dict)
    strange = sorted(set(own) - {"title", "who", "need", "minimum", "days"})
    if strange:
        table.fail("stand_in", f"{strange[0]}: unknown key")
    place = f"{table.place}: stand_in"
    return _step(_Table({"key": table.row.get("key"), "title": table.row.get("title"), "days": table.row.get("days"), **own}, place))


def _conditions(table: _Table, key: str) -> tuple[Condition, ...]:
    found = []
    for row in table.tables(key):
        condition = Condition(
            field=row.text("field"),
            any_of=tuple(str(value) for value in row.of("any_of", list, [])),
            at_least=row.of("at_least", int) if "at_least" in row.row else None,
            given=row.of("given", bool, False),
        )
        row.close()
        if sum((bool(condition.any_of), condition.at_least is not None, condition.given)) != 1:
            row.fail("field", "a condition has exactly one of any_of, at_least and given = true")
        found.append(condition)
    return tuple(found)


def _need(table: _Table) -> Need | int:
    value = table.row.get("need", "one")
    table.seen.add("need")
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    if value in {each.value for each in Need}:
        return Need(value)
    raise RouteError(f"{table.place}: need: must be one, all, majority or a whole number, not {value!r}")


def _check(route: Route, table: _Table) -> None:
    if not route.steps:
        table.fail("step", "a route has at least one step")
    kinds = [step.kind for step in route.steps]
    if kinds[0] is StepKind.RECEIVE or kinds != sorted(kinds, key=lambda kind: kind is StepKind.RECEIVE):
        table.fail("step", "deciding steps come first, receiving steps after them")
    if all(step.when for step in route.steps if step.kind is StepKind.DECIDE):
        table.fail("step", "at least one deciding step takes part whatever the form says")
    fields = {field.name for field in route.fields} | PSEUDO_FIELDS
    for condition in (*(each for step in route.steps for each in step.when), *(route.emergency or ())):
        if condition.field not in fields:
            table.fail("when", f"{condition.field!r} is no field of the form; also allowed: {', '.join(sorted(PSEUDO_FIELDS))}")
    for key, names in (("step", [step.key for step in route.steps]), ("field", [field.name for field in route.fields])):
        if len(set(names)) != len(names):
            table.fail(key, "the same name twice")


class _Table:
    """Reads one TOML table key by key and complains with the place."""

    def __init__(self, row: Any, place: str) -> None:
        self.place = place
        if not isinstance(row, Mapping):
            raise RouteError(f"{place}: expected a table, not {type(row).__name__}")
        self.row = row
        self.seen: set[str] = set()

    def fail(self, key: str, why: str) -> Any:
        """Raise RouteError for a key."""
        raise RouteError(f"{self.place}: {key}: {why}")

    def of(self, key: str, kind: type, default: Any = None) -> Any:
        """Return a value of a type; without default the key is required."""
        self.seen.add(key)
        value = self.row.get(key, default)
        if value is None:
            self.fail(key, "is missing")
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            self.fail(key, f"must be {kind.__name__}, not {type(value).__name__}")
        return value

    def text(self, key: str) -> str:
        """Return a required, non-empty string."""
        value: str = self.of(key, str)
        return value if value.strip() else self.fail(key, "is empty")

    def one_of(self, key: str, allowed: frozenset[Any], default: str | None = None) -> str:
        """Return a string of a closed set."""
        value: str = self.of(key, str, default)
        return value if value in allowed else self.fail(key, f"{value!r} is not one of {', '.join(sorted(allowed))}")

    def label(self, key: str) -> Text:
        """Return a label with both languages."""
        return self.as_label(key, self.of(key, dict))

    def as_label(self, key: str, value: Any) -> Text:
        """Return a label of a `{ zh, en }` table."""
        if not isinstance(value, Mapping) or set(value) != {"zh", "en"} or not all(isinstance(v, str) and v for v in value.values()):
            self.fail(key, "must be { zh = ..., en = ... }")
        return Text(value["zh"], value["en"])

    def roles(self, key: str, default: list[str] | None = None) -> tuple[str, ...]:
        """Return role expressions of the closed set."""
        values = self.of(key, list, default)
        if not values and default is None:
            self.fail(key, "names nobody")
        for value in values:
            role, at, where = str(value).partition("@")
            if role not in ROLES or (at and where not in WHERES) or bool(at) == (role in BUREAU_ROLES):
                self.fail(key, f"{value!r} is not a role: write role@where, role one of {', '.join(sorted(ROLES - BUREAU_ROLES))}, "
                          f"where one of {', '.join(sorted(WHERES))}; or {' or '.join(sorted(BUREAU_ROLES))} alone")  # fmt: skip
        return tuple(values)

    def tables(self, key: str) -> list[_Table]:
        """Return the tables of an array, each knowing its place."""
        rows = self.of(key, list, [])
        names = [row.get("key") or row.get("name") or "?" if isinstance(row, Mapping) else "?" for row in rows]
        return [_Table(row, f"{self.place}: {key} {name}") for row, name in zip(rows, names, strict=True)]

    def close(self) -> None:
        """Complain about keys that nobody read."""
        unknown = sorted(set(self.row) - self.seen)
        if unknown:
            self.fail(unknown[0], "unknown key")
