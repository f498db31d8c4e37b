"""The check of A29.6: logs have no gap and no alteration, their senders speak, keep time and stay within their quota (Art. 29)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from django.db.models import F, Q, Window
from django.db.models.functions import Coalesce, Lag

from anzhang import clock
from anzhang.engines.vault.clocks import clocks
from anzhang.engines.vault.sequences import Gap, counts, gaps
from anzhang.monitoring.models import LogRedaction, LogSource, VaultCheck, VaultSegment
from anzhang.monitoring.obligations import activity_of, losses, subject_of
from anzhang.regulation.checks import Context, check
from anzhang.regulation.verdicts import Breach, Ground, Outcome, Subject, Why

VERIFIED_WITHIN = timedelta(days=2)  # the vault is verified daily; a day may fail before its result is too old to count
QUOTA_ECHO = timedelta(hours=1)  # a source that passed its quota is in order after a whole hour in which it did not
LOSS_ECHO = timedelta(days=1)  # lost datagrams and refused connections are a finding until a whole day went without
REDACTED_WITHIN = timedelta(days=1)
RATE_WINDOW = timedelta(days=1)
GAP_ECHO = timedelta(days=1)
GAP_SETTLES = timedelta(minutes=5)  # for which a number may be late: its line waits to be sealed
CLOCK_WINDOW = timedelta(days=1)  # clocks are read off the newest segment of this span
VAULT = Subject("vault", "日志库", None)


@check("logs_kept_whole")
def logs_kept_whole(context: Context) -> Outcome:
    """Judge per active log source whether its lines are whole, and of the vault whether its chain is.

    Breach: a segment failed the last verification, is missing, or does not continue the one before; a source has been silent for
    longer than it may, sends fewer lines a day than registered, its clock is off by more than the tolerance, numbers of its own count
    (RFC 5424 sequenceId) did not come, it passed its quota and was held back, datagrams were lost while it was sending, or
    connections from its address were refused; a redaction was approved a day ago and is not carried out. A sender is taken to be
    up: one that is out of service is closed in the register. Source: Art. 29; A29.6.
    """
    sources = list(LogSource.objects.filter(state=LogSource.State.ACTIVE).select_related("unit", "activity").order_by("code"))
    heard = [source for source in sources if activity_of(source) is not None]
    refused = [source for source in sources if is_refused(source, context.at)]
    judged = [source for source in sources if source in heard or source in refused]
    unknown = [
        Ground(source.unit.code, Why("source_never_heard", {"source": source.code}), subject_of(source))
        for source in sources
        if source not in judged
    ]
    verified = VaultCheck.objects.filter(at__lte=context.at).order_by("-at", "-pk").first()
    if heard and (verified is None or context.at - verified.at > VERIFIED_WITHIN):
        unknown.append(Ground(None, Why("vault_not_verified"), VAULT))
    breaches = [
        *_silent(heard, context),
        *_over_quota(heard, context.at),
        *_lossy(heard, context.at),
        *_refused(refused),
        *_below_rate(heard, context.at),
        *_clocks_off(heard, context),
        *_gaps(heard, context),
        *_faults(verified, {source.code: source for source in heard}),
        *_missing(context, {source.code: source for source in heard}),
        *_chain(),
        *_not_redacted(context.at),
    ]
    return Outcome((*(subject_of(source) for source in judged), *([VAULT] if verified else [])), tuple(breaches), tuple(unknown))


def allowed_silence(source: LogSource, minutes: int) -> timedelta:
    """Return how long a source may say nothing: its own limit, else the parameter's."""
    return timedelta(minutes=source.silence_minutes or minutes)


def is_over_quota(source: LogSource, at: datetime) -> bool:
    """Whether a source passed its quota in the present hour or the one before."""
    activity = getattr(source, "activity", None)
    passed = activity.over_quota_at if activity is not None else None
    return passed is not None and at < passed.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1) + QUOTA_ECHO


def is_lossy(source: LogSource, at: datetime) -> bool:
    """Whether messages were lost while a source was sending, within the last day."""
    activity = getattr(source, "activity", None)
    return activity is not None and activity.lost_at is not None and at - activity.lost_at < LOSS_ECHO


