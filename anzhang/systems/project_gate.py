"""The gate of Art. 11: whether a construction project may enter its next stage now.

1. Stages follow each other; one that is not the next is refused. To give a project up needs no leave.
2. The design is on file: at least one security function, dated no later than today (A11.1).
3. Two people have signed a checklist that cites standards in force on its signing date (A11.3).
4. The leading group's approval stands at the instant (A11.5).
5. A network project is closed only after a protection review has passed (A08.1).
What is not plainly there is refused, and no fail mode stands in for it; a refusal names what is missing and where it is put on file.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from django.utils.translation import gettext as _

from anzhang import clock
from anzhang.organization.projects import ROUTE
from anzhang.organization.tables import Project
from anzhang.permissions import RefusedError
from anzhang.regulation.checks import gate
from anzhang.systems import on_file

__all__ = ["ROUTE", "missing", "project_approval"]


@gate("project_approval")
def project_approval(project: Project, stage: str, at: datetime) -> RefusedError | None:
    """Decide whether a project may enter a stage at the instant: a refusal or None.

    The codes are `project_ended`, `other_stage`, `design_missing`, `design_undated`, `checklist_missing`, `standard_withdrawn`,
    `approval_missing`, `approval_over`, `review_missing`, `review_failed`.

    Source: Art. 11; A11.1, A11.3, A11.5; A08.1.
    """
    if project.stage in Project.ENDED:
        return RefusedError("project_ended", _("“%(project)s”%(stage)s，不再变动。") % _told(project))
    if stage == Project.Stage.CANCELLED:
        return None
    if stage != project.next_stage:
        following = Project.Stage(project.next_stage or project.stage).label
        message = _("“%(project)s”%(stage)s，下一阶段是“%(next)s”。") % {**_told(project), "next": following}
        return RefusedError("other_stage", message, _("逐阶段办理。"))
    return next(missing(on_file.of([project])[project.pk], stage, at), None)


def missing(file: on_file.File, stage: str, at: datetime) -> Iterator[RefusedError]:
    """Yield everything that keeps a project from a stage, one refusal each."""
    yield from _design(file, at)
    yield from _checklist(file)
    yield from _approval(file, at)
    if stage == Project.Stage.CLOSED and file.project.kind == Project.Kind.NETWORK:
        yield from _review(file)


def _told(project: Project) -> dict[str, str]:
    return {"project": project.name, "stage": str(project.get_stage_display())}


def _design(file: on_file.File, at: datetime) -> Iterator[RefusedError]:
    if not file.items:
        message = _("“%s”没有登记安全设计项。") % file.project.name
        yield RefusedError("design_missing", message, _("在安全设计项台账中登记，写明本项目和设计日期。"))
    elif file.designed_on is None or file.designed_on > clock.day_of(at):
        message = _("“%s”的安全设计项没有写设计日期。") % file.project.name
        yield RefusedError("design_undated", message, _("在安全设计项台账中补写设计日期。"))


def _checklist(file: on_file.File) -> Iterator[RefusedError]:
    if file.signed is None:
        message = _("“%s”没有两人签字的方案核对表。") % file.project.name
        yield RefusedError("checklist_missing", message, _("编制方案核对表，由两人在项目档案中签字。"))
    elif file.withdrawn:
        told = {"checklist": file.signed.code, "standard": file.withdrawn[0]}
        message = _("核对表 %(checklist)s 引用的“%(standard)s”在签字时不是施行中的标准。") % told
        yield RefusedError("standard_withdrawn", message, _("按施行中的版本另编核对表，由两人签字。"))


def _approval(file: on_file.File, at: datetime) -> Iterator[RefusedError]:
    if on_file.standing(file, at) is not None:
        return
    if file.approvals:
        number = file.approvals[-1].approval.case.number
        yield RefusedError("approval_over", _("领导小组的批准 %s 已撤销或到期。") % number, _("重新提出“建设项目立项审批”。"))
    else:
        message = _("“%s”没有领导小组的批准。") % file.project.name
        yield RefusedError("approval_missing", message, _("提出“建设项目立项审批”，经单位负责人、办公室和领导小组批准。"))


def _review(file: on_file.File) -> Iterator[RefusedError]:
    project = file.project
    if project.review_on is None:
        message = _("网络项目“%s”没有防护审查。") % project.name
        yield RefusedError("review_missing", message, _("审查后在建设项目台账中写明日期、结论和审查人。"))
    elif project.review_result != Project.Result.PASSED:
        message = _("网络项目“%s”的防护审查没有通过。") % project.name
        yield RefusedError("review_failed", message, _("整改后重新审查，再结项。"))
