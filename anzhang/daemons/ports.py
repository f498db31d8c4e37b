"""The collector's ports: which stand where, with whose certificates, and the receivers behind them."""

from __future__ import annotations

import resource
import socket
from collections.abc import Coroutine, Mapping
from dataclasses import asdict
from typing import Any

from anzhang.daemons import tls
from anzhang.daemons.http_push import PushServer
from anzhang.daemons.intake import Intake
from anzhang.daemons.relp import RelpServer
from anzhang.daemons.syslog_tcp import SyslogServer
from anzhang.daemons.udp import BUFFER_BYTES, UdpServer
from anzhang.home import Home, HomeError
from anzhang.monitoring.models import LogSource
from anzhang.operate import listen

# name to the address of a new installation; no address: closed until `anzhang.toml` names one
DEFAULTS = {
    "syslog_tcp": "127.0.0.1:5514",
    "syslog_udp": "127.0.0.1:5514",  # the number of syslog_tcp, always on loopback
    "http": "127.0.0.1:8601",
    "syslog_tls": "",
    "relp": "",
    "relp_tls": "",
}
PROVED = frozenset({"syslog_tls", "relp_tls"})  # where senders prove a certificate


class PortError(Exception):
    """A port cannot be opened; the message names it."""


class Ports:
    """What the settings say; `open` makes it so."""

    def __init__(self, home: Home, *, shared: bool = False) -> None:
        """Read the settings; `shared`: other processes open the same ports. Raises HomeError naming the key that is wrong."""
        self.shared = shared
        defaults = dict(DEFAULTS)
        tcp = home.get("collector", "syslog_tcp", DEFAULTS["syslog_tcp"]) or DEFAULTS["syslog_tcp"]
        defaults["syslog_udp"] = f"127.0.0.1:{tcp.rpartition(':')[2]}"
        named = {name: home.get("collector", name, default) for name, default in defaults.items()}
        self.places = {name: listen.parse(home, "collector", name, defaults[name]) for name, text in named.items() if text}
        self.files = {name: files for name, place in self.places.items() if (files := _files(home, name, place)) is not None}
        self.udp_buffer = home.get("collector", "udp_buffer_bytes", BUFFER_BYTES)

    async def open(self, intake: Intake) -> None:
        """Make the receivers and let them listen. Raises PortError."""
        _allow_many_files()
        self.syslog, self.secure = SyslogServer(intake), SyslogServer(intake, str(LogSource.Transport.SYSLOG_TLS))
        self.relp, self.push, self.udp = RelpServer(intake), PushServer(intake), UdpServer(intake, self.udp_buffer)
        for name, place in self.places.items():
            try:
                await self._listen(name, place)
            except OSError as error:
                raise PortError(f"cannot listen at {place} (collector.{name}): {error.strerror or error}") from error
            except tls.CertificateError as error:
                raise PortError(f"collector.{name}: {error}") from error

    def probe(self) -> None:
        """See that nobody else has the ports before several processes share them. Raises PortError."""
        for name, place in self.places.items():
            kind = socket.SOCK_DGRAM if name == "syslog_udp" else socket.SOCK_STREAM
            try:
                with socket.socket(socket.AF_INET6 if ":" in place.host else socket.AF_INET, kind) as tried:
                    if kind == socket.SOCK_STREAM:
                        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    tried.bind((place.host, place.port))
            except OSError as error:
                raise PortError(f"cannot listen at {place} (collector.{name}): {error.strerror or error}") from error

    def work(self) -> list[Coroutine[Any, Any, None]]:
        """Return what the receivers do all the time."""
        return [each.run() for each in (self.syslog, self.secure, self.udp, self.relp)]

    async def close(self) -> None:
        """Stop listening and hand on what was received."""
        for server in (self.udp, self.syslog, self.secure, self.relp, self.push):
            await server.close()

    def status(self) -> Mapping[str, Any]:
        """Return what the status file shows."""
        return {
            "listen": {name: str(place) for name, place in self.places.items()},
            "syslog": asdict(self.syslog.counters),
            "tls": asdict(self.secure.counters) | {"refused": dict(self.secure.door.refused) if self.secure.door else {}},
            "udp": asdict(self.udp.counters),
            "relp": asdict(self.relp.counters),
            "http": asdict(self.push.counters),
            "certificates": next((files.trouble for files in self.files.values() if files.trouble), ""),
        }

    def __str__(self) -> str:
        return ", ".join(f"{name} {place}" for name, place in self.places.items())

    async def _listen(self, name: str, place: listen.Listen) -> None:
        files = self.files.get(name)
        if name == "syslog_udp":
            self.udp.listen(place.host, place.port, shared=self.shared)
        elif name == "http":
            await self.push.listen(place.host, place.port, files, shared=self.shared)
        elif name in {"relp", "relp_tls"}:
            await self.relp.listen(place.host, place.port, files, shared=self.shared)
        else:
            server = self.secure if name in PROVED else self.syslog
            await server.listen(place.host, place.port, files, shared=self.shared)


def _files(home: Home, name: str, place: listen.Listen) -> tls.Files | None:
    """Return the certificates of a port, None where it needs none. The push port speaks TLS away from loopback: tokens travel there."""
    proved = name in PROVED
    if not proved and (name != "http" or place.is_loopback):
        return None
    settings = {key: home.get("collector", key, "") or home.get("server", key, "") for key in ("certificate", "key")}
    if proved:
        settings["client_ca"] = home.get("collector", "client_ca", "")
    lacking = " and ".join(f"collector.{key}" for key, value in settings.items() if not value)
    if lacking:
        why = "asks its senders for certificates" if proved else "is not loopback"
        raise HomeError(f'{home.settings_file}: collector.{name} = "{place}" {why}; set {lacking} first')
    paths = {key: home.path / value for key, value in settings.items()}
    return tls.Files(paths["certificate"], paths["key"], paths.get("client_ca"))


def _allow_many_files() -> None:
    """Raise the soft limit of open files to the hard one: a thousand senders are a thousand descriptors."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
