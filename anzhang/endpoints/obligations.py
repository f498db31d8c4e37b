"""The checks of Art. 9, 14 and 15 that read endpoints and what they report of themselves.

An endpoint is judged by its standing: what its newest report comes to under the rules of the instant. What a report does not say is
unknown ground of that endpoint, never green.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.db.models import Min, Q

from anzhang import clock
from anzhang.casework import rules as sql
from anzhang.directory.models import Assignment, Unit
from anzhang.endpoints import watching
from anzhang.endpoints.models import Endpoint, EndpointStanding, PostureReport
from anzhang.endpoints.procedures import judge_standing
from anzhang.endpoints.requirements import Rules
from anzhang.endpoints.watching import Accept, Watch, in_service, subject, watch
from anzhang.journal.models import Entry
from anzhang.network.models import Zone
from anzhang.organization.models import PolicyDocument
from anzhang.organization.subjects import covered_units
from anzhang.organization.subjects import subject as unit_subject
from anzhang.regulation.checks import Context, check
from anzhang.regulation.verdicts import Breach, Ground, Outcome, Subject, Why

UNSEEN = Subject("stream:sighting_event", "sighting_event", None)  # of its own, so that it keeps no finding open that was measured
NO_ENDPOINTS = (Ground(None, Why("no_endpoints")),)
PERIPHERALS = sql.load(Path(__file__).parent / "rules" / "peripherals_listed.sql")


@check("endpoints_classed")
def endpoints_classed(context: Context) -> Outcome:
    """Find endpoints of none of the listed kinds. Source: Art. 15; A15.1."""
    kinds = context.parameters["endpoint_kinds"]
    population, breaches = [], []
    for endpoint in in_service(context).values():
        owes = subject(endpoint)
        population.append(owes)
        if endpoint.kind not in kinds:
            why = Why("endpoint_without_kind", {"endpoint": endpoint.name})
            breaches.append(Breach(owes, why, (f"endpoint:{endpoint.pk}",)))
    return Outcome(tuple(population), tuple(breaches), () if population else NO_ENDPOINTS)


@check("endpoint_policy_current")
def endpoint_policy_current(context: Context) -> Outcome:
    """Find units without an endpoint policy in force, or whose last review is too old. Source: Art. 15; A15.2.

    While the bureau has no endpoint on its register nobody has looked, and it is unknown.
    """
    if not Endpoint.objects.exists():
        return Outcome((), unknown=NO_ENDPOINTS)
    today, limit = clock.day_of(context.at), timedelta(days=context.parameters["policy_review_days"])
    kind = PolicyDocument.Kind.ENDPOINT
    in_force = PolicyDocument.objects.filter(Q(in_force_to=None) | Q(in_force_to__gt=today), kind=kind, in_force_from__lte=today)
    newest = {document.unit_id: document for document in in_force.order_by("reviewed_on", "pk")}
    units, breaches = covered_units(context), []
    for unit in units:
        found = newest.get(unit.pk)
        if found is None:
            breaches.append(Breach(unit_subject(unit), Why("endpoint_policy_missing", {"unit": unit.name})))
        elif today - found.reviewed_on > limit:
            params = {"unit": unit.name, "reviewed_on": found.reviewed_on.isoformat(), "days": limit.days}
            since = clock.start_of(found.reviewed_on + limit + timedelta(days=1))
            why = Why("endpoint_policy_review_overdue", params)
            breaches.append(Breach(unit_subject(unit), why, (f"policy_document:{found.pk}",), since))
    return Outcome(tuple(unit_subject(unit) for unit in units), tuple(breaches))


@check("endpoint_keeper_in_post")
def endpoint_keeper_in_post(context: Context) -> Outcome:
    """Find units with endpoints that nobody has been in charge of for longer than a vacancy may last. Source: Art. 15; A15.3.

    The vacancy begins when the last keeper's post or employment ended, else when the unit's first endpoint was registered.
    """
    at, limit = context.at, timedelta(days=context.parameters["vacancy_days"])
    kept = Endpoint.objects.filter(state=Endpoint.State.IN_SERVICE).order_by()
    firsts = {row["unit_id"]: row["first"] for row in kept.values("unit_id").annotate(first=Min("pk"))}
    units = list(Unit.objects.filter(pk__in=firsts).order_by("path"))
    posts: dict[int, list[Assignment]] = defaultdict(list)
    held = Assignment.objects.filter(duty=Assignment.Duty.ENDPOINT_KEEPER, superseded_at=None, valid_from__lte=at, unit__in=units)
    for post in held.select_related("person").order_by("valid_from", "pk"):
        posts[post.unit_id].append(post)
    registered = _registered([firsts[unit.pk] for unit in units if not posts[unit.pk]])
    breaches = []
    for unit in units:
        ends = [(_ended(post), post) for post in posts[unit.pk]]
        if any(end is None or end > at for end, _post in ends):
            continue
        begun, last = max(((end, post) for end, post in ends if end), key=lambda pair: pair[0], default=(None, None))
        begun = begun or registered.get(firsts[unit.pk])
        if begun is not None and at - begun <= limit:
            continue
        params = {"unit": unit.name, "since": clock.day_of(begun).isoformat() if begun else "?", "days": limit.days}
        evidence = (f"assignment:{last.pk}",) if last else (f"endpoint:{firsts[unit.pk]}",)
        breaches.append(Breach(unit_subject(unit), Why("endpoint_keeper_missing", params), evidence, begun))
    return Outcome(tuple(unit_subject(unit) for unit in units), tuple(breaches), () if units else NO_ENDPOINTS)


def _ended(post: Assignment) -> datetime | None:
    left = post.person.left_on
    ends = [end for end in (post.valid_to, clock.start_of(left) if left else None) if end is not None]
    return max(min(ends), post.valid_from) if ends else None


def _registered(endpoints: list[int]) -> dict[int, datetime]:
    entries = Entry.objects.filter(object_type="endpoint", object_key__in=[str(pk) for pk in endpoints]).order_by("-index")
    return {int(key): at for key, at in entries.values_list("object_key", "at")}


# What the newest report of an admitted endpoint comes to


@check("antivirus_running")
def antivirus_running(context: Context) -> Outcome:
    """Find admitted endpoints whose newest report shows no antivirus, or one that is stopped. Source: Art. 15; A15.4."""
    return _by_report(
        context,
        {"antivirus_missing", "antivirus_stopped"},
        {"posture_without_products", "antivirus_state_unknown", "posture_proves_nothing"},
    )


@check("signatures_current")
def signatures_current(context: Context) -> Outcome:
    """Find admitted endpoints whose signatures lag too far behind the mirror's newest. Source: Art. 15; A15.5."""
    silent = {"posture_without_products", "signatures_unknown", "mirror_without_signatures", "product_unregistered", "antivirus_missing"}
    return _by_report(context, {"signatures_old"}, silent | {"posture_proves_nothing"})


