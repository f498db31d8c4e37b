"""The collector is killed while it acknowledges: nothing acknowledged is lost, nothing is stored twice."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

import pytest

from tests.monitoring.installation import Installation
from tests.monitoring.pushing import push

SENDERS = 4
LINES = 40


@dataclass
class Sender(threading.Thread):
    """Sends numbered batches, each under its own key, again and again until it is acknowledged."""

    installation: Installation
    name_: str
    stopping: threading.Event
    acknowledged: list[str] = field(default_factory=list)
    broken: int = 0
    duplicates: int = 0
    wrong: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)

    def run(self) -> None:
        number = 0
        while not self.stopping.is_set():
            number += 1
            key = f"{self.name_}-{number}"
            lines = [json.dumps({"batch": key, "line": line, "text": "就业登记 " * 5}, ensure_ascii=False) for line in range(LINES)]
            body = "\n".join(lines).encode() + b"\n"
            while True:
                try:
                    answer = push(self.installation.http, body, key=key)
                except (OSError, http.client.HTTPException):
                    self.broken += 1
                    time.sleep(0.05)
                    if self.stopping.is_set() and self.installation.process is None:
                        return
                    continue
                if answer.status == 200:
                    self.duplicates += answer.body["duplicate"]
                    self.acknowledged.append(key)
                else:
                    self.wrong.append(f"{answer.status} {answer.body}")
                break

    __hash__ = threading.Thread.__hash__


def ingest_through_kills(installation: Installation, kills: int, seed: int) -> None:
    dice = random.Random(seed)
    stopping = threading.Event()
    installation.start()
    senders = [Sender(installation, f"s{number}", stopping) for number in range(SENDERS)]
    for sender in senders:
        sender.start()
    for _ in range(kills):
        target = sum(len(sender.acknowledged) for sender in senders) + dice.randint(5, 60)
        broken = sum(sender.broken for sender in senders)
        deadline = time.monotonic() + 60
        while sum(len(sender.acknowledged) for sender in senders) < target:
            assert time.monotonic() < deadline, "no batch was acknowledged"
            time.sleep(0.005)
        time.sleep(dice.random() * 1.2)  # seals come every second: some kills fall into one
        installation.kill()
        time.sleep(0.2)
        assert sum(sender.broken for sender in senders) > broken, "the kill met no request"
        installation.start()
    stopping.set()
    for sender in senders:
        sender.join(60)
        assert not sender.is_alive()
    installation.stop()
    assert [sender.wrong for sender in senders] == [[]] * SENDERS
    stored = Counter((line["batch"], line["line"]) for line in map(json.loads, installation.received("PUSH")))
    acknowledged = {key for sender in senders for key in sender.acknowledged}
    assert {(key, line) for key in acknowledged for line in range(LINES)} <= stored.keys(), "something acknowledged is lost"
    assert set(stored.values()) == {1}, "something is stored twice"
    installation.check()


def test_five_kills_lose_and_double_nothing(installation: Installation) -> None:
    ingest_through_kills(installation, 5, seed=1)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_fifty_kills_lose_and_double_nothing(installation: Installation) -> None:
    ingest_through_kills(installation, 50, seed=2)
