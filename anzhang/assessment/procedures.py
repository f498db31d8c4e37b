"""The verbs of assessments (Art. 10, 27)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from anzhang.assessment.models import Assessment
from anzhang.directory import rows
from anzhang.events import Event
from anzhang.network.models import Interconnection
from anzhang.permissions import Actor, RefusedError
from anzhang.regulation.checks import procedure
from anzhang.systems.models import System


@procedure("record_assessment")
def record_assessment(actor: Actor, *, at: datetime, **values: Any) -> Assessment:
    """Record an assessment. Raises RefusedError `subject_unknown`, `in_the_future`, RowError.

    An interconnection is assessed before it is approved, so its code need not be registered yet.

    Source: Art. 10, 27; A10.3.
    """
    assessment = Assessment(**values)
    rows.check(assessment)
    _require_sound(assessment, at)
    return rows.create(actor, assessment, at, Event.ASSESSMENT_RECORD)


@procedure("change_assessment")
def change_assessment(actor: Actor, row: Assessment, *, at: datetime, expected_version: int | None = None, **values: Any) -> Assessment:
    """Change an assessment, or conclude it; a conclusion stands. Raises RefusedError `concluded`, what recording raises, StaleError."""
    with transaction.atomic():
        before = rows.locked(row)
        if before.concluded_at is not None:
            for name in ("kind", "subject", "result", "concluded_at"):
                if values.get(name, getattr(before, name)) != getattr(before, name):
                    raise RefusedError("concluded", _("评估 %s 已有结论，不能改动结论和对象。") % before.code, _("另登记一次评估。"))
        assessment = rows.change(actor, row, values, at, expected_version, Event.ASSESSMENT_RECORD)
        _require_sound(assessment, at)
        return assessment


def _require_sound(assessment: Assessment, at: datetime) -> None:
    if assessment.concluded_at is not None and assessment.concluded_at > at:
        raise RefusedError("in_the_future", _("结论时间不能晚于现在。"), _("改正后重新提交。"))
    if assessment.kind == Assessment.Kind.SYSTEM and not System.objects.filter(code=assessment.subject).exists():
        raise RefusedError("subject_unknown", _("“%s”不在信息系统台账中。") % assessment.subject, _("写信息系统台账中的编号。"))
    if assessment.kind == Assessment.Kind.INTERCONNECTION:
        other = Interconnection.objects.filter(code=assessment.subject, superseded_at=None).select_related("unit").first()
        if other is not None and other.unit_id != assessment.unit_id:
            raise RefusedError("subject_unknown", _("互联 %(code)s 由%(unit)s申请。") % {"code": other.code, "unit": other.unit.name})
