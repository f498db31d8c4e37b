"""`anzhang worker`: sign heads and run the scheduled jobs until stopped."""

from typing import Any

from anzhang.daemons.worker import Worker
from anzhang.management import BadInputError, Verb
from anzhang.operate import database


class Command(Verb):
    """Run the worker in the foreground."""

    help = "sign heads and run the scheduled jobs until stopped"

    def run(self, **_options: Any) -> None:
        """Loop, unless the database is that of an earlier version."""
        if waiting := database.waiting():
            raise BadInputError(f"the database waits for {len(waiting)} migrations; run `anzhang upgrade` first")
        Worker().loop()