@check("patches_present")
def patches_present(context: Context) -> Outcome:
    """Find admitted endpoints that lack a patch of the baseline after its grace. Source: Art. 15; A15.6.

    Without a baseline nobody knows what is required, and it is unknown.
    """
    outcome = _by_report(context, {"patches_missing"}, {"posture_without_patches", "posture_proves_nothing"})
    if outcome.population and not Rules(context.at, context.parameters).patches:
        return Outcome((), unknown=(Ground(None, Why("no_patch_baseline")),))
    return outcome


def _by_report(context: Context, faults: set[str], silent: set[str]) -> Outcome:
    """Judge what the newest reports of the endpoints admitted within the window come to, by the codes of their reasons."""
    seen = watch(context)
    admitted = seen.admitted(context.at - watching.WINDOW)
    population: list[Subject] = []
    breaches: list[Breach] = []
    unknown = _unheard(seen)
    standings = standings_of(context, admitted)
    for pk, accepts in admitted.items():
        endpoint, standing = seen.endpoints[pk], standings.get(pk)
        owes = subject(endpoint)
        if standing is None:
            unknown.append(Ground(endpoint.unit.code, Why("endpoint_without_report", {"endpoint": endpoint.name}), owes))
            continue
        population.append(owes)
        shown = [reason for reason in standing.reasons if reason["code"] in faults]
        evidence = (f"posture_report:{standing.report_id}", *(each.line for each in accepts[-SHOWN:]))
        for reason in shown:
            params = {**reason["params"], "endpoint": endpoint.name}
            detail = str(reason["params"].get("product", ""))
            breaches.append(Breach(owes, Why(reason["code"], params), evidence, standing.collected_at, detail))
        open_ones = [reason for reason in standing.reasons if reason["code"] in silent]
        if open_ones and not shown:
            why = Why(open_ones[0]["code"], {**open_ones[0]["params"], "endpoint": endpoint.name})
            unknown.append(Ground(endpoint.unit.code, why, owes))
    return Outcome(tuple(population), tuple(breaches), tuple(unknown))


