"""Send lines to the collector's syslog port over TCP, as the demo's hosts would."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
import time
from collections.abc import Iterable

from anzhang import clock
from anzhang.demo import progress
from anzhang.home import Home
from anzhang.operate.listen import Listen

CHUNK = 2000  # lines per send
BEAT_SECONDS = 5.0


def send(place: Listen, lines: Iterable[bytes]) -> int:
    """Send all lines, newline framed; return how many."""
    count, buffer = 0, []
    with socket.create_connection((place.host, place.port), timeout=30) as connection:
        for line in lines:
            buffer.append(line + b"\n")
            count += 1
            if len(buffer) == CHUNK:
                connection.sendall(b"".join(buffer))
                buffer.clear()
        connection.sendall(b"".join(buffer))
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(4096):  # until the collector has read to the end and closed
            pass
    return count


def wait_for(place: Listen, seconds: float) -> bool:
    """Wait until somebody listens; return whether that happened in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            socket.create_connection((place.host, place.port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return True
    return False


def keep_sending(home: Home, place: Listen) -> None:
    """Send lines as their minute comes (by the demo's clock), and let people and machines enter what they do, until SIGTERM or SIGINT."""
    stopping = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stopping.set())
    while not stopping.wait(BEAT_SECONDS):
        with contextlib.suppress(OSError):  # the collector is away: the same lines are due at the next beat
            progress.go_on(home, clock.now(), lambda lines: send(place, lines) if lines else 0)
