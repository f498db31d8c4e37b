"""Senders of every kind at the syslog port: registered, shared, unknown, greedy, broken."""

from __future__ import annotations

import random
import socket
import sqlite3
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

from anzhang.daemons import syslog_tcp
from tests.engines.logs import lines
from tests.engines.test_vault import fill
from tests.monitoring.installation import Installation
from tests.programs import wait_until

HEAD = b"<34>Nov 24 09:30:00 "


def test_lines_of_a_shared_address_go_to_the_source_of_their_host(collector: Installation) -> None:
    hosts = (b"sbapp01", b"sbdb01", b"jyapp01", b"nobody")
    lines = {host: [HEAD + b"%s app: %d\n" % (host, number) for number in range(50)] for host in hosts}
    collector.send(b"".join(line for four in zip(*lines.values(), strict=True) for line in four))
    assert collector.received("SSH-SB01") == [line for two in zip(lines[b"sbapp01"], lines[b"sbdb01"], strict=True) for line in two]
    assert collector.received("SSH-JY01") == lines[b"jyapp01"]
    wait_until(lambda: "127.0.0.1 unknown_host" in collector.quarantine.senders, what="the quarantine's index")
    assert collector.quarantine.senders["127.0.0.1 unknown_host"].bytes == sum(map(len, lines[b"nobody"]))


def test_frames_may_be_split_anywhere_and_framings_mixed(collector: Installation) -> None:
    messages = [HEAD + b"h app: %d \xe4\xb8\xad\xe6\x96\x87" % number for number in range(200)]
    wire = b"".join(b"%d %b" % (len(m), m) if number % 3 else m + b"\n" for number, m in enumerate(messages))
    dice = random.Random(1)
    with collector.connect("127.0.0.2") as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        place = 0
        while place < len(wire):
            size = dice.randint(1, 700)
            connection.sendall(wire[place : place + size])
            place += size
            time.sleep(0.002)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""
    received = collector.received("PLAIN")
    assert [line.rstrip(b"\n") if line.startswith(b"<") else line.partition(b" ")[2] for line in received] == messages


def test_an_unregistered_sender_fills_a_bounded_quarantine_and_no_stream(collector: Installation) -> None:
    for _ in range(20):
        try:
            with collector.connect("127.0.0.9") as connection:
                connection.sendall((HEAD + b"sbapp01 sshd[1]: Accepted password for liming from 1.2.3.4 port 1 ssh2\n") * 8000)
        except OSError:
            continue  # cut off, as it should be
    wait_until(lambda: "127.0.0.9 unregistered" in collector.quarantine.senders, what="the quarantine's index")
    collector.stop()
    stranger = collector.quarantine.senders["127.0.0.9 unregistered"]
    assert "Accepted password" in stranger.sample
    size = sum(path.stat().st_size for path in (collector.home / "collector" / "quarantine").glob("*.raw"))
    assert 0 < size <= (2 << 20) + (1 << 20)
    assert size == collector.quarantine.kept_bytes
    assert collector.vault.heard() == {}
    assert collector.vault.segments() == []


def test_a_sender_is_heard_once_it_is_registered(collector: Installation) -> None:
    with collector.connect("127.0.0.9") as connection:
        connection.sendall(b"<13>before\n")
        wait_until(lambda: "127.0.0.9 unregistered" in collector.quarantine.senders, what="the quarantine's index")
        with sqlite3.connect(collector.home / "db.sqlite3", timeout=20) as database:
            database.execute("update anzhang_logsource set addresses = '[\"127.0.0.9\"]' where code = 'OTHER'")

        def heard() -> bool:
            connection.sendall(b"<13>after\n")
            return b"<13>after\n" in collector.received("OTHER")

        wait_until(heard, what="the new source")
    assert b"<13>before\n" not in collector.received("OTHER")


def test_over_its_quota_a_source_is_held_back_and_the_others_are_not(collector: Installation) -> None:
    line = HEAD + b"h app: " + b"x" * 1000 + b"\n"
    with collector.connect("127.0.0.3") as greedy:
        greedy.settimeout(1)
        sent = 0
        try:
            while sent < 200_000_000:
                sent += greedy.send(line * 100)
        except TimeoutError:
            pass
        assert sent < 200_000_000, "nobody pushed back"
        kept = sum(map(len, collector.received("SMALL")))
        assert 1 << 16 <= kept <= (1 << 16) + 2 * syslog_tcp.LONGEST
        collector.send(line, "127.0.0.4")
        assert collector.received("OTHER") == [line]
        wait_until(lambda: collector.status["held_back"] == ["SMALL"], what="the status file")
        flagged = "select s.code from anzhang_logsource s join anzhang_logsourceactivity on s.id = source_id where over_quota_at not null"
        wait_until(lambda: collector.rows(flagged) == [("SMALL",)], what="the flag in the database")


def test_a_line_of_ten_megabytes_is_kept_in_pieces(collector: Installation) -> None:
    long = HEAD + b"h app: " + bytes(range(1, 10)) * 1_200_000
    collector.send(long + b"\n" + b"<13>next\n", "127.0.0.2")
    received = collector.received("PLAIN")
    assert received[-1] == b"<13>next\n"
    pieces = [piece.partition(b" ")[2] if piece[:1].isdigit() else piece for piece in received[:-1]]
    assert b"".join(pieces).rstrip(b"\n") == long
    assert max(map(len, received)) <= syslog_tcp.LONGEST + 16


