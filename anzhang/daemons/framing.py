"""Cut a chunk of a syslog TCP stream into frames and sort the frames by source, without a Python call per line.

Two framings (RFC 6587) are told apart at the start of every frame: octet counting is `LENGTH SP <PRI>...`, anything else is
a line up to its newline. All functions take uint8 arrays and return offsets into them; bytes are never changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from anzhang.engines.vault.jit import eight, leading, line_feeds

Bytes = NDArray[np.uint8]
Offsets = NDArray[np.int64]

NEWLINE, OCTET = 0, 1
MOST_DIGITS = 8  # a longer length is no length; 99,999,999 octets stream through in pieces
UNKNOWN = -1
USUAL_LINE = 64  # bytes; the first guess of how many frames a chunk holds
DATE_CHARS = 16  # "Mmm dd hh:mm:ss "


@dataclass(frozen=True)
class Cut:
    """Frames of a chunk: `starts` to `ends` as on the wire, `bodies` where the message begins, `kinds` NEWLINE or OCTET.

    `consumed` bytes are dealt with, `after_octet` when the last of them ended a counted frame; `need` is how many bytes the
    unfinished frame at that point will have, 0 if unknown.
    """

    starts: Offsets
    bodies: Offsets
    ends: Offsets
    kinds: NDArray[np.int8]
    consumed: int
    need: int
    after_octet: bool = False

    @property
    def is_lines(self) -> bool:
        """Whether the frames are lines that follow one another from the beginning of the chunk to what is left."""
        return not self.kinds.any() and self.starts[:1].tolist() == [0] and self.ends[-1:].tolist() == [self.consumed]


def cut(data: Bytes, size: int, *, after_octet: bool = False) -> Cut:
    """Cut the complete frames of `data[:size]`; `after_octet` carries over from the cut before."""
    room = size // USUAL_LINE + 16
    while True:
        starts, bodies, ends = (np.empty(room, np.int64) for _ in range(3))
        kinds = np.empty(room, np.int8)
        count, consumed, need, carry = _fill(data, size, after_octet, starts, bodies, ends, kinds)
        if count < room:
            return Cut(starts[:count], bodies[:count], ends[:count], kinds[:count], int(consumed), int(need), bool(carry))
        room *= 4


def counted(messages: Sequence[bytes]) -> tuple[bytes, Cut]:
    """Return messages, none of them empty, as counted frames and their cut."""
    heads = [b"%d " % len(message) for message in messages]
    wire = b"".join(part for pair in zip(heads, messages, strict=True) for part in pair)
    sizes = np.array([len(message) for message in messages], np.int64)
    before = np.array([len(head) for head in heads], np.int64)
    ends = np.cumsum(sizes + before)
    return wire, Cut(ends - sizes - before, ends - sizes, ends, np.full(len(messages), OCTET, np.int8), len(wire), 0)


class Hosts:
    """Header host names of one shared address, hashed for the kernel."""

    def __init__(self, hosts: Mapping[bytes, int]) -> None:
        """Map names to small numbers; names compare byte by byte."""
        names = sorted(hosts)
        self.names = np.frombuffer(b"".join(names) or b"\0", np.uint8)
        self.bounds = np.cumsum([0, *(len(name) for name in names)]).astype(np.int64)
        self.numbers = np.array([hosts[name] for name in names], np.int64)

    @property
    def is_empty(self) -> bool:
        """Whether there is no name, so that no line's host matters."""
        return not len(self.numbers)

    def number(self, data: Bytes, cuts: Cut, default: int) -> NDArray[np.int64]:
        """Return the number of each frame's host, `default` where it has none or another."""
        out = np.full(len(cuts.starts), default, np.int64)
        if len(self.numbers):
            _number(data, cuts.bodies, cuts.ends, self.names, self.bounds, self.numbers, out)
        return out


def gather(data: Bytes, cuts: Cut, chosen: NDArray[np.bool_]) -> bytes:
    """Return the chosen frames as on the wire, one after the other."""
    if chosen.all() and len(cuts.starts) and cuts.starts[0] == 0 and cuts.consumed == int((cuts.ends - cuts.starts).sum()):
        return data[: cuts.consumed].tobytes()
    starts, ends = cuts.starts[chosen], cuts.ends[chosen]
    out = np.empty(int((ends - starts).sum()), np.uint8)
    _gather(data, starts, ends, out)
    return out.tobytes()


