"""Write files that must survive a power cut, and append-only files whose torn tail is recognised.

A whole file: write to a temporary name, fsync, rename, fsync the directory. A folder: fill it under a temporary
name, fsync every file and the folder, rename, fsync the parent. The remaining hole: a disk that lies about fsync.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MAGIC = b"AZW1"
SALT = 8  # random bytes at the start of an append-only file; they seed every checksum, so that no payload can hold a forged record
_HEAD = struct.Struct("<4sII")  # magic, payload length, CRC-32 of salt and payload


class DurabilityError(Exception):
    """The operating system could not make bytes durable; what was written since the last success is in doubt."""


def write_file(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Replace `path` with `content` so that after a crash it holds either the old or the new bytes."""
    temporary = path.with_name(f".{path.name}.tmp")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
    sync_folder(path.parent)


def sync_file(path: Path) -> None:
    """Flush one file to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Flush a directory, so that a rename or a new name in it survives."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(path: Path) -> None:
    """Create a directory and its parents (0700), each durable in its parent."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(mode=0o700, exist_ok=True)
        sync_folder(folder.parent)


def publish_folder(temporary: Path, final: Path) -> None:
    """Make a filled folder appear under its final name, whole or not at all."""
    for file in sorted(temporary.iterdir()):
        sync_file(file)
    sync_folder(temporary)
    temporary.rename(final)
    sync_folder(final.parent)


@dataclass(frozen=True)
class Frame:
    """One framed record of an append-only file."""

    offset: int
    payload: memoryview


@dataclass(frozen=True)
class Damage:
    """Bytes that are no record: a torn tail when nothing valid follows, else damage in the middle."""

    offset: int
    length: int
    torn_tail: bool


class AppendFile:
    """A new append-only file of framed records. `append` writes, `sync` makes durable; one writer at a time."""

    def __init__(self, path: Path) -> None:
        """Create the file; raises FileExistsError when it is there."""
        self.path = path
        salt = os.urandom(SALT)
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        os.write(self._descriptor, salt)
        self.size = SALT
        self._seed = zlib.crc32(salt)
        sync_folder(path.parent)

    def append(self, *parts: bytes) -> None:
        """Write one record made of `parts`. Raises OSError with the file cut back to its old length."""
        checksum, length = self._seed, 0
        for part in parts:
            checksum = zlib.crc32(part, checksum)
            length += len(part)
        views = [memoryview(_HEAD.pack(MAGIC, length, checksum)), *(memoryview(part) for part in parts if part)]
        written = 0
        try:
            while views:
                count = os.writev(self._descriptor, views)
                written += count
                while views and count >= len(views[0]):
                    count -= len(views[0])
                    views.pop(0)
                if views:
                    views[0] = views[0][count:]
        except OSError:
            os.ftruncate(self._descriptor, self.size)
            raise
        self.size += written

    def sync(self) -> None:
        """Make everything appended durable. After a DurabilityError the file must not be used again (fsync may not report twice)."""
        try:
            os.fdatasync(self._descriptor)
        except OSError as error:
            raise DurabilityError(f"{self.path}: {error}") from error

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


def read_frames(content: memoryview) -> Iterator[Frame | Damage]:
    """Yield the records of an append-only file's content in order, and a Damage for every stretch that is none."""
    offset, size = SALT, len(content)
    seed = zlib.crc32(content[:SALT])
    while offset < size:
        payload = _frame_at(content, offset, seed)
        if payload is not None:
            yield Frame(offset, payload)
            offset += _HEAD.size + len(payload)
            continue
        following = _next_frame(content, offset + 1, seed)
        yield Damage(offset, (following or size) - offset, torn_tail=following is None)
        if following is None:
            return
        offset = following


def _frame_at(content: memoryview, offset: int, seed: int) -> memoryview | None:
    if len(content) - offset < _HEAD.size:
        return None
    magic, length, checksum = _HEAD.unpack_from(content, offset)
    start = offset + _HEAD.size
    if magic != MAGIC or start + length > len(content):
        return None
    payload = content[start : start + length]
    return payload if zlib.crc32(payload, seed) == checksum else None


def _next_frame(content: memoryview, offset: int, seed: int) -> int | None:
    whole = bytes(content[offset:])
    place = whole.find(MAGIC)
    while place >= 0:
        if _frame_at(content, offset + place, seed) is not None:
            return offset + place
        place = whole.find(MAGIC, place + 1)
    return None
