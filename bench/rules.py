"""Reconciliation rules: an increment and a full recomputation, with facts kept and without, over streams of a month (ADR 0019).

The peer is DuckDB alone, asked over the same streams and registers: every run reads the whole window, as a scheduled query does.
Both must say the same.
`python -m bench.rules [EVENTS] [DEVICES] [INCREMENT]`
"""

from __future__ import annotations

import os
import random
import statistics
import sys
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
DAYS = 30
PIECE = 100_000
TIMES = 7


def mac(k: int) -> str:
    return "02:00:" + ":".join(f"{(k >> shift) & 255:02x}" for shift in (24, 16, 8, 0))


def address(k: int) -> str:
    return f"10.{20 + (k >> 16)}.{(k >> 8) & 255}.{k & 255}"


def lines(chance: random.Random, count: int, devices: int, begin: datetime, span: float) -> bytes:
    """Return sightings and flows, nine to one, in order of time."""
    out = []
    for n in range(count):
        at = begin + timedelta(seconds=span * n / count)
        k, stamp = chance.randrange(devices), f"{at:%Y-%m-%dT%H:%M:%SZ}"
        if n % 10:
            out.append(f"<30>1 {stamp} dhcp01 dhcpd 1 - - DHCPACK on {address(k)} to {mac(k)} via eth1\n")
        else:
            say = f'{{"stream": "flow_event", "source_ip": "{address(k)}", "destination_ip": "10.20.0.9", "result": "success"}}'
            out.append(f"<30>1 {stamp} fw01 netwatch 1 - - {say}\n")
    return "".join(out).encode()


def plant(devices: int) -> None:
    """Enter devices and interfaces as the tables hold them: what is measured is the rules, not the entering."""
    from anzhang.directory.models import Person, Unit
    from anzhang.network.models import Device, Interface, Zone
    from anzhang.systems.models import System

    unit = Unit.objects.order_by("pk").first()
    keeper = Person.objects.filter(unit=unit, left_on=None).first() or Person.objects.first()
    system = System.objects.order_by("pk").first()
    zone = Zone.objects.create(code="BIZ", name="业务专网", kind="business", networks=["10.0.0.0/8"], unit=unit)
    rows = [
        Device(
            code=f"D{k}", name=f"设备{k}", kind="terminal" if k % 20 else "server", unit=unit, zone=zone, person=keeper,
            system=None if k % 20 else system, in_service_on=date(2025, 6, 1),
            state="retired" if k % 1000 == 7 else "in_service", retired_on=date(2026, 11, 29) if k % 1000 == 7 else None,
        )
        for k in range(devices)
    ]  # fmt: skip
    Device.objects.bulk_create(rows, batch_size=2000)
    Interface.objects.bulk_create(
        [Interface(device=row, name="eth0", mac=mac(k), addresses=[]) for k, row in enumerate(rows)], batch_size=2000
    )


def main() -> None:
    """Fill a vault, follow it, add to it, and measure."""
    events, devices, more = (int(each) for each in (*sys.argv[1:], *("10000000", "8000", "1000")[len(sys.argv) - 1 :]))
    with tempfile.TemporaryDirectory(prefix="anzhang-bench-rules-") as folder:
        os.environ["ANZHANG_HOME"] = folder
        os.environ["DJANGO_SETTINGS_MODULE"] = "anzhang.settings"
        import django

        django.setup()

        from anzhang.demo import bureau
        from anzhang.operate import database

        database.make_tables()
        bureau.build(BEGIN)
        measure(Path(folder), events, devices, more)


def measure(home: Path, events: int, devices: int, more: int) -> None:
    from anzhang.casework import parameters, rules
    from anzhang.casework.rule_runs import run as rule_runs
    from anzhang.casework.rule_runs.tables import Tables
    from anzhang.engines.vault import Batch, Vault
    from anzhang.engines.vault.warm import warm
    from anzhang.regulation.checks import Context

    warm()
    plant(devices)
    vault, chance, at = Vault(home / "bench-vault"), random.Random(7), BEGIN + timedelta(days=DAYS)
    began = time.perf_counter()
    with vault.writer() as writer:
        for n in range(0, events, PIECE):
            span = DAYS * 86400 * PIECE / events
            begin = BEGIN + timedelta(seconds=DAYS * 86400 * n / events)
            writer.append(Batch("S", lines(chance, min(PIECE, events - n), devices, begin, span), begin + timedelta(seconds=span)))
            if (n // PIECE) % 5 == 4:
                writer.seal(begin + timedelta(seconds=span))
        writer.seal(at)
    print(f"{events:,} events of {devices:,} devices in {len(vault.segments())} segments ({time.perf_counter() - began:.0f} s to seal)")
    names = ("expired_devices_gone", "internal_devices_offline")
    tables = Tables()
    for name in names:
        rule = rules.bound()[name]
        peer = plain(rule)
        anew = Context(at, parameters.values(at), vault, Tables(), anew=True)
        first = timed(lambda rule=rule, anew=anew: rule_runs.run(rule, anew))
        rule_runs.run(rule, Context(at, parameters.values(at), vault, tables))
        kept, whole, now = [], [], at
        for _ in range(TIMES):
            with vault.writer() as writer:
                writer.append(Batch("S", lines(chance, more, devices, now, 50.0), now + timedelta(seconds=50)))
                writer.seal(now + timedelta(seconds=50))
            now += timedelta(seconds=60)
            context = Context(now, parameters.values(now), vault, tables)
            tables.refresh()
            seconds, ours = timed(lambda rule=rule, context=context: rule_runs.run(rule, context))
            kept.append(seconds)
            assert ours.fresh == more, ours.fresh
            seconds, theirs = timed(lambda peer=peer, now=now: rule_runs.run(peer, Context(now, parameters.values(now), vault, tables)))
            whole.append(seconds)
            said = [sorted((b.subject.key, b.detail) for b in each.outcome.breaches) for each in (ours, theirs)]
            assert said[0] == said[1], "they say different things"
        one, other = statistics.median(kept) * 1000, statistics.median(whole) * 1000
        found = len(ours.outcome.breaches)
        each = " ".join(f"{1000 * seconds:.0f}" for seconds in kept)
        print(f"{name}: increment of {more:,} events {one:.0f} ms (each: {each}); whole window each time {other:.0f} ms;"
              f" ratio {other / one:.1f}; {found} found; everything anew {first[0]:.1f} s")  # fmt: skip
        at = now


def plain(rule: Any) -> Any:
    """Return the rule as one SELECT that reads its whole window each time."""
    from anzhang.casework import rules

    facts, judging = rule.recipe.statement.sql.partition(";")[0], rule.judging.sql
    begin = "WITH facts AS MATERIALIZED (\n"
    body = judging[judging.index("WITH") + 4 :]
    window = f"SELECT * FROM ({facts}) WHERE last_at >= $since AND first_at < $at"
    front = rules.FRONT.match(rule.text)[0].replace('mode = "append"\n', "")
    return rules.parse_text(f"{front}\n{begin}{window}\n),{body}", rule.path)


def timed(work: Any) -> tuple[float, Any]:
    begun = time.perf_counter()
    answer = work()
    return time.perf_counter() - begun, answer


if __name__ == "__main__":
    main()
