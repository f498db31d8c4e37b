"""Log push over HTTP that answers only when the lines are on disk: `POST /ingest/json`.

The body is JSON lines (one value a line) or one JSON array. Each value becomes one line of the vault: a line of a JSON-lines body byte for
byte as it was sent, an array's element as compact JSON. `Authorization: Bearer TOKEN` names the source. With an
`Idempotency-Key` a repeated request is answered `"duplicate": true` and stored once; the same key with another body is 409.

Errors are `{"error": {"code", "message"}}`: 400 not JSON or not HTTP, 401 no or wrong token, 403 address, 404, 405, 408 too slow,
409 key reused, 411 no length, 413 too large, 429 over quota or too busy (with Retry-After), 503 the disk refuses.
h11 parses; this module only decides.
"""

from __future__ import annotations

import asyncio
import logging
import re
from dataclasses import dataclass, field
from typing import Any, cast

import h11
import orjson

from anzhang import clock
from anzhang.daemons import framing, tls
from anzhang.daemons.intake import Intake
from anzhang.daemons.senders import Source, plain
from anzhang.engines.durable import DurabilityError
from anzhang.engines.vault import VaultFullError, WriterDeadError
from anzhang.monitoring.procedures import hash_token

log = logging.getLogger("anzhang.collector.http")

LARGEST_BODY = 16 << 20
LONGEST_LINE = 1 << 20
LARGEST_HEADER = 16 << 10
REQUEST_SECONDS = 30.0
IDLE_SECONDS = 75.0
MOST_CONNECTIONS = 500
MOST_PER_ADDRESS = 100
KEY = re.compile(rb"[\x21-\x7e]{1,128}")
BUSY_SECONDS = 1
PATH = b"/ingest/json"


class PushError(Exception):
    """The request is answered with an error; `headers` may say when to come back."""

    def __init__(self, status: int, code: str, message: str, **headers: str) -> None:
        """Keep status, stable code, English message, headers."""
        super().__init__(message)
        self.status, self.code, self.message, self.headers = status, code, message, headers


@dataclass
class Counters:
    """What the status file shows of this receiver."""

    connections: int = 0
    requests: int = 0
    refused: dict[str, int] = field(default_factory=dict)


@dataclass
class PushServer:
    """The listener and its connections."""

    intake: Intake
    counters: Counters = field(default_factory=Counters)
    connections: set[PushConnection] = field(default_factory=set)
    servers: list[asyncio.Server] = field(default_factory=list)
    stopping: bool = False

    async def listen(self, host: str, port: int, files: tls.Files | None = None) -> None:
        """Open one listener, behind TLS where there are certificates."""
        if files is None:
            self.servers.append(await asyncio.get_running_loop().create_server(lambda: PushConnection(self), host, port, backlog=512))
            return
        self.servers.append(await tls.Door(files, lambda: PushConnection(self)).listen(host, port))

    async def close(self) -> None:
        """Stop listening; a request that is being stored gets its answer, the others are cut off."""
        self.stopping = True
        for server in self.servers:
            server.close()
        for connection in list(self.connections):
            connection.stop_if_idle()
        storing = [connection.task for connection in self.connections if connection.task is not None]
        if storing:
            await asyncio.wait(storing, timeout=10)


