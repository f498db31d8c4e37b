"""`anzhang admission`: give verdicts on admission to FreeRADIUS until stopped."""

from typing import Any

from django.conf import settings

from anzhang.management import BadInputError, Verb
from anzhang.operate import radius


class Command(Verb):
    """Serve verdicts in the foreground."""

    help = "answer FreeRADIUS: which VLAN an endpoint comes into"

    def run(self, **_options: Any) -> None:
        """Listen where `admission.bind` says; refuse another address than loopback without TLS."""
        from granian import Granian
        from granian.constants import Interfaces
        from granian.log import LogLevels

        home = settings.HOME
        place = radius.place(home)
        if place is None:
            raise BadInputError(f'{home.settings_file}: [admission] bind = "{radius.DEFAULT}" is missing; nobody asks for verdicts yet')
        if not place.is_free:
            raise BadInputError(f"{place} is taken by another program; change admission.bind in {home.settings_file}")
        radius.token(home)
        Granian(
            "anzhang.daemons.admission:application",
            factory=True,
            address=place.host,
            port=place.port,
            interface=Interfaces.RSGI,
            workers=1,
            ssl_cert=home.get("admission", "certificate", "") or None,
            ssl_key=home.get("admission", "key", "") or None,
            log_level=LogLevels.warning,
            respawn_failed_workers=True,
            workers_kill_timeout=10,
        ).serve()
