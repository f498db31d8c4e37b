"""The door in front of every TLS port: bounded, patient for a few seconds, and telling why somebody was not let in.

1. A connection waits unread; there is room for so many handshakes, in all and per address, and each has `HANDSHAKE_SECONDS`.
2. The handshake runs with the certificates as they are on disk now: new files hold from the next connection on, without a restart.
3. Who came through is given to the protocol behind the door; who did not is counted by reason and reported with the address.

Where client certificates are asked for, none gets through without one that the operator's authority has signed and that is in
date; whose it is, the protocol decides. TLS 1.2 at least (RFC 5425 section 4.2 as amended by RFC 9662).

Source: RFC 5425; Art. 29.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import ssl
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

log = logging.getLogger("anzhang.collector.tls")

HANDSHAKE_SECONDS = 10.0
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


@dataclass
class Door:
    """One TLS listener: `behind` makes the protocol of who came through, `refuse` hears of who did not."""

    files: Files
    behind: Callable[[], asyncio.BaseProtocol]
    refuse: Refuse = field(default=lambda _address, _why: None)
    refused: Counter[str] = field(default_factory=Counter)
    waiting: Counter[str] = field(default_factory=Counter)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def listen(self, host: str, port: int) -> asyncio.Server:
        """Open the port."""
        self.files.context()
        return await asyncio.get_running_loop().create_server(lambda: _Waiting(self), host, port, backlog=512)

    def has_room(self, address: str) -> bool:
        """Whether one more handshake with an address may begin."""
        return len(self.tasks) < MOST_HANDSHAKES and self.waiting[address] < MOST_PER_ADDRESS

    def turn_away(self, address: str, why: str) -> None:
        """Count somebody who did not get in."""
        self.refused[why] += 1
        self.refuse(address, why)

    def close(self) -> None:
        """End the handshakes that are going on."""
        for task in self.tasks:
            task.cancel()


class _Waiting(asyncio.Protocol):
    """A connection before its handshake."""

    def __init__(self, door: Door) -> None:
        self.door = door

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        plain = cast("asyncio.Transport", transport)
        address = (plain.get_extra_info("peername") or ("",))[0]
        plain.pause_reading()
        if not self.door.has_room(address):
            self.door.turn_away(address, "too_many")
            plain.abort()
            return
        self.door.waiting[address] += 1
        task = asyncio.get_running_loop().create_task(self._shake(plain, address))
        self.door.tasks.add(task)
        task.add_done_callback(lambda done: self._leave(done, address))

    def _leave(self, done: asyncio.Task[None], address: str) -> None:
        self.door.tasks.discard(done)
        self.door.waiting[address] -= 1
        if self.door.waiting[address] <= 0:
            del self.door.waiting[address]

    async def _shake(self, plain: asyncio.Transport, address: str) -> None:
        threshold = _Threshold()
        try:
            context = self.door.files.context()
            transport = await asyncio.get_running_loop().start_tls(
                plain, threshold, context, server_side=True, ssl_handshake_timeout=HANDSHAKE_SECONDS, ssl_shutdown_timeout=HANDSHAKE_SECONDS
            )
        except (OSError, TimeoutError, CertificateError) as error:
            self.door.turn_away(address, reason(error))
            plain.abort()
            return
        if transport is not None:
            threshold.step_in(transport, self.door.behind())


class _Threshold(asyncio.Protocol):
    """Holds what came together with the end of the handshake until the protocol behind the door is there."""

    def __init__(self) -> None:
        self.early: list[bytes] = []
        self.ended = self.lost = False

    def data_received(self, data: bytes) -> None:
        self.early.append(data)

    def eof_received(self) -> bool:
        self.ended = True
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True

    def step_in(self, transport: asyncio.Transport, protocol: asyncio.BaseProtocol) -> None:
        """Hand the connection over, as if it began now; one that is over already is played to its end."""
        was_closing = transport.is_closing()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        if transport.is_closing() and not was_closing:
            return  # not let in
        for data in self.early:
            feed(protocol, data)
        if self.ended and isinstance(protocol, asyncio.Protocol | asyncio.BufferedProtocol):
            protocol.eof_received()
        if self.lost:
            protocol.connection_lost(None)


def feed(protocol: asyncio.BaseProtocol, data: bytes) -> None:
    """Give bytes to a protocol of either kind."""
    if isinstance(protocol, asyncio.Protocol):
        protocol.data_received(data)
        return
    buffered, place = cast("asyncio.BufferedProtocol", protocol), 0
    while place < len(data):
        room = buffered.get_buffer(-1)
        size = min(len(cast("memoryview", room)), len(data) - place)
        if size == 0:
            return  # it was not let in
        room[:size] = data[place : place + size]  # type: ignore[index]  # a writable buffer, as the protocol promises
        buffered.buffer_updated(size)
        place += size


def reason(error: BaseException) -> str:
    """Return in one word why a handshake failed."""
    if isinstance(error, ssl.SSLCertVerificationError):
        named = {EXPIRED: "certificate_expired", NOT_YET: "certificate_not_yet_valid", REVOKED: "certificate_revoked"}
        return named.get(error.verify_code, "certificate_untrusted")
    if isinstance(error, ssl.SSLError):
        return "no_certificate" if error.reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE" else "not_tls"
    if isinstance(error, CertificateError):
        return "no_server_certificate"
    return "handshake_unfinished"


def peer_names(transport: asyncio.BaseTransport) -> frozenset[str]:
    """Return by what a peer's proven certificate can be registered: its SHA-256 fingerprint and its names, empty without one."""
    tls = transport.get_extra_info("ssl_object")
    der = tls.getpeercert(binary_form=True) if tls is not None else None
    if not der:
        return frozenset()
    stated: Mapping[str, Any] = tls.getpeercert() or {}
    return frozenset({hashlib.sha256(der).hexdigest(), *(str(value) for _, value in stated.get("subjectAltName", ()))})
