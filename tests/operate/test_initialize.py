"""`anzhang init` makes a directory that nobody else can read and that is whole or not there."""

import stat

import pytest

from anzhang.home import Home
from anzhang.operate.initialize import NotEmptyError, Ports, make_directory


def test_it_makes_a_private_directory_with_one_settings_file(tmp_path):
    home = Home(tmp_path / "bureau")
    make_directory(home, name='某"局"', demo=False, ports=Ports())
    assert stat.S_IMODE(home.path.stat().st_mode) == 0o700
    assert stat.S_IMODE((home.keys / "secret.key").stat().st_mode) == 0o600
    assert stat.S_IMODE(home.settings_file.stat().st_mode) == 0o600
    assert home.get("bureau", "name", "") == '某"局"'
    assert not home.is_demo


def test_it_gives_every_installation_its_own_secret(tmp_path):
    secrets = set()
    for name in ("a", "b"):
        home = Home(tmp_path / name)
        make_directory(home, name=name, demo=False, ports=Ports())
        secrets.add((home.keys / "secret.key").read_bytes())
    assert len(secrets) == 2


def test_it_refuses_a_folder_that_holds_something(tmp_path):
    (tmp_path / "theirs.txt").write_text("keep me")
    with pytest.raises(NotEmptyError, match="not empty"):
        make_directory(Home(tmp_path), name="x", demo=False, ports=Ports())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["theirs.txt"]
