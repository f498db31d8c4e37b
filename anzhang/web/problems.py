"""Errors of the REST face as RFC 9457 problems: one shape, stable codes, the same for every operation."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI, Schema
from ninja.errors import AuthenticationError, AuthorizationError, HttpError, ValidationError

from anzhang.permissions import RefusedError
from anzhang.registers import listing

REFUSED: dict[str, int] = {
    "stale": 409,
    "version_conflict": 409,
    "writer_role_missing": 403,
    "foreign_unit": 403,
    "token_scope": 403,
    "not_permitted": 403,
    "register_is_read_only": 405,
    "file_damaged": 409,
    "file_removed": 409,
    "file_unscanned": 409,
    "too_many_wrong_tokens": 429,
}
PROBLEM = "application/problem+json"


class Problem(Schema):
    """An error (RFC 9457): `code` is stable; `fields` names what is wrong where."""

    type: str = "about:blank"
    title: str
    status: int
    code: str
    detail: str = ""
    remedy: str = ""
    fields: dict[str, list[str]] = {}


PROBLEMS: dict[Any, Any] = {frozenset({400, 401, 403, 404, 409, 422, 429}): Problem}


class BadFieldsError(Exception):
    """A body whose fields do not hold; `fields` maps names to messages."""

    def __init__(self, fields: dict[str, list[str]]) -> None:
        """Keep the fields."""
        super().__init__("invalid")
        self.fields = fields


def _problem(api: NinjaAPI, request: HttpRequest, status: int, code: str, title: str, **more: Any) -> HttpResponse:
    body = Problem(title=title, status=status, code=code, **more)
    response = api.create_response(request, body.dict(), status=status)
    response["Content-Type"] = PROBLEM
    if status == 401:  # RFC 9110: 401 names the scheme
        response["WWW-Authenticate"] = "Bearer"
    return response


def on_refused(api: NinjaAPI, request: HttpRequest, error: RefusedError) -> HttpResponse:
    """Answer a refusal of a procedure."""
    return _problem(api, request, REFUSED.get(error.code, 422), error.code, "refused", detail=error.message, remedy=error.remedy)


def on_bad_fields(api: NinjaAPI, request: HttpRequest, error: BadFieldsError) -> HttpResponse:
    """Answer a body whose values do not hold."""
    return _problem(api, request, 422, "invalid", "invalid fields", fields=error.fields)


def on_bad_shape(api: NinjaAPI, request: HttpRequest, error: ValidationError) -> HttpResponse:
    """Answer a request that does not fit its schema."""
    fields: dict[str, list[str]] = {}
    for each in error.errors:
        fields.setdefault(".".join(str(part) for part in each["loc"][1:]) or str(each["loc"][0]), []).append(str(each["msg"]))
    return _problem(api, request, 422, "invalid", "invalid request", fields=fields)


def on_bad_query(api: NinjaAPI, request: HttpRequest, error: listing.BadQueryError) -> HttpResponse:
    """Answer a query parameter that makes no sense."""
    return _problem(api, request, 422, "bad_query", "invalid query", detail=error.message, fields={error.name: [error.message]})


def on_missing(api: NinjaAPI, request: HttpRequest, error: Exception | None = None) -> HttpResponse:  # noqa: ARG001  # all have one form
    """Answer what is not there, or not visible."""
    return _problem(api, request, 404, "not_found", "not found")


def on_stranger(api: NinjaAPI, request: HttpRequest, error: Exception | None = None) -> HttpResponse:  # noqa: ARG001  # all have one form
    """Answer a caller without a valid token or session."""
    return _problem(api, request, 401, "login_needed", "authentication required")


def on_forbidden(api: NinjaAPI, request: HttpRequest, error: Exception | None = None) -> HttpResponse:  # noqa: ARG001  # all have one form
    """Answer a caller who may not."""
    return _problem(api, request, 403, "forbidden", "forbidden")


def on_http_error(api: NinjaAPI, request: HttpRequest, error: HttpError) -> HttpResponse:
    """Answer malformed JSON and a failed CSRF check."""
    return _problem(api, request, error.status_code, "bad_request", str(error))


def install(api: NinjaAPI) -> None:
    """Let an API answer its errors so."""
    for kind, handler in _HANDLERS.items():
        api.add_exception_handler(kind, partial(handler, api))


_HANDLERS: dict[type[Exception], Any] = {
    RefusedError: on_refused,
    BadFieldsError: on_bad_fields,
    ValidationError: on_bad_shape,
    listing.BadQueryError: on_bad_query,
    Http404: on_missing,
    AuthenticationError: on_stranger,
    AuthorizationError: on_forbidden,
    HttpError: on_http_error,
}
