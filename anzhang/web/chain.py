"""The picture of a case: one link per step with names, times and opinions; and what the system already checked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from anzhang.casework import conditions
from anzhang.casework.models import Act, Case, Todo
from anzhang.casework.routes import Need, Route, Step

DECIDED = {Act.Verb.AGREE, Act.Verb.REFUSE, Act.Verb.SEND_BACK}


@dataclass(frozen=True)
class Link:
    """One chevron. `state` is done, now, failed or empty; `need` says how many must agree."""

    title: str
    state: str
    word: str
    need: str
    acts: tuple[Act, ...]
    waiting: tuple[Todo, ...]


def links(route: Route, case: Case, acts: Sequence[Act], todos: Sequence[Todo]) -> Iterator[Link]:
    """Return the links of a case in order; a step whose conditions do not hold has none."""
    taking_part = set(conditions.taking_part(route, case))
    for number, step in enumerate(route.steps):
        if number not in taking_part:
            continue
        state, word = _standing(number, case)
        mine = tuple(act for act in acts if act.round == case.round and act.step == number and act.verb in DECIDED)
        earlier = tuple(act for act in acts if act.round < case.round and act.step == number and act.verb == Act.Verb.AGREE)
        waiting = tuple(todo for todo in todos if todo.step == number and todo.round == case.round and todo.closed_at is None)
        # A resubmitted case that keeps its approval begins at the receiving step: the deciding steps show their old acts.
        yield Link(str(step.title), state, word, _need(step), mine or (earlier if state == "done" else ()), waiting)


def _standing(number: int, case: Case) -> tuple[str, str]:
    if number < case.step or case.state in {Case.State.APPROVED, Case.State.REVOKED}:
        return "done", _("已通过")
    if number > case.step:
        return "", _("未到")
    return {
        Case.State.OPEN: ("now", _("办理中")),
        Case.State.RETURNED: ("failed", _("已退回")),
        Case.State.REFUSED: ("failed", _("不同意")),
    }.get(Case.State(case.state), ("", _("已撤回")))


def _need(step: Step) -> str:
    if isinstance(step.need, int):
        return _("需 %(count)s 人同意") % {"count": step.need}
    return {Need.ONE: "", Need.ALL: _("全部同意"), Need.MAJORITY: _("过半数同意")}[step.need]


@dataclass(frozen=True)
class Checked:
    """One thing the system looked at, and whether it is in order."""

    text: str
    good: bool
    finding: str = ""  # number of the finding that says so, where the reader may open it


def checked(case: Case, todos: Sequence[Todo], at: datetime, findings: Iterable[str] = ()) -> list[Checked]:
    """Return what the registers say about an open case, in plain words; `findings` are those about it that the reader may open."""
    if case.state != Case.State.OPEN:
        return []
    found = [Checked(_("申请内容符合流程要求，流程规则在提出时已固定"), good=True)]
    found.append(Checked(_("申请人不参与办理，任何人不办理两个环节"), good=True))
    if case.fault:
        found.append(Checked(_("当前环节有权办理的人员不足，法定人数不减；补齐任职后自动继续"), good=False))
        found += [Checked(_("无人可办已列为问题"), good=False, finding=number) for number in findings]
    waiting = [todo for todo in todos if todo.closed_at is None]
    if waiting and min(todo.due_at for todo in waiting) < at:
        found.append(Checked(_("当前环节已超过办理时限"), good=False))
    else:
        found.append(Checked(_("当前环节在办理时限内"), good=True))
    return found
