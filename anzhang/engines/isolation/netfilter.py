"""iptables-save: the tables filter (FORWARD) and nat (PREROUTING, POSTROUTING); what mangle, raw and security drop is unsure.

A dump names no addresses of interfaces: where they stand a register says (`Port`), else nothing is known of them. Routes are not in it
either, so any interface may lead anywhere. Only what begins a session is asked: a rule for ESTABLISHED or RELATED lets no new one pass.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field

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
    Range,
    Sides,
    network,
)
from anzhang.engines.isolation.reading import UnreadError, length_of, number, port, protocol

TERMINAL = {"ACCEPT": PERMIT, "DROP": DENY, "REJECT": DENY, "RETURN": "return"}
QUIET = frozenset(
    {"LOG", "NFLOG", "ULOG", "MARK", "CONNMARK", "TCPMSS", "CT", "NOTRACK", "TRACE", "CLASSIFY", "DSCP", "CHECKSUM", "AUDIT", "SECMARK"}
)


@dataclass
class _Rule:
    chain: str
    entry: Entry
    target: str = ""
    to: str = ""
    quiet: bool = False  # decides nothing


@dataclass
class _Reader:
    device: Device
    table: str = ""
    policies: dict[tuple[str, str], str] = field(default_factory=dict)
    rules: dict[tuple[str, str], list[_Rule]] = field(default_factory=dict)

    def doubt(self, line: Line, why: str) -> None:
        self.device.doubts.append(Doubt(self.device.code, line.number, line.text, why))

    def take(self, line: Line) -> None:
        text = line.text
        if text.startswith("*"):
            self.table = text[1:]
        elif text.startswith(":"):
            words = text[1:].split()
            self.policies[self.table, words[0]] = words[1]
        elif text.startswith(("-A ", "-I ")):
            self.rule(line)

    def rule(self, line: Line) -> None:
        words = shlex.split(line.text, comments=False)
        try:
            rule = _parsed(line, words[1], words[2:])
        except (UnreadError, IndexError, ValueError):
            self.doubt(line, "filter")
            target = words[words.index("-j") + 1] if "-j" in words[:-1] else ""
            rule = _Rule(words[1], Entry(line.number, line.text, TERMINAL.get(target, PERMIT), certain=False), target)
        if rule is not None:
            self.rules.setdefault((self.table, words[1]), []).append(rule)

    def made(self) -> Device:
        device = self.device
        chains = {chain: tuple(self._entries("filter", chain)) for table, chain in self.rules if table == "filter"}
        device.policy = Filter(
            "FORWARD", chains.get("FORWARD", ()), DENY if self.policies.get(("filter", "FORWARD"), "ACCEPT") == "DROP" else PERMIT, chains
        )  # fmt: skip
        for (table, chain), rules in self.rules.items():
            if table in {"mangle", "raw", "security"}:
                device.unsure = device.unsure or any(each.target in {"DROP", "REJECT"} for each in rules)
                for each in rules:
                    if each.target in {"TPROXY", "TEE", "ROUTE"}:
                        device.doubts.append(Doubt(device.code, each.entry.line, each.entry.text, "not_read"))
            elif table == "nat":
                self._translations(chain, rules)
        return device

    def _entries(self, table: str, chain: str) -> list[Entry]:
        return [each.entry for each in self.rules.get((table, chain), ()) if not each.quiet]

    def _translations(self, chain: str, rules: Sequence[_Rule]) -> None:
        for each in rules:
            line = each.entry
            if each.target in {"SNAT", "MASQUERADE"}:
                self.device.hides.append(Hide(line.line, line.text, _to(each.to), line.source, line.go))
            elif each.target in {"DNAT", "REDIRECT", "NETMAP"} and chain != "OUTPUT":
                try:
                    self.device.forwards += _forwards(each) if each.target == "DNAT" else []
                    if each.target == "NETMAP":
                        raise UnreadError(each.to)
                except (UnreadError, IndexError, ValueError):
                    self.device.doubts.append(Doubt(self.device.code, line.line, line.text, "nat"))


def _to(text: str) -> Addresses | None:
    if not text:
        return None
    first, _, last = text.partition(":")[0].partition("-")
    return Addresses((Range(number(first), number(last or first)),))


def _forwards(rule: _Rule) -> list[Forward]:
    """Return what a DNAT translates. Raises UnreadError: to several addresses, or of more than one can be told one to one."""
    entry = rule.entry
    address, _, inner = rule.to.partition(":")
    if "-" in rule.to or entry.source_ports is not None or (entry.target is not None and entry.target.without):
        raise UnreadError(rule.to)
    parts = entry.target.parts if entry.target is not None else (Range(0, 0xFFFFFFFF),)
    kinds: Sequence[int | None] = entry.protocols or (None,)
    found = []
    for part in parts:
        if not isinstance(part, Range):
            raise UnreadError(rule.to)
        if part.first != part.last and part.last - part.first > 1023:
            raise UnreadError("a DNAT of a whole network to one address")
        for outside in range(part.first, part.last + 1):
            for span in entry.target_ports or (None,):
                if inner and (span is None or span.first != span.last):
                    raise UnreadError(rule.to)
                to = int(inner) if inner else None
                found += [
                    Forward(
                        entry.line,
                        entry.text,
                        Range(outside, outside),
                        number(address),
                        kind,
                        span,
                        to,
                        entry.come,
                        entry.certain and entry.source is None,
                    )
                    for kind in kinds
                ]
    return found


def _parsed(line: Line, chain: str, words: list[str]) -> _Rule | None:  # noqa: C901, PLR0912, PLR0915  # a branch a word
    """Read a rule; None for one that only begun sessions meet. Raises UnreadError, IndexError, ValueError."""
    protocols = source = target = None
    source_ports: tuple[Range, ...] | None = None
    target_ports: tuple[Range, ...] | None = None
    come = go = None
    certain, jump, to, negated, at = True, "", "", False, 0
    begun_only = False
    while at < len(words):
        word = words[at]
        value = words[at + 1] if at + 1 < len(words) else ""
        if word == "!":
            negated, at = True, at + 1
            continue
        if word in {"-s", "--source", "-d", "--destination"}:
            found = _addresses(value, negated)
            source, target = (found, target) if word in {"-s", "--source"} else (source, found)
        elif word in {"-i", "--in-interface", "-o", "--out-interface"}:
            sides = Sides((value[:-1] + "*" if value.endswith("+") else value,), negated)
            come, go = (sides, go) if word in {"-i", "--in-interface"} else (come, sides)
        elif word in {"-p", "--protocol"}:
            one = protocol(value)
            if negated:
                raise UnreadError("! -p")
            protocols = None if one is None else (one,)
        elif word in {"--sport", "--source-port", "--sports", "--source-ports"}:
            source_ports = _ports(value, negated)
        elif word in {"--dport", "--destination-port", "--dports", "--destination-ports"}:
            target_ports = _ports(value, negated)
        elif word in {"--ctstate", "--state"}:
            states = set(value.split(","))
            new = bool(states & {"NEW", "UNTRACKED", "DNAT", "SNAT"}) != negated
            begun_only = not new
            certain = begun_only or (certain and not states & {"DNAT", "SNAT", "INVALID"})
        elif word in {"-m", "--match"}:
            certain = certain and value in KNOWN
        elif word in {"-j", "--jump", "-g", "--goto"}:
            jump = value
            if word in {"-g", "--goto"}:
                certain = False
        elif word in {"--to-destination", "--to-source", "--to"}:
            to = value
        elif word in {"--src-range", "--dst-range"}:
            first, _, last = value.partition("-")
            found = Addresses((Range(number(first), number(last or first)),))
            found = Addresses((Range(0, 0xFFFFFFFF),), found.parts) if negated else found
            source, target = (found, target) if word == "--src-range" else (source, found)
        elif word == "--tcp-flags":
            if value.split(",") and "SYN" in words[at + 2].split(",") and not negated and set(words[at + 2].split(",")) == {"SYN"}:
                at += 3
                continue
            certain = False
            at += 3
            negated = False
            continue
        elif word == "--syn":
            begun_only = negated or begun_only
            at, negated = at + 1, False
            continue
        elif word.startswith("-"):
            certain = certain and word in HARMLESS
            at += 1
            while at < len(words) and not words[at].startswith("-") and words[at] != "!":
                at += 1
            negated = False
            continue
        at, negated = at + 2, False
    if begun_only:
        return None
    text = line.text
    if jump in TERMINAL:
        entry = Entry(line.number, text, TERMINAL[jump], protocols, source, target, source_ports, target_ports, None, come, go, certain)
        return _Rule(chain, entry, jump, to)
    if jump in {"SNAT", "MASQUERADE", "DNAT", "REDIRECT", "NETMAP", "TPROXY", "TEE"}:
        entry = Entry(line.number, text, PERMIT, protocols, source, target, source_ports, target_ports, None, come, go, certain)
        return _Rule(chain, entry, jump, to)
    if not jump or jump in QUIET:
        return None
    if jump.isupper() and jump.isalpha() and jump not in {"INPUT", "FORWARD", "OUTPUT"} and jump in {"QUEUE", "NFQUEUE", "SYNPROXY"}:
        return _Rule(
            chain, Entry(line.number, text, PERMIT, protocols, source, target, source_ports, target_ports, None, come, go, False), jump
        )
    entry = Entry(line.number, text, "jump", protocols, source, target, source_ports, target_ports, None, come, go, certain, jump)
    return _Rule(chain, entry, jump)


KNOWN = frozenset({"tcp", "udp", "icmp", "multiport", "state", "conntrack", "comment", "iprange", "sctp", "udplite"})
HARMLESS = frozenset(
    {"--comment", "--reject-with", "--log-prefix", "--log-level", "--random", "--persistent", "--log-tcp-options", "--log-ip-options"}
)


def _addresses(text: str, negated: bool) -> Addresses:
    parts = []
    for each in text.split(","):
        address, _, mask = each.partition("/")
        parts.append(network(number(address), length_of(mask) if mask else 32))
    return Addresses((Range(0, 0xFFFFFFFF),), tuple(parts)) if negated else Addresses(tuple(parts))


def _ports(text: str, negated: bool) -> tuple[Range, ...]:
    found = []
    for each in text.split(","):
        first, colon, last = each.partition(":")
        found.append(Range(port(first) if first else 0, port(last) if last else (0xFFFF if colon else port(first))))
    if not negated:
        return tuple(found)
    left, at = [], 0
    for span in sorted(found, key=lambda one: one.first):
        if span.first > at:
            left.append(Range(at, span.first - 1))
        at = max(at, span.last + 1)
    return (*left, *([Range(at, 0xFFFF)] if at <= 0xFFFF else []))


def read(code: str, text: str, dialect: str) -> Device:
    """Return what a dump of iptables says; its interfaces are those that rules name, without addresses."""
    reader = _Reader(Device(code, dialect))
    for line in lines(text, dialect):
        reader.take(line)
    device = reader.made()
    device.dynamic = True
    named = {
        name
        for entries in (device.policy.entries if device.policy else (), *(device.policy.chains.values() if device.policy else ()))
        for entry in entries
        for sides in (entry.come, entry.go)
        if sides is not None
        for name in sides.names
        if "*" not in name
    }
    for name in sorted(named):
        device.interfaces[name] = Interface(name, zone=name)
    return device


__all__ = ["Interface", "read"]
