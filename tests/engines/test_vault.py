from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anzhang.engines.vault import Batch, BatchTooLargeError, EncodingError, Query, RetentionError, Vault, VaultBusyError, batches
from anzhang.engines.vault.batch import Format
from anzhang.engines.vault.block import Block
from anzhang.engines.vault.parse import parse, wire
from anzhang.engines.vault.segment import arrange, arrow
from anzhang.engines.vault.wal import Record
from tests.engines.logs import AT, lines


def rebuilt(data: bytes, framing: str = "newline", received: datetime = AT, zone: str = "Asia/Shanghai") -> bytes:
    parsed = parse([Record.of(1, Batch("S", data, received, framing=framing, timezone=zone))])
    block = Block(arrow(arrange(parsed, 1, {}, 1)[0]).sort_by("seq"))
    terms = block.numbers("term")
    return b"".join(wire(block.line(i), int(terms[i])) for i in range(len(block)))


def first(data: bytes, received: datetime = AT, zone: str = "Asia/Shanghai") -> dict[str, object]:
    parsed = parse([Record.of(1, Batch("S", data, received, timezone=zone))])
    return arrow(arrange(parsed, 1, {}, 1)[0]).to_pylist()[0]


def fill(vault: Vault, made: list[bytes], *, per_batch: int = 500, per_segment: int = 4, source: str = "S", at: datetime = AT) -> None:
    with vault.writer() as writer:
        for number, begin in enumerate(range(0, len(made), per_batch), 1):
            writer.append(Batch(source, b"".join(line + b"\n" for line in made[begin : begin + per_batch]), at))
            if number % per_segment == 0:
                writer.seal(at)


def test_it_gives_back_every_file_byte_for_byte(tmp_path: Path) -> None:
    made = lines(5000)
    content = b"".join(line + (b"\r\n" if i % 3 else b"\n") for i, line in enumerate(made)) + b"no terminator"
    file = tmp_path / "messages"
    file.write_bytes(content)
    vault = Vault(tmp_path / "vault")
    with vault.writer() as writer:
        for batch in batches(file, "S", AT, timezone="Asia/Shanghai", encoding="utf-8"):
            writer.append(batch)
        assert b"".join(vault.raw("S")) == content
        writer.seal(AT)
    assert b"".join(vault.raw("S", str(file))) == content
    assert vault.verify() == []


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=60), st.sampled_from(lines(300))), max_size=20).map(b"\n".join))
def test_it_rebuilds_any_bytes(data: bytes) -> None:
    assert rebuilt(data) == data


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(lines(300)), st.integers(0, 90), st.integers(0, 255))
def test_it_rebuilds_a_header_with_any_byte_changed(line: bytes, place: int, byte: int) -> None:
    data = bytearray(line)
    if place < len(data):
        data[place] = byte
    assert rebuilt(bytes(data)) == bytes(data)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=8))
