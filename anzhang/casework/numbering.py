"""Numbers that people read aloud: `2026-0001`, dense per Beijing year, without a race."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import count
from typing import TypeVar

from django.db import connection, models, transaction
from django.db.models.functions import Length

from anzhang import clock

M = TypeVar("M", bound=models.Model)


def numbered(model: type[M], field: str, prefix: str, at: datetime, save: Callable[[str], M]) -> M:
    """Return what `save` made with the next number, `<prefix><year>-<0001>`."""
    start = f"{prefix}{clock.day_of(at).year}-"
    with transaction.atomic():
        _hold(model, start)
        return save(f"{start}{_highest(model, field, start) + 1:04d}")


def following(model: type[models.Model], field: str, prefix: str, at: datetime) -> Iterator[str]:
    """Yield the next numbers without end, for rows that one transaction saves together."""
    start = f"{prefix}{clock.day_of(at).year}-"
    _hold(model, start)
    for number in count(_highest(model, field, start) + 1):
        yield f"{start}{number:04d}"


def _hold(model: type[models.Model], start: str) -> None:
    """Let nobody else draw a number of this kind until the transaction ends.

    On SQLite nobody else can: the write lock is held from the start. On PostgreSQL hundreds may draw at once; waiting for
    the unique column instead would fail one after the other and end in an error for the unlucky.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"{model._meta.db_table}:{start}",))


def _highest(model: type[models.Model], field: str, start: str) -> int:
    numbers = model._default_manager.filter(**{f"{field}__startswith": start}).values_list(field, flat=True)
    # By length first: after 9999 comes 10000, which sorts before it as text.
    last = numbers.order_by(Length(field).desc(), f"-{field}").first()
    return int(last.removeprefix(start)) if last else 0
