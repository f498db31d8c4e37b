"""The auditor reads everything and changes nothing: no case, no remediation plan, also not as a member of a unit."""

import pytest

from anzhang.casework import findings
from anzhang.casework.models import Case, Finding
from anzhang.permissions import RefusedError
from anzhang.systems.models import System
from tests.articles.stories import file, measure
from tests.casework.paths import file as file_trial
from tests.casework.paths import route, step
from tests.world import enter


@pytest.fixture
def finding(bureau, clock) -> Finding:
    System.objects.filter(code="SB01").update(responsible_unit=bureau.unit["JYC"])
    measure(clock, "A06.1")
    found = Finding.objects.get(obligation="A06.1")
    Finding.objects.filter(pk=found.pk).update(unit=bureau.unit["IC"])  # the auditor's own unit
    found.refresh_from_db()
    return found


def test_the_auditor_files_no_case(bureau, acting, clock):
    with pytest.raises(RefusedError) as refusal:
        file(bureau, acting, clock, "chenjing", "officer_appointment", person="P012")
    assert refusal.value.code == "auditor_changes_nothing"
    with pytest.raises(RefusedError):
        file_trial(bureau, acting, clock, route(step("head", "unit_head@applicant")), "chenjing")
    assert not Case.objects.exists()
    assert file(bureau, acting, clock, "wangfang", "officer_appointment", person="P012").unit == bureau.unit["IC"]


def test_the_list_of_routes_tells_the_auditor_and_leads_to_no_form(bureau, client):
    enter(client, bureau.user["chenjing"])
    told = client.get("/cases/new/").content.decode()
    assert "审计管理员只查看、不改动" in told
    assert "/cases/new/officer_appointment/" not in told
    enter(client, bureau.user["sunli"])
    assert "/cases/new/officer_appointment/" in client.get("/cases/new/").content.decode()


def test_the_auditor_plans_no_remedy_of_the_own_unit(finding, acting, clock):
    with pytest.raises(RefusedError) as refusal:
        findings.plan(acting("chenjing"), finding, "整改", clock.now)
    assert refusal.value.code == "auditor_changes_nothing"
    assert findings.plan(acting("wangfang"), finding, "整改", clock.now).plan == "整改"


def test_the_pages_tell_the_auditor_so_and_offer_no_box(bureau, finding, client):
    enter(client, bureau.user["chenjing"])
    answer = client.get("/cases/new/officer_appointment/")
    assert answer.status_code == 409
    assert "审计管理员只查看、不改动" in answer.content.decode()
    assert 'name="plan"' not in client.get(f"/findings/{finding.number}/").content.decode()
    enter(client, bureau.user["wangfang"])
    assert client.get("/cases/new/officer_appointment/").status_code == 200
    assert 'name="plan"' in client.get(f"/findings/{finding.number}/").content.decode()
