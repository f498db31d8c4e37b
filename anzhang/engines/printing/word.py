"""Set a sheet as a Word document from a template: the bureau's own where it has one, else the one that `template` makes.

A template is a .docx with the marks of docxtpl (`{{ sheet.title }}`, `{%tr for pair in sheet.pairs %}`). Values are escaped and
never read for marks; the marks themselves run in Jinja's sandbox, since a template comes from a folder and not from us.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import segno

from anzhang.engines.printing.sheet import Sheet, plain

ASIAN = {"title": "方正小标宋简体", "body": "仿宋_GB2312", "heading": "黑体"}
COLON = "{% if sheet.english %}: {% else %}：{% endif %}"
STATE = "{% if sheet.state %}{% if sheet.english %} ({{ sheet.state }}){% else %}（{{ sheet.state }}）{% endif %}{% endif %}"
LONGEST = 10 * 1024 * 1024


class TemplateError(Exception):
    """A template cannot be used; the message names the file and why, in English."""


def render(sheet: Sheet, template: Path | None) -> bytes:
    """Return the sheet as .docx. Raises TemplateError."""
    from docx.opc.exceptions import OpcError
    from docx.shared import Mm
    from docxtpl import DocxTemplate, InlineImage
    from jinja2 import TemplateError as MarkError
    from jinja2.sandbox import SandboxedEnvironment
    from lxml.etree import LxmlError

    drawn = io.BytesIO()
    segno.make(sheet.proof.address, error="m", micro=False).save(drawn, kind="png", scale=6, border=1)
    drawn.seek(0)
    try:
        if template and template.stat().st_size > LONGEST:
            raise TemplateError(f"{template}: larger than {LONGEST // 1024**2} MB")
        document = DocxTemplate(str(template) if template else io.BytesIO(blank()))
        document.init_docx()
        context = {"sheet": plain(sheet), "square": InlineImage(document, drawn, width=Mm(24))}
        document.render(context, SandboxedEnvironment(autoescape=True))
        body = io.BytesIO()
        document.save(body)
    except (MarkError, OpcError, BadZipFile, LxmlError, OSError, KeyError, ValueError, TypeError) as error:
        raise TemplateError(f"{template.name if template else 'built-in template'}: {error}") from error
    return body.getvalue()


def blank() -> bytes:
    """Return our template: margins, faces and sizes of GB/T 9704, to be opened and changed in WPS or Word."""
    from docx import Document
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.shared import Mm, Pt

    document = Document()
    page = document.sections[0]
    page.page_width, page.page_height = Mm(210), Mm(297)
    page.top_margin, page.bottom_margin, page.left_margin, page.right_margin = Mm(37), Mm(35), Mm(28), Mm(26)
    page.footer_distance = Mm(25)
    _page_number(page.footer.paragraphs[0])
    style = document.styles["Normal"]
    _faced(style, "body", 16)
    style.paragraph_format.space_after = Pt(0)

    def line(text: str, part: str = "body", size: float = 16, **keys: Any) -> Any:
        paragraph = document.add_paragraph()
        _faced(paragraph.add_run(text), part, size)
        for key, value in keys.items():
            setattr(paragraph.paragraph_format, key, value)
        return paragraph

    centre = WD_ALIGN_PARAGRAPH.CENTER
    line("{% if sheet.mark %}{{ sheet.mark }}{% endif %}", "heading", 12, alignment=WD_ALIGN_PARAGRAPH.RIGHT)
    line("{{ sheet.organization }}", alignment=centre)
    line("{{ sheet.title }}", "title", 22, alignment=centre, space_after=Pt(12))
    number, dated = (f"{{{{ sheet.{part}.label }}}}{COLON}{{{{ sheet.{part}.value }}}}" for part in ("number", "dated"))
    line(f"{number}{STATE}　　{dated}", size=14)
    _pairs(document, "sheet.pairs")
    line("{%p for part in sheet.texts %}")
    line("{{ part.label }}", "heading", space_before=Pt(6))
    line("{{ part.value }}", first_line_indent=Pt(32), line_spacing=Pt(29))
    line("{%p endfor %}")
    line("{%p if sheet.stages %}")
    line("{{ sheet.stages_title }}", "heading", space_before=Pt(6), keep_with_next=True)
    _stages(document)
    line("{%p endif %}")
    line("{%p if sheet.result %}")
    _pairs(document, "sheet.result")
    line("{%p endif %}")
    _proof(document)
    body = io.BytesIO()
    document.save(body)
    return body.getvalue()


def _faced(target: Any, part: str, size: float) -> None:
    """Set Latin and Asian typeface, size and language of a run or style."""
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn
    from docx.shared import Pt

    target.font.size = Pt(size)
    target.font.name = "Times New Roman"
    about = target.element.get_or_add_rPr()
    about.get_or_add_rFonts().set(qn("w:eastAsia"), ASIAN[part])
    for old in about.findall(qn("w:lang")):
        about.remove(old)
    language = OxmlElement("w:lang")
    language.set(qn("w:eastAsia"), "zh-CN")
    about.append(language)


def _table(document: Any, widths: tuple[int, ...], rows: list[tuple[str, ...]], size: float = 14) -> Any:
    """Add a ruled table of marks; a row that begins with `{%tr` is a mark of its own and goes when the document is set."""
    from docx.shared import Mm, Pt

    table = document.add_table(rows=0, cols=len(widths), style="Table Grid")
    table.autofit = False
    for column, width in zip(table.columns, widths, strict=True):
        column.width = Mm(width)
    for row in rows:
        cells = table.add_row().cells
        for index, (cell, width) in enumerate(zip(cells, widths, strict=True)):
            cell.width = Mm(width)
            text = row[index] if index < len(row) else ""
            paragraph = cell.paragraphs[0]
            paragraph.paragraph_format.space_before = paragraph.paragraph_format.space_after = Pt(3)
            _faced(paragraph.add_run(text), "heading" if index == 0 and len(widths) == 2 else "body", size)
    return table


def _pairs(document: Any, source: str) -> None:
    rows = [(f"{{%tr for pair in {source} %}}",), ("{{ pair.label }}", "{{ pair.value }}"), ("{%tr endfor %}",)]
    _table(document, (36, 120), rows, 16)


def _stages(document: Any) -> None:
    rows = [
        ("{{ sheet.heads[0] }}", "{{ sheet.heads[1] }}", "{{ sheet.heads[2] }}"),
        ("{%tr for stage in sheet.stages %}",),
        ("{{ stage.title }}　{{ stage.note }}",),
        ("{%tr for act in stage.signed %}",),
        (
            "{{ act.name }}{% if act.post %}\n{{ act.post }}{% endif %}",
            "{{ act.verb }}{% if act.opinion %}\n{{ act.opinion }}{% endif %}",
            "{{ act.at }}",
        ),
        ("{%tr endfor %}",),
        ("{%tr if stage.waiting %}",),
        ("{{ stage.waiting }}",),
        ("{%tr endif %}",),
        ("{%tr endfor %}",),
    ]  # fmt: skip
    table = _table(document, (42, 82, 32), rows)
    for index in (2, 7):
        cells = table.rows[index].cells
        cells[0].merge(cells[2])
        for paragraph in cells[0].paragraphs[1:]:  # what the emptied cells leave behind
            paragraph._p.getparent().remove(paragraph._p)  # noqa: SLF001  # python-docx cannot delete one
    _repeated(table.rows[0])


def _repeated(row: Any) -> None:
    """Let the heading row stand on every page."""
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    mark = OxmlElement("w:tblHeader")
    mark.set(qn("w:val"), "true")
    row._tr.get_or_add_trPr().append(mark)  # noqa: SLF001  # python-docx has no name for it


def _proof(document: Any) -> None:
    table = _table(document, (32, 124), [("{{ square }}", "")], 9)
    cell = table.rows[0].cells[1]
    for text, part, size in (
        ("{{ sheet.proof.title }}", "heading", 10.5),
        ("{%p for each in sheet.proof.lines %}", "body", 9),
        (f"{{{{ each.label }}}}{COLON}{{{{ each.value }}}}", "body", 9),
        ("{%p endfor %}", "body", 9),
        ("{{ sheet.proof.hint }}", "body", 9),
        ("{{ sheet.printed }}", "body", 9),
    ):
        paragraph = cell.paragraphs[0] if text == "{{ sheet.proof.title }}" else cell.add_paragraph()
        _faced(paragraph.add_run(text), part, size)


def _page_number(paragraph: Any) -> None:
    """Write the page number as a field between dashes, as the standard has it."""
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    paragraph.alignment = WD_ALIGN_PARAGRAPH.RIGHT
    _faced(paragraph.add_run("— "), "body", 14)
    run = paragraph.add_run()
    _faced(run, "body", 14)
    for kind, text in (("begin", None), (None, "PAGE"), ("end", None)):
        if kind:
            part = OxmlElement("w:fldChar")
            part.set(qn("w:fldCharType"), kind)
        else:
            part = OxmlElement("w:instrText")
            part.text = text
        run._r.append(part)  # noqa: SLF001  # python-docx has no fields
    _faced(paragraph.add_run(" —"), "body", 14)
