"""Log push over HTTP: what is acknowledged is stored once, what is wrong gets an error that says so."""

from __future__ import annotations

import http.client
import json
import socket
import time
from typing import Any

import pytest

from tests.monitoring.installation import Installation
from tests.monitoring.pushing import Answer, push
from tests.monitoring.stage import OTHER_TOKEN, QUOTA, TOKEN


@pytest.fixture
def pushed(shared: Installation) -> Installation:
    """One collector for the whole file; each test sends its own lines."""
    return shared


def test_json_lines_are_stored_byte_for_byte(pushed: Installation) -> None:
    body = '{"a":  1.50, "text": "空格不动"}\n"a string"\n\n{"last": "without newline"}'.encode()
    assert push(pushed.http, body).body == {"lines": 3, "duplicate": False}
    assert {line + b"\n" for line in body.split(b"\n") if line} <= set(pushed.received("PUSH"))


def test_an_array_is_stored_one_element_a_line(pushed: Installation) -> None:
    assert push(pushed.http, b' [{"element": 1}, {"element": 2}]').body == {"lines": 2, "duplicate": False}
    assert {b'{"element":1}\n', b'{"element":2}\n'} <= set(pushed.received("PUSH"))


def test_a_key_is_stored_once_even_after_a_restart(pushed: Installation) -> None:
    body = b'{"once": true}'
    assert push(pushed.http, body, key="k1").body == {"lines": 1, "duplicate": False}
    assert push(pushed.http, body, key="k1").body == {"lines": 1, "duplicate": True}
    pushed.kill()
    pushed.start()
    assert push(pushed.http, body, key="k1").body == {"lines": 1, "duplicate": True}
    assert pushed.received("PUSH").count(b'{"once": true}\n') == 1


def test_the_same_key_with_another_body_is_a_conflict(pushed: Installation) -> None:
    push(pushed.http, b'{"first": 1}', key="k2")
    answer = push(pushed.http, b'{"second": 2}', key="k2")
    assert (answer.status, answer.code) == (409, "key_reused")
    assert b'{"second": 2}\n' not in pushed.received("PUSH")


def test_a_key_belongs_to_its_source(pushed: Installation) -> None:
    assert push(pushed.http, b'{"k3": 1}', key="k3").status == 200
    assert push(pushed.http, b'{"k3": 2}', key="k3", token=OTHER_TOKEN).body["duplicate"] is False


@pytest.mark.parametrize(
    ("body", "given", "status", "code"),
    [
        (b"{}", {"token": "azs_wrong"}, 401, "wrong_token"),
        (b"{}", {"token": ""}, 401, "no_token"),
        (b"{}", {"headers": {"Authorization": "Basic dXNlcg=="}}, 401, "no_token"),
        (b'{"a": 1}\n{"a": \n', {}, 400, "bad_json"),
        (b"[1, 2", {}, 400, "bad_json"),
        (b"\xff\xfe\0\0", {}, 400, "bad_json"),
        (b"{}", {"key": "x" * 129}, 400, "bad_idempotency_key"),
        (b"{}", {"headers": {"Content-Encoding": "br"}}, 415, "encoding_not_supported"),
        (b"{}", {"headers": {"Content-Encoding": "gzip"}}, 400, "bad_encoding"),
        (b'"' + b"x" * (1 << 20) + b'"', {}, 413, "line_too_long"),
        (b"", {"method": "GET"}, 405, "method_not_allowed"),
    ],
)
def test_it_refuses_with_a_json_error(pushed: Installation, body: bytes, given: dict[str, Any], status: int, code: str) -> None:
    before = len(pushed.received("PUSH"))
    answer = push(pushed.http, body, **given)
    assert (answer.status, answer.code) == (status, code)
    assert answer.body["error"]["message"]
    assert len(pushed.received("PUSH")) == before


def test_the_error_names_the_line(pushed: Installation) -> None:
    assert "line 2" in push(pushed.http, b'{"a": 1}\nnot json\n').body["error"]["message"]


def raw(pushed: Installation, request: bytes) -> Answer:
    with socket.create_connection(("127.0.0.1", pushed.http), timeout=30) as connection:
        connection.sendall(request)
        response = http.client.HTTPResponse(connection)
        response.begin()
        return Answer(response.status, json.loads(response.read()))


HEAD = f"POST /ingest/json HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {TOKEN}\r\n".encode()


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        (HEAD + b"\r\n", 411, "length_required"),
        (HEAD + b"Content-Length: 99999999999\r\n\r\n", 413, "body_too_large"),
        (HEAD + b"Content-Length: x\r\n\r\n", 400, "bad_request"),
        (b"\x16\x03\x01\x02\x00\x01\x00 not http at all\r\n\r\n", 400, "bad_request"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 100_000, 431, "bad_request"),
        (b"POST /_search/x/y HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 404, "no_such_address"),
    ],
    ids=["no length", "too large", "bad length", "TLS on a plain port", "endless header", "another address"],
)
def test_it_answers_what_is_hardly_http(pushed: Installation, request_: bytes, status: int, code: str) -> None:
    answer = raw(pushed, request_)
    assert (answer.status, answer.code) == (status, code)


def test_a_body_in_chunks_is_counted_as_it_comes(pushed: Installation) -> None:
    chunk = b"400000\r\n" + b" " * (4 << 20) + b"\r\n"
    answer = raw(pushed, HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 5 + b"0\r\n\r\n")
    assert (answer.status, answer.code) == (413, "body_too_large")
    assert raw(pushed, HEAD + b'Transfer-Encoding: chunked\r\n\r\n9\r\n{"c": 55}\r\n0\r\n\r\n').body["lines"] == 1


def test_who_is_refused_while_still_sending_reads_why(pushed: Installation) -> None:
    head = b"POST /ingest/json HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer azs_wrong\r\nContent-Length: 8388608\r\n\r\n"
    with socket.create_connection(("127.0.0.1", pushed.http), timeout=30) as connection:
        connection.sendall(head)
        for _ in range(8):
            time.sleep(0.02)  # long after the answer was written
            connection.sendall(b" " * (1 << 20))
        response = http.client.HTTPResponse(connection)
        response.begin()
        assert response.status == 401
        assert connection.recv(1) == b""


def test_over_the_quota_it_says_when_to_come_back(pushed: Installation) -> None:
    line = b'{"quota": "' + b"x" * 1000 + b'"}\n'
    codes = [push(pushed.http, line * 10, token=OTHER_TOKEN) for _ in range(QUOTA // 10_000 + 2)]
    refused = codes[-1]
    assert (refused.status, refused.code) == (429, "over_quota")
    assert 1 <= int(refused.headers["Retry-After"]) <= 3601
    assert push(pushed.http, b"{}").status == 200, "another source is not held back"


def test_requests_share_a_connection_and_may_be_pipelined(pushed: Installation) -> None:
    one = HEAD + b'Content-Length: 9\r\n\r\n{"p": 10}'
    with socket.create_connection(("127.0.0.1", pushed.http), timeout=30) as connection:
        connection.sendall(one * 3)
        for _ in range(3):
            response = http.client.HTTPResponse(connection)
            response.fp = connection.makefile("rb", buffering=0)
            response.begin()
            assert response.status == 200
            response.read()
