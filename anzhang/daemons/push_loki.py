"""Loki's push, `POST /loki/api/v1/push`: JSON, or protobuf packed with snappy.

Each entry becomes one line (`wrap`): labels and structured metadata in structured data, host and application in the header.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

import cramjam
import orjson
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from anzhang.daemons import framing, wrap
from anzhang.daemons.push import (
    LARGEST_UNPACKED,
    Endpoint,
    PushError,
    Reading,
    Reply,
    Request,
    Stored,
    check_length,
    counted,
    too_large,
)  # fmt: skip

LABEL = re.compile(r'\s*([A-Za-z_:.][\w:./-]*)\s*=\s*("(?:[^"\\]|\\.)*")\s*(?:,|}|$)')
HOSTS = ("host", "hostname", "instance", "node", "nodename", "node_name", "computer")
APPS = ("app", "service_name", "service", "application", "container", "unit", "job", "syslog_identifier")
LEVELS = ("level", "detected_level", "severity", "severity_text")


class Entry(NamedTuple):
    """One log entry; `at` in nanoseconds."""

    at: int
    text: bytes
    fields: Mapping[str, str]


def error_reply(_request: Request, error: PushError) -> Reply:
    """Return an error as Loki does: as text."""
    return Reply(error.status, f"{error.message}\n".encode(), "text/plain; charset=utf-8", error.headers)


def read(request: Request) -> Reading:
    """Read a push. Raises PushError when any entry is wrong; then nothing is stored."""
    entries = _from_json(request.body) if request.content_type == "application/json" else _from_protobuf(request.body)
    lines = []
    for number, entry in enumerate(entries, 1):
        check_length(entry.text, number)
        lines.append(_line(entry))
    return Reading(counted(lines), sum(1 for line in lines if line), _done, framing.OCTET)


PUSH = Endpoint(read=read, error=error_reply)
READY = Endpoint(reply=lambda _request: Reply(200, b"ready\n", "text/plain; charset=utf-8"), open=True)


def _done(_stored: Stored) -> Reply:
    return Reply(204)


def _line(entry: Entry) -> bytes:
    fields = entry.fields
    level = wrap.severity(wrap.first(fields, *LEVELS))
    host, app = wrap.first(fields, *HOSTS), wrap.first(fields, *APPS)
    return wrap.line("loki", fields, entry.text, at=entry.at, severity=level, host=host, app=app, process=fields.get("pid", ""))


def _from_json(body: bytes) -> Iterator[Entry]:
    try:
        streams = orjson.loads(body)["streams"]
        for stream in streams:
            labels = _texts(stream.get("stream", {}))
            for value in stream["values"]:
                more = _texts(value[2]) if len(value) > 2 else {}
                yield Entry(int(value[0]), str(value[1]).encode("utf-8", "surrogatepass"), {**labels, **more})
    except (orjson.JSONDecodeError, KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
        raise PushError(400, "bad_push", f"not a Loki push in JSON: {type(error).__name__}: {error}; nothing was stored") from error


def _texts(fields: Mapping[str, Any]) -> dict[str, str]:
    return {str(key): value if isinstance(value, str) else orjson.dumps(value).decode() for key, value in fields.items()}


def _from_protobuf(body: bytes) -> Iterator[Entry]:
    try:
        if body and cramjam.snappy.decompress_raw_len(body) > LARGEST_UNPACKED:
            raise too_large()
        push = _message().FromString(bytes(cramjam.snappy.decompress_raw(body)) if body else b"")
    except (cramjam.DecompressionError, DecodeError, OverflowError) as error:
        raise PushError(400, "bad_push", f"not a Loki push in snappy and protobuf: {error}; nothing was stored") from error
    for stream in push.streams:
        labels = dict(_labels(stream.labels.decode("utf-8", "replace")))
        for entry in stream.entries:
            more = {pair.name.decode("utf-8", "replace"): pair.value.decode("utf-8", "replace") for pair in entry.metadata}
            yield Entry(entry.timestamp.seconds * 10**9 + entry.timestamp.nanos, entry.line, {**labels, **more})


def _labels(text: str) -> Iterable[tuple[str, str]]:
    """Yield the labels of `{job="varlogs", host="h1"}`. Raises PushError when it is something else."""
    place = text.find("{") + 1
    while place < len(text.rstrip().removesuffix("}")):
        found = LABEL.match(text, place)
        if found is None:
            raise PushError(400, "bad_labels", f'labels are not written {{name="value", ...}}: {text[:200]}; nothing was stored')
        try:
            yield found[1], json.loads(found[2], strict=False)
        except ValueError:
            yield found[1], found[2][1:-1]
        place = found.end()


@cache
def _message() -> Any:
    """Return the class of Loki's PushRequest; texts are bytes, so that a line in GBK comes through."""
    file = descriptor_pb2.FileDescriptorProto(name="anzhang/loki_push.proto", package="anzhang.loki", syntax="proto3")
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, (field, kind, many) in fields.items():
            label = "LABEL_REPEATED" if many else "LABEL_OPTIONAL"
            whole = isinstance(kind, str)
            message.field.add(
                name=field,
                number=number,
                label=label,
                type="TYPE_MESSAGE" if whole else kind,
                type_name=f".anzhang.loki.{kind}" if whole else None,
            )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("anzhang.loki.PushRequest"))


_BYTES, _INT64, _INT32 = (descriptor_pb2.FieldDescriptorProto.Type.Value(f"TYPE_{name}") for name in ("BYTES", "INT64", "INT32"))
MESSAGES: Mapping[str, Mapping[int, tuple[str, str | int, bool]]] = {
    "PushRequest": {1: ("streams", "Stream", True)},
    "Stream": {1: ("labels", _BYTES, False), 2: ("entries", "Entry", True)},
    "Entry": {1: ("timestamp", "Timestamp", False), 2: ("line", _BYTES, False), 3: ("metadata", "Pair", True)},
    "Timestamp": {1: ("seconds", _INT64, False), 2: ("nanos", _INT32, False)},
    "Pair": {1: ("name", _BYTES, False), 2: ("value", _BYTES, False)},
}
