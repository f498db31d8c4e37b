"""The verbs of links (网络链路): a case that the leading group decided activates one, a case of the Office closes it (Art. 9)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from anzhang import clock
from anzhang.casework import forms
from anzhang.casework.models import Approval, Case
from anzhang.casework.queries import require_approval
from anzhang.directory import rows
from anzhang.directory.models import Person, Unit
from anzhang.events import Event
from anzhang.network import fields, scopes
from anzhang.network.models import Link, Zone
from anzhang.permissions import Actor, RefusedError
from anzhang.regulation.checks import procedure

ROUTE, CLOSING_ROUTE = "link", "link_closing"
LISTS: scopes.Checked = (
    ("near_prefixes", scopes.networks, fields.some_networks),
    ("far_prefixes", scopes.networks, fields.some_networks),
    ("ports", scopes.ports, fields.ports),
)


def lasting(at: datetime) -> QuerySet[Link]:
    """Return the links that have not ended at an instant, begun or not, as they stand."""
    return Link.objects.filter(Q(valid_to=None) | Q(valid_to__gt=at), superseded_at=None)


@forms.rule(ROUTE)
def _together(form: Mapping[str, Any], unit: Unit, at: datetime) -> Mapping[str, str]:
    faults = scopes.list_faults(form, LISTS) | scopes.period_faults(form, at)
    if form["near_zone"] == form["far_zone"]:
        faults["far_zone"] = _("两端不能是同一个区域。")
    for side in ("near", "far"):
        zone = Zone.objects.filter(code=form[f"{side}_zone"]).first()
        if zone is None or f"{side}_prefixes" in faults:
            continue
        written = scopes.networks(form[f"{side}_prefixes"])
        outside = zone.kind == Zone.Kind.INTERNET
        if fault := scopes.outside_fault(written) if outside else scopes.inside_fault(written, zone):
            faults[f"{side}_prefixes"] = fault
    for row in Link.objects.filter(code=form["code"], superseded_at=None).select_related("unit"):
        if row.unit_id != unit.pk:
            faults["code"] = _("编号已由“%s”使用。") % row.unit.name
        elif row.valid_from == forms.instant(form["opens_at"]) or (
            (row.valid_to is None or row.valid_to > at) and row.valid_from > forms.instant(form["opens_at"])
        ):
            faults["code"] = _("这个编号自 %s 起已有批准，新的范围要在其后生效。") % clock.minute(row.valid_from)
    return faults


@procedure("activate_link")
def activate_link(actor: Actor, case: Case, approval: Approval, at: datetime) -> Link:
    """Enter the link that a case grants; one of the same code ends where this one begins.

    Raises RefusedError `no_approval`, `form_invalid`, RowError.

    Source: Art. 9; route `link`; A09.2.
    """
    require_approval(case, approval, ROUTE, at)
    form = case.form
    if faults := {name: text for name, text in _together(form, case.unit, at).items() if name != "opens_at"}:  # cases may take days
        raise forms.FormError(faults)
    begins = forms.instant(form["opens_at"])
    with transaction.atomic():
        for before in lasting(begins).filter(code=form["code"]):
            rows.amend(actor, Event.LINK_CLOSE, before, at, valid_to=begins)
        row = Link(
            code=form["code"], name=form["name"], unit=case.unit, person=Person.objects.get(code=form["person"]),
            near_zone=Zone.objects.get(code=form["near_zone"]), far_zone=Zone.objects.get(code=form["far_zone"]),
            near_prefixes=scopes.networks(form["near_prefixes"]), far_prefixes=scopes.networks(form["far_prefixes"]),
            ports=scopes.ports(form["ports"]), carrier=form["carrier"], line_number=form["line_number"] or "", purpose=form["purpose"],
            valid_from=begins, valid_to=forms.instant(form["closes_at"]), recorded_at=at, basis=approval,
        )  # fmt: skip
        return rows.create(actor, row, at, Event.LINK_ACTIVATE)


@procedure("close_link")
def close_link(actor: Actor, case: Case, approval: Approval, at: datetime) -> int:
    """End the link that a case names, now; return how many rows ended. Raises RefusedError `no_approval`, `ended_already`.

    Source: Art. 9; route `link_closing`.
    """
    require_approval(case, approval, CLOSING_ROUTE, at)
    with transaction.atomic():
        found = list(lasting(at).filter(code=case.form["link"]))
        if not found:
            raise RefusedError("ended_already", _("这条链路已经关闭或到期。"), _("撤回本事项。"))
        for row in found:
            rows.amend(actor, Event.LINK_CLOSE, row, at, valid_to=max(at, row.valid_from))
    return len(found)


def _find(code: str) -> str | None:
    row = Link.objects.filter(code=code, superseded_at=None).order_by("-valid_from").first()
    return f"{row.name}（{row.code}）" if row else None


def _options(unit: Unit, at: datetime) -> Sequence[tuple[str, str]]:
    found = sorted(lasting(at).select_related("unit"), key=lambda row: (not row.unit.path.startswith(unit.path), row.code))
    return list({row.code: f"{row.name}（{row.code}）" for row in found}.items())


def _find_zone(code: str) -> str | None:
    return Zone.objects.filter(code=code).values_list("name", flat=True).first()


def _zones(_unit: Unit, _at: datetime) -> Sequence[tuple[str, str]]:
    return list(Zone.objects.order_by("code").values_list("code", "name"))


forms.lookup("link", _find, _options)
forms.lookup("zone", _find_zone, _zones)
