"""What a session may do and for how long: 15 minutes idle, 8 hours at most, one per user (GB/T 22239-2019 8.1.4.1 b).

The middleware also keeps a logged-in user at the one page that is due: a new password, or the second factor.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib import import_module

from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib import auth, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from anzhang import clock
from anzhang.directory import identity, passwords
from anzhang.directory.models import User
from anzhang.web import actors

IDLE = timedelta(minutes=15)
LONGEST = timedelta(hours=8)
NOTED_EVERY = timedelta(seconds=30)  # the last act is written at most this often
STARTED, SEEN, ENDED = "anzhang_started", "anzhang_seen", "anzhang_ended"
PLAIN, PLAIN_FOR = "anzhang_plain", timedelta(minutes=5)  # "needs no second factor" is looked up this often
ALWAYS = ("/account/logout/", "/static/", "/healthz")
PASSWORD_PAGES = ("/account/password/", "/account/reauthenticate/")
FACTOR_PAGES = ("/account/factors/", "/account/reauthenticate/")


class SessionLimits:
    """Middleware after authentication: end sessions that are over, and hold users at what is due."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        """Keep the next layer."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the request, unless the session is over or something else is due first."""
        now = clock.now()
        if isinstance(request.user, User):
            reason = over(request, request.user, now)
            if reason:
                return end(request, reason)
            keep(request, now)
            page = due(request, request.user, now)
            if page:
                return HttpResponseRedirect(page)
        elif ENDED in request.session:
            address = request.session.pop(ENDED)
            messages.warning(request, _("您的用户已在另一处（%(address)s）登录，本处的会话已结束。") % {"address": address})
        return self.get_response(request)


def begin(request: HttpRequest, now: datetime) -> None:
    """Start the session's clock and end the user's other sessions, telling both sides."""
    request.session[STARTED] = request.session[SEEN] = now.timestamp()
    engine = import_module(settings.SESSION_ENGINE)
    ended = 0
    for row in UserSession.objects.filter(user_id=request.user.pk).exclude(session_key=request.session.session_key):
        store = engine.SessionStore(row.session_key)
        if store.exists(row.session_key):
            # The old browser keeps a session that holds nothing but the notice.
            store.load()
            store.clear()
            store[ENDED] = actors.address_of(request)
            store.save(must_create=False)
            ended += 1
        row.delete()
    if ended:
        messages.warning(request, _("您在另一处的会话已结束；如果那不是您本人，请立即更改密码并报告。"))


def over(request: HttpRequest, user: User, now: datetime) -> str:
    """Return why the session has ended, or an empty string."""
    started, seen = _instant(request, STARTED, now), _instant(request, SEEN, now)
    if not identity.may_log_in(user, now):
        return _("该用户已停用。")
    if now - started >= LONGEST:
        return _("会话已满 8 小时，请重新登录。")
    if now - seen >= IDLE:
        return _("15 分钟没有操作，请重新登录。")
    return ""


def end(request: HttpRequest, reason: str) -> HttpResponseRedirect:
    """Log out and go to the log-in page, which says why and comes back."""
    wanted = request.get_full_path() if request.method == "GET" else "/"
    auth.logout(request)
    messages.warning(request, reason)
    return HttpResponseRedirect(f"{reverse('account_login')}?{urlencode({'next': wanted})}")


def keep(request: HttpRequest, now: datetime) -> None:
    """Note that the session is alive."""
    if STARTED not in request.session:
        request.session[STARTED] = now.timestamp()
    if now - _instant(request, SEEN, now) >= NOTED_EVERY or SEEN not in request.session:
        request.session[SEEN] = now.timestamp()


def due(request: HttpRequest, user: User, now: datetime) -> str:
    """Return the page that must be done before any other, or an empty string."""
    if request.path.startswith(ALWAYS):
        return ""
    if passwords.expired(user, now):
        return "" if request.path.startswith(PASSWORD_PAGES) else reverse("account_change_password")
    if request.path.startswith(FACTOR_PAGES) or actors.second_factor_at(request) is not None:
        return ""
    return _factor_page(request, user, now)


def _factor_page(request: HttpRequest, user: User, now: datetime) -> str:
    if now - _instant(request, PLAIN, now - PLAIN_FOR) < PLAIN_FOR:
        return ""
    if not actors.needs_second_factor(user, now):
        request.session[PLAIN] = now.timestamp()
        return ""
    if Authenticator.objects.filter(user=user).exclude(type=Authenticator.Type.RECOVERY_CODES).exists():
        return f"{reverse('account_reauthenticate')}?{urlencode({'next': request.path})}"
    return reverse("mfa_index")


def _instant(request: HttpRequest, key: str, default: datetime) -> datetime:
    stamp = request.session.get(key)
    return default if stamp is None else datetime.fromtimestamp(stamp, UTC)
