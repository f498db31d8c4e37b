"""单位流程: which units go another way than the catalog's, and the form that proposes one: add, move, remove, tighten steps.

Every button is a plain submit that draws the form again, so it works by keyboard and without script. Steps of the catalog
cannot be removed or loosened here; `route_changes` says so again when the case is filed and when it is approved.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from anzhang import clock
from anzhang.casework import procedures, queries, route_changes, routes, unit_routes
from anzhang.casework.models import Case
from anzhang.casework.route_changes import Difference
from anzhang.casework.tables import UnitRoute
from anzhang.directory.models import Person, Unit
from anzhang.permissions import RefusedError
from anzhang.registers.rights import Sight
from anzhang.regulation.checks import page
from anzhang.web.access import login_needed
from anzhang.web.actors import actor_of

# Who may be asked in an added step; the catalog's own steps keep theirs.
WHO = (
    "unit_head@applicant", "super_head@applicant", "security_officer@applicant", "system_manager@applicant", "office", "leading_group",
)  # fmt: skip


def _seen(sight: Sight) -> QuerySet[UnitRoute]:
    rows = UnitRoute.objects.filter(superseded_at=None, route__in=routes.current()).select_related("unit", "basis__case")
    return sight.narrowed(rows, ("unit__path",))


@page("unit_routes", nouns=("approval",))
@require_GET
@login_needed
def index(request: HttpRequest) -> HttpResponse:
    """List the units' own routes in force, today or on the day `on`, and lead to the form for each route of the catalog."""
    at = clock.now()
    day, fault = _day(request, at)
    seen = _seen(Sight(actor_of(request), at)).filter(UnitRoute.in_force(_end_of(day, at)))
    ways = routes.current()
    lines = [(row, ways[row.route], routes.parse(row.rules, "unit_route")) for row in seen.order_by("unit__path", "route")]
    context = {"lines": lines, "routes": ways.values(), "day": day, "past": day != clock.day_of(at), "fault": fault}
    return render(request, "cases/unit_routes.html", context)


def _day(request: HttpRequest, at: datetime) -> tuple[date, str]:
    """Return the day asked for, today where none is or where it is no day, and what is wrong with it."""
    text = request.GET.get("on", "").strip()
    try:
        day = date.fromisoformat(text) if text else clock.day_of(at)
        good = clock.is_plausible(day)
    except ValueError:
        good = False
    return (day, "") if good else (clock.day_of(at), _("“%s”不是日期，请写成 2026-11-24。") % text[:40])


def _end_of(day: date, at: datetime) -> datetime:
    """Return the last instant of a day, now for today."""
    return at if day == clock.day_of(at) else clock.start_of(day + timedelta(days=1)) - timedelta(microseconds=1)


