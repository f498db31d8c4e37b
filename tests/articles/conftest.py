"""A vault of its own for every story."""

import pytest

from anzhang.engines.vault import Vault


@pytest.fixture
def vault(tmp_path) -> Vault:
    return Vault(tmp_path / "vault")
