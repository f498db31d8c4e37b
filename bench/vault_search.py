"""The same lines stored and searched at growing sizes, beside ripgrep on the raw file and ClickHouse (chdb) with a text index.

For each size: lines stored per CPU-second of the engine (parse, templates, filters, nineteen streams, write-ahead file, both hashes,
seal; no socket: `bench.ingest` has that beside rsyslogd), raw bytes per stored byte, peak memory, then each query, warm: the median of
nine in milliseconds, beside the peers' in the same run. Every answer is compared with a full scan: what ripgrep counts in the raw file,
or what the generator knows. Goals (30 M lines): absent term and needle 10 ms, Chinese substring and rare address 100 ms, last 100 of a
host and narrow range 20 ms, histogram and count by application 60 ms, common phrase as fast as chdb. Missing one is no failure to run.
ripgrep and chdb are left out where they are not installed (`apt-get install ripgrep`, `pip install chdb`); from 50 M lines on no raw
file is written and only the engine runs, compared with the generator.
`python -m bench.vault_search [LINES ...] [--no-peers]`
"""

from __future__ import annotations

import argparse
import importlib.util
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from anzhang.engines.vault import Batch, Query, Result, Vault
from anzhang.engines.vault.warm import warm
from bench.lib_corpus import BEGIN, COMMON, DAYS, NEEDLE, RARE_ADDRESS, RARE_SENTENCE, Corpus

SIZES = (3_000_000, 30_000_000)
PIECE = 6_000  # lines of a batch: about a megabyte, as the collector gets them
SEAL_BYTES = 48 << 20  # as the collector's default
RAW_UP_TO = 50_000_000  # lines; above, no raw file is written
TIMES = 9
EAST = 8 * 3600
TRANSIT = timedelta(seconds=60)  # a line is received so long after it was written


@dataclass(frozen=True)
class Asked:
    """One query in every dialect. `goal` in milliseconds; `rg` are ripgrep's arguments, `sql` is ClickHouse's."""

    name: str
    goal: float
    query: Query
    answer: Callable[[Result], Any]
    rg: tuple[str, ...] = ()
    sql: str = ""


def asked() -> list[Asked]:
    """Return the queries."""
    host, since = "sbapp000", BEGIN + timedelta(days=20, hours=10)
    until = since + timedelta(minutes=10)

    def total(result: Result) -> Any:
        return result.total

    def counted(text: str) -> str:
        return f"SELECT count() FROM logs WHERE {text}"

    def like(text: str) -> str:
        return counted(f"line LIKE '%{text}%'")

    def token(text: str) -> str:
        return counted(f"hasToken(line, '{text}')")

    span = f"ts >= toDateTime64('{since:%Y-%m-%d %H:%M:%S}', 3, 'UTC') AND ts < toDateTime64('{until:%Y-%m-%d %H:%M:%S}', 3, 'UTC')"
    grep = ("-c", "-F", "--no-mmap", "-a")
    return [
        Asked("absent term", 10, Query(term="nosuchtermxyz"), total, (*grep, "-i", "-w", "nosuchtermxyz"), token("nosuchtermxyz")),
        Asked("needle", 10, Query(term=NEEDLE), total, (*grep, "-i", "-w", NEEDLE), like(NEEDLE)),
        Asked("Chinese substring", 100, Query(substring=RARE_SENTENCE), total, (*grep, RARE_SENTENCE), like(RARE_SENTENCE)),
        Asked("rare address", 100, Query(term=RARE_ADDRESS), total, (*grep, "-w", RARE_ADDRESS), like(RARE_ADDRESS)),
        Asked(
            "last 100 of a host", 20, Query(host=host, count=False), lambda result: len(result.hits), (),
            f"SELECT ts, line FROM logs WHERE host = '{host}' ORDER BY ts DESC LIMIT 100",
        ),
        Asked(
            "ten minutes, term", 20, Query(term="peer", since=since, until=until), total, (), counted(f"{span} AND hasToken(line, 'peer')"),
        ),
        Asked("ten minutes, all", 20, Query(since=since, until=until), total, (), counted(span)),
        Asked(
            "histogram by hour", 60, Query(bar=3600, east=EAST, limit=0), lambda result: list(result.bars.values()), (),
            "SELECT toStartOfHour(ts) AS h, count() FROM logs GROUP BY h ORDER BY h",
        ),
        Asked("count by app", 60, Query(group="app", top=1000, limit=0), lambda result: sorted(result.groups), (),
            "SELECT app, count() FROM logs GROUP BY app",
        ),
        Asked("common phrase", 0, Query(phrase=COMMON, limit=0), total, (*grep, "-i", COMMON), like(COMMON)),
    ]  # fmt: skip


