"""Write a log entry that has no header of its own as an RFC 5424 line, losing nothing: that is how Loki and OTLP entries are kept.

Time, host, application and process go into the header, where search and the stream parsers find them; every label or attribute stands
in structured data in full, and the time in nanoseconds too where the header cannot say it. An entry that is a syslog line already (a
shipper that tails /var/log) is kept as it is: its own header says more, and its labels only say which shipper read it.

Source: RFC 5424 section 6.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

ENTERPRISE = 32473  # the number that RFC 5612 keeps for documentation: these elements are nobody's product
USER = 8  # facility
INFO = 6
SEVERITIES: Mapping[str, int] = {
    "emerg": 0, "emergency": 0, "fatal": 0, "alert": 1, "crit": 2, "critical": 2, "err": 3, "error": 3, "warn": 4, "warning": 4,
    "notice": 5, "info": 6, "information": 6, "informational": 6, "debug": 7, "trace": 7, "verbose": 7,
}  # fmt: skip
HEADED = re.compile(
    rb"<\d{1,3}>"
    rb"|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S+ \S"
    rb"|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d) \S+ [^ :\[]+(?:\[\d+\])?:"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = 253_402_300_799 * 10**9


def line(
    element: str,
    fields: Mapping[str, str],
    message: bytes,
    *,
    at: int,
    severity: int = INFO,
    host: str = "",
    app: str = "",
    process: str = "",
) -> bytes:
    """Return an entry as a line. `at` is nanoseconds since 1970, 0 where the entry has no time; `fields` become the named element."""
    if HEADED.match(message):
        return message
    stated = dict(fields)
    if at % 1000:
        stated["time_ns"] = str(at)
    params = "".join(f' {_name(key)}="{_value(value)}"' for key, value in stated.items())
    data = f"[{element}@{ENTERPRISE}{params}]" if stated else "-"
    head = f"<{USER + severity}>1 {_stamp(at)} {_word(host, 255)} {_word(app, 48)} {_word(process, 128)} - {data}"
    return f"{head} ".encode("utf-8", "surrogatepass") + message


def severity(word: str) -> int:
    """Return the syslog severity of a level's name; `info` where it is none."""
    return SEVERITIES.get(word.strip().lower(), INFO)


def first(fields: Mapping[str, str], *names: str) -> str:
    """Return the first of some fields that says something."""
    return next((fields[name] for name in names if fields.get(name)), "")


def _stamp(at: int) -> str:
    if not 0 < at <= _LAST:
        return "-"
    return (_EPOCH + timedelta(microseconds=at // 1000)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _word(text: str, most: int) -> str:
    return re.sub(r"[^\x21-\x7e]", "_", text)[:most] or "-"


def _name(text: str) -> str:
    return re.sub(r'[^\x21-\x7e]|[="\]]', "_", text) or "_"


def _value(text: str) -> str:
    return re.sub(r'(["\\\]])', r"\\\1", text)
