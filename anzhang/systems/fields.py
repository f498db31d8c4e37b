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


NORMAL, ABNORMAL = "正常", "异常"  # as a run of a check says of an item, in every language: what is signed is not translated
BAR = "|"
ITEM_LENGTH, TEXT_LENGTH = 100, 300
PARTS = 4


def check_items(value: Any) -> None:
    """Refuse what is no list of different things to look at, at least one."""
    items = [each.strip() for each in _strings(value)]
    if not items:
        raise ValidationError(_("至少写一个检查项。"))
    if wrong := next((each for each in items if not each or len(each) > ITEM_LENGTH or BAR in each or "\n" in each), None):
        raise ValidationError(_("检查项“%(item)s”为空、超过 %(most)d 个字，或含有“|”。") % {"item": wrong[:40], "most": ITEM_LENGTH})
    if len(set(items)) != len(items):
        raise ValidationError(_("检查项有重复。"))


def check_results(value: Any) -> None:
    """Refuse what is no list of `item | 正常 or 异常 | remark | action`; what is abnormal has both."""
    if not _strings(value):
        raise ValidationError(_("至少写一个检查项。"))
    for each in value:
        parts = split_result(each)
        if len(parts) != PARTS or not parts[0] or parts[1] not in {NORMAL, ABNORMAL}:
            raise ValidationError(_("“%s”不是检查结果，写成“检查项 | 正常 | 备注 | 处理”。") % each[:40])
        if any(len(text) > TEXT_LENGTH for text in parts):
            raise ValidationError(_("“%(item)s”的备注或处理超过 %(most)d 个字。") % {"item": parts[0][:40], "most": TEXT_LENGTH})
        if parts[1] == ABNORMAL and not (parts[2] and parts[3]):
            raise ValidationError(_("“%s”异常，要写明情况和处理。") % parts[0][:40])


def split_result(line: str) -> list[str]:
    """Return the parts of a result: item, 正常 or 异常, remark, action."""
    return [part.strip() for part in line.split(BAR)]


def join_result(item: str, abnormal: bool, remark: str, action: str) -> str:  # one of the four parts
    """Return a result as it is kept; a bar in what somebody wrote becomes a full-width one."""
    parts = (item, ABNORMAL if abnormal else NORMAL, remark, action)
    return f" {BAR} ".join(" ".join(part.replace(BAR, "｜").split()) for part in parts).strip()


def load_targets(value: Any) -> None:
    """Refuse what is no list of hosts and addresses, at least one."""
    if not _strings(value):
        raise ValidationError(_("至少写一个目标。"))
    codes(value)


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
