"""Sets of packets as decision diagrams (oxidd, complement edges, one thread).

104 variables: protocol, destination, source, destination port, source port, each from its highest bit. A set is a function of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from operator import or_

from oxidd.bcdd import BCDDFunction, BCDDManager

from anzhang.engines.isolation.model import Addresses, Block, Entry, Part, Range

NODES, CACHE = 1 << 24, 1 << 20
WIDTHS = {"protocol": 8, "target": 32, "source": 32, "target_port": 16, "source_port": 16}
WITH_PORTS = (6, 17, 132, 136)
Set = BCDDFunction


@dataclass(frozen=True)
class Packet:
    """One packet that begins a session. Ports are 0 where the protocol has none."""

    protocol: int
    source: int
    target: int
    source_port: int = 0
    target_port: int = 0


class Packets:
    """The sets of one proof."""

    def __init__(self) -> None:
        """Make an empty manager."""
        self.manager = BCDDManager(NODES, CACHE, 1)
        self.manager.add_vars(sum(WIDTHS.values()))
        self.none, self.all = self.manager.false(), self.manager.true()
        self.bits: dict[str, list[Set]] = {}
        self.places: dict[str, range] = {}
        at = 0
        for name, width in WIDTHS.items():
            self.places[name] = range(at, at + width)
            self.bits[name] = [self.manager.var(place) for place in self.places[name]]
            at += width
        self.cubes = {name: self._all_of(bits) for name, bits in self.bits.items()}
        self.kept: dict[object, Set] = {}
        self.of_entries: dict[int, Set] = {}
        self.of_filters: dict[tuple[int, str], Set] = {}

    def _all_of(self, bits: Iterable[Set]) -> Set:
        found = self.all
        for bit in reversed(list(bits)):
            found = bit & found
        return found

    def block(self, name: str, value: int, care: int) -> Set:
        """Return the packets that have a value in the bits of a field that count."""
        key = (name, value & care, care)
        if key not in self.kept:
            bits, found = self.bits[name], self.all
            width = len(bits)
            for place in range(width - 1, -1, -1):
                if care >> (width - 1 - place) & 1:
                    found = (bits[place] if value >> (width - 1 - place) & 1 else ~bits[place]) & found
            self.kept[key] = found
        return self.kept[key]

    def between(self, name: str, first: int, last: int) -> Set:
        """Return the packets of which a field lies in a range."""
        key = (name, "range", first, last)
        if key not in self.kept:
            width = len(self.bits[name])
            whole = (1 << width) - 1
            found, at = self.none, first
            while at <= last:  # the largest aligned piece that fits
                size = at & -at if at else 1 << width
                while at + size - 1 > last:
                    size >>= 1
                found = found | self.block(name, at, whole & ~(size - 1))
                at += size
            self.kept[key] = found
        return self.kept[key]

    def parts(self, name: str, parts: Iterable[Part]) -> Set:
        """Return the packets of which a field lies in one of the parts."""
        found = [
            self.block(name, each.value, each.care) if isinstance(each, Block) else self.between(name, each.first, each.last)
            for each in parts
        ]
        return self.any_of(found)

    def any_of(self, sets: list[Set]) -> Set:
        """Return the union, by a balanced tree: neighbors are alike."""
        while len(sets) > 1:
            sets = [reduce(or_, sets[at : at + 2]) for at in range(0, len(sets), 2)]
        return sets[0] if sets else self.none

    def addresses(self, name: str, given: Addresses | None) -> Set:
        """Return the packets from (`source`) or to (`target`) addresses."""
        if given is None:
            return self.all
        key = (name, given)
        if key not in self.kept:
            self.kept[key] = self.parts(name, given.parts) & ~self.parts(name, given.without)
        return self.kept[key]

    def entry(self, entry: Entry) -> Set:
        """Return what a line of a filter matches, sides left aside."""
        known = self.of_entries.get(id(entry))  # entries live as long as their devices, and those as long as this
        return known if known is not None else self.of_entries.setdefault(id(entry), self._entry(entry))

    def _entry(self, entry: Entry) -> Set:
        key = (entry.protocols, entry.source, entry.target, entry.source_ports, entry.target_ports, entry.services)
        if key not in self.kept:
            found = self.addresses("source", entry.source) & self.addresses("target", entry.target)
            if entry.protocols is not None:
                found = found & self.any_of([self.block("protocol", each, 0xFF) for each in entry.protocols])
            found = found & self._ports(entry.source_ports, entry.target_ports)
            if entry.services is not None:
                found = found & self.any_of(
                    [
                        (self.all if protocol < 0 else self.block("protocol", protocol, 0xFF)) & self._ports(sources, targets)
                        for protocol, sources, targets in entry.services
                    ]
                )
            self.kept[key] = found
        return self.kept[key]

    def _ports(self, sources: tuple[Range, ...] | None, targets: tuple[Range, ...] | None) -> Set:
        found = self.all
        if sources is not None:
            found = found & self.parts("source_port", sources)
        if targets is not None:
            found = found & self.parts("target_port", targets)
        return found

    def forget(self, given: Set, *names: str) -> Set:
        """Return a set whatever the fields were."""
        for name in names:
            given = given.exists(self.cubes[name])
        return given

    def exactly(self, packet: Packet, *but: str) -> Set:
        """Return the set of one packet, or of those that differ from it in the fields named only."""
        found = self.all
        for name in reversed(WIDTHS):
            if name not in but:
                found = self.block(name, getattr(packet, name), (1 << WIDTHS[name]) - 1) & found
        return found

    def holds(self, given: Set, packet: Packet) -> bool:
        """Whether a packet is in a set."""
        said = []
        for name, places in self.places.items():
            value, width = getattr(packet, name), WIDTHS[name]
            said += [(place, bool(value >> (width - 1 - at) & 1)) for at, place in enumerate(places)]
        return bool(given.eval(said))

    def pick(self, given: Set) -> Packet | None:
        """Return a packet of a set, a usual one where there is a choice; None of an empty one."""
        for usual in (
            self.block("protocol", 6, 0xFF) & self.between("source_port", 49152, 65535) & self.between("target_port", 1, 65535),
            self.block("protocol", 6, 0xFF),
            self.block("protocol", 17, 0xFF),
            self.block("protocol", 1, 0xFF) & self.block("source_port", 0, 0xFFFF) & self.block("target_port", 0, 0xFFFF),
            self.all,
        ):
            cube = (given & usual).pick_cube()
            if cube is not None:
                return Packet(**{name: self._number([cube[place] for place in places], name) for name, places in self.places.items()})
        return None

    @staticmethod
    def _number(bits: list[bool | None], name: str) -> int:
        value = 0
        for place, bit in enumerate(bits):
            free = name in {"source", "target"} and place == len(bits) - 1  # an address that ends in .0 reads as a network
            value = value << 1 | (free if bit is None else bit)
        return value
