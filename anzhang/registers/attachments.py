"""Files beside rows: taken in by content, scanned where a scanner is, kept under their digest, given out whole or not at all.

Content lies in `attachments/ab/abcdef...`, outside anything served; no part of a name that somebody typed becomes a path. The
ledger keeps the digest, so a file that was changed on disk is recognized and not given out. Taking a file down hides it and
keeps it: evidence does not go away.
"""

from __future__ import annotations

import hashlib
import unicodedata
from datetime import datetime
from pathlib import Path, PurePosixPath

import puremagic
from django.conf import settings
from django.db import transaction
from django.db.models import Model, QuerySet
from django.utils.translation import gettext as _

from anzhang.engines import durable
from anzhang.events import Event
from anzhang.journal.procedures import write
from anzhang.permissions import Actor, RefusedError
from anzhang.registers import antivirus, rights
from anzhang.registers.declaration import Register
from anzhang.registers.models import Attachment

MAX_BYTES = 50 * 2**20
MOST = 50  # beside one row
NAME = 150
_ZIP, _OLE = "application/zip", "application/x-ole-storage"
# What may be kept, by ending: the type it is given out as, and what its content must look like.
TYPES: dict[str, tuple[str, frozenset[str]]] = {
    ".pdf": ("application/pdf", frozenset({".pdf"})),
    ".ofd": ("application/ofd", frozenset({".zip", ".ofd"})),
    ".png": ("image/png", frozenset({".png"})),
    ".jpg": ("image/jpeg", frozenset({".jpg", ".jpeg"})),
    ".jpeg": ("image/jpeg", frozenset({".jpg", ".jpeg"})),
    ".tif": ("image/tiff", frozenset({".tif", ".tiff"})),
    ".tiff": ("image/tiff", frozenset({".tif", ".tiff"})),
    ".docx": ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", frozenset({".docx"})),
    ".xlsx": ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", frozenset({".xlsx"})),
    ".pptx": ("application/vnd.openxmlformats-officedocument.presentationml.presentation", frozenset({".pptx"})),
    ".doc": ("application/msword", frozenset({".doc"})),
    ".xls": ("application/vnd.ms-excel", frozenset({".doc", ".xls"})),  # one container; the signature names the first
    ".wps": ("application/vnd.ms-works", frozenset({".doc", ".wps"})),
    ".zip": (_ZIP, frozenset({".zip"})),
    ".txt": ("text/plain", frozenset()),
    ".csv": ("text/csv", frozenset()),
}
_NO_TEXT = frozenset({".exe", ".dll", ".html", ".htm", ".svg", ".js", ".php", ".sh", *(TYPES.keys() - {".txt", ".csv"})})
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}  # control characters, and those that turn the reading direction


class DamagedError(Exception):
    """A kept file is gone or is not what the ledger says it was."""


def of(register: Register, row: Model) -> QuerySet[Attachment]:
    """Return the files beside a row."""
    return Attachment.objects.filter(object_type=register.id, object_key=str(row.pk), removed_at=None).select_related("uploaded_by__person")


def may_attach(register: Register, actor: Actor, at: datetime) -> bool:
    """Whether the actor may put files beside the rows of a register: whoever may write them."""
    return register.writable and rights.may_write(register, actor, at)


def attach(actor: Actor, register: Register, row: Model, data: bytes, name: str, *, at: datetime) -> Attachment:
    """Keep a file beside a row of a plain register.

    Raises RefusedError `writer_role_missing`, `foreign_unit`, or what is wrong with the file (`file_...`).
    """
    rights.require_write(register, actor, at)
    rights.require_place(register, row, rights.Sight(actor, at))
    return keep(actor, (register.id, str(row.pk)), data, name, at=at)


def keep(actor: Actor, obj: tuple[str, str], data: bytes, name: str, *, at: datetime) -> Attachment:
    """Keep a file beside any object; whoever calls has asked for the right to. Raises RefusedError `file_...`."""
    name = clean_name(name)
    content_type = _type_of(name, data)
    if Attachment.objects.filter(object_type=obj[0], object_key=obj[1], removed_at=None).count() >= MOST:
        raise RefusedError("file_too_many", _("一条记录最多 %d 个附件。") % MOST, _("撤下不用的附件，或打包后上传。"))
    engine = _scanned(data)
    digest = hashlib.sha256(data).hexdigest()
    _store(digest, data)
    attachment = Attachment(
        object_type=obj[0], object_key=obj[1], name=name, content_type=content_type, size=len(data), sha256=digest, scanned_by=engine,
        uploaded_by_id=actor.user_id, uploaded_at=at,
    )  # fmt: skip
    payload = {"object": list(obj), "name": name, "sha256": digest, "size": len(data), "scanned_by": engine}
    write(actor, Event.ATTACHMENT_ADD, attachment, at=at, payload=payload)
    return attachment


