"""The checks of Art. 9 and 14 that keep internal devices off the internet: A09.3 for the unit that owns one, A14.8 for whoever sat at it.

What was seen on the network is told by a rule (`rules/internal_devices_offline.sql`); how an endpoint reaches networks is told by its
newest report. Both obligations cite the same observation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from anzhang.casework import rules
from anzhang.directory.models import Person
from anzhang.endpoints.models import Endpoint
from anzhang.endpoints.obligations import standings_of
from anzhang.endpoints.watching import in_service, subject
from anzhang.network.models import Device, Zone
from anzhang.regulation.checks import Context, check
from anzhang.regulation.verdicts import Breach, Ground, Outcome, Subject, Why
from anzhang.systems.models import Account

accounts_not_lent = rules.bind(Path(__file__).parent / "rules" / "accounts_not_lent.sql")
business_use_only = rules.bind(Path(__file__).parent / "rules" / "business_use_only.sql")
RULE = rules.load(Path(__file__).parent / "rules" / "internal_devices_offline.sql")
WAYS = frozenset({"posture_second_route", "posture_outside_adapter", "posture_proxy", "posture_sharing"})
UNTOLD = Subject("register:endpoint", "endpoint", None)  # of its own, so that it keeps no finding open that was measured
SESSION = timedelta(hours=12)  # how long before a contact a log-in may lie
ENDS = frozenset({"log-off", "session-closed"})


@dataclass(frozen=True)
class Ways:
    """By which ways endpoints of internal zones could leave them, as their newest reports say; `silent` say nothing of it."""

    inside: dict[int, Endpoint]
    open: tuple[tuple[Endpoint, Breach], ...]
    silent: tuple[Ground, ...]


@check("internal_devices_offline")
def internal_devices_offline(context: Context) -> Outcome:
    """Find devices and endpoints of internal zones on the internet, in two zones, or set up to leave. Source: Art. 9; A09.3."""
    seen, ways = rules.evaluate(RULE, context), _ways(context)
    breaches = (*seen.breaches, *(breach for _endpoint, breach in ways.open))
    return replace(seen, breaches=breaches, unknown=(*seen.unknown, *ways.silent))


internal_devices_offline.rule = RULE  # type: ignore[attr-defined]  # its page shows the file


@check("internal_computers_offline")
def internal_computers_offline(context: Context) -> Outcome:
    """Find who sat at an endpoint of an internal zone while it was on the internet, or set up to be. Source: Art. 14; A14.8.

    That is who logged in there last before the contact, by the accounts of the systems' registers; where nobody did, or the name is held by
    several people, who is in charge of the endpoint.
    """
    seen, ways = rules.evaluate(RULE, context), _ways(context)
    by_key = {f"endpoint:{each.code}": each for each in ways.inside.values()}
    codes = dict(Device.objects.exclude(endpoint=None).values_list("pk", "code"))
    by_key |= {f"device:{codes[each.device_id]}": each for each in ways.inside.values() if each.device_id in codes}
    breaches = []
    for breach in seen.breaches:
        endpoint = by_key.get(breach.subject.key)
        if endpoint is None or breach.why.code != "device_on_internet":
            continue
        person, line = _at_it(context, endpoint, breach.since or context.at)
        params = {**breach.why.params, "person": person.name, "endpoint": endpoint.name}
        why = Why("person_on_internet" if line else "endpoint_on_internet", params)
        owes = Subject(f"endpoint:{endpoint.code}", endpoint.name, endpoint.unit.code, person.code)
        breaches.append(Breach(owes, why, (*breach.evidence, *([line] if line else [])), breach.since, person.code))
    breaches += [breach for _endpoint, breach in ways.open]
    watched = not any(ground.why.code == "no_watch_of_internet" for ground in seen.unknown)
    population = tuple(subject(each) for each in ways.inside.values()) if watched else ()
    return Outcome(population, tuple(breaches), (*seen.unknown, *ways.silent))


internal_computers_offline.rule = RULE  # type: ignore[attr-defined]


def _ways(context: Context) -> Ways:
    internal = frozenset(Zone.objects.filter(kind__in=Zone.INTERNAL).values_list("pk", flat=True))
    inside = {pk: each for pk, each in in_service(context).items() if each.zone_id in internal}
    standings = standings_of(context, inside)
    found: list[tuple[Endpoint, Breach]] = []
    silent = [] if inside else [Ground(None, Why("no_endpoints"), UNTOLD)]
    for pk, endpoint in inside.items():
        owes, standing = subject(endpoint), standings.get(pk)
        if standing is None or not standing.tells_network:
            code = "endpoint_without_report" if standing is None else "posture_without_network"
            silent.append(Ground(endpoint.unit.code, Why(code, {"endpoint": endpoint.name}), owes))
            continue
        for reason in standing.reasons:
            if reason["code"] in WAYS:
                why = Why(reason["code"], {**reason["params"], "endpoint": endpoint.name})
                evidence = (f"posture_report:{standing.report_id}",)
                found.append((endpoint, Breach(owes, why, evidence, standing.collected_at, reason["code"])))
    return Ways(inside, tuple(found), tuple(silent))


def _at_it(context: Context, endpoint: Endpoint, at: datetime) -> tuple[Person, str]:
    """Return who sat at an endpoint at an instant and the line that says so; who is in charge of it, and "", where no line does."""
    hosts = {host.lower() for host in (*endpoint.hosts, *(endpoint.device.hosts if endpoint.device else ()))}
    if context.vault is None or not hosts:
        return endpoint.person, ""
    columns = ("segment", "host_name", "user_name", "event_action", "event_outcome")
    for event in reversed(context.vault.events("auth_event", at - SESSION, at + timedelta(microseconds=1), columns).to_pylist()):
        said = event["event_outcome"] == "success" and event["event_action"] not in ENDS and (event["host_name"] or "").lower() in hosts
        if said:
            holders = {each.person_id: each.person for each in Account.objects.filter(name=event["user_name"]).select_related("person")}
            if len(holders) == 1:
                return next(iter(holders.values())), f"line:{event['segment']}:{event['seq']}"
    return endpoint.person, ""
