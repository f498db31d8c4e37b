"""The key that signs tree heads: one file, `keys/ledger.ed25519`, readable by its owner only.

The file holds origin and seed in the form of a C2SP signer key. Both trees are signed with the same key under two names,
`<origin>` and `<origin>/sm3`, so that a signature of one can never pass for the other.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from anzhang.engines.crypto import SHA256, Suite
from anzhang.engines.ledger.note import NoteError, Signer
from anzhang.home import Home

FILE = "ledger.ed25519"


class KeyMissingError(Exception):
    """The signing key is absent or unreadable; the message says what to do."""


def create(home: Home) -> Signer:
    """Make a new key with a new origin. Raises FileExistsError: a key is never replaced."""
    home.keys.mkdir(mode=0o700, parents=True, exist_ok=True)
    signer = Signer(f"anzhang/{secrets.token_hex(6)}", secrets.token_bytes(32))
    descriptor = os.open(path(home), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(signer.text() + "\n")
        file.flush()
        os.fsync(file.fileno())
    return signer


def load(home: Home) -> Signer:
    """Return the key. Raises KeyMissingError."""
    try:
        return Signer.parse(path(home).read_text(encoding="ascii"))
    except (OSError, UnicodeDecodeError, NoteError) as error:
        raise KeyMissingError(f"{path(home)}: {error}; restore the key from a backup") from error


def path(home: Home) -> Path:
    """Return the key's file."""
    return home.keys / FILE


def origin(signer: Signer, suite: Suite) -> str:
    """Return the log name of one tree."""
    return signer.name if suite is SHA256 else f"{signer.name}/{suite.name}"
