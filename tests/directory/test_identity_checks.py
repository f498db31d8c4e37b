"""The system checks of an installation."""

import pytest
from django.core import checks as django_checks

from anzhang import checks
from anzhang.directory import identity
from anzhang.home import Home
from anzhang.operate.initialize import Ports, make_directory
from anzhang.permissions import ADMINISTRATOR_PERMISSIONS, Administrator, Permission, system


def ids(found):
    return [message.id for message in found]


def test_it_finds_nothing_wrong_with_the_package_itself():
    assert not [message for message in django_checks.run_checks() if str(message.id).startswith("anzhang.")]


def test_it_proves_that_the_three_sets_do_not_meet():
    assert not checks.disjoint(ADMINISTRATOR_PERMISSIONS)
    for permission in (Permission.ACCOUNTS_CONFIRM, Permission.TOKENS_MANAGE):
        spoiled = dict(ADMINISTRATOR_PERMISSIONS)
        spoiled[Administrator.SYSTEM_ADMIN] = spoiled[Administrator.SYSTEM_ADMIN] | {permission}
        assert ids(checks.disjoint(spoiled)) == ["anzhang.E001"]


def test_it_misses_a_permission_that_nobody_has():
    spoiled = dict(ADMINISTRATOR_PERMISSIONS)
    spoiled[Administrator.SECURITY_ADMIN] = spoiled[Administrator.SECURITY_ADMIN] - {Permission.ACCOUNTS_CONFIRM}
    assert ids(checks.disjoint(spoiled)) == ["anzhang.E002"]


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path / "bureau")
    make_directory(home, name="某局", demo=False, ports=Ports())
    return home


def test_it_refuses_an_open_address_without_certificate(home):
    assert not checks.encrypted(home)
    home.settings_file.write_text('[server]\nbind = "0.0.0.0:8600"\n')
    assert ids(checks.encrypted(Home(home.path))) == ["anzhang.E003"]
    home.settings_file.write_text('[server]\nbind = "0.0.0.0:8600"\ncertificate = "a.crt"\nkey = "a.key"\n')
    assert not checks.encrypted(Home(home.path))


def test_it_names_every_secret_that_others_can_read(home):
    assert not checks.private(home)
    key = home.keys / "secret.key"
    key.chmod(0o640)
    home.path.chmod(0o750)
    found = checks.private(home)
    assert ids(found) == ["anzhang.E004", "anzhang.E004"]
    assert str(key) in found[1].msg


def test_it_refuses_the_admin_site_and_debug():
    assert ids(checks.roles_hold(["django.contrib.admin"], debug=False)) == ["anzhang.E005"]
    assert ids(checks.roles_hold([], debug=True)) == ["anzhang.E005"]


def test_it_warns_of_administrators_who_are_nobody_and_of_kinds_with_one_user(db, clock):
    assert not checks.staffed()
    identity.create_administrators(system("init"), clock.now)
    assert ids(checks.staffed()) == ["anzhang.W001"] * 3 + ["anzhang.W002"] * 3


def test_it_forbids_a_second_administrator_role_in_the_database(bureau):
    from django.db import IntegrityError

    user = bureau.user["guolei"]
    user.administrator = "both"
    with pytest.raises(IntegrityError):
        user.save()
