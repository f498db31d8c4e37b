"""Follow log files on this machine through rotation, truncation and our own death, losing and doubling nothing.

Before a stretch of bytes is stored, the state file says which stretch (`offset` to `pending`), durably; the stretch is stored
under an idempotency key made of generation and offsets. Killed in between, the next start reads exactly that stretch
again, and the vault answers that it has it. A new generation begins with every rotation and truncation.

A rotated file that was compressed while we were away is unpacked and read on from where we were. A path with `*` or `?` is many
files, each with a state of its own; new ones are read from their beginning.

What cannot be had: bytes that a copy-and-truncate rotation removes between two looks, and a rotated file that was deleted while we
were away. Both are counted as `gaps` and logged.
"""

from __future__ import annotations

import asyncio
import bz2
import glob
import gzip
import json
import logging
import lzma
import os
import re
import stat
import tempfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from anzhang.daemons import framing
from anzhang.daemons.intake import Intake
from anzhang.daemons.senders import Source
from anzhang.engines import durable

log = logging.getLogger("anzhang.collector.file")

CHUNK = 1 << 20
POLL_SECONDS = 0.5
HEAD_BYTES = 256
UNPACKERS: Mapping[str, Callable[..., Any]] = {".gz": gzip.open, ".xz": lzma.open, ".bz2": bz2.open}
COMPRESSED = frozenset({*UNPACKERS, ".zst"})
LARGEST_UNPACKED = 8 << 30
MOST_FILES = 1000  # of one path with wildcards
NO_KEY_YET = -1
ROTATED = re.compile(r"(.+?)[.-]\d{1,14}")


@dataclass
class State:
    """How far a file was read; `head` is the CRC-32 of its first `head_size` bytes, which tells a reused inode apart."""

    device: int = 0
    inode: int = 0
    offset: int = 0
    pending: int = NO_KEY_YET
    generation: int = 0
    head: int = 0
    head_size: int = 0
    gaps: int = 0


class Follower(ABC):
    """A file that somebody follows: looked at again and again, complained about once."""

    def __init__(self, source: Source, folder: Path, intake: Intake, path: Path | None = None) -> None:
        """Name source and state file; `path` is one of the files that the source's path stands for."""
        self.source, self.intake, self.folder = source, intake, folder
        self.path = path or Path(source.file_path)
        one_of_many = str(self.path) != source.file_path
        self.address = str(self.path) if one_of_many else ""
        self.state_file = folder / (f"{source.code}-{zlib.crc32(bytes(self.path)):08x}.json" if one_of_many else f"{source.code}.json")
        self.complaint = ""

    @property
    @abstractmethod
    def is_open(self) -> bool:
        """Whether there may be more in a file that no longer stands at its path."""

    async def run(self) -> None:
        """Follow until cancelled; an unreadable file is complained about once and looked at again."""
        try:
            while True:
                try:
                    moved = await self.step()
                    self.complaint = ""
                except OSError as error:
                    moved = False
                    if str(error) != self.complaint:
                        log.warning("source %s: %s", self.source.code, error)
                        self.complaint = str(error)
                if not moved:
                    await asyncio.sleep(POLL_SECONDS)
        finally:
            self.close()

    @abstractmethod
    async def step(self) -> bool:
        """Store one stretch; return whether there may be more at once."""

    @abstractmethod
    def close(self) -> None:
        """Close what is open; the state stays."""

    @abstractmethod
    def report(self) -> dict[str, Any]:
        """Return what the status file shows."""

    async def store(self, stretch: str, block: bytes) -> None:
        """Store a stretch under a key that says which one it is."""
        one = f"{self.state_file.stem}/" if self.address else ""
        await self.intake.store(self.source, self.address, framing.NEWLINE, block, key=f"file/{one}{stretch}", transport="file")


