from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from anzhang.engines.vault import Batch, Vault, ondisk, tree
from anzhang.engines.vault import streams as parsers
from anzhang.engines.vault.places import locate
from anzhang.engines.vault.streams import cleaning
from tests.engines.logs import AT

FOLDER = Path(__file__).parent / "golden"
GOLDEN = [line for line in (FOLDER / "auth_event.txt").read_text().splitlines() if not line.startswith("#")]
KINDS = sorted(path.stem for path in FOLDER.glob("*.txt") if path.stem != "auth_event")
RECEIVED = datetime(2026, 11, 25, tzinfo=UTC)
UNSAID = {"ingested", "segment", "source", "seq"}
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


def said(root: Path, raw: bytes, encoding: str = "utf-8") -> list[list[str]]:
    """Return what the golden files write behind each line: its events, or `part` of one, `none`, `unread`."""
    vault = Vault(root)
    with vault.writer() as writer:
        writer.append(Batch("S", raw, RECEIVED, encoding=encoding))
        writer.seal(RECEIVED)
    assert vault.verify() == []
    rows = ondisk.read(locate(root)["n1-000000001"] / tree.ROWS)
    state = dict(zip(rows["seq"].to_pylist(), parsers.derive("n1-000000001", rows).state.tolist(), strict=True))
    found: dict[int, list[str]] = {}
    for stream in parsers.STREAMS:
        for row in vault.events(stream).sort_by("seq").to_pylist():
            row["timestamp"] = row["timestamp"].isoformat()
            told = {k: v for k, v in row.items() if v is not None and k not in UNSAID and (k, v) != ("repeated", 1)}
            found.setdefault(row["seq"], []).append(f"{stream} {json.dumps(told, ensure_ascii=False)}")
    return [found.get(seq, [("unread", "part", "none")[state[seq]]]) for seq in sorted(state)]


def golden(kind: str) -> tuple[list[str], list[list[str]]]:
    """Return the lines of a golden file and what must come of each."""
    lines: list[str] = []
    told: list[list[str]] = []
    for line in (FOLDER / f"{kind}.txt").read_text(encoding="utf-8").removesuffix("\n").split("\n"):
        if line.startswith("=> "):
            told[-1].append(line.removeprefix("=> "))
        else:
            lines.append(line)
            told.append([])
    return lines, told


@pytest.mark.parametrize("kind", KINDS)
def test_each_source_kind_becomes_the_events_in_its_golden_file(tmp_path: Path, kind: str) -> None:
    lines, told = golden(kind)
    assert list(zip(lines, said(tmp_path, "".join(f"{line}\n" for line in lines).encode()), strict=True)) == list(
        zip(lines, told, strict=True)
    )


def test_every_stream_has_a_golden_line() -> None:
    shown = {event.split(" ")[0] for kind in KINDS for events in golden(kind)[1] for event in events}
    assert shown >= set(parsers.STREAMS) - {"auth_event"}


def test_every_parser_is_read_from_a_source_and_says_its_streams() -> None:
    assert {stream for parser in parsers.parsers() for stream in parser.streams} == set(parsers.STREAMS)
    assert all(parser.apps or parser.begins for parser in parsers.parsers())


@pytest.mark.parametrize("kind", ["mariadb", "rooms", "events", "sshd"])
def test_the_same_lines_in_gbk_give_the_same_events(tmp_path: Path, kind: str) -> None:
    lines, told = golden(kind)
    assert said(tmp_path, "".join(f"{line}\n" for line in lines).encode("gb18030"), "gbk") == told


