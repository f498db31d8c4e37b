"""`anzhang radius`: the configuration of the FreeRADIUS that asks us for verdicts."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings

from anzhang.management import BadInputError, Verb
from anzhang.network.models import Zone
from anzhang.operate import radius


class Command(Verb):
    """One sub-verb: config."""

    help = "write a FreeRADIUS configuration that asks for verdicts and quarantines by itself when there are none"

    def arguments(self, parser: ArgumentParser) -> None:
        """Declare the sub-verb."""
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="config")
        config = verbs.add_parser("config", help="write a folder; start with: freeradius -d DIR")
        config.add_argument("folder", type=Path, metavar="DIR")
        config.add_argument("--listen", default="*", metavar="ADDRESS", help="of RADIUS; default every address")
        config.add_argument("--port", type=int, default=1812, help="of RADIUS, default 1812")
        config.add_argument("--service", metavar="URL", help="where verdicts are given; default this machine, as admission.bind says")
        config.add_argument("--service-ca", type=Path, metavar="FILE", help="authority of the service's certificate")
        config.add_argument(
            "--eap-certificate", type=Path, metavar="FILE", help="certificate of PEAP, TTLS and EAP-TLS; without it MAC only"
        )
        config.add_argument("--eap-key", type=Path, metavar="FILE")
        config.add_argument("--eap-ca", type=Path, metavar="FILE", help="authority of the endpoints' certificates (EAP-TLS)")
        config.add_argument("--user", default="", help="as whom FreeRADIUS runs once it has its ports, for example freerad")

    def run(self, **options: Any) -> None:
        """Write the folder."""
        home = settings.HOME
        place = radius.place(home)
        if place is None:
            raise BadInputError(f'{home.settings_file}: [admission] bind = "{radius.DEFAULT}" is missing; set it first')
        vlan = Zone.objects.filter(kind=Zone.Kind.QUARANTINE, vlan__isnull=False).order_by("code").values_list("vlan", flat=True).first()
        if vlan is None:
            raise BadInputError("no zone of kind quarantine has a VLAN; register one first (registers/zone)")
        if not 0 < options["port"] < 65536:
            raise BadInputError(f"--port {options['port']}: a port is 1 to 65535")
        scheme = "https" if home.get("admission", "certificate", "") else "http"
        made = radius.Radius(
            options["folder"].resolve(),
            options["service"] or f"{scheme}://{place}",
            radius.token(home),
            vlan,
            options["listen"],
            options["port"],
            self._eap(options),
            options["service_ca"].resolve() if options["service_ca"] else None,
            options["user"],
        )
        for name in made.write():
            self.stdout.write(f"{made.folder / name}")

    def _eap(self, options: dict[str, Any]) -> radius.Eap | None:
        given = [options[name] for name in ("eap_certificate", "eap_key", "eap_ca")]
        if not any(given):
            return None
        if not all(given):
            raise BadInputError("--eap-certificate, --eap-key and --eap-ca go together")
        for file in given:
            if not file.is_file():
                raise BadInputError(f"{file}: no such file")
        return radius.Eap(*(file.resolve() for file in given))
