"""The lines of a kept configuration, each with the headers of the section that it stands in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

# What opens a section of exports that lost their indentation; in others the indentation says it.
HEADER = re.compile(
    r"(?:interface |firewall zone|security-zone |security-policy|nat-policy|traffic-policy |acl |ip address-set |ip service-set |aaa$|bgp "
    r"|ospf |user-interface |local-user |ip vpn-instance |ike |ipsec |object-group |zone-pair |line |domain |radius |vlan )",
    re.IGNORECASE,
)
ACCESS_LIST = re.compile(r"(access-list \S+|ip prefix-list \S+|ip ip-prefix \S+) ")
DEEPEST = 16


@dataclass(frozen=True)
class Line:
    """One line: its number in the file that was received, its text without indentation, the headers above it, outermost first."""

    number: int
    text: str
    section: tuple[str, ...]


def lines(text: str, dialect: str) -> Iterator[Line]:
    """Yield the lines that say something. Time is linear: a stack of open sections follows the indentation."""
    given = text.split("\n")
    if dialect == "iptables":
        yield from _chains(given)
    elif dialect in {"huawei", "h3c"} and not any(line[:1] == " " for line in given):
        yield from _flat(given)
    else:
        yield from _indented(given)


def _indented(given: list[str]) -> Iterator[Line]:
    above: list[tuple[int, str]] = []
    for number, line in enumerate(given, 1):
        bare = line.strip()
        if not bare:
            continue
        if bare == "#":
            above.clear()
            continue
        indent = len(line) - len(line.lstrip())
        while above and above[-1][0] >= indent:
            above.pop()
        section = tuple(header for _indent, header in above)
        if not section and (listed := ACCESS_LIST.match(bare)):
            section = (listed[1],)
        yield Line(number, bare, section)
        if len(above) < DEEPEST:
            above.append((indent, bare))


def _flat(given: list[str]) -> Iterator[Line]:
    header: tuple[str, ...] = ()
    for number, line in enumerate(given, 1):
        bare = line.strip()
        if bare == "#":
            header = ()
        elif bare:
            opens = HEADER.match(bare) is not None
            yield Line(number, bare, () if opens else header)
            header = (bare,) if opens else header


def _chains(given: list[str]) -> Iterator[Line]:
    table = ""
    for number, line in enumerate(given, 1):
        bare = line.strip()
        if not bare or bare == "COMMIT":
            continue
        if bare.startswith("*"):
            table = bare
        words = bare.split(maxsplit=2)
        chained = len(words) > 1 and words[0] in {"-A", "-I"}
        yield Line(number, bare, (table, f"chain {words[1]}") if chained else (() if bare == table else (table,)))
