"""What a verification of the ledger finds, each fault named to the row, payload, entry or head."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """Kinds of fault."""

    ROW_CHANGED = "row_changed"
    ROW_GONE = "row_gone"
    ROW_UNLEDGERED = "row_unledgered"
    PAYLOAD_CHANGED = "payload_changed"
    PAYLOAD_MISSING = "payload_missing"
    ENTRY_CHANGED = "entry_changed"
    ENTRY_MISSING = "entry_missing"
    ENTRY_ADDED = "entry_added"
    HEAD_CHANGED = "head_changed"
    HEAD_MISSING = "head_missing"
    TILE_CHANGED = "tile_changed"
    FRONTIER_CHANGED = "frontier_changed"
    HISTORY_CHANGED = "history_changed"
    TAIL_CUT = "tail_cut"
    REWRITTEN = "history_rewritten"
    KEY_MISSING = "key_missing"


@dataclass(frozen=True)
class Fault:
    """One fault: `subject` is `person:5`, `entry 17`, `head sha256 42` and the like; the message says what differs."""

    kind: Kind
    subject: str
    message: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.subject}: {self.message}"


@dataclass
class Report:
    """What was looked at and what was found; `unsigned` counts entries that no head covers yet, `waiting` acts without an index."""

    entries: int = 0
    heads: int = 0
    rows: int = 0
    unsigned: int = 0
    waiting: int = 0
    since: int | None = None
    roots: dict[str, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, kind: Kind, subject: str, message: str) -> None:
        """Add a fault unless the same subject has it already (both trees find a changed entry)."""
        if all((fault.kind, fault.subject) != (kind, subject) for fault in self.faults):
            self.faults.append(Fault(kind, subject, message))

    def plain(self) -> dict[str, Any]:
        """Return the report for JSON."""
        return {
            "ok": not self.faults,
            "entries": self.entries,
            "heads": self.heads,
            "rows": self.rows,
            "unsigned": self.unsigned,
            "waiting": self.waiting,
            "since": self.since,
            "roots": self.roots,
            "faults": [{"kind": fault.kind, "subject": fault.subject, "message": fault.message} for fault in self.faults],
            "seconds": round(self.seconds, 3),
        }


def span(start: int, end: int) -> str:
    """Return how entries [start, end) are called."""
    return f"entry {start}" if end - start == 1 else f"entries {start}-{end - 1}"
