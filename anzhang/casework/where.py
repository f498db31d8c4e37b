"""What enforces an article: obligations, checks, gates, procedures, pages and tests, each with its place in the source."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from anzhang.casework import parameters
from anzhang.registers.declaration import REGISTERS
from anzhang.regulation.catalog import DEFAULT, Obligation
from anzhang.regulation.checks import CHECKS, GATES, PAGES, PROCEDURES

ROOT = Path(__file__).resolve().parents[2]


class NothingThereError(Exception):
    """Neither an article nor an obligation of the catalog."""


@dataclass(frozen=True)
class Place:
    """A name and where it stands: `file:line` relative to the source tree, or the address of a page; empty while nothing stands."""

    name: str
    place: str


@dataclass(frozen=True)
class Enforcement:
    """What stands behind one obligation."""

    obligation: str
    title: str
    check: Place | None
    gate: Place | None
    procedures: list[Place]
    pages: list[Place]
    tests: list[str]


def where(what: str) -> list[Enforcement]:
    """Return what enforces an article (`5`) or an obligation (`A05.3`). Raises NothingThereError."""
    catalog = parameters.catalog()
    if what in catalog.by_id:
        chosen: Iterable[Obligation] = [catalog.by_id[what]]
    elif what.isdecimal() and int(what) in catalog.by_article:
        chosen = catalog.by_article[int(what)]
    else:
        raise NothingThereError(f"no article or obligation {what!r} in the catalog; write a number such as 5 or an id such as A05.3")
    tests = _test_files()
    return [_enforcement(obligation, tests) for obligation in chosen]


def as_json(found: Iterable[Enforcement]) -> list[dict[str, Any]]:
    """Return it as plain values."""
    return [asdict(enforcement) for enforcement in found]


def _enforcement(obligation: Obligation, tests: dict[str, str]) -> Enforcement:
    check = Place(obligation.check, _source(CHECKS.get(obligation.check))) if obligation.check else None
    gate = Place(obligation.gate, _source(GATES.get(obligation.gate))) if obligation.gate else None
    procedures = [Place(name, _source(PROCEDURES.get(name))) for name in obligation.procedures]
    pages = [Place("article", f"/articles/{obligation.article}/")]
    pages += [Place("register", f"/registers/{name}/") for name in obligation.registers if name in REGISTERS]
    pages += [Place(name, _source(view)) for name, view in sorted(PAGES.items()) if _serves(view, obligation)]
    naming = [path for path, text in tests.items() if obligation.id in text]
    return Enforcement(obligation.id, obligation.title.zh, check, gate, procedures, pages, naming)


def _serves(view: Callable[..., Any], obligation: Obligation) -> bool:
    if obligation.nouns & getattr(view, "nouns", frozenset()):
        return True
    return parameters.catalog().name == DEFAULT and obligation.article in getattr(view, "articles", ())


def _source(function: Callable[..., Any] | None) -> str:
    """Return `file:line` of a function, of the rule file for a rule; empty for None."""
    if function is None:
        return ""
    if rule := getattr(function, "rule", None):
        return _relative(rule.path) + ":1"
    plain = inspect.unwrap(function)
    return f"{_relative(Path(inspect.getsourcefile(plain) or ''))}:{inspect.getsourcelines(plain)[1]}"


def _relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.as_posix()


def _test_files() -> dict[str, str]:
    """Return the tests of the source tree by path; none in an installed package."""
    return {_relative(path): path.read_text(encoding="utf-8") for path in sorted((ROOT / "tests").rglob("test_*.py"))}
