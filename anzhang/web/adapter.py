"""How allauth and axes are bent to the bureau: no sign-up, no mail, every log-in act in the ledger.

Signals of libraries are received here and nowhere else; they are the only way those two tell what happened.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.auth_backends import AuthenticationBackend
from allauth.account.forms import ChangePasswordForm
from allauth.account.internal.flows.login import get_authentication_records
from allauth.core.exceptions import ReauthenticationRequired
from allauth.mfa import signals as factor_signals
from allauth.mfa.models import Authenticator
from axes.signals import user_locked_out
from django.conf import settings
from django.contrib.auth.password_validation import password_validators_help_texts
from django.contrib.auth.signals import user_logged_out, user_login_failed
from django.core.exceptions import ValidationError
from django.db import transaction
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from anzhang import clock
from anzhang.directory import identity, passwords
from anzhang.directory.models import User
from anzhang.directory.tickets import actor_of_user
from anzhang.events import Event
from anzhang.journal.procedures import record
from anzhang.permissions import RefusedError, Via
from anzhang.web import actors, sessions

LDAP_NAME = "anzhang_ldap_name"  # session key: under which name the directory knows whoever logged in


class PasswordBackend(AuthenticationBackend):  # type: ignore[misc]
    """Check passwords; load the person with the user, because every page asks for both."""

    def get_user(self, user_id: int) -> User | None:
        """Return the active user of a session."""
        user = User.objects.select_related("person__unit").filter(pk=user_id).first()
        return user if user and user.is_active else None


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Log-in by name and password; users are made by two administrators, never by signing up."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Return false: there is no sign-up."""
        return False

    def authenticate(self, request: HttpRequest, **credentials: Any) -> User | None:
        """Return the user of a name and a password; tell somebody whom the directory knows but who may not come in why."""
        try:
            user: User | None = super().authenticate(request, **credentials)
        except RefusedError as refusal:
            note_refusal(request, refusal, str(credentials.get("username", "")))
            raise ValidationError(f"{refusal.message}{refusal.remedy}", code=refusal.code) from refusal
        return user

    def reauthenticate(self, user: User, password: str) -> bool:
        """Check the password again, where the first one was checked."""
        if user.sign_in != User.SignIn.LDAP:
            return bool(super().reauthenticate(user, password))
        name = self.request.session.get(LDAP_NAME, user.username)
        again = self.authenticate(self.request, username=name, password=password)
        return again is not None and again.pk == user.pk

    def pre_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse | None:
        """Turn away users who are inactive or have left."""
        if not identity.may_log_in(user, clock.now()):
            user.is_active = False  # not saved: allauth answers with its page for inactive users
        response: HttpResponse | None = super().pre_login(request, user, **kwargs)
        return response

    def post_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse:
        """Ledger the log-in, start the session's clock and end the user's other sessions."""
        now = clock.now()
        with transaction.atomic():
            mark = request.session.get(actors.SECOND_FACTOR) or {}
            payload = {"address": actors.address_of(request), "second_factor": mark.get("how", ""), "sign_in": user.sign_in or "password"}
            record(actors.actor_of(request), Event.USER_LOGIN, user, at=now, payload=payload)
        sessions.begin(request, now)
        response: HttpResponse = super().post_login(request, user, **kwargs)
        return response

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """Ask again before changes of factors: for the second factor where there is one, else for a log-in of this quarter of an hour."""
        if _has_factor(self.request.user):
            return not actors.stepped_up(self.request)
        user = self.request.user
        latest = self.request.session.get(sessions.STARTED, 0)
        elsewhere = user.is_authenticated and user.sign_in
        if elsewhere:
            # allauth asks nobody again who has no password here; so the answer of the directory is looked for by ourselves.
            records = get_authentication_records(self.request, user)
            latest = max([latest, *(record["at"] for record in records if record.get("reauthenticated"))])
        needed: bool = clock.now().timestamp() - latest >= actors.STEP_UP_WITHIN.total_seconds()
        if needed and elsewhere:
            raise ReauthenticationRequired
        return needed

    def get_reauthentication_methods(self, user: User) -> list[dict[str, Any]]:
        """Return the ways to prove oneself again: never the mere password for someone who has a factor."""
        methods: list[dict[str, Any]] = super().get_reauthentication_methods(user)
        if user.is_authenticated and user.sign_in:
            page = "account_reauthenticate" if user.sign_in == User.SignIn.LDAP else "oidc"
            methods.insert(0, {"id": "reauthenticate", "description": "", "url": reverse(page)})
        return [method for method in methods if method["id"] != "reauthenticate"] if _has_factor(user) else methods

    def set_password(self, user: User, password: str) -> None:
        """Set the password through the procedure that remembers and ledgers it."""
        passwords.change(actor_of_user(user, Via.BROWSER), _unwrapped(user), password, clock.now())

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        """Return to the user's own page."""
        return "/account/"


class PasswordForm(ChangePasswordForm):  # type: ignore[misc]
    """Changing the password: not twice a day; the page shows the rules and whether the change is due."""

    @property
    def rules(self) -> list[str]:
        """Return the rules in words."""
        return password_validators_help_texts()

    @property
    def expired(self) -> bool:
        """Whether the password has run out."""
        return passwords.expired(self.user, clock.now())

    def clean(self) -> dict[str, Any]:
        """Refuse a second change within a day."""
        cleaned: dict[str, Any] = super().clean()
        if passwords.too_young(self.user, clock.now()):
            self.add_error(None, _("距上次更改不足一天，暂不能再改；如怀疑泄露，请联系系统管理员重置。"))
        return cleaned


