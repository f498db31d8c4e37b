"""The one way into the ledger: entries are placed with their act, or left in the outbox with it."""

from __future__ import annotations

from collections.abc import Sequence

from anzhang.journal import sequencer
from anzhang.journal.placing import Prepared, place


def append(prepared: Sequence[Prepared]) -> int | None:
    """Write prepared entries inside the transaction of their acts; return the first index, None when it is given after the commit."""
    if sequencer.has_outbox():
        sequencer.stage(prepared)
        return None
    return place(prepared)
