"""Canonical JSON of a restricted domain, in which `orjson` with sorted keys equals RFC 8785.

The domain: ASCII keys, strings, booleans, null, integers below 2**53 in absolute value, lists, and objects of these.
Instants (aware), dates, decimals, bytes and enums are written as strings first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import orjson

LARGEST = (1 << 53) - 1


class CanonicalError(Exception):
    """A value lies outside the domain in which canonical JSON is the same everywhere; the message names the place."""


def canonical(value: Any, unknown: Callable[[Any], Any] | None = None) -> bytes:
    """Return the canonical bytes of a value.

    `unknown` may turn a value of another type into one of the domain, or return None to refuse it.
    Raises CanonicalError. Source: RFC 8785.
    """
    try:
        return orjson.dumps(plain(value, unknown), option=orjson.OPT_SORT_KEYS)
    except (orjson.JSONEncodeError, UnicodeError) as error:
        raise CanonicalError(str(error)) from error


def plain(value: Any, unknown: Callable[[Any], Any] | None = None, place: str = "$") -> Any:
    """Return the value in plain JSON types. Raises CanonicalError."""
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, Mapping):
        return {_key(key, place): plain(item, unknown, f"{place}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, unknown, f"{place}[{at}]") for at, item in enumerate(value)]
    if value is None or isinstance(value, bool):
        return value
    for kind, spell in SPELLINGS:
        if isinstance(value, kind):
            return spell(value, place)
    replaced = unknown(value) if unknown else None
    if replaced is None:
        raise CanonicalError(f"{place}: {type(value).__name__} {value!r} has no canonical form; write it as a string or an integer")
    return plain(replaced, None, place)


def instant(value: datetime, place: str = "$") -> str:
    """Return an aware instant as UTC with microseconds. Raises CanonicalError for a naive one."""
    if value.tzinfo is None:
        raise CanonicalError(f"{place}: {value.isoformat()} has no time zone")
    return value.astimezone(UTC).isoformat(timespec="microseconds")


def _integer(value: int, place: str) -> int:
    if abs(value) > LARGEST:
        raise CanonicalError(f"{place}: {value} is 2**53 or more; write it as a string")
    return int(value)


def _key(key: Any, place: str) -> str:
    if isinstance(key, Enum):
        key = key.value
    if not isinstance(key, str) or not key.isascii():
        raise CanonicalError(f"{place}: key {key!r} is not ASCII text")
    return str(key)


# The scalar kinds, in the order in which they are tried: an instant is a date too.
SPELLINGS: tuple[tuple[type, Callable[[Any, str], Any]], ...] = (
    (str, lambda value, _: str(value)),
    (int, _integer),
    (datetime, instant),
    (date, lambda value, _: value.isoformat()),
    (Decimal, lambda value, _: str(value)),
    (UUID, lambda value, _: str(value)),
    (bytes, lambda value, _: value.hex()),
    (memoryview, lambda value, _: bytes(value).hex()),
)
