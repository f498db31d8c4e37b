"""As much of Elasticsearch as shippers need: `_bulk`, single documents, and the questions that clients ask before they send.

Every document is kept byte for byte as one line. Answers are per item: a document that is no JSON object, is too long, or is to be
updated or deleted (a log vault does neither) fails alone; the others are on disk when the answer says 201.
Templates, lifecycle policies, pipelines and indices that a client sets up are acknowledged and have no effect: what is kept, and how
long, the bureau's own rules say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from anzhang.daemons.push import LONGEST_LINE, Endpoint, PushError, Reading, Reply, Request, Stored, json_reply

VERSION = "8.19.3"  # whose protocol this is; clients choose their own by it
PRODUCT = {"X-Elastic-Product": "Elasticsearch"}
NAME = "anzhang"
SETTINGS = frozenset({"_template", "_index_template", "_component_template", "_ilm", "_data_stream", "_ingest", "_alias"})
WRITES, READS = frozenset({"POST", "PUT"}), frozenset({"GET", "HEAD"})
KEPT = frozenset({"index", "create"})


def endpoint(method: str, parts: list[str]) -> Endpoint | None:
    """Return what stands at an address of Elasticsearch's, None where nothing does."""
    read = _reader(method, parts)
    if read is not None:
        return Endpoint(read=read, error=error_reply, headers=PRODUCT)
    reply = _replier(method, parts)
    return None if reply is None else Endpoint(reply=reply, error=error_reply, headers=PRODUCT)


def _reader(method: str, parts: list[str]) -> Callable[[Request], Reading] | None:
    if method not in WRITES or not 1 <= len(parts) <= 3:
        return None
    if parts[-1] == "_bulk":
        return read_bulk
    single = len(parts) > 1 and parts[1] in {"_doc", "_create"} and not parts[0].startswith("_")
    return read_document if single else None


def _replier(method: str, parts: list[str]) -> Callable[[Request], Reply] | None:
    where = "/".join(parts[:2]) if parts[:2] == ["_cluster", "health"] else "/".join(parts)
    if method in READS and where in ABOUT:
        return lambda _request: json_reply(ABOUT[where])
    if parts and parts[-1] == "_refresh":
        return lambda _request: json_reply({"_shards": {"total": 1, "successful": 1, "failed": 0}})
    index = len(parts) == 1 and not parts[0].startswith("_")
    if not (index or (parts and parts[0] in SETTINGS) or (len(parts) > 1 and parts[1] in {"_alias", "_mapping", "_settings"})):
        return None
    return _acknowledge if method in WRITES else _nothing_set if method in READS else None


def _acknowledge(request: Request) -> Reply:
    return json_reply({"acknowledged": True, "shards_acknowledged": True, "index": request.parts[-1]})


def _nothing_set(request: Request) -> Reply:
    return error_reply(request, PushError(404, "resource_not_found_exception", "nothing of the kind is kept here"))


def error_reply(_request: Request, error: PushError) -> Reply:
    """Return an error as Elasticsearch words it."""
    cause = {"type": error.code, "reason": error.message}
    return json_reply({"error": {"root_cause": [cause], **cause}, "status": error.status}, error.status, error.headers)


def read_bulk(request: Request) -> Reading:
    """Read a `_bulk` body. Raises PushError when an action cannot be told from a document: then nothing can be."""
    default = request.parts[0] if len(request.parts) > 1 else ""
    lines = [line for line in request.body.split(b"\n") if line.strip()]
    items: list[_Item] = []
    place = 0
    while place < len(lines):
        action, about = _action(lines[place], place + 1)
        place += 1
        document = b""
        if action != "delete":
            if place == len(lines):
                raise PushError(400, "illegal_argument_exception", f"the action on line {place} has no document; nothing was stored")
            document = lines[place].rstrip(b"\r")
            place += 1
        items.append(_Item(action, str(about.get("_index") or default), about.get("_id"), document))
    return _reading(items, lambda answers, failed: json_reply({"took": 0, "errors": failed, "items": answers}))


