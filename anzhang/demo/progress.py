"""How far the demo has come: when it began, how many devices it has, up to when its lines were sent. One process at a time holds it.

Traffic and `--advance` both go on from there, so nothing is sent twice and nothing is left out, whoever comes first.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from anzhang.demo import chapters
from anzhang.demo.chapter import Site
from anzhang.home import Home

FILE, LOCK = "demo.json", "demo.lock"
FURTHEST = timedelta(days=7)  # after a longer pause only its last days are told


def begin(home: Home, site: Site) -> None:
    """Note that the demo begins."""
    now = site.now.isoformat()
    _write(home, {"now": now, "devices": site.devices, "days": site.days, "entered_until": now, "sent_until": now, "late": False})


def go_on(home: Home, now: datetime, deliver: Callable[[list[bytes]], object]) -> None:
    """Enter what is due by `now`, then send it; what hosts had kept is sent with the first lines.

    What `deliver` raises is raised, and those lines are due again. A demo that an earlier version made goes on as it did.
    """
    with (home.path / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        state = _read(home) or _of_an_earlier_version(home, now)
        site = Site(datetime.fromisoformat(state["now"]), state["devices"], state["days"])
        since = max(datetime.fromisoformat(state["entered_until"]), now - FURTHEST)
        if since < now:
            with transaction.atomic():
                chapters.go_on(site, since, now)
            _write(home, state := {**state, "entered_until": now.isoformat()})
        since = max(datetime.fromisoformat(state["sent_until"]), now - FURTHEST)
        if since < now:
            kept = [] if state["late"] else chapters.late(site)
            deliver([line for _at, line in [*kept, *chapters.lines(site, since, now), *chapters.awake(now)]])
            _write(home, {**state, "sent_until": now.isoformat(), "late": True})


def _of_an_earlier_version(home: Home, now: datetime) -> dict[str, Any]:
    at = now.isoformat()
    _write(home, state := {"now": at, "devices": 0, "days": 0, "entered_until": at, "sent_until": at, "late": True})
    return state


def _read(home: Home) -> dict[str, Any] | None:
    file = home.path / FILE
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else None


def _write(home: Home, state: dict[str, Any]) -> None:
    temporary = (home.path / FILE).with_suffix(".new")
    temporary.write_text(json.dumps(state), encoding="utf-8")
    temporary.rename(home.path / FILE)
