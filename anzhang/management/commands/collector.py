"""`anzhang collector`: receive, seal and record log lines until stopped."""

from argparse import SUPPRESS, ArgumentParser
from typing import Any

from django.conf import settings

from anzhang.daemons import collector, receiver
from anzhang.management import FailedError, Verb


class Command(Verb):
    """Run the collector in the foreground."""

    help = "receive log lines, seal them and record the seals until stopped"

    def arguments(self, parser: ArgumentParser) -> None:
        """Declare what a collector starts its receivers with."""
        parser.add_argument("--receiver", type=int, metavar="FD", help=SUPPRESS)

    def run(self, **options: Any) -> None:
        """Receive."""
        if options["receiver"] is not None:
            receiver.main(settings.HOME, options["receiver"])
            return
        try:
            collector.main(settings.HOME)
        except collector.CollectorError as error:
            raise FailedError(f"collector: {error}") from error
