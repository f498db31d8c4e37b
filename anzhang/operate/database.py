"""The second stage of `init`: with the directory standing, fill its database."""

from __future__ import annotations

from datetime import datetime

from django.core.management import call_command
from django.db import connection, connections, transaction
from django.db.migrations.executor import MigrationExecutor

from anzhang import clock
from anzhang.casework.holidays import seed_holidays
from anzhang.directory import identity
from anzhang.directory.models import Unit
from anzhang.directory.procedures import register_unit
from anzhang.events import Event
from anzhang.home import Home
from anzhang.journal import keys
from anzhang.journal.procedures import record
from anzhang.operate import platform
from anzhang.permissions import Actor

ROOT = "BUREAU"  # code of the unit at the top of the tree


def create(home: Home) -> None:
    """Make the ledger's keys and migrate the empty database."""
    keys.create(home)
    call_command("migrate", verbosity=0)


def leave_pool() -> None:
    """Give this process a connection of its own instead of one of the pool's: what its session holds then ends with it."""
    given = connections.settings["default"]
    given["OPTIONS"].pop("pool", None)


def waiting() -> list[str]:
    """Return the names of migrations that the database has not had. Raises DatabaseError when it does not answer."""
    executor = MigrationExecutor(connection)
    return [migration.name for migration, _ in executor.migration_plan(executor.loader.graph.leaf_nodes())]


def found(actor: Actor, home: Home, at: datetime) -> list[tuple[str, str]]:
    """Write the first entry, the bureau's unit and the platform's own rows; return (administrator, one-time link) for each of the three."""
    name = home.get("bureau", "name", "")
    with transaction.atomic():
        record(actor, Event.INSTALLATION_INIT, ("installation", home.path.name), at=at, payload={"name": name, "demo": home.is_demo})
        bureau = register_unit(actor, at=at, code=ROOT, name=name, kind=Unit.Kind.BUREAU, established_on=clock.day_of(at))
        seed_holidays(actor, clock.day_of(at).year, at)
        platform.register(actor, bureau, home, at)
        return identity.create_administrators(actor, at)