SHOWN = watching.SHOWN_LINES


def standings_of(context: Context, endpoints: Iterable[int]) -> dict[int, EndpointStanding]:
    """Return the standings by endpoint; where the sweep has not been since the rules changed, judged here by the rules that hold."""
    rules = Rules(context.at, context.parameters)
    found = context.shared(("standings", rules.digest), lambda: _judged(context, rules))
    return {pk: found[pk] for pk in endpoints if pk in found}


def _judged(context: Context, rules: Rules) -> dict[int, EndpointStanding]:
    found = {each.pk: each for each in EndpointStanding.objects.all()}
    old = [pk for pk, each in found.items() if each.basis != rules.digest or (each.passed_until and each.passed_until <= context.at)]
    for start in range(0, len(old), 500):
        chunk = EndpointStanding.objects.filter(pk__in=old[start : start + 500]).select_related("endpoint", "report__document")
        for standing in chunk:
            judge_standing(standing, rules, context.at)
            found[standing.pk] = standing
    return found


def _unheard(seen: Watch) -> list[Ground]:
    """Return what nobody can say: without endpoints, or without any line about admissions."""
    if not seen.endpoints:
        return list(NO_ENDPOINTS)
    if seen.heard_admissions:
        return []
    counts: dict[str, int] = defaultdict(int)
    for endpoint in seen.endpoints.values():
        counts[endpoint.unit.code] += 1
    return [Ground(unit, Why("no_admissions", {"endpoints": count})) for unit, count in sorted(counts.items())]


# Checked before admission


@check("admitted_after_check")
def admitted_after_check(context: Context) -> Outcome:
    """Find admissions that no fresh passing report covers, and addresses in internal zones that were never let in. Source: Art. 15; A15.7.

    1. An accept is covered by a report collected before it whose `passed_until` lies after it.
    2. An accept by a last verdict (the zone's fail mode) is found in any case (Art. 7: business first, but each one is looked at).
    3. An address seen in an internal zone was let in within the time for which a report may be used; devices of the register that are no
       endpoints stand there without.
    """
    age = timedelta(hours=context.parameters["posture_age_hours"])
    seen = watch(context, watching.WINDOW + age)
    since = context.at - watching.WINDOW
    breaches: list[Breach] = []
    _judge_accepts(seen, since, age, breaches)
    _judge_strangers(seen, since, breaches)
    _judge_sightings(seen, since, age, breaches)
    unknown = _unheard(seen)
    if seen.endpoints and not seen.heard_sightings:
        unknown.append(Ground(None, Why("no_zone_sightings"), UNSEEN))
    population = tuple(subject(endpoint) for endpoint in seen.endpoints.values()) if seen.heard_admissions else ()
    return Outcome(population, tuple(breaches), tuple(unknown))


