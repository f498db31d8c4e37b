"""今日检查: which planned checks are to be made now and which are overdue; the sheet on which one is made and signed (Art. 12)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from anzhang import clock
from anzhang.casework import parameters, workdays
from anzhang.directory.models import Assignment, Bitemporal
from anzhang.permissions import Actor, RefusedError
from anzhang.registers import rights
from anzhang.registers.declaration import REGISTERS
from anzhang.registers.rights import Sight
from anzhang.regulation.checks import page
from anzhang.systems import due, fields, rounds
from anzhang.systems.upkeep import CheckPlan, CheckRun
from anzhang.web.access import login_needed
from anzhang.web.actors import actor_of

MOST_PLANS = 1000
SHOWN = 200


@dataclass(frozen=True)
class Task:
    """A run to be made now: of which plan, when it falls due, how many before it nobody made, whether its grace is over, whether I sign."""

    plan: CheckPlan
    due_at: datetime
    stamp: str
    missed: int
    is_late: bool
    is_mine: bool


@dataclass(frozen=True)
class Line:
    """One item of a sheet: what is looked at, and what was found or typed."""

    number: int
    item: str
    is_abnormal: bool = False
    remark: str = ""
    action: str = ""


def in_sight(actor: Actor, at: datetime) -> QuerySet[CheckPlan]:
    """Return the plans that the reader sees as the register shows them, and those whose runs the reader makes."""
    seen = Sight(actor, at).narrowed(CheckPlan.objects.all(), REGISTERS["check_plan"].scope)
    person = actor.person_id or 0
    found = CheckPlan.objects.filter(Q(pk__in=seen.values("pk")) | Q(person=person) | Q(unit__in=_posts(actor, at).values("unit")))
    return found.select_related("system", "room", "unit", "person")


def _posts(actor: Actor, at: datetime) -> QuerySet[Assignment]:
    """Return the reader's posts of daily operation: who holds one makes the runs of its unit."""
    return Assignment.objects.filter(Bitemporal.in_force(at), person=actor.person_id or 0, duty__in=rounds.CHECKING)


@page("check_rounds", articles=(12,), nouns=("check_plan", "check_run"))
@require_GET
@login_needed
def index(request: HttpRequest) -> HttpResponse:
    """List the runs to be made now, the overdue ones first, and what was done today."""
    actor, at = actor_of(request), clock.now()
    today = clock.day_of(at)
    plans = list(in_sight(actor, at).filter(Q(valid_to=None) | Q(valid_to__gt=today), valid_from__lte=today).order_by("code")[:MOST_PLANS])
    tasks, coming = _tasks(plans, actor, at)
    done = CheckRun.objects.filter(plan__in=plans, done_at__gte=clock.start_of(today)).select_related("plan__unit", "person")
    context = {
        "tasks": tasks[:SHOWN],
        "count": len(tasks),
        "late": sum(task.is_late for task in tasks),
        "mine": sum(task.is_mine for task in tasks),
        "done": [(run, due.stamp(run.due_at)) for run in done.order_by("-done_at")[:SHOWN]],
        "coming": coming[:20],
        "plans": len(plans),
        "writes": rights.may_write(REGISTERS["check_plan"], actor, at),
        "article": next(iter(parameters.articles_of("check_plan", (12,))), ""),
    }
    return render(request, "rounds/index.html", context)


def _tasks(plans: Sequence[CheckPlan], actor: Actor, at: datetime) -> tuple[list[Task], list[tuple[CheckPlan, datetime]]]:
    """Return what is to be done now, the most urgent first, mine before others', and what comes next."""
    calendar, newest = workdays.calendar(), due.newest()
    grace = timedelta(hours=parameters.values(at)["check_grace_hours"])
    units = set(_posts(actor, at).values_list("unit", flat=True))
    tasks, coming = [], []
    for plan in plans:
        owes = due.owed(plan, newest.get(plan.pk), at, calendar)
        if owes.now is not None:
            late = bool(owes.missed) or at - owes.now > grace
            mine = plan.person_id == actor.person_id or plan.unit_id in units
            tasks.append(Task(plan, owes.now, due.stamp(owes.now), len(owes.missed), late, mine))
        elif owes.next is not None:
            coming.append((plan, owes.next))
    tasks.sort(key=lambda task: (not task.is_mine, task.plan.person_id != actor.person_id, not task.is_late, task.due_at, task.plan.code))
    return tasks, sorted(coming, key=lambda pair: pair[1])


@page("check_sheet", articles=(12,), nouns=("check_plan", "check_run"))
@require_http_methods(["GET", "POST"])
@login_needed
def sheet(request: HttpRequest, code: str, stamp: str) -> HttpResponse:
    """Show the sheet of a run, to be filled or as it was signed; take the signature."""
    actor, at = actor_of(request), clock.now()
    plan = in_sight(actor, at).filter(code=code).first()
    if plan is None:
        raise Http404(code)
    try:
        due_at = due.unstamp(stamp)
    except ValueError:
        raise Http404(stamp) from None
    run = CheckRun.objects.filter(plan=plan, due_at=due_at).select_related("person__unit").first()
    owes = due.owed(plan, due.newest().get(plan.pk), at, workdays.calendar())
    if run is None and owes.now != due_at:
        raise Http404(stamp)
    lines = _done(run) if run else [Line(number, item) for number, item in enumerate(plan.items, 1)]
    refusal = None
    if request.method == "POST":
        lines = _typed(request, plan)
        try:
            rounds.sign_check_run(actor, plan, due_at, _results(request, lines), at)
        except RefusedError as error:
            refusal = error
        else:
            messages.success(request, _("已签名提交。"))
            return redirect("check_rounds")
    context: dict[str, Any] = {
        "plan": plan,
        "due_at": due_at,
        "run": run,
        "lines": lines,
        "missed": owes.missed if run is None else (),
        "signs": run is None and actor.person_id is not None and rounds.may_sign(actor.person_id, plan, at),
        "refusal": refusal,
        "abnormal": fields.ABNORMAL,
        "article": next(iter(parameters.articles_of("check_plan", (12,))), ""),
    }
    return render(request, "rounds/sheet.html", context, status=422 if refusal else 200)


def _typed(request: HttpRequest, plan: CheckPlan) -> list[Line]:
    def said(name: str, number: int) -> str:
        return request.POST.get(f"{name}-{number}", "").replace("\x00", "").strip()

    return [
        Line(number, item, said("found", number) == "abnormal", said("remark", number), said("action", number))
        for number, item in enumerate(plan.items, 1)
    ]


def _results(request: HttpRequest, lines: Sequence[Line]) -> list[str]:
    """Return the lines as they are kept. Raises RefusedError for an item that nobody answered: nothing is taken for normal."""
    for line in lines:
        if request.POST.get(f"found-{line.number}") not in {"normal", "abnormal"}:
            raise RefusedError("results_incomplete", _("“%s”没有选择正常或异常。") % line.item, _("逐项选择后提交。"))
    return [fields.join_result(line.item.strip(), line.is_abnormal, line.remark, line.action) for line in lines]


def _done(run: CheckRun) -> list[Line]:
    found = [fields.split_result(each) for each in run.results]
    return [Line(number, part[0], part[1] == fields.ABNORMAL, part[2], part[3]) for number, part in enumerate(found, 1)]
