"""The official text: read from any file that a bureau has, stored sentence by sentence, refused when it is none."""

import io
import json
import zipfile
from datetime import date
from pathlib import Path

import docx
import pytest
from django.core.management import call_command

from anzhang import permissions
from anzhang.casework import parameters, text
from anzhang.casework.models import OfficialSentence, RegulationVersion
from anzhang.demo.bureau import SETUP
from anzhang.events import Event
from anzhang.journal.models import Entry
from anzhang.regulation import catalog

pytestmark = pytest.mark.django_db
REGULATION = Path(__file__).parents[1] / "regulation"
TEXT = (REGULATION / "small.txt").read_text(encoding="utf-8")
SMALL = catalog.load(REGULATION / "small")


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(parameters, "catalog", lambda: SMALL)


def word(content: str) -> bytes:
    document, target = docx.Document(), io.BytesIO()
    for line in content.splitlines():
        document.add_paragraph(line)
    document.save(target)
    return target.getvalue()


def load(clock, data: bytes, **options):
    return text.import_text(SETUP, data, clock.now, **options)


@pytest.mark.parametrize(
    "data",
    [TEXT.encode(), TEXT.encode("utf-8-sig"), TEXT.encode("gb18030"), TEXT.encode("utf-16"), word(TEXT)],
    ids=["utf-8", "mark", "gb18030", "utf-16", "docx"],
)
def test_it_reads_the_files_that_a_bureau_has(clock, data):
    report = load(clock, data)
    assert (report.articles, report.sentences, report.aligned, report.is_aligned, report.stored) == (5, 9, 9, True, True)
    assert report.title == "小城图书馆借阅办法"
    assert [sentence.text for sentence in text.official(2)] == ["每层楼随时有一名馆员；", "馆员离开时，由旁边一层的馆员照看。"]


def test_a_table_in_a_word_document_is_read(clock):
    document, target = docx.Document(), io.BytesIO()
    for line in TEXT.splitlines():
        document.add_table(1, 1).cell(0, 0).text = line
    document.save(target)
    assert load(clock, target.getvalue()).is_aligned


def bomb() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", b"\0" * (text.MAX_UNPACKED + 1))
    return target.getvalue()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"PK\x03\x04 nothing", "不是 Word 文档"),
        (bomb(), "docx 解开后有"),
        (b"%PDF-1.7", "PDF"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "旧格式的 .doc"),
        (b"\xff\xff\xff\xff", "不是 UTF-8 / GB18030 编码的文本"),
        (b"\0" * 100, "NUL"),
        (b"", "没有找到条文"),
        ("没有条文。".encode(), "没有找到条文"),
        (word("没有条文。"), "没有找到条文"),
    ],
    ids=["no zip", "bomb", "pdf", "doc", "noise", "nul", "empty", "prose", "prose docx"],
)
def test_it_refuses_what_is_no_regulation(clock, data, why):
    with pytest.raises(text.TextError, match=why):
        load(clock, data)
    assert RegulationVersion.objects.count() == 0


def test_a_file_too_large_is_refused(clock, monkeypatch):
    monkeypatch.setattr(text, "MAX_BYTES", 10)
    with pytest.raises(text.TextError, match="最多读 10 字节"):
        load(clock, TEXT.encode())


def test_an_altered_text_is_stored_only_when_accepted(clock):
    altered = TEXT.replace("三十天", "四十天").encode()
    assert not load(clock, altered).stored
    assert OfficialSentence.objects.count() == 0
    assert load(clock, altered, accept=True).stored
    assert list(OfficialSentence.objects.filter(aligned=False).values_list("article", "ordinal")) == [(3, 1)]


def test_the_same_text_is_stored_once_and_takes_its_dates(clock):
    load(clock, TEXT.encode())
    again = load(clock, TEXT.encode("gb18030"), published_on=date(2019, 5, 1))
    assert (again.stored, again.known) == (False, True)
    version = RegulationVersion.objects.get()
    assert (version.published_on, version.effective_on) == (date(2019, 5, 1), date(2019, 5, 1))
    assert OfficialSentence.objects.count() == 9
    assert Entry.objects.filter(act=Event.REGULATION_IMPORT).count() == 2


def test_another_text_takes_the_place_of_the_first(clock):
    load(clock, TEXT.encode())
    load(clock, TEXT.replace("三十天", "四十天").encode(), accept=True)
    assert list(RegulationVersion.objects.order_by("pk").values_list("current", flat=True)) == [False, True]
    assert "四十天" in text.official(3)[0].text


def test_it_refuses_an_effect_before_publication(clock):
    with pytest.raises(permissions.RefusedError):
        load(clock, TEXT.encode(), published_on=date(2019, 5, 1), effective_on=date(2019, 4, 1))


def test_only_the_security_administrator_imports(acting, clock):
    with pytest.raises(permissions.RefusedError) as refusal:
        text.import_text(acting("liuyang"), TEXT.encode(), clock.now)
    assert refusal.value.code == "not_permitted"
    assert text.import_text(acting("mali"), TEXT.encode(), clock.now).stored


def test_the_verb_reports_by_article_and_sentence_and_exits_one(tmp_path, capsys):
    file = tmp_path / "text.txt"
    file.write_text(TEXT.replace("三十天", "四十天"), encoding="utf-8")
    with pytest.raises(SystemExit) as stop:
        call_command("regulation", "import", str(file), as_json=True)
    assert stop.value.code == 1
    report = json.loads(capsys.readouterr().out)
    assert report["differences"] == [{"kind": "altered", "article": 3, "sentence": 1, "found_at": None}]
    file.write_text(TEXT, encoding="utf-8")
    call_command("regulation", "import", str(file))
    assert "5 条，9 句，9 句对齐" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["missing.txt", "noise.docx"])
def test_the_verb_calls_a_wrong_file_bad_input(tmp_path, capsys, name):
    (tmp_path / "noise.docx").write_bytes(b"PK\x03\x04")
    with pytest.raises(SystemExit) as stop:
        call_command("regulation", "import", str(tmp_path / name))
    assert stop.value.code == 2
    assert name in capsys.readouterr().err


def test_the_operating_system_user_brings_the_first_text_and_replaces_none(acting, clock):
    operator = permissions.Actor(id="os:root@host", via=permissions.Via.CLI)
    other = TEXT.replace("三十天", "四十天").encode()
    assert text.import_text(operator, TEXT.encode(), clock.now).stored
    text.import_text(operator, TEXT.encode(), clock.now, published_on=date(2019, 5, 1))
    assert not text.import_text(operator, other, clock.now).stored
    for data, options in ((other, {"accept": True}), (TEXT.encode(), {"published_on": date(2019, 6, 1)})):
        with pytest.raises(permissions.RefusedError) as refusal:
            text.import_text(operator, data, clock.now, **options)
        assert refusal.value.code == "text_in_use"
    version = RegulationVersion.objects.get()
    assert (version.current, version.published_on) == (True, date(2019, 5, 1))
    assert text.import_text(acting("mali"), other, clock.now, accept=True).stored


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "utf-16"])
def test_a_text_cut_inside_a_character_is_reported_as_truncated_and_not_stored(encoding, clock):
    whole = TEXT.rstrip().encode(encoding)
    for end in (len(whole) - 1, len(whole) // 2, len(whole) // 2 + 1):
        report = load(clock, whole[:end])
        assert not report.is_aligned
        assert report.alignment.differences or report.alignment.ends_early
    assert RegulationVersion.objects.count() == 0
