"""Unified planning (统一规划, Art. 4): the items of the years' plans, entered by the Office, completed with proof by who answers."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from anzhang import clock
from anzhang.directory.models import Person
from anzhang.organization import desk, planning
from anzhang.organization.models import Decision, PlanItem
from anzhang.permissions import Actor, RefusedError
from anzhang.registers import attachments
from anzhang.registers.declaration import REGISTERS
from anzhang.registers.rights import Sight
from anzhang.regulation.checks import page
from anzhang.web.access import login_needed
from anzhang.web.actors import actor_of
from anzhang.web.asked import typed
from anzhang.web.organization_office import acted, day_of, files_of, listed, units_of, version_of

OFFERED = 50  # decisions to choose the basis from


@page("plan", nouns=("plan_item",))
@require_GET
@login_needed
def plan(request: HttpRequest) -> HttpResponse:
    """List the items of a year by day; `year`, `state` and `unit` narrow."""
    sight = Sight(actor_of(request), clock.now())
    rows = PlanItem.objects.select_related("unit", "owner").order_by("due_on", "pk")
    years = sorted({*PlanItem.objects.values_list("year", flat=True).distinct(), clock.day_of(sight.at).year}, reverse=True)
    year, state = _number(typed(request, "year")), typed(request, "state")
    if year is not None:
        rows = rows.filter(year=year)
    if state in PlanItem.State.values:
        rows = rows.filter(state=state)
    else:
        state = ""
    extra = {"states": PlanItem.State.choices, "state": state, "years": years, "year": year}
    return render(request, "organization/plan.html", listed(request, rows, sight, extra))


@require_http_methods(["GET", "POST"])
@login_needed
def new(request: HttpRequest) -> HttpResponse:
    """Enter an item of a plan."""
    actor, at = actor_of(request), clock.now()
    desk.require_office(actor, at)
    given, refusal = request.POST, None
    if request.method == "POST":
        try:
            item = _added(request, actor, at)
        except RefusedError as error:
            refusal = error
        else:
            messages.success(request, _("已登记规划事项 %s。") % item.number)
            return redirect("plan_item", item.number)
    context = {
        "units": units_of(Sight(actor, at)), "refusal": refusal, "given": given, "year": given.get("year", str(clock.day_of(at).year)),
        "decisions": Decision.objects.order_by("-decided_at", "pk")[:OFFERED],
    }  # fmt: skip
    return render(request, "organization/plan_new.html", context, status=422 if refusal else 200)


def _added(request: HttpRequest, actor: Actor, at: datetime) -> PlanItem:
    given = request.POST
    unit = next((each for each in units_of(Sight(actor, at)) if each.code == given.get("unit")), None)
    if unit is None:
        raise RefusedError("no_unit", _("请选择牵头单位。"))
    code = given.get("owner", "").strip()
    owner = Person.objects.filter(code=code.split(" ")[0]).first() if code else None
    if code and owner is None:
        raise RefusedError("unknown_owner", _("没有工号为“%s”的人员。") % code[:32], _("填写责任人的工号，或留空。"))
    year = _number(given.get("year", ""))
    return planning.add_plan_item(
        actor, year=year if year is not None else 0, title=given.get("title", ""), content=given.get("content", ""), unit=unit,
        owner=owner, due_on=day_of(request, "due_on"), at=at, basis=Decision.objects.filter(number=given.get("basis", "")).first(),
    )  # fmt: skip


@page("plan_item", nouns=("plan_item",))
@require_http_methods(["GET", "POST"])
@login_needed
def item(request: HttpRequest, number: str) -> HttpResponse:
    """Show an item; who answers completes it, the Office postpones it or takes it out of the plan."""
    sight = Sight(actor_of(request), clock.now())
    rows = sight.narrowed(PlanItem.objects.select_related("unit", "owner", "basis", "entered_by", "completed_by"), ("unit__path",))
    found = rows.filter(number=number).first()
    if found is None:
        raise Http404(number)
    refusal = None
    if request.method == "POST":
        refusal = _done(request, found, sight)
        if refusal is None:
            return redirect("plan_item", number)
        found.refresh_from_db()
    return render(request, "organization/plan_item.html", _shown(request, found, sight, refusal), status=422 if refusal else 200)


def _done(request: HttpRequest, found: PlanItem, sight: Sight) -> RefusedError | None:
    actor, at, given, version = sight.actor, sight.at, request.POST, version_of(request)
    verbs = {
        "complete": lambda: planning.complete_plan_item(
            actor, found, given.get("result", ""), given.get("evidence", ""), at, version, files_of(request)
        ),
        "postpone": lambda: planning.postpone_plan_item(actor, found, day_of(request, "due_on"), given.get("remark", ""), at, version),
        "drop": lambda: planning.drop_plan_item(actor, found, given.get("remark", ""), at, version),
    }
    return acted(request, verbs, {"complete": _("已登记完成。"), "postpone": _("期限已调整。"), "drop": _("已调出规划。")})


def _shown(request: HttpRequest, found: PlanItem, sight: Sight, refusal: RefusedError | None) -> dict[str, Any]:
    actor, at = sight.actor, sight.at
    answers = desk.is_desk(actor, found.unit, at) or (found.owner_id is not None and found.owner_id == actor.person_id)
    return {
        "item": found, "refusal": refusal, "is_office": desk.is_office(actor, at), "answers": answers, "given": request.POST,
        "files": attachments.of(REGISTERS["plan_item"], found), "today": clock.day_of(at),
        "due_on": request.POST.get("due_on", found.due_on.isoformat()),
    }  # fmt: skip


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) == 4 else None  # a year
