"""From bytes to the text that is kept: lines, dialect, what changes by itself left out, secrets replaced.

1. Every line is read as UTF-8, else as GB18030: devices set to Chinese write either, sometimes both in one file.
2. Terminal leavings go: escape sequences, paging (`---- More ----`), prompts with the command that was echoed, carriage returns.
3. The dialect is what most telling lines speak for.
4. Lines that say when, not what (times of the last change, counters, uptime, comments of collectors) become empty, so that the numbers of
   lines stay those of the file that was received.
5. Secrets become tags (`secrets.py`).

The digest is taken over the lines that are left, without empty ones: where prompts and paging fell makes no other configuration.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from anzhang.engines.configs import secrets

LARGEST = 4 << 20  # bytes
MOST_LINES = 200_000
LONGEST = 20_000  # characters of one line
BINARY_SHARE = 0.05

ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]{0,20}[A-Za-z]|[()][A-Za-z0-9]|.)")
# The device wipes its question away again (back, blanks, back): what follows keeps its indentation. Where a terminal left the wiping out,
# the blanks go with it.
PAGING = re.compile(
    r"[ \t]{0,8}(?:-{2,8} ?More ?-{2,8}|<--- More --->)(?: ?\([^()]{0,40}\))?"
    r"(?:\x1b\[\d{1,3}D {0,200}\x1b\[\d{1,3}D|\x08{1,200} {0,200}\x08{1,200}|\r {0,200}\r|[ \x08\r]*)"
)
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
PROMPT = re.compile(r"(?:<[^<>\s]{1,64}>|\[[^\[\]\s]{1,64}\]|[\w.@:~/-]{1,64}(?:\([\w -]{1,40}\))?[#>$])[ \t]*(.*)")
COMMAND = re.compile(
    r"(?:di(?:s|sp|spl|spla|splay)?|sh(?:o|ow)?|cat|more|sudo|iptables-save|ip6tables-save|nft|screen-length|terminal|ter|undo t|sys"
    r"|system-view|quit|exit|return|en|enable)\b.*",
    re.IGNORECASE,
)
VOLATILE = re.compile(
    r"(?:[!#;].*\b(?:generated|completed|last (?:configuration|change|saved|modified|updated)|no configuration change|nvram config)\b"
    r"|last configuration was|building configuration|current configuration ?:|using \d+ out of|ntp clock-period|.*\buptime is\b"
    r"|saved configuration|!?time:? \d\d)",
    re.IGNORECASE,
)
COUNTERS = re.compile(r"^\[\d+:\d+\] |\[\d+:\d+\](?=\s*$)")

# How loudly a line speaks for a dialect.
SIGNS: tuple[tuple[str, int, re.Pattern[str]], ...] = (
    ("iptables", 9, re.compile(r"\*(?:filter|nat|mangle|raw|security)\s*$")),
    ("iptables", 5, re.compile(r":\S+ (?:ACCEPT|DROP|RETURN|QUEUE|-)(?: \[\d+:\d+\])?\s*$")),
    ("cisco", 4, re.compile(r"hostname \S+")),
    (
        "cisco",
        3,
        re.compile(r"(?:version \d+\.\d+|enable (?:secret|password) |line vty |service (?:timestamps|password-encryption)|boot-start)"),
    ),
    ("cisco", 3, re.compile(r"ip address \d+\.\d+\.\d+\.\d+ 255\.")),
    ("cisco", 3, re.compile(r"(?:ip route |ip nat |router (?:bgp|ospf|eigrp)|access-list \d+ |snmp-server |spanning-tree mode )")),
    ("cisco", 1, re.compile(r"!\s*$")),
    (
        "huawei",
        4,
        re.compile(r"(?:!Software Version V|firewall zone |vlan batch |user-interface |ip address-set |nat-policy)"),
    ),
    (
        "huawei",
        4,
        re.compile(r"(?:nat server .*\bglobal\b.*\bno-reverse\b|ip service-set |sysname HUAWEI|drop illegal-mac|undo portswitch)"),
    ),
    ("huawei", 2, re.compile(r"(?:traffic-filter |security-policy\s*$|hwtacacs-server |info-center |.*irreversible-cipher )")),
    (
        "h3c",
        4,
        re.compile(
            r"(?:\s*version [57]\.\d.*(?:Release|Ess|Alpha|Feature|Demo)|security-zone name |user-role |line class |object-group ip )"
        ),
    ),
    ("h3c", 4, re.compile(r"(?:import interface |port link-mode |password hash |zone-pair security |security-policy ip\b|source-ip-)")),
    ("h3c", 2, re.compile(r"(?:local-user \S+ class |packet-filter |line vty |nat outbound |nat server protocol |irf |service-type )")),
    ("vrp", 3, re.compile(r"(?:sysname \S|ip route-static |undo shutdown|aaa\s*$|vpn-instance )")),
    ("vrp", 1, re.compile(r"#\s*$")),
)
READ_FOR_DIALECT = 5000  # lines


@dataclass(frozen=True)
class Kept:
    """What is kept of a configuration: `text` has as many lines as the file, `digest` is over those that say something."""

    dialect: str
    text: str
    digest: str
    lines: int


@dataclass(frozen=True)
class Opened:
    """A configuration as read, secrets still in it: not to be kept. `names` are what the device calls itself."""

    dialect: str
    lines: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names that the device gives itself."""
        found = (re.match(r"\s*(?:sysname|hostname)\s+(\S{1,255})", line) for line in self.lines)
        return tuple(dict.fromkeys(match[1].strip('"') for match in found if match))

    def kept(self, key: bytes) -> Kept:
        """Return what may be kept: secrets replaced by tags under a key, what changes by itself left out."""
        lines = secrets.replace([_steady(line, self.dialect) for line in self.lines], key)
        said = [line for line in lines if line]
        digest = hashlib.sha256("\n".join([self.dialect, *said]).encode()).hexdigest()
        return Kept(self.dialect, "\n".join(lines), digest, len(said))


