"""The verbs of go-lives (上线) and of developers' exceptions: a decided case gives one, the operator notes what is done (Art. 13)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from anzhang import clock
from anzhang.casework import delegations, forms, parameters
from anzhang.casework.models import Act, Approval, Case
from anzhang.casework.queries import require_approval
from anzhang.directory import queries as people
from anzhang.directory import rows
from anzhang.directory.models import Person, Unit
from anzhang.events import Event
from anzhang.permissions import Actor, RefusedError
from anzhang.regulation.checks import procedure
from anzhang.systems import evidence, fields, gate
from anzhang.systems.models import System
from anzhang.systems.tables import DeveloperException, Environment, GoLive, Release

LONGEST = timedelta(days=7)  # of a window; and how far back a go-live may be approved afterwards
EXCEPTION_ROUTE = "developer_operates"


@forms.rule(gate.ROUTE)
def _together(form: Mapping[str, Any], _unit: Unit, at: datetime) -> Mapping[str, str]:
    faults = _window(form, at)
    release = Release.objects.select_related("system__managing_unit").filter(code=form["release"]).first()
    environment = Environment.objects.filter(code=form["environment"]).first()
    operator = Person.objects.filter(code=form["operator"]).first()
    if release is None or environment is None or operator is None:
        return faults
    faults |= _of_release(release) | _of_environment(environment, release) | _of_operator(operator, release, at)
    heads = list(delegations.heads(release.system.managing_unit, at))
    if heads and all(head.code in release.developers for head in heads):
        told = {"person": heads[0].name}
        faults.setdefault("release", _("审批人%(person)s是该版本的开发人员，不能审批自己开发的版本。请先办理代理负责人。") % told)
    return faults | _of_digests(form["digest"].split(), release)


def _of_release(release: Release) -> dict[str, str]:
    return {"release": _("版本 %s 已停用。") % release} if release.state == Release.State.WITHDRAWN else {}


def _of_environment(environment: Environment, release: Release) -> dict[str, str]:
    if environment.system_id != release.system_id:
        told = {"environment": environment, "system": release.system}
        return {"environment": _("“%(environment)s”不是“%(system)s”的环境。") % told}
    if environment.kind != Environment.Kind.PRODUCTION or environment.state != Environment.State.IN_SERVICE:
        return {"environment": _("“%s”不是在用的生产环境。") % environment}
    return {}


def _of_operator(operator: Person, release: Release, at: datetime) -> dict[str, str]:
    if evidence.developed(operator, release, at):
        return {"operator": _("%s 是该系统的开发人员，不能由其上线。请写明不参与开发的人员。") % operator.name}
    return {} if people.is_employed(operator, at) else {"operator": _("%s 在该日期不在职。") % operator.name}


def _of_digests(digests: Sequence[str], release: Release) -> dict[str, str]:
    for each in digests:
        if not fields.DIGEST.fullmatch(each):
            return {"digest": _("“%s”不是 SHA-256 摘要，应为 64 位小写十六进制数。") % each[:40]}
        if each not in release.digests:
            return {"digest": _("摘要 %(digest)s… 不是版本 %(release)s 的制品。") % {"digest": each[:12], "release": release}}
    if len(set(digests)) != len(digests):
        return {"digest": _("摘要有重复。")}
    lacks = evidence.missing(release, digests)
    return {"digest": "".join(lacks) + _("补齐后再提出。")} if lacks else {}


def _window(form: Mapping[str, Any], at: datetime) -> dict[str, str]:
    begins, ends = forms.instant(form["window_from"]), forms.instant(form["window_to"])
    if ends <= begins:
        return {"window_to": _("要晚于 %s。") % clock.minute(begins)}
    if ends - begins > LONGEST:
        return {"window_to": _("一次最长 %d 天，更长的分开提出。") % LONGEST.days}
    if begins < at - LONGEST:
        return {"window_from": _("最多补办 %d 天以内的。") % LONGEST.days}
    return {}


@procedure("authorize_go_live")
def authorize_go_live(actor: Actor, case: Case, approval: Approval, at: datetime) -> GoLive:
    """Enter the go-live that a case grants. Raises RefusedError `no_approval`, `form_invalid`, `own_developer`.

    One whose window began before is entered as approved afterwards (补批): `recorded_at` says so.

    Source: Art. 13; route `go_live`.
    """
    require_approval(case, approval, gate.ROUTE, at)
    form = case.form
    if faults := {name: text for name, text in _together(form, case.unit, at).items() if name != "window_from"}:  # cases may take days
        raise forms.FormError(faults)
    release = Release.objects.get(code=form["release"])
    deciders = Act.objects.filter(case=case, verb=Act.Verb.AGREE).select_related("person").order_by("pk")
    if own := next((act.person for act in deciders if act.person.code in release.developers), None):
        message = _("%(person)s 是版本 %(release)s 的开发人员，不能审批其上线。")
        raise RefusedError("own_developer", message % {"person": own.name, "release": release}, _("由不参与开发的负责人审批。"))
    granted = GoLive(
        release=release, environment=Environment.objects.get(code=form["environment"]), digests=form["digest"].split(),
        window_from=forms.instant(form["window_from"]), window_to=forms.instant(form["window_to"]),
        operator=Person.objects.get(code=form["operator"]), basis=approval, recorded_at=at,
    )  # fmt: skip
    return rows.create(actor, granted, at, Event.GO_LIVE_AUTHORIZE)


@procedure("put_live")
def put_live(actor: Actor, granted: GoLive, at: datetime) -> GoLive:
    """Note that a release is put into production now, by the one who does it; the gate decides, digest by digest.

    Raises RefusedError `not_the_operator`, `done_already` and what the gate `go_live` refuses with.

    Source: Art. 13; A13.6.
    """
    with transaction.atomic():
        granted = rows.locked(granted)
        if actor.person_id != granted.operator_id:
            raise RefusedError("not_the_operator", _("由批准的执行人员%s登记。") % granted.operator.name, _("请其本人登录办理。"))
        if granted.done_at is not None:
            raise RefusedError("done_already", _("已于 %s 登记上线。") % clock.minute(granted.done_at))
        for digest in granted.digests:
            if (refusal := gate.go_live(granted.environment, digest, granted.operator, at)) is not None:
                raise refusal
        if not granted.window_from <= at < granted.window_to:  # another grant of the same digest is open
            raise RefusedError("window_over", _("这份批准此刻不在上线时间内。"), _("用此刻有效的批准登记。"))
        granted = rows.change(actor, granted, {"done_at": at}, at, act=Event.GO_LIVE_DONE)
        if granted.release.state == Release.State.CANDIDATE:
            rows.change(actor, granted.release, {"state": Release.State.LIVE, "live_at": at}, at, act=Event.RELEASE_GO_LIVE)
        return granted


@forms.rule(EXCEPTION_ROUTE)
def _exception(form: Mapping[str, Any], _unit: Unit, at: datetime) -> Mapping[str, str]:
    begins, last = _days(form)
    faults = {}
    longest = int(parameters.values(at)["sod_exception_days"])
    if last < begins:
        faults["last_on"] = _("截止日期不能早于起始日期。")
    elif (last - begins).days + 1 > longest:
        faults["last_on"] = _("例外最长 %d 天。") % longest
    elif begins < clock.day_of(at):
        faults["effective_on"] = _("不能早于今天。")
    system = System.objects.filter(code=form["system"]).first()
    person = Person.objects.filter(code=form["person"]).first()
    if system is not None and person is not None and not evidence.developer_posts(system, at).filter(person=person).exists():
        faults["person"] = _("%(person)s 不是“%(system)s”的开发人员，不需要例外。") % {"person": person.name, "system": system.name}
    return faults


def _days(form: Mapping[str, Any]) -> tuple[date, date]:
    return date.fromisoformat(form["effective_on"]), date.fromisoformat(form["last_on"])


@procedure("except_developer")
def except_developer(actor: Actor, case: Case, approval: Approval, at: datetime) -> DeveloperException:
    """Enter that a developer may operate a system for some days. Raises RefusedError `no_approval`, `form_invalid`.

    Source: Art. 13; A13.1; route `developer_operates`.
    """
    require_approval(case, approval, EXCEPTION_ROUTE, at)
    form = case.form
    if faults := {name: text for name, text in _exception(form, case.unit, at).items() if name != "effective_on"}:
        raise forms.FormError(faults)
    begins, last = _days(form)
    row = DeveloperException(
        system=System.objects.get(code=form["system"]), person=Person.objects.get(code=form["person"]), reason=form["reason"],
        starts_at=max(at, clock.start_of(begins)), ends_at=clock.start_of(last + timedelta(days=1)), basis=approval, recorded_at=at,
    )  # fmt: skip
    if row.ends_at <= row.starts_at:
        raise forms.FormError({"last_on": _("截止日期已过。")})
    return rows.create(actor, row, at, Event.DEVELOPER_EXCEPT)


def _find_release(code: str) -> str | None:
    found = Release.objects.select_related("system").filter(code=code).first()
    return f"{found.system.name} {found}（{found.code}）" if found else None


def _releases(unit: Unit, _at: datetime) -> Sequence[tuple[str, str]]:
    found = Release.objects.exclude(state=Release.State.WITHDRAWN).select_related("system").order_by("system__code", "-built_on", "code")
    own = sorted(found, key=lambda each: each.system.managing_unit_id != unit.pk)
    return [(each.code, f"{each.system.name} {each}（{each.code}）") for each in own]


def _find_environment(code: str) -> str | None:
    return Environment.objects.filter(code=code).values_list("name", flat=True).first()


def _environments(unit: Unit, _at: datetime) -> Sequence[tuple[str, str]]:
    there = Environment.objects.filter(kind=Environment.Kind.PRODUCTION, state=Environment.State.IN_SERVICE)
    found = there.values_list("code", "name", "system__managing_unit_id").order_by("code")
    return [(code, f"{name}（{code}）") for code, name, manager in sorted(found, key=lambda row: row[2] != unit.pk)]


forms.lookup("release", _find_release, _releases)
forms.lookup("environment", _find_environment, _environments)
