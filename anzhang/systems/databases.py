"""The verbs of databases (Art. 4, 34), and which servers and databases hang on no system (A34.1)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from anzhang.directory import rows
from anzhang.directory.bulk import batcher
from anzhang.network.models import Device, Interface
from anzhang.permissions import Actor
from anzhang.regulation.checks import procedure
from anzhang.regulation.verdicts import Subject
from anzhang.systems.models import System
from anzhang.systems.tables import Database, Environment


@procedure("register_database")
def register_database(actor: Actor, *, at: datetime, **values: Any) -> Database:
    """Add a database. Raises RowError."""
    return rows.create(actor, Database(**values), at)


@procedure("change_database")
def change_database(actor: Actor, row: Database, *, at: datetime, expected_version: int | None = None, **values: Any) -> Database:
    """Change a database: also whose it is, and that it is gone. Raises StaleError, RowError."""
    return rows.change(actor, row, values, at, expected_version)


register_databases = procedure("register_databases")(batcher(Database))


def of_no_system() -> Iterator[tuple[Device | Database, System | None]]:
    """Yield servers and databases in service with the retired system that they name, None where they name no system at all.

    A server belongs to the system that it names, or whose environment in service names one of its hosts, its name or one of its
    addresses. A retired system owns nothing any more.
    """
    yield from _servers()
    for database in in_service():
        if database.system is None or database.system.state == System.State.RETIRED:
            yield database, database.system


def subject(thing: Device | Database) -> Subject:
    """Return a server or a database as the one that owes, answered for by its unit and its person."""
    kind = "device" if isinstance(thing, Device) else "database"
    return Subject(f"{kind}:{thing.code}", thing.name, thing.unit.code, thing.person.code if thing.person else None)


def in_service() -> list[Database]:
    """Return the databases in service, by code."""
    return list(Database.objects.filter(state=Database.State.IN_SERVICE).select_related("unit", "person", "system").order_by("code"))


def servers() -> list[Device]:
    """Return the servers in service, by code."""
    found = Device.objects.filter(kind=Device.Kind.SERVER, state=Device.State.IN_SERVICE).select_related("unit", "person", "system")
    return list(found.order_by("code"))


def _servers() -> Iterator[tuple[Device, System | None]]:
    loose: list[Device] = [each for each in servers() if each.system is None or each.system.state == System.State.RETIRED]
    if not loose:
        return
    names, addresses = _named_by_environments()
    fixed: dict[int, list[str]] = {}
    of_servers = Interface.objects.filter(device__kind=Device.Kind.SERVER).exclude(addresses=[])
    for key, listed in of_servers.values_list("device_id", "addresses"):
        fixed.setdefault(key, []).extend(listed)
    for device in loose:
        called = {device.name.lower(), device.code.lower(), *(host.lower() for host in device.hosts)}
        if not (called & names or addresses.intersection(fixed.get(device.pk, ()))):
            yield device, device.system


def _named_by_environments() -> tuple[set[str], set[str]]:
    """Return the hosts, in small letters, and the addresses of the environments in service of systems that are not retired."""
    names: set[str] = set()
    addresses: set[str] = set()
    living = Environment.objects.filter(state=Environment.State.IN_SERVICE).exclude(system__state=System.State.RETIRED)
    for hosts, listed in living.values_list("hosts", "addresses"):
        names.update(host.lower() for host in hosts)
        addresses.update(listed)
    return names, addresses
