"""The page of a case beyond deciding: hand over, take back, add a signer, revoke, act first, back-entry with its scan."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from anzhang.casework import procedures, queries
from anzhang.casework.models import Approval, Case
from anzhang.directory.models import Delegation
from anzhang.registers.models import Attachment
from tests import world
from tests.casework.paths import delegate_by_row, person
from tests.web.visitors import enter

PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"


@pytest.fixture
def visit(bureau):
    return lambda username: enter(Client(), bureau.user[username])


@pytest.fixture
def case(bureau, acting, clock):
    """孙丽 asks that 张华 become security officer; 刘洋 decides."""
    one, unit = bureau.person["P021"], bureau.unit["JYC"]
    return procedures.file_case(acting("sunli"), "officer_appointment", unit, one, "", {"person": "P022"}, clock.now)


def act(client, case, verb, **given):
    case.refresh_from_db()
    return client.post(f"/cases/{case.number}/turn/", {"verb": verb, "round": case.round, "step": case.step, **given})


def test_it_hands_over_and_takes_back(case, bureau, visit, clock):
    delegate_by_row(clock, bureau.named("刘洋"), bureau.named("唐欣"), "unit_head")
    liuyang = visit("liuyang")
    assert "转办给" in liuyang.get(f"/cases/{case.number}/").text
    assert act(liuyang, case, "delegate", deputy="P023", opinion="出差").status_code == 302
    page = liuyang.get(f"/cases/{case.number}/").text
    assert "唐欣（代刘洋）" in page
    assert "收回转办" in page
    assert 'value="agree"' not in page
    assert act(liuyang, case, "take_back").status_code == 302
    assert 'value="agree"' in liuyang.get(f"/cases/{case.number}/").text


def test_without_a_delegation_nothing_is_offered_and_the_post_says_why(case, visit):
    liuyang = visit("liuyang")
    assert "转办给" not in liuyang.get(f"/cases/{case.number}/").text
    page = act(liuyang, case, "delegate", deputy="P023").text
    assert "没有在有效期内授权" in page
    assert "授权代签" in page


def test_it_adds_a_signer_by_number_or_by_name(case, visit):
    liuyang = visit("liuyang")
    assert act(liuyang, case, "add_signer", signer="李明", placement="before", opinion="请核对").status_code == 302
    page = visit("liming").get(f"/cases/{case.number}/")
    assert 'value="agree"' in page.text
    assert "前加签" in page.text
    assert act(liuyang, case, "add_signer", signer="P011", placement="before", opinion="再请").text.count("不能占两个席位") == 1


@pytest.mark.parametrize(("signer", "said"), [("无此人", "没有工号或姓名"), ("\x00", "没有工号或姓名"), ("同名", "多人同名")])
def test_it_says_who_was_not_found(signer, said, case, bureau, visit):
    for code in ("P801", "P802"):
        one = person(bureau, code)
        one.name = "同名"
        one.save()
    assert said in act(visit("liuyang"), case, "add_signer", signer=signer, placement="before", opinion="x").text


def test_the_authority_revokes_and_others_are_not_offered_it(case, bureau, visit, acting, clock):
    case = procedures.agree(acting("liuyang"), case, "同意", clock.now)
    case = procedures.agree(acting("zhengkai"), case, "接收", clock.now)
    assert "撤销理由" not in visit("sunli").get(f"/cases/{case.number}/").text
    liuyang = visit("liuyang")
    assert "撤销理由" in liuyang.get(f"/cases/{case.number}/").text
    assert act(liuyang, case, "revoke", opinion="").status_code == 200
    assert act(liuyang, case, "revoke", opinion="人员调整").status_code == 302
    case.refresh_from_db()
    assert case.state == Case.State.REVOKED
    page = liuyang.get(f"/cases/{case.number}/").text
    assert "已撤销" in page
    assert "批准已撤销" in liuyang.get("/cases/?list=all").text


@pytest.mark.parametrize("verb", ["delegate", "take_back", "add_signer", "revoke"])
def test_a_stranger_finds_no_such_case_and_the_second_factor_is_asked(verb, case, bureau, visit, clock):
    assert act(visit("luona"), case, verb).status_code == 404
    half = Client()
    world.enter(half, bureau.user["liuyang"], second_factor=False)
    answer = act(half, case, verb, deputy="P023", signer="P011", placement="before", opinion="x")
    assert answer.status_code == 302
    assert "/cases/" not in answer["Location"].split("?")[0]


def test_a_strange_verb_is_not_found(case, visit):
    assert act(visit("liuyang"), case, "agree").status_code == 404
    strange = {"verb": "delegate", "deputy": "P023", "round": "x", "step": "0"}
    assert visit("liuyang").post(f"/cases/{case.number}/turn/", strange).status_code == 404


# Act first


def test_it_acts_first_from_the_form_and_says_until_when(visit, bureau):
    sunli = visit("sunli")
    assert "先行办理，随后补批" in sunli.get("/cases/new/assignment/").text
    form = {"person": "P022", "duty": "maintainer", "unit_of_case": "JYC", "act_first": "1", "why_first": "夜间故障"}
    answer = sunli.post("/cases/new/assignment/", form)
    case = Case.objects.get()
    assert answer["Location"] == f"/cases/{case.number}/"
    page = sunli.get(answer["Location"]).text
    assert "应急先行" in page
    assert "补批时限" in page
    assert queries.approval_of(case).origin == Approval.Origin.EMERGENCY


def test_it_refuses_to_act_first_where_the_route_does_not_allow_it(visit):
    sunli = visit("sunli")
    assert "先行办理" not in sunli.get("/cases/new/officer_appointment/").text
    form = {"person": "P022", "duty": "dba", "unit_of_case": "JYC", "act_first": "1", "why_first": "夜间故障"}
    page = sunli.post("/cases/new/assignment/", form)
    assert "不能先办后批" in page.text
    assert "夜间故障" in page.text
    assert not Case.objects.exists()


# Back-entry


def back_entry(client, scan):
    form = {
        "route": "assignment", "paper_number": "18号", "signed_by": "刘洋", "approved_on": "2025-06-03", "content": "运维",
        "unit_of_case": "JYC", **({"scan": scan} if scan else {}),
    }  # fmt: skip
    return client.post("/cases/new/back_entry/", form)


def test_a_paper_approval_is_entered_with_its_scan(visit, settings, tmp_path, bureau):
    import hashlib

    sunli = visit("sunli")
    assert 'type="file"' in sunli.get("/cases/new/back_entry/").text
    answer = back_entry(sunli, SimpleUploadedFile("批件.pdf", PDF, "application/pdf"))
    assert answer.status_code == 302
    case, kept = Case.objects.get(), Attachment.objects.get()
    assert case.form["scan"] == kept.sha256 == hashlib.sha256(PDF).hexdigest()
    page = sunli.get(answer["Location"]).text
    assert "批件.pdf" in page
    assert kept.sha256[:16] in page
    got = visit("liuyang").get(f"/cases/{case.number}/files/{kept.pk}/")
    assert got.content == PDF
    assert got["Content-Disposition"].startswith("attachment")
    assert visit("luona").get(f"/cases/{case.number}/files/{kept.pk}/").status_code == 404
    assert sunli.get(f"/cases/{case.number}/files/9999/").status_code == 404


def test_it_refuses_a_back_entry_without_scan_or_with_a_program_for_one(visit):
    sunli = visit("sunli")
    assert "扫描件" in back_entry(sunli, None).text
    assert back_entry(sunli, SimpleUploadedFile("批件.pdf", b"MZ\x90\x00" + bytes(200), "application/pdf")).status_code == 200
    assert not Case.objects.exists()
    assert not Attachment.objects.exists()


def test_the_case_page_asks_twelve_questions_at_most(case, bureau, visit, clock, django_assert_max_num_queries):
    for number in range(5):
        one = person(bureau, f"P7{number:02d}")
        delegate_by_row(clock, bureau.named("刘洋"), one, "unit_head")
    liuyang = visit("liuyang")
    liuyang.get(f"/cases/{case.number}/")
    with django_assert_max_num_queries(12):
        assert liuyang.get(f"/cases/{case.number}/").status_code == 200
    assert Delegation.objects.count() == 5
