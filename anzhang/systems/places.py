"""At which addresses systems answer, as rules compare them: of their environments, of devices that bear their hosts, of their databases.

A system, an environment or a database that was retired no longer answers for its addresses; until when it did is the last the ledger
tells of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from anzhang.casework import rules
from anzhang.journal.models import Entry
from anzhang.network.models import Interface
from anzhang.systems.models import System
from anzhang.systems.tables import Database, Environment


@dataclass(frozen=True)
class Place:
    """What answers for a system at addresses: from which row of which register, and whether that row is over."""

    kind: str
    key: int
    system: System
    addresses: frozenset[str]
    is_retired: bool


def _places() -> Iterator[Place]:
    environments = list(Environment.objects.select_related("system").order_by("pk"))
    by_host = _addresses_by_host({host.lower() for each in environments for host in each.hosts})
    for each in environments:
        found = {*each.addresses, *(ip for host in each.hosts for ip in by_host.get(host.lower(), ()))}
        yield Place("environment", each.pk, each.system, frozenset(found), each.state == Environment.State.RETIRED)
    for database in Database.objects.exclude(addresses=[]).select_related("system").order_by("pk"):
        if database.system is not None:
            yield Place("database", database.pk, database.system, frozenset(database.addresses), database.state == Database.State.RETIRED)


def _rows() -> Iterator[tuple[str, int, datetime | None]]:
    from anzhang.engines.sqlbox.addresses import ip_key

    places = list(_places())
    ended = {
        (kind, key): at
        for kind in ("environment", "database")
        for key, at in _last_told(kind, [each.key for each in places if each.kind == kind and each.is_retired]).items()
    }
    closed = _last_told("system", [each.system.pk for each in places if each.system.state == System.State.RETIRED])
    for each in places:
        ends = [at for at in (ended.get((each.kind, each.key)), closed.get(each.system.pk)) if at is not None]
        for key in sorted({key for ip in each.addresses if (key := ip_key(ip)) is not None}):
            yield (key, each.system.pk, min(ends, default=None))


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
    "system_address", ("environment", "system", "interface", "device", "database"), ip_key=str, system_id=int, until_at=datetime
)(_rows)
