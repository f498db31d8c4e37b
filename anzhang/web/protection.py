"""等级保护: every system by level, how it is filed, evaluated and protected; what the Office requires from which level on (Art. 8)."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from anzhang import clock
from anzhang.casework import parameters
from anzhang.directory.models import Unit
from anzhang.organization import desk, measures
from anzhang.organization.models import ControlMeasure
from anzhang.permissions import RefusedError
from anzhang.regulation import measures as proposed
from anzhang.regulation.checks import page
from anzhang.systems import obligations_gradings as levels
from anzhang.systems.models import System
from anzhang.systems.protection import states
from anzhang.web.access import login_needed
from anzhang.web.actors import actor_of
from anzhang.web.systems import in_sight

MOST = 500


@page("protection", nouns=("protection_grading",))
@require_http_methods(["GET", "POST"])
@login_needed
def show(request: HttpRequest) -> HttpResponse:
    """Show the systems in sight and what is required by level; the Office adopts here what the catalog proposes."""
    actor, at = actor_of(request), clock.now()
    refusal = None
    if request.method == "POST":
        office = Unit.objects.filter(function=Unit.Function.OFFICE, closed_on=None).order_by("path").first()
        try:
            if office is None:
                raise RefusedError("no_office", _("没有登记领导小组办公室。"), _("先在单位台账中登记。"))
            made = measures.adopt_measures(actor, office, at)
        except RefusedError as error:
            refusal = error
        else:
            messages.success(request, _("已登记 %d 项防护措施要求。") % len(made))
            return redirect("protection")
    found = in_sight(actor, at).filter(state=System.State.IN_SERVICE)
    shown = states(list(found[:MOST]), at)
    required = levels.requirements()
    known = set(ControlMeasure.objects.filter(requirement=None).values_list("code", flat=True))
    waiting = [each for each in proposed.load(parameters.folder()) if each.key not in known]
    context = {
        "states": sorted(shown, key=lambda each: (-(each.level or 9), each.system.code)), "required": required,
        "waiting": waiting if desk.is_office(actor, at) else [], "refusal": refusal,
        "article": next(iter(parameters.articles_of("protection_grading", (8,))), ""),
    }  # fmt: skip
    return render(request, "systems/protection.html", context, status=422 if refusal else 200)
