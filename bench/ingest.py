"""Ingest over TCP, with write-ahead file, parsing, filters, sealing and ledger, beside rsyslogd writing a plain file.

All get the same lines from the same sender in the same run, in turn; counted are the CPU seconds (user and system) of the receiving
processes from their first connection to their last write. A first round is not counted: in it the machine's memory is new to each.
Prints lines per CPU second and the ratios: with everything, and without what the parsers of the nineteen streams take, of which rsyslogd
has nothing (the collector says it itself, `streams_cpu_seconds` in collector.json); of the latter 1.2 is required. rsyslogd runs twice:
configured plainly (imtcp, omfile), and tuned for nothing but speed (imptcp, a large queue, asynchronous writing in large pieces).
The lines: half sshd, a fifth Chinese business lines, the rest kernel, cron and firewall; 113 bytes on average, seed 20261124.
"""

from __future__ import annotations

import json
import random
import shutil
import socket
import tempfile
import time
from pathlib import Path
from statistics import median

from tests.monitoring.installation import Installation, build_template
from tests.programs import answers, free_port, program, running, wait_until

LINES = 1_500_000
ROUNDS = 3
TICKS = 100  # per second, of /proc/PID/stat
PLAIN = """\
global(workDirectory="{folder}")
module(load="imtcp")
input(type="imtcp" address="127.0.0.1" port="{port}")
template(name="raw" type="string" string="%rawmsg%\\n")
action(type="omfile" file="{folder}/out.log" template="raw")
"""
TUNED = """\
global(workDirectory="{folder}")
module(load="imptcp")
input(type="imptcp" address="127.0.0.1" port="{port}")
main_queue(queue.size="200000")
template(name="raw" type="string" string="%rawmsg%\\n")
action(type="omfile" file="{folder}/out.log" template="raw" asyncWriting="on" ioBufferSize="256k" flushOnTXEnd="off")
"""


