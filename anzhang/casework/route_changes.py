"""Change a unit's route (DESIGN 5): what route `route_change` does once it is approved, and what it may never do.

A unit may ask for more than the catalog, never for less: every step of the catalog stays, in its order, with its deciders, its
quorum and its conditions, and no slower; steps may be added and quorums raised. That the applicant never decides is the
engine's own rule and no route can say otherwise. Cases on their way keep the version they were filed under.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from anzhang.casework import forms, routes
from anzhang.casework.models import Approval, Case
from anzhang.casework.queries import require_approval
from anzhang.casework.routes import Need, Route, RouteError, Step, parse
from anzhang.casework.tables import UnitRoute
from anzhang.casework.unit_routes import effective
from anzhang.directory import rows
from anzhang.directory.models import Unit
from anzhang.events import Event
from anzhang.permissions import Actor, RefusedError
from anzhang.regulation.checks import procedure

MOST_STEPS = 12


@procedure("change_unit_route")
def change_unit_route(actor: Actor, case: Case, approval: Approval, at: datetime) -> UnitRoute:
    """Let the unit's cases of a route go the way of the case from now on; the version before ends.

    Raises RefusedError `no_approval`, `unknown_route`, `route_wrong`, `below_minimum`.

    Source: DESIGN 5; route `route_change`.
    """
    require_approval(case, approval, "route_change", at)
    key = str(case.form["route"])
    way = proposed(key, case.form["rules"])
    versions = UnitRoute.objects.filter(unit=case.unit, route=key, superseded_at=None)
    with transaction.atomic():
        for before in versions.filter(UnitRoute.in_force(at)):
            rows.amend(actor, Event.ROUTE_CHANGE, before, at, valid_to=at)
        row = UnitRoute(
            unit=case.unit, route=key, version=versions.count() + 1, rules=dict(way.source), basis=approval, valid_from=at, recorded_at=at
        )
        return rows.create(actor, row, at, Event.ROUTE_CHANGE)


def proposed(key: str, rules: str) -> Route:
    """Return the route that a proposal describes. Raises RefusedError `unknown_route`, `route_wrong`, `below_minimum`."""
    base = routes.current().get(key)
    if base is None:
        raise RefusedError("unknown_route", _("没有名为“%s”的流程。") % key[:64])
    steps = json.loads(rules)
    if len(steps) > MOST_STEPS:
        raise RefusedError("route_wrong", _("一个流程最多 %d 个环节。") % MOST_STEPS)
    try:
        way = parse({**base.source, "step": steps}, _("调整后的流程"))
    except RouteError as error:
        raise RefusedError("route_wrong", _("环节设置有误：%s") % error, _("改正后重新提交。")) from error
    lacks = shortfalls(base, way)
    if lacks:
        raise RefusedError("below_minimum", "；".join(lacks), _("单位流程只能比规定的更严，不能更松。"))
    return way


def shortfalls(base: Route, way: Route) -> list[str]:
    """Return in words where a route asks for less than the catalog; empty where nowhere."""
    there = {step.key: step for step in way.steps}
    lacks = [_("缺少规定的环节“%s”") % step.title for step in base.steps if step.key not in there]
    kept = [step for step in base.steps if step.key in there]
    if [step.key for step in kept] != [step.key for step in way.steps if step.key in {each.key for each in base.steps}]:
        lacks.append(_("规定环节的先后不能改变"))
    for step in kept:
        lacks += [_("环节“%(step)s”：%(why)s") % {"step": step.title, "why": why} for why in _weaker(step, there[step.key])]
    lacks += [
        _("新增环节“%s”只能是审批环节，不能带有办结动作") % step.title
        for key, step in there.items()
        if key not in {each.key for each in base.steps} and (step.kind is not routes.StepKind.DECIDE or step.effect)
    ]
    return lacks


def _weaker(base: Step, step: Step) -> list[str]:
    why = []
    widened = step.need is Need.ALL and set(base.who) <= set(step.who)
    if set(step.who) != set(base.who) and not widened:
        why.append(_("办理人不能更换"))
    if (set(step.otherwise) != set(base.otherwise) or step.stand_in != base.stand_in) and not widened:
        why.append(_("替代办理人不能更换"))
    if not _as_strict(base, step) or step.minimum < base.minimum:
        why.append(_("同意人数不能少于规定"))
    if step.days > base.days:
        why.append(_("时限不能超过 %d 个工作日") % base.days)
    if (step.kind, step.effect, step.when) != (base.kind, base.effect, base.when):
        why.append(_("环节性质、办结动作和适用条件不能更改"))
    return why


def _as_strict(base: Step, step: Step) -> bool:
    if step.need == base.need:
        return True
    if isinstance(base.need, int) and isinstance(step.need, int):
        return step.need >= base.need
    return base.need is Need.ONE and step.need is Need.ALL


@dataclass(frozen=True)
class Difference:
    """One step as it is and as it would be, in words; `state` is same, added, removed or changed."""

    title: str
    before: str
    after: str
    state: str


def compare(before: Route, after: Route) -> list[Difference]:
    """Return the steps of two versions of a route side by side, in the order of the later one."""
    old, new = ({step.key: step for step in way.steps} for way in (before, after))
    found = [_difference(old.get(key), step) for key, step in new.items()]
    return found + [_difference(step, None) for key, step in old.items() if key not in new]


def _difference(before: Step | None, after: Step | None) -> Difference:
    was, now = (described(step) if step else "" for step in (before, after))
    state = "added" if before is None else "removed" if after is None else "same" if was == now else "changed"
    return Difference(str((after or before).title), was, now, state)  # type: ignore[union-attr]


def described(step: Step) -> str:
    """Return who decides in a step, how many and by when, on one line."""
    who = "、".join(str(routes.ROLE_NAMES[each.partition("@")[0]]) for each in step.who)
    need = {Need.ONE: _("一人同意"), Need.ALL: _("全部同意"), Need.MAJORITY: _("过半数同意")}
    many = _("%d 人同意") % step.need if isinstance(step.need, int) else need[step.need]
    return _("%(who)s，%(many)s，%(days)d 个工作日") % {"who": who, "many": many, "days": step.days}


def as_rules(way: Route) -> list[dict[str, Any]]:
    """Return the steps of a route as a proposal carries them."""
    steps: Sequence[Mapping[str, Any]] = way.source["step"]
    return [dict(step) for step in steps]


def _find(key: str) -> str | None:
    way = routes.current().get(key)
    return str(way.title) if way else None


def _options(_unit: Unit, _at: datetime) -> Sequence[tuple[str, str]]:
    return [(key, str(way.title)) for key, way in routes.current().items()]


@forms.rule("route_change")
def _together(form: Mapping[str, Any], unit: Unit, at: datetime) -> Mapping[str, str]:
    try:
        way = proposed(form["route"], form["rules"])
    except RefusedError as refusal:
        return {"rules": refusal.message}
    if all(each.state == "same" for each in compare(effective(form["route"], unit, at), way)):
        return {"rules": _("与现行流程相同，没有调整。")}
    return {}


forms.lookup("route", _find, _options)
