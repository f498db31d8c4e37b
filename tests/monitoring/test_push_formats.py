"""Elasticsearch, Loki and OTLP, each with a client that the world uses; and what a hostile body may not do."""

from __future__ import annotations

import base64
import gzip
import http.client
import json
import logging
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import cramjam
import logging_loki
import pytest
from elasticsearch import Elasticsearch, helpers
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource

from anzhang.daemons import push, push_loki, wrap
from tests.monitoring.installation import Installation
from tests.monitoring.stage import OTHER_TOKEN, QUOTA, TOKEN

NS = 1_795_000_000_123_456_789


def send(
    shared: Installation, path: str, body: bytes = b"", *, method: str = "POST", content: str = "application/json", **headers: str
) -> tuple[int, bytes, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", shared.http, timeout=30)
    try:
        given = {"Authorization": f"Bearer {TOKEN}", "Content-Type": content, **{k.replace("_", "-"): v for k, v in headers.items()}}
        connection.request(method, path, body, given)
        response = connection.getresponse()
        return response.status, response.read(), dict(response.headers)
    finally:
        connection.close()


def messages(shared: Installation) -> list[bytes]:
    """Return the lines of the push source, without the lengths of counted frames."""
    return [frame.partition(b" ")[2] if frame[:1].isdigit() else frame for frame in shared.received("PUSH")]


@pytest.fixture
def client(shared: Installation) -> Iterator[Elasticsearch]:
    with Elasticsearch(f"http://127.0.0.1:{shared.http}", api_key=("anzhang", TOKEN)) as made:
        yield made


def test_the_elasticsearch_client_delivers_in_bulk(shared: Installation, client: Elasticsearch) -> None:
    assert client.info()["version"]["number"]
    documents = [{"@timestamp": "2026-11-24T09:30:00Z", "message": f"业务受理成功 {number}", "n": number} for number in range(5000)]
    done, failed = helpers.bulk(client, ({"_op_type": "create", "_index": "logs-sbhx", "_source": each} for each in documents))
    assert (done, failed) == (5000, [])
    stored = [json.loads(line) for line in messages(shared) if line.startswith(b'{"@timestamp"')]
    assert stored == documents


def test_a_bad_document_fails_alone(shared: Installation, client: Elasticsearch) -> None:
    with pytest.raises(helpers.BulkIndexError) as raised:
        helpers.bulk(client, [{"_index": "i", "_source": {"alone": 1}}, {"_op_type": "delete", "_index": "i", "_id": "7"}])
    assert [error["delete"]["status"] for error in raised.value.errors] == [400]
    body = b'{"index":{}}\n{"alone": 2}\n{"index":{"_id":"a"}}\nnot json\n{"create":{}}\n[1]\n{"update":{"_id":"b"}}\n{"doc":{}}\n'
    status, answer, headers = send(shared, "/logs/_bulk", body, content="application/x-ndjson")
    items = json.loads(answer)["items"]
    assert (status, json.loads(answer)["errors"], headers["X-Elastic-Product"]) == (200, True, "Elasticsearch")
    assert [next(iter(item.values()))["status"] for item in items] == [201, 400, 400, 400]
    assert items[0]["index"]["_index"] == "logs"
    assert {b'{"alone":1}\n', b'{"alone": 2}\n'} <= set(messages(shared))


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 200),
        ("HEAD", "/", 200),
        ("GET", "/_license", 200),
        ("GET", "/_xpack", 200),
        ("GET", "/_cluster/health?timeout=5s", 200),
        ("HEAD", "/_index_template/filebeat", 404),
        ("PUT", "/_index_template/filebeat", 200),
        ("GET", "/_ilm/policy/filebeat", 404),
        ("PUT", "/_ilm/policy/filebeat", 200),
        ("PUT", "/_component_template/logs", 200),
        ("PUT", "/_data_stream/filebeat", 200),
        ("HEAD", "/logs-sbhx", 404),
        ("PUT", "/logs-sbhx", 200),
    ],
)
def test_shippers_get_the_answers_they_ask_for_first(shared: Installation, method: str, path: str, status: int) -> None:
    got, body, headers = send(shared, path, b"{}" if method == "PUT" else b"", method=method)
    assert (got, headers["X-Elastic-Product"]) == (status, "Elasticsearch")
    assert (body == b"") == (method == "HEAD")
    if method == "PUT":
        assert json.loads(body)["acknowledged"] is True


def test_single_documents_and_every_way_to_show_the_token(shared: Installation, client: Elasticsearch) -> None:
    assert client.index(index="audit", document={"single": "单条"})["result"] == "created"
    assert '{"single":"单条"}\n'.encode() in messages(shared)
    pair = base64.b64encode(f"any:{TOKEN}".encode()).decode()
    for shown in (f"Basic {pair}", f"ApiKey {pair}", f"ApiKey {TOKEN}", f"bearer {TOKEN}"):
        assert send(shared, "/_bulk", b'{"index":{}}\n{"w":1}\n', Authorization=shown)[0] == 200
    for shown in ("Basic !!", "ApiKey bm9jb2xvbg==", "Digest x", f"Basic {base64.b64encode(b'any:azs_wrong').decode()}"):
        status, body, _ = send(shared, "/_bulk", b'{"index":{}}\n{"w":1}\n', Authorization=shown)
        assert (status, json.loads(body)["status"]) == (401, 401)


