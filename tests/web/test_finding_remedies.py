"""The page of a finding: recheck, evidence, planned day, the way to a waiver."""

import pytest
from django.test import Client

from anzhang.casework import reconciliation
from anzhang.casework.models import Finding
from anzhang.casework.tables import EvidenceLink
from anzhang.permissions import system
from tests.web.visitors import enter


def stands(bureau, clock):
    """就业促进处 has no security officer."""
    clock.advance(days=40)
    reconciliation.run(system("reconcile"), clock.now)
    clock.advance(minutes=1)


@pytest.fixture
def finding(bureau):
    return Finding.objects.get(unit=bureau.unit["JYC"], obligation="A05.3")


@pytest.fixture
def visit(bureau):
    return lambda username: enter(Client(), bureau.user[username])


def test_it_measures_again_and_says_how_it_stands(finding, visit):
    sunli = visit("sunli")
    assert "立即核对" in sunli.get(f"/findings/{finding.number}/").text
    page = sunli.post(f"/findings/{finding.number}/remedy/", {"verb": "recheck"}, follow=True).text
    assert "问题仍然存在" in page
    assert "刚刚核对过" in sunli.post(f"/findings/{finding.number}/remedy/", {"verb": "recheck"}).text


def test_it_keeps_evidence_and_takes_it_down(finding, visit):
    sunli, address = visit("sunli"), f"/findings/{finding.number}/remedy/"
    page = sunli.post(address, {"verb": "add", "title": "任命文件 <b>", "address": "/registers/officer/"}, follow=True).text
    assert "任命文件 &lt;b&gt;" in page
    link = EvidenceLink.objects.get()
    assert "任命文件" not in sunli.post(address, {"verb": f"remove:{link.pk}"}, follow=True).text.split("已撤下佐证")[1]
    assert sunli.post(address, {"verb": f"remove:{link.pk}"}).status_code == 404
    assert "以 / 开头" in sunli.post(address, {"verb": "add", "title": "x", "address": "javascript:1"}).text


def test_it_plans_by_a_day_and_refuses_a_past_one(finding, visit):
    sunli = visit("sunli")
    page = sunli.post(f"/findings/{finding.number}/", {"plan": "近期任命", "planned_on": "2027-02-01"}, follow=True).text
    assert "2027-02-01" in page
    assert "不能早于今天" in sunli.post(f"/findings/{finding.number}/", {"plan": "x", "planned_on": "2026-01-01"}).text
    assert "不是日期" in sunli.post(f"/findings/{finding.number}/", {"plan": "x", "planned_on": "soon"}).text


def test_the_way_to_a_waiver_is_filled_in(finding, visit):
    sunli = visit("sunli")
    address = f"/cases/new/finding_waiver/?finding={finding.number}"
    assert address in sunli.get(f"/findings/{finding.number}/").text
    assert f'value="{finding.number}" selected' in sunli.get(address).text


def test_it_offers_what_the_unit_may_ask_for_and_nobody_else(finding, visit):
    page = visit("sunli").get(f"/findings/{finding.number}/").text
    assert 'href="/cases/new/officer_appointment/"' in page  # `appoint_officer` is a verb of A05.3
    assert "/cases/new/link/" not in page
    assert "/cases/new/officer_appointment/" not in visit("wujie").get(f"/findings/{finding.number}/").text


def test_a_stranger_finds_nothing_and_a_reader_without_duty_is_offered_nothing(finding, visit):
    assert visit("luona").post(f"/findings/{finding.number}/remedy/", {"verb": "recheck"}).status_code == 404
    chenjing = visit("chenjing")
    assert "立即核对" not in chenjing.get(f"/findings/{finding.number}/").text
    assert "不改动" in chenjing.post(f"/findings/{finding.number}/remedy/", {"verb": "recheck"}).text
    assert visit("sunli").post(f"/findings/{finding.number}/remedy/", {"verb": "nonsense"}).status_code == 404


def test_the_page_asks_twelve_questions_at_most(finding, visit, acting, clock, django_assert_max_num_queries):
    from anzhang.casework import remedies

    for number in range(10):
        remedies.add_evidence(acting("sunli"), f"件 {number}", "/cases/", clock.now, finding=finding)
    sunli = visit("sunli")
    sunli.get(f"/findings/{finding.number}/")
    with django_assert_max_num_queries(12):
        sunli.get(f"/findings/{finding.number}/")
