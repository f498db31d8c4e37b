"""The page of endpoint compliance: it counts by unit, leads to each endpoint, keeps to the reader's units, asks little."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client

from anzhang.casework import where
from tests.endpoints import reports
from tests.endpoints.conftest import DAY, endpoint, product, report, zones
from tests.web.visitors import enter

__all__ = ["endpoint", "product", "report", "zones"]  # fixtures
pytestmark = pytest.mark.usefixtures("bureau")


@pytest.fixture
def some(bureau, endpoint, report, clock):
    """Six endpoints of 就业处, one of each verdict and one of 信息中心 that passes."""
    for number, code in enumerate(("PASS", "FAIL", "BARE", "STALE", "SILENT"), 1):
        endpoint(code, f"02:00:00:00:00:{number:02x}")
    endpoint("OURS", "02:00:00:00:00:0a", unit=bureau.unit["IC"])
    report("STALE")
    clock.advance(hours=25)
    report("PASS")
    report("OURS")
    report("FAIL", given=reports.content(DAY + timedelta(days=1), products=[]))
    report("BARE", given=reports.content(DAY + timedelta(days=1), patches=None))


@pytest.fixture
def office(bureau):
    return enter(Client(), bureau.user["wujie"])


@pytest.fixture
def head(bureau):
    return enter(Client(), bureau.user["liuyang"])


@pytest.mark.usefixtures("some")
def test_it_counts_by_unit_and_leads_to_each(office):
    page = office.get("/endpoints/").text
    assert 'href="/endpoints/list/?unit=JYC&amp;verdict=failed">1</a>' in page
    assert "20%" in page  # one of five
    assert "100%" in page
    listed = office.get("/endpoints/list/?unit=JYC&verdict=failed").text
    assert "FAIL" in listed
    assert "没有安装杀毒软件" in listed
    assert "STALE" not in listed
    for verdict, code in (("passed", "PASS"), ("unproved", "BARE"), ("stale", "STALE"), ("silent", "SILENT")):
        assert f">{code}</a>" in office.get(f"/endpoints/list/?unit=JYC&verdict={verdict}").text


@pytest.mark.usefixtures("some")
def test_a_head_sees_the_own_unit_only(head):
    assert "信息中心" not in head.get("/endpoints/").text
    listed = head.get("/endpoints/list/").text
    assert ">PASS</a>" in listed
    assert ">OURS</a>" not in listed
    assert ">OURS</a>" not in head.get("/endpoints/list/?unit=IC").text


def test_a_stranger_logs_in_first():
    assert Client().get("/endpoints/").status_code == 302


def test_without_endpoints_it_says_so(office):
    assert "还没有登记客户端" in office.get("/endpoints/").text
    assert "没有符合条件的客户端" in office.get("/endpoints/list/?verdict=nonsense&page=x").text


@pytest.mark.usefixtures("some")
@pytest.mark.parametrize("path", ["/endpoints/", "/endpoints/list/"])
def test_it_asks_the_database_little(office, path, django_assert_max_num_queries):
    office.get(path)
    with django_assert_max_num_queries(14):
        assert office.get(path).status_code == 200


def test_where_finds_it():
    assert "endpoints" in {place.name for each in where.where("15") for place in each.pages}


@pytest.mark.usefixtures("some")
def test_it_reads_in_english(office):
    office.post("/language/", {"language": "en", "next": "/endpoints/"})
    assert "Endpoint compliance" in office.get("/endpoints/").text
