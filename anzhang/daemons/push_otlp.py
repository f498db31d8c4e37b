"""OpenTelemetry logs over HTTP, `POST /v1/logs`: protobuf or JSON.

Each record becomes one line (`wrap`): attributes of resource and record in structured data, the body as the message.

Source: OTLP 1.x, opentelemetry/proto/logs/v1; the JSON form writes trace and span ids in hexadecimal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import orjson
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from anzhang.daemons import framing, wrap
from anzhang.daemons.push import Endpoint, PushError, Reading, Reply, Request, Stored, check_length, counted, json_reply

PROTOBUF = "application/x-protobuf"
# the syslog severity of OTLP's 24 numbers: trace, debug, info, warn, error and fatal, four of each
SEVERITY = (7, 7, 6, 4, 3, 2)


class Record(NamedTuple):
    """One log record; `at` in nanoseconds, `severity` OTLP's number."""

    at: int
    severity: int
    body: Any
    fields: Mapping[str, Any]


def error_reply(request: Request, error: PushError) -> Reply:
    """Return an error as a google.rpc.Status in the format of the request."""
    if request.content_type != PROTOBUF:
        return json_reply({"code": 3, "message": error.message}, error.status, error.headers)
    text = error.message.encode()
    return Reply(error.status, b"\x08\x03\x12" + _varint(len(text)) + text, PROTOBUF, error.headers)


def read(request: Request) -> Reading:
    """Read an export. Raises PushError when it cannot be read; then nothing is stored."""
    binary = request.content_type == PROTOBUF
    records = _from_protobuf(request.body) if binary else _from_json(request.body)
    lines = []
    for number, record in enumerate(records, 1):
        lines.append(_line(record))
        check_length(lines[-1], number)

    def answer(_stored: Stored) -> Reply:
        return Reply(200, b"", PROTOBUF) if binary else json_reply({"partialSuccess": {}})

    return Reading(counted(lines), len(lines), answer, framing.OCTET)


LOGS = Endpoint(read=read, error=error_reply)


def _line(record: Record) -> bytes:
    fields = {key: _text(value) for key, value in record.fields.items()}
    level = SEVERITY[min(max(record.severity - 1, 0) // 4, 5)] if record.severity else wrap.severity(fields.get("severity_text", ""))
    host = wrap.first(fields, "host.name", "host.id", "k8s.node.name", "k8s.pod.name", "service.instance.id")
    app = wrap.first(fields, "service.name", "process.executable.name", "k8s.container.name")
    message = _text(record.body).encode("utf-8", "surrogatepass")
    return wrap.line("otlp", fields, message, at=record.at, severity=level, host=host, app=app, process=fields.get("process.pid", ""))


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _from_protobuf(body: bytes) -> Iterator[Record]:
    try:
        export = ExportLogsServiceRequest.FromString(body)
    except DecodeError as error:
        raise PushError(400, "bad_export", f"not an OTLP log export in protobuf: {error}; nothing was stored") from error
    for resource in export.resource_logs:
        shared = {pair.key: _value(pair.value) for pair in resource.resource.attributes}
        for scope in resource.scope_logs:
            for each in scope.log_records:
                fields = _fields(shared, scope.scope.name, each.trace_id.hex(), each.span_id.hex(), each.severity_text)
                fields |= {pair.key: _value(pair.value) for pair in each.attributes}
                yield Record(each.time_unix_nano or each.observed_time_unix_nano, each.severity_number, _value(each.body), fields)


def _from_json(body: bytes) -> Iterator[Record]:
    try:
        for resource in orjson.loads(body).get("resourceLogs", []):
            shared = _pairs(resource.get("resource", {}))
            for scope in resource.get("scopeLogs", []):
                name = scope.get("scope", {}).get("name", "")
                for each in scope.get("logRecords", []):
                    fields = _fields(shared, name, each.get("traceId", ""), each.get("spanId", ""), each.get("severityText", ""))
                    at = int(each.get("timeUnixNano") or each.get("observedTimeUnixNano") or 0)
                    yield Record(at, _severity(each.get("severityNumber", 0)), _plain(each.get("body", {})), fields | _pairs(each))
    except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise PushError(
            400, "bad_export", f"not an OTLP log export in JSON: {type(error).__name__}: {error}; nothing was stored"
        ) from error


def _fields(shared: Mapping[str, Any], scope: str, trace: str, span: str, level: str) -> dict[str, Any]:
    more = {"otel.scope.name": scope, "trace_id": trace, "span_id": span, "severity_text": level}
    return {**shared, **{key: value for key, value in more.items() if value}}


def _severity(value: Any) -> int:
    """Return a severity number; JSON may give the name of the enumeration instead."""
    if isinstance(value, int):
        return value
    names = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
    word = str(value).removeprefix("SEVERITY_NUMBER_").rstrip("234")
    return names.index(word) * 4 + 1 if word in names else 0


def _value(value: Any) -> Any:
    """Return an AnyValue as a Python value; bytes as hexadecimal digits."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    held = getattr(value, kind)
    if kind == "array_value":
        return [_value(each) for each in held.values]
    if kind == "kvlist_value":
        return {pair.key: _value(pair.value) for pair in held.values}
    return held.hex() if kind == "bytes_value" else held


def _plain(value: Mapping[str, Any]) -> Any:
    """Return an AnyValue of the JSON form as a Python value."""
    for kind, held in value.items():
        if kind == "arrayValue":
            return [_plain(each) for each in held.get("values", [])]
        if kind == "kvlistValue":
            return {pair["key"]: _plain(pair.get("value", {})) for pair in held.get("values", [])}
        return int(held) if kind == "intValue" else held
    return None


def _pairs(holder: Mapping[str, Any]) -> dict[str, Any]:
    return {pair["key"]: _plain(pair.get("value", {})) for pair in holder.get("attributes", [])}


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])
