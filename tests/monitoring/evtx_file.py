"""Write Windows event log files ([MS-EVEN6], [MS-BINXML]): one chunk after the other, records of plain binary XML without templates."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

CHUNK = 65_536
HEAD = 512  # of a chunk, before its first record
EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
Made = tuple[int, datetime, list]  # record number, instant, elements


def event(
    number: int, at: datetime, event_id: int, data: Mapping[str, str], computer: str = "DC1.hrss.local"
) -> tuple[int, datetime, list]:
    """Return a security event as its record number, instant and element: (name, attributes, children or text)."""
    stamp = at.isoformat(timespec="microseconds").replace("+00:00", "Z")
    system = [
        ("Provider", {"Name": "Microsoft-Windows-Security-Auditing"}, []),
        ("EventID", {}, str(event_id)),
        ("TimeCreated", {"SystemTime": stamp}, []),
        ("EventRecordID", {}, str(number)),
        ("Execution", {"ProcessID": "700", "ThreadID": "1"}, []),
        ("Channel", {}, "Security"),
        ("Computer", {}, computer),
    ]
    fields = [("Data", {"Name": name}, value) for name, value in data.items()]
    return number, at, [("Event", {}, [("System", {}, system), ("EventData", {}, fields)])]


def write(path: Path, events: Iterable[Made], per_chunk: int = 20, first_chunk: int = 0) -> None:
    """Write a file; `first_chunk` is where the oldest chunk stands, as in a log that has wrapped."""
    listed = list(events)
    chunks = [_chunk(listed[i : i + per_chunk]) for i in range(0, len(listed), per_chunk)]
    turned = chunks[-first_chunk:] + chunks[:-first_chunk] if first_chunk else chunks
    head = struct.pack(
        "<8sQQQIHHHH76s", b"ElfFile\0", 0, max(len(chunks) - 1, 0), len(listed) + 1, 128, 1, 3, 4096, len(chunks), b""
    )  # fmt: skip
    head += struct.pack("<II", 0, zlib.crc32(head[:120]))
    path.write_bytes(head.ljust(4096, b"\0") + b"".join(turned))


def _chunk(events: list[Made]) -> bytes:
    body, last = bytearray(), 0
    for number, at, elements in events:
        place = HEAD + len(body)
        last = place
        xml = _xml(elements[0], place + 24)
        size = 24 + len(xml) + 4
        ticks = round((at - EPOCH).total_seconds() * 1e7)
        body += struct.pack("<IIQQ", 0x2A2A, size, number, ticks) + xml + struct.pack("<I", size)
    numbers = events[0][0], events[-1][0]
    head = struct.pack("<8sQQQQIIII", b"ElfChnk\0", *numbers, *numbers, 128, last, HEAD + len(body), zlib.crc32(bytes(body)))
    head = head.ljust(120, b"\0") + struct.pack("<II", 1, 0)
    head = head.ljust(HEAD, b"\0")
    check = zlib.crc32(head[:120] + head[128:512])
    head = head[:124] + struct.pack("<I", check) + head[128:]
    return (head + bytes(body)).ljust(CHUNK, b"\0")


def _xml(element: tuple, place: int) -> bytes:
    out = bytearray(b"\x0f\x01\x01\x00")
    _element(element, out, place)
    out += b"\0"
    return bytes(out)


def _name(text: str, out: bytearray, place: int) -> None:
    """Put the offset of a name, which follows at once."""
    out += struct.pack("<I", place + len(out) + 4)
    checked = 0
    for letter in text:
        checked = checked * 65599 + ord(letter)
    out += struct.pack("<IHH", 0, checked & 0xFFFF, len(text)) + text.encode("utf-16-le") + b"\0\0"


def _element(element: tuple, out: bytearray, place: int) -> None:
    name, attributes, content = element
    out += bytes([0x41 if attributes else 0x01])  # templates alone have a dependency number here
    size_at = len(out)
    out += struct.pack("<I", 0)
    _name(name, out, place)
    if attributes:
        list_at = len(out)
        out += struct.pack("<I", 0)
        for i, (key, value) in enumerate(attributes.items(), 1):
            out += bytes([0x06 if i == len(attributes) else 0x46])
            _name(key, out, place)
            _text(value, out)
        out[list_at : list_at + 4] = struct.pack("<I", len(out) - list_at - 4)
    if content:
        out += b"\x02"
        if isinstance(content, str):
            _text(content, out)
        else:
            for child in content:
                _element(child, out, place)
        out += b"\x04"
    else:
        out += b"\x03"
    out[size_at : size_at + 4] = struct.pack("<I", len(out) - size_at - 4)


def _text(value: str, out: bytearray) -> None:
    out += b"\x05\x01" + struct.pack("<H", len(value.encode("utf-16-le")) // 2) + value.encode("utf-16-le")
