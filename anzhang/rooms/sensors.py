"""What the environment sensors of a room read in a period: least, greatest, last (Art. 16)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from anzhang.rooms.models import MachineRoom
from anzhang.rooms.procedures import names

TEMPERATURE, HUMIDITY = frozenset({"temperature", "temp", "温度"}), frozenset({"humidity", "rh", "湿度"})
FAHRENHEIT = frozenset({"f", "°f", "℉", "fahrenheit"})


@dataclass(frozen=True)
class Readings:
    """What one sensor read of one quantity: `alarms` are the readings that it called out of order itself."""

    sensor: str
    quantity: str
    unit: str
    least: float | None
    greatest: float | None
    count: int
    alarms: int
    last_at: datetime

    def is_beyond(self, temperature: Sequence[float], humidity: Sequence[float]) -> bool:
        """Whether a reading in ℃ or percent lay outside [low, high], or the sensor itself raised an alarm."""
        kind, unit = self.quantity.lower(), self.unit.lower()
        low, high = temperature if kind in TEMPERATURE and unit not in FAHRENHEIT else humidity if kind in HUMIDITY else (None, None)
        if self.alarms or low is None or high is None or self.least is None or self.greatest is None:
            return self.alarms > 0
        return self.least < low or self.greatest > high


def readings(vault: Any, room: MachineRoom, since: datetime, until: datetime) -> list[Readings]:
    """Return what each sensor of a room read of `since <= at < until`, by sensor and quantity; nothing where no vault stands."""
    if vault is None:
        return []
    import pyarrow as pa
    import pyarrow.compute as pc

    table = vault.events("sensor_event", since=since, until=until)
    called = pc.utf8_lower(pc.utf8_trim_whitespace(pc.fill_null(table["room"].cast(pa.string()), "")))
    mine = table.filter(pc.is_in(called, pa.array(sorted(names(room)), pa.string())))
    columns = {name: pc.fill_null(mine[name].cast(pa.string()), "") for name in ("sensor", "quantity", "unit")}
    alarms = pc.cast(pc.equal(pc.fill_null(mine["event_outcome"].cast(pa.string()), ""), "failure"), pa.int64())
    plain = pa.table({**columns, "value": mine["value"], "timestamp": mine["timestamp"], "alarm": alarms})
    wanted = [("value", "min"), ("value", "max"), ("timestamp", "count"), ("timestamp", "max"), ("alarm", "sum")]
    grouped = plain.group_by(list(columns)).aggregate(wanted)
    found = [
        Readings(
            row["sensor"], row["quantity"], row["unit"], row["value_min"], row["value_max"], row["timestamp_count"], row["alarm_sum"] or 0,
            row["timestamp_max"].astimezone(UTC),
        )
        for row in grouped.to_pylist()
    ]  # fmt: skip
    return sorted(found, key=lambda each: (each.quantity, each.sensor))
