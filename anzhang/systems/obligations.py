"""The checks of Articles 4, 5, 6, 11 and 13 that read systems, their accounts, their releases and the log-ins on them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from anzhang import clock
from anzhang.casework import rules
from anzhang.directory.models import Assignment, Unit
from anzhang.journal.models import Entry
from anzhang.organization.queries import plan_breaches
from anzhang.regulation.checks import Context, check
from anzhang.regulation.verdicts import Breach, Ground, Outcome, Subject, Why
from anzhang.systems import databases, evidence
from anzhang.systems import places as _places  # noqa: F401  # the table that rules compare addresses with
from anzhang.systems.models import System
from anzhang.systems.tables import GoLive, Release

RULES = Path(__file__).parent / "rules"
staff_logins_entitled = rules.bind(RULES / "staff_logins_entitled.sql")
developers_do_not_operate = rules.bind(RULES / "developers_do_not_operate.sql")
artifacts_scanned = rules.bind(RULES / "artifacts_scanned.sql")
production_not_developed_in = rules.bind(RULES / "production_not_developed_in.sql")
services_owned = rules.bind(RULES / "services_owned.sql")
production_runs_approved = rules.bind(RULES / "production_runs_approved.sql")


def subject(system: System, unit: Unit) -> Subject:
    """Return a system as the one that owes, answered for by a unit."""
    return Subject(f"system:{system.code}", system.name, unit.code)


@check("systems_planned_and_graded")
def systems_planned_and_graded(context: Context) -> Outcome:
    """Find systems in service without planning flag or management level, and items of the plan late or without proof. Source: Art. 4."""
    systems = System.objects.filter(state=System.State.IN_SERVICE).select_related("managing_unit").order_by("code")
    population, breaches = plan_breaches(context.at)
    for system in systems:
        owes = subject(system, system.managing_unit)
        population.append(owes)
        code = MISSING.get((system.centrally_planned is None, not system.management_level))
        if code:
            breaches.append(Breach(owes, Why(code, {"system": system.name})))
    return Outcome(tuple(population), tuple(breaches))


MISSING = {(True, True): "system_without_both", (True, False): "system_without_planning", (False, True): "system_without_level"}


@check("planned_systems_with_center")
def planned_systems_with_center(_context: Context) -> Outcome:
    """Find centrally planned systems whose responsible unit is not the information center. Source: Art. 6.

    The center owes it, so the verdict and its findings are the center's.
    """
    planned = System.objects.filter(centrally_planned=True).exclude(state=System.State.RETIRED).select_related("responsible_unit")
    center = Unit.objects.filter(function=Unit.Function.INFO_CENTER, closed_on=None).order_by("path").first()
    if center is None:
        return Outcome((), unknown=(Ground(None, Why("no_information_center")),)) if planned.exists() else Outcome(())
    population, breaches = [], []
    for system in planned.order_by("code"):
        owes = subject(system, center)
        population.append(owes)
        if system.responsible_unit.function != Unit.Function.INFO_CENTER:
            params = {"system": system.name, "unit": system.responsible_unit.name}
            breaches.append(Breach(owes, Why("responsible_is_not_center", params)))
    return Outcome(tuple(population), tuple(breaches))


@check("systems_classed")
def systems_classed(context: Context) -> Outcome:
    """Find systems of no listed kind, and servers and databases in service that belong to no system. Source: Art. 34; A34.1."""
    kinds = context.parameters["system_kinds"]
    systems = System.objects.exclude(state=System.State.RETIRED).select_related("managing_unit").order_by("code")
    population, breaches = [], []
    for system in systems:
        owes = subject(system, system.managing_unit)
        population.append(owes)
        if system.kind not in kinds:
            breaches.append(Breach(owes, Why("system_without_kind", {"system": system.name})))
    population += [databases.subject(each) for each in databases.servers()]
    population += [databases.subject(each) for each in databases.in_service()]
    for each, retired in databases.of_no_system():
        params = {"thing": each.name, "system": retired.name if retired else ""}
        why = Why("belongs_to_retired_system" if retired else "belongs_to_no_system", params)
        breaches.append(Breach(databases.subject(each), why, (f"{each._meta.model_name}:{each.pk}",)))
    return Outcome(tuple(population), tuple(breaches))


def stopped(post: Assignment, at: datetime) -> datetime:
    """Return when somebody stopped answering: as the post ended or as they left, whichever came first."""
    left = post.person.left_on
    ends = [end for end in (post.valid_to, clock.start_of(left) if left else None) if end is not None]
    return max(min(ends, default=at), post.valid_from)


def registered(systems: list[System]) -> dict[str, datetime]:
    """Return when systems came on the register, by key, as the ledger has it."""
    entries = Entry.objects.filter(object_type="system", object_key__in=[str(system.pk) for system in systems]).order_by("-index")
    return dict(entries.values_list("object_key", "at"))


def _live(context: Context) -> tuple[list[tuple[Release, datetime]], tuple[Ground, ...]]:
    """Return the live releases and since when, and the systems in service of which none is known: nobody can say of those.

    One whose approved window has begun counts as live from then on, noted or not.
    """
    at = context.at
    begun: dict[int, datetime] = {}
    for granted in GoLive.objects.filter(evidence.standing(at), window_from__lte=at).order_by("-window_from"):
        begun[granted.release_id] = granted.window_from
    found = Release.objects.exclude(state=Release.State.WITHDRAWN).exclude(system__state=System.State.RETIRED)
    live = [
        (release, release.live_at or begun[release.pk])
        for release in found.select_related("system__managing_unit").order_by("code")
        if release.state == Release.State.LIVE or release.pk in begun
    ]
    known = {release.system_id for release, _since in live}
    silent = System.objects.filter(state=System.State.IN_SERVICE).exclude(pk__in=known).select_related("managing_unit").order_by("code")
    unknown = tuple(
        Ground(system.managing_unit.code, Why("system_without_release", {"system": system.name}), subject(system, system.managing_unit))
        for system in silent
    )
    return live, unknown


def _release(release: Release) -> Subject:
    return Subject(f"release:{release.code}", f"{release.system.name} {release}", release.system.managing_unit.code)


@check("releases_tested")
def releases_tested(context: Context) -> Outcome:
    """Find live releases an artifact of which no passed functional or security test of the same digest precedes. Source: Art. 13; A13.5.

    The newest report of a kind up to the day of going live counts: a later failure outweighs an earlier pass.
    """
    live, unknown = _live(context)
    proof = evidence.Proof.of(release for release, _since in live)
    breaches = []
    for release, since in live:
        for digest in release.digests:
            tests = proof.newest_tests(release, digest, clock.day_of(since))
            for kind in evidence.REQUIRED_TESTS:
                report = tests.get(kind)
                if report is not None and report.passed:
                    continue
                params = {
                    "release": str(release), "system": release.system.name, "kind": str(kind.label), "digest": digest[:12],
                    "since": clock.minute(since), "report": report.code if report else "",
                }  # fmt: skip
                why = Why("release_test_failed" if report else "release_untested", params)
                cited = (f"release:{release.pk}", *((f"test_report:{report.pk}",) if report else ()))
                breaches.append(Breach(_release(release), why, cited, since, f"{kind}:{digest}"))
    return Outcome(tuple(_release(release) for release, _since in live), tuple(breaches), unknown)


@check("design_items_tested")
def design_items_tested(context: Context) -> Outcome:
    """Find live releases of whose system a designed security function no passed test of the same release covers. Source: Art. 11; A11.2.

    A system without any design item has nothing to be traced: unknown.
    """
    live, unknown = _live(context)
    proof = evidence.Proof.of(release for release, _since in live)
    population, breaches, grounds = [], [], list(unknown)
    for release, since in live:
        owes = _release(release)
        if not proof.items.get(release.system_id):
            grounds.append(Ground(owes.unit, Why("system_without_design", {"system": release.system.name}), owes))
            continue
        population.append(owes)
        for item in proof.untested(release):
            params = {"release": str(release), "system": release.system.name, "item": item.name}
            cited = (f"release:{release.pk}", f"design_item:{item.pk}")
            breaches.append(Breach(owes, Why("design_item_untested", params), cited, since, item.code))
    return Outcome(tuple(population), tuple(breaches), tuple(grounds))
