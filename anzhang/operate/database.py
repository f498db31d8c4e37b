"""The second stage of `init`: with the directory standing, fill its database."""

from __future__ import annotations

from datetime import datetime

from django.core.management import call_command
from django.db import transaction

from anzhang.directory import identity
from anzhang.events import Event
from anzhang.home import Home
from anzhang.journal import keys
from anzhang.journal.procedures import record
from anzhang.permissions import Actor


def create(home: Home) -> None:
    """Make the ledger's keys and migrate the empty database."""
    keys.create(home)
    call_command("migrate", verbosity=0)


def found(actor: Actor, home: Home, at: datetime) -> list[tuple[str, str]]:
    """Write the first entry and return (administrator, one-time link) for each of the three."""
    with transaction.atomic():
        record(actor, Event.INSTALLATION_INIT, ("installation", home.get("bureau", "name", "")), at=at, payload={"demo": home.is_demo})
        return identity.create_administrators(actor, at)
