"""A signing key of one's own, in a data directory of one's own."""

import pytest

from anzhang.home import Home
from anzhang.journal import keys


@pytest.fixture
def home(tmp_path, settings):
    """A data directory with the ledger's key; `settings.HOME` points to it."""
    settings.HOME = Home(tmp_path / "home")
    keys.create(settings.HOME)
    return settings.HOME