def test_an_idempotency_key_holds_for_every_format(shared: Installation) -> None:
    loki = json.dumps({"streams": [{"stream": {"app": "once"}, "values": [[str(NS), "loki once"]]}]}).encode()
    for path, body in (("/_bulk", b'{"index":{}}\n{"es":"once"}\n'), ("/loki/api/v1/push", loki)):
        first = send(shared, path, body, Idempotency_Key=f"once {path}".replace(" ", "-"))
        again = send(shared, path, body, Idempotency_Key=f"once {path}".replace(" ", "-"))
        assert first[:2] == again[:2]
        assert first[0] in {200, 204}
        assert send(shared, path, body.replace(b"once", b"more"), Idempotency_Key=f"once-{path}")[0] == 409
    assert sum(b'{"es":"once"}' in line for line in messages(shared)) == 1
    assert sum(line.endswith(b" loki once") for line in messages(shared)) == 1


def test_a_loki_client_library_delivers(shared: Installation) -> None:
    handler = logging_loki.LokiHandler(
        url=f"http://127.0.0.1:{shared.http}/loki/api/v1/push",
        tags={"app": "jyfw", "host": "jyapp01"},
        auth=("anzhang", TOKEN),
        version="1",
    )
    log = logging.getLogger("tests.loki")
    log.propagate = False
    log.addHandler(handler)
    try:
        for number in range(50):
            log.warning("就业登记 完成 %d", number)
    finally:
        log.removeHandler(handler)
        handler.close()
    lines = [line for line in messages(shared) if "就业登记 完成".encode() in line]
    assert [line.rpartition(b" ")[2] for line in lines] == [b"%d" % number for number in range(50)]
    assert lines[0].startswith(b"<12>1 20")
    assert b" jyapp01 jyfw - - [loki@32473 " in lines[0]


def test_loki_in_json_keeps_labels_metadata_and_nanoseconds(shared: Installation) -> None:
    entry = [str(NS), "两行\n正文", {"trace": 'quo"te\\ ]'}]
    body = {"streams": [{"stream": {"job": "sbhx", "host": "sb app", "level": "error"}, "values": [entry]}]}
    assert send(shared, "/loki/api/v1/push", gzip.compress(json.dumps(body).encode()), Content_Encoding="gzip")[:2] == (204, b"")
    expected = (
        '<11>1 2026-11-18T11:06:40.123456Z sb_app sbhx - - [loki@32473 job="sbhx" host="sb app" level="error" '
        f'trace="quo\\"te\\\\ \\]" time_ns="{NS}"] 两行\n正文'
    )
    assert datetime.fromtimestamp(NS // 10**9, UTC).isoformat() == "2026-11-18T11:06:40+00:00"
    assert expected.encode() in messages(shared)


def test_loki_in_protobuf_takes_lines_in_gbk_and_leaves_syslog_lines_alone(shared: Installation) -> None:
    request: Any = push_loki._message()()
    stream = request.streams.add(labels=b'{job="varlogs", host="h1", odd="a\\"b"}')
    auth = b"Nov 24 09:30:00 sbapp01 sshd[77]: Accepted password for liming from 10.1.2.3 port 22 ssh2"
    for line in (auth, "社会保险".encode("gbk")):
        entry = stream.entries.add(line=line)
        entry.timestamp.seconds, entry.timestamp.nanos = divmod(NS // 1000 * 1000, 10**9)
    packed = bytes(cramjam.snappy.compress_raw(request.SerializeToString()))
    assert send(shared, "/loki/api/v1/push", packed, content="application/x-protobuf")[0] == 204
    assert auth in messages(shared)
    (gbk,) = [line for line in messages(shared) if "社会保险".encode("gbk") in line]
    assert b' h1 varlogs - - [loki@32473 job="varlogs" host="h1" odd="a\\"b"] ' in gbk


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_opentelemetry_sdk_delivers(shared: Installation) -> None:
    provider = LoggerProvider(resource=Resource.create({"service.name": "sbhx", "host.name": "sbapp01", "process.pid": 77}))
    exporter = OTLPLogExporter(f"http://127.0.0.1:{shared.http}/v1/logs", headers={"Authorization": f"Bearer {TOKEN}"})
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
    log = logging.getLogger("tests.otlp")
    handler = LoggingHandler(logger_provider=provider)
    log.propagate = False
    log.addHandler(handler)
    try:
        for number in range(200):
            log.error("查询失败 %d", number, extra={"unit": "社保处"})
        provider.shutdown()
    finally:
        log.removeHandler(handler)
    lines = [line for line in messages(shared) if "查询失败".encode() in line]
    assert [line.rpartition(b" ")[2] for line in lines] == [b"%d" % number for number in range(200)]
    assert lines[0].startswith(b"<11>1 ")
    assert b" sbapp01 sbhx 77 - [otlp@32473 " in lines[0]
    assert 'unit="社保处"'.encode() in lines[0]


def test_otlp_in_json_keeps_bodies_of_every_kind(shared: Installation) -> None:
    body = {"kvlistValue": {"values": [{"key": "行", "value": {"arrayValue": {"values": [{"intValue": "7"}, {"boolValue": True}, {}]}}}]}}
    record = {
        "timeUnixNano": str(NS),
        "severityNumber": "SEVERITY_NUMBER_FATAL2",
        "body": body,
        "traceId": "5b8efff798038103d269b633813fc60c",
    }
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "jyfw"}}]}
    export = {"resourceLogs": [{"resource": resource, "scopeLogs": [{"scope": {"name": "s"}, "logRecords": [record]}]}]}
    assert send(shared, "/v1/logs", json.dumps(export).encode())[:2] == (200, b'{"partialSuccess":{}}')
    (line,) = [line for line in messages(shared) if b"5b8efff798038103d269b633813fc60c" in line]
    assert line.startswith(b"<10>1 2026-11-18T11:06:40.123456Z - jyfw - - [otlp@32473 ")
    assert line.endswith('] {"行":[7,true,null]}'.encode())


