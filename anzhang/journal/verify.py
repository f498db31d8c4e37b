"""Verify the whole ledger against the business rows, its own trees and heads, and a head kept elsewhere.

1. Entries in index order: dense from 0, columns repeat the leaf, the payload is the one committed to.
2. Both trees recomputed; every head, tile and the frontier held against them (`walk.py`).
3. Every ledgered row's present digest is the one its last entry left (`rows.py`).
   Acts that wait in the outbox for their index (PostgreSQL) count as the last; their payloads are held against their leaves.
4. With a head saved outside this machine: the ledger still contains it.

It reads one snapshot, in batches, and changes nothing.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import orjson
from django.conf import settings
from django.db import transaction

from anzhang.engines.crypto import SUITES
from anzhang.engines.ledger.canonical import instant
from anzhang.events import Event
from anzhang.journal import heads, keys, rows
from anzhang.journal.faults import Fault, Kind, Report, span
from anzhang.journal.models import Entry, Frontier, Head, LedgerCheck, Outbox, Payload
from anzhang.journal.placing import staged
from anzhang.journal.procedures import record
from anzhang.journal.snapshot import snapshot
from anzhang.journal.walk import Walk, as_bytes
from anzhang.permissions import Actor

__all__ = ["Fault", "Kind", "Report", "check", "check_for", "verify"]

BATCH = 2000
UNREADABLE_LEAF = (orjson.JSONDecodeError, KeyError, TypeError, IndexError, ValueError)
NAMED = 100  # faults that an entry names; the check keeps all
COLUMNS = ("index", "act", "object_type", "object_key", "actor", "via", "at", "after", "leaf")


def verify(since: str | None = None) -> Report:
    """Verify everything; `since` is the text of a file that `anzhang ledger head` wrote. Raises NoteError when it is none."""
    started = time.monotonic()
    report = Report()
    with snapshot():
        walks = _walks(since, report)
        _walk_entries(walks, report)
        for walk in walks:
            walk.finish()
        _pair_heads(report)
        report.unsigned = max(0, report.entries - (walks[0].newest if walks else 0))
        rows.compare(report, _outbox(report))
    report.seconds = time.monotonic() - started
    return report


def check(at: datetime) -> LedgerCheck:
    """Verify everything and keep the result for the ledger page."""
    report = verify()
    return _keep(report, at)


def check_for(actor: Actor, at: datetime) -> LedgerCheck:
    """Verify everything because somebody asks; the ledger keeps who asked and what was found."""
    report = verify()
    with transaction.atomic():
        payload = {"entries": report.entries, "faults": report.plain()["faults"][:NAMED]}
        record(actor, Event.LEDGER_CHECK, ("ledger", "check"), at=at, payload=payload)
        return _keep(report, at)


def _keep(report: Report, at: datetime) -> LedgerCheck:
    return LedgerCheck.objects.create(at=at, entries=report.entries, faults=report.plain()["faults"], seconds=report.seconds)


def _walks(since: str | None, report: Report) -> list[Walk]:
    saved = heads.read_saved(since) if since is not None else []
    report.since = max((checkpoint.size for _, checkpoint in saved), default=None)
    try:
        signer = keys.load(settings.HOME)
    except keys.KeyMissingError as error:
        report.add(Kind.KEY_MISSING, keys.FILE, str(error))
        return [Walk(suite, None, [], report) for suite in SUITES]
    return [
        Walk(suite, signer.verifier.named(keys.origin(signer, suite)), [head for of, head in saved if of is suite], report)
        for suite in SUITES
    ]


def _walk_entries(walks: list[Walk], report: Report) -> None:
    expected = 0
    for index, leaf in _entries(report):
        report.entries += 1
        if index < expected or not _fill(walks, expected, index, report):
            report.add(Kind.ENTRY_ADDED, f"entry {index}", "it stands outside the dense order")
            continue
        expected = index + 1
        for walk in walks:
            walk.feed(None if leaf is None else walk.suite.leaf(leaf))
    signed = Head.objects.order_by("-size").values_list("size", flat=True).first() or 0
    counted = Frontier.objects.order_by("-size").values_list("size", flat=True).first() or 0
    _fill(walks, expected, max(signed, counted), report)


def _fill(walks: list[Walk], start: int, end: int, report: Report) -> bool:
    """Walk over missing entries [start, end) by their tiles; false when the tiles do not reach that far."""
    if start >= end:
        return True
    known = start
    while known < end and all(walk.stored(known) for walk in walks):
        known += 1
    counted = Frontier.objects.order_by("-size").values_list("size", flat=True).first() or 0
    reach = max(known, min(end, counted))
    if reach > start:
        report.add(Kind.ENTRY_MISSING, span(start, reach), "deleted")
    for _ in range(start, reach):
        for walk in walks:
            walk.feed(None)
    return reach == end


def _entries(report: Report) -> Iterator[tuple[int, bytes | None]]:
    """Yield (index, leaf bytes) in order, each row compared with its leaf and its payload on the way."""
    last: int | None = None
    while True:
        entries = Entry.objects.order_by("index")
        indexes = list((entries if last is None else entries.filter(index__gt=last)).values_list("index", flat=True)[:BATCH])
        if not indexes:
            return
        last = indexes[-1]
        payloads = {
            entry: (as_bytes(salt), as_bytes(body))
            for entry, salt, body in Payload.objects.filter(entry_id__gte=indexes[0], entry_id__lte=last).values_list(
                "entry_id", "salt", "body"
            )
        }
        for row in _rows(indexes[0], last, report):
            yield row["index"], _check_entry(row, payloads.get(row["index"]), report)


def _rows(first: int, last: int, report: Report) -> Iterator[dict[str, Any]]:
    try:
        yield from list(Entry.objects.filter(index__range=(first, last)).order_by("index").values(*COLUMNS))
    except rows.UNREADABLE:
        for index, leaf in Entry.objects.filter(index__range=(first, last)).order_by("index").values_list("index", "leaf"):
            try:
                yield Entry.objects.values(*COLUMNS).get(index=index)
            except rows.UNREADABLE:
                report.add(Kind.ENTRY_CHANGED, f"entry {index}", "a column cannot be read")
                yield {"index": index, "leaf": leaf}


def _check_entry(row: dict[str, Any], payload: tuple[bytes, bytes] | None, report: Report) -> bytes:
    leaf, subject = as_bytes(row["leaf"]), f"entry {row['index']}"
    try:
        said = orjson.loads(leaf)
        wanted = {
            "act": said["act"], "object_type": said["object"][0], "object_key": said["object"][1], "actor": said["actor"],
            "via": said["via"], "at": said["at"], "after": said["after"],
        }  # fmt: skip
        committed = said["payload"]
    except UNREADABLE_LEAF:
        report.add(Kind.ENTRY_CHANGED, subject, "its leaf is no record of the ledger")
        return leaf
    if "act" in row:
        present = {**row, "at": instant(row["at"]) if row["at"] else "unreadable"}
        differing = [f"{name} is {present[name]!r}, the leaf says {value!r}" for name, value in wanted.items() if present[name] != value]
        if differing:
            report.add(Kind.ENTRY_CHANGED, subject, "; ".join(differing))
    if payload is None:
        report.add(Kind.PAYLOAD_MISSING, f"payload {row['index']}", "deleted")
    elif hashlib.sha256(payload[0] + payload[1]).hexdigest() != committed:
        report.add(Kind.PAYLOAD_CHANGED, f"payload {row['index']}", f"it is not what {subject} ({wanted['act']}) commits to")
    return leaf


def _outbox(report: Report) -> dict[tuple[str, str], str]:
    """Return the digests that waiting acts left, by (type, key); each is checked like an entry."""
    found: dict[tuple[str, str], str] = {}
    for number, *content in Outbox.objects.order_by("pk").values_list("pk", "leaf", "salt", "body").iterator(BATCH):
        leaf, salt, body = (as_bytes(part) for part in content)
        report.waiting += 1
        try:
            waits, committed = staged(leaf, salt, body), orjson.loads(leaf)["payload"]
        except UNREADABLE_LEAF:
            report.add(Kind.ENTRY_CHANGED, f"outbox {number}", "its leaf is no record of the ledger")
            continue
        if hashlib.sha256(salt + body).hexdigest() != committed:
            report.add(Kind.PAYLOAD_CHANGED, f"outbox {number}", f"it is not what its leaf ({waits.columns[0]}) commits to")
        if waits.after:
            found[waits.columns[1], waits.columns[2]] = waits.after
    return found


def _pair_heads(report: Report) -> None:
    """Name sizes at which one tree has a head and the other has none: both are signed in one transaction."""
    sizes = {suite.name: set(Head.objects.filter(suite=suite.name).values_list("size", flat=True)) for suite in SUITES}
    every = set().union(*sizes.values())
    for name, own in sizes.items():
        for size in sorted(every - own):
            report.add(Kind.HEAD_MISSING, f"head {name} {size}", "deleted: the other tree has its head of this size")
