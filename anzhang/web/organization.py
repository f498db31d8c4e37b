"""The page of a unit: who is answerable since when, what is due, what is wrong; and the responsibility statements (Art. 4, 5)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.contrib import messages
from django.db.models import F, Func, OuterRef, Q, QuerySet, Subquery
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from anzhang import clock
from anzhang.casework import parameters, wording
from anzhang.casework.models import Finding
from anzhang.directory import queries
from anzhang.directory.models import Assignment, Bitemporal, Person, Unit
from anzhang.organization import desk, statements
from anzhang.organization.models import Directive, Inspection, Officer, ResponsibilityStatement, TrainingRecord
from anzhang.organization.queries import owing_statements
from anzhang.permissions import Actor, RefusedError
from anzhang.registers.rights import Sight
from anzhang.regulation.checks import page
from anzhang.systems.models import System
from anzhang.web.access import login_needed, second_factor_needed
from anzhang.web.actors import actor_of

SHOWN = 12
Statement = ResponsibilityStatement
DUTIES = {Assignment.Duty.UNIT_HEAD, Assignment.Duty.OFFICE_MEMBER}


@dataclass(frozen=True)
class Due:
    """Somebody whose training is due: when it was last, None for never."""

    person: Person
    last: date | None


def unit_or_404(request: HttpRequest, code: str) -> tuple[Unit, Actor, datetime]:
    """Return a unit in the reader's sight, who reads, and when."""
    actor, at = actor_of(request), clock.now()
    people = Person.objects.filter(queries.employed(at), unit=OuterRef("pk"), kind=Person.Kind.STAFF)
    systems = System.objects.filter(Q(managing_unit=OuterRef("pk")) | Q(responsible_unit=OuterRef("pk"))).exclude(state="retired")
    units = Unit.objects.select_related("parent").annotate(people=_count(people), systems=_count(systems))
    unit = Sight(actor, at).narrowed(units, ("path",)).filter(code=code).first()
    if unit is None:
        raise Http404(code)
    return unit, actor, at


def _count(rows: QuerySet[Any]) -> Subquery:
    # A plain function, not an aggregate: an aggregate would group, and group by a constant on PostgreSQL.
    return Subquery(rows.order_by().annotate(count=Func(F("pk"), function="COUNT")).values("count"))


@require_GET
@login_needed
def own(request: HttpRequest) -> HttpResponse:
    """Lead to the page of the reader's own unit, or to the register of units for who belongs to none."""
    unit = Unit.objects.filter(pk=actor_of(request).unit_id or 0).first()
    return redirect("unit", unit.code) if unit else redirect("register", "unit")


@page("unit", nouns=("unit", "officer", "training_record"))
@require_GET
@login_needed
def unit(request: HttpRequest, code: str) -> HttpResponse:
    """Show a unit: head and officer since when, training due, directives, inspections and statements open, findings."""
    found, actor, at = unit_or_404(request, code)
    values = parameters.values(at)
    posts = posts_of(found, at)
    own = [post for post in posts if post.unit_id == found.pk]
    above = {post.person_id for post in posts if post.duty == Assignment.Duty.UNIT_HEAD}
    serving = Officer.objects.filter(Bitemporal.in_force(at), unit=found).select_related("person").order_by("valid_from")
    officers = [officer for officer in serving if queries.is_employed(officer.person, at)]
    due = training_due(own, at, int(values["training_days"]))
    wrong = Finding.objects.filter(unit=found).exclude(state=Finding.State.CLOSED).order_by("due_at", "pk")
    items = Directive.objects.filter(unit=found, state__in=(Directive.State.OPEN, Directive.State.REPORTED)).order_by("due_on", "pk")
    context = {
        "unit": found,
        "heads": [post for post in own if post.duty == Assignment.Duty.UNIT_HEAD],
        "officers": officers,
        "due": due[:SHOWN],
        "due_count": len(due),
        "training_days": values["training_days"],
        "directives": items[:SHOWN],
        "visits": Inspection.objects.filter(unit=found).order_by("-inspected_on", "-pk")[:3],
        "statements": stages(found, own, at, int(values["statement_renewal_days"])),
        "findings": [(finding, wording.text(finding.reason)) for finding in wrong[:SHOWN]],
        "answers": actor.person_id in above | {officer.person_id for officer in officers},
        "now": at,
        "today": clock.day_of(at),
    }
    return render(request, "organization/unit.html", context)


def posts_of(unit: Unit, at: datetime) -> list[Assignment]:
    """Return the posts of a unit and the heads above it; one query.

    Each carries `last`, when its holder was last trained, and `signed`, when the holder's statement for the unit was countersigned.
    """
    codes = [code for code in unit.path.split("/") if code]
    working = Person.objects.filter(queries.employed(at))
    signed = Statement.objects.filter(unit=OuterRef("unit"), person=OuterRef("person")).exclude(countersigned_at=None)
    signed = signed.order_by("-countersigned_at")
    trained = TrainingRecord.objects.filter(person=OuterRef("person")).order_by("-trained_on")
    posts = Assignment.objects.filter(Bitemporal.in_force(at), person__in=working).select_related("person")
    return list(
        posts.filter(Q(unit=unit) | Q(unit__code__in=codes, duty=Assignment.Duty.UNIT_HEAD))
        .annotate(
            last=Subquery(trained.values("trained_on")[:1]),
            signed=Subquery(signed.values("countersigned_at")[:1]),
        )
        .order_by("person__code", "pk")
    )


