"""What the gate of links asks of assessments: no interconnection opens before it has passed one (A10.3)."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from anzhang import clock
from anzhang.assessment.models import Assessment
from anzhang.network import gate
from anzhang.network.models import Interconnection
from anzhang.permissions import RefusedError


def passed(code: str, at: datetime) -> QuerySet[Assessment]:
    """Return the assessments of an interconnection that had passed by an instant and still hold then."""
    lasting = Q(valid_until=None) | Q(valid_until__gte=clock.day_of(at))
    of_it = Assessment.objects.filter(kind=Assessment.Kind.INTERCONNECTION, subject=code)
    return of_it.filter(lasting, result=Assessment.Result.PASSED, concluded_at__lte=at)


@gate.condition("assessed")
def assessed(row: Interconnection, at: datetime) -> RefusedError | None:
    """Refuse an interconnection that has passed no assessment, or one that no longer holds. Source: Art. 10; A10.3."""
    if passed(row.code, at).exists():
        return None
    of_it = Assessment.objects.filter(kind=Assessment.Kind.INTERCONNECTION, subject=row.code, concluded_at__lte=at)
    last = of_it.order_by("-concluded_at", "-pk").first()
    remedy = _("评估通过后，在安全评估台账中登记结论。")
    if last is None:
        return RefusedError("assessment_missing", _("“%s”没有通过评估，不能开通。") % row.name, remedy)
    told = {"name": row.name, "code": last.code, "result": last.get_result_display()}
    if last.result != Assessment.Result.PASSED:
        return RefusedError("assessment_missing", _("“%(name)s”最近的评估 %(code)s 结论为%(result)s，不能开通。") % told, remedy)
    return RefusedError("assessment_over", _("“%(name)s”的评估 %(code)s 已过有效期，不能开通。") % told, _("重新评估，通过后登记结论。"))
