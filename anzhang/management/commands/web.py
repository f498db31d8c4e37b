"""`anzhang web`: serve the pages with granian."""

from typing import Any

from django.conf import settings

from anzhang.management import BadInputError, Verb
from anzhang.operate import listen
from anzhang.operate.readiness import ready_file
from anzhang.web import balance


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
        self.load()
        workers = home.get("server", "workers", 2)
        balance.share(workers)
        server = Granian(
            "anzhang.wsgi:application",
            address=place.host,
            port=place.port,
            interface=Interfaces.WSGI,
            workers=workers,
            blocking_threads=home.get("server", "threads", 6),
            ssl_cert=certificate,
            ssl_key=home.get("server", "key", "") or None,
            log_level=LogLevels.warning,
            respawn_failed_workers=True,
            workers_kill_timeout=10,  # a worker told to stop while it was being forked does not hear it
        )
        server.on_startup(ready_file(home).touch)
        try:
            server.serve()
        finally:
            ready_file(home).unlink(missing_ok=True)

    def load(self) -> None:
        """Load the whole application before the workers are forked: they share it, and none loads it again."""
        from django.template.loader import get_template
        from django.urls import get_resolver

        _ = get_resolver().url_patterns
        get_template("base.html")
