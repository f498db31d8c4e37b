"""Huawei VRP (routers, switches, USG firewalls) and H3C Comware (also SecPath), in the parts that decide what passes.

Order on a firewall: destinations are translated, then the route, then the policy between zones (which sees the inner destination), then
sources are translated. Defaults that the vendors' manuals state: an ACL that filters traffic lets pass what no rule names; a security
policy denies it; within a zone USG lets pass and Comware denies.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from anzhang.engines.configs.tree import Line, lines
from anzhang.engines.isolation.model import (
    DENY,
    PERMIT,
    TCP,
    UDP,
    Addresses,
    Device,
    Doubt,
    Entry,
    Filter,
    Forward,
    Hide,
    Interface,
    Range,
    Route,
    Sides,
    network,
)  # fmt: skip
from anzhang.engines.isolation.reading import (
    Named,
    Service,
    UnreadError,
    addresses_of,
    compared,
    interface_name,
    is_number,
    length_of,
    listed_ports,
    masked,
    number,
    port,
    protocol,
    services_of,
    wild,
)  # fmt: skip

HARMLESS_IN_RULE = re.compile(
    r"(?:description|policy logging|session logging|traffic logging|session aging-time|counting|logging|log\b|profile|long-link|"
    r"parent-group|"
    r"track|undo (?:policy|session|traffic|counting|logging)|session persistent|action-log|comment)",
    re.IGNORECASE,
)
DYNAMIC = re.compile(r"(?:ospf|bgp|rip|isis|ospfv3|ripng|eigrp)\b", re.IGNORECASE)
# Lines that join, redirect or translate, wherever they stand, and that are not read: what they would let pass nobody knows.
OPENING = re.compile(
    r"(?:policy-based-route|ip policy-based-route|traffic-redirect|ipsec (?:apply )?policy|ipsec profile|l2tp enable|l2tp-group|"
    r"v-gateway|sslvpn|"
    r"ssl-?vpn|tunnel-protocol|vsys|virtual-system|destination-nat|nat (?!server|static|outbound|address-group|alg|log|"
    r"session|mapping|aging|"
    r"arp|easy-ip|port|hairpin|dns-map|statistics|limit|icmp|ip-address|timeout)|pbr|ip host-route|vxlan|bridge-domain|evpn)",
    re.IGNORECASE,
)
HOLDING = re.compile(
    r"(?:traffic-policy \S+ (?:in|out)bound|traffic-policy \S+ global|qos apply policy|traffic-filter (?:vlan|global)|"
    r"packet-filter (?:vlan|global)|"
    r"firewall interzone|policy interzone|firewall packet-filter default|urpf|ip urpf|qos policy)",
    re.IGNORECASE,
)


TARGETS = re.compile(r"(?:vpn-target|route-target)\b", re.IGNORECASE)  # routes of one VRF may come into another


@dataclass
class _Acl:
    entries: list[tuple[int, Entry]] = field(default_factory=list)
    automatic: bool = False
    whole: bool = True


@dataclass
class _Rule:
    line: int
    text: str
    action: str = ""
    disabled: bool = False
    come: list[str] = field(default_factory=list)
    go: list[str] = field(default_factory=list)
    sources: list[object] = field(default_factory=list)  # parts, or names of sets
    targets: list[object] = field(default_factory=list)
    without: dict[str, list[object]] = field(default_factory=lambda: {"source": [], "target": []})
    services: list[Service] = field(default_factory=list)
    service_names: list[str] = field(default_factory=list)
    certain: bool = True


class _Reader:
    def __init__(self, code: str, dialect: str) -> None:
        self.device = Device(code, dialect)
        self.acls: dict[str, _Acl] = {}
        self.sets: dict[str, Named] = {}
        self.services: dict[str, Named] = {}
        self.rules: list[_Rule] = []
        self.rule: _Rule | None = None
        self.default, self.has_policy, self.has_zones = DENY, False, False
        self.zones: dict[str, str] = {}
        self.filters: list[tuple[str, str, str]] = []  # interface, direction, ACL
        self.down: set[str] = set()
        self.six: dict[str, Line] = {}
        self.pairs: list[tuple[str, str, str, str]] = []  # zone pairs: from, to, kind, name
        self.policies: dict[str, list[_Rule]] = {}  # object policies
        self.translated: list[Line] = []
        self.found: dict[str, Interface] = {}
        self.within_said = False
        self.unfiltered = PERMIT  # what an ACL on an interface lets pass that no rule names

    def doubt(self, line: Line, why: str) -> None:
        self.device.doubts.append(Doubt(self.device.code, line.number, line.text, why))

    # Lines

    def take(self, line: Line) -> None:
        top = line.section[0].lower() if line.section else ""
        words = line.text.split()
        for beginning, handle in SECTIONS:
            if top.startswith(beginning):
                handle(self, line, words)
                return
        if not line.section:
            self.top(line, words)
        elif OPENING.match(line.text):
            self.doubt(line, "not_read")
        elif HOLDING.match(line.text) or line.text.lower().startswith(("traffic-filter ", "packet-filter ")):
            self.device.unsure = True  # of a VLAN, or of what else there is
        elif TARGETS.match(line.text):
            self.device.leaks = True

    def top(self, line: Line, words: Sequence[str]) -> None:  # noqa: C901, PLR0912  # a branch a word
        text = line.text.lower()
        self.rule = None
        if text.startswith("interface "):
            self.found.setdefault(interface_name(line.text), Interface(interface_name(line.text)))
        elif text.startswith("acl "):
            self.acl(line)
        elif text.startswith(("security-policy", "zone-pair security")):
            self.has_policy = True
        elif text.startswith(("firewall zone", "security-zone ")):
            self.has_zones = True
            if text.startswith("security-zone intra-zone default permit"):
                self.device.within = PERMIT
        elif text.startswith("ip route-static"):
            self.route(line, list(words))
        elif text.startswith(("nat server", "nat static")):
            self.forward(line, list(words), "")
        elif text.startswith(("ip address-set", "ip service-set", "object-group ")):
            self.named(line)
        elif text.startswith("packet-filter default deny"):
            self.unfiltered = DENY
        elif DYNAMIC.match(text):
            self.device.dynamic = True
        elif HOLDING.match(text):
            self.device.unsure = True
        elif OPENING.match(text):
            self.doubt(line, "not_read")
        elif text.startswith("rule "):
            self.doubt(line, "filter")  # of nobody knows which filter

    def interface(self, line: Line, words: Sequence[str]) -> None:  # noqa: C901, PLR0912  # a branch a word
        name, text = interface_name(line.section[0]), line.text.lower()
        self.found.setdefault(name, Interface(name))
        each = self.found[name]
        if name.lower().startswith(("tunnel", "virtual-template", "dialer", "mp-group", "virtual-ppp")) and text.startswith(
            ("ip address", "source", "destination", "tunnel-protocol")
        ):
            self.doubt(line, "tunnel")
        if text.startswith("ip address "):
            if len(words) >= 4 and is_number(words[2]):
                self.found[name] = replace(each, addresses=(*each.addresses, (number(words[2]), length_of(words[3]))))
            else:
                self.doubt(line, "address")
        elif text.startswith("vrrp vrid ") and len(words) > 4 and words[3].lower() == "virtual-ip":
            self.found[name] = replace(each, addresses=(*each.addresses, (number(words[4]), 32)))
        elif text == "shutdown":
            self.down.add(name)
        elif text.startswith("ip binding vpn-instance"):
            self.found[name] = replace(each, vrf=words[3])
        elif text.startswith(("traffic-filter ", "packet-filter ", "firewall packet-filter ")):
            if "ipv6" not in text and "mac" not in words:
                self.filtered(
                    name, line, [each for each in words if each.lower() not in {"firewall", "acl", "name", "hardware-count", "filter"}]
                )
        elif text.startswith(("nat server", "nat static")):
            if text != "nat static enable":
                self.forward(line, list(words), name)
        elif text.startswith("nat outbound"):
            self.device.hides.append(Hide(line.number, line.text, None))
        elif text.startswith("zone ") and len(words) == 2:
            self.zones[name.lower()] = words[1].lower()
        elif text.startswith(("ipv6 enable", "ipv6 address")):
            self.six.setdefault(name, line)
        elif HOLDING.match(text):
            self.device.unsure = True
            if text.startswith(("traffic-policy", "qos apply")):
                self.doubt(line, "not_read")  # it may send packets elsewhere
        elif OPENING.match(text):
            self.doubt(line, "not_read")

    def filtered(self, name: str, line: Line, words: Sequence[str]) -> None:
        rest = [each for each in words[1:] if each.lower() not in {"inbound", "outbound"}]
        direction = next((each.lower() for each in words if each.lower() in {"inbound", "outbound"}), "")
        if not direction or len(rest) != 1:
            self.device.unsure = True
            return
        self.filters.append((name, direction, rest[0]))

    def acl(self, line: Line) -> _Acl:
        words = [each for each in (line.section[0] if line.section else line.text).split() if each.lower() not in KINDS_OF_ACL]
        automatic = "match-order" in words and "auto" in words
        six = "ipv6" in (line.section[0] if line.section else line.text).lower().split()
        named = [each for each in words[1:] if each.lower() not in {"match-order", "auto", "config"}]
        found = None
        for name in named[:2]:
            found = self.acls.setdefault(("6 " if six else "") + name, found or _Acl())
        found = found or _Acl()
        found.automatic = found.automatic or automatic
        return found

    def acl_line(self, line: Line, words: Sequence[str]) -> None:
        acl = self.acl(line)
        if words[0].lower() != "rule" or len(words) < 2 or "ipv6" in line.section[0].lower().split():
            return
        rest = list(words[1:])
        place = int(rest.pop(0)) if rest[0].isdigit() else max((each for each, _ in acl.entries), default=-5) + 5
        if rest and rest[0].lower() == "name":
            del rest[:2]
        if not rest or rest[0].lower() in {"description", "comment", "remark"}:
            return
        try:
            entry = entry_of(line, rest, self.sets)
        except (UnreadError, IndexError):
            permits = rest[0].lower() == "permit"
            self.doubt(line, "filter")
            entry = Entry(line.number, line.text, PERMIT if permits else DENY, certain=False)
        if entry is not None:
            acl.entries.append((place, entry))

    def named(self, line: Line) -> Named:
        head = (line.section[0] if line.section else line.text).split()
        known = self.services if head[0].lower() == "ip" and head[1].lower() == "service-set" else self.sets
        if head[0].lower() == "object-group":
            known = self.services if "service" in (each.lower() for each in head[1:3]) else self.sets
            if "ipv6" in (each.lower() for each in head) or "port" in (each.lower() for each in head[1:2]):
                known = {}
            name = head[-1]
        else:
            name = head[2]
        return known.setdefault(name, Named())

    def named_line(self, line: Line, words: Sequence[str]) -> None:
        found, rest = self.named(line), list(words)
        if rest[0].lower() in {"description", "security-zone"} or rest[:2] == ["undo", "description"]:
            return
        try:
            _member(found, rest)
        except (UnreadError, IndexError):
            found.whole = False
            self.doubt(line, "filter")

    def zone_line(self, line: Line, words: Sequence[str]) -> None:
        head = line.section[0].lower().split()
        self.has_zones = True
        if head[0] == "security-zone":
            name = head[2] if len(head) > 2 and head[1] == "name" else head[-1]
        else:
            name = head[3] if len(head) > 3 and head[2] == "name" else head[2]
        text = line.text.lower()
        if text.startswith(("add interface", "import interface")):
            words = list(words)
            where = "".join(words[2:4]) if len(words) > 3 and words[3][:1].isdigit() else words[2]
            if "vlan" in [each.lower() for each in words[3:]]:
                self.doubt(line, "zone")
            self.zones[where.lower()] = name
        elif text.startswith("import "):
            self.doubt(line, "zone")

    def policy_line(self, line: Line, words: Sequence[str]) -> None:
        self.has_policy = True
        if "ipv6" in line.section[0].lower().split():
            return
        text = line.text.lower()
        if text.startswith("rule"):
            if len(words) > 1 and words[1].lower() in {"move", "copy"}:
                return
            self.rule = _Rule(line.number, line.text)
            self.rules.append(self.rule)
        elif text.startswith("default action"):
            self.default = PERMIT if words[2].lower() in {"permit", "pass"} else DENY
            self.rule = None
        elif text.startswith(("default ", "group name", "undo default")):
            self.rule = None
        elif self.rule is None:
            return
        else:
            self.within_rule(line, words, self.rule)

    def within_rule(self, line: Line, words: Sequence[str], rule: _Rule) -> None:
        try:
            _condition(rule, line.text.lower(), list(words))
        except (UnreadError, IndexError):
            rule.certain = False
            self.doubt(line, "filter")

    def pair_line(self, line: Line, words: Sequence[str]) -> None:
        head = line.section[0].lower().split()
        text = line.text.lower()
        try:
            come, go = head[head.index("source") + 1], head[head.index("destination") + 1]
        except (ValueError, IndexError):
            self.device.unsure = True
            return
        if text.startswith("packet-filter ") and "ipv6" not in text:
            self.pairs.append((come, go, "acl", next(each for each in words if each.lower() not in {"name", "packet-filter"})))
        elif text.startswith("object-policy apply ip "):
            self.pairs.append((come, go, "policy", words[3]))

    def object_policy_line(self, line: Line, words: Sequence[str]) -> None:
        name = line.section[0].split()[-1]
        if words[0].lower() != "rule":
            return
        rest = list(words[1:])
        if rest and rest[0].isdigit():
            rest.pop(0)
        rule = _Rule(line.number, line.text)
        self.policies.setdefault(name, []).append(rule)
        at = 0
        try:
            rule.action = {"pass": PERMIT, "drop": DENY, "inspect": PERMIT}[rest[0].lower()]
            at = 1
            while at < len(rest):
                word = rest[at].lower()
                if word in {"source-ip", "destination-ip"}:
                    (rule.sources if word == "source-ip" else rule.targets).append(rest[at + 1])
                    at += 2
                elif word == "service":
                    rule.service_names.append(rest[at + 1])
                    at += 2
                elif word == "disable":
                    rule.disabled = True
                    at += 1
                elif word in {"counting", "logging"}:
                    at += 1
                else:
                    raise UnreadError(word)
        except (UnreadError, IndexError, KeyError):
            rule.certain = False
            rule.action = rule.action or PERMIT
            self.doubt(line, "filter")

    def nat_policy_line(self, line: Line, words: Sequence[str]) -> None:
        text = line.text.lower()
        if text.startswith(("action ", "nat ")):
            if "destination" in text or "static" in text:
                self.doubt(line, "nat")
            else:
                self.device.hides.append(Hide(line.number, line.text, None))
        elif text.startswith("destination-translate"):
            self.doubt(line, "nat")

    def route(self, line: Line, words: list[str]) -> None:
        rest, vrf = words[2:], ""
        try:
            if rest[0].lower() == "vpn-instance":
                vrf, rest = rest[1], rest[2:]
            if rest[0].lower() in {"default-preference", "track", "selection-rule", "bfd", "frr", "recursive-lookup"}:
                return
            first, length = number(rest[0]), length_of(rest[1])
            rest, interface, hop = rest[2:], "", None
            if rest[0].lower() == "vpn-instance":
                self.device.leaks = True
                rest = rest[2:]
            elif rest[0].lower() == "public":
                self.device.leaks = True
                rest = rest[1:]
            if rest and not is_number(rest[0]):
                interface = rest.pop(0)
                if rest and interface.isalpha() and rest[0][:1].isdigit() and "/" in rest[0]:
                    interface += rest.pop(0)
            if rest and is_number(rest[0]):
                hop = number(rest[0])
            if any(each.lower() == "public" for each in rest):
                self.device.leaks = True
            self.device.routes.append(Route(line.number, network(first, length).first, length, hop, interface, vrf))
        except (UnreadError, IndexError):
            self.doubt(line, "route")

    def forward(self, line: Line, words: list[str], interface: str) -> None:
        """Read a `nat server` or a `nat static`."""
        try:
            self.device.forwards += forwards_of(line, words, self._own(interface))
        except (UnreadError, IndexError, ValueError):
            self.doubt(line, "nat")

    def _own(self, interface: str) -> int | None:
        each = self.found.get(interface)
        return each.addresses[0][0] if each is not None and each.addresses else None

    # The device

    def made(self) -> Device:
        device = self.device
        up = {name: each for name, each in self.found.items() if name not in self.down}
        for name, line in self.six.items():
            if name in up:
                self.doubt(line, "ipv6")
        for name, each in up.items():
            inbound = tuple(self._filter(acl) for where, way, acl in self.filters if where == name and way == "inbound")
            outbound = tuple(self._filter(acl) for where, way, acl in self.filters if where == name and way == "outbound")
            zone = self.zones.get(name.lower(), "")
            device.interfaces[name] = replace(each, zone=zone, inbound=inbound, outbound=outbound)
        lost = sorted(set(self.zones) - {name.lower() for name in self.found})
        device.doubts += [Doubt(device.code, 0, name, "zone") for name in lost if not name.startswith(UNADDRESSED)]
        if self.has_zones and not self.has_policy and device.dialect == "huawei":
            # A firewall of this maker denies, a router lets pass: which it is was not said.
            device.unsure = True
            device.doubts.append(Doubt(device.code, 0, "security-policy", "filter"))
        elif self.has_policy or self.has_zones:
            entries = [entry for rule in self.rules if (entry := self._entry(rule)) is not None]
            entries += self._pairs()
            device.policy = Filter("security-policy", tuple(entries), self.default)
            if device.dialect == "h3c" and device.within == PERMIT and not self.within_said:
                device.within = DENY
        return device

    def _filter(self, name: str) -> Filter:
        acl = self.acls.get(name)
        if acl is None:
            return Filter(name, (), PERMIT)  # an ACL that is not there filters nothing
        entries = [entry for _place, entry in sorted(acl.entries, key=lambda pair: pair[0])]
        if acl.automatic:
            entries = [replace(entry, certain=False) for entry in entries]  # its order is the device's own
        return Filter(name, tuple(entries), self.unfiltered)

    def _pairs(self) -> list[Entry]:
        found = []
        for come, go, kind, name in self.pairs:
            ends = (None if come == "any" else Sides((come,)), None if go == "any" else Sides((go,)))
            entries: Sequence[Entry]
            if name not in (self.acls if kind == "acl" else self.policies):
                self.device.doubts.append(Doubt(self.device.code, 0, name, "filter"))
                entries = [Entry(0, name, PERMIT, certain=False)]
            elif kind == "acl":
                entries = self._filter(name).entries
            else:
                entries = [entry for rule in self.policies[name] if (entry := self._entry(rule)) is not None]
            found += [replace(entry, come=ends[0], go=ends[1]) for entry in entries]
        return found

    def _entry(self, rule: _Rule) -> Entry | None:
        if rule.disabled:
            return None
        certain = rule.certain
        ends = {}
        for name, given in (("source", rule.sources), ("target", rule.targets)):
            ends[name] = self._addresses(given, rule.without[name])
            if given and ends[name] is None and "any" not in given:
                certain = False
            if rule.without[name] and not given:
                ends[name] = self._addresses([Range(0, 0xFFFFFFFF)], rule.without[name])
                certain = certain and ends[name] is not None
        services: tuple[Service, ...] | None = None
        if rule.services or rule.service_names:
            by_name = services_of(self.services, rule.service_names)
            services = None if by_name is None else (*rule.services, *by_name)
            if services is None:
                certain = False
            elif any(each[0] < 0 and each[1] is None and each[2] is None for each in services):
                services = None
        if not rule.action:
            certain = False
        return Entry(
            rule.line, rule.text, rule.action or PERMIT, source=ends["source"], target=ends["target"], services=services,
            come=Sides(tuple(rule.come)) if rule.come and "any" not in rule.come else None,
            go=Sides(tuple(rule.go)) if rule.go and "any" not in rule.go else None, certain=certain,
        )  # fmt: skip

    def _addresses(self, given: Sequence[object], without: Sequence[object]) -> Addresses | None:
        if not given or "any" in given:
            return None
        names = [each for each in given if isinstance(each, str)]
        parts = [each for each in given if not isinstance(each, str)]
        by_name = addresses_of(self.sets, names) if names else Addresses()
        if by_name is None or (by_name.without and parts):
            return None
        left = [each for each in without if not isinstance(each, str)]
        if names_out := [each for each in without if isinstance(each, str)]:
            out = addresses_of(self.sets, names_out)
            if out is None or out.without:
                return None
            left += out.parts
        return Addresses((*by_name.parts, *parts), (*by_name.without, *left))  # type: ignore[arg-type]


UNADDRESSED = ("virtual-template", "dialer", "cellular", "null", "loopback", "inloopback")
KINDS_OF_ACL = frozenset({"number", "name", "basic", "advance", "advanced", "ipv4", "ip", "ipv6", "link", "ucl", "user"})


def read(code: str, text: str, dialect: str) -> Device:
    """Return what a configuration of VRP or Comware says."""
    reader = _Reader(code, dialect)
    for line in lines(text, dialect):
        try:
            reader.take(line)
        except (UnreadError, IndexError, ValueError):
            reader.doubt(line, "not_read")
        if line.text.lower().startswith("security-zone intra-zone default permit"):
            reader.within_said = True
    return reader.made()


def entry_of(line: Line, words: Sequence[str], sets: dict[str, Named]) -> Entry | None:  # noqa: C901, PLR0912  # a branch a word
    """Return a rule of an ACL; None for one that lets only begun sessions pass. Raises UnreadError, IndexError."""
    action = {"permit": PERMIT, "deny": DENY}.get(words[0].lower())
    if action is None:
        raise UnreadError(words[0])
    rest, at = list(words[1:]), 0
    protocols = None
    if rest and rest[0].lower() not in CONDITIONS:
        found = protocol(rest[0])
        protocols, at = (None if found is None else (found,)), 1
    ends: dict[str, Addresses | None] = {"source": None, "destination": None}
    ports: dict[str, tuple[Range, ...] | None] = {"source-port": None, "destination-port": None}
    certain = True
    while at < len(rest):
        word = rest[at].lower()
        if word in ends:
            kind = rest[at + 1].lower()
            if kind == "any":
                at += 2
            elif kind in {"object-group", "address-set"}:
                ends[word] = addresses_of(sets, [rest[at + 2]])
                certain = certain and ends[word] is not None
                at += 3
            else:
                has_mask = at + 2 < len(rest) and (is_number(rest[at + 2]) or rest[at + 2] == "0")
                ends[word] = Addresses((wild(rest[at + 1], rest[at + 2] if has_mask else "0"),))
                at += 3 if has_mask else 2
        elif word in ports:
            ports[word], at = compared(rest, at + 1)
        elif word == "established":
            return None
        elif word in {"logging", "log", "counting"}:
            at += 1
        elif word in UNSURE:
            certain, at = False, at + 1 + UNSURE[word]
            while at < len(rest) and rest[at].lower() not in CONDITIONS:
                at += 1
        else:
            raise UnreadError(word)
    return Entry(
        line.number, line.text, action, protocols, ends["source"], ends["destination"], ports["source-port"], ports["destination-port"],
        certain=certain,
    )  # fmt: skip


UNSURE = {
    "time-range": 1, "tcp-flag": 1, "fragment": 0, "fragment-type": 1, "icmp-type": 1, "precedence": 1, "tos": 1, "dscp": 1,
    "vlan": 1, "vpn-instance": 1, "ttl-expired": 0, "none-first-fragment": 0, "ack": 1, "fin": 1, "psh": 1, "rst": 1, "syn": 1, "urg": 1,
    "igmp-type": 1,
}  # fmt: skip
CONDITIONS = frozenset({"source", "destination", "source-port", "destination-port", "established", "logging", "log", "counting", *UNSURE})


def _member(found: Named, words: list[str]) -> None:  # noqa: C901, PLR0912  # a branch a word
    """Read a line of a set of addresses or services."""
    if words[0].isdigit():
        words.pop(0)
    kind = words[0].lower()
    if kind in {"address", "network"}:
        rest = words[1:]
        if rest and rest[0].isdigit():
            rest.pop(0)
        if rest[0].lower() == "exclude":
            _address(found.without, rest[1:])
        elif rest[0].lower() in {"address-set", "group-object"}:
            found.names.append(rest[1])
        else:
            if "exclude" in [each.lower() for each in rest]:
                raise UnreadError("exclude")
            _address(found.parts, rest)
    elif kind == "exclude":
        _address(found.without, words[1:])
    elif kind == "service":
        rest = words[1:]
        if rest and rest[0].isdigit() and len(rest) > 1 and not rest[1].isdigit() and rest[1].lower() in {"protocol", "service-set"}:
            rest.pop(0)
        if rest[0].lower() in {"service-set", "group-object"}:
            found.names.append(rest[1])
        else:
            found.services.append(service(rest[1:] if rest[0].lower() == "protocol" else rest))
    elif kind in {"range", "group-object", "subnet", "host"}:
        if kind == "group-object":
            found.names.append(words[1])
        else:
            _address(found.parts, words)
    else:
        raise UnreadError(kind)


def _address(parts: list[Any], words: Sequence[str]) -> None:
    """Read an address of a set: `range A B`, `host address A`, `subnet A M`, `A mask M`, `A W`."""
    kind = words[0].lower()
    if kind == "range":
        first, last = number(words[1]), number(words[2])
        parts.append(Range(min(first, last), max(first, last)))
    elif kind == "host" and words[1].lower() == "address":
        parts.append(Range(number(words[2]), number(words[2])))
    elif kind == "subnet":
        parts.append(network(number(words[1]), length_of(words[2])) if len(words) == 3 else wild(words[1], words[3]))
    elif is_number(words[0]):
        if len(words) > 2 and words[1].lower() == "mask":
            parts.append(network(number(words[0]), length_of(words[2])))
        elif len(words) > 1:
            parts.append(masked(words[0], words[1]))
        else:
            parts.append(Range(number(words[0]), number(words[0])))
    else:
        raise UnreadError(kind)


def service(words: Sequence[str]) -> Service:
    """Return a service: `tcp source-port 0 to 65535 destination-port 80 443`, `tcp destination eq 80`, `icmp`, `47`. Raises UnreadError."""
    found = protocol(words[0])
    sources = targets = None
    at = 1
    while at < len(words):
        word = words[at].lower()
        if word in {"source-port", "destination-port"}:
            end = next(
                (place for place in range(at + 1, len(words)) if words[place].lower() in {"source-port", "destination-port"}), len(words)
            )
            ports = listed_ports(words[at + 1 : end])
            at = end
            if word == "source-port":
                sources = ports
            else:
                targets = ports
        elif word in {"source", "destination"}:
            ports, at = compared(words, at + 1)
            if word == "source":
                sources = ports
            else:
                targets = ports
        elif found == 1 and word in {"icmp-type", "icmp-code"}:
            raise UnreadError(word)
        else:
            raise UnreadError(word)
    return (-1 if found is None else found, sources, targets)


def _condition(rule: _Rule, text: str, words: list[str]) -> None:  # noqa: C901, PLR0912  # a branch a word
    """Read a line within a rule of a policy."""
    kind = words[0].lower()
    if kind == "disable":
        rule.disabled = True
    elif kind == "undo" and words[1:2] == ["disable"]:
        rule.disabled = False
    elif kind == "action":
        rule.action = (
            {"permit": PERMIT, "pass": PERMIT, "deny": DENY, "drop": DENY}[words[1].lower()] if words[1].lower() in ACTIONS else ""
        )
        if not rule.action:
            raise UnreadError(words[1])
    elif kind in {"source-zone", "destination-zone"}:
        (rule.come if kind == "source-zone" else rule.go).extend(each.lower() for each in words[1:])
    elif kind in {"source-address", "destination-address", "source-address-exclude", "destination-address-exclude"}:
        side = "source" if kind.startswith("source") else "target"
        given = rule.without[side] if kind.endswith("exclude") else rule.sources if side == "source" else rule.targets
        if words[1].lower() == "any":
            given.append("any")
        elif words[1].lower() == "address-set":
            given.extend(words[2:])
        elif words[1].lower() == "address-exclude":
            raise UnreadError(words[1])
        else:
            _address(given, words[1:])
    elif re.match(r"(?:source|destination)-ip(?:-host|-subnet|-range)?$", kind):
        given = rule.sources if kind.startswith("source") else rule.targets
        if kind.endswith("-ip"):
            given.extend(words[1:])
        elif kind.endswith("-host"):
            given.append(Range(number(words[1]), number(words[1])))
        elif kind.endswith("-subnet"):
            given.append(network(number(words[1]), length_of(words[2])))
        else:
            given.append(Range(number(words[1]), number(words[2])))
    elif kind == "service":
        if words[1].lower() == "protocol":
            rule.services.append(service(words[2:]))
        else:
            rule.service_names.extend(words[1:])
    elif kind == "service-port":
        rule.services.append(service(words[1:]))
    elif HARMLESS_IN_RULE.match(text):
        return
    else:
        raise UnreadError(kind)  # an application, a user, a time of day, or what nobody knows


ACTIONS = frozenset({"permit", "pass", "deny", "drop"})


def forwards_of(line: Line, words: list[str], own: int | None) -> list[Forward]:  # noqa: C901, PLR0912  # a branch a word
    """Return what a `nat server` or `nat static` translates. Raises UnreadError, IndexError, ValueError."""
    rest = words[2:]
    lower = [each.lower() for each in rest]
    if words[1].lower() == "static":
        if "global" in lower:
            first, inside = rest[lower.index("global") + 1], rest[lower.index("inside") + 1]
        elif lower and lower[0] == "outbound":  # Comware: inside, then outside
            inside, first = [each for each in rest[1:] if is_number(each)][:2]
        else:
            raise UnreadError(line.text)
        if "protocol" in lower or "net-to-net" in lower or "object-group" in lower:
            raise UnreadError(line.text)
        return [Forward(line.number, line.text, Range(number(first), number(first)), number(inside))]
    kind = None
    if "protocol" in lower:
        kind = protocol(rest[lower.index("protocol") + 1])
    at, inner = lower.index("global"), lower.index("inside")
    outer = rest[at + 1 : inner]
    if outer[0].lower() in {"interface", "current-interface"}:
        if own is None:
            raise UnreadError(line.text)
        addresses, ports = Range(own, own), outer[1:]
        if outer[0].lower() == "interface":
            raise UnreadError(line.text)
    else:
        told = [number(each) for each in outer if is_number(each)]
        addresses, ports = Range(told[0], told[-1]), [each for each in outer if not is_number(each)]
    inside_words: list[str] = []
    for each in rest[inner + 1 :]:
        if not (is_number(each) or each.isdigit() or each.lower() in PORT_WORDS):
            break
        inside_words.append(each)
    inner_addresses = [number(each) for each in inside_words if is_number(each)]
    inside_ports = [port(each) for each in inside_words if not is_number(each)]
    outer_ports = [port(each) for each in ports if each.lower() != "any"]
    span = Range(outer_ports[0], outer_ports[-1]) if outer_ports else None
    if span is not None and span.last - span.first > MOST_PORTS and (not inside_ports or inside_ports[0] != span.first):
        raise UnreadError(line.text)
    to = inside_ports[0] if inside_ports else (span.first if span is not None else None)
    if span is not None and to == span.first:
        return [Forward(line.number, line.text, addresses, inner_addresses[0], kind, span, None)]
    if kind is None and span is not None:
        return [Forward(line.number, line.text, addresses, inner_addresses[0], each, span, to) for each in (TCP, UDP)]
    return [Forward(line.number, line.text, addresses, inner_addresses[0], kind, span, to)]


MOST_PORTS = 1024
PORT_WORDS = frozenset(
    {"www", "telnet", "ftp", "smtp", "pop3", "http", "https", "ssh", "dns", "domain", "snmp", "tftp", "any", "rdp", "sqlnet"}
)
Handler = Callable[[_Reader, Line, Sequence[str]], None]
SECTIONS: tuple[tuple[str, Handler], ...] = (
    ("interface ", _Reader.interface),
    ("acl ", _Reader.acl_line),
    ("ip address-set ", _Reader.named_line),
    ("ip service-set ", _Reader.named_line),
    ("object-group ", _Reader.named_line),
    ("firewall zone ", _Reader.zone_line),
    ("security-zone ", _Reader.zone_line),
    ("security-policy", _Reader.policy_line),
    ("zone-pair security", _Reader.pair_line),
    ("object-policy ip ", _Reader.object_policy_line),
    ("nat-policy", _Reader.nat_policy_line),
    ("nat global-policy", _Reader.nat_policy_line),
)
__all__ = ["entry_of", "forwards_of", "read", "service"]
