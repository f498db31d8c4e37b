"""Configurations: how fast one of 10,000 lines is read, kept and compared; the check of Art. 8 over 2,000 devices with 30 snapshots each.

No peer is installed beside which the engine could be measured (hier-config, ciscoconfparse): lines in a second alone are printed.
`python -m bench.configurations [DEVICES] [SNAPSHOTS]`
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

LINES, ROUNDS = 10_000, 3
AT = datetime(2026, 11, 24, 1, 30, tzinfo=UTC)
CHANGED_EVERY = 10  # of the snapshots of a device one in ten differs, and half of those have an order
GOAL = 5.0  # seconds for the check


def configuration(changed: str = "") -> bytes:
    """Return a configuration of interfaces and one long filter."""
    interfaces = "".join(
        f"interface GigabitEthernet0/{n}\n ip address 10.{n // 250}.{n % 250}.1 255.255.255.0\n description port {n}\n no shutdown\n!\n"
        for n in range(LINES // 10)
    )
    rules = "".join(f"access-list 101 permit tcp host 10.0.{n // 250}.{n % 250} any eq 443\n" for n in range(LINES // 2))
    return f"hostname r1\nenable secret 5 $1$a$b\n{interfaces}{changed}{rules}".encode()


def timed(what: str, lines: int, work: Callable[[], Any]) -> Any:
    """Do some work a few times and print the best."""
    best, found = float("inf"), None
    for _round in range(ROUNDS):
        begun = time.perf_counter()
        found = work()
        best = min(best, time.perf_counter() - begun)
    print(f"{what}: {best * 1000:.0f} ms, {lines / best:,.0f} lines/s")
    return found


def engine() -> None:
    """Measure reading, comparing and telling facts."""
    from anzhang.engines import configs

    body, other = configuration(), configuration("access-list 101 deny ip any any log\n")
    lines = body.count(b"\n")
    kept = timed("read and keep", lines, lambda: configs.read(body).kept(b"key"))
    after = configs.read(other).kept(b"key")
    found = timed("compare", lines, lambda: configs.difference(kept.text, after.text, "cisco"))
    assert len(found) == 1
    timed("facts", lines, lambda: configs.facts(kept.text, "cisco"))


def check(devices: int, snapshots: int) -> None:
    """Measure the check over many devices with a month of snapshots."""
    with tempfile.TemporaryDirectory(prefix="anzhang-bench-configurations-") as folder:
        os.environ["ANZHANG_HOME"] = folder
        os.environ["DJANGO_SETTINGS_MODULE"] = "anzhang.settings"
        import django

        django.setup()

        from anzhang.demo import bureau
        from anzhang.network import changes
        from anzhang.operate import database
        from anzhang.regulation.checks import Context

        database.make_tables()
        bureau.build(AT)
        plant(devices, snapshots)
        begun = time.perf_counter()
        outcome = changes.config_changes_ordered(Context(AT, {"config_match_hours": 24}))
        took = time.perf_counter() - begun
    told = f"{sum(len(each.evidence) for each in outcome.breaches):,} pieces of evidence for changes without an order"
    print(f"check of {devices:,} devices x {snapshots} snapshots: {took:.2f} s (goal {GOAL:.0f} s), {told}")


def plant(devices: int, snapshots: int) -> None:
    """Enter devices, their snapshots and orders as the tables hold them."""
    from anzhang.casework.models import Approval, Case
    from anzhang.directory.models import Person, Unit
    from anzhang.network.models import Device
    from anzhang.network.tables import ChangeOrder, ConfigSnapshot, ConfigText

    unit, person = Unit.objects.first(), Person.objects.first()
    rows = [Device(code=f"N{k}", name=f"设备{k}", kind="switch", unit=unit, person=person) for k in range(devices)]
    Device.objects.bulk_create(rows, batch_size=2000)
    text = ConfigText.objects.create(digest="0" * 64, body=b"", facts=[])
    begin = AT - timedelta(days=snapshots)
    before: list[ConfigSnapshot] = []
    for day in range(snapshots):
        at = begin + timedelta(days=day, hours=23)
        made = [
            ConfigSnapshot(
                device=row, collected_at=at, received_at=at, collector="bench", dialect="cisco", digest="0" * 64, lines=1000, text=text,
                previous=before[k] if before else None, added=int(bool(day) and (day + k) % CHANGED_EVERY == 0), removed=0, sample=["+1 x"],
            )
            for k, row in enumerate(rows)
        ]  # fmt: skip
        ConfigSnapshot.objects.bulk_create(made, batch_size=2000)
        before = made
    case = Case.objects.create(
        number="B1", route="change_order", title="t", applicant=person, unit=unit, form={}, rules={}, state="approved", filed_at=begin
    )
    orders = []
    for day in range(0, snapshots, 2):
        at = begin + timedelta(days=day, hours=12)
        approval = Approval.objects.create(
            kind="change_order", case=Case.objects.create(**{**_columns(case), "number": f"B{day + 2}"}), scope={}, authority="unit_head",
            valid_from=at - timedelta(days=1), recorded_at=at - timedelta(days=1),
        )  # fmt: skip
        named = [row.code for k, row in enumerate(rows) if (day + k) % CHANGED_EVERY == 0]
        orders.append(
            ChangeOrder(
                number=f"B{day + 2}", kind="network", devices=named, what="w", rollback="r", unit=unit, applicant=person, executor=person,
                valid_from=at, valid_to=at + timedelta(hours=2), recorded_at=at - timedelta(days=1), basis=approval,
            )
        )  # fmt: skip
    ChangeOrder.objects.bulk_create(orders)


def _columns(case: Any) -> dict[str, Any]:
    return {field.attname: getattr(case, field.attname) for field in case._meta.concrete_fields if not field.primary_key}


if __name__ == "__main__":
    engine()
    check(*(int(each) for each in [*sys.argv[1:], *("2000", "30")][:2]))
