"""The checks of Art. 9 that read security products on devices: there, running and set (A09.4), current and supported (A09.5).

Which kinds of devices need which products is on the register of products. A device is judged by its newest report; what a report does not
say is unknown, and so is a device that never reported. One that is seen on the network and has not reported for as long as a report may be
used is found.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from anzhang import clock
from anzhang.endpoints.models import PostureDocument, PostureReport
from anzhang.endpoints.requirements import Rules, required
from anzhang.endpoints.watching import SHOWN_LINES
from anzhang.engines import posture
from anzhang.engines.posture import Facts, Reason
from anzhang.network.models import Device, Interface
from anzhang.regulation.checks import Context, check
from anzhang.regulation.verdicts import Breach, Ground, Outcome, Subject, Why


@dataclass(frozen=True)
class Reported:
    """A device that needs products, with its newest report and what that says; None where it never reported."""

    device: Device
    owes: Subject
    report: PostureReport | None
    facts: Facts | None


def devices(rules: Rules) -> list[Reported]:
    """Return the devices in service of which the register requires a product; three queries."""
    kinds = {kind for product in rules.products for kind in product.required_of}
    rows = Device.objects.filter(state=Device.State.IN_SERVICE, kind__in=kinds).select_related("unit", "person").order_by("code")
    newest: dict[int, PostureReport] = {}
    own = PostureReport.Source.AGENT
    for report in PostureReport.objects.filter(device__in=rows).order_by("collected_at", "pk"):
        before = newest.get(report.device_id or 0)
        if before is None or report.source == own or before.source != own:
            newest[report.device_id or 0] = report
    documents = PostureDocument.objects.filter(report__in=[report.pk for report in newest.values()])
    said = {pk: posture.facts(facts) for pk, facts in documents.values_list("pk", "facts")}
    found = []
    for device in rows:
        owes = Subject(f"device:{device.code}", device.name, device.unit.code, device.person.code if device.person else None)
        last = newest.get(device.pk)
        found.append(Reported(device, owes, last, said.get(last.pk) if last else None))
    return found


@check("security_products_running")
def security_products_running(context: Context) -> Outcome:
    """Find devices without a required product, or with it stopped or off its settings, or seen without a report. Source: Art. 9; A09.4."""
    rules = Rules(context.at, context.parameters)
    found = devices(rules)
    seen = _seen(context, found, rules.age)
    population: list[Subject] = []
    breaches: list[Breach] = []
    unknown = _nothing(found)
    for each in found:
        lines = seen.get(each.device.pk, [])
        if lines and (each.report is None or each.report.collected_at <= context.at - rules.age):
            hours = int(rules.age.total_seconds() // 3600)
            params = {"device": each.device.name, "at": clock.minute(lines[-1][0]), "hours": hours}
            evidence = (f"device:{each.device.pk}", *(line for _at, line in lines[-SHOWN_LINES:]))
            breaches.append(Breach(each.owes, Why("device_without_report", params), evidence, lines[0][0], "silent"))
        if each.report is None or each.facts is None:
            if not lines:
                unknown.append(_silent(each))
            continue
        population.append(each.owes)
        for product in rules.products:
            asked = required(product, each.device.kind)
            _judge(each, posture.presence_faults(each.facts, asked), asked.name, breaches, unknown)
    return Outcome(tuple(population), tuple(breaches), tuple(unknown))


@check("security_products_current")
def security_products_current(context: Context) -> Outcome:
    """Find products behind the mirror's newest version for too long, with old signatures, or past support. Source: Art. 9; A09.5."""
    rules, today = Rules(context.at, context.parameters), clock.day_of(context.at)
    found = devices(rules)
    population: list[Subject] = []
    breaches: list[Breach] = []
    unknown = _nothing(found)
    known = {product.name: product for product in rules.products}
    for each in found:
        if each.report is None or each.facts is None or each.facts.products is None:
            unknown.append(_silent(each))
            continue
        population.append(each.owes)
        for product in each.facts.products:
            row = known.get(product.name)
            if row is None:
                continue
            faults = [
                reason for last, reason in posture.currency(product, required(row, each.device.kind), rules.update_days) if last < today
            ]
            if row.signatures_on is not None or product.kind == "antivirus":
                faults += _old(product, rules.signature_days, today)
            _judge(each, faults, product.name, breaches, unknown)
    return Outcome(tuple(population), tuple(breaches), tuple(unknown))


def _old(product: posture.Product, days: int, today: date) -> list[Reason]:
    if product.signatures_on is None:
        return [Reason("signatures_unknown", {"product": product.name}, unknown=True)]
    behind = (today - product.signatures_on).days
    if behind <= days:
        return []
    params = {"product": product.name, "on": product.signatures_on.isoformat(), "behind": behind, "days": days}
    return [Reason("signatures_too_old", params)]


def _judge(each: Reported, faults: Iterable[Reason], detail: str, breaches: list[Breach], unknown: list[Ground]) -> None:
    report = each.report
    for reason in faults:
        why = Why(reason.code, {**reason.params, "device": each.device.name})
        if reason.unknown:
            unknown.append(Ground(each.owes.unit, why, each.owes))
        elif report is not None:
            breaches.append(Breach(each.owes, why, (f"posture_report:{report.pk}",), report.collected_at, f"{detail}:{reason.code}"))


def _silent(each: Reported) -> Ground:
    return Ground(each.owes.unit, Why("device_report_missing", {"device": each.device.name}), each.owes)


def _nothing(found: Collection[Reported]) -> list[Ground]:
    return [] if found else [Ground(None, Why("no_required_products"))]


def _seen(context: Context, found: Iterable[Reported], age: timedelta) -> dict[int, list[tuple[datetime, str]]]:
    """Return when each device was seen within the age of a report, and the lines that say so, oldest first."""
    lines: dict[int, list[tuple[datetime, str]]] = {}
    if context.vault is None:
        return lines
    wanted = {each.device.pk for each in found}
    cards = Interface.objects.exclude(mac="").values_list("mac", "device_id")
    owners = {mac: device for mac, device in cards if device in wanted}
    table = context.vault.events("sighting_event", since=context.at - age, until=context.at)
    columns = ("timestamp", "source_mac", "event_outcome", "segment", "seq")
    for at, mac, outcome, segment, seq in zip(*(table[name].to_pylist() for name in columns), strict=True):
        if mac in owners and outcome != "failure":
            lines.setdefault(owners[mac], []).append((at, f"line:{segment}:{seq}"))
    return lines
