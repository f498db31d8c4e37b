"""Facts of Cisco IOS and of what writes like it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from anzhang.engines.configs.telling import (
    Fact,
    UnreadError,
    address,
    grammar,
    interface_of,
    is_address,
    network,
    nothing,
    with_prefix,
)
from anzhang.engines.configs.tree import Line


def _address(line: Line) -> Iterable[Fact]:
    words = line.text.split()
    if words[2] in {"dhcp", "negotiated", "pool"}:
        raise UnreadError(line.text)  # an address that somebody else gives
    note = "secondary" if "secondary" in words[4:] else ""
    given = str(ipaddress.ip_interface(words[2])) if "/" in words[2] else with_prefix(words[2], words[3])
    return [Fact("address", line.number, interface=interface_of(line), address=given, note=note)]


def _address6(line: Line) -> Iterable[Fact]:
    words = line.text.split()
    if words[2] == "autoconfig" or words[2] == "dhcp":
        raise UnreadError(line.text)
    if words[-1] == "link-local":
        return []
    return [Fact("address", line.number, interface=interface_of(line), address=str(ipaddress.IPv6Interface(words[2])))]


def _route(line: Line) -> Iterable[Fact]:
    words = line.text.split()[2:]
    note = ""
    if words[0] == "vrf":
        note, words = f"vrf {words[1]}", words[2:]
    if "/" in words[0]:
        target, rest = str(ipaddress.ip_network(words[0], strict=False)), words[1:]
    else:
        target, rest = network(words[0], words[1]), words[2:]
    hop = next((address(word) for word in rest[:3] if is_address(word)), "")
    interface = rest[0] if rest and not is_address(rest[0]) else ""
    if len(rest) > 1 and interface and rest[1][:1].isdigit() and not is_address(rest[1]) and interface.isalpha():
        interface = f"{interface} {rest[1]}"
    if not hop and not interface:
        raise UnreadError(line.text)
    return [Fact("route", line.number, network=target, next_hop=hop, interface=interface, note=note)]


def _default(line: Line) -> Iterable[Fact]:
    return [Fact("route", line.number, network="0.0.0.0/0", next_hop=address(line.text.split()[2]))]


def _nat(line: Line) -> Iterable[Fact]:
    """Read `ip nat inside source …`, `ip nat outside source …`, `ip nat pool …`; what only sets times tells nothing."""
    words = line.text.split()
    if words[2] in {"translation", "log", "service", "settings", "enable"}:
        return []
    if words[2] == "pool":
        found = [address(word) for word in words[3:] if is_address(word)]
        return [Fact("nat", line.number, outside=found[0], note=f"pool {words[3]}")]
    if words[2] not in {"inside", "outside", "source"}:
        raise UnreadError(line.text)
    note = " ".join(words[1:4])
    if "static" in words:
        found = [address(word) for word in words if is_address(word)]
        inside, outside = (found[0], found[1]) if len(found) > 1 else (found[0], _interface(words))
        return [Fact("nat", line.number, inside=inside, outside=outside, note=note)]
    if "pool" in words:
        return [Fact("nat", line.number, outside=f"pool {words[words.index('pool') + 1]}", note=note)]
    if "interface" in words:
        return [Fact("nat", line.number, interface=_interface(words), note=note)]
    raise UnreadError(line.text)


def _interface(words: list[str]) -> str:
    return words[words.index("interface") + 1] if "interface" in words else ""


def _neighbor(line: Line) -> Iterable[Fact]:
    words = line.text.split()
    protocol = line.section[0].split()[1].lower()
    if not is_address(words[1]) or (protocol == "bgp" and words[2:3] not in (["remote-as"], ["peer-group"])):
        return []
    return [Fact("neighbor", line.number, next_hop=address(words[1]), note=protocol)]


def _log_host(line: Line) -> Iterable[Fact]:
    found = next((address(word) for word in line.text.split()[1:] if is_address(word)), "")
    if not found:
        raise UnreadError(line.text)
    return [Fact("log_host", line.number, next_hop=found)]


def _mirror(line: Line) -> Iterable[Fact]:
    return [Fact("mirror", line.number, note=line.text[:200])]


def _far_end(line: Line) -> Iterable[Fact]:
    return [Fact("tunnel", line.number, interface=" ".join(line.section[:1]), next_hop=address(line.text.split()[2]))]


def _destination(line: Line) -> Iterable[Fact]:
    return [Fact("tunnel", line.number, interface=interface_of(line), next_hop=address(line.text.split()[-1]))]


def _zone(line: Line) -> Iterable[Fact]:
    return [Fact("zone", line.number, zone=line.text.split()[2], interface=interface_of(line))]


def _side(line: Line) -> Iterable[Fact]:
    side = line.text.split()[2]
    if side not in {"inside", "outside", "enable"}:
        raise UnreadError(line.text)
    return []


GRAMMAR = grammar(
    ("", r"(?:no|description|remark)\b", nothing),
    ("interface ", r"ip address\b", _address),
    ("interface ", r"ipv6 address\b", _address6),
    ("interface ", r"ip nat\b", _side),
    ("interface ", r"tunnel destination\b", _destination),
    ("interface ", r"zone-member security\b", _zone),
    ("", r"(?:ip|ipv6) route\b", _route),
    ("", r"ip nat\b", _nat),
    ("", r"ip default-gateway\b", _default),
    ("router ", r"neighbor\b", _neighbor),
    ("", r"logging (?:host|server|\d)", _log_host),
    ("", r"monitor session\b", _mirror),
    ("crypto ", r"set peer\b", _far_end),
)
