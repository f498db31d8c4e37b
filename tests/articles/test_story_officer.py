"""Article 5 end to end, in a real browser, on a whole running installation.

A real OpenSSH server logs through a real rsyslogd to the collector; the officer is appointed, filed, leaves and is
succeeded; the sweep judges; nobody touches the database. The successor's case is filed and decided by keyboard alone.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from anzhang import clock
from anzhang.home import Home
from anzhang.operate import listen
from tests import programs
from tests.web.browsers import WIDE, chromium
from tests.web.site import ROOT, Site

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]
UNIT = "JYC"
CHOSEN = "element => element.selectedOptions[0] ? element.selectedOptions[0].textContent : ''"


@contextmanager
def running_demo(home: Path) -> Iterator[Site]:
    """Make the demo and keep all of its processes running."""
    Site(home, "").anzhang("demo", "--once", "--devices", "400", "--days", "8", "--port", str(programs.free_port()))
    address = f"http://{listen.web(Home(home))}"
    environment = {**os.environ, "ANZHANG_HOME": str(home), "DJANGO_SETTINGS_MODULE": "anzhang.settings"}
    with (home / "up.out").open("wb") as out:
        command = (sys.executable, "-m", "anzhang", "up")
        with programs.running(*command, env=environment, cwd=ROOT, stdout=out, stderr=out):
            programs.wait_until(lambda: programs.answers(listen.web(Home(home)).port), 60, "the pages")
            yield Site(home, address)


class Desk:
    """Somebody's browser window, logged in by a one-use link."""

    def __init__(self, site: Site, browser: Browser, username: str) -> None:
        self.site = site
        self.page: Page = browser.new_context(viewport=WIDE, locale="zh-CN").new_page()
        self.page.goto(site.link(username))
        self.open("/")

    def open(self, path: str) -> None:
        answer = self.page.goto(self.site.address + path)
        assert answer is not None
        assert answer.status == 200, f"{path}: {answer.status}"

    def fill(self, name: str, text: str) -> None:
        """Fill or choose the field of a case form."""
        self.put(f"#field-{name}", text)

    def put(self, what: str, text: str) -> None:
        """Fill an input, or choose the option whose label holds the text."""
        field = self.page.locator(what)
        if field.evaluate("element => element.tagName") == "SELECT":
            value = field.locator("option").filter(has_text=text).first.get_attribute("value")
            field.select_option(value=value)
        else:
            field.fill(text)

    def press(self, name: str) -> None:
        """Press a button."""
        self.page.get_by_role("button", name=name, exact=True).click()

    def follow(self, href: str) -> None:
        """Click a link."""
        self.page.locator(f"a[href='{href}']").first.click()


class Keyboard(Desk):
    """The same desk without a mouse: Tab until the thing has the focus, then type."""

    def reach(self, what: str) -> None:
        """Tab until the focused element matches a selector."""
        for _ in range(150):
            if self.page.evaluate("what => document.activeElement.matches(what)", what):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"{what} is not reached by Tab on {self.page.url}")

    def fill(self, name: str, text: str) -> None:
        self.reach(f"#field-{name}")
        field = self.page.locator(f"#field-{name}")
        if field.evaluate("element => element.tagName") == "SELECT":
            for _ in range(200):
                if text in field.evaluate(CHOSEN):
                    return
                self.page.keyboard.press("ArrowDown")
            raise AssertionError(f"{text} is not among the choices of {name}")
        self.page.keyboard.type(text)

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).evaluate("button => button.dataset.wanted = 'yes'")
        self.reach("[data-wanted=yes]")
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")

    def follow(self, href: str) -> None:
        self.reach(f"a[href='{href}']")
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")


def file(desk: Desk, route: str, **fields: str) -> str:
    """File a case and return its number."""
    desk.open(f"/cases/new/{route}/")
    for name, text in fields.items():
        desk.fill(name, text)
    desk.press("提出")
    number = desk.page.url.rstrip("/").rsplit("/", 1)[-1]
    assert number != route, desk.page.locator("main").inner_text()
    return number


def decide(desk: Desk, number: str, button: str) -> None:
    """Find the case among one's to-dos and press a deciding button."""
    desk.open("/")
    desk.follow(f"/cases/{number}/")
    desk.press(button)
    main = desk.page.locator("main")
    main.get_by_role("heading").first.wait_for()
    assert not main.get_by_role("button", name=button, exact=True).count(), main.inner_text()


