"""What `anzhang doctor` says about log-in through a directory or an identity provider: is it there, is it the right one, does it answer.

Nobody's password is needed: the service account is bound and the base looked up; the provider's documents are read.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from typing import TYPE_CHECKING

from anzhang.directory import outside
from anzhang.home import Home, HomeError

if TYPE_CHECKING:
    from anzhang.directory.outside import ldap

EXTRAS = {"ldap": ("sansldap",), "oidc": ("authlib", "requests")}
CERTIFICATE_WARNING = timedelta(days=14)


@dataclass(frozen=True)
class Seen:
    """One thing looked at, and the remedy when it is not well. What is not `grave` may wait."""

    subject: str
    ok: bool
    seen: str
    remedy: str = ""
    grave: bool = True


def missing(home: Home) -> list[str]:
    """Return the extras that are configured but not installed."""
    switched = {"ldap": outside.has_ldap(home), "oidc": outside.has_oidc(home)}
    return [name for name, modules in EXTRAS.items() if switched[name] and not all(find_spec(each) for each in modules)]


def look(home: Home) -> Iterator[Seen]:
    """Look at whatever is configured."""
    absent = missing(home)
    if outside.has_ldap(home) and "ldap" not in absent:
        yield from _ldap(home)
    if outside.has_oidc(home) and "oidc" not in absent:
        yield from _oidc(home)


def _ldap(home: Home) -> Iterator[Seen]:
    from anzhang.directory.outside import ldap

    try:
        settings = outside.ldap_settings(home)
        ldap.pattern(settings, "name")
    except HomeError:
        return  # anzhang.E006 says what is wrong with it
    except ldap.LdapError as error:
        yield Seen("ldap filter", False, str(error), f"correct {home.settings_file}")
        return
    for server in settings.servers:
        with ldap.Connection(settings, server, time.monotonic() + settings.timeout_seconds) as connection:
            yield from _server(connection, settings)


def _server(connection: ldap.Connection, settings: outside.Ldap) -> Iterator[Seen]:
    from anzhang.directory.outside.ldap import LdapError

    subject = f"ldap {connection.server}"
    steps = (
        (connection.open, "check address, firewall and ldap.ca; the certificate must name the host as ldap.urls spells it"),
        (connection.bind_service, "check ldap.bind_dn and the file that ldap.bind_password_file names"),
        (connection.has_base, "check ldap.base, and that the service account may read it"),
    )
    for step, remedy in steps:
        try:
            if step() is False:
                raise LdapError(f"{connection.server}: nothing to be seen at {settings.base}")
        except LdapError as error:
            yield Seen(subject, False, str(error), remedy)
            return
    until = connection.certificate_until
    how = f"TLS, certificate until {until:%Y-%m-%d}" if until else "not encrypted"
    yield Seen(subject, True, f"{how}; bound as {settings.bind_dn or 'nobody'}; {settings.base} found")
    if until and until - datetime.now(UTC) < CERTIFICATE_WARNING:
        yield Seen(f"{subject} certificate", False, f"ends on {until:%Y-%m-%d}", "have a new one put in place before that day", grave=False)
    if until is None and not outside.is_loopback(connection.server.host):
        remedy = "use ldaps:// or start_tls = true"
        yield Seen(f"{subject} encryption", False, "passwords can be read on the way (ldap.allow_plain)", remedy, grave=False)


def _oidc(home: Home) -> Iterator[Seen]:
    from anzhang.directory.outside import oidc

    try:
        settings = outside.oidc_settings(home)
    except HomeError:
        return  # anzhang.E006 says what is wrong with it
    try:
        keys = oidc.examine(settings)
    except oidc.OidcError as error:
        yield Seen("oidc provider", False, str(error), "check oidc.issuer (spelled as the provider spells it), firewall and oidc.ca")
        return
    yield Seen("oidc provider", True, f"{settings.issuer}, {keys} signing keys")
