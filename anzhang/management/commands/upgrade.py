"""`anzhang upgrade`: bring the database to this release, or leave it as it was."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings

from anzhang import clock
from anzhang.directory.tickets import cli_actor
from anzhang.management import BadInputError, FailedError, Verb, passphrase
from anzhang.operate import backup, upgrade


class Command(Verb):
    """Back up, migrate, verify, or back."""

    help = "back up, migrate, verify, or back"

    def arguments(self, parser: ArgumentParser) -> None:
        """Take where a full backup goes first."""
        parser.add_argument("--backup", type=Path, metavar="FILE|DIR", help="a full backup first; the database is copied in any case")
        parser.add_argument("--passphrase-file", type=Path, metavar="FILE", help="for --backup")

    def run(self, **options: Any) -> None:
        """Do it."""
        if not settings.HOME.exists:
            raise BadInputError(f"{settings.HOME.path} holds no installation; run anzhang init")
        actor, now = cli_actor("upgrade"), clock.now()
        try:
            if options["backup"] is not None:
                words = passphrase.ask(options["passphrase_file"], twice=True)
                made = backup.make(settings.HOME, options["backup"].resolve(), words, now)
                self.stdout.write(f"backup: {made.path}")
            done = upgrade.upgrade(actor, settings.HOME, now)
        except backup.BackupError as error:
            raise BadInputError(str(error)) from error
        except (upgrade.UpgradeError, upgrade.WentBackError) as error:
            raise FailedError(f"upgrade: {error}") from error
        if not done.migrations:
            self.stdout.write("nothing to do: the database is that of this release")
            return
        self.stdout.write(f"{len(done.migrations)} migrations, {done.restated} rows entered anew; the database of before: {done.copy}")
