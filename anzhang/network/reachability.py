"""What can pass between networks by the newest configurations of every network device (Art. 9, 31; A09.1, A31.2).

The engine proves it (`engines.isolation`); here the registers say which networks there are, which pairs are asked and what was approved,
and a proof becomes findings and unknown ground. One proof serves every check of a run, and every run until something that it rests on
changes. What passes within the addresses and ports of a link that the leading group approved is no finding, from either end.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db.models import Q

from anzhang import clock
from anzhang.network import fields, scopes, snapshots
from anzhang.network.models import Device, Interface, Link, Zone
from anzhang.network.tables import ConfigSnapshot
from anzhang.network.watching import NO_DEVICES, Watched, watched
from anzhang.regulation.checks import Context
from anzhang.regulation.verdicts import Breach, Ground, Outcome, Subject, Why

if TYPE_CHECKING:  # loaded when there is something to prove
    from anzhang.engines import isolation

AUTHORITY = "leading_group"
INTERNET = "internet"  # the area of every zone of that kind
SHOWN, HOPS = 3, 6  # rows and lines, hops that a sentence names

Pair = tuple[str, str]


@dataclass(frozen=True)
class Reach:
    """A proof, the snapshots that it rests on by device, zones by the area's name, and the devices that it knows nothing of."""

    proof: isolation.Proof
    rows: Mapping[str, ConfigSnapshot]
    seen: Watched
    zones: Mapping[str, Zone]
    stale: tuple[Ground, ...]


def of(context: Context) -> Reach:
    """Return what can pass at the instant of a run: between the kinds that are kept apart, and between zones that links join."""
    return context.shared("reachability", lambda: _prove(context))


def kept_apart(context: Context, zones: Iterable[Zone]) -> Iterator[tuple[str, Pair]]:
    """Yield the pairs of areas that are kept apart, either way, with the name of the pair of kinds (`business-internet`).

    The internet is asked for whether or not a zone of that kind is registered: it is every address of no zone.
    """
    known = list(zones)

    def of_kind(kind: str) -> list[str]:
        return [INTERNET] if kind == Zone.Kind.INTERNET else [area(zone) for zone in known if zone.kind == kind]

    for name in context.parameters["isolated_pairs"]:
        one, _, two = name.partition("-")
        for inner, outer in ((x, y) for x in of_kind(one) for y in of_kind(two) if x != y):
            yield name, (inner, outer)
            yield name, (outer, inner)


def area(zone: Zone) -> str:
    """Return the area of a zone: whoever is on the internet is in one."""
    return INTERNET if zone.kind == Zone.Kind.INTERNET else zone.code


def _prove(context: Context) -> Reach:
    from anzhang.engines import isolation

    seen, hours = watched(context), context.parameters["isolation_proof_hours"]
    zones = list(Zone.objects.select_related("unit").order_by("pk"))
    stale = tuple(_stale(seen, context.at, hours))
    rows = {device.code: seen.fresh[device.pk] for device in seen.devices if device.pk in seen.fresh}
    links = standing(context.at)
    pairs = dict.fromkeys(pair for _name, pair in kept_apart(context, zones))
    for link in links:
        near, far = area(link.near_zone), area(link.far_zone)
        pairs |= dict.fromkeys(((near, far), (far, near)))
    given = (
        tuple(isolation.Text(code, snapshots.body_of(row.text), row.dialect) for code, row in rows.items()),
        tuple(areas(zones)),
        tuple(ports([device for device in seen.devices if device.code in rows and rows[device.code].dialect == "iptables"], zones)),
        tuple(pairs),
        {pair: tuple(allowed) for pair, allowed in approved(links).items()},
    )
    return Reach(_remembered(given), rows, seen, {area(zone): zone for zone in reversed(zones)}, stale)


_LAST: dict[str, Any] = {}


def _remembered(given: tuple[Any, ...]) -> isolation.Proof:
    """Return the proof of what is given; the last one is kept, for between two runs hardly ever something changes."""
    from anzhang.engines import isolation

    key = hashlib.sha256(repr(given).encode()).hexdigest()
    if key not in _LAST:
        proof = isolation.prove(*given)
        _LAST.clear()
        _LAST[key] = proof
    found: isolation.Proof = _LAST[key]
    return found


def _stale(seen: Watched, at: datetime, hours: float) -> Iterator[Ground]:
    for device in seen.devices:
        row = seen.fresh.get(device.pk)
        if row is None:
            yield Ground(device.unit.code, seen.why[device.pk], _subject(device))
        elif at - row.collected_at > timedelta(hours=hours):
            params = {"device": device.name, "at": clock.minute(row.collected_at), "hours": int(hours)}
            yield Ground(device.unit.code, Why("snapshot_stale", params), _subject(device))


