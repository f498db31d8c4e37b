"""The Holiday register: seeded from the library's known years, then kept by the yearly notice of the State Council."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

from chinese_calendar import constants
from django.db import transaction
from django.utils.translation import gettext as _

from anzhang.casework.models import Holiday
from anzhang.directory import rows
from anzhang.permissions import Actor, RefusedError
from anzhang.regulation.checks import procedure

# The library names festivals in English; the register is read in Chinese.
NAMES = {
    "New Year's Day": "元旦",
    "Spring Festival": "春节",
    "Tomb-sweeping Day": "清明节",
    "Labour Day": "劳动节",
    "Dragon Boat Festival": "端午节",
    "National Day": "国庆节",
    "Mid-autumn Festival": "中秋节",
}
SATURDAY = 5


@procedure("seed_holidays")
def seed_holidays(actor: Actor, first_year: int, at: datetime) -> int:
    """Write the known days from `first_year` on that differ from their weekday and are not registered; return how many."""
    there = set(Holiday.objects.values_list("day", flat=True))
    new = [holiday for holiday in _known(first_year) if holiday.day not in there]
    with transaction.atomic():
        for holiday in new:
            rows.create(actor, holiday, at)
    return len(new)


@procedure("register_holiday")
def register_holiday(actor: Actor, *, at: datetime, **values: Any) -> Holiday:
    """Add a day that differs from its weekday. Raises RefusedError when it does not or is there already."""
    return rows.create(actor, _exception(Holiday(**values)), at)


@procedure("change_holiday")
def change_holiday(actor: Actor, row: Holiday, *, at: datetime, expected_version: int | None = None, **values: Any) -> Holiday:
    """Change a registered day. Raises RefusedError; StaleError when it was saved meanwhile."""
    with transaction.atomic():
        return _exception(rows.change(actor, row, values, at, expected_version))


def _exception(holiday: Holiday) -> Holiday:
    if isinstance(holiday.day, date) and holiday.is_workday == (holiday.day.weekday() < SATURDAY):
        usual = _("上班") if holiday.is_workday else _("休息")
        message = _("%(day)s 本来就%(usual)s。") % {"day": holiday.day, "usual": usual}
        raise RefusedError("not_an_exception", message, _("只登记与平常不同的日子。"))
    return holiday


def _known(first_year: int) -> Iterator[Holiday]:
    last = date(max(constants.holidays).year, 12, 31)
    day = date(first_year, 1, 1)
    while day <= last:
        weekend = day.weekday() >= SATURDAY
        if day in constants.holidays and not weekend:
            yield Holiday(day=day, is_workday=False, name=NAMES.get(constants.holidays[day], constants.holidays[day]))
        elif day in constants.workdays and weekend:
            yield Holiday(day=day, is_workday=True, name="调休上班")
        day += timedelta(days=1)
