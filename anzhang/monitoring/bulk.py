"""Thousands of log sources at once, under the rules that the verbs for one of them keep (Art. 29)."""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator
from datetime import datetime
from typing import Any

from anzhang.directory.bulk import Batch, Faults, batcher
from anzhang.events import Event
from anzhang.monitoring import validation
from anzhang.monitoring.models import LogSource
from anzhang.monitoring.procedures import need_registrar
from anzhang.permissions import Actor, RefusedError
from anzhang.regulation.checks import procedure


def sound(batch: Batch) -> Faults:
    """Yield the sources that are wrong in themselves or claim the lines of another: only sources with a sender in common are compared."""
    changed = {change.row.pk for change in batch.changes}
    claims: dict[Hashable, list[LogSource]] = defaultdict(list)
    for source in LogSource.objects.filter(state=LogSource.State.ACTIVE):
        if source.pk not in changed:
            _claim(claims, source)
    for place, source in enumerate(batch):
        try:
            validation.check_source(source)
            validation.check_routes(source, [other for sender in _senders(source) for other in claims[sender]])
        except RefusedError as refusal:
            yield place, refusal
        else:
            _claim(claims, source)


def _claim(claims: dict[Hashable, list[LogSource]], source: LogSource) -> None:
    if source.state == LogSource.State.ACTIVE:
        for sender in _senders(source):
            claims[sender].append(source)


def _senders(source: LogSource) -> Iterator[Hashable]:
    for address in source.addresses:
        yield source.transport, ipaddress.ip_network(address, strict=False)
    for certificate in source.certificates:
        yield source.transport, certificate


_batch: Callable[..., Batch] = batcher(LogSource, Event.SOURCE_REGISTER, Event.SOURCE_CHANGE, judge=sound)


@procedure("register_sources")
def register_sources(actor: Actor, new: Any, changes: Any, *, at: datetime) -> Batch:
    """Return the batch that registers and changes sources. Raises RefusedError without the right."""
    need_registrar(actor)
    return _batch(actor, new, changes, at=at)
