"""Find personal identifiers in text: resident identity numbers, mobile numbers, bank cards. Checksums decide, not shapes alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

IDENTITY, MOBILE, CARD = "identity_number", "mobile", "bank_card"

_DIGITS = re.compile(r"(?<![0-9A-Za-z_])(?:\+?86[- ]?)?(\d{11,19}[Xx]?)(?![0-9A-Za-z_])")
_GROUPED = re.compile(r"(?<![0-9A-Za-z_])(\d{4}(?:[ -]\d{4}){3}(?:[ -]\d{1,3})?)(?![0-9A-Za-z_])")
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK = "10X98765432"
_MOBILE = re.compile(r"1[3-9]\d{9}")


@dataclass(frozen=True)
class Identifier:
    """One identifier found: its kind and place in the text."""

    kind: str
    begin: int
    end: int


def find(text: str) -> Iterator[Identifier]:
    """Yield the identifiers in a text in order, none inside another."""
    found = [Identifier(kind, m.start(1), m.end(1)) for m in _DIGITS.finditer(text) if (kind := kind_of(m.group(1)))]
    found += [Identifier(CARD, m.start(1), m.end(1)) for m in _GROUPED.finditer(text) if is_card(re.sub(r"\D", "", m.group(1)))]
    end = 0
    for identifier in sorted(found, key=lambda i: i.begin):
        if identifier.begin >= end:
            yield identifier
            end = identifier.end


def kind_of(digits: str) -> str:
    """Return the kind of a run of digits, empty when it is none."""
    if is_identity_number(digits):
        return IDENTITY
    if _MOBILE.fullmatch(digits):
        return MOBILE
    return CARD if is_card(digits) else ""


def is_identity_number(text: str) -> bool:
    """Return whether text is a resident identity number: a date that exists and the right check character.

    Source: GB 11643-1999 (ISO 7064 MOD 11-2).
    """
    if not re.fullmatch(r"[1-9]\d{16}[\dXx]", text):
        return False
    try:
        date(int(text[6:10]), int(text[10:12]), int(text[12:14]))
    except ValueError:
        return False
    total = sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, text[:17], strict=True))
    return _CHECK[total % 11] == text[17].upper()


def is_card(text: str) -> bool:
    """Return whether text is a bank card number: 15 to 19 digits whose Luhn sum fits (ISO/IEC 7812-1 annex B), not all alike."""
    if not re.fullmatch(r"[1-9]\d{14,18}", text) or len(set(text)) == 1:
        return False
    total = 0
    for place, digit in enumerate(reversed(text)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value  # the digit sum of a two-digit product
    return total % 10 == 0
