"""Named checks, gates, procedures and pages: `@check("officer_in_post")`. The catalog binds obligations to the names.

A name belongs to one callable; binding twice, or to a name that nothing carries, is an error that says where.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from anzhang.regulation.verdicts import Outcome

F = TypeVar("F", bound=Callable[..., Any])
S = TypeVar("S")


class BindingError(Exception):
    """A name is bound twice or bound to nothing."""


@dataclass(frozen=True)
class Context:
    """What a check may read: the instant, the catalog's parameters in force, the vault reader.

    `parameters[name]` is the value in force (signed interpretation, else the catalog's default).
    `vault` is an `anzhang.engines.vault.Vault` or None where no vault stands. `tables` keeps what rules read of registers from one check to
    the next (`casework.rule_runs.tables.Tables`); None: each reads anew. `anew`: nothing that was derived of events before is believed.
    """

    at: datetime
    parameters: Mapping[str, Any]
    vault: Any = None
    tables: Any = None
    anew: bool = False
    runs: list[Any] = field(default_factory=list)
    memo: dict[Any, Any] = field(default_factory=dict)

    def shared(self, key: Any, make: Callable[[], S]) -> S:
        """Return what one check of this run has made under a key, for the others to read and not to change; make it where none has."""
        if key not in self.memo:
            self.memo[key] = make()
        found: S = self.memo[key]
        return found


Check = Callable[[Context], Outcome]

CHECKS: dict[str, Check] = {}
GATES: dict[str, Callable[..., Any]] = {}
PROCEDURES: dict[str, Callable[..., Any]] = {}
PAGES: dict[str, Callable[..., Any]] = {}


def _register(kind: str, table: dict[str, Any], name: str) -> Callable[[F], F]:
    def bind(function: F) -> F:
        before = table.get(name)
        if before is not None and (before.__module__, before.__qualname__) != (function.__module__, function.__qualname__):
            msg = f"{kind} {name!r} is bound to {before.__module__}.{before.__qualname__} and {function.__module__}.{function.__qualname__}"
            raise BindingError(msg)
        table[name] = function
        return function

    return bind


def check(name: str) -> Callable[[Check], Check]:
    """Name a check: a read-only function of a Context that returns an Outcome."""
    return _register("check", CHECKS, name)


def gate(name: str) -> Callable[[F], F]:
    """Name a gate: a function that decides at the moment of the act."""
    return _register("gate", GATES, name)


def procedure(name: str) -> Callable[[F], F]:
    """Name a procedure: the only writer of its models."""
    return _register("procedure", PROCEDURES, name)


def page(name: str, *, articles: tuple[int, ...] = (), nouns: tuple[str, ...] = ()) -> Callable[[F], F]:
    """Name a page view and what it serves: obligations that read one of the registers or streams `nouns`, in any catalog.

    `articles` are numbers of the reference regulation, for a page whose nouns would say too little or too much.
    """

    def bind(function: F) -> F:
        function.articles, function.nouns = articles, frozenset(nouns)  # type: ignore[attr-defined]
        return _register("page", PAGES, name)(function)

    return bind
