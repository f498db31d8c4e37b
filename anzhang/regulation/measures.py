"""Protection measures by level, as a catalog proposes them (`measures.toml`); a catalog without the file proposes none (Art. 8)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from anzhang.regulation import reading
from anzhang.regulation.catalog import Text
from anzhang.regulation.reading import CatalogError

FILE = "measures.toml"
FAMILIES = frozenset({
    "physical", "network", "boundary", "computing", "center", "policy", "organization", "staff", "construction", "operation",
})  # fmt: skip
LONGEST_KEY = 32


@dataclass(frozen=True)
class Measure:
    """One measure: the code of its requirement, its family, and from which level on it is required."""

    key: str
    family: str
    level: int
    name: Text


def load(place: Path) -> tuple[Measure, ...]:
    """Return the measures of a catalog's folder in the order of the file. Raises CatalogError naming what is wrong."""
    if not (place / FILE).exists():
        return ()
    found: dict[str, Measure] = {}
    for row in reading.get(reading.toml(place, FILE), FILE, "", "measure", list):
        key = str(row.get("key", "(no key)"))
        if strange := set(row) - {"key", "family", "level", "zh", "en"}:
            raise CatalogError(FILE, key, min(strange), "is not a key of a measure")
        family, level = reading.get(row, FILE, key, "family", str), reading.get(row, FILE, key, "level", int)
        if family not in FAMILIES:
            raise CatalogError(FILE, key, "family", f"{family!r} is none of {', '.join(sorted(FAMILIES))}")
        if not 1 <= level <= 5:
            raise CatalogError(FILE, key, "level", "must be 1 to 5")
        if key in found or not 0 < len(key) <= LONGEST_KEY:
            raise CatalogError(FILE, key, "key", f"must be different from the others and at most {LONGEST_KEY} letters")
        name = Text(reading.get(row, FILE, key, "zh", str), reading.get(row, FILE, key, "en", str))
        found[key] = Measure(key, family, level, name)
    return tuple(found.values())
