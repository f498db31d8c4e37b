"""What the lists of the register of rooms may hold: door cards, and hours of the day."""

from __future__ import annotations

import re
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

CARD = re.compile(r"(\S{1,64})[ \t]+(\S{1,32})")


def cards(value: Any) -> None:
    """Refuse what is no list of door cards, each with the code of its holder."""
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise ValidationError(_("每行写一个。"))
    for each in value:
        if not CARD.fullmatch(each):
            raise ValidationError(_("“%s”不是门禁卡，写成“卡号 工号”，例如 000123 P011。") % each[:40])


def holders(lines: list[str]) -> dict[str, str]:
    """Return the codes of holders by card number."""
    return {match[1].lower(): match[2] for line in lines if (match := CARD.fullmatch(line))}


def clock_times(first: int, last: int) -> list[tuple[str, str]]:
    """Return every half hour of a day from `first` to `last` (in half hours) as choices: `08:30`."""
    times = [f"{half // 2:02d}:{half % 2 * 30:02d}" for half in range(first, last + 1)]
    return [(each, each) for each in times]
