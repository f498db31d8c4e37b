"""What the lists of projects and their checklists may hold: codes, and points of a standard with what was found of each."""

from __future__ import annotations

import re
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

CODE = re.compile(r"\S{1,32}")
POINT = re.compile(r"(\S{1,32})[ \t]+(\S{1,32})[ \t]+(符合|不符合|不适用)(?:[ \t]+(\S.{0,400}))?")
UNFIT = "不符合"
MOST_CODES, MOST_POINTS = 50, 400


def codes(value: Any) -> None:
    """Refuse what is no list of different codes."""
    for each in _strings(value, MOST_CODES):
        if not CODE.fullmatch(each):
            raise ValidationError(_("“%s”不是编号。") % each[:40])
    if len(set(value)) != len(value):
        raise ValidationError(_("编号有重复。"))


def some_codes(value: Any) -> None:
    """Refuse what is no list of different codes, at least one."""
    codes(value)
    if not value:
        raise ValidationError(_("至少写一个编号。"))


def points(value: Any) -> None:
    """Refuse what is no list of points: the standard's code, its clause, what was found, and a word on it."""
    for each in _strings(value, MOST_POINTS):
        if not POINT.fullmatch(each):
            raise ValidationError(_("“%s”写成“标准编号 条款 符合 说明”；结论为符合、不符合或不适用。") % each[:40])


def parted(lines: list[str]) -> list[tuple[str, str, str, str]]:
    """Return points as standard, clause, finding and word."""
    return [(match[1], match[2], match[3], match[4] or "") for line in lines if (match := POINT.fullmatch(line))]


def _strings(value: Any, most: int) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise ValidationError(_("每行写一个。"))
    if len(value) > most:
        raise ValidationError(_("最多写 %d 个。") % most)
    return value
