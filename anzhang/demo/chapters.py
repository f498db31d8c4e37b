"""The chapters of the demo in the order in which their registers are written, and what all of them do together.

A new chapter is a module with a `CHAPTER` and one word in `CHAPTERS`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from heapq import merge
from itertools import chain

from anzhang import clock
from anzhang.casework import holidays
from anzhang.demo import (
    belongings,
    breaches,
    building,
    business,
    conduct,
    configurations,
    crossings,
    crowd,
    logs,
    network,
    operations,
    postures,
    presence,
    reach,
    releases,
    rooms,
    seats,
    visits,
)
from anzhang.demo import bureau as cast
from anzhang.demo.bureau import Bureau
from anzhang.demo.chapter import Chapter, Line, NearMiss, Planted, Site
from anzhang.demo.crowd import Crowd
from anzhang.monitoring.models import LogSource

CHAPTERS: tuple[Chapter, ...] = (
    logs.CHAPTER,
    breaches.CHAPTER,
    # before the papers of the year: whoever holds a post signs a statement and is trained
    rooms.CHAPTER,
    network.CHAPTER,
    belongings.CHAPTER,
    presence.CHAPTER,
    releases.POSTS,
    conduct.CHAPTER,
    postures.CHAPTER,
    visits.CHAPTER,
    crossings.CHAPTER,
    reach.CHAPTER,
    releases.CHAPTER,
    building.CHAPTER,
    configurations.CHAPTER,
    operations.CHAPTER,
    seats.CHAPTER,
    business.CHAPTER,
)
EXPECTED: tuple[Planted, ...] = tuple(chain.from_iterable(chapter.expected for chapter in CHAPTERS))
NEAR: tuple[NearMiss, ...] = tuple(chain.from_iterable(chapter.near for chapter in CHAPTERS))


def build(site: Site) -> Bureau:
    """Write the whole demo into the registers: the cast, the crowd around it, every chapter. Runs in the caller's transaction."""
    made = cast.build(site.now)
    cast.put_on_file(made, site.now)
    breaches.plant(made, site.now)
    holidays.seed_holidays(cast.SETUP, clock.day_of(site.now).year, site.now)
    write_registers(site, made, crowd.populate(made, site.now))
    return made


def write_registers(site: Site, bureau: Bureau, made: Crowd) -> None:
    """Write the registers of every chapter, in order. Runs in the caller's transaction."""
    for chapter in CHAPTERS:
        chapter.registers(site, bureau, made)


def lines(site: Site, begin: datetime, end: datetime) -> Iterator[Line]:
    """Yield what the sources say of `begin <= instant < end`, oldest first."""
    return merge(*(chapter.lines(site, begin, end) for chapter in _of(site)), key=_at)


def awake(at: datetime) -> Iterator[Line]:
    """Yield that every source in use has just looked at its clock: sent last, so that a source with little to say looks late to nobody.

    Those of `configurations.OWN` keep silent as they are meant to.
    """
    quiet = [code for code, _name, _patience in configurations.OWN.values()]
    sources = LogSource.objects.filter(state=LogSource.State.ACTIVE, clock=LogSource.Clock.SET).exclude(code__in=quiet).exclude(hosts=[])
    for hosts in sources.order_by("code").values_list("hosts", flat=True):
        yield at, logs.rfc3164(logs.DAEMON, logs.INFO, at, hosts[0], "chronyd[412]", "Selected source 10.40.0.1")


def _of(site: Site) -> tuple[Chapter, ...]:
    """Return the chapters of a demo; one that an earlier version made has the hosts of the cast's systems only."""
    return CHAPTERS if site.devices else (logs.CHAPTER,)


def planted(site: Site) -> list[Line]:
    """Return the lines of what is planted, oldest first."""
    return sorted(chain.from_iterable(chapter.planted(site) for chapter in CHAPTERS), key=_at)


def month(site: Site) -> list[Line]:
    """Return all that is told before the demo begins, oldest first."""
    return list(merge(lines(site, site.now - timedelta(days=site.days), site.now), planted(site), key=_at))


def late(site: Site) -> list[Line]:
    """Return the lines that come after the first judgement, oldest first."""
    return sorted(chain.from_iterable(chapter.late(site) for chapter in CHAPTERS), key=_at)


def go_on(site: Site, begin: datetime, end: datetime) -> None:
    """Write what is entered into registers of `begin <= instant < end`. Runs in the caller's transaction."""
    for chapter in _of(site):
        chapter.goes_on(site, begin, end)


def _at(line: Line) -> datetime:
    return line[0]