def _judge_accepts(seen: Watch, since: datetime, age: timedelta, breaches: list[Breach]) -> None:
    admitted = seen.admitted(since)
    passed = _passed(since - age)
    for pk, accepts in admitted.items():
        endpoint = seen.endpoints[pk]
        by_last = [each for each in accepts if each.reason == watching.LAST_VERDICT]
        bare = [each for each in accepts if each not in by_last and not any(b <= each.at < e for b, e in passed.get(pk, ()))]
        for group, code in ((bare, "admitted_without_posture"), (by_last, "admitted_by_last_verdict")):
            if group:
                params = _params(group, endpoint=endpoint.name, hours=int(age.total_seconds() // 3600), zone=_named(seen, group[-1]))
                breaches.append(Breach(subject(endpoint), Why(code, params), _evidence(group, pk), group[0].at, code))


def _passed(since: datetime) -> Mapping[int, list[tuple[datetime, datetime]]]:
    """Return when each endpoint's reports passed, as periods; one query."""
    found: dict[int, list[tuple[datetime, datetime]]] = defaultdict(list)
    rows = PostureReport.objects.filter(passed_until__gt=since, endpoint__isnull=False).order_by("collected_at")
    for pk, begun, until in rows.values_list("endpoint_id", "collected_at", "passed_until"):
        if pk is not None and until is not None:
            found[pk].append((begun, until))
    return found


def _judge_strangers(seen: Watch, since: datetime, breaches: list[Breach]) -> None:
    for mac, accepts in seen.accepts.items():
        recent = [each for each in accepts if each.at >= since]
        if mac in seen.owners or not recent:
            continue
        zone = seen.zone_of(recent[-1].vlan)
        params = _params(recent, mac=mac, zone=_named(seen, recent[-1]))
        breaches.append(Breach(_stranger(mac, zone), Why("stranger_admitted", params), _evidence(recent), recent[0].at, "accept"))


def _judge_sightings(seen: Watch, since: datetime, age: timedelta, breaches: list[Breach]) -> None:
    for mac, sightings in seen.sightings.items():
        if mac in seen.devices and mac not in seen.owners:
            continue
        let_in = [each.at for each in seen.accepts.get(mac, ())]
        bare = [
            each
            for each in sightings
            if each.at >= since and bisect_left(let_in, each.at - age) == bisect_right(let_in, each.at + watching.SAME_ACT)
        ]
        if not bare:
            continue
        params = _params(bare, mac=mac, ip=bare[-1].ip, zone=bare[-1].zone.name)
        if mac in seen.owners:
            endpoint = seen.endpoints[seen.owners[mac]]
            why = Why("endpoint_seen_without_admission", {**params, "endpoint": endpoint.name})
            breaches.append(Breach(subject(endpoint), why, _evidence(bare, endpoint.pk), bare[0].at, "sighting"))
        else:
            why = Why("stranger_seen", params)
            breaches.append(Breach(_stranger(mac, bare[-1].zone), why, _evidence(bare), bare[0].at, "sighting"))


def _stranger(mac: str, zone: Zone | None) -> Subject:
    """Return an address that is on no register: the unit that runs the zone answers for it."""
    return Subject(f"mac:{mac}", mac, zone.unit.code if zone else None)


def _params(found: list[Any], **more: Any) -> dict[str, Any]:
    return {"at": clock.minute(found[-1].at), "times": len(found), **more}


def _evidence(found: list[Any], endpoint: int | None = None) -> tuple[str, ...]:
    lines = tuple(each.line for each in found[-SHOWN:])
    if endpoint is None:
        return lines
    newest = PostureReport.objects.filter(endpoint=endpoint).order_by("-collected_at").values_list("pk", flat=True).first()
    return (f"endpoint:{endpoint}", *((f"posture_report:{newest}",) if newest else ()), *lines)


def _named(seen: Watch, accept: Accept) -> str:
    zone = seen.zone_of(accept.vlan)
    return zone.name if zone else f"VLAN {accept.vlan}" if accept.vlan else "?"


# Software


@check("software_listed")
def software_listed(context: Context) -> Outcome:
    """Find endpoints on which software outside their list has stood for longer than the grace. Source: Art. 14; A14.6.

    An endpoint whose list, or whose report of software, is missing is unknown.
    """
    grace = timedelta(hours=context.parameters["software_grace_hours"])
    endpoints = in_service(context)
    standings = standings_of(context, endpoints)
    age = timedelta(hours=context.parameters["posture_age_hours"])
    population, breaches, unknown = [], [], [] if endpoints else list(NO_ENDPOINTS)
    for pk, endpoint in endpoints.items():
        standing, owes = standings.get(pk), subject(endpoint)
        if standing is None or standing.outside is None or standing.collected_at + age <= context.at:
            why = Why("software_unknown", {"endpoint": endpoint.name})
            unknown.append(Ground(endpoint.unit.code, why, owes))
            if standing is None or standing.outside is None:
                continue
        else:
            population.append(owes)
        late = {name: since for name, since in standing.outside.items() if context.at - datetime.fromisoformat(since) > grace}
        if late:
            params = {"endpoint": endpoint.name, "software": "、".join(sorted(late)[:5]), "count": len(late)}
            params |= {"hours": int(grace.total_seconds() // 3600), "list": endpoint.endpoint_class}
            since = datetime.fromisoformat(min(late.values()))
            breaches.append(Breach(owes, Why("software_outside_list", params), (f"posture_report:{standing.report_id}",), since))
    return Outcome(tuple(population), tuple(breaches), tuple(unknown))


@check("peripherals_listed")
def peripherals_listed(context: Context) -> Outcome:
    """Find peripherals and network adapters on endpoints that are on no list. Source: Art. 14; A14.7; rules/peripherals_listed.sql.

    Each endpoint from which no line about peripherals came within the window is unknown.
    """
    outcome = sql.evaluate(PERIPHERALS, context)
    heard = {each.key for each in outcome.population}
    silent = [owes for owes in map(subject, in_service(context).values()) if owes.key not in heard]
    grounds = tuple(Ground(owes.unit, Why("no_peripheral_lines"), owes) for owes in silent)
    return replace(outcome, unknown=(*outcome.unknown, *grounds))
