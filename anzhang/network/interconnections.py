"""The verbs of interconnections (对外互联): a case that the leading group decided opens one, a case of the Office closes it (Art. 10)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from anzhang import clock
from anzhang.casework import forms
from anzhang.casework.legal_basis import LegalBasis
from anzhang.casework.models import Approval, Case
from anzhang.casework.queries import require_approval
from anzhang.directory import rows
from anzhang.directory.models import Person, Unit
from anzhang.events import Event
from anzhang.network import fields, scopes
from anzhang.network.models import Interconnection
from anzhang.permissions import Actor, RefusedError
from anzhang.regulation.checks import procedure

ROUTE, CLOSING_ROUTE = "interconnection", "interconnection_closing"
LEVELS = range(1, 6)
LISTS: scopes.Checked = (
    ("peers", scopes.networks, fields.some_networks),
    ("inner", scopes.networks, fields.some_networks),
    ("ports", scopes.ports, fields.ports),
    ("clients", scopes.lines, fields.names),
    ("data_fields", scopes.lines, fields.names),
)


def lasting(at: datetime) -> QuerySet[Interconnection]:
    """Return the interconnections that have not ended at an instant, begun or not, as they stand."""
    return Interconnection.objects.filter(Q(valid_to=None) | Q(valid_to__gt=at), superseded_at=None)


def in_force(law: LegalBasis, day: date) -> bool:
    """Whether a law or standard holds on a day."""
    return law.holds_on(day)


@forms.rule(ROUTE)
def _together(form: Mapping[str, Any], unit: Unit, at: datetime) -> Mapping[str, str]:
    faults = scopes.list_faults(form, LISTS) | scopes.period_faults(form, at)
    today = clock.day_of(at)
    if "peers" not in faults and (fault := scopes.outside_fault(scopes.networks(form["peers"]))):
        faults["peers"] = fault
    if "inner" not in faults and (fault := scopes.inside_fault(scopes.networks(form["inner"]))):
        faults["inner"] = fault
    if date.fromisoformat(form["scheme_on"]) > today:
        faults["scheme_on"] = _("先有方案，再提出申请：方案日期不能晚于今天。")
    if form["level"] not in LEVELS:
        faults["level"] = _("等级为 1 至 5。")
    if form["daily_mb"] < 1:
        faults["daily_mb"] = _("每日流量上限至少 1 MB。")
    law = LegalBasis.objects.filter(code=form["standard"]).first()
    if law is not None and not in_force(law, today):
        faults["standard"] = _("“%s”在今天不是施行中的标准。") % law.title
    if fault := _code_fault(form, unit, at):
        faults["code"] = fault
    return faults


def _code_fault(form: Mapping[str, Any], unit: Unit, at: datetime) -> str:
    """Return why a code cannot be taken, or taken again: it is another unit's, or the new scope does not begin after the one in force."""
    for row in Interconnection.objects.filter(code=form["code"], superseded_at=None).select_related("unit"):
        if row.unit_id != unit.pk:
            return _("编号已由“%s”使用。") % row.unit.name
        if (row.valid_to is None or row.valid_to > at) and row.valid_from >= forms.instant(form["opens_at"]):
            return _("这个编号自 %s 起已有批准，新的范围要在其后生效。") % clock.minute(row.valid_from)
        if row.valid_from == forms.instant(form["opens_at"]):
            return _("这个编号自 %s 起已有批准。") % clock.minute(row.valid_from)
    return ""


@procedure("open_interconnection")
def open_interconnection(actor: Actor, case: Case, approval: Approval, at: datetime) -> Interconnection:
    """Enter the interconnection that a case grants; one of the same code ends where this one begins.

    One that begins before the decision is entered as approved afterwards (补批): `recorded_at` says so.
    Raises RefusedError `no_approval`, `form_invalid`, RowError.

    Source: Art. 10; route `interconnection`; A10.1, A10.4.
    """
    require_approval(case, approval, ROUTE, at)
    form = case.form
    # Cases may take days: what was asked in time is not refused because its beginning has moved into the past meanwhile.
    if faults := {name: text for name, text in _together(form, case.unit, at).items() if name != "opens_at"}:
        raise forms.FormError(faults)
    begins = forms.instant(form["opens_at"])
    with transaction.atomic():
        for before in lasting(begins).filter(code=form["code"]):
            rows.amend(actor, Event.INTERCONNECTION_CLOSE, before, at, valid_to=begins)
        row = Interconnection(
            code=form["code"], name=form["name"], unit=case.unit, person=Person.objects.get(code=form["person"]), partner=form["partner"],
            purpose=form["purpose"], level=form["level"], standard=LegalBasis.objects.get(code=form["standard"]),
            scheme_title=form["scheme_title"], scheme_on=date.fromisoformat(form["scheme_on"]), peers=scopes.networks(form["peers"]),
            inner=scopes.networks(form["inner"]), ports=scopes.ports(form["ports"]), clients=scopes.lines(form["clients"]),
            data_fields=scopes.lines(form["data_fields"]), daily_mb=form["daily_mb"], valid_from=begins,
            valid_to=forms.instant(form["closes_at"]), recorded_at=at, basis=approval,
        )  # fmt: skip
        return rows.create(actor, row, at, Event.INTERCONNECTION_OPEN)


@procedure("close_interconnection")
def close_interconnection(actor: Actor, case: Case, approval: Approval, at: datetime) -> int:
    """End the interconnection that a case names, now; return how many rows ended. Raises RefusedError `no_approval`, `ended_already`.

    Source: Art. 10; route `interconnection_closing`.
    """
    require_approval(case, approval, CLOSING_ROUTE, at)
    with transaction.atomic():
        found = list(lasting(at).filter(code=case.form["interconnection"]))
        if not found:
            raise RefusedError("ended_already", _("这项互联已经关闭或到期。"), _("撤回本事项。"))
        for row in found:
            rows.amend(actor, Event.INTERCONNECTION_CLOSE, row, at, valid_to=max(at, row.valid_from))
    return len(found)


def _find(code: str) -> str | None:
    row = Interconnection.objects.filter(code=code, superseded_at=None).order_by("-valid_from").first()
    return f"{row.name}（{row.code}，{row.partner}）" if row else None


def _options(unit: Unit, at: datetime) -> Sequence[tuple[str, str]]:
    found = sorted(lasting(at).select_related("unit"), key=lambda row: (not row.unit.path.startswith(unit.path), row.code))
    return list({row.code: f"{row.name}（{row.code}，{row.partner}）" for row in found}.items())


def _find_law(code: str) -> str | None:
    row = LegalBasis.objects.filter(code=code).first()
    return str(row) if row else None


def _laws(_unit: Unit, at: datetime) -> Sequence[tuple[str, str]]:
    today = clock.day_of(at)
    found = [row for row in LegalBasis.objects.order_by("code") if in_force(row, today)]
    return [(row.code, str(row)) for row in sorted(found, key=lambda row: row.kind != LegalBasis.Kind.STANDARD)]


forms.lookup("interconnection", _find, _options)
forms.lookup("legal_basis", _find_law, _laws)
