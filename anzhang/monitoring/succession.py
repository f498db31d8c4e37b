"""Tell the database and the ledger which sealed segments another one stands for now, before it does (Art. 29; ADR 0017)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction

from anzhang.engines.vault.batch import SealedSegment
from anzhang.events import Event
from anzhang.journal.procedures import write
from anzhang.monitoring.models import VaultSegment
from anzhang.monitoring.procedures import ChainError
from anzhang.permissions import Actor


def is_recorded(sealed: SealedSegment) -> bool:
    """Whether the ledger was told of this successor."""
    return VaultSegment.objects.filter(number=sealed.number, root_sha256=sealed.root_sha256, state=VaultSegment.State.SEALED).exists()


def record_successor(actor: Actor, sealed: SealedSegment, at: datetime) -> VaultSegment:
    """Write that a segment stands for others: its own row and theirs, and an entry about each, in one transaction; twice is once.

    Raises ChainError where what it replaces is not what is recorded.
    """
    succession = sealed.succession
    if succession is None:
        raise ChainError(f"{sealed.name} replaces nothing")
    with transaction.atomic():
        rows = {row.number: row for row in VaultSegment.objects.select_for_update().filter(number__in=[r.number for r in sealed.replaces])}
        last = rows.get(sealed.number)
        if last is not None and last.root_sha256 == sealed.root_sha256:
            return last
        for each in sealed.replaces:
            row = rows.get(each.number)
            if row is None or (row.root_sha256, row.state) != (each.root_sha256, VaultSegment.State.SEALED):
                raise ChainError(f"{sealed.name} replaces {each.name} with root {each.root_sha256}, which is not what is recorded")
        for number in sorted(rows.keys() - {sealed.number}):
            row = rows[number]
            row.state, row.merged_into = VaultSegment.State.MERGED, sealed.number
            write(actor, Event.SEGMENT_GIVE_WAY, row, at=at, payload={"number": number, "into": sealed.number})
        row = rows[sealed.number]
        row.chain_sha256 = row.chain_sha256 or row.root_sha256
        row.name, row.first_number, row.first_seq, row.previous_sha256 = (
            sealed.name, sealed.first_number, sealed.first_seq, sealed.previous_sha256,
        )  # fmt: skip
        row.rows, row.raw_bytes, row.file_bytes, row.sources = sealed.rows, sealed.raw_bytes, sealed.file_bytes, dict(sealed.sources)
        row.min_at, row.max_at, row.root_sha256, row.root_sm3 = sealed.min_at, sealed.max_at, sealed.root_sha256, sealed.root_sm3
        row.redacted_lines = sum(each.lines for each in sealed.redactions) or None
        act = Event.SEGMENT_MERGE if len(sealed.replaces) > 1 else Event.SEGMENT_REDACT
        write(actor, act, row, at=at, payload=_payload(row, sealed))
    return row


def _payload(row: VaultSegment, sealed: SealedSegment) -> dict[str, Any]:
    names = ("number", "name", "first_number", "first_seq", "last_seq", "rows", "sources", "root_sha256", "root_sm3")
    return {
        **{name: getattr(row, name) for name in names},
        "replaces": [[each.number, each.name, each.root_sha256, each.root_sm3] for each in sealed.replaces],
        "redactions": [{"case": each.case, "lines": [list(run) for run in each.seqs]} for each in sealed.redactions],
    }
