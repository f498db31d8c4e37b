"""Ask a ClamAV daemon about a file, by its own protocol over its socket (clamd(8), INSTREAM)."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

DEFAULT = "/run/clamav/clamd.ctl"  # where Debian's clamav-daemon listens
SECONDS = 60.0
_CHUNK = 1 << 18
_REPLY = 4096


class ScannerError(Exception):
    """The daemon cannot be asked, or does not answer as its protocol says."""


@dataclass(frozen=True)
class Finding:
    """What the daemon said: the name of what it found, empty for nothing; `engine` is its version line."""

    virus: str
    engine: str


def path() -> Path | None:
    """Return the daemon's socket: the one configured, else Debian's where it is there; None when nothing is to be asked."""
    configured = str(settings.HOME.get("attachments", "clamd", ""))
    if configured:
        return Path(configured)
    return Path(DEFAULT) if Path(DEFAULT).exists() else None


def scan(data: bytes, daemon: Path) -> Finding:
    """Return what the daemon says of bytes. Raises ScannerError."""
    engine = _ask(daemon, b"zVERSION\x00")
    reply = _ask(daemon, b"zINSTREAM\x00", data)
    said = reply.removeprefix("stream: ")
    if said == "OK":
        return Finding("", engine[:100])
    if said.endswith(" FOUND"):
        return Finding(said.removesuffix(" FOUND"), engine[:100])
    raise ScannerError(reply[:200])


def _ask(daemon: Path, command: bytes, data: bytes | None = None) -> str:
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(SECONDS)
            line.connect(str(daemon))
            line.sendall(command)
            if data is not None:
                for start in range(0, len(data), _CHUNK):
                    part = data[start : start + _CHUNK]
                    line.sendall(struct.pack("!I", len(part)) + part)
                line.sendall(struct.pack("!I", 0))
            reply = b""
            while not reply.endswith(b"\x00") and (part := line.recv(_REPLY)):
                reply += part
    except OSError as error:
        raise ScannerError(f"{daemon}: {error}") from error
    return reply.rstrip(b"\x00").decode("utf-8", "replace")
