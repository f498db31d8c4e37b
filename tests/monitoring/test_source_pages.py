"""The log sources as people work with them: expected and heard, strangers and their registration, tokens, the quarantine."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
from django.conf import settings

from anzhang.events import Event
from anzhang.journal.models import Entry
from anzhang.monitoring import procedures
from anzhang.monitoring.models import LogSource, LogSourceActivity
from anzhang.monitoring.quarantine import Quarantine, host_of
from anzhang.permissions import RefusedError
from tests.world import enter

LINE = b"<13>Nov 24 09:30:00 printer7 app: \xe8\xba\xab\xe4\xbb\xbd\xe8\xaf\x81 110101199003078515 <b>\n"


@pytest.fixture
def browser(bureau, client):
    def open_as(username: str):
        enter(client, bureau.user[username])
        return client

    return open_as


@pytest.fixture
def status(clock):
    """Write what a running collector says of itself."""
    file = settings.HOME.run / "collector.json"
    file.parent.mkdir(parents=True, exist_ok=True)

    def write(**said: object) -> None:
        file.write_text(json.dumps({"pid": 1, "at": clock.now.isoformat(), **said}), encoding="utf-8")

    yield write
    file.unlink(missing_ok=True)


@pytest.fixture
def strangers(clock):
    folder = settings.HOME.path / "collector" / "quarantine"
    kept = Quarantine(folder)
    kept.put("10.9.8.7", "unregistered", LINE + LINE, clock.now)
    kept.put("127.0.0.1", "unknown_host", LINE, clock.now)
    kept.save()
    yield kept
    for file in folder.glob("*"):
        file.unlink()


@pytest.fixture
def pushing(bureau, clock) -> LogSource:
    return LogSource.objects.create(
        code="PUSH1", name="推送应用", transport="http", unit=bureau.unit["IC"], registered_on=clock.now.date(), kinds=["security_log"]
    )


def heard(code: str, at, **keys: object) -> None:
    source = LogSource.objects.get(code=code)
    LogSourceActivity.objects.create(source=source, first_seen_at=at, last_seen_at=at, lines=12, bytes=3456, first_segment=1, **keys)


def text_of(answer) -> str:
    assert answer.status_code == 200, answer.status_code
    return answer.content.decode()


def test_it_shows_expected_against_heard_in_words(browser, clock, status):
    status(used={"SSH-SB01": 512 << 20}, held_back=["SSH-SB01"])
    heard("SSH-SB01", clock.now)
    heard("SSH-JY01", clock.now - timedelta(minutes=61))
    shown = text_of(browser("chenjing").get("/sources/"))
    assert "超出配额，限速中" in shown
    assert "静默超时" in shown
    assert "512 MB / 1.0 GB" in shown
    assert "50%" in shown
    assert "采集进程没有运行" not in shown
    only = text_of(browser("chenjing").get("/sources/?state=silent"))
    assert "SSH-JY01" in only
    assert "SSH-SB01" not in only


def test_a_collector_that_does_not_run_is_said_and_nothing_is_invented(browser, clock, status):
    status()
    clock.advance(minutes=5)
    shown = text_of(browser("chenjing").get("/sources/"))
    assert "采集进程没有运行，最近一次在 2026-11-24 09:30" in shown
    assert "— / 1.0 GB" in shown
    assert "从未收到" in shown


def test_a_reader_sees_the_sources_of_the_own_unit_and_no_stranger(browser, strangers):
    shown = text_of(browser("liuyang").get("/sources/"))
    assert "SSH-JY01" in shown
    assert "SSH-SB01" not in shown
    assert "10.9.8.7" not in shown
    assert browser("liuyang").get("/sources/SSH-SB01/").status_code == 404
    assert browser("liuyang").get("/sources/quarantine/").status_code == 403


def test_an_unregistered_sender_is_listed_and_one_step_from_its_registration(browser, strangers, bureau, clock):
    client = browser("guolei")
    shown = text_of(client.get("/sources/"))
    assert "10.9.8.7" in shown
    assert "地址未登记" in shown
    assert "110101199003078515" not in shown, "identifiers are masked"
    assert "&lt;b&gt;" in shown
    (link,) = re.findall(r'href="(/registers/log_source/new/\?[^"]*10\.9\.8\.7[^"]*)"', shown)
    form = text_of(client.get(link.replace("&amp;", "&")))
    assert "10.9.8.7</textarea>" in form
    known = re.findall(r'href="(/registers/log_source/new/\?[^"]*printer7[^"]*)"', shown)
    assert len(known) == 1, "a known address with a strange host brings the host along"
    assert "/registers/log_source/new/" not in text_of(browser("chenjing").get("/sources/quarantine/")), "the auditor registers nothing"


def test_the_quarantine_shows_what_is_kept_masked(browser, strangers):
    shown = text_of(browser("chenjing").get("/sources/quarantine/"))
    assert "printer7" in shown
    assert "110101199003078515" not in shown


def test_empty_lists_say_what_to_do(browser, bureau):
    LogSource.objects.all().delete()
    shown = text_of(browser("guolei").get("/sources/"))
    assert "还没有登记日志源" in shown
    assert "登记第一个日志源" in shown
    assert "没有未登记的来源" in shown


def test_the_security_administrator_issues_a_token_shown_once_and_revokes_it(browser, pushing):
    client = browser("mali")
    issued = text_of(client.post("/sources/PUSH1/token/"))
    token = re.search(r"azs_[\w-]+", issued)
    assert token
    pushing.refresh_from_db()
    assert pushing.token_hash == procedures.hash_token(token[0])
    assert token[0] not in text_of(client.get("/sources/PUSH1/"))
    assert token[0] not in json.dumps([bytes(e.payload.body).decode() for e in Entry.objects.select_related("payload")])
    assert client.post("/sources/PUSH1/token/revoke/").status_code == 302
    pushing.refresh_from_db()
    assert pushing.token_hash == ""
    kept = list(Entry.objects.filter(object_type="log_source", object_key=str(pushing.pk)).order_by("index").values_list("act", flat=True))
    assert kept == [Event.TOKEN_ISSUE, Event.TOKEN_REVOKE]


@pytest.mark.parametrize("who", ["guolei", "chenjing", "zhouwei"])
def test_nobody_else_issues_or_revokes_a_token(browser, acting, pushing, clock, who):
    assert browser(who).post("/sources/PUSH1/token/").status_code == 403
    assert browser(who).post("/sources/PUSH1/token/revoke/").status_code == 403
    for verb in (procedures.issue_source_token, procedures.revoke_source_token):
        with pytest.raises(RefusedError) as refusal:
            verb(acting(who), pushing, clock.now)
        assert refusal.value.code == "not_permitted"


def test_a_token_that_is_not_there_is_not_revoked(acting, pushing, clock):
    with pytest.raises(RefusedError) as refusal:
        procedures.revoke_source_token(acting("mali"), pushing, clock.now)
    assert refusal.value.code == "no_token"


@pytest.mark.parametrize("many", [2, 200])
def test_the_list_asks_the_database_little_however_many_sources_there_are(browser, bureau, clock, many, django_assert_max_num_queries):
    unit, today = bureau.unit["IC"], clock.now.date()
    LogSource.objects.bulk_create(LogSource(code=f"S{n}", name=f"源{n}", unit=unit, registered_on=today) for n in range(many))
    client = browser("chenjing")
    with django_assert_max_num_queries(12):
        client.get("/sources/")


@pytest.mark.parametrize(
    ("line", "host"),
    [
        ("<13>Nov 24 09:30:00 printer7 app: x", "printer7"),
        ("<13>1 2026-11-24T09:30:00Z fw-01.example app - - - x", "fw-01.example"),
        ("42 <13>1 2026-11-24T09:30:00+08:00 h app - - - x", "h"),
        ("no header at all", ""),
        ("", ""),
    ],
)
def test_the_host_of_a_header_is_read(line, host):
    assert host_of(line) == host
