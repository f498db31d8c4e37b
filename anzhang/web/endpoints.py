"""Compliance of endpoints by unit (Art. 15): how many of each would come in now, why the others would not, and which they are."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Case, CharField, Count, QuerySet, Value, When
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET

from anzhang import clock
from anzhang.casework import parameters, wording
from anzhang.directory.models import Unit
from anzhang.endpoints.models import Endpoint, PostureReport
from anzhang.registers.rights import Sight
from anzhang.regulation.checks import page
from anzhang.web.access import login_needed
from anzhang.web.actors import actor_of
from anzhang.web.asked import typed
from anzhang.web.paging import KeyPaginator

PAGE_SIZE = 50
PASSED, FAILED, UNPROVED, STALE, SILENT = "passed", "failed", "unproved", "stale", "silent"
VERDICTS = (
    (PASSED, gettext_lazy("合格")),
    (FAILED, gettext_lazy("不合格")),
    (UNPROVED, gettext_lazy("证据不足")),
    (STALE, gettext_lazy("报告过期")),
    (SILENT, gettext_lazy("从未报告")),
)


@dataclass
class Line:
    """One unit: how many endpoints of each verdict."""

    unit: Unit
    counts: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    @property
    def total(self) -> int:
        """Return how many endpoints the unit has in service."""
        return sum(self.counts.values())

    @property
    def percent(self) -> int:
        """Return the share that would come in, rounded down: 99.9 is not all."""
        return 100 * self.counts[PASSED] // self.total if self.total else 0

    @property
    def cells(self) -> list[tuple[str, int]]:
        """Return the counts in the order of the columns."""
        return [(verdict, self.counts[verdict]) for verdict, _label in VERDICTS]


def judged(rows: QuerySet[Endpoint], at: datetime) -> QuerySet[Any]:
    """Return endpoints with `verdict`, what the gate would say of their posture at the instant."""
    age = timedelta(hours=parameters.values(at)["posture_age_hours"])
    return rows.annotate(
        verdict=Case(
            When(standing=None, then=Value(SILENT)),
            When(standing__passed_until__gt=at, then=Value(PASSED)),
            When(standing__collected_at__lte=at - age, then=Value(STALE)),
            When(standing__state=PostureReport.State.FAILED, then=Value(FAILED)),
            default=Value(UNPROVED),
            output_field=CharField(),
        )
    )


@page("endpoints", nouns=("endpoint", "posture_report", "patch_baseline", "security_product"))
@require_GET
@login_needed
def by_unit(request: HttpRequest) -> HttpResponse:
    """Count the endpoints of each unit in sight by verdict; one query counts them all."""
    sight = Sight(actor_of(request), clock.now())
    rows = sight.narrowed(Endpoint.objects.filter(state=Endpoint.State.IN_SERVICE), ("unit__path",))
    counted = judged(rows, sight.at).order_by().values_list("unit_id", "verdict").annotate(Count("pk"))
    found: dict[int, dict[str, int]] = defaultdict(dict)
    for unit_id, verdict, count in counted:
        found[unit_id][verdict] = count
    lines = [Line(unit, defaultdict(int, found[unit.pk])) for unit in Unit.objects.filter(pk__in=found).order_by("path")]
    total = defaultdict(int, {verdict: sum(line.counts[verdict] for line in lines) for verdict, _label in VERDICTS})
    context = {"lines": lines, "all": Line(Unit(), total), "verdicts": VERDICTS, "now": sight.at}
    return render(request, "endpoints/by_unit.html", context)


@page("endpoint_list", nouns=("endpoint", "posture_report"))
@require_GET
@login_needed
def listing(request: HttpRequest) -> HttpResponse:
    """List endpoints with their verdict and why; `unit` and `verdict` narrow."""
    sight = Sight(actor_of(request), clock.now())
    rows = sight.narrowed(Endpoint.objects.filter(state=Endpoint.State.IN_SERVICE), ("unit__path",))
    units = list(sight.narrowed(Unit.objects.filter(closed_on=None), ("path",)))
    unit, verdict = typed(request, "unit"), typed(request, "verdict")
    if unit:
        rows = rows.filter(unit__code=unit)
    shown = judged(rows.select_related("unit", "person", "zone", "standing"), sight.at).order_by("code")
    if verdict in dict(VERDICTS):
        shown = shown.filter(verdict=verdict)
    else:
        verdict = ""
    kept = request.GET.copy()
    kept.pop("page", None)
    found = KeyPaginator(shown, PAGE_SIZE).get_page(request.GET.get("page"))
    labels = dict(VERDICTS)
    context: dict[str, Any] = {
        "page": found,
        "rows": [(row, labels[row.verdict], why(row)) for row in found.object_list],
        "query": f"{kept.urlencode()}&" if kept else "",
        "units": units,
        "unit": unit,
        "verdicts": VERDICTS,
        "verdict": verdict,
        "now": sight.at,
    }
    return render(request, "endpoints/list.html", context)


def why(row: Any) -> list[str]:
    """Return why an endpoint would not come in, as sentences."""
    if row.verdict == SILENT:
        return [wording.text({"code": "posture_missing", "params": {}})]
    if row.verdict == PASSED:
        return []
    if row.verdict == STALE:
        return [wording.text({"code": "posture_stale", "params": {}})]
    return [wording.text(reason) for reason in row.standing.reasons]
