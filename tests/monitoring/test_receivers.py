"""Several processes receive at the same ports, one writes: nothing is lost, nothing doubled, quotas are one (ADR 0018)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from anzhang import clock
from anzhang.daemons import relay
from anzhang.daemons.relay import SharedQuotas
from anzhang.daemons.senders import Source
from anzhang.engines.vault import Batch
from tests.monitoring.installation import Installation
from tests.monitoring.pushing import push
from tests.monitoring.stage import QUOTA
from tests.programs import wait_until

HEAD = b"<34>Nov 24 09:30:00 h app: "


@pytest.fixture
def several(installation: Installation) -> Installation:
    """A collector with two receivers."""
    installation.more = "receivers = 2\n"
    installation.start()
    wait_until(lambda: len(installation.status["receivers"]) == 2, what="both")  # it is written when all listen
    return installation


def processes(installation: Installation) -> list[int]:
    return [int(pid) for pid in installation.status["receivers"]]


def test_what_comes_to_either_is_kept_whole_and_in_order(several: Installation) -> None:
    """Forty connections are dealt out to both; each one's lines stay in their order."""
    connections = [several.connect("127.0.0.2") for _ in range(40)]
    for number in range(50):
        for which, connection in enumerate(connections):
            connection.sendall(HEAD + b"%d/%d\n" % (which, number))
    for connection in connections:
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(4096):
            pass
        connection.close()
    found = several.received("PLAIN")
    assert len(found) == 2000
    for which in range(40):
        mine = [line for line in found if line.startswith(HEAD + b"%d/" % which)]
        assert mine == [HEAD + b"%d/%d\n" % (which, number) for number in range(50)]
    wait_until(lambda: several.status["syslog"]["accepted"] >= 40, what="the counters")
    assert len(several.status["receivers"]) == 2
    wait_until(lambda: all(counts["bytes"] for counts in several.status["receivers"].values()), what="both to have taken part")
    several.stop()
    several.check()
    assert len(several.received("PLAIN")) == 2000


def test_pushes_are_answered_when_they_are_on_disk_and_stored_once_wherever_they_come(several: Installation) -> None:
    answers = Counter(push(several.http, b'{"message": "one"}', key="same").status for _ in range(20))
    assert answers == {200: 20}
    assert len(several.received("PUSH")) == 1
    assert {push(several.http, b'{"message": "other"}', key="same").status for _ in range(10)} == {409}


def test_datagrams_of_many_senders_all_come(several: Installation) -> None:
    for number in range(1, 6):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.bind((f"127.0.1.{number}", 0))
            for each in range(200):
                sender.sendto(HEAD + b"%d" % each, ("127.0.0.1", several.udp))
    wait_until(lambda: sum(len(several.received(f"UDP{number}")) for number in range(1, 6)) == 1000, what="the datagrams")
    wait_until(lambda: several.status["udp"]["datagrams"] == 1000, what="the counters")
    assert several.status["udp"]["kernel_dropped"] == 0


def test_a_quota_is_one_for_all_of_them(several: Installation) -> None:
    """What comes in over many connections is held back as a whole, soon after the quota is passed."""
    connections = [several.connect("127.0.0.3") for _ in range(8)]
    line = HEAD + b"x" * 900 + b"\n"
    for connection in connections:
        connection.setblocking(False)
    for _ in range(200):
        for connection in connections:
            try:
                connection.send(line)
            except BlockingIOError:
                continue
    wait_until(lambda: several.status["held_back"] == ["SMALL"], what="the quota")
    assert several.status["used"]["SMALL"] > QUOTA
    wait_until(
        lambda: bool(several.rows("select over_quota_at from anzhang_logsourceactivity where over_quota_at is not null")), what="note"
    )
    before = len(several.received("SMALL"))
    late = several.connect("127.0.0.3")
    late.sendall(line * 20)
    several.send(HEAD + b"another's\n", "127.0.0.4")
    assert several.received("OTHER") == [HEAD + b"another's\n"]
    assert len(several.received("SMALL")) <= before + 20
    for connection in (*connections, late):
        connection.close()


