"""The checks of Article 4 on what the leading group decides, what the Office deploys and inspects, and who has signed."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta

from anzhang import clock
from anzhang.casework.models import Approval
from anzhang.directory.models import Unit
from anzhang.organization.models import Decision, Directive, Inspection, ResponsibilityStatement
from anzhang.organization.queries import evidenced, owing_statements
from anzhang.organization.subjects import covered_units, subject
from anzhang.regulation.checks import Context, check
from anzhang.regulation.verdicts import Breach, Outcome, Subject, Why


@check("major_matters_decided")
def major_matters_decided(context: Context) -> Outcome:
    """Find approvals of a major kind without a decision and its minutes, or in force before it. Source: Art. 4."""
    kinds = context.parameters["major_matters"]
    approvals = Approval.objects.filter(superseded_at=None, kind__in=kinds, valid_from__lte=context.at).select_related("case__unit")
    decisions: dict[int, list[Decision]] = defaultdict(list)
    for decision in Decision.objects.filter(about__in=approvals.values("case"), decided_at__lte=context.at).order_by("decided_at"):
        decisions[decision.about_id or 0].append(decision)
    population, breaches = [], []
    for approval in approvals.order_by("valid_from", "pk"):
        owes = Subject(f"approval:{approval.pk}", f"{approval.case.title} {approval.case.number}", None)
        population.append(owes)
        code = _undecided(approval, decisions[approval.case_id])
        if code:
            params = {"case": f"{approval.case.title}（{approval.case.number}）", "since": clock.day_of(approval.valid_from).isoformat()}
            breaches.append(Breach(owes, Why(code, params), (f"approval:{approval.pk}",), approval.valid_from))
    return Outcome(tuple(population), tuple(breaches))


def _undecided(approval: Approval, decisions: list[Decision]) -> str:
    """Return what is missing of the decision behind an approval, empty when nothing is."""
    if not decisions:
        return "matter_without_decision"
    before = [decision for decision in decisions if decision.decided_at <= approval.valid_from]
    if not before:
        return "matter_before_decision"
    return "" if any(decision.minuted_at for decision in before) else "decision_without_minutes"


@check("directives_carried_out")
def directives_carried_out(context: Context) -> Outcome:
    """Find items of deployments past their day and unfinished, or closed without proof. Source: Art. 4.

    An item that the unit has not reported is the unit's; one that lies reported is the Office's.
    """
    today = clock.day_of(context.at)
    office = Unit.objects.filter(function=Unit.Function.OFFICE, closed_on=None).values_list("code", flat=True).first()
    items = Directive.objects.filter(issued_at__lte=context.at).exclude(state=Directive.State.WITHDRAWN).select_related("unit")
    proved = evidenced(items)
    population, breaches = [], []
    for item in items.order_by("unit__path", "due_on", "pk"):
        reported = item.state == Directive.State.REPORTED
        owes = Subject(f"directive:{item.number}", f"{item.number} {item.title}", office if reported else item.unit.code)
        population.append(owes)
        params = {"unit": item.unit.name, "directive": f"{item.title}（{item.number}）", "due_on": item.due_on.isoformat()}
        overdue = clock.start_of(item.due_on + timedelta(days=1))
        if item.state == Directive.State.FINISHED:
            if item.pk not in proved:
                breaches.append(Breach(owes, Why("directive_without_evidence", params), (f"directive:{item.pk}",), item.finished_at))
        elif item.due_on < today:
            code = "directive_not_closed" if reported else "directive_overdue"
            breaches.append(Breach(owes, Why(code, params), (f"directive:{item.pk}",), overdue))
    return Outcome(tuple(population), tuple(breaches))


@check("units_inspected")
def units_inspected(context: Context) -> Outcome:
    """Find units that nobody has inspected for too long, and notices past their reply date without a reply. Source: Art. 4.

    A unit younger than the period is not due yet.
    """
    today, limit = clock.day_of(context.at), timedelta(days=context.parameters["inspection_period_days"])
    units = covered_units(context)
    visits: dict[int, list[Inspection]] = defaultdict(list)
    for visit in Inspection.objects.filter(inspected_on__lte=today).order_by("inspected_on", "pk"):
        visits[visit.unit_id].append(visit)
    breaches = []
    for unit in units:
        last = visits[unit.pk][-1] if visits[unit.pk] else None
        counted_from = last.inspected_on if last else unit.established_on
        if today - counted_from > limit:
            params = {"unit": unit.name, "since": counted_from.isoformat(), "days": limit.days}
            code, evidence = ("inspection_overdue", (f"inspection:{last.pk}",)) if last else ("never_inspected", ())
            breaches.append(Breach(subject(unit), Why(code, params), evidence, clock.start_of(counted_from + limit), "period"))
        for visit in visits[unit.pk]:
            if visit.notified_at and visit.replied_at is None and visit.reply_due_on and visit.reply_due_on < today:
                params = {"unit": unit.name, "inspection": visit.number, "due_on": visit.reply_due_on.isoformat()}
                since = clock.start_of(visit.reply_due_on + timedelta(days=1))
                breaches.append(Breach(subject(unit), Why("notice_unanswered", params), (f"inspection:{visit.pk}",), since, visit.number))
    return Outcome(tuple(subject(unit) for unit in units), tuple(breaches))


@check("statements_signed")
def statements_signed(context: Context) -> Outcome:
    """Find unit heads and holders of posts without a statement that the level above countersigned in time. Source: Art. 4."""
    at, limit = context.at, timedelta(days=context.parameters["statement_renewal_days"])
    newest: dict[tuple[int, int], ResponsibilityStatement] = {}
    for statement in ResponsibilityStatement.objects.filter(issued_at__lte=at).order_by("countersigned_at", "pk"):
        place = (statement.person_id, statement.unit_id)
        before = newest.get(place)
        if before is None or statement.countersigned_at or not before.countersigned_at:
            newest[place] = statement
    population, breaches = [], []
    for owing in owing_statements(at):
        person, unit = owing.person, owing.unit
        owes = Subject(f"person:{person.code}", f"{person.name}（{unit.name}）", unit.code, person.code)
        population.append(owes)
        found = newest.get((person.pk, unit.pk))
        code = _unsigned(found, context, limit)
        if code:
            params = {
                "person": person.name, "unit": unit.name, "days": limit.days,
                "since": clock.day_of(found.countersigned_at).isoformat() if found and found.countersigned_at else "",
            }  # fmt: skip
            evidence = (f"responsibility_statement:{found.pk}",) if found else ()
            breaches.append(Breach(owes, Why(code, params), evidence, None, f"{unit.code}"))
    return Outcome(tuple(population), tuple(breaches))


def _unsigned(found: ResponsibilityStatement | None, context: Context, limit: timedelta) -> str:
    if found is None:
        return "statement_missing"
    if found.countersigned_at is None or found.countersigned_at > context.at:
        return "statement_not_countersigned" if found.signed_at else "statement_not_signed"
    return "statement_expired" if context.at - found.countersigned_at > limit else ""
