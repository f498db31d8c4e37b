"""One bureau for all tests of a module: each test runs in a savepoint of the transaction that holds it.

On SQLite only: there closing the connection of a test database in memory does nothing, so Django's own test transaction may
stand inside another one. Elsewhere every test builds its own.
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connection, transaction

from anzhang import clock as anzhang_clock
from anzhang.demo import bureau as demo
from tests import world


@contextmanager
def standing(blocker) -> Iterator[demo.Bureau | None]:
    """Build the bureau and keep it until the block ends; None where it cannot be shared."""
    with blocker.unblock():
        if connection.vendor != "sqlite":
            yield None
            return
        real, frozen = anzhang_clock.now, world.Clock()
        frozen.install()
        with transaction.atomic():
            bureau = demo.build(frozen.now)
            anzhang_clock.now = real
            yield bureau
            transaction.set_rollback(True)


@pytest.fixture(scope="module")
def module_bureau(django_db_setup, django_db_blocker):
    with standing(django_db_blocker) as bureau:
        yield bureau


@pytest.fixture
def bureau(module_bureau, db, clock) -> demo.Bureau:
    """The bureau as it stands at `world.START`, with rows of this test's own."""
    return copy.deepcopy(module_bureau) if module_bureau else demo.build(clock.now)
