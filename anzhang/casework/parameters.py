"""The catalog of this installation and the values of its parameters in force: signed interpretations over defaults (Art. 35)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings

from anzhang.casework.models import Interpretation
from anzhang.regulation import catalog as catalogs
from anzhang.regulation.catalog import Catalog, Parameter
from anzhang.regulation.parameters import PLATFORM, Values


@cache
def catalog() -> Catalog:
    """Return the catalog that the installation runs (`bureau.catalog` of its settings). Raises CatalogError."""
    return catalogs.load(folder())


def folder() -> Path:
    """Return the folder of the installation's catalog."""
    return catalogs.folder(settings.HOME.get("bureau", "catalog", catalogs.DEFAULT), settings.HOME.path)


def articles_of(register: str, mainly: Iterable[int] = (), *, at_most: int = 3) -> tuple[int, ...]:
    """Return the articles that a register serves in this catalog: of those that read it the ones named `mainly`, else the first few."""
    reading = catalog().articles_reading(register)
    return tuple(number for number in mainly if number in reading) or reading[:at_most]


def values(at: datetime) -> Values:
    """Return the value of every parameter at an instant, and which open words run on an unsigned default; one query."""
    return overlaid(catalog(), signed(at))


def signed(at: datetime) -> dict[str, Any]:
    """Return the values signed by the Office that are in force, by parameter; the latest where two overlap."""
    rows = Interpretation.objects.filter(Interpretation.in_force(at)).order_by("valid_from", "pk")
    return dict(rows.values_list("parameter", "value"))


def overlaid(rules: Catalog, signed_values: dict[str, Any]) -> Values:
    """Return the defaults of a catalog with signed values laid over its open words."""
    openings = {name for name, parameter in rules.parameters.items() if parameter.is_open}
    known = {name: value for name, value in signed_values.items() if name in openings}
    defaults = {**PLATFORM, **{name: parameter.default for name, parameter in rules.parameters.items()}}
    return Values(defaults | known, frozenset(openings - set(known)))


def mismatch(parameter: Parameter, value: Any) -> str:
    """Return what is wrong with a value for a parameter, empty when it fits: same kind as the default, numbers not negative."""
    if not parameter.is_open:
        return "the text fixes it"
    default = parameter.default
    if isinstance(default, int | float):
        fits = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
        return "" if fits else "must be a number, zero or more"
    if not isinstance(value, type(default)):
        return f"must be of type {type(default).__name__}"
    if isinstance(default, dict) and set(value) != set(default):
        return f"must have the keys {', '.join(sorted(default))}"
    return ""