def test_it_rebuilds_octet_counted_frames(frames: list[bytes]) -> None:
    data = b"".join(b"%d %s" % (len(frame), frame) for frame in frames)
    assert rebuilt(data, "octet") == data


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"<34>Oct 11 22:14:15 mymachine su: 'su root' failed", {"pri": 34, "kind": 1, "host": b"mymachine", "app": b"su", "pid": None, "msg": b"'su root' failed"}),  # noqa: E501
        (b"Mar  2 09:00:00 h sshd(pam_unix)[19939]: x", {"pri": None, "host": b"h", "app": b"sshd(pam_unix)", "pid": 19939, "msg": b"x"}),
        (b"Mar  2 09:00:00 sshd[7]: no host", {"host": b"", "app": b"sshd", "pid": 7, "msg": b"no host"}),
        (b"Mar  2 09:00:00 h last message repeated 2 times", {"host": b"h", "app": b"", "msg": b"last message repeated 2 times"}),
        (b"Mar  2 09:00:00 h app:tight", {"host": b"h", "app": b"", "msg": b"app:tight"}),
        (b"2026-03-02T09:00:00.123456+08:00 h app[1]: m", {"kind": 1, "app": b"app", "pid": 1, "ts": datetime(2026, 3, 2, 1, 0, 0, 123456, UTC)}),  # noqa: E501
        (
            b'<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [exampleSDID@32473 iut="3" eventSource="A\\]pp"] An event',  # noqa: E501
            {"kind": 2, "pri": 165, "host": b"mymachine.example.com", "app": b"evntslog", "pid": None, "msgid": b"ID47",
             "sd": b'[exampleSDID@32473 iut="3" eventSource="A\\]pp"]', "msg": b"An event", "ts": datetime(2003, 10, 11, 22, 14, 15, 3000, UTC), "hdr": b""},  # noqa: E501
        ),
        (b"<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - %% It's time", {"pid": 8710, "ts": datetime(2003, 8, 24, 12, 14, 15, 3, UTC), "hdr": b""}),  # noqa: E501
        (b"<165>1 2003-08-24T05:14:15.000000003-07:00 h a 1 - - nanoseconds", {"kind": 2, "msg": b"nanoseconds"}),
        (b"<13>1 - - - - - -", {"kind": 2, "host": b"", "msg": b"", "hdr": b""}),
        (b"no header at all", {"kind": 0, "msg": b"no header at all", "ts": AT}),
        (b"Feb 30 09:00:00 h app: no such day", {"kind": 0}),
        (b"<192>Mar  2 09:00:00 h app: no such priority", {"kind": 0, "pri": None}),
    ],
)  # fmt: skip
def test_it_finds_the_fields(line: bytes, expected: dict[str, object]) -> None:
    row = first(line)
    assert {name: row[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("line", "received", "zone", "expected"),
    [
        (
            b"Dec 31 23:59:59 h a: m",
            datetime(2026, 12, 31, 16, 0, 5, tzinfo=UTC),
            "Asia/Shanghai",
            datetime(2026, 12, 31, 15, 59, 59, tzinfo=UTC),
        ),
        (
            b"Jan  1 00:00:03 h a: m",
            datetime(2026, 12, 31, 15, 59, 59, tzinfo=UTC),
            "Asia/Shanghai",
            datetime(2026, 12, 31, 16, 0, 3, tzinfo=UTC),
        ),
        (b"Dec 31 23:59:59 h a: m", datetime(2027, 1, 5, tzinfo=UTC), "UTC", datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)),
        (b"Feb 29 12:00:00 h a: m", datetime(2026, 3, 1, tzinfo=UTC), "UTC", datetime(2024, 2, 29, 12, tzinfo=UTC)),
    ],
)
def test_it_resolves_year_and_zone_by_the_receipt(line: bytes, received: datetime, zone: str, expected: datetime) -> None:
    assert first(line, received, zone)["ts"] == expected


BSD, MODERN = b"<38>Mar  2 09:00:00 h app[7]: m 1", b"<38>1 2026-03-02T09:00:00Z h app 7 - - m 1"


@pytest.mark.parametrize(
    ("format_", "kinds"), [("auto", [1, 2]), ("rfc3164", [1, 0]), ("rfc5424", [0, 2]), ("json", [0, 0]), ("text", [0, 0])]
)
def test_a_header_is_looked_for_where_the_source_has_one(tmp_path: Path, format_: Format, kinds: list[int]) -> None:
    vault = Vault(tmp_path)
    with vault.writer() as writer:
        writer.append(Batch("S", BSD + b"\n" + MODERN + b"\n", AT, format=format_))
    with vault.writer() as writer:  # what was not sealed is read from the write-ahead log
        writer.seal(AT)
    hits = sorted(vault.search(Query()).hits, key=lambda hit: hit.seq)
    assert [hit.raw for hit in hits] == [BSD, MODERN]
    assert [hit.app for hit in hits] == [("app" if kind else "") for kind in kinds]
    assert [hit.message for hit in hits] == ["m 1" if kind else line.decode() for kind, line in zip(kinds, (BSD, MODERN), strict=True)]
    assert [vault.search(Query(fields={"kind": str(kind)})).total for kind in range(3)] == [kinds.count(kind) for kind in range(3)]
    assert vault.verify() == []


