"""Syslog over UDP: many datagrams a system call, no Python call per datagram.

1. A thread of its own takes up to `VECTOR` datagrams at once (recvmmsg) into memory that is never allocated again.
2. One compiled pass packs them, each as a counted frame: a datagram is one message, whatever stands in it (RFC 5426 section 3.1). Line
   ends and NULs after the message go.
3. Frames are sorted by sender and handed to the event loop as one block of bytes per source.
4. When the intake is full nobody reads: the kernel's buffer fills, and what it then drops is counted and told to every source that sent
   at the time, for the kernel does not say whose it was. A source over its quota loses what it sends; nobody can push a datagram back.

Evidence that came this way is marked `syslog_udp`: a sender's address proves nothing.

Source: RFC 5426; Art. 29.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import logging
import mmap
import os
import socket
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numba
import numpy as np
from numpy.typing import NDArray

from anzhang import clock
from anzhang.daemons import framing
from anzhang.daemons.intake import Intake
from anzhang.daemons.senders import Route, Senders, plain
from anzhang.engines.vault.jit import copy
from anzhang.monitoring.models import LogSource

log = logging.getLogger("anzhang.collector.udp")

TRANSPORT = str(LogSource.Transport.SYSLOG_UDP)
VECTOR = 2048  # datagrams a system call
SLOT = 512  # bytes; longer ones, up to the longest there are, go on in `LONG`
LONG = 65536 - SLOT
NAME = 28  # bytes of the longest socket address, IPv6's
BUFFER_BYTES = 64 << 20
HANDED = 64  # batches on their way to the event loop
LINGER_SECONDS = 0.016  # after fewer datagrams than fit, so that the next call brings more
WAIT_SECONDS = 0.2
TICK_SECONDS = 0.02
HEARD_SECONDS = 60.0  # who sent within this time before a drop may have lost something
MOST_STRANGERS = 16  # unregistered addresses of one batch that are kept apart; the rest is only counted

_SO_RCVBUFFORCE, _SO_MEMINFO, _MEMINFO_BYTES = 33, 55, 36
_MSG_WAITFORONE = 0x10000
_MESSAGE = np.dtype(  # struct mmsghdr of 64-bit Linux
    {
        "names": ["name", "name_length", "vectors", "count", "length"],
        "formats": ["u8", "u4", "u8", "u8", "u4"],
        "offsets": [0, 8, 16, 24, 56],
        "itemsize": 64,
    }
)
_recvmmsg = ctypes.CDLL(None, use_errno=True).recvmmsg
_recvmmsg.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_void_p]


@dataclass
class Counters:
    """What the status file shows of this receiver; `kernel_dropped` counts since the start."""

    datagrams: int = 0
    bytes: int = 0
    kernel_dropped: int = 0
    over_quota: int = 0
    unregistered: int = 0
    buffer_bytes: int = 0


class Batch:
    """The memory of one recvmmsg call, prepared once."""

    def __init__(self) -> None:
        """Lay out slots, their continuation and the structures that point at them."""
        self.slots = np.zeros((VECTOR, SLOT), np.uint8)
        # the system gives memory only to rows that are written
        self._memory = mmap.mmap(-1, VECTOR * LONG, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self.long = np.frombuffer(self._memory, np.uint8).reshape(VECTOR, LONG)
        self.names = np.zeros((VECTOR, NAME), np.uint8)
        self.vectors = np.zeros((VECTOR, 2, 2), np.uint64)
        rows = np.arange(VECTOR, dtype=np.uint64)
        self.vectors[:, 0, 0], self.vectors[:, 0, 1] = self.slots.ctypes.data + rows * np.uint64(SLOT), SLOT
        self.vectors[:, 1, 0], self.vectors[:, 1, 1] = self.long.ctypes.data + rows * np.uint64(LONG), LONG
        self.messages = np.zeros(VECTOR, _MESSAGE)
        self.messages["name"] = self.names.ctypes.data + rows * np.uint64(NAME)
        self.messages["vectors"] = self.vectors.ctypes.data + rows * np.uint64(32)
        self.messages["count"] = 2
        self.messages["name_length"] = NAME  # the kernel writes back how many it used: all of the family's, every time
        self.out = self._usual = np.empty(VECTOR * (SLOT + 8) + 8, np.uint8)
        self.places = np.empty((3, VECTOR), np.int64)

    def receive(self, descriptor: int, flags: int = _MSG_WAITFORONE) -> int:
        """Return how many datagrams came, 0 when none did in time. Raises OSError."""
        count = int(_recvmmsg(descriptor, self.messages.ctypes.data, VECTOR, flags, None))
        if count >= 0:
            return count
        code = ctypes.get_errno()
        if code in {errno.EAGAIN, errno.EINTR}:
            return 0
        raise OSError(code, os.strerror(code))

    def pack(self, count: int) -> tuple[framing.Bytes, framing.Cut]:
        """Return the datagrams as counted frames; empty ones are left out (their frames are empty too)."""
        lengths = np.ascontiguousarray(self.messages["length"][:count]).astype(np.int64)
        room = int(lengths.sum()) + 8 * count + 8
        self.out = self._usual if room <= len(self._usual) else np.empty(room, np.uint8)
        size = _pack(self.slots, self.long, lengths, self.out, self.places)
        if count and lengths.max() > SLOT:
            self._memory.madvise(mmap.MADV_DONTNEED)  # long datagrams are rare, and a flood of them must not keep what it took
        starts, bodies, ends = (row[:count] for row in self.places)
        return self.out, framing.Cut(starts, bodies, ends, np.full(count, framing.OCTET, np.int8), int(size), 0)

    def senders(self, count: int, family: int) -> NDArray[np.bytes_]:
        """Return the senders' addresses as packed bytes (NumPy leaves zero bytes at their ends out)."""
        first, size = (4, 4) if family == socket.AF_INET else (8, 16)
        return np.ascontiguousarray(self.names[:count, first : first + size]).view(f"S{size}").ravel()


