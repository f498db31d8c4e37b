"""The registers of casework: approvals, findings, interpretations, holidays; and the panels that every row gets from here."""

from __future__ import annotations

from django.db.models import Model, Q
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext_lazy as _

from anzhang.casework import (
    holidays,  # noqa: F401  # its procedures write the holiday register
    wording,
)
from anzhang.casework import rule_versions as _rule_versions  # noqa: F401  # route `rule_change` and its effect
from anzhang.casework.legal_basis import LegalBasis
from anzhang.casework.models import Approval, Case, Finding, Holiday, Interpretation
from anzhang.casework.route_changes import described
from anzhang.casework.routes import parse
from anzhang.casework.tables import RuleVersion, UnitRoute
from anzhang.directory.models import Unit
from anzhang.registers import values
from anzhang.registers.declaration import Kind, Register, Writer, declare
from anzhang.registers.filters import by_choice, by_flag, by_unit, by_year, in_force
from anzhang.registers.panels import Line, panel
from anzhang.registers.rights import Sight

LATEST = 20
SUBJECTS = {"log_source": "source"}  # registers whose subjects carry another word than the register's id


declare(
    Register(
        id="approval",
        chapter="casework",
        model=Approval,
        kind=Kind.DECISION,
        columns=("kind", "case", "authority", "valid_from", "valid_to"),
        order=("-valid_from",),
        search=("case__number", "case__title", "kind"),
        filters=(by_unit("case__unit"), in_force()),
        scope=("case__unit__path",),
    )
)
declare(
    Register(
        id="finding",
        chapter="casework",
        model=Finding,
        kind=Kind.DECISION,
        columns=("number", "obligation", "subject_label", "severity", "state", "unit", "person", "due_at"),
        order=("due_at",),
        search=("number", "obligation", "subject_label"),
        filters=(by_unit("unit"), by_choice(Finding, "state")),
        scope=("unit__path",),
        hidden=frozenset({"fingerprint"}),
        words={"reason": wording.text, "severity": wording.severity},
    )
)
declare(
    Register(
        id="interpretation",
        chapter="casework",
        model=Interpretation,
        kind=Kind.DECISION,
        columns=("parameter", "value", "reason", "valid_from", "valid_to"),
        order=("parameter", "-valid_from"),
        search=("parameter", "reason"),
        filters=(in_force(),),
        articles=(35,),
    )
)
declare(
    Register(
        id="holiday",
        chapter="casework",
        model=Holiday,
        kind=Kind.PLAIN,
        columns=("day", "is_workday", "name"),
        order=("-day",),
        search=("name",),
        filters=(by_year("day", _("年度")), by_flag(Holiday, "is_workday")),
        key=("day",),
        fields=("day", "is_workday", "name"),
        create="register_holiday",
        change="change_holiday",
        fixed=frozenset({"day"}),
        writers=frozenset({Writer.OFFICE}),
        hints={"is_workday": _("调休上班的周末填“是”，放假的日子填“否”")},
    )
)

declare(
    Register(
        id="legal_basis",
        chapter="casework",
        model=LegalBasis,
        kind=Kind.PLAIN,
        columns=("code", "title", "kind", "edition", "in_force_from", "in_force_to", "reviewed_on"),
        order=("kind", "code"),
        search=("code", "title", "document_no"),
        filters=(by_choice(LegalBasis, "kind"), by_year("in_force_from", _("施行年度"))),
        key=("code",),
        fields=("code", "title", "kind", "document_no", "edition", "in_force_from", "in_force_to", "replaces", "articles"),
        create="register_legal_basis",
        change="change_legal_basis",
        fixed=frozenset({"code"}),
        writers=frozenset({Writer.OFFICE}),
        hints={"articles": _("条的序号，一行一个"), "replaces": _("被本版本代替的旧版本；旧版本自本版本施行之日起失效")},
    )
)


# Its rows come from cases of route `route_change`, which have a form of their own (steps are added and moved, not typed) and no sheet.
declare(
    Register(
        id="unit_route",
        chapter="casework",
        model=UnitRoute,
        kind=Kind.AUTHORITY,
        columns=("unit", "route", "version", "valid_from", "valid_to"),
        order=("unit__path", "route", "-version"),
        search=("route", "unit__name"),
        filters=(by_unit("unit"), in_force()),
        scope=("unit__path",),
    )
)


# Its rows come from cases of route `rule_change`; the page of a rule shows them side by side.
declare(
    Register(
        id="rule_version",
        chapter="casework",
        model=RuleVersion,
        kind=Kind.AUTHORITY,
        columns=("rule", "version", "valid_from", "valid_to", "basis"),
        order=("rule", "-version"),
        search=("rule",),
        filters=(in_force(),),
    )
)


@panel(_("环节"))
def steps(register: Register, row: Model, sight: Sight) -> list[Line]:  # noqa: ARG001  # every panel takes the sight
    """Return the steps of a unit's own route in words, each leading to the comparison of its versions."""
    if not isinstance(row, UnitRoute):
        return []
    way, place = parse(row.rules, f"unit_route {row.pk}"), reverse("unit_route", args=[row.pk])
    return [Line(str(step.title), place, described(step)) for step in way.steps]


@panel(_("相关问题"))
def findings(register: Register, row: Model, sight: Sight) -> list[Line]:
    """Return the findings about a row, open ones first."""
    if register.id in {"finding", "holiday", "interpretation", "unit_route"}:
        return []
    subject = f"{SUBJECTS.get(register.id, register.id)}:{values.code_of(row)}"
    about = Q(subject=subject) | (Q(unit=row) if isinstance(row, Unit) else Q())
    seen = sight.narrowed(Finding.objects.filter(about), ("unit__path",))
    found = seen.order_by("closed_at", "due_at")[:LATEST]
    return [Line(f"{each.number} {each.subject_label}", _link("finding", each.number), each.get_state_display()) for each in found]


@panel(_("相关事项"))
def cases(register: Register, row: Model, sight: Sight) -> list[Line]:  # noqa: ARG001  # every panel takes the register
    """Return the cases that a row rests on or that its unit filed."""
    about = Q(pk__in=[])
    basis = getattr(row, "basis", None)
    if basis is not None:
        about |= Q(pk=basis.case_id)
    if getattr(row, "case_id", None):
        about |= Q(pk=getattr(row, "case_id"))  # noqa: B009  # only some registers have one
    if isinstance(row, Unit):
        about |= Q(unit=row)
    seen = sight.narrowed(Case.objects.filter(about), ("unit__path",))
    return [
        Line(f"{each.number} {each.title}", _link("case", each.number), each.get_state_display())
        for each in seen.order_by("-filed_at")[:LATEST]
    ]


def _link(name: str, key: str) -> str:
    try:
        return reverse(name, args=[key])
    except NoReverseMatch:
        return ""
