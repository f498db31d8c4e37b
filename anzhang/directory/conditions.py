"""Decide a model's constraints in Python, without a question to the database per row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q

_LOOKUPS: dict[str, Callable[[Any, Any], bool]] = {
    "exact": lambda a, b: bool(a == b),
    "gte": lambda a, b: bool(a >= b),
    "gt": lambda a, b: bool(a > b),
    "lte": lambda a, b: bool(a <= b),
    "lt": lambda a, b: bool(a < b),
    "in": lambda a, b: a in b,
    "range": lambda a, b: bool(b[0] <= a <= b[1]),
}


class UnknownConditionError(Exception):
    """A condition is not one that is decided here; the database is asked instead."""


def satisfied(constraint: models.CheckConstraint, row: Any) -> bool:
    """Whether a row keeps a constraint; the database is asked where its condition is not decided here."""
    try:
        return holds(constraint.condition, row) is not False
    except (UnknownConditionError, AttributeError):
        try:
            constraint.validate(type(row), row)
        except ValidationError:
            return False
        return True


def holds(condition: Any, row: Any) -> bool | None:
    """Return whether a condition holds, None when SQL would say NULL (which a check constraint lets pass).

    Raises UnknownConditionError, AttributeError where it is not decided here.
    """
    if not isinstance(condition, Q):
        raise UnknownConditionError(condition)
    parts = [holds(each, row) if isinstance(each, Q) else _leaf(each, row) for each in condition.children]
    if condition.connector == Q.OR:
        value = True if True in parts else None if None in parts else False
    elif condition.connector == Q.AND:
        value = False if False in parts else None if None in parts else True
    else:
        raise UnknownConditionError(condition)
    return value if value is None or not condition.negated else not value


def _leaf(each: Any, row: Any) -> bool | None:
    path, wanted = each
    name, _sep, lookup = path.partition("__")
    if isinstance(wanted, F):
        wanted = getattr(row, wanted.name)  # type: ignore[attr-defined]  # the stubs forget it; a path has no such attribute
    elif hasattr(wanted, "resolve_expression"):
        raise UnknownConditionError(path)
    value = getattr(row, name)
    if lookup == "isnull":
        return (value is None) is bool(wanted)
    if wanted is None and lookup in {"", "exact"}:
        return value is None
    decide = _LOOKUPS.get(lookup or "exact")
    if decide is None:
        raise UnknownConditionError(path)
    return None if value is None or wanted is None else decide(value, wanted)
