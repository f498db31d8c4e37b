"""Addresses that the processes listen on, and the rule that only loopback may speak without TLS (DESIGN 12)."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass

from anzhang.home import Home, HomeError


@dataclass(frozen=True)
class Listen:
    """Host and port of a listener."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches it."""
        return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback

    @property
    def is_free(self) -> bool:
        """Whether nobody listens there now."""
        with socket.socket(socket.AF_INET6 if ":" in self.host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self.host, self.port))
            except OSError:
                return False
        return True

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def parse(home: Home, section: str, key: str, default: str) -> Listen:
    """Return a listener of the settings file. Raises HomeError naming the key when it is no address:port."""
    text = home.get(section, key, default)
    host, _, port = text.rpartition(":")
    host = host.strip("[]")
    try:
        if host != "localhost":
            ipaddress.ip_address(host)
        number = int(port)
        if not 0 < number < 65536:
            raise ValueError(port)
    except ValueError as error:
        msg = f'{home.settings_file}: {section}.{key} = "{text}" is not ADDRESS:PORT, for example "{default}"'
        raise HomeError(msg) from error
    return Listen(host, number)


def web(home: Home) -> Listen:
    """Return where the pages stand. Raises HomeError when they would leave the machine unencrypted."""
    listen = parse(home, "server", "bind", "127.0.0.1:8600")
    certificate, key = home.get("server", "certificate", ""), home.get("server", "key", "")
    if bool(certificate) != bool(key):
        msg = f"{home.settings_file}: server.certificate and server.key go together"
        raise HomeError(msg)
    if not listen.is_loopback and not certificate:
        msg = f'{home.settings_file}: server.bind = "{listen}" is not loopback; set server.certificate and server.key first'
        raise HomeError(msg)
    if home.is_demo and not listen.is_loopback:
        msg = f"{home.settings_file}: the demo listens on loopback only"
        raise HomeError(msg)
    return listen


def free_ports(*preferred: int) -> list[int]:
    """Return each preferred port when it is free on 127.0.0.1, else a free one above it; no port twice."""
    found: list[int] = []
    for wanted in preferred:
        free = (
            port
            for port in range(wanted, wanted + 200)
            if port not in {*found, *preferred} - {wanted} and Listen("127.0.0.1", port).is_free
        )
        port = next(free, None)
        if port is None:
            msg = f"no free port from {wanted} to {wanted + 199} on 127.0.0.1"
            raise HomeError(msg)
        found.append(port)
    return found