def training_due(posts: list[Assignment], at: datetime, days: int) -> list[Due]:
    """Return whose last training is older than `days`, the longest untrained first; heads and the Office hold no post of that kind."""
    since = clock.day_of(at) - timedelta(days=days)
    people = {post.person_id: Due(post.person, getattr(post, "last", None)) for post in posts if post.duty not in DUTIES}
    return sorted((each for each in people.values() if each.last is None or each.last < since), key=lambda each: each.last or date.min)


def stages(unit: Unit, posts: list[Assignment], at: datetime, days: int) -> dict[str, int]:
    """Return how many statements a unit owes and how many are in force; the head of the bureau has nobody above."""
    owed = {post.person_id: post for post in posts if unit.parent_id or post.duty != Assignment.Duty.UNIT_HEAD}
    since = at - timedelta(days=days)
    in_force = sum(1 for post in owed.values() if (signed := getattr(post, "signed", None)) is not None and signed >= since)
    return {"owed": len(owed), "in_force": in_force, "missing": len(owed) - in_force}


# Statements


@page("statements", nouns=("responsibility_statement",))
@require_GET
@login_needed
def statement_list(request: HttpRequest) -> HttpResponse:
    """Show what waits for the reader's signature, as person and as level above, and hand out statements for one's units."""
    return _statements(request)


def _statements(request: HttpRequest, refusal: RefusedError | None = None) -> HttpResponse:
    actor, at = actor_of(request), clock.now()
    person_id = actor.person_id or 0
    mine = Statement.objects.filter(person_id=person_id).select_related("unit", "superior").order_by("-term", "pk")
    signed = Statement.objects.filter(countersigned_at=None).exclude(signed_at=None).select_related("person", "unit").order_by("number")
    below = _below(actor, at)
    waiting = [each for each in signed if (each.person_id, each.unit_id) in below]
    is_office = desk.is_office(actor, at)
    context = {
        "mine": mine,
        "waiting": waiting,
        "units": _answered_for(actor, at, is_office=is_office),
        "term": request.POST.get("term", str(clock.day_of(at).year)),
        "chosen": request.POST.get("unit", ""),
        "duties": request.POST.get("duties", usual_duties()),
        "is_office": is_office,
        "refusal": refusal,
        "now": at,
    }
    return render(request, "organization/statements.html", context, status=422 if refusal else 200)


def usual_duties() -> str:
    """Return what a statement says unless somebody writes something else."""
    return _("落实本单位网络信息安全责任，管好分管的系统、账号和数据，发现事件立即报告。")


def _below(actor: Actor, at: datetime) -> set[tuple[int, int]]:
    """Return whose statements the actor may countersign, as (person, unit)."""
    owing = owing_statements(at) if actor.person_id else []
    return {(each.person.pk, each.unit.pk) for each in owing if any(above.pk == actor.person_id for above in each.superiors)}


def _answered_for(actor: Actor, at: datetime, *, is_office: bool) -> list[Unit]:
    """Return the units whose statements the actor may hand out: those that they head and below, all for the Office."""
    seen = Sight(actor, at).narrowed(Unit.objects.filter(closed_on=None), ("path",))
    if is_office:
        return list(seen)
    headed = set(queries.holders(Assignment.Duty.UNIT_HEAD, at).filter(person_id=actor.person_id or 0).values_list("unit__code", flat=True))
    return [each for each in seen if headed & set(each.path.split("/"))]


@require_POST
@login_needed
def issue(request: HttpRequest) -> HttpResponse:
    """Hand out the statements of a unit."""
    found, actor, at = unit_or_404(request, request.POST.get("unit", ""))
    try:
        made = statements.issue_statements(actor, found, request.POST.get("term", ""), request.POST.get("duties", ""), at)
    except RefusedError as refusal:
        return _statements(request, refusal)
    messages.success(request, _("已向%(unit)s下发 %(count)d 份责任书。") % {"unit": found.name, "count": len(made)})
    return redirect("statements")


@require_POST
@second_factor_needed
def sign(request: HttpRequest) -> HttpResponse:
    """Sign one's own statement, or countersign the chosen ones."""
    actor, at = actor_of(request), clock.now()
    chosen = [int(each) for each in request.POST.getlist("statement") if each.isascii() and each.isdigit() and len(each) < 16]
    rows = list(Statement.objects.filter(pk__in=chosen).select_related("person", "unit"))
    below = _below(actor, at)
    if not rows or any(row.person_id != actor.person_id and (row.person_id, row.unit_id) not in below for row in rows):
        raise Http404(str(chosen))
    try:
        own_rows = [row for row in rows if row.person_id == actor.person_id]
        for row in own_rows:
            statements.sign_statement(actor, row, at, row.version)
        count = statements.countersign_statements(actor, [row for row in rows if row.person_id != actor.person_id], at) + len(own_rows)
    except RefusedError as refusal:
        return _statements(request, refusal)
    messages.success(request, _("已签署 %d 份责任书。") % count)
    return redirect("statements")
