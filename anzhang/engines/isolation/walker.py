"""One packet, followed line by line: first match wins, the longest prefix wins. Knows nothing of sets; shares only the model.

What it says it has seen: a packet that this walks from one network into another passes, if the configurations are what they say.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from anzhang.engines.isolation.model import DENY, PERMIT, Device, Entry, Filter, Forward, Hide, Interface
from anzhang.engines.isolation.packets import Packet

MOST = 20_000  # steps of one walk


@dataclass(frozen=True)
class Hop:
    """A device that a packet passed: in and out by which interfaces, which lines decided, what the packet was after it."""

    device: str
    come: str
    go: str
    lines: tuple[tuple[int, str], ...]
    packet: Packet


@dataclass(frozen=True)
class Walk:
    """How a packet came to where it arrived. `certain`: no line on the way decides by more than the packet."""

    packet: Packet
    hops: tuple[Hop, ...]
    certain: bool


Decided = tuple[bool, bool, tuple[tuple[int, str], ...]]  # passes, for certain, lines


def walk(
    devices: Mapping[str, Device], start: tuple[str, str], packet: Packet, arrives: Callable[[str, str, Packet], bool]
) -> Walk | None:  # fmt: skip
    """Return the walk of a packet that comes in by an interface and leaves some device for none, where `arrives` says that it is there.

    `arrives` is asked with the last device, the interface it leaves by, and the packet then. One for certain where there is one, else one
    that may be; None where none arrives.
    """
    owner: dict[int, list[tuple[str, str]]] = {}
    for device in devices.values():
        for each in device.interfaces.values():
            for address, _length in each.addresses:
                owner.setdefault(address, []).append((device.code, each.name))
    waiting: deque[tuple[tuple[str, str], Packet, tuple[Hop, ...], bool]] = deque([(start, packet, (), True)])
    seen: set[tuple[tuple[str, str], Packet, bool]] = set()
    maybe = None
    while waiting and len(seen) < MOST:
        node, now, hops, certain = waiting.popleft()
        if (node, now, certain) in seen:
            continue
        seen.add((node, now, certain))
        device = devices[node[0]]
        for hop, sure, neighbors, leaves in _through(devices, owner, device, device.interfaces[node[1]], now):
            path, known = (*hops, hop), certain and sure
            if leaves and arrives(device.code, hop.go, hop.packet):
                found = Walk(packet, path, known)
                if known:
                    return found
                maybe = maybe or found
            waiting.extend((other, hop.packet, path, known) for other in neighbors)
    return maybe


def _through(
    devices: Mapping[str, Device], owner: Mapping[int, Sequence[tuple[str, str]]], device: Device, come: Interface, packet: Packet
) -> Iterator[tuple[Hop, bool, list[tuple[str, str]], bool]]:  # fmt: skip
    """Yield how a device hands a packet on: the hop, whether that is for certain, to which devices, whether to others there too."""
    passes, certain, lines = _filtered(come.inbound, packet, come.name, "")
    if not passes:
        return
    for forward, now, sure in _forwarded(device, come, packet):
        if device.owns(now.target):
            continue
        told = (*lines, *(((forward.line, forward.text),) if forward is not None else ()))
        for out, hop, known in _routed(device, come, now):
            allowed, plain, by = _between(device, come, out, now)
            if not allowed:
                continue
            for hide, sent, fits in _hidden(device, out, now):
                left, plainly, last = _filtered(out.outbound, sent, come.name, out.name)
                if not left:
                    continue
                said = (*told, *by, *(((hide.line, hide.text),) if hide is not None else ()), *last)
                neighbors, leaves = _beyond(devices, owner, device, out, hop, sent)
                yield (
                    Hop(device.code, come.name, out.name, said, sent),
                    certain and sure and known and plain and fits and plainly,
                    neighbors,
                    leaves,
                )


def _filtered(rules: Sequence[Filter], packet: Packet, come: str, go: str) -> Decided:
    certain = True
    lines: tuple[tuple[int, str], ...] = ()
    for rule in rules:
        passes, sure, by = decide(rule, packet, come, go)
        if not passes:
            return False, certain and sure, ()
        certain, lines = certain and sure, (*lines, *by)
    return True, certain, lines


def decide(rule: Filter, packet: Packet, come: str, go: str) -> Decided:
    """Return whether a filter lets a packet pass, whether for certain, and by which lines. What may pass passes, not for certain."""
    action, certain, lines = _chain(rule, rule.entries, packet, come, go, 0)
    return (rule.default if action == "return" else action) == PERMIT, certain, lines


def _chain(
    rule: Filter, entries: Sequence[Entry], packet: Packet, come: str, go: str, deep: int
) -> tuple[str, bool, tuple[tuple[int, str], ...]]:
    certain = True
    for entry in entries:
        if (entry.come is not None and not entry.come.holds(come)) or (entry.go is not None and not entry.go.holds(go)):
            continue
        if not fits(entry, packet):
            continue
        if entry.jump:
            if deep > 16 or entry.jump not in rule.chains:
                certain = False
                continue
            action, sure, lines = _chain(rule, rule.chains[entry.jump], packet, come, go, deep + 1)
            certain = certain and sure and (entry.certain or action == "return")
            if action == "return" or (action == DENY and not entry.certain):
                continue
            return action, certain, ((entry.line, entry.text), *lines)
        if not entry.certain:
            certain = False
            if entry.action != PERMIT:
                continue
        return entry.action, certain, ((entry.line, entry.text),)
    return "return", certain, ()


def fits(entry: Entry, packet: Packet) -> bool:
    """Whether a line matches a packet, sides left aside."""
    if entry.protocols is not None and packet.protocol not in entry.protocols:
        return False
    if (entry.source is not None and not entry.source.holds(packet.source)) or (
        entry.target is not None and not entry.target.holds(packet.target)
    ):
        return False
    for ports, port in ((entry.source_ports, packet.source_port), (entry.target_ports, packet.target_port)):
        if ports is not None and not any(each.holds(port) for each in ports):
            return False
    return entry.services is None or any(
        (protocol < 0 or protocol == packet.protocol)
        and (sources is None or any(each.holds(packet.source_port) for each in sources))
        and (targets is None or any(each.holds(packet.target_port) for each in targets))
        for protocol, sources, targets in entry.services
    )


def _forwarded(device: Device, come: Interface, packet: Packet) -> Iterator[tuple[Forward | None, Packet, bool]]:
    sure = True
    for each in device.forwards:
        if each.come is not None and not (each.come.holds(come.name) or each.come.holds(come.zone)):
            continue
        if not each.outside.holds(packet.target) or (each.protocol is not None and each.protocol != packet.protocol):
            continue
        if each.ports is not None and not each.ports.holds(packet.target_port):
            continue
        target = each.inside + packet.target - each.outside.first
        port = packet.target_port
        if each.ports is not None and each.inside_port is not None:
            port = each.inside_port + port - each.ports.first
        yield each, replace(packet, target=target, target_port=port), sure and each.certain
        if each.certain:
            return
        sure = False
    yield None, packet, sure


def _routed(device: Device, come: Interface, packet: Packet) -> Iterator[tuple[Interface, int | None, bool]]:
    """Yield the ways out by the longest prefix; of a device that learns routes also every other, not for certain."""
    inside = [each for each in device.interfaces.values() if device.leaks or each.vrf == come.vrf]
    certain = not (device.leaks or device.unsure)
    direct = [(length, each, None) for each in inside for address, length in each.addresses if not (address ^ packet.target) >> 32 - length]
    over = [
        route
        for route in device.routes
        if (device.leaks or route.vrf == come.vrf) and not (route.first ^ packet.target) >> 32 - route.length
    ]
    leads = [(route, _leads(device, inside, route.hop, route.interface, 0, come.vrf)) for route in over]
    static = [(route, ways) for route, ways in leads if ways or route.interface.upper().startswith("NULL")]
    longest = max([length for length, *_ in direct] + [route.length for route, _ways in static], default=None)
    found: set[tuple[str, int | None]] = {(each.name, hop) for length, each, hop in direct if length == longest}
    for route, ways in static:
        if route.length == longest:
            found |= ways
    for name, hop in sorted(found, key=str):
        yield device.interfaces[name], hop, certain
    if device.dynamic and not direct:
        for each in inside:
            if (each.name, None) not in found:
                yield each, None, False


def _leads(
    device: Device, inside: Sequence[Interface], hop: int | None, interface: str, deep: int, vrf: str
) -> set[tuple[str, int | None]]:
    names = {each.name for each in inside if each.addresses}
    if hop is None:
        return {(interface, None)} if interface in names else set()
    if interface in names:
        return {(interface, hop)}
    near: set[tuple[str, int | None]] = {
        (each.name, hop) for each in inside for address, length in each.addresses if not (address ^ hop) >> 32 - length
    }
    if near or deep > 3:
        return near
    over = [route for route in device.routes if (device.leaks or route.vrf == vrf) and not (route.first ^ hop) >> 32 - route.length]
    best = max(over, key=lambda route: route.length, default=None)
    return _leads(device, inside, best.hop, best.interface, deep + 1, vrf) if best is not None and best.hop != hop else set()


def _between(device: Device, come: Interface, out: Interface, packet: Packet) -> Decided:
    if device.policy is None:
        return True, True, ()
    action, certain, lines = _chain(device.policy, device.policy.entries, packet, come.zone, out.zone, 0)
    if action == "return":
        action = device.within if come.zone and come.zone == out.zone else device.policy.default
    return action == PERMIT, certain, lines


def _hidden(device: Device, out: Interface, packet: Packet) -> Iterator[tuple[Hide | None, Packet, bool]]:
    fitting = [
        each
        for each in device.hides
        if (each.go is None or each.go.holds(out.name)) and (each.source is None or each.source.holds(packet.source))
    ]
    # Which of several translations of the source applies, and to which address, no line says for certain; that one does is sure enough.
    for each in fitting:
        part = each.to.parts[0] if each.to is not None and each.to.parts else None
        source = packet.source if part is None else getattr(part, "first", getattr(part, "value", packet.source))
        yield each, replace(packet, source=source), len(fitting) == 1 and each.certain
    if len(fitting) != 1 or not fitting[0].certain:
        yield None, packet, not fitting


def _beyond(
    devices: Mapping[str, Device],
    owner: Mapping[int, Sequence[tuple[str, str]]],
    device: Device,
    out: Interface,
    hop: int | None,
    packet: Packet,
) -> tuple[list[tuple[str, str]], bool]:  # fmt: skip
    def shares(other: tuple[str, str]) -> bool:
        theirs = devices[other[0]].interfaces[other[1]]
        return other != (device.code, out.name) and any(
            mine.first <= their.last and their.first <= mine.last for mine in out.subnets() for their in theirs.subnets()
        )

    if hop is not None:
        owners = [each for each in owner.get(hop, ()) if shares(each)]
        return owners, not owners
    if any(subnet.holds(packet.target) for subnet in out.subnets()):
        return [], True
    return [(code, each.name) for code, other in devices.items() for each in other.interfaces.values() if shares((code, each.name))], True
