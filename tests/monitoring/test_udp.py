"""Datagrams: what was sent is what is kept, and what the kernel dropped is known and told."""

from __future__ import annotations

import random
import socket
import time
from pathlib import Path

from anzhang.daemons import udp
from tests.monitoring.installation import Installation
from tests.programs import program, running, wait_until

HEAD = b"<34>Nov 24 09:30:00 "


def sending(collector: Installation, address: str) -> socket.socket:
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    opened.bind((address, 0))
    opened.connect(("127.0.0.1", collector.udp))
    return opened


def kept(collector: Installation, source: str) -> list[bytes]:
    """Return the messages of a source without their length."""
    return [frame.partition(b" ")[2] for frame in collector.received(source)]


def test_five_thousand_a_second_arrive_without_loss_and_the_figures_agree(collector: Installation) -> None:
    sender = sending(collector, "127.0.0.2")
    lines = [HEAD + b"sw1 ifmgr: port %d %s" % (number, "链路已断开".encode()) for number in range(15_000)]
    begin = time.monotonic()
    for number, line in enumerate(lines):
        if number % 50 == 0:
            time.sleep(max(0.0, begin + number / 5000 - time.monotonic()))
        sender.send(line)
    wait_until(lambda: collector.status["udp"]["datagrams"] + collector.status["udp"]["kernel_dropped"] >= len(lines), what="the count")
    sender.close()
    collector.stop()
    assert collector.status["udp"] | {"kernel_dropped": 0, "datagrams": len(lines), "unregistered": 0} == collector.status["udp"]
    assert kept(collector, "UDP") == lines
    collector.check()


def test_a_datagram_is_one_message_whatever_stands_in_it(shared: Installation) -> None:
    sender = sending(shared, "127.0.1.1")
    dice = random.Random(3)
    sizes = (1, 479, 480, udp.SLOT - 1, udp.SLOT, udp.SLOT + 1, 9000, 65_507)
    sent = [b"two\nlines", b"\xc9\xe7\xb1\xa3 gbk", b"tail stays: \n\n x", *(b"x" + dice.randbytes(size - 1)[1:] + b"y" for size in sizes)]
    for message in sent:
        sender.send(message)
        sender.send(b"")
    for end in (b"\n", b"\r\n", b"\0", b"\n\0"):
        sender.send(b"ended" + end)
    wait_until(lambda: len(kept(shared, "UDP1")) == len(sent) + 4, what="the messages")
    assert kept(shared, "UDP1") == [*sent, *[b"ended"] * 4]
    sender.close()


def test_long_datagrams_keep_no_memory() -> None:
    batch, message = udp.Batch(), b"<13>" + bytes(range(33, 127)) * 300
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as there, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as here:
        here.bind(("127.0.0.1", 0))
        for size in (len(message), udp.SLOT, len(message)):
            for _ in range(4):
                there.sendto(message[:size], here.getsockname())
            count = batch.receive(here.fileno())
            data, cuts = batch.pack(count)
            assert [bytes(data[a:b]) for a, b in zip(cuts.bodies, cuts.ends, strict=True)] == [message[:size]] * 4
            assert not batch.long.any()


def test_senders_are_told_apart_and_strangers_feed_no_stream(shared: Installation) -> None:
    sender = sending(shared, "127.0.1.2")
    with sending(shared, "127.0.0.4") as switch, sending(shared, "127.0.0.9") as stranger:
        for number in range(40):
            sender.send(HEAD + b"any app: %d" % number)
            switch.send(HEAD + b"switch1 app: %d" % number)
            switch.send(HEAD + b"switch2 app: %d" % number)
            stranger.send(HEAD + b"switch1 app: %d" % number)
    wait_until(lambda: len(kept(shared, "UDPHOST")) == 40 and len(kept(shared, "UDP2")) == 40, what="the lines")
    assert kept(shared, "UDPHOST") == [HEAD + b"switch1 app: %d" % number for number in range(40)]
    strangers = {"127.0.0.4 unknown_host", "127.0.0.9 unregistered_udp"}  # beside those of other tests
    wait_until(lambda: strangers <= set(shared.quarantine.senders), what="the quarantine")
    assert not any(name.startswith("127.0.1.2 ") for name in shared.quarantine.senders)
    assert not {b"switch2", b"127.0.0.9"} & {word for line in kept(shared, "UDPHOST") for word in line.split()}
    sender.close()


