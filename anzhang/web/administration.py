"""Pages of the three administrators. Each page belongs to one of them; the procedures refuse the others once more.

System administrator: users. Security administrator: confirmations, locks, tokens. Auditor: everything to read, nothing to change.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from anzhang import clock
from anzhang.directory import identity, tokens
from anzhang.directory.credentials import ApiToken, IdentityRequest
from anzhang.directory.models import User
from anzhang.journal import sequencer
from anzhang.journal.models import Entry
from anzhang.permissions import Actor, Permission, RefusedError
from anzhang.web import actors
from anzhang.web.access import permission_needed, second_factor_needed
from anzhang.web.administration_forms import ROLES, AccountForm, TokenForm, other_ways, ways_to_sign_in
from anzhang.web.asked import typed


def _refused(request: HttpRequest, act: Callable[[], Any]) -> bool:
    """Run an act; say why on the next page when it is refused."""
    try:
        act()
    except RefusedError as refusal:
        messages.error(request, f"{refusal.message}{refusal.remedy}")
        return True
    return False


@permission_needed(Permission.ACCOUNTS_MANAGE, Permission.ACCOUNTS_CONFIRM, Permission.AUDIT_READ)
@require_GET
def index(request: HttpRequest) -> HttpResponse:
    """Go to the first page of the administrator's own."""
    actor = actors.actor_of(request)
    if actor.may(Permission.ACCOUNTS_MANAGE):
        return redirect("administration_users")
    return redirect("administration_confirmations" if actor.may(Permission.ACCOUNTS_CONFIRM) else "administration_audit")


@permission_needed(Permission.ACCOUNTS_MANAGE)
@require_GET
def users(request: HttpRequest) -> HttpResponse:
    """List the users, found by name or code."""
    wanted = typed(request, "q")
    rows = User.objects.select_related("person__unit").order_by("username")
    if wanted:
        rows = rows.filter(username__holds=wanted) | rows.filter(person__name__holds=wanted) | rows.filter(person__code=wanted)
    waiting = IdentityRequest.objects.filter(state=IdentityRequest.State.WAITING).select_related("user", "started_by")
    return render(request, "administration/users.html", {"users": rows[:200], "q": wanted, "waiting": waiting, "roles": dict(ROLES)})


@permission_needed(Permission.ACCOUNTS_MANAGE)
@second_factor_needed
@require_http_methods(["GET", "POST"])
def new_user(request: HttpRequest) -> HttpResponseBase:
    """Start a new user; the security administrator confirms it."""
    form = AccountForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        given, actor = form.cleaned_data, actors.actor_of(request)

        def act() -> None:
            identity.request_account(
                actor, given["person"], given["username"], given["administrator"], given["reason"], clock.now(), given.get("sign_in")
            )

        if not _refused(request, act):
            messages.success(request, _("已提交，待安全管理员确认。"))
            return redirect("administration_users")
    return render(request, "administration/new_user.html", {"form": form})


