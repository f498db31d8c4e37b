"""The checks of Articles 3 to 5 that read the registers of people, units, officers and policies."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q

from anzhang import clock
from anzhang.casework.models import Act, Approval, Case
from anzhang.directory.models import Assignment, Bitemporal, Delegation, LeadingGroupMember, Person, Unit
from anzhang.organization import supervision as _supervision  # noqa: F401  # its checks are bound by name
from anzhang.organization.models import Filing, Officer, PolicyDocument
from anzhang.organization.subjects import covered_units, subject
from anzhang.regulation.checks import Context, check
from anzhang.regulation.verdicts import Breach, Outcome, Subject, Why


@check("units_registered")
def units_registered(context: Context) -> Outcome:
    """Find current units without head or of no listed kind, and closed units that still own something. Source: Art. 3."""
    today = clock.day_of(context.at)
    kinds = {*context.parameters["unit_kinds"], Unit.Kind.BUREAU}
    units = list(Unit.objects.filter(established_on__lte=today).order_by("path"))
    headed = set(
        Assignment.objects.filter(Assignment.in_force(context.at), duty=Assignment.Duty.UNIT_HEAD)
        .filter(Q(person__left_on=None) | Q(person__left_on__gt=today))
        .values_list("unit_id", flat=True)
    )
    owned = _owned_by_closed(context.at)
    breaches = []
    for unit in units:
        if unit.closed_on is not None and unit.closed_on <= today:
            if unit.pk in owned:
                why = Why("closed_unit_owns", {"unit": unit.name, "objects": owned[unit.pk]})
                breaches.append(Breach(subject(unit), why, since=clock.start_of(unit.closed_on), detail="closed"))
            continue
        if unit.kind not in kinds:
            breaches.append(Breach(subject(unit), Why("unit_kind_unknown", {"unit": unit.name}), detail="kind"))
        if unit.pk not in headed:
            breaches.append(Breach(subject(unit), Why("unit_without_head", {"unit": unit.name}), detail="head"))
    current = [unit for unit in units if unit.closed_on is None or unit.closed_on > today or unit.pk in owned]
    return Outcome(tuple(subject(unit) for unit in current), tuple(breaches))


def _owned_by_closed(at: datetime) -> dict[int, list[str]]:
    """Return codes of people, and of objects by reverse relation, that still belong to closed units; a few per unit."""
    today = clock.day_of(at)
    closed = list(Unit.objects.filter(closed_on__lte=today))
    owned: dict[int, list[str]] = defaultdict(list)
    if not closed:
        return {}
    working = Person.objects.filter(Q(left_on=None) | Q(left_on__gt=today), unit__in=closed)
    for unit_id, code in working.values_list("unit_id", "code"):
        owned[unit_id].append(code)
    for relation in Unit._meta.related_objects:
        model = relation.related_model
        names = {field.name for field in model._meta.concrete_fields}
        if not {"code", "state"} <= names:
            continue  # only things that live and end: systems, log sources
        alive = model._default_manager.filter(**{f"{relation.field.name}__in": closed}).exclude(state__in=["retired", "closed"])
        for unit_id, code in alive.values_list(relation.field.attname, "code"):
            owned[unit_id].append(code)
    return {unit_id: sorted(set(codes))[:5] for unit_id, codes in owned.items()}


@check("responsibility_policy_current")
def responsibility_policy_current(context: Context) -> Outcome:
    """Find units without a responsibility policy in force, or whose last review is too old. Source: Art. 5."""
    today, limit = clock.day_of(context.at), timedelta(days=context.parameters["policy_review_days"])
    units = covered_units(context)
    in_force = PolicyDocument.objects.filter(
        Q(in_force_to=None) | Q(in_force_to__gt=today), kind=PolicyDocument.Kind.RESPONSIBILITY, in_force_from__lte=today
    )
    newest: dict[int, PolicyDocument] = {}
    for document in in_force.order_by("reviewed_on", "pk"):
        newest[document.unit_id] = document
    breaches = []
    for unit in units:
        found = newest.get(unit.pk)
        if found is None:
            breaches.append(Breach(subject(unit), Why("policy_missing", {"unit": unit.name})))
        elif today - found.reviewed_on > limit:
            why = Why("policy_review_overdue", {"unit": unit.name, "reviewed_on": found.reviewed_on.isoformat(), "days": limit.days})
            since = clock.start_of(found.reviewed_on + limit + timedelta(days=1))
            breaches.append(Breach(subject(unit), why, (f"policy_document:{found.pk}",), since))
    return Outcome(tuple(subject(unit) for unit in units), tuple(breaches))


@check("officer_in_post")
def officer_in_post(context: Context) -> Outcome:
    """Find units that have had no officer, or only one who has left, for longer than the vacancy allows. Source: Art. 5.

    The vacancy begins when the last officer's term or employment ended, else when the unit was set up.
    """
    at, limit = context.at, timedelta(days=context.parameters["vacancy_days"])
    units = covered_units(context)
    terms: dict[int, list[Officer]] = defaultdict(list)
    for officer in Officer.objects.filter(superseded_at=None, valid_from__lte=at).select_related("person"):
        terms[officer.unit_id].append(officer)
    breaches = []
    for unit in units:
        ends = [(_end(officer), officer) for officer in terms[unit.pk]]
        if any(end is None or end > at for end, _officer in ends):
            continue
        since, last = max(((end, officer) for end, officer in ends if end), key=lambda pair: pair[0], default=(None, None))
        begun = since or clock.start_of(unit.established_on)
        if at - begun > limit:
            breaches.append(_vacancy(unit, last, begun, limit))
    return Outcome(tuple(subject(unit) for unit in units), tuple(breaches))


def _end(officer: Officer) -> datetime | None:
    """Return when an officer stopped being one: the end of the term or of the employment, whichever came first."""
    left = officer.person.left_on
    ends = [end for end in (officer.valid_to, clock.start_of(left) if left else None) if end]
    return max(min(ends), officer.valid_from) if ends else None


def _vacancy(unit: Unit, last: Officer | None, begun: datetime, limit: timedelta) -> Breach:
    params = {"unit": unit.name, "since": clock.day_of(begun).isoformat(), "days": limit.days}
    if last is None:
        return Breach(subject(unit), Why("officer_missing", params), (), begun)
    left = last.person.left_on is not None and clock.start_of(last.person.left_on) <= begun
    why = Why("officer_left", {**params, "person": last.person.name}) if left else Why("officer_missing", params)
    return Breach(subject(unit), why, (f"officer:{last.pk}",), begun)


@check("officer_filed")
def officer_filed(context: Context) -> Outcome:
    """Find appointments and changes of officers that the Office has not received in time. Source: Art. 5.

    An appointment is answered by a filing of that officer, a change by any filing of the unit received after it.
    """
    at, limit = context.at, timedelta(days=context.parameters["filing_days"])
    units = {unit.pk: unit for unit in covered_units(context)}
    received: dict[int, list[datetime]] = defaultdict(list)
    by_unit: dict[int, list[datetime]] = defaultdict(list)
    for officer_id, unit_id, instant in Filing.objects.filter(received_at__lte=at).values_list("officer_id", "unit_id", "received_at"):
        received[officer_id].append(instant)
        by_unit[unit_id].append(instant)
    officers = Officer.objects.filter(superseded_at=None, valid_from__lte=at, unit__in=units).select_related("person")
    population, breaches = [], []
    for officer in officers.order_by("unit__path", "valid_from", "pk"):
        unit = units[officer.unit_id]
        owes = Subject(f"officer:{officer.pk}", f"{unit.name} {officer.person.name}", unit.code)
        population.append(owes)
        # An appointment may be entered after its date; a filing belongs to this very appointment, so either date counts.
        appointed = min(officer.valid_from, officer.recorded_at)
        facts = [("appointment_not_filed", officer.valid_from, any(t >= appointed for t in received[officer.pk]))]
        ended = _end(officer)
        if ended is not None and ended <= at:
            facts.append(("change_not_filed", ended, any(t >= ended for t in by_unit[unit.pk])))
        for code, instant, filed in facts:
            if not filed and at - instant > limit:
                params = {"unit": unit.name, "person": officer.person.name, "since": clock.day_of(instant).isoformat(), "days": limit.days}
                breaches.append(Breach(owes, Why(code, params), (f"officer:{officer.pk}",), instant, code))
    return Outcome(tuple(population), tuple(breaches))


@check("leading_group_signers_in_term")
def leading_group_signers_in_term(context: Context) -> Outcome:
    """Find approvals of the leading group signed by someone neither in term nor delegated at that instant. Source: Art. 4.

    The signatures are the agreements of the last round in the steps that the case's frozen route reserves to the group.
    """
    approvals = Approval.objects.filter(superseded_at=None, authority="leading_group", recorded_at__lte=context.at)
    cases = {approval.case_id: (approval, approval.case) for approval in approvals.select_related("case")}
    terms = list(LeadingGroupMember.objects.filter(superseded_at=None))
    delegations = list(Delegation.objects.filter(superseded_at=None))
    acts = Act.objects.filter(case__in=cases, verb=Act.Verb.AGREE).select_related("person").order_by("at", "pk")
    breaches = []
    for act in acts:
        approval, case = cases[act.case_id]
        if act.round == case.round and _is_reserved(case.rules, act.step) and not _entitled(act, terms, delegations):
            why = Why("signer_out_of_term", {"case": case.number, "person": act.person.name})
            breaches.append(Breach(_approved(approval, case), why, (f"act:{act.pk}",), act.at, f"act:{act.pk}"))
    return Outcome(tuple(_approved(approval, case) for approval, case in cases.values()), tuple(breaches))


def _approved(approval: Approval, case: Case) -> Subject:
    return Subject(f"approval:{approval.pk}", f"{case.title} {case.number}", None)


def _is_reserved(rules: dict[str, Any], step: int) -> bool:
    steps = rules.get("step", [])
    return step < len(steps) and "leading_group" in steps[step].get("who", [])


def _entitled(act: Act, terms: list[LeadingGroupMember], delegations: list[Delegation]) -> bool:
    """Whether the signer was a member, or deputy of one who was, at the instant of signing."""
    members = {term.person_id for term in terms if _covers(term, act.at)}
    return act.person_id in members or any(
        delegation.deputy_id == act.person_id and delegation.principal_id in members and _covers(delegation, act.at)
        for delegation in delegations
    )


def _covers(row: Bitemporal, at: datetime) -> bool:
    return row.valid_from <= at and (row.valid_to is None or row.valid_to > at)
