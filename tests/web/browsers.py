"""The two browsers that the pages must work in: Debian's Chromium, and Chromium 109, the last for Windows 7.

npm carries Chromium 109 (`@sparticuz/chromium`, development only) as a brotli file, and axe-core; both come by
`npm ci` of `frontend/package-lock.json`. Playwright speaks the DevTools protocol to whatever it is given.
"""

from __future__ import annotations

import fcntl
import io
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import brotli
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, sync_playwright

from hatch_build import npm

ROOT = Path(__file__).resolve().parents[2]
FRONTEND = ROOT / "frontend"
WIDE = {"width": 1366, "height": 768}
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"]


def modules() -> Path:
    """Return `frontend/node_modules` with the development packages in it."""
    found = FRONTEND / "node_modules"
    results = ROOT / "test-results"
    results.mkdir(exist_ok=True)
    with (results / "npm.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp, wanted = found / ".package-lock.stamp", (FRONTEND / "package-lock.json").read_text(encoding="utf-8")
        if not stamp.is_file() or stamp.read_text(encoding="utf-8") != wanted:
            npm("ci", "--ignore-scripts", cwd=FRONTEND)
            stamp.write_text(wanted, encoding="utf-8")
    return found


def chromium_109() -> Path:
    """Return the unpacked Chromium 109."""
    packed = modules() / "@sparticuz" / "chromium" / "bin"
    folder = FRONTEND / "node_modules" / ".chromium109"
    program = folder / "chromium"
    if not program.is_file():
        fresh = folder.with_suffix(".new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
        (fresh / "chromium").write_bytes(brotli.decompress((packed / "chromium.br").read_bytes()))
        (fresh / "chromium").chmod(0o755)
        with tarfile.open(fileobj=io.BytesIO(brotli.decompress((packed / "swiftshader.tar.br").read_bytes()))) as archive:
            archive.extractall(fresh, filter="data")
        fresh.rename(folder)
    return program


@contextmanager
def chromium(driver: Playwright | None = None, old: bool = False) -> Iterator[Browser]:
    """Start one of the two browsers, on a driver that runs already (a thread can hold only one) or on its own."""
    more = ["--headless", "--single-process", "--no-zygote", "--in-process-gpu"] if old else []
    program = str(chromium_109()) if old else "/usr/bin/chromium"
    with nullcontext(driver) if driver else sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=[*QUIET, *more])
        try:
            yield browser
        finally:
            browser.close()


class Visit:
    """Somebody's browser window; it remembers every console message, failed request and foreign address."""

    def __init__(self, context: BrowserContext, address: str) -> None:
        self.page: Page = context.new_page()
        self.address = address
        self.heard: list[str] = []
        self.page.on("console", lambda message: self.heard.append(f"{self.page.url}: {message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.heard.append(f"{self.page.url}: {error}"))
        self.page.on("request", lambda request: self._note(request.url))

    def _note(self, url: str) -> None:
        if not url.startswith((self.address, "data:")):
            self.heard.append(f"request to {url}")

    def go(self, path: str) -> Page:
        """Open a page of the site."""
        answer = self.page.goto(self.address + path)
        assert answer
        assert answer.status == 200, f"{path}: {answer.status}"
        return self.page

    def violations(self) -> list[str]:
        """Return axe-core's serious and critical findings on the present page."""
        self.page.evaluate((modules() / "axe-core" / "axe.min.js").read_text(encoding="utf-8"))
        found: list[dict[str, Any]] = self.page.evaluate("axe.run().then(result => result.violations)")
        return [
            f"{each['id']}: {node['html'][:160]} {node.get('failureSummary', '')[:200]}"
            for each in found
            if each["impact"] in {"serious", "critical"}
            for node in each["nodes"]
        ]
