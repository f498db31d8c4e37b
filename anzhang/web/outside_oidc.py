"""Log-in through the bureau's identity provider: leave, come back, and pass the same doors as everybody else.

Nothing of it is loaded before somebody uses it. Every failure ends on a page that says in Chinese what to do; what the provider
wrote goes to the log only.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from allauth.account.internal.flows.login import perform_login, record_authentication
from allauth.account.models import Login
from allauth.core import ratelimit
from axes.handlers.proxy import AxesProxyHandler
from django.conf import settings
from django.contrib.auth import logout
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from anzhang import clock
from anzhang.directory import admission, outside
from anzhang.directory.models import User
from anzhang.home import Home, HomeError
from anzhang.permissions import RefusedError
from anzhang.web import actors
from anzhang.web.adapter import locked_out, note_refusal

if TYPE_CHECKING:
    from anzhang.directory.outside.oidc import OidcError

log = logging.getLogger(__name__)
NEXT = "anzhang_oidc_next"  # session key: where somebody wanted to go

# code of the failure: HTTP status, what to tell
FAILURES = {
    "unavailable": (503, gettext_lazy("统一身份认证暂时不能使用。请稍后再试；持续出现时请联系系统管理员。使用本地密码的用户不受影响。")),
    "denied": (403, gettext_lazy("您在统一身份认证处取消了登录，或者没有使用本平台的许可。如需许可，请联系统一身份认证的管理人员。")),
    "stale": (400, gettext_lazy("这次登录已过期，或者不是从本浏览器开始的。请返回登录页重新开始。")),
    "not_fresh": (403, gettext_lazy("统一身份认证没有要求您重新登录。请先在那里退出，再返回登录页重新开始；持续出现时请联系系统管理员。")),
    "claim": (403, gettext_lazy("统一身份认证没有给出您的工号。请联系统一身份认证的管理人员补正。")),
    "refused": (400, gettext_lazy("统一身份认证的答复未通过核验，没有登录。请返回登录页重新开始；持续出现时请联系系统管理员。")),
}


@never_cache
@require_GET
def leave(request: HttpRequest) -> HttpResponseBase:
    """Send the browser to the provider. A link, not a form: the page's policy lets forms go to this site only."""
    provider = _provider_or_404()
    response: HttpResponseBase | None = ratelimit.consume_or_429(request, action="login")
    if response is not None:
        return response
    from anzhang.directory.outside import oidc

    wanted = request.GET.get("next", "")
    request.session[NEXT] = wanted if _is_ours(request, wanted) else ""
    try:
        return oidc.send(request, outside.oidc_settings(provider), request.build_absolute_uri(reverse("oidc_back")))
    except (oidc.OidcError, HomeError) as error:
        return _failed(request, error)


@never_cache
@require_GET
def back(request: HttpRequest) -> HttpResponseBase:
    """Let whoever comes back from the provider in, when every check agrees; the second factor follows as for a password."""
    provider = _provider_or_404()
    from anzhang.directory.outside import oidc

    try:
        configured = outside.oidc_settings(provider)
        value = oidc.receive(request, configured)
    except (oidc.OidcError, HomeError) as error:
        return _failed(request, error)
    return _admit(request, configured.people.get(value, value), needs_post=configured.require_post)


def _admit(request: HttpRequest, code: str, *, needs_post: bool) -> HttpResponseBase:
    now = clock.now()
    known = admission.user_of([code])
    if known is not None:
        request.anzhang_login_name = known.username  # type: ignore[attr-defined]
        if not AxesProxyHandler.is_allowed(request, {"username": known.username}):
            return locked_out(request)
    try:
        user = admission.admit(User.SignIn.OIDC, [code], now, needs_post=needs_post and not actors.is_officer(known, now))
    except RefusedError as refusal:
        note_refusal(request, refusal, code)
        return _page(request, 403, f"{refusal.message}{refusal.remedy}")
    wanted = request.session.pop(NEXT, "")
    logout(request)
    record_authentication(request, user, method="oidc")
    response: HttpResponseBase = perform_login(request, Login(user=user, redirect_url=wanted if _is_ours(request, wanted) else None))
    return response


def _provider_or_404() -> Home:
    if not outside.has_oidc(settings.HOME):
        raise Http404
    home: Home = settings.HOME
    return home


def _is_ours(request: HttpRequest, address: str) -> bool:
    return url_has_allowed_host_and_scheme(address, allowed_hosts={request.get_host()}, require_https=request.is_secure())


def _failed(request: HttpRequest, error: OidcError | HomeError) -> HttpResponse:
    code = getattr(error, "code", "unavailable")
    log.warning("log-in through the identity provider: %s: %s", code, error)
    status, text = FAILURES[code]
    return _page(request, status, str(text))


def _page(request: HttpRequest, status: int, text: str) -> HttpResponse:
    return render(request, "account/outside_failed.html", {"text": text, "title": _("没有登录")}, status=status)
