"""Walk one tree from its first leaf to its last and hold it against every head.

1. Each leaf hash is appended to a frontier of the walk's own and compared with the stored tile; a difference is a suspect.
2. At each head: its signature must hold, its columns must repeat its note, its root must be the walk's.
3. Roots agree: the suspects are changed tiles. They differ but the tiles lead to the signed root: the suspects are changed
   entries, named, and the walk goes on from the tiles. Neither leads there: the stretch since the last good head is named.
4. A head that was kept elsewhere (`--since`) counts like a head of the database, only that nobody here could re-sign it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from anzhang.engines.crypto import Suite
from anzhang.engines.ledger.note import Checkpoint, NoteError, Verifier
from anzhang.engines.ledger.tiles import WIDTH
from anzhang.engines.ledger.tree import HASH_BYTES, Frontier
from anzhang.journal.faults import Kind, Report, span
from anzhang.journal.models import Frontier as FrontierRow
from anzhang.journal.models import Head, Tile


@dataclass(frozen=True)
class Expected:
    """A root that the walk must meet at a size; `saved` when it was kept outside this machine."""

    size: int
    root: bytes
    saved: bool = False


class Walk:
    """One tree."""

    def __init__(self, suite: Suite, verifier: Verifier | None, saved: list[Checkpoint], report: Report) -> None:
        """Start at the first leaf; without verifier signatures cannot be checked (the missing key is a fault of its own)."""
        self.suite, self.verifier, self.report = suite, verifier, report
        self.frontier = Frontier(suite)
        self.suspects: list[int] = []
        self.last_good = self.newest = 0
        self.broken = False
        self.saved = sorted((Expected(head.size, head.root, saved=True) for head in saved), key=lambda head: head.size)
        self._heads = self._read_heads()
        self._next = next(self._heads, None)
        self._tile = (-1, b"")

    def feed(self, leaf_hash: bytes | None) -> None:
        """Take the next leaf's hash; None when the entry is gone and only the tile can tell what it was."""
        index = self.frontier.size
        stored = self.stored(index)
        if leaf_hash is None:
            self.broken = self.broken or not stored
        elif stored and stored != leaf_hash:
            self.suspects.append(index)
        self.frontier.append(leaf_hash or stored or bytes(HASH_BYTES))
        while self._next is not None and self._next.size == self.frontier.size:
            self._meet(self._next)
            self._next = next(self._heads, None)

    def finish(self) -> None:
        """Hold the end of the walk against the stored frontier and tiles, and name heads beyond the end."""
        size = self.frontier.size
        while self._next is not None:
            if self._next.saved:
                self.report.add(
                    Kind.TAIL_CUT, f"entries from {size}", f"the ledger ends at {size}, the saved head covers {self._next.size}"
                )
            self._next = next(self._heads, None)
        self._check_frontier(size)
        covered = self._covered()
        if covered != self.newest:
            message = f"the tiles cover {covered} entries, the newest signed head covers {self.newest}"
            self.report.add(Kind.HEAD_MISSING if covered > self.newest else Kind.TILE_CHANGED, f"head {self.suite.name} {covered}", message)
        self.report.roots[self.suite.name] = self.frontier.root().hex()

    def stored(self, index: int) -> bytes:
        """Return the hash that the stored tile has for a leaf, empty when it has none."""
        tile, offset = divmod(index, WIDTH)
        if self._tile[0] != tile:
            row = Tile.objects.filter(suite=self.suite.name, level=0, index=tile).values_list("hashes", flat=True).first()
            self._tile = (tile, b"" if row is None else as_bytes(row))
        return self._tile[1][offset * HASH_BYTES : (offset + 1) * HASH_BYTES]

    def _read_heads(self) -> Iterator[Expected]:
        """Yield what the walk must meet, by size: heads whose signature holds, and the saved ones."""
        saved = list(self.saved)
        for head in Head.objects.filter(suite=self.suite.name).order_by("size").iterator(1000):
            while saved and saved[0].size <= head.size:
                yield saved.pop(0)
            self.report.heads += 1
            self.newest = head.size
            root = self._opened(head)
            if root is not None:
                yield Expected(head.size, root)
        yield from saved

    def _opened(self, head: Head) -> bytes | None:
        subject = f"head {self.suite.name} {head.size}"
        if self.verifier is None:
            return None
        try:
            checkpoint = self.verifier.open(head.note)
        except NoteError as error:
            self.report.add(Kind.HEAD_CHANGED, subject, str(error))
            return None
        if (checkpoint.size, checkpoint.root.hex()) != (head.size, head.root):
            said = f"size {checkpoint.size} root {checkpoint.root.hex()}"
            self.report.add(Kind.HEAD_CHANGED, subject, f"the columns say size {head.size} root {head.root}, the signed note {said}")
            return None
        return checkpoint.root

    def _meet(self, expected: Expected) -> None:
        if self.broken:
            return
        if self.frontier.root() == expected.root:
            for index in self.suspects:
                self.report.add(Kind.TILE_CHANGED, f"tile {self.suite.name} 0/{index // WIDTH}", f"its hash of entry {index} differs")
        else:
            self._differ(expected)
        self.suspects = []
        self.last_good = expected.size

    def _differ(self, expected: Expected) -> None:
        """Say what led to another root, and go on from what the head signed where the tiles still hold it."""
        from_tiles = Frontier(self.suite)
        for index in range(expected.size):
            from_tiles.append(self.stored(index) or bytes(HASH_BYTES))
        if from_tiles.root() == expected.root:
            for index in self.suspects:
                self.report.add(Kind.ENTRY_CHANGED, span(index, index + 1), "its bytes do not hash to the leaf that was signed")
            self.frontier = from_tiles
            return
        where = span(self.last_good, expected.size)
        if expected.saved:
            self.report.add(Kind.REWRITTEN, span(0, expected.size), f"they do not lead to the saved head of size {expected.size}")
        else:
            self.report.add(Kind.HISTORY_CHANGED, where, f"they do not lead to the signed {self.suite.name} head of size {expected.size}")
        self.broken = not expected.saved

    def _check_frontier(self, size: int) -> None:
        row = FrontierRow.objects.filter(suite=self.suite.name).first()
        kept = (row.size, as_bytes(row.hashes)) if row else (0, b"")
        if kept[0] == size and kept[1] == self.frontier.pack():
            return
        if self.broken and kept[0] == size:
            return  # named already
        what = f"it stands at {kept[0]}, the entries at {size}" if kept[0] != size else f"or {span(self.last_good, size)}: roots differ"
        self.report.add(Kind.FRONTIER_CHANGED, f"frontier {self.suite.name}", what)

    def _covered(self) -> int:
        last = Tile.objects.filter(suite=self.suite.name, level=0).order_by("-index").first()
        return 0 if last is None else last.index * WIDTH + len(as_bytes(last.hashes)) // HASH_BYTES


def as_bytes(value: object) -> bytes:
    """Return a binary column's bytes, also when somebody has put text there."""
    return value.encode("utf-8", "surrogateescape") if isinstance(value, str) else bytes(value)  # type: ignore[call-overload]
