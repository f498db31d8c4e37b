"""RELP: what was answered is on disk, whoever is killed in between."""

from __future__ import annotations

import contextlib
import re
import socket
from pathlib import Path

import pytest

from tests.monitoring.authority import Authority
from tests.monitoring.installation import Installation
from tests.programs import program, running, wait_until

HEAD = b"<34>Nov 24 09:30:00 "
OFFERS = b"relp_version=0\nrelp_software=librelp,1.10.0,http://librelp.adiscon.com\ncommands=syslog"
RSYSLOG = """\
global(workDirectory="{folder}" localHostname="sbapp01" maxMessageSize="64k" {globals})
module(load="imuxsock" SysSock.Use="off")
module(load="omrelp" {module})
input(type="imuxsock" Socket="{folder}/in.sock" RateLimit.Interval="0" UseSysTimeStamp="off")
main_queue(queue.size="200000")
template(name="wire" type="string" string="<%PRI%>%TIMESTAMP% %HOSTNAME% %syslogtag%%msg:::sp-if-no-1st-sp%%msg%")
action(type="omrelp" target="127.0.0.1" port="{port}" template="wire" action.resumeRetryCount="-1" action.resumeInterval="1" {action})
"""


@contextlib.contextmanager
def session(installation: Installation, address: str = "127.0.0.2"):
    with socket.create_connection(("127.0.0.1", installation.relp), timeout=30, source_address=(address, 0)) as connection:
        connection.sendall(b"1 open %d %b\n" % (len(OFFERS), OFFERS))
        yield connection


def frame(number: int, message: bytes) -> bytes:
    return b"%d syslog %d %b\n" % (number, len(message), message)


def answers(connection: socket.socket, count: int) -> bytes:
    """Read until so many responses came, or the end."""
    got = b""
    while len(re.findall(rb"\d+ rsp ", got)) < count:
        data = connection.recv(65536)
        if not data:
            break
        got += data
    return got


def messages(installation: Installation, source: str) -> list[bytes]:
    return [received.partition(b" ")[2] for received in installation.received(source)]


def feed(folder: Path, lines: list[bytes]) -> None:
    wait_until((folder / "in.sock").exists, what="rsyslogd's socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        out.connect(str(folder / "in.sock"))
        for line in lines:
            out.send(line)


def test_every_message_is_answered_after_it_is_on_disk(shared: Installation) -> None:
    sent = [HEAD + b"h app: one", "两行\n正文".encode(), b"x" * 300_000, b"\xc9\xe7 gbk", b"12 counted?"]
    with session(shared) as connection:
        assert answers(connection, 1).startswith(b"1 rsp 59 200 OK\nrelp_version=0\nrelp_software=anzhang\ncommands=syslog\n")
        wire = b"".join(frame(number, message) for number, message in enumerate(sent, 2)) + b"7 syslog 0\n8 nonsense 0\n9 close 0\n"
        for place in range(0, len(wire), 70_001):
            connection.sendall(wire[place : place + 70_001])
        got = answers(connection, 99)
    expected = b"".join(b"%d rsp 6 200 OK\n" % number for number in range(2, 8))
    assert got == expected + b"8 rsp 25 500 command not supported\n9 rsp 0\n0 serverclose 0\n"
    assert messages(shared, "RELP")[-5:] == sent


def test_strangers_are_refused_by_name_and_lines_go_to_the_host_they_name(shared: Installation) -> None:
    with session(shared, "127.0.0.31") as connection:
        assert b"500 this sender is not registered" in answers(connection, 1)
    wait_until(lambda: "127.0.0.31 unregistered_relp" in shared.quarantine.senders, what="the stranger's name")
    with session(shared, "127.0.0.6") as connection:
        connection.sendall(frame(2, HEAD + b"sbapp01 app: mine") + frame(3, HEAD + b"other app: not mine"))
        assert answers(connection, 3).endswith(b"2 rsp 6 200 OK\n3 rsp 6 200 OK\n")
    assert messages(shared, "RELPHOST") == [HEAD + b"sbapp01 app: mine"]
    wait_until(lambda: "127.0.0.6 unknown_host" in shared.quarantine.senders, what="the quarantine")


@pytest.mark.parametrize(
    "bytes_",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"1" * 100,
        b"2 syslog 99999999 x",
        b"2 syslog 2000000 x",
        b"2 syslog 3 abcdef\n",
        b"2 syslog 3\nabc\n",
        b"\0" * 70,
        b"2 " + b"y" * 80,
    ],
)
def test_what_is_no_relp_ends_the_session_and_nothing_else(shared: Installation, bytes_: bytes) -> None:
    before = shared.status["relp"]["broken"]
    with session(shared) as connection:
        answers(connection, 1)
        connection.sendall(bytes_)
        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(100) == b""
    wait_until(lambda: shared.status["relp"]["broken"] > before, what="the count")
    with session(shared) as connection:
        connection.sendall(frame(2, b"<13>others go on"))
        assert answers(connection, 2).endswith(b"2 rsp 6 200 OK\n")


