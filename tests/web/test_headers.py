"""The response headers and the style sheets: a closed policy on every answer, nothing that Chromium 109 cannot read."""

import re
from pathlib import Path

import pytest

from anzhang.web import assets
from tests.web.visitors import enter

pytestmark = pytest.mark.django_db

STATIC = Path(assets.__file__).parent / "static"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


@pytest.mark.parametrize("path", ["/", "/account/login/", "/healthz", "/nowhere/", "/static/anzhang.css", "/board/", "/api/openapi.json"])
def test_every_answer_carries_the_policy(client, path):
    response = client.get(path)
    assert response["Content-Security-Policy"] == POLICY
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Referrer-Policy"] == "same-origin"
    assert response["Cross-Origin-Opener-Policy"] == "same-origin"
    response.close()


def test_pages_are_kept_in_no_cache(client, bureau):
    assert enter(client, bureau.user["liuyang"]).get("/")["Cache-Control"] == "no-store"


def test_no_page_holds_an_inline_style_or_script():
    for template in (STATIC.parent / "templates").rglob("*.html"):
        text = template.read_text(encoding="utf-8")
        assert not re.search(r"\sstyle\s*=|<style|\son[a-z]+\s*=\s*[\"']|javascript:", text), template
        assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", text)), template


def test_no_style_sheet_asks_for_what_chromium_109_lacks():
    sheets = list(STATIC.rglob("*.css"))
    assert {sheet.name for sheet in sheets} >= {"anzhang.css", "tabler.min.css"}
    for sheet in sheets:
        text = sheet.read_text(encoding="utf-8")
        assert not re.search(r"color-mix\(|oklch\(|oklab\(|light-dark\(|@container|@scope|@layer", text), sheet.name
    assert ":has(" not in (STATIC / "anzhang.css").read_text(encoding="utf-8")


def test_our_style_sheet_stays_short():
    assert len((STATIC / "anzhang.css").read_text(encoding="utf-8").splitlines()) <= 400


def test_hashed_files_are_served_compressed_and_kept_for_ever(client):
    from django.templatetags.static import static

    for name in ("anzhang.css", "vendor/tabler/tabler.min.css", "vendor/htmx/htmx.min.js"):
        address = static(name)
        assert re.search(r"\.[0-9a-f]{12}\.", address)
        response = client.get(address, headers={"accept-encoding": "br"})
        assert response["Content-Encoding"] == "br"
        assert "immutable" in response["Cache-Control"]
        response.close()
