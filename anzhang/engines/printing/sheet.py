"""What stands on a printed sheet, in the order of the page; every text is plain text, never markup."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

# The character that printers set where they lack one.
GETA = "〓"


@dataclass(frozen=True)
class Pair:
    """One labelled value of the form."""

    label: str
    value: str


@dataclass(frozen=True)
class Signed:
    """What one person did: the word of the verb, the opinion when one was written, name, unit and post, time."""

    verb: str
    opinion: str
    name: str
    post: str
    at: str


@dataclass(frozen=True)
class Stage:
    """One step: its title, where it stands and how many must agree, what was signed, for whom it still waits."""

    title: str
    note: str
    signed: tuple[Signed, ...]
    waiting: str = ""


@dataclass(frozen=True)
class Proof:
    """Where the ledger holds the matter: labelled lines, and the address that the square code leads to."""

    title: str
    lines: tuple[Pair, ...]
    address: str
    hint: str


@dataclass(frozen=True)
class Sheet:
    """A whole sheet. `english` chooses hyphenation and fonts; `mark` is printed across the top, as the demo's 演示."""

    english: bool
    organization: str
    title: str
    subject: str
    number: Pair
    dated: Pair
    pairs: tuple[Pair, ...]
    texts: tuple[Pair, ...]
    stages: tuple[Stage, ...]
    heads: tuple[str, str, str]  # who, opinion, when
    stages_title: str
    result: tuple[Pair, ...]
    proof: Proof
    printed: str
    state: str = ""  # where the matter stands, after its number
    mark: str = ""


def plain(sheet: Sheet, known: Callable[[int], bool] | None = None) -> dict[str, Any]:
    """Return the sheet as JSON values, each text cleaned.

    Controls and invisible marks go, line ends become one newline. Where `known` is given, a character that no font holds
    is set as 〓 with its number, so that a rare name loses a drawing but not its identity.
    """
    found = _plain(sheet, known)
    if not isinstance(found, dict):
        raise TypeError(type(sheet))
    return found


def _plain(value: Any, known: Callable[[int], bool] | None) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: _plain(getattr(value, each.name), known) for each in fields(value)}
    if isinstance(value, tuple):
        return [_plain(each, known) for each in value]
    return clean(value, known) if isinstance(value, str) else value


def clean(text: str, known: Callable[[int], bool] | None = None) -> str:
    """Return a text without controls, format marks and lone surrogates."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n").replace("\u2029", "\n").replace("\t", " ")
    return "".join(_shown(each, known) for each in lines).strip()


def _shown(character: str, known: Callable[[int], bool] | None) -> str:
    if character == "\n":
        return character
    if unicodedata.category(character) in {"Cc", "Cf", "Cs"}:
        return ""
    if known is None or known(ord(character)):
        return character
    return " " if character.isspace() else f"{GETA}[U+{ord(character):04X}]"