def is_refused(source: LogSource, at: datetime) -> bool:
    """Whether connections from a source's address were refused within the last day."""
    activity = getattr(source, "activity", None)
    return activity is not None and activity.refused_at is not None and at - activity.refused_at < LOSS_ECHO


def _lossy(heard: Iterable[LogSource], at: datetime) -> Iterator[Breach]:
    for source in heard:
        if is_lossy(source, at):
            params = {"source": source.name, "lost": source.activity.lost, "at": _written(source.activity.lost_at)}
            yield Breach(subject_of(source), Why("source_lossy", params), (f"log_source:{source.pk}",), source.activity.lost_at, "lossy")


def _refused(refused: Iterable[LogSource]) -> Iterator[Breach]:
    for source in refused:
        activity = source.activity
        params = {"source": source.name, "why": activity.refused_why, "at": _written(activity.refused_at)}
        yield Breach(subject_of(source), Why("source_refused", params), (f"log_source:{source.pk}",), activity.refused_at, "refused")


def _below_rate(heard: Iterable[LogSource], at: datetime) -> Iterator[Breach]:
    """Yield the sources that sent fewer lines in the last day than the register expects; in their first day nothing can be said."""
    expected = [source for source in heard if source.daily_lines and at - source.activity.first_seen_at >= RATE_WINDOW]
    if not expected:
        return
    lines: Counter[str] = Counter()
    recent = VaultSegment.objects.filter(sealed_at__gt=at - RATE_WINDOW, sealed_at__lte=at)
    for rows in recent.values_list("sources", flat=True):
        lines.update(rows)
    whole = recent.filter(first_number__isnull=False).values("number")  # what was merged into one counts by itself
    for rows in VaultSegment.objects.filter(merged_into__in=whole).values_list("sources", flat=True):
        lines.subtract(rows)
    for source in expected:
        if lines[source.code] < (source.daily_lines or 0):
            params = {"source": source.name, "lines": lines[source.code], "expected": source.daily_lines}
            yield Breach(subject_of(source), Why("source_below_rate", params), (f"log_source:{source.pk}",), at, "rate")


def _written(at: datetime | None) -> str:
    return f"{at.astimezone(clock.BEIJING):%Y-%m-%d %H:%M}" if at is not None else ""


