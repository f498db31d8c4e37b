"""Files beside rows on the REST face: given out to whoever sees the row, taken in and taken down by whoever writes the register."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from ninja import File, NinjaAPI, Schema, Status
from ninja.files import UploadedFile

from anzhang import clock
from anzhang.permissions import Actor
from anzhang.registers import attachments, rights
from anzhang.registers.declaration import Register
from anzhang.registers.models import Attachment
from anzhang.registers.rights import Sight
from anzhang.web import register_files

Offer = Callable[..., Callable[..., Any]]  # as `api._offer`
_BINARY = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
GIVEN_OUT = {"responses": {200: {"description": "The file, whole and as it was kept; `Content-Type` says what it is", "content": _BINARY}}}


class FileOut(Schema):
    """A file beside a row; `scanned_by` is empty where no virus scanner stood."""

    id: int
    name: str
    content_type: str
    size: int
    sha256: str
    scanned_by: str
    uploaded_by: str | None
    uploaded_at: datetime


def add(api: NinjaAPI, offer: Offer, register: Register) -> None:
    """Add the operations on the files of a register's rows; only a register with a form takes files in."""
    path, name = f"/registers/{register.id}/{{int:pk}}/files", register.id

    def files(request: HttpRequest, pk: int) -> list[dict[str, Any]]:
        return [_as_json(each) for each in attachments.of(register, _row(register, pk, _sight(request)))]

    def upload(request: HttpRequest, pk: int, file: File[UploadedFile]) -> Any:
        sight = _sight(request)
        row = _row(register, pk, sight)
        rights.require_write(register, sight.actor, sight.at)
        data, name = register_files.taken(file)
        return Status(201, _as_json(attachments.attach(sight.actor, register, row, data, name, at=sight.at)))

    def download(request: HttpRequest, pk: int, file: int) -> HttpResponse:
        return register_files.sent(_file(register, _row(register, pk, _sight(request)), file))

    def remove(request: HttpRequest, pk: int, file: int) -> Any:
        sight = _sight(request)
        row = _row(register, pk, sight)
        attachments.remove(sight.actor, register, row, _file(register, row, file), at=sight.at)
        return Status(204, None)

    offer(api.get, path, {200: list[FileOut]}, f"{name}_files", f"Files beside one {name}")(files)
    offer(api.get, path + "/{int:file}", {200: None}, f"{name}_file", f"A file beside one {name}", GIVEN_OUT)(download)
    if register.writable:
        offer(api.post, path, {201: FileOut}, f"{name}_file_add", f"Add a file to one {name}")(upload)
        offer(api.delete, path + "/{int:file}", {204: None}, f"{name}_file_remove", f"Take down a file of one {name}")(remove)


def _sight(request: HttpRequest) -> Sight:
    actor: Actor = request.auth  # type: ignore[attr-defined]  # set by ninja
    return Sight(actor, clock.now())


def _row(register: Register, pk: int, sight: Sight) -> Any:
    row = sight.rows(register).filter(pk=pk).first()
    if row is None:
        raise Http404(f"{register.id} {pk}")
    return row


def _file(register: Register, row: Any, file: int) -> Attachment:
    return register_files.file_or_404(register, row, file)


def _as_json(each: Attachment) -> dict[str, Any]:
    shown = {name: getattr(each, name) for name in ("name", "content_type", "size", "sha256", "scanned_by", "uploaded_at")}
    return {"id": each.pk, "uploaded_by": each.uploaded_by.username if each.uploaded_by else None, **shown}
