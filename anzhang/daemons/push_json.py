"""Our own push format, `POST /ingest/json`: JSON lines (one value a line) or one JSON array.

Each value becomes one line of the vault: a line of a JSON-lines body byte for byte as it was sent, an array's element as compact JSON.
"""

from __future__ import annotations

import orjson

from anzhang.daemons.push import PushError, Reading, Reply, Request, Stored, check_length, json_reply


def read(request: Request) -> Reading:
    """Return the lines of a body; blank lines of a JSON-lines body are left out. Raises PushError naming the line that is wrong."""
    lines = _elements(request.body) if request.body.lstrip()[:1] == b"[" else _lines(request.body)
    for number, line in enumerate(lines, 1):
        check_length(line, number)

    def answer(stored: Stored) -> Reply:
        return json_reply({"lines": len(lines), "duplicate": stored.duplicate})

    return Reading(b"".join(line + b"\n" for line in lines), len(lines), answer)


def _elements(body: bytes) -> list[bytes]:
    try:
        return [orjson.dumps(value) for value in orjson.loads(body)]
    except orjson.JSONDecodeError as error:
        raise PushError(400, "bad_json", f"the array is not JSON: {error}") from error


def _lines(body: bytes) -> list[bytes]:
    lines = [line for line in body.split(b"\n") if line.strip()]
    for number, line in enumerate(lines, 1):
        try:
            orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise PushError(400, "bad_json", f"line {number} is not JSON: {error}; nothing was stored") from error
    return lines
