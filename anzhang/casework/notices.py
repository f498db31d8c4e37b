"""Notices: an outbox written with the act that causes it, read in the page. A notice holds a code and a link, nothing sensitive."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from anzhang.casework import channels
from anzhang.casework.models import Notice
from anzhang.casework.tables import Delivery
from anzhang.directory.models import Person
from anzhang.events import Event
from anzhang.journal.procedures import record
from anzhang.permissions import Actor, RefusedError
from anzhang.regulation.checks import procedure

# What a code says; `params` fill the names. A code that is not here cannot be sent.
WORDING: dict[str, str | Promise] = {
    "todo_opened": _("%(title)s（%(number)s）等待您办理，时限 %(due)s"),
    "case_approved": _("您提出的 %(title)s（%(number)s）已获批准"),
    "case_finished": _("您提出的 %(title)s（%(number)s）已办结"),
    "case_refused": _("您提出的 %(title)s（%(number)s）未获批准"),
    "case_returned": _("您提出的 %(title)s（%(number)s）被退回，请修改后重新提交"),
    "case_stuck": _("%(title)s（%(number)s）无人可办：有权办理的人员不足"),
    "approval_revoked": _("%(title)s（%(number)s）的批准已撤销"),
    "approval_ends": _("%(title)s（%(number)s）的批准将于 %(ends)s 到期"),
    "approval_expired": _("%(title)s（%(number)s）的批准已于 %(ends)s 到期"),
    "acted_first": _("%(title)s（%(number)s）已应急先行办理，须在 %(ends)s 前补批"),
    "emergency_lapsed": _("%(title)s（%(number)s）未在 %(ends)s 前补批，应急许可已失效"),
    "todo_reminder": _("%(title)s（%(number)s）的办理时限是 %(due)s，请尽快办理"),
    "todos_reminder": _("您有 %(count)s 件待办临近时限，最早的是 %(due)s"),
    "todo_overdue": _("%(title)s（%(number)s）已超过办理时限 %(due)s"),
    "todos_overdue": _("您有 %(count)s 件待办已超过办理时限"),
    "case_overdue": _("%(title)s（%(number)s）逾期未办，办理人：%(person)s"),
    "cases_overdue": _("%(count)s 件事项逾期未办"),
    "case_overdue_office": _("%(title)s（%(number)s）逾期未办且催办无果，办理人：%(person)s"),
    "cases_overdue_office": _("%(count)s 件事项逾期未办且催办无果"),
    "plan_overdue": _("问题 %(number)s 的计划完成日期 %(planned_on)s 已过，仍未消除：%(label)s"),
    "finding_waived": _("问题 %(number)s 已获准豁免至 %(ends)s：%(label)s"),
    "waiver_ended": _("问题 %(number)s 的豁免已到期，重新计为待整改：%(label)s"),
    "finding_opened": _("新问题 %(number)s：%(label)s，整改时限 %(due)s"),
    "finding_reopened": _("问题 %(number)s 再次出现：%(label)s"),
    "finding_closed": _("问题 %(number)s 已消除：%(label)s"),
    "finding_overdue": _("问题 %(number)s 已超过整改时限：%(label)s"),
    "session_replaced": _("您的账号在另一处登录，原会话已结束"),
}


class UnknownNoticeError(Exception):
    """A notice code without wording."""


def notify(actor: Actor, person: Person | int, code: str, params: Mapping[str, Any], link: str, at: datetime) -> Notice:
    """Put a notice into somebody's inbox, in the transaction of the act that causes it; return it.

    `params` are strings and numbers that `WORDING[code]` names. Raises UnknownNoticeError for a code or a name it lacks.
    """
    if code not in WORDING:
        raise UnknownNoticeError(code)
    person_id = person if isinstance(person, int) else person.pk
    notice = Notice(person_id=person_id, code=code, params=dict(params), link=link, created_at=at)
    text(notice)
    with transaction.atomic():
        notice.save()
        record(actor, Event.NOTICE_SEND, notice, at=at, payload={"person": person_id, "code": code, "link": link})
        Delivery.objects.bulk_create(Delivery(notice=notice, channel=name, next_at=at) for name in channels.configured())
    return notice


def text(notice: Notice) -> str:
    """Return what a notice says, in the language of the moment."""
    try:
        template: str = str(WORDING[notice.code])
        return template % dict(notice.params)
    except KeyError as error:
        raise UnknownNoticeError(f"{notice.code}: {error}") from error


def inbox(person_id: int) -> QuerySet[Notice]:
    """Return somebody's notices, newest first."""
    return Notice.objects.filter(person_id=person_id)


def unread(person_id: int) -> int:
    """Return how many notices somebody has not read."""
    return Notice.objects.filter(person_id=person_id, read_at=None).count()


@procedure("mark_notice_read")
def mark_read(actor: Actor, notice: Notice, at: datetime) -> None:
    """Note that the addressee has read a notice; the first reading counts.

    Reading is no act on the notice: `read_at` is outside the ledger's row digest, so one UPDATE is enough.
    """
    if actor.person_id is None or notice.person_id != actor.person_id:
        raise RefusedError("not_your_notice", str(_("这条通知不是发给您的。")))
    Notice.objects.filter(pk=notice.pk, read_at=None).update(read_at=at)


@procedure("mark_all_notices_read")
def mark_all_read(actor: Actor, at: datetime) -> int:
    """Note that the actor has read everything in the inbox; return how many were new."""
    return Notice.objects.filter(person_id=actor.person_id, read_at=None).update(read_at=at) if actor.person_id else 0
