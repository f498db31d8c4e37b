"""Signed tree heads: made by the worker each second when something changed, confirmed from outside by whoever kept one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from anzhang.engines.crypto import SHA256, SUITES, Suite
from anzhang.engines.ledger import tiles, tree
from anzhang.engines.ledger.note import Checkpoint, NoteError, Signer, split
from anzhang.journal import keys, sequencer
from anzhang.journal.models import Entry, Frontier, Head, HeadConfirmation, Tile
from anzhang.permissions import Actor, RefusedError

CHUNK = 4096
VERIFY_SINCE = "anzhang ledger verify --since"


class InconsistentError(Exception):
    """Entries, tiles and frontier do not agree; nothing is signed until `anzhang ledger verify` has named why."""


def sign_heads(at: datetime) -> list[Head]:
    """Sign the heads of both trees when they grew since the last ones; return the new heads, else none.

    The tree is extended from the stored tiles with the leaves since, and its root compared with the frontier: a frontier,
    tile or recent entry changed behind the ledger's back is not signed. Raises InconsistentError, KeyMissingError.
    """
    sequencer.sequence()
    if not _grew():
        return []
    signer = keys.load(settings.HOME)
    with transaction.atomic():
        sequencer.hold()
        return [_sign(signer, suite, at) for suite in SUITES] if _grew() else []


def _grew() -> bool:
    size = Frontier.objects.filter(suite=SHA256.name).values_list("size", flat=True).first() or 0
    return bool(size) and not Head.objects.filter(suite=SHA256.name, size=size).exists()


def _sign(signer: Signer, suite: Suite, at: datetime) -> Head:
    row = Frontier.objects.get(suite=suite.name)
    size = row.size
    root = tree.Frontier.unpack(suite, size, bytes(row.hashes)).root()
    before = Head.objects.filter(suite=suite.name).aggregate(Max("size"))["size__max"] or 0
    try:
        changed = tiles.extend(suite, before, (suite.leaf(leaf) for leaf in leaves(before, size)), stored_tiles(suite))
        for (level, index), hashes in changed.items():
            Tile.objects.update_or_create(suite=suite.name, level=level, index=index, defaults={"hashes": hashes})
        computed = tree.range_root(suite, subtree(suite), 0, size)
    except tiles.MissingTileError as error:
        raise InconsistentError(f"{suite.name}: {error}") from error
    if computed != root:
        raise InconsistentError(f"{suite.name}: entries {before} to {size - 1} do not lead to the frontier; run anzhang ledger verify")
    note = signer.named(keys.origin(signer, suite)).sign(Checkpoint(keys.origin(signer, suite), size, root))
    return Head.objects.create(suite=suite.name, size=size, root=root.hex(), note=note, signed_at=at)


def leaves(start: int, end: int) -> Iterator[bytes]:
    """Yield the leaf bytes of entries [start, end) in order; what is missing is not yielded."""
    while start < end:
        stop = min(start + CHUNK, end)
        rows = Entry.objects.filter(index__gte=start, index__lt=stop).order_by("index").values_list("leaf", flat=True)
        yield from (bytes(leaf) for leaf in rows)
        start = stop


def stored_tiles(suite: Suite) -> tiles.Read:
    """Return the reader of this tree's stored tiles."""

    def read(level: int, index: int) -> bytes:
        found = Tile.objects.filter(suite=suite.name, level=level, index=index).values_list("hashes", flat=True).first()
        return b"" if found is None else bytes(found)

    return read


def subtree(suite: Suite) -> tree.Subtree:
    """Return the reader of perfect subtrees over this tree's stored tiles, each tile read once."""
    cache: dict[tuple[int, int], bytes] = {}
    stored = stored_tiles(suite)

    def read(level: int, index: int) -> bytes:
        if (level, index) not in cache:
            cache[level, index] = stored(level, index)
        return cache[level, index]

    return tiles.subtree(suite, read)


def latest(suite: Suite = SHA256) -> Head | None:
    """Return the newest signed head of a tree."""
    return Head.objects.filter(suite=suite.name).order_by("-size").first()


def read_saved(text: str) -> list[tuple[Suite, Checkpoint]]:
    """Return the trees and checkpoints of a file that `anzhang ledger head` wrote, each signature checked.

    Raises NoteError when there is none, or one that this installation's key did not sign.
    """
    signer = keys.load(settings.HOME)
    origins = {keys.origin(signer, suite): suite for suite in SUITES}
    notes = split(text)
    if not notes:
        raise NoteError("no signed head in it; it is what `anzhang ledger head` prints")
    found = []
    for note in notes:
        name = note.split("\n", 1)[0]
        if name not in origins:
            raise NoteError(f"it is a head of {name!r}, this ledger is {signer.name!r}")
        found.append((origins[name], signer.verifier.named(name).open(note)))
    return found


def confirm(actor: Actor, text: str, at: datetime) -> HeadConfirmation:
    """Keep that a head saved outside this machine still agrees with the ledger.

    The present tree must contain the saved one: its root at that size is computed from the stored tiles.
    Raises RefusedError.
    """
    try:
        saved = read_saved(text)
    except NoteError as error:
        raise RefusedError(
            "head_unreadable", _("这不是本机存证的树头：%s。") % error, _("请提交 anzhang ledger head 输出的原文件。")
        ) from error
    sign_heads(at)
    newest = 0
    for suite, checkpoint in saved:
        head = latest(suite)
        if head is None or checkpoint.size > head.size:
            kept = head.size if head else 0
            raise RefusedError("ledger_cut", _("存证只有 %d 条，树头覆盖 %d 条：尾部被截去。") % (kept, checkpoint.size), VERIFY_SINCE)
        if tree.range_root(suite, subtree(suite), 0, checkpoint.size) != checkpoint.root:
            raise RefusedError("history_rewritten", _("存证前 %d 条与外存树头不符。") % checkpoint.size, VERIFY_SINCE)
        newest = max(newest, checkpoint.size)
    root = next((checkpoint.root for suite, checkpoint in saved if checkpoint.size == newest)).hex()
    return HeadConfirmation.objects.create(size=newest, root=root, confirmed_at=at, actor=actor.id)
