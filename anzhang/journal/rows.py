"""Compare every ledgered row with the last entry about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from django.apps import apps
from django.db import DatabaseError

from anzhang.journal.digests import row_digest
from anzhang.journal.faults import Kind, Report
from anzhang.journal.models import Entry, Ledgered
from anzhang.journal.procedures import object_type

BATCH = 400  # keys in one IN list; SQLite takes 32,766 and PostgreSQL more, but plans stay good
Waiting = Mapping[tuple[str, str], str]  # the last digest in the outbox by (type, key)
UNREADABLE = (ValueError, TypeError, OverflowError, ArithmeticError, DatabaseError)


def ledgered() -> dict[str, type[Ledgered]]:
    """Return every class of ledgered rows by its register id."""
    return {object_type(model): model for model in apps.get_models() if issubclass(model, Ledgered)}


def compare(report: Report, waiting: Waiting | None = None) -> None:
    """Name every row that differs from its last entry, that has none, and every entry whose row is gone."""
    kinds = ledgered()
    for kind, model in kinds.items():
        for keys in _keys(model):
            _compare_batch(kind, model, keys, report, waiting or {})
            report.rows += len(keys)
        _find_gone(kind, model, report)
    for kind in Entry.objects.exclude(after="").exclude(object_type__in=kinds).values_list("object_type", flat=True).distinct():
        report.add(Kind.ROW_GONE, kind, "entries name rows of a register that this release does not know")


def _keys(model: type[Ledgered]) -> Iterator[Sequence[object]]:
    last: object = None
    while True:
        rows = model._default_manager.order_by("pk")
        keys = list((rows if last is None else rows.filter(pk__gt=last)).values_list("pk", flat=True)[:BATCH])
        if not keys:
            return
        yield keys
        last = keys[-1]


def _compare_batch(kind: str, model: type[Ledgered], keys: Sequence[object], report: Report, waiting: Waiting) -> None:
    wanted = last_digests(kind, [str(key) for key in keys], waiting)
    for key, digest in _digests(model, keys):
        subject = f"{kind}:{key}"
        entry = wanted.get(str(key))
        if entry is None:
            report.add(Kind.ROW_UNLEDGERED, subject, "the row has no entry: it was written behind the ledger's back")
        elif digest is None:
            report.add(Kind.ROW_CHANGED, subject, f"the row cannot be read as what {entry[0]} left")
        elif digest != entry[1]:
            report.add(Kind.ROW_CHANGED, subject, f"the row differs from what {entry[0]} left")


def last_digests(kind: str, keys: Sequence[str], waiting: Waiting) -> dict[str, tuple[str, str]]:
    """Return (name, digest) of the last entry that holds a row's digest, by key; what waits in the outbox comes after all others."""
    entries = Entry.objects.filter(object_type=kind, object_key__in=keys).exclude(after="").order_by("object_key", "index")
    found = {key: (f"entry {index}", after) for key, index, after in entries.values_list("object_key", "index", "after")}
    return found | {key: ("the entry in the outbox", waiting[kind, key]) for key in keys if (kind, key) in waiting}


def _digests(model: type[Ledgered], keys: Sequence[object]) -> Iterator[tuple[object, str | None]]:
    try:
        yield from [(row.pk, row_digest(row)) for row in model._default_manager.filter(pk__in=keys)]
    except UNREADABLE:
        # Somebody has put text into a number or a broken date: read one by one to name the row.
        for key in keys:
            yield key, _digest(model, key)


def _digest(model: type[Ledgered], key: object) -> str | None:
    try:
        return row_digest(model._default_manager.get(pk=key))
    except UNREADABLE:
        return None


def _find_gone(kind: str, model: type[Ledgered], report: Report) -> None:
    last = ""
    while True:
        entries = Entry.objects.filter(object_type=kind, object_key__gt=last).exclude(after="")
        keys = list(entries.order_by("object_key").values_list("object_key", flat=True).distinct()[:BATCH])
        if not keys:
            return
        kept = {str(pk) for pk in model._default_manager.filter(pk__in=keys).values_list("pk", flat=True)}
        for key in keys:
            if key not in kept:
                report.add(Kind.ROW_GONE, f"{kind}:{key}", "the row was deleted; rows of registers are never deleted")
        last = keys[-1]
