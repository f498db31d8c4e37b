"""The verb of change orders (变更单): a decided case opens one (Art. 7, 8, 9)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from anzhang import clock
from anzhang.casework import delegations, forms
from anzhang.casework.models import Act, Approval, Case
from anzhang.casework.queries import require_approval
from anzhang.directory import queries as people
from anzhang.directory import rows
from anzhang.directory.models import Bitemporal, Person, Unit
from anzhang.events import Event
from anzhang.network import scopes
from anzhang.network.models import Device
from anzhang.network.tables import ChangeOrder
from anzhang.permissions import Actor, RefusedError
from anzhang.regulation.checks import procedure

ROUTE = "change_order"
LONGEST = timedelta(days=7)  # of a window
BACKWARDS = timedelta(days=90)  # how far back a change may be approved afterwards, and be asked for its order
PRODUCTION = ChangeOrder.Kind.PRODUCTION


def standing(at: datetime) -> Q:
    """Return the condition that an order is in force at an instant and so is the approval behind it."""
    lasts = Q(basis__valid_to=None) | Q(basis__valid_to__gt=at)
    return Bitemporal.in_force(at) & lasts & Q(basis__superseded_at=None, basis__valid_from__lte=at)


def naming(device: Device) -> QuerySet[ChangeOrder]:
    """Return the orders that name a device, as they are believed."""
    about = ChangeOrder.objects.filter(superseded_at=None).exclude(kind=PRODUCTION).select_related("basis__case", "executor")
    return about.filter(pk__in=[pk for pk, codes in about.values_list("pk", "devices") if device.code in codes]).order_by("valid_from")


@forms.rule(ROUTE)
def _together(form: Mapping[str, Any], unit: Unit, at: datetime) -> Mapping[str, str]:
    faults = _window(form, at)
    codes = scopes.lines(form["devices"])
    if form["kind"] == PRODUCTION:
        if not form["environment"]:
            faults["environment"] = _("生产环境变更写明环境。")
        if codes:
            faults["devices"] = _("生产环境变更不写设备；设备的变更另提一单。")
    elif fault := _devices(codes, unit):
        faults["devices"] = fault
    elif form["environment"]:
        faults["environment"] = _("只有生产环境变更写明环境。")
    if fault := _executor(form["executor"], unit, at):
        faults["executor"] = fault
    return faults


def _window(form: Mapping[str, Any], at: datetime) -> dict[str, str]:
    begins, ends = forms.instant(form["window_from"]), forms.instant(form["window_to"])
    if ends <= begins:
        return {"window_to": _("要晚于 %s。") % clock.minute(begins)}
    if ends - begins > LONGEST:
        return {"window_to": _("一次最长 %d 天，更长的分开提出。") % LONGEST.days}
    return {"window_from": _("最多补办 %d 天以内的。") % BACKWARDS.days} if begins < at - BACKWARDS else {}


def _devices(codes: list[str], unit: Unit) -> str:
    """Return why devices cannot be changed by a unit: they are its own or those of units below it, the information center's are all."""
    if not codes:
        return _("至少写一台设备的编号。")
    found = {device.code: device for device in Device.objects.filter(code__in=codes).select_related("unit")}
    if missing := [code for code in codes if code not in found]:
        return _("没有编号为“%s”的设备。") % missing[0][:40]
    if away := [device for device in found.values() if device.state == Device.State.RETIRED]:
        return _("“%s”已停用。") % away[0].name
    foreign = [device for device in found.values() if not device.unit.path.startswith(unit.path)]
    if foreign and unit.function != Unit.Function.INFO_CENTER:
        return _("“%(device)s”属于%(unit)s，由该单位或信息中心提出。") % {"device": foreign[0].name, "unit": foreign[0].unit.name}
    return ""


def _executor(code: str, unit: Unit, at: datetime) -> str:
    executor = Person.objects.filter(code=code).first()
    if executor is None:
        return ""
    if not people.is_employed(executor, at):
        return _("%s 在该日期不在职。") % executor.name
    heads = list(delegations.heads(unit, at))
    if heads and all(head.pk == executor.pk for head in heads):
        return _("%s 是审批人，不能同时执行；写明另一人，或先办理代理负责人。") % executor.name
    return ""


@procedure("open_change_order")
def open_change_order(actor: Actor, case: Case, approval: Approval, at: datetime) -> ChangeOrder:
    """Enter the order that a case grants. Raises RefusedError `no_approval`, `form_invalid`, `executor_decided`.

    One whose window began before is entered as approved afterwards (补批): its approval says so.

    Source: Art. 8; route `change_order`; A08.1.
    """
    require_approval(case, approval, ROUTE, at)
    form = case.form
    if faults := {name: text for name, text in _together(form, case.unit, at).items() if name != "window_from"}:  # cases may take days
        raise forms.FormError(faults)
    executor = Person.objects.get(code=form["executor"])
    deciders = Act.objects.filter(case=case, verb=Act.Verb.AGREE)
    if deciders.filter(person=executor).exists():
        raise RefusedError(
            "executor_decided", _("%s 是执行人员，不能审批这张变更单。") % executor.name, _("由其他审批人办理，或退回改写执行人员。")
        )
    row = ChangeOrder(
        number=case.number, kind=form["kind"], devices=list(dict.fromkeys(scopes.lines(form["devices"]))), what=form["what"],
        system=_related("environment", form["environment"], "system"), environment=_related("environment", form["environment"]),
        rollback=form["rollback"], unit=case.unit, applicant=case.applicant, executor=executor,
        valid_from=forms.instant(form["window_from"]), valid_to=forms.instant(form["window_to"]), recorded_at=at, basis=approval,
    )  # fmt: skip
    return rows.create(actor, row, at, Event.CHANGE_ORDER_OPEN)


def _related(name: str, code: str | None, then: str = "") -> Any:
    """Return the row of a register above this one that an order names: the model is known by the column alone."""
    if not code:
        return None
    model = ChangeOrder._meta.get_field(name).related_model
    row = model._default_manager.get(code=code)  # type: ignore[union-attr]
    return getattr(row, then) if then else row


def end_of(order: ChangeOrder) -> datetime:
    """Return when an order ceased: its window's end, or that of its approval where that came first."""
    ends = [each for each in (order.valid_to, order.basis.valid_to, order.basis.superseded_at) if each is not None]
    return min(ends)
