"""Checks today and their sheets, the timeline of a system, the gate of load tests: what is shown, signed, exported, and to whom."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from django.test import Client

from anzhang.casework import where
from anzhang.journal.models import Entry
from anzhang.permissions import Actor, Via
from anzhang.systems import dossiers, due, releases, rounds
from anzhang.systems.upkeep import CheckRun
from tests.web.visitors import enter

pytestmark = pytest.mark.usefixtures("bureau")
SETUP = Actor(id="setup", via=Via.SETUP)
TUESDAY = date(2026, 11, 24)  # of world.START, half past nine in Beijing
SHEET = "/rounds/CP1/20261124T1000/"


@pytest.fixture
def plan(bureau, clock):
    return rounds.register_check_plan(
        SETUP, at=clock.now, code="CP1", title="社保主机日检", system=bureau.system["SB01"], unit=bureau.unit["IC"],
        person=bureau.person["P011"], rhythm="daily", at_time="10:00", items=["电源指示灯", "磁盘空间"], valid_from=TUESDAY,
    )  # fmt: skip


def reader(bureau, username):
    return enter(Client(), bureau.user[username])


def test_without_plans_it_says_what_to_do(bureau):
    page = reader(bureau, "liming").get("/rounds/").text
    assert "还没有登记检查计划" in page
    assert "/registers/check_plan/new/" in page


def test_a_check_is_opened_from_the_list_filled_signed_and_printed(plan, bureau, clock):
    client = reader(bureau, "liming")
    page = client.get("/rounds/").text
    assert (SHEET in page, "其中我的 1 次" in page) == (True, True)
    assert "签名提交" in client.get(SHEET).text
    half = client.post(SHEET, {"found-1": "normal"})
    assert (half.status_code, "没有选择正常或异常" in half.text) == (422, True)
    bare = client.post(SHEET, {"found-1": "normal", "found-2": "abnormal", "remark-2": "九成满"})
    assert (bare.status_code, "要写明情况和处理" in bare.text, "九成满" in bare.text) == (422, True, True)
    assert CheckRun.objects.count() == 0
    done = client.post(SHEET, {"found-1": "normal", "found-2": "abnormal", "remark-2": "九成满|", "action-2": "清理日志"}, follow=True)
    assert ("已签名提交" in done.text, "1 项异常" in done.text, "现在没有应做的检查" in done.text) == (True, True, True)
    sheet = client.get(SHEET).text
    assert ("九成满｜" in sheet, "本人在平台签名" in sheet, "签名提交" in sheet) == (True, True, False)
    assert CheckRun.objects.get().results == ["电源指示灯 | 正常 |  |", "磁盘空间 | 异常 | 九成满｜ | 清理日志"]


def test_who_missed_a_check_makes_the_present_one(plan, bureau, clock):
    clock.advance(days=3)
    client = reader(bureau, "wangfang")  # stands in
    page = client.get("/rounds/").text
    assert ("此前漏做 3 次" in page, "逾期" in page) == (True, True)
    assert client.get(SHEET).status_code == 404
    assert "不补做" in client.get("/rounds/CP1/20261127T1000/").text


def test_who_may_not_sign_reads_and_a_stranger_sees_nothing(plan, bureau):
    reading = reader(bureau, "wujie")  # of the Office
    assert SHEET in reading.get("/rounds/").text
    sheet = reading.get(SHEET)
    assert ("签名提交" in sheet.text, "签名：＿" in sheet.text) == (False, True)
    assert "本人办理" in reading.post(SHEET, {"found-1": "normal", "found-2": "normal"}).text
    stranger = reader(bureau, "zhanghua")
    assert "社保主机日检" not in stranger.get("/rounds/").text
    assert stranger.get(SHEET).status_code == 404
    for wrong in ("/rounds/CP1/x/", "/rounds/CP1/20261124T1001/", "/rounds/CP9/20261124T1000/"):
        assert reading.get(wrong).status_code == 404
    assert Client().get("/rounds/").status_code == 302


def test_the_timeline_is_filtered_and_exported(plan, bureau, acting, clock):
    client = reader(bureau, "liming")
    address = "/systems/SB01/"
    assert "没有建档" in client.get(address).text
    dossiers.open_dossier(acting("liming"), at=clock.now, system=bureau.system["SB01"], opened_on=TUESDAY, keeper=bureau.person["P011"])
    results = ["电源指示灯 | 正常 | |", "磁盘空间 | 正常 | |"]
    run = rounds.sign_check_run(acting("liming"), plan, due.unstamp("20261124T1000"), results, clock.now)
    page = client.get(address).text
    assert ("李明保管" in page, f"/registers/check_run/{run.pk}/" in page, "申请压测" in page) == (True, True, True)
    assert f"/registers/check_run/{run.pk}/" not in client.get(f"{address}?kind=case").text
    before = Entry.objects.count()
    sheet = client.get(f"{address}?kind=check_run&days=30&export=csv")
    assert sheet["Content-Type"].startswith("text/csv")
    assert "社保主机日检 李明,正常,check_run:" in sheet.content.decode()
    assert Entry.objects.count() == before + 1
    clock.advance(days=100)
    assert "这段时间没有记录" in reader(bureau, "liming").get(address).text
    assert f"check_run/{run.pk}/" in reader(bureau, "liming").get(f"{address}?days=365").text
    assert reader(bureau, "liming").get(f"{address}?kind=x&days=y").status_code == 200


def test_the_gate_of_load_tests_answers_on_the_page(bureau, clock):
    given = {"code": "SB-P", "name": "社保生产", "kind": "production", "hosts": ["sbapp01"]}
    releases.register_environment(SETUP, at=clock.now + timedelta(0), system=bureau.system["SB01"], **given)
    page = reader(bureau, "liming").get("/systems/SB01/?load_environment=SB-P&source=10.50.0.9").text
    assert "没有经评估批准的压测方案" in page
    assert "/cases/new/load_test/?environment=SB-P&amp;sources=10.50.0.9" in page


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("A12.1", "administrators_named"), ("A12.2", "system_dossier"), ("A12.3", "check_rounds"), ("A12.3", "systems_monitored.sql"),
        ("A13.4", "load_test"), ("A14.3", "business_use_only.sql"),
    ],
)  # fmt: skip
def test_where_finds_what_enforces_it(asked, found):
    assert found in str(where.where(asked))
