"""The checks of Art. 29 that read registers and vault: logs kept six months (A29.7)."""

from __future__ import annotations

import json
import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.db.models import Min, Sum

from anzhang.engines.vault.places import locate
from anzhang.events import Event
from anzhang.journal.models import Entry
from anzhang.monitoring.models import LogSource, LogSourceActivity, VaultSegment
from anzhang.regulation.checks import Context, check
from anzhang.regulation.verdicts import Breach, Ground, Outcome, Subject, Why
from anzhang.systems.models import System

FORECAST_DAYS = 7  # the disk's future is read off this many past days


@dataclass(frozen=True)
class Loss:
    """A segment that should still stand and does not; `how` is disposed, file_missing or record_missing."""

    number: int
    name: str
    sealed_at: datetime
    sources: Mapping[str, int]
    how: str


@check("logs_kept_six_months")
def logs_kept_six_months(context: Context) -> Outcome:
    """Judge per log source whether its lines of the last `retention_days` days still stand.

    Breach: its oldest kept segment is not its first and is younger than that; a segment inside that floor was deleted, by whatever
    means; the disk is forecast to fill first (one breach, of the vault). A source that was never heard, and a system in service
    that no source watches, is unknown ground of its unit.

    Source: Art. 29; A29.7.
    """
    floor = timedelta(days=context.parameters["retention_days"])
    sources = list(LogSource.objects.select_related("unit", "activity").order_by("code"))
    heard = [source for source in sources if activity_of(source) is not None]
    subjects = {source.code: subject_of(source) for source in heard}
    unknown = [Ground(source.unit.code, Why("source_never_heard", {"source": source.code}), subject_of(source)) for source in sources
               if activity_of(source) is None and source.state == LogSource.State.ACTIVE]  # fmt: skip
    unknown += _unwatched_systems()
    if context.vault is None and heard:
        unknown += [Ground(unit, Why("no_vault")) for unit in sorted({source.unit.code for source in heard})]
    breaches = [*_lost(context, floor, subjects), *_too_young(context.at, floor, heard)]
    vault = Subject("vault", "日志库", None)
    full = _disk_breach(context, floor, vault)
    population = [*subjects.values(), *([vault] if full else [])]
    return Outcome(tuple(population), (*breaches, *full), tuple(unknown))


def subject_of(source: LogSource) -> Subject:
    """Return the subject that a log source is: `source:CODE` of its unit."""
    return Subject(f"source:{source.code}", source.name, source.unit.code)


def activity_of(source: LogSource) -> LogSourceActivity | None:
    """Return what was heard from a source, None until its first line was sealed."""
    activity: LogSourceActivity | None = getattr(source, "activity", None)
    return activity if activity is not None and activity.first_segment is not None else None


def _unwatched_systems() -> Iterator[Ground]:
    """Yield the systems in service that no active source belongs to, as unknown ground of the unit that manages them."""
    watched = LogSource.objects.filter(state=LogSource.State.ACTIVE, system__isnull=False).values("system")
    systems = System.objects.filter(state=System.State.IN_SERVICE).exclude(pk__in=watched).select_related("managing_unit").order_by("code")
    for system in systems:
        unit = system.managing_unit.code
        yield Ground(unit, Why("no_log_source", {"system": system.code}), Subject(f"system:{system.code}", system.name, unit))


def _lost(context: Context, floor: timedelta, subjects: Mapping[str, Subject]) -> Iterator[Breach]:
    """Yield one breach per source and lost segment that is still inside the floor."""
    for loss in losses(context):
        if context.at - loss.sealed_at >= floor:
            continue
        for code in sorted(loss.sources):
            if code in subjects:
                why = Why("deleted_inside_floor", {"segment": loss.name, "how": loss.how, "rows": loss.sources[code]})
                yield Breach(subjects[code], why, (f"segment:{loss.name}",), loss.sealed_at, f"segment:{loss.number}")


def losses(context: Context) -> Iterator[Loss]:
    """Yield every segment that was once sealed and does not stand now: disposed, its files gone, or its row gone."""
    for row in VaultSegment.objects.filter(state=VaultSegment.State.DELETED):
        yield Loss(row.number, row.name, row.sealed_at, row.sources, "disposed")
    if context.vault is not None:
        kept = VaultSegment.objects.filter(state=VaultSegment.State.SEALED)
        sealed = kept.values_list("name", flat=True)  # asked again below: of one that was replaced meanwhile the name is gone
        for row in kept.filter(name__in=sorted(set(sealed) - set(locate(context.vault.root)))):
            yield Loss(row.number, row.name, row.sealed_at, row.sources, "file_missing")
    yield from _rows_gone()


