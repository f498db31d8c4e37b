"""Statements that were signed on paper: the Office enters a unit's at once, each with its days, its level above and its scan (Art. 4)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from anzhang import clock
from anzhang.directory.models import Person, Unit
from anzhang.organization import desk, statements
from anzhang.organization.models import ResponsibilityStatement
from anzhang.organization.queries import Owing, owing_statements
from anzhang.organization.statements import Paper
from anzhang.permissions import Actor, RefusedError
from anzhang.registers import attachments
from anzhang.registers.rights import Sight
from anzhang.regulation.checks import page
from anzhang.web import register_files
from anzhang.web.access import login_needed
from anzhang.web.actors import actor_of
from anzhang.web.asked import typed
from anzhang.web.organization import usual_duties


@dataclass(frozen=True)
class Line:
    """Somebody of the unit who owes a statement, with what the form holds for them."""

    owing: Owing
    superior: str
    signed_on: str
    countersigned_on: str
    entered: str  # the number of the statement of this term, empty while there is none


@page("paper_statements", nouns=("responsibility_statement",))
@require_http_methods(["GET", "POST"])
@login_needed
def enter(request: HttpRequest) -> HttpResponse:
    """Show who of a unit owes a statement for a term; enter those whose days are filled in."""
    actor, at = actor_of(request), clock.now()
    desk.require_office(actor, at)
    units = list(Sight(actor, at).narrowed(Unit.objects.filter(closed_on=None), ("path",)))
    given = request.POST if request.method == "POST" else request.GET
    code, term = given.get("unit", "") or typed(request, "unit"), given.get("term", "").strip() or str(clock.day_of(at).year)
    unit = next((each for each in units if each.code == code), None)
    lines, refusal = _lines(request, unit, term, at), None
    if request.method == "POST":
        try:
            if unit is None:
                raise RefusedError("no_unit", _("请选择单位。"))
            made = _entered(request, actor, unit, term, lines, at)
        except RefusedError as error:
            refusal = error
        else:
            messages.success(request, _("已登记%(unit)s的 %(count)d 份纸质责任书。") % {"unit": unit.name, "count": len(made)})
            return redirect(f"{request.path}?unit={unit.code}&term={term}")
    context = {
        "units": units, "unit": unit, "term": term, "lines": lines, "refusal": refusal,
        "duties": request.POST.get("duties", usual_duties()), "today": clock.day_of(at).isoformat(),
        "accepted": ",".join(attachments.TYPES), "largest": attachments.MAX_BYTES // 2**20,
    }  # fmt: skip
    return render(request, "organization/statements_paper.html", context, status=422 if refusal else 200)


def _lines(request: HttpRequest, unit: Unit | None, term: str, at: datetime) -> list[Line]:
    if unit is None:
        return []
    numbers = dict(ResponsibilityStatement.objects.filter(unit=unit, term=term).values_list("person_id", "number"))
    return [_line(request, owing, numbers.get(owing.person.pk, "")) for owing in owing_statements(at, unit)]


def _line(request: HttpRequest, owing: Owing, entered: str) -> Line:
    above = owing.superiors[0].code if owing.superiors else ""
    names = ("superior", "signed", "countersigned")
    superior, signed, countersigned = (request.POST.get(f"{name}-{owing.person.pk}", "").strip() for name in names)
    return Line(owing, superior or above, signed, countersigned, entered)


def _entered(request: HttpRequest, actor: Actor, unit: Unit, term: str, lines: list[Line], at: datetime) -> list[ResponsibilityStatement]:
    """Enter the lines with days. Raises RefusedError that names the person whose line is wrong."""
    filled = [line for line in lines if not line.entered and (line.signed_on or line.countersigned_on)]
    if not filled:
        raise RefusedError("nothing_filled", _("没有填写签字日期。"), _("在已签纸质责任书的人员一行填写两个日期。"))
    upload = request.FILES.get("scan")
    common = register_files.taken(upload) if upload is not None else None
    return statements.enter_paper_statements(
        actor, term, request.POST.get("duties", ""), [_paper(request, unit, line, common) for line in filled], at
    )


def _paper(request: HttpRequest, unit: Unit, line: Line, common: tuple[bytes, str] | None) -> Paper:
    person = line.owing.person
    superior = Person.objects.filter(code__in={line.superior, line.superior.split(" ")[0]}).first()
    if superior is None:
        message = _("%(person)s：没有工号为“%(code)s”的人员。") % {"person": person.name, "code": line.superior[:32]}
        raise RefusedError("unknown_superior", message, _("填写上一级签字人的工号。"))
    own = request.FILES.get(f"scan-{person.pk}")
    scan = register_files.taken(own) if own is not None else common
    days = _day(person, line.signed_on), _day(person, line.countersigned_on)
    return Paper(person, unit, superior, *days, (scan[1], scan[0]) if scan else None)


def _day(person: Person, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise RefusedError("day_needed", _("%s：请填写本人和上一级的签字日期。") % person.name) from None
