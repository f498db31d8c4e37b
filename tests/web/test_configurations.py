"""Pages of configurations: history, difference and facts of a device, what nobody ordered, upload, change orders in the browser."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from anzhang.casework.models import Case
from anzhang.network.tables import ChangeOrder, ConfigSnapshot
from tests.articles import crossings
from tests.articles.test_article_08 import form, ordered, receive, text
from tests.web.visitors import enter

pytestmark = pytest.mark.django_db
HOME, DEVICE = "/configurations/", "/configurations/SW-R1/"


@pytest.fixture
def router(bureau, acting, clock):
    zones = crossings.zones(bureau, acting, clock)
    return crossings.device(
        bureau, acting, clock, zones["BIZ"], code="SW-R1", name="核心路由器", kind="router", hosts=["r1"], addresses=["10.20.0.1"]
    )


@pytest.fixture
def visit(bureau):
    return lambda username: enter(Client(), bureau.user[username])


def test_without_devices_and_snapshots_it_says_what_to_do(bureau, visit, request):
    page = visit("wujie").get(HOME).text
    assert "还没有登记在用的网络设备" in page
    assert "没有查到无单的改动" in page
    request.getfixturevalue("router")
    assert "没有快照" in visit("wujie").get(HOME).text
    page = visit("liuyang").get(DEVICE).text
    assert "没有快照就不知道改没改" in page
    assert "没有批准变更" in page


def test_history_difference_and_facts_and_the_way_to_apply_afterwards(router, bureau, acting, visit, clock):
    first = receive(text(), clock.now)
    clock.advance(hours=24)
    bare = receive(text("shutdown", secret="$1$cccc$dddd"), clock.now)
    ordered(bureau, acting, clock, clock.now + timedelta(hours=30))
    clock.advance(hours=48)
    covered = receive(text("mtu 1400", secret="$1$cccc$dddd"), clock.now)
    office = visit("wujie")
    page = office.get(HOME).text
    assert "共 1 项" in page
    assert "/cases/new/change_order/?kind=network&amp;devices=SW-R1&amp;window_from=2026-11-24T09%3A30" in page
    page = office.get(DEVICE).text
    for said in ("+1 −1", "+2 −1", "第一份", ChangeOrder.objects.get().number, "10.9.0.0/16 → 10.20.0.9", "10.20.9.5", "已经结束"):
        assert said in page, said
    page = office.get(f"{DEVICE}snapshots/{bare.pk}/").text
    for said in ("interface GigabitEthernet0/0", "+ 新增", "− 删除", "shutdown", "&lt;secret:", "没有变更单", f"snapshots/{covered.pk}/"):
        assert said in page, said
    assert "cccc" not in page
    assert "enable secret 5" in office.get(f"{DEVICE}snapshots/{first.pk}/").text, "of the first one the whole text"
    assert "logging host" in office.get(f"{DEVICE}snapshots/{covered.pk}/?text=1").text
    assert office.get(f"{DEVICE}snapshots/999/").status_code == 404


def test_a_stranger_sees_neither_device_nor_configuration(router, visit, clock):
    row = receive(text(), clock.now)
    client = visit("luona")
    assert client.get(DEVICE).status_code == 404
    assert client.get(f"{DEVICE}snapshots/{row.pk}/").status_code == 404
    assert "核心路由器" not in client.get(HOME).text
    assert "上传配置" not in visit("sunli").get(DEVICE).text
    assert Client().get(HOME).status_code == 302


def test_a_head_uploads_and_a_bad_file_is_refused_in_words(router, visit, clock):
    head = visit("liuyang")
    send = lambda body, **more: head.post(DEVICE, {"file": SimpleUploadedFile("r1.cfg", body), **more})  # noqa: E731
    assert send(text(), collected_at="2026-11-24T08:00").status_code == 302
    assert ConfigSnapshot.objects.get().collector == "user:liuyang"
    for body, more, said in ((b"\0\0", {}, "不是文本文件"), (text(), {"collected_at": "x"}, "采集时间不能识别"), (b"", {}, "没有选择文件")):
        answer = send(body, **more) if body else head.post(DEVICE, {})
        assert (answer.status_code, said in answer.text) == (422, True)
    assert head.post(HOME, {"file": SimpleUploadedFile("r1.cfg", text("shutdown"))}).status_code == 302
    assert visit("sunli").post(DEVICE, {"file": SimpleUploadedFile("r1.cfg", text("mtu 9"))}).status_code == 422
    assert ConfigSnapshot.objects.count() == 2


def test_an_order_goes_its_whole_way_in_the_browser(router, visit, clock):
    applicant = visit("sunli")
    page = applicant.get("/cases/new/change_order/?devices=SW-R1&kind=network&what=x").text
    assert "SW-R1" in page
    answer = applicant.post("/cases/new/change_order/", {**form(clock.now), "do": "file"})
    assert answer.status_code == 302, answer.text[:3000]
    case = Case.objects.get()
    visit("liuyang").post(f"/cases/{case.number}/decide/", {"verb": "agree", "opinion": "同意", "round": case.round, "step": case.step})
    case.refresh_from_db()
    assert case.state == "approved"
    order = ChangeOrder.objects.get()
    assert (order.applicant.name, order.executor.name) == ("孙丽", "张华")
    paper = visit("wujie").get(f"/cases/{case.number}/sheet.pdf")
    assert paper.status_code == 200
    assert "变更单有效" in visit("liuyang").get(DEVICE).text
