"""The network map: it draws zones and what joins them, keeps to the reader's units, asks the gate, and works when nothing stands."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client

from anzhang.casework import where
from anzhang.engines.vault import Vault
from tests.articles import crossings
from tests.articles.crossings import approved, bank, flow, instant, internet
from tests.articles.stories import measure
from tests.web.visitors import enter

pytestmark = pytest.mark.usefixtures("bureau")


@pytest.fixture
def joined(bureau, acting, clock):
    zones = crossings.zones(bureau, acting, clock)
    crossings.device(bureau, acting, clock, zones["BIZ"], addresses=["10.20.1.7"])
    approved(bureau, acting, clock, "link", internet(clock))
    return approved(bureau, acting, clock, "interconnection", bank(clock, opens_at=instant(clock.now - timedelta(hours=2))))


@pytest.fixture
def office(bureau):
    return enter(Client(), bureau.user["wujie"])


def test_without_zones_it_says_what_to_do(bureau, office):
    page = office.get("/network/").text
    assert "还没有登记网络区域" in page
    assert "没有批准的对外互联" in page
    assert "<svg" not in page.partition('id="map"')[2].partition("</section>")[0]


def test_it_draws_zones_lines_and_findings(joined, bureau, office, tmp_path, clock):
    vault = Vault(tmp_path / "vault")
    clock.advance(minutes=1)
    crossings.seal(vault, clock, flow(clock.now, port=22))
    clock.advance(minutes=1)
    measure(clock, "A10.1", "A10.4", vault=vault)
    page = office.get("/network/").text
    for said in ("业务专网", "某银行", "代发银行专线", "互联网出口", "172.31.5.16/28", "tcp/8000-8010", "1 台设备", "补批", "即将到期"):
        assert said in page, said
    assert page.count('class="az-way found"') == 2, "one line, one key"
    assert "超出批准的端口" in page
    assert f"/registers/interconnection/{joined.pk}/" in page
    assert f"/cases/{joined.basis.case.number}/" in page
    clock.now = joined.valid_to + timedelta(days=1)
    assert "已失效" in enter(Client(), bureau.user["wujie"]).get("/network/").text
    clock.advance(days=30)
    assert "代发银行专线" not in enter(Client(), bureau.user["wujie"]).get("/network/").text.partition('id="findings"')[0]


def test_it_asks_the_gate_and_leads_to_the_route(joined, bureau, office, clock):
    page = office.get("/network/?inner=10.20.1.7&outer=172.31.5.20&port=tcp/443").text
    assert "没有通过评估" in page
    assert "/registers/assessment/new/?kind=interconnection" in page
    crossings.assessed(bureau, clock)
    assert "此刻可以放行" in office.get("/network/?inner=10.20.1.7&outer=172.31.5.20&port=tcp/443").text
    page = office.get("/network/?inner=10.20.1.7&outer=172.31.9.9&port=tcp/443").text
    assert "没有领导小组批准的对外互联" in page
    assert "/cases/new/interconnection/?inner=10.20.1.7&amp;peers=172.31.9.9&amp;ports=tcp%2F443" in page
    page = office.get("/network/?inner=10.30.1.7&outer=203.0.113.1&port=tcp/443").text
    assert "/cases/new/link/?near_prefixes=10.30.1.7" in page
    for wrong in ("?inner=%00&outer=x&port=y", "?inner=10.20.1.7&outer=172.31.5.20&port=" + "9" * 500, "?inner=<b>"):
        answer = office.get("/network/" + wrong)
        assert answer.status_code == 200
        assert "<b>" not in answer.text.partition("现在能否放行")[2]


def test_a_unit_sees_its_own_and_what_its_own_ends_in(joined, bureau):
    page = enter(Client(), bureau.user["liuyang"]).get("/network/").text
    assert "代发银行专线" in page
    assert "业务专网" in page
    assert "对外服务区" not in page
    page = enter(Client(), bureau.user["xubin"]).get("/network/").text
    assert "代发银行专线" not in page
    assert "某银行" not in page


def test_a_stranger_logs_in_first(db):
    assert Client().get("/network/").status_code == 302


def test_it_asks_little(joined, office, django_assert_max_num_queries):
    office.get("/network/")
    with django_assert_max_num_queries(40):
        office.get("/network/")


def test_where_finds_it(db):
    for number in ("9", "10"):
        pages = {page.name for found in where.where(number) for page in found.pages}
        assert "network" in pages
