"""Who acts in a browser: the actor of a request, and what the session has proved about them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest
from django.utils.translation import gettext as _

from anzhang import clock
from anzhang.directory import identity
from anzhang.directory.models import User
from anzhang.directory.tickets import actor_of_user
from anzhang.organization.models import Officer
from anzhang.permissions import Actor, RefusedError, Via

SECOND_FACTOR = "anzhang_second_factor"  # session key: {"user": pk, "at": seconds, "how": "totp"}
STEP_UP_WITHIN = timedelta(minutes=15)


def actor_of(request: HttpRequest) -> Actor:
    """Return the actor of a logged-in request. Raises RefusedError for an anonymous one.

    `second_factor` is true only when this very session has passed it for this very user.
    """
    user = request.user
    if not isinstance(user, User):
        raise RefusedError("login_needed", _("请先登录。"))
    return actor_of_user(user, Via.BROWSER, second_factor=second_factor_at(request) is not None, address=address_of(request))


def anonymous(request: HttpRequest) -> Actor:
    """Return the actor of somebody who has not logged in: the address is all that is known."""
    return Actor(id="anonymous", via=Via.BROWSER, address=address_of(request))


def address_of(request: HttpRequest) -> str:
    """Return the address of the other end of the connection; forwarded headers are not believed."""
    return str(request.META.get("REMOTE_ADDR", ""))


def mark_second_factor(session: SessionBase, user: User, how: str, at: datetime) -> None:
    """Note in a session that the user has just passed the second factor `how`."""
    session[SECOND_FACTOR] = {"user": user.pk, "at": at.timestamp(), "how": how}


def second_factor_at(request: HttpRequest) -> datetime | None:
    """Return when this session last passed the second factor for its user, None when it has not."""
    mark: dict[str, Any] | None = request.session.get(SECOND_FACTOR)
    if not mark or mark["user"] != request.user.pk:
        return None
    return datetime.fromtimestamp(mark["at"], UTC)


def stepped_up(request: HttpRequest, within: timedelta = STEP_UP_WITHIN) -> bool:
    """Whether the second factor was passed within the window, as dangerous acts ask. The demo's mark does not age."""
    mark: dict[str, Any] | None = request.session.get(SECOND_FACTOR)
    when = second_factor_at(request)
    return when is not None and mark is not None and (mark["how"] == "demo" or clock.now() - when < within)


def needs_second_factor(user: User, at: datetime) -> bool:
    """Whether the user must use a second factor: administrators, approvers, officers, DBAs (DESIGN 12)."""
    return identity.needs_second_factor(user, at) or is_officer(user, at)


def is_officer(user: User | None, at: datetime) -> bool:
    """Whether the user is a unit's security officer at the instant (Art. 5)."""
    return (
        user is not None and user.person_id is not None and Officer.objects.filter(Officer.in_force(at), person_id=user.person_id).exists()
    )
