"""The difference of two kept configurations: which lines were added and removed, and in which section they stand.

Lines are compared within their section. Where order decides (filters, policies, chains of iptables) they are compared as a sequence, by
`difflib`; elsewhere as a bag, so that sections and lines which a device merely prints in another order are no difference.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher

from anzhang.engines.configs.tree import Line, lines

# Sections in which the first that fits wins, or that are carried out in order.
ORDERED = re.compile(
    r"(?:acl|ip access-list|ipv6 access-list|access-list|ipv6 acl|security-policy|nat-policy|nat policy|object-policy|traffic policy"
    r"|traffic-policy|policy-based-route|route-map|route-policy|ip prefix-list|ip ip-prefix|policy interzone|packet-filter|zone-pair"
    r"|qos policy|chain|aaa authentication|nat static|rule)\b",
    re.IGNORECASE,
)
MOST_STEPS = 1_000_000  # product of the lengths that are still compared step by step


@dataclass(frozen=True)
class Change:
    """One line that was added (`+`, numbered as in the new text) or removed (`-`, as in the old), and the headers of its section."""

    sign: str
    number: int
    section: tuple[str, ...]
    text: str


def difference(before: str, after: str, dialect: str = "") -> list[Change]:
    """Return what was removed and added from one kept text to the next, section by section in the order of the new text."""
    old, new = _by_section(lines(before, dialect)), _by_section(lines(after, dialect))
    found: list[Change] = []
    for section in dict.fromkeys((*new, *old)):
        was, now = old.get(section, []), new.get(section, [])
        if [each.text for each in was] == [each.text for each in now]:
            continue
        ordered = any(ORDERED.match(header.strip()) for header in section)
        removed, added = _in_order(was, now) if ordered else _as_bags(was, now)
        found += [Change("-", each.number, section, each.text) for each in removed]
        found += [Change("+", each.number, section, each.text) for each in added]
    return found


def _by_section(given: Iterable[Line]) -> dict[tuple[str, ...], list[Line]]:
    found: dict[tuple[str, ...], list[Line]] = {}
    for line in given:
        found.setdefault(line.section, []).append(line)
    return found


def _as_bags(was: list[Line], now: list[Line]) -> tuple[list[Line], list[Line]]:
    return _missing(was, now), _missing(now, was)


def _missing(of: list[Line], among: list[Line]) -> list[Line]:
    """Return the lines that stand more often in one than in the other, the last ones of those that stand several times."""
    left = Counter(line.text for line in among)
    found = []
    for line in of:
        if left[line.text] > 0:
            left[line.text] -= 1
        else:
            found.append(line)
    return found


def _in_order(was: list[Line], now: list[Line]) -> tuple[list[Line], list[Line]]:
    first = 0
    while first < min(len(was), len(now)) and was[first].text == now[first].text:
        first += 1
    last = 0
    while last < min(len(was), len(now)) - first and was[-1 - last].text == now[-1 - last].text:
        last += 1
    was, now = was[first : len(was) - last], now[first : len(now) - last]
    if len(was) * len(now) > MOST_STEPS:
        removed, added = _as_bags(was, now)
        stayed = _without(was, removed) == _without(now, added)
        return (removed, added) if stayed else (was, now)  # some moved as well: what moved where is not looked for, all is told
    removed, added = [], []
    blocks = SequenceMatcher(None, [line.text for line in was], [line.text for line in now], autojunk=len(was) + len(now) > JUNK_FROM)
    for tag, a, b, c, d in blocks.get_opcodes():
        if tag != "equal":
            removed += was[a:b]
            added += now[c:d]
    return removed, added


def _without(of: list[Line], those: list[Line]) -> list[str]:
    left = {line.number for line in those}
    return [line.text for line in of if line.number not in left]


JUNK_FROM = 400  # lines from which those that stand very often are no anchors
