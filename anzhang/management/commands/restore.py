"""`anzhang --home NEW restore FILE`: stand an installation up from a backup."""

from __future__ import annotations

import subprocess
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from anzhang import clock
from anzhang.directory.tickets import cli_actor
from anzhang.events import Event
from anzhang.journal.heads import sign_heads
from anzhang.journal.procedures import record
from anzhang.management import BadInputError, FailedError, Verb, passphrase
from anzhang.operate import restore


class Command(Verb):
    """Restore and verify; nothing stands under --home until everything holds."""

    help = "stand an installation up from a backup in an empty --home, everything verified"

    def arguments(self, parser: ArgumentParser) -> None:
        """Take the backup; `--stage` is how the second process of the same verb is told apart."""
        parser.add_argument("file", type=Path)
        parser.add_argument("--passphrase-file", type=Path, metavar="FILE")
        parser.add_argument("--stage", choices=["files", "database", "entry"], default="files", help="internal")

    def run(self, **options: Any) -> None:
        """Put the files in place here; the entry is written by a process that reads the new settings."""
        if options["stage"] == "entry":
            with transaction.atomic():
                record(cli_actor("restore"), Event.BACKUP_RESTORE, ("backup", options["file"].name[:128]), at=clock.now())
            sign_heads(clock.now())
            return
        try:
            if options["stage"] == "database":
                restore.load(options["file"])
                return
            done = restore.restore(settings.HOME, options["file"], passphrase.ask(options["passphrase_file"], twice=False))
        except restore.RestoreError as error:
            raise BadInputError(f"restore: {error}") from error
        except restore.UnverifiedError as error:
            raise FailedError(f"restore: {error}") from error
        home = str(settings.HOME.path)
        entry = [sys.executable, "-m", "anzhang", "--home", home, "restore", "--stage", "entry", str(options["file"])]
        if subprocess.run(entry, check=False).returncode:
            raise FailedError("restore: everything stands and verifies, but the entry about the restore was not written")
        self.stdout.write(
            f"{home}: {done.entries} entries, {done.rows} rows, {done.segments} segments verified, head {done.head}, {done.seconds:.1f} s"
        )
