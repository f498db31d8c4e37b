"""A real rsyslogd sends; what the vault holds equals what the same rsyslogd writes by the same template."""

from __future__ import annotations

import random
import socket
from pathlib import Path

import pytest

from tests.monitoring.installation import Installation
from tests.programs import program, running, wait_until

SETTINGS = """\
global(workDirectory="{folder}" localHostname="sbapp01" maxMessageSize="64k")
module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="{folder}/in.sock" RateLimit.Interval="0" UseSysTimeStamp="off")
main_queue(queue.size="200000")
template(name="wire" type="string" string="<%PRI%>%TIMESTAMP% %HOSTNAME% %syslogtag%%msg:::sp-if-no-1st-sp%%msg%{end}")
action(type="omfile" file="{folder}/written.log" template="wire" asyncWriting="off")
action(type="omfwd" target="127.0.0.1" port="{port}" protocol="tcp" TCP_Framing="{framing}" template="wire"
       action.resumeRetryCount="-1" action.resumeInterval="1")
"""


def lines(count: int) -> list[bytes]:
    dice = random.Random(20261124)
    made = []
    for number in range(count):
        kind = dice.random()
        if kind < 0.5:
            address = f"10.20.{dice.randint(0, 255)}.{dice.randint(1, 254)}"
            text = f"sshd[{dice.randint(2, 65535)}]: Accepted password for liming from {address} port 22 ssh2"
        elif kind < 0.8:
            text = f"sbhx[77]: 业务受理成功 流水号={number:09d} 耗时={dice.randint(1, 999)}ms"
        elif kind < 0.9:
            text = f"kernel: [{number}.{dice.randint(0, 999999):06d}]  two  spaces, tabs\tand %41 percent"
        else:
            text = f"app: {'x' * dice.randint(0, 3000)}"
        made.append(f"<{dice.randint(0, 191)}>Nov 24 09:{number // 60 % 60:02d}:{number % 60:02d} {text}".encode())
    return made


def relay(folder: Path, port: int, framing: str, end: str, messages: list[bytes]) -> Path:
    """Pass messages through rsyslogd and return the file it wrote."""
    folder.mkdir()
    settings = folder / "rsyslog.conf"
    settings.write_text(SETTINGS.format(folder=folder, port=port, framing=framing, end=end))
    written = folder / "written.log"
    with running(program("rsyslogd"), "-n", "-f", str(settings), "-i", str(folder / "pid")) as process:
        wait_until((folder / "in.sock").exists, what="rsyslogd's socket")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.connect(str(folder / "in.sock"))
            for message in messages:
                out.send(message)
        marks = len(messages)
        wait_until(lambda: written.exists() and written.read_bytes().count(b"sbapp01 ") >= marks, 120, "rsyslogd to write its file")
        assert process.poll() is None
    return written


@pytest.mark.parametrize("count", [100_000])
def test_a_hundred_thousand_lines_arrive_as_rsyslogd_wrote_them(collector: Installation, tmp_path: Path, count: int) -> None:
    written = relay(tmp_path / "rsyslog", collector.syslog, "traditional", "\\n", lines(count)).read_bytes()
    assert written.count(b"\n") == count
    wait_until(lambda: sum(heard.rows for heard in collector.vault.heard().values()) >= count, 120, "every line to arrive")
    collector.stop()
    assert b"".join(collector.received("SSH-SB01")) == written
    collector.check()


def test_octet_counted_frames_arrive_as_rsyslogd_wrote_them(collector: Installation, tmp_path: Path) -> None:
    written = relay(tmp_path / "rsyslog", collector.syslog, "octet-counted", "", lines(3000)).read_bytes()
    wait_until(lambda: sum(map(len, collector.received("SSH-SB01"))) >= len(written), 60, "every frame to arrive")
    collector.stop()
    received = collector.received("SSH-SB01")
    assert len(received) == 3000
    assert b"".join(frame.partition(b" ")[2] for frame in received) == written
    assert all(int(length) == len(message) for length, _, message in (frame.partition(b" ") for frame in received))
    collector.check()
