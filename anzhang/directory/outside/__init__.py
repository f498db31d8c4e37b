"""Log-in through the bureau's own directory (LDAP) or identity provider (OIDC): what the operator sets in `anzhang.toml`.

    [ldap]
    urls = ["ldaps://dc1.example", "ldaps://dc2.example"]  # asked in this order; ldap:// needs start_tls
    start_tls = false
    ca = "keys/ldap-ca.pem"             # the authority of their certificates; without it the system's. Paths begin at the data directory
    bind_dn = "cn=anzhang,ou=services,dc=example"
    bind_password_file = "keys/ldap"    # 0600; without bind_dn the search is anonymous
    base = "ou=people,dc=example"
    filter = "(uid={name})"
    code = "employeeNumber"             # the attribute that holds the person's code (工号)
    require_post = true                 # false: people without any duty in the registers may log in too
    timeout_seconds = 5
    allow_plain = false                 # ldap:// without TLS to another machine: passwords can be read on the way
    [ldap.people]
    zhangsan = "P011"                   # log-in names whose code the directory does not hold

    [oidc]
    issuer = "https://id.example"
    client_id = "anzhang"
    client_secret_file = "keys/oidc"
    ca = "keys/oidc-ca.pem"
    claim = "sub"                       # the claim of the ID token that holds the person's code
    title = "统一身份认证"
    scopes = ["profile"]                # beside openid
    silent = false                      # true: whoever is logged in at the provider comes in without typing a password again
    require_post = true
    timeout_seconds = 5
    allow_plain = false
    [oidc.people]
    "8f3c..." = "P011"                  # values of the claim that are no code

Either table switches its way of log-in on. Nothing in them grants a right: roles come from the registers.
"""

from __future__ import annotations

import ipaddress
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from anzhang.home import Home, HomeError

LDAP_PORTS = {"ldap": 389, "ldaps": 636}
FORBIDDEN_CLAIMS = frozenset({"email", "name", "nickname", "given_name", "family_name"})  # people change them, or choose them


@dataclass(frozen=True)
class Server:
    """One directory server."""

    host: str
    port: int
    tls: bool

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'ldaps' if self.tls else 'ldap'}://{host}:{self.port}"


@dataclass(frozen=True)
class Ldap:
    """How to ask the directory. `filter` contains `{name}`; `people` maps folded log-in names to codes."""

    servers: tuple[Server, ...]
    start_tls: bool
    ca: Path | None
    bind_dn: str
    bind_password: str = field(repr=False)
    base: str
    filter: str
    code: str
    require_post: bool
    timeout_seconds: int
    people: Mapping[str, str]


@dataclass(frozen=True)
class Oidc:
    """How to ask the identity provider. `people` maps values of the claim to codes."""

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    ca: Path | None
    claim: str
    scopes: tuple[str, ...]
    silent: bool
    require_post: bool
    timeout_seconds: int
    people: Mapping[str, str]


def has_ldap(home: Home) -> bool:
    """Whether log-in through a directory is switched on."""
    return "ldap" in home.settings


def oidc_title(home: Home) -> str:
    """Return what the operator calls the provider; empty when nothing is said. Other settings may be wrong."""
    title: str = home.get("oidc", "title", "")
    return title


def has_oidc(home: Home) -> bool:
    """Whether log-in through an identity provider is switched on."""
    return "oidc" in home.settings


def ldap_settings(home: Home) -> Ldap:
    """Return the directory's settings. Raises HomeError naming the key that is wrong."""
    table = _Table(
        home, "ldap", "urls start_tls ca bind_dn bind_password_file base filter code require_post timeout_seconds allow_plain people"
    )  # fmt: skip
    servers = tuple(_server(table, url) for url in table.texts("urls"))
    if not servers:
        raise table.wrong("urls", 'is missing, for example ["ldaps://dc.example"]')
    start_tls = home.get("ldap", "start_tls", default=False)
    if start_tls and any(server.tls for server in servers):
        raise table.wrong("start_tls", "goes with ldap:// only; ldaps:// is encrypted from the start")
    if not start_tls and not home.get("ldap", "allow_plain", default=False):
        for server in servers:
            if not server.tls and not is_loopback(server.host):
                raise table.wrong("urls", f"{server} would send passwords in the clear; use ldaps:// or start_tls = true")
    bind_dn = home.get("ldap", "bind_dn", "")
    pattern = home.get("ldap", "filter", "(uid={name})")
    if "{name}" not in pattern:
        raise table.wrong("filter", "must contain {name}, the log-in name")
    return Ldap(
        servers=servers, start_tls=start_tls, ca=table.file("ca"), bind_dn=bind_dn,
        bind_password=table.secret("bind_password_file") if bind_dn else "", base=table.needed("base"), filter=pattern,
        code=home.get("ldap", "code", "employeeNumber"), require_post=home.get("ldap", "require_post", default=True),
        timeout_seconds=table.seconds(),
        people={name.casefold(): code for name, code in table.people().items()},
    )  # fmt: skip


