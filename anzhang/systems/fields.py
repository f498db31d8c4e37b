"""What the lists of environments and releases may hold: digests, folders, codes of people."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

DIGEST = re.compile(r"[0-9a-f]{64}")
FOLDER = re.compile(r"(?:/|[A-Za-z]:[\\/])\S(?:.{0,398}\S)?")
CODE = re.compile(r"\S{1,32}")
MOST = 50


def digest(value: Any) -> None:
    """Refuse what is no SHA-256 in small hexadecimal letters."""
    if not DIGEST.fullmatch(str(value)):
        raise ValidationError(_("“%s”不是 SHA-256 摘要，应为 64 位小写十六进制数。") % str(value)[:40])


def digests(value: Any) -> None:
    """Refuse what is no list of different SHA-256 digests, at least one."""
    for each in _strings(value):
        digest(each)
    if not value:
        raise ValidationError(_("至少写一个摘要。"))
    if len(set(value)) != len(value):
        raise ValidationError(_("摘要有重复。"))


def folders(value: Any) -> None:
    """Refuse what is no list of absolute folders."""
    for each in _strings(value):
        if not FOLDER.fullmatch(each):
            raise ValidationError(_("“%s”不是目录，写成 /opt/app 或 D:\\app 这样。") % each[:40])


def codes(value: Any) -> None:
    """Refuse what is no list of codes."""
    for each in _strings(value):
        if not CODE.fullmatch(each):
            raise ValidationError(_("“%s”不是编号。") % each[:40])


def days(value: Any) -> None:
    """Refuse what is no list of days."""
    for each in _strings(value):
        try:
            date.fromisoformat(each)
        except ValueError as error:
            raise ValidationError(_("“%s”不是日期，请写成 2026-11-24。") % each[:40]) from error


def _strings(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise ValidationError(_("每行写一个。"))
    if len(value) > MOST:
        raise ValidationError(_("最多写 %d 个。") % MOST)
    return value
