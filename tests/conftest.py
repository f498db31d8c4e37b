"""Fixtures that every folder of tests may use."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection

from anzhang import clock as anzhang_clock
from anzhang.demo import bureau as demo
from anzhang.journal import sequencer
from anzhang.permissions import Actor
from tests import shared_bureau, world


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """See which modules share a bureau."""
    shared_bureau.mark(items)


@pytest.fixture(autouse=True)
def _empty_cache() -> None:
    """Rate limits and spent codes of one test are not those of the next."""
    cache.clear()


@pytest.fixture(autouse=True, scope="module")
def module_standing(request: pytest.FixtureRequest) -> Iterator[shared_bureau.Standing | None]:
    """What all tests of a module share, None where each builds its own."""
    tests = [item for item in request.session.items if item.path == request.path]
    stands = getattr(request.module, "stands", None)
    if not tests[0].stash[shared_bureau.SHARES]:
        if stands:
            raise pytest.UsageError(f"{request.path} says what stands before its tests, but they cannot share a bureau")
        yield None
        return
    request.getfixturevalue("django_db_setup")
    with shared_bureau.standing(request.getfixturevalue("django_db_blocker"), stands) as standing:
        yield standing


@pytest.fixture(scope="module")
def module_bureau(module_standing: shared_bureau.Standing | None) -> demo.Bureau | None:
    """The bureau that all tests of a module share."""
    return module_standing.bureau if module_standing else None


@pytest.fixture
def clock(module_standing: shared_bureau.Standing | None) -> Iterator[world.Clock]:
    """A clock that moves only when told."""
    real, frozen = anzhang_clock.now, world.Clock(module_standing.now if module_standing else world.START)
    frozen.install()
    yield frozen
    anzhang_clock.now = real


@pytest.fixture
def bureau(module_bureau: demo.Bureau | None, db: Any, clock: world.Clock) -> demo.Bureau:
    """The bureau everyone knows, as it stands when the test begins, with rows of this test's own."""
    return copy.deepcopy(module_bureau) if module_bureau else demo.build(clock.now)


@pytest.fixture
def acting(bureau: demo.Bureau) -> Callable[[str], Actor]:
    """Return the actor of a user: `acting("liming")`."""
    return lambda username: world.actor(bureau, username)


@pytest.fixture(autouse=True)
def _placed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a test that never commits, what would be placed after the commit is placed at once (PostgreSQL)."""
    after_commit = sequencer.place_after_commit

    def place() -> None:
        blocks = connection.atomic_blocks
        if blocks and blocks[0]._from_testcase:
            sequencer.sequence()
        else:
            after_commit()

    monkeypatch.setattr(sequencer, "place_after_commit", place)
