"""The verbs of protection measures (Art. 8, 16): what a grade requires, and what each object does about it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from anzhang import clock
from anzhang.casework import parameters
from anzhang.directory import rows
from anzhang.directory.bulk import write_many
from anzhang.directory.models import Unit
from anzhang.events import Event
from anzhang.organization import desk
from anzhang.organization.models import ControlMeasure
from anzhang.permissions import Actor, RefusedError, Via
from anzhang.regulation import measures
from anzhang.regulation.checks import procedure


@procedure("register_control_measure")
def register_control_measure(actor: Actor, *, at: datetime, **values: Any) -> ControlMeasure:
    """Add a requirement, which the Office sets for everybody, or how an object meets one.

    Raises RefusedError `not_the_office`, `not_the_unit`, `requirement_wrong`, `unit_wrong`, `in_the_future`, RowError.
    """
    measure = ControlMeasure(**values)
    rows.check(measure)
    _require_sound(actor, measure, at)
    return rows.create(actor, measure, at)


@procedure("change_control_measure")
def change_control_measure(
    actor: Actor, row: ControlMeasure, *, at: datetime, expected_version: int | None = None, **values: Any
) -> ControlMeasure:
    """Change a measure, or prove it anew. Raises what `register_control_measure` does, and StaleError."""
    with transaction.atomic():
        act = Event.MEASURE_PROVE if values.get("proved_on", row.proved_on) != row.proved_on else Event.ROW_CHANGE
        if row.requirement_id is None:
            _require_office(actor, at)
        measure = rows.change(actor, row, values, at, expected_version, act)
        _require_sound(actor, measure, at)
        return measure


@procedure("adopt_measures")
def adopt_measures(actor: Actor, unit: Unit, at: datetime) -> list[ControlMeasure]:
    """Enter the measures that the catalog proposes for systems by level as requirements of the Office; those there already stay.

    Raises RefusedError `not_the_office`, `nothing_to_adopt`.

    Source: Art. 8; A08.2.
    """
    _require_office(actor, at)
    known = set(ControlMeasure.objects.filter(requirement=None).values_list("code", flat=True))
    new = [
        ControlMeasure(code=each.key, name=each.name.zh, kind=ControlMeasure.Kind.SYSTEM, level=each.level, unit=unit)
        for each in measures.load(parameters.folder())
        if each.key not in known
    ]
    if not new:
        raise RefusedError("nothing_to_adopt", _("规则集给出的防护措施都已在台账中。"))
    with transaction.atomic():
        return write_many(actor, ControlMeasure, new, at, Event.MEASURES_ADOPT)


def _require_office(actor: Actor, at: datetime) -> None:
    if actor.via not in {Via.SETUP, Via.CLI}:
        desk.require_office(actor, at)


def _require_sound(actor: Actor, measure: ControlMeasure, at: datetime) -> None:
    if measure.requirement is None:
        _require_office(actor, at)
    elif measure.requirement.requirement_id is not None or measure.requirement.kind != measure.kind:
        raise RefusedError("requirement_wrong", _("所落实的要求须是对同一类对象的要求。"), _("选择没有写机房和信息系统的那一条。"))
    elif actor.via not in {Via.SETUP, Via.CLI} and not desk.is_office(actor, at):
        desk.require_desk(actor, measure.unit, at)
    if measure.room is not None and measure.room.unit_id != measure.unit_id:
        raise RefusedError("unit_wrong", _("“%s”由另一单位管理。") % measure.room, _("单位填写机房的管理单位。"))
    if measure.proved_on is not None and measure.proved_on > clock.day_of(at):
        raise RefusedError("in_the_future", _("证明日期不能晚于今天。"))
