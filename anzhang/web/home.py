"""工作台: what must I do, what is wrong now, which articles stand on evidence."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from anzhang import clock
from anzhang.casework import notices, queries, wording
from anzhang.casework.models import Finding
from anzhang.casework.tally import tally
from anzhang.registers.rights import Sight
from anzhang.regulation.checks import page
from anzhang.web import board
from anzhang.web.access import login_needed
from anzhang.web.actors import actor_of

SHOWN = 8
NOTICES = 5


@page("home")
@require_GET
@login_needed
def home(request: HttpRequest) -> HttpResponse:
    """Show the reader's todos by deadline, the active findings in sight and the 36 squares."""
    actor, at = actor_of(request), clock.now()
    sight = Sight(actor, at)
    todos = queries.todos(actor.person_id or 0)
    wrong = sight.narrowed(Finding.objects.exclude(state=Finding.State.CLOSED), ("unit__path",)).select_related("unit", "person")
    choice = board.choose(request, sight)
    found = tally(at, choice.unit)
    context = {
        "choice": choice,
        "blocks": board.blocks(found),
        "totals": found.totals,
        "todos": [(todo, queries.step_of(todo.case)) for todo in todos[:SHOWN]],
        "wrong": [(finding, wording.text(finding.reason)) for finding in wrong[:SHOWN]],
        "wrong_count": wrong.count(),
        "notices": [(notice, notices.text(notice)) for notice in notices.inbox(actor.person_id or 0).filter(read_at=None)[:NOTICES]],
        "now": at,
    }
    return render(request, "home/home.html", context)