def test_a_flood_from_everywhere_is_bounded_and_the_registered_are_heard(shared: Installation) -> None:
    sender = sending(shared, "127.0.1.3")
    strangers = [sending(shared, f"127.9.{number // 200}.{number % 200 + 1}") for number in range(600)]
    before = shared.status["udp"]["unregistered"]
    for turn in range(5):
        for stranger in strangers:
            stranger.send(HEAD + b"x app: " + b"s" * 900)
        sender.send(HEAD + b"sw1 app: %d" % turn)
    wait_until(lambda: len(kept(shared, "UDP3")) == 5, what="the registered sender")
    wait_until(lambda: shared.status["udp"]["unregistered"] >= before + 3000, what="the count of strangers")
    for stranger in strangers:
        stranger.close()
    assert len(shared.quarantine.senders) <= 201
    assert shared.quarantine.kept_bytes <= 3 << 20
    sender.close()


def test_over_its_quota_a_source_loses_datagrams_that_are_counted_as_its_loss(shared: Installation) -> None:
    sender = sending(shared, "127.0.1.4")
    with sending(shared, "127.0.0.3") as greedy:
        for number in range(400):
            greedy.send(HEAD + b"h app: %d " % number + b"x" * 1000)
            if number % 40 == 0:
                time.sleep(0.01)
        sender.send(b"<13>others go on")
        wait_until(lambda: kept(shared, "UDP4") == [b"<13>others go on"], what="the other source")
        told = (
            "select lost from anzhang_logsourceactivity join anzhang_logsource on id = source_id where over_quota_at and code = 'UDPSMALL'"
        )

        def lost() -> int:
            return sum(number for (number,) in shared.rows(told))

        wait_until(lambda: lost() and lost() + len(kept(shared, "UDPSMALL")) == 400, what="the loss in the database")
    sender.close()


def test_what_the_kernel_drops_is_counted_and_told_to_who_was_sending(installation: Installation) -> None:
    installation.more = "udp_buffer_bytes = 65536\n"
    installation.start()
    with sending(installation, "127.0.0.2") as sender:
        sender.send(b"<13>heard")
        wait_until(lambda: kept(installation, "UDP") == [b"<13>heard"], what="the first message")
        assert installation.process is not None
        installation.process.send_signal(19)  # SIGSTOP: nobody reads
        for number in range(3000):
            sender.send(b"<13>%d " % number + b"x" * 500)
        installation.process.send_signal(18)  # SIGCONT
        wait_until(lambda: installation.status["udp"]["kernel_dropped"] > 0, what="the count of drops")
        wait_until(lambda: installation.status["udp"]["datagrams"] + installation.status["udp"]["kernel_dropped"] == 3001, what="the sum")
        told = "select lost from anzhang_logsource s join anzhang_logsourceactivity on s.id = source_id where s.code = 'UDP'"
        wait_until(lambda: installation.rows(told) == [(installation.status["udp"]["kernel_dropped"],)], what="the loss in the database")
    assert len(kept(installation, "UDP")) == installation.status["udp"]["datagrams"]


RSYSLOG = """\
global(workDirectory="{folder}" localHostname="sbapp01")
module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="{folder}/in.sock" RateLimit.Interval="0" UseSysTimeStamp="off")
template(name="wire" type="string" string="<%PRI%>%TIMESTAMP% %HOSTNAME% %syslogtag%%msg:::sp-if-no-1st-sp%%msg%")
action(type="omfwd" target="127.0.0.1" port="{port}" protocol="udp" address="127.0.1.5" template="wire")
"""


def test_a_real_rsyslogd_delivers_by_udp(shared: Installation, tmp_path: Path) -> None:
    (tmp_path / "rsyslog.conf").write_text(RSYSLOG.format(folder=tmp_path, port=shared.udp))
    with running(program("rsyslogd"), "-n", "-f", str(tmp_path / "rsyslog.conf"), "-i", str(tmp_path / "pid")):
        wait_until((tmp_path / "in.sock").exists, what="rsyslogd's socket")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.connect(str(tmp_path / "in.sock"))
            for number in range(2000):
                out.send(b"<38>Nov 24 09:30:00 sshd[7]: Accepted publickey for liming %d" % number)
        wait_until(lambda: len(kept(shared, "UDP5")) == 2000, what="the lines")
    ends = [line.partition(b"sbapp01 ")[2] for line in kept(shared, "UDP5")]
    assert sorted(ends) == sorted(b"sshd[7]: Accepted publickey for liming %d" % number for number in range(2000))
