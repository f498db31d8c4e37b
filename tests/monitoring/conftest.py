"""Fixtures of the collector's tests."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.monitoring.authority import Authority
from tests.monitoring.installation import Installation, build_template


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with registered sources, made once."""
    folder = tmp_path_factory.mktemp("installation") / "home"
    build_template(folder)
    return folder


@pytest.fixture
def installation(template: Path, tmp_path: Path) -> Iterator[Installation]:
    """A data directory of the test's own; a collector that the test leaves running is killed."""
    home = tmp_path / "home"
    shutil.copytree(template, home)
    made = Installation(home)
    yield made
    if made.process is not None:
        made.kill()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The authority that signs the senders' certificates."""
    return Authority(tmp_path_factory.mktemp("authority"), "operator")


@pytest.fixture(scope="session")
def shared(template: Path, authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One running collector for all tests that use it, each with a source of its own; at the end the vault verifies."""
    home = tmp_path_factory.mktemp("shared") / "home"
    shutil.copytree(template, home)
    made = Installation(home)
    made.secure(authority)
    made.start()
    yield made
    made.stop()
    made.check()


@pytest.fixture
def collector(installation: Installation) -> Installation:
    """The same with a running collector."""
    installation.start()
    return installation
