"""RELP: syslog whose every message is answered, and only when it is on disk.

1. `open` by a registered sender is answered with what we speak; anybody else gets a refusal that says so and is noted in the quarantine.
2. The `syslog` frames that arrived together become one block per source, one fdatasync for all; then each is answered `200 OK`.
3. While a block is being written the connection is not read, so a sender that ignores its window holds up nobody but itself; nor
   is it read while it does not take our answers, while its source is over its quota, or while the intake is full.
4. When the disk refuses, nothing is answered and the session ends: the sender keeps what it was not answered for and comes again.

At least once: a sender that we answered but that was cut off before it heard will send those messages again, under new numbers, and RELP
carries nothing by which the second copy could be told from a line that was logged twice. Both are kept.

Source: the RELP description of librelp (version 0); Art. 29.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import cast

import numpy as np

from anzhang import clock
from anzhang.daemons import framing, tls
from anzhang.daemons.intake import Intake
from anzhang.daemons.senders import Route, plain
from anzhang.engines.durable import DurabilityError
from anzhang.engines.vault import VaultFullError, WriterDeadError
from anzhang.monitoring.models import LogSource

log = logging.getLogger("anzhang.collector.relp")

TRANSPORT = str(LogSource.Transport.RELP)
HEADER = re.compile(rb"([0-9]{1,9}) ([A-Za-z]{1,32}) ([0-9]{1,9})([ \n])")
LONGEST_HEADER = 64
LONGEST = 1 << 20  # bytes of a frame's data
UNFINISHED_SECONDS = 60.0  # for a frame that began
SILENT_SECONDS = 30.0  # before `open`
TICK_SECONDS = 0.05
MOST_CONNECTIONS = 2000
MOST_PER_ADDRESS = 1000
OFFERS = b"200 OK\nrelp_version=0\nrelp_software=anzhang\ncommands=syslog"
OK = b"200 OK"
SERVER_CLOSE = b"0 serverclose 0\n"


BEGUN = re.compile(rb"[0-9]{1,9}(?: (?:[A-Za-z]{1,32}(?: (?:[0-9]{1,9})?)?)?)?")  # a header that may yet become whole


class FrameError(Exception):
    """What arrived is no RELP frame; the session ends."""


@dataclass(frozen=True)
class Frame:
    """One frame; `end` is where the next begins."""

    number: bytes
    command: bytes
    data: bytes
    end: int


def next_frame(buffer: bytearray, place: int) -> Frame | None:
    """Return the frame at `place`, None when it is not all there. Raises FrameError."""
    head = HEADER.match(buffer, place, place + LONGEST_HEADER)
    if head is None:
        if place < len(buffer) and not BEGUN.fullmatch(buffer, place):
            raise FrameError("not a frame")
        return None
    length, ended = int(head[3]), head[4] == b"\n"
    if length > LONGEST:
        raise FrameError(f"a frame of {length} bytes")
    if length and ended:
        raise FrameError("a frame without the data it speaks of")
    end = head.end() + (0 if ended else length + 1)
    if end > len(buffer):
        return None
    if buffer[end - 1] != 10:
        raise FrameError("a frame does not end where it says")
    return Frame(head[1], head[2], bytes(buffer[head.end() : head.end() + length]), end)


@dataclass
class Counters:
    """What the status file shows of this receiver."""

    connections: int = 0
    messages: int = 0
    turned_away: int = 0
    broken: int = 0
    refused: dict[str, int] = field(default_factory=dict)


@dataclass
class RelpServer:
    """All listeners and sessions."""

    intake: Intake
    counters: Counters = field(default_factory=Counters)
    sessions: set[Session] = field(default_factory=set)
    addresses: Counter[str] = field(default_factory=Counter)
    servers: list[asyncio.Server] = field(default_factory=list)

    async def listen(self, host: str, port: int, files: tls.Files | None = None, *, shared: bool = False) -> None:
        """Open one listener, behind TLS where there are certificates; `shared`: other processes listen there too."""
        if files is None:
            self.servers.append(await tls.open_port(lambda: Session(self), host, port, shared=shared))
            return
        door = tls.Door(files, lambda: Session(self, secure=True), self.refuse)
        self.servers.append(await door.listen(host, port, shared=shared))

    async def run(self) -> None:
        """Let held-back sessions go on and end unfinished ones, until cancelled."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            for session in list(self.sessions):
                session.tick()

    async def close(self) -> None:
        """Stop listening; what is being stored is answered, then every session ends."""
        for server in self.servers:
            server.close()
        storing = [session.task for session in self.sessions if session.task is not None]
        if storing:
            await asyncio.wait(storing, timeout=10)
        for session in list(self.sessions):
            session.end(SERVER_CLOSE)

    def refuse(self, address: str, why: str) -> None:
        """Count a sender that was not let in."""
        self.counters.refused[why] = self.counters.refused.get(why, 0) + 1
        self.intake.refuse(address, why, TRANSPORT)


