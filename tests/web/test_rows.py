"""What is written without a template is escaped as a template would."""

from django.utils.translation import override

from anzhang.casework.models import Finding
from anzhang.directory.models import Unit
from anzhang.events import Event
from anzhang.web import acts, rows

EVIL = """"><script>'&"""
SAFE = "&quot;&gt;&lt;script&gt;&#x27;&amp;"


def test_options_are_escaped_and_one_is_chosen():
    assert rows.options([(1, "一"), (EVIL, EVIL)], "1") == (f'<option value="1" selected>一</option><option value="{SAFE}">{SAFE}</option>')
    units = [Unit(code="B01", name="办公室"), Unit(code=EVIL, name=EVIL)]
    assert rows.unit_options(units, EVIL) == (f'<option value="B01">办公室</option><option value="{SAFE}" selected>{SAFE}</option>')
    assert "selected" not in rows.unit_options(units, "")


def test_links_of_findings_are_escaped():
    found = [Finding(number="F-1", subject_label=EVIL, state="open"), Finding(number="F-2", subject_label="乙", state="planned")]
    assert rows.finding_links(found) == (
        f'<a href="/findings/F-1/">F-1 {SAFE}</a>（待整改）、<a href="/findings/F-2/">F-2 乙</a>（整改中）'
    )


def test_choices_of_the_ledger_follow_the_language():
    words = {}
    for language in ("zh-hans", "en", "zh-hans"):
        with override(language):
            words[language] = dict(acts.act_choices(language)), dict(acts.object_choices(language))
    assert words["zh-hans"][0][str(Event.USER_LOGIN)] == "登录"
    assert words["en"][0][str(Event.USER_LOGIN)].isascii()
    assert words["zh-hans"][1].keys() == words["en"][1].keys()
    assert words["zh-hans"][1]["person"] != words["en"][1]["person"]
