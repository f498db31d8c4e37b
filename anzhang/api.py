"""The REST face: every declared register, read and (plain ones) written through the same procedures as the pages.

Operations and schemas are made from the declarations, so OpenAPI (`/api/openapi.json`, pages at `/api/docs`) says what stands.
A bearer token or a browser session opens it; with a session a write needs the CSRF token. Errors are RFC 9457 problems.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any

import orjson
from django.db import models
from django.db.models import Field, ForeignKey, Model
from django.forms.models import ModelForm
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI, Query, Schema, Status
from ninja.errors import AuthenticationError, AuthorizationError, HttpError, ValidationError
from ninja.parser import Parser
from ninja.security import HttpBearer, SessionAuth
from pydantic import ConfigDict, StringConstraints, create_model

import anzhang
from anzhang import clock
from anzhang.directory import tokens
from anzhang.permissions import Actor, RefusedError
from anzhang.registers import forms, importing, listing, procedures, rights, values
from anzhang.registers.declaration import REGISTERS, Register
from anzhang.registers.rights import Sight
from anzhang.web.actors import actor_of

REFUSED: dict[str, int] = {
    "stale": 409,
    "version_conflict": 409,
    "writer_role_missing": 403,
    "foreign_unit": 403,
    "token_scope": 403,
    "not_permitted": 403,
    "register_is_read_only": 405,
    "too_many_wrong_tokens": 429,
}
PROBLEM = "application/problem+json"


class Token(HttpBearer):
    """A token that the security administrator issued; it reads, or writes plain registers, and never decides."""

    def authenticate(self, request: HttpRequest, token: str) -> Actor | None:  # `tokens` reads the header itself
        """Return the actor of the token."""
        return tokens.authenticate(request)


class Session(SessionAuth):
    """The person logged in in this browser; ninja asks for the CSRF token on writes."""

    def authenticate(self, request: HttpRequest, key: str | None) -> Actor | None:  # the session middleware read it
        """Return the actor of the session."""
        return actor_of(request) if request.user.is_authenticated else None


class StrictParser(Parser):
    """Read JSON as RFC 8259 has it: half a character (a lone surrogate) fits in no database and is refused with the body."""

    def parse_body(self, request: HttpRequest) -> Any:
        """Return the body; what is raised here becomes 400."""
        return orjson.loads(request.body)


api = NinjaAPI(title="anzhang", version=anzhang.__version__, auth=[Token(), Session()], urls_namespace="api", parser=StrictParser())


class Problem(Schema):
    """An error (RFC 9457): `code` is stable; `fields` names what is wrong where."""

    type: str = "about:blank"
    title: str
    status: int
    code: str
    detail: str = ""
    remedy: str = ""
    fields: dict[str, list[str]] = {}


class Described(Schema):
    """One register."""

    id: str
    title: str
    kind: str
    chapter: str
    articles: list[int]
    writable: bool
    changeable: bool


@api.get("/registers", response=list[Described], operation_id="registers", summary="Registers", tags=["registers"])
def describe(request: HttpRequest) -> list[Register]:  # noqa: ARG001  # ninja passes it
    """List the registers."""
    return list(REGISTERS.values())


def sight_of(request: HttpRequest) -> Sight:
    """Return what the caller sees now."""
    actor: Actor = request.auth  # type: ignore[attr-defined]  # set by ninja
    return Sight(actor, clock.now())


def as_json(register: Register, row: Model) -> dict[str, Any]:
    """Return a row as JSON: relations by code, days and instants in ISO form."""
    data = {name: values.raw(getattr(row, name)) for name in register.shown if name != "id"}
    return {"id": row.pk, "version": getattr(row, "version", None), **data}


def _add(register: Register) -> None:
    """Add the operations of one register."""
    row_schema, page_schema, query_schema = _schemas(register)
    tag, path = [register.id], f"/registers/{register.id}"

    def rows(request: HttpRequest, query: Any) -> dict[str, Any]:
        given = {name: str(value) for name, value in query.dict().items()}
        page = listing.page(register, listing.parse(register, given), sight_of(request), register.shown, exact=True)
        items = [as_json(register, row) for row in page.rows]
        return {"count": page.count, "page": page.query.page, "size": page.query.size, "items": items}

    rows.__annotations__["query"] = Query[query_schema]  # type: ignore[misc, valid-type]  # made at run time

    def row(request: HttpRequest, pk: int) -> dict[str, Any]:
        return as_json(register, _row(register, pk, sight_of(request)))

    options: dict[str, Any] = {"tags": tag}
    api.get(path, response={200: page_schema}, operation_id=f"{register.id}_rows", summary=f"Rows of {register.id}", **options)(rows)
    api.get(path + "/{int:pk}", response={200: row_schema}, operation_id=f"{register.id}_row", summary=f"One {register.id}", **options)(row)
    if register.writable:
        api.post(path, response={201: row_schema}, operation_id=f"{register.id}_create", summary=f"Create a {register.id}", **options)(
            _create(register)
        )
    if register.changeable:
        api.put(
            path + "/{int:pk}",
            response={200: row_schema},
            operation_id=f"{register.id}_change",
            summary=f"Change a {register.id}",
            **options,
        )(_change(register))


def _create(register: Register) -> Callable[..., Any]:
    def create(request: HttpRequest, body: Any) -> Any:
        sight = sight_of(request)
        rights.require_write(register, sight.actor, sight.at)
        form = forms.form_class(register, sight, changing=False)(forms.as_data(register, body.model_dump(mode="json", exclude_unset=True)))
        row = procedures.create(register, sight.actor, _cleaned(form), at=sight.at)
        return Status(201, as_json(register, row))

    create.__annotations__["body"] = _body(register, changing=False)
    return create


def _change(register: Register) -> Callable[..., Any]:
    def change(request: HttpRequest, pk: int, body: Any) -> dict[str, Any]:
        sight = sight_of(request)
        row = _row(register, pk, sight)
        rights.require_write(register, sight.actor, sight.at)
        data = forms.as_data(register, body.model_dump(mode="json", exclude_unset=True), row)
        form = forms.form_class(register, sight, changing=False)(data, instance=forms.copy_of(row))
        changed = procedures.change(register, sight.actor, row, _cleaned(form), at=sight.at, expected_version=body.version)
        return as_json(register, changed)

    change.__annotations__["body"] = _body(register, changing=True)
    return change


def _row(register: Register, pk: int, sight: Sight) -> Any:
    row = sight.rows(register).select_related(*register.relations(register.shown)).filter(pk=pk).first()
    if row is None:
        raise Http404(f"{register.id} {pk}")
    return row


class _BadFieldsError(Exception):
    """A body whose fields do not hold; `fields` maps names to messages."""

    def __init__(self, fields: dict[str, list[str]]) -> None:
        super().__init__("invalid")
        self.fields = fields


def _cleaned(form: ModelForm[Any]) -> dict[str, Any]:
    if not form.is_valid():
        raise _BadFieldsError({("" if name == "__all__" else name): [str(each) for each in errors] for name, errors in form.errors.items()})
    return form.cleaned_data


def _schemas(register: Register) -> tuple[type[Schema], type[Schema], type[Schema]]:
    name = register.model.__name__
    # Not required: a schema of a row says what may be there; Any for JSON columns.
    shown: dict[str, Any] = {each: (_type(register.field(each)) | None, None) for each in register.shown if each != "id"}
    row = create_model(f"{name}Row", __base__=Schema, id=(int, ...), version=(int | None, None), **shown)
    page = create_model(f"{name}Page", __base__=Schema, count=(int, ...), page=(int, ...), size=(int, ...), items=(list[row], ...))  # type: ignore[valid-type]
    filters: dict[str, Any] = {each.name: (str, "") for each in register.filters}
    query = create_model(
        f"{name}Query", __base__=Schema, q=(str, ""), sort=(str, ""), page=(int, 1), size=(int, listing.DEFAULT_SIZE), **filters
    )
    return row, page, query


def _body(register: Register, *, changing: bool) -> type[Schema]:
    fields: dict[str, Any] = {}
    for name in register.fields:
        needed = not changing and (name in register.key or importing.required(register, name))
        kind = _type(register.field(name))
        fields[name] = (kind, ...) if needed else (kind | None, None)
    if changing:
        fields["version"] = (int, ...)
    base = type("Strict", (Schema,), {"model_config": ConfigDict(extra="forbid")})
    return create_model(f"{register.model.__name__}{'Change' if changing else 'New'}", __base__=base, **fields)


_Text = Annotated[str, StringConstraints(max_length=2000)]
_TYPES: tuple[tuple[type[Field[Any, Any]], Any], ...] = (
    (ForeignKey, str),
    (models.DateTimeField, datetime),
    (models.DateField, date),
    (models.BooleanField, bool),
    (models.IntegerField, int),
    (models.FloatField, float),
    (models.DecimalField, Decimal),
    (models.JSONField, Any),
)


def _type(field: Field[Any, Any]) -> Any:
    return next((kind for model_field, kind in _TYPES if isinstance(field, model_field)), str)


def _problem(request: HttpRequest, status: int, code: str, title: str, **more: Any) -> HttpResponse:
    body = Problem(title=title, status=status, code=code, **more)
    response = api.create_response(request, body.dict(), status=status)
    response["Content-Type"] = PROBLEM
    if status == 401:  # RFC 9110: 401 names the scheme
        response["WWW-Authenticate"] = "Bearer"
    return response


@api.exception_handler(RefusedError)
def on_refused(request: HttpRequest, error: RefusedError) -> HttpResponse:
    """Answer a refusal of a procedure."""
    return _problem(request, REFUSED.get(error.code, 422), error.code, "refused", detail=error.message, remedy=error.remedy)


@api.exception_handler(_BadFieldsError)
def on_bad_fields(request: HttpRequest, error: _BadFieldsError) -> HttpResponse:
    """Answer a body whose values do not hold."""
    return _problem(request, 422, "invalid", "invalid fields", fields=error.fields)


@api.exception_handler(ValidationError)
def on_bad_shape(request: HttpRequest, error: ValidationError) -> HttpResponse:
    """Answer a request that does not fit its schema."""
    fields: dict[str, list[str]] = {}
    for each in error.errors:
        fields.setdefault(".".join(str(part) for part in each["loc"][1:]) or str(each["loc"][0]), []).append(str(each["msg"]))
    return _problem(request, 422, "invalid", "invalid request", fields=fields)


@api.exception_handler(listing.BadQueryError)
def on_bad_query(request: HttpRequest, error: listing.BadQueryError) -> HttpResponse:
    """Answer a query parameter that makes no sense."""
    return _problem(request, 422, "bad_query", "invalid query", detail=error.message, fields={error.name: [error.message]})


@api.exception_handler(Http404)
def on_missing(request: HttpRequest, error: Http404) -> HttpResponse:  # noqa: ARG001  # ninja passes it
    """Answer what is not there, or not visible."""
    return _problem(request, 404, "not_found", "not found")


@api.exception_handler(AuthenticationError)
def on_stranger(request: HttpRequest, error: AuthenticationError) -> HttpResponse:  # noqa: ARG001  # ninja passes it
    """Answer a caller without a valid token or session."""
    return _problem(request, 401, "login_needed", "authentication required")


@api.exception_handler(AuthorizationError)
def on_forbidden(request: HttpRequest, error: AuthorizationError) -> HttpResponse:  # noqa: ARG001  # ninja passes it
    """Answer a caller who may not."""
    return _problem(request, 403, "forbidden", "forbidden")


@api.exception_handler(HttpError)
def on_http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    """Answer malformed JSON and a failed CSRF check."""
    return _problem(request, error.status_code, "bad_request", str(error))


for _register in REGISTERS.values():
    _add(_register)
