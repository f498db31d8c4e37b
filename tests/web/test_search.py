"""The search page: it finds, it masks, it keeps to the reader's units, it is in the ledger, it refuses bad input."""

from __future__ import annotations

import csv
import html
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from anzhang.casework import exports, procedures
from anzhang.demo.bureau import Bureau
from anzhang.engines.vault import Batch, Redaction, Vault
from anzhang.engines.vault.vault import _contents
from anzhang.home import Home
from anzhang.journal.models import Entry
from anzhang.monitoring.procedures import record_segment
from anzhang.monitoring.succession import record_successor
from anzhang.permissions import Via, system
from tests import world

JY = [
    "<38>Nov 24 09:00:01 jyapp01 sshd[1]: Accepted password for zhanghua from 10.20.2.22 port 5 ssh2",
    "<38>Nov 24 09:00:02 jyapp01 jyfw[2]: 就业登记 申请人 110101199003074514 电话 13812345678",
    "<38>Nov 24 09:00:03 jyapp01 jyfw[2]: <script>alert(1)</script> \u202etxt \x07",
]
SB = ["<38>Nov 24 09:00:04 sbapp01 sshd[3]: Accepted password for liming from 10.20.1.11 port 6 ssh2"]


@pytest.fixture
def browser(bureau: Bureau, clock: world.Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Client]:
    vault = Vault(tmp_path / "vault")
    with vault.writer() as writer:
        writer.append(Batch(source="SSH-JY01", data="\n".join(JY).encode() + b"\n", received_at=clock.now))
        writer.append(Batch(source="SSH-SB01", data="\n".join(SB).encode() + b"\n", received_at=clock.now))
        writer.append(Batch(source="SSH-JY01", data="<38>Nov 24 09:00:05 jyapp01 gbk: 社会保险\n".encode("gbk"), received_at=clock.now))
        sealed = writer.seal(clock.now)
    assert sealed is not None
    record_segment(system("collector", Via.DAEMON), sealed, clock.now)
    monkeypatch.setattr(settings, "HOME", Home(tmp_path))

    def enter(username: str) -> Client:
        client = Client()
        world.enter(client, bureau.user[username])
        return client

    return enter


def text(client: Client, **query: Any) -> str:
    page = client.get("/search/", query)
    assert page.status_code == 200
    return page.content.decode()


@pytest.mark.parametrize(
    ("mode", "q", "rows"),
    [
        ("term", "zhanghua", 1),
        ("term", "10.20.2.22", 1),
        ("phrase", "Accepted password", 1),
        ("substring", "业登", 1),
        ("substring", "社会保险", 1),
        ("regex", r"sshd\[\d+\]", 1),
        ("term", "absent", 0),
        ("term", "", 4),
    ],
)
def test_every_mode_finds_in_the_readers_own_sources(browser: Callable[[str], Client], mode: str, q: str, rows: int) -> None:
    found = text(browser("liuyang"), mode=mode, q=q)
    assert f"找到 {rows} 行" in found
    assert found.count("/search/1/") == rows


def test_a_match_is_marked_and_what_the_line_holds_is_only_text(browser: Callable[[str], Client]) -> None:
    found = text(browser("liuyang"), mode="substring", q="alert(1)")
    assert "&lt;script&gt;<mark>alert(1)</mark>&lt;/script&gt;" in found
    assert "\u202e" not in found
    assert "\x07" not in found


def test_personal_identifiers_are_masked(browser: Callable[[str], Client]) -> None:
    found = text(browser("liuyang"), mode="substring", q="申请人")
    assert "110101199003074514" not in found
    assert "13812345678" not in found
    assert "138****5678" in found


def test_a_reader_sees_only_sources_of_their_own_units(browser: Callable[[str], Client]) -> None:
    assert "找到 0 行" in text(browser("liuyang"), mode="term", q="liming")
    assert "找到 1 行" in text(browser("chenjing"), mode="term", q="liming")
    assert "找到 0 行" in text(browser("liuyang"), source="SSH-SB01")


def test_a_unit_without_sources_is_told_so(browser: Callable[[str], Client]) -> None:
    assert "没有可检索的日志源" in text(browser("luona"), q="a")


def test_every_query_is_in_the_ledger(browser: Callable[[str], Client]) -> None:
    text(browser("liuyang"), mode="term", q="zhanghua")
    entry = Entry.objects.get(act="monitoring:vault:query")
    assert entry.actor == "user:liuyang"
    body = json.loads(bytes(entry.payload.body))
    assert (body["hits"], body["query"]["q"], body["query"]["mode"]) == (1, "zhanghua", "term")


