"""Many, slow, greedy and hostile senders: nobody else is harmed, and the collector's memory stays within what it states."""

from __future__ import annotations

import contextlib
import http.client
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from anzhang.daemons import http_push, syslog_tcp
from tests.monitoring.installation import Installation
from tests.monitoring.pushing import push
from tests.monitoring.stage import TOKEN
from tests.programs import wait_until

HEAD = b"<34>Nov 24 09:30:00 "
STATED = 1536 << 20  # bytes of memory that the collector stays below whatever is sent; docs/OPERATIONS.md states it


@pytest.fixture(scope="module")
def pressed(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One collector for what is done to it here."""
    home = tmp_path_factory.mktemp("pressed") / "home"
    shutil.copytree(template, home)
    made = Installation(home)
    made.start()
    yield made
    made.stop()
    made.check()


def resident(installation: Installation, field: str = "VmHWM") -> int:
    """Return the collector's memory in bytes, now (VmRSS) or at its highest (VmHWM)."""
    assert installation.process is not None
    for line in Path(f"/proc/{installation.process.pid}/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) << 10
    raise AssertionError(field)


def others_go_on(installation: Installation, mark: bytes) -> None:
    """Assert that every input still takes a line of somebody else."""
    installation.send(HEAD + b"h app: " + mark + b"\n", "127.0.0.4")
    assert HEAD + b"h app: " + mark + b"\n" in installation.received("OTHER")
    assert push(installation.http, b'{"mark": "%b"}' % mark).status == 200


def test_a_thousand_senders_are_heard_at_once(pressed: Installation) -> None:
    with contextlib.ExitStack() as open_ones:
        senders = [open_ones.enter_context(pressed.connect("127.0.0.2")) for _ in range(1000)]
        for turn in range(3):
            for number, sender in enumerate(senders):
                sender.sendall(HEAD + b"h app: thousand %d %d\n" % (number, turn))
        wait_until(lambda: sum(b"thousand" in line for line in pressed.received("PLAIN")) == 3000, 120, "every line")
        wait_until(lambda: pressed.status["syslog"]["connections"] >= 1000, what="the count")
    kept = {line.rpartition(b"thousand ")[2] for line in pressed.received("PLAIN") if b"thousand" in line}
    assert len(kept) == 3000


def test_lines_that_never_end_share_a_bounded_memory(pressed: Installation) -> None:
    before = resident(pressed, "VmRSS")
    size = 900_000
    count = syslog_tcp.BUFFERS_BYTES * 5 // 4 // size
    with contextlib.ExitStack() as open_ones:
        for number in range(count):
            sender = open_ones.enter_context(pressed.connect("127.0.0.2"))
            sender.sendall(b"%d " % (1 << 20) if number % 3 == 0 else HEAD + b"h endless: ")
            sender.sendall(b"e" * size)
        others_go_on(pressed, b"beside endless lines")
        assert resident(pressed, "VmRSS") - before < syslog_tcp.BUFFERS_BYTES * 3  # held, and a seal that may be running just now
        wait_until(lambda: resident(pressed, "VmRSS") - before < (syslog_tcp.BUFFERS_BYTES * 5) // 2, 30, "what is held alone")
    wait_until(lambda: sum(line.count(b"e") for line in pressed.received("PLAIN")) >= count * size, 120, "every byte of them")


def test_requests_that_never_come_make_room(pressed: Installation) -> None:
    with contextlib.ExitStack() as open_ones:
        for number in range(http_push.MOST_UNPROVED + 100):
            slow = open_ones.enter_context(
                socket.create_connection(("127.0.0.1", pressed.http), source_address=(f"127.0.5.{number % 9 + 1}", 0))
            )
            slow.sendall(b"POST /_bulk HTTP/1.1\r\nHost: a\r\nX-Slow: ")
        others_go_on(pressed, b"beside slow requests")
        wait_until(lambda: pressed.status["http"]["connections"] <= http_push.MOST_UNPROVED + 2, what="the cap")


def test_bodies_together_share_a_bounded_memory(pressed: Installation) -> None:
    head = f"POST /ingest/json HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {TOKEN}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    piece = b"f00000\r\n" + b" " * 0xF00000 + b"\r\n"
    refused = 0
    with contextlib.ExitStack() as open_ones:
        for _ in range(http_push.BODIES_BYTES // 0xF00000 + 3):
            sender = open_ones.enter_context(socket.create_connection(("127.0.0.1", pressed.http), timeout=30))
            with contextlib.suppress(OSError):
                sender.sendall(head + piece)
            sender.settimeout(1)
            with contextlib.suppress(TimeoutError, ConnectionError):
                refused += b" 429 " in sender.recv(200)
        assert refused >= 1
        with contextlib.suppress(http.client.HTTPException, OSError):
            push(pressed.http, b"{}")
    wait_until(lambda: push(pressed.http, b'{"after": "the flood"}').status == 200, what="room again")


def test_a_sender_over_its_quota_slows_only_itself(pressed: Installation) -> None:
    line = HEAD + b"h app: " + b"q" * 1000 + b"\n"
    with pressed.connect("127.0.0.3") as greedy:
        greedy.settimeout(1)
        with contextlib.suppress(TimeoutError):
            for _ in range(2000):
                greedy.send(line * 100)
        begin = time.monotonic()
        others_go_on(pressed, b"beside the greedy")
        assert time.monotonic() - begin < 30


@pytest.mark.parametrize("megabytes", [120, pytest.param(1500, marks=[pytest.mark.long, pytest.mark.timeout(900)])])
def test_a_burst_is_held_in_the_stated_memory(installation: Installation, megabytes: int) -> None:
    installation.seal_seconds = 5
    installation.start()
    block = b"".join(HEAD + b"h app[%d]: burst " % number + b"%x" % (number * 7919) + b"b" * 900 + b"\n" for number in range(1000))
    with installation.connect("127.0.0.2") as one, installation.connect("127.0.0.4") as two:
        for _ in range(megabytes * 1_000_000 // len(block) // 2):
            one.sendall(block)
            two.sendall(block)
    rows = megabytes * 1_000_000 // len(block) // 2 * 2000
    sealed = "select coalesce(sum(rows), 0) from anzhang_vaultsegment"
    wait_until(lambda: installation.rows(sealed) == [(rows,)], 600, "the seals")
    assert resident(installation) < STATED
    installation.stop()
    installation.check()