def test_strangers_and_refusals_reach_the_collector(several: Installation) -> None:
    with several.connect("127.0.0.77") as connection:
        connection.sendall(b"<13>who am I\n")
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(100):
            pass
    wait_until(lambda: "127.0.0.77 unregistered" in several.quarantine.senders, what="the quarantine")


def test_a_receiver_that_dies_is_started_again_and_the_other_goes_on(several: Installation) -> None:
    wait_until(lambda: len(processes(several)) == 2, what="both")
    victim, other = processes(several)
    os.kill(victim, signal.SIGKILL)
    sent: list[bytes] = []
    for number in range(20):  # whoever stands behind the port now answers for what it took; the dying one's queue is reset
        with contextlib.suppress(ConnectionResetError):
            several.send(HEAD + b"%d\n" % number, "127.0.0.4")
            sent.append(HEAD + b"%d\n" % number)
    wait_until(lambda: several.status["restarts"] == 1 and len(processes(several)) == 2, what="the restart")
    assert other in processes(several)
    assert victim not in processes(several)
    several.send(HEAD + b"last\n", "127.0.0.4")
    assert len(sent) > 10
    assert several.received("OTHER") == [*sent, HEAD + b"last\n"]
    several.stop()
    several.check()


def test_they_leave_when_the_collector_is_gone(several: Installation) -> None:
    pids = processes(several)
    assert len(pids) == 2
    several.kill()
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), what="the receivers' end")
    several.start()  # the ports are free
    several.send(HEAD + b"again\n", "127.0.0.4")
    assert several.received("OTHER")[-1] == HEAD + b"again\n"


def test_what_was_acknowledged_before_a_kill_is_there_after(several: Installation) -> None:
    for number in range(30):
        pushed(several.http, number)
        if number == 20:
            several.kill()
            several.start()
    assert len(several.received("PUSH")) == 30


def pushed(port: int, number: int) -> None:
    """Push as senders do: again under the same key while nobody answers (a receiver that leaves with its collector resets its queue)."""

    def acknowledged() -> bool:
        with contextlib.suppress(ConnectionError):
            return push(port, b'{"message": "n%d"}' % number, key=f"k{number}").status == 200
        return False

    wait_until(acknowledged, what=f"the answer to message {number}")


def test_a_port_of_somebody_else_is_said_and_nothing_is_shared_with_it(installation: Installation) -> None:
    installation.more = "receivers = 2\n"
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind(("127.0.0.1", installation.syslog))
        taken.listen()
        with pytest.raises(AssertionError, match="cannot listen at"):
            installation.start()
    installation.process = None


# The wire


def test_batches_go_over_the_wire_as_they_are() -> None:
    made = [
        Batch("S", b"one\ntwo", clock.now(), "syslog_tcp", "10.0.0.1", "octet", "", "Asia/Shanghai", "gbk", "rfc3164"),
        Batch("T", b"", clock.now() + timedelta(microseconds=1), key="k", format="json"),
        Batch("U", bytes(range(256)), clock.now()),
    ]

    async def over() -> list[Batch]:
        reader = asyncio.StreamReader()
        for piece in relay.pack({"append": relay.heads_of(made)}, [batch.data for batch in made]):
            reader.feed_data(piece)
        head, data = await relay.read(reader)
        return relay.batches_of(head["append"], data)

    assert asyncio.run(over()) == made


def test_quotas_count_what_is_on_its_way_once() -> None:
    source, at, quotas = Source("S", "syslog_tcp", (), (), "", "", "Asia/Shanghai", "utf-8", 1000), clock.now(), SharedQuotas()
    assert not quotas.take(source, 400, at)
    assert quotas.used_at(at) == {"S": 400}
    quotas.learn({"S": 700}, Counter({"S": 400}))  # 300 of them came to another receiver
    assert quotas.used_at(at) == {"S": 700}
    assert not quotas.take(source, 200, at)
    assert quotas.take(source, 200, at), "passed now"
    assert quotas.is_over(source, at)
    quotas.learn({"S": 1100}, Counter({"S": 400}))
    assert quotas.used_at(at) == {"S": 1100}
    later = at + timedelta(hours=1)
    assert not quotas.is_over(source, later)
    assert quotas.used_at(later) == {}
    quotas.learn({}, Counter(), ["S"])
    assert not quotas.is_over(source, later), "by what it knows itself it is not"