BOMB = zlib.compressobj(9, zlib.DEFLATED, 31)
BOMB_BYTES = BOMB.compress(bytes(1 << 20) * 200) + BOMB.flush()


@pytest.mark.parametrize(
    ("path", "body", "content", "encoding", "status"),
    [
        ("/_bulk", BOMB_BYTES, "application/x-ndjson", "gzip", 413),
        ("/loki/api/v1/push", BOMB_BYTES, "application/json", "gzip", 413),
        ("/v1/logs", BOMB_BYTES, "application/x-protobuf", "gzip", 413),
        ("/ingest/json", gzip.compress(BOMB_BYTES, mtime=0), "application/json", "gzip, gzip", 413),
        ("/loki/api/v1/push", b"\xff\xff\xff\xff\x0f" + b"\0" * 20, "application/x-protobuf", "", 413),
        ("/loki/api/v1/push", b"\x05garbage", "application/x-protobuf", "", 400),
        ("/loki/api/v1/push", b'{"streams": [{"stream": {}, "values": [["x", "y"]]}]}', "application/json", "", 400),
        ("/loki/api/v1/push", b"[]", "application/json", "", 400),
        ("/v1/logs", b"\xff\xff\xff", "application/x-protobuf", "", 400),
        ("/v1/logs", b'{"resourceLogs": 7}', "application/json", "", 400),
        ("/_bulk", b"not an action\n{}\n", "application/x-ndjson", "", 400),
        ("/_bulk", b'{"index":{}}\n', "application/x-ndjson", "", 400),
        ("/_bulk", gzip.compress(b'{"index":{}}\n{"cut":1}\n', mtime=0)[:-9], "application/x-ndjson", "gzip", 400),
    ],
)
def test_hostile_and_broken_bodies_are_refused_whole(
    shared: Installation, path: str, body: bytes, content: str, encoding: str, status: int
) -> None:
    before = len(shared.received("PUSH"))
    got, answer, _ = send(shared, path, body, content=content, **({"Content_Encoding": encoding} if encoding else {}))
    assert got == status, answer
    assert answer
    assert len(shared.received("PUSH")) == before


def test_what_unpacks_past_the_quota_is_refused(shared: Installation) -> None:
    lines = b"".join(b'{"index":{}}\n{"x":"%s"}\n' % (b"y" * 500) for _ in range(QUOTA // 400))
    status, body, headers = send(shared, "/_bulk", gzip.compress(lines), Authorization=f"Bearer {OTHER_TOKEN}", Content_Encoding="gzip")
    assert (status, json.loads(body)["error"]["type"]) == (429, "over_quota")
    assert int(headers["Retry-After"]) >= 1
    assert push.LARGEST_UNPACKED > QUOTA


def test_a_line_with_a_header_of_its_own_is_known_by_it() -> None:
    for headed in (b"<13>x", b"Nov  4 09:30:00 h sshd: x", b"2026-11-24T09:30:00.1+08:00 h app[1]: x"):
        assert wrap.line("loki", {"a": "b"}, headed, at=NS) == headed
    for bare in (b"", b"2026-11-24T09:30:00Z level=info x", b"Nov tember", b"{}"):
        assert wrap.line("loki", {"a": "b"}, bare, at=0) == b'<14>1 - - - - - [loki@32473 a="b"] ' + bare