def axes_username(request: HttpRequest, credentials: dict[str, Any] | None) -> str:
    """Return the name that axes keeps: as typed for a known user, a digest for anything else (people type passwords there).

    Once a directory has said whose name it is, that user's: one person has one count, however the name is spelled.
    """
    found: str | None = getattr(request, "anzhang_login_name", None)
    if found:
        return found
    typed = str((credentials or {}).get("username") or request.POST.get("login", "")).strip()
    user = User.objects.filter(username__iexact=typed).first() if typed else None
    return user.username if user else identity.user_name_digest(typed)


def axes_address(request: HttpRequest) -> str:
    """Return the address that axes keeps."""
    return actors.address_of(request)


def locked_out(request: HttpRequest, *_details: object) -> HttpResponse:
    """Answer a locked-out log-in: 429 and what to do."""
    minutes = int(settings.AXES_COOLOFF_TIME.total_seconds() // 60)
    return render(request, "account/locked.html", {"minutes": minutes, "limit": settings.AXES_FAILURE_LIMIT}, status=429)


@receiver(user_login_failed)
def note_failure(request: HttpRequest | None = None, credentials: dict[str, Any] | None = None, **_kwargs: Any) -> None:
    """Ledger a failed log-in; while locked only the lock itself stands there, so that nobody fills the ledger from outside."""
    if request is None or getattr(request, "axes_locked_out", False):
        return
    _note(request, Event.USER_LOGIN_FAIL, axes_username(request, credentials), clock.now())


@receiver(user_locked_out)
def note_lock(request: HttpRequest, username: str, **_kwargs: Any) -> None:
    """Ledger the lock once, when it closes."""
    if request.axes_failures_since_start is not None:  # type: ignore[attr-defined]
        _note(request, Event.USER_LOCK, username, clock.now())


@receiver(factor_signals.authentication_failed)
def count_wrong_factor(request: HttpRequest, user: User, **_kwargs: Any) -> None:
    """Count a wrong code as a failed log-in, for lock and ledger."""
    user_login_failed.send(sender=__name__, request=request, credentials={"username": user.username})


@receiver(factor_signals.authenticator_used)
def mark_used_factor(request: HttpRequest, user: User, authenticator: Authenticator, **_kwargs: Any) -> None:
    """Note that this session has passed the second factor."""
    actors.mark_second_factor(request.session, user, authenticator.type, clock.now())


@receiver(factor_signals.authenticator_added)
@receiver(factor_signals.authenticator_reset)
def note_new_factor(request: HttpRequest, user: User, authenticator: Authenticator, **_kwargs: Any) -> None:
    """Ledger a new factor; enrolling proved it, so the session has passed it."""
    now = clock.now()
    if authenticator.type != Authenticator.Type.RECOVERY_CODES:
        actors.mark_second_factor(request.session, user, authenticator.type, now)
    _note_factor(request, Event.FACTOR_ADD, user, authenticator, now)


@receiver(factor_signals.authenticator_removed)
def note_removed_factor(request: HttpRequest, user: User, authenticator: Authenticator, **_kwargs: Any) -> None:
    """Ledger that a user took a factor away."""
    _note_factor(request, Event.FACTOR_RESET, user, authenticator, clock.now())


@receiver(user_logged_out)
def note_logout(request: HttpRequest, user: User | None, **_kwargs: Any) -> None:
    """Ledger the end of a session."""
    if user is not None:
        with transaction.atomic():
            actor = actor_of_user(user, Via.BROWSER, address=actors.address_of(request))
            record(actor, Event.USER_LOGOUT, _unwrapped(user), at=clock.now())


def note_refusal(request: HttpRequest, refusal: RefusedError, typed: str) -> None:
    """Ledger that somebody proved who they are elsewhere and was not let in; a directory that is down is no act of anybody."""
    if refusal.code in {"directory_unavailable", "oidc_unavailable"}:
        return
    payload = {"address": actors.address_of(request), "reason": refusal.code}
    identity.note(actors.anonymous(request), Event.USER_LOGIN_FAIL, axes_username(request, {"username": typed}), clock.now(), payload)


def _note(request: HttpRequest, act: Event, username: str, at: datetime) -> None:
    identity.note(actors.anonymous(request), act, username, at, {"address": actors.address_of(request)})


def _note_factor(request: HttpRequest, act: Event, user: User, authenticator: Authenticator, at: datetime) -> None:
    with transaction.atomic():
        payload = {"user": user.username, "type": authenticator.type}
        actor = actor_of_user(user, Via.BROWSER, address=actors.address_of(request))
        record(actor, act, ("second_factor", str(user.pk)), at=at, payload=payload)


def _unwrapped(user: User) -> User:
    """Return the row itself: `request.user` is a lazy stand-in, which the ledger cannot digest."""
    row: User = getattr(user, "_wrapped", user)
    return row


def _has_factor(user: Any) -> bool:
    return bool(user.is_authenticated and Authenticator.objects.filter(user_id=user.pk).exists())