def remove(actor: Actor, register: Register, row: Model, attachment: Attachment, *, at: datetime) -> None:
    """Take a file down: it is no longer shown, and still kept. Raises RefusedError."""
    rights.require_write(register, actor, at)
    rights.require_place(register, row, rights.Sight(actor, at))
    with transaction.atomic():
        found = Attachment.objects.select_for_update().get(pk=attachment.pk)
        if found.removed_at is not None:
            raise RefusedError("file_removed", _("该附件已经撤下。"))
        found.removed_at = at
        write(
            actor, Event.ATTACHMENT_REMOVE, found, at=at, payload={"object": [found.object_type, found.object_key], "sha256": found.sha256}
        )


def read(attachment: Attachment) -> bytes:
    """Return a kept file's bytes. Raises DamagedError when they are not what was kept."""
    try:
        data = _path(attachment.sha256).read_bytes()
    except FileNotFoundError as error:
        raise DamagedError(f"attachment {attachment.pk}: the file {attachment.sha256} is gone") from error
    if hashlib.sha256(data).hexdigest() != attachment.sha256:
        raise DamagedError(f"attachment {attachment.pk}: the file {attachment.sha256} was changed")
    return data


def clean_name(name: str) -> str:
    """Return a file name without folders and hidden characters. Raises RefusedError when nothing is left of it."""
    last = PurePosixPath(name.replace("\\", "/")).name
    shown = "".join(each for each in unicodedata.normalize("NFC", last) if unicodedata.category(each) not in _HIDDEN).strip(" .")
    stem, ending = shown[: -len(PurePosixPath(shown).suffix) or None], PurePosixPath(shown).suffix
    if not stem or ending.lower() not in TYPES:
        known = " ".join(sorted(TYPES))
        raise RefusedError("file_type", _("不接受“%(name)s”这类文件。") % {"name": shown[:40] or "?"}, _("可以上传：%s") % known)
    return stem[: NAME - len(ending)] + ending


def _type_of(name: str, data: bytes) -> str:
    """Return the type that name and content agree on. Raises RefusedError when they do not."""
    if not data:
        raise RefusedError("file_empty", _("文件是空的。"))
    if len(data) > MAX_BYTES:
        raise RefusedError("file_too_large", _("文件超过 %d MB。") % (MAX_BYTES // 2**20), _("压缩或拆分后再上传。"))
    content_type, wanted = TYPES[PurePosixPath(name).suffix.lower()]
    try:
        found = {match.extension.lower() for match in puremagic.magic_string(data)}
    except puremagic.PureError:
        found = set()
    agrees = bool(found & wanted) if wanted else not found & _NO_TEXT and _is_text(data)
    if not agrees:
        message = _("“%s”的内容与扩展名不符。") % name[:40]
        raise RefusedError("file_mismatch", message, _("用原来的软件另存为正确的格式后再上传。"))
    return content_type


def _is_text(data: bytes) -> bool:
    if b"\x00" in data:
        return False
    for encoding in ("utf-8", "gb18030"):
        try:
            data.decode(encoding)
        except UnicodeDecodeError:
            continue
        return True
    return False


def _scanned(data: bytes) -> str:
    """Return the engine that found nothing, empty where none is installed. A scanner that cannot be asked refuses (DESIGN 1)."""
    daemon = antivirus.path()
    if daemon is None:
        return ""
    try:
        found = antivirus.scan(data, daemon)
    except antivirus.ScannerError as error:
        message = _("病毒检查程序没有应答，文件未保存。")
        raise RefusedError("file_unscanned", message, _("请系统管理员检查 clamd 后重试。")) from error
    if found.virus:
        raise RefusedError("file_infected", _("文件含有病毒（%s），未保存。") % found.virus[:80], _("请先在本机查杀病毒。"))
    return found.engine


def _store(digest: str, data: bytes) -> None:
    path = _path(digest)
    if not path.exists():
        durable.make_folder(path.parent)
        durable.write_file(path, data)


def _path(digest: str) -> Path:
    return Path(settings.HOME.attachments) / digest[:2] / digest
