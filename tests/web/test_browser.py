"""The main pages in real browsers: quiet console, no sideways scrolling, no serious accessibility fault, keyboard alone."""

from __future__ import annotations

from collections.abc import Iterator

import pypdfium2
import pytest
from playwright.sync_api import Browser, Playwright, sync_playwright

from tests.web import browsers
from tests.web.browsers import Visit
from tests.web.site import ROOT, Site, serving

pytestmark = pytest.mark.browser
SHOTS = ROOT / "test-results" / "pages"
# Pages that no link of the nav names; every link of the nav is a main page as well.
BESIDE = {
    "dossier": "/systems/SB01/",
    "article": "/articles/5/",
    "register": "/registers/officer/",
    "account": "/account/",
    "form": "/cases/new/officer_appointment/",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The demo bureau, served."""
    with serving(tmp_path_factory.mktemp("site") / "home") as found:
        yield found


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    """One driver for both browsers: a thread can hold only one."""
    with sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="module")
def new(playwright: Playwright) -> Iterator[Browser]:
    """Debian's Chromium."""
    with browsers.chromium(playwright) as browser:
        yield browser


def visit(browser: Browser, site: Site, username: str, **options: object) -> Visit:
    """Return the window of a user who has just entered."""
    context = browser.new_context(**{"viewport": browsers.WIDE, **options})  # type: ignore[arg-type]
    visit = Visit(context, site.address)
    visit.page.goto(site.link(username))
    return visit


def main_pages(visit: Visit) -> dict[str, str]:
    """Return the main pages by name."""
    page = visit.go("/")
    links = page.eval_on_selector_all("nav a[data-place]", "all => all.map(a => [a.dataset.place, a.getAttribute('href')])")
    found = dict(links) | BESIDE
    assert set(found) >= {"home", "inbox", "todo", "cases", "findings", "board", "registers", "article"}
    return found


def look(visit: Visit, folder: str) -> None:
    """Open every main page, keep its picture, and see that it stands within the window."""
    place = SHOTS / folder
    place.mkdir(parents=True, exist_ok=True)
    for name, path in main_pages(visit).items():
        page = visit.go(path)
        page.screenshot(path=place / f"{name}.png")
        assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"], name  # type: ignore[index]
    assert visit.heard == []


def test_the_main_pages_are_quiet_and_fit_the_window(new, site):
    look(visit(new, site, "wujie"), "chromium")


def test_the_main_pages_fit_a_window_at_twice_the_size(new, site):
    look(visit(new, site, "wujie", viewport={"width": 683, "height": 384}, device_scale_factor=2), "zoomed")


def test_the_main_pages_are_quiet_in_english(new, site):
    window = visit(new, site, "wujie")
    window.go("/")
    window.page.click("button[name=language]")
    assert window.page.locator("html").get_attribute("lang") == "en"
    look(window, "english")


def inner_pages(visit: Visit) -> dict[str, str]:
    """Return a page of each kind that lies behind a main page."""
    found = {"import": "/registers/holiday/import/", "new": "/registers/holiday/new/", "search": "/search/?q=sshd", "route": "/cases/new/"}
    for name, path in (("finding", "/findings/"), ("row", "/registers/officer/"), ("entry", "/ledger/")):
        found[name] = str(visit.go(path).locator(f"main td a[href^='{path}']").first.get_attribute("href"))
    return found


@pytest.mark.parametrize("language", ["zh-Hans", "en"])
def test_axe_finds_nothing_serious_on_any_kind_of_page(new, site, language):
    window = visit(new, site, "wujie")
    if language == "en":
        window.page.click("button[name=language]")
    found = []
    for path in {**main_pages(window), **inner_pages(window)}.values():
        page = window.go(path)
        assert page.locator("html").get_attribute("lang") == language
        found += [f"{path} {line}" for line in window.violations()]
    assert found == []


def test_axe_finds_nothing_serious_where_administrators_work_and_people_log_in(new, site):
    found = []
    for username in ("guolei", "mali", "chenjing"):
        window = visit(new, site, username)
        window.go(str(window.go("/").locator("nav a[data-place=administration]").get_attribute("href")))
        found += [f"{username} {line}" for line in window.violations()]
    stranger = Visit(new.new_context(viewport=browsers.WIDE), site.address)
    stranger.go("/")
    found += stranger.violations()
    assert found == []


def test_a_printed_page_says_whose_it_is_and_nothing_is_cut(new, site):
    window = visit(new, site, "wujie")
    window.page.emulate_media(media="print")
    window.page.set_viewport_size({"width": 673, "height": 1000})  # what an A4 page leaves between its margins
    for name, path in main_pages(window).items():
        page = window.go(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 673, name
        assert page.locator(".az-printed").is_visible(), name
        assert "演示数据" in page.inner_text(".az-printed")
        assert not page.locator(".az-nav").is_visible()
    sheet = pypdfium2.PdfDocument(window.go("/registers/person/?q=赵强").pdf(format="A4"))
    assert len(sheet) == 1
    text = sheet[0].get_textpage().get_text_bounded()
    assert "离职日期" in text
    assert "赵强" in text


def test_every_stop_of_the_keyboard_can_be_seen(new, site):
    window = visit(new, site, "wujie")
    for path in ("/", "/board/", "/registers/person/"):
        page = window.go(path)
        seen = 0
        for _press in range(25):
            page.keyboard.press("Tab")
            drawn = page.evaluate(
                """() => { const it = document.activeElement; if (it === document.body) return null;
                const style = getComputedStyle(it), box = it.getBoundingClientRect();
                return (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2 || style.boxShadow !== "none")
                    && box.width > 0 && box.bottom > 0 && box.top < innerHeight }"""
            )
            assert drawn in {True, None}, f"{path}: {page.evaluate('document.activeElement.outerHTML')[:200]}"
            seen += drawn is True
        assert seen > 15, path


def test_the_main_pages_read_without_javascript(new, site):
    window = visit(new, site, "wujie", java_script_enabled=False)
    for path in main_pages(window).values():
        window.go(path)
        assert window.page.inner_text("main").strip()


def test_a_case_is_filed_and_decided_by_keyboard_alone(new, site):
    clerk = visit(new, site, "sunli")
    page = clerk.go("/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "az-skip"
    focus(page, "a[data-place=new]")
    page.keyboard.press("Enter")
    page.wait_for_url("**/cases/new/")
    focus(page, "a[href$='/cases/new/officer_appointment/']")
    page.keyboard.press("Enter")
    page.wait_for_url("**/officer_appointment/")
    focus(page, "[name=person]")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    focus(page, "main button.btn-primary")
    page.keyboard.press("Enter")
    page.wait_for_url("**/cases/2*/")
    case = page.url.removeprefix(site.address)

    head = visit(new, site, "liuyang")
    page = head.go("/")
    page.keyboard.press("g")
    page.keyboard.press("t")
    page.wait_for_url("**/cases/?list=todo")
    focus(page, f"main a[href='{case}']")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{case}")
    focus(page, "button[value=agree]")
    page.keyboard.press("Enter")
    page.get_by_role("status").get_by_text("已办理").wait_for()
    assert "吴洁" in page.inner_text(".az-chain")
    assert clerk.heard == head.heard == []


def test_chromium_109_shows_the_main_pages(playwright, site):
    with browsers.chromium(playwright, old=True) as old:
        assert old.version.startswith("109.")
        look(visit(old, site, "wujie"), "chromium109")


def focus(page, selector: str) -> None:
    """Press Tab until the element has the focus."""
    wanted = page.locator(selector).first.element_handle()
    for _press in range(200):
        if page.evaluate("wanted => document.activeElement === wanted", wanted):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{selector} is not reached by Tab")
