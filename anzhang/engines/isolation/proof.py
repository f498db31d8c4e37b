"""Whether packets pass between areas of a network, proved from the configurations of its devices (Art. 9, 31).

`isolated`: the filters alone keep the areas apart, whatever the routes. `routes_only`: they do not, and only the routes do; one static
route ends that. `connected`: a packet passes, and the walker, which knows nothing of the proof, walked it. `unproved`: something was not
understood, or may let pass; that is never taken for isolated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network, ip_network

from anzhang.engines.isolation import reading
from anzhang.engines.isolation.flood import Net, Node, Reached, Step, flood, trace
from anzhang.engines.isolation.model import LAST, PROTOCOLS, Addresses, Device, Doubt, Forward, Hide, Interface, Range
from anzhang.engines.isolation.packets import WITH_PORTS, Packet, Packets, Set
from anzhang.engines.isolation.walker import Walk, walk
from anzhang.engines.sqlbox.addresses import is_public

ISOLATED, ROUTES_ONLY, CONNECTED, UNPROVED = "isolated", "routes_only", "connected", "unproved"
MOST_ROWS, MOST_TRIES = 12, 24
Pair = tuple[str, str]


@dataclass(frozen=True)
class Text:
    """A configuration: whose (a code), its text and dialect as `engines.configs` keeps them."""

    device: str
    text: str
    dialect: str


@dataclass(frozen=True)
class Area:
    """A part of the network and its IPv4 and IPv6 networks; `outside`: the internet, every address that lies in no other area."""

    name: str
    networks: tuple[str, ...]
    outside: bool = False


@dataclass(frozen=True)
class Port:
    """What a register says: this interface of this device stands in this area. It wins over addresses."""

    device: str
    interface: str
    area: str


@dataclass(frozen=True)
class Scope:
    """What is approved between two areas: networks of each, and services as (protocol, first port, last port); `icmp` has no port.

    Either side may begin.
    """

    near: tuple[str, ...]
    far: tuple[str, ...]
    ports: tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class Row:
    """Packets that pass, as a person reads them: networks, protocol, destination ports (0 and 65535: any)."""

    source: str
    target: str
    protocol: str
    first_port: int
    last_port: int


@dataclass(frozen=True)
class Verdict:
    """What was found of a pair of areas, in one direction. `rows` is empty where nothing passes."""

    grade: str
    witnesses: tuple[Walk, ...] = ()
    rows: tuple[Row, ...] = ()
    doubts: tuple[Doubt, ...] = ()


@dataclass(frozen=True)
class Proof:
    """A verdict for each pair, and the devices that join networks."""

    verdicts: Mapping[Pair, Verdict]
    joining: tuple[str, ...] = ()


def prove(
    texts: Iterable[Text],
    areas: Sequence[Area],
    ports: Iterable[Port],
    pairs: Iterable[Pair],
    approved: Mapping[Pair, Sequence[Scope]] | None = None,
) -> Proof:
    """Return what passes between areas beyond what is approved, by pair (source, target).

    Raises ValueError for an area of a pair that is none, and for networks that are none.
    """
    wanted = list(dict.fromkeys(pairs))
    known = {area.name for area in areas}
    if strange := [name for pair in wanted for name in pair if name not in known]:
        raise ValueError(f"no area is called {strange[0]!r}")
    return _Prover([reading.read(each.device, each.text, each.dialect) for each in texts], areas, list(ports), approved or {}).prove(wanted)


# Of a device that joins nothing only these matter: there may be more to it than was read.
ALWAYS = frozenset({"address", "dialect", "tunnel", "port_unknown"})
NO_ADDRESSES = "iptables"


@dataclass
class _Prover:
    devices: Sequence[Device]
    areas: Sequence[Area]
    ports: Sequence[Port]
    approved: Mapping[Pair, Sequence[Scope]]
    reached: dict[object, Reached] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.packets = Packets()
        self.inner = {area.name: _ranges(area.networks) for area in self.areas if not area.outside}
        self.outside = {area.name for area in self.areas if area.outside}
        placed: dict[tuple[str, str], list[str]] = {}
        for port in self.ports:
            placed.setdefault((port.device, port.interface.lower()), []).append(port.area)
        for device in self.devices:
            if device.dialect == NO_ADDRESSES:
                self._stand(device)
            for name, each in device.interfaces.items():
                device.interfaces[name] = replace(each, areas=tuple(placed.get((device.code, name.lower()), ())))
        for device in self.devices:
            device.hides += [_reverse(each) for each in device.forwards]
        self.known = {address for device in self.devices for each in device.interfaces.values() for address, _length in each.addresses}
        self.doubts = [doubt for device in self.devices for doubt in device.doubts if self._joins(device) or doubt.why in ALWAYS]
        self.joining = [device for device in self.devices if self._joins(device)]
        self.net = Net(self.joining, self.packets)
        self.faces: dict[Node, set[str]] = {}
        for device in self.joining:
            for each in device.interfaces.values():
                self.faces[device.code, each.name] = self._faces(device, each.name)
        self._join_without_addresses()
        self.belongs = {name: self._to("target", ranges) for name, ranges in self.inner.items()}
        own = self.packets.any_of(list(self.belongs.values()))
        self.belongs |= dict.fromkeys(self.outside, ~own)

    def _join_without_addresses(self) -> None:
        """Join interfaces of which only the area is known with every other one in that area."""
        for node, names in self.faces.items():
            if not self.net.devices[node[0]].interfaces[node[1]].addresses:
                for other, theirs in self.faces.items():
                    if other != node and names & theirs:
                        self.net.beside[node].add(other)
                        self.net.beside[other].add(node)

    def _stand(self, device: Device) -> None:
        """Give a device whose configuration names no addresses the interfaces that a register knows; doubt those that only rules name."""
        known = {port.interface: port for port in self.ports if port.device == device.code}
        for name in device.interfaces:
            if name not in known:
                device.doubts.append(Doubt(device.code, 0, name, "port_unknown"))
        for name in known:
            device.interfaces.setdefault(name, Interface(name, zone=name))

    @staticmethod
    def _joins(device: Device) -> bool:
        """Whether a device can hand packets from one network to another."""
        return sum(1 for each in device.interfaces.values() if each.addresses or each.areas) > 1 or any(
            len({subnet for subnet in each.subnets() if subnet.first < subnet.last}) > 1 for each in device.interfaces.values()
        )

    def _to(self, name: str, ranges: Iterable[Range]) -> Set:
        return self.packets.any_of([self.packets.between(name, each.first, each.last) for each in ranges])

    def _faces(self, device: Device, name: str) -> set[str]:
        """Return the areas that an interface stands in or leads to: as a register says, else by its networks and the routes out of it."""
        each = device.interfaces[name]
        found = set(each.areas) or self._areas_of(each.subnets())
        if not each.areas and any(_is_public(subnet) for subnet in each.subnets()) and not found:
            found |= self.outside
        standing = bool(found - self.outside)
        for route in device.routes:
            if route.hop is None or not any(subnet.holds(route.hop) for subnet in each.subnets()) or route.hop in self.known:
                continue
            leads = Range(route.first, route.first | (LAST >> route.length if route.length < 32 else 0))
            text = f"{IPv4Address(route.first)}/{route.length} {IPv4Address(route.hop)}"
            if not standing and not _is_local(leads):
                found |= self.outside
            if route.length == 0 and not standing:
                continue
            if route.length == 0 or standing:
                self.doubts.append(Doubt(device.code, route.line, text, "next_hop"))
            elif inward := self._areas_of([leads]):
                found |= inward
                self.doubts.append(Doubt(device.code, route.line, text, "next_hop"))
        return found

    def _areas_of(self, subnets: Iterable[Range]) -> set[str]:
        given = list(subnets)
        return {
            name
            for name, ranges in self.inner.items()
            if any(one.first <= other.last and other.first <= one.last for one in given for other in ranges)
        }

    def prove(self, pairs: Sequence[Pair]) -> Proof:
        return Proof({pair: self._verdict(pair) for pair in pairs}, tuple(device.code for device in self.joining))

    def _verdict(self, pair: Pair) -> Verdict:
        source, target = pair
        allowed = self._allowed(pair)
        doubts = [
            *self.doubts,
            *(
                Doubt("", 0, name, "area_without_port")
                for name in pair
                if name in self.inner and not any(name in each for each in self.faces.values())
            ),
        ]
        if not any(self._arrived(self._flood(pair, allowed, routed=False), target, allowed)):
            return Verdict(UNPROVED if doubts else ISOLATED, doubts=tuple(doubts))
        arrived = list(self._arrived(self._flood(pair, allowed, routed=True), target, allowed))
        if not arrived:
            dynamic = [Doubt(device.code, 0, "", "dynamic_routes") for device in self.joining if device.dynamic]
            return Verdict(UNPROVED if doubts or dynamic else ROUTES_ONLY, doubts=(*doubts, *dynamic))
        walks, maybe = self._walks(pair, arrived)
        there = self.packets.any_of([each for _step, each in arrived])
        usual = there & self._to("source", self.inner.get(source, ()))  # under their own addresses, where that is told
        rows = tuple(self._rows(usual if usual.satisfiable() else there))
        if walks:
            return Verdict(CONNECTED, tuple(walks), rows, tuple(doubts))
        said = [Doubt(hop.device, line, text, "may_pass") for each in maybe[:1] for hop in each.hops for line, text in hop.lines]
        said = said or [Doubt("", 0, f"{source}-{target}", "may_pass")]
        return Verdict(UNPROVED, tuple(maybe[:1]), rows, (*said, *doubts))

    def _flood(self, pair: Pair, allowed: Set, *, routed: bool) -> Reached:
        source = pair[0]
        key = (source, routed) if not allowed.satisfiable() else (*pair, routed)
        if key not in self.reached:
            begun = self.packets.all
            if source in self.inner:  # a stranger's address may be feigned, another area's own would answer there
                others = self.packets.any_of([self._to("source", ranges) for name, ranges in self.inner.items() if name != source])
                begun = self._to("source", self.inner[source]) | ~(others | self._to("source", self.inner[source]))
            begun = begun & ~allowed
            self.reached[key] = flood(self.net, {node: begun for node, names in self.faces.items() if source in names}, routed=routed)
        return self.reached[key]

    def _arrived(self, reached: Reached, target: str, allowed: Set) -> Iterable[tuple[Step, Set]]:
        for step in reached.steps:
            if step.leaves and target in self.faces[step.node[0], step.out]:
                there = step.sent & self.belongs[target] & ~allowed
                if there.satisfiable():
                    yield step, there

    def _allowed(self, pair: Pair) -> Set:
        found = []
        for key, turned in ((pair, False), (pair[::-1], True)):
            for scope in self.approved.get(key, ()):
                sources, targets = (scope.far, scope.near) if turned else (scope.near, scope.far)
                services = []
                for protocol, first, last in scope.ports:
                    number = self.packets.block("protocol", PROTOCOLS[protocol], 0xFF)
                    services.append(number if protocol == "icmp" else number & self.packets.between("target_port", first, last))
                found.append(self._to("source", _ranges(sources)) & self._to("target", _ranges(targets)) & self.packets.any_of(services))
        return self.packets.any_of(found)

    def _walks(self, pair: Pair, arrived: Sequence[tuple[Step, Set]]) -> tuple[list[Walk], list[Walk]]:
        """Return walks for certain, the shortest first, and walks that may be."""
        reached, arrives = self._flood(pair, self._allowed(pair), routed=True), self._arrives(pair)
        devices = {device.code: device for device in self.joining}
        walks: list[Walk] = []
        maybe: list[Walk] = []
        for step, there in arrived[:MOST_TRIES]:
            packet = self.packets.pick(there)
            begun = trace(self.net, reached, step, packet) if packet is not None else None
            walked = walk(devices, *begun, arrives) if begun is not None else None
            if walked is not None:
                (walks if walked.certain else maybe).append(walked)
        distinct = {tuple((hop.device, hop.lines) for hop in each.hops): each for each in reversed(walks)}
        return sorted(distinct.values(), key=lambda each: len(each.hops)), maybe

    def _arrives(self, pair: Pair) -> Callable[[str, str, Packet], bool]:
        """Return what tells of one packet whether it is in the target area, without a set: for the walker."""
        target = pair[1]
        allowed = [
            ((scope.far, scope.near) if turned else (scope.near, scope.far), scope.ports)
            for key, turned in ((pair, False), (pair[::-1], True))
            for scope in self.approved.get(key, ())
        ]

        def arrives(device: str, interface: str, packet: Packet) -> bool:
            if target not in self.faces[device, interface]:
                return False
            if target in self.inner:
                there = any(each.holds(packet.target) for each in self.inner[target])
            else:
                there = not any(each.holds(packet.target) for ranges in self.inner.values() for each in ranges)
            return there and not any(
                any(each.holds(packet.source) for each in _ranges(sources))
                and any(each.holds(packet.target) for each in _ranges(targets))
                and any(
                    PROTOCOLS[name] == packet.protocol and (name == "icmp" or first <= packet.target_port <= last)
                    for name, first, last in services
                )
                for (sources, targets), services in allowed
            )

        return arrives

    def _rows(self, there: Set) -> Iterable[Row]:
        """Yield what passes as few rows: each grown from a packet as far as all of it passes: ports, destinations, sources."""
        packets = self.packets
        left = packets.forget(there, "source_port")
        own = self.packets.any_of([self.net.own(device) for device in self.joining])  # between them: rows need not go around
        passing = left | own
        for _ in range(MOST_ROWS):
            packet = packets.pick(left)
            if packet is None:
                return
            with_ports = packet.protocol in WITH_PORTS
            lengths = {"target": 32, "source": 32}
            span = (packet.target_port, packet.target_port) if with_ports else (0, 0xFFFF)

            def piece(lengths: Mapping[str, int], span: tuple[int, int], packet: Packet = packet) -> Set:
                found = packets.block("protocol", packet.protocol, 0xFF) & packets.between("target_port", *span)
                for name, length in lengths.items():
                    found = found & packets.block(name, getattr(packet, name), LAST << 32 - length & LAST if length else 0)
                return found

            for wider in (
                (0, 0xFFFF),
                *((packet.target_port & ~(1 << bits) + 1, packet.target_port | (1 << bits) - 1) for bits in (12, 8, 4)),
            ):
                if with_ports and wider[0] <= packet.target_port <= wider[1] and not (piece(lengths, wider) & ~passing).satisfiable():
                    span = wider
                    break
            for name in ("target", "source"):
                low, high = 0, 32
                while low < high:
                    middle = (low + high) // 2
                    if (piece({**lengths, name: middle}, span) & ~passing).satisfiable():
                        low = middle + 1
                    else:
                        high = middle
                lengths[name] = low
            whole = piece(lengths, span)
            left = left & ~whole
            names = {number: name for name, number in reversed(list(PROTOCOLS.items()))}
            yield Row(
                _cidr(packet.source, lengths["source"]), _cidr(packet.target, lengths["target"]),
                names.get(packet.protocol, f"{packet.protocol}"), *span,
            )  # fmt: skip


def _cidr(address: int, length: int) -> str:
    return str(IPv4Network((address & (LAST << 32 - length & LAST if length else 0), length)))


def _ranges(written: Iterable[str]) -> tuple[Range, ...]:
    """Return the IPv4 networks of a list as ranges; raises ValueError for what is no network."""
    nets = [ip_network(each) for each in written]
    return tuple(Range(int(each.network_address), int(each.broadcast_address)) for each in nets if isinstance(each, IPv4Network))


def _reverse(each: Forward) -> Hide:
    """Return what a translation of destinations may do to the answers' way: sources from within are told as the outside address."""
    size = each.outside.last - each.outside.first
    inside, outside = Range(each.inside, each.inside + size), Range(each.outside.first, each.outside.last)
    return Hide(each.line, each.text, Addresses((outside,)), Addresses((inside,)), certain=False)


LOCAL = _ranges(
    ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "127.0.0.0/8", "0.0.0.0/8", "224.0.0.0/3")
)


def _is_local(leads: Range) -> bool:
    """Whether a network lies wholly in addresses that nobody has on the internet."""
    return any(each.first <= leads.first and leads.last <= each.last for each in LOCAL)


def _is_public(subnet: Range) -> bool:
    return any(is_public(str(IPv4Address(address))) for address in (subnet.first, subnet.last))


__all__ = ["CONNECTED", "ISOLATED", "ROUTES_ONLY", "UNPROVED", "Area", "Port", "Proof", "Row", "Scope", "Text", "Verdict", "prove"]
