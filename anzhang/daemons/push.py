"""What the push formats share: a request, what was read out of it, the answer, the error, and how a body is unpacked within bounds."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import orjson

from anzhang.daemons import framing

LARGEST_BODY = 16 << 20
LARGEST_UNPACKED = 48 << 20
LONGEST_LINE = 1 << 20
JSON_TYPE = "application/json"


class PushError(Exception):
    """The request is answered with an error; `headers` may say when to come back."""

    def __init__(self, status: int, code: str, message: str, **headers: str) -> None:
        """Keep status, stable code, English message, headers."""
        super().__init__(message)
        self.status, self.code, self.message, self.headers = status, code, message, headers


@dataclass(frozen=True)
class Request:
    """A request whose body is unpacked; `path` has no query and no trailing slash, header names are in small letters."""

    method: str
    path: str
    headers: Mapping[bytes, bytes]
    body: bytes = b""

    @property
    def parts(self) -> list[str]:
        """Return the path's parts."""
        return [unquote(part) for part in self.path.split("/") if part]

    def header(self, name: bytes) -> str:
        """Return a header, empty where it is missing."""
        return self.headers.get(name, b"").decode("latin-1")

    @property
    def content_type(self) -> str:
        """Return the media type without parameters."""
        return self.header(b"content-type").partition(";")[0].strip().lower()


@dataclass(frozen=True)
class Reply:
    """An answer."""

    status: int
    body: bytes = b""
    content_type: str = JSON_TYPE
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Reading:
    """What a body holds: lines in one framing, how many, and the answer once they are on disk (`Stored`)."""

    block: bytes
    lines: int
    answer: Callable[[Stored], Reply]
    framing: int = framing.NEWLINE


@dataclass(frozen=True)
class Stored:
    """The lines are on disk, or were before under the same key."""

    record: int
    duplicate: bool


def plain_error(_request: Request, error: PushError) -> Reply:
    """Return an error as this program words it."""
    return json_reply({"error": {"code": error.code, "message": error.message}}, error.status, error.headers)


@dataclass(frozen=True)
class Endpoint:
    """An address: `read` takes lines out of a body, `reply` answers what carries none; errors in the words of the protocol."""

    read: Callable[[Request], Reading] | None = None
    reply: Callable[[Request], Reply] | None = None
    error: Callable[[Request, PushError], Reply] = plain_error
    headers: Mapping[str, str] = field(default_factory=dict)
    open: bool = False  # asks for no token


def json_reply(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """Return a value as JSON."""
    return Reply(status, orjson.dumps(value), headers=headers or {})


def unpack(body: bytes, encoding: str) -> bytes:
    """Return a body without its Content-Encoding. Raises PushError for an unknown one, a broken or an exploding body."""
    for name in reversed([name.strip().lower() for name in encoding.split(",") if name.strip()]):
        if name in {"gzip", "x-gzip"}:
            body = _inflate(body, 31)
        elif name == "deflate":
            body = _inflate(body, 15)
        elif name != "identity":
            message = f"Content-Encoding {name} is not known; send gzip, deflate or none"
            raise PushError(415, "encoding_not_supported", message, **{"Accept-Encoding": "gzip, deflate"})
    return body


def too_large() -> PushError:
    """Return the error of a body that unpacks to too much."""
    return PushError(413, "body_too_large", f"a request unpacks to at most {LARGEST_UNPACKED} bytes; send smaller batches")


def _inflate(body: bytes, window: int) -> bytes:
    """Unpack, members one after the other, never holding more than the limit."""
    parts, size = [], 0
    while body:
        one = zlib.decompressobj(window)
        try:
            parts.append(one.decompress(body, LARGEST_UNPACKED - size + 1))
        except zlib.error as error:
            raise PushError(400, "bad_encoding", f"the body does not unpack: {error}; nothing was stored") from error
        size += len(parts[-1])
        if size > LARGEST_UNPACKED or one.unconsumed_tail:
            raise too_large()
        if not one.eof:
            raise PushError(400, "bad_encoding", "the packed body ends too early; nothing was stored")
        body = one.unused_data
    return b"".join(parts)


def check_length(line: bytes, number: int) -> None:
    """Raise PushError when a line is too long."""
    if len(line) > LONGEST_LINE:
        raise PushError(413, "line_too_long", f"line {number} has {len(line)} bytes, at most {LONGEST_LINE}; nothing was stored")


def counted(messages: Sequence[bytes]) -> bytes:
    """Return messages as counted frames: a message may hold line ends."""
    return b"".join(b"%d %b" % (len(message), message) for message in messages if message)
