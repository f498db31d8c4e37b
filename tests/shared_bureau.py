"""One bureau for all tests of a module: each test runs in a savepoint of the transaction that holds it.

A module shares its bureau when every one of its tests that reads the database asks for `bureau`, and none commits: `mark` finds
these modules among the collected tests. Elsewhere every test builds its own.

A module may say in a function `stands(bureau, clock)` what else stands before each of its tests: it is done once, and the clock of
each test begins where it left it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction

from anzhang import clock as anzhang_clock
from anzhang.demo import bureau as demo
from anzhang.journal import sequencer
from tests import world

Stands = Callable[[demo.Bureau, world.Clock], object]
COMMITTING = {"transactional_db", "live_server", "django_db_reset_sequences", "django_db_serialized_rollback"}
SHARES = pytest.StashKey[bool]()


@dataclass(frozen=True)
class Standing:
    """The bureau that a module shares, and the instant at which its tests begin."""

    bureau: demo.Bureau
    now: datetime


def mark(items: list[pytest.Item]) -> None:
    """Say of every collected test whether its module shares one bureau."""
    modules: dict[Path, list[pytest.Item]] = defaultdict(list)
    for item in items:  # those of a module need not stand together: pytest-django puts the ones that commit last
        modules[item.path].append(item)
    for tests in modules.values():
        shares = all(map(_may_share, tests)) and any("bureau" in item.fixturenames for item in tests)
        for item in tests:
            item.stash[SHARES] = shares


def _may_share(item: Any) -> bool:
    names = set(item.fixturenames)
    marker = item.get_closest_marker("django_db")
    if names & COMMITTING or (marker and (marker.args or marker.kwargs)):
        return False
    return "bureau" in names or not ("db" in names or marker)


@contextmanager
def standing(blocker: Any, stands: Stands | None) -> Iterator[Standing]:
    """Build the bureau and keep it until the block ends, in a transaction that is not committed."""
    with blocker.unblock():
        real, frozen = anzhang_clock.now, world.Clock()
        frozen.install()
        close, connection.close = connection.close, lambda: None  # Django closes after each test; the transaction must stand
        outer = transaction.atomic()
        outer._from_testcase = True  # as a test's own: a durable block may stand inside it
        try:
            with outer:
                bureau = demo.build(frozen.now)
                _place()
                if stands:
                    stands(bureau, frozen)
                    _place()
                anzhang_clock.now = real
                yield Standing(bureau, frozen.now)
                transaction.set_rollback(True)
        finally:
            anzhang_clock.now = real
            connection.close = close


def _place() -> None:
    """Place the entries: nothing commits, so that nobody else would."""
    if connection.vendor == "postgresql":
        sequencer.sequence()
