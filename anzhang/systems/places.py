"""At which addresses systems answer, as rules compare them: those of their environments, and those of the devices that bear their hosts.

A system, or an environment, that was retired no longer answers for its addresses; until when it did is the last the ledger tells of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime

from anzhang.casework import rules
from anzhang.journal.models import Entry
from anzhang.network.models import Interface
from anzhang.systems.models import System
from anzhang.systems.tables import Environment


def _rows() -> Iterator[tuple[str, int, datetime | None]]:
    from anzhang.engines.sqlbox.addresses import ip_key

    environments = list(Environment.objects.select_related("system").order_by("pk"))
    gone = [each for each in environments if each.state == Environment.State.RETIRED]
    ended = _last_told("environment", [each.pk for each in gone])
    closed = [each.system_id for each in environments if each.system.state == System.State.RETIRED]
    ended_systems = _last_told("system", closed)
    by_host = _addresses_by_host({host.lower() for each in environments for host in each.hosts})
    for each in environments:
        ends = [at for at in (ended.get(each.pk), ended_systems.get(each.system_id)) if at is not None]
        found = {*each.addresses, *(ip for host in each.hosts for ip in by_host.get(host.lower(), ()))}
        for key in sorted({key for ip in found if (key := ip_key(ip)) is not None}):
            yield (key, each.system_id, min(ends, default=None))


def _last_told(kind: str, keys: list[int]) -> dict[int, datetime]:
    found = Entry.objects.filter(object_type=kind, object_key__in=[str(key) for key in keys]).order_by("index")
    return {int(key): at for key, at in found.values_list("object_key", "at")}


def _addresses_by_host(hosts: set[str]) -> dict[str, list[str]]:
    """Return the fixed addresses of the devices that are called one of the names, by name."""
    found: dict[str, list[str]] = defaultdict(list)
    if hosts:
        for names, name, addresses in Interface.objects.exclude(addresses=[]).values_list("device__hosts", "device__name", "addresses"):
            for called in {name.lower(), *(each.lower() for each in names)} & hosts:
                found[called] += addresses
    return found


system_address = rules.derive(
    "system_address", ("environment", "system", "interface", "device"), ip_key=str, system_id=int, until_at=datetime
)(_rows)
