"""Load every module whose decorators fill the tables of `checks`."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator

from anzhang.regulation.catalog import Catalog
from anzhang.regulation.checks import CHECKS, PROCEDURES, BindingError

CHAPTERS = (
    "casework",
    "organization",
    "network",
    "rooms",
    "systems",
    "data",
    "endpoints",
    "media",
    "thirdparty",
    "emergency",
    "assessment",
    "monitoring",
    "accountability",
)
FILES = ("procedures", "obligations", "registers")


def load_bindings() -> None:
    """Import `procedures`, `obligations` and `registers` of every chapter that has them."""
    for chapter in ("directory", *CHAPTERS):
        for file in FILES:
            name = f"anzhang.{chapter}.{file}"
            if importlib.util.find_spec(name) is not None:
                importlib.import_module(name)


def unbound(catalog: Catalog) -> Iterator[BindingError]:
    """Yield every check and procedure that a catalog names and nothing carries."""
    for obligation in catalog.obligations:
        if obligation.check and obligation.check not in CHECKS:
            yield BindingError(f"obligations.toml: {obligation.id}: check: nothing carries the name {obligation.check!r}")
        for name in obligation.procedures:
            if name not in PROCEDURES:
                yield BindingError(f"obligations.toml: {obligation.id}: procedures: nothing carries the name {name!r}")
