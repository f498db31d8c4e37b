"""How log sources stand, as pages show it: expected against heard, bytes against quota, and what the collector says of itself."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from anzhang.home import Home
from anzhang.monitoring.completeness import allowed_silence, is_over_quota
from anzhang.monitoring.models import LogSource, LogSourceActivity

COLLECTOR_QUIET = timedelta(seconds=30)  # it writes its status every two seconds


class State(StrEnum):
    """How a source stands, the worst first."""

    SILENT = "silent"
    HELD_BACK = "held_back"
    OVER_QUOTA = "over_quota"
    NEVER = "never"
    HEARD = "heard"
    CLOSED = "closed"


WORDS: Mapping[str, str | Promise] = {
    State.SILENT: _("静默超时"),
    State.HELD_BACK: _("超出配额，限速中"),
    State.OVER_QUOTA: _("刚超出过配额"),
    State.NEVER: _("从未收到"),
    State.HEARD: _("正常"),
    State.CLOSED: _("停用"),
}
# The colour of the board's squares that says the same.
COLOURS: Mapping[str, str] = {
    State.SILENT: "breach",
    State.HELD_BACK: "breach",
    State.OVER_QUOTA: "breach",
    State.NEVER: "unknown",
    State.HEARD: "met",
    State.CLOSED: "not_applicable",
}


@dataclass(frozen=True)
class Collector:
    """What the collector of this machine last said of itself; `at` is None where none ever ran here."""

    at: datetime | None = None
    running: bool = False
    used: Mapping[str, int] = field(default_factory=dict)  # bytes in the present hour by source
    held_back: frozenset[str] = frozenset()
    trouble: str = ""
    certificates: str = ""  # what is wrong with the certificate files


@dataclass(frozen=True)
class Standing:
    """One source as the list shows it; `used` is None where no collector says."""

    source: LogSource
    state: State
    last_at: datetime | None
    allowed: timedelta
    lines: int
    used: int | None

    @property
    def word(self) -> str:
        """Return the state in words."""
        return str(WORDS[self.state])

    @property
    def colour(self) -> str:
        """Return the name of the mark."""
        return COLOURS[self.state]

    @property
    def allowed_minutes(self) -> int:
        """Return the longest silence in minutes."""
        return int(self.allowed.total_seconds() // 60)

    @property
    def share(self) -> int | None:
        """Return the percentage of the hourly quota that is used, None where nobody says."""
        return None if self.used is None else self.used * 100 // self.source.quota_bytes_per_hour


def collector(home: Home, at: datetime) -> Collector:
    """Return what the collector's status file says."""
    try:
        said = json.loads((home.run / "collector.json").read_text(encoding="utf-8"))
        seen = datetime.fromisoformat(said["at"])
    except (OSError, ValueError, KeyError, TypeError):
        return Collector()
    fresh = bool(said.get("pid")) and at - seen < COLLECTOR_QUIET
    this_hour = seen.replace(minute=0, second=0, microsecond=0) == at.replace(minute=0, second=0, microsecond=0)
    used = said.get("used", {}) if this_hour else {}
    return Collector(seen, fresh, used, frozenset(said.get("held_back", ())), said.get("trouble", ""), said.get("certificates", ""))


def standings(sources: Iterable[LogSource], says: Collector, silence_minutes: int, at: datetime) -> list[Standing]:
    """Return how each source stands; `sources` come with their unit and activity."""
    return [_standing(source, says, silence_minutes, at) for source in sources]


def _standing(source: LogSource, says: Collector, minutes: int, at: datetime) -> Standing:
    activity: LogSourceActivity | None = getattr(source, "activity", None)
    heard = activity is not None and activity.first_segment is not None
    last = activity.last_seen_at if activity is not None and heard else None
    allowed = allowed_silence(source, minutes)
    used = says.used.get(source.code, 0) if says.running else None
    return Standing(source, _state(source, last, allowed, says, at), last, allowed, activity.lines if activity else 0, used)


def _state(source: LogSource, last: datetime | None, allowed: timedelta, says: Collector, at: datetime) -> State:
    if source.state == LogSource.State.CLOSED:
        return State.CLOSED
    if says.running and source.code in says.held_back:
        return State.HELD_BACK
    if last is None:
        return State.NEVER
    if at - last > allowed:
        return State.SILENT
    return State.OVER_QUOTA if is_over_quota(source, at) else State.HEARD
