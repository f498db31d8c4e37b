"""What a post may state of business: functions, areas, hours. What it leaves out is said by nobody (Art. 14; A14.1)."""

from __future__ import annotations

import re
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

HOURS = re.compile(r"(每日 )?((?:[01]\d|2[0-3]):[0-5]\d)-((?:[01]\d|2[0-3]):[0-5]\d|24:00)")
MOST, LONGEST = 200, 100


def names(value: Any) -> None:
    """Refuse what is no list of different names, at least one."""
    if not isinstance(value, list) or not value or not all(isinstance(each, str) and each.strip() for each in value):
        raise ValidationError(_("每行写一个。"))
    if len(value) > MOST:
        raise ValidationError(_("最多写 %d 个。") % MOST)
    if wrong := next((each for each in value if len(each) > LONGEST or each != each.strip() or "\n" in each), None):
        raise ValidationError(_("“%(name)s”超过 %(most)d 个字，或前后有空格。") % {"name": wrong[:40], "most": LONGEST})
    if len(set(value)) != len(value):
        raise ValidationError(_("有重复。"))


def hours(value: Any) -> None:
    """Refuse what is no period within a day: `08:00-18:00` on working days, `每日 08:00-18:00` on every day."""
    match = HOURS.fullmatch(str(value))
    if match is None or match[2] >= match[3]:
        raise ValidationError(_("“%s”不是时段，写成 08:00-18:00（工作日）或“每日 00:00-24:00”。") % str(value)[:40])


def lines(text: str | None) -> list[str] | None:
    """Return the lines of a text in a form, None for nothing."""
    return [each.strip() for each in (text or "").splitlines() if each.strip()] or None
