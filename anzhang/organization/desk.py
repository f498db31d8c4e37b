"""Who sits at which desk: the Office that deploys and supervises, the unit's head and officer who answer it (Art. 4)."""

from __future__ import annotations

from datetime import date, datetime

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from anzhang import clock
from anzhang.casework import notices
from anzhang.directory import queries
from anzhang.directory.models import Unit
from anzhang.organization.queries import officers
from anzhang.permissions import Actor, RefusedError, Via

notices.WORDING.update(
    {
        "directive_issued": gettext_lazy("新的工作部署 %(number)s：%(title)s，办结期限 %(due)s"),
        "directive_reminded": gettext_lazy("督办：工作部署 %(number)s（%(title)s）请抓紧办理，办结期限 %(due)s"),
        "directive_reported": gettext_lazy("%(unit)s已报送 %(number)s（%(title)s）的办理结果"),
        "directive_returned": gettext_lazy("%(number)s（%(title)s）的办理结果被退回"),
        "directive_finished": gettext_lazy("%(number)s（%(title)s）已办结"),
        "inspection_notified": gettext_lazy("整改通知 %(number)s：请于 %(due)s 前回复"),
        "inspection_replied": gettext_lazy("%(unit)s已回复整改通知 %(number)s"),
        "inspection_returned": gettext_lazy("整改通知 %(number)s 的回复被退回，请于 %(due)s 前重新回复"),
        "inspection_accepted": gettext_lazy("整改通知 %(number)s 的回复已获认可"),
        "plan_item_added": gettext_lazy("规划事项 %(number)s：%(title)s，完成期限 %(due)s"),
        "plan_item_completed": gettext_lazy("%(unit)s已登记规划事项 %(number)s（%(title)s）完成"),
        "statement_issued": gettext_lazy("责任书 %(number)s 等待您签字"),
        "statement_signed": gettext_lazy("%(person)s 的责任书 %(number)s 等待您签字"),
    }
)


def is_office(actor: Actor, at: datetime) -> bool:
    """Whether the actor works in the Office of the leading group."""
    return actor.person_id is not None and queries.office_members(at).filter(pk=actor.person_id).exists()


def require_office(actor: Actor, at: datetime) -> None:
    """Raise RefusedError unless the actor works in the Office, or an installation is being set up."""
    if actor.via is not Via.SETUP and not is_office(actor, at):
        raise RefusedError("not_the_office", _("这项工作由领导小组办公室办理。"), _("请办公室工作人员办理。"))


def is_desk(actor: Actor, unit: Unit, at: datetime) -> bool:
    """Whether the actor answers for a unit: its head, a head above it, or its security officer."""
    if actor.person_id is None:
        return False
    return queries.heads_over(actor.person_id, unit, at) or officers(unit, at).filter(person_id=actor.person_id).exists()


def require_desk(actor: Actor, unit: Unit, at: datetime) -> None:
    """Raise RefusedError unless the actor answers for the unit."""
    if not is_desk(actor, unit, at):
        raise RefusedError("not_the_unit", _("这项工作由%s的负责人或信息安全管理人员办理。") % unit.name, _("请他们登录后办理。"))


def desk(unit: Unit, at: datetime) -> list[int]:
    """Return whom a unit's notices go to: its head and its officers."""
    heads = queries.heads(unit, at).values_list("pk", flat=True)
    return sorted({*heads, *officers(unit, at).values_list("person_id", flat=True)})


def office(at: datetime) -> list[int]:
    """Return whom the Office's notices go to."""
    return sorted(queries.office_members(at).values_list("pk", flat=True))


def words(text: str, code: str, message: str, most: int) -> str:
    """Return a text without blanks at its ends. Raises RefusedError `code` with `message` when it is empty or too long."""
    text = text.strip()
    if not text:
        raise RefusedError(code, message)
    if len(text) > most or "\x00" in text:
        raise RefusedError("text_too_long", _("最多填写 %d 个字。") % most)
    return text


def not_before(day: date, at: datetime, message: str) -> date:
    """Return a deadline. Raises RefusedError `day_passed` when it lies before today, `implausible_day` for a slip of the year."""
    if not clock.is_plausible(day):
        raise RefusedError("implausible_day", _("日期不在 1900 年至 2199 年之间。"))
    if day < clock.day_of(at):
        raise RefusedError("day_passed", message)
    return day
