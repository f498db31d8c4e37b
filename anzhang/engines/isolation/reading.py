"""From a kept configuration to what the device does to packets; what belongs to it and is not understood becomes a doubt.

A line that may only hold something back (an unknown filter) makes a proof no weaker, yet nothing that passes it is for certain: such a
device is `unsure`. What may let pass, translate, redirect or join (an unknown translation, policy route, tunnel, address) is a doubt.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from anzhang.engines.configs.tree import Line
from anzhang.engines.isolation.model import (
    ICMP,
    PORTS,
    PROTOCOLS,
    TCP,
    UDP,
    Addresses,
    Device,
    Doubt,
    Part,
    Range,
    block,
    network,
)  # fmt: skip

Service = tuple[int, tuple[Range, ...] | None, tuple[Range, ...] | None]


class UnreadError(Exception):
    """A line says something that the grammar does not know."""


def read(device: str, text: str, dialect: str) -> Device:
    """Return what a configuration says. Of an unknown dialect nothing is known: a doubt."""
    from anzhang.engines.isolation import ios, netfilter, vrp

    readers = {"huawei": vrp.read, "h3c": vrp.read, "cisco": ios.read, "iptables": netfilter.read}
    if dialect not in readers:
        return Device(device, dialect, doubts=[Doubt(device, 0, "", "dialect")])
    return readers[dialect](device, text, dialect)


@dataclass
class Named:
    """Addresses or services by name, possibly of other names; `whole` is False where something in it was not understood."""

    parts: list[Part] = field(default_factory=list)
    without: list[Part] = field(default_factory=list)
    services: list[Service] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    whole: bool = True


def addresses_of(sets: dict[str, Named], names: Iterable[str]) -> Addresses | None:
    """Return the addresses of named sets, those of the sets they name included; None where one is unknown or not understood."""
    parts, without = [], []
    waiting, seen = list(names), set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        found = sets.get(name)
        if found is None or not found.whole:
            return None
        if found.without and len(seen) + len(waiting) + len(found.names) > 1:
            return None  # what one set leaves out another may hold
        parts += found.parts
        without += found.without
        waiting += found.names
    return Addresses(tuple(parts), tuple(without))


def services_of(sets: dict[str, Named], names: Iterable[str]) -> tuple[Service, ...] | None:
    """Return the services of named sets and of well-known names; None where one is unknown or not understood."""
    found: list[Service] = []
    waiting, seen = list(names), set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        own = sets.get(name)
        if own is None:
            known = SERVICES.get(name.lower())
            if known is None:
                return None
            found += known
            continue
        if not own.whole:
            return None
        found += own.services
        waiting += own.names
    return tuple(found)


def _at(protocol: int, *ports: int) -> list[Service]:
    return [(protocol, None, tuple(Range(each, each) for each in ports))]


# What firewalls call by these names without saying it.
SERVICES: dict[str, list[Service]] = {
    "any": [(-1, None, None)], "ip": [(-1, None, None)], "tcp": [(TCP, None, None)],
    "udp": [(UDP, None, None)], "icmp": [(ICMP, None, None)],
    "ping": [(ICMP, None, None)], "gre": [(47, None, None)], "esp": [(50, None, None)],
    "ah": [(51, None, None)], "ospf": [(89, None, None)],
    "dns": [*_at(TCP, 53), *_at(UDP, 53)], "ntp": _at(UDP, 123), "snmp": _at(UDP, 161), "snmptrap": _at(UDP, 162), "tftp": _at(UDP, 69),
    "syslog": _at(UDP, 514), "http": _at(TCP, 80), "https": _at(TCP, 443), "ssh": _at(TCP, 22), "telnet": _at(TCP, 23), "ftp": _at(TCP, 21),
    "smtp": _at(TCP, 25), "pop3": _at(TCP, 110), "imap": _at(TCP, 143), "ldap": _at(TCP, 389), "ldaps": _at(TCP, 636), "bgp": _at(TCP, 179),
}  # fmt: skip


@lru_cache(maxsize=1 << 16)  # a configuration names the same addresses again and again
def number(word: str) -> int:
    """Return an IPv4 address as a number. Raises UnreadError."""
    found = OCTETS.fullmatch(word)
    if found is None:
        raise UnreadError(word)
    one, two, three, four = map(int, found.groups())
    if max(one, two, three, four) > 255:
        raise UnreadError(word)
    return one << 24 | two << 16 | three << 8 | four


OCTETS = re.compile(r"([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})")


def is_number(word: str) -> bool:
    """Whether a word is an IPv4 address."""
    try:
        number(word)
    except UnreadError:
        return False
    return True


def length_of(mask: str) -> int:
    """Return the prefix length of a mask or a length. Raises UnreadError."""
    if mask.isdigit() and int(mask) <= 32:
        return int(mask)
    bits = number(mask)
    if (bits ^ 0xFFFFFFFF) & ((bits ^ 0xFFFFFFFF) + 1):
        raise UnreadError(mask)
    return bits.bit_count()


def masked(address: str, mask: str) -> Part:
    """Return the network of an address and a mask, a length or a wildcard mask (`0` and `0.0.0.0` mean the address alone)."""
    if number(address) == 0 and mask.replace(".", "").strip("0") == "":
        raise UnreadError(mask)  # everything by a mask, one address by a wildcard
    if mask.isdigit() and mask != "0":
        return network(number(address), length_of(mask))
    bits = 0 if mask == "0" else number(mask)
    if bits >> 31 and (bits ^ 0xFFFFFFFF) & ((bits ^ 0xFFFFFFFF) + 1) == 0:
        return network(number(address), bits.bit_count())  # a mask, not a wildcard
    return block(number(address), bits)


def wild(address: str, mask: str) -> Part:
    """Return what an address and a wildcard mask mean; `0` is the address alone."""
    return block(number(address), 0 if mask == "0" else number(mask))


def port(word: str) -> int:
    """Return a port by number or name. Raises UnreadError."""
    if word.isdigit() and int(word) <= 0xFFFF:
        return int(word)
    if word.lower() not in PORTS:
        raise UnreadError(word)
    return PORTS[word.lower()]


def protocol(word: str) -> int | None:
    """Return a protocol by number or name, None for every one. Raises UnreadError."""
    if word.lower() in {"ip", "any", "all"}:
        return None
    if word.isdigit() and int(word) <= 255:
        return int(word)
    if word.lower() not in PROTOCOLS:
        raise UnreadError(word)
    return PROTOCOLS[word.lower()]


def compared(words: Sequence[str], at: int) -> tuple[tuple[Range, ...], int]:
    """Return the ports of a comparison (`eq 80`, `range 1 9`, `gt`, `lt`, `neq`) and where it ends. Raises UnreadError, IndexError."""
    how = words[at].lower()
    first = port(words[at + 1])
    if how == "eq":
        found, at = [Range(first, first)], at + 2
        while at < len(words) and (words[at].isdigit() or words[at].lower() in PORTS):
            found.append(Range(port(words[at]), port(words[at])))
            at += 1
        return tuple(found), at
    if how == "range":
        last = port(words[at + 2])
        return (Range(min(first, last), max(first, last)),), at + 3
    if how == "gt":
        return ((Range(first + 1, 0xFFFF),) if first < 0xFFFF else ()), at + 2
    if how == "lt":
        return ((Range(0, first - 1),) if first else ()), at + 2
    if how == "neq":
        pieces = [Range(0, first - 1)] if first else []
        return (*pieces, *([Range(first + 1, 0xFFFF)] if first < 0xFFFF else [])), at + 2
    raise UnreadError(how)


def listed_ports(words: Sequence[str]) -> tuple[Range, ...]:
    """Return the ports of a list in which `1 to 9` is a range. Raises UnreadError."""
    found, at = [], 0
    while at < len(words):
        first = port(words[at])
        if at + 2 < len(words) and words[at + 1].lower() == "to":
            found.append(Range(first, port(words[at + 2])))
            at += 3
        else:
            found.append(Range(first, first))
            at += 1
    if not found:
        raise UnreadError(" ".join(words))
    return tuple(found)


def header(line: Line) -> str:
    """Return the outermost header above a line, or the line itself where there is none."""
    return line.section[0] if line.section else line.text


def interface_name(text: str) -> str:
    """Return the interface that a header names: `interface Gi 0/1` and `interface Gi0/1` are the same."""
    words = text.split()
    return words[1] + (words[2] if len(words) > 2 and words[2][:1].isdigit() else "")
