"""The bounded quarantine of lines from senders that nobody registered.

Bytes go to numbered files of `FILE_BYTES`; when the whole folder passes its cap the oldest file is dropped and its
bytes are counted. Nothing here feeds a stream, is sealed, or is under the retention floor. `index.json` holds what the
page and `anzhang doctor` show. One process writes (the collector), any number read.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

FILE_BYTES = 1 << 20
OTHER = "other"
MOST_SENDERS = 200  # listed one by one; more are counted together under OTHER
SHOWN_BYTES = 200
HEADER = re.compile(r"(?:\d+ )?<\d{1,3}>(?:1 \S+|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d) ([A-Za-z0-9][A-Za-z0-9._-]*) ")


@dataclass
class Stranger:
    """What was heard from one unregistered sender; `why` is `unregistered` or `unknown_host`."""

    address: str
    why: str
    first_at: str
    last_at: str
    bytes: int = 0
    chunks: int = 0
    lines: int = 0
    sample: str = ""


@dataclass
class Index:
    """Totals of the quarantine; `dropped_bytes` were pushed out by newer ones."""

    senders: dict[str, Stranger] = field(default_factory=dict)
    kept_bytes: int = 0
    dropped_bytes: int = 0
    next_file: int = 1


class Quarantine:
    """The folder, opened for writing."""

    def __init__(self, root: Path, cap_bytes: int = 64 << 20) -> None:
        """Open or make the folder; the cap holds from the first write on."""
        self.root, self.cap = root, cap_bytes
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.index = read(root)
        self._sizes = {int(path.stem): path.stat().st_size for path in root.glob("*.raw")}
        self.index.next_file = max([self.index.next_file - 1, *self._sizes]) + 1
        self.index.kept_bytes = sum(self._sizes.values())
        self._dirty = False

    def put(self, address: str, why: str, data: bytes, at: datetime) -> None:
        """Keep bytes of one sender, dropping the oldest file when the cap is passed."""
        note = self._sender(address, why, at)
        note.last_at, note.bytes, note.chunks = at.isoformat(), note.bytes + len(data), note.chunks + 1
        note.lines += data.count(b"\n")
        note.sample = note.sample or data[:SHOWN_BYTES].decode("utf-8", "replace")
        self.index.kept_bytes += len(data)
        for start in range(0, len(data), FILE_BYTES):
            self._append(data[start : start + FILE_BYTES])
        self._drop()
        self._dirty = True

    def save(self) -> None:
        """Write the index when something changed; not fsynced, for nothing here is evidence."""
        if not self._dirty:
            return
        self._dirty = False
        temporary = self.root / "index.new"
        temporary.write_text(json.dumps(asdict(self.index), ensure_ascii=False), encoding="utf-8")
        temporary.rename(self.root / "index.json")

    def _sender(self, address: str, why: str, at: datetime) -> Stranger:
        key = f"{address} {why}"
        if key not in self.index.senders and len(self.index.senders) >= MOST_SENDERS:
            address, key = OTHER, f"{OTHER} {why}"
        return self.index.senders.setdefault(key, Stranger(address, why, at.isoformat(), at.isoformat()))

    def _append(self, data: bytes) -> None:
        number = max(self._sizes, default=0)
        if number == 0 or self._sizes[number] + len(data) > FILE_BYTES:
            number = self.index.next_file
            self.index.next_file += 1
            self._sizes[number] = 0
        descriptor = os.open(self.root / f"{number:08d}.raw", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "ab") as file:
            file.write(data)
        self._sizes[number] += len(data)

    def _drop(self) -> None:
        while self.index.kept_bytes > self.cap and len(self._sizes) > 1:
            oldest = min(self._sizes)
            (self.root / f"{oldest:08d}.raw").unlink(missing_ok=True)
            size = self._sizes.pop(oldest)
            self.index.kept_bytes -= size
            self.index.dropped_bytes += size


def host_of(sample: str) -> str:
    """Return the host name in the header of a syslog line, empty where it has none."""
    match = HEADER.match(sample)
    return match[1] if match else ""


def read(root: Path) -> Index:
    """Return the totals; an empty index where nothing was quarantined or the file is damaged."""
    try:
        raw: dict[str, Any] = json.loads((root / "index.json").read_text(encoding="utf-8"))
        senders = {key: Stranger(**value) for key, value in raw.pop("senders").items()}
        return Index(senders=senders, **raw)
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return Index()
