"""Where a refusal of a procedure becomes a page; views need not catch it unless they can say more."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from anzhang.permissions import RefusedError
from anzhang.web import errors


class RefusalMiddleware:
    """Answer a RefusedError that a view lets through with its message and remedy, status 409."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        """Keep the rest of the chain."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Pass on."""
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Turn a refusal into its page; leave everything else to Django."""
        return errors.refused(request, exception) if isinstance(exception, RefusedError) else None