def truths(corpus: Corpus, apps: Counter[str]) -> dict[str, Any]:
    """Return the answers that the generator knows."""
    millis = (DAYS * 86_400_000 * (np.arange(corpus.lines) / corpus.lines)).astype(np.int64)  # as the generator reckons
    hours = np.bincount(millis // 3_600_000)
    since = int(timedelta(days=20, hours=10) / timedelta(milliseconds=1))
    seconds = millis // 1000 * 1000  # RFC 3164 has no more
    narrow = np.count_nonzero((seconds >= since) & (seconds < since + 600_000))
    return {
        "absent term": 0, "needle": 1, "histogram by hour": hours[hours > 0].tolist(), "count by app": sorted(apps.items()),
        "ten minutes, all": int(narrow), "last 100 of a host": 100,
    }  # fmt: skip


def store(corpus: Corpus, root: Path, raw: Path | None) -> tuple[float, float, int, Counter[str]]:
    """Store the lines; return CPU seconds of the engine, those of them for streams, raw bytes and lines by program."""
    apps, spent, size = np.zeros(len(corpus.shapes.words), np.int64), 0.0, 0
    file = raw.open("wb") if raw else None
    with Vault(root).writer() as writer:
        for begin in range(0, corpus.lines, PIECE * 50):
            pieces = []
            for start in range(begin, min(begin + PIECE * 50, corpus.lines), PIECE):
                data, chosen = corpus.piece(start, min(start + PIECE, corpus.lines))
                apps += np.bincount(chosen, minlength=len(apps))
                size += len(data)
                pieces.append((data, corpus.at(start) + TRANSIT))
                if file:
                    file.write(data)
            began = time.process_time()
            for data, at in pieces:
                writer.append(Batch("S1", data, at))
            last = begin + PIECE * 50 >= corpus.lines
            while writer.pending_bytes >= SEAL_BYTES or (last and writer.pending_bytes):
                writer.seal(pieces[-1][1])
            spent += time.process_time() - began
        streams = writer.deriving
    if file:
        file.close()
    return spent, streams, size, Counter({corpus.shapes.words[i]: int(n) for i, n in enumerate(apps) if n})


def main() -> None:
    """Print a table per size."""
    parser = argparse.ArgumentParser()
    parser.add_argument("lines", type=int, nargs="*", default=list(SIZES))
    parser.add_argument("--no-peers", action="store_true")
    options = parser.parse_args()
    warm()
    for count in options.lines:
        with tempfile.TemporaryDirectory(prefix="anzhang-bench-vault-") as folder:
            _measure(Corpus(count), Path(folder), peers=not options.no_peers and count < RAW_UP_TO)


def _measure(corpus: Corpus, folder: Path, *, peers: bool) -> None:
    raw = folder / "raw.log" if peers else None
    spent, streams, size, apps = store(corpus, folder / "vault", raw)
    vault = Vault(folder / "vault")
    held = sum(file.stat().st_size for file in (folder / "vault").rglob("*") if file.is_file())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"-- {corpus.lines:,} lines, {size / 1e6:,.0f} MB: {corpus.lines / spent:,.0f} lines per CPU-second, "
        f"{corpus.lines / (spent - streams):,.0f} without the nineteen streams, raw/{size / held:.2f}, "
        f"{len(vault.segments())} segments, peak memory {peak:,.0f} MB",
        flush=True,
    )
    clickhouse = ClickHouse(folder / "chdb", raw) if raw and importlib.util.find_spec("chdb") else None
    ripgrep = shutil.which("rg") if raw else None
    known, wrong = truths(corpus, apps), []
    print(f"{'query':22}{'ms':>9}{'goal':>7}{'blocks':>14}{'answer':>12}{'ripgrep':>10}{'chdb':>9}", flush=True)
    for each in asked():
        result, ours = _timed(lambda each=each: vault.search(each.query))
        answer = each.answer(result)
        line = f"{each.name:22}{ours:9.1f}{each.goal or '':>7}{f'{result.blocks_read}/{result.blocks}':>14}"
        line += f"{answer if isinstance(answer, int) else len(answer):>12}"
        if ripgrep and each.rg:
            said, took = _timed(
                lambda each=each: subprocess.run([ripgrep, *each.rg, str(raw)], stdout=subprocess.PIPE, check=False).stdout, 3
            )
            line += f"{took:10.0f}"
            if int(said or 0) != answer:
                wrong.append(f"{each.name}: {answer}, ripgrep counts {int(said or 0)}")
        else:
            line += " " * 10
        if clickhouse and each.sql:
            line += f"{clickhouse.timed(each.sql):9.1f}"
        if each.name in known and answer != known[each.name]:
            wrong.append(f"{each.name}: not what the generator made")
        print(line, flush=True)
    print("every answer is that of a full scan" if not wrong else "WRONG: " + "; ".join(wrong), flush=True)


