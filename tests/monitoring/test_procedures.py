"""Sources, segments and the retention floor."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from anzhang.demo.bureau import Bureau
from anzhang.journal.models import Entry
from anzhang.monitoring import procedures
from anzhang.monitoring.models import LogSource, VaultSegment
from anzhang.permissions import Actor, RefusedError, Via, system
from tests.world import START, Clock

Acting = Callable[[str], Actor]
pytestmark = pytest.mark.usefixtures("bureau")
COLLECTOR = system("collector", Via.DAEMON)


@dataclass(frozen=True)
class Sealed:
    number: int = 1
    name: str = "s1"
    day: date = date(2026, 11, 24)
    node: str = "n1"
    first_seq: int = 1
    last_seq: int = 10
    rows: int = 10
    raw_bytes: int = 1000
    file_bytes: int = 300
    min_at: datetime = START
    max_at: datetime = START
    sources: dict[str, int] = field(default_factory=lambda: {"SSH-SB01": 10})
    root_sha256: str = "a1" * 32
    root_sm3: str = "b1" * 32
    previous_sha256: str = ""

    @property
    def chain(self) -> tuple[str, str]:
        return self.root_sha256, self.root_sm3


SECOND = replace(Sealed(), number=2, name="s2", first_seq=11, last_seq=20, root_sha256="a2" * 32, previous_sha256="a1" * 32)


def source(bureau: Bureau, **changes: object) -> LogSource:
    row = {
        "code": "FW01",
        "name": "防火墙",
        "transport": "syslog_tcp",
        "addresses": ["10.9.0.1"],
        "unit": bureau.unit["IC"],
        "registered_on": date(2026, 11, 24),
    }
    return LogSource(**{**row, **changes})


def test_a_segment_is_recorded_with_its_roots_in_the_ledger(bureau: Bureau, clock: Clock) -> None:
    segment = procedures.record_segment(COLLECTOR, Sealed(), clock.now)
    entry = Entry.objects.get(object_type="vault_segment")
    assert entry.act == "monitoring:vault_segment:seal"
    payload = json.loads(bytes(entry.payload.body))
    assert payload["root_sha256"] == segment.root_sha256
    assert payload["sources"] == {"SSH-SB01": 10}
    activity = bureau.source["SSH-SB01"].activity
    assert (activity.lines, activity.bytes, activity.first_segment) == (10, 1000, 1)


def test_recording_twice_is_recording_once(bureau: Bureau, clock: Clock) -> None:
    procedures.record_segment(COLLECTOR, Sealed(), clock.now)
    procedures.record_segment(COLLECTOR, Sealed(), clock.now)
    assert VaultSegment.objects.count() == 1
    assert bureau.source["SSH-SB01"].activity.lines == 10


@pytest.mark.parametrize(
    "wrong",
    [replace(SECOND, number=3), replace(SECOND, previous_sha256="c" * 64), replace(Sealed(), root_sha256="d" * 64)],
    ids=["a gap", "another previous root", "another root under a known number"],
)
def test_it_refuses_a_segment_that_does_not_continue_the_chain(clock: Clock, wrong: Any) -> None:
    procedures.record_segment(COLLECTOR, Sealed(), clock.now)
    entries = Entry.objects.count()
    with pytest.raises(procedures.ChainError, match=f"segment {wrong.number}"):
        procedures.record_segment(COLLECTOR, wrong, clock.now)
    assert VaultSegment.objects.count() == 1
    assert Entry.objects.count() == entries


@pytest.mark.parametrize("who", ["guolei", "mali", "chenjing", "gaojianguo", "liming"])
def test_it_refuses_disposal_under_the_floor_to_everybody_and_keeps_the_attempt(acting: Acting, clock: Clock, who: Any) -> None:
    segment = procedures.record_segment(COLLECTOR, Sealed(), clock.now)
    clock.advance(days=183, hours=23)
    with pytest.raises(RefusedError) as refusal:
        procedures.dispose_segment(acting(who), segment, clock.now)
    assert refusal.value.code == "retention_floor"
    assert Entry.objects.filter(act="monitoring:vault_segment:delete_refused", actor=f"user:{who}", object_key="1").count() == 1
    segment.refresh_from_db()
    assert segment.state == "sealed"


class Files:
    def __init__(self) -> None:
        self.gone: list[str] = []
        self.held: list[str] = []

    def dispose(self, name: str, at: datetime, held: Collection[str] = ()) -> None:
        self.gone.append(name)
        self.held = list(held)


def test_the_system_administrator_may_dispose_after_the_floor_and_nobody_else(acting: Acting, clock: Clock) -> None:
    segment = procedures.record_segment(COLLECTOR, Sealed(), clock.now)
    clock.advance(days=184)
    files = Files()
    with pytest.raises(RefusedError, match="没有这项权限"):
        procedures.dispose_segment(acting("liming"), segment, clock.now, files)
    assert files.gone == []
    row = procedures.dispose_segment(acting("guolei"), segment, clock.now, files)
    assert (files.gone, row.state, row.deleted_at) == (["s1"], "deleted", clock.now)


def test_a_line_of_the_year_2099_does_not_keep_a_segment_forever(clock: Clock) -> None:
    segment = procedures.record_segment(COLLECTOR, replace(Sealed(), max_at=START + timedelta(days=26000)), clock.now)
    assert procedures.log_disposal(segment, clock.now + timedelta(days=183)) is not None
    assert procedures.log_disposal(segment, clock.now + timedelta(days=184)) is None


def test_the_database_refuses_a_deleted_segment_without_a_time(clock: Clock) -> None:
    procedures.record_segment(COLLECTOR, Sealed(), clock.now)
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE anzhang_vaultsegment SET state = 'deleted'")


def test_a_source_is_registered_by_the_system_administrator_only(bureau: Bureau, acting: Acting, clock: Clock) -> None:
    with pytest.raises(RefusedError, match="sources:manage"):
        procedures.register_source(acting("liming"), source(bureau), clock.now)
    procedures.register_source(acting("guolei"), source(bureau), clock.now)
    assert Entry.objects.filter(act="monitoring:log_source:register", actor="user:guolei").exists()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"code": "小写"}, "bad_code"),
        ({"addresses": ["10.0.0.300"]}, "bad_addresses"),
        ({"addresses": "10.0.0.3"}, "bad_addresses"),
        ({"addresses": []}, "bad_addresses"),
        ({"hosts": ["a b"]}, "bad_hosts"),
        ({"timezone": "Asia/Tianjin"}, "bad_timezone"),
        ({"encoding": "gbk2"}, "bad_encoding"),
        ({"quota_bytes_per_hour": 1}, "bad_quota_bytes_per_hour"),
        ({"transport": "file", "file_path": "log.txt"}, "bad_file_path"),
        ({"code": "SSH-SB01"}, "source_exists"),
        ({"addresses": ["127.0.0.1"], "hosts": ["sbapp01"]}, "sender_taken"),
    ],
)
def test_it_refuses_a_source_that_cannot_be_told_apart_or_read(
    bureau: Bureau, acting: Acting, clock: Clock, changes: Any, code: Any
) -> None:
    with pytest.raises(RefusedError) as refusal:
        procedures.register_source(acting("guolei"), source(bureau, **changes), clock.now)
    assert refusal.value.code == code


def test_the_second_of_two_editors_is_refused(acting: Acting, clock: Clock) -> None:
    first, second = (LogSource.objects.get(code="SSH-JY01") for _ in range(2))
    first.name = "就业系统主机（新）"
    procedures.change_source(acting("guolei"), first, clock.now)
    second.name = "就业系统主机（旧）"
    with pytest.raises(RefusedError) as refusal:
        procedures.change_source(acting("guolei"), second, clock.now)
    assert refusal.value.code == "version_conflict"
    assert LogSource.objects.get(code="SSH-JY01").name == "就业系统主机（新）"


def test_a_token_is_shown_once_and_only_its_digest_is_kept(bureau: Bureau, acting: Acting, clock: Clock) -> None:
    token = procedures.issue_source_token(acting("mali"), bureau.source["SSH-JY01"], clock.now)
    row = LogSource.objects.get(code="SSH-JY01")
    assert row.token_hash == procedures.hash_token(token)
    assert token not in json.dumps([str(bytes(entry.payload.body)) for entry in Entry.objects.all()])
    with pytest.raises(RefusedError, match="tokens:manage"):
        procedures.issue_source_token(acting("guolei"), row, clock.now)


def test_a_change_of_the_source_keeps_its_token(bureau: Bureau, acting: Acting, clock: Clock) -> None:
    procedures.issue_source_token(acting("mali"), bureau.source["SSH-JY01"], clock.now)
    row = LogSource.objects.get(code="SSH-JY01")
    row.token_hash = ""
    procedures.change_source(acting("guolei"), row, clock.now)
    assert LogSource.objects.get(code="SSH-JY01").token_hash


def by_command(actor: Actor) -> Actor:
    return replace(actor, via=Via.CLI, second_factor=False)


@pytest.mark.parametrize("who", ["os:root@host", "liming", "chenjing"])
def test_a_command_line_gives_nobody_a_right_they_lack(bureau: Bureau, acting: Acting, clock: Clock, who: str) -> None:
    actor = Actor(id=who, via=Via.CLI) if who.startswith("os:") else by_command(acting(who))
    segment = procedures.record_segment(COLLECTOR, Sealed(), clock.now)
    clock.advance(days=184)
    files = Files()
    with pytest.raises(RefusedError, match="sources:manage"):
        procedures.dispose_segment(actor, segment, clock.now, files)
    with pytest.raises(RefusedError, match="tokens:manage"):
        procedures.issue_source_token(actor, bureau.source["SSH-JY01"], clock.now)
    assert files.gone == []
    assert LogSource.objects.get(code="SSH-JY01").token_hash == bureau.source["SSH-JY01"].token_hash


def test_a_sender_is_registered_at_the_command_line_by_its_operator_and_by_no_mere_user(
    bureau: Bureau, acting: Acting, clock: Clock
) -> None:
    with pytest.raises(RefusedError, match="sources:manage"):
        procedures.register_source(by_command(acting("liming")), source(bureau), clock.now)
    procedures.register_source(Actor(id="os:root@host", via=Via.CLI), source(bureau), clock.now)
    assert (
        Entry.objects.get(act="monitoring:log_source:register", object_key=str(LogSource.objects.latest("pk").pk)).actor == "os:root@host"
    )


def test_fingerprints_are_kept_in_one_form_and_a_tls_source_needs_one(bureau: Bureau, acting: Acting, clock: Clock) -> None:
    registrar = acting("guolei")
    written = ":".join(["AB"] * 32)
    kept = procedures.register_source(
        registrar, source(bureau, transport="syslog_tls", addresses=[], certificates=[written, "fw01.example"]), clock.now
    )
    assert kept.certificates == ["ab" * 32, "fw01.example"]
    for certificates, code in (([], "bad_certificates"), (["not a name"], "bad_certificates"), (["AB" * 32], "sender_taken")):
        with pytest.raises(RefusedError) as refused:
            procedures.register_source(
                registrar, source(bureau, code="FW02", transport="syslog_tls", addresses=[], certificates=certificates), clock.now
            )
        assert refused.value.code == code


def test_one_address_may_send_by_two_transports(bureau: Bureau, acting: Acting, clock: Clock) -> None:
    registrar = acting("guolei")
    procedures.register_source(registrar, source(bureau), clock.now)
    procedures.register_source(registrar, source(bureau, code="FW02", transport="syslog_udp"), clock.now)
    with pytest.raises(RefusedError) as refused:
        procedures.register_source(registrar, source(bureau, code="FW03", transport="syslog_udp"), clock.now)
    assert refused.value.code == "sender_taken"