def _subject(device: Device) -> Subject:
    """Return the configuration of a device as ground: of its own, so that it keeps no finding open that traffic showed."""
    return Subject(f"configuration:{device.code}", device.name, device.unit.code, device.person.code if device.person else None)


def areas(zones: Sequence[Zone]) -> Iterator[isolation.Area]:
    """Yield the areas of the zones. A network within another zone's is taken out of that one: the narrowest wins, as rules have it."""
    from anzhang.engines import isolation

    own = [(zone, network) for zone in zones if zone.kind != Zone.Kind.INTERNET for network in scopes.parsed(zone.networks)]
    for zone in zones:
        if zone.kind == Zone.Kind.INTERNET:
            continue
        inner = [other for owner, other in own if owner.pk != zone.pk]
        kept = [part for network in scopes.parsed(zone.networks) for part in _without(network, inner)]
        yield isolation.Area(zone.code, tuple(str(part) for part in kept))
    yield isolation.Area(INTERNET, (), outside=True)


def _without(network: scopes.Network, others: Iterable[scopes.Network]) -> list[scopes.Network]:
    parts: list[Any] = [network]
    for other in sorted(others, key=lambda each: each.prefixlen):
        if other.version != network.version or other.prefixlen <= network.prefixlen:
            continue
        parts = [
            piece
            for part in parts
            for piece in (part.address_exclude(other) if other.subnet_of(part) and other != part else () if other == part else (part,))
        ]
    return sorted(ipaddress.collapse_addresses(parts)) if parts else []


def ports(devices: Iterable[Device], zones: Sequence[Zone]) -> Iterator[isolation.Port]:
    """Yield in which area registered interfaces stand, by their fixed addresses: of devices whose configuration names none."""
    from anzhang.engines import isolation
    from anzhang.network.exits import Places

    places, codes = Places(), {device.pk: device.code for device in devices}
    known = {area(zone) for zone in zones}
    for key, name, addresses in Interface.objects.exclude(addresses=[]).values_list("device_id", "name", "addresses").order_by("pk"):
        for address in addresses if key in codes else ():
            zone = places.of(address)
            if zone is not None and area(zone) in known:
                yield isolation.Port(codes[key], name, area(zone))


def standing(at: datetime) -> list[Link]:
    """Return the links that the leading group approved and that hold at an instant, by code."""
    rows = Link.objects.filter(
        Q(valid_to=None) | Q(valid_to__gt=at), Q(basis__valid_to=None) | Q(basis__valid_to__gt=at), basis__authority=AUTHORITY,
        superseded_at=None, valid_from__lte=at, recorded_at__lte=at,
    )  # fmt: skip
    return list(rows.select_related("near_zone", "far_zone", "unit", "person").order_by("code"))


def approved(links: Iterable[Link]) -> dict[Pair, list[isolation.Scope]]:
    """Return what links let pass, by pair of areas as the link is written."""
    from anzhang.engines import isolation

    found: dict[Pair, list[isolation.Scope]] = {}
    for link in links:
        ranges = tuple(fields.port_range(each) for each in link.ports)
        scope = isolation.Scope(tuple(link.near_prefixes), tuple(link.far_prefixes), ranges)
        found.setdefault((area(link.near_zone), area(link.far_zone)), []).append(scope)
    return found


# What a proof says of the two duties


def crossings(context: Context) -> Outcome:
    """Return the pairs of networks kept apart between which a packet can pass, and what nobody can say. Source: Art. 9; A09.1."""
    reach = of(context)
    if not reach.seen.devices:
        return Outcome((), unknown=(NO_DEVICES,))
    breaches: dict[tuple[str, str], Breach] = {}
    doubted: dict[str, Ground] = {}
    for name, (source, target) in kept_apart(context, reach.zones.values()):
        verdict = reach.proof.verdicts[source, target]
        inner = reach.zones[target if source == INTERNET else source]
        if verdict.grade == "connected":
            outward = source == area(inner)
            found = _breach(reach, verdict, Subject(f"zone:{inner.code}", inner.name, inner.unit.code), name)
            breaches.setdefault((inner.code, f"{name} {'out' if outward else 'in'}"), found)
        elif verdict.grade == "unproved":
            doubted |= _doubts(reach, verdict)
    return Outcome((), tuple(breaches.values()), (*reach.stale, *doubted.values()))


