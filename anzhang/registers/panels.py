"""Panels of a detail page, added by registration from above: casework adds cases and findings (DESIGN 2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.db.models import Model
from django.utils.functional import Promise

from anzhang.registers.declaration import Register
from anzhang.registers.rights import Sight


@dataclass(frozen=True)
class Line:
    """One line of a panel: what it is, where it leads, and a word on its state."""

    text: str
    link: str
    note: str = ""


Lines = Callable[[Register, Model, Sight], list[Line]]


@dataclass(frozen=True)
class Panel:
    """A titled list beside a row; `lines` asks a bounded number of queries."""

    title: str | Promise
    lines: Lines


PANELS: list[Panel] = []


def panel(title: str | Promise) -> Callable[[Lines], Lines]:
    """Add a panel to every detail page."""

    def add(lines: Lines) -> Lines:
        if all(each.lines.__qualname__ != lines.__qualname__ for each in PANELS):
            PANELS.append(Panel(title, lines))
        return lines

    return add
