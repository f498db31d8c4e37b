"""The door in front of every TLS port: bounded, patient for a few seconds, and telling why somebody was not let in.

1. There is room for so many handshakes, in all and per address, and each has `HANDSHAKE_SECONDS`.
2. A handshake runs with the certificates as they are on disk now: new files hold from the next connection on, without a restart.
3. Who comes through is given to the protocol behind the door; who does not is counted by reason and reported with the address.

Where client certificates are asked for, none gets through without one that the operator's authority has signed and that is in
date; whose it is, the protocol decides. TLS 1.2 at least (RFC 5425 section 4.2 as amended by RFC 9662).

Source: RFC 5425; Art. 29.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import ssl
from asyncio import sslproto
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, cast

log = logging.getLogger("anzhang.collector.tls")

HANDSHAKE_SECONDS = 10
READ_BYTES = 1 << 15
MOST_HANDSHAKES = 256
MOST_PER_ADDRESS = 32
EXPIRED, NOT_YET, REVOKED = 10, 9, 23  # X509_V_ERR_*
Refuse = Callable[[str, str], None]  # address, why


class CertificateError(Exception):
    """The certificate files cannot be used; the message names them."""


@dataclass
class Files:
    """A server's certificate, its key and, where clients must show one, the authority that signs theirs (with its revocation list)."""

    certificate: Path
    key: Path
    authority: Path | None = None
    trouble: str = ""
    _seen: tuple[int, ...] = ()
    _context: ssl.SSLContext | None = None

    def context(self) -> ssl.SSLContext:
        """Return what the next handshake uses, read anew when a file changed; unusable new files leave the old ones in force.

        Raises CertificateError when there were never usable ones.
        """
        seen = tuple(self._changed_at())
        if self._context is None or seen != self._seen:
            self._seen = seen
            try:
                self._context, self.trouble = self._read(), ""
            except (OSError, ValueError) as error:  # SSLError is an OSError
                self.trouble = f"{', '.join(map(str, self._paths()))}: {error}"
                if self._context is None:
                    raise CertificateError(self.trouble) from error
                log.error("certificates changed and cannot be used, the earlier ones hold: %s", self.trouble)  # noqa: TRY400 - says it all
        return self._context

    def _read(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.certificate, self.key)
        if self.authority is not None:
            context.load_verify_locations(self.authority)
            context.verify_mode = ssl.CERT_REQUIRED
            if b"BEGIN X509 CRL" in self.authority.read_bytes():
                context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
        return context

    def _paths(self) -> list[Path]:
        return [self.certificate, self.key, *([self.authority] if self.authority is not None else [])]

    def _changed_at(self) -> list[int]:
        times = []
        for path in self._paths():
            try:
                times.append(path.stat().st_mtime_ns)
            except OSError:
                times.append(0)
        return times


async def open_port(make: Callable[[], asyncio.BaseProtocol], host: str, port: int, *, shared: bool = False) -> asyncio.Server:
    """Listen; `shared`: the kernel deals connections out among the processes that listen there (SO_REUSEPORT)."""
    return await asyncio.get_running_loop().create_server(make, host, port, backlog=512, reuse_port=shared or None)


class Behind(Protocol):
    """A protocol behind a door: it has its transport once it was let in."""

    transport: asyncio.Transport | None


@dataclass
class Door:
    """One TLS listener: `behind` makes the protocol of who came through, `refuse` hears of who did not."""

    files: Files
    behind: Callable[[], Any]
    refuse: Refuse = field(default=lambda _address, _why: None)
    refused: Counter[str] = field(default_factory=Counter)
    waiting: Counter[str] = field(default_factory=Counter)  # handshakes by address

    async def listen(self, host: str, port: int, *, shared: bool = False) -> asyncio.Server:
        """Open the port."""
        self.files.context()
        return await open_port(lambda: _Handshake(self), host, port, shared=shared)

    def has_room(self, address: str) -> bool:
        """Whether one more handshake with an address may begin."""
        return self.waiting.total() < MOST_HANDSHAKES and self.waiting[address] < MOST_PER_ADDRESS

    def turn_away(self, address: str, why: str) -> None:
        """Count somebody who did not get in."""
        self.refused[why] += 1
        self.refuse(address, why)


class _Handshake(sslproto.SSLProtocol):
    """Count asyncio's own TLS at its beginning and its end; `start_tls` would lose what arrives before it is called."""

    max_size = READ_BYTES  # of the buffer that every connection has

    def __init__(self, door: Door) -> None:
        self.door, self.address = door, ""
        self.behind: Behind = door.behind()
        loop = asyncio.get_running_loop()
        self.done: asyncio.Future[None] = loop.create_future()
        super().__init__(
            loop, self.behind, door.files.context(), self.done, server_side=True,
            ssl_handshake_timeout=HANDSHAKE_SECONDS, ssl_shutdown_timeout=HANDSHAKE_SECONDS,
        )  # fmt: skip

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.address = (transport.get_extra_info("peername") or ("",))[0]
        if not self.door.has_room(self.address):
            self.door.turn_away(self.address, "too_many")
            cast("asyncio.Transport", transport).abort()
            return
        self.door.waiting[self.address] += 1
        self.done.add_done_callback(self._end)
        super().connection_made(transport)

    def _end(self, done: asyncio.Future[None]) -> None:
        self.door.waiting[self.address] -= 1
        if self.door.waiting[self.address] <= 0:
            del self.door.waiting[self.address]
        error = None if done.cancelled() else done.exception()
        if error is not None or self.behind.transport is None:
            self.door.turn_away(self.address, reason(error))


def reason(error: BaseException | None) -> str:
    """Return in one word why a handshake failed."""
    if isinstance(error, ssl.SSLCertVerificationError):
        named = {EXPIRED: "certificate_expired", NOT_YET: "certificate_not_yet_valid", REVOKED: "certificate_revoked"}
        return named.get(error.verify_code, "certificate_untrusted")
    if isinstance(error, ssl.SSLError):
        return "no_certificate" if error.reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE" else "not_tls"
    return "handshake_unfinished"


def peer_names(transport: asyncio.BaseTransport) -> frozenset[str]:
    """Return by what a peer's proven certificate can be registered: its SHA-256 fingerprint and its names, empty without one."""
    tls = transport.get_extra_info("ssl_object")
    der = tls.getpeercert(binary_form=True) if tls is not None else None
    if not der:
        return frozenset()
    stated: Mapping[str, Any] = tls.getpeercert() or {}
    return frozenset({hashlib.sha256(der).hexdigest(), *(str(value) for _, value in stated.get("subjectAltName", ()))})
