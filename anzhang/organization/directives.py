"""The verbs of deployments (工作部署, Art. 4): the Office deploys to units, a unit reports with its proof, the Office closes or returns."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime

from django.db import transaction
from django.utils.translation import gettext as _

from anzhang.casework import notices
from anzhang.casework.numbering import numbered
from anzhang.directory import rows
from anzhang.directory.models import Unit
from anzhang.events import Event
from anzhang.journal.procedures import object_type
from anzhang.organization import desk
from anzhang.organization.models import Decision, Directive
from anzhang.organization.queries import evidence_of
from anzhang.permissions import Actor, RefusedError
from anzhang.registers import attachments
from anzhang.regulation.checks import procedure

State = Directive.State


@procedure("issue_directives")
def issue_directives(
    actor: Actor, units: Iterable[Unit], title: str, content: str, due_on: date, at: datetime, basis: Decision | None = None
) -> list[Directive]:
    """Deploy a piece of work to units, one item each with its own number; return the items.

    Raises RefusedError `not_the_office`, `no_unit`, `title_needed`, `content_needed`, `day_passed`.

    Source: Art. 4.
    """
    desk.require_office(actor, at)
    title = desk.words(title, "title_needed", _("请填写部署事项。"), 200)
    content = desk.words(content, "content_needed", _("请填写工作要求。"), 4000)
    desk.not_before(due_on, at, _("办结期限不能早于今天。"))
    chosen = list(units)
    if not chosen:
        raise RefusedError("no_unit", _("请至少选择一个承办单位。"))
    with transaction.atomic():
        return [_issue(actor, unit, title, content, due_on, basis, at) for unit in chosen]


def _issue(actor: Actor, unit: Unit, title: str, content: str, due_on: date, basis: Decision | None, at: datetime) -> Directive:
    def save(number: str) -> Directive:
        item = Directive(
            number=number, title=title, content=content, unit=unit, basis=basis, issued_at=at, issued_by_id=actor.person_id, due_on=due_on
        )
        return rows.create(actor, item, at, Event.DIRECTIVE_ISSUE)

    item = numbered(Directive, "number", "BS", at, save)
    _tell(actor, item, desk.desk(unit, at), "directive_issued", at)
    return item


@procedure("report_directive")
def report_directive(
    actor: Actor,
    item: Directive,
    result: str,
    evidence: str,
    at: datetime,
    expected_version: int | None = None,
    files: Iterable[tuple[str, bytes]] = (),
) -> Directive:
    """Report what came of an item, with what proves it: a document number, or files (name, content) that are kept beside the row.

    Raises RefusedError `not_the_unit`, `not_open`, `result_needed`, `no_evidence`, `file_...`, StaleError.

    Source: Art. 4.
    """
    desk.require_desk(actor, item.unit, at)
    _require_state(item, State.OPEN, _("该事项不在办理中，不能报送。"))
    result = desk.words(result, "result_needed", _("请填写办理结果。"), 4000)
    evidence, brought = evidence.strip(), list(files)
    if not evidence and not brought and not evidence_of(item):
        raise RefusedError("no_evidence", _("报送办理结果要附办结凭据。"), _("填写文号或上传附件后重新报送。"))
    if len(evidence) > 500 or "\x00" in evidence:
        raise RefusedError("text_too_long", _("最多填写 %d 个字。") % 500)
    values = {
        "state": State.REPORTED, "result": result, "evidence": evidence, "reported_at": at, "reported_by_id": actor.person_id, "remark": ""
    }  # fmt: skip
    with transaction.atomic():
        item = rows.change(actor, item, values, at, expected_version, Event.DIRECTIVE_REPORT)
        for name, data in brought:
            attachments.keep(actor, (object_type(item), str(item.pk)), data, name, at=at)
        _tell(actor, item, desk.office(at), "directive_reported", at)
    return item


@procedure("return_directive")
def return_directive(actor: Actor, item: Directive, remark: str, at: datetime, expected_version: int | None = None) -> Directive:
    """Give a reported item back to its unit, with a reason. Raises RefusedError `not_the_office`, `not_reported`, `remark_needed`."""
    desk.require_office(actor, at)
    _require_state(item, State.REPORTED, _("该事项尚未报送，不能退回。"))
    remark = desk.words(remark, "remark_needed", _("退回时要写明意见。"), 500)
    with transaction.atomic():
        item = rows.change(actor, item, {"state": State.OPEN, "remark": remark}, at, expected_version, Event.DIRECTIVE_RETURN)
        _tell(actor, item, desk.desk(item.unit, at), "directive_returned", at)
    return item


@procedure("finish_directive")
def finish_directive(actor: Actor, item: Directive, remark: str, at: datetime, expected_version: int | None = None) -> Directive:
    """Close a reported item. Raises RefusedError `not_the_office`, `not_reported`, `no_evidence`, StaleError.

    Source: Art. 4: followed to a documented end.
    """
    desk.require_office(actor, at)
    _require_state(item, State.REPORTED, _("该事项尚未报送，不能办结。"))
    if not evidence_of(item):
        raise RefusedError("no_evidence", _("没有办结凭据，不能办结。"), _("退回承办单位补充。"))
    values = {"state": State.FINISHED, "finished_at": at, "remark": remark.strip()[:500]}
    with transaction.atomic():
        item = rows.change(actor, item, values, at, expected_version, Event.DIRECTIVE_FINISH)
        _tell(actor, item, desk.desk(item.unit, at), "directive_finished", at)
    return item


@procedure("withdraw_directive")
def withdraw_directive(actor: Actor, item: Directive, remark: str, at: datetime, expected_version: int | None = None) -> Directive:
    """Call an item off, with a reason. Raises RefusedError `not_the_office`, `closed_already`, `remark_needed`."""
    desk.require_office(actor, at)
    if item.state in {State.FINISHED, State.WITHDRAWN}:
        raise RefusedError("closed_already", _("该事项%s，不能撤销。") % item.get_state_display())
    remark = desk.words(remark, "remark_needed", _("撤销时要写明原因。"), 500)
    return rows.change(actor, item, {"state": State.WITHDRAWN, "remark": remark}, at, expected_version, Event.DIRECTIVE_WITHDRAW)


@procedure("remind_directive")
def remind_directive(actor: Actor, item: Directive, at: datetime) -> Directive:
    """Press the unit for an open item (督办). Raises RefusedError `not_the_office`, `not_open`, `nobody_to_tell`."""
    desk.require_office(actor, at)
    _require_state(item, State.OPEN, _("该事项不在办理中，不必督办。"))
    people = desk.desk(item.unit, at)
    if not people:
        raise RefusedError(
            "nobody_to_tell", _("%s没有负责人和信息安全管理人员，督办无人接收。") % item.unit.name, _("请该单位先办理任命。")
        )
    with transaction.atomic():
        item = rows.change(actor, item, {"reminded_at": at}, at, act=Event.DIRECTIVE_REMIND)
        _tell(actor, item, people, "directive_reminded", at)
    return item


def _require_state(item: Directive, state: State, message: str) -> None:
    if item.state != state:
        raise RefusedError("not_open" if state == State.OPEN else "not_reported", message, _("刷新页面，查看最新情况。"))


def _tell(actor: Actor, item: Directive, people: Iterable[int], code: str, at: datetime) -> None:
    params = {"number": item.number, "title": item.title, "due": item.due_on.isoformat(), "unit": item.unit.name}
    for person_id in people:
        notices.notify(actor, person_id, code, params, f"/directives/{item.number}/", at)
