"""`anzhang worker`: sign heads and run the scheduled jobs until stopped."""

from typing import Any

from anzhang.daemons.worker import Worker
from anzhang.management import Verb


class Command(Verb):
    """Run the worker in the foreground."""

    help = "sign heads and run the scheduled jobs until stopped"

    def run(self, **_options: Any) -> None:
        """Loop."""
        Worker().loop()
