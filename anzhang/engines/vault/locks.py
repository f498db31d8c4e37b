"""Who may replace or delete segments, and who needs them to stay as they are meanwhile (ADR 0017). Loads nothing that reads a segment."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

LOCK = "successor.lock"


class BusyError(Exception):
    """Somebody verifies or copies the vault, or replaces or deletes segments of it."""


def prepare(root: Path) -> None:
    """Make the lock's file, so that who only reads can lock too; every writer does."""
    os.close(os.open(root / LOCK, os.O_RDWR | os.O_CREAT, 0o600))


@contextlib.contextmanager
def alone(root: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold the right to replace or delete segments; waits for whoever has it, or raises BusyError."""
    prepare(root)
    descriptor = os.open(root / LOCK, os.O_RDWR)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BusyError(str(root)) from error
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def unchanged(root: Path) -> Iterator[None]:
    """Keep segments from being replaced or deleted meanwhile. A folder that no writer of this release opened has no lock: nobody does."""
    try:
        descriptor = os.open(root / LOCK, os.O_RDONLY)
    except FileNotFoundError:
        yield
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)
