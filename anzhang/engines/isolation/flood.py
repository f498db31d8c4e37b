"""Which packets reach where: sets of packets followed through every device, with routes or whatever they say.

What is pending for a device and the interface it comes in by is one set (many paths, few steps). Where a filter may decide either way it
is taken to let pass. Every step is kept with the set that it sent, so that one packet can be traced back to where it began.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from anzhang.engines.isolation.model import DENY, PERMIT, Device, Entry, Filter, Forward, Hide, Interface, Range
from anzhang.engines.isolation.packets import Packet, Packets, Set

Node = tuple[str, str]  # device, interface by which it comes in
DEEPEST = 16  # chains that jump to chains


@dataclass(frozen=True)
class Step:
    """A set that a device sent out of an interface: what it was before the destination was translated, and after all."""

    number: int
    node: Node
    out: str
    before: Set
    forward: Forward | None
    hide: Hide | None
    sent: Set
    to: tuple[Node, ...]
    leaves: bool  # for a neighbor that nobody knows, or for whoever lives on the network


@dataclass
class Reached:
    """Where a flood came: all steps, and where it began."""

    steps: list[Step] = field(default_factory=list)
    began: dict[Node, Set] = field(default_factory=dict)


class Net:
    """Devices joined where their interfaces share a network."""

    def __init__(self, devices: Iterable[Device], packets: Packets) -> None:
        """Join them."""
        self.devices = {device.code: device for device in devices}
        self.packets = packets
        self.routes: dict[tuple[str, str], dict[tuple[str, int | None], Set]] = {}
        self.owner: dict[int, list[tuple[str, str]]] = defaultdict(list)
        ends = sorted(
            (subnet.first, subnet.last, device.code, each.name)
            for device in self.devices.values()
            for each in device.interfaces.values()
            for subnet in each.subnets()
        )
        self.beside: dict[Node, set[Node]] = defaultdict(set)
        group: list[tuple[int, int, str, str]] = []
        for end in [*ends, (1 << 40, 0, "", "")]:
            if group and end[0] > max(each[1] for each in group):
                nodes = {(code, name) for _first, _last, code, name in group}
                for node in nodes:
                    self.beside[node] |= nodes - {node}
                group = []
            group.append(end)
        for device in self.devices.values():
            for each in device.interfaces.values():
                for address, _length in each.addresses:
                    self.owner[address].append((device.code, each.name))

    def own(self, device: Device) -> Set:
        """Return the packets to a device itself: those it forwards to nobody."""
        return self.packets.parts(
            "target", [Range(address, address) for each in device.interfaces.values() for address, _ in each.addresses]
        )

    def ways(self, device: Device, vrf: str) -> dict[tuple[str, int | None], Set]:
        """Return by which interface, and for which next hop, a device sends which packets: the longest prefix wins."""
        key = (device.code, "" if device.leaks else vrf)
        if key not in self.routes:
            self.routes[key] = self._ways(device, key[1])
        return self.routes[key]

    def _ways(self, device: Device, vrf: str) -> dict[tuple[str, int | None], Set]:  # noqa: C901  # the steps in order
        inside = [each for each in device.interfaces.values() if device.leaks or each.vrf == vrf]
        table: dict[tuple[int, int], list[tuple[str, int | None]]] = defaultdict(list)
        for each in inside:
            for address, length in each.addresses:
                table[length, address >> 32 - length << 32 - length if length else 0].append((each.name, None))
        connected = [(subnet, each.name) for each in inside for subnet in each.subnets()]
        static = [route for route in device.routes if device.leaks or route.vrf == vrf]
        hops = [(each.first, each.length, each.hop, each.interface) for each in static]
        for route in static:
            if route.interface.upper().startswith("NULL"):
                table[route.length, route.first] += []  # held, and sent nowhere
            for way in _resolve(route.hop, route.interface, connected, hops):
                if (route.length, route.first) not in table or way not in table[route.length, route.first]:
                    table[route.length, route.first].append(way)
        found: dict[tuple[str, int | None], Set] = defaultdict(lambda: self.packets.none)
        taken = self.packets.none
        for length, first in sorted(table, reverse=True):
            whole = self.packets.block("target", first, 0xFFFFFFFF << 32 - length & 0xFFFFFFFF if length else 0)
            free = whole & ~taken
            for way in table[length, first]:
                found[way] = found[way] | free
            taken = taken | whole
        if device.dynamic:  # nobody knows what was learned: any neighbor may get what no connected network holds
            connected_set = self.packets.any_of([self.packets.between("target", subnet.first, subnet.last) for subnet, _name in connected])
            for each in inside:
                found[each.name, None] = found[each.name, None] | ~connected_set
        return dict(found)


def _resolve(
    hop: int | None,
    interface: str,
    connected: Sequence[tuple[Range, str]],
    static: Sequence[tuple[int, int, int | None, str]],
    deep: int = 0,
) -> list[tuple[str, int | None]]:
    """Return the interfaces and next hops that a route leads to: through other routes where its next hop is on no connected network."""
    if hop is None:
        return [(interface, None)] if interface in {name for _subnet, name in connected} else []
    if interface and interface in {name for _subnet, name in connected}:
        return [(interface, hop)]
    near: list[tuple[str, int | None]] = [(name, hop) for subnet, name in connected if subnet.holds(hop)]
    if near or deep > 3:
        return near
    best = max((each for each in static if hop >> 32 - each[1] == each[0] >> 32 - each[1]), key=lambda each: each[1], default=None)
    return _resolve(best[2], best[3], connected, static, deep + 1) if best is not None and best[2] != hop else []


def passes(packets: Packets, given: Set, rule: Filter, come: str, go: str) -> Set:
    """Return what a filter may let pass of a set. One that asks for no sides is computed once, for every set and interface."""
    if not rule.chains and all(entry.come is None and entry.go is None for entry in rule.entries):
        key = (id(rule.entries), rule.default)  # entries live as long as their devices, and those as long as the sets
        if key not in packets.of_filters:
            allowed, left = _chain(packets, packets.all, rule.entries, rule.chains, "", "", 0)
            packets.of_filters[key] = allowed | left if rule.default == PERMIT else allowed
        return given & packets.of_filters[key]
    allowed, left = _chain(packets, given, rule.entries, rule.chains, come, go, 0)
    return allowed | left if rule.default == PERMIT else allowed


def _chain(
    packets: Packets, given: Set, entries: tuple[Entry, ...], chains: Mapping[str, tuple[Entry, ...]], come: str, go: str, deep: int
) -> tuple[Set, Set]:  # fmt: skip
    """Return what is let pass, and what falls through."""
    allowed, returned, left = [], packets.none, given
    for entry in entries:
        if not left.satisfiable():
            break
        if (entry.come is not None and not entry.come.holds(come)) or (entry.go is not None and not entry.go.holds(go)):
            continue
        matched = left & packets.entry(entry)
        if entry.jump:
            if deep > DEEPEST or entry.jump not in chains:
                continue
            passed, through = _chain(packets, matched, chains[entry.jump], chains, come, go, deep + 1)
            allowed.append(passed)
            left = (left & ~matched) | through if entry.certain else left
        elif entry.action == PERMIT:
            allowed.append(matched)
            left = left & ~matched if entry.certain else left
        elif entry.action == DENY:
            left = left & ~matched if entry.certain else left
        else:  # back to the chain that jumped here
            returned = returned | matched
            left = left & ~matched if entry.certain else left
    return packets.any_of(allowed), left | returned


def flood(net: Net, start: Mapping[Node, Set], *, routed: bool) -> Reached:
    """Follow sets of packets until nothing new comes anywhere."""
    packets, found = net.packets, Reached()
    found.began = dict(start)
    pending = {node: given for node, given in start.items() if given.satisfiable()}
    seen: dict[Node, Set] = {}
    own = {code: net.own(device) for code, device in net.devices.items()}
    while pending:
        node = next(iter(pending))
        given = pending.pop(node) & ~seen.get(node, packets.none)
        if not given.satisfiable():
            continue
        seen[node] = seen.get(node, packets.none) | given
        device = net.devices[node[0]]
        come = device.interfaces[node[1]]
        for rule in come.inbound:
            given = passes(packets, given, rule, come.name, "")
        for forward, share in _forwarded(packets, device, come, given):
            piece = share & ~own[device.code]
            if not piece.satisfiable():
                continue
            for out, hop, way in _out_of(net, device, come, routed):
                before = piece & way
                if before.satisfiable():
                    _send(net, found, pending, node, come, device.interfaces[out], hop, before, forward, given, routed)
    return found


def _out_of(net: Net, device: Device, come: Interface, routed: bool) -> Iterable[tuple[str, int | None, Set]]:
    if routed:
        return [(out, hop, way) for (out, hop), way in net.ways(device, come.vrf).items()]
    return [(each.name, None, net.packets.all) for each in device.interfaces.values() if device.leaks or each.vrf == come.vrf]


def _forwarded(packets: Packets, device: Device, come: Interface, given: Set) -> Iterable[tuple[Forward | None, Set]]:
    left = given
    for each in device.forwards:
        if each.come is not None and not (each.come.holds(come.name) or each.come.holds(come.zone)):
            continue
        matched = left & matches(packets, each)
        if not matched.satisfiable():
            continue
        yield each, translated(packets, matched, each)
        if each.certain:
            left = left & ~matched
    yield None, left


def matches(packets: Packets, each: Forward) -> Set:
    """Return what a translation of destinations matches."""
    found = packets.between("target", each.outside.first, each.outside.last)
    if each.protocol is not None:
        found = found & packets.block("protocol", each.protocol, 0xFF)
    return found & packets.between("target_port", each.ports.first, each.ports.last) if each.ports is not None else found


def translated(packets: Packets, given: Set, each: Forward) -> Set:
    """Return a set after a translation of its destinations: one to one, which address and port by address and port."""
    pieces = []
    for address in range(each.outside.first, each.outside.last + 1):
        one = given & packets.between("target", address, address)
        inside = each.inside + address - each.outside.first
        if each.ports is None or each.inside_port is None:
            pieces.append(packets.forget(one, "target") & packets.between("target", inside, inside))
            continue
        for port in range(each.ports.first, each.ports.last + 1):
            at = one & packets.between("target_port", port, port)
            new = each.inside_port + port - each.ports.first
            moved = packets.forget(at, "target", "target_port") & packets.between("target", inside, inside)
            pieces.append(moved & packets.between("target_port", new, new))
    return packets.any_of(pieces)


def _send(
    net: Net, found: Reached, pending: dict[Node, Set], node: Node, come: Interface, out: Interface, hop: int | None, piece: Set,
    forward: Forward | None, before: Set, routed: bool,
) -> None:  # fmt: skip
    """Let a piece through the policy and the filters of the way out, translate its source, hand it on."""
    packets, device = net.packets, net.devices[node[0]]
    piece = within(packets, device, come, out, piece)
    if not piece.satisfiable():
        return
    hidden = [
        (None, piece),
        *((each, _hidden(packets, piece, each)) for each in device.hides if each.go is None or each.go.holds(out.name)),
    ]
    for hide, each in hidden:
        sent = each
        for rule in out.outbound:
            sent = passes(packets, sent, rule, come.name, out.name)
        if sent.satisfiable():
            for next_to, share, leaves in _handed(net, (device.code, out.name), out, hop, sent, routed):
                if not share.satisfiable():
                    continue
                found.steps.append(Step(len(found.steps), node, out.name, before, forward, hide, share, next_to, leaves))
                for other in next_to:
                    pending[other] = pending.get(other, packets.none) | share


def within(packets: Packets, device: Device, come: Interface, out: Interface, piece: Set) -> Set:
    """Return what the policy between zones lets pass."""
    if device.policy is None:
        return piece
    policy = device.policy
    if come.zone and come.zone == out.zone and device.within != policy.default:
        policy = Filter(policy.name, policy.entries, device.within, policy.chains)
    return passes(packets, piece, policy, come.zone, out.zone)


def _hidden(packets: Packets, piece: Set, hide: Hide) -> Set:
    matched = piece & packets.addresses("source", hide.source)
    return packets.forget(matched, "source", "source_port") & packets.addresses("source", hide.to)


def _handed(
    net: Net, node: Node, out: Interface, hop: int | None, sent: Set, routed: bool
) -> Iterable[tuple[tuple[Node, ...], Set, bool]]:  # fmt: skip
    """Yield to whom a set goes that leaves by an interface: to devices of its network, and whether also to others on it."""
    beside = tuple(sorted(net.beside[node]))
    if not routed:
        yield beside, sent, True
        return
    if hop is not None:
        owners = tuple(each for each in net.owner.get(hop, ()) if each in net.beside[node])
        yield owners, sent, not owners
        return
    connected = net.packets.any_of([net.packets.between("target", each.first, each.last) for each in out.subnets()])
    yield (), sent & connected, True
    yield beside, sent & ~connected, True  # out of the interface, or learned: to whoever answers for it


def trace(net: Net, reached: Reached, last: Step, packet: Packet) -> tuple[Node, Packet] | None:
    """Return where the packet that arrived as `packet` by a step began, and how it was then."""
    packets = net.packets
    step, now = last, packet
    for _ in range(len(reached.steps) + 1):
        but = [
            *(("target", "target_port") if step.forward is not None else ()),
            *(("source", "source_port") if step.hide is not None else ()),
        ]
        earlier = step.before & packets.exactly(now, *but)
        if step.forward is not None:
            offset = now.target - step.forward.inside
            was = step.forward.outside.first + offset
            earlier = earlier & packets.between("target", was, was)
            if step.forward.ports is not None and step.forward.inside_port is not None:
                port = step.forward.ports.first + now.target_port - step.forward.inside_port
                earlier = earlier & packets.between("target_port", port, port)
            else:
                earlier = earlier & packets.between("target_port", now.target_port, now.target_port)
        if step.hide is not None:
            earlier = earlier & packets.addresses("source", step.hide.source)
        begun = reached.began.get(step.node)
        if begun is not None and (first := packets.pick(earlier & begun)) is not None:
            return step.node, first
        for before in reached.steps[: step.number]:
            if step.node in before.to and (one := packets.pick(earlier & before.sent)) is not None:
                step, now = before, one
                break
        else:
            return None
    return None
