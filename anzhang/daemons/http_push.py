"""Log push over HTTP that answers only when the lines are on disk, in the formats that shippers speak.

    POST /ingest/json              our own: JSON lines or an array
    POST /_bulk, /INDEX/_bulk ...  Elasticsearch (Filebeat, Logstash, Vector, Fluent Bit, client libraries)
    POST /loki/api/v1/push         Loki (promtail, Alloy, Vector, Fluent Bit)
    POST /v1/logs                  OTLP (OpenTelemetry SDKs and collector)

All have one door: a token names the source (`Authorization: Bearer TOKEN`, `ApiKey` holding it, or Basic with it as the password);
quota, size limits, gzip; with an `Idempotency-Key` a repeated request is stored once, the same key with another body is 409.

Errors, each in the words of its protocol: 400 not readable or not HTTP, 401 no or wrong token, 403 address, 404, 405, 408 too slow, 409 key
reused, 411 no length, 413 too large, 415 packed in an unknown way, 429 over quota or too busy (with Retry-After), 503 the disk refuses.
h11 parses; this module only decides.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
import re
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, cast

import h11

from anzhang import clock
from anzhang.daemons import push_elasticsearch, push_json, push_loki, push_otlp, tls
from anzhang.daemons.intake import Intake
from anzhang.daemons.memory import Budget
from anzhang.daemons.push import LARGEST_BODY, Endpoint, PushError, Reading, Reply, Request, Stored, json_reply, plain_error, unpack
from anzhang.daemons.senders import Source, plain
from anzhang.engines.durable import DurabilityError
from anzhang.engines.vault import VaultFullError, WriterDeadError
from anzhang.monitoring.procedures import hash_token

log = logging.getLogger("anzhang.collector.http")

BODIES_BYTES = 128 << 20  # of all requests together
SMALL_BODY = 64 << 10  # read on the spot; a larger one on a thread of its own
LARGEST_HEADER = 16 << 10
REQUEST_SECONDS = 30.0
IDLE_SECONDS = 75.0
LINGER_SECONDS, LINGER_BYTES = 5.0, 64 << 20  # for which a refused client is heard out
MOST_CONNECTIONS = 2000
MOST_PER_ADDRESS = 1000
MOST_UNPROVED = 200  # connections that have shown no token yet; the one that has been silent longest goes first
KEY = re.compile(rb"[\x21-\x7e]{1,128}")
BUSY_SECONDS = 1
HEALTH = Endpoint(reply=lambda _request: json_reply({"status": "ok"}), open=True)
NOWHERE = Endpoint()
POSTS: Mapping[str, Endpoint] = {
    "/ingest/json": Endpoint(read=push_json.read),
    "/loki/api/v1/push": push_loki.PUSH,
    "/v1/logs": push_otlp.LOGS,
}
GETS: Mapping[str, Endpoint] = {"/healthz": HEALTH, "/ready": push_loki.READY}


def endpoint(method: str, path: str) -> Endpoint:
    """Return what stands at an address. Raises PushError 404, 405."""
    if path in GETS and method in {"GET", "HEAD"}:
        return GETS[path]
    if path in POSTS:
        if method != "POST":
            raise PushError(405, "method_not_allowed", "use POST", Allow="POST")
        return POSTS[path]
    found = push_elasticsearch.endpoint(method, Request(method, path, {}).parts)
    if found is None:
        raise PushError(404, "no_such_address", "push to POST /ingest/json, /_bulk, /loki/api/v1/push or /v1/logs")
    return found


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
    addresses: Counter[str] = field(default_factory=Counter)
    servers: list[asyncio.Server] = field(default_factory=list)
    bodies: Budget = field(default_factory=lambda: Budget(BODIES_BYTES))
    reader: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "push"))
    stopping: bool = False

    async def listen(self, host: str, port: int, files: tls.Files | None = None, *, shared: bool = False) -> None:
        """Open one listener, behind TLS where there are certificates; `shared`: other processes listen there too."""
        if files is None:
            self.servers.append(await tls.open_port(lambda: PushConnection(self), host, port, shared=shared))
            return
        self.servers.append(await tls.Door(files, lambda: PushConnection(self)).listen(host, port, shared=shared))

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
        self.reader.shutdown(wait=False, cancel_futures=True)

    def has_room(self, address: str) -> bool:
        """Whether one more connection may come in; a silent one without a token makes room for it."""
        if self.addresses[address] >= MOST_PER_ADDRESS:
            return False
        unproved = [each for each in self.connections if not each.proved]
        if len(unproved) >= MOST_UNPROVED:
            min(unproved, key=lambda each: each.came_at).cut_off()
        return len(self.connections) < MOST_CONNECTIONS

    def enter(self, connection: PushConnection) -> None:
        """Count a connection."""
        self.connections.add(connection)
        self.addresses[connection.address] += 1
        self.counters.connections = len(self.connections)

    def leave(self, connection: PushConnection) -> None:
        """Forget a connection."""
        if connection in self.connections:
            self.connections.discard(connection)
            self.addresses[connection.address] -= 1
            if not self.addresses[connection.address]:
                del self.addresses[connection.address]
        self.counters.connections = len(self.connections)


class PushConnection(asyncio.Protocol):
    """One client connection; requests are answered one after the other."""

    def __init__(self, server: PushServer) -> None:
        """Start a fresh parser."""
        self.server, self.intake = server, server.intake
        self.parser = h11.Connection(h11.SERVER, max_incomplete_event_size=LARGEST_HEADER)
        self.transport: asyncio.Transport | None = None
        self.address = ""
        self.request: h11.Request | None = None
        self.endpoint = NOWHERE
        self.source: Source | None = None
        self.proved = False  # a token was shown on this connection
        self.came_at = asyncio.get_running_loop().time()
        self.body: list[bytes] = []
        self.size = 0
        self.task: asyncio.Task[None] | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.unheard: int | None = None  # how much more is read and thrown away, once the client was refused while it was sending

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let the client in, or close at once when there is no room."""
        self.transport = cast("asyncio.Transport", transport)
        self.address = str(plain((transport.get_extra_info("peername") or ("0.0.0.0",))[0]))  # noqa: S104  # no peer: no source
        if not self.server.has_room(self.address):
            self.transport.abort()
            return
        self.server.enter(self)
        self._watch(IDLE_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:  # the protocol's signature
        """Forget the client; what it is having stored is stored."""
        self.server.leave(self)
        if self.timer is not None:
            self.timer.cancel()
        if self.task is None:
            self._drop_body()

    def cut_off(self) -> None:
        """End a connection that only takes up room."""
        if self.transport is not None:
            self.transport.abort()
        self.server.leave(self)

    def data_received(self, data: bytes) -> None:
        """Parse; one request is dealt with at a time, the rest waits in the parser."""
        if self.unheard is not None:
            self.unheard -= len(data)
            if self.transport is not None and (not data or self.unheard < 0):
                self.transport.close()
            return
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
        half_open = self.transport is not None and self.transport.get_extra_info("ssl_object") is None  # TLS has no half-open end
        return half_open and self.task is not None

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
                self._keep(bytes(event.data))
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
        self.request, self.source, self.endpoint = request, None, NOWHERE
        self._drop_body()
        self._watch(REQUEST_SECONDS)
        self.endpoint = endpoint(request.method.decode(), _path(request))
        if self.endpoint.open:
            return
        headers = dict(request.headers)
        self.source = self._authenticate(headers)
        self.proved = True
        if self.endpoint.read is not None:
            _check_headers(headers)
            self._check_room(self.source, int(headers.get(b"content-length", b"0")))
        if self.parser.they_are_waiting_for_100_continue:
            self._send(h11.InformationalResponse(status_code=100, headers=[]))

    def _keep(self, data: bytes) -> None:
        """Keep a piece of the body while there is room for it, in its own limit and in that of all together."""
        if self.size + len(data) > LARGEST_BODY:
            raise PushError(413, "body_too_large", f"a request holds at most {LARGEST_BODY} bytes; send smaller batches")
        if not self.server.bodies.take(len(data)):
            raise _busy()
        self.size += len(data)
        self.body.append(data)

    def _drop_body(self) -> None:
        self.server.bodies.give(self.size)
        self.size = 0
        self.body.clear()

    def _check_room(self, source: Source, length: int) -> None:
        now, wait = clock.now(), self.intake.quotas.wait_seconds
        if self.intake.quotas.would_pass(source, length, now):
            self.intake.over.add(source.code)
            message = f"source {source.code} may send {source.quota} bytes an hour"
            raise PushError(429, "over_quota", message, **{"Retry-After": str(wait(now))})
        if self.intake.is_full or not self.server.bodies.has(length):
            raise _busy()

    def _authenticate(self, headers: dict[bytes, bytes]) -> Source:
        token = _token(headers.get(b"authorization", b""))
        if not token:
            raise PushError(401, "no_token", "send Authorization: Bearer TOKEN", **{"WWW-Authenticate": "Bearer"})
        source = self.intake.senders.by_token(hash_token(token))
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
            reply = await self._reply()
            self._respond(reply)
        except PushError as error:
            self._answer(error)
        except (OSError, DurabilityError, VaultFullError, WriterDeadError):
            self.intake.failures += 1
            log.exception("the write-ahead file cannot be written")
            self._answer(PushError(503, "not_stored", "the lines could not be made durable; send them again", **{"Retry-After": "5"}))
        finally:
            self.task = None
            self._drop_body()
        self._next()

    async def _reply(self) -> Reply:
        """Return the answer to a whole request; where it carries lines, once they are on disk."""
        at = self.endpoint
        if self.request is None:
            raise PushError(400, "bad_request", "no request")
        request = self._whole(self.request)
        if at.reply is not None:
            return at.reply(request)
        if at.read is None or self.source is None:
            raise PushError(404, "no_such_address", "nothing stands here")
        reading = await self._read(request, at.read)
        return reading.answer(await self._store(self.source, request, reading))

    async def _read(self, request: Request, read: Callable[[Request], Reading]) -> Reading:
        """Unpack and read a body, a large or packed one on a thread, so that nobody else's connection waits for it."""

        def work() -> Reading:
            unpacked = unpack(request.body, request.header(b"content-encoding"))
            return read(Request(request.method, request.path, request.headers, unpacked))

        if len(request.body) <= SMALL_BODY and not request.header(b"content-encoding"):
            return work()
        return await asyncio.get_running_loop().run_in_executor(self.server.reader, work)

    async def _store(self, source: Source, request: Request, reading: Reading) -> Stored:
        if not reading.block:
            return Stored(0, duplicate=False)
        if self.intake.quotas.would_pass(source, len(reading.block), clock.now()) and len(reading.block) > len(request.body):
            self._check_room(source, len(reading.block))  # what was packed counts unpacked
        given = request.header(b"idempotency-key")
        key = f"http/{given}" if given else ""
        ack = await self.intake.store(source, self.address, reading.framing, reading.block, key=key, transport="http")
        if ack.conflict:
            raise PushError(409, "key_reused", "this Idempotency-Key was used for another body; nothing was stored")
        return Stored(ack.record, ack.duplicate)

    def _whole(self, request: h11.Request) -> Request:
        body = b"".join(self.body)
        self.body.clear()
        return Request(request.method.decode(), _path(request), dict(request.headers), body)

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
            request = Request("", "", dict(self.request.headers) if self.request is not None else {})
            self._respond(self._worded(request, error), {"Connection": "close"})
        self._part()

    def _part(self) -> None:
        """Close; but a client that is still sending is heard out for a while, else its kernel would throw the answer away unread."""
        if self.transport is None or self.transport.is_closing():
            return
        if self.parser.their_state in {h11.DONE, h11.MUST_CLOSE, h11.CLOSED}:
            self.transport.close()
            return
        self.unheard = LINGER_BYTES
        self._drop_body()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._watch(LINGER_SECONDS)

    def _worded(self, request: Request, error: PushError) -> Reply:
        return (self.endpoint.error if self.request is not None else plain_error)(request, error)

    def _respond(self, reply: Reply, more: Mapping[str, str] | None = None) -> None:
        fields = {**self.endpoint.headers, **reply.headers, **(more or {})}
        if reply.status != 204:
            fields |= {"Content-Type": reply.content_type, "Content-Length": str(len(reply.body))}
        self._send(h11.Response(status_code=reply.status, headers=list(fields.items())))
        if reply.body and (self.request is None or self.request.method != b"HEAD"):
            self._send(h11.Data(data=reply.body))
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
        if self.unheard is None and self.request is not None and self.parser.their_state is h11.SEND_BODY:
            self._answer(PushError(408, "too_slow", f"a request is sent within {REQUEST_SECONDS:.0f} seconds"))
        else:
            self.transport.close()


def _path(request: h11.Request) -> str:
    """Return the path without query and trailing slash."""
    return request.target.partition(b"?")[0].decode("latin-1").rstrip("/") or "/"


def _token(authorization: bytes) -> str:
    """Return the token in an Authorization header, empty where there is none."""
    scheme, _, rest = authorization.strip().partition(b" ")
    kind, given = scheme.lower(), rest.strip().decode("latin-1")
    if kind == b"bearer":
        return given
    if kind not in {b"basic", b"apikey"}:
        return ""
    try:
        _name, colon, secret = base64.b64decode(given, validate=True).decode("latin-1").partition(":")
    except (binascii.Error, ValueError):
        colon, secret = "", ""
    if colon:
        return secret
    return given if kind == b"apikey" else ""  # some clients send a key as it is


def _busy() -> PushError:
    return PushError(429, "busy", "the collector is writing what it holds; come back", **{"Retry-After": str(BUSY_SECONDS)})


def _check_headers(headers: dict[bytes, bytes]) -> None:
    """Raise PushError when the body that will follow cannot be taken."""
    length = headers.get(b"content-length")
    if length is None and b"transfer-encoding" not in headers:
        raise PushError(411, "length_required", "send Content-Length or chunks")
    if length is not None and int(length) > LARGEST_BODY:
        raise PushError(413, "body_too_large", f"a request holds at most {LARGEST_BODY} bytes; send smaller batches")
    if not KEY.fullmatch(headers.get(b"idempotency-key", b"-")):
        raise PushError(400, "bad_idempotency_key", "an Idempotency-Key is 1 to 128 printable ASCII characters")
