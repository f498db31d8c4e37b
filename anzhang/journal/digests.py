"""The digest of a ledgered row: what the row says, the same before it is saved and after it is read again.

Every column goes through its field, so that `hours=4` and `Decimal("4.0")` agree; a column that is NULL is left out, so that
a later release may add a nullable column without touching old digests. JSON columns enter as the text of their JSON with
sorted keys, because they may hold floats and Chinese keys.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import orjson
from django.db import models
from django.db.backends.utils import format_number
from django.db.models.expressions import BaseExpression
from django.utils.functional import Promise

from anzhang.engines.ledger.canonical import LARGEST, instant
from anzhang.journal.models import Ledgered


def row_digest(obj: Ledgered) -> str:
    """Return the SHA-256 of a row's canonical content, hex."""
    columns = fields(type(obj))
    values = [getattr(obj, name) for name, _ in columns]
    if any(isinstance(value, BaseExpression) for value in values):
        obj.refresh_from_db()
        values = [getattr(obj, name) for name, _ in columns]
    row = {name: stored(field, value) for (name, field), value in zip(columns, values, strict=True) if value is not None}
    # Names of columns are ASCII and `stored` gives plain values only, so this is canonical (engines/ledger/canonical.py).
    return hashlib.sha256(orjson.dumps(row, option=orjson.OPT_SORT_KEYS)).hexdigest()


@cache
def fields(model: type[Ledgered]) -> tuple[tuple[str, models.Field[Any, Any]], ...]:
    """Return the columns that the digest covers: attribute, and the field that knows its type (a key's target)."""
    return tuple((field.attname, _typed(field)) for field in model._meta.concrete_fields if field.name not in model.LEDGER_EXCLUDE)


def _typed(field: models.Field[Any, Any]) -> models.Field[Any, Any]:
    while isinstance(field, models.ForeignKey):
        field = field.target_field
    return field


def _decimal(text: str) -> float | int:
    number = float(text)
    return int(number) if number.is_integer() and "e" in text else number + 0.0


def stored(field: models.Field[Any, Any], value: Any) -> str | int | bool | None:  # noqa: PLR0911 - one line per kind of column
    """Return a column's value as the database will give it back, in a form with one spelling."""
    if isinstance(field, models.JSONField):
        text = json.dumps(value, cls=field.encoder, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        if "e+" in text or "-0.0" in text:
            # PostgreSQL keeps numbers of JSON as decimals: it gives 1e+16 back as a whole number, -0.0 as 0.0.
            text = json.dumps(json.loads(text, parse_float=_decimal), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return text
    if isinstance(field, models.BinaryField):
        return bytes(value).hex()
    value = field.to_python(str(value) if isinstance(value, Promise) else value)
    if type(value) is str or value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value) if abs(value) <= LARGEST else str(int(value))
    if isinstance(field, models.DecimalField):
        return format_number(value, field.max_digits, field.decimal_places)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, datetime):
        return instant(value, field.attname)
    if isinstance(value, timedelta):
        return f"{value // timedelta(microseconds=1)}us"
    return str(value)