@permission_needed(Permission.ACCOUNTS_MANAGE)
@second_factor_needed
@never_cache
@require_http_methods(["GET", "POST"])
def user(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Show one user; start a reset or a return, deactivate, or issue an expired link again."""
    subject = get_object_or_404(User.objects.select_related("person__unit"), pk=pk)
    actor, now = actors.actor_of(request), clock.now()
    if request.method == "POST":
        action, reason = request.POST.get("action", ""), request.POST.get("reason", "").strip()
        if action == "link":
            made: list[str] = []
            if not _refused(request, lambda: made.append(identity.reissue_link(actor, subject, now))):
                return _show_link(request, subject, made[0])
            return redirect("administration_user", pk=pk)
        verbs: dict[str, Callable[..., Any]] = {
            "reset": identity.request_reset,
            "reactivate": identity.request_reactivation,
            "deactivate": identity.deactivate,
            **{f"to_{way or 'password'}": partial(_request_sign_in, way) for way, _title in ways_to_sign_in()},
        }
        if action not in verbs or not reason:
            messages.error(request, _("请填写理由。"))
        elif not _refused(request, lambda: verbs[action](actor, subject, reason, now)):
            messages.success(request, _("已停用。") if action == "deactivate" else _("已提交，待安全管理员确认。"))
        return redirect("administration_user", pk=pk)
    context = {
        "subject": subject,
        "requests": IdentityRequest.objects.filter(user=subject).select_related("started_by", "decided_by"),
        "roles": dict(ROLES),
        "ways": [] if subject.administrator else other_ways(subject),
    }
    return render(request, "administration/user.html", context)


def _request_sign_in(way: str, actor: Actor, subject: User, reason: str, at: datetime) -> IdentityRequest:
    return identity.request_sign_in(actor, subject, way, reason, at)


@permission_needed(Permission.ACCOUNTS_CONFIRM)
@require_GET
def confirmations(request: HttpRequest) -> HttpResponse:
    """List what the system administrators started."""
    rows = IdentityRequest.objects.select_related("user__person__unit", "started_by", "decided_by")
    waiting = rows.filter(state=IdentityRequest.State.WAITING)
    decided = rows.exclude(state=IdentityRequest.State.WAITING)[:50]
    return render(request, "administration/confirmations.html", {"waiting": waiting, "decided": decided, "roles": dict(ROLES)})


@permission_needed(Permission.ACCOUNTS_CONFIRM)
@second_factor_needed
@never_cache
@require_POST
def decide(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Confirm or refuse a request; a confirmed one shows the person's link, once."""
    asked = get_object_or_404(IdentityRequest.objects.select_related("user"), pk=pk)
    actor, now = actors.actor_of(request), clock.now()
    if request.POST.get("decision") == "confirm":
        made: list[str] = []
        if not _refused(request, lambda: made.append(identity.confirm(actor, asked, now))):
            if made[0]:
                return _show_link(request, asked.user, made[0])
            messages.success(request, _("已确认；该用户的密码由单位目录或统一身份认证管理，不用一次性链接。"))
    elif not _refused(request, lambda: identity.refuse(actor, asked, now)):
        messages.success(request, _("已否决。"))
    return redirect("administration_confirmations")


@permission_needed(Permission.LOCKOUT_RELEASE)
@second_factor_needed
@require_http_methods(["GET", "POST"])
def locks(request: HttpRequest) -> HttpResponseBase:
    """List the locked log-in names and release one."""
    if request.method == "POST":
        name, actor = request.POST.get("username", "").replace("\x00", ""), actors.actor_of(request)
        if not _refused(request, lambda: identity.unlock(actor, name, clock.now())):
            messages.success(request, _("已解锁。"))
        return redirect("administration_locks")
    return render(request, "administration/locks.html", {"locks": identity.locked(timezone.now())})


@permission_needed(Permission.TOKENS_MANAGE)
@require_GET
def token_list(request: HttpRequest) -> HttpResponse:
    """List the tokens, the live ones first."""
    rows = ApiToken.objects.select_related("user", "unit", "issued_by").order_by("revoked_at", "-issued_at")[:200]
    return render(request, "administration/tokens.html", {"tokens": rows, "now": clock.now()})


@permission_needed(Permission.TOKENS_MANAGE)
@second_factor_needed
@never_cache
@require_http_methods(["GET", "POST"])
def new_token(request: HttpRequest) -> HttpResponseBase:
    """Issue a token and show its text, once."""
    form = TokenForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        actor, made = actors.actor_of(request), []
        if not _refused(request, lambda: made.append(tokens.issue(actor, **form.cleaned_data, at=clock.now()))):
            token, text = made[0]
            return render(request, "administration/token_once.html", {"token": token, "text": text})
    return render(request, "administration/new_token.html", {"form": form})


@permission_needed(Permission.TOKENS_MANAGE)
@second_factor_needed
@require_POST
def revoke_token(request: HttpRequest, pk: int) -> HttpResponseBase:
    """End a token now."""
    token, actor = get_object_or_404(ApiToken, pk=pk), actors.actor_of(request)
    if not _refused(request, lambda: tokens.revoke(actor, token, clock.now())):
        messages.success(request, _("已吊销。"))
    return redirect("administration_tokens")


@permission_needed(Permission.AUDIT_READ)
@require_GET
def audit(request: HttpRequest) -> HttpResponse:
    """Show the auditor what the other two did: users, requests, locks, tokens, command-line acts, log-ins."""
    now = clock.now()
    sequencer.settle()
    context = {
        "users": User.objects.select_related("person__unit").exclude(administrator="")[:50],
        "requests": IdentityRequest.objects.select_related("user", "started_by", "decided_by")[:50],
        "locks": identity.locked(timezone.now()),
        "tokens": ApiToken.objects.select_related("user", "unit", "issued_by").filter(revoked_at=None, expires_at__gt=now)[:50],
        "entries": Entry.objects.filter(act__startswith="identity:", at__gt=now - timedelta(days=30)).order_by("-index")[:100],
        "os_entries": Entry.objects.filter(actor__startswith="os:").order_by("-index")[:50],
        "roles": dict(ROLES),
    }
    return render(request, "administration/audit.html", context)


def _show_link(request: HttpRequest, subject: User, link: str) -> HttpResponse:
    return render(request, "administration/link_once.html", {"subject": subject, "link": request.build_absolute_uri(link)})


urlpatterns: list[URLPattern] = [
    path("administration/", index, name="administration"),
    path("administration/users/", users, name="administration_users"),
    path("administration/users/new/", new_user, name="administration_new_user"),
    path("administration/users/<int:pk>/", user, name="administration_user"),
    path("administration/confirmations/", confirmations, name="administration_confirmations"),
    path("administration/confirmations/<int:pk>/", decide, name="administration_decide"),
    path("administration/locks/", locks, name="administration_locks"),
    path("administration/tokens/", token_list, name="administration_tokens"),
    path("administration/tokens/new/", new_token, name="administration_new_token"),
    path("administration/tokens/<int:pk>/revoke/", revoke_token, name="administration_revoke_token"),
    path("administration/audit/", audit, name="administration_audit"),
]
