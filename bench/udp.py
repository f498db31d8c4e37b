"""Syslog over UDP on loopback: our receiver beside a plain receive loop, and the whole collector at rising rates.

1. Receivers alone, each in a process of its own, each given the same datagrams at a rate that all of them can take: CPU seconds per
   datagram of the system call and of making one block of frames. The peer is the loop that one writes first (`recv_into`), and uvloop's.
2. The whole collector (receive, sort, write-ahead file, parse, templates, filters, seal): 100,000 a second and up for three seconds each;
   sent, received and what the kernel dropped, which must add up.

The sender is a process of its own, with sendmmsg. Goals: no loss at 300,000 a second, better at 500,000; 2.5 times the plain loop per core.
"""

from __future__ import annotations

import asyncio
import ctypes
import multiprocessing
import shutil
import socket
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from bench.ingest import lines
from tests.monitoring.installation import Installation, build_template
from tests.programs import free_udp_port, wait_until

BURST = 64
PACE = 60_000  # datagrams a second that every receiver can take
SECONDS = 3
RATES = (100_000, 200_000, 300_000, 400_000, 500_000)
ADDRESS = "127.0.0.2"


def send(port: int, count: int, rate: int) -> None:
    """Send datagrams at a rate, `BURST` a system call."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.bind((ADDRESS, 0))
        out.connect(("127.0.0.1", port))
        texts = [line for line in lines(1000).split(b"\n") if line][:BURST]
        buffers = [ctypes.create_string_buffer(text, len(text)) for text in texts]
        vectors, messages = np.zeros((BURST, 2), np.uint64), np.zeros((BURST, 8), np.uint64)  # struct mmsghdr: 64 bytes
        vectors[:, 0], vectors[:, 1] = [ctypes.addressof(each) for each in buffers], [len(text) for text in texts]
        messages[:, 2], messages[:, 3] = vectors.ctypes.data + np.arange(BURST, dtype=np.uint64) * np.uint64(16), 1
        sendmmsg, begin, sent = ctypes.CDLL(None).sendmmsg, time.perf_counter(), 0
        while sent < count:
            due = begin + sent / rate
            while time.perf_counter() < due:
                pass
            sent += max(0, sendmmsg(out.fileno(), ctypes.c_void_p(messages.ctypes.data), BURST, 0))


def sender(port: int, count: int, rate: int) -> float:
    """Run the sender in a process; return the seconds it took."""
    process = multiprocessing.get_context("spawn").Process(target=send, args=(port, count, rate))
    process.start()
    begin = time.perf_counter()
    process.join()
    return time.perf_counter() - begin


def _open(port: int) -> socket.socket:
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    out.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
    out.bind(("127.0.0.1", port))
    out.settimeout(2)
    return out


def plain(port: int, count: int, ready: Callable[[], None]) -> int:
    """Receive one by one into one buffer, as counted frames: the loop that one writes first."""
    buffer, block, got = bytearray(65536), bytearray(), 0
    view = memoryview(buffer)
    with _open(port) as opened:
        ready()
        try:
            while got < count:
                size = opened.recv_into(view)
                block += b"%d " % size
                block += view[:size]
                got += 1
                if len(block) > 1 << 20:
                    block = bytearray()
        except TimeoutError:
            pass
    return got


class Datagrams(asyncio.DatagramProtocol):
    """The same with uvloop."""

    def __init__(self) -> None:
        self.got, self.block = 0, bytearray()

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.got += 1
        self.block += b"%d " % len(data)
        self.block += data
        if len(self.block) > 1 << 20:
            self.block = bytearray()


def looped(port: int, count: int, ready: Callable[[], None]) -> int:
    """Receive with uvloop."""
    import uvloop

    async def run() -> int:
        opened = _open(port)
        opened.setblocking(False)
        _, protocol = await asyncio.get_running_loop().create_datagram_endpoint(Datagrams, sock=opened)
        ready()
        before, quiet = -1, time.perf_counter()
        while protocol.got < count and time.perf_counter() - quiet < 2:
            if protocol.got != before:
                before, quiet = protocol.got, time.perf_counter()
            await asyncio.sleep(0.05)
        return protocol.got

    return uvloop.run(run())


def ours(port: int, count: int, ready: Callable[[], None]) -> int:
    """Receive as the collector does, up to the block."""
    import os

    os.environ["DJANGO_SETTINGS_MODULE"] = "anzhang.settings"
    import django

    django.setup()
    from anzhang.daemons import udp

    udp.warm()
    batch, got = udp.Batch(), 0
    with _open(port) as opened:
        opened.setblocking(True)
        ready()
        quiet = time.perf_counter()
        while got < count and time.perf_counter() - quiet < 2:
            taken = batch.receive(opened.fileno(), socket.MSG_DONTWAIT)
            if taken:
                data, cuts = batch.pack(taken)
                assert data[: cuts.consumed].tobytes()
                got, quiet = got + taken, time.perf_counter()
            if taken < udp.FEW:
                time.sleep(udp.LINGER_SECONDS)
    return got


def _measured(work: Callable[[int, int, Callable[[], None]], int], port: int, count: int, out: Connection) -> None:
    begin = [0.0]

    def ready() -> None:
        begin[0] = time.process_time()
        out.send("ready")

    got = work(port, count, ready)
    out.send((got, time.process_time() - begin[0]))


def receivers() -> dict[str, float]:
    """Print and return the microseconds of CPU per datagram of each receiver."""
    found = {}
    count = PACE * SECONDS
    for name, work in (("plain loop", plain), ("uvloop", looped), ("ours", ours)):
        mine, theirs = multiprocessing.Pipe()
        port = free_udp_port()
        process = multiprocessing.get_context("spawn").Process(target=_measured, args=(work, port, count, theirs))
        process.start()
        mine.recv()
        sender(port, count, PACE)
        got, seconds = mine.recv()
        process.join()
        found[name] = seconds / max(got, 1) * 1e6
        print(f"{name}: {got:,} of {count:,} datagrams at {PACE:,}/s, {found[name]:.2f} us of CPU each", flush=True)
    return found


def collector(installation: Installation, rate: int) -> None:
    """Print what the whole collector does at a rate."""
    before = dict(installation.status["udp"])
    count = rate * SECONDS // BURST * BURST
    took = sender(installation.udp, count, rate)

    def settled() -> bool:
        now = installation.status["udp"]
        return sum(now[key] - before[key] for key in ("datagrams", "kernel_dropped")) >= count

    wait_until(settled, 60, "every datagram to be received or counted as dropped")
    now = installation.status["udp"]
    received, dropped = (now[key] - before[key] for key in ("datagrams", "kernel_dropped"))
    print(f"collector: sent {count:,} at {count / took:,.0f}/s, received {received:,}, dropped by the kernel {dropped:,}", flush=True)


def main() -> None:
    """Measure the receivers, then the collector."""
    found = receivers()
    loop, uv = (found[name] / found["ours"] for name in ("plain loop", "uvloop"))
    print(f"per core: {loop:.1f} times the plain loop (goal 2.5), {uv:.1f} times uvloop")
    folder = Path(tempfile.mkdtemp(prefix="anzhang-bench-"))
    try:
        build_template(folder / "home")
        installation = Installation(folder / "home", seal_seconds=2)
        installation.start()
        wait_until((folder / "home/run/collector.json").exists, what="the status")
        print(f"kernel buffer granted: {installation.status['udp']['buffer_bytes']:,} bytes")
        for rate in RATES:
            collector(installation, rate)
        installation.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
