"""A followed file comes in whole: through rotation, truncation, long absence and kill -9."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import sqlite3
import time
from pathlib import Path

import pytest

from anzhang.engines.vault import Query
from tests.monitoring.installation import Installation
from tests.programs import wait_until


@pytest.fixture
def log(installation: Installation, tmp_path: Path) -> Path:
    """A log file that the source OTHER follows."""
    path = tmp_path / "logs" / "app.log"
    installation.follow("OTHER", path)
    return path


def write(path: Path, *names: str, end: str = "\n") -> list[bytes]:
    lines = [f"Nov 24 09:30:00 host app: {name} 业务".encode() for name in names]
    with path.open("ab") as file:
        file.write(b"\n".join(lines) + end.encode())
    return [line + b"\n" for line in lines]


def arrives(installation: Installation, lines: list[bytes]) -> None:
    wait_until(lambda: installation.received("OTHER") == lines, 30, "the lines of the file")


def test_rotation_and_truncation_lose_nothing_while_it_watches(installation: Installation, log: Path) -> None:
    expected = write(log, "one", "two")
    installation.start()
    arrives(installation, expected)
    log.rename(log.with_name("app.log.1"))
    expected += write(log.with_name("app.log.1"), "late, into the rotated file")
    expected += write(log, "first of the new file")
    arrives(installation, expected)
    log.write_bytes(b"")
    time.sleep(1.5)
    expected += write(log, "short")
    arrives(installation, expected)
    installation.stop()
    assert installation.received("OTHER") == expected
    installation.check()


def test_a_rotation_while_it_was_away_is_caught_up_with(installation: Installation, log: Path) -> None:
    expected = write(log, "before")
    installation.start()
    arrives(installation, expected)
    installation.stop()
    expected += write(log, "while away")
    log.rename(log.with_name("app.log.2"))
    time.sleep(0.02)
    expected += write(log, "a whole file while away")
    log.rename(log.with_name("app.log.1"))
    time.sleep(0.02)
    expected += write(log, "now")
    installation.start()
    arrives(installation, expected)


def test_kills_while_it_reads_lose_and_double_nothing(installation: Installation, log: Path) -> None:
    expected = write(log, *(f"line {number} {'x' * 200}" for number in range(60_000)))
    count = len(expected)
    for share in (0.1, 0.5):
        installation.start()
        wait_until(lambda share=share: len(installation.received("OTHER")) > share * count, 60, "part of the file")
        installation.kill()
        expected += write(log, f"after a kill at {share}")
    installation.start()
    wait_until(lambda: len(installation.received("OTHER")) >= len(expected), 60, "the whole file")
    installation.stop()
    assert installation.received("OTHER") == expected
    installation.check()


def test_half_a_line_waits_for_its_end(installation: Installation, log: Path) -> None:
    whole = write(log, "whole")
    write(log, "half", end="")
    installation.start()
    arrives(installation, whole)
    time.sleep(1.0)
    assert installation.received("OTHER") == whole
    with log.open("ab") as file:
        file.write(b" and its end\n")
    wait_until(lambda: len(installation.received("OTHER")) == 2, what="the finished line")
    assert installation.received("OTHER")[1].endswith(b" and its end\n")


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".bz2"])
def test_a_file_that_was_compressed_while_it_was_away_is_read_on(installation: Installation, log: Path, suffix: str) -> None:
    expected = write(log, "before")
    installation.start()
    arrives(installation, expected)
    installation.stop()
    expected += write(log, "while away")
    pack = {".gz": gzip.compress, ".xz": lzma.compress, ".bz2": bz2.compress}[suffix]
    log.with_name(f"app.log.1{suffix}").write_bytes(pack(log.read_bytes()))
    log.with_name("app.log.2.gz").write_bytes(b"no archive at all")
    log.unlink()
    expected += write(log, "now")
    installation.start()
    arrives(installation, expected)
    wait_until(lambda: "OTHER" in installation.status["files"], what="the status")
    assert installation.status["files"]["OTHER"]["gaps"] == 0
    installation.stop()
    assert installation.received("OTHER") == expected


def test_a_file_that_is_gone_before_it_was_read_is_a_loss_that_the_article_judges_by(installation: Installation, log: Path) -> None:
    expected = write(log, "before")
    installation.start()
    arrives(installation, expected)
    installation.stop()
    write(log, "while away")
    log.unlink()
    expected += write(log, "now")
    installation.start()
    arrives(installation, expected)
    wait_until(lambda: installation.rows("select lost from anzhang_logsourceactivity where lost > 0") == [(1,)], what="the loss")


def test_a_path_with_wildcards_is_many_files_each_read_once(installation: Installation, log: Path) -> None:
    with sqlite3.connect(installation.home / "db.sqlite3") as database:
        database.execute("update anzhang_logsource set file_path = ? where code = 'OTHER'", [str(log.parent / "*.log*")])
    others = log.with_name("b.log"), log.with_name("c.log")
    expected = write(log, "a1") + write(others[0], "b1")
    write(log.with_name("app.log.3"), "rotated long ago")
    log.with_name("b.log.1.gz").write_bytes(gzip.compress(b"packed long ago\n"))
    installation.start()
    wait_until(lambda: sorted(installation.received("OTHER")) == sorted(expected), what="the files that were there")
    expected += write(others[1], "c1")
    log.rename(log.with_name("app.log.1"))
    expected += write(log.with_name("app.log.1"), "late") + write(log, "a2")
    wait_until(lambda: sorted(installation.received("OTHER")) == sorted(expected), what="a new file and a rotated one")
    installation.kill()
    expected += write(others[0], "b2")
    installation.start()
    wait_until(lambda: sorted(installation.received("OTHER")) == sorted(expected), what="what came meanwhile")
    assert set(installation.vault.raw("OTHER", str(others[1]))) == set(expected[2:3])


def test_what_is_no_file_is_complained_about_and_harms_nobody(installation: Installation, log: Path) -> None:
    os.mkfifo(log)
    installation.start()
    wait_until(lambda: "not a regular file" in installation.status["files"]["OTHER"]["trouble"], what="the complaint")
    installation.send(b"<13>others go on\n", "127.0.0.2")
    assert installation.received("PLAIN") == [b"<13>others go on\n"]


def test_lines_of_a_text_file_are_message_from_end_to_end(installation: Installation, log: Path) -> None:
    installation.rows("update anzhang_logsource set format = 'text' where code = 'OTHER'")
    expected = write(log, "one", "two")
    installation.start()
    arrives(installation, expected)
    installation.stop()
    found = installation.vault.search(Query(sources=("OTHER",))).hits
    assert sorted((hit.app, hit.message.encode() + b"\n") for hit in found) == sorted(("", line) for line in expected)
    installation.check()
