"""How fast the pages are at 100,000 people, 20,000 cases, 50,000 todos and 20,000 findings: the real server, real HTTP.

Fills a data directory (kept under the temporary folder for the day), starts `anzhang web` as an installation does, and asks every
page as the head of the Office, as the head of a unit and as the auditor, first with one client, then with eight. Prints p50 and
p95 in milliseconds, the processor time of the server per page, and what the answer weighs, beside a peer in the same run:
Django's generic list of the same 100,000 rows, without our layers, on the same server and database (`lib_plain`). Goals: p95 under
50 ms with one client and under 150 ms with eight; missing one is no failure to run.
`python -m bench.pages [--people N] [--only TEXT] [--rounds N] [--serve]`
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

from bench import lib_bureau
from bench.lib_bureau import AUDITOR, HEAD, READER, Filled

GOALS = {1: 50, 8: 150}  # ms of p95, by clients
SECONDS = {1: 0.7, 8: 3.0}  # a page is asked so long, by clients
FEWEST, WARM_UP = 40, 8
PEER = "Django's generic list"
TICKS = os.sysconf("SC_CLK_TCK")  # per second, of /proc/PID/stat
ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Figures:
    """What was measured of one page with so many clients."""

    p50: float
    p95: float
    cpu: float
    size: int
    rate: float


FIELDS = tuple(each.name for each in fields(Figures))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--only", default="", help="only pages whose name holds this text")
    parser.add_argument("--rounds", type=int, default=1, help="measure every page so often, a whole round apart, and take medians")
    parser.add_argument("--serve", action="store_true", help="stay up afterwards, for looking at the pages")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="anzhang-bench-pages-") as folder:
        home, port = Path(folder) / "home", _free_port()
        shutil.copytree(_filled(options.people), home)
        entering = [sys.executable, "-m", "bench.lib_bureau", "enter", str(home), str(port)]
        said = subprocess.run(entering, stdout=subprocess.PIPE, text=True, cwd=ROOT, check=True)
        filled = Filled(**json.loads(said.stdout))
        environment = os.environ | {"ANZHANG_HOME": str(home)}
        with _running(port, [sys.executable, "-m", "anzhang", "web"], environment) as server:
            pages = [each for each in _pages(filled) if options.only in each[1]]
            rounds = [_table(port, server, pages, filled) for _round in range(options.rounds)]
            found = _medians(rounds)
            for name, by in found.items() if options.rounds > 1 else ():
                spread = " ".join(f"{each[name][8].p95:.0f}" for each in rounds)
                print(f"{name:40}{by[1].p95:8.1f}{by[8].p95:8.1f}  medians of p95 with one client and with eight; with eight: {spread}")
            _wanted(found)
            if options.serve:
                print(f"http://127.0.0.1:{port}/registers/person/  anzhang_session={filled.sessions[READER]}", flush=True)
                time.sleep(3600)
        with _running(port, _peer(port), environment | {"DJANGO_SETTINGS_MODULE": "bench.lib_plain"}) as server:
            peer = _table(port, server, [(READER, f"peer: {PEER}", "/"), (READER, "peer, page 1900", "/?page=1900")], filled)
        _ratios(found, peer)
        everything = {name: {clients: vars(one) for clients, one in by.items()} for name, by in (found | peer).items()}
        print(json.dumps({"people": options.people, "goals_p95_ms": GOALS, "ms": everything}, ensure_ascii=False))


def _filled(people: int) -> Path:
    """Return a data directory with the rows, of today and of this code; filled when there is none yet."""
    digest = hashlib.sha256(f"{people} {datetime.now(UTC):%Y-%m-%d}".encode())
    for file in [Path(lib_bureau.__file__), *sorted((ROOT / "anzhang" / "migrations").glob("0*.py"))]:
        digest.update(file.read_bytes())
    kept = Path(tempfile.gettempdir()) / f"anzhang-bench-kept-{os.getuid()}"
    home = kept / digest.hexdigest()[:16]
    if not home.is_dir():
        shutil.rmtree(kept, ignore_errors=True)  # of yesterday, or of other code
        kept.mkdir(mode=0o700)
        print(f"filling: {people:,} people, {lib_bureau.CASES:,} cases, {lib_bureau.FINDINGS:,} findings …", flush=True)
        new = kept / "new"
        subprocess.run([sys.executable, "-m", "bench.lib_bureau", "fill", new, str(people)], check=True, cwd=ROOT)
        new.rename(home)
    return home


def _peer(port: int) -> list[str]:
    """Return the command that serves the peer: workers and threads as `anzhang web` has them."""
    served = ["--interface", "wsgi", "--workers", "2", "--blocking-threads", "3", "--host", "127.0.0.1", "--port", str(port)]
    return [sys.executable, "-m", "granian", *served, "--log-level", "warning", "--factory", "django.core.wsgi:get_wsgi_application"]


def _pages(filled: Filled) -> list[tuple[str, str, str]]:
    """Return reader, name and address of every page."""
    office = {
        "list page 1": "/registers/person/",
        "list page 1900": "/registers/person/?page=1900",
        "list page 3900 of 25 rows": "/registers/person/?size=25&page=3900",
        "list of 100 rows": "/registers/person/?size=100",
        "list, 2 filters": "/registers/person/?unit=B07&kind=outside",
        "list, filter without a hit": "/registers/person/?unit=B07&employed=no",
        "list, the whole bureau's staff": "/registers/person/?unit=HRSS&kind=staff",
        "list, search by name": "/registers/person/?q=%E7%8E%8B%E4%BC%9F",
        "list, search by code": "/registers/person/?q=X0099",
        "list, search without a hit": "/registers/person/?q=%E6%AC%A7%E9%98%B3",
        "list, search without a hit, latin": "/registers/person/?q=zzz",
        **{f"list by {column}": f"/registers/person/?sort={column}" for column in filled.registers["person"]},
        **{f"list by {column}, down": f"/registers/person/?sort=-{column}&page=700" for column in filled.registers["person"]},
        **{f"register {name}": f"/registers/{name}/" for name in filled.registers if name != "person"},
        "registers": "/registers/",
        "unit page": f"/registers/unit/{filled.unit}/",
        "person page": f"/registers/person/{filled.person}/",
        "api page 1": "/api/registers/person",
        "home": "/",
        "board": "/board/",
        "board of a unit": "/board/?unit=B07",
        "article": "/articles/5/",
        "article of a unit": "/articles/5/?unit=B07",
        "todos": "/cases/",
        "todos done": "/cases/?list=done",
        "cases": "/cases/?list=all",
        "cases, page 390": "/cases/?list=all&page=390",
        "cases, search": "/cases/?list=all&q=%E5%A4%87%E6%A1%88",
        "cases, search without a hit": "/cases/?list=all&q=zzz",
        "case": f"/cases/{filled.case}/",
        "findings": "/findings/",
        "findings, page 290": "/findings/?page=290",
        "findings, one unit": "/findings/?unit=B07",
        "findings, search": "/findings/?q=%E5%88%86%E5%B1%80",
        "finding": f"/findings/{filled.finding}/",
        "notices": "/inbox/",
        "ledger": "/ledger/",
        "ledger, one act": "/ledger/?act=casework:case:file",
        "log search, form": "/search/",
    }
    unit = {
        "home": "/",
        "board": "/board/",
        "article": "/articles/5/",
        "list of people": "/registers/person/",
        "search of people": "/registers/person/?q=%E7%8E%8B%E4%BC%9F",
        "cases": "/cases/?list=all",
        "findings": "/findings/",
        "ledger": "/ledger/",
        "ledger, one act": "/ledger/?act=casework:case:file",
    }
    auditor = {"home": "/", "board": "/board/", "list of people": "/registers/person/", "cases": "/cases/?list=all", "ledger": "/ledger/"}
    return [
        *((READER, name, address) for name, address in office.items()),
        *((HEAD, f"a unit's head: {name}", address) for name, address in unit.items()),
        *((AUDITOR, f"the auditor: {name}", address) for name, address in auditor.items()),
    ]


def _table(port: int, server: int, pages: list[tuple[str, str, str]], filled: Filled) -> dict[str, dict[int, Figures]]:
    """Measure pages and print a line for each."""
    print(f"{'page':40}{'p50':>8}{'p95':>8}{'cpu':>8}{'p50/8':>8}{'p95/8':>8}{'pages/s':>9}{'bytes':>9}", flush=True)
    found: dict[str, dict[int, Figures]] = {}
    for reader, name, address in pages:
        request = f"GET {address} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: anzhang_session={filled.sessions[reader]}\r\n\r\n".encode()
        by = found[name] = {clients: _measure(port, request, clients, server) for clients in GOALS}
        one, eight = by[1], by[8]
        late = "".join(f"  over {goal} ms with {clients}" for clients, goal in GOALS.items() if by[clients].p95 >= goal)
        left = f"{name:40}{one.p50:8.1f}{one.p95:8.1f}{one.cpu:8.1f}"
        print(f"{left}{eight.p50:8.1f}{eight.p95:8.1f}{eight.rate:9.0f}{one.size:9}{late}", flush=True)
    return found


def _medians(rounds: list[dict[str, dict[int, Figures]]]) -> dict[str, dict[int, Figures]]:
    """Return the median of every figure of every page: the speed of shared machines goes up and down between the rounds."""
    return {
        name: {
            clients: Figures(*(statistics.median([getattr(each[name][clients], field) for each in rounds]) for field in FIELDS))
            for clients in GOALS
        }
        for name in rounds[0]
    }


def _wanted(found: dict[str, dict[int, Figures]]) -> None:
    for clients, goal in GOALS.items():
        missed = [name for name, by in found.items() if by[clients].p95 >= goal]
        print(f"{clients} client(s): {len(found) - len(missed)} of {len(found)} pages with p95 under {goal} ms; missed: {missed or 'none'}")


def _ratios(found: dict[str, dict[int, Figures]], peer: dict[str, dict[int, Figures]]) -> None:
    """Print what our list costs beside the peer's; below 1 the peer does more."""
    for ours, theirs in (("list page 1", f"peer: {PEER}"), ("list page 1900", "peer, page 1900")):
        if ours in found:
            mine, its = found[ours], peer[theirs]
            said = ", ".join(f"{label} {value:.2f}" for label, value in _compared(mine, its).items())
            print(f"{ours} / {theirs}: {said}")


