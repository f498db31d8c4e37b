"""The page that says what a verdict rests on: subjects, records, ledger; for whom it is, and what it never shows."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from anzhang.casework import parameters, procedures, reconciliation
from anzhang.casework.models import Finding
from anzhang.casework.parameters import catalog
from anzhang.casework.tables import EvidenceLink
from anzhang.permissions import system
from tests.casework.paths import walk
from tests.web.crowd import Crowd
from tests.web.visitors import enter

OFFICER = "/articles/5/A05.3/"


@pytest.fixture
def visit(bureau):
    return lambda username: enter(Client(), bureau.user[username])


def stands(bureau, clock):
    """就业促进处 has no security officer, 信息中心 has one."""
    clock.advance(days=40)
    reconciliation.run(system("reconcile"), clock.now)


@pytest.fixture
def measured(bureau, clock):
    return clock


def test_a_breach_leads_to_its_subject_its_reason_and_its_finding(measured, visit):
    finding = Finding.objects.get(unit__code="JYC", obligation="A05.3")
    page = visit("sunli").get(OFFICER).text
    assert finding.number in page
    assert "az-breach" in page
    page = visit("sunli").get(f"{OFFICER}?part=subjects").text
    assert "就业促进处" in page
    assert f"/findings/{finding.number}/" in page
    assert "/registers/unit/" in page
    assert "az-breach" in page
    assert OFFICER in visit("sunli").get("/articles/5/").text
    assert OFFICER in visit("sunli").get(f"/findings/{finding.number}/").text


def test_what_is_met_names_the_subjects_and_the_rows_that_prove_it(measured, visit, bureau):
    page = visit("zhouwei").get(f"{OFFICER}?unit=IC&part=subjects").text
    assert "核对未见不符" in page
    records = visit("zhouwei").get(f"{OFFICER}?unit=IC&part=records").text
    assert "李明" in records
    assert "/registers/officer/" in records


def test_it_follows_the_remedy_at_once_and_the_history_keeps_every_change_with_its_entry(measured, visit, bureau, acting):
    unit, person = bureau.unit["JYC"], bureau.named("孙丽")
    case = procedures.file_case(acting("sunli"), "officer_appointment", unit, person, "", {"person": "P022"}, measured.now)
    walk(case, bureau.named("刘洋"), bureau.named("郑凯"), at=measured.now)
    assert "核对未见不符" in visit("sunli").get(f"{OFFICER}?part=subjects").text
    assert case.number in visit("sunli").get(f"{OFFICER}?part=records").text
    reconciliation.run(system("reconcile"), measured.advance(hours=1))
    history = visit("sunli").get(f"{OFFICER}?part=ledger").text
    assert history.count("/ledger/") >= 2
    assert "az-breach" in history
    assert "az-met" in history
    assert Finding.objects.get(unit=unit, obligation="A05.3").number in history


def test_the_whole_bureau_is_shown_by_state_and_by_page(measured, visit):
    page = visit("zhengkai").get(f"{OFFICER}?part=subjects").text
    assert "就业促进处" in page
    assert "信息中心" in page
    only = visit("zhengkai").get(f"{OFFICER}?part=subjects&state=met").text
    assert "信息中心" in only
    assert "就业促进处</a></td>" not in only


def test_log_lines_are_reached_by_a_search_of_the_units_sources(measured, visit):
    key = next(each for each in catalog().obligations if each.nouns & catalog().streams and each.check)
    page = visit("zhouwei").get(f"/articles/{key.article}/{key.id}/?unit=IC&part=records").text
    assert "/search/?source=SSH-SB01" in page
    assert "SSH-JY01" not in page


def test_strangers_and_strange_addresses_find_nothing(measured, visit):
    luona = visit("luona")
    assert luona.get(f"{OFFICER}?unit=JYC").status_code == 404
    assert luona.post(f"{OFFICER}links/?unit=JYC", {"verb": "add", "title": "x", "address": "/x"}).status_code == 404
    assert "就业促进处" not in luona.get(OFFICER).text
    for address in ("/articles/5/A05.99/", "/articles/6/A05.3/"):
        assert luona.get(address).status_code == 404
    assert "就业促进处" not in luona.get(f"{OFFICER}?part=subjects").text
    for query in ("?part=subjects&page=x", "?part=subjects&state=king", "?part=nonsense"):
        assert luona.get(OFFICER + query).status_code == 200
    assert Client().get(OFFICER)["Location"].startswith("/account/login/")


def test_evidence_is_pointed_to_beside_the_verdict_and_taken_down_by_those_who_answer(measured, visit):
    sunli = visit("sunli")
    given = {"verb": "add", "title": "任命文件", "address": "/registers/officer/"}
    assert sunli.post(f"{OFFICER}links/?unit=JYC", given).status_code == 302
    link = EvidenceLink.objects.get()
    assert (link.obligation, link.unit.code, link.finding) == ("A05.3", "JYC", None)
    assert "任命文件" in sunli.get(f"{OFFICER}?unit=JYC").text
    assert "任命文件" not in visit("zhouwei").get(f"{OFFICER}?unit=IC").text
    refused = sunli.post(f"{OFFICER}links/?unit=JYC", {**given, "address": "javascript:alert(1)"})
    assert (refused.status_code, EvidenceLink.objects.count()) == (200, 1)
    assert 'role="alert"' in refused.text
    chenjing = visit("chenjing")
    assert "登记佐证" not in chenjing.get(f"{OFFICER}?unit=JYC").text
    assert 'role="alert"' in chenjing.post(f"{OFFICER}links/?unit=JYC", {"verb": f"remove:{link.pk}"}).text
    assert sunli.post(f"{OFFICER}links/?unit=JYC", {"verb": "remove:999"}).status_code == 404
    assert sunli.post(f"{OFFICER}links/?unit=JYC", {"verb": f"remove:{link.pk}"}).status_code == 302
    link.refresh_from_db()
    assert link.removed_at == measured.now


def test_every_part_opens_for_every_check_and_article_and_asks_twelve_questions_at_most(bureau, clock, visit):
    """The check's own questions come on top; that they do not grow with the rows is `test_reconciliation`'s."""
    Crowd(bureau, [bureau.unit["JYC"], bureau.unit["IC"]], bureau.named("刘洋"), clock.now).grow(200)
    client, too_many, values = visit("liuyang"), [], parameters.values(clock.now)
    client.get("/")
    for obligation in {each.check or each.article: each for each in catalog().obligations}.values():
        with CaptureQueriesContext(connection) as own:
            reconciliation.measure(catalog(), obligation, values, clock.now, None)
        for part in ("", "subjects", "records", "ledger"):
            with CaptureQueriesContext(connection) as captured:
                assert client.get(f"/articles/{obligation.article}/{obligation.id}/?part={part}").status_code == 200
            if len(captured) - (len(own) if part == "subjects" else 0) > 12:
                too_many.append((obligation.id, part, len(captured)))
    assert too_many == []
