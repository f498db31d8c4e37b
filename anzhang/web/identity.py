"""Pages of one's own identity: log-in and factors (allauth's views), one-time links, the account page, command-line tickets."""

from __future__ import annotations

import ipaddress
from datetime import datetime
from typing import Any

from allauth.account import views as account
from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.login import perform_login, record_authentication
from allauth.account.models import Login
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.password_validation import password_validators_help_texts, validate_password
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import URLPattern, URLResolver, include, path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods

from anzhang import clock
from anzhang.directory import links, outside, passwords, tickets
from anzhang.directory.credentials import OneTimeLink
from anzhang.directory.models import User
from anzhang.permissions import RefusedError, Via
from anzhang.web import actors, outside_oidc
from anzhang.web.access import login_needed, second_factor_needed


class NewPasswordForm(forms.Form):
    """A new password, twice."""

    password1 = forms.CharField(
        label=gettext_lazy("新密码"), strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "new-password"})
    )
    password2 = forms.CharField(
        label=gettext_lazy("再输一次"), strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "new-password"})
    )

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        """Keep whose password it will be."""
        super().__init__(*args, **kwargs)
        self.user = user

    def clean_password1(self) -> str:
        """Ask every validator."""
        password: str = self.cleaned_data["password1"]
        validate_password(password, self.user)
        return password

    def clean(self) -> dict[str, Any]:
        """Compare the two."""
        cleaned = super().clean() or {}
        if cleaned.get("password1") and cleaned["password1"] != cleaned.get("password2"):
            self.add_error("password2", _("两次输入的密码不一致。"))
        return cleaned


@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def enter(request: HttpRequest, token: str) -> HttpResponseBase:
    """Let the holder of a one-time link in: the demo's at once, any other after a new password was set.

    Opening the page does not use the link up; only the POST does, so that link previews cost nothing.
    """
    now = clock.now()
    link = links.find(token, now)
    if link is None:
        return render(request, "account/link_gone.html", status=410)
    if link.purpose == OneTimeLink.Purpose.DEMO:
        return _enter_demo(request, link, now)
    form = NewPasswordForm(link.user, request.POST or None)
    if request.method == "POST" and form.is_valid():
        if not links.use(link, now):
            return render(request, "account/link_gone.html", status=410)
        passwords.change(tickets.actor_of_user(link.user, Via.BROWSER), link.user, form.cleaned_data["password1"], now)
        logout(request)
        record_authentication(request, link.user, method="link")
        response: HttpResponseBase = perform_login(request, Login(user=link.user))
        return response
    context = {"form": form, "owner": link.user, "rules": password_validators_help_texts(), "purpose": link.purpose}
    return render(request, "account/enter.html", context)


def _enter_demo(request: HttpRequest, link: OneTimeLink, now: datetime) -> HttpResponseBase:
    if not settings.HOME.is_demo or not ipaddress.ip_address(actors.address_of(request)).is_loopback or not links.use(link, now):
        return render(request, "account/link_gone.html", status=410)
    logout(request)
    adapter = get_adapter()
    adapter.login(request, link.user)
    actors.mark_second_factor(request.session, link.user, "demo", now)
    response: HttpResponseBase = adapter.post_login(
        request, link.user, email_verification="none", signal_kwargs=None, email=None, signup=False, redirect_url=None
    )
    return response


@login_needed
@require_GET
def own(request: HttpRequest) -> HttpResponse:
    """Show who one is here: unit, role, factors, the present session."""
    user = request.user
    now = clock.now()
    context = {
        "factors": Authenticator.objects.filter(user_id=user.pk),
        "sessions": UserSession.objects.filter(user_id=user.pk),
        "actor": actors.actor_of(request),
        "needed": isinstance(user, User) and actors.needs_second_factor(user, now),
        "password_until": user.password_changed_at + passwords.LIFE if isinstance(user, User) and user.password_changed_at else None,
        "second_factor_at": actors.second_factor_at(request),
    }
    return render(request, "account/own.html", context)


class EntranceView(account.LoginView):  # type: ignore[misc]
    """The log-in page; it offers the identity provider where there is one."""

    def get_context_data(self, **given: Any) -> dict[str, Any]:
        """Say what is configured."""
        home = settings.HOME
        ways = {"has_ldap": outside.has_ldap(home), "oidc_title": ""}
        if outside.has_oidc(home):
            ways["oidc_title"] = outside.oidc_title(home) or _("统一身份认证")
        context: dict[str, Any] = super().get_context_data(**given)
        return {**context, **ways}


@login_needed
@require_GET
def no_password(request: HttpRequest) -> HttpResponseBase:
    """Answer a user without password who asks to change it: it is set through a one-time link only, or not here at all."""
    if isinstance(request.user, User) and request.user.sign_in:
        way = request.user.get_sign_in_display()
        messages.warning(request, _("您的密码由%(way)s管理，请在那里更改。") % {"way": way})
    else:
        messages.warning(request, _("您尚无密码；请由系统管理员发起重置，凭一次性链接设置。"))
    return redirect("account")


@second_factor_needed
@require_http_methods(["GET", "POST"])
def command_line(request: HttpRequest) -> HttpResponseBase:
    """Confirm the code that `anzhang login` shows."""
    code = request.POST.get("code") or request.GET.get("code", "")
    if request.method == "POST":
        try:
            ticket = tickets.confirm(actors.actor_of(request), code, clock.now())
        except RefusedError as refusal:
            messages.error(request, f"{refusal.message}{refusal.remedy}")
        else:
            messages.success(request, _("已确认：终端 %(place)s 在 8 小时内以您的名义执行命令。") % {"place": ticket.place})
            return redirect("account")
    return render(request, "account/command_line.html", {"code": code})


urlpatterns: list[URLPattern | URLResolver] = [
    path("enter/<str:token>/", enter, name="enter"),
    path("account/", own, name="account"),
    path("account/login/", EntranceView.as_view(), name="account_login"),
    path("account/oidc/", outside_oidc.leave, name="oidc"),
    path("account/oidc/back/", outside_oidc.back, name="oidc_back"),
    path("account/logout/", account.logout, name="account_logout"),
    path("account/inactive/", account.account_inactive, name="account_inactive"),
    path("account/reauthenticate/", account.reauthenticate, name="account_reauthenticate"),
    path("account/password/", login_needed(account.password_change), name="account_change_password"),
    path("account/password/set/", no_password, name="account_set_password"),
    path("account/command-line/", command_line, name="command_line"),
    path("account/factors/", include("allauth.mfa.urls")),
]
