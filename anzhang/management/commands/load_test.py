"""`anzhang load-test check`: ask the gate before load is put on production."""

from argparse import ArgumentParser
from typing import Any

from anzhang import clock
from anzhang.management import BadInputError, FailedError, Verb


class Command(Verb):
    """One sub-verb, check: exits 1 when it is refused, 2 when it cannot be asked."""

    help = "ask whether a source may put a production environment under load now"

    def arguments(self, parser: ArgumentParser) -> None:
        """Declare the sub-verb."""
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="check")
        check = verbs.add_parser("check", help="exit 0 when it may, 1 with what is missing when it may not")
        check.add_argument("--environment", required=True, metavar="CODE")
        check.add_argument("--source", required=True, metavar="ADDRESS", help="IP address of the machine that puts load on")
        check.add_argument("--json", action="store_true", dest="as_json", help="print JSON")

    def run(self, **options: Any) -> None:
        """Do the sub-verb."""
        from anzhang.systems import load_tests
        from anzhang.systems.tables import Environment

        environment = Environment.objects.select_related("system").filter(code=options["environment"]).first()
        if environment is None:
            raise BadInputError(f"no environment {options['environment']!r}")
        refusal = load_tests.load_test(environment, options["source"], clock.now())
        if options["as_json"]:
            told = {"code": refusal.code, "message": refusal.message, "remedy": refusal.remedy} if refusal else None
            way = f"/cases/new/{load_tests.ROUTE}/?environment={environment.code}" if refusal else None
            said = {"allowed": refusal is None, "environment": environment.code, "source": options["source"], "refused": told, "apply": way}
            self.print_json(said)
        elif refusal is None:
            self.stdout.write(f"{environment.name}：{options['source']} 现在可以压测")
        if refusal is not None:
            raise FailedError(f"{refusal.code}: {refusal.message} {refusal.remedy}")
