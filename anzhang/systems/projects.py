"""The verbs of construction projects that the gate watches: approval by case, one stage after the other (Art. 11)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from anzhang import clock
from anzhang.casework import forms
from anzhang.casework.models import Approval, Case
from anzhang.casework.queries import require_approval
from anzhang.directory import rows
from anzhang.directory.models import Unit
from anzhang.events import Event
from anzhang.organization import desk
from anzhang.organization.projects import ROUTE
from anzhang.organization.tables import Project
from anzhang.permissions import Actor, RefusedError, Via
from anzhang.regulation.checks import procedure
from anzhang.systems import on_file, project_gate

ON_FILE_FIRST = frozenset({"design_missing", "design_undated", "checklist_missing", "standard_withdrawn"})  # before anybody is asked


@forms.rule(ROUTE)
def _together(form: Mapping[str, Any], unit: Unit, at: datetime) -> Mapping[str, str]:
    project = Project.objects.filter(code=form["project"]).select_related("unit").first()
    if project is None:
        return {}
    faults = {}
    if project.unit_id != unit.pk:
        faults["project"] = _("“%(project)s”由%(unit)s建设，由该单位申请。") % {"project": project.name, "unit": project.unit.name}
    elif project.stage == Project.Stage.CANCELLED:
        faults["project"] = _("“%s”已取消。") % project.name
    else:
        lacks = project_gate.missing(on_file.of([project])[project.pk], "", at)
        if first := next((each for each in lacks if each.code in ON_FILE_FIRST), None):
            faults["project"] = f"{first.message}{first.remedy}"
    if form.get("covers_from") and date.fromisoformat(form["covers_from"]) > clock.day_of(at):
        faults["covers_from"] = _("不能晚于今天。")
    return faults


@procedure("approve_project")
def approve_project(actor: Actor, case: Case, approval: Approval, at: datetime) -> Project:
    """Let a project rest on what the case grants. Raises RefusedError `no_approval`, `form_invalid`, `own_checklist`.

    One that reaches back over what was built before it (补批) says since when: `covers_from`.

    Source: Art. 11; A11.5; route `project_approval`.
    """
    require_approval(case, approval, ROUTE, at)
    if faults := {name: text for name, text in _together(case.form, case.unit, at).items() if name != "covers_from"}:
        raise forms.FormError(faults)
    with transaction.atomic():
        project = rows.locked(Project.objects.get(code=case.form["project"]))
        signed = on_file.of([project])[project.pk].signed
        if signed is not None and case.applicant_id in {signed.first_signer_id, signed.second_signer_id}:
            message = _("%s 在方案核对表上签过字，不能由其申请立项。") % case.applicant.name
            raise RefusedError("own_checklist", message, _("由没有签字的人员申请。"))
        reach = case.form.get("covers_from")
        values = {"basis": approval, "covers_from": date.fromisoformat(reach) if reach else None}
        return rows.change(actor, project, values, at, act=Event.PROJECT_APPROVE)


@procedure("rest_project_on_paper")
def rest_project_on_paper(actor: Actor, project: Project, approval: Approval, at: datetime) -> Project:
    """Let a project rest on an approval that was entered from paper (补录); the Office says which project the paper is about.

    Raises RefusedError `not_the_office`, `not_of_this_project`.

    Source: Art. 11; A11.5.
    """
    desk.require_office(actor, at)
    if approval not in papers(project):
        raise RefusedError("not_of_this_project", _("这份批准不是该单位补录的立项批准，或已用于别的项目。"), _("核对补录的批准。"))
    return rows.change(actor, project, {"basis": approval, "covers_from": None}, at, act=Event.PROJECT_APPROVE)


def papers(project: Project) -> list[Approval]:
    """Return the approvals from paper of the project's unit on which no project rests yet."""
    found = Approval.objects.filter(kind=ROUTE, origin=Approval.Origin.PAPER, superseded_at=None, case__unit=project.unit_id)
    used = Project.objects.exclude(basis=None).values("basis")
    return list(found.exclude(pk__in=used).select_related("case").order_by("valid_from", "pk"))


@procedure("advance_project")
def advance_project(actor: Actor, project: Project, stage: str, at: datetime, expected_version: int | None = None) -> Project:
    """Move a project to a stage, today; the gate decides. Its unit's head or officer does it, or who is responsible for the project.

    Raises RefusedError `not_the_unit`, what the gate `project_approval` refuses with, StaleError.

    Source: Art. 11.
    """
    with transaction.atomic():
        project = rows.locked(project)
        if actor.via is not Via.SETUP and actor.person_id != project.person_id:
            desk.require_desk(actor, project.unit, at)
        if stage not in Project.Stage.values:
            raise RefusedError("other_stage", _("没有“%s”这个阶段。") % stage[:24])
        if (refusal := project_gate.project_approval(project, stage, at)) is not None:
            raise refusal
        values = {"stage": stage, Project.DAYS[Project.Stage(stage)]: clock.day_of(at)}
        return rows.change(actor, project, values, at, expected_version, Event.PROJECT_ADVANCE)


def _find(code: str) -> str | None:
    row = Project.objects.filter(code=code).select_related("unit").first()
    return f"{row.name}（{row.code}，{row.unit.name}）" if row else None


def _options(unit: Unit, _at: datetime) -> Sequence[tuple[str, str]]:
    found = Project.objects.exclude(stage=Project.Stage.CANCELLED).select_related("unit").order_by("code")
    own = sorted(found, key=lambda row: row.unit_id != unit.pk)
    return [(row.code, f"{row.name}（{row.code}，{row.unit.name}）") for row in own]


forms.lookup("project", _find, _options)
