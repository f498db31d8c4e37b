"""What rests on an approval: the dated rows of every authority register that name it as their basis.

When the approval is revoked, or an emergency's hours pass unregularized, they end with it: nobody keeps a post, a delegation
or a grant whose ground is gone. What was true before stays answerable, because rows end and are never deleted.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import cache
from typing import Any

from django.apps import apps
from django.db import transaction
from django.db.models import Q

from anzhang.casework.models import Approval
from anzhang.directory import rows
from anzhang.directory.models import Bitemporal
from anzhang.events import Event
from anzhang.permissions import Actor


@cache
def registers() -> tuple[type[Bitemporal], ...]:
    """Return the dated registers whose rows name an approval as their basis."""
    return tuple(model for model in apps.get_models() if issubclass(model, Bitemporal) and _has_basis(model))


def _has_basis(model: type[Bitemporal]) -> bool:
    return any(field.name == "basis" and field.related_model is Approval for field in model._meta.concrete_fields)


def resting(approval: Approval, at: datetime) -> Iterator[Bitemporal]:
    """Return the rows that rest on an approval and have not ended."""
    for model in registers():
        lasting = model._default_manager.filter(Q(valid_to=None) | Q(valid_to__gt=at), superseded_at=None)
        yield from lasting.filter(Q(("basis", approval)))


def end(actor: Actor, approval: Approval, at: datetime) -> int:
    """End what rests on an approval now; return how many rows ended."""
    found = list(resting(approval, at))
    for row in found:
        rows.amend(actor, Event.APPROVAL_REVOKE, row, at, valid_to=max(at, row.valid_from))
    return len(found)


def lapse(actor: Actor, approval: Approval, at: datetime, act: Event, **values: Any) -> Approval:
    """End an approval and what rests on it; `values` say how it ended. Returns the approval as it stands."""
    with transaction.atomic():
        end(actor, approval, at)
        ends = approval.valid_to if approval.valid_to is not None and approval.valid_to <= at else at
        return rows.amend(actor, act, approval, at, valid_to=ends, **values)
