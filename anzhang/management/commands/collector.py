"""`anzhang collector`: receive, seal and record log lines until stopped."""

from typing import Any

from django.conf import settings

from anzhang.daemons import collector
from anzhang.management import FailedError, Verb


class Command(Verb):
    """Run the collector in the foreground."""

    help = "receive log lines, seal them and record the seals until stopped"

    def run(self, **_options: Any) -> None:
        """Receive."""
        try:
            collector.main(settings.HOME)
        except collector.CollectorError as error:
            raise FailedError(f"collector: {error}") from error
