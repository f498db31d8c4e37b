"""Merkle trees as RFC 6962 defines them: append at the right edge, roots, inclusion and consistency proofs.

A frontier holds the roots of the perfect subtrees of a tree, largest first: one hash per set bit of the size, so an append
costs O(log n) and needs nothing else. Proofs are made from a reader of stored subtree hashes (see `tiles.py`).

Source: RFC 6962, section 2.1; verification after RFC 9162, sections 2.1.3.2 and 2.1.4.2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from anzhang.engines.crypto import Suite

HASH_BYTES = 32

# Return the hash of the perfect subtree that covers leaves [index << level, (index + 1) << level).
Subtree = Callable[[int, int], bytes]


class ProofError(Exception):
    """A proof does not show what it should; the message says which step failed."""


class Frontier:
    """The right edge of one tree."""

    def __init__(self, suite: Suite, size: int = 0, hashes: Iterable[bytes] = ()) -> None:
        """Start from a stored edge. Raises ValueError when the number of hashes does not fit the size."""
        self.suite, self.size, self.hashes = suite, size, list(hashes)
        if len(self.hashes) != size.bit_count() or any(len(value) != HASH_BYTES for value in self.hashes):
            raise ValueError(f"a frontier of size {size} has {size.bit_count()} hashes of {HASH_BYTES} bytes")

    @classmethod
    def unpack(cls, suite: Suite, size: int, packed: bytes) -> Frontier:
        """Return the frontier whose hashes are concatenated in `packed`."""
        return cls(suite, size, (packed[at : at + HASH_BYTES] for at in range(0, len(packed), HASH_BYTES)))

    def pack(self) -> bytes:
        """Return the hashes concatenated."""
        return b"".join(self.hashes)

    def append(self, leaf_hash: bytes) -> None:
        """Add one leaf."""
        bits = self.size
        while bits & 1:
            leaf_hash = self.suite.node(self.hashes.pop(), leaf_hash)
            bits >>= 1
        self.hashes.append(leaf_hash)
        self.size += 1

    def root(self) -> bytes:
        """Return the root."""
        if not self.hashes:
            return self.suite.empty
        value = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            value = self.suite.node(left, value)
        return value

    def copy(self) -> Frontier:
        """Return an independent copy."""
        return Frontier(self.suite, self.size, self.hashes)


def root_of(suite: Suite, entries: Iterable[bytes]) -> bytes:
    """Return the root over the given entries."""
    frontier = Frontier(suite)
    for entry in entries:
        frontier.append(suite.leaf(entry))
    return frontier.root()


def range_root(suite: Suite, subtree: Subtree, start: int, end: int) -> bytes:
    """Return MTH(D[start:end]); `start` must be a multiple of the largest power of two below `end - start`."""
    value, bits = b"", end - start
    position = end
    while bits:
        level = (bits & -bits).bit_length() - 1
        position -= 1 << level
        part = subtree(level, position >> level)
        value = suite.node(part, value) if value else part
        bits &= bits - 1
    return value or suite.empty


def inclusion(suite: Suite, subtree: Subtree, index: int, size: int) -> list[bytes]:
    """Return the audit path of leaf `index` in the tree of `size` leaves, from the leaf's sibling upwards."""
    if not 0 <= index < size:
        raise ProofError(f"entry {index} is not among the first {size}")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(range_root(suite, subtree, middle, end))
            end = middle
        else:
            path.append(range_root(suite, subtree, start, middle))
            start = middle
    return path[::-1]


def consistency(suite: Suite, subtree: Subtree, old: int, new: int) -> list[bytes]:
    """Return the proof that the tree of `old` leaves is a prefix of the tree of `new` leaves; 0 < old <= new."""
    if not 0 < old <= new:
        raise ProofError(f"no consistency proof from size {old} to size {new}")
    path: list[bytes] = []
    start, end, whole = 0, new, True
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(range_root(suite, subtree, middle, end))
            end = middle
        else:
            path.append(range_root(suite, subtree, start, middle))
            start, whole = middle, False
    if not whole:
        path.append(range_root(suite, subtree, start, end))
    return path[::-1]


def verify_inclusion(suite: Suite, leaf_hash: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Check an audit path. Raises ProofError. Source: RFC 9162, section 2.1.3.2."""
    if not 0 <= index < size:
        raise ProofError(f"entry {index} is not among the first {size}")
    _check_lengths([leaf_hash, root, *path])
    fn, sn, value = index, size - 1, leaf_hash
    for part in path:
        if sn == 0:
            raise ProofError("the path is too long")
        if fn & 1 or fn == sn:
            value = suite.node(part, value)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            value = suite.node(value, part)
        fn, sn = fn >> 1, sn >> 1
    if sn:
        raise ProofError("the path is too short")
    if value != root:
        raise ProofError("the path leads to another root")


def verify_consistency(suite: Suite, old: int, new: int, path: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:  # noqa: C901 - the steps of the RFC, in its order
    """Check that one tree is a prefix of the other. Raises ProofError. Source: RFC 9162, section 2.1.4.2."""
    if not 0 < old <= new:
        raise ProofError(f"no consistency from size {old} to size {new}")
    if old == new:
        if path or old_root != new_root:
            raise ProofError("two trees of one size differ, or the proof is not empty")
        return
    _check_lengths([old_root, new_root, *path])
    if not path:
        raise ProofError("the proof is empty")
    parts = [old_root, *path] if old & (old - 1) == 0 else list(path)
    fn, sn = old - 1, new - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = parts[0]
    for part in parts[1:]:
        if sn == 0:
            raise ProofError("the proof is too long")
        if fn & 1 or fn == sn:
            fr, sr = suite.node(part, fr), suite.node(part, sr)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = suite.node(sr, part)
        fn, sn = fn >> 1, sn >> 1
    if sn or fr != old_root or sr != new_root:
        raise ProofError("the proof does not join the two roots")


def _split(count: int) -> int:
    """Return the largest power of two below `count` (at least 2)."""
    return 1 << ((count - 1).bit_length() - 1)


def _check_lengths(hashes: Iterable[bytes]) -> None:
    if any(len(value) != HASH_BYTES for value in hashes):
        raise ProofError(f"every hash has {HASH_BYTES} bytes")