@page("unit_route", nouns=("approval",))
@require_GET
@login_needed
def version(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one version of a unit's route beside another, `against` by number; by default the one before it, 0 is the catalog's."""
    seen = _seen(Sight(actor_of(request), clock.now()))
    row = seen.filter(pk=pk).first()
    if row is None:
        raise Http404(pk)
    versions = list(seen.filter(unit=row.unit, route=row.route).order_by("-version"))
    asked = request.GET.get("against", "")
    number = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 6 else row.version - 1
    other = next((each for each in versions if each.version == number), None)
    before = routes.parse(other.rules, "unit_route") if other else routes.current()[row.route]
    context = {
        "row": row,
        "route": routes.current()[row.route],
        "versions": versions,
        "other": other,
        "differences": route_changes.compare(before, routes.parse(row.rules, "unit_route")),
    }
    return render(request, "cases/unit_route.html", context)


@dataclass(frozen=True)
class Row:
    """One step in the form; `fixed` when the catalog prescribes it."""

    step: Mapping[str, Any]
    fixed: bool
    text: str

    @property
    def need(self) -> str:
        """Return how many must agree, as the form sends it."""
        return str(self.step.get("need", "one"))


@require_http_methods(["GET", "POST"])
@login_needed
def edit(request: HttpRequest) -> HttpResponse:
    """Draw and take a proposal for a unit's route; the button says which."""
    actor, at = actor_of(request), clock.now()
    given = request.POST if request.method == "POST" else request.GET
    if "route" not in given:
        return redirect("unit_routes")
    base = routes.current().get(given["route"])
    if base is None or "route_change" not in routes.current():
        raise Http404(given["route"])
    units = list(Sight(actor, at).narrowed(Unit.objects.filter(closed_on=None), ("path",)).order_by("path"))
    unit = next((each for each in units if each.code == given.get("unit_of_case")), None)
    unit = unit or next((each for each in units if each.pk == actor.unit_id), None)
    if unit is None:
        raise Http404(given.get("unit_of_case", ""))
    present = unit_routes.effective(base.key, unit, at)
    steps = _steps(request.POST, base) if request.method == "POST" else route_changes.as_rules(present)
    refusal: RefusedError | None = None
    do = request.POST.get("do", "")
    if request.method == "POST" and do == "file":
        form = {"route": base.key, "rules": json.dumps(steps, ensure_ascii=False), "reason": request.POST.get("reason", "")}
        try:
            person = _applicant(actor.person_id)
            case = procedures.file_case(actor, "route_change", unit, person, "", form, at)
        except RefusedError as error:
            refusal = error
        else:
            words = {"number": case.number, "step": queries.step_of(case).title}
            messages.success(request, _("已提出 %(number)s，等待“%(step)s”。") % words)
            return redirect("case", case.number)
    elif do:
        steps = _changed(steps, do, base)
    context = {
        "route": base,
        "unit": unit,
        "units": units,
        "rows": _rows(steps, base),
        "who": [(each, _role(each)) for each in WHO],
        "differences": _compare(present, base, steps),
        "reason": given.get("reason", ""),
        "refusal": refusal,
    }
    return render(request, "cases/route_change.html", context)


def _applicant(person_id: int | None) -> Person:
    person = Person.objects.filter(pk=person_id or 0).first()
    if person is None:
        raise RefusedError("not_a_person", _("该账号没有对应的人员，不能提出事项。"))
    return person


def _role(expression: str) -> str:
    return str(routes.ROLE_NAMES[expression.partition("@")[0]])


def _rows(steps: list[dict[str, Any]], base: routes.Route) -> list[Row]:
    fixed = {step.key for step in base.steps}
    return [Row(step, step["key"] in fixed, "、".join(_role(each) for each in step.get("who", []))) for step in steps]


def _steps(given: QueryDict, base: routes.Route) -> list[dict[str, Any]]:
    """Return the steps as the form has them: what the catalog prescribes is taken from the catalog, never from the form."""
    prescribed = {str(step["key"]): dict(step) for step in base.source["step"]}
    steps = []
    for key in given.getlist("step")[: 2 * route_changes.MOST_STEPS]:
        own = prescribed.get(key)
        step: dict[str, Any] = dict(own) if own else {"key": key[:32], "title": _title(given.get(f"title-{key}", ""))}
        if own is None:
            step["who"] = [each for each in given.getlist(f"who-{key}") if each in WHO]
        step["days"] = _number(given.get(f"days-{key}", ""), int(step.get("days", 3)))
        need = given.get(f"need-{key}", "")
        if need and need != str(step.get("need", "one")):
            step["need"] = int(need) if need.isascii() and need.isdigit() and len(need) < 3 else need
            for key_of_one in ("minimum", "otherwise", "stand_in"):  # only a step that needs one has them
                step.pop(key_of_one, None)
        steps.append(step)
    return steps


def _title(text: str) -> dict[str, str]:
    words = text.strip()[:40]
    return {"zh": words, "en": words}


def _number(text: str, default: int) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 4 else default


def _changed(steps: list[dict[str, Any]], do: str, base: routes.Route) -> list[dict[str, Any]]:
    verb, _colon, key = do.partition(":")
    place = next((number for number, step in enumerate(steps) if step["key"] == key), None)
    if verb == "add":
        number = next(n for n in range(1, 100) if f"added{n}" not in {step["key"] for step in steps})
        new = {"key": f"added{number}", "title": _title(_("增加的审批")), "who": [WHO[2]], "days": 3}
        receiving = next((n for n, step in enumerate(steps) if step.get("kind") == "receive"), len(steps))
        return [*steps[:receiving], new, *steps[receiving:]]
    if place is None:
        return steps
    if verb == "remove" and key not in {step.key for step in base.steps}:
        return [step for step in steps if step["key"] != key]
    other = place + {"up": -1, "down": 1}.get(verb, 0)
    if 0 <= other < len(steps):
        steps[place], steps[other] = steps[other], steps[place]
    return steps


def _compare(present: routes.Route, base: routes.Route, steps: list[dict[str, Any]]) -> list[Difference]:
    try:
        return route_changes.compare(present, routes.parse({**base.source, "step": steps}))
    except routes.RouteError:
        return []  # half edited: what is wrong is said when it is filed


def comparison(case: Case, at: datetime) -> list[Difference]:
    """Return what a proposal changes, beside the way that governed the unit when the case was decided or governs it now."""
    if case.route != "route_change":
        return []
    try:
        way = route_changes.proposed(case.form["route"], case.form["rules"])
        before = unit_routes.effective(case.form["route"], case.unit, case.decided_at or at)
    except RefusedError:
        return []
    if case.decided_at is not None and case.state == Case.State.APPROVED:
        row = UnitRoute.objects.filter(basis__case=case, superseded_at=None).first()
        earlier = UnitRoute.objects.filter(unit=case.unit, route=case.form["route"], superseded_at=None)
        last = earlier.filter(version=row.version - 1).first() if row else None
        before = routes.parse(last.rules, "unit_route") if last else routes.current()[case.form["route"]]
    return route_changes.compare(before, way)
