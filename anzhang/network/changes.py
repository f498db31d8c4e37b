"""The check of Art. 8 that every difference between two configurations of a device has an order behind it (A08.1).

A change happened at some instant between two collections; an order covers it if its window overlaps that interval, widened by
`config_match_hours` on both sides. One that was recorded after the later collection makes the change regularized (补批). What happened more
than `change_orders.BACKWARDS` ago is neither asked for nor may it be approved any more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import QuerySet

from anzhang import clock
from anzhang.casework import parameters
from anzhang.network import change_orders
from anzhang.network.models import Device
from anzhang.network.tables import ChangeOrder, ConfigSnapshot
from anzhang.network.watching import subject, watched
from anzhang.regulation.checks import Context, check
from anzhang.regulation.verdicts import Breach, Ground, Outcome, Subject, Why

MOST = 10  # differences of one device that are told one by one
SHOWN_LINES = 3


@dataclass(frozen=True)
class Covering:
    """What besides an order allows devices to be changed: `recorded_at` is when it was on record, `evidence` its reference."""

    devices: frozenset[str]
    begin: datetime
    end: datetime
    recorded_at: datetime
    evidence: str


Source = Callable[[datetime], Iterable[Covering]]
SOURCES: list[Source] = []  # who tells which projects cover which devices: the chapter that holds the projects adds itself


def covers(source: Source) -> Source:
    """Add a source of coverings, asked at the instant of a check; once there is one, projects are no unknown ground any more."""
    SOURCES.append(source)
    return source


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
    for source in SOURCES:
        for covering in source(at):
            for code in covering.devices & codes:
                found[code].append(covering)
    return found


@check("config_changes_ordered")
def config_changes_ordered(context: Context) -> Outcome:
    """Find changes of devices without an order, and network devices in service of which no fresh configuration is there. Source: A08.1.

    Projects are unknown ground until somebody tells which of them cover what, and whether they were reviewed before they closed.
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
    return Outcome(seen.population, tuple(breaches), (*seen.unknown, *_projects()), regularized=tuple(regularized))


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


def _projects() -> tuple[Ground, ...]:
    if SOURCES:
        return ()
    label = parameters.catalog().vocabulary["register"].get("project", {"zh": "建设项目"})
    why = Why("waits_for", {"missing": [{"zh": label["zh"], "en": "project"}]})
    return (Ground(None, why, Subject("register:project", "project", None)),)
