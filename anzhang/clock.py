"""The clock that faces read. Everything below a face gets the instant as `at` or `now`.

In the demo `clock.json` in the data directory holds an offset in seconds, so that `anzhang demo --advance 8d`
moves every process at once; elsewhere the file is not read. Tests replace `now` through their `clock` fixture.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from anzhang.home import Home

BEIJING = ZoneInfo("Asia/Shanghai")


def now() -> datetime:
    """Return the present instant, aware UTC."""
    return real_now() + demo_offset()


def real_now() -> datetime:
    """Return the machine's own instant, aware UTC."""
    return datetime.now(UTC)


def today() -> date:
    """Return the present calendar day in Asia/Shanghai."""
    return day_of(now())


def day_of(instant: datetime) -> date:
    """Return the Asia/Shanghai calendar day of an aware instant."""
    return instant.astimezone(BEIJING).date()


def minute(instant: datetime) -> str:
    """Return an aware instant as `2026-11-22 09:10`, Beijing time."""
    return instant.astimezone(BEIJING).strftime("%Y-%m-%d %H:%M")


def start_of(day: date) -> datetime:
    """Return the first instant of a Beijing calendar day, aware UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=BEIJING).astimezone(UTC)


def is_plausible(day: date) -> bool:
    """Whether somebody may have meant a day; instants and terms reckoned from it then stay inside the calendar of the machine."""
    return 1900 <= day.year < 2200


def demo_offset() -> timedelta:
    """Return how far the demo's clock is ahead; nothing anywhere else."""
    try:
        seconds = json.loads((Home.place() / "clock.json").read_text(encoding="utf-8"))["offset_seconds"]
    except FileNotFoundError:
        return timedelta()
    return timedelta(seconds=float(seconds)) if Home.current().is_demo else timedelta()