def test_a_counted_frame_of_ten_megabytes_is_kept_in_pieces(collector: Installation) -> None:
    long = HEAD + b"h app: " + b"\n\0z" * 3_400_000
    collector.send(b"%d %b%b" % (len(long), long, b"<13>next\n"), "127.0.0.2")
    received = collector.received("PLAIN")
    assert received[-1] == b"<13>next\n"
    assert b"".join(piece.partition(b" ")[2] for piece in received[:-1]) == long


def test_bytes_of_any_kind_come_back_as_they_were_sent(collector: Installation) -> None:
    dice = random.Random(7)
    garbage = [dice.randbytes(dice.randint(0, 300)).replace(b"\n", b"\r") + b"\n" for _ in range(300)]
    garbage = [b"~" + line for line in garbage]  # a line that begins like a counted frame would be one
    gbk = "<13>Nov 24 09:30:00 h app: 社会保险\n".encode("gbk")
    data = [*garbage, gbk, b"\0\0\0\n", b"\n", b"\xff\xfe\r\n", b"<13>the end has no newline"]
    collector.send(b"".join(data), "127.0.0.2")
    assert collector.received("PLAIN") == data
    collector.stop()
    assert collector.received("PLAIN") == data
    collector.check()


def test_a_slow_sender_and_many_idle_ones_harm_nobody(collector: Installation) -> None:
    idle = [collector.connect("127.0.0.2") for _ in range(100)]
    slow = collector.connect("127.0.0.2")
    slow.sendall(b"<13>half a li")
    collector.send(b"<13>quick\n" * 1000, "127.0.0.4")
    assert len(collector.received("OTHER")) == 1000
    slow.sendall(b"ne\n")
    wait_until(lambda: collector.received("PLAIN") == [b"<13>half a line\n"], what="the slow line")
    for connection in [*idle, slow]:
        connection.close()


def test_one_address_cannot_take_every_connection(collector: Installation) -> None:
    strangers = [collector.connect("127.0.0.9") for _ in range(syslog_tcp.MOST_STRANGERS + 20)]
    wait_until(lambda: collector.status["syslog"]["turned_away"] >= 20, what="the cap")
    collector.send(b"<13>still served\n", "127.0.0.4")
    assert collector.received("OTHER") == [b"<13>still served\n"]
    for connection in strangers:
        connection.close()


def test_a_clean_stop_seals_and_records_what_was_received(installation: Installation) -> None:
    installation.seal_seconds = 3600
    installation.start()
    with installation.connect("127.0.0.4") as connection:
        connection.sendall(b"<13>one\n<13>two\n")
        wait_until(lambda: len(installation.received("OTHER")) == 2, what="the lines")
        assert installation.vault.segments() == []
        installation.stop()
    assert [sealed.rows for sealed in installation.vault.segments()] == [2]
    installation.check()


def test_segments_sealed_before_a_kill_are_recorded_at_the_next_start(collector: Installation) -> None:
    collector.send(b"<13>one\n", "127.0.0.4")
    wait_until(lambda: collector.rows("select * from anzhang_vaultsegment"), what="the seal")
    collector.kill()
    with sqlite3.connect(collector.home / "db.sqlite3", timeout=20) as database:  # as if killed between seal and record
        for table in ("anzhang_payload", "anzhang_entry"):
            column = "entry_id" if table == "anzhang_payload" else '"index"'
            database.execute(f"delete from {table} where {column} in (select \"index\" from anzhang_entry where act like '%segment:seal')")
        database.execute("delete from anzhang_entry where act like '%segment:seal'")
        database.execute("delete from anzhang_vaultsegment")
        database.execute("delete from anzhang_logsourceactivity")
    collector.start()
    wait_until(lambda: collector.rows("select rows from anzhang_vaultsegment") == [(1,)], what="the record")
    collector.stop()
    collector.check()


def test_small_segments_of_a_day_that_is_over_are_merged_and_the_ledger_is_told_first(installation: Installation) -> None:
    yesterday = datetime.now(UTC) - timedelta(days=1)
    fill(installation.vault, lines(600), per_batch=60, per_segment=1, source="OTHER", at=yesterday)
    raw = installation.received("OTHER")
    installation.more = "merge_seconds = 1\n"
    installation.start()
    wait_until(lambda: [sealed.name for sealed in installation.vault.segments()] == ["n1-000000010.1"], what="the merge")
    installation.send(b"<13>one more\n", "127.0.0.4")
    installation.stop()
    assert installation.received("OTHER") == [*raw, b"<13>one more\n"]
    assert installation.status["merged_segments"] == 10
    assert installation.rows("select number, state, merged_into, rows from anzhang_vaultsegment where number > 8 order by number") == [
        (9, "merged", 10, 60), (10, "sealed", None, 600), (11, "sealed", None, 1),
    ]  # fmt: skip
    command = [sys.executable, "-m", "anzhang", "--home", str(installation.home), "vault"]
    verified = subprocess.run([*command, "verify"], capture_output=True, text=True, check=False, timeout=60)
    assert (verified.returncode, verified.stdout) == (0, "2 segments, every proof holds\n"), verified.stderr
    proof = installation.home / "line.zip"  # of a line that is named by the segment it was sealed in
    proved = subprocess.run([*command, "prove", "3", "125", "--out", str(proof)], capture_output=True, text=True, check=False, timeout=60)
    assert (proved.returncode, proof.exists()) == (0, True), proved.stderr


def test_a_second_collector_is_refused(collector: Installation) -> None:
    command = [sys.executable, "-m", "anzhang", "--home", str(collector.home), "collector"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert "another collector runs" in done.stderr
