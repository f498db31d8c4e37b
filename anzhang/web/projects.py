"""建设项目档案: how far a project is, what it has on file, what it lacks for its next stage, what was done when (Art. 11).

Checklists are signed here, stages are entered here, and the Office puts a paper approval under its project here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from anzhang import clock
from anzhang.casework import parameters, routes, wording
from anzhang.casework.models import Approval, Finding
from anzhang.organization import desk, projects
from anzhang.organization.tables import Project, ProjectChecklist
from anzhang.permissions import Actor, RefusedError
from anzhang.registers import rights
from anzhang.registers.declaration import REGISTERS
from anzhang.registers.rights import Sight
from anzhang.regulation.checks import page
from anzhang.systems import on_file, project_gate
from anzhang.systems import projects as verbs
from anzhang.systems.models import System
from anzhang.systems.on_file import ACTS, File
from anzhang.web.access import login_needed, second_factor_needed
from anzhang.web.actors import actor_of

MOST, SHOWN = 500, 30
STAGES = (Project.Stage.PROPOSED, Project.Stage.INITIATED, Project.Stage.BUILDING, Project.Stage.ACCEPTED, Project.Stage.CLOSED)


@dataclass(frozen=True)
class Lack:
    """What is missing for the next stage, and where one puts it on file."""

    refusal: RefusedError
    href: str
    label: str


@dataclass(frozen=True)
class Moment:
    """One dated thing of the timeline."""

    day: date
    text: str
    href: str = ""


def in_sight(actor: Actor, at: datetime) -> QuerySet[Project]:
    """Return the projects that the reader sees as the register shows them."""
    seen = Sight(actor, at).narrowed(Project.objects.all(), REGISTERS["project"].scope)
    return seen.select_related("unit", "person", "reviewer", "basis__case").order_by("code")


def project_or_404(request: HttpRequest, code: str) -> tuple[Project, Actor, datetime]:
    """Return a project in the reader's sight, who reads, and when."""
    actor, at = actor_of(request), clock.now()
    project = in_sight(actor, at).filter(code=code).first()
    if project is None:
        raise Http404(code)
    return project, actor, at


@page("projects", nouns=("project",))
@require_GET
@login_needed
def index(request: HttpRequest) -> HttpResponse:
    """List the projects in sight with their stage and how much is missing for the next one."""
    actor, at = actor_of(request), clock.now()
    shown = list(in_sight(actor, at)[:MOST])
    files = on_file.of(shown)
    rows = [(each, _missing(files[each.pk], at)) for each in shown]
    return render(
        request,
        "projects/index.html",
        {
            "projects": [(each, len(lacks)) for each, lacks in rows],
            "routes": routes.current(),
            "article": _article(),
            "writes": rights.may_write(REGISTERS["project"], actor, at),
        },
    )


def _article() -> int | str:
    """Return the article that projects serve in this regulation, empty where none does."""
    return next(iter(parameters.articles_of("project", (11,))), "")


def _missing(file: File, at: datetime) -> list[RefusedError]:
    stage = file.project.next_stage
    return list(project_gate.missing(file, stage, at)) if stage else []


@page("project", nouns=("project", "project_checklist"))
@require_http_methods(["GET", "POST"])
@login_needed
def dossier(request: HttpRequest, code: str) -> HttpResponse:
    """Show the dossier of a project; move it to a stage, or put a paper approval under it."""
    project, actor, at = project_or_404(request, code)
    if request.method != "POST":
        return _page(request, project, actor, at, None)
    try:
        if request.POST.get("verb") == "advance":
            stage = request.POST.get("stage", "")
            project = verbs.advance_project(actor, project, stage, at, _version(request))
            messages.success(request, _("项目已进入“%s”。") % project.get_stage_display())
        elif request.POST.get("verb") == "rest":
            verbs.rest_project_on_paper(actor, project, _paper(request), at)
            messages.success(request, _("已把补录的批准记在项目名下。"))
        else:
            raise Http404(request.POST.get("verb"))
    except RefusedError as error:
        return _page(request, project, actor, at, error)
    return redirect("project", project.code)


@require_POST
@second_factor_needed
def sign(request: HttpRequest, code: str) -> HttpResponse:
    """Sign a checklist of a project."""
    project, actor, at = project_or_404(request, code)
    checklist = (
        ProjectChecklist.objects.filter(project=project, pk=_number(request.POST.get("row"))).select_related("project__unit").first()
    )
    if checklist is None:
        raise Http404(request.POST.get("row"))
    try:
        projects.sign_project_checklist(actor, checklist, at, _version(request))
    except RefusedError as error:
        return _page(request, project, actor, at, error)
    messages.success(request, _("已签署核对表 %s。") % checklist.code)
    return redirect("project", project.code)


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 16 else 0  # what a key may be


def _version(request: HttpRequest) -> int | None:
    return _number(request.POST.get("version")) or None


def _paper(request: HttpRequest) -> Approval:
    found = Approval.objects.filter(pk=_number(request.POST.get("row"))).first()
    if found is None:
        raise Http404(request.POST.get("row"))
    return found


def _page(request: HttpRequest, project: Project, actor: Actor, at: datetime, refusal: RefusedError | None) -> HttpResponse:
    context = _dossier(project, actor, at) | {"refusal": refusal}
    return render(request, "projects/dossier.html", context, status=422 if refusal else 200)


