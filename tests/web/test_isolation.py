"""The page of what configurations prove between networks: graded pairs, a way with its lines, what nobody knows; by reader."""

from __future__ import annotations

import pytest
from django.test import Client

from anzhang.demo.bureau import SETUP
from anzhang.network import procedures, snapshots
from tests.articles import crossings
from tests.articles.test_article_09_isolation import FIREWALL, OPEN
from tests.web.visitors import enter


@pytest.fixture
def firewall(bureau, acting, clock):
    crossings.zones(bureau, acting, clock)
    procedures.register_device(SETUP, at=clock.now, code="FH1", name="边界防火墙", kind="firewall", unit=bureau.unit["IC"])

    def collect(rules):
        clock.advance(minutes=5)
        text = FIREWALL.format(rules=rules, more="").encode()
        snapshots.receive_snapshot(SETUP, text, clock.now, device="FH1", collected_at=clock.now)
        clock.advance(minutes=1)

    return collect


def test_it_shows_a_way_with_its_lines_and_after_the_remedy_that_nothing_passes(firewall, bureau, client):
    office = enter(client, bureau.user["wujie"])
    page = office.get("/network/isolation/").text
    assert "没有采集到配置" in page
    assert "边界防火墙" in page.partition('id="grounds"')[2], "it was never collected"
    firewall(OPEN)
    page = office.get("/network/isolation/").text.partition('id="pairs"')[2]
    row = page.partition("走得通")[2].partition("</tr>")[0]
    assert "→ 10.20.1.7/32 tcp/443" in row
    assert "FH1 GigabitEthernet1/0/3 → GigabitEthernet1/0/1" in row
    assert "rule name trial（23）" in row
    assert page.index("走得通") < page.index("已证隔离"), "the worst first"
    firewall("")
    page = office.get("/network/isolation/").text.partition('class="az-quiet az-small"')[0]
    assert "走得通" not in page.partition('id="pairs"')[2]
    assert "没有未读懂、过期或缺少的配置" in page


def test_who_sees_no_zone_sees_no_configuration(firewall, bureau, client):
    firewall(OPEN)
    page = enter(client, bureau.user["sunli"]).get("/network/isolation/").text
    assert "rule name trial" not in page
    assert "没有要证明的区域" in page
    assert Client().get("/network/isolation/").status_code == 302
