"""The second stage of `init`: with the directory standing, fill its database."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import datetime

from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.db import connection, connections, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

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
    """Make the ledger's keys and the tables."""
    keys.create(home)
    make_tables()


def make_tables() -> None:
    """Give an empty database the tables of the models at once and record every migration as had; migrate one that holds tables.

    The migrations one after the other lead to the same tables (`tests/operate/test_tables.py` holds them against each other), in
    twenty times the time. On PostgreSQL all of it stands or nothing; on SQLite the file is new, and schemas change in no transaction.
    """
    if connection.introspection.table_names():
        call_command("migrate", verbosity=0)
        return
    migrations = settings.MIGRATION_MODULES
    settings.MIGRATION_MODULES = dict.fromkeys((config.label for config in apps.get_app_configs()), None)  # no application has any
    with transaction.atomic() if connection.vendor == "postgresql" else nullcontext():
        try:
            call_command("migrate", run_syncdb=True, verbosity=0)
        finally:
            settings.MIGRATION_MODULES = migrations
        recorder = MigrationRecorder(connection)
        recorder.ensure_schema()
        for name in sorted(MigrationLoader(connection).graph.nodes):
            recorder.record_applied(*name)


def use_pool(home: Home) -> None:
    """Let the threads of this process share a pool of connections, each tried before it is used again; PostgreSQL only.

    For the pages, whose threads come and go; a daemon or verb has one connection, and hears at once why it cannot connect.
    """
    if connection.vendor == "postgresql":
        given = connections.settings["default"]
        given["CONN_MAX_AGE"] = 0
        given["OPTIONS"]["pool"] = {"min_size": 1, "max_size": home.get("database", "connections", 10), "timeout": 20}


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
