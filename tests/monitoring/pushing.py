"""A client of the HTTP push, as small as a sender in the field."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass, field
from typing import Any

from tests.monitoring.stage import TOKEN


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def code(self) -> str:
        """Return the error's code."""
        return str(self.body.get("error", {}).get("code", ""))


def push(
    port: int, body: bytes, *, key: str = "", token: str = TOKEN, headers: dict[str, str] | None = None, method: str = "POST"
) -> Answer:
    """Send one request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        given = {"Authorization": f"Bearer {token}"} if token else {}
        given |= {"Idempotency-Key": key} if key else {}
        connection.request(method, "/ingest/json", body, {**given, **(headers or {})})
        response = connection.getresponse()
        return Answer(response.status, json.loads(response.read()), dict(response.headers))
    finally:
        connection.close()
