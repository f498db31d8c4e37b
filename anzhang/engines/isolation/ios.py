"""Cisco IOS and IOS XE (routers, switches), in the parts that decide what passes.

An access list denies what no entry names; one that is not there, or is empty, lets everything pass. Going in, a packet meets the list of
its interface before its destination is translated. ASA and zone-based firewalls are not read: what they hold back is unsure, what they
translate is a doubt.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from anzhang.engines.configs.tree import Line, lines
from anzhang.engines.isolation.model import (
    DENY,
    PERMIT,
    Addresses,
    Device,
    Doubt,
    Entry,
    Filter,
    Forward,
    Hide,
    Interface,
    Part,
    Range,
    Route,
    network,
)
from anzhang.engines.isolation.reading import (
    Named,
    Service,
    UnreadError,
    addresses_of,
    compared,
    interface_name,
    is_number,
    length_of,
    masked,
    number,
    port,
    protocol,
    services_of,
    wild,
)  # fmt: skip

DYNAMIC = re.compile(r"router (?:ospf|bgp|rip|eigrp|isis|odr)|router ospfv3", re.IGNORECASE)
OPENING = re.compile(
    r"(?:ip policy route-map|crypto map|crypto ipsec|ip nat (?!inside source|outside source|inside$|"
    r"outside$|pool|translation|log|service|settings|enable)|"
    r"xconnect|bridge-group|ip mobile|webvpn|nameif |access-group |static \(|nat \(|same-security-traffic|ip unnumbered|object network|"
    r"tunnel |ip local policy|service-policy type|lisp|switchport protected-vrf)",
    re.IGNORECASE,
)
HOLDING = re.compile(
    r"(?:zone-pair security|zone-member security|ip inspect|ip verify unicast|service-policy|ip access-group .*common|storm-control)",
    re.IGNORECASE,
)
SIX = re.compile(r"ipv6 (?:address|enable)", re.IGNORECASE)
SKIPPED = frozenset({"log", "log-input"})
UNSURE = {
    "time-range": 1,
    "fragments": 0,
    "dscp": 1,
    "precedence": 1,
    "tos": 1,
    "option": 1,
    "ttl": 2,
    "reflect": 1,
    "match-all": 1,
    "match-any": 1,
}
FLAGS = frozenset({"ack", "fin", "psh", "rst", "syn", "urg"})


@dataclass
class _Reader:
    device: Device
    found: dict[str, Interface] = field(default_factory=dict)
    lists: dict[str, list[tuple[int, Entry]]] = field(default_factory=dict)
    sets: dict[str, Named] = field(default_factory=dict)
    services: dict[str, Named] = field(default_factory=dict)
    groups: list[tuple[str, str, str]] = field(default_factory=list)
    down: set[str] = field(default_factory=set)
    six: dict[str, Line] = field(default_factory=dict)
    waiting: list[tuple[Line, str, list[str], int]] = field(default_factory=list)  # entries are read once every group is known
    inside: set[str] = field(default_factory=set)

    def doubt(self, line: Line, why: str) -> None:
        self.device.doubts.append(Doubt(self.device.code, line.number, line.text, why))

    def take(self, line: Line) -> None:
        top = line.section[0].lower() if line.section else ""
        words = line.text.split()
        if top.startswith("interface "):
            self.interface(line, words)
        elif top.startswith(("ip access-list ", "access-list ")):
            self.entry(line, words)
        elif top.startswith("object-group "):
            self.member(line, words)
        elif line.section:
            if OPENING.match(line.text):
                self.doubt(line, "not_read")
            elif line.text.lower().startswith(("route-target", "route-replicate")):
                self.device.leaks = True
        else:
            self.top(line, words)

    def top(self, line: Line, words: list[str]) -> None:
        text = line.text.lower()
        if text.startswith("interface "):
            name = interface_name(line.text)
            self.found.setdefault(name, Interface(name))
        elif text.startswith("ip access-list "):
            self.lists.setdefault(words[-1], [])
        elif text.startswith("access-list "):
            self.entry(line, words)
        elif text.startswith("ip route "):
            self.route(line, words[2:])
        elif text.startswith(("ip nat inside source", "ip nat outside source")):
            self.translation(line, words)
        elif DYNAMIC.match(text):
            self.device.dynamic = True
        elif HOLDING.match(text):
            self.device.unsure = True
        elif OPENING.match(text):
            self.doubt(line, "not_read")

    def interface(self, line: Line, words: list[str]) -> None:  # noqa: C901, PLR0912  # a branch a word
        name, text = interface_name(line.section[0]), line.text.lower()
        self.found.setdefault(name, Interface(name))
        each = self.found[name]
        if name.lower().startswith(("tunnel", "dialer", "virtual-template")) and text.startswith(("ip address", "tunnel ")):
            self.doubt(line, "tunnel")
            if not text.startswith("ip address"):
                return
        if text.startswith("ip address "):
            if len(words) >= 4 and is_number(words[2]):
                self.found[name] = replace(each, addresses=(*each.addresses, (number(words[2]), length_of(words[3]))))
            elif len(words) >= 3 and "/" in words[2]:
                address, _, length = words[2].partition("/")
                self.found[name] = replace(each, addresses=(*each.addresses, (number(address), length_of(length))))
            else:
                self.doubt(line, "address")
        elif text.startswith(("standby ", "vrrp ")) and len(words) > 3 and words[2].lower() == "ip" and is_number(words[3]):
            self.found[name] = replace(each, addresses=(*each.addresses, (number(words[3]), 32)))
        elif text == "shutdown":
            self.down.add(name)
        elif text.startswith(("ip vrf forwarding", "vrf forwarding")):
            self.found[name] = replace(each, vrf=words[-1])
        elif text.startswith("ip access-group ") and len(words) == 4:
            self.groups.append((name, words[3].lower(), words[2]))
        elif text == "ip nat outside":
            self.inside.add(name)
        elif SIX.match(text):
            self.six.setdefault(name, line)
        elif HOLDING.match(text):
            self.device.unsure = True
        elif OPENING.match(text):
            self.doubt(line, "not_read")

    def entry(self, line: Line, words: list[str]) -> None:
        head = (line.section[0] if line.section else line.text).split()
        if head[0].lower() == "access-list":
            name, rest = head[1], words[2:] if words[0].lower() == "access-list" else words
            kind = "standard" if name.isdigit() and (int(name) < 100 or 1300 <= int(name) < 2000) else "extended"
            if rest and rest[0].lower() in {"standard", "extended"}:
                kind, rest = rest[0].lower(), rest[1:]
        else:
            name, rest, kind = head[-1], list(words), "extended" if len(head) == 3 else head[2].lower()
        rows = self.lists.setdefault(name, [])
        place = int(rest.pop(0)) if rest and rest[0].isdigit() else -1
        if not rest or rest[0].lower() in {"remark", "evaluate", "dynamic"} or kind not in {"standard", "extended"}:
            if rest and rest[0].lower() in {"evaluate", "dynamic"}:
                self.device.unsure = True
            return
        place = place if place >= 0 else max((each for each, _ in rows), default=0) + 10
        try:
            made = self._standard(line, rest) if kind == "standard" else self._extended(line, rest)
        except (UnreadError, IndexError):
            self.doubt(line, "filter")
            made = Entry(line.number, line.text, PERMIT if rest[0].lower() == "permit" else DENY, certain=False)
        if made is not None:
            rows.append((place, made))

    def _action(self, word: str) -> str:
        found = {"permit": PERMIT, "deny": DENY}.get(word.lower())
        if found is None:
            raise UnreadError(word)
        return found

    def _standard(self, line: Line, words: list[str]) -> Entry:
        rest = [each for each in words[1:] if each.lower() not in SKIPPED]
        ends, at = self._end(rest, 0)
        if at != len(rest):
            raise UnreadError(rest[at])
        return Entry(line.number, line.text, self._action(words[0]), source=ends)

    def _end(self, words: Sequence[str], at: int) -> tuple[Addresses | None, int]:
        word = words[at].lower()
        if word in {"any", "any4"}:
            return None, at + 1
        if word == "host":
            return Addresses((Range(number(words[at + 1]), number(words[at + 1])),)), at + 2
        if "/" in word:
            address, _, length = word.partition("/")
            return Addresses((network(number(address), length_of(length)),)), at + 1
        if word in {"object-group", "addrgroup"}:
            found = addresses_of(self.sets, [words[at + 1]])
            if found is None:
                raise UnreadError(words[at + 1])
            return found, at + 2
        if at + 1 < len(words) and is_number(words[at + 1]):
            return Addresses((wild(words[at], words[at + 1]),)), at + 2
        return Addresses((Range(number(words[at]), number(words[at])),)), at + 1

    def _extended(self, line: Line, words: list[str]) -> Entry | None:  # noqa: C901  # a branch a word
        action, at = self._action(words[0]), 2
        services: tuple[Service, ...] | None = None
        protocols: tuple[int, ...] | None = None
        if words[1].lower() == "object-group":
            services, at = services_of(self.services, [words[2]]), 3
            if services is None:
                raise UnreadError(words[2])
        else:
            found = protocol(words[1])
            protocols = None if found is None else (found,)
        source, at = self._end(words, at)
        source_ports = target_ports = None
        if at < len(words) and words[at].lower() in COMPARISONS:
            source_ports, at = compared(words, at)
        target, at = self._end(words, at)
        if at < len(words) and words[at].lower() in COMPARISONS:
            target_ports, at = compared(words, at)
        certain = True
        while at < len(words):
            word = words[at].lower()
            if word in SKIPPED:
                at += 1
            elif word == "established":
                return None
            elif word in UNSURE:
                certain, at = False, at + 1 + UNSURE[word]
            elif word.lstrip("+-") in FLAGS or (protocols == (1,) and certain):
                certain, at = False, at + 1  # a type of ICMP, flags of TCP
            elif protocols == (1,):
                at += 1
            else:
                raise UnreadError(word)
        return Entry(line.number, line.text, action, protocols, source, target, source_ports, target_ports, services, certain=certain)

    def member(self, line: Line, words: list[str]) -> None:
        head = line.section[0].split()
        kind, name = head[1].lower(), head[2]
        found = (self.sets if kind == "network" else self.services).setdefault(name, Named())
        word = words[0].lower()
        try:
            if word in {"description", "remark"}:
                return
            if word == "group-object":
                found.names.append(words[1])
            elif kind == "network":
                found.parts.append(self._network(words))
            elif kind == "service":
                found.services += self._service(words)
            else:
                raise UnreadError(kind)
        except (UnreadError, IndexError):
            found.whole = False
            self.doubt(line, "filter")

    def _network(self, words: list[str]) -> Part:
        rest = [each for each in words if each.lower() != "network-object"]
        if rest[0].lower() == "host":
            return Range(number(rest[1]), number(rest[1]))
        if rest[0].lower() == "range":
            return Range(number(rest[1]), number(rest[2]))
        if rest[0].lower() == "any":
            return Range(0, 0xFFFFFFFF)
        if "/" in rest[0]:
            address, _, length = rest[0].partition("/")
            return network(number(address), length_of(length))
        return masked(rest[0], rest[1])

    def _service(self, words: list[str]) -> list[Service]:
        rest = [each for each in words if each.lower() != "service-object"]
        kinds = [6, 17] if rest[0].lower() == "tcp-udp" else [protocol(rest[0])]
        sources = targets = None
        at = 1
        if at < len(rest) and rest[at].lower() == "source":
            sources, at = self._ports(rest, at + 1)
        if at < len(rest) and rest[at].lower() == "destination":
            at += 1
        if at < len(rest):
            targets, at = self._ports(rest, at)
        if at != len(rest):
            raise UnreadError(rest[at])
        return [(-1 if each is None else each, sources, targets) for each in kinds]

    @staticmethod
    def _ports(words: Sequence[str], at: int) -> tuple[tuple[Range, ...], int]:
        if words[at].lower() in COMPARISONS:
            return compared(words, at)
        return (Range(port(words[at]), port(words[at])),), at + 1

    def route(self, line: Line, words: list[str]) -> None:
        rest, vrf = list(words), ""
        try:
            if rest[0].lower() == "vrf":
                vrf, rest = rest[1], rest[2:]
            if "global" in [each.lower() for each in rest]:
                self.device.leaks = True
            if "/" in rest[0]:
                address, _, mask = rest[0].partition("/")
                rest = [address, mask, *rest[1:]]
            first, length = number(rest[0]), length_of(rest[1])
            rest, interface, hop = rest[2:], "", None
            if rest and not is_number(rest[0]):
                interface = rest.pop(0)
                if rest and interface.isalpha() and "/" in rest[0]:
                    interface += rest.pop(0)
                if interface.lower() in {"dhcp", "permanent"}:
                    raise UnreadError(interface)
            if rest and is_number(rest[0]):
                hop = number(rest[0])
            self.device.routes.append(Route(line.number, network(first, length).first, length, hop, interface, vrf))
        except (UnreadError, IndexError):
            self.doubt(line, "route")

    def translation(self, line: Line, words: list[str]) -> None:
        """Read `ip nat inside source static ...`, or one of sources."""
        lower = [each.lower() for each in words]
        if lower[2] != "inside":
            self.doubt(line, "nat")
            return
        if "static" not in lower:
            self.device.hides.append(Hide(line.number, line.text, None))
            return
        rest = words[lower.index("static") + 1 :]
        try:
            if rest[0].lower() in {"tcp", "udp"}:
                if rest[3].lower() == "interface":
                    raise UnreadError(rest[3])
                kind, inside, inner, outside, outer = protocol(rest[0]), number(rest[1]), port(rest[2]), number(rest[3]), port(rest[4])
                self.device.forwards.append(
                    Forward(line.number, line.text, Range(outside, outside), inside, kind, Range(outer, outer), inner)
                )
            elif rest[0].lower() == "network":
                inside, outside, length = number(rest[1]), number(rest[2]), length_of(rest[3].lstrip("/"))
                span = network(outside, length)
                if span.last - span.first > 1023:
                    raise UnreadError(rest[3])
                self.device.forwards.append(Forward(line.number, line.text, span, network(inside, length).first))
            else:
                inside, outside = number(rest[0]), number(rest[1])
                self.device.forwards.append(Forward(line.number, line.text, Range(outside, outside), inside))
        except (UnreadError, IndexError):
            self.doubt(line, "nat")

    def made(self) -> Device:
        for name, line in self.six.items():
            if name not in self.down:
                self.doubt(line, "ipv6")
        for name, each in self.found.items():
            if name in self.down:
                continue
            inbound = tuple(self._filter(acl) for where, way, acl in self.groups if where == name and way == "in")
            outbound = tuple(self._filter(acl) for where, way, acl in self.groups if where == name and way == "out")
            self.device.interfaces[name] = replace(each, inbound=inbound, outbound=outbound)
        return self.device

    def _filter(self, name: str) -> Filter:
        rows = [entry for _place, entry in sorted(self.lists.get(name, ()), key=lambda pair: pair[0])]
        return Filter(name, tuple(rows), DENY if name in self.lists and self._said(name) else PERMIT)

    def _said(self, name: str) -> bool:
        """Whether a list has entries at all, those for begun sessions among them."""
        return bool(self.lists[name]) or name in self.spoken

    spoken: set[str] = field(default_factory=set)


COMPARISONS = frozenset({"eq", "neq", "gt", "lt", "range"})


def read(code: str, text: str, dialect: str) -> Device:
    """Return what a configuration of IOS says."""
    reader = _Reader(Device(code, dialect))
    given = list(lines(text, dialect))
    for line in given:  # groups first: entries may name those that stand below
        top = line.section[0].lower() if line.section else ""
        if top.startswith("object-group "):
            reader.take(line)
    for line in given:
        top = line.section[0].lower() if line.section else ""
        if top.startswith("object-group "):
            continue
        if top.startswith("ip access-list ") and ("permit" in line.text.lower() or "deny" in line.text.lower()):
            reader.spoken.add(line.section[0].split()[-1])
        if line.text.lower().startswith("access-list ") and len(line.text.split()) > 2:
            reader.spoken.add(line.text.split()[1])
        try:
            reader.take(line)
        except (UnreadError, IndexError, ValueError):
            reader.doubt(line, "not_read")
    return reader.made()


__all__ = ["read"]
