"""What the vault shows of endpoints: who was admitted, who was seen in an internal zone (Art. 15).

An accept into a quarantine VLAN is no admission. Switches and FreeRADIUS both write of the same act, and only the latter names the VLAN: a
line without one is told by a line with one about the same address within `SAME_ACT`.
"""

from __future__ import annotations

import ipaddress
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from anzhang.directory.models import Person, Unit
from anzhang.endpoints.models import Endpoint
from anzhang.network.models import Interface, Zone
from anzhang.regulation.checks import Context
from anzhang.regulation.verdicts import Subject

WINDOW = timedelta(days=1)
SAME_ACT = timedelta(seconds=60)
LAST_VERDICT = "last_verdict"  # as our FreeRADIUS writes it (operate/radius.py)
ACCEPT = "accept"
SHOWN_LINES = 10


@dataclass(frozen=True)
class Accept:
    """An address let in: when, into which VLAN ("" where the line names none), why, and the line that says so."""

    at: datetime
    vlan: str
    reason: str
    line: str


@dataclass(frozen=True)
class Sighting:
    """An address seen in an internal zone."""

    at: datetime
    ip: str
    zone: Zone
    line: str


@dataclass
class Watch:
    """Endpoints in service and what was seen of them. `accepts` and `sightings` are by hardware address, in time order."""

    endpoints: Mapping[int, Endpoint]
    owners: Mapping[str, int]
    devices: frozenset[str]
    zones: Sequence[Zone]
    accepts: dict[str, list[Accept]] = field(default_factory=lambda: defaultdict(list))
    sightings: dict[str, list[Sighting]] = field(default_factory=lambda: defaultdict(list))
    heard_admissions: bool = False
    heard_sightings: bool = False

    def admitted(self, since: datetime) -> dict[int, list[Accept]]:
        """Return the accepts of each endpoint from an instant on."""
        found: dict[int, list[Accept]] = defaultdict(list)
        for mac, accepts in self.accepts.items():
            owner = self.owners.get(mac)
            if owner is not None:
                found[owner] += [each for each in accepts if each.at >= since]
        return {owner: sorted(accepts, key=lambda each: each.at) for owner, accepts in found.items() if accepts}

    def zone_of(self, vlan: str) -> Zone | None:
        """Return the zone whose endpoints come into a VLAN."""
        return next((zone for zone in self.zones if vlan and str(zone.vlan) == vlan), None)


def subject(endpoint: Endpoint) -> Subject:
    """Return an endpoint as the one that owes, answered for by its unit and its person."""
    return Subject(f"endpoint:{endpoint.code}", endpoint.name, endpoint.unit.code, endpoint.person.code)


def in_service(context: Context) -> dict[int, Endpoint]:
    """Return the endpoints in service by key, with unit and person; three queries in a run."""
    return context.shared("endpoints in service", _in_service)


def _in_service() -> dict[int, Endpoint]:
    rows = {endpoint.pk: endpoint for endpoint in Endpoint.objects.filter(state=Endpoint.State.IN_SERVICE).order_by("code")}
    units, people = Unit.objects.in_bulk(), Person.objects.in_bulk({endpoint.person_id for endpoint in rows.values()})
    for endpoint in rows.values():  # a join would make a unit and a person for each
        endpoint.unit, endpoint.person = units[endpoint.unit_id], people[endpoint.person_id]
    return rows


def watch(context: Context, back: timedelta = WINDOW) -> Watch:
    """Return what the vault has of so much time before the context's instant, read once in a run."""
    return context.shared(("watch", back), lambda: _watch(context, back))


def _watch(context: Context, back: timedelta) -> Watch:
    """Return what the vault has of so much time before the context's instant; two streams are read."""
    endpoints = in_service(context)
    owners = {endpoint.mac: pk for pk, endpoint in endpoints.items() if endpoint.mac}
    by_device = {endpoint.device_id: pk for pk, endpoint in endpoints.items() if endpoint.device_id}
    cards = list(Interface.objects.exclude(mac="").values_list("mac", "device_id"))
    owners |= {mac: by_device[device] for mac, device in cards if device in by_device}
    others = frozenset(mac for mac, device in cards if device not in by_device)
    found = Watch(endpoints, owners, others, list(Zone.objects.select_related("unit").order_by("code")))
    since = context.at - back
    quarantine = {str(zone.vlan) for zone in found.zones if zone.kind == Zone.Kind.QUARANTINE and zone.vlan}
    for mac, accepts in _accepts(context, since, found).items():
        found.accepts[mac] = [each for each in _told(accepts) if each.vlan not in quarantine]
    _sightings(context, since, found)
    return found


def _accepts(context: Context, since: datetime, found: Watch) -> dict[str, list[Accept]]:
    by_mac: dict[str, list[Accept]] = defaultdict(list)
    columns = ("timestamp", "source_mac", "vlan", "reason", "event_action", "event_outcome", "segment", "seq")
    for at, mac, vlan, reason, action, outcome, segment, seq in _rows(context, "admission_event", since, columns):
        found.heard_admissions = True
        if mac and action == ACCEPT and outcome == "success":
            by_mac[mac].append(Accept(at, vlan or "", reason or "", f"line:{segment}:{seq}"))
    return by_mac


def _told(accepts: list[Accept]) -> list[Accept]:
    """Leave out lines without a VLAN that only repeat what another line says with it."""
    named = [each.at for each in accepts if each.vlan]

    def repeated(each: Accept) -> bool:
        return bisect_left(named, each.at - SAME_ACT) < bisect_right(named, each.at + SAME_ACT)

    return [each for each in accepts if each.vlan or not repeated(each)]


def _sightings(context: Context, since: datetime, found: Watch) -> None:
    nets = [(ipaddress.ip_network(net), zone) for zone in found.zones if zone.kind in Zone.INTERNAL for net in zone.networks]
    places: dict[str, Zone | None] = {}
    for at, mac, ip, outcome, segment, seq in _rows(
        context, "sighting_event", since, ("timestamp", "source_mac", "source_ip", "event_outcome", "segment", "seq")
    ):
        found.heard_sightings = True
        if not mac or not ip or outcome == "failure":
            continue
        if ip not in places:
            places[ip] = _zone(ip, nets)
        zone = places[ip]
        if zone is not None:
            found.sightings[mac].append(Sighting(at, ip, zone, f"line:{segment}:{seq}"))


def _zone(ip: str, nets: Iterable[tuple[Any, Zone]]) -> Zone | None:
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return None
    inside = [(net.prefixlen, zone) for net, zone in nets if net.version == address.version and address in net]
    return max(inside, key=lambda pair: pair[0])[1] if inside else None


def _rows(context: Context, stream: str, since: datetime, columns: tuple[str, ...]) -> Iterator[tuple[Any, ...]]:
    if context.vault is None:
        return iter(())
    table = context.vault.events(stream, since=since, until=context.at)
    return zip(*(table[name].to_pylist() for name in columns), strict=True)
