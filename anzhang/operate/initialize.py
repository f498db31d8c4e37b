"""`anzhang init`: make a data directory that everything else can trust.

1. The folder itself, 0700, refused when it already holds an installation or anything else.
2. `anzhang.toml`, written to a temporary name and renamed last, so that a half-made directory is not an installation.
3. The secret key and the ledger's signing keys, 0600.
4. The database, migrated.
5. The first ledger entry, and one-time links for the three administrators.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from anzhang.home import Home
from anzhang.regulation.catalog import DEFAULT

SETTINGS = """\
# anzhang: the one settings file. Every value below is the default.

[bureau]
name = "{name}"
catalog = "{catalog}"     # the regulation: a name of those that come with the program, or a folder
demo = {demo}

[server]
bind = "127.0.0.1:{port}"       # another address than loopback needs certificate and key
# hosts = ["anzhang.example.gov.cn"]
# certificate = "/etc/anzhang/tls.crt"
# key = "/etc/anzhang/tls.key"

[collector]
syslog_tcp = "127.0.0.1:{syslog_port}"
syslog_udp = "127.0.0.1:{syslog_port}"
http = "127.0.0.1:{push_port}"
# syslog_tls = "0.0.0.0:6514"     # senders prove a certificate that client_ca signed
# relp = "10.1.2.3:2514"          # answers when a line is on disk; relp_tls the same with certificates
# client_ca = "/etc/anzhang/senders-ca.pem"
seal_seconds = {seal_seconds}

[worker]
reconcile_seconds = {reconcile_seconds}
"""


class NotEmptyError(Exception):
    """The folder already holds something."""


@dataclass(frozen=True)
class Ports:
    """Where the three listeners stand on loopback."""

    web: int = 8600
    syslog: int = 5514
    push: int = 8601


def make_directory(home: Home, *, name: str, demo: bool, ports: Ports, catalog: str = DEFAULT) -> None:
    """Create folder, secret and settings file; no database yet.

    Raises NotEmptyError when the folder exists and is not empty.
    """
    if home.path.exists() and any(home.path.iterdir()):
        msg = f"{home.path} is not empty; choose another folder with --home or remove it"
        raise NotEmptyError(msg)
    home.path.mkdir(parents=True, exist_ok=True)
    home.path.chmod(0o700)
    for folder in (home.keys, home.vault, home.attachments, home.run, home.log):
        folder.mkdir(mode=0o700)
    write_private(home.keys / "secret.key", secrets.token_urlsafe(48).encode("ascii"))
    text = SETTINGS.format(
        name=_quoted(name),
        catalog=_quoted(catalog),
        demo="true" if demo else "false",
        port=ports.web,
        syslog_port=ports.syslog,
        push_port=ports.push,
        seal_seconds=5 if demo else 60,
        reconcile_seconds=20 if demo else 60,
    )
    temporary = home.settings_file.with_suffix(".new")
    write_private(temporary, text.encode("utf-8"))
    temporary.rename(home.settings_file)


def write_private(path: Path, content: bytes) -> None:
    """Write a new file readable by its owner only; never follows or replaces an existing one."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _quoted(text: str) -> str:
    """Return a text as it stands inside a TOML string."""
    return text.replace("\\", "\\\\").replace('"', '\\"')
