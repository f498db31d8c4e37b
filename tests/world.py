"""The world of the tests: the demo bureau, a clock that moves only when told, and log-ins without a password page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.test import Client

from anzhang import clock
from anzhang.demo import bureau as demo
from anzhang.directory.models import User
from anzhang.permissions import Actor, Administrator, Via
from anzhang.web import actors

# A Tuesday morning in Beijing.
START = datetime(2026, 11, 24, 1, 30, tzinfo=UTC)


@dataclass
class Clock:
    """The present instant of a test; `advance` moves every `clock.now()` with it."""

    now: datetime = START

    def install(self) -> None:
        """Freeze `anzhang.clock`."""
        clock.now = lambda: self.now

    def advance(self, **delta: float) -> datetime:
        """Move forward by a timedelta's arguments and return the new instant."""
        self.now += timedelta(**delta)
        return self.now


def actor(bureau: demo.Bureau, username: str, via: Via = Via.BROWSER) -> Actor:
    """Return the actor of a user in a browser session with its second factor."""
    user = bureau.user[username]
    return Actor(
        id=f"user:{username}", via=via, user_id=user.pk, person_id=user.person_id, unit_id=user.person.unit_id,
        administrator=Administrator(user.administrator) if user.administrator else None, second_factor=via is Via.BROWSER,
    )  # fmt: skip


def enter(client: Client, user: User, *, second_factor: bool = True) -> None:
    """Log a test client in as a user, with the second factor passed now unless told otherwise."""
    client.force_login(user)
    session = client.session
    if second_factor:
        actors.mark_second_factor(session, user, "test", clock.now())
    session.save()


def actor_of_machine() -> Actor:
    """Return the operating-system user at the command line."""
    return Actor(id="os:root@host", via=Via.CLI)
