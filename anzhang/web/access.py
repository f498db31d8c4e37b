"""Decorators of views: logged in, with a permission, with a fresh second factor."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.account.internal.flows.reauthentication import suspend_request
from allauth.mfa.models import Authenticator
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse

from anzhang.permissions import Permission
from anzhang.web import actors

View = Callable[..., HttpResponseBase]

login_needed = login_required  # anonymous: to the log-in page, which comes back here


def permission_needed(*permissions: Permission) -> Callable[[View], View]:
    """Let in only an administrator whose role carries one of the permissions; 403 for everybody else."""

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            actor = actors.actor_of(request)
            if not any(actor.may(permission) for permission in permissions):
                raise PermissionDenied
            return view(request, *args, **kwargs)

        return login_needed(guarded)

    return decorate


def second_factor_needed(view: View) -> View:
    """Ask for the second factor again when the session passed it more than 15 minutes ago, then carry on.

    Who has no factor yet is sent to enrol one.
    """

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if actors.stepped_up(request):
            return view(request, *args, **kwargs)
        types = set(Authenticator.objects.filter(user_id=request.user.pk).values_list("type", flat=True))
        if not types:
            page = "mfa_index"
        elif types & {Authenticator.Type.TOTP, Authenticator.Type.RECOVERY_CODES}:
            page = "mfa_reauthenticate"
        else:
            page = "mfa_reauthenticate_webauthn"
        response: HttpResponseBase = suspend_request(request, reverse(page))
        return response

    return login_needed(guarded)
