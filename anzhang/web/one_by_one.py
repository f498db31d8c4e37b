"""Let a process work on one page at a time, as long as pages are short.

Threads that make pages at the same moment only take turns on the interpreter: three pages of 20 ms begun together are all
finished after 60 ms, one after the other after 20, 40 and 60. So a page waits for the one before it, in the order of coming,
but never longer than `PATIENCE`: a page that reads a vault or writes a large sheet holds nobody up for more than that.

With PostgreSQL a page spends much of its time waiting for the server, and another may well be made meanwhile: none waits.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from django.core.exceptions import MiddlewareNotUsed
from django.db import connection
from django.http import HttpRequest
from django.http.response import HttpResponseBase

PATIENCE = 0.1  # seconds


class OneByOne:
    """Hand requests on one after the other."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        """Keep the rest of the chain; SQLite only."""
        if connection.vendor != "sqlite":
            raise MiddlewareNotUsed
        self.get_response = get_response
        self._turn = threading.Semaphore()

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer when the one before is done, or after `PATIENCE`."""
        mine = self._turn.acquire(timeout=PATIENCE)
        try:
            return self.get_response(request)
        finally:
            if mine:
                self._turn.release()
