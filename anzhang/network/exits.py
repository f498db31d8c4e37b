"""Ways out that devices are set up for: what the newest configurations say of the internet (Art. 9, A09.2).

A device that stands with an interface, or by the register, in an internal zone is asked for addresses, next hops, neighbors, far ends of
tunnels and translations of the internet. A link covers one as in `rules/links_to_internet_approved.sql`: it joins that zone and the
internet, its far prefixes hold the outside address and its near ones the inner address where one is known, and it was believed and held
when the configuration was collected; one that was recorded later and reaches back makes it regularized. An address of the internet in a
zone of the bureau's own (a public area) is no way out.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from anzhang import clock
from anzhang.engines.sqlbox.addresses import is_public
from anzhang.network import scopes, snapshots
from anzhang.network.models import Device, Interface, Link, Zone
from anzhang.network.tables import ConfigSnapshot
from anzhang.network.watching import NO_DEVICES, Watched, watched
from anzhang.regulation.checks import Context
from anzhang.regulation.verdicts import Breach, Ground, Outcome, Subject, Why

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
AUTHORITY = "leading_group"
DEFAULTS = frozenset({"0.0.0.0/0", "::/0"})
NO_EXITS = frozenset({Zone.Kind.INTERNET, Zone.Kind.DMZ})  # from these to the internet is no matter of internal zones
# Where a fact of a kind names the outside address, and where an inner one.
OUTSIDE = {"address": "address", "route": "next_hop", "neighbor": "next_hop", "tunnel": "next_hop", "nat": "outside"}


@dataclass(frozen=True)
class Way:
    """A way out as a configuration says it."""

    kind: str
    line: int
    outside: str
    inside: str


class Places:
    """Which zone of the bureau's own an address lies in, the narrowest network first; made once for many addresses."""

    def __init__(self) -> None:
        """Read the zones."""
        self.zones: dict[tuple[int, int], dict[int, Zone]] = {}
        for zone, network in scopes.bureau_networks():
            self.zones.setdefault((network.version, network.prefixlen), {}).setdefault(int(network.network_address), zone)
        self.widths = sorted(self.zones, reverse=True)

    def of(self, text: str) -> Zone | None:
        """Return the zone of an address, with a prefix or without."""
        try:
            address = ipaddress.ip_address(text.partition("/")[0])
        except ValueError:
            return None
        for version, width in self.widths:
            if version == address.version:
                hidden = address.max_prefixlen - width
                zone = self.zones[version, width].get(int(address) >> hidden << hidden)
                if zone is not None:
                    return zone
        return None


@dataclass(frozen=True)
class Allowed:
    """An approved link to the internet: which zone it joins, on which prefixes, since when it was believed and holds, until when."""

    zone: int
    inner: tuple[scopes.Network, ...]
    outer: tuple[scopes.Network, ...]
    valid_from: datetime
    known_from: datetime
    ends: datetime | None

    def holds(self, way: Way, zones: Iterable[int]) -> bool:
        """Whether it joins one of the zones and holds the addresses of a way out."""
        inside = ipaddress.ip_address(way.inside) if is_address(way.inside) else None
        outside = ipaddress.ip_address(way.outside)
        return (
            self.zone in zones
            and any(outside in network for network in self.outer)
            and (inside is None or any(inside in network for network in self.inner))
        )

    def at(self, instant: datetime) -> str:
        """Return `yes` when it held and was believed at an instant, `later` when it says so today only, else `no`."""
        if not self.valid_from <= instant or (self.ends is not None and instant >= self.ends):
            return "no"
        return "yes" if self.known_from <= instant else "later"


