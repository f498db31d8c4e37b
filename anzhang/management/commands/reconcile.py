"""`anzhang reconcile`: judge now, as the worker does every minute."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings

from anzhang import clock, permissions
from anzhang.casework import parameters, reconciliation
from anzhang.engines.vault import Vault
from anzhang.management import BadInputError, FailedError, Verb


class Command(Verb):
    """Run every bound check, write verdicts and findings; exit 1 when a check broke."""

    help = "judge every obligation now"
    reads = True

    def arguments(self, parser: ArgumentParser) -> None:
        """Take the obligations to judge."""
        parser.add_argument("obligations", nargs="*", metavar="A05.3", help="judge only these")
        parser.add_argument("--anew", action="store_true", help="make every fact of the sealed lines again before judging")

    def run(self, **options: Any) -> None:
        """Judge and print what changed."""
        chosen = options["obligations"] or None
        if strange := sorted(set(chosen or ()) - set(parameters.catalog().by_id)):
            raise BadInputError(f"no obligation {strange[0]!r} in the catalog")
        actor = permissions.system("reconcile", permissions.Via.CLI)
        summary = reconciliation.run(actor, clock.now(), vault=Vault(settings.HOME.vault), obligations=chosen, anew=options["anew"])
        if options["as_json"]:
            self.print_json(summary.as_json())
        else:
            self.stdout.write(str(summary))
        if summary.failed:
            raise FailedError(f"checks failed: {', '.join(summary.failed)}")
