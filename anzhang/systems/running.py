"""The checks of Art. 12, and of load tests (Art. 13): who runs systems and devices, planned checks and monitors, operations dossiers."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from django.apps import apps
from django.db.models import Q

from anzhang import clock
from anzhang.casework import rules, waiting, workdays
from anzhang.directory.models import Assignment, Bitemporal, Person, Unit
from anzhang.directory.queries import is_employed
from anzhang.journal.models import Entry, Payload
from anzhang.network import watching as network
from anzhang.network.models import Device
from anzhang.regulation.checks import Context, check
from anzhang.regulation.verdicts import Breach, Ground, Outcome, Subject, Why
from anzhang.systems import dossiers, due
from anzhang.systems.models import System
from anzhang.systems.obligations import registered, stopped, subject
from anzhang.systems.queries import posts_by_system
from anzhang.systems.upkeep import CheckPlan, OpsDossier

SEALINGS = 5000  # the newest ones: hours, however busy


def _sealings() -> Iterator[tuple[datetime]]:
    segments = apps.get_model("anzhang", "vaultsegment")._default_manager  # of a chapter above
    yield from segments.order_by("-number").values_list("sealed_at")[:SEALINGS]


log_receipt = rules.derive("log_receipt", ("vault_segment",), sealed_at=datetime)(_sealings)
RULES = Path(__file__).parent / "rules"
MONITORED = rules.load(RULES / "systems_monitored.sql")
load_tests_evaluated = rules.bind(RULES / "load_tests_evaluated.sql")
ADMINISTERS = (Assignment.Duty.SYSTEM_MANAGER, Assignment.Duty.MAINTAINER)  # daily operation (Art. 12)


@check("administrators_named")
def administrators_named(context: Context) -> Outcome:
    """Find systems and devices in service that nobody in post runs from day to day, for longer than a vacancy may last.

    A system is run by a system manager or maintainer in post, named for it or for the unit that manages it; a device by its person, who
    works here and holds some post. A vacancy counts from when the last one stopped, else from when the row or the name was last written.

    Source: Art. 12; A12.1.
    """
    at, limit = context.at, timedelta(days=context.parameters["vacancy_days"])
    systems, devices = _systems(at, limit), _devices(at, limit)
    return Outcome((*systems.population, *devices.population), (*systems.breaches, *devices.breaches))


def _systems(at: datetime, limit: timedelta) -> Outcome:
    systems = list(System.objects.filter(state=System.State.IN_SERVICE).select_related("managing_unit").order_by("code"))
    posts = {key: [post for post in held if post.duty in ADMINISTERS] for key, held in posts_by_system(systems, at).items()}
    bare = [system for system in systems if not posts[system.pk]]
    begun_at = registered(bare)
    population, breaches = [], []
    for system in systems:
        owes = subject(system, system.managing_unit)
        population.append(owes)
        held = posts[system.pk]
        if any((post.valid_to is None or post.valid_to > at) and is_employed(post.person, at) for post in held):
            continue
        begun = max((stopped(post, at) for post in held), default=begun_at.get(str(system.pk)))
        if begun is None or at - begun > limit:
            last = max(held, key=lambda post: stopped(post, at)).person.name if held else ""
            params = {"system": system.name, "days": limit.days, "since": clock.day_of(begun).isoformat() if begun else "", "person": last}
            why = Why("system_administrator_gone" if last else "system_without_administrator", params)
            breaches.append(Breach(owes, why, tuple(f"assignment:{post.pk}" for post in held[-3:]), begun))
    return Outcome(tuple(population), tuple(breaches))


def _devices(at: datetime, limit: timedelta) -> Outcome:
    devices = list(Device.objects.filter(state=Device.State.IN_SERVICE).only("code", "name", "unit", "person").order_by("code"))
    units, people = Unit.objects.in_bulk(), Person.objects.in_bulk({each.person_id for each in devices if each.person_id is not None})
    for device in devices:  # of few units and people: joined here, a hundred thousand rows need no copy of each
        device.unit = units[device.unit_id]
        device.person = people[device.person_id] if device.person_id is not None else None
    posted = set(Assignment.objects.filter(Bitemporal.in_force(at)).values_list("person", flat=True))
    bad = [each for each in devices if each.person is None or not is_employed(each.person, at) or each.person_id not in posted]
    named_at = _named(bad)
    ended = _last_posts({each.person_id for each in bad if each.person_id is not None}, at)
    breaches = []
    for device in bad:
        named, person = named_at.get(str(device.pk)), device.person
        params = {"device": device.name, "days": limit.days, "person": person.name if person else ""}
        if person is None:
            begun, code = named, "device_without_administrator"
        elif not is_employed(person, at):
            left = clock.start_of(person.left_on) if person.left_on else named  # who has not come yet never was
            begun, code = _later(left, named), "device_administrator_gone"
        else:
            begun, code = _later(ended.get(person.pk), named), "device_administrator_without_post"
        if begun is None or at - begun > limit:
            params["since"] = clock.day_of(begun).isoformat() if begun else ""
            breaches.append(Breach(network.subject(device), Why(code, params), (f"device:{device.pk}",), begun))
    return Outcome(tuple(network.subject(device) for device in devices), tuple(breaches))


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((each for each in (one, other) if each is not None), default=None)


def _last_posts(people: Collection[int], at: datetime) -> Mapping[int, datetime]:
    """Return when the last post of each of some people ended, by their key."""
    posts = Assignment.objects.filter(superseded_at=None, valid_to__lte=at).order_by("valid_to").values_list("person", "valid_to")
    return {person: ended for person, ended in posts if person in people and ended is not None}


def _named(devices: Sequence[Device]) -> Mapping[str, datetime]:
    """Return when the ledger last says that the person of each device was written, by its key: another change says nothing of it."""
    wanted = {str(device.pk) for device in devices}
    if not wanted:
        return {}
    entries: dict[str, list[tuple[int, datetime]]] = defaultdict(list)
    for index, key, at in Entry.objects.filter(object_type="device").order_by("index").values_list("index", "object_key", "at").iterator():
        if key in wanted:
            entries[key].append((index, at))
    found = {key: acts[0][1] for key, acts in entries.items()}
    later = {index: (key, at) for key, acts in entries.items() for index, at in acts[1:]}
    for index, body in _payloads(later):
        if "person" in (json.loads(body).get("changed") or {}):
            key, at = later[index]
            found[key] = max(found[key], at)
    return found


def _payloads(indexes: Collection[int], most: int = 5000) -> Iterable[tuple[int, bytes]]:
    ordered = sorted(indexes)
    for start in range(0, len(ordered), most):
        for index, body in Payload.objects.filter(entry__in=ordered[start : start + most]).values_list("entry", "body"):
            yield index, bytes(body)


@check("systems_monitored")
def systems_monitored(context: Context) -> Outcome:
    """Find planned checks whose newest run is missed by more than the grace, and systems in service without a live monitor.

    A later run of the plan ends a miss: nobody can look today at how things were last Tuesday. A system that no plan names is unknown
    ground in that respect. Source: Art. 12; A12.3.
    """
    at, grace = context.at, timedelta(hours=context.parameters["check_grace_hours"])
    monitored = rules.evaluate(MONITORED, context)
    calendar, newest, today = workdays.calendar(), due.newest(), clock.day_of(at)
    running = Q(valid_to=None) | Q(valid_to__gt=today - timedelta(days=30))  # what was missed before a plan ended stays missed a while
    plans = list(CheckPlan.objects.filter(running, valid_from__lte=today).select_related("unit", "person", "system").order_by("code"))
    population, breaches = [], []
    for plan in plans:
        owes = Subject(f"check_plan:{plan.code}", plan.title, plan.unit.code, plan.person.code)
        population.append(owes)
        if missed := due.missed(plan, newest.get(plan.pk), at, grace, calendar):
            params = {
                "plan": plan.title, "due": clock.minute(missed[-1]), "first": clock.minute(missed[0]), "times": len(missed),
                "hours": context.parameters["check_grace_hours"], "person": plan.person.name,
            }  # fmt: skip
            breaches.append(Breach(owes, Why("check_missed", params), (f"check_plan:{plan.pk}",), missed[0]))
    planned = {plan.system_id for plan in plans if plan.system_id is not None and (plan.valid_to is None or plan.valid_to > today)}
    bare = System.objects.filter(state=System.State.IN_SERVICE).exclude(pk__in=planned).select_related("managing_unit")
    unplanned = tuple(
        Ground(
            system.managing_unit.code,
            Why("system_without_check_plan", {"system": system.name}),
            Subject(f"planned:{system.code}", system.name, system.managing_unit.code),  # its own: a dead monitor stays a finding
        )
        for system in bare.order_by("code")
    )
    return replace(
        monitored,
        population=(*monitored.population, *population),
        breaches=(*monitored.breaches, *breaches),
        unknown=(*monitored.unknown, *unplanned),
    )


systems_monitored.rule = MONITORED  # type: ignore[attr-defined]  # its page shows the file


@check("dossiers_kept")
def dossiers_kept(context: Context) -> Outcome:
    """Find important systems without an operations dossier, with nothing in it for too long, or kept by somebody who left.

    Entries link themselves (`dossiers.SOURCES`), so none can be forgotten. Registers that do not stand are unknown ground.
    Source: Art. 12; A12.2.
    """
    at, silence = context.at, timedelta(days=context.parameters["dossier_silence_days"])
    level = int(context.parameters["important_level"])
    found = System.objects.filter(state=System.State.IN_SERVICE, protection_level__gte=level).select_related("managing_unit")
    systems = list(found.order_by("code"))
    opened = {row.system_id: row for row in OpsDossier.objects.filter(system__in=systems).select_related("keeper")}
    newest = dossiers.newest(systems, at - silence, at, context.vault)
    begun_at = registered([system for system in systems if system.pk not in opened])
    population, breaches = [], []
    for system in systems:
        owes = subject(system, system.managing_unit)
        population.append(owes)
        row, params = opened.get(system.pk), {"system": system.name, "days": silence.days, "level": level}
        if row is None:
            breaches.append(Breach(owes, Why("dossier_missing", params), since=begun_at.get(str(system.pk))))
            continue
        cited = (f"ops_dossier:{row.pk}",)
        if not is_employed(row.keeper, at):
            breaches.append(Breach(owes, Why("dossier_keeper_left", {**params, "person": row.keeper.name}), cited, detail="keeper"))
        if system.pk not in newest and clock.start_of(row.opened_on) <= at - silence:
            breaches.append(Breach(owes, Why("dossier_silent", params), cited, detail="silent"))
    unlinked = tuple(Ground(None, Why("dossier_without_source", {"register": noun})) for noun in dossiers.unlinked())
    return Outcome(tuple(population), tuple(breaches), (*waiting.ground("dossiers_kept"), *unlinked) if systems else ())
