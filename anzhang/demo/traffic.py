"""Send lines to the collector's syslog port over TCP, as the demo's hosts would."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Iterable
from datetime import timedelta

from anzhang import clock
from anzhang.demo import logs, operations
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


def keep_sending(place: Listen) -> None:
    """Send the lines of the present day as their minute comes (by the demo's clock), until SIGTERM or SIGINT.

    Monitors speak at once: the demo may have stood still, or have been moved, and what they said before is old.
    """
    stopping = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stopping.set())
    sent_until = clock.now()
    probed_until = sent_until - operations.EVERY
    while not stopping.wait(BEAT_SECONDS):
        now = clock.now()
        begin = max(sent_until, now - timedelta(days=7))
        due = list(logs.between(begin, now))
        probing = now - probed_until >= operations.EVERY
        if probing:
            due += operations.told_at(now)
        if due:
            try:
                send(place, due)
            except OSError:
                continue  # the collector is away; the same lines are due at the next beat
        sent_until = now
        probed_until = now if probing else probed_until
