"""What a network device does to a packet, whoever made it: interfaces, filters, translations, routes; and what was not understood.

Plain data without opinion: `flood` follows sets of packets through it, `walker` one packet, and neither uses the other's code.
Addresses are IPv4, as numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

LAST = 0xFFFFFFFF
ICMP, TCP, UDP = 1, 6, 17
PROTOCOLS: Mapping[str, int] = {
    "icmp": ICMP, "igmp": 2, "ipinip": 4, "ipip": 4, "tcp": TCP, "udp": UDP, "gre": 47, "esp": 50, "ipsec-esp": 50, "ah": 51, "ahp": 51,
    "ipsec-ah": 51, "eigrp": 88, "ospf": 89, "pim": 103, "vrrp": 112, "sctp": 132, "udplite": 136,
}  # fmt: skip
PORTS: Mapping[str, int] = {
    "ftp-data": 20, "ftp": 21, "ssh": 22, "telnet": 23, "smtp": 25, "time": 37, "whois": 43, "tacacs": 49, "dns": 53, "domain": 53,
    "bootps": 67, "bootpc": 68, "dhcps": 67, "dhcpc": 68, "tftp": 69, "gopher": 70, "finger": 79, "www": 80, "http": 80,
    "hostname": 101, "hostnames": 101, "pop2": 109, "pop3": 110, "sunrpc": 111, "ident": 113, "nntp": 119, "ntp": 123,
    "netbios-ns": 137, "netbios-dgm": 138, "netbios-ssn": 139, "netbios-ss": 139, "imap": 143, "imap4": 143, "snmp": 161,
    "snmptrap": 162, "xdmcp": 177, "bgp": 179, "irc": 194, "ldap": 389, "mobile-ip": 434, "https": 443, "microsoft-ds": 445,
    "isakmp": 500, "biff": 512, "exec": 512, "login": 513, "who": 513, "cmd": 514, "syslog": 514, "lpd": 515, "talk": 517, "rip": 520,
    "uucp": 540, "klogin": 543, "kshell": 544, "ldaps": 636, "imaps": 993, "pop3s": 995, "socks": 1080, "lotusnotes": 1352,
    "ms-sql-s": 1433, "ms-sql-m": 1434, "sqlnet": 1521, "h323": 1720, "pptp": 1723, "radius": 1812, "nfs": 2049, "mysql": 3306,
    "rdp": 3389, "non500-isakmp": 4500, "sip": 5060, "postgresql": 5432, "chargen": 19, "daytime": 13, "discard": 9, "echo": 7,
}  # fmt: skip
PERMIT, DENY = "permit", "deny"


@dataclass(frozen=True)
class Range:
    """Addresses, or ports, from the first to the last."""

    first: int
    last: int

    def holds(self, number: int) -> bool:
        """Whether a number lies in it."""
        return self.first <= number <= self.last


@dataclass(frozen=True)
class Block:
    """Addresses that have a value in the bits that count: a network, or what a wildcard mask with holes means."""

    value: int
    care: int

    def holds(self, number: int) -> bool:
        """Whether an address is one of it."""
        return number & self.care == self.value & self.care


Part = Range | Block


@dataclass(frozen=True)
class Addresses:
    """Addresses: all of `parts` but those of `without`."""

    parts: tuple[Part, ...] = ()
    without: tuple[Part, ...] = ()

    def holds(self, number: int) -> bool:
        """Whether an address is one of them."""
        return any(part.holds(number) for part in self.parts) and not any(part.holds(number) for part in self.without)


@dataclass(frozen=True)
class Sides:
    """Zones, or names of interfaces (`eth+` stands for all that begin so), or every one but these."""

    names: tuple[str, ...]
    but: bool = False

    def holds(self, name: str) -> bool:
        """Whether a zone or an interface is meant."""
        return any(fnmatchcase(name, each) for each in self.names) != self.but


@dataclass(frozen=True)
class Entry:
    """One line of a filter. What is None matches whatever.

    `certain` is False where it asks for more than a packet shows (an application, a user, a time of day): then it may decide and may not.
    `jump` names the chain that decides (iptables); an action of "return" leaves the chain.
    """

    line: int
    text: str
    action: str
    protocols: tuple[int, ...] | None = None
    source: Addresses | None = None
    target: Addresses | None = None
    source_ports: tuple[Range, ...] | None = None
    target_ports: tuple[Range, ...] | None = None
    services: tuple[tuple[int, tuple[Range, ...] | None, tuple[Range, ...] | None], ...] | None = (
        None  # protocol, source and target ports: any of these
    )
    come: Sides | None = None
    go: Sides | None = None
    certain: bool = True
    jump: str = ""


@dataclass(frozen=True)
class Filter:
    """Entries of which the first that matches decides, else the default. `chains` are those that entries jump to."""

    name: str
    entries: tuple[Entry, ...]
    default: str
    chains: Mapping[str, tuple[Entry, ...]] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class Interface:
    """An interface that routes: its addresses with their prefix lengths, its zone, what filters it."""

    name: str
    addresses: tuple[tuple[int, int], ...] = ()
    zone: str = ""
    inbound: tuple[Filter, ...] = ()
    outbound: tuple[Filter, ...] = ()
    vrf: str = ""
    areas: tuple[str, ...] = ()  # as a register says

    def subnets(self) -> tuple[Range, ...]:
        """Return its connected networks."""
        return tuple(network(address, length) for address, length in self.addresses)


@dataclass(frozen=True)
class Forward:
    """A translation of the destination: from outside addresses (and ports) to inside ones, one to one. None: every protocol or port."""

    line: int
    text: str
    outside: Range
    inside: int
    protocol: int | None = None
    ports: Range | None = None
    inside_port: int | None = None
    come: Sides | None = None
    certain: bool = True


@dataclass(frozen=True)
class Hide:
    """A translation of the source: of which packets, to which addresses; it may apply wherever its sides fit."""

    line: int
    text: str
    to: Addresses | None
    source: Addresses | None = None
    go: Sides | None = None
    certain: bool = True  # False: it may apply (what a static translation does the other way)


@dataclass(frozen=True)
class Route:
    """A static route; by a next hop, or out of an interface, or nowhere (`NULL0`)."""

    line: int
    first: int
    length: int
    hop: int | None = None
    interface: str = ""
    vrf: str = ""


@dataclass(frozen=True)
class Doubt:
    """What keeps a proof from being one: a line that was not understood, or what nobody knows. `line` 0: no line."""

    device: str
    line: int
    text: str
    why: str


@dataclass
class Device:
    """A device as it was read."""

    code: str
    dialect: str
    interfaces: dict[str, Interface] = field(default_factory=dict)
    policy: Filter | None = None  # between zones, after the destination was translated
    within: str = PERMIT  # what the policy does within a zone where no rule says otherwise
    forwards: list[Forward] = field(default_factory=list)
    hides: list[Hide] = field(default_factory=list)
    routes: list[Route] = field(default_factory=list)
    dynamic: bool = False
    leaks: bool = False  # routes from one VRF into another
    unsure: bool = False  # something unread may hold packets back, or send them elsewhere
    doubts: list[Doubt] = field(default_factory=list)

    def owns(self, address: int) -> bool:
        """Whether an address is the device's own."""
        return any(address == own for each in self.interfaces.values() for own, _length in each.addresses)


def network(address: int, length: int) -> Range:
    """Return the network of an address and the length of its prefix."""
    hidden = (1 << 32 - length) - 1
    return Range(address & ~hidden, address | hidden)


def block(address: int, wildcard: int) -> Part:
    """Return what an address and a wildcard mask mean; a contiguous one is a range."""
    if wildcard & (wildcard + 1) == 0:
        return Range(address & ~wildcard & LAST, address | wildcard)
    return Block(address & ~wildcard & LAST, ~wildcard & LAST)
