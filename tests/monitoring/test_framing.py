"""Frames of a syslog TCP stream: newline, octet counting, mixed, split anywhere."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anzhang.daemons import framing


def frames(data: bytes) -> tuple[list[bytes], bytes]:
    found, rest, _ = carried(data, after_octet=False)
    return found, rest


def carried(data: bytes, *, after_octet: bool) -> tuple[list[bytes], bytes, bool]:
    array = np.frombuffer(data or b"\0", np.uint8)
    cuts = framing.cut(array, len(data), after_octet=after_octet)
    return [data[body:end] for body, end in zip(cuts.bodies, cuts.ends, strict=True)], data[cuts.consumed :], cuts.after_octet


def counted(message: bytes) -> bytes:
    return b"%d %b" % (len(message), message)


def test_lines_end_at_their_newline_and_the_rest_waits() -> None:
    assert frames(b"<13>a\n\n<14>b\r\nrest") == ([b"<13>a\n", b"\n", b"<14>b\r\n"], b"rest")


def test_counted_frames_may_hold_newlines_and_nul_bytes() -> None:
    messages = [b"<13>one\ntwo", b"<13>\0\xff", b"<13>three"]
    assert frames(b"".join(map(counted, messages))) == (messages, b"")


def test_both_framings_may_alternate_in_one_stream() -> None:
    assert frames(b"<13>a\n7 <13>b\nc<13>d\n6 <13>ef") == ([b"<13>a\n", b"<13>b\nc", b"<13>d\n", b"<13>ef"], b"")


def test_a_newline_after_a_counted_frame_belongs_to_no_frame() -> None:
    assert frames(counted(b"<13>a") + b"\n" + counted(b"<13>b") + b"\n<13>c\n") == ([b"<13>a", b"<13>b", b"<13>c\n"], b"")


@pytest.mark.parametrize("line", [b"2026 was a year\n", b"12 monkeys\n", b"123456789 <13>too many digits\n", b"0 <13>\n"])
def test_a_line_that_begins_with_digits_is_no_counted_frame(line: bytes) -> None:
    assert frames(line) == ([line], b"")


@pytest.mark.parametrize("size", range(1, 9))
def test_it_waits_where_more_bytes_must_tell(size: int) -> None:
    assert frames(b"10 <13>abcdef"[:size]) == ([], b"10 <13>abcdef"[:size])


def test_it_says_how_long_an_unfinished_counted_frame_will_be() -> None:
    array = np.frombuffer(b"5000000 <13>abc", np.uint8)
    assert framing.cut(array, len(array)).need == 5_000_008


message = st.binary(max_size=40).map(lambda tail: b"<13>" + tail)
line = st.binary(max_size=40).filter(lambda text: text and b"\n" not in text and not text[:1].isdigit()).map(lambda text: text + b"\n")


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(message.map(lambda m: (m, counted(m))), line.map(lambda text: (text, text)))), st.lists(st.integers(0, 400)))
def test_splitting_a_stream_anywhere_changes_no_frame(parts: list[tuple[bytes, bytes]], places: list[int]) -> None:
    wire = b"".join(sent for _, sent in parts)
    whole, rest = frames(wire)
    assert (whole, rest) == ([content for content, _ in parts], b"")
    found: list[bytes] = []
    waiting, after_octet = b"", False
    bounds = [0, *sorted(place for place in places if place < len(wire)), len(wire)]
    for begin, end in itertools.pairwise(bounds):
        ready, waiting, after_octet = carried(waiting + wire[begin:end], after_octet=after_octet)
        found += ready
    assert found == whole


def test_the_newline_after_a_counted_frame_may_come_in_the_next_packet() -> None:
    found, rest, after_octet = carried(counted(b"<13>a"), after_octet=False)
    assert carried(rest + b"\n<13>b\n", after_octet=after_octet)[0] == [b"<13>b\n"]
    assert found == [b"<13>a"]


@pytest.mark.parametrize(
    ("text", "host"),
    [
        (b"<34>Oct 11 22:14:15 sbapp01 su: x", "sbapp01"),
        (b"Oct  1 02:14:15 sbapp01 su: x", "sbapp01"),
        (b"<165>1 2003-10-11T22:14:15.003Z sbapp01 evntslog - ID47 - x", "sbapp01"),
        (b"<13>2026-11-24T09:30:00.123456+08:00 sbapp01 sshd[1]: x", "sbapp01"),
        (b"<34>Oct 11 22:14:15 sbapp012 su: x", None),
        (b"<34>Oct 11 22:14:15 sbapp0 su: x", None),
        (b"no header at all", None),
        (b"<34>", None),
        (b"<34>1 ", None),
        (b"<999999999999", None),
    ],
)
def test_the_host_of_the_header_chooses_the_source(text: bytes, host: str | None) -> None:
    data = np.frombuffer(text + b"\n", np.uint8)
    numbers = framing.Hosts({b"sbdb01": 0, b"sbapp01": 1}).number(data, framing.cut(data, len(data)), framing.UNKNOWN)
    assert numbers.tolist() == [framing.UNKNOWN if host is None else 1]


def test_chosen_frames_are_gathered_as_they_were_sent() -> None:
    data = b"<13>Nov 24 09:30:00 a x: 1\n27 <13>Nov 24 09:30:00 b x: 2\n<13>Nov 24 09:30:00 a x: 3\n"
    array = np.frombuffer(data, np.uint8)
    cuts = framing.cut(array, len(data))
    numbers = framing.Hosts({b"a": 0, b"b": 1}).number(array, cuts, framing.UNKNOWN)
    assert framing.gather(array, cuts, numbers == 0) == b"<13>Nov 24 09:30:00 a x: 1\n<13>Nov 24 09:30:00 a x: 3\n"
