"""Load every module whose decorators fill the tables of `checks`."""

from __future__ import annotations

import importlib
import importlib.util

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
