"""Facts of Huawei VRP and USG and of H3C Comware and SecPath, which share `interface`, `ip route-static`, `nat server` and most words."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from anzhang.engines.configs.telling import (
    Fact,
    UnreadError,
    address,
    after,
    grammar,
    interface_of,
    is_address,
    network,
    nothing,
    with_prefix,
)  # fmt: skip
from anzhang.engines.configs.tree import Line

MASK_WORDS = 2


def _address(line: Line) -> Iterable[Fact]:
    words, interface = line.text.split(), interface_of(line)
    if words[2] in {"dhcp-alloc", "negotiate", "ppp-negotiate", "bootp-alloc", "unnumbered", "cellular-alloc", "dhcp"}:
        raise UnreadError(line.text)  # an address that somebody else gives
    note = "secondary" if words[-1] in {"sub", "secondary"} else ""
    return [Fact("address", line.number, interface=interface, address=with_prefix(words[2], words[3]), note=note)]


def _address6(line: Line) -> Iterable[Fact]:
    words, interface = line.text.split(), interface_of(line)
    if words[2].startswith("auto") or words[2] == "dhcp-alloc":
        if words[2:4] == ["auto", "link-local"]:
            return []
        raise UnreadError(line.text)
    given = words[2] if "/" in words[2] else f"{words[2]}/{words[3]}" if len(words) > 3 and words[3].isdigit() else words[2]
    if words[-1] == "link-local":
        return []
    return [Fact("address", line.number, interface=interface, address=str(ipaddress.IPv6Interface(given)))]


def _far_end(line: Line) -> Iterable[Fact]:
    found = next((word for word in line.text.split()[1:] if is_address(word)), "")
    if not found:
        raise UnreadError(line.text)
    return [Fact("tunnel", line.number, interface=" ".join(line.section[:1]), next_hop=address(found))]


def _destination(line: Line) -> Iterable[Fact]:
    word = line.text.split()[-1]
    return [Fact("tunnel", line.number, interface=interface_of(line), next_hop=address(word))]


def _route(line: Line) -> Iterable[Fact]:
    """Read `ip route-static [vpn-instance V] D M [interface] [next hop] …`; a next hop in another instance says so in the note."""
    words = line.text.split()[2:]
    note = ""
    if words[0] in {"vpn-instance", "vsys"}:
        note, words = f"vpn-instance {words[1]}", words[2:]
    if words[0] in NO_ROUTE:
        return []
    if "/" in words[0]:
        target, rest = network(*words[0].split("/", 1)), words[1:]
    else:
        target, rest = network(words[0], words[1]), words[2:]
    interface, hop, elsewhere = _way(rest)
    if not hop and not interface:
        raise UnreadError(line.text)
    return [Fact("route", line.number, network=target, next_hop=hop, interface=interface, note=f"{note} {elsewhere}".strip())]


NO_ROUTE = frozenset({"default-preference", "default-bfd", "bfd", "ipv6", "fast-reroute", "load-balance"})
OPTIONS = frozenset({"preference", "track", "tag", "description", "bfd", "permanent"})


def _way(words: list[str]) -> tuple[str, str, str]:
    """Return interface and next hop of a route, and the word that sends it to another instance."""
    interface = elsewhere = ""
    for word in words[:4]:
        if is_address(word):
            return interface, address(word), elsewhere
        if word in OPTIONS:
            break
        if word in {"vpn-instance", "vpn6-instance", "public"}:
            elsewhere = word
        elif not interface and word[:1].isalpha():
            interface = word
        elif interface and word[:1].isdigit():
            interface = f"{interface} {word}"
    return interface, "", elsewhere


def _zone(line: Line) -> Iterable[Fact]:
    header = line.section[0].split()
    name = after(header, "name") if "name" in header else header[-1]
    interface = " ".join(line.text.split()[2:]).split(" vlan ")[0]
    if not interface:
        raise UnreadError(line.text)
    return [Fact("zone", line.number, zone=name, interface=interface)]


def _nat(line: Line) -> Iterable[Fact]:
    """Read `nat server`, `nat static`, `nat outbound`, `nat easy-ip`; ports are left where they stand, named (www) or not."""
    words = line.text.split()
    kind = words[1]
    interface = next((header.split(maxsplit=1)[1] for header in line.section if header.lower().startswith("interface ")), "")
    note = f"nat {kind}"
    if kind in {"outbound", "easy-ip"}:
        outside = ""
        if "address-group" in words:
            outside = f"group {after(words, 'address-group')}"
        return [Fact("nat", line.number, interface=interface, outside=outside, note=note)]
    if kind == "static" and words[2:3] == ["enable"]:
        return []
    outer, inner = _named(words, "global", "outside"), _named(words, "inside", "local")
    if kind == "static" and not (outer or inner):
        found = [address(word) for word in words if is_address(word)]
        if words[2:3] == ["outbound"] or len(found) == MASK_WORDS:
            inner, outer = found[0], found[1]
    if not outer:
        raise UnreadError(line.text)
    return [Fact("nat", line.number, interface=interface, outside=outer, inside=inner, note=note)]


def _named(words: list[str], *names: str) -> str:
    """Return the address that follows one of some words, the words "interface" and "current-interface" between as they stand."""
    for name in names:
        if name in words:
            rest = words[words.index(name) + 1 :]
            if rest and is_address(rest[0]):
                return address(rest[0])
            if rest and rest[0] in {"interface", "current-interface"}:
                return " ".join(rest[:2]) if rest[0] == "interface" else rest[0]
    return ""


def _policy_nat(line: Line) -> Iterable[Fact]:
    words = line.text.split()
    rule = line.section[-1] if len(line.section) > 1 else ""
    if (words[1] == "nat" and words[2:3] == ["no-nat"]) or "no-nat" in words:
        return []
    outside = f"group {after(words, 'address-group')}" if "address-group" in words else ""
    if "easy-ip" in words:
        outside = "easy-ip"
    return [Fact("nat", line.number, outside=outside, note=f"{words[1]} {rule}".strip())]


def _peer(line: Line) -> Iterable[Fact]:
    words = line.text.split()
    protocol = line.section[0].split()[0].lower() if line.section else "bgp"
    return [Fact("neighbor", line.number, next_hop=address(words[1]), note=protocol)]


def _log_host(line: Line) -> Iterable[Fact]:
    words = line.text.split()
    if words[0] == "info-center" and words[2] == "source":
        return []
    found = next((word for word in words if is_address(word)), "")
    if not found:
        raise UnreadError(line.text)
    return [Fact("log_host", line.number, next_hop=address(found))]


def _mirror(line: Line) -> Iterable[Fact]:
    interface = next((header.split(maxsplit=1)[1] for header in line.section if header.lower().startswith("interface ")), "")
    return [Fact("mirror", line.number, interface=interface, note=line.text[:200])]


GRAMMAR = grammar(
    ("", r"(?:undo|description|display)\b", nothing),
    ("interface ", r"ip address\b", _address),
    ("interface ", r"ipv6 address\b", _address6),
    ("interface ", r"destination\b", _destination),
    ("", r"nat (?:server|static|outbound|easy-ip)\b|nat66 ", _nat),
    ("", r"ip route-static\b|ipv6 route-static\b", _route),
    ("firewall zone|security-zone", r"(?:add|import) interface\b", _zone),
    ("", r"action (?:source-nat|nat|destination-nat|snat|dnat|no-nat)\b", _policy_nat),
    ("", r"peer [0-9a-f:.]+ (?:as-number|group)\b", _peer),
    ("ospf|rip", r"peer \d", _peer),
    ("", r"info-center loghost|log-host host|userlog flow|customlog host|firewall log", _log_host),
    ("", r"(?:observe-port|observing-port|mirroring-group|port-mirroring|monitor observe-port)\b", _mirror),
    ("ike peer|ike profile|ike keychain|ipsec", r"remote-address\b|remote address\b", _far_end),
)
