"""The parsers of the event streams: lines per CPU second of each source kind and of all together, beside Python's `re`.

The lines are the demo's, the same every run. Ours is counted from parsed rows to the typed tables of all streams, with dispatch, unread
shapes and the event times; `re` runs a kind's first patterns, in order, over the same messages and keeps the groups as strings, the
least that a parser in Python would do. A kind that is no pattern (pairs, JSON, separated values) has no such peer and shows none.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from anzhang.demo import sources
from anzhang.engines.vault import segment, streams
from anzhang.engines.vault.parse import parse
from anzhang.engines.vault.wal import Record

RECORDS = 60_000
BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
PATTERNS = {"sshd": "sshd", "sudo": "sudo", "bind": "named", "nginx": "nginx", "squid": "squid", "dhcp": "dhcp", "radius": "radius"}


def table_of(lines: list[str], source: str) -> pa.Table:
    """Return lines as a segment's rows."""
    data = "".join(f"{line}\n" for line in lines).encode()
    received = int(BEGIN.timestamp() + 86_400) * 1_000_000
    rows, _ = segment.arrange(parse([_record(source, data, received)]), 1, {}, 1)
    return segment.arrow(rows)


def _record(source: str, data: bytes, received: int) -> Record:
    return Record(
        number=1, source=source, address="", transport="file", framing="newline", key="", timezone="Asia/Shanghai", encoding="utf-8",
        received=received, data=data,
    )  # fmt: skip


def rate(lines: int, work: Callable[[], Any]) -> float:
    """Return lines per CPU second of the second of two runs."""
    work()
    began = time.process_time()
    work()
    return lines / (time.process_time() - began)


def plainly(kind: str, table: pa.Table) -> float | None:
    """Return what Python's `re` does with the same patterns, None for a kind that is not read by patterns alone."""
    name = PATTERNS.get(kind)
    if name is None:
        return None
    parser = next(each for each in streams.parsers() if each.name == name)
    patterns = [re.compile(p.regex, re.ASCII) for p in parser.steps[0].patterns]
    messages = [message.decode("utf-8", "replace") for message in table["msg"].to_pylist()]

    def work() -> list[dict[str, str]]:
        return [next((found.groupdict() for p in patterns if (found := p.match(message))), {}) for message in messages]

    return rate(len(messages), work)


def main() -> None:
    """Print a line per kind and one for the mix."""
    lines: dict[str, list[str]] = {}
    for record in sources.records(BEGIN, 1, RECORDS):
        lines.setdefault(record.kind, []).extend(record.lines)
    everything: list[pa.Table] = []
    for kind, told in sorted(lines.items()):
        table = table_of(told, kind)
        everything.append(table)
        ours, theirs = rate(len(told), lambda table=table: streams.derive("s", table)), plainly(kind, table)  # type: ignore[misc]
        peer = f"re {theirs:9,.0f}, ratio {ours / theirs:.1f}" if theirs else "no peer"
        print(f"{kind:12} {len(told):7,} lines: {ours:9,.0f} lines per CPU second; {peer}")
    mixed = table_of([line for told in lines.values() for line in told], "mixed")
    print(f"mix          {mixed.num_rows:7,} lines: {rate(mixed.num_rows, lambda: streams.derive('s', mixed)):9,.0f} lines per CPU second")
    bare = table_of([f"<13>Nov  1 09:00:00 h widget[{n}]: nobody knows line {n}" for n in range(200_000)], "bare")
    print(f"no parser    {bare.num_rows:7,} lines: {rate(bare.num_rows, lambda: streams.derive('s', bare)):9,.0f} lines per CPU second")


if __name__ == "__main__":
    main()
