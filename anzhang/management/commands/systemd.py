"""`anzhang systemd`: print the units of a production machine."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings

from anzhang.management import Verb
from anzhang.operate import units


class Command(Verb):
    """Print the units; installing them is the administrator's act."""

    help = "print systemd units"

    def arguments(self, parser: ArgumentParser) -> None:
        """Take the user the services run as."""
        parser.add_argument("--user", default="anzhang", help="operating-system user of the services")

    def run(self, **options: Any) -> None:
        """Print."""
        self.stdout.write(units.render(settings.HOME, options["user"]))
