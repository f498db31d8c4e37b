"""Syslog over TCP and TLS: both framings, many senders, no Python call per line.

1. A connection's bytes land in its own buffer; nothing is looked at until the buffer is three quarters full or 50 ms have passed.
2. Then one compiled pass cuts frames and, where several sources share the address, reads each line's host.
3. Frames go to the intake as one block of bytes per source, frames of no registered source to the quarantine.
4. When the intake holds too much, or a source is over its quota, the connection is not read: TCP pushes back on the sender.
5. At the end of a stream the connection is closed only after its bytes are on disk, so a sender that waits for the close knows.

A line longer than `LONGEST` is kept in pieces of that size. Syslog over TCP has no acknowledgement: what a crash finds in
socket buffers is lost; RELP and HTTP push are the inputs that answer.

Over TLS the source is the one whose certificate the sender proved; a certificate that no source names is refused.

Source: RFC 6587 sections 3.4.1 and 3.4.2; RFC 5425; Art. 29.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import cast

import numpy as np

from anzhang import clock
from anzhang.daemons import framing, tls
from anzhang.daemons.intake import Intake
from anzhang.daemons.memory import Budget
from anzhang.daemons.senders import TCP, Route, plain

log = logging.getLogger("anzhang.collector.syslog")

LONGEST = 1 << 20  # bytes of a line
FIRST_BUFFER = 1 << 14  # of every connection
BUFFERS_BYTES = 128 << 20  # of all connections together, above their first buffers; when it is spent, long lines are kept in shorter pieces
SHRINK_SECONDS = 10.0  # after a busy spell
FLUSH_SECONDS = 0.05
MOST_CONNECTIONS = 4000
MOST_PER_ADDRESS = 2000
MOST_STRANGERS = 50
STRANGER_BYTES = 1 << 18  # what one connection of an unregistered sender may leave in the quarantine
REGISTRATION_CHECK_SECONDS = 1.0


@dataclass
class Counters:
    """What the status file shows of this receiver."""

    connections: int = 0
    accepted: int = 0
    turned_away: int = 0
    long_lines: int = 0
    frames: int = 0


@dataclass
class SyslogServer:
    """All listeners and connections."""

    intake: Intake
    transport: str = TCP
    counters: Counters = field(default_factory=Counters)
    connections: set[Connection] = field(default_factory=set)
    addresses: Counter[str] = field(default_factory=Counter)  # of the connections
    servers: list[asyncio.Server] = field(default_factory=list)
    door: tls.Door | None = None
    buffers: Budget = field(default_factory=lambda: Budget(BUFFERS_BYTES))

    async def listen(self, host: str, port: int, files: tls.Files | None = None, *, shared: bool = False) -> None:
        """Open one listener, behind TLS where there are certificates; `shared`: other processes listen there too."""
        if files is None:
            self.servers.append(await tls.open_port(lambda: Connection(self), host, port, shared=shared))
            return
        self.door = tls.Door(files, lambda: Connection(self), lambda address, why: self.intake.refuse(address, why, self.transport))
        self.servers.append(await self.door.listen(host, port, shared=shared))

    async def run(self) -> None:
        """Flush every connection's buffer twenty times a second and let held-back ones go on, until cancelled."""
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            for connection in list(self.connections):
                connection.tick()

    async def close(self) -> None:
        """Stop listening, take what was received, end the connections."""
        for server in self.servers:
            server.close()
        for connection in list(self.connections):
            connection.finish()

    def turn_away(self, address: str, *, known: bool) -> bool:
        """Whether there is no room for one more connection of this address."""
        if len(self.connections) >= MOST_CONNECTIONS or self.addresses[address] >= MOST_PER_ADDRESS:
            return True
        return not known and sum(1 for connection in self.connections if not connection.route.is_known) >= MOST_STRANGERS

    def enter(self, connection: Connection) -> None:
        """Count a connection."""
        self.connections.add(connection)
        self.addresses[connection.address] += 1
        self.counters.accepted += 1
        self.counters.connections = len(self.connections)

    def leave(self, connection: Connection) -> None:
        """Forget a connection."""
        if connection in self.connections:
            self.connections.discard(connection)
            self.addresses[connection.address] -= 1
            if not self.addresses[connection.address]:
                del self.addresses[connection.address]
        self.counters.connections = len(self.connections)


