"""`anzhang bundle`: make an air-gapped wheelhouse."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from anzhang.management import BadInputError, Verb
from anzhang.operate import bundle


class Command(Verb):
    """Fill a folder that installs without a network."""

    help = "make a folder that installs without a network"

    def arguments(self, parser: ArgumentParser) -> None:
        """Take the folder."""
        parser.add_argument("folder", type=Path)

    def run(self, **options: Any) -> None:
        """Make it."""
        try:
            count = bundle.make(options["folder"].resolve())
        except bundle.BundleError as error:
            raise BadInputError(str(error)) from error
        self.stdout.write(f"{options['folder']}: {count} wheels; copy it over and run `sh install.sh`")
