"""One-time links: how someone without a password, or in the demo, gets in. Single use, short-lived, stored as a digest."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

from django.conf import settings
from django.utils.translation import gettext as _

from anzhang.directory.credentials import OneTimeLink
from anzhang.directory.models import User
from anzhang.permissions import RefusedError

LIFE = timedelta(minutes=30)
DEMO_LIFE = timedelta(hours=12)


def digest_of(secret: str) -> str:
    """Return the SHA-256 under which a random secret of 32 bytes is stored, hex."""
    return hashlib.sha256(secret.encode()).hexdigest()


def issue_link(user: User, purpose: str, at: datetime) -> str:
    """Return the path of a new link (`/enter/<token>/`); older unused ones of that purpose stop working.

    Callers have ledgered the act that the link belongs to. Raises RefusedError for a demo link outside the demo.
    """
    kind = OneTimeLink.Purpose(purpose)
    demo = kind is OneTimeLink.Purpose.DEMO
    if demo and not settings.HOME.is_demo:
        raise RefusedError("not_demo", _("演示登录链接只在演示环境签发。"))
    OneTimeLink.objects.filter(user=user, purpose=kind, used_at=None).delete()
    token = secrets.token_urlsafe(32)
    OneTimeLink.objects.create(
        user=user, purpose=kind, digest=digest_of(token), issued_at=at, expires_at=at + (DEMO_LIFE if demo else LIFE)
    )
    return f"/enter/{token}/"


def find(token: str, at: datetime) -> OneTimeLink | None:
    """Return the unused, unexpired link of a token without using it."""
    link = OneTimeLink.objects.select_related("user").filter(digest=digest_of(token), used_at=None, expires_at__gt=at).first()
    return link if link and link.user.is_active else None


def use(link: OneTimeLink, at: datetime) -> bool:
    """Use the link up; false when somebody was faster."""
    return OneTimeLink.objects.filter(pk=link.pk, used_at=None, expires_at__gt=at).update(used_at=at) == 1
