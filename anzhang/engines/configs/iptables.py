"""Facts of `iptables-save` and `ip6tables-save`: translations of the table nat. Addresses and routes of the host stand elsewhere."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from anzhang.engines.configs.telling import Fact, UnreadError, grammar
from anzhang.engines.configs.tree import Line

NO_TRANSLATION = frozenset({"ACCEPT", "RETURN", "LOG", "NFLOG", "MARK", "CONNMARK", "REDIRECT", "DROP", "QUEUE", "TRACE"})
OUTSIDE_OPTION = {"SNAT": "--to-source", "DNAT": "--to-destination", "NETMAP": "--to"}


def _rule(line: Line) -> Iterable[Fact]:
    words = shlex.split(line.text)  # comments are quoted; raises ValueError for a quotation that does not end
    target = _option(words, "-j", "--jump") or _option(words, "-g", "--goto")
    source, destination = _option(words, "-s", "--source"), _option(words, "-d", "--destination")
    out, into = _option(words, "-o", "--out-interface"), _option(words, "-i", "--in-interface")
    if target in NO_TRANSLATION or not target:
        return []
    if target == "MASQUERADE":
        return [Fact("nat", line.number, interface=out, inside=source, note="MASQUERADE")]
    if target in OUTSIDE_OPTION:
        given = _option(words, OUTSIDE_OPTION[target])
        if not given:
            raise UnreadError(line.text)
        bare = _bare(given)
        if target == "SNAT":
            return [Fact("nat", line.number, interface=out, inside=source, outside=bare, note=target)]
        return [Fact("nat", line.number, interface=into, inside=bare, outside=_bare(destination), note=target)]
    if target.isupper() and target.isalpha() and f"chain {target}" not in line.section and target not in _KNOWN_CHAINS:
        raise UnreadError(line.text)  # a target that is neither a chain of somebody's nor known
    return []


_KNOWN_CHAINS = frozenset({"DOCKER", "PREROUTING", "POSTROUTING", "INPUT", "OUTPUT"})


def _option(words: list[str], *names: str) -> str:
    for name in names:
        if name in words[:-1]:
            return words[words.index(name) + 1]
    return ""


def _bare(text: str) -> str:
    """Return the first address of `1.2.3.4-1.2.3.9:80`, of `[2001:db8::1]:80` or of `1.2.3.4/32`."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    first = text.partition("-")[0] if text.count(":") < 2 else text
    first = first.partition(":")[0] if first.count(":") == 1 else first
    return first.removesuffix("/32").removesuffix("/128")


GRAMMAR = grammar((r"\*nat\n", r"-[AI] ", _rule))  # of the table nat