def _rows_gone() -> Iterator[Loss]:
    """Yield what the ledger saw sealed and the table no longer holds."""
    recorded = set(VaultSegment.objects.values_list("number", flat=True))
    sealed = Entry.objects.filter(act=Event.SEGMENT_SEAL)
    if sealed.count() == len(recorded):
        return
    for entry in sealed.select_related("payload").order_by("index"):
        if int(entry.object_key) not in recorded:
            payload = json.loads(bytes(entry.payload.body))
            yield Loss(payload["number"], payload["name"], entry.at, payload["sources"], "record_missing")


def _too_young(at: datetime, floor: timedelta, heard: list[LogSource]) -> Iterator[Breach]:
    oldest = _oldest_kept({source.code for source in heard})
    for source in heard:
        segment, activity = oldest.get(source.code), activity_of(source)
        if segment is None or activity is None or at - segment.sealed_at >= floor:
            continue
        if activity.first_segment is not None and (segment.first_number or segment.number) <= activity.first_segment <= segment.number:
            continue
        days = (at - segment.sealed_at).days
        why = Why("kept_too_short", {"source": source.code, "days": days, "floor": floor.days, "segment": segment.name})
        yield Breach(subject_of(source), why, (f"segment:{segment.name}",), segment.sealed_at)


def _oldest_kept(codes: set[str]) -> dict[str, VaultSegment]:
    """Return each source's oldest kept segment; walks from the oldest and stops when every source was met."""
    found: dict[str, VaultSegment] = {}
    for segment in VaultSegment.objects.filter(state=VaultSegment.State.SEALED).order_by("number").iterator(chunk_size=200):
        for code in codes - found.keys():
            if code in segment.sources:
                found[code] = segment
        if len(found) == len(codes):
            break
    return found


def _disk_breach(context: Context, floor: timedelta, vault: Subject) -> tuple[Breach, ...]:
    """Return the breach that the disk fills before the floor is reached, at the pace of the last days."""
    if context.vault is None:
        return ()
    outlook = forecast(Path(context.vault.root), context.at, floor)
    if outlook is None or outlook.fills_in >= outlook.reaches_floor_in:
        return ()
    params = {"days": outlook.fills_in.days, "needed_days": outlook.reaches_floor_in.days, "free_bytes": outlook.free_bytes}
    return (Breach(vault, Why("disk_fills_first", params), ("vault",), context.at),)


@dataclass(frozen=True)
class Outlook:
    """When the disk fills at the present pace, and when the first segment is old enough to leave."""

    free_bytes: int
    bytes_per_day: float
    fills_in: timedelta
    reaches_floor_in: timedelta


def forecast(root: Path, at: datetime, floor: timedelta) -> Outlook | None:
    """Return the disk's outlook, None before a day of sealing has passed: from less nothing can be read off."""
    kept = VaultSegment.objects.filter(state=VaultSegment.State.SEALED)
    first_at = kept.aggregate(first=Min("sealed_at"))["first"]
    if first_at is None or at - first_at < timedelta(days=1):
        return None
    span = min(at - first_at, timedelta(days=FORECAST_DAYS))
    written = kept.filter(sealed_at__gt=at - span).aggregate(size=Sum("file_bytes"))["size"] or 0
    pace = written / (span / timedelta(days=1))
    if pace <= 0:
        return None
    free = shutil.disk_usage(root).free
    return Outlook(free, pace, _days(free / pace), max(first_at + floor - at, timedelta()))


def _days(number: float) -> timedelta:
    return timedelta(days=min(number, 36500.0))


def kept_days(at: datetime) -> dict[str, int]:
    """Return how many days back each source's kept lines reach, for pages."""
    days: dict[str, int] = defaultdict(int)
    codes = set(LogSourceActivity.objects.values_list("source__code", flat=True))
    for code, segment in _oldest_kept(codes).items():
        days[code] = (at - segment.sealed_at).days
    return dict(days)