def test_a_line_nobody_knows_is_counted_by_its_shape_with_its_newest_line(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    lines = [f"<13>Nov 24 09:00:0{k} h odd[{k}]: widget {k} of 7 turned" for k in range(9)]
    lines += [
        "<38>Nov 24 09:00:00 h sshd[7]: Accepted password for li from 10.0.0.1 port 22 ssh2",
        "<38>Nov 24 09:00:00 h sshd[7]: Server listening on ::",
    ]
    with vault.writer() as writer:
        writer.append(Batch("S", "".join(f"{line}\n" for line in lines).encode(), RECEIVED))
        writer.append(Batch("T", b"one line\n", RECEIVED))
        writer.seal(RECEIVED)
    heard = vault.coverage()
    assert (heard["S"].lines, heard["S"].events, heard["S"].known, heard["S"].unread) == (11, 1, 1, 9)
    (shape,) = heard["S"].shapes
    assert (shape.app, shape.text, shape.lines, shape.seq) == ("odd", "widget <*> of <*> turned", 9, 9)
    assert [(s.text, s.lines) for s in heard["T"].shapes] == [("one line", 1)]


def test_the_records_of_different_hosts_are_not_joined(tmp_path: Path) -> None:
    syscall = 'node={} type=SYSCALL msg=audit(1795482001.100:701): syscall=87 success=yes ppid=1 pid={} uid=1001 comm="rm"'
    path = 'node={} type=PATH msg=audit(1795482001.100:701): item=1 name="/srv/{}" nametype=DELETE'
    lines = [syscall.format("a", 1), syscall.format("b", 2), path.format("b", "two"), path.format("a", "one")]
    assert [len(each) for each in said(tmp_path, "".join(f"{line}\n" for line in lines).encode())] == [1, 1, 1, 1]
    found = Vault(tmp_path).events("file_event").to_pylist()
    assert {(row["host_name"], row["process_pid"], row["path"]) for row in found} == {("a", 1, "/srv/one"), ("b", 2, "/srv/two")}


def test_a_record_that_never_ends_takes_no_other_line(tmp_path: Path) -> None:
    open_line = (
        '2026-11-24 09:00:00.123 CST,"hrss","sidb",4711,"[local]",6742.1,2,"idle",2026-11-24 08:59:00 CST,3/12,0,LOG,00000,"statement: x'
    )
    lines = [open_line, *(f"<38>Nov 24 09:00:00 h sshd[7]: Invalid user u{k} from 10.0.0.1" for k in range(300))]
    found = said(tmp_path, "".join(f"{line}\n" for line in lines).encode())
    assert found[0] == ["unread"]
    assert all(each[0].startswith("auth_event") for each in found[1:])


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


def test_a_gate_that_lets_every_line_in_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "wide.toml"
    path.write_text("stream = 'auth_event'\nbegins = 'a?'\n[[pattern]]\nregex = 'a'\n")
    with pytest.raises(parsers.ParserError, match="wide: `begins` does not say"):
        parsers.compile_parsers((parsers.load(path),))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("stream = 'auth_event'\napps = ['a']\n[[pattern]]\nregex = '(?P<nothing>a)'", "no column nothing"),
        ("stream = 'odd_event'\napps = ['a']\n[[pattern]]\nregex = 'a'", "no stream odd_event"),
        ("stream = 'auth_event'\napps = ['a']\n[columns]\nbytes_in = 'x'\n[[pattern]]\nregex = 'a'", "no column bytes_in"),
        ("stream = 'auth_event'\napps = ['a']\n[[step]]\nform = 'xml'", "form 'xml' is none of"),
        ("stream = 'auth_event'\napps = ['a']\n[columns]\nuser_name = { of = 'x', as = 'odd' }\n[[step]]\nform = 'json'", "no cleaner odd"),
        ("stream = 'auth_event'\napps = ['a']\nodd = 1\n[[step]]\nform = 'json'", "the file has no odd"),
        ("stream = 'auth_event'\napps = ['a']", "neither a pattern nor a step"),
    ],
)
def test_what_a_parser_may_not_say_is_named(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(parsers.ParserError, match=why):
        parsers.load(path)


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


def test_addresses_are_cleaned_whether_or_not_their_column_is_coded() -> None:
    told = pa.array(["10.0.0.1", "[2001:DB8::1]", None, "host-a", "::ffff:10.0.0.2"], pa.string())
    for column in (told, told.dictionary_encode()):
        assert cleaning.addresses(column).to_pylist() == ["10.0.0.1", "2001:db8::1", None, None, "10.0.0.2"]
        assert cleaning.host_names(column).to_pylist() == [None, None, None, "host-a", None]