@numba.njit(cache=True, nogil=True)
def _pack(
    slots: NDArray[np.uint8], long: NDArray[np.uint8], lengths: framing.Offsets, out: framing.Bytes, places: NDArray[np.int64]
) -> int:  # pragma: no cover  # compiled
    """Write every message behind its length and a space; return the bytes written."""
    flat = slots.ravel()
    place = 0
    for row in range(len(lengths)):
        size = lengths[row]
        while size > 0:
            last = slots[row, size - 1] if size <= SLOT else long[row, size - 1 - SLOT]
            if last not in (0, 10, 13):
                break
            size -= 1
        places[0, row] = place
        if size > 0:
            digits, rest = 1, size
            while rest >= 10:
                rest //= 10
                digits += 1
            rest = size
            for back in range(digits):
                out[place + digits - 1 - back] = 48 + rest % 10
                rest //= 10
            place += digits
            out[place] = 32
            place += 1
        places[1, row] = place
        head = min(size, SLOT)
        copy(out, place, flat, row * SLOT, row * SLOT + head)
        if size > SLOT:
            out[place + SLOT : place + size] = long[row, : size - SLOT]
        place += size
        places[2, row] = place
    return place


@dataclass
class Sorted:
    """One batch by source: (source, address, frames, messages); by unregistered address: (address, why, frames, messages)."""

    known: list[tuple[str, str, bytes, int]] = field(default_factory=list)
    strange: list[tuple[str, str, bytes, int]] = field(default_factory=list)
    dropped: int = 0
    uncounted: int = 0  # datagrams of further unregistered addresses


class Sorter:
    """Sorts a batch's frames by source; remembers what it found out about an address until the register changes."""

    def __init__(self, family: int) -> None:
        """Take the socket's family."""
        self.family = family
        self._senders: Senders | None = None
        self._known: dict[bytes, tuple[str, Route, list[str], framing.Hosts]] = {}

    def sort(self, batch: Batch, count: int, senders: Senders) -> Sorted:
        """Return the batch by source."""
        if senders is not self._senders:
            self._senders, self._known = senders, {}
        data, cuts = batch.pack(count)
        keys = batch.senders(count, self.family)
        found = Sorted()
        if (keys == keys[0]).all():
            self._take(found, keys[0], data, cuts, np.ones(count, np.bool_), senders)
            return found
        distinct, owner = np.unique(keys, return_inverse=True)
        known = np.array([self._look_up(key, senders)[1].is_known for key in distinct])
        strange = np.flatnonzero(~known)
        for number in [*np.flatnonzero(known).tolist(), *strange[:MOST_STRANGERS].tolist()]:
            self._take(found, distinct[number], data, cuts, owner == number, senders)
        found.uncounted = int(np.isin(owner, strange[MOST_STRANGERS:]).sum())
        return found

    def _take(self, found: Sorted, key: bytes, data: framing.Bytes, cuts: framing.Cut, chosen: NDArray[np.bool_], senders: Senders) -> None:
        address, route, codes, hosts = self._look_up(key, senders)
        if not route.is_known:
            found.strange.append((address, "unregistered_udp", framing.gather(data, cuts, chosen), int(chosen.sum())))
            return
        if not route.hosts:
            found.known.append((codes[0], address, framing.gather(data, cuts, chosen), int(chosen.sum())))
            return
        numbers = hosts.number(data, cuts, route.otherwise)
        for number in np.unique(numbers[chosen]).tolist():
            mine = chosen & (numbers == number)
            block, messages = framing.gather(data, cuts, mine), int(mine.sum())
            if number == framing.UNKNOWN:
                found.strange.append((address, "unknown_host", block, messages))
            else:
                found.known.append((codes[number], address, block, messages))

    def _look_up(self, key: bytes, senders: Senders) -> tuple[str, Route, list[str], framing.Hosts]:
        known = self._known.get(key)
        if known is None:
            size = 4 if self.family == socket.AF_INET else 16
            address = str(plain(socket.inet_ntop(self.family, bytes(key).ljust(size, b"\0"))))
            route = senders.route(address, TRANSPORT)
            known = (address, route, route.codes, route.names)
            if len(self._known) < 65536:  # a flood of addresses must not grow it
                self._known[key] = known
        return known


