"""Syslog over UDP on loopback: our receiver beside a plain receive loop, and the whole collector at rising rates.

1. Receivers alone, each in a process of its own, each given the same datagrams at a rate that all of them can take: CPU seconds per
   datagram of the system call and of making one block of frames. The peer is the loop that one writes first (`recv_into`).
2. The whole collector (receive, sort, write-ahead file, parse, templates, filters, seal): 100,000 a second and up for three seconds each;
   sent, received and what the kernel dropped, which must add up.

The sender is a process of its own, with sendmmsg. Goals: no loss at 300,000 a second, better at 500,000; 2.5 times the plain loop per core.
"""

from __future__ import annotations

import ctypes
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bench.ingest import lines
from tests.monitoring.installation import Installation, build_template
from tests.programs import free_udp_port, wait_until

BURST = 64
PACE = 60_000  # datagrams a second that every receiver can take
SECONDS = 3
FIRST, QUIET = 30.0, 2.0  # seconds to wait for the first datagram, and after the last
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
        print(time.perf_counter() - begin)


def _started(call: str) -> subprocess.Popen[str]:
    """Run a call of this module in a process of its own."""
    return subprocess.Popen([sys.executable, "-c", f"from bench.udp import *; {call}"], stdout=subprocess.PIPE, text=True)


def sender(port: int, count: int, rate: int) -> float:
    """Run the sender in a process; return the seconds of its sending."""
    process = _started(f"send({port}, {count}, {rate})")
    said, _ = process.communicate()
    return float(said)


def _open(port: int) -> socket.socket:
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    out.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
    out.bind(("127.0.0.1", port))
    out.settimeout(FIRST)
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
                if got == 1:
                    opened.settimeout(QUIET)
                if len(block) > 1 << 20:
                    block = bytearray()
        except TimeoutError:
            pass
    return got


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
        while got < count and time.perf_counter() - quiet < (QUIET if got else FIRST):
            taken = batch.receive(opened.fileno(), socket.MSG_DONTWAIT)
            if taken:
                data, cuts = batch.pack(taken)
                assert data[: cuts.consumed].tobytes()
                got, quiet = got + taken, time.perf_counter()
            if taken < udp.VECTOR:
                time.sleep(udp.LINGER_SECONDS)
    return got


def measured(work: Callable[[int, int, Callable[[], None]], int], port: int, count: int) -> None:
    """Receive, and print how many came and the CPU seconds it took."""
    begin = [0.0]

    def ready() -> None:
        begin[0] = time.process_time()
        print("ready", flush=True)

    got = work(port, count, ready)
    print(got, time.process_time() - begin[0])


def receivers() -> dict[str, float]:
    """Print and return the microseconds of CPU per datagram of each receiver."""
    found = {}
    count = PACE * SECONDS
    for name, work in (("plain loop", "plain"), ("ours", "ours")):
        port = free_udp_port()
        process = _started(f"measured({work}, {port}, {count})")
        assert process.stdout is not None
        process.stdout.readline()
        sender(port, count, PACE)
        said, _ = process.communicate()
        got, seconds = int(said.split()[0]), float(said.split()[1])
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
    print(f"per core: {found['plain loop'] / found['ours']:.1f} times the plain loop; goal 2.5")
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
