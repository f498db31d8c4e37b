"""What goes in and what comes back: batches of raw lines, acknowledgements, sealed segments, faults."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Literal

Framing = Literal["newline", "octet"]
Format = Literal["auto", "rfc3164", "rfc5424", "json", "text"]


@dataclass(frozen=True)
class Batch:
    """Raw bytes of one source as they came.

    `framing`: `newline` = lines ending in LF or CRLF, the last one possibly in neither; `octet` = RFC 6587 frames as on the wire
    (`LENGTH SP MESSAGE`), complete. `address` is the sender's IP address or the file's path. `received_at` is aware.
    A `key` (Idempotency-Key) makes the batch stored once per source. `timezone` reads time stamps without zone. `format` says which
    headers its lines may have: `auto` RFC 3164 or RFC 5424, `rfc3164`, `rfc5424`, or none (`json`, `text`): then the whole line is message.
    """

    source: str
    data: bytes
    received_at: datetime
    transport: str = "file"
    address: str = ""
    framing: Framing = "newline"
    key: str = ""
    timezone: str = "Asia/Shanghai"
    encoding: str = "utf-8"
    format: Format = "auto"


@dataclass(frozen=True)
class Ack:
    """The bytes are on disk.

    `duplicate`: they were before, under the same key. `conflict`: the key came before with other bytes; nothing was stored.
    """

    record: int
    duplicate: bool = False
    conflict: bool = False


@dataclass(frozen=True)
class Replaced:
    """A segment that another one stands for now."""

    number: int
    name: str
    root_sha256: str
    root_sm3: str


@dataclass(frozen=True)
class Redaction:
    """Lines whose text was taken out: on whose case, for what reason, when; `seqs` are first and last of each run."""

    case: str
    reason: str
    seqs: tuple[tuple[int, int], ...]
    at: datetime

    @property
    def lines(self) -> int:
        """Return how many lines."""
        return sum(last - first + 1 for first, last in self.seqs)


@dataclass(frozen=True)
class Succession:
    """What makes a segment the successor of others (ADR 0017): which it replaces, and where the chain goes on.

    `first_number` is the number of the first segment whose lines it holds. `chain_*` are the roots that the last of them had when it
    was sealed: what the next segment names as previous.
    """

    made_at: datetime
    first_number: int
    replaces: tuple[Replaced, ...]
    chain_sha256: str
    chain_sm3: str
    redactions: tuple[Redaction, ...] = ()

    def header(self) -> dict[str, Any]:
        """Return what the first leaf of the seal holds of it."""
        return {
            "made_at": stamp(self.made_at),
            "first_number": self.first_number,
            "replaces": [[each.number, each.name, each.root_sha256, each.root_sm3] for each in self.replaces],
            "chain_sha256": self.chain_sha256,
            "chain_sm3": self.chain_sm3,
            "redactions": [[each.case, each.reason, [list(run) for run in each.seqs], stamp(each.at)] for each in self.redactions],
        }

    @classmethod
    def from_header(cls, said: Mapping[str, Any]) -> Succession:
        """Return what a header says. Raises KeyError, TypeError or ValueError when it is none."""
        return cls(
            made_at=datetime.fromisoformat(said["made_at"]),
            first_number=said["first_number"],
            replaces=tuple(Replaced(*each) for each in said["replaces"]),
            chain_sha256=said["chain_sha256"],
            chain_sm3=said["chain_sm3"],
            redactions=tuple(
                Redaction(case, reason, tuple((int(a), int(b)) for a, b in seqs), datetime.fromisoformat(at))
                for case, reason, seqs, at in said["redactions"]
            ),
        )


@dataclass(frozen=True)
class SealedSegment:
    """A sealed segment as the ledger records it: instants aware UTC, sizes bytes, roots hex, `sources` rows per source code.

    `first_record` and `last_record` are the write-ahead records it consumed; `heard` is first and last receipt per source.
    `min_at` and `max_at` bound the event times that search uses, `received_from` and `received_to` the receipts.
    """

    number: int
    name: str
    day: date
    node: str
    first_seq: int
    last_seq: int
    rows: int
    raw_bytes: int
    file_bytes: int
    min_at: datetime
    max_at: datetime
    received_from: datetime
    received_to: datetime
    sources: Mapping[str, int]
    heard: Mapping[str, tuple[datetime, datetime]]
    first_record: int
    last_record: int
    previous_sha256: str
    previous_sm3: str
    sealed_at: datetime
    root_sha256: str = ""
    root_sm3: str = ""
    succession: Succession | None = None

    @property
    def first_number(self) -> int:
        """Return the number of the first segment whose lines it holds."""
        return self.number if self.succession is None else self.succession.first_number

    @property
    def chain(self) -> tuple[str, str]:
        """Return both roots that the next segment names as previous: those of the first seal, whatever came after it."""
        if self.succession is None:
            return self.root_sha256, self.root_sm3
        return self.succession.chain_sha256, self.succession.chain_sm3

    @property
    def replaces(self) -> tuple[Replaced, ...]:
        """Return the segments that it stands for."""
        return () if self.succession is None else self.succession.replaces

    @property
    def redactions(self) -> tuple[Redaction, ...]:
        """Return what was taken out of it."""
        return () if self.succession is None else self.succession.redactions

    def header(self) -> dict[str, Any]:
        """Return what the first leaf of the seal holds: everything but file sizes and the roots themselves."""
        succession = {} if self.succession is None else {"succession": self.succession.header()}
        return {
            **succession,
            "v": 1,
            "number": self.number,
            "name": self.name,
            "day": self.day.isoformat(),
            "node": self.node,
            "first_seq": self.first_seq,
            "last_seq": self.last_seq,
            "rows": self.rows,
            "raw_bytes": self.raw_bytes,
            "min_at": stamp(self.min_at),
            "max_at": stamp(self.max_at),
            "received_from": stamp(self.received_from),
            "received_to": stamp(self.received_to),
            "sources": dict(self.sources),
            "heard": {code: [stamp(first), stamp(last)] for code, (first, last) in self.heard.items()},
            "first_record": self.first_record,
            "last_record": self.last_record,
            "previous_sha256": self.previous_sha256,
            "previous_sm3": self.previous_sm3,
            "sealed_at": stamp(self.sealed_at),
        }

    @classmethod
    def from_header(cls, header: Mapping[str, Any], *, file_bytes: int, root_sha256: str, root_sm3: str) -> SealedSegment:
        """Return the segment that a header describes. Raises KeyError or ValueError when it is none."""
        return cls(
            number=header["number"],
            name=header["name"],
            day=date.fromisoformat(header["day"]),
            node=header["node"],
            first_seq=header["first_seq"],
            last_seq=header["last_seq"],
            rows=header["rows"],
            raw_bytes=header["raw_bytes"],
            file_bytes=file_bytes,
            min_at=datetime.fromisoformat(header["min_at"]),
            max_at=datetime.fromisoformat(header["max_at"]),
            received_from=datetime.fromisoformat(header["received_from"]),
            received_to=datetime.fromisoformat(header["received_to"]),
            sources=header["sources"],
            heard={c: (datetime.fromisoformat(a), datetime.fromisoformat(b)) for c, (a, b) in header["heard"].items()},
            first_record=header["first_record"],
            last_record=header["last_record"],
            previous_sha256=header["previous_sha256"],
            previous_sm3=header["previous_sm3"],
            sealed_at=datetime.fromisoformat(header["sealed_at"]),
            root_sha256=root_sha256,
            root_sm3=root_sm3,
            succession=Succession.from_header(header["succession"]) if "succession" in header else None,
        )


@dataclass(frozen=True)
class Heard:
    """What was received from a source: first and last receipt, rows."""

    first_at: datetime
    last_at: datetime
    rows: int


@dataclass(frozen=True)
class Fault:
    """One thing that verification found: which segment (empty = the vault), which part, what is wrong."""

    segment: str
    part: str
    what: str
    number: int = 0
    details: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.segment or 'vault'}: {self.part}: {self.what}"


def micros(instant: datetime) -> int:
    """Return microseconds since 1970 of an aware instant."""
    delta = instant - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def instant(us: int) -> datetime:
    """Return the aware instant of microseconds since 1970, clamped to what a datetime holds."""
    low, high = -62_135_596_800_000_000, 253_402_300_799_999_999
    seconds, rest = divmod(min(max(int(us), low), high), 1_000_000)
    days, seconds = divmod(seconds, 86_400)
    return datetime.fromordinal(days + 719_163).replace(
        tzinfo=UTC, hour=seconds // 3600, minute=seconds // 60 % 60, second=seconds % 60, microsecond=rest
    )


def stamp(value: datetime) -> str:
    """Return an instant as it stands in headers: UTC, microseconds."""
    return value.astimezone(UTC).isoformat(timespec="microseconds")


def dump_seqs(runs: Iterable[Sequence[int]]) -> str:
    """Return runs of sequence numbers as people write them: `5-9, 12`."""
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)