class UdpServer:
    """One UDP listener and its thread."""

    def __init__(self, intake: Intake, buffer_bytes: int = BUFFER_BYTES) -> None:
        """Prepare; `listen` opens the port with a kernel buffer of so many bytes, or as many as are granted."""
        self.intake, self.wanted, self.counters = intake, buffer_bytes, Counters()
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._room = threading.Event()
        self._room.set()
        self._handed = threading.Semaphore(HANDED)
        self._heard: dict[str, float] = {}  # source to time.monotonic()
        self._loop = asyncio.get_running_loop()
        self.failed: BaseException | None = None

    def listen(self, host: str, port: int, *, shared: bool = False) -> None:
        """Bind and start to receive; `shared`: the kernel deals senders out among the processes that do. Raises OSError."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        opened = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self.counters.buffer_bytes = _widen(opened, self.wanted)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, int(WAIT_SECONDS * 1e6)))
            if shared:
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            opened.bind((host, port))
        except OSError:
            opened.close()
            raise
        if self.counters.buffer_bytes < self.wanted:
            log.warning("udp: the kernel grants a buffer of %d bytes; sysctl net.core.rmem_max allows more", self.counters.buffer_bytes)
        self._socket = opened
        self._thread = threading.Thread(target=self._receive, args=(opened,), name="udp", daemon=True)
        self._thread.start()

    async def run(self) -> None:
        """Let the thread read on when there is room again, until cancelled. Raises what ended the thread."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            if self.failed is not None:
                raise self.failed
            if not self._room.is_set() and not self.intake.is_full:
                self._room.set()

    async def close(self) -> None:
        """Take what stands in the kernel's buffer and stop."""
        self._stopping.set()
        self._room.set()
        if self._thread is not None:
            await asyncio.get_running_loop().run_in_executor(None, self._thread.join)
        await asyncio.sleep(0)  # what the thread handed over last
        if self._socket is not None:
            self._socket.close()

    def _receive(self, opened: socket.socket) -> None:
        try:
            for found in self._batches(opened):
                self._handed.acquire()
                self._loop.call_soon_threadsafe(self._offer, found)
        except BaseException as error:  # noqa: BLE001  # whatever it is ends the collector, which says so
            self.failed = error

    def _batches(self, opened: socket.socket) -> Iterator[Sorted]:
        """Yield sorted batches until stopped and the kernel's buffer is empty."""
        batch, sorter, drops, looked = Batch(), Sorter(opened.family), _drops(opened), time.monotonic()
        while True:
            stopping = self._stopping.is_set()
            self._room.wait(WAIT_SECONDS)
            if not self._room.is_set():
                continue
            count = batch.receive(opened.fileno(), socket.MSG_DONTWAIT if stopping else _MSG_WAITFORONE)
            found = sorter.sort(batch, count, self.intake.senders) if count else Sorted()
            now = time.monotonic()
            if now - looked > 0.1:
                looked, before, drops = now, drops, _drops(opened)
                found.dropped = (drops - before) & 0xFFFFFFFF
            if count or found.dropped:
                yield found
            if stopping and not count:
                return
            if count < VECTOR and not stopping:
                time.sleep(LINGER_SECONDS)

    def _offer(self, found: Sorted) -> None:
        """Hand a batch to the intake; on the event loop."""
        self._handed.release()
        now, at = time.monotonic(), clock.now()
        for code, address, block, messages in found.known:
            self._heard[code] = now
            if self.intake.over_quota(code):
                self.counters.over_quota += messages
                self.intake.lose(code, messages)
                continue
            self.counters.datagrams += messages
            self.counters.bytes += len(block)
            self.intake.offer(code, address, framing.OCTET, block, transport=TRANSPORT)
        for address, why, block, messages in found.strange:
            self.counters.unregistered += messages
            self.intake.quarantine(address, why, block, at)
        self.counters.unregistered += found.uncounted
        if found.dropped:
            self.counters.kernel_dropped += found.dropped
            for code, heard in self._heard.items():
                if now - heard < HEARD_SECONDS:
                    self.intake.lose(code, found.dropped)
        if self.intake.is_full:
            self._room.clear()


def _widen(opened: socket.socket, size: int) -> int:
    """Ask for a large buffer, past the system's limit where we may; return what was granted."""
    with contextlib.suppress(OSError):  # without CAP_NET_ADMIN the usual way, up to net.core.rmem_max
        opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, size)
        return opened.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
    return opened.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2  # the kernel doubles what it is asked for


def _drops(opened: socket.socket) -> int:
    """Return how many datagrams the kernel has dropped at this socket, a number of 32 bits."""
    return int.from_bytes(opened.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO_BYTES)[-4:], "little")


def warm() -> None:
    """Compile the kernel."""
    slots, long = np.zeros((1, SLOT), np.uint8), np.zeros((1, 1), np.uint8)
    _pack(slots, long, np.ones(1, np.int64), np.empty(16, np.uint8), np.empty((3, 1), np.int64))