def oidc_settings(home: Home) -> Oidc:
    """Return the provider's settings. Raises HomeError naming the key that is wrong."""
    table = _Table(
        home, "oidc", "issuer client_id client_secret_file ca claim title scopes silent require_post timeout_seconds allow_plain people"
    )  # fmt: skip
    issuer = table.needed("issuer")
    parts = urlsplit(issuer)
    if parts.scheme not in {"https", "http"} or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise table.wrong("issuer", f'"{issuer}" is not an address such as https://id.example')
    if parts.scheme == "http" and not is_loopback(parts.hostname) and not home.get("oidc", "allow_plain", default=False):
        raise table.wrong("issuer", f"{issuer} is not encrypted; use https://")
    claim = home.get("oidc", "claim", "sub")
    if claim in FORBIDDEN_CLAIMS:
        raise table.wrong("claim", f'"{claim}" does not identify a person; use sub or a claim that holds the code')
    return Oidc(
        issuer=issuer, client_id=table.needed("client_id"), client_secret=table.secret("client_secret_file"), ca=table.file("ca"),
        claim=claim, scopes=tuple(table.texts("scopes")) or ("profile",),
        silent=home.get("oidc", "silent", default=False), require_post=home.get("oidc", "require_post", default=True),
        timeout_seconds=table.seconds(), people=table.people(),
    )  # fmt: skip


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by its spelling: nothing is resolved."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _server(table: _Table, url: str) -> Server:
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = -1
    if parts.scheme not in LDAP_PORTS or not parts.hostname or port == -1 or parts.path.strip("/") or parts.query or parts.username:
        raise table.wrong("urls", f'"{url}" is not ldaps://HOST[:PORT] or ldap://HOST[:PORT]')
    return Server(parts.hostname, port or LDAP_PORTS[parts.scheme], parts.scheme == "ldaps")


@dataclass(frozen=True)
class _Table:
    """One table of the settings file, read key by key; a key that nobody knows is an error, because it would do nothing."""

    home: Home
    name: str
    known: str

    def __post_init__(self) -> None:
        table = self.home.settings.get(self.name)
        if not isinstance(table, dict):
            raise HomeError(f"{self.home.settings_file}: [{self.name}] must be a table")
        for key in table:
            if key not in self.known.split():
                raise self.wrong(key, f"is no setting; known are {', '.join(self.known.split())}")

    def wrong(self, key: str, why: str) -> HomeError:
        return HomeError(f"{self.home.settings_file}: {self.name}.{key} {why}")

    def needed(self, key: str) -> str:
        text: str = self.home.get(self.name, key, "")
        if not text:
            raise self.wrong(key, "is missing")
        return text

    def texts(self, key: str) -> list[str]:
        values: list[Any] = self.home.get(self.name, key, [])
        if not all(isinstance(value, str) for value in values):
            raise self.wrong(key, "must be a list of texts")
        return values

    def seconds(self) -> int:
        seconds: int = self.home.get(self.name, "timeout_seconds", 5)
        if not 1 <= seconds <= 30:
            raise self.wrong("timeout_seconds", "must be from 1 to 30")
        return seconds

    def people(self) -> dict[str, str]:
        table: dict[str, Any] = self.home.get(self.name, "people", {})
        for name, code in table.items():
            if not isinstance(code, str) or not code:
                raise self.wrong(f"people.{name}", "must be the code of a person")
        return table

    def file(self, key: str) -> Path | None:
        text: str = self.home.get(self.name, key, "")
        if not text:
            return None
        path = self.home.path / text
        if not path.is_file():
            raise self.wrong(key, f"names {path}, which is not there")
        return path

    def secret(self, key: str) -> str:
        self.needed(key)
        path = self.file(key)
        assert path is not None  # noqa: S101 - `needed` has refused the empty name
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise self.wrong(key, f"names {path}, which others can read: chmod 0600 {path}")
        try:
            secret = path.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise self.wrong(key, f"names {path}, which cannot be read: {error}") from error
        if not secret:
            raise self.wrong(key, f"names {path}, which is empty")
        return secret
