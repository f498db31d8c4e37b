"""The press that sets a sheet as a Word document, from our template or from the bureau's own."""

import io
import zipfile

import pytest
from docx import Document
from docx.shared import Mm

from anzhang.engines.printing import word
from anzhang.engines.printing.sheet import Pair
from tests.documents.sheets import EVIL, sheet, signed, stage


def texts(body):
    document = Document(io.BytesIO(body))
    cells = [cell.text for table in document.tables for row in table.rows for cell in row.cells]
    return [*(paragraph.text for paragraph in document.paragraphs), *cells]


def test_no_value_is_read_as_a_mark():
    body = word.render(
        sheet(
            title=EVIL, organization=EVIL, pairs=(Pair(EVIL, EVIL),), texts=(Pair(EVIL, EVIL),), stages=(stage(EVIL, signed(EVIL, EVIL)),)
        ),
        None,
    )
    found = texts(body)
    assert sum(EVIL in text for text in found) >= 8
    assert not any("49" in text for text in found)


def test_our_template_has_the_margins_and_faces_of_the_standard():
    body = word.render(sheet(), None)
    page = Document(io.BytesIO(body)).sections[0]
    assert [round(each / Mm(1)) for each in (page.top_margin, page.bottom_margin, page.left_margin, page.right_margin)] == [37, 35, 28, 26]
    with zipfile.ZipFile(io.BytesIO(body)) as parts:
        styles, main = parts.read("word/styles.xml").decode(), parts.read("word/document.xml").decode()
        assert [name for name in parts.namelist() if name.startswith("word/media/")]
    assert "仿宋_GB2312" in styles
    assert "方正小标宋简体" in main
    assert "{%" not in main


def test_every_signer_has_a_row_and_lines_stay_lines():
    found = texts(
        word.render(sheet(stages=(stage("1. 表决", *(signed(f"第{n}位", "一\n二") for n in range(30)), waiting="待办：吴洁"),)), None)
    )
    assert sum(text.startswith("第") for text in found) == 30
    assert found.count("同意\n一\n二") == 30
    assert "待办：吴洁" in found


def own(tmp_path, text):
    document = Document()
    document.add_paragraph(text)
    file = tmp_path / "approval_sheet.docx"
    document.save(file)
    return file


def test_the_bureaus_own_template_is_used(tmp_path):
    found = texts(word.render(sheet(), own(tmp_path, "红头 {{ sheet.title }} {% for pair in sheet.pairs %}{{ pair.value }}{% endfor %}")))
    assert found == ["红头 任命备案审批单 就业促进处"]


@pytest.mark.parametrize(
    "mark", ["{{ sheet.title.__class__.__mro__ }}", "{% for x in %}", "{{ nothing.there }}", "{% include '/etc/passwd' %}"]
)
def test_a_template_that_asks_for_more_than_a_sheet_is_refused(tmp_path, mark):
    with pytest.raises(word.TemplateError, match=r"approval_sheet\.docx"):
        word.render(sheet(), own(tmp_path, mark))


def test_a_file_that_is_no_template_is_refused(tmp_path):
    file = tmp_path / "approval_sheet.docx"
    file.write_bytes(b"not a zip")
    with pytest.raises(word.TemplateError, match=r"approval_sheet\.docx"):
        word.render(sheet(), file)
