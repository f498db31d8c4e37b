"""Keep the server's processes equally busy.

A browser keeps its connection (RFC 9112, 9.3), and the connection stays with the process that took it: of eight busy ones, one
of two processes often holds six, and their readers wait three times as long as the other two. So a process that has been busier
than the least busy one says `Connection: close` (RFC 9112, 9.6) with an answer now and then: the next request comes by a new
connection, which either may take.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest
from django.http.response import HttpResponseBase

UNEVEN = 1.5  # requests in hand, more than the least busy process has, before a connection is given up: one more is even
MEMORY = 0.5  # how much of the present one answer puts into a process's load
STALE = 0.3  # seconds after which a process that answered nothing has nothing in hand
PAUSE = 0.05  # seconds between two connections that a process gives up


class Board:
    """What every process has in hand, in memory that the processes share by being forked."""

    def __init__(self, places: int) -> None:
        """Make room for so many processes."""
        self._owners = multiprocessing.Array("l", places)
        self._loads = multiprocessing.RawArray("d", places)
        self._told = multiprocessing.RawArray("d", places)

    def place(self) -> int | None:
        """Return this process's place, its first time one that nobody alive holds; None when there is none."""
        with self._owners.get_lock():
            owners = self._owners[:]
            mine = os.getpid()
            free = owners.index(mine) if mine in owners else next((i for i, owner in enumerate(owners) if not _lives(owner)), None)
            if free is not None:
                self._owners[free] = mine
            return free

    def tell(self, place: int, load: float, now: float) -> None:
        """Note what a process has in hand."""
        self._loads[place], self._told[place] = load, now

    def least(self, place: int, now: float) -> float:
        """Return the smallest load among the others; a process that has not spoken for a moment has none."""
        others = (i for i in range(len(self._loads)) if i != place)
        return min((self._loads[i] if now - self._told[i] < STALE else 0.0 for i in others), default=0.0)


_shared: list[Board] = []


def share(processes: int) -> None:
    """Make the board, before the processes are forked."""
    _shared[:] = [Board(processes)] if processes > 1 else []


class Balance:
    """Count what this process has in hand, and give up a connection where it is more than its share."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        """Keep the rest of the chain; a server of one process needs none of this."""
        if not _shared:
            raise MiddlewareNotUsed
        self.get_response = get_response
        self.board = _shared[0]
        self._place: int | None = None
        self._lock = threading.Lock()
        self._in_hand = 0
        self._load = 0.0
        self._spoke = self._gave_up = 0.0

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer; over HTTP/1.1, perhaps asking for another connection."""
        with self._lock:
            self._in_hand += 1
        try:
            response = self.get_response(request)
        finally:
            with self._lock:
                busier = self._is_busier(time.monotonic())
                self._in_hand -= 1
        if busier and request.META.get("SERVER_PROTOCOL") == "HTTP/1.1":
            response.headers["Connection"] = "close"
        return response

    def _is_busier(self, now: float) -> bool:
        if self._place is None:
            self._place = self.board.place()
        if self._place is None:
            return False
        before = self._load if now - self._spoke < STALE else 0.0
        self._load, self._spoke = before + MEMORY * (self._in_hand - before), now
        self.board.tell(self._place, self._load, now)
        if now - self._gave_up < PAUSE or self._load - self.board.least(self._place, now) < UNEVEN:
            return False
        self._gave_up = now
        return True


def _lives(process: int) -> bool:
    if not process:
        return False
    with suppress(ProcessLookupError):
        os.kill(process, 0)
        return True
    return False