class Session(asyncio.Protocol):
    """One sender's session."""

    def __init__(self, server: RelpServer, *, secure: bool = False) -> None:
        """Start before `open`."""
        self.server, self.intake, self.secure = server, server.intake, secure
        self.transport: asyncio.Transport | None = None
        self.address, self.names = "", frozenset[str]()
        self.buffer = bytearray()
        self.opened = self.ended = self.clogged = self.held = self.last = False
        self.since = time.monotonic()
        self.task: asyncio.Task[None] | None = None
        self.carried: set[str] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let the sender in, or close at once when there is no room."""
        self.transport = cast("asyncio.Transport", transport)
        self.address = str(plain((transport.get_extra_info("peername") or ("0.0.0.0",))[0]))  # noqa: S104  # no peer: no source
        self.names = tls.peer_names(transport)
        server = self.server
        if len(server.sessions) >= MOST_CONNECTIONS or server.addresses[self.address] >= MOST_PER_ADDRESS:
            server.counters.turned_away += 1
            self.transport.abort()
            return
        server.sessions.add(self)
        server.addresses[self.address] += 1
        server.counters.connections = len(server.sessions)

    def connection_lost(self, exc: Exception | None) -> None:  # the protocol's signature
        """Forget the session; what is being stored is stored."""
        self.ended = True
        server = self.server
        if self in server.sessions:
            server.sessions.discard(self)
            server.addresses[self.address] -= 1
            if not server.addresses[self.address]:
                del server.addresses[self.address]
            server.counters.connections = len(server.sessions)
        self.buffer.clear()

    def data_received(self, data: bytes) -> None:
        """Take frames; one block is stored at a time, the rest waits."""
        self.buffer += data
        self._advance()

    def eof_received(self) -> bool:
        """Keep the transport until what was received is answered."""
        self.last = True
        return self.task is not None and not self.secure

    def pause_writing(self) -> None:
        """Read no more from a sender that does not take our answers."""
        self.clogged = True
        self._hold_if_needed()

    def resume_writing(self) -> None:
        """Go on: the sender took them."""
        self.clogged = False
        self._hold_if_needed()

    def tick(self) -> None:
        """Go on where the reason to wait is gone; end a session that began a frame, or nothing, long ago."""
        if self.ended:
            return
        waited = time.monotonic() - self.since
        idle = self.task is None and not self.held and not self.clogged
        if idle and ((self.buffer and waited > UNFINISHED_SECONDS) or (not self.opened and waited > SILENT_SECONDS)):
            self._break("unfinished frame" if self.buffer else "no open")
            return
        self._hold_if_needed()
        if self.buffer and not self.held and self.task is None:
            self._advance()

    def end(self, last: bytes = b"") -> None:
        """Send last words and close."""
        if not self.ended and self.transport is not None:
            self.ended = True
            self.transport.write(last)
            self.transport.close()

    def _advance(self) -> None:
        """Deal with every complete frame in the buffer."""
        if self.task is not None or self.held or self.ended:
            self._hold_if_needed()
            return
        try:
            numbers, messages = self._frames()
        except FrameError as error:
            self._break(str(error))
            return
        if numbers:
            self.task = asyncio.get_running_loop().create_task(self._store(numbers, messages))
        self._hold_if_needed()

    def _frames(self) -> tuple[list[bytes], list[bytes]]:
        """Take the frames up to the first that is no `syslog` behind one that is; answer the others at once. Raises FrameError."""
        numbers: list[bytes] = []
        messages: list[bytes] = []
        place = 0
        while not self.ended and (frame := next_frame(self.buffer, place)) is not None:
            if frame.command == b"syslog":
                if not self.opened:
                    raise FrameError("syslog before open")
                numbers.append(frame.number)
                messages.append(frame.data)
            elif numbers:
                break  # answered in its turn
            else:
                self._answer(frame.number, frame.command)
            place = frame.end
        if place:
            del self.buffer[:place]
            self.since = time.monotonic()
        return numbers, messages

    def _answer(self, number: bytes, command: bytes) -> None:
        if command == b"open":
            if not self._route().is_known:
                self.server.refuse(self.address, "certificate_unregistered" if self.secure else "unregistered_relp")
                self._say(number, b"500 this sender is not registered as a log source")
                self.end(SERVER_CLOSE)
                return
            self.opened = True
            self._say(number, OFFERS)
        elif command == b"close":
            self._say(number, b"")
            self.end(SERVER_CLOSE)
        else:
            self._say(number, b"500 command not supported")

    def _say(self, number: bytes, words: bytes) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(b"%b rsp %d%b%b\n" % (number, len(words), b" " if words else b"", words))

    async def _store(self, numbers: list[bytes], messages: list[bytes]) -> None:
        """Make a block durable and answer its frames."""
        try:
            await self._keep([message for message in messages if message])
        except (OSError, DurabilityError, VaultFullError, WriterDeadError):
            self.intake.failures += 1
            log.exception("the write-ahead file cannot be written; the session ends unanswered")
            self.end()
            return
        finally:
            self.task = None
        self.server.counters.messages += len(messages)
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(b"".join(b"%b rsp 6 200 OK\n" % number for number in numbers))
        self._advance()
        if self.last and self.task is None:
            self.end()

    async def _keep(self, messages: list[bytes]) -> None:
        if not messages:
            return
        route, blocks = self._route(), {}
        wire, cuts = framing.counted(messages)
        if route.is_known and not route.hosts:
            blocks[route.codes[0]] = wire
        else:
            blocks = self._by_host(route, np.frombuffer(wire, np.uint8), cuts)
        sources = self.intake.senders.sources
        known = [(sources[code], block) for code, block in blocks.items() if code in sources and block]
        self.carried.update(source.code for source, _ in known)
        stores = (self.intake.store(source, self.address, framing.OCTET, block, transport=TRANSPORT) for source, block in known)
        await asyncio.gather(*stores)

    def _by_host(self, route: Route, data: framing.Bytes, cuts: framing.Cut) -> dict[str, bytes]:
        """Return the frames by source; those of no source go to the quarantine."""
        numbers = route.names.number(data, cuts, route.otherwise)
        blocks = {}
        for number in np.unique(numbers).tolist():
            block = framing.gather(data, cuts, numbers == number)
            if number == framing.UNKNOWN:
                self.intake.quarantine(self.address, "unknown_host" if route.is_known else "unregistered_relp", block, clock.now())
            else:
                blocks[route.codes[number]] = block
        return blocks

    def _route(self) -> Route:
        senders = self.intake.senders
        return (
            senders.by_certificate(self.names, self.address, TRANSPORT)
            if self.secure
            else senders.route(self.address, TRANSPORT)
        )  # fmt: skip

    def _break(self, why: str) -> None:
        """End a session that does not speak RELP."""
        self.server.counters.broken += 1
        log.warning("relp: %s: %s", self.address, why)
        self.ended = True
        if self.transport is not None:
            self.transport.abort()

    def _hold_if_needed(self) -> None:
        if self.transport is None or self.transport.is_closing() or self.ended:
            return
        held = self.clogged or self.intake.is_full or any(self.intake.over_quota(code) for code in self.carried)
        if held or self.task is not None:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()
        self.held = held