class PushConnection(asyncio.Protocol):
    """One client connection; requests are answered one after the other."""

    def __init__(self, server: PushServer) -> None:
        """Start a fresh parser."""
        self.server, self.intake = server, server.intake
        self.parser = h11.Connection(h11.SERVER, max_incomplete_event_size=LARGEST_HEADER)
        self.transport: asyncio.Transport | None = None
        self.address = ""
        self.request: h11.Request | None = None
        self.source: Source | None = None
        self.body: list[bytes] = []
        self.size = 0
        self.task: asyncio.Task[None] | None = None
        self.timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let the client in, or close at once when there is no room."""
        self.transport = cast("asyncio.Transport", transport)
        self.address = str(plain((transport.get_extra_info("peername") or ("0.0.0.0",))[0]))  # noqa: S104  # no peer: no source
        same = sum(1 for connection in self.server.connections if connection.address == self.address)
        if len(self.server.connections) >= MOST_CONNECTIONS or same >= MOST_PER_ADDRESS:
            self.transport.abort()
            return
        self.server.connections.add(self)
        self.server.counters.connections = len(self.server.connections)
        self._watch(IDLE_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:  # the protocol's signature
        """Forget the client; what it is having stored is stored."""
        self.server.connections.discard(self)
        self.server.counters.connections = len(self.server.connections)
        if self.timer is not None:
            self.timer.cancel()
        self.body.clear()

    def data_received(self, data: bytes) -> None:
        """Parse; one request is dealt with at a time, the rest waits in the parser."""
        try:
            self.parser.receive_data(data)
            self._advance()
        except h11.RemoteProtocolError as error:
            self._answer(PushError(error.error_status_hint, "bad_request", str(error)))
        except PushError as error:
            self._answer(error)

    def eof_received(self) -> bool:
        """Tell the parser; a half request ends here."""
        self.data_received(b"")
        return self.task is not None

    def stop_if_idle(self) -> None:
        """Close unless an answer is owed."""
        if self.task is None and self.transport is not None:
            self.transport.close()

    def _advance(self) -> None:
        while self.task is None and self.transport is not None and not self.transport.is_closing():
            event = self.parser.next_event()
            if isinstance(event, h11.Request):
                self._begin(event)
            elif isinstance(event, h11.Data):
                self.size += len(event.data)
                if self.size > LARGEST_BODY:
                    raise PushError(413, "body_too_large", f"a request holds at most {LARGEST_BODY} bytes; send smaller batches")
                self.body.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                self.transport.pause_reading()
                self.task = asyncio.get_running_loop().create_task(self._serve())
            elif isinstance(event, h11.ConnectionClosed):
                self.transport.close()
                return
            else:
                return

    def _begin(self, request: h11.Request) -> None:
        """Decide on the header alone whatever can be: nobody without a token gets to send a body."""
        self.server.counters.requests += 1
        self.request, self.source, self.size = request, None, 0
        self.body.clear()
        self._watch(REQUEST_SECONDS)
        path = request.target.partition(b"?")[0]
        if path == b"/healthz":
            return
        if path != PATH:
            raise PushError(404, "no_such_address", "push to POST /ingest/json")
        if request.method != b"POST":
            raise PushError(405, "method_not_allowed", "use POST", Allow="POST")
        headers = dict(request.headers)
        self.source = self._authenticate(headers)
        _check_headers(headers)
        self._check_room(self.source, int(headers.get(b"content-length", b"0")))
        if self.parser.they_are_waiting_for_100_continue:
            self._send(h11.InformationalResponse(status_code=100, headers=[]))

    def _check_room(self, source: Source, length: int) -> None:
        now, wait = clock.now(), self.intake.quotas.wait_seconds
        if self.intake.quotas.would_pass(source, length, now):
            self.intake.over.add(source.code)
            message = f"source {source.code} may send {source.quota} bytes an hour"
            raise PushError(429, "over_quota", message, **{"Retry-After": str(wait(now))})
        if self.intake.is_full:
            raise PushError(429, "busy", "the collector is writing what it holds; come back", **{"Retry-After": str(BUSY_SECONDS)})

    def _authenticate(self, headers: dict[bytes, bytes]) -> Source:
        scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() != b"bearer" or not token:
            raise PushError(401, "no_token", "send Authorization: Bearer TOKEN", **{"WWW-Authenticate": "Bearer"})
        source = self.intake.senders.by_token(hash_token(token.strip().decode("latin-1")))
        if source is None:
            log.warning("wrong token from %s", self.address)
            raise PushError(401, "wrong_token", "this token belongs to no active log source", **{"WWW-Authenticate": "Bearer"})
        peer = plain(self.address)
        if source.networks and not any(net.version == peer.version and peer in net for net in source.networks):
            log.warning("source %s: token used from %s, which is not registered for it", source.code, self.address)
            raise PushError(403, "wrong_address", f"source {source.code} does not send from {self.address}")
        return source

    async def _serve(self) -> None:
        try:
            if self.source is None:
                self._respond(200, {"status": "ok"})
            else:
                self._respond(200, await self._store(self.source))
        except PushError as error:
            self._answer(error)
        except (OSError, DurabilityError, VaultFullError, WriterDeadError):
            self.intake.failures += 1
            log.exception("the write-ahead file cannot be written")
            self._answer(PushError(503, "not_stored", "the lines could not be made durable; send them again", **{"Retry-After": "5"}))
        finally:
            self.task = None
        self._next()

    async def _store(self, source: Source) -> dict[str, Any]:
        raw = b"".join(self.body)
        self.body.clear()
        request = self.request
        block, count = lines_of(raw)
        if count == 0:
            return {"lines": 0, "duplicate": False}
        given = dict(request.headers).get(b"idempotency-key", b"").decode("ascii") if request is not None else ""
        key = f"http/{given}" if given else ""
        ack = await self.intake.store(source, self.address, framing.NEWLINE, block, key=key, transport="http")
        if ack.conflict:
            raise PushError(409, "key_reused", "this Idempotency-Key was used for another body; nothing was stored")
        return {"lines": count, "duplicate": ack.duplicate}

    def _next(self) -> None:
        """Go on with the connection: the next request that may already be in the parser, or close."""
        if self.transport is None or self.transport.is_closing():
            return
        if self.server.stopping or self.parser.our_state is not h11.DONE or self.parser.their_state is not h11.DONE:
            self.transport.close()
            return
        self.parser.start_next_cycle()
        self._watch(IDLE_SECONDS)
        self.transport.resume_reading()
        self.data_received(b"") if self.parser.trailing_data[1] else self._retry()

    def _retry(self) -> None:
        try:
            self._advance()
        except h11.RemoteProtocolError as error:
            self._answer(PushError(error.error_status_hint, "bad_request", str(error)))
        except PushError as error:
            self._answer(error)

    def _answer(self, error: PushError) -> None:
        """Send an error and close: what is left of a refused body must not be taken for a request."""
        refused = self.server.counters.refused
        refused[error.code] = refused.get(error.code, 0) + 1
        if self.parser.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            self._respond(error.status, {"error": {"code": error.code, "message": error.message}}, {**error.headers, "Connection": "close"})
        if self.transport is not None:
            self.transport.close()

    def _respond(self, status: int, value: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        body = orjson.dumps(value)
        fields = {"Content-Type": "application/json", "Content-Length": str(len(body)), **(headers or {})}
        self._send(h11.Response(status_code=status, headers=list(fields.items())))
        self._send(h11.Data(data=body))
        self._send(h11.EndOfMessage())

    def _send(self, event: Any) -> None:
        data = self.parser.send(event)
        if data and self.transport is not None and not self.transport.is_closing():
            self.transport.write(data)

    def _watch(self, seconds: float) -> None:
        if self.timer is not None:
            self.timer.cancel()
        self.timer = asyncio.get_running_loop().call_later(seconds, self._too_slow)

    def _too_slow(self) -> None:
        if self.task is not None or self.transport is None:
            return
        if self.request is not None and self.parser.their_state is h11.SEND_BODY:
            self._answer(PushError(408, "too_slow", f"a request is sent within {REQUEST_SECONDS:.0f} seconds"))
        else:
            self.transport.close()


def _check_headers(headers: dict[bytes, bytes]) -> None:
    """Raise PushError when the body that will follow cannot be taken."""
    if b"content-encoding" in headers:
        raise PushError(415, "encoding_not_supported", "send the body without Content-Encoding")
    length = headers.get(b"content-length")
    if length is None and b"transfer-encoding" not in headers:
        raise PushError(411, "length_required", "send Content-Length or chunks")
    if length is not None and int(length) > LARGEST_BODY:
        raise PushError(413, "body_too_large", f"a request holds at most {LARGEST_BODY} bytes; send smaller batches")
    if not KEY.fullmatch(headers.get(b"idempotency-key", b"-")):
        raise PushError(400, "bad_idempotency_key", "an Idempotency-Key is 1 to 128 printable ASCII characters")


def lines_of(raw: bytes) -> tuple[bytes, int]:
    """Return the body as newline-framed lines and their number; blank lines of a JSON-lines body are left out.

    Raises PushError naming the line that is no JSON or is too long.
    """
    if raw.lstrip()[:1] == b"[":
        try:
            values = orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            raise PushError(400, "bad_json", f"the array is not JSON: {error}") from error
        lines = [orjson.dumps(value) for value in values]
    else:
        lines = [line for line in raw.split(b"\n") if line.strip()]
        for number, line in enumerate(lines, 1):
            try:
                orjson.loads(line)
            except orjson.JSONDecodeError as error:
                raise PushError(400, "bad_json", f"line {number} is not JSON: {error}; nothing was stored") from error
    for number, line in enumerate(lines, 1):
        if len(line) > LONGEST_LINE:
            raise PushError(413, "line_too_long", f"line {number} has {len(line)} bytes, at most {LONGEST_LINE}; nothing was stored")
    return b"".join(line + b"\n" for line in lines), len(lines)
