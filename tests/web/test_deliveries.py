"""The page of deliveries: for the system administrator and the auditor; sending again is the administrator's."""

import pytest
from django.test import Client

from anzhang.casework import notices
from anzhang.casework.tables import Delivery
from anzhang.demo.bureau import SETUP
from tests.web.visitors import enter


@pytest.fixture
def visit(bureau):
    return lambda username: enter(Client(), bureau.user[username])


@pytest.fixture
def failed(bureau, clock):
    words = {"title": "秘密事项", "number": "2026-0001"}
    notice = notices.notify(SETUP, bureau.named("张华"), "case_finished", words, "/cases/2026-0001/", clock.now)
    return Delivery.objects.create(
        notice=notice, channel="smtp", state="failed", attempts=6, next_at=clock.now, done_at=clock.now, error="refused"
    )


def test_it_says_how_to_set_up_a_channel_while_there_is_none(visit):
    page = visit("guolei").get("/inbox/deliveries/").text
    assert "没有外发记录" in page
    assert "[notices]" in page


def test_it_shows_state_and_reason_and_not_what_the_notice_says(failed, visit):
    page = visit("chenjing").get("/inbox/deliveries/?state=failed").text
    assert "refused" in page
    assert "秘密" not in page
    assert "重新发送" not in page
    assert "refused" not in visit("guolei").get("/inbox/deliveries/?state=sent").text


def test_the_administrator_sends_again(failed, visit):
    guolei = visit("guolei")
    assert "重新发送" in guolei.get("/inbox/deliveries/").text
    assert guolei.post(f"/inbox/deliveries/{failed.pk}/retry/").status_code == 302
    failed.refresh_from_db()
    assert failed.state == Delivery.State.PENDING
    assert "不需要重新发送" in guolei.post(f"/inbox/deliveries/{failed.pk}/retry/", follow=True).text


def test_others_find_no_such_page(failed, visit):
    for username in ("liuyang", "zhengkai", "mali"):
        assert visit(username).get("/inbox/deliveries/").status_code == 404
        assert visit(username).post(f"/inbox/deliveries/{failed.pk}/retry/").status_code == 404
    chenjing = visit("chenjing")
    chenjing.post(f"/inbox/deliveries/{failed.pk}/retry/")
    failed.refresh_from_db()
    assert failed.state == Delivery.State.FAILED


def test_it_asks_twelve_questions_for_two_hundred_rows(failed, visit, bureau, clock, django_assert_max_num_queries):
    words = {"title": "x", "number": "2026-0002"}
    for _each in range(60):
        notice = notices.notify(SETUP, bureau.named("张华"), "case_finished", words, "/cases/2026-0002/", clock.now)
        Delivery.objects.create(notice=notice, channel="smtp", next_at=clock.now)
    guolei = visit("guolei")
    with django_assert_max_num_queries(12):
        assert "下次" in guolei.get("/inbox/deliveries/?state=pending").text
