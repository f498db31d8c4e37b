"""What a configuration says of how its device is joined to others, as facts with their line numbers.

A line of a family that facts are taken from and that the grammar does not read is told by its number: a proof that rests on facts must
know what was not read. Filters and policies are no facts of this kind.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from anzhang.engines.configs.tree import Line, lines

KINDS = ("address", "zone", "route", "nat", "neighbor", "tunnel", "mirror", "log_host")


class UnreadError(Exception):
    """A line of a family that facts are taken from says something that the grammar does not know."""


@dataclass(frozen=True)
class Fact:
    """One fact. Which fields are filled depends on `kind`; addresses and networks are in their one form.

    address: `interface`, `address` (with its prefix). zone: `zone`, `interface`. route: `network`, `next_hop` or `interface`.
    nat: `inside` and `outside` (addresses, where said), `interface`, `note` (what kind). neighbor: `next_hop`, `note` (protocol).
    tunnel: `interface`, `next_hop` (its far end). mirror: `interface`, `note`. log_host: `next_hop`.
    """

    kind: str
    line: int
    interface: str = ""
    address: str = ""
    network: str = ""
    next_hop: str = ""
    zone: str = ""
    inside: str = ""
    outside: str = ""
    note: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the fields that are filled."""
        return {name: value for name, value in asdict(self).items() if value}


@dataclass
class Told:
    """Facts, and the numbers of the lines that could not be read."""

    facts: list[Fact] = field(default_factory=list)
    unread: list[int] = field(default_factory=list)


Reader = Callable[[Line], Iterable[Fact]]
Grammar = tuple[tuple[re.Pattern[str], re.Pattern[str], Reader], ...]  # what the headers above and the line look like; the first wins


def facts(text: str, dialect: str) -> Told:
    """Return what a kept text tells. Of an unknown dialect nothing was read: every line is told as unread."""
    from anzhang.engines.configs import cisco, huawei, iptables  # the grammars use what stands here

    grammars: Mapping[str, Grammar] = {
        "huawei": huawei.GRAMMAR, "h3c": huawei.GRAMMAR, "cisco": cisco.GRAMMAR, "iptables": iptables.GRAMMAR,
    }  # fmt: skip
    told, rows = Told(), grammars.get(dialect)
    for line in lines(text, dialect):
        if rows is None:
            told.unread.append(line.number)
            continue
        above = "\n".join(line.section)
        read = next((each for section, shape, each in rows if shape.match(line.text) and section.match(above)), None)
        try:
            told.facts += [] if read is None else list(read(line))
        except (UnreadError, ValueError, IndexError):
            told.unread.append(line.number)
    return told


# What grammars share


def grammar(*rows: tuple[str, str, Reader]) -> Grammar:
    """Compile a grammar: what the headers begin with (outermost first, one a line), what the line looks like, what reads it."""
    return tuple((re.compile(section, re.IGNORECASE), re.compile(line, re.IGNORECASE), read) for section, line, read in rows)


def nothing(_line: Line) -> Iterable[Fact]:
    """Read a line that says nothing of how the device is joined to others."""
    return []


def interface_of(line: Line) -> str:
    """Return the interface in whose section a line stands. Raises UnreadError."""
    for header in line.section:
        words = header.split()
        if words and words[0].lower() == "interface" and len(words) > 1:
            return " ".join(words[1:3]) if len(words) > 2 and words[2][:1].isdigit() else words[1]
    raise UnreadError(line.text)


def with_prefix(address: str, mask: str) -> str:
    """Return `10.1.1.1/24` of an address and a mask, a length or a wildcard. Raises ValueError."""
    if mask.isdigit():
        return str(ipaddress.IPv4Interface(f"{address}/{int(mask)}"))
    return str(ipaddress.IPv4Interface(f"{address}/{mask}"))


def network(address: str, mask: str) -> str:
    """Return a network of an address and a mask or a length. Raises ValueError."""
    return str(ipaddress.ip_interface(f"{address}/{mask}").network)


def of_wildcard(address: str, wildcard: str) -> str:
    """Return the network of an address and a wildcard mask; `0` is that address alone. Raises ValueError for one with holes."""
    bits = 0 if wildcard == "0" else int(ipaddress.IPv4Address(wildcard))
    if bits & (bits + 1):
        raise ValueError(wildcard)
    return str(ipaddress.IPv4Network((int(ipaddress.IPv4Address(address)) & ~bits, 32 - bits.bit_length())))


def address(text: str) -> str:
    """Return an address in its one form. Raises ValueError."""
    return str(ipaddress.ip_address(text))


def is_address(text: str) -> bool:
    """Whether a word is an address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def after(words: list[str], name: str) -> str:
    """Return the word after a word. Raises UnreadError where there is none."""
    place = words.index(name) + 1 if name in words else len(words)
    if place >= len(words):
        raise UnreadError(name)
    return words[place]