def _compared(mine: dict[int, Figures], its: dict[int, Figures]) -> dict[str, float]:
    cpu = mine[1].cpu / its[1].cpu
    return {"cpu": cpu, "p50 with 1 client": mine[1].p50 / its[1].p50, "p50 with 8 clients": mine[8].p50 / its[8].p50}


def _measure(port: int, request: bytes, clients: int, server: int) -> Figures:
    """Ask one page from so many connections at once, each waiting for its answer before it asks again."""
    every = [_Client(port, request) for _each in range(clients)]
    for client in every:
        client.ask(WARM_UP if clients == 1 else 1)
    began, spent = time.perf_counter(), _cpu_seconds(server)
    threads = [threading.Thread(target=client.ask_for, args=(SECONDS[clients], -(-FEWEST // clients))) for client in every]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lasted, spent = time.perf_counter() - began, _cpu_seconds(server) - spent
    if faults := [client.fault for client in every if client.fault]:
        sys.exit(faults[0])
    took = sorted(each for client in every for each in client.took)
    for client in every:
        client.close()
    p95 = took[int(len(took) * 0.95)]
    cpu, rate = spent * 1000 / len(took), len(took) / lasted
    return Figures(round(statistics.median(took), 1), round(p95, 1), round(cpu, 1), every[0].size, round(rate, 1))


class AnswerError(Exception):
    """The server did not answer 200."""


class _Client:
    """One connection that is kept; written on a bare socket, so that the asking costs little of the two processors."""

    def __init__(self, port: int, request: bytes) -> None:
        self._request = request
        self._port = port
        self._connect()
        self.took: list[float] = []
        self.size = 0
        self.fault = ""

    def ask(self, times: int) -> None:
        """Ask without measuring."""
        for _turn in range(times):
            self._ask()

    def ask_for(self, seconds: float, fewest: int) -> None:
        """Ask until the time is over, at least so often, and keep how long each answer took."""
        end = time.perf_counter() + seconds
        try:
            while len(self.took) < fewest or time.perf_counter() < end:
                started = time.perf_counter()
                self._ask()
                self.took.append((time.perf_counter() - started) * 1000)
        except (OSError, AnswerError) as error:
            self.fault = str(error)

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def _connect(self) -> None:
        self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=60)

    def _ask(self) -> None:
        self._socket.sendall(self._request)
        answer = self._more(b"")
        while b"\r\n\r\n" not in answer:
            answer = self._more(answer)
        head, _blank, body = answer.partition(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        if b" 200 " not in lines[0] + b" ":
            raise AnswerError(f"{self._request.split(b' ')[1].decode()}: {head.decode()}")
        self.size = int(next(line.partition(b":")[2] for line in lines if line.startswith(b"content-length:")))
        left = self.size - len(body)
        while left > 0:
            left -= len(self._more(b""))
        if b"connection: close" in lines:
            self._socket.close()
            self._connect()

    def _more(self, answer: bytes) -> bytes:
        piece = self._socket.recv(1 << 18)
        if not piece:
            raise AnswerError("the server closed the connection")
        return answer + piece


@contextlib.contextmanager
def _running(port: int, command: list[str], environment: dict[str, str]) -> Iterator[int]:
    """Run a server until the block is left; gives its process id."""
    server = subprocess.Popen(command, env=environment, cwd=ROOT)
    try:
        _wait(port)
        yield server.pid
    finally:
        server.terminate()
        server.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(port: int) -> None:
    for _try in range(300):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
            return
        time.sleep(0.1)
    sys.exit("the server did not come up")


def _cpu_seconds(pid: int) -> float:
    """Return the processor time of a process and its children."""
    children = [int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()]
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS + sum(_cpu_seconds(child) for child in children)


if __name__ == "__main__":
    main()
