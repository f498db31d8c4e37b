"""Keep the memory of one seal for the next one.

A seal works on some hundred megabytes. glibc gives large blocks back to the system at once, and getting them again, page by page,
cost a fifth of the collector's CPU time. So the collector keeps them while it is busy and gives them back when it was not for a while.
"""

from __future__ import annotations

import ctypes

_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8  # malloc.h
_LARGE = 1 << 30


class Budget:
    """Bytes that many hold together and that have a limit."""

    def __init__(self, limit: int) -> None:
        """Start with nothing held."""
        self.limit, self.held = limit, 0

    def has(self, size: int) -> bool:
        """Whether so many more may be held."""
        return self.held + size <= self.limit

    def take(self, size: int) -> bool:
        """Hold so many more, if there is room."""
        if not self.has(size):
            return False
        self.held += size
        return True

    def give(self, size: int) -> None:
        """Hold so many fewer."""
        self.held -= size


def keep() -> None:
    """Let freed memory stay with this process. Call before the first thread; another C library than glibc stays as it is."""
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(_ARENA_MAX, 1)
        library.mallopt(_MMAP_MAX, 0)
        library.mallopt(_TRIM_THRESHOLD, _LARGE)


def give_back() -> None:
    """Return what is free to the system."""
    library = ctypes.CDLL(None)
    if hasattr(library, "malloc_trim"):
        library.malloc_trim(0)
