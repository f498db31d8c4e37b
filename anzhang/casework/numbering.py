"""Numbers that people read aloud: `2026-0001`, dense per Beijing year, without a race."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import count
from typing import TypeVar

from django.db import IntegrityError, models, transaction
from django.db.models.functions import Length

from anzhang import clock

M = TypeVar("M", bound=models.Model)
ATTEMPTS = 20


def numbered(model: type[M], field: str, prefix: str, at: datetime, save: Callable[[str], M]) -> M:
    """Return what `save` made with the next number, `<prefix><year>-<0001>`.

    Two transactions may draw the same number: on SQLite they cannot (the write lock is held from the start), on PostgreSQL
    the unique column lets the second wait, fail inside its savepoint and draw again.
    """
    start = f"{prefix}{clock.day_of(at).year}-"
    for attempt in range(ATTEMPTS):
        try:
            with transaction.atomic():
                return save(f"{start}{_highest(model, field, start) + 1:04d}")
        except IntegrityError:
            if attempt == ATTEMPTS - 1:
                raise
    raise AssertionError(start)


def following(model: type[models.Model], field: str, prefix: str, at: datetime) -> Iterator[str]:
    """Yield the next numbers without end, for rows that one transaction saves together; the unique column refuses a race."""
    start = f"{prefix}{clock.day_of(at).year}-"
    for number in count(_highest(model, field, start) + 1):
        yield f"{start}{number:04d}"


def _highest(model: type[models.Model], field: str, start: str) -> int:
    numbers = model._default_manager.filter(**{f"{field}__startswith": start}).values_list(field, flat=True)
    # By length first: after 9999 comes 10000, which sorts before it as text.
    last = numbers.order_by(Length(field).desc(), f"-{field}").first()
    return int(last.removeprefix(start)) if last else 0
