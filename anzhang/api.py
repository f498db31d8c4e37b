"""The REST face: every declared register, read and (plain ones) written through the same procedures as the pages.

Operations and schemas are made from the declarations, so OpenAPI (`/api/openapi.json`, pages at `/api/docs`) says what stands.
A bearer token or a browser session opens it; with a session a write needs the CSRF token. Errors are RFC 9457 problems.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from functools import wraps
from http import HTTPStatus
from typing import Annotated, Any

import orjson
from django.db import models
from django.db.models import Field, ForeignKey, Model
from django.forms.models import ModelForm
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI, Query, Schema, Status
from ninja.parser import Parser
from ninja.security import HttpBearer, SessionAuth
from pydantic import ConfigDict, StringConstraints, create_model
from pydantic import Field as ValueField

import anzhang
from anzhang import clock
from anzhang.directory import tokens
from anzhang.permissions import Actor, RefusedError
from anzhang.registers import forms, history, listing, procedures, reading, rights, values
from anzhang.registers.declaration import REGISTERS, Register
from anzhang.registers.filters import instants, moment
from anzhang.registers.rights import Sight
from anzhang.web import problems, rest, rest_configs, rest_files, rest_posture
from anzhang.web.actors import actor_of

_LARGEST = 2**63 - 1


class Token(HttpBearer):
    """A token that the security administrator issued; it reads, or writes plain registers, and never decides."""

    def authenticate(self, request: HttpRequest, token: str) -> Actor | None:  # `tokens` reads the header itself
        """Return the actor of the token; its scope is asked for the part of the API that the address names."""
        parts = request.path.removeprefix("/api/").split("/")
        return tokens.authenticate(request, parts[1] if parts[0] == "registers" and len(parts) > 1 else parts[0])


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


def _known(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Show the description to whoever is logged in or holds a token that reads."""

    @wraps(view)
    def shown(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            known = request.user.is_authenticated or tokens.authenticate(request) is not None
        except RefusedError as error:
            return problems.on_refused(api, request, error)
        return view(request, *args, **kwargs) if known else problems.on_stranger(api, request)

    return shown


class Api(NinjaAPI):
    """The REST face; its description says that errors are problems."""

    _description: Any = None

    def get_openapi_schema(self, *args: Any, **kwargs: Any) -> Any:
        """Return the description of every operation; made once, for it takes seconds and every operation stands after the import."""
        if self._description is None:
            self._description = self._described(super().get_openapi_schema(*args, **kwargs))
        return self._description

    def _described(self, schema: Any) -> Any:
        for operations in schema["paths"].values():
            for operation in operations.values():
                for status, answer in operation["responses"].items():
                    if int(status) >= HTTPStatus.BAD_REQUEST and "application/json" in answer.get("content", {}):
                        answer["content"] = {problems.PROBLEM: answer["content"]["application/json"]}
        return schema


api = Api(
    title="anzhang", version=anzhang.__version__, auth=[Token(), Session()], urls_namespace="api", parser=StrictParser(),
    description="Registers, cases, findings and verdicts. A token reads, or writes plain registers; it never decides.",
    docs_decorator=_known,
)  # fmt: skip


class Described(Schema):
    """One register."""

    id: str
    title: str
    kind: str
    chapter: str
    articles: list[int]
    writable: bool
    changeable: bool


@api.get(
    "/registers", response={200: list[Described], **problems.PROBLEMS}, operation_id="registers", summary="Registers", tags=["registers"]
)
def describe(request: HttpRequest) -> list[Register]:  # noqa: ARG001  # ninja passes it
    """List the registers."""
    return list(REGISTERS.values())


class RevisedQuery(Schema):
    """Which version: the one that stood at an instant (`2026-11-24T09:30` in Beijing, or the end of a day); empty: all."""

    as_of: Annotated[str, StringConstraints(max_length=40)] = ""


class Revised(Schema):
    """A row as it stood from a ledger entry on, newest first; `exact` is false where an older act did not say what it changed."""

    index: int
    at: datetime
    act: str
    actor: str
    exact: bool
    values: dict[str, Any]


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
    path = f"/registers/{register.id}"

    def rows(request: HttpRequest, query: Any) -> dict[str, Any]:
        given = {name: str(value) for name, value in query.dict().items() if value is not None}
        if query.after is not None:
            return _walk(register, given, query.after, sight_of(request))
        page = listing.page(register, listing.parse(register, given), sight_of(request), register.shown, exact=True)
        items = [as_json(register, row) for row in page.rows]
        return {"count": page.count, "page": page.query.page, "size": page.query.size, "items": items}

    rows.__annotations__["query"] = Query[query_schema]  # type: ignore[misc, valid-type]  # made at run time

    def row(request: HttpRequest, pk: int) -> dict[str, Any]:
        return as_json(register, _row(register, pk, sight_of(request)))

    _offer(api.get, path, {200: page_schema}, f"{register.id}_rows", f"Rows of {register.id}")(rows)
    _offer(api.get, path + "/{int:pk}", {200: row_schema}, f"{register.id}_row", f"One {register.id}")(row)
    _offer(api.get, path + "/{int:pk}/revisions", {200: list[Revised]}, f"{register.id}_revisions", f"Versions of one {register.id}")(
        _revisions(register)
    )
    rest_files.add(api, _offer, register)
    if register.writable:
        _offer(api.post, path, {201: row_schema}, f"{register.id}_create", f"Create a {register.id}")(_create(register))
    if register.changeable:
        _offer(api.put, path + "/{int:pk}", {200: row_schema}, f"{register.id}_change", f"Change a {register.id}")(_change(register))


def _offer(
    method: Callable[..., Any], path: str, answers: dict[int, Any], name: str, summary: str, extra: dict[str, Any] | None = None
) -> Callable[..., Any]:
    """Add an operation of a register under its tag; every one may answer a problem."""
    tag = path.split("/")[2]
    made: Callable[..., Any] = method(
        path, response={**answers, **problems.PROBLEMS}, operation_id=name, summary=summary, tags=[tag], openapi_extra=extra
    )
    return made


def _revisions(register: Register) -> Callable[..., Any]:
    def revisions(request: HttpRequest, pk: int, query: Query[RevisedQuery]) -> list[dict[str, Any]]:
        found = history.versions(register, _row(register, pk, sight_of(request)))
        if query.as_of:
            try:
                stood = history.as_of(found, moment(query.as_of))
            except ValueError as error:
                raise listing.BadQueryError("as_of", str(error)) from error
            found = [stood] if stood else []
        return [{name: getattr(each, name) for name in ("index", "at", "act", "actor", "exact", "values")} for each in found]

    return revisions


def _walk(register: Register, given: dict[str, str], after: int, sight: Sight) -> dict[str, Any]:
    """Return the rows whose key follows `after`, in the order of their keys: nothing is skipped while rows are added."""
    query = listing.parse(register, given | {"sort": "", "page": "1"})
    found = listing.select(register, query, sight).select_related(*register.relations(register.shown))
    rows = list(found.filter(pk__gt=after).order_by("pk")[: query.size + 1])
    items = [as_json(register, row) for row in rows[: query.size]]
    return {"size": query.size, "items": items, "next": items[-1]["id"] if len(rows) > query.size else None}


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


def _cleaned(form: ModelForm[Any]) -> dict[str, Any]:
    if not form.is_valid():
        raise problems.BadFieldsError(
            {("" if name == "__all__" else name): [str(each) for each in errors] for name, errors in form.errors.items()}
        )
    return form.cleaned_data


def _schemas(register: Register) -> tuple[type[Schema], type[Schema], type[Schema]]:
    name = register.model.__name__
    # Not required: a schema of a row says what may be there; Any for JSON columns.
    shown: dict[str, Any] = {each: (_type(register.field(each)) | None, None) for each in register.shown if each != "id"}
    row = create_model(f"{name}Row", __base__=Schema, id=(int, ...), version=(int | None, None), **shown)
    page = create_model(
        f"{name}Page", __base__=Schema, count=(int | None, None), page=(int | None, None), size=(int, ...), items=(list[row], ...),  # type: ignore[valid-type]
        next=(int | None, ValueField(None, description="`after` of the next call; null at the end or when pages are numbered")),
    )  # fmt: skip
    filters: dict[str, Any] = {each.name: (str, "") for each in (*register.filters, *instants(register.model))}
    query = create_model(
        f"{name}Query", __base__=Schema, q=(str, ""), sort=(str, ""), page=(int, 1), size=(int, listing.DEFAULT_SIZE),
        after=(int | None, ValueField(None, ge=0, le=_LARGEST, description="walk by key from here on, 0 to begin; not with sort and page")),
        **filters,
    )  # fmt: skip
    return row, page, query


def _body(register: Register, *, changing: bool) -> type[Schema]:
    fields: dict[str, Any] = {}
    for name in register.fields:
        needed = not changing and (name in register.key or reading.required(register, name))
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


problems.install(api)
for _register in REGISTERS.values():
    _add(_register)
api.add_router("", rest.router)
api.add_router("", rest_configs.router)
api.add_router("", rest_posture.router)
