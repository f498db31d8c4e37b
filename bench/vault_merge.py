"""Days of small segments, one a minute, before and after the collector merged them (ADR 0017): disk, searches, what merging takes.

The peer is the same vault as it was. Every answer is the same before and after, and the merged vault verifies.
`python -m bench.vault_merge [LINES A MINUTE] [DAYS]`
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from anzhang.engines.vault import Batch, Query, Vault
from anzhang.engines.vault.succession import mergeable
from anzhang.engines.vault.warm import warm
from bench.lib_corpus import BEGIN, NEEDLE, RARE_ADDRESS, Corpus

MINUTES = 1440
TIMES = 7


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    work()
    seconds = []
    for _ in range(TIMES):
        began = time.perf_counter()
        answer = work()
        seconds.append(time.perf_counter() - began)
    return answer, statistics.median(seconds) * 1000


def main() -> None:
    """Store, measure, merge, measure again."""
    lines, days = (int(each) for each in (*sys.argv[1:], *("200", "2")[len(sys.argv) - 1 :]))
    folder = Path(tempfile.mkdtemp(prefix="anzhang-bench-"))
    try:
        warm()
        vault, count = Vault(folder / "vault"), lines * MINUTES * days
        corpus = Corpus(count)
        with vault.writer() as writer:
            for minute in range(MINUTES * days):
                at = BEGIN + timedelta(minutes=minute)
                piece, _programs = corpus.piece(minute * lines, (minute + 1) * lines)
                writer.append(Batch("S", piece, at, address="10.0.0.1"))
                writer.seal(at)
        since = corpus.at(count // 2)
        queries = {
            "absent term": Query(term="nosuchtermxyz"), "needle": Query(term=NEEDLE), "rare address": Query(term=RARE_ADDRESS),
            "ten minutes": Query(since=since, until=since + timedelta(minutes=10)), "count by app": Query(limit=0, group="app"),
            "histogram": Query(limit=0, bar=3600), "newest 100": Query(limit=100),
        }  # fmt: skip
        before = {name: _timed(lambda query=query: vault.search(query)) for name, query in queries.items()}
        small, began = vault.stats(), time.process_time()
        with vault.writer() as writer:
            for run in mergeable(vault.segments(), (BEGIN + timedelta(days=days + 2)).date()):
                writer.merge(run, BEGIN + timedelta(days=days + 2), lambda _sealed: None)
        spent, large = time.process_time() - began, vault.stats()
        after = {name: _timed(lambda query=query: vault.search(query)) for name, query in queries.items()}
        print(f"{count:,} lines: {small.segments:,} segments merged into {large.segments}, {count / spent:,.0f} lines per CPU-second")
        print(f"disk: raw/{small.raw_bytes / small.file_bytes:.2f} before, raw/{large.raw_bytes / large.file_bytes:.2f} after")
        for name in queries:
            one, other = before[name][0], after[name][0]
            same = (one.total, one.groups, one.bars) == (other.total, other.groups, other.bars)
            print(f"{name}: {before[name][1]:.1f} ms before, {after[name][1]:.1f} ms after" + ("" if same else "; THE ANSWERS DIFFER"))
        faults = vault.verify()
        print(f"verify: {len(faults)} faults")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
