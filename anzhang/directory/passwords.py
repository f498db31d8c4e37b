"""Passwords: at least 12 characters of three kinds, none of the last five, changed every 90 days.

Source: GB/T 22239-2019 8.1.4.1 a).
"""

from __future__ import annotations

import unicodedata
from datetime import datetime, timedelta

from django.contrib.auth.hashers import check_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from anzhang.directory.credentials import PasswordHistory
from anzhang.directory.models import User
from anzhang.events import Event
from anzhang.journal.procedures import write
from anzhang.permissions import Actor, RefusedError

LIFE = timedelta(days=90)
MINIMUM_AGE = timedelta(days=1)  # otherwise five changes in a row bring the old one back
REMEMBERED = 5


class KindsValidator:
    """Ask for three of: capitals, small letters, digits, everything else."""

    def validate(self, password: str, user: object = None) -> None:
        """Raise ValidationError when fewer than three kinds of character occur."""
        kinds = {_kind(character) for character in password}
        if len(kinds) < 3:
            raise ValidationError(self.get_help_text(), code="password_kinds")

    def get_help_text(self) -> str:
        """Return the rule."""
        return _("密码须含大写字母、小写字母、数字、其他字符中的至少三类。")


class NameValidator:
    """Refuse a password that contains the log-in name, forwards or backwards."""

    def validate(self, password: str, user: object = None) -> None:
        """Raise ValidationError when the name is part of the password."""
        name = user.username.casefold() if isinstance(user, User) else ""
        if name and (name in password.casefold() or name[::-1] in password.casefold()):
            raise ValidationError(self.get_help_text(), code="password_contains_name")

    def get_help_text(self) -> str:
        """Return the rule."""
        return _("密码不得包含登录名。")


class HistoryValidator:
    """Refuse the present password and the ones before it, five in all."""

    def validate(self, password: str, user: object = None) -> None:
        """Raise ValidationError when the user had this password lately."""
        if not isinstance(user, User) or user.pk is None:
            return
        old = PasswordHistory.objects.filter(user=user).values_list("password", flat=True)[:REMEMBERED]
        if any(check_password(password, encoded) for encoded in {user.password, *old}):
            raise ValidationError(self.get_help_text(), code="password_reused")

    def get_help_text(self) -> str:
        """Return the rule."""
        return _("密码不得与最近五次使用过的相同。")


def _kind(character: str) -> str:
    category = unicodedata.category(character)
    return category if category in {"Lu", "Ll", "Nd"} else "other"


def expired(user: User, at: datetime) -> bool:
    """Whether the user's password must be changed now. A user without a password has none to change."""
    return user.password_changed_at is not None and user.password_changed_at + LIFE <= at


def too_young(user: User, at: datetime) -> bool:
    """Whether the password was changed less than a day ago."""
    return user.password_changed_at is not None and at < user.password_changed_at + MINIMUM_AGE


@transaction.atomic
def change(actor: Actor, user: User, password: str, at: datetime) -> None:
    """Set a validated password, remember it, and write the act (never the password) into the ledger.

    Raises RefusedError for a user whose password is checked elsewhere.
    """
    if user.sign_in:
        raise RefusedError("password_elsewhere", _("您的密码由%(way)s管理，请在那里更改。") % {"way": user.get_sign_in_display()})
    user.set_password(password)
    user.password_changed_at = at
    write(actor, Event.USER_CHANGE, user, at=at, payload={"change": "password"})
    PasswordHistory.objects.create(user=user, password=user.password, set_at=at)
    stale = PasswordHistory.objects.filter(user=user).values_list("pk", flat=True)[REMEMBERED:]
    PasswordHistory.objects.filter(pk__in=list(stale)).delete()