def test_what_cannot_be_read_is_said_and_not_exported(browser: Callable[[str], Client]) -> None:
    client = browser("liuyang")
    assert "无法读取" not in text(client, q="password")
    filter_ = next(settings.HOME.vault.glob("segments/*/*/filter.bin"))
    content = filter_.read_bytes()
    filter_.write_bytes(b"{}")
    _contents.cache_clear()
    assert "日志段 n1-000000001 无法读取，其中的行不在结果里。" in text(client, q="password")
    refused = client.get(reverse("search_export"), {"q": "password"})
    assert refused.status_code == 400
    assert "日志段 n1-000000001 无法读取" in refused.content.decode()
    filter_.write_bytes(content)
    _contents.cache_clear()
    assert "无法读取" not in text(client, q="password")


def test_the_form_alone_searches_nothing(browser: Callable[[str], Client]) -> None:
    assert "请填写检索条件" in text(browser("liuyang"))
    assert not Entry.objects.filter(act="monitoring:vault:query").exists()


@pytest.mark.parametrize(
    "query",
    [
        {"mode": "sql", "q": "x"},
        {"mode": "regex", "q": "("},
        {"since": "yesterday", "q": "x"},
        {"since": "2026-11-24T10:00", "until": "2026-11-24T09:00", "q": "x"},
        {"page": "0", "q": "x"},
        {"page": "99999", "q": "x"},
        {"mode": "phrase", "q": "!!"},
    ],
)
def test_it_refuses_bad_input_beside_the_form(browser: Callable[[str], Client], query: dict[str, str]) -> None:
    page = browser("liuyang").get("/search/", query)
    assert page.status_code == 400
    assert 'role="alert"' in page.content.decode()


def test_a_line_names_its_segment_and_proof_and_a_strangers_line_is_not_there(browser: Callable[[str], Client]) -> None:
    own = {line.seq for line in Vault(settings.HOME.vault).search(_all("SSH-JY01")).hits}
    foreign = {line.seq for line in Vault(settings.HOME.vault).search(_all("SSH-SB01")).hits}
    client = browser("liuyang")
    for seq in own:
        page = client.get(f"/search/1/{seq}/")
        assert page.status_code == 200
        assert "n1-000000001" in page.content.decode()
    assert {client.get(f"/search/1/{seq}/").status_code for seq in foreign} == {404}
    assert client.get("/search/1/999/").status_code == 404
    assert client.get("/search/9/1/").status_code == 404


def _all(source: str) -> Any:
    from anzhang.engines.vault import Query

    return Query(sources=(source,))


def test_an_anonymous_reader_is_sent_to_the_log_in_page() -> None:
    assert Client().get("/search/?q=a").status_code == 302
    assert Client().get("/search/1/1/").status_code == 302


def test_time_and_fields_lead_to_fewer_lines(browser: Callable[[str], Client]) -> None:
    client = browser("liuyang")
    found = text(client, mode="term", q="", since="2026-11-24T00:00", until="2026-11-25T00:00")
    bars = re.findall(r'<a href="(\?[^"]*)" aria-label="2026-11-24 [\d:]+　(\d+) 行"', found)
    assert sum(int(rows) for _address, rows in bars) == 4
    for address, rows in bars:
        assert f"找到 {rows} 行" in client.get("/search/" + html.unescape(address)).content.decode()
    assert "az-here" not in found
    narrower = dict(re.findall(r'<li><a href="(\?[^"]*)">(sshd|jyfw)</a>', found))
    assert sorted(narrower.values()) == ["jyfw", "sshd"]
    for address, value in narrower.items():
        page = client.get("/search/" + html.unescape(address)).content.decode()
        assert f"<strong>{value}</strong>" in page
        assert int(re.search(r"找到 (\d+) 行", page).group(1)) in {1, 2, 3, 4}


def test_a_line_stands_among_its_neighbours(browser: Callable[[str], Client]) -> None:
    seq = Vault(settings.HOME.vault).search(_search(term="zhanghua")).hits[0].seq
    found = browser("liuyang").get(f"/search/1/{seq}/").content.decode()
    around = found[found.index("前后文") :]
    assert around.count('aria-current="true"') == 1
    assert "138****5678" in around, "neighbours are masked too"
    assert "sbapp01" not in around


def test_a_page_that_asks_again_by_itself_is_in_the_ledger_once(browser: Callable[[str], Client]) -> None:
    client = browser("liuyang")
    for _turn in range(3):
        found = text(client, q="zhanghua", live="1", since="2026-11-24T00:00", until="")
        assert '<meta http-equiv="refresh" content="5">' in found
    assert Entry.objects.filter(act="monitoring:vault:query").count() == 1
    text(client, q="liuyang", live="1", since="", until="")
    assert Entry.objects.filter(act="monitoring:vault:query").count() == 2


def test_a_search_is_kept_under_a_name_without_its_times(browser: Callable[[str], Client]) -> None:
    client, other = browser("liuyang"), browser("chenjing")
    query = "?q=Accepted&mode=term&since=2026-11-24T00%3A00&until=&page=2"
    assert client.post("/search/saved/", {"name": "登录", "query": query}).status_code == 302
    found = text(client)
    assert '<a href="?q=Accepted&amp;mode=term">登录</a>' in found
    assert "登录</a>" not in text(other)
    forget = re.search(r"/search/saved/\d+/delete/", found).group()
    assert other.post(forget).status_code == 404
    assert client.post(forget).status_code == 302
    assert "登录</a>" not in text(client)
    assert client.post("/search/saved/", {"name": "", "query": query}).status_code == 409
    assert client.post("/search/saved/", {"name": "x", "query": "mode=sql"}).status_code == 409


