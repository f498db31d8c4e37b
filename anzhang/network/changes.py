"""The check of Art. 8 that every difference between two configurations of a device has an order behind it (A08.1).

A change happened at some instant between two collections; an order covers it if its window overlaps that interval, widened by
`config_match_hours` on both sides. One that was recorded after the later collection makes the change regularized (补批). What happened more
than `change_orders.BACKWARDS` ago is neither asked for nor may it be approved any more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import QuerySet

from anzhang import clock
from anzhang.network import change_orders
from anzhang.network.models import Device
from anzhang.network.tables import ChangeOrder, ConfigSnapshot
from anzhang.network.watching import subject, watched
from anzhang.organization.tables import Project
from anzhang.regulation.checks import Context, check
from anzhang.regulation.verdicts import Breach, Outcome, Subject, Why

MOST = 10  # differences of one device that are told one by one
SHOWN_LINES = 3


@dataclass(frozen=True)
class Covering:
    """What allows devices to be changed, an order or a project: `recorded_at` is when it was approved, `evidence` its reference."""

    devices: frozenset[str]
    begin: datetime
    end: datetime
    recorded_at: datetime
    evidence: str


@dataclass(frozen=True)
class Difference:
    """A snapshot that differs from the one before it, and what covers that: nothing, something in time, something later."""

    row: ConfigSnapshot
    begin: datetime
    in_time: tuple[str, ...]
    later: tuple[str, ...]

    @property
    def is_open(self) -> bool:
        """Whether nothing covers it."""
        return not self.in_time and not self.later


def differences(at: datetime, hours: float, devices: QuerySet[Device] | None = None) -> list[Difference]:
    """Return the differences between successive snapshots that were received by an instant, oldest first; few queries for any number."""
    changed = ConfigSnapshot.objects.exclude(added=0, removed=0).filter(
        previous__isnull=False, received_at__lte=at, collected_at__gt=at - change_orders.BACKWARDS, collected_at__lte=at
    )
    if devices is not None:
        changed = changed.filter(device__in=devices.order_by().values("pk"))
    rows = list(changed.select_related("device__unit", "device__person", "previous").order_by("collected_at", "pk"))
    allowed = _allowed({row.device.code for row in rows}, at)
    margin = timedelta(hours=hours)
    return [_judged(row, allowed.get(row.device.code, ()), margin) for row in rows]


def _judged(row: ConfigSnapshot, allowed: Iterable[Covering], margin: timedelta) -> Difference:
    begin = row.previous.collected_at if row.previous else row.collected_at
    fitting = [each for each in allowed if each.begin <= row.collected_at + margin and each.end > begin - margin]
    in_time = tuple(each.evidence for each in fitting if each.recorded_at <= row.collected_at)
    later = tuple(each.evidence for each in fitting if each.recorded_at > row.collected_at)
    return Difference(row, begin, in_time, later)


def _allowed(codes: set[str], at: datetime) -> dict[str, list[Covering]]:
    """Return by device what allows it to be changed, as far as it was on record by the instant."""
    found: dict[str, list[Covering]] = defaultdict(list)
    known = ChangeOrder.objects.filter(superseded_at=None, basis__valid_from__lte=at).exclude(kind=change_orders.PRODUCTION)
    for order in known.select_related("basis").order_by("valid_from", "pk"):
        approved_at = order.basis.valid_from  # a withdrawal records the order anew, the approval keeps its beginning
        covering = Covering(
            frozenset(order.devices), order.valid_from, change_orders.end_of(order), approved_at, f"change_order:{order.pk}"
        )
        for code in covering.devices & codes:
            found[code].append(covering)
    for covering in _projects(at):
        for code in covering.devices & codes:
            found[code].append(covering)
    return found


def _projects(at: datetime) -> Iterator[Covering]:
    """Yield what network projects allow: their devices from the day on which works began to the day on which the project ended."""
    known = Project.objects.filter(kind=Project.Kind.NETWORK, started_on__isnull=False, basis__isnull=False, basis__valid_from__lte=at)
    for project in known.exclude(devices=[]).exclude(stage=Project.Stage.CANCELLED).select_related("basis").order_by("pk"):
        if project.started_on is None or project.basis is None:
            continue
        last = project.ended_on or clock.day_of(at)
        begin, end = clock.start_of(project.started_on), clock.start_of(last + timedelta(days=1))
        yield Covering(frozenset(project.devices), begin, end, project.basis.valid_from, f"project:{project.pk}")


@check("config_changes_ordered")
def config_changes_ordered(context: Context) -> Outcome:
    """Find changes of devices without an order or project, and network projects that closed with no protection review passed.

    Network devices in service of which no fresh configuration is there are unknown ground. Source: Art. 8; A08.1.
    """
    hours = context.parameters["config_match_hours"]
    seen = watched(context)
    by_device: dict[int, list[Difference]] = defaultdict(list)
    for each in differences(context.at, hours):
        by_device[each.row.device_id].append(each)
    breaches, regularized = [], []
    for found in by_device.values():
        bare = [each for each in found if each.is_open]
        breaches += [_many(bare)] if len(bare) > MOST else [_breach(each) for each in bare]
        regularized += [_breach(each) for each in found if each.later and not each.in_time]
    works, unreviewed, later = _reviews()
    return Outcome((*seen.population, *works), (*breaches, *unreviewed), seen.unknown, regularized=(*regularized, *later))


def _reviews() -> tuple[list[Subject], list[Breach], list[Breach]]:
    """Return the network projects that have closed, those of them that no protection review has passed, those that one passed later."""
    works, breaches, regularized = [], [], []
    closed = Project.objects.filter(kind=Project.Kind.NETWORK, stage=Project.Stage.CLOSED)
    for project in closed.select_related("unit", "person").order_by("code"):
        owes = Subject(f"project:{project.code}", project.name, project.unit.code, project.person.code)
        works.append(owes)
        told, cited = {"project": project.name, "ended_on": f"{project.ended_on}"}, (f"project:{project.pk}",)
        if project.review_on is None or project.review_result != Project.Result.PASSED:
            breaches.append(Breach(owes, Why("project_closed_unreviewed", told), cited))
        elif project.ended_on is not None and project.review_on > project.ended_on:
            why = Why("project_reviewed_later", {**told, "review_on": f"{project.review_on}"})
            regularized.append(Breach(owes, why, cited))
    return works, breaches, regularized


def _breach(each: Difference) -> Breach:
    row, late = each.row, bool(each.later)
    params = {
        "device": row.device.name, "since": clock.minute(each.begin), "until": clock.minute(row.collected_at), "added": row.added,
        "removed": row.removed, "lines": "；".join(row.sample[:SHOWN_LINES]),
    }  # fmt: skip
    why = Why("config_change_ordered_later" if late else "config_change_unordered", params)
    evidence = (f"config_snapshot:{row.pk}", f"config_snapshot:{row.previous_id}", *each.later)
    return Breach(subject(row.device), why, evidence, each.begin, f"config_snapshot:{row.pk}")


def _many(found: list[Difference]) -> Breach:
    last = found[-1].row
    params = {
        "device": last.device.name, "times": len(found), "since": clock.minute(found[0].begin), "until": clock.minute(last.collected_at),
        "lines": "；".join(last.sample[:SHOWN_LINES]),
    }  # fmt: skip
    evidence = tuple(f"config_snapshot:{each.row.pk}" for each in found[::-1])[:20]
    return Breach(subject(last.device), Why("config_changes_unordered", params), evidence, found[0].begin, "many")
