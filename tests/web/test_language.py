"""Chinese first, English complete."""

import re
from pathlib import Path

import polib
import pytest

from anzhang.web import assets
from tests.web.visitors import enter

pytestmark = pytest.mark.django_db

MESSAGES = Path(assets.__file__).parents[1] / "locale" / "en" / "LC_MESSAGES" / "django.po"


def test_every_message_has_its_english():
    messages = polib.pofile(str(MESSAGES), encoding="utf-8")
    assert len(messages) > 900
    assert [entry.msgid for entry in messages if entry.fuzzy or not entry.translated()] == []


def test_the_english_names_the_same_parameters():
    for entry in polib.pofile(str(MESSAGES), encoding="utf-8"):
        said = entry.msgstr or next(iter(entry.msgstr_plural.values()))
        assert sorted(re.findall(r"%\(\w+\)[sd]|%[sd]", entry.msgid)) == sorted(re.findall(r"%\(\w+\)[sd]|%[sd]", said)), entry.msgid


def test_a_page_is_chinese_until_english_is_chosen(client, bureau):
    enter(client, bureau.user["liuyang"])
    assert "条款落实" in client.get("/", headers={"accept-language": "en"}).text
    back = client.post("/language/", {"language": "en"}, headers={"referer": "http://testserver/board/?unit=JYC"})
    assert back["Location"] == "/board/?unit=JYC"
    page = client.get("/")
    assert page["Content-Language"] == "en"
    assert "Findings" in page.text
    assert not re.search(r"[一-鿿]", re.sub(r"(?s)<(main|header).*?</\1>|<title>.*?</title>", "", page.text))


def test_the_choice_of_language_leads_to_no_other_site(client):
    answer = client.post("/language/", {"language": "en"}, headers={"referer": "http://evil.example//evil.example/"})
    assert answer["Location"] == "/"


def test_an_unknown_language_changes_nothing(client):
    answer = client.post("/language/", {"language": "xx"}, headers={"referer": "http://testserver/"})
    assert "django_language" not in answer.cookies
