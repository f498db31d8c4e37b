"""System checks of an installation; `anzhang doctor` runs them, `manage check` too.

| id | what |
|---|---|
| anzhang.E001 | the permissions of the three administrators meet |
| anzhang.E002 | a permission of an administrator page is in nobody's set |
| anzhang.E003 | pages would leave the machine without TLS |
| anzhang.E004 | the data directory or a key can be read by others |
| anzhang.E005 | somebody can bypass the roles: the admin site is installed, or DEBUG is on |
| anzhang.E006 | log-in through a directory or an identity provider is configured, but wrongly, or its extra is not installed |
| anzhang.W001 | an active administrator is bound to no person of the register |
| anzhang.W002 | a kind of administrator has a single active user, so that their loss needs a restore |
"""

from __future__ import annotations

import stat
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import combinations
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004
from django.db import DatabaseError

from anzhang.home import Home, HomeError
from anzhang.permissions import ADMINISTRATOR_PERMISSIONS, Administrator, Permission

ADMINISTERED = frozenset({Permission.ACCOUNTS_MANAGE, Permission.ACCOUNTS_CONFIRM, Permission.LOCKOUT_RELEASE, Permission.TOKENS_MANAGE})


@register(Tags.security)
def administrators_are_disjoint(**_kwargs: Any) -> list[CheckMessage]:
    """Prove that no permission belongs to two administrators (三员分立)."""
    return disjoint(ADMINISTRATOR_PERMISSIONS)


def disjoint(sets: Mapping[Administrator, AbstractSet[Permission]]) -> list[CheckMessage]:
    """Return an error for every pair of sets that meets and for every administered permission that nobody has."""
    found: list[CheckMessage] = []
    for (one, mine), (other, theirs) in combinations(sets.items(), 2):
        common = mine & theirs
        if common:
            found.append(
                Error(f"{one} and {other} share {', '.join(sorted(common))}", hint="give each to one of them only", id="anzhang.E001")
            )
    orphaned = ADMINISTERED - frozenset().union(*sets.values())
    if orphaned:
        found.append(Error(f"nobody may {', '.join(sorted(orphaned))}", hint="add it to one administrator's set", id="anzhang.E002"))
    return found


@register(Tags.security)
def pages_stay_or_are_encrypted(**_kwargs: Any) -> list[CheckMessage]:
    """Refuse another address than loopback without certificate and key."""
    return encrypted(settings.HOME)


def encrypted(home: Home) -> list[CheckMessage]:
    """Return an error when the settings would serve pages beyond loopback without TLS."""
    from anzhang.operate import listen

    try:
        listen.web(home)
    except HomeError as error:
        return [Error(str(error), hint=f"correct {home.settings_file}", id="anzhang.E003")]
    return []


@register(Tags.security)
def secrets_are_private(**_kwargs: Any) -> list[CheckMessage]:
    """Look at the modes of the data directory and its keys."""
    return private(settings.HOME)


def private(home: Home) -> list[CheckMessage]:
    """Return an error for the data directory and for each key that anyone but the owner can read."""
    if not home.exists:
        return []
    paths = [home.path, home.settings_file, *(sorted(home.keys.iterdir()) if home.keys.is_dir() else [])]
    return [
        Error(f"{path} has mode {mode:04o}", hint=f"chmod go-rwx {path}", id="anzhang.E004")
        for path in paths
        if (mode := stat.S_IMODE(path.stat().st_mode)) & 0o077
    ]


@register(Tags.security)
def nothing_bypasses_the_roles(**_kwargs: Any) -> list[CheckMessage]:
    """Refuse the admin site, which is the unapproved back-end operation of Art. 17, and DEBUG."""
    return roles_hold(settings.INSTALLED_APPS, debug=settings.DEBUG)


def roles_hold(apps: Sequence[str], *, debug: bool) -> list[CheckMessage]:
    """Return an error for the admin site and for DEBUG."""
    found: list[CheckMessage] = []
    if "django.contrib.admin" in apps:
        found.append(Error("the Django admin site is installed", hint="remove it from INSTALLED_APPS", id="anzhang.E005"))
    if debug:
        found.append(Error("DEBUG is on: error pages would show secrets", hint="set DEBUG = False", id="anzhang.E005"))
    return found


@register(Tags.security)
def outside_log_in_is_complete(**_kwargs: Any) -> list[CheckMessage]:
    """Look at the tables `[ldap]` and `[oidc]`; nobody is asked."""
    return outside_complete(settings.HOME)


def outside_complete(home: Home) -> list[CheckMessage]:
    """Return an error for a table that is wrong and for an extra that is not installed. Local users enter all the same."""
    from anzhang.directory import outside
    from anzhang.operate import sign_in

    found: list[CheckMessage] = [
        Error(f"[{extra}] is configured but anzhang[{extra}] is not installed", hint=f"pip install 'anzhang[{extra}]'", id="anzhang.E006")
        for extra in sign_in.missing(home)
    ]
    for switched, read in ((outside.has_ldap, outside.ldap_settings), (outside.has_oidc, outside.oidc_settings)):
        try:
            if switched(home):
                read(home)
        except HomeError as error:
            found.append(Error(str(error), hint=f"correct {home.settings_file}", id="anzhang.E006"))
    return found


@register(Tags.database)
def administrators_are_people(*, databases: Sequence[str] | None = None, **_kwargs: Any) -> list[CheckMessage]:
    """Look at the administrators themselves; runs when a database is checked."""
    return staffed() if databases else []


def staffed() -> list[CheckMessage]:
    """Return warnings for administrators without a person and for kinds with a single active user."""
    from anzhang.directory.models import User

    try:
        active = list(User.objects.exclude(administrator="").filter(is_active=True).values_list("username", "administrator", "person_id"))
    except DatabaseError:
        return []  # before the first migration
    found: list[CheckMessage] = [
        Warning(
            f"administrator {username} is bound to no person",
            hint="have the system administrator make a user for the person and deactivate this one",
            id="anzhang.W001",
        )
        for username, _kind, person in active
        if person is None
    ]
    kinds = [kind for _username, kind, _person in active]
    found.extend(
        Warning(f"{kind} has a single active user", hint="make a second one while the first can still log in", id="anzhang.W002")
        for kind in Administrator
        if kinds.count(kind) == 1
    )
    return found
