"""Read the ledger: sealed segments, proofs, entries by what is searched for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from anzhang.engines.crypto import SHA256, Suite
from anzhang.engines.ledger import tree
from anzhang.engines.ledger.proof import Proof
from anzhang.engines.ledger.tiles import MissingTileError
from anzhang.events import Event
from anzhang.journal import heads
from anzhang.journal.models import Entry, Head, Payload


class NotProvableError(Exception):
    """No proof can be given: there is no such entry, no head covers it yet, or the stored tree is damaged."""


@dataclass(frozen=True)
class Seal:
    """A sealed log segment as the ledger holds it; roots are hex, `index` is the entry that holds it."""

    number: int
    name: str
    root: str
    root_sm3: str
    rows: int
    index: int
    first_number: int = 0  # of a successor (ADR 0017): the first number that it stands for; else 0


SEALS = (Event.SEGMENT_SEAL, Event.SEGMENT_MERGE, Event.SEGMENT_REDACT)  # the acts that say which root stands for a segment


def segment_seals() -> list[Seal]:
    """Return what the ledger says of segments, in its order: every seal, and every successor that came to stand for some.

    The seals are a dense chain that the vault must still hold, have replaced by what the ledger says, or have disposed of.
    """
    return [
        Seal(said["number"], said["name"], said["root_sha256"], said["root_sm3"], said["rows"], index, said.get("first_number", 0))
        for index, said in _said(SEALS)
    ]


def _said(acts: Iterable[Event]) -> Iterator[tuple[int, dict[str, Any]]]:
    rows = Payload.objects.filter(entry__act__in=acts).order_by("entry_id").values_list("entry_id", "body")
    return ((index, orjson.loads(bytes(body))) for index, body in rows.iterator(1000))


def prove(index: int, suite: Suite = SHA256) -> Proof:
    """Return the proof that an entry is in the newest signed tree, checked before it is given away.

    Raises NotProvableError.
    """
    entry, head = Entry.objects.filter(index=index).first(), heads.latest(suite)
    if entry is None:
        raise NotProvableError(f"there is no entry {index}")
    if head is None or index >= head.size:
        raise NotProvableError(f"entry {index} is not signed yet; the worker signs each second, `anzhang ledger head` does it now")
    leaf = bytes(entry.leaf)
    try:
        path = tree.inclusion(suite, heads.subtree(suite), index, head.size)
        tree.verify_inclusion(suite, suite.leaf(leaf), index, head.size, path, bytes.fromhex(head.root))
    except (tree.ProofError, MissingTileError, ValueError) as error:
        raise NotProvableError(f"entry {index} cannot be proved ({error}); run anzhang ledger verify") from error
    return Proof(leaf, index, tuple(path), head.note)


def consistency(old: int, suite: Suite = SHA256) -> tuple[Head, list[bytes]]:
    """Return the newest head and the proof that its tree contains the first `old` entries unchanged. Raises NotProvableError."""
    head = heads.latest(suite)
    if head is None:
        raise NotProvableError("nothing is signed yet")
    try:
        return head, tree.consistency(suite, heads.subtree(suite), old, head.size)
    except (tree.ProofError, MissingTileError) as error:
        raise NotProvableError(str(error)) from error
