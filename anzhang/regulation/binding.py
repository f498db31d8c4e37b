"""Load every module whose decorators fill the tables of `checks`."""

from __future__ import annotations

import importlib
import pkgutil
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
NOT_BINDING = frozenset({"views", "models"})  # pages belong to the web face; models are loaded by Django


def load_bindings() -> None:
    """Import every module of every chapter: a chapter may keep a verb in a file of its own."""
    for chapter in ("directory", *CHAPTERS):
        package = importlib.import_module(f"anzhang.{chapter}")
        for module in pkgutil.iter_modules(package.__path__):
            if module.name not in NOT_BINDING:
                importlib.import_module(f"{package.__name__}.{module.name}")


def unbound(catalog: Catalog) -> Iterator[BindingError]:
    """Yield every check and procedure that a catalog names and nothing carries."""
    for obligation in catalog.obligations:
        if obligation.check and obligation.check not in CHECKS:
            yield BindingError(f"obligations.toml: {obligation.id}: check: nothing carries the name {obligation.check!r}")
        for name in obligation.procedures:
            if name not in PROCEDURES:
                yield BindingError(f"obligations.toml: {obligation.id}: procedures: nothing carries the name {name!r}")
