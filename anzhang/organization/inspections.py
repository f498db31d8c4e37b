"""The verbs of supervision (监督检查, Art. 4): the Office inspects a unit, notifies it, and takes or returns its reply."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime

from django.db import transaction
from django.utils.translation import gettext as _

from anzhang import clock
from anzhang.casework import notices
from anzhang.casework.numbering import numbered
from anzhang.directory import rows
from anzhang.directory.models import Unit
from anzhang.events import Event
from anzhang.organization import desk
from anzhang.organization.models import Inspection
from anzhang.permissions import Actor, RefusedError
from anzhang.regulation.checks import procedure


@procedure("record_inspection")
def record_inspection(actor: Actor, unit: Unit, inspected_on: date, form: str, result: str, at: datetime) -> Inspection:
    """Note an inspection that took place. Raises RefusedError `not_the_office`, `in_the_future`, `result_needed`, RowError.

    Source: Art. 4.
    """
    desk.require_office(actor, at)
    if inspected_on > clock.day_of(at) or not clock.is_plausible(inspected_on):
        raise RefusedError("in_the_future", _("检查日期不能晚于今天。"))
    result = desk.words(result, "result_needed", _("请填写检查情况。"), 4000)

    def save(number: str) -> Inspection:
        visit = Inspection(number=number, unit=unit, inspected_on=inspected_on, form=form, inspector_id=actor.person_id, result=result)
        return rows.create(actor, visit, at, Event.INSPECTION_RECORD)

    return numbered(Inspection, "number", "JC", at, save)


@procedure("notify_inspected_unit")
def notify_inspected_unit(
    actor: Actor, visit: Inspection, notice: str, reply_due_on: date, at: datetime, expected_version: int | None = None
) -> Inspection:
    """Send the unit a notice of what it has to mend, to be replied to by a day.

    Raises RefusedError `not_the_office`, `notified_already`, `notice_needed`, `day_passed`, StaleError.
    """
    desk.require_office(actor, at)
    if visit.notified_at is not None:
        raise RefusedError("notified_already", _("该次检查已下达整改通知。"))
    notice = desk.words(notice, "notice_needed", _("请填写整改通知的内容。"), 4000)
    values = {"notice": notice, "notified_at": at, "reply_due_on": desk.not_before(reply_due_on, at, _("回复期限不能早于今天。"))}
    with transaction.atomic():
        visit = rows.change(actor, visit, values, at, expected_version, Event.INSPECTION_NOTIFY)
        _tell(actor, visit, desk.desk(visit.unit, at), "inspection_notified", at)
    return visit


@procedure("reply_to_inspection")
def reply_to_inspection(actor: Actor, visit: Inspection, reply: str, at: datetime, expected_version: int | None = None) -> Inspection:
    """Reply for the unit to a notice. Raises RefusedError `not_the_unit`, `nothing_to_reply`, `reply_needed`, StaleError.

    Source: Art. 4.
    """
    desk.require_desk(actor, visit.unit, at)
    if visit.notified_at is None or visit.replied_at is not None:
        raise RefusedError("nothing_to_reply", _("没有待回复的整改通知。"), _("刷新页面，查看最新情况。"))
    reply = desk.words(reply, "reply_needed", _("请填写回复。"), 4000)
    values = {"reply": reply, "replied_at": at, "replied_by_id": actor.person_id, "remark": ""}
    with transaction.atomic():
        visit = rows.change(actor, visit, values, at, expected_version, Event.INSPECTION_REPLY)
        _tell(actor, visit, desk.office(at), "inspection_replied", at)
    return visit


@procedure("return_reply")
def return_reply(
    actor: Actor, visit: Inspection, remark: str, reply_due_on: date, at: datetime, expected_version: int | None = None
) -> Inspection:
    """Give a reply back with a reason and a new day; the history keeps what was replied.

    Raises RefusedError `not_the_office`, `not_replied`, `remark_needed`, `day_passed`, StaleError.
    """
    desk.require_office(actor, at)
    _require_replied(visit)
    remark = desk.words(remark, "remark_needed", _("退回时要写明意见。"), 500)
    due = desk.not_before(reply_due_on, at, _("回复期限不能早于今天。"))
    values = {"remark": remark, "reply_due_on": due, "replied_at": None, "replied_by_id": None}
    with transaction.atomic():
        visit = rows.change(actor, visit, values, at, expected_version, Event.INSPECTION_RETURN)
        _tell(actor, visit, desk.desk(visit.unit, at), "inspection_returned", at)
    return visit


@procedure("accept_reply")
def accept_reply(actor: Actor, visit: Inspection, remark: str, at: datetime, expected_version: int | None = None) -> Inspection:
    """Take a reply as done. Raises RefusedError `not_the_office`, `not_replied`, StaleError."""
    desk.require_office(actor, at)
    _require_replied(visit)
    values = {"accepted_at": at, "remark": remark.strip()[:500]}
    with transaction.atomic():
        visit = rows.change(actor, visit, values, at, expected_version, Event.INSPECTION_ACCEPT)
        _tell(actor, visit, desk.desk(visit.unit, at), "inspection_accepted", at)
    return visit


def _require_replied(visit: Inspection) -> None:
    if visit.replied_at is None or visit.accepted_at is not None:
        raise RefusedError("not_replied", _("没有待审阅的回复。"), _("刷新页面，查看最新情况。"))


def _tell(actor: Actor, visit: Inspection, people: Iterable[int], code: str, at: datetime) -> None:
    params = {"number": visit.number, "unit": visit.unit.name, "due": visit.reply_due_on.isoformat() if visit.reply_due_on else ""}
    for person_id in people:
        notices.notify(actor, person_id, code, params, f"/inspections/{visit.number}/", at)
