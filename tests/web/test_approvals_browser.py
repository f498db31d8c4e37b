"""The approvals of Art. 8 to 13 in a real browser: asked for and decided by the people whom their routes name, and refusals that help."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from anzhang import clock
from tests.articles.test_story_officer import Desk, decide, file
from tests.web.browsers import chromium
from tests.web.site import Site, serving

pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.timeout(900)]
OFFICE, HEAD = ("zhengkai",), ("zhouwei",)
GROUP = (*OFFICE, "gaojianguo", "hemin")  # the Office, then a majority of the leading group


def minute(**later: float) -> str:
    """Return an instant from now on as a form takes it."""
    return (clock.now() + timedelta(**later)).astimezone(clock.BEIJING).strftime("%Y-%m-%dT%H:%M")


def day(later: int) -> str:
    """Return a day from now on."""
    return f"{clock.day_of(clock.now()) + timedelta(days=later)}"


LASTS = {"opens_at": minute(minutes=-1), "closes_at": minute(days=30)}
LINK = {
    "code": "LL20", "name": "测试网取数", "person": "李明", "near_zone": "测试网", "near_prefixes": "10.50.1.0/24", "far_zone": "办公网",
    "far_prefixes": "10.30.0.0/16", "ports": "tcp/443", "carrier": "自建", "purpose": "测试验收", **LASTS,
}  # fmt: skip
CONNECTION = {
    "code": "HL20", "name": "失业金代发专线", "person": "李明", "partner": "海河银行社保部", "purpose": "代发失业金", "level": "3",
    "standard": "网络安全等级保护基本要求", "scheme_title": "代发专线互联方案", "scheme_on": day(-20), "peers": "172.31.20.0/28",
    "inner": "10.21.0.0/16", "ports": "tcp/443", "daily_mb": "100", **LASTS,
}  # fmt: skip
CHANGE = {
    "kind": "网络配置", "devices": "JH0001", "what": "新增 VLAN 40", "window_from": minute(minutes=-1), "window_to": minute(hours=2),
    "rollback": "删除 VLAN 40", "executor": "郭磊",
}  # fmt: skip
EXCEPTION = {
    "system": "社会保险核心业务系统",
    "person": "赵强",
    "effective_on": day(0),
    "last_on": day(2),
    "reason": "紧急修复，开发人员现场处置",
}
WALKS = (
    ("link", LINK, GROUP), ("link_closing", {"link": "测试网取数", "reason": "验收结束"}, OFFICE), ("interconnection", CONNECTION, GROUP),
    ("interconnection_closing", {"interconnection": "失业金代发专线", "reason": "业务下线"}, OFFICE), ("change_order", CHANGE, HEAD),
    ("developer_operates", EXCEPTION, HEAD),
)  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The demo, served."""
    with serving(Path(tmp_path_factory.mktemp("approvals")) / "home") as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all."""
    with chromium() as running:
        yield running


def test_each_is_asked_for_and_decided_by_those_it_names(site: Site, browser: Browser) -> None:
    asking = Desk(site, browser, "liming")
    desks = {name: Desk(site, browser, name) for name in dict.fromkeys(each for *_, deciders in WALKS for each in deciders)}
    for route, form, deciders in WALKS:
        number = file(asking, route, **form)
        for name in deciders:
            decide(desks[name], number, "同意")
        asking.open(f"/cases/{number}/")
        said = asking.page.locator("main").inner_text()
        assert "已办结" in said, f"{route}: {said}"


@pytest.mark.parametrize(
    ("path", "missing", "leads"),
    [
        ("/network/?inner=10.21.1.10&outer=172.30.9.9&port=tcp/443", "没有批准", "/cases/new/interconnection/"),
        ("/configurations/JH0002/", "没有批准变更", "/cases/new/change_order/"),
        ("/projects/XM09/", "没有领导小组的批准", "/cases/new/project_approval/"),
    ],
)
def test_a_refusal_says_what_is_missing_and_leads_to_the_form(path: str, missing: str, leads: str, site: Site, browser: Browser) -> None:
    desk = Desk(site, browser, "wujie")
    desk.open(path)
    main = desk.page.locator("main")
    assert missing in main.inner_text()
    main.locator(f"a[href^='{leads}']").first.click()
    assert desk.page.url.startswith(site.address + leads)
    assert desk.page.locator("main form").count()