def test_syslog_before_open_is_refused(shared: Installation) -> None:
    with socket.create_connection(("127.0.0.1", shared.relp), timeout=30, source_address=("127.0.0.2", 0)) as connection:
        connection.sendall(frame(1, b"<13>x"))
        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(100) == b""


def test_a_sender_that_reads_no_answers_holds_up_only_itself(shared: Installation) -> None:
    with session(shared) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.settimeout(2)
        sent = 0
        with contextlib.suppress(TimeoutError):
            while sent < 2_000_000:
                deaf.sendall(b"".join(frame(number, b"<13>d") for number in range(sent + 2, sent + 2002)))
                sent += 2000
        assert sent < 2_000_000, "nobody pushed back"
        with session(shared, "127.0.0.6") as connection:
            connection.sendall(frame(2, HEAD + b"sbapp01 app: heard"))
            assert answers(connection, 2).endswith(b"2 rsp 6 200 OK\n")
    assert messages(shared, "RELPHOST")[-1] == HEAD + b"sbapp01 app: heard"


def test_a_real_rsyslogd_loses_nothing_when_the_collector_is_killed(
    installation: Installation, authority: Authority, tmp_path: Path
) -> None:
    folder = tmp_path / "rsyslog"
    folder.mkdir()
    installation.secure(authority)
    installation.start()
    settings = RSYSLOG.format(
        folder=folder, port=installation.relp, globals="", module="", action='localclientip="127.0.0.4" windowSize="64"'
    )
    (folder / "rsyslog.conf").write_text(settings)
    lines = [f"<38>Nov 24 09:30:00 sshd[7]: 登录成功 {number}".encode() for number in range(6000)]
    with running(program("rsyslogd"), "-n", "-f", str(folder / "rsyslog.conf"), "-i", str(folder / "pid")):
        feed(folder, lines[:3000])
        wait_until(lambda: len(installation.received("RELPKILL")) > 300, 60, "the first lines")
        installation.kill()
        feed(folder, lines[3000:])
        installation.start()
        wait_until(lambda: len({line.rpartition(b" ")[2] for line in messages(installation, "RELPKILL")}) == 6000, 120, "every line")
    installation.stop()
    kept = [int(line.rpartition(b" ")[2]) for line in messages(installation, "RELPKILL")]
    assert set(kept) == set(range(6000))
    assert len(kept) - 6000 <= 64, "more came twice than one window holds"
    installation.check()


def test_a_real_rsyslogd_proves_its_certificate(shared: Installation, authority: Authority, tmp_path: Path) -> None:
    pair = authority.issue("relp.example")
    tls = (
        f'tls="on" tls.authMode="name" tls.permittedPeer=["collector.example"] tls.caCert="{authority.file}" '
        f'tls.myCert="{pair.certificate}" tls.myPrivKey="{pair.key}"'
    )
    settings = RSYSLOG.format(folder=tmp_path, port=shared.relp_tls, globals="", module='tls.tlslib="openssl"', action=tls)
    (tmp_path / "rsyslog.conf").write_text(settings)
    with running(program("rsyslogd"), "-n", "-f", str(tmp_path / "rsyslog.conf"), "-i", str(tmp_path / "pid")):
        feed(tmp_path, [f"<38>Nov 24 09:30:00 sshd[7]: 加密送达 {number}".encode() for number in range(500)])
        wait_until(lambda: len(messages(shared, "RELPTLS")) == 500, 60, "the lines")
    assert [int(line.rpartition(b" ")[2]) for line in messages(shared, "RELPTLS")] == list(range(500))
