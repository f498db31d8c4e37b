"""What a chapter adds to the demo: its registers, its lines, what it plants, and what must stay silent beside it.

`chapters.CHAPTERS` is the one list of them; stage, traffic and tests read nothing else. Lines are (device instant, bytes without line end).
A chapter that has nothing of a kind leaves it out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase

from anzhang.demo.bureau import Bureau
from anzhang.demo.crowd import Crowd
from anzhang.demo.size import DAYS, DEVICES

Line = tuple[datetime, bytes]


@dataclass(frozen=True)
class Site:
    """The demo as it was begun: when, how many devices it has, how many days of evidence stand before that. All else follows."""

    now: datetime
    devices: int = DEVICES
    days: int = DAYS


@dataclass(frozen=True)
class Planted:
    """A breach that is in the demo: whose obligation, on whom it is found (`*` stands for a key or a year), what happened.

    `state` is that of its finding; one that is `late` is found only when its lines have come, after the first judgement.
    """

    obligation: str
    subject: str
    what: str
    state: str = "open"
    late: bool = False

    def matches(self, obligation: str, subject: str) -> bool:
        """Whether a finding is this one."""
        return obligation == self.obligation and fnmatchcase(subject, self.subject)


@dataclass(frozen=True)
class NearMiss:
    """What looks like a breach and is none: of which obligation nothing may be found on whom, and why.

    One that stands on its last day (`today`) is a breach from the next day on.
    """

    obligation: str
    subject: str
    what: str
    today: bool = False

    def matches(self, obligation: str, subject: str) -> bool:
        """Whether a finding is one that must not be."""
        return obligation == self.obligation and fnmatchcase(subject, self.subject)


def nothing(*_given: object) -> tuple[()]:
    """Return nothing."""
    return ()


@dataclass(frozen=True)
class Chapter:
    """One part of the demo.

    registers: write the rows, in the caller's transaction, after those of the chapters before
    lines: what its sources say every day, of `begin <= instant < end`; the running demo goes on with it
    planted: the lines of its breaches and near-misses, dated back from `site.now`
    late: lines that the demo's hosts send only after the first judgement
    goes_on: write what people and machines enter as time passes, of `begin <= instant < end`: duty signed, postures reported
    """

    name: str
    registers: Callable[[Site, Bureau, Crowd], object] = nothing
    lines: Callable[[Site, datetime, datetime], Iterable[Line]] = nothing
    planted: Callable[[Site], Iterable[Line]] = nothing
    late: Callable[[Site], Iterable[Line]] = nothing
    goes_on: Callable[[Site, datetime, datetime], object] = nothing
    expected: tuple[Planted, ...] = ()
    near: tuple[NearMiss, ...] = ()
