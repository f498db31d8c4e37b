"""The chapters of the demo in the order in which their registers are written, and what all of them do together.

A new chapter is a module with a `CHAPTER` and one word in `CHAPTERS`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from heapq import merge
from itertools import chain

from anzhang.demo import breaches, conduct, logs, network, postures, presence, rooms, visits
from anzhang.demo.bureau import Bureau
from anzhang.demo.chapter import Chapter, Line, NearMiss, Planted, Site
from anzhang.demo.crowd import Crowd

CHAPTERS: tuple[Chapter, ...] = (
    logs.CHAPTER, breaches.CHAPTER, rooms.CHAPTER, network.CHAPTER, presence.CHAPTER, conduct.CHAPTER, postures.CHAPTER, visits.CHAPTER,
)  # fmt: skip
EXPECTED: tuple[Planted, ...] = tuple(chain.from_iterable(chapter.expected for chapter in CHAPTERS))
NEAR: tuple[NearMiss, ...] = tuple(chain.from_iterable(chapter.near for chapter in CHAPTERS))


def write_registers(site: Site, bureau: Bureau, crowd: Crowd) -> None:
    """Write the registers of every chapter, in order. Runs in the caller's transaction."""
    for chapter in CHAPTERS:
        chapter.registers(site, bureau, crowd)


def lines(site: Site, begin: datetime, end: datetime) -> Iterator[Line]:
    """Yield what the sources say of `begin <= instant < end`, oldest first."""
    return merge(*(chapter.lines(site, begin, end) for chapter in CHAPTERS), key=_at)


def planted(site: Site) -> list[Line]:
    """Return the lines of what is planted, oldest first."""
    return sorted(chain.from_iterable(chapter.planted(site) for chapter in CHAPTERS), key=_at)


def late(site: Site) -> list[Line]:
    """Return the lines that come after the first judgement, oldest first."""
    return sorted(chain.from_iterable(chapter.late(site) for chapter in CHAPTERS), key=_at)


def go_on(site: Site, begin: datetime, end: datetime) -> None:
    """Write what is entered into registers of `begin <= instant < end`. Runs in the caller's transaction."""
    for chapter in CHAPTERS:
        chapter.goes_on(site, begin, end)


def _at(line: Line) -> datetime:
    return line[0]
