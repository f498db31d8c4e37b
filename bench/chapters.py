"""A full recomputation of Articles 7 to 16: 100,000 devices, 100,000 endpoints, a million events; facts made anew, every obligation judged.

Goal: 60 seconds on two cores. Prints the whole run and the dearest obligations, then what the pages of these chapters cost over that much.
`python -m bench.chapters [DEVICES] [EVENTS]`
"""

from __future__ import annotations

import base64
import os
import random
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from bench import rules as lib

FOLDERS = ("network", "systems", "endpoints", "rooms")
GOAL = 60.0
PAGES = (
    "/registers/device/", "/registers/device/?q=192", "/registers/device/?page=900&size=100", "/registers/endpoint/",
    "/registers/interface/",
    "/endpoints/", "/endpoints/list/", "/network/", "/configurations/", "/board/", "/articles/15/",
)  # fmt: skip


def plant_endpoints(devices: int) -> None:
    """Enter as many endpoints as devices, each with a passing standing and its report, as the tables hold them."""
    from anzhang.directory.models import Person, Unit
    from anzhang.endpoints.models import Endpoint, EndpointStanding, PostureDocument, PostureReport
    from anzhang.endpoints.requirements import Rules
    from anzhang.network.models import Zone

    at = lib.BEGIN + timedelta(days=lib.DAYS)
    units, person, zone = list(Unit.objects.order_by("pk")), Person.objects.first(), Zone.objects.get(code="BIZ")
    key = base64.b64encode(b"k" * 32).decode()
    rows = [
        Endpoint(
            code=f"C{k}", name=f"客户端{k}", kind="desktop", mac=lib.mac(k + (1 << 20)), zone=zone, unit=units[k % len(units)],
            person=person, posture_key=key, hosts=[f"c{k}"],
        )
        for k in range(devices)
    ]  # fmt: skip
    Endpoint.objects.bulk_create(rows, batch_size=2000)
    kept = [
        PostureReport(
            endpoint=row, source="agent", signer=f"endpoint:{row.code}", sequence=1, collected_at=at - timedelta(hours=1),
            received_at=at - timedelta(hours=1), state="pass", passed_until=at + timedelta(hours=23), digest=f"{k:064x}",
        )
        for k, row in enumerate(rows)
    ]  # fmt: skip
    PostureReport.objects.bulk_create(kept, batch_size=2000)
    network = {"default_routes": 1, "active": [{"name": "eth0", "kind": "wired"}], "proxy": "", "sharing": False}
    facts = {"os": {"family": "windows"}, "products": [], "patches": {"installed": []}, "software": [], "network": network}
    PostureDocument.objects.bulk_create(
        [PostureDocument(report=each, document="{}", signature="", facts=facts) for each in kept], batch_size=2000
    )
    basis = Rules(at).digest
    EndpointStanding.objects.bulk_create(
        [
            EndpointStanding(
                endpoint=row, report=each, collected_at=each.collected_at, state="pass", passed_until=each.passed_until, basis=basis,
                judged_at=at, tells_network=True,
            )
            for row, each in zip(rows, kept, strict=True)
        ],
        batch_size=2000,
    )  # fmt: skip


def main() -> None:
    """Fill, judge, print."""
    devices, events = (int(each) for each in (*sys.argv[1:], *("100000", "1000000")[len(sys.argv) - 1 :]))
    with tempfile.TemporaryDirectory(prefix="anzhang-bench-chapters-") as folder:
        os.environ["ANZHANG_HOME"] = folder
        os.environ["DJANGO_SETTINGS_MODULE"] = "anzhang.settings"
        import django

        django.setup()

        from anzhang.demo import bureau
        from anzhang.operate import database

        database.make_tables()
        built = bureau.build(lib.BEGIN)
        lib.plant(devices)
        plant_endpoints(devices)
        measure(Path(folder), events, devices)
        ask(built.user["wujie"])


def ask(reader: Any) -> None:
    """Ask each page four times as a reader of the whole bureau; print the processor time of the dearest of the last three."""
    from django.test import Client

    from anzhang import clock
    from anzhang.web import actors

    client = Client(headers={"host": "127.0.0.1"})
    client.force_login(reader)
    session = client.session
    actors.mark_second_factor(session, reader, "bench", clock.now())
    session.save()
    for path in PAGES:
        spent = []
        for _ in range(4):
            begun = time.process_time()
            status = client.get(path).status_code
            spent.append(time.process_time() - begun)
        print(f"  {path}: {status}, {1000 * max(spent[1:]):.0f} ms of CPU")


def measure(home: Path, events: int, devices: int) -> None:
    """Seal the events and judge twice: everything anew, and again."""
    from anzhang import permissions
    from anzhang.casework import parameters, reconciliation
    from anzhang.engines.vault import Batch, Vault
    from anzhang.engines.vault.warm import warm

    warm()
    vault, chance, at = Vault(home / "bench-vault"), random.Random(7), lib.BEGIN + timedelta(days=lib.DAYS)
    with vault.writer() as writer:
        for n in range(0, events, lib.PIECE):
            begin = lib.BEGIN + timedelta(seconds=lib.DAYS * 86400 * n / events)
            span = lib.DAYS * 86400 * lib.PIECE / events
            piece = lib.lines(chance, min(lib.PIECE, events - n), devices, begin, span)
            writer.append(Batch("S", piece, begin + timedelta(seconds=span)))
        writer.seal(at)
    chosen = [
        each
        for each in parameters.catalog().obligations
        if each.check and (7 <= each.article <= 16 or each.chapter in FOLDERS or each.id == "A04.7")
    ]
    spent: list[tuple[float, str]] = []
    before = reconciliation.measure

    def timed(catalog, obligation, *rest):
        begun = time.perf_counter()
        found = before(catalog, obligation, *rest)
        spent.append((time.perf_counter() - begun, f"{obligation.id} {obligation.check} {found.judgements[0].state}"))
        return found

    reconciliation.measure = timed
    for anew in (True, False):
        spent.clear()
        begun = time.perf_counter()
        summary = reconciliation.run(permissions.system("bench"), at, vault, [each.id for each in chosen], anew=anew)
        seconds = time.perf_counter() - begun
        what = "everything anew" if anew else "again, facts kept"
        size = f"{devices:,} devices and as many endpoints, {events:,} events"
        print(f"{what}: {len(chosen)} obligations of these chapters, {size}: {seconds:.1f} s (goal {GOAL:.0f} s)")
        print(f"  {len(summary.opened)} findings opened; checks failed: {summary.failed or 'none'}")
        for each, name in sorted(spent, reverse=True)[:8]:
            print(f"  {each:6.2f} s  {name}")


if __name__ == "__main__":
    main()