class Tail(Follower):
    """One followed log file."""

    def __init__(self, source: Source, folder: Path, intake: Intake, path: Path | None = None) -> None:
        """Read the state of an earlier run."""
        super().__init__(source, folder, intake, path)
        self.state = self._load()
        self.descriptor = -1

    @property
    def is_open(self) -> bool:
        """Whether a file is open: one that was rotated away is read to its end."""
        return self.descriptor >= 0

    def report(self) -> dict[str, Any]:
        """Return what the status file shows."""
        return {"offset": self.state.offset, "gaps": self.state.gaps, "trouble": self.complaint}

    def close(self) -> None:
        """Close the file; the state stays."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    async def step(self) -> bool:
        """Store one stretch or move to the next file; return whether there may be more at once."""
        if self.intake.is_full or self.intake.over_quota(self.source.code):
            return False
        if self.descriptor < 0 and not self._open():
            return False
        size = os.fstat(self.descriptor).st_size
        if size < self.state.offset:
            log.info("source %s: %s was truncated", self.source.code, self.path)
            self._begin(os.fstat(self.descriptor))
        rotated = self._successor() is not None
        block = self._stretch(whole=rotated)
        if block:
            await self._store(block)
            return True
        if rotated:
            self._move_on()
            return True
        return False

    async def _store(self, block: bytes) -> None:
        end = self.state.offset + len(block)
        self._note_head()
        self.state.pending = end
        self._save()
        await self.store(f"{self.state.generation}/{self.state.offset}-{end}", block)
        self.state.offset, self.state.pending = end, NO_KEY_YET

    def _stretch(self, *, whole: bool) -> bytes:
        """Return the next bytes up to a line's end; a longer line, or the end of a rotated file, without one."""
        if self.state.pending > self.state.offset:
            block = os.pread(self.descriptor, self.state.pending - self.state.offset, self.state.offset)
            if len(block) == self.state.pending - self.state.offset:
                return block
        block = os.pread(self.descriptor, CHUNK, self.state.offset)
        end = block.rfind(b"\n") + 1
        return block if end == 0 and (len(block) == CHUNK or whole) else block[:end]

    def _open(self) -> bool:
        """Open the file the state speaks of, or the present one; return whether one is open."""
        if self.state.inode:
            for place in self._candidates():
                descriptor = _open_regular(place)
                if self._is_ours(descriptor):
                    self.descriptor = descriptor
                    return True
                os.close(descriptor)
            self.descriptor = self._unpacked()
            if self.descriptor >= 0:
                return True
        if not self.path.exists():
            return False
        if self.state.inode:
            self.state.gaps += 1
            self.intake.lose(self.source.code, 1)
            log.warning("source %s: the file read last is gone; what was appended to it since is lost", self.source.code)
        self.descriptor = _open_regular(self.path)
        self._begin(os.fstat(self.descriptor))
        return True

    def _unpacked(self) -> int:
        """Return a descriptor of what the file read last became by compression, unpacked; -1 when none of the archives is it."""
        if not self.state.head_size:
            return -1
        family = self.path.parent.glob(f"{glob.escape(self.path.name)}*")
        for place in sorted(each for each in family if each.suffix in UNPACKERS and each.is_file()):
            try:
                with UNPACKERS[place.suffix](place) as packed:
                    if zlib.crc32(packed.read(self.state.head_size)) != self.state.head:
                        continue
                    packed.seek(0)
                    return _spooled(packed, place, self.folder)
            except (EOFError, ValueError, lzma.LZMAError, zlib.error) as error:
                log.warning("source %s: %s does not unpack: %s", self.source.code, place, error)
        return -1

    def _move_on(self) -> None:
        """Leave a file that was rotated away and read to its end."""
        successor = self._successor()
        if successor is None:
            return
        descriptor = _open_regular(successor)
        self.close()
        self.descriptor = descriptor
        self._begin(os.fstat(descriptor))

    def _begin(self, status: os.stat_result) -> None:
        old = self.state
        self.state = State(device=status.st_dev, inode=status.st_ino, generation=old.generation + 1, gaps=old.gaps)
        self._save()

    def _successor(self) -> Path | None:
        """Return the file that follows ours: the next rotated one by age, else the present one; None while ours is present."""
        mine = os.fstat(self.descriptor)
        try:
            present = self.path.stat()
        except FileNotFoundError:
            return None  # between rename and creation
        if (present.st_dev, present.st_ino) == (mine.st_dev, mine.st_ino):
            return None
        others = [(place.stat(), place) for place in self._candidates()]
        later = [place for status, place in others if status.st_ino != mine.st_ino and status.st_mtime_ns > mine.st_mtime_ns]
        return later[0] if later else self.path

    def _candidates(self) -> list[Path]:
        """Return the present file and its rotated, uncompressed predecessors, oldest first."""
        if not self.path.parent.is_dir():
            return []
        family = self.path.parent.glob(f"{glob.escape(self.path.name)}*")
        found = [place for place in family if place.is_file() and place.suffix not in COMPRESSED]
        return sorted(found, key=lambda place: (place == self.path, place.stat().st_mtime_ns))

    def _is_ours(self, descriptor: int) -> bool:
        status = os.fstat(descriptor)
        if (status.st_dev, status.st_ino) != (self.state.device, self.state.inode):
            return False
        return zlib.crc32(os.pread(descriptor, self.state.head_size, 0)) == self.state.head or status.st_size < self.state.offset

    def _note_head(self) -> None:
        if self.state.head_size < HEAD_BYTES:
            head = os.pread(self.descriptor, HEAD_BYTES, 0)
            self.state.head, self.state.head_size = zlib.crc32(head), len(head)

    def _load(self) -> State:
        try:
            return State(**json.loads(self.state_file.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return State()

    def _save(self) -> None:
        durable.write_file(self.state_file, json.dumps(asdict(self.state)).encode())


def expand(path: str) -> list[Path]:
    """Return the files that a registered path stands for: itself, or what its wildcards match without rotated and compressed ones."""
    if not glob.has_magic(path):
        return [Path(path)]
    found = {Path(name) for name in glob.glob(path)}  # noqa: PTH207  # the pattern is absolute and may have wildcards in folders
    present = {each.name for each in found}
    kept = [each for each in found if each.is_file() and each.suffix not in COMPRESSED and not _is_rotated(each, present)]
    if len(kept) > MOST_FILES:
        log.error("%s stands for %d files; only the first %d are followed", path, len(kept), MOST_FILES)
    return sorted(kept)[:MOST_FILES]


def _is_rotated(file: Path, names: set[str]) -> bool:
    """Whether a file is what another one became: its name is that name, a dot or dash, and digits."""
    found = ROTATED.fullmatch(file.name)
    return found is not None and found[1] in names


def _spooled(packed: IO[bytes], place: Path, folder: Path) -> int:
    """Return a descriptor of the unpacked bytes in a file that is gone when it is closed, as old as the archive."""
    with tempfile.TemporaryFile(dir=folder) as spool:
        while block := packed.read(CHUNK):
            spool.write(block)
            if spool.tell() > LARGEST_UNPACKED:
                raise OSError(f"{place} unpacks to more than {LARGEST_UNPACKED} bytes")
        spool.flush()
        os.utime(spool.fileno(), ns=(place.stat().st_atime_ns, place.stat().st_mtime_ns))
        return os.dup(spool.fileno())


def _open_regular(path: Path) -> int:
    """Open a regular file for reading; a pipe or device is refused instead of waited for."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{path} is not a regular file")
    return descriptor
