"""What stands beside the lines of a search: how they spread over time, and the values that lead to fewer of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from anzhang import clock
from anzhang.web.searching import Form, wall

if TYPE_CHECKING:
    from anzhang.engines.vault import Result

EAST = 8 * 3600  # seconds: days begin at midnight in Beijing
STEPS = tuple(60 * minutes for minutes in (1, 5, 10, 30, 60, 180, 360, 720, 1440, 7 * 1440, 28 * 1440))  # seconds
MOST_BARS = 60
WIDTH, HEIGHT = 1000, 64  # of the drawing
FIELDS: Mapping[str, str | Promise] = {
    "source": gettext_lazy("日志源"),
    "host": gettext_lazy("主机"),
    "app": gettext_lazy("程序"),
    "severity": gettext_lazy("级别"),
}
SEVERITIES: Mapping[str, str | Promise] = {
    "0": gettext_lazy("紧急（emerg）"),
    "1": gettext_lazy("警报（alert）"),
    "2": gettext_lazy("严重（crit）"),
    "3": gettext_lazy("错误（err）"),
    "4": gettext_lazy("警告（warning）"),
    "5": gettext_lazy("注意（notice）"),
    "6": gettext_lazy("信息（info）"),
    "7": gettext_lazy("调试（debug）"),
}


@dataclass(frozen=True)
class Bar:
    """One step of time: its place in the drawing, and where it leads."""

    x: float
    y: float
    width: float
    height: float
    rows: int
    since: str
    address: str


@dataclass(frozen=True)
class Value:
    """One value of a field, how many of the lines have it, and where it leads; empty when it is chosen already."""

    text: str
    rows: int
    address: str


def step_of(since: datetime, until: datetime) -> int:
    """Return the shortest step, in seconds, that cuts a span into at most MOST_BARS."""
    span = (until - since).total_seconds()
    return next((step for step in STEPS if span / step <= MOST_BARS), STEPS[-1])


def bars(found: Result, form: Form, since: datetime, until: datetime, step: int) -> list[Bar]:
    """Return the bars of a span, also those without a line."""
    shift = timedelta(seconds=EAST)
    first = int((since + shift).timestamp()) // step
    last = int((until + shift - timedelta(microseconds=1)).timestamp()) // step
    counted = {int((at + shift).timestamp()) // step: rows for at, rows in found.bars.items()}
    number = max(1, last - first + 1)
    highest = max(counted.values(), default=0) or 1
    drawn = []
    for place in range(number):
        rows = counted.get(first + place, 0)
        begins = datetime.fromtimestamp((first + place) * step, clock.BEIJING) - shift
        height = max(1.5, HEIGHT * rows / highest) if rows else 0.0
        width = WIDTH / number
        drawn.append(
            Bar(
                round(place * width, 2), round(HEIGHT - height, 2), round(max(1.0, width - 1), 2), round(height, 2), rows, wall(begins),
                address(form, since=_typed(begins), until=_typed(begins + timedelta(seconds=step))),
            )
        )  # fmt: skip
    return drawn


def panel(found: Result, form: Form, names: Mapping[str, str]) -> list[tuple[str, list[Value]]]:
    """Return the values of every field with at least one, the most frequent first; `names` are those of the sources."""
    shown = []
    for field, label in FIELDS.items():
        groups = [(value, rows) for value, rows in found.panel.get(field, []) if value]
        words = names if field == "source" else SEVERITIES if field == "severity" else {}
        chosen = getattr(form, field)
        values = [
            Value(str(words.get(value, value)), rows, "" if value == chosen else address(form, **{field: value})) for value, rows in groups
        ]
        if values:
            shown.append((str(label), values))
    return shown


def address(form: Form, **changes: Any) -> str:
    """Return the address of the same search with some parts replaced, from the first page."""
    changed = replace(form, **{"page": 1, **changes})
    # Both times are always said: an address without any means the last seven days.
    parts = {name: value for name, value in vars(changed).items() if name in {"since", "until"} or (value and (name, value) != ("page", 1))}
    return "?" + urlencode(parts)


def conditions(form: Form) -> str:
    """Return the address of what is looked for, without times, page and asking again."""
    return urlencode({name: value for name, value in vars(form).items() if value and name not in {"since", "until", "page", "live"}})


def _typed(at: datetime) -> str:
    return at.astimezone(clock.BEIJING).strftime("%Y-%m-%dT%H:%M")