def is_address(text: str) -> bool:
    """Whether a text is an address alone."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def ways_out(context: Context) -> Outcome:
    """Return the ways out that nothing approved covers, and the devices of which nobody can say. Source: Art. 9; A09.2."""
    seen = watched(context)
    if not seen.devices:
        return Outcome((), unknown=(NO_DEVICES,))
    places = Places()
    inner = _registered(seen.devices, places)
    allowed = _allowed(context.at)
    breaches: list[Breach] = []
    regularized: list[Breach] = []
    unknown: list[Ground] = []
    facts = _facts(seen)
    for device in seen.devices:
        zones = {zone.pk: zone for zone in inner.get(device.pk, ())}
        zones |= {zone.pk: zone for zone in _inside(facts.get(device.pk, ()), places)}
        row = seen.fresh.get(device.pk)
        if row is None:
            if zones or device.zone is None:
                unknown.append(Ground(device.unit.code, seen.why[device.pk], subject(device)))
            continue
        if not zones:
            continue
        unknown += _unread(device, row, facts[device.pk])
        for way in _ways(facts[device.pk], places):
            fitting = {each.at(row.collected_at) for each in allowed if each.holds(way, zones)}
            if "yes" not in fitting:
                (regularized if "later" in fitting else breaches).append(_breach(device, row, way, zones.values()))
    return Outcome((), tuple(breaches), tuple(unknown), regularized=tuple(regularized))


def subject(device: Device) -> Subject:
    """Return the configuration of a device as what is judged: of its own, so that its ground keeps no finding open that traffic showed."""
    return Subject(f"configuration:{device.code}", device.name, device.unit.code, device.person.code if device.person else None)


def _facts(seen: Watched) -> dict[int, list[dict[str, str]]]:
    rows = ConfigSnapshot.objects.filter(pk__in=[row.pk for row in seen.fresh.values()])
    return dict(rows.values_list("device_id", "text__facts"))


def _registered(devices: Iterable[Device], places: Places) -> dict[int, list[Zone]]:
    """Return the internal zones in which devices stand by the register: their own, and those of their interfaces' addresses."""
    found: dict[int, list[Zone]] = {
        device.pk: [device.zone] for device in devices if device.zone is not None and device.zone.kind not in NO_EXITS
    }
    keys = {device.pk for device in devices}
    for key, addresses in Interface.objects.exclude(addresses=[]).values_list("device_id", "addresses"):
        if key in keys:
            zones = (places.of(each) for each in addresses)
            found.setdefault(key, []).extend(zone for zone in zones if zone is not None and zone.kind not in NO_EXITS)
    return {key: zones for key, zones in found.items() if zones}


def _inside(facts: Iterable[Mapping[str, str]], places: Places) -> Iterator[Zone]:
    for fact in facts:
        if fact["kind"] == "address":
            zone = places.of(fact["address"])
            if zone is not None and zone.kind not in NO_EXITS:
                yield zone


def _ways(facts: Iterable[Mapping[str, str]], places: Places) -> Iterator[Way]:
    """Yield what a configuration says of the internet, each outside address of a kind once."""
    known = set()
    for fact in facts:
        name = OUTSIDE.get(fact["kind"])
        outside = fact.get(name, "").partition("/")[0] if name else ""
        if outside and is_public(outside) and places.of(outside) is None and (fact["kind"], outside) not in known:
            known.add((fact["kind"], outside))
            yield Way(fact["kind"], int(fact["line"]), outside, fact.get("inside", "").partition("/")[0])


def _unread(device: Device, row: ConfigSnapshot, facts: Iterable[Mapping[str, str]]) -> Iterator[Ground]:
    """Yield what of a configuration nobody can judge: lines that were not read, and a default route that names an interface alone."""
    if row.unread_count:
        params = {"device": device.name, "lines": row.unread_count, "line": row.unread[0]}
        yield Ground(device.unit.code, Why("snapshot_unread", params), subject(device))
    for fact in facts:
        if fact["kind"] == "route" and fact["network"] in DEFAULTS and not fact.get("next_hop"):
            params = {"device": device.name, "interface": fact.get("interface", ""), "line": fact["line"]}
            yield Ground(device.unit.code, Why("default_route_without_hop", params), subject(device))
            return


def _breach(device: Device, row: ConfigSnapshot, way: Way, zones: Iterable[Zone]) -> Breach:
    lines = snapshots.body_of(row.text).split("\n")
    said = lines[way.line - 1].strip() if way.line <= len(lines) else ""
    params = {
        "device": device.name, "zone": "、".join(sorted({zone.name for zone in zones})), "outside": way.outside, "line": way.line,
        "text": said[:120], "at": clock.minute(row.collected_at),
    }  # fmt: skip
    evidence = (f"config_snapshot:{row.pk}",)
    return Breach(subject(device), Why(f"config_way_out_{way.kind}", params), evidence, row.collected_at, f"{way.kind} {way.outside}")


def _allowed(at: datetime) -> list[Allowed]:
    """Return the approved links between a zone of the bureau and the internet, as they are believed at an instant."""
    rows = Link.objects.filter(superseded_at=None, recorded_at__lte=at, basis__authority=AUTHORITY)
    found = []
    for link in rows.select_related("near_zone", "far_zone", "basis").order_by("pk"):
        outward = link.far_zone.kind == Zone.Kind.INTERNET
        if outward == (link.near_zone.kind == Zone.Kind.INTERNET):
            continue
        near, far = tuple(scopes.parsed(link.near_prefixes)), tuple(scopes.parsed(link.far_prefixes))
        zone, inner, outer = (link.near_zone_id, near, far) if outward else (link.far_zone_id, far, near)
        ends = min((each for each in (link.valid_to, link.basis.valid_to) if each is not None), default=None)
        # A link that was closed is recorded anew; its approval says since when it was known.
        found.append(Allowed(zone, inner, outer, link.valid_from, link.basis.valid_from, ends))
    return found
