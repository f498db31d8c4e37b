"""The verb and the gate of load tests in production (压测): evaluated by two people, approved, from named sources, in a window (A13.4)."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from anzhang import clock
from anzhang.casework import forms
from anzhang.casework.models import Approval, Case
from anzhang.casework.queries import require_approval
from anzhang.directory import queries as people
from anzhang.directory import rows
from anzhang.directory.models import Person, Unit
from anzhang.events import Event
from anzhang.network.fields import addresses
from anzhang.permissions import Actor, RefusedError
from anzhang.regulation.checks import gate, procedure
from anzhang.systems import evidence
from anzhang.systems.models import System
from anzhang.systems.tables import Environment
from anzhang.systems.upkeep import LoadTest

ROUTE = "load_test"
LONGEST = timedelta(days=3)  # of a window
LATEST = timedelta(days=7)  # how far back one may be approved afterwards
HEAVIEST = 100


@forms.rule(ROUTE)
def _together(form: Mapping[str, Any], _unit: Unit, at: datetime) -> Mapping[str, str]:
    faults = _window(form, at) | _sources(form["sources"])
    factor = int(form["expected_factor"])
    if not 1 <= factor <= HEAVIEST:
        faults["expected_factor"] = _("写 1 至 %d 的整数。") % HEAVIEST
    environment = Environment.objects.select_related("system__managing_unit").filter(code=form["environment"]).first()
    if environment is None:
        return faults
    if environment.kind != Environment.Kind.PRODUCTION or environment.state != Environment.State.IN_SERVICE:
        faults["environment"] = _("“%s”不是在用的生产环境。") % environment
    if fault := _targets(form["targets"], environment):
        faults["targets"] = fault
    return faults | _evaluators(form, environment, at)


def _window(form: Mapping[str, Any], at: datetime) -> dict[str, str]:
    begins, ends = forms.instant(form["window_from"]), forms.instant(form["window_to"])
    faults = {name: _("写整点：负载按小时核对。") for name, time in (("window_from", begins), ("window_to", ends)) if time.minute}
    if ends <= begins:
        faults["window_to"] = _("要晚于 %s。") % clock.minute(begins)
    elif ends - begins > LONGEST:
        faults["window_to"] = _("一次最长 %d 天，更长的分开提出。") % LONGEST.days
    elif begins < at - LATEST:
        faults["window_from"] = _("最多补办 %d 天以内的。") % LATEST.days
    return faults


def _sources(text: str) -> dict[str, str]:
    try:
        addresses(text.split())
    except ValidationError as error:
        return {"sources": "；".join(error.messages)}
    return {}


def _targets(text: str, environment: Environment) -> str:
    """Return what is wrong with targets; the hosts and addresses of the environment are what there is."""
    there = {each.lower() for each in (*environment.hosts, *environment.addresses)}
    strange = [each for each in text.split() if each.lower() not in there]
    if strange:
        return _("“%(target)s”不是“%(environment)s”登记的主机或地址。") % {"target": strange[0][:40], "environment": environment.name}
    return ""


def _evaluators(form: Mapping[str, Any], environment: Environment, at: datetime) -> dict[str, str]:
    """Return what is wrong with the two who evaluated: different people at work in the managing unit or below it."""
    if form["evaluator"] == form["second_evaluator"]:
        return {"second_evaluator": _("两名评估人不能是同一人。")}
    unit, faults = environment.system.managing_unit, {}
    for name in ("evaluator", "second_evaluator"):
        person = Person.objects.select_related("unit").filter(code=form[name]).first()
        if person is None:
            continue
        if not people.is_employed(person, at):
            faults[name] = _("%s 在该日期不在职。") % person.name
        elif not person.unit.path.startswith(unit.path):
            faults[name] = _("%(person)s 不是系统管理单位“%(unit)s”的人员。") % {"person": person.name, "unit": unit.name}
    return faults


@procedure("authorize_load_test")
def authorize_load_test(actor: Actor, case: Case, approval: Approval, at: datetime) -> LoadTest:
    """Enter the load test that a case grants. Raises RefusedError `no_approval`, `form_invalid`, RowError.

    One whose window began before is entered as approved afterwards (补批): `recorded_at` says so.

    Source: Art. 13; A13.4; route `load_test`.
    """
    require_approval(case, approval, ROUTE, at)
    form = case.form
    if faults := {name: text for name, text in _together(form, case.unit, at).items() if name != "window_from"}:  # cases may take days
        raise forms.FormError(faults)
    granted = LoadTest(
        environment=Environment.objects.get(code=form["environment"]), targets=form["targets"].split(),
        sources=[str(ipaddress.ip_address(each)) for each in form["sources"].split()], window_from=forms.instant(form["window_from"]),
        window_to=forms.instant(form["window_to"]), expected_factor=int(form["expected_factor"]), scheme=form["scheme"], risk=form["risk"],
        rollback=form["rollback"], watching=form["watching"], evaluator=Person.objects.get(code=form["evaluator"]),
        second_evaluator=Person.objects.get(code=form["second_evaluator"]), basis=approval, recorded_at=at,
    )  # fmt: skip
    return rows.create(actor, granted, at, Event.LOAD_TEST_AUTHORIZE)


@gate("load_test")
def load_test(environment: Environment, source: str, at: datetime) -> RefusedError | None:
    """Decide whether a source may put a production environment under load at the instant: a refusal or None.

    What is no production environment is not guarded here. What is not plainly allowed is refused, and no fail mode stands in for an answer.
    The codes are `source_unreadable`, `environment_retired`, `system_retired`, `load_test_missing`, `other_source`, `approval_revoked`,
    `window_not_open`, `window_over`.

    Source: Art. 13; A13.4.
    """
    if environment.kind != Environment.Kind.PRODUCTION:
        return None
    try:
        address = str(ipaddress.ip_address(source.strip()))
    except ValueError:
        return RefusedError("source_unreadable", _("“%s”不是 IP 地址。") % source[:40], _("写压测机的 IP 地址。"))
    if environment.state != Environment.State.IN_SERVICE:
        return RefusedError("environment_retired", _("“%s”已停用。") % environment.name, _("核对运行环境台账。"))
    if environment.system.state == System.State.RETIRED:
        return RefusedError("system_retired", _("“%s”已停用，不能压测。") % environment.system.name, _("核对信息系统台账。"))
    return _granted(environment, address, at)


def _granted(environment: Environment, address: str, at: datetime) -> RefusedError | None:
    granted = list(LoadTest.objects.filter(environment=environment).select_related("basis__case").order_by("-window_from", "-pk"))
    names = {"environment": environment.name, "source": address}
    if not granted:
        return RefusedError("load_test_missing", _("“%(environment)s”没有经评估批准的压测方案。") % names, apply())
    mine = [each for each in granted if address in each.sources]
    if not mine:
        return RefusedError("other_source", _("“%(environment)s”的压测方案没有列出来源 %(source)s。") % names, apply())
    standing = set(LoadTest.objects.filter(evidence.standing(at), pk__in=[each.pk for each in mine]).values_list("pk", flat=True))
    valid = [each for each in mine if each.pk in standing]
    if not valid:
        return RefusedError("approval_revoked", _("压测批准 %s 已撤销或到期。") % mine[0].basis.case.number, apply())
    if any(each.window_from <= at < each.window_to for each in valid):
        return None
    ahead = [each for each in valid if each.window_from > at]
    if ahead:
        first = min(each.window_from for each in ahead)
        return RefusedError("window_not_open", _("获准的压测时间自 %s 起，现在还没有到。") % clock.minute(first), _("到时再压测。"))
    return RefusedError("window_over", _("获准的压测时间已于 %s 结束。") % clock.minute(max(each.window_to for each in valid)), apply())


def apply() -> str:
    """Return what to do where a load test is not allowed."""
    return _("编写压测方案，经管理单位两人评估，提出“压测审批”，批准后在规定时间内压测。")
