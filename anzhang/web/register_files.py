"""Files beside a row: upload, download, take down. Whoever sees the row sees its files; whoever writes it may add some."""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import quote

from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from anzhang.permissions import RefusedError
from anzhang.registers import attachments, rights
from anzhang.registers.models import Attachment
from anzhang.web.access import login_needed
from anzhang.web.registers import register_or_404, row_or_404, sight_of

log = logging.getLogger("anzhang.attachments")


@require_POST
@login_needed
def add(request: HttpRequest, register_id: str, pk: int) -> HttpResponse:
    """Keep an uploaded file beside a row."""
    register, sight = register_or_404(register_id), sight_of(request)
    row = row_or_404(register, pk, sight)
    rights.require_write(register, sight.actor, sight.at)
    data, name = taken(request.FILES.get("file"))
    kept = attachments.attach(sight.actor, register, row, data, name, at=sight.at)
    messages.success(request, _("已上传“%s”。") % kept.name)
    return redirect("register_row", register.id, pk)


def taken(upload: UploadedFile[Any] | None) -> tuple[bytes, str]:
    """Return an upload's content and name; one that is too large is refused before it is read. Raises RefusedError."""
    if upload is None:
        raise RefusedError("file_missing", _("请选择文件。"))
    if (upload.size or 0) > attachments.MAX_BYTES:
        raise RefusedError("file_too_large", _("文件超过 %d MB。") % (attachments.MAX_BYTES // 2**20), _("压缩或拆分后再上传。"))
    return upload.read(), upload.name or ""


@require_GET
@login_needed
def download(request: HttpRequest, register_id: str, pk: int, file: int) -> HttpResponse:
    """Send a file as a download, never to be shown by the browser itself."""
    register, sight = register_or_404(register_id), sight_of(request)
    found = file_or_404(register, row_or_404(register, pk, sight), file)
    return sent(found)


def sent(found: Attachment) -> HttpResponse:
    """Return a kept file as a download."""
    try:
        body = attachments.read(found)
    except attachments.DamagedError as error:
        log.exception("attachment %s", found.pk)
        raise RefusedError("file_damaged", _("附件与存证不符，不予下载。"), _("请系统管理员从备份中恢复。")) from error
    response = HttpResponse(body, content_type=found.content_type)
    response["Content-Disposition"] = f"attachment; filename=\"file{found.pk}\"; filename*=UTF-8''{quote(found.name, safe='')}"
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "private, no-store"
    return response


@require_POST
@login_needed
def remove(request: HttpRequest, register_id: str, pk: int, file: int) -> HttpResponse:
    """Take a file down."""
    register, sight = register_or_404(register_id), sight_of(request)
    row = row_or_404(register, pk, sight)
    found = file_or_404(register, row, file)
    attachments.remove(sight.actor, register, row, found, at=sight.at)
    messages.success(request, _("已撤下“%s”；原件仍留存备查。") % found.name)
    return redirect("register_row", register.id, pk)


def file_or_404(register: Any, row: Model, file: int) -> Attachment:
    """Return a file that stands beside a row."""
    found = attachments.of(register, row).filter(pk=file).first()
    if found is None:
        raise Http404(file)
    return found
