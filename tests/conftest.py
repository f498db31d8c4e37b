"""Fixtures that every folder of tests may use."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.core.cache import cache
from django.db import connection

from anzhang import clock as anzhang_clock
from anzhang.demo import bureau as demo
from anzhang.journal import sequencer
from anzhang.permissions import Actor
from tests import world


@pytest.fixture(autouse=True)
def _empty_cache() -> None:
    """Rate limits and spent codes of one test are not those of the next."""
    cache.clear()


@pytest.fixture
def clock() -> Iterator[world.Clock]:
    """A clock that moves only when told."""
    real, frozen = anzhang_clock.now, world.Clock()
    frozen.install()
    yield frozen
    anzhang_clock.now = real


@pytest.fixture
def bureau(db: None, clock: world.Clock) -> demo.Bureau:
    """The bureau everyone knows, as it stands at `world.START`."""
    return demo.build(clock.now)


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