def _output(command: list[str]) -> bytes:
    return subprocess.run(command, stdout=subprocess.PIPE, check=False).stdout


def _timed(work: Callable[[], Any], times: int = TIMES) -> tuple[Any, float]:
    """Return what work gives and the median of its wall time, in ms, after one run that is not counted."""
    found, took = work(), []
    for _ in range(times):
        began = time.perf_counter()
        work()
        took.append((time.perf_counter() - began) * 1000)
        if sum(took) > 20_000:  # slow enough to be seen
            break
    return found, statistics.median(took)


class ClickHouse:
    """chdb: the raw lines taken apart by expressions and inserted into a MergeTree with a text index."""

    def __init__(self, folder: Path, raw: Path) -> None:
        """Insert; prints lines per CPU-second and size."""
        from chdb import session

        self.session = session.Session(str(folder))
        self._do("SET max_threads = 2")
        self._do(
            "CREATE TABLE logs (ts DateTime64(3, 'UTC'), pri UInt8, host LowCardinality(String), app LowCardinality(String), line String, "
            "INDEX words line TYPE text(tokenizer = 'splitByNonAlpha')) ENGINE = MergeTree ORDER BY (app, ts)"
        )
        header = r"^<(\\d+)>(?:1 )?(\\w{3} [ \\d]\\d \\d\\d:\\d\\d:\\d\\d|\\S+) (\\S+) ([^ \\[]+)"
        began = time.process_time()
        self._do(
            f"INSERT INTO logs WITH extractGroups(line, '{header}') AS part SELECT parseDateTime64BestEffortOrZero("
            "if(part[2] LIKE '____-%', part[2], concat('2026 ', part[2], ' +0800')), 3, 'UTC'), toUInt8(part[1]), part[3], part[4], line "
            f"FROM file('{raw}', LineAsString, 'line String')"
        )
        spent = time.process_time() - began
        counted, held = str(self._do("SELECT count() FROM logs")).strip(), sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
        print(
            f"chdb insert with text index: {int(counted) / spent:,.0f} lines per CPU-second, raw/{raw.stat().st_size / held:.2f} on disk",
            flush=True,
        )

    def _do(self, sql: str) -> Any:
        return self.session.query(sql)

    def timed(self, sql: str) -> float:
        """Return the median in ms."""
        return _timed(lambda: self._do(sql))[1]


if __name__ == "__main__":
    main()