class Board:
    """The unit's board as the auditor reads it by the API, in a session of its own that a moved clock ends."""

    def __init__(self, site: Site, browser: Browser) -> None:
        self.site, self.browser = site, browser
        self.desk = Desk(site, browser, "chenjing")

    def read(self) -> dict[str, Any]:
        """Return the board."""
        address = f"{self.site.address}/api/board?unit={UNIT}"
        answer = self.desk.page.request.get(address, max_redirects=0)
        if answer.status != 200:
            self.desk = Desk(self.site, self.browser, "chenjing")
            answer = self.desk.page.request.get(address)
        assert answer.status == 200, answer.text()
        found: dict[str, Any] = answer.json()
        return found

    def article(self, number: int) -> dict[str, Any]:
        """Return an article."""
        return next(each for each in self.read()["articles"] if each["number"] == number)

    def verdict(self, obligation: str) -> dict[str, Any]:
        """Return the verdict of one obligation."""
        return next(each for each in self.article(int(obligation[1:3]))["obligations"] if each["id"] == obligation)


def test_an_officer_is_appointed_leaves_and_is_succeeded(tmp_path: Path) -> None:
    with running_demo(tmp_path / "demo") as site, chromium() as browser:
        clerk, head = Desk(site, browser, "sunli"), Desk(site, browser, "liuyang")
        office, board = Desk(site, browser, "wujie"), Board(site, browser)
        assert board.verdict("A05.3")["verdict"] == "breach"
        logins_before = board.verdict("A05.2")["population"]

        # A real log-in by the unit's staff, through OpenSSH, rsyslogd and the collector.
        syslog = listen.parse(Home(site.home), "collector", "syslog_tcp", "").port
        with programs.rsyslog(tmp_path / "rsyslog", "jyapp01", syslog), programs.sshd(tmp_path / "sshd") as sshd:
            account = sshd.log_in()
            head.open("/registers/account/new/")
            for name, text in (("system", "就业管理服务系统"), ("name", account), ("person", "P021"), ("opened_on", "2026-01-05")):
                head.put(f"main form [name={name}]", text)
            head.press("保存")
            assert "岗位指派" in head.page.locator("main").inner_text(), "an account for somebody without a post is refused"
            head.put("main form [name=person]", "P022")
            head.press("保存")
            assert account in head.page.locator("main").inner_text()
            programs.wait_until(lambda: board.verdict("A05.2")["population"] == logins_before + 1, 120, "the log-in to be judged")

        # Appointed by the head, received by the Office: green by measurement.
        number = file(clerk, "officer_appointment", person="张华", reason="本单位业务骨干")
        decide(head, number, "同意")
        decide(office, number, "接收备案")
        programs.wait_until(lambda: board.article(5)["verdict"] == "met", 120, "Article 5 to turn green")
        assert {each["id"]: each["verdict"] for each in board.article(5)["obligations"]} == dict.fromkeys(
            ("A05.1", "A05.2", "A05.3", "A05.4"), "met"
        )

        # The officer leaves, eight days pass: the sweep finds the vacancy and tells the head.
        today = clock.day_of(datetime.fromisoformat(board.read()["at"])).isoformat()
        number = file(clerk, "officer_departure", person="张华", effective_on=today, reason="调离岗位")
        decide(head, number, "同意")
        decide(office, number, "接收备案")
        assert board.verdict("A05.3")["verdict"] == "met"
        site.anzhang("demo", "--advance", "9d")
        programs.wait_until(lambda: board.verdict("A05.3")["verdict"] == "breach", 120, "the vacancy to be found")
        head = Desk(site, browser, "liuyang")
        head.open("/inbox/")
        # Sources that fell silent in the nine days are told too, before or after the vacancy.
        notice = head.page.locator("main table tbody tr").filter(has_text="：就业促进处，").first
        notice.get_by_role("button", name="查看", exact=True).click()
        finding = head.page.locator("main").inner_text()
        assert "A05.3" in finding
        assert "刘洋（处长）" in finding
        address = head.page.url

        # A successor, by keyboard alone.
        clerk, office = Keyboard(site, browser, "sunli"), Keyboard(site, browser, "wujie")
        number = file(clerk, "officer_appointment", person="唐欣")
        decide(Keyboard(site, browser, "liuyang"), number, "同意")
        decide(office, number, "接收备案")
        programs.wait_until(lambda: board.article(5)["verdict"] == "met", 120, "Article 5 to turn green again")
        closed = Desk(site, browser, "liuyang")
        closed.open(address.removeprefix(site.address))
        assert "已消除" in closed.page.locator("main").inner_text()
        assert "intact" in site.anzhang("ledger", "verify") or json.loads(site.anzhang("ledger", "verify", "--json"))["ok"]
