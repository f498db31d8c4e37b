"""Which network devices are watched: those in service of which a fresh configuration is there (Art. 8, 9)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from anzhang import clock
from anzhang.network.models import Device
from anzhang.network.snapshots import NETWORK_KINDS, newest
from anzhang.network.tables import ConfigSnapshot
from anzhang.regulation.checks import Context
from anzhang.regulation.verdicts import Ground, Subject, Why


@dataclass(frozen=True)
class Watched:
    """Network devices in service, by key the fresh snapshots, why the others are unknown ground, by key."""

    devices: tuple[Device, ...]
    fresh: Mapping[int, ConfigSnapshot]
    why: Mapping[int, Why]

    @property
    def population(self) -> tuple[Subject, ...]:
        """Return those that are watched."""
        return tuple(subject(device) for device in self.devices if device.pk in self.fresh)

    @property
    def unknown(self) -> tuple[Ground, ...]:
        """Return the others as unknown ground, and that there is none at all."""
        if not self.devices:
            return (NO_DEVICES,)
        return tuple(Ground(device.unit.code, self.why[device.pk], subject(device)) for device in self.devices if device.pk in self.why)


NO_DEVICES = Ground(None, Why("no_network_devices"), Subject("register:device", "device", None))


def subject(device: Device) -> Subject:
    """Return a device as the one that owes, answered for by its unit and its person."""
    return Subject(f"device:{device.code}", device.name, device.unit.code, device.person.code if device.person else None)


def watched(context: Context) -> Watched:
    """Return the network devices in service with their fresh configurations.

    Fresh is what was collected within twice `config_match_hours`: a daily collection that was missed once says nothing yet.
    """
    return context.shared("network devices watched", lambda: _watched(context.at, 2 * context.parameters["config_match_hours"]))


def _watched(at: datetime, hours: float) -> Watched:
    in_service = Device.objects.filter(kind__in=NETWORK_KINDS, state=Device.State.IN_SERVICE)
    devices = tuple(in_service.select_related("unit", "person", "zone").order_by("code"))
    fresh, why = {}, {}
    known = newest(in_service, at)
    for device in devices:
        row = known.get(device.pk)
        if row is None:
            why[device.pk] = Why("device_without_snapshot", {"device": device.name})
        elif at - row.collected_at > timedelta(hours=hours):
            params = {"device": device.name, "at": clock.minute(row.collected_at), "hours": int(hours)}
            why[device.pk] = Why("snapshot_stale", params)
        else:
            fresh[device.pk] = row
    return Watched(devices, fresh, why)