def test_a_clock_far_ahead_does_not_move_a_line_out_of_sight(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    with vault.writer() as writer:
        writer.append(Batch("S", b"<13>1 2099-01-01T00:00:00Z h sshd 1 - - Accepted password for li from 10.0.0.1 port 2 ssh2\n", AT))
        writer.seal(AT)
    hit = vault.search(Query(since=AT, until=AT + timedelta(seconds=1))).hits[0]
    assert hit.clock_ahead
    assert hit.ts == datetime(2099, 1, 1, tzinfo=UTC)
    assert hit.at == AT
    assert vault.events(since=AT)["timestamp"].to_pylist() == [AT]


def test_unsealed_lines_are_found_and_keep_their_numbers(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    made = lines(300)
    with vault.writer() as writer:
        writer.append(Batch("S", b"\n".join(made), AT))
        before = [(hit.seq, hit.raw) for hit in vault.search(Query(limit=1000)).hits]
        writer.seal(AT)
    assert sorted(raw for _, raw in before) == sorted(made)
    assert [(hit.seq, hit.raw) for hit in vault.search(Query(limit=1000)).hits] == before


def test_it_keeps_a_ten_megabyte_line_and_refuses_a_batch_beyond_its_limit(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    long = b"Mar  2 09:00:00 h app[1]: " + b"x" * (10 << 20) + b" needle_at_the_end"
    with vault.writer() as writer:
        writer.append(Batch("S", long + b"\nshort\n", AT))
        writer.seal(AT)
        with pytest.raises(BatchTooLargeError):
            writer.append(Batch("S", b"y" * (65 << 20), AT))
        with pytest.raises(EncodingError):
            writer.append(Batch("S", b"y", AT, encoding="utf-7"))
        assert writer.seal(AT) is None
    assert [hit.raw for hit in vault.search(Query(term="needle_at_the_end")).hits] == [long]
    assert b"".join(vault.raw("S")) == long + b"\nshort\n"


def test_a_key_stores_once_for_ever_after(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    batch = Batch("S", b"once\n", AT, key="k1")
    with vault.writer() as writer:
        assert not writer.append(batch).duplicate
        assert writer.append(batch).duplicate
    with vault.writer() as writer:
        assert writer.append(batch).duplicate
        writer.seal(AT)
        assert writer.append(batch).duplicate
        assert writer.append(Batch("S", b"other\n", AT, key="k1")).conflict
        assert not writer.append(Batch("T", b"once\n", AT, key="k1")).duplicate
    with vault.writer() as writer:
        assert writer.append(batch).duplicate
    assert vault.search(Query(substring="once", sources=("S",))).total == 1


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    with Vault(tmp_path).writer(), pytest.raises(VaultBusyError):
        Vault(tmp_path).writer()


def test_nobody_disposes_of_a_segment_inside_the_floor(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    fill(vault, lines(40), per_batch=10, per_segment=1)
    names = [sealed.name for sealed in vault.segments()]
    with pytest.raises(RetentionError):
        vault.dispose(names[0], AT + timedelta(days=184) - timedelta(seconds=1))
    with pytest.raises(RetentionError):
        vault.dispose(names[1], AT + timedelta(days=185))
    vault.dispose(names[0], AT + timedelta(days=184))
    assert [sealed.name for sealed in vault.segments()] == names[1:]
    assert vault.verify() == []
    with vault.writer() as writer:
        writer.append(Batch("S", b"goes on\n", AT + timedelta(days=185)))
        assert writer.seal(AT + timedelta(days=185)).number == 5
    assert vault.verify() == []


def test_it_tells_what_was_heard_and_how_long_the_disk_lasts(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    with vault.writer() as writer:
        for hour in range(4):
            writer.append(Batch("S", b"a\nb\n", AT + timedelta(hours=hour)))
            writer.append(Batch("T", b"c\n", AT))
            writer.seal(AT + timedelta(hours=hour))
        writer.append(Batch("S", b"unsealed\n", AT + timedelta(hours=9)))
    heard = vault.heard()
    assert (heard["S"].first_at, heard["S"].last_at, heard["S"].rows) == (AT, AT + timedelta(hours=9), 9)
    assert vault.oldest("T") == AT
    assert vault.oldest("U") is None
    full = vault.forecast(AT)
    assert full is not None
    assert full > AT
