"""`anzhang backup FILE|DIR`: one file with everything, while the installation runs."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from anzhang import clock
from anzhang.directory.tickets import cli_actor
from anzhang.events import Event
from anzhang.journal.heads import InconsistentError
from anzhang.journal.keys import KeyMissingError
from anzhang.journal.procedures import record
from anzhang.management import BadInputError, FailedError, Verb, passphrase
from anzhang.operate import backup


class Command(Verb):
    """Back up and note it in the ledger."""

    help = "back up database, vault, attachments, keys and ledger head into one file"

    def arguments(self, parser: ArgumentParser) -> None:
        """Take the target and where the passphrase is."""
        parser.add_argument("target", type=Path, help="a new file, or an existing folder that gets a dated one")
        parser.add_argument("--passphrase-file", type=Path, metavar="FILE")

    def run(self, **options: Any) -> None:
        """Make it."""
        actor, now = cli_actor("backup"), clock.now()
        words = passphrase.ask(options["passphrase_file"], twice=True)
        try:
            made = backup.make(settings.HOME, options["target"].resolve(), words, now)
        except backup.BackupError as error:
            raise BadInputError(str(error)) from error
        except (InconsistentError, KeyMissingError) as error:
            raise FailedError(f"backup: {error}") from error
        payload = {"file": made.path.name, "bytes": made.bytes, "manifest": made.manifest, "head": made.head, "segments": made.segments}
        with transaction.atomic():
            record(actor, Event.BACKUP_MAKE, ("backup", made.path.name[:128]), at=now, payload=payload)
        self.stdout.write(f"{made.path}: {made.bytes} bytes, {made.parts} parts, {made.segments} segments, ledger head {made.head}")
