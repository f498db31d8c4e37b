"""The filters that registers share: by choice, by unit subtree, by what is in force, by period."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from django.db.models import Exists, Model, OuterRef, Q
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from anzhang import clock
from anzhang.directory.models import Bitemporal, Unit
from anzhang.registers import values
from anzhang.registers.declaration import Filter

VALID_AT, KNOWN_AT = "valid_at", "known_at"


def by_choice(model: type[Model], path: str) -> Filter:
    """Narrow to one choice of a field."""
    field = values.field_at(model, path)
    known = {str(value) for value, _label in field.flatchoices}

    def condition(value: str, at: datetime) -> Q:  # noqa: ARG001  # every condition takes the instant
        if value not in known:
            raise ValueError(value)
        return Q(**{path: value})

    return Filter(path, field.verbose_name, condition, tuple((str(value), label) for value, label in field.flatchoices if value != ""))


def by_flag(model: type[Model], path: str) -> Filter:
    """Narrow to yes or no."""

    def condition(value: str, at: datetime) -> Q:  # noqa: ARG001  # every condition takes the instant
        if value not in {"yes", "no"}:
            raise ValueError(value)
        return Q(**{path: value == "yes"})

    return Filter(path, values.field_at(model, path).verbose_name, condition, (("yes", values.YES), ("no", values.NO)))


def by_unit(path: str = "unit", label: str | Promise = "", name: str = "unit") -> Filter:
    """Narrow to a unit and everything below it, given the unit's code; `path` "" is the unit register itself."""

    def condition(value: str, at: datetime) -> Q:  # noqa: ARG001  # every condition takes the instant
        beyond = Unit.objects.exclude(path__startswith=OuterRef("path"))
        found = Unit.objects.filter(code=value).annotate(partial=Exists(beyond)).values_list("path", "partial").first()
        if found is None:
            raise ValueError(value)
        first, partial = found
        if path and not partial:
            return Q(**{f"{path}__isnull": False})  # every unit there is: nothing to join for
        column = f"{path}__path" if path else "path"
        # A range, not LIKE: SQLite finds no index for LIKE ... ESCAPE.
        return Q(**{f"{column}__gte": first, f"{column}__lt": first[:-1] + chr(ord(first[-1]) + 1)})

    return Filter(name, label or _("单位"), condition, by_unit=True)


def in_force(label: str | Promise = "") -> Filter:
    """Narrow a register of periods to what holds now, or to what no longer does."""

    def condition(value: str, at: datetime) -> Q:
        if value not in {"yes", "no"}:
            raise ValueError(value)
        now = Bitemporal.in_force(at)
        return now if value == "yes" else ~now

    return Filter("in_force", label or _("效力"), condition, (("yes", _("现行")), ("no", _("已失效"))))


def employed() -> Filter:
    """Narrow people to those employed on the day, or to those who left. `left_on` is the first day not employed."""

    def condition(value: str, at: datetime) -> Q:
        if value not in {"yes", "no"}:
            raise ValueError(value)
        gone = Q(left_on__isnull=False, left_on__lte=clock.day_of(at))
        return gone if value == "no" else Q(left_on=None) | Q(left_on__gt=clock.day_of(at))

    return Filter("employed", _("在职"), condition, (("yes", _("在职")), ("no", _("已离职"))))


def by_year(path: str, label: str | Promise) -> Filter:
    """Narrow to a calendar year of a date."""

    def condition(value: str, at: datetime) -> Q:  # noqa: ARG001  # every condition takes the instant
        if not (value.isascii() and value.isdigit()):
            raise ValueError(value)
        year = int(value)
        return Q(**{f"{path}__gte": date(year, 1, 1), f"{path}__lt": date(year + 1, 1, 1)})

    return Filter("year", label, condition)


def instants(model: type[Model]) -> tuple[Filter, ...]:
    """Return the two times of a dated register: when something held, and what was known when (Art. 33); none for others."""
    if not issubclass(model, Bitemporal):
        return ()
    return (Filter(VALID_AT, _("何时有效"), _valid_at), Filter(KNOWN_AT, _("以何时所知为准"), _known_at))


def _valid_at(value: str, at: datetime) -> Q:  # noqa: ARG001  # every condition takes the instant
    when = moment(value)
    return Q(valid_from__lte=when) & (Q(valid_to=None) | Q(valid_to__gt=when))


def _known_at(value: str, at: datetime) -> Q:  # noqa: ARG001  # every condition takes the instant
    when = moment(value)
    return Q(recorded_at__lte=when) & (Q(superseded_at=None) | Q(superseded_at__gt=when))


def moment(text: str) -> datetime:
    """Return the instant of `2026-11-24T09:30` (Beijing time), or the end of a day. Raises ValueError."""
    if len(text) == len("2026-11-24"):
        found = clock.start_of(date.fromisoformat(text)) + timedelta(days=1, microseconds=-1)
    else:
        found = datetime.fromisoformat(text)
        found = found if found.tzinfo else found.replace(tzinfo=clock.BEIJING)
    if not clock.is_plausible(found.date()):
        raise ValueError(text)
    return found
