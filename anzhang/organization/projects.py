"""The verbs of construction projects that need no gate: to register one, to prepare and sign its checklist (Art. 11)."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django.apps import apps
from django.db import transaction
from django.utils.translation import gettext as _

from anzhang import clock
from anzhang.casework.legal_basis import LegalBasis
from anzhang.casework.models import Case
from anzhang.directory import rows
from anzhang.events import Event
from anzhang.organization import desk, fields
from anzhang.organization.tables import Project, ProjectChecklist
from anzhang.permissions import Actor, RefusedError, Via
from anzhang.registers.rights import is_machine
from anzhang.regulation.checks import procedure

ROUTE = "project_approval"
OF_STAGES = ("initiated_on", "started_on", "accepted_on", "ended_on")
SIGNATURES = ("first_signer", "first_signed_on", "second_signer", "second_signed_on")


@procedure("register_project")
def register_project(actor: Actor, *, at: datetime, **values: Any) -> Project:
    """Add a construction project; one that is under way already is entered with the days of the stages behind it.

    Raises RefusedError `system_unknown`, `device_unknown`, `in_the_future`, RowError.

    Source: Art. 11.
    """
    project = Project(**values)
    rows.check(project)
    _require_sound(project, at)
    return rows.create(actor, project, at, Event.PROJECT_REGISTER)


@procedure("change_project")
def change_project(actor: Actor, row: Project, *, at: datetime, expected_version: int | None = None, **values: Any) -> Project:
    """Change a project. Its stage moves by `advance_project` only; a day of a stage that was kept is corrected by the Office.

    Raises RefusedError `stage_by_gate`, `day_kept`, `system_unknown`, `device_unknown`, `in_the_future`, StaleError, RowError.
    """
    with transaction.atomic():
        before = rows.locked(row)
        if values.get("stage", before.stage) != before.stage:
            raise RefusedError("stage_by_gate", _("项目的阶段不在这里更改。"), _("在项目档案中办理下一阶段，由立项关口核对。"))
        moved = [name for name in OF_STAGES if name in values and values[name] != getattr(before, name)]
        if moved and not (is_machine(actor) or desk.is_office(actor, at)):
            label = Project._meta.get_field(moved[0]).verbose_name  # type: ignore[union-attr]  # a column
            raise RefusedError("day_kept", _("“%s”由办公室更正。") % label, _("请办公室工作人员更正，改动会留痕。"))
        project = rows.change(actor, row, values, at, expected_version, Event.PROJECT_CHANGE)
        _require_sound(project, at)
        return project


def _require_sound(project: Project, at: datetime) -> None:
    if strange := _unknown("system", project.systems):
        raise RefusedError("system_unknown", _("“%s”不在信息系统台账中。") % strange[:40], _("先登记信息系统，状态写“规划”或“建设中”。"))
    if strange := _unknown("device", project.devices):
        raise RefusedError("device_unknown", _("“%s”不在设备台账中。") % strange[:40], _("先登记设备，新购的状态写“备用”。"))
    today = clock.day_of(at)
    for name in (*OF_STAGES, "contract_on", "review_on"):
        day = getattr(project, name)
        if day is not None and day > today:
            label = Project._meta.get_field(name).verbose_name  # type: ignore[union-attr]  # a column
            raise RefusedError("in_the_future", _("“%s”不能晚于今天。") % label, _("改正后重新提交。"))


def _unknown(noun: str, codes: list[str]) -> str:
    """Return the first code that a register of a chapter above does not hold, empty when it holds all."""
    model = apps.get_model("anzhang", noun)
    known = set(model._default_manager.filter(code__in=codes).values_list("code", flat=True))
    return next((code for code in codes if code not in known), "")


@procedure("register_project_checklist")
def register_project_checklist(actor: Actor, *, at: datetime, **values: Any) -> ProjectChecklist:
    """Prepare a checklist; the Office enters one that was signed on paper, with its signers.

    Raises RefusedError `not_the_office`, `standard_unknown`, `point_of_no_standard`, `in_the_future`, RowError.

    Source: Art. 11; A11.3.
    """
    checklist = ProjectChecklist(**values)
    if any(getattr(checklist, name) is not None for name in SIGNATURES):
        if not is_machine(actor):
            desk.require_office(actor, at)
        checklist.on_paper = True
    else:
        checklist.prepared_by_id = actor.person_id
    rows.check(checklist)
    _require_cited(checklist, at)
    return rows.create(actor, checklist, at, Event.CHECKLIST_PREPARE)


@procedure("change_project_checklist")
def change_project_checklist(
    actor: Actor, row: ProjectChecklist, *, at: datetime, expected_version: int | None = None, **values: Any
) -> ProjectChecklist:
    """Change a checklist that nobody has signed yet. Raises RefusedError `signed_already` and what registering one raises, StaleError."""
    with transaction.atomic():
        before = rows.locked(row)
        if before.first_signer_id is not None:
            raise RefusedError("signed_already", _("核对表 %s 已有人签字，不能更改。") % before.code, _("另编一份核对表。"))
        if any(values.get(name) is not None for name in SIGNATURES):
            raise RefusedError("sign_in_browser", _("签字不在这里填写。"), _("在项目档案中由签字人本人签字。"))
        if actor.person_id is not None:
            values = {**values, "prepared_by_id": actor.person_id}
        checklist = rows.change(actor, row, values, at, expected_version)
        _require_cited(checklist, at)
        return checklist


def _require_cited(checklist: ProjectChecklist, at: datetime) -> None:
    known = set(LegalBasis.objects.filter(code__in=checklist.standards).values_list("code", flat=True))
    if strange := [code for code in checklist.standards if code not in known]:
        raise RefusedError("standard_unknown", _("“%s”不在上位依据台账中。") % strange[0][:40], _("写上位依据台账中的编号。"))
    for code, clause, _found, _word in fields.parted(checklist.points):
        if code not in checklist.standards:
            told = {"code": code, "clause": clause}
            raise RefusedError("point_of_no_standard", _("%(code)s %(clause)s 不属于所依标准。") % told, _("补上标准，或改正这一条。"))
    if max(checklist.scheme_on, checklist.second_signed_on or checklist.scheme_on) > clock.day_of(at):
        raise RefusedError("in_the_future", _("方案日期和签字日期不能晚于今天。"), _("改正后重新提交。"))


@procedure("sign_project_checklist")
def sign_project_checklist(
    actor: Actor, checklist: ProjectChecklist, at: datetime, expected_version: int | None = None
) -> ProjectChecklist:
    """Sign a checklist as the first or the second of two people, neither of whom prepared it or asks for the project's approval.

    Raises RefusedError `not_browser`, `no_second_factor`, `not_the_unit`, `signed_already`, `own_checklist`, `signed_by_you`,
    `standard_not_in_force`, `standard_not_checked`, `point_unfit`, StaleError.

    Source: Art. 11; A11.3.
    """
    if actor.via is not Via.BROWSER:
        raise RefusedError("not_browser", _("签字只能在浏览器中进行。"), _("登录网页后签字。"))
    if not actor.second_factor:
        raise RefusedError("no_second_factor", _("签字需要第二重验证。"), _("完成第二重验证后再签字。"))
    with transaction.atomic():
        checklist = rows.locked(checklist)
        if (refusal := signature_refused(actor, checklist, at)) is not None:
            raise refusal
        today = clock.day_of(at)
        place = "second" if checklist.first_signer_id is not None else "first"
        values = {f"{place}_signer_id": actor.person_id, f"{place}_signed_on": today}
        return rows.change(actor, checklist, values, at, expected_version, Event.CHECKLIST_SIGN)


def signature_refused(actor: Actor, checklist: ProjectChecklist, at: datetime) -> RefusedError | None:
    """Return why somebody may not sign a checklist now, None where they may."""
    if checklist.second_signer_id is not None:
        return RefusedError("signed_already", _("核对表 %s 已由两人签字。") % checklist.code)
    if actor.person_id is None or (actor.unit_id != checklist.project.unit_id and not desk.is_desk(actor, checklist.project.unit, at)):
        return RefusedError("not_the_unit", _("核对表由%s的人员签字。") % checklist.project.unit.name, _("请该单位的人员登录后签字。"))
    if actor.person_id == checklist.prepared_by_id or actor.person_id in applicants(checklist.project):
        return RefusedError("own_checklist", _("编制核对表或申请立项的人不能签字。"), _("由另外两人签字。"))
    if actor.person_id == checklist.first_signer_id:
        return RefusedError("signed_by_you", _("您已签过字，第二签字人须是另一人。"), _("请另一人登录后签字。"))
    return _content_refused(checklist, clock.day_of(at))


def applicants(project: Project) -> set[int]:
    """Return who asks for the approval of a project, or was granted it, by id."""
    asked = Case.objects.filter(
        route=ROUTE, form__project=project.code, state__in=(Case.State.OPEN, Case.State.RETURNED, Case.State.APPROVED)
    )
    return set(asked.values_list("applicant_id", flat=True))


def _content_refused(checklist: ProjectChecklist, today: date) -> RefusedError | None:
    for law in not_in_force(checklist, today):
        return RefusedError("standard_not_in_force", _("“%s”在今天不是施行中的标准。") % law, _("改用施行中的版本，重新核对。"))
    points = fields.parted(checklist.points)
    if missing := sorted(set(checklist.standards) - {code for code, *_rest in points}):
        return RefusedError("standard_not_checked", _("%s 一条都没有核对。") % missing[0], _("逐条核对后再签字。"))
    for code, clause, found, _word in points:
        if found == fields.UNFIT:
            told = {"code": code, "clause": clause}
            return RefusedError("point_unfit", _("%(code)s %(clause)s 不符合，不能签字。") % told, _("修改方案，重新核对。"))
    return None


def not_in_force(checklist: ProjectChecklist, day: date, known: dict[str, LegalBasis] | None = None) -> list[str]:
    """Return the cited standards that do not hold on a day, by name; what is on no register holds on none."""
    if known is None:
        known = {law.code: law for law in LegalBasis.objects.filter(code__in=checklist.standards)}
    laws = [(code, known.get(code)) for code in checklist.standards]
    return [str(law or code) for code, law in laws if law is None or not law.holds_on(day)]
