"""Legal holds: which logs are kept beyond their time, who says so, and who else may end it (Art. 29).

The retention floor keeps every log six months; a hold keeps some of them until an incident, a dispute or an inspection is over.
Whoever placed a hold cannot end it: a second person does, with a reason. It may be widened, never narrowed.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from anzhang.directory import rows
from anzhang.events import Event
from anzhang.monitoring.models import LegalHold, LogSource, VaultSegment
from anzhang.permissions import Actor, RefusedError
from anzhang.regulation.checks import procedure


@procedure("place_hold")
def place_hold(actor: Actor, *, at: datetime, **values: Any) -> LegalHold:
    """Keep the logs of some sources (of all when none is named) and of a span of event time. Raises RowError, RefusedError."""
    hold = LegalHold(**_to_the_second(values), placed_by=actor.id, placed_at=at)
    if hold.release_reason:
        raise RefusedError("not_placed", _("保全尚未开始，不能写解除理由。"))
    _check(hold)
    return rows.create(actor, hold, at, Event.HOLD_PLACE)


@procedure("change_hold")
def change_hold(actor: Actor, row: LegalHold, *, at: datetime, expected_version: int | None = None, **values: Any) -> LegalHold:
    """Widen a hold, or end it by giving the reason. Raises RefusedError `hold_over`, `hold_narrowed`, `own_hold`, StaleError, RowError."""
    values = _to_the_second(values)
    with transaction.atomic():
        before = rows.locked(row)
        if before.release_reason and any(getattr(before, name) != value for name, value in values.items()):
            raise RefusedError("hold_over", _("证据保全 %s 已经解除。") % before.code, _("需要时另行保全。"))
        wanted = LegalHold(**{name: values.get(name, getattr(before, name)) for name in ("code", "reason", "sources", "since", "until")})
        _check(wanted)
        if not _contains(wanted, before):
            raise RefusedError("hold_narrowed", _("证据保全的范围只能扩大。"), _("要缩小范围，由他人解除后重新保全。"))
        act = Event.HOLD_CHANGE
        if values.get("release_reason") and not before.release_reason:
            if before.placed_by == actor.id:
                raise RefusedError("own_hold", _("证据保全 %s 由您作出，解除须由他人办理。") % before.code)
            values, act = {**values, "released_at": at}, Event.HOLD_RELEASE
        return rows.change(actor, row, values, at, expected_version, act)


def standing(segments: Iterable[VaultSegment]) -> dict[int, LegalHold]:
    """Return, by number of the segment, the oldest hold that keeps it; segments that none keeps are left out. One query."""
    held = list(LegalHold.objects.filter(release_reason="").order_by("placed_at", "pk"))
    found = {segment.number: next((hold for hold in held if _covers(hold, segment)), None) for segment in segments}
    return {number: hold for number, hold in found.items() if hold is not None}


def _covers(hold: LegalHold, segment: VaultSegment) -> bool:
    """Whether a segment may hold a line of it. A line without a usable time, or of a clock that ran wrong, is received within the span."""
    if hold.sources and not set(hold.sources) & segment.sources.keys():
        return False
    first, last = min(segment.min_at, segment.sealed_at), max(segment.max_at, segment.sealed_at)
    return (hold.since is None or hold.since <= last) and (hold.until is None or first <= hold.until)


def _contains(wide: LegalHold, narrow: LegalHold) -> bool:
    return (
        (not wide.sources or (bool(narrow.sources) and set(narrow.sources) <= set(wide.sources)))
        and (wide.since is None or (narrow.since is not None and wide.since <= narrow.since))
        and (wide.until is None or (narrow.until is not None and wide.until >= narrow.until))
    )


def _to_the_second(values: dict[str, Any]) -> dict[str, Any]:
    """Drop fractions of a second, which no form shows: a hold saved unchanged must not seem narrowed."""
    return {name: value.replace(microsecond=0) if isinstance(value, datetime) else value for name, value in values.items()}


def _check(hold: LegalHold) -> None:
    if not isinstance(hold.sources, list) or not all(isinstance(code, str) for code in hold.sources):
        raise RefusedError("sources_wrong", _("日志源写作编号的列表，不写表示全部。"))
    known = set(LogSource.objects.filter(code__in=hold.sources).values_list("code", flat=True))
    if missing := [code for code in hold.sources if code not in known]:
        raise RefusedError("source_unknown", _("没有登记编号为 %s 的日志源。") % "、".join(missing), _("核对日志源台账。"))
    if hold.since and hold.until and hold.since > hold.until:
        raise RefusedError("span_wrong", _("日志时间的起点晚于终点。"))