def fault(body: bytes) -> str:
    """Return why a file is no configuration that anybody should keep: `empty`, `too_large`, `binary`, `too_many_lines`, `line_too_long`."""
    if len(body) > LARGEST:
        return "too_large"
    if not body.strip():
        return "empty"
    if b"\0" in body or sum(body.count(each) for each in _ODD) > len(body) * BINARY_SHARE:
        return "binary"
    lines = body.splitlines()
    if len(lines) > MOST_LINES:
        return "too_many_lines"
    return "line_too_long" if max(map(len, lines)) > LONGEST else ""


_ODD = [bytes([each]) for each in (*range(1, 8), *range(14, 27), *range(28, 32))]  # backspaces and escapes are a terminal's


def read(body: bytes) -> Opened:
    """Read a collected configuration; whatever the bytes are, nothing is raised."""
    body = body.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n")
    if b"\n" not in body:
        body = body.replace(b"\r", b"\n")
    lines = [_clean(_decoded(line)) for line in body.split(b"\n")]
    while lines and not lines[-1]:
        lines.pop()
    lines = [_without_prompt(line) for line in lines]
    return Opened(dialect_of(lines), tuple(lines))


def _decoded(line: bytes) -> str:
    for encoding in ("utf-8", "gb18030"):
        try:
            return line.decode(encoding)
        except UnicodeDecodeError:
            continue
    return line.decode("gb18030", errors="replace")


def _clean(line: str) -> str:
    if "ore" in line:
        line = PAGING.sub("", line)
    if "\x1b" in line:
        line = ESCAPES.sub("", line)
    # what Unicode takes for the end of a line is none here, or the numbers of lines would differ
    line = CONTROL.sub("", line).replace("\x85", " ").replace("\u2028", " ").replace("\u2029", " ")
    return line.rstrip()


def _without_prompt(line: str) -> str:
    """Return a line, nothing where it is a prompt alone or with a command that was echoed."""
    match = PROMPT.fullmatch(line)
    return "" if match and (not match[1] or COMMAND.fullmatch(match[1])) else line


def dialect_of(lines: list[str]) -> str:
    """Return `huawei`, `h3c`, `cisco` or `iptables` by what the lines speak for, else `unknown`."""
    weight = dict.fromkeys(("huawei", "h3c", "cisco", "iptables", "vrp"), 0)
    for line in lines[:READ_FOR_DIALECT]:
        bare = line.strip()
        for dialect, loud, sign in SIGNS:
            if sign.match(bare):
                weight[dialect] += loud
    vrp = weight.pop("vrp")  # what both families of `sysname` say counts for the one that says more besides
    both = "h3c" if weight["h3c"] > weight["huawei"] else "huawei"
    weight[both] += vrp
    best = max(weight, key=lambda each: weight[each])
    return best if weight[best] >= ENOUGH else "unknown"


ENOUGH = 4


def _steady(line: str, dialect: str) -> str:
    """Return a line without what changes by itself."""
    bare = line.strip()
    if not bare or VOLATILE.match(bare):
        return ""
    if bare in {"#", "!"} or (bare[0] in "!#;" and not bare.startswith("!Software")):
        return "#" if dialect in {"huawei", "h3c"} and bare == "#" else ""
    return COUNTERS.sub("", line).rstrip() if dialect == "iptables" else line