def lines(count: int) -> bytes:
    """Return newline-framed lines."""
    dice = random.Random(20261124)
    made: list[str] = []
    for number in range(count // 10):
        stamp = f"Nov 24 {number // 3600 % 24:02d}:{number // 60 % 60:02d}:{number % 60:02d}"
        address = f"10.{dice.randint(0, 30)}.{dice.randint(0, 255)}.{dice.randint(1, 254)}"
        pid, port, took = dice.randint(300, 65000), dice.randint(1024, 65000), dice.randint(3, 2000)
        key, serial, zoned = f"{pid:08x}{port:08x}{took:08x}", f"{number:012d}", f"2026-11-24T{stamp[7:]}.{took:06d}+08:00"
        host = ("sbapp01", "sbdb01", "jyapp01", "gw01")[number % 4]
        made += [
            f"<38>{stamp} {host} sshd[{pid}]: Accepted publickey for liming from {address} port {port} ssh2: ED25519 SHA256:{key}",
            f"<86>{stamp} {host} sshd[{pid}]: pam_unix(sshd:session): session opened for user liming(uid=1001) by (uid=0)",
            f"<38>{stamp} {host} sshd[{pid}]: Failed password for invalid user admin from {address} port {port} ssh2",
            f"<38>{stamp} {host} sshd[{pid}]: Disconnected from user liming {address} port {port}",
            f"<86>{stamp} {host} sshd[{pid}]: pam_unix(sshd:session): session closed for user liming",
            f"<134>1 {zoned} {host} sbhx {pid} - - 业务受理成功 事项=养老保险参保登记 流水号={serial} 耗时={took}ms",
            f"<134>1 {zoned} {host} jyfw {pid} - - 就业登记 完成 流水号={serial} 来自 {address}",
            f"<4>{stamp} {host} kernel: [{number}.{took:06d}] IN=eth0 SRC={address} DST=10.0.0.1 PROTO=TCP SPT={port} DPT=22 SYN",
            f"<78>{stamp} {host} CRON[{pid}]: (root) CMD (cd / && run-parts --report /etc/cron.hourly)",
            f"<30>{stamp} {host} systemd[1]: Started Session {number} of user liming.",
        ]
    return "\n".join(made).encode() + b"\n"


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process and its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def send(port: int, data: bytes, address: str) -> None:
    """Send everything and wait until the receiver closes, or for a receiver that never closes, until it has read."""
    with socket.create_connection(("127.0.0.1", port), source_address=(address, 0)) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(60)
        while connection.recv(4096):
            pass


def ours(installation: Installation, data: bytes, count: int) -> tuple[float, float]:
    """Return the collector's CPU seconds from the first byte to the recorded seal of the last line, and those of them for streams."""
    assert installation.process is not None
    pid = installation.process.pid
    sealed = _sealed(installation)
    begin, streams = cpu_seconds(pid), _streams(installation)
    send(installation.syslog, data, "127.0.0.2")
    wait_until(lambda: _sealed(installation) == sealed + count, 300, "the seals")
    spent = cpu_seconds(pid) - begin
    time.sleep(3)  # the collector writes what it says every two seconds
    return spent, _streams(installation) - streams


def _streams(installation: Installation) -> float:
    return float(json.loads((installation.home / "run" / "collector.json").read_text())["streams_cpu_seconds"])


def _sealed(installation: Installation) -> int:
    return int(installation.rows("select coalesce(sum(rows), 0) from anzhang_vaultsegment")[0][0])


def theirs(folder: Path, data: bytes, configuration: str) -> float:
    """Return rsyslogd's CPU seconds for writing the same lines to a file."""
    folder.mkdir()
    port = free_port()
    (folder / "rsyslog.conf").write_text(configuration.format(folder=folder, port=port))
    out = folder / "out.log"
    with running(program("rsyslogd"), "-n", "-f", str(folder / "rsyslog.conf"), "-i", str(folder / "pid")) as process:
        wait_until(lambda: answers(port), what="rsyslogd")
        begin = cpu_seconds(process.pid)
        send(port, data, "127.0.0.2")
        wait_until(lambda: out.exists() and out.stat().st_size >= len(data) and _still(out), 300, "rsyslogd's file")
        return cpu_seconds(process.pid) - begin


def _still(path: Path) -> bool:
    size = path.stat().st_size
    time.sleep(0.5)
    return path.stat().st_size == size


def main() -> None:
    """Measure in alternation and print the medians."""
    folder = Path(tempfile.mkdtemp(prefix="anzhang-bench-"))
    try:
        data = lines(LINES)
        count = data.count(b"\n")
        build_template(folder / "home")
        installation = Installation(folder / "home", seal_seconds=2)
        installation.start()
        rounds = []
        for turn in range(ROUNDS + 1):
            mine, streams = ours(installation, data, count)
            plain, tuned = (theirs(folder / f"{name}-{turn}", data, text) for name, text in (("plain", PLAIN), ("tuned", TUNED)))
            rounds.append((count / mine, count / (mine - streams), count / plain, count / tuned))
        installation.stop()
        for mine, ingest, plain, tuned in rounds[1:]:
            print(
                f"lines per CPU second: collector {mine:,.0f}, without the nineteen streams {ingest:,.0f}, rsyslogd to file {plain:,.0f}, "
                f"tuned {tuned:,.0f}; ratio {mine / plain:.2f} and {ingest / plain:.2f}, "
                f"to tuned {mine / tuned:.2f} and {ingest / tuned:.2f}"
            )
        print(f"{count:,} lines, {len(data) / count:.0f} bytes on average; median ratios:")
        for name, peer in (("rsyslogd to file", 2), ("tuned", 3)):
            all_of_it, ingest = (median(row[k] / row[peer] for row in rounds[1:]) for k in (0, 1))
            print(f"  to {name}: {all_of_it:.2f} with everything, {ingest:.2f} without streams (1.2 required)")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