def _dossier(project: Project, actor: Actor, at: datetime) -> dict[str, Any]:
    file = on_file.of([project])[project.pk]
    answers = actor.person_id == project.person_id or desk.is_desk(actor, project.unit, at)
    standing = on_file.standing(file, at)
    known = Finding.objects.filter(subject=f"project:{project.code}").exclude(state=Finding.State.CLOSED)
    lists = [(each, projects.signature_refused(actor, each, at)) for each in reversed(file.checklists)]
    lacks = _missing(file, at)
    return {
        "project": project,
        "systems": _systems(project, actor, at),
        "stages": [(stage, _state(project, stage), project.entered_on(stage)) for stage in STAGES],
        "next": Project.Stage(project.next_stage).label if project.next_stage else "",
        "next_stage": project.next_stage,
        "lacks": [_lack(each, project) for each in lacks],
        "items": file.items[:SHOWN],
        "checklists": lists,
        "approvals": file.approvals,
        "standing": standing,
        "timeline": sorted(_moments(file), key=lambda moment: moment.day),
        "findings": [(each, wording.text(each.reason)) for each in known.order_by("due_at", "pk")],
        "answers": answers,
        "writes": rights.may_write(REGISTERS["project_checklist"], actor, at),
        "papers": verbs.papers(project) if standing is None and desk.is_office(actor, at) else [],
        "ended": project.stage in Project.ENDED,
        "apply": _apply(project),
        "article": _article(),
    }


def _systems(project: Project, actor: Actor, at: datetime) -> list[tuple[str, str, bool]]:
    """Return code and name of the systems that a project builds, and whether the reader may open their dossier."""
    names = dict(System.objects.filter(code__in=project.systems).values_list("code", "name"))
    seen = Sight(actor, at).narrowed(System.objects.filter(code__in=project.systems), REGISTERS["system"].scope)
    open_to = set(seen.values_list("code", flat=True))
    return [(code, names.get(code, code), code in open_to) for code in project.systems]


def _state(project: Project, stage: str) -> str:
    """Return how a stage of the chain is drawn: behind the project, where it is, ahead."""
    if project.stage == Project.Stage.CANCELLED:
        reached = stage == Project.Stage.PROPOSED or (stage != Project.Stage.CLOSED and project.entered_on(stage) is not None)
        return "done" if reached else ""
    here = STAGES.index(Project.Stage(project.stage))
    place = STAGES.index(Project.Stage(stage))
    if place == here:
        return "done" if stage == Project.Stage.CLOSED else "now"
    return "done" if place < here else ""


def _apply(project: Project) -> str:
    """Return where one asks for the approval, empty where this regulation knows no such route."""
    if project_gate.ROUTE not in routes.current():
        return ""
    return f"{reverse('case_form', args=[project_gate.ROUTE])}?{urlencode({'project': project.code})}"


def _lack(refusal: RefusedError, project: Project) -> Lack:
    given = urlencode({"project": project.code})
    if refusal.code.startswith("design_"):
        return Lack(refusal, f"{reverse('register_new', args=['design_item'])}?{given}", _("登记安全设计项"))
    if refusal.code in {"checklist_missing", "standard_withdrawn"}:
        return Lack(refusal, f"{reverse('register_new', args=['project_checklist'])}?{given}", _("编制核对表"))
    if refusal.code.startswith("approval_"):
        return Lack(refusal, _apply(project), _("申请立项审批"))
    return Lack(refusal, reverse("register_edit", args=["project", project.pk]), _("填写防护审查"))


def _moments(file: File) -> Iterator[Moment]:
    yield from _stages(file.project)
    yield from _signatures(file)
    for item in file.items:
        if item.designed_on is not None:
            yield Moment(item.designed_on, _("安全设计：%s") % item.name, reverse("register_row", args=["design_item", item.pk]))
    for granted in file.approvals:
        case = granted.approval.case
        yield Moment(granted.on, _("领导小组批准 %s") % case.number, reverse("case", args=[case.number]))
    for act in file.acts:
        if act.day is not None and act.kind != "start":  # the stage says that already
            yield Moment(act.day, f"{ACTS[act.kind]}：{act.name}" if act.kind != "contract" else str(ACTS[act.kind]))


def _stages(project: Project) -> Iterator[Moment]:
    for stage in (*STAGES[1:], Project.Stage.CANCELLED):
        day = project.entered_on(stage)
        ended_otherwise = stage in Project.ENDED and stage != project.stage
        if day is not None and not ended_otherwise:
            yield Moment(day, str(Project.Stage(stage).label))
    if project.review_on is not None and project.reviewer is not None:
        told = {"person": project.reviewer.name, "result": project.get_review_result_display()}
        yield Moment(project.review_on, _("%(person)s防护审查：%(result)s") % told)


def _signatures(file: File) -> Iterator[Moment]:
    for each in file.checklists:
        for person, day in ((each.first_signer, each.first_signed_on), (each.second_signer, each.second_signed_on)):
            if person is not None and day is not None:
                text = _("%(person)s签署核对表 %(code)s") % {"person": person.name, "code": each.code}
                yield Moment(day, text, reverse("register_row", args=["project_checklist", each.pk]))
