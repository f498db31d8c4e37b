"""A sheet between its preview and its confirm: the file waits in `run/imports/`, named by a signed ticket of its person and register."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.core import signing

from anzhang import clock

SALT = "anzhang.registers.import"
KEPT = timedelta(hours=1)


@dataclass(frozen=True)
class Held:
    """A sheet that waits, with the seal of the preview that was shown; `extra` is what else its page must remember."""

    data: bytes
    name: str
    seal: str
    extra: str
    file: Path

    def forget(self) -> None:
        """Remove the file: a ticket serves once."""
        self.file.unlink(missing_ok=True)


class ExpiredError(Exception):
    """The ticket is not ours, too old, or its file is gone."""


class ForeignError(Exception):
    """The ticket is somebody else's, or of another register."""


def keep(owner: str, register: str, data: bytes, name: str, seal: str, extra: str = "") -> str:
    """Keep a sheet and return its ticket."""
    folder = _folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _sweep(folder)
    file = folder / secrets.token_hex(16)
    file.touch(mode=0o600)
    file.write_bytes(data)
    ticket = {"file": file.name, "register": register, "actor": owner, "name": name, "seal": seal, "extra": extra}
    return signing.dumps(ticket, salt=SALT)


def take(ticket: str, owner: str, register: str) -> Held:
    """Return the sheet of a ticket. Raises ExpiredError, ForeignError."""
    try:
        held = signing.loads(ticket, salt=SALT, max_age=KEPT)
        file = _folder() / held["file"]
        data = file.read_bytes()
    except (signing.BadSignature, FileNotFoundError) as error:
        raise ExpiredError from error
    if (held["register"], held["actor"]) != (register, owner):
        raise ForeignError
    return Held(data, held["name"], held["seal"], held["extra"], file)


def _folder() -> Path:
    return Path(settings.HOME.run) / "imports"


def _sweep(folder: Path) -> None:
    """Remove files whose tickets have expired; real time, because file times are real."""
    oldest = (clock.real_now() - KEPT).timestamp()
    for file in folder.iterdir():
        if file.stat().st_mtime < oldest:
            file.unlink(missing_ok=True)