def test_found_lines_leave_masked_and_the_ledger_knows(browser: Callable[[str], Client]) -> None:
    answer = browser("liuyang").get("/search/export/", {"q": "jyapp01", "since": "2026-11-24T00:00", "until": ""})
    assert answer["Content-Disposition"] == 'attachment; filename="log-2026-11-24.csv"'
    rows = list(csv.reader(answer.content.decode("utf-8-sig").splitlines()))
    assert len(rows) == 5
    assert "138****5678" in rows[2][-1]
    assert "13812345678" not in answer.content.decode("utf-8-sig")
    body = json.loads(bytes(Entry.objects.get(act="monitoring:vault:query").payload.body))
    assert (body["hits"], body["query"]["export"]) == (4, "csv")


def test_many_lines_leave_only_with_an_approval_of_that_very_search(
    browser: Callable[[str], Client], bureau: Bureau, clock: world.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "FREE", 2)
    client = browser("sunli")
    asked = {"q": "jyapp01", "since": "2026-11-24T00:00", "until": ""}
    refused = client.get("/search/export/", asked)
    assert refused.status_code == 409
    apply = html.unescape(re.search(r'href="(/cases/new/register_export/[^"]*)"', refused.content.decode()).group(1))
    form = client.get(apply).content.decode()
    fields = {name: html.unescape(value) for name, value in re.findall(r'name="(register|query|rows)"[^>]*value="([^"]*)"', form)}
    assert fields["register"] == "log_search"
    sunli, liuyang = world.actor(bureau, "sunli"), world.actor(bureau, "liuyang")
    given = {**fields, "reason": "核对"}
    case = procedures.file_case(sunli, exports.ROUTE, bureau.unit["JYC"], bureau.person["P021"], "", given, clock.now)
    assert client.get("/search/export/", asked).status_code == 409, "asked for, not granted"
    procedures.agree(liuyang, case, "同意", clock.advance(minutes=5))
    assert client.get("/search/export/", asked).status_code == 200
    assert client.get("/search/export/", {**asked, "q": "", "host": ""}).status_code == 409, "another search"


@pytest.mark.parametrize("query", [{"mode": "sql", "q": "x"}, {"mode": "regex", "q": "("}, {"severity": "9", "q": "x"}])
def test_an_export_refuses_what_the_page_refuses(browser: Callable[[str], Client], query: dict[str, str]) -> None:
    assert browser("liuyang").get("/search/export/", query).status_code == 400


def _search(**asked: Any) -> Any:
    from anzhang.engines.vault import Query

    return Query(**asked)


def test_a_line_of_a_damaged_segment_is_refused_in_words(browser: Callable[[str], Client], tmp_path: Path) -> None:
    client = browser("liming")
    rows = next((tmp_path / "vault" / "segments").glob("day=*/*/rows.parquet"))
    rows.write_bytes(rows.read_bytes()[:200])
    answer = client.get("/search/1/1/")
    assert answer.status_code == 409
    assert "已损坏" in answer.content.decode()


def test_a_redacted_line_says_so_and_a_line_leads_to_the_form(browser: Callable[[str], Client], tmp_path: Path, clock: world.Clock) -> None:
    client = browser("sunli")
    page = client.get("/search/1/1/").content.decode()
    assert "/cases/new/log_redaction/?lines=1" in page
    form = client.get("/cases/new/log_redaction/", {"lines": "1"}).content.decode()
    assert 'value="1"' in form
    redaction = Redaction("2026-0007", "误收", ((1, 1),), clock.now)
    Vault(tmp_path / "vault").redact(redaction, b"salt", lambda sealed: record_successor(system("redactions"), sealed, clock.now))
    page = client.get("/search/1/1/").content.decode()
    assert "此行原文已按审批隐去" in page
    assert "case 2026-0007: 误收" in page
    assert "log_redaction" not in page
    assert "zhanghua" not in page
    assert "jyfw" in page, "its neighbours are shown"


def test_who_decides_a_redaction_is_led_to_the_lines(browser: Callable[[str], Client], bureau: Bureau, clock: world.Clock) -> None:
    person = bureau.user["sunli"].person
    form = {"lines": "1-2, 4", "reason": "误收"}
    case = procedures.file_case(world.actor(bureau, "sunli"), "log_redaction", person.unit, person, "", form, clock.now)
    page = browser("zhengkai").get(f"/cases/{case.number}/").content.decode()
    assert re.findall(r'href="(/search/1/\d+/)"', page) == ["/search/1/1/", "/search/1/4/"]
