"""`anzhang web`: serve the pages with granian."""

from typing import Any

from django.conf import settings

from anzhang.management import BadInputError, Verb
from anzhang.operate import listen


class Command(Verb):
    """Serve the pages in the foreground."""

    help = "serve the pages"

    def run(self, **_options: Any) -> None:
        """Listen where the settings say; refuse another address than loopback without TLS."""
        from granian import Granian
        from granian.constants import Interfaces
        from granian.log import LogLevels

        home = settings.HOME
        place = listen.web(home)
        if not place.is_free:
            raise BadInputError(f"{place} is taken by another program; change server.bind in {home.settings_file}")
        certificate = home.get("server", "certificate", "") or None
        Granian(
            "anzhang.wsgi:application",
            address=place.host,
            port=place.port,
            interface=Interfaces.WSGI,
            workers=home.get("server", "workers", 2),
            blocking_threads=home.get("server", "threads", 3),
            ssl_cert=certificate,
            ssl_key=home.get("server", "key", "") or None,
            log_level=LogLevels.warning,
            respawn_failed_workers=True,
        ).serve()
