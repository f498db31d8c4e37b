"""The verbs of unified planning (统一规划, Art. 4): the Office enters the items of a year's plan, units complete them with proof."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime

from django.db import transaction
from django.utils.translation import gettext as _

from anzhang import clock
from anzhang.casework import notices
from anzhang.casework.numbering import numbered
from anzhang.directory import rows
from anzhang.directory.models import Person, Unit
from anzhang.events import Event
from anzhang.journal.procedures import object_type
from anzhang.organization import desk
from anzhang.organization.models import Decision, PlanItem
from anzhang.organization.queries import evidenced_plan_items
from anzhang.permissions import Actor, RefusedError
from anzhang.registers import attachments
from anzhang.regulation.checks import procedure

State = PlanItem.State


@procedure("add_plan_item")
def add_plan_item(
    actor: Actor,
    *,
    year: int,
    title: str,
    content: str,
    unit: Unit,
    owner: Person | None,
    due_on: date,
    at: datetime,
    basis: Decision | None = None,
) -> PlanItem:
    """Enter an item of the plan of a year: what is done, by which unit, who answers for it, by when.

    Raises RefusedError `not_the_office`, `wrong_year`, `title_needed`, `content_needed`, `day_passed`, `owner_elsewhere`.

    Source: Art. 4: planning is unified.
    """
    desk.require_office(actor, at)
    title = desk.words(title, "title_needed", _("请填写规划事项。"), 200)
    content = desk.words(content, "content_needed", _("请填写建设内容和要求。"), 4000)
    if abs(year - clock.day_of(at).year) > PlanItem.FURTHEST:
        raise RefusedError("wrong_year", _("规划年度 %d 不对。") % year, _("填写今年前后五年内的年度。"))
    desk.not_before(due_on, at, _("完成期限不能早于今天。"))
    if owner is not None and owner.unit_id != unit.pk:
        raise RefusedError("owner_elsewhere", _("%(person)s 不是%(unit)s的人员。") % {"person": owner.name, "unit": unit.name})

    def save(number: str) -> PlanItem:
        item = PlanItem(
            number=number, year=year, title=title, content=content, unit=unit, owner=owner, due_on=due_on, basis=basis, entered_at=at,
            entered_by_id=actor.person_id,
        )  # fmt: skip
        return rows.create(actor, item, at, Event.PLAN_ADD)

    with transaction.atomic():
        item = numbered(PlanItem, "number", "GH", at, save)
        _tell(actor, item, [*desk.desk(unit, at), *([owner.pk] if owner else [])], "plan_item_added", at)
    return item


@procedure("complete_plan_item")
def complete_plan_item(
    actor: Actor, item: PlanItem, result: str, evidence: str, at: datetime, expected_version: int | None = None,
    files: Iterable[tuple[str, bytes]] = (),
) -> PlanItem:  # fmt: skip
    """Note that an item is completed, with what proves it: a document number, or files kept beside the row.

    Raises RefusedError `not_the_unit`, `not_open`, `result_needed`, `no_evidence`, `file_...`, StaleError.

    Source: Art. 4.
    """
    if actor.person_id is None or actor.person_id != item.owner_id:
        desk.require_desk(actor, item.unit, at)
    _require_open(item)
    result = desk.words(result, "result_needed", _("请填写完成情况。"), 4000)
    evidence, brought = evidence.strip(), list(files)
    if not evidence and not brought and not evidenced_plan_items(PlanItem.objects.filter(pk=item.pk)):
        raise RefusedError("no_evidence", _("登记完成要附完成凭据。"), _("填写验收文号或上传附件后重新提交。"))
    if len(evidence) > 500 or "\x00" in evidence:
        raise RefusedError("text_too_long", _("最多填写 %d 个字。") % 500)
    values = {
        "state": State.COMPLETED, "result": result, "evidence": evidence, "completed_at": at, "completed_by_id": actor.person_id
    }  # fmt: skip
    with transaction.atomic():
        item = rows.change(actor, item, values, at, expected_version, Event.PLAN_COMPLETE)
        for name, data in brought:
            attachments.keep(actor, (object_type(item), str(item.pk)), data, name, at=at)
        _tell(actor, item, desk.office(at), "plan_item_completed", at)
    return item


@procedure("postpone_plan_item")
def postpone_plan_item(
    actor: Actor, item: PlanItem, due_on: date, remark: str, at: datetime, expected_version: int | None = None
) -> PlanItem:  # fmt: skip
    """Give an open item another day, with a reason. Raises RefusedError `not_the_office`, `not_open`, `remark_needed`, `day_passed`."""
    desk.require_office(actor, at)
    _require_open(item)
    remark = desk.words(remark, "remark_needed", _("调整时要写明原因。"), 500)
    desk.not_before(due_on, at, _("完成期限不能早于今天。"))
    return rows.change(actor, item, {"due_on": due_on, "remark": remark}, at, expected_version, Event.PLAN_POSTPONE)


@procedure("drop_plan_item")
def drop_plan_item(actor: Actor, item: PlanItem, remark: str, at: datetime, expected_version: int | None = None) -> PlanItem:
    """Take an item out of the plan, with a reason. Raises RefusedError `not_the_office`, `not_open`, `remark_needed`."""
    desk.require_office(actor, at)
    _require_open(item)
    remark = desk.words(remark, "remark_needed", _("调整时要写明原因。"), 500)
    return rows.change(actor, item, {"state": State.DROPPED, "remark": remark}, at, expected_version, Event.PLAN_DROP)


def _require_open(item: PlanItem) -> None:
    if item.state != State.OPEN:
        raise RefusedError("not_open", _("该规划事项%s，不能再办。") % item.get_state_display(), _("刷新页面，查看最新情况。"))


def _tell(actor: Actor, item: PlanItem, people: Iterable[int], code: str, at: datetime) -> None:
    params = {"number": item.number, "title": item.title, "due": item.due_on.isoformat(), "unit": item.unit.name}
    for person_id in sorted(set(people)):
        notices.notify(actor, person_id, code, params, f"/plan/{item.number}/", at)
