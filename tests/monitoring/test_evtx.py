"""Windows event log files come in whole, each record once and in order: when they grow, wrap, are cleared, and after a death."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from anzhang.daemons import evtx_tail
from anzhang.engines.vault import Vault
from tests.monitoring import evtx_file
from tests.monitoring.installation import Installation
from tests.programs import wait_until

AT = datetime(2026, 11, 24, 1, tzinfo=UTC)


@pytest.fixture
def log(installation: Installation, tmp_path: Path) -> Path:
    """An event log file that the source OTHER follows."""
    path = tmp_path / "logs" / "Security.evtx"
    installation.follow("OTHER", path)
    return path


def logins(first: int, last: int, user: str = "王芳") -> list[evtx_file.Made]:
    data = {"TargetUserName": user, "TargetDomainName": "HRSS", "IpPort": "51002", "LogonType": "3"}
    return [
        evtx_file.event(i, AT + timedelta(seconds=i), 4625 if i % 3 == 0 else 4624, data | {"IpAddress": f"10.20.0.{i % 250}"})
        for i in range(first, last + 1)
    ]


def put(path: Path, events: list[evtx_file.Made], **form: int) -> None:
    """Replace the file at once, as a copy does."""
    evtx_file.write(path.with_suffix(".new"), events, **form)
    path.with_suffix(".new").rename(path)


def numbers(installation: Installation) -> list[int]:
    return [int(json.loads(line)["Event"]["System"]["EventRecordID"]) for line in installation.received("OTHER")]


def test_every_record_comes_once_and_becomes_an_event(installation: Installation, log: Path) -> None:
    put(log, logins(1, 70))
    installation.start()
    wait_until(lambda: numbers(installation) == list(range(1, 71)), 30, "the records of the log")
    put(log, logins(41, 130), first_chunk=2)  # a later copy: the oldest are overwritten, and the newest stand first
    wait_until(lambda: numbers(installation) == list(range(1, 131)), 30, "the records of the later copy")
    installation.stop()
    installation.check()
    events = Vault(installation.home / "vault").events("auth_event").to_pylist()
    assert [event["event_outcome"] for event in events] == ["failure" if i % 3 == 0 else "success" for i in range(1, 131)]
    assert {(event["user_name"], event["host_name"], event["logon_type"]) for event in events} == {("王芳", "DC1.hrss.local", "network")}
    assert events[8]["timestamp"] == AT + timedelta(seconds=9)
    assert events[8]["source_ip"] == "10.20.0.9"


def test_a_cleared_log_begins_again_and_what_was_overwritten_is_counted(installation: Installation, log: Path) -> None:
    put(log, logins(1, 5))
    installation.start()
    wait_until(lambda: len(numbers(installation)) == 5, 30, "the records")
    put(log, logins(9, 12))  # 6 to 8 are gone
    wait_until(lambda: len(numbers(installation)) == 9, 30, "the records after the gap")
    wait_until(lambda: installation.status["files"]["OTHER"]["gaps"] == 1, 30, "the gap in the status")
    lost = "select lost from anzhang_logsourceactivity where lost > 0"
    wait_until(lambda: installation.rows(lost) == [(3,)], 30, "what the article judges by")
    put(log, logins(1, 3, "李明"))
    wait_until(lambda: numbers(installation) == [1, 2, 3, 4, 5, 9, 10, 11, 12, 1, 2, 3], 30, "the records of the cleared log")
    installation.stop()
    installation.check()


def test_a_cleared_log_that_has_grown_past_what_was_read_is_read_from_its_first_record(installation: Installation, log: Path) -> None:
    put(log, logins(1, 5))
    installation.start()
    wait_until(lambda: len(numbers(installation)) == 5, 30, "the records")
    put(log, logins(1, 8, "李明"))
    wait_until(lambda: numbers(installation) == [*range(1, 6), *range(1, 9)], 30, "the records of the cleared log")
    installation.stop()
    assert installation.received("OTHER")[5].count("李明".encode()) == 1
    installation.check()


def test_what_could_not_be_stored_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "a.evtx"
    evtx_file.write(path, logins(1, 5))
    refusals, stored = [OSError("the disk is full")], []

    class Intake:
        is_full = False

        def over_quota(self, code: str) -> bool:
            return False

        async def store(self, source, address, framing, block, key="", transport=""):
            if refusals:
                raise refusals.pop()
            stored.append(block)

    async def follow() -> None:
        tail = evtx_tail.EvtxTail(SimpleNamespace(code="W", file_path=str(path)), tmp_path, Intake())
        with pytest.raises(OSError, match="full"):
            await tail.step()
        assert await tail.step()
        assert not await tail.step()
        assert tail.report()["gaps"] == 0

    asyncio.run(follow())
    assert b"".join(stored).count(b"\n") == 5


def test_a_death_between_storing_and_noting_doubles_nothing(installation: Installation, log: Path) -> None:
    put(log, logins(1, 50))
    installation.start()
    wait_until(lambda: len(numbers(installation)) == 50, 30, "the records")
    installation.stop()
    state = next(installation.home.rglob("files/OTHER.json"))
    told = json.loads(state.read_text())
    assert told["last"] == 50
    state.write_text(json.dumps(told | {"last": 0, "pending": 50, "size": -1}))
    put(log, logins(1, 60))
    installation.start()
    wait_until(lambda: len(numbers(installation)) >= 60, 30, "the later records")
    installation.stop()
    assert numbers(installation) == list(range(1, 61))
    installation.check()


def test_records_that_are_no_json_stay_and_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.evtx"
    evtx_file.write(path, [evtx_file.event(7, AT, 4625, {"TargetUserName": 'a"\x01\\b'})])
    ((number, line),) = evtx_tail.read(path)
    assert number == 7
    assert json.loads(line)["Event"]["EventData"]["TargetUserName"] == 'a"\x01\\b'
    assert json.loads(evtx_tail._line(3, '{"a": broken')) == {"EventRecordID": 3, "unread": '{"a": broken'}
    path.write_bytes(b"MZ\0\0" * 2000)
    with pytest.raises(OSError, match="not a Windows event log"):
        list(evtx_tail.read(path))
    path.write_bytes(b"ElfFile\0" + b"\xff" * 70_000)
    with pytest.raises(OSError, match="not a Windows event log"):
        list(evtx_tail.read(path))


def test_damage_costs_what_is_damaged(tmp_path: Path) -> None:
    """Change bytes of a good file at many places: it is read or refused, and what stands in whole chunks is always there."""
    path = tmp_path / "a.evtx"
    evtx_file.write(path, logins(1, 60))
    good = path.read_bytes()
    whole = dict(evtx_tail.read(path))
    for place in range(4096 + evtx_file.HEAD, 4096 + evtx_file.HEAD + 3000, 37):
        damaged = bytearray(good)
        damaged[place : place + 3] = b"\xff\x01\x05"
        path.write_bytes(damaged)
        told: list[str] = []
        found = dict(evtx_tail.read(path, told.append))
        assert {number: line for number, line in found.items() if number > 20} == {n: line for n, line in whole.items() if n > 20}
