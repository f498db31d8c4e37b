"""How fast the pages are at 100,000 people, 20,000 cases, 50,000 todos and 20,000 findings: one client, the real server.

Fills a temporary data directory, starts `anzhang web` on a free port and logs two readers in by session rows: the head of
the Office, who sees everything, and the head of one unit. Prints p50 and p95 in milliseconds, the processor time of the server
per page, and what each answer weighs; the goal is p95 under 50 ms with one client, and missing it is no failure to run.
`python -m bench.pages [--people N] [--rounds N] [--serve]`
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench import lib_bureau
from bench.lib_bureau import HEAD, READER, Filled

GOAL_MS = 50
WARM_UP = 10
TICKS = os.sysconf("SC_CLK_TCK")  # per second, of /proc/PID/stat


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--serve", action="store_true", help="stay up afterwards, for looking at the pages")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="anzhang-bench-pages-") as folder:
        port = _free_port()
        print(f"filling: {options.people:,} people, {lib_bureau.CASES:,} cases, {lib_bureau.FINDINGS:,} findings …", flush=True)
        filled = lib_bureau.fill(Path(folder) / "home", port, options.people)
        server = subprocess.Popen([sys.executable, "-m", "anzhang", "web"])
        try:
            _wait(port)
            figures = _figures(port, filled, server.pid, options)
            rows = {"cases": lib_bureau.CASES, "todos": lib_bureau.TODOS, "findings": lib_bureau.FINDINGS}
            print(json.dumps({"people": options.people, **rows, "clients": 1, "goal_p95_ms": GOAL_MS, "ms": figures}, ensure_ascii=False))
            if options.serve:
                print(f"http://127.0.0.1:{port}/registers/person/  anzhang_session={filled.sessions[READER]}", flush=True)
                server.wait()
        finally:
            server.terminate()
            server.wait()


def _figures(port: int, filled: Filled, server: int, options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Measure every page, print a line for each, and say how many miss the goal."""
    print(f"{'page':36}{'p50 ms':>9}{'p95 ms':>9}{'cpu ms':>9}{'bytes':>9}")
    figures = {}
    for reader, pages in ((READER, _pages(options.people, filled)), (HEAD, _pages_of_a_unit())):
        for name, address in pages.items():
            found = figures[name] = _measure(port, filled.sessions[reader], address, options.rounds, server)
            late = "" if found["p95"] < GOAL_MS else "  over the goal"
            print(f"{name:36}{found['p50']:9.1f}{found['p95']:9.1f}{found['cpu']:9.1f}{found['bytes']:9.0f}{late}", flush=True)
    missed = sum(found["p95"] >= GOAL_MS for found in figures.values())
    print(f"{len(figures) - missed} of {len(figures)} pages with p95 under {GOAL_MS} ms")
    return figures


def _pages(people: int, filled: Filled) -> dict[str, str]:
    last = max(1, people // 25 - 100)
    return {
        "list page 1": "/registers/person/",
        f"list page {last} of 25 rows": f"/registers/person/?size=25&page={last}",
        "list by name, descending": "/registers/person/?sort=-name",
        "list, 2 filters": "/registers/person/?unit=B07&kind=outside",
        "list, the whole bureau's staff": "/registers/person/?unit=HRSS&kind=staff",
        "list, search by name": "/registers/person/?q=%E7%8E%8B%E4%BC%9F",
        "list, search by code": "/registers/person/?q=X0099",
        "list, search without a hit": "/registers/person/?q=zzz",
        "unit page": f"/registers/unit/{filled.unit}/",
        "person page": f"/registers/person/{filled.person}/",
        "api page 1": "/api/registers/person",
        "home": "/",
        "board": "/board/",
        "board of a unit": "/board/?unit=B07",
        "article": "/articles/5/",
        "todos": "/cases/",
        "cases": "/cases/?list=all",
        "cases, page 390": "/cases/?list=all&page=390",
        "case": f"/cases/{filled.case}/",
        "findings": "/findings/",
        "findings, page 290": "/findings/?page=290",
        "finding": f"/findings/{filled.finding}/",
        "notices": "/inbox/",
        "ledger": "/ledger/",
        "log search, form": "/search/",
    }


def _pages_of_a_unit() -> dict[str, str]:
    return {
        "home of a unit's head": "/",
        "people of a unit": "/registers/person/",
        "cases of a unit": "/cases/?list=all",
        "findings of a unit": "/findings/",
        "ledger of a unit": "/ledger/",
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(port: int) -> None:
    for _try in range(300):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/healthz")
            connection.getresponse().read()
        except OSError:
            time.sleep(0.1)
        else:
            return
    sys.exit("the server did not come up")


def _cpu_seconds(pid: int) -> float:
    """Return the processor time of a process and its children."""
    children = [int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()]
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS + sum(_cpu_seconds(child) for child in children)


def _measure(port: int, cookie: str, address: str, rounds: int, server: int) -> dict[str, float]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    took, size, cpu = [], 0, 0.0
    for turn in range(rounds + WARM_UP):
        if turn == WARM_UP:
            cpu = _cpu_seconds(server)
        started = time.perf_counter()
        connection.request("GET", address, headers={"Cookie": f"anzhang_session={cookie}"})
        answer = connection.getresponse()
        size = len(answer.read())
        took.append((time.perf_counter() - started) * 1000)
        if answer.status != 200:
            sys.exit(f"{address}: {answer.status} {answer.getheader('Location')}")
    connection.close()
    spent = (_cpu_seconds(server) - cpu) * 1000 / rounds
    took = sorted(took[WARM_UP:])
    return {"p50": round(statistics.median(took), 1), "p95": round(took[int(len(took) * 0.95)], 1), "cpu": round(spent, 1), "bytes": size}


if __name__ == "__main__":
    main()
