"""The verbs of classified protection (Art. 8): to record how a system is graded, filed and evaluated."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from anzhang import clock
from anzhang.directory import rows
from anzhang.directory.bulk import Batch, Faults, batcher
from anzhang.events import Event
from anzhang.permissions import Actor, RefusedError
from anzhang.regulation.checks import procedure
from anzhang.systems.tables import ProtectionGrading

PAST = ("graded_on", "filed_on", "evaluated_on")


@procedure("record_protection_grading")
def record_protection_grading(actor: Actor, *, at: datetime, **values: Any) -> ProtectionGrading:
    """Record the grading of a system. Raises RefusedError `in_the_future`, RowError.

    Source: Art. 8; A08.2.
    """
    grading = ProtectionGrading(**values)
    rows.check(grading)
    _require_past(grading, at)
    return rows.create(actor, grading, at, Event.GRADING_RECORD)


@procedure("change_protection_grading")
def change_protection_grading(
    actor: Actor, row: ProtectionGrading, *, at: datetime, expected_version: int | None = None, **values: Any
) -> ProtectionGrading:
    """Note a filing or an evaluation; the day of the evaluation before is kept.

    Raises RefusedError `in_the_future`, StaleError, RowError.
    """
    with transaction.atomic():
        before = rows.locked(row)
        last, new = before.evaluated_on, values.get("evaluated_on", before.evaluated_on)
        if last is not None and new is not None and new > last and "earlier" not in values:
            values = {**values, "earlier": [*before.earlier, last.isoformat()]}
        grading = rows.change(actor, row, values, at, expected_version, Event.GRADING_RECORD)
        _require_past(grading, at)
        return grading


def _all_past(batch: Batch) -> Faults:
    for place, grading in enumerate(batch):
        try:
            _require_past(grading, batch.at)
        except RefusedError as refusal:
            yield place, refusal


# In bulk the days of earlier evaluations are what the sheet says.
record_protection_gradings = procedure("record_protection_gradings")(
    batcher(ProtectionGrading, Event.GRADING_RECORD, Event.GRADING_RECORD, judge=_all_past)
)


def _require_past(grading: ProtectionGrading, at: datetime) -> None:
    for name in PAST:
        day = getattr(grading, name)
        if day is not None and day > clock.day_of(at):
            label = ProtectionGrading._meta.get_field(name).verbose_name  # type: ignore[union-attr]  # a column
            raise RefusedError("in_the_future", _("“%s”不能晚于今天。") % label, _("改正后重新提交。"))
