"""Hash tiles: the stored form of a tree's inner hashes, and where each lies in an export.

A tile holds up to 256 hashes of one level; the hashes of level l + 1 are the roots of full tiles of level l. `Tiles`
grows a tree from leaf hashes and keeps what changed, to be written by the caller; `subtree` reads any perfect subtree.

Source: C2SP tlog-tiles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import PurePosixPath

from anzhang.engines.crypto import Suite
from anzhang.engines.ledger.tree import HASH_BYTES, Subtree

WIDTH = 256
HEIGHT = 8
MAX_ENTRY_BYTES = 65535

# Return the stored hashes of tile (level, index), empty when there is none.
Read = Callable[[int, int], bytes]


class MissingTileError(Exception):
    """A stored tile that the tree needs is absent or too short."""


def path(level: int | str, index: int, width: int = WIDTH) -> PurePosixPath:
    """Return where a tile (or with level "entries" a bundle) lies; `width` below 256 is a partial one."""
    parts = [f"{index % 1000:03d}"]
    while index >= 1000:
        index //= 1000
        parts.append(f"x{index % 1000:03d}")
    place = PurePosixPath("tile", str(level), *reversed(parts))
    return place if width == WIDTH else place.with_name(f"{place.name}.p") / str(width)


def layout(size: int) -> Iterator[tuple[int, int, int]]:
    """Yield (level, index, width) of every tile of a tree, lowest level first."""
    level, count = 0, size
    while count:
        for index in range(count // WIDTH):
            yield level, index, WIDTH
        if count % WIDTH:
            yield level, count // WIDTH, count % WIDTH
        level, count = level + 1, count // WIDTH


def fold(suite: Suite, hashes: bytes) -> bytes:
    """Return the root of a full power-of-two run of concatenated hashes."""
    level = [hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES)]
    while len(level) > 1:
        level = [suite.node(level[at], level[at + 1]) for at in range(0, len(level), 2)]
    return level[0]


def extend(suite: Suite, size: int, leaves: Iterable[bytes], read: Read) -> dict[tuple[int, int], bytes]:
    """Return the tiles that change when `leaves` (hashes) follow the first `size`: (level, index) to their hashes.

    Raises MissingTileError when the right edge of the stored tiles does not fit `size`.
    """
    changed: dict[tuple[int, int], bytearray] = {}

    def push(level: int, position: int, value: bytes) -> None:
        index, width = divmod(position, WIDTH)
        tile = changed.get((level, index))
        if tile is None:
            tile = bytearray(read(level, index)[: width * HASH_BYTES] if width else b"")
            if len(tile) != width * HASH_BYTES:
                raise MissingTileError(f"tile {level}/{index} holds {len(tile) // HASH_BYTES} hashes, not {width}")
            changed[level, index] = tile
        tile += value
        if len(tile) == WIDTH * HASH_BYTES:
            push(level + 1, index, fold(suite, bytes(tile)))

    for position, leaf in enumerate(leaves, size):
        push(0, position, leaf)
    return {place: bytes(tile) for place, tile in changed.items()}


def subtree(suite: Suite, read: Read) -> Subtree:
    """Return a reader of perfect subtrees over stored tiles."""

    def at(level: int, index: int) -> bytes:
        tile_level, above = divmod(level, HEIGHT)
        start = index << above
        tile, offset = divmod(start, WIDTH)
        run = read(tile_level, tile)[offset * HASH_BYTES : (offset + (1 << above)) * HASH_BYTES]
        if len(run) != HASH_BYTES << above:
            raise MissingTileError(f"tile {tile_level}/{tile} is absent or too short")
        return fold(suite, run)

    return at


def bundle(entries: Iterable[bytes]) -> bytes:
    """Return an entry bundle: each entry after its length as a big-endian 16-bit integer."""
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)
