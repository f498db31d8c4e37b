"""The checks of Art. 11 on construction projects: design at initiation, a signed checklist, policies, the leading group's approval."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from anzhang import clock
from anzhang.directory.models import Unit
from anzhang.organization import policies
from anzhang.organization.tables import Project
from anzhang.regulation.checks import Context, check
from anzhang.regulation.verdicts import Breach, Ground, Outcome, Subject, Why
from anzhang.systems import on_file
from anzhang.systems.models import System
from anzhang.systems.on_file import ACTS, File


def subject(project: Project) -> Subject:
    """Return a project as the one that owes, answered for by the unit that builds it and by who is responsible for it."""
    return Subject(f"project:{project.code}", project.name, project.unit.code, project.person.code)


def _files(context: Context) -> list[File]:
    """Return what every project has on file, read once a run."""

    def read() -> list[File]:
        projects = list(Project.objects.select_related("unit", "person").order_by("code"))
        files = on_file.of(projects)
        return [files[project.pk] for project in projects]

    return context.shared("projects on file", read)


def _initiated(context: Context) -> list[File]:
    return [each for each in _files(context) if each.project.is_initiated]


def _unseen() -> tuple[Ground, ...]:
    """Return the systems that are being built and belong to no project: nobody can say of those."""
    named = {code for systems in Project.objects.values_list("systems", flat=True) for code in systems}
    building = System.objects.filter(state__in=(System.State.BUILDING, System.State.PLANNED)).exclude(code__in=named)
    return tuple(
        Ground(
            system.managing_unit.code,
            Why("system_without_project", {"system": system.name}),
            Subject(f"system:{system.code}", system.name, system.managing_unit.code),
        )
        for system in building.select_related("managing_unit").order_by("code")
    )


@check("projects_designed_first")
def projects_designed_first(context: Context) -> Outcome:
    """Find projects past initiation without a security design, or whose design began later. Source: Art. 11; A11.1.

    Where no item says when it was designed nobody can tell: unknown.
    """
    population, breaches, unknown = [], [], list(_unseen())
    for file in _initiated(context):
        project, owes = file.project, subject(file.project)
        population.append(owes)
        told = {"project": project.name, "initiated_on": f"{project.initiated_on}"}
        cited = (f"project:{project.pk}", *(f"design_item:{item.pk}" for item in file.items[:5]))
        if not file.items:
            breaches.append(Breach(owes, Why("project_without_design", told), cited, detail="none"))
        elif project.initiated_on is None or (file.designed_on is None or file.designed_on > project.initiated_on):
            if any(item.designed_on is None for item in file.items):
                unknown.append(Ground(owes.unit, Why("design_without_day", told), owes))
            else:
                why = Why("design_after_initiation", {**told, "designed_on": f"{file.designed_on}"})
                breaches.append(Breach(owes, why, cited, clock.start_of(project.initiated_on) if project.initiated_on else None, "late"))
    return Outcome(tuple(population), tuple(breaches), tuple(unknown))


@check("project_schemes_checked")
def project_schemes_checked(context: Context) -> Outcome:
    """Find projects past initiation without a checklist signed by two, or whose newest cites a standard withdrawn by then.

    Source: Art. 11; A11.3.
    """
    population, breaches = [], []
    for file in _initiated(context):
        project, owes, signed = file.project, subject(file.project), file.signed
        population.append(owes)
        if signed is None:
            cited = (f"project:{project.pk}", *(f"project_checklist:{each.pk}" for each in file.checklists))
            breaches.append(Breach(owes, Why("project_without_checklist", {"project": project.name}), cited, detail="none"))
        elif file.withdrawn:
            told = {
                "project": project.name, "checklist": signed.code, "signed_on": f"{signed.second_signed_on}",
                "standards": list(file.withdrawn),
            }  # fmt: skip
            cited = (f"project:{project.pk}", f"project_checklist:{signed.pk}")
            breaches.append(Breach(owes, Why("checklist_of_withdrawn", told), cited, detail="withdrawn"))
    return Outcome(tuple(population), tuple(breaches), _unseen())


@check("construction_policies_current")
def construction_policies_current(context: Context) -> Outcome:
    """Find building units that lack a construction document of a kind in force, or have not reviewed it. Source: Art. 11; A11.4.

    A unit builds while a project of it is neither closed nor given up.
    """
    kinds, limit = list(context.parameters["project_policy_kinds"]), timedelta(days=context.parameters["policy_review_days"])
    building = Project.objects.exclude(stage__in=Project.ENDED).values("unit")
    units = list(Unit.objects.filter(pk__in=building).order_by("path"))
    owing = {unit.pk: Subject(f"unit:{unit.code}", unit.name, unit.code) for unit in units}
    breaches = []
    for each in policies.lacking(units, kinds, limit, clock.day_of(context.at)):
        told = {"unit": each.unit.name, "kind": each.label, "days": limit.days}
        if each.document is None:
            breaches.append(Breach(owing[each.unit.pk], Why("construction_policy_missing", told), detail=each.kind))
        else:
            reviewed_on = each.document.reviewed_on
            why = Why("construction_policy_review_overdue", {**told, "reviewed_on": reviewed_on.isoformat()})
            since = clock.start_of(reviewed_on + limit + timedelta(days=1))
            breaches.append(Breach(owing[each.unit.pk], why, (f"policy_document:{each.document.pk}",), since, each.kind))
    return Outcome(tuple(owing.values()), tuple(breaches), _unseen())


@check("construction_approved")
def construction_approved(context: Context) -> Outcome:
    """Find projects with a dated act of construction before the leading group's approval, and construction documents without it.

    An approval that came later and reaches back over the act makes it regularized. What an interpretation of {approval_covers} leaves
    out is not looked at. Source: Art. 11; A11.5.
    """
    covers = set(context.parameters["approval_covers"])
    projects = _projects(_files(context)) if "project" in covers else Outcome(())
    documents = _documents(context) if "procedure" in covers else Outcome(())
    return Outcome(
        (*projects.population, *documents.population),
        (*projects.breaches, *documents.breaches),
        (*projects.unknown, *(_unseen() if "project" in covers else ())),
        regularized=(*projects.regularized, *documents.regularized),
    )


def _projects(files: Iterable[File]) -> Outcome:
    population: list[Subject] = []
    breaches: list[Breach] = []
    unknown: list[Ground] = []
    regularized: list[Breach] = []
    for file in files:
        owes = subject(file.project)
        population.append(owes)
        bare, late = [], []
        for act in file.acts:
            if act.day is not None and any(each.held_on(act.day) for each in file.approvals):
                continue
            if act.day is None and file.approvals:
                unknown.append(Ground(owes.unit, Why("act_without_day", {"project": file.project.name, "what": act.name}), owes))
            elif act.day is not None and any(each.reaches(act.day) for each in file.approvals):
                late.append(act)
            else:
                bare.append(act)
        for acts, found in ((bare, breaches), (late, regularized)):
            if acts:
                first = acts[0]
                told = {
                    "project": file.project.name, "act": str(ACTS[first.kind]), "what": first.name,
                    "on": f"{first.day}" if first.day else "—", "count": len(acts),
                }  # fmt: skip
                cited = (*(act.evidence for act in acts[:10]), *(f"approval:{each.approval.pk}" for each in file.approvals[:5]))
                since = clock.start_of(first.day) if first.day else None
                found.append(Breach(owes, Why("built_before_approval", told), cited, since, "built"))
    return Outcome(tuple(population), tuple(breaches), tuple(unknown), regularized=tuple(regularized))


def _documents(context: Context) -> Outcome:
    kinds = list(context.parameters["project_policy_kinds"])
    found = policies.in_force(clock.day_of(context.at), kinds).select_related("unit", "basis").order_by("unit__path", "kind", "pk")
    population, breaches, regularized = [], [], []
    for document in found:
        owes = Subject(f"policy_document:{document.pk}", document.title, document.unit.code)
        population.append(owes)
        basis = document.basis
        told = {"document": document.title, "unit": document.unit.name, "in_force_from": f"{document.in_force_from}"}
        cited, since = (f"policy_document:{document.pk}",), clock.start_of(document.in_force_from)
        if basis is None or basis.authority != policies.GROUP:
            breaches.append(Breach(owes, Why("construction_policy_unapproved", told), cited, since))
        elif clock.day_of(basis.valid_from) > document.in_force_from:
            why = Why("construction_policy_approved_late", {**told, "approved_on": f"{clock.day_of(basis.valid_from)}"})
            regularized.append(Breach(owes, why, (*cited, f"approval:{basis.pk}"), since))
    return Outcome(tuple(population), tuple(breaches), regularized=tuple(regularized))
