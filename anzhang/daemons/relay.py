"""How a receiver process hands lines to the collector, which alone writes: messages over a pair of sockets (ADR 0018).

A message is the length of its head and of its data (u32 each, little endian), a head in JSON, and bytes. The receiver asks
`{"n": number, "append": [batch heads]}` with the batches' bytes, and is answered `{"n": number, "acks": ...}` once they are on disk,
or `{"n": number, "error": ...}` when they cannot be. Everything else is told without an answer: what was quarantined, counters; in
the other direction how much waits to be sealed and how much of the quotas is used. A lost connection ends the receiver: nothing
that it holds was acknowledged.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from anzhang.daemons.senders import Quotas, Source
from anzhang.engines.durable import DurabilityError
from anzhang.engines.vault import Ack, Batch, BatchTooLargeError, EncodingError, VaultFullError, WriterDeadError
from anzhang.engines.vault.batch import instant, micros

_SIZES = struct.Struct("<II")
BROKEN, FULL, REFUSED = "broken", "full", "refused"


class LostError(OSError):
    """The collector is gone; what was handed to it may be stored or not, and was not acknowledged."""


def pack(head: Mapping[str, Any], data: Sequence[bytes] = ()) -> list[bytes]:
    """Return a message as the pieces that are sent."""
    text = orjson.dumps(head)
    return [_SIZES.pack(len(text), sum(map(len, data))) + text, *data]


async def read(reader: asyncio.StreamReader) -> tuple[dict[str, Any], bytes]:
    """Return the next message. Raises asyncio.IncompleteReadError at the end."""
    sizes = _SIZES.unpack(await reader.readexactly(_SIZES.size))
    return orjson.loads(await reader.readexactly(sizes[0])), await reader.readexactly(sizes[1])


def heads_of(batches: Sequence[Batch]) -> list[list[Any]]:
    """Return batches without their bytes, ready for JSON."""
    return [
        [b.source, b.transport, b.address, micros(b.received_at), b.framing, b.key, b.timezone, b.encoding, b.format, len(b.data)]
        for b in batches
    ]


def batches_of(heads: Sequence[Sequence[Any]], data: bytes) -> list[Batch]:
    """Return the batches of a message."""
    ends = list(itertools.accumulate(head[-1] for head in heads))
    return [
        Batch(source, data[end - size : end], instant(received), transport, address, framing, key, timezone, encoding, form)
        for end, (source, transport, address, received, framing, key, timezone, encoding, form, size) in zip(ends, heads, strict=True)
    ]


def error_of(error: Exception) -> dict[str, str]:
    """Return what a failed append is answered with."""
    if isinstance(error, DurabilityError | WriterDeadError):
        return {"error": BROKEN, "text": str(error)}
    return {"error": FULL if isinstance(error, OSError | VaultFullError) else REFUSED, "text": str(error)}


class Wire:
    """The receiver's end. A thread of its own calls `hear` with every head that answers nobody, `lost` when the other end is gone."""

    def __init__(self, end: socket.socket, hear: Callable[[dict[str, Any]], None], lost: Callable[[], None]) -> None:
        """Take a connected socket."""
        self._end, self._hear, self._lost = end, hear, lost
        self._sending, self._numbers = threading.Lock(), itertools.count(1)
        self._waiting: dict[int, Future[dict[str, Any]]] = {}
        self._gone = False
        threading.Thread(target=self._read, name="relay", daemon=True).start()

    def tell(self, head: Mapping[str, Any], data: Sequence[bytes] = ()) -> None:
        """Send what wants no answer. Raises LostError."""
        with self._sending:
            try:
                for piece in pack(head, data):
                    self._end.sendall(piece)
            except OSError as error:
                raise LostError(str(error)) from error

    def ask(self, head: Mapping[str, Any], data: Sequence[bytes]) -> dict[str, Any]:
        """Send and wait for the answer. Raises LostError."""
        number, answer = next(self._numbers), Future[dict[str, Any]]()
        self._waiting[number] = answer
        if self._gone:
            raise LostError("the collector is gone")
        self.tell({"n": number, **head}, data)
        return answer.result()

    def _read(self) -> None:
        file = self._end.makefile("rb")
        try:
            while sizes := file.read(_SIZES.size):
                head = orjson.loads(file.read(_SIZES.unpack(sizes)[0]))
                answer = self._waiting.pop(head.get("n", 0), None)
                if answer is None:
                    self._hear(head)
                else:
                    answer.set_result(head)
        except (OSError, ValueError, struct.error):
            pass  # the same as its end
        self._gone = True
        for number in list(self._waiting):
            if (left := self._waiting.pop(number, None)) is not None:
                left.set_exception(LostError("the collector is gone"))
        self._lost()


class RelayedWriter:
    """What the intake of a receiver takes for the vault's writer."""

    def __init__(self, wire: Wire, landed: Callable[[dict[str, int], Counter[str]], None]) -> None:
        """`landed` is told of the bytes that quotas count: as the collector has them now, and of the offered ones that it has got."""
        self.wire, self._landed = wire, landed
        self.pending_bytes = 0  # of the collector, as it said last

    def append(self, batch: Batch) -> Ack:
        """Store a batch and return when it is on disk. Raises what the vault's writer raises, LostError."""
        return self._append([batch], offered=False)[0]

    def append_all(self, batches: Sequence[Batch]) -> list[Ack]:
        """Store batches in order; fewer acknowledgements: the rest is not stored. Raises as `append`."""
        return self._append(batches, offered=True)

    def _append(self, batches: Sequence[Batch], *, offered: bool) -> list[Ack]:
        answer = self.wire.ask({"append": heads_of(batches)}, [batch.data for batch in batches])
        if "error" in answer:
            _raise(answer)
        acks = [Ack(*each) for each in answer["acks"]]
        sizes = Counter[str]()
        for batch in batches[: len(acks)] if offered else ():
            sizes[batch.source] += len(batch.data)
        self._landed(answer["used"], sizes)
        return acks


def _raise(answer: Mapping[str, str]) -> None:
    if answer["error"] == BROKEN:
        raise DurabilityError(answer["text"])
    if answer["error"] == FULL:
        raise VaultFullError(answer["text"])
    raise (BatchTooLargeError if "at most" in answer["text"] else EncodingError)(answer["text"])


@dataclass
class SharedQuotas(Quotas):
    """The quotas as the collector counts them for all receivers, and what is on its way to it from here."""

    told: dict[str, int] = field(default_factory=dict)
    flying: Counter[str] = field(default_factory=Counter)

    def take(self, source: Source, size: int, at: datetime) -> bool:
        """Count bytes that were offered; return True once per hour, at the moment the quota is passed."""
        self._turn(at)
        self.flying[source.code] += size
        self.used[source.code] = self.told.get(source.code, 0) + self.flying[source.code] - size
        return super().take(source, size, at)

    def learn(self, used: Mapping[str, int], landed: Counter[str], over: Sequence[str] = ()) -> None:
        """Take what the collector counts."""
        self.flying -= landed
        self.told.update(used)
        for code in {*used, *landed}:
            self.used[code] = self.told.get(code, 0) + self.flying[code]
        self.over |= set(over)

    def _turn(self, at: datetime) -> None:
        before = self.hour
        super()._turn(at)
        if before != self.hour:
            self.told.clear()