def growth(context: Context) -> Outcome:
    """Return the links beyond which configurations let something pass, and what nobody can say. Source: Art. 31; A31.2."""
    reach = of(context)
    if not reach.seen.devices:
        return Outcome((), unknown=(NO_DEVICES,))
    breaches: list[Breach] = []
    doubted: dict[str, Ground] = {}
    for link in standing(context.at):
        near, far = area(link.near_zone), area(link.far_zone)
        person = link.person.code if link.person_id else None
        for pair in ((near, far), (far, near)):
            verdict = reach.proof.verdicts[pair]
            if verdict.grade == "connected":
                owes = Subject(f"link:{link.code}", link.name, link.unit.code, person)
                breaches.append(_breach(reach, verdict, owes, f"{link.near_zone.name}—{link.far_zone.name}"))
                break
            if verdict.grade == "unproved":
                doubted |= _doubts(reach, verdict)
    return Outcome((), tuple(breaches), (*reach.stale, *doubted.values()))


def _breach(reach: Reach, verdict: isolation.Verdict, owes: Subject, pair: str) -> Breach:
    """Return what a packet shows that passes: from where to where, by which devices and which of their lines."""
    witness, more = verdict.witnesses[0], verdict.rows
    packet = witness.packet
    ways = "、".join(f"{row.source} → {row.target} {service_of(row)}" for row in more[:SHOWN]) + ("…" if len(more) > SHOWN else "")
    params = {
        "pair": pair, "source": str(ipaddress.IPv4Address(packet.source)), "destination": str(ipaddress.IPv4Address(packet.target)),
        "service": _named(packet.protocol, packet.target_port), "path": "；".join(_told(hop) for hop in witness.hops[:HOPS]), "ways": ways,
        "name": owes.label,
    }  # fmt: skip
    rows = [reach.rows[hop.device] for hop in witness.hops if hop.device in reach.rows]
    evidence = tuple(dict.fromkeys(f"config_snapshot:{row.pk}" for row in rows))
    return Breach(
        owes, Why("configured_path", params), evidence, max((row.collected_at for row in rows), default=None), f"configured {pair}"
    )


def _told(hop: Any) -> str:
    lines = "，".join(f"{text}（{line}）" for line, text in hop.lines[:SHOWN])
    return f"{hop.device} {hop.come}→{hop.go}" + (f" {lines}" if lines else "")


def service_of(row: isolation.Row) -> str:
    """Return the service of a row as registers write it: `tcp/443`, `tcp/8000-8010`, `icmp`."""
    if (row.first_port, row.last_port) == (0, 65535):
        return row.protocol
    return f"{row.protocol}/{row.first_port}" + ("" if row.first_port == row.last_port else f"-{row.last_port}")


def _named(protocol: int, port: int) -> str:
    from anzhang.engines.isolation.model import PROTOCOLS

    name = next((name for name, number in PROTOCOLS.items() if number == protocol), str(protocol))
    return f"{name}/{port}" if name in {"tcp", "udp"} else name


def _doubts(reach: Reach, verdict: isolation.Verdict) -> dict[str, Ground]:
    """Return what keeps a pair from being proved, once for each device and for each area that no device leads to."""
    found: dict[str, Ground] = {}
    devices = {device.code: device for device in reach.seen.devices}
    for doubt in verdict.doubts:
        if doubt.device in devices:
            device = devices[doubt.device]
            params = {"device": device.name, "line": doubt.line, "text": doubt.text[:120], "why": doubt.why}
            code = f"isolation_doubt_{doubt.why}" if doubt.why in DOUBTS else "isolation_doubt"
            found.setdefault(f"d {device.code}", Ground(device.unit.code, Why(code, params), _subject(device)))
        elif doubt.text in reach.zones:
            zone = reach.zones[doubt.text]
            params = {"zone": zone.name}
            ground = Ground(
                zone.unit.code, Why("isolation_area_without_port", params), Subject(f"proof:{zone.code}", zone.name, zone.unit.code)
            )
            found.setdefault(f"z {zone.code}", ground)
        else:
            found.setdefault(
                "", Ground(None, Why("isolation_may_pass", {"pair": doubt.text}), Subject("proof:isolation", doubt.text, None))
            )
    return found


def doubts(reach: Reach) -> list[Ground]:
    """Return what keeps any of the pairs from being proved, each once."""
    found: dict[str, Ground] = {}
    for verdict in reach.proof.verdicts.values():
        if verdict.grade == "unproved":
            found |= _doubts(reach, verdict)
    return list(found.values())


DOUBTS = frozenset({"ipv6", "next_hop", "dynamic_routes", "may_pass", "port_unknown", "address", "tunnel", "nat"})