def read_document(request: Request) -> Reading:
    """Read a single document. Raises PushError when it cannot be kept."""
    parts = request.parts
    try:
        document = orjson.dumps(orjson.loads(request.body))
    except orjson.JSONDecodeError as error:
        raise PushError(400, "document_parsing_exception", f"the document is not JSON: {error}") from error
    item = _Item("create" if parts[1] == "_create" else "index", parts[0], parts[2] if len(parts) > 2 else None, document)
    if item.fault is not None:
        raise PushError(item.fault[0], item.fault[1], item.fault[2])
    return _reading([item], lambda answers, _failed: json_reply(answers[0][item.action], 201))


class _Item:
    """One action of a bulk request, and why it cannot be done."""

    def __init__(self, action: str, index: str, given: Any, document: bytes) -> None:
        self.action, self.index, self.given, self.document = action, index, given, document
        self.fault = self._fault()

    def _fault(self) -> tuple[int, str, str] | None:
        if self.action not in KEPT:
            return 400, "illegal_argument_exception", "a log vault only takes in: use index or create"
        if len(self.document) > LONGEST_LINE:
            return 413, "document_too_large", f"the document has {len(self.document)} bytes, at most {LONGEST_LINE}"
        try:
            value = orjson.loads(self.document)
        except orjson.JSONDecodeError as error:
            return 400, "document_parsing_exception", f"the document is not JSON: {error}"
        return None if isinstance(value, dict) else (400, "document_parsing_exception", "the document is not a JSON object")

    def answer(self, record: int, number: int) -> dict[str, Any]:
        about: dict[str, Any] = {"_index": self.index, "_id": str(self.given or f"{record}-{number}")}
        if self.fault is not None:
            status, kind, why = self.fault
            return {self.action: {**about, "status": status, "error": {"type": kind, "reason": why}}}
        done = {
            "_version": 1,
            "result": "created",
            "_shards": {"total": 1, "successful": 1, "failed": 0},
            "_seq_no": number,
            "_primary_term": 1,
        }
        return {self.action: {**about, **done, "status": 201}}


def _action(line: bytes, number: int) -> tuple[str, Mapping[str, Any]]:
    try:
        value = orjson.loads(line)
        ((action, about),) = value.items()
    except (orjson.JSONDecodeError, AttributeError, ValueError) as error:
        raise PushError(400, "illegal_argument_exception", f"line {number} is not an action; nothing was stored") from error
    if action not in {"index", "create", "update", "delete"} or not isinstance(about, dict):
        raise PushError(400, "illegal_argument_exception", f"line {number}: unknown action {action}; nothing was stored")
    return action, about


def _reading(items: list[_Item], reply: Any) -> Reading:
    kept = [item.document for item in items if item.fault is None]

    def answer(stored: Stored) -> Reply:
        answers = [item.answer(stored.record, number) for number, item in enumerate(items)]
        answered: Reply = reply(answers, len(kept) < len(items))
        return answered

    return Reading(b"".join(document + b"\n" for document in kept), len(kept), answer)


ABOUT: Mapping[str, Any] = {
    "": {
        "name": NAME,
        "cluster_name": NAME,
        "cluster_uuid": NAME,
        "version": {
            "number": VERSION,
            "build_flavor": "default",
            "build_type": "tar",
            "lucene_version": "9.12.2",
            "minimum_wire_compatibility_version": "7.17.0",
            "minimum_index_compatibility_version": "7.0.0",
        },
        "tagline": "You Know, for Search",
    },
    "_license": {"license": {"status": "active", "uid": NAME, "type": "basic", "issued_to": NAME, "issuer": NAME}},
    "_xpack": {
        "license": {"uid": NAME, "type": "basic", "mode": "basic", "status": "active"},
        "features": {"ilm": {"available": True, "enabled": True}, "security": {"available": True, "enabled": True}},
    },
    "_cluster/health": {
        "cluster_name": NAME,
        "status": "green",
        "timed_out": False,
        "number_of_nodes": 1,
        "number_of_data_nodes": 1,
        "active_primary_shards": 0,
        "active_shards": 0,
        "unassigned_shards": 0,
    },
    "_nodes/http": {"cluster_name": NAME, "nodes": {}},
    "_nodes/_all/http": {"cluster_name": NAME, "nodes": {}},
}
