"""The lock files hold hashes and no address of anybody."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYTHON_LOCKS = sorted(ROOT.glob("requirements*.lock"))
NPM_LOCKS = [ROOT / "frontend" / "package-lock.json"]


@pytest.mark.parametrize("lock", [*PYTHON_LOCKS, *NPM_LOCKS], ids=lambda path: path.name)
def test_it_holds_no_address_and_no_path(lock):
    text = lock.read_text(encoding="utf-8")
    assert "://" not in text
    assert not re.search(r"(?m)(^|[\s\"'=@])/(?!/)[A-Za-z]", text)
    assert "resolved" not in text


@pytest.mark.parametrize("lock", PYTHON_LOCKS, ids=lambda path: path.name)
def test_it_pins_every_distribution_by_hash(lock):
    blocks = [block for block in re.split(r"\n(?=\S)", lock.read_text(encoding="utf-8")) if block.strip()]
    assert blocks
    for block in blocks:
        assert re.match(r"[A-Za-z0-9_.\[\]-]+==[^\s]+ \\\n\s+--hash=sha256:[0-9a-f]{64}", block), block[:80]


def test_the_npm_lock_pins_every_package_by_integrity():
    packages = json.loads(NPM_LOCKS[0].read_text(encoding="utf-8"))["packages"]
    named = {name: package for name, package in packages.items() if name}
    assert named
    assert all(package.get("integrity", "").startswith("sha512-") for package in named.values())
