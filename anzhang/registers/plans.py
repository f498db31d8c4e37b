"""What a sheet would do to a plain register: its rows to create and to change, and every fault with its cell."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Model

from anzhang.registers.declaration import Register

REHEARSED = 500  # a preview rehearses up to so many writes, rolled back; above, a register with a bulk procedure checks them all together
FAULTS_HEADER = "问题（不导入）"  # the column that a sheet of faults carries; coming back with it is allowed


@dataclass(frozen=True)
class Fault:
    """Something wrong at one cell, or with a whole row when `cell` names only the row."""

    cell: str
    message: str


@dataclass(frozen=True)
class Write:
    """One row to create (`row` None) or to change."""

    number: int
    data: Mapping[str, Any]
    row: Model | None
    changes: Mapping[str, tuple[Any, Any]]


@dataclass
class Plan:
    """What a sheet would do."""

    register: Register
    digest: str  # SHA-256 of the file
    writes: list[Write] = field(default_factory=list)
    unchanged: int = 0
    faults: list[Fault] = field(default_factory=list)

    @property
    def created(self) -> int:
        """Return how many rows are new."""
        return sum(write.row is None for write in self.writes)

    @property
    def changed(self) -> int:
        """Return how many rows would change."""
        return len(self.writes) - self.created

    @property
    def in_bulk(self) -> bool:
        """Whether the rows are written together rather than one by one."""
        return bool(self.register.bulk) and len(self.writes) > REHEARSED

    @property
    def seal(self) -> str:
        """Return a digest of file, rows and versions: a confirm must meet the very plan that was shown."""
        state = [(w.number, w.row.pk if w.row else None, getattr(w.row, "version", None)) for w in self.writes]
        return hashlib.sha256(f"{self.register.id} {self.digest} {state}".encode()).hexdigest()