class Connection(asyncio.BufferedProtocol):
    """One sender's stream."""

    def __init__(self, server: SyslogServer) -> None:
        """Start without a buffer; it is made when the sender is let in."""
        self.server, self.intake = server, server.intake
        self.address, self.route = "", Route()
        self.names: frozenset[str] = frozenset()  # of the proven certificate
        self.codes: list[str] = []
        self.hosts = framing.Hosts({})
        self.otherwise = framing.UNKNOWN
        self.data: framing.Bytes = np.empty(0, np.uint8)
        self.view = memoryview(b"")
        self.fill = 0
        self.remaining = 0  # octets of a counted frame too long for the buffer
        self.after_octet = False
        self.continued: int | None = None  # the source of the long line whose pieces are arriving
        self.carried: set[str] = set()  # sources whose lines came this way: only their quotas hold this connection
        self.left_in_quarantine = 0
        self.checked_at = self.busy_at = 0.0
        self.held = False
        self.ended = False
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let the sender in, or close at once when there is no room."""
        self.transport = cast("asyncio.Transport", transport)
        self.address = str(plain((transport.get_extra_info("peername") or ("0.0.0.0",))[0]))  # noqa: S104  # no peer: no source
        self.names = tls.peer_names(transport)
        self._look_up()
        if self.server.door is not None and not self.route.is_known:
            self.server.door.turn_away(self.address, "certificate_unregistered")
            self.transport.abort()
            return
        if self.server.turn_away(self.address, known=self.route.is_known):
            self.server.counters.turned_away += 1
            self.transport.abort()
            return
        self._use(np.empty(FIRST_BUFFER, np.uint8))
        self.server.enter(self)
        self._hold_if_needed()

    def get_buffer(self, sizehint: int) -> memoryview:  # the protocol's signature
        """Return the free rest of the buffer."""
        if self.fill == len(self.data):
            self.drain()
        return self.view[self.fill :]

    def buffer_updated(self, nbytes: int) -> None:
        """Note the bytes; look at them only when the buffer is three quarters full."""
        self.fill += nbytes
        if self.fill * 4 >= len(self.data) * 3:
            self.drain(full=True)
            self._hold_if_needed()

    def eof_received(self) -> bool:
        """Take the rest; the transport stays open until the rest is on disk (under TLS it cannot)."""
        self.finish()
        return self.server.door is None

    def connection_lost(self, exc: Exception | None) -> None:  # the protocol's signature
        """Take the rest of a broken connection."""
        if len(self.data):
            self.drain(final=True)
        self.ended = True
        self._use(np.empty(0, np.uint8))
        self.server.leave(self)

    def finish(self) -> None:
        """Take everything received and close once it is on disk."""
        if self.ended or self.transport is None:
            return
        self.ended = True
        self.transport.pause_reading()
        self.drain(final=True)
        self.intake.when_durable(self.transport.close)

    def tick(self) -> None:
        """Take what arrived since the last look; see whether a held-back connection may go on."""
        if self.ended:
            return
        now = time.monotonic()
        if now - self.checked_at > REGISTRATION_CHECK_SECONDS:
            self._look_up()
        if self.fill:
            self.drain()
            self.busy_at = now
        elif len(self.data) > FIRST_BUFFER and now - self.busy_at > SHRINK_SECONDS:
            self._use(np.empty(FIRST_BUFFER, np.uint8))
        self._hold_if_needed()

    def drain(self, *, full: bool = False, final: bool = False) -> None:
        """Hand every complete frame on; keep an unfinished one at the front of the buffer."""
        while self.fill:
            if self.remaining:
                if not self._drain_counted(final=final):
                    return
                continue
            cuts = framing.cut(self.data, self.fill, after_octet=self.after_octet)
            self.after_octet = cuts.after_octet
            self._take(cuts)
            self._shift(cuts.consumed)
            if cuts.need > LONGEST:
                self._begin_counted()
                continue
            if self.fill == len(self.data) and not self._grow(cuts.need):
                if cuts.need:
                    self._begin_counted()
                else:
                    self._take_piece(self.fill, first=self.continued is None)
            elif final and self.fill:
                self._take_piece(self.fill, first=False)
                self.continued = None
            elif full and len(self.data) < LONGEST and self.route.is_known:
                self._grow(cuts.need)
                return
            else:
                return

    def _grow(self, need: int) -> bool:
        """Give a busy sender, or a long line, a larger buffer; return whether there was room for one."""
        size = min(max(len(self.data) * 4, need), LONGEST)
        if size <= len(self.data) or not self.server.buffers.has(size - len(self.data)):
            return False
        larger = np.empty(size, np.uint8)
        larger[: self.fill] = self.data[: self.fill]
        self._use(larger)
        return True

    def _use(self, data: framing.Bytes) -> None:
        self.server.buffers.held += max(len(data) - FIRST_BUFFER, 0) - max(len(self.data) - FIRST_BUFFER, 0)
        self.data, self.view = data, data.data

    def _begin_counted(self) -> None:
        """Drop the length of a counted frame that will not fit and count its octets down."""
        head = bytes(self.data[: min(self.fill, 16)])
        length, _, _ = head.partition(b" ")
        self.continued = self._number_of(len(length) + 1, self.fill)
        self.remaining = int(length)
        self.server.counters.long_lines += 1
        self._shift(len(length) + 1)

    def _drain_counted(self, *, final: bool) -> bool:
        """Take a piece of a long counted frame when there is enough of it; return whether to go on."""
        size = min(self.remaining, self.fill)
        if size < self.remaining and self.fill < len(self.data) and not final:
            return False
        if self.fill == len(self.data) and size < self.remaining and self._grow(0):
            return False
        self._take_piece(size, first=False)
        self.remaining -= size
        if self.remaining == 0 or final:
            self.continued, self.remaining = None, 0
        return True

    def _take_piece(self, size: int, *, first: bool) -> None:
        """Hand on bytes that do not end in a newline: a piece of a long line, or the unfinished end of a stream."""
        if first:
            self.server.counters.long_lines += 1
        body = bytes(self.data[:size])
        if self.continued is None:
            self.continued = self._number_of(0, size)
        if self.remaining:
            self._hand_on(self.continued, framing.OCTET, b"%d %b" % (len(body), body))
        else:
            self._hand_on(self.continued, framing.NEWLINE, body, ended=True)
        self._shift(size)

    def _take(self, cuts: framing.Cut) -> None:
        if not len(cuts.starts):
            return
        self.server.counters.frames += len(cuts.starts)
        if self.continued is None and self.hosts.is_empty and cuts.is_lines:  # the usual sender: one source, one line after the other
            self._hand_on(self.otherwise, framing.NEWLINE, self.data[: cuts.consumed].tobytes())
            return
        numbers = self.hosts.number(self.data, cuts, self.otherwise)
        if self.continued is not None:
            numbers[0] = self.continued
            self.continued = None
        turns = np.flatnonzero(np.diff(cuts.kinds)) + 1  # where the framing changes; a source's frames keep their order
        for begin, end in itertools.pairwise([0, *turns.tolist(), len(numbers)]):
            part, kind = numbers[begin:end], int(cuts.kinds[begin])
            first = int(part[0])
            groups = [first] if (part == first).all() else np.unique(part).tolist()
            for number in groups:
                chosen = np.zeros(len(numbers), np.bool_)
                chosen[begin:end] = part == number
                self._hand_on(number, kind, framing.gather(self.data, cuts, chosen))

    def _hand_on(self, number: int, kind: int, block: bytes, *, ended: bool = False) -> None:
        if number == framing.UNKNOWN:
            self._quarantine(block)
        else:
            self.carried.add(self.codes[number])
            self.intake.offer(self.codes[number], self.address, kind, block, ended=ended, transport=self.server.transport)

    def _quarantine(self, block: bytes) -> None:
        room = STRANGER_BYTES - self.left_in_quarantine
        why = "unknown_host" if self.route.is_known else "unregistered"
        self.intake.quarantine(self.address, why, block if self.route.is_known else block[: max(room, 0)], clock.now())
        self.left_in_quarantine += len(block)
        if not self.route.is_known and self.left_in_quarantine >= STRANGER_BYTES and self.transport is not None:
            log.warning("unregistered sender %s cut off after %d bytes", self.address, self.left_in_quarantine)
            self.ended = True
            self.transport.abort()

    def _number_of(self, begin: int, end: int) -> int:
        """Return the source of the one message that stands there."""
        start, stop = np.array([begin], np.int64), np.array([end], np.int64)
        one = framing.Cut(start, start, stop, np.zeros(1, np.int8), end, 0)
        return int(self.hosts.number(self.data, one, self.otherwise)[0])

    def _shift(self, size: int) -> None:
        if size:
            rest = self.fill - size
            self.data[:rest] = self.data[size : self.fill]  # NumPy copies overlapping ranges correctly
            self.fill = rest

    def _look_up(self) -> None:
        """Read the route again: a source may have been registered, changed or closed since."""
        self.checked_at = time.monotonic()
        senders, transport = self.intake.senders, self.server.transport
        secure = self.server.door is not None
        route = senders.by_certificate(self.names, self.address, transport) if secure else senders.route(self.address, transport)
        if route is self.route or route == self.route:
            self.route = route
            return
        if self.fill and len(self.data):
            self.drain()  # what came before belongs to the old route
        self.route, self.continued = route, None
        self.codes, self.hosts, self.otherwise = route.codes, route.names, route.otherwise

    def _hold_if_needed(self) -> None:
        """Read on, or push back: the intake is full or one of this connection's sources is over its quota."""
        if self.transport is None or self.transport.is_closing() or self.ended:
            return
        charged = self.carried if len(self.codes) > 1 else self.codes
        hold = self.intake.is_full or any(self.intake.over_quota(code) for code in charged)
        if hold and not self.held:
            self.transport.pause_reading()
        elif self.held and not hold:
            self.transport.resume_reading()
        self.held = hold
