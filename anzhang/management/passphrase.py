"""Where a verb gets a passphrase from: the environment, a file, or the terminal; never the command line."""

from __future__ import annotations

import getpass
import os
import sys
from pathlib import Path

from anzhang.management import BadInputError

VARIABLE = "ANZHANG_BACKUP_PASSPHRASE"


def ask(file: Path | None, *, twice: bool) -> str:
    """Return the passphrase. Raises BadInputError when there is no way to get one."""
    if file is not None:
        try:
            return file.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise BadInputError(f"{file}: {error}") from error
    if os.environ.get(VARIABLE):
        return os.environ[VARIABLE]
    if not sys.stdin.isatty():
        raise BadInputError(f"the keys are kept under a passphrase: give --passphrase-file FILE or the variable {VARIABLE}")
    given = getpass.getpass("passphrase: ")
    if twice and getpass.getpass("again: ") != given:
        raise BadInputError("the two passphrases differ")
    return given
