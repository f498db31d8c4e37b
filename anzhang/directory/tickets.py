"""Who acts at the command line: a ticket that a browser session confirmed, or the operating-system user for a few verbs.

`anzhang login` makes a ticket: its secret goes into a 0600 file of the operator, its code is shown; a logged-in user who has
passed the second factor confirms the code in the browser. Deciding cases stays out of reach: a ticket has no second factor.
"""

from __future__ import annotations

import getpass
import hashlib
import os
import secrets
import socket
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from anzhang import clock
from anzhang.directory.credentials import CliTicket
from anzhang.directory.links import digest_of
from anzhang.directory.models import User
from anzhang.events import Event
from anzhang.journal.procedures import record
from anzhang.permissions import Actor, Administrator, RefusedError, Via

CONFIRM_WITHIN = timedelta(minutes=10)
LIFE = timedelta(hours=8)
LETTERS = "BCDFGHJKLMNPQRSTVWXZ"  # no vowels, no digits: nothing to misread
# What the operating-system user may do without a ticket (docs/adr/0005); each such act stands in the ledger as `os:user@host`.
OS_VERBS = frozenset({"init", "import", "export", "regulation", "ledger", "backup", "restore", "upgrade", "unlock", "link"})


def place() -> str:
    """Return `user@host` of this process."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


def file() -> Path:
    """Return where the operator keeps the ticket of this installation."""
    name = hashlib.sha256(str(settings.HOME.path).encode()).hexdigest()[:16]
    base = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return base / "anzhang" / f"ticket-{name}"


def open_ticket(where: str, at: datetime) -> tuple[CliTicket, str]:
    """Return a new unconfirmed ticket and its secret."""
    secret = secrets.token_urlsafe(32)
    code = "".join(secrets.choice(LETTERS) for _each in range(8))
    ticket = CliTicket.objects.create(
        digest=digest_of(secret), code=f"{code[:4]}-{code[4:]}", place=where[:128], created_at=at, expires_at=at + CONFIRM_WITHIN
    )
    return ticket, secret


def keep(secret: str) -> Path:
    """Store the secret for later verbs, readable by its owner only."""
    path = file()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as stream:
        stream.write(secret)
    return path


@transaction.atomic
def confirm(actor: Actor, code: str, at: datetime) -> CliTicket:
    """Bind the waiting ticket of `code` to the actor for eight hours.

    Raises RefusedError without a browser session that passed the second factor, or when no such ticket waits.
    """
    if actor.via is not Via.BROWSER or not actor.second_factor or actor.user_id is None:
        raise RefusedError("second_factor_needed", _("确认命令行登录须先通过双因素验证。"))
    ticket = CliTicket.objects.select_for_update().filter(code=code.strip().upper(), user=None, expires_at__gt=at).first()
    if ticket is None:
        raise RefusedError("no_such_ticket", _("没有等待确认的核对码，或已过期。"), _("请在终端重新执行 anzhang login。"))
    ticket.user_id, ticket.confirmed_at, ticket.expires_at = actor.user_id, at, at + LIFE
    ticket.save()
    record(actor, Event.USER_LOGIN, ("user", str(actor.user_id)), at=at, payload={"via": "cli", "place": ticket.place})
    return ticket


def end() -> bool:
    """Forget the ticket of this terminal, here and in the database; false when there was none."""
    try:
        secret = file().read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return False
    file().unlink(missing_ok=True)
    return CliTicket.objects.filter(digest=digest_of(secret)).delete()[0] > 0


def actor_of_user(user: User, via: Via, *, second_factor: bool = False, address: str = "") -> Actor:
    """Return the actor of a user through a face."""
    return Actor(
        id=f"user:{user.username}",
        via=via,
        user_id=user.pk,
        person_id=user.person_id,
        unit_id=user.person.unit_id if user.person else None,
        administrator=Administrator(user.administrator) if user.administrator else None,
        second_factor=second_factor,
        address=address,
    )


def cli_actor(verb: str = "") -> Actor:
    """Return who runs this verb: the user of a confirmed ticket, else `os:user@host` for the verbs that allow it.

    Raises RefusedError when the verb needs `anzhang login`. In the demo the operating-system user may run every verb.
    """
    try:
        secret = file().read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        secret = ""
    if secret:
        ticket = (
            CliTicket.objects.select_related("user__person")
            .filter(digest=digest_of(secret), user__is_active=True, confirmed_at__isnull=False, expires_at__gt=clock.now())
            .first()
        )
        if ticket and ticket.user:
            return actor_of_user(ticket.user, Via.CLI)
    if verb in OS_VERBS or settings.HOME.is_demo:
        return Actor(id=f"os:{place()}", via=Via.CLI)
    raise RefusedError("login_needed", _("这条命令要先登录。"), _("请执行 anzhang login，并在浏览器中确认。"))
