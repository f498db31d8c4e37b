from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from anzhang.engines.vault import Batch, Vault
from anzhang.engines.vault import streams as parsers
from tests.engines.logs import AT

GOLDEN = [line for line in (Path(__file__).parent / "golden/auth_event.txt").read_text().splitlines() if not line.startswith("#")]
COLUMNS = ("event_action", "event_outcome", "user_name", "source_ip", "target_user", "by_user")


def test_each_line_becomes_the_event_beside_it(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    cases = [line.split(" => ") for line in GOLDEN]
    with vault.writer() as writer:
        written = "".join("Mar  2 09:00:00 h {}[7]: {}\n".format(*left.split(" | ")) for left, _ in cases)
        writer.append(Batch("S", written.encode(), AT))
        writer.seal(AT)
    found = {row["seq"]: row for row in vault.events().to_pylist()}
    for number, (left, right) in enumerate(cases, 1):
        row = found.get(number)
        said = "none" if row is None else " ".join((row[name] or "-").replace(" ", "*") for name in COLUMNS)
        assert (left, said) == (left, right)
    assert {(row["segment"], row["process_pid"], row["host_name"]) for row in found.values()} == {("n1-000000001", 7, "h")}
    assert [row["repeated"] for row in found.values() if row["repeated"] != 1] == [5]


@pytest.mark.parametrize(
    "broken",
    [
        "stream = 1",
        "stream='auth_event'\napps=[]\n[[pattern]]\nregex='('\naction='a'\noutcome='b'",
        "[[",
        "stream='a'\napps=[1]\npattern=[]",
    ],
)
def test_a_wrong_parser_file_is_named(tmp_path: Path, broken: str) -> None:
    path = tmp_path / "broken.toml"
    path.write_text(broken)
    with pytest.raises(parsers.ParserError, match=r"broken\.toml"):
        parsers.load(path)


def test_two_parsers_of_one_application_are_refused() -> None:
    sudo = next(parser for parser in parsers.parsers() if parser.name == "sudo")
    with pytest.raises(parsers.ParserError, match="sudo is read by another parser"):
        parsers.compile_parsers((sudo, sudo))


def test_it_reads_names_in_the_encoding_of_their_source(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    line = "Mar  2 09:00:00 主机 sshd[7]: Failed password for 王芳 from 10.0.0.1 port 22 ssh2\n"
    with vault.writer() as writer:
        writer.append(Batch("G", line.encode("gbk"), AT, encoding="gbk"))
        writer.append(Batch("U", line.encode(), AT))
        writer.append(Batch("W", line.encode("gbk"), AT))
        writer.seal(AT)
    found = vault.events().to_pylist()
    assert [(row["source"], row["host_name"], row["user_name"]) for row in found] == [(code, "主机", "王芳") for code in "GUW"]


def test_numbers_of_any_length_are_bounded_and_groups_left_out_are_null(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    messages = [
        f"Accepted password for li from 10.0.0.1 port {'9' * 5000} ssh2",
        f"message repeated {'9' * 5000} times: [ Failed password for li from 10.0.0.1 port 022 ssh2]",
        "Invalid user li from 10.0.0.1",
    ]
    with vault.writer() as writer:
        writer.append(Batch("S", "".join(f"Mar  2 09:00:00 h sshd: {message}\n" for message in messages).encode(), AT))
        writer.seal(AT)
    found = [(row["source_port"], row["repeated"], row["process_pid"]) for row in vault.events().to_pylist()]
    assert found == [
        (65535, 1, None),
        (22, 1000000, None),
        (None, 1, None),
    ]
    assert vault.verify() == []


def test_a_file_of_an_older_form_is_read_and_made_again(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    with vault.writer() as writer:
        writer.append(Batch("S", b"Mar  2 09:00:00 h sshd: Invalid user li from 10.0.0.1\n", AT))
        writer.seal(AT)
    path = tmp_path / "streams/auth_event/n1-000000001.parquet"
    events = vault.events()
    old = events.append_column("message", pa.array(["Invalid user li from 10.0.0.1"])).replace_schema_metadata({"parsers": "0" * 16})
    pq.write_table(old, path)
    assert vault.events().equals(events)
    vault.writer().close()
    assert "message" not in pq.read_schema(path).names
    assert vault.verify() == []
