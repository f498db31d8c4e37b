"""The pages of rules: the list, one rule with its runs and findings, the trial and the case that it leads to."""

from __future__ import annotations

import pytest
from django.test import Client

from anzhang.casework import rules
from anzhang.casework.models import Case
from tests.articles.stories import measure
from tests.casework.paths import walk
from tests.casework.test_rules import NAME, expired, seal, vault  # noqa: F401  # fixtures
from tests.web.visitors import enter


@pytest.fixture
def office(bureau):
    return enter(Client(), bureau.user["wujie"])


@pytest.fixture
def head(bureau):
    return enter(Client(), bureau.user["liuyang"])


def test_the_list_names_every_rule_and_what_it_judges(office):
    page = office.get("/rules/").text
    for rule in rules.bound().values():
        assert f"/rules/{rule.name}/" in page
    assert "A09.6" in page
    assert "还没有运行" in page


def test_a_rule_shows_its_text_runs_and_findings(office, head, expired, vault, clock):  # noqa: F811
    page = office.get(f"/rules/{NAME}/").text
    assert "还没有运行过" in page
    assert "没有未消除的问题" in page
    assert "使用随程序发布的文本" in page
    seal(vault, clock.now)
    clock.advance(minutes=1)
    measure(clock, "A09.6", vault=vault)
    page = office.get(f"/rules/{NAME}/").text
    assert "旧服务器" in page
    assert "$service_life_years" in page
    assert "/registers/device/" in page
    assert "sighting_event" in page
    assert "旧服务器" not in head.get(f"/rules/{NAME}/").text, "another unit's finding"
    assert '<td class="tight text-end">1</td>' in office.get("/rules/").text


def test_a_rule_of_no_name_is_not_there(office):
    assert office.get("/rules/nothing/").status_code == 404
    assert office.get("/rules/nothing/trial/").status_code == 404
    assert Client().get("/rules/").status_code == 302


def test_only_who_sees_the_whole_bureau_tries_a_rule(office, head):
    assert f"/rules/{NAME}/trial/" in office.get(f"/rules/{NAME}/").text
    assert f"/rules/{NAME}/trial/" not in head.get(f"/rules/{NAME}/").text
    assert head.get(f"/rules/{NAME}/trial/").status_code == 404


def test_a_text_is_tried_proposed_and_comes_into_force(office, bureau, clock, expired, settings):  # noqa: F811
    from anzhang.engines.vault import Vault

    seal(Vault(settings.HOME.vault), clock.now)
    clock.advance(minutes=1)
    text = rules.bound()[NAME].text
    page = office.post(f"/rules/{NAME}/trial/", {"text": text, "days": "3"}).text
    assert "与现行文本相同" in page
    assert "旧服务器" in page
    lenient = text.replace("h.first_at >= g.gone_at", "h.first_at >= g.gone_at + INTERVAL 30 DAY")
    page = office.post(f"/rules/{NAME}/trial/", {"text": lenient, "days": "3"}).text
    assert "与现行文本相同" not in page
    assert page.count("<tr>") == 4
    assert "旧服务器" not in page
    page = office.post(f"/rules/{NAME}/trial/", {"text": text.replace("FROM gone g", "FROM lost g"), "days": "3"}).text
    assert "规则文本有误" in page
    assert "lost" in page
    given = {"rule": NAME, "text": lenient, "reason": "设备另有批准"}
    answer = office.post("/cases/new/rule_change/", given)
    case = Case.objects.get()
    assert answer["Location"] == f"/cases/{case.number}/"
    walk(case, bureau.named("郑凯"), bureau.user["chenjing"].person, at=clock.now)
    page = office.get(f"/rules/{NAME}/").text
    assert case.number in page
    assert "INTERVAL 30 DAY" in page
    assert "已调整" in office.get("/rules/").text


def test_a_text_that_is_too_slow_is_told(office, settings, monkeypatch):
    from anzhang.casework.rule_runs import tables
    from anzhang.engines.sqlbox import Box, Limits

    slow = Box(Limits(seconds=1))
    monkeypatch.setattr(tables, "box", lambda: slow)
    monkeypatch.setattr("anzhang.casework.rule_runs.run.box", lambda: slow)
    text = rules.bound()[NAME].text
    text = text.replace("WITH\nlife AS", "WITH\nlong AS (SELECT count(*) AS n FROM range(100000000000) a, range(1000) b),\nlife AS")
    text = text.replace("WHERE (SELECT count(*) FROM life) = 0", "WHERE (SELECT count(*) FROM life) = 0 AND (SELECT n FROM long) > 0")
    page = office.post(f"/rules/{NAME}/trial/", {"text": text, "days": "1"}).text
    slow.close()
    assert "took longer than 1 seconds" in page
