"""Mask personal identifiers where log lines are shown. What is sealed stays as it came."""

from __future__ import annotations

from anzhang.engines.identifiers import CARD, IDENTITY, MOBILE, find

KEEP = {IDENTITY: (6, 0), MOBILE: (3, 4), CARD: (6, 4)}  # characters left at the beginning and the end


def mask(text: str) -> str:
    """Return the text with identity numbers, mobile numbers and bank cards starred out; masking twice changes nothing more."""
    parts, place = [], 0
    for identifier in find(text):
        head, tail = KEEP[identifier.kind]
        value = text[identifier.begin : identifier.end]
        hidden = "".join("*" if c.isalnum() else c for c in value[head : len(value) - tail])
        parts += [text[place : identifier.begin], value[:head], hidden, value[len(value) - tail :]]
        place = identifier.end
    return "".join([*parts, text[place:]])
