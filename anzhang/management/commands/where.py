"""`anzhang where 5`: everything that enforces an article."""

from argparse import ArgumentParser
from typing import Any

from django.urls import resolve

from anzhang.casework import where
from anzhang.management import BadInputError, Verb


class Command(Verb):
    """Print the checks, gates, procedures, pages and tests behind an article or obligation."""

    help = "print everything that enforces an article (5) or an obligation (A05.3)"
    reads = True

    def arguments(self, parser: ArgumentParser) -> None:
        """Take the article or obligation."""
        parser.add_argument("what", metavar="N|A05.3")

    def run(self, **options: Any) -> None:
        """Print it."""
        resolve("/")  # pages bind their names when the addresses are read
        try:
            found = where.where(options["what"])
        except where.NothingThereError as error:
            raise BadInputError(str(error)) from error
        if options["as_json"]:
            self.print_json(where.as_json(found))
            return
        for enforcement in found:
            self.stdout.write(f"{enforcement.obligation} {enforcement.title}")
            self.show("check", [enforcement.check] if enforcement.check else [])
            self.show("gate", [enforcement.gate] if enforcement.gate else [], absent="advisory: no door")
            self.show("procedure", enforcement.procedures)
            self.show("page", enforcement.pages)
            for test in enforcement.tests:
                self.stdout.write(f"    test       {test}")

    def show(self, kind: str, places: list[where.Place], absent: str = "not there yet") -> None:
        """Print one line per place."""
        for place in places:
            self.stdout.write(f"    {kind:10} {place.name}  {place.place or absent}")
