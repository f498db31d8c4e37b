"""What the ledger costs: the same rows saved with and without an entry, in turns, each in a transaction of its own on a file.

Prints CPU and wall time per act and the ratio unledgered / ledgered (1.0 would cost nothing). Two kinds of work: a bare
save of one row, the least that can be; and a whole procedure of the approval engine, which is what people do.
`python -m bench.ledger [--acts N]`

With `--postgres` the same on a real PostgreSQL that waits for the disk, by many clients at once, each a process with a row of its
own, and a sequencer process as an installation has; the time ends when every entry has its index. The turns alternate and the
median of the pairs is printed. `python -m bench.ledger --postgres [--clients N] [--acts N]`
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator

BLOCK = 50  # acts in one turn
PAIRS = 7  # on PostgreSQL, turns of each kind; the first pair, which warms up, is not counted


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--acts", type=int, default=1000)
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--clients", type=int, default=16)
    options = parser.parse_args()
    if options.postgres:
        _on_postgres(options.clients, options.acts)
        return
    with tempfile.TemporaryDirectory(prefix="anzhang-bench-ledger-") as folder:
        os.environ["ANZHANG_HOME"] = folder
        os.environ["DJANGO_SETTINGS_MODULE"] = "anzhang.settings"
        import django

        django.setup()
        print(json.dumps({"acts": options.acts, **_measure(options.acts)}, ensure_ascii=False, indent=1))


def _on_postgres(clients: int, acts: int) -> None:
    from tests.postgres import cluster

    with (
        tempfile.TemporaryDirectory(prefix="anzhang-bench-ledger-") as folder,
        cluster(fsync="on", full_page_writes="on", synchronous_commit="on") as server,
    ):
        os.environ |= {"ANZHANG_HOME": folder, "DJANGO_SETTINGS_MODULE": "anzhang.settings", "ANZHANG_DATABASE_URL": server.create("bench")}
        import django

        django.setup()
        measured = _crowd(clients, max(1, acts // clients))
        print(json.dumps({"clients": clients, "acts": acts, **measured}, ensure_ascii=False, indent=1))


def _crowd(clients: int, each: int) -> dict[str, dict[str, float]]:
    from django.db import connections, transaction

    from anzhang import clock
    from anzhang.casework import procedures as cases
    from anzhang.demo import bureau as demo
    from anzhang.directory.models import Person
    from anzhang.events import Event
    from anzhang.journal import procedures
    from anzhang.operate import database
    from anzhang.permissions import Actor, Via

    database.make_tables()
    bureau = demo.build(clock.now())
    rows, applicant, user = list(Person.objects.order_by("pk")), bureau.person["P021"], bureau.user["sunli"]
    clerk = Actor(id="user:sunli", via=Via.BROWSER, user_id=user.pk, person_id=applicant.pk, unit_id=applicant.unit_id, second_factor=True)

    def bare(client: int) -> None:
        with transaction.atomic():
            clock.now()
            rows[client % len(rows)].save()

    def save(client: int) -> None:
        with transaction.atomic():
            procedures.write(demo.SETUP, Event.ROW_CHANGE, rows[client % len(rows)], at=clock.now())

    def engine(_client: int) -> None:
        with transaction.atomic():
            case = cases.file_case(clerk, "officer_appointment", applicant.unit, applicant, "", {"person": "P022"}, clock.now())
        with transaction.atomic():
            cases.withdraw(clerk, case, "", clock.now())

    def unledgered_engine(client: int) -> None:
        with without_ledger():
            engine(client)

    works = (("one row", bare, save, each), ("file and withdraw a case", unledgered_engine, engine, max(1, each // 10)))
    found = {}
    connections.close_all()
    with _sequencer_process():
        for name, without, with_, times in works:
            pairs = [(_turn(without, clients, times), _turn(with_, clients, times)) for _ in range(PAIRS)][1:]
            rates = [round(clients * times / statistics.median(seconds), 1) for seconds in zip(*pairs, strict=True)]
            ratio = statistics.median(before / after for before, after in pairs)
            found[name] = {"without per s": rates[0], "with per s": rates[1], "ratio wall": round(ratio, 3)}
    return found


def _turn(act: Callable[[int], None], clients: int, times: int) -> float:
    """Return how long the clients take together, until every entry has its index."""
    from django.db import connections

    from anzhang.journal import sequencer

    def work(client: int) -> None:
        for _ in range(times):
            act(client)

    connections.close_all()
    started = time.perf_counter()
    children = [multiprocessing.get_context("fork").Process(target=work, args=(client,)) for client in range(clients)]
    for child in children:
        child.start()
    for child in children:
        child.join()
        assert child.exitcode == 0
    sequencer.sequence()
    return time.perf_counter() - started


@contextlib.contextmanager
def _sequencer_process() -> Iterator[None]:
    with subprocess.Popen([sys.executable, "-m", "anzhang", "sequencer"], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        assert "ready" in process.stderr.readline()
        try:
            yield
        finally:
            process.terminate()


def _measure(acts: int) -> dict[str, dict[str, float]]:
    from django.db import transaction

    from anzhang import clock
    from anzhang.casework import procedures as cases
    from anzhang.demo import bureau as demo
    from anzhang.events import Event
    from anzhang.journal import procedures
    from anzhang.operate import database
    from anzhang.permissions import Actor, Via

    database.make_tables()
    bureau = demo.build(clock.now())
    row, user = bureau.person["P021"], bureau.user["sunli"]
    clerk = Actor(id="user:sunli", via=Via.BROWSER, user_id=user.pk, person_id=row.pk, unit_id=row.unit_id, second_factor=True)

    def bare() -> None:
        with transaction.atomic():
            clock.now()
            row.save()

    def ledgered() -> None:
        with transaction.atomic():
            procedures.write(demo.SETUP, Event.ROW_CHANGE, row, at=clock.now())

    def engine() -> None:
        form = {"person": "P022"}
        with transaction.atomic():
            case = cases.file_case(clerk, "officer_appointment", row.unit, row, "", form, clock.now())
        with transaction.atomic():
            cases.withdraw(clerk, case, "", clock.now())

    def unledgered_engine() -> None:
        with without_ledger():
            engine()

    return {"one row": _compare(bare, ledgered, acts), "file and withdraw a case": _compare(unledgered_engine, engine, acts // 5)}


class without_ledger:  # noqa: N801 - used as a context manager only
    """The same procedures, their entries left out: digest, leaf, payload, tree and rows are skipped, the rest of the work stays."""

    def __enter__(self) -> None:
        from anzhang import clock
        from anzhang.journal import procedures
        from anzhang.journal.placing import Prepared

        self.kept = {name: getattr(procedures, name) for name in ("append", "row_digest", "prepare", "canonical")}
        nothing = Prepared(("", "", "", "", ""), clock.now(), "", b"", b"", b"")
        for name, value in (("append", None), ("row_digest", ""), ("prepare", nothing), ("canonical", b"")):
            setattr(procedures, name, lambda *_, value=value: value)

    def __exit__(self, *_: object) -> None:
        from anzhang.journal import procedures

        for name, function in self.kept.items():
            setattr(procedures, name, function)


def _compare(without: Callable[[], None], with_: Callable[[], None], acts: int) -> dict[str, float]:
    spent = {"without": [0.0, 0.0], "with": [0.0, 0.0]}
    for _ in range(5):
        without()
        with_()
    for _ in range(max(1, acts // BLOCK)):
        for name, act in (("without", without), ("with", with_)):
            cpu, wall = time.process_time(), time.perf_counter()
            for _ in range(BLOCK):
                act()
            spent[name][0] += time.process_time() - cpu
            spent[name][1] += time.perf_counter() - wall
    count = max(1, acts // BLOCK) * BLOCK
    each = {
        f"{name} {kind} ms": round(value / count * 1000, 3)
        for name, pair in spent.items()
        for kind, value in zip(("cpu", "wall"), pair, strict=True)
    }
    ratios = {f"ratio {kind}": round(spent["without"][i] / spent["with"][i], 3) for i, kind in enumerate(("cpu", "wall"))}
    return each | ratios


if __name__ == "__main__":
    main()