@numba.njit(cache=True, nogil=True)
def _prefix(data: Bytes, at: int, size: int) -> tuple[int, int]:  # pragma: no cover  # compiled
    """Return (octets, where the message begins) of a counted frame, (0, 0) when it is none, (-1, 0) when more bytes must tell."""
    if data[at] < 49 or data[at] > 57:
        return 0, 0
    length, place = 0, at
    while place < size and place - at < MOST_DIGITS and 48 <= data[place] <= 57:
        length = length * 10 + (data[place] - 48)
        place += 1
    if place == size:
        return (-1, 0) if place - at < MOST_DIGITS else (0, 0)
    if data[place] != 32:
        return 0, 0
    if place + 1 == size:
        return -1, 0
    return (length, place + 1) if data[place + 1] == 60 else (0, 0)


@numba.njit(cache=True, nogil=True)
def _next(data: Bytes, at: int, size: int) -> tuple[int, int, int, int]:  # pragma: no cover  # compiled
    """Return (end, body, kind, need) of the frame at `at`; end 0 when it is unfinished."""
    length, body = _prefix(data, at, size)
    if length < 0:
        return 0, 0, NEWLINE, 0
    if length > 0:
        end = body + length
        return (end, body, OCTET, 0) if end <= size else (0, body, OCTET, end - at)
    place = at
    while place + 16 <= size and not line_feeds(eight(data, place)) | line_feeds(eight(data, place + 8)):
        place += 16
    while place < size:
        skip = leading(line_feeds(eight(data, place)))
        place += skip
        if skip < 8:  # eight bytes at a time
            return (place + 1, at, NEWLINE, 0) if place < size else (0, at, NEWLINE, 0)
    return 0, at, NEWLINE, 0


@numba.njit(cache=True, nogil=True)
def _fill(
    data: Bytes, size: int, after_octet: bool, starts: Offsets, bodies: Offsets, ends: Offsets, kinds: NDArray[np.int8]
) -> tuple[int, int, int, bool]:  # pragma: no cover  # compiled
    """Return (frames, consumed, need, after_octet); stop when there is no room. A newline after a counted frame belongs to no frame."""
    row, at = 0, 0
    while at < size and row < len(starts):
        if after_octet and data[at] == 10:
            at += 1
            after_octet = False
            continue
        end, body, kind, need = _next(data, at, size)
        if end == 0:
            return row, at, need, after_octet
        starts[row], bodies[row], ends[row], kinds[row] = at, body, end, kind
        row += 1
        at = end
        after_octet = kind == OCTET
    return row, at, 0, after_octet


@numba.njit(cache=True, nogil=True)
def _host(data: Bytes, at: int, end: int) -> tuple[int, int]:  # pragma: no cover  # compiled
    """Return where the host name of a header begins and ends; equal when the line has no header (RFC 3164, RFC 5424, ISO time)."""
    if at < end and data[at] == 60:
        at += 1
        while at < end and 48 <= data[at] <= 57:
            at += 1
        if at >= end or data[at] != 62:
            return 0, 0
        at += 1
    if at + 2 < end and data[at] == 49 and data[at + 1] == 32:  # RFC 5424 VERSION
        at += 2
        while at < end and data[at] != 32:
            at += 1
        at += 1
    elif at + DATE_CHARS < end and data[at + 3] == 32 and data[at + 9] == 58 and data[at + 15] == 32:
        at += DATE_CHARS
    elif at + 20 < end and data[at + 4] == 45 and data[at + 10] == 84:  # 2026-11-24T09:30:00...
        while at < end and data[at] != 32:
            at += 1
        at += 1
    else:
        return 0, 0
    begin = at
    while at < end and data[at] != 32 and data[at] != 10:
        at += 1
    return (begin, at) if at > begin else (0, 0)


@numba.njit(cache=True, nogil=True)
def _number(
    data: Bytes, bodies: Offsets, ends: Offsets, names: Bytes, bounds: Offsets, numbers: Offsets, out: Offsets
) -> None:  # pragma: no cover  # compiled
    for row in range(len(bodies)):
        begin, end = _host(data, bodies[row], ends[row])
        for name in range(len(numbers)):
            first = bounds[name]
            if bounds[name + 1] - first != end - begin:
                continue
            same = True
            for place in range(end - begin):
                if data[begin + place] != names[first + place]:
                    same = False
                    break
            if same:
                out[row] = numbers[name]
                break


@numba.njit(cache=True, nogil=True)
def _gather(data: Bytes, starts: Offsets, ends: Offsets, out: Bytes) -> None:  # pragma: no cover  # compiled
    place = 0
    for row in range(len(starts)):
        size = ends[row] - starts[row]
        out[place : place + size] = data[starts[row] : ends[row]]
        place += size