def _silent(heard: Iterable[LogSource], context: Context) -> Iterator[Breach]:
    for source in heard:
        limit = allowed_silence(source, int(context.parameters["source_silence_minutes"]))
        last = source.activity.last_seen_at
        if context.at - last > limit:
            why = Why(
                "source_silent",
                {
                    "source": source.name,
                    "since": _written(last),
                    "minutes": int(limit.total_seconds() // 60),
                },
            )
            yield Breach(subject_of(source), why, (f"log_source:{source.pk}",), last, "silent")


def _over_quota(heard: Iterable[LogSource], at: datetime) -> Iterator[Breach]:
    for source in heard:
        if is_over_quota(source, at):
            why = Why("source_over_quota", {"source": source.name, "quota_bytes": source.quota_bytes_per_hour})
            yield Breach(subject_of(source), why, (f"log_source:{source.pk}",), source.activity.over_quota_at, "quota")


def _clocks_off(heard: Iterable[LogSource], context: Context) -> Iterator[Breach]:
    if context.vault is None:
        return
    tolerance = timedelta(seconds=int(context.parameters["clock_tolerance_seconds"]))
    wanted = {source.code: source for source in heard if source.clock == LogSource.Clock.SET}
    recent = VaultSegment.objects.filter(state=VaultSegment.State.SEALED, sealed_at__gt=context.at - CLOCK_WINDOW)
    for segment in recent.order_by("-number").iterator(chunk_size=200):
        mine = wanted.keys() & segment.sources.keys()
        if not mine:
            continue
        found = clocks(Path(context.vault.root), segment.name, segment.root_sha256)
        for code in sorted(mine & found.keys()):
            source = wanted.pop(code)
            off = found[code].off(tolerance)
            if off:
                seconds = round(abs(off.total_seconds()))
                params = {"source": source.name, "seconds": seconds, "tolerance": int(tolerance.total_seconds())}
                why = Why("clock_ahead" if off > timedelta() else "clock_behind", params)
                yield Breach(subject_of(source), why, (f"segment:{segment.name}",), segment.sealed_at, "clock")
        if not wanted:
            return


def _gaps(heard: Iterable[LogSource], context: Context) -> Iterator[Breach]:
    """Yield the sources whose senders count what they send, and of whose numbers some did not come within the last day."""
    if context.vault is None:
        return
    recent = VaultSegment.objects.filter(state=VaultSegment.State.SEALED, sealed_at__gt=context.at - GAP_ECHO).order_by("number")
    root, found = Path(context.vault.root), defaultdict[str, list[Gap]](list)
    counted = (count for segment in recent.iterator(chunk_size=200) for count in counts(root, segment.name, segment.root_sha256))
    for gap in gaps(counted):
        if context.at - GAP_ECHO < gap.at <= context.at - GAP_SETTLES:
            found[gap.source].append(gap)
    for source in heard:
        if missing := found.get(source.code):
            last = max(missing, key=lambda gap: gap.at)
            numbers = f"{last.first}–{last.last}" if last.missing > 1 else str(last.first)
            params = {
                "source": source.name, "host": last.host or last.address, "missing": sum(gap.missing for gap in missing),
                "numbers": numbers, "at": _written(last.at),
            }  # fmt: skip
            yield Breach(subject_of(source), Why("source_gap", params), (f"log_source:{source.pk}",), last.at, "gap")


def _faults(verified: VaultCheck | None, heard: Mapping[str, LogSource]) -> Iterator[Breach]:
    """Yield what the last verification found: a breach of every source with lines in the segment, of the vault where none is known."""
    faults = verified.faults if verified is not None else []
    names = {fault.get("segment", "") for fault in faults}
    segments = {segment.name: segment for segment in VaultSegment.objects.filter(name__in=names)}
    for fault in faults:
        name = fault.get("segment", "")
        why = Why("segment_fault", {"segment": name or "日志库", "part": fault.get("part", ""), "what": fault.get("why", "")})
        evidence = (f"segment:{name}",) if name else ("vault",)
        for subject in _concerned(segments[name].sources if name in segments else {}, heard):
            yield Breach(subject, why, evidence, verified.at if verified else None, f"fault:{name}:{fault.get('part', '')}")


def _missing(context: Context, heard: Mapping[str, LogSource]) -> Iterator[Breach]:
    """Yield the segments that were sealed and do not stand; disposal is A29.7's business, which watches the floor."""
    for loss in losses(context):
        if loss.how == "disposed":
            continue
        for subject in _concerned(loss.sources, heard):
            why = Why("segment_missing", {"segment": loss.name, "how": loss.how})
            yield Breach(subject, why, (f"segment:{loss.name}",), loss.sealed_at, f"missing:{loss.number}")


def _not_redacted(at: datetime) -> Iterator[Breach]:
    """Yield the redactions that were approved and that the vault has not followed."""
    for late in LogRedaction.objects.filter(state=LogRedaction.State.WAITING, approved_at__lt=at - REDACTED_WITHIN).order_by("pk"):
        why = Why("redaction_waits", {"case": late.code, "why": late.trouble})
        yield Breach(VAULT, why, (f"case:{late.code}",), late.approved_at, f"redaction:{late.code}")


def _concerned(sources: Mapping[str, int], heard: Mapping[str, LogSource]) -> list[Subject]:
    return [subject_of(heard[code]) for code in sorted(sources.keys() & heard.keys())] or [VAULT]


def _chain() -> Iterator[Breach]:
    """Yield the recorded segments that do not continue the one before: in number, in line numbers or in root."""
    kept = VaultSegment.objects.exclude(state=VaultSegment.State.MERGED).annotate(
        first=Coalesce("first_number", "number"), chain=Coalesce("chain_sha256", "root_sha256")
    )
    before = {name: Window(Lag(name), order_by=F("number").asc()) for name in ("number", "last_seq", "chain")}
    rows = kept.annotate(number_before=before["number"], last_before=before["last_seq"], root_before=before["chain"]).filter(
        number_before__isnull=False
    )
    broken = rows.filter(
        ~Q(first=F("number_before") + 1) | ~Q(first_seq=F("last_before") + 1) | ~Q(previous_sha256=F("root_before"))
    ).order_by("number")
    for segment in broken:
        why = Why("segment_out_of_chain", {"segment": segment.name})
        yield Breach(VAULT, why, (f"segment:{segment.name}",), segment.sealed_at, f"chain:{segment.number}")
