"""Whether anybody's seat may have moved since an instant: what `procedures.refresh_cases` needs to know before it looks at every case.

Seats come from dated rows, people, units and systems. They move by a procedure, which leaves an entry of the ledger, or by the
calendar: a row begins or ends, a person joins or leaves. Where neither has happened, no panel differs from what it was.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.apps import apps
from django.db.models import Q

from anzhang import clock
from anzhang.casework.models import Approval, Interpretation
from anzhang.casework.tables import UnitRoute
from anzhang.directory.models import Bitemporal
from anzhang.journal.models import Entry
from anzhang.journal.procedures import object_type

MARGIN = timedelta(minutes=2)  # an entry bears the instant of its act and is seen when the act commits, or is sequenced
SEATLESS = (Approval, Interpretation, UnitRoute)
UNDATED = ("person", "unit", "system")


def since(last: datetime, at: datetime) -> bool:
    """Whether somebody's seat may have moved after `last`, up to `at`."""
    if clock.day_of(last) != clock.day_of(at):
        return True
    dated = [model for model in apps.get_models() if issubclass(model, Bitemporal) and model not in SEATLESS]
    kinds = [*UNDATED, *(object_type(model) for model in dated)]
    if Entry.objects.filter(at__gt=last - MARGIN, object_type__in=kinds).exists():
        return True
    turned = Q(valid_from__gt=last, valid_from__lte=at) | Q(valid_to__gt=last, valid_to__lte=at)
    return any(model._default_manager.filter(turned, superseded_at=None).exists() for model in dated)
