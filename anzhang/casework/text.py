"""Import the official text: read, split, align with the catalog's digests, store sentence by sentence.

The text comes as a file of the operator (txt in UTF-8, UTF-16 or GB18030, or docx). What does not align is reported by
article and sentence and not stored, unless the operator accepts it; then its sentences are marked as not aligned.
"""

from __future__ import annotations

import codecs
import hashlib
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from anzhang import clock
from anzhang.casework import parameters
from anzhang.casework.models import OfficialSentence, RegulationVersion
from anzhang.events import Event
from anzhang.journal.procedures import canonical, write
from anzhang.permissions import Actor, Permission, RefusedError, Via
from anzhang.regulation.alignment import Alignment, align
from anzhang.regulation.checks import procedure
from anzhang.regulation.sentences import ARTICLE, ArticleText, normalise, split

MAX_BYTES = 20 << 20  # a regulation is some kilobytes
MAX_UNPACKED = 100 << 20
BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
TITLE_LENGTH = 200
LONGEST_CHARACTER = 4  # bytes, in every encoding read here


class TextError(Exception):
    """The file is not a regulation that can be read; the message says what is wrong with it."""


@dataclass(frozen=True)
class Report:
    """What an import found and did."""

    title: str
    articles: int
    sentences: int
    aligned: int
    alignment: Alignment
    stored: bool
    known: bool  # this very text had been imported before

    @property
    def is_aligned(self) -> bool:
        """Whether every sentence of the catalog stands at its place and nothing else does."""
        return self.alignment.is_complete

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        differences = [
            {"kind": str(d.kind), "article": d.article, "sentence": d.sentence, "found_at": list(d.found_at) if d.found_at else None}
            for d in self.alignment.differences
        ]
        return {
            "title": self.title, "articles": self.articles, "sentences": self.sentences, "expected_sentences": self.alignment.expected,
            "aligned_sentences": self.aligned, "aligned": self.is_aligned, "ends_early": self.alignment.ends_early,
            "differences": differences, "stored": self.stored, "already_imported": self.known,
        }  # fmt: skip


def read(data: bytes) -> str:
    """Return the text of a file's bytes: docx by its zip signature, else decoded text. Raises TextError."""
    if len(data) > MAX_BYTES:
        raise TextError(_("文件有 %(size)d 字节，最多读 %(most)d 字节") % {"size": len(data), "most": MAX_BYTES})
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _docx(data)
    if data.startswith(b"\xd0\xcf\x11\xe0"):
        raise TextError(_("这是旧格式的 .doc 文件，请另存为 .docx 或 .txt"))
    if data.startswith(b"%PDF"):
        raise TextError(_("这是 PDF 文件，请把文字另存为 .docx 或 .txt"))
    return decode(data)


def decode(data: bytes) -> str:
    """Return bytes as text: by byte order mark, else UTF-8, else GB18030. Raises TextError."""
    encodings = [name for mark, name in BOMS if data.startswith(mark)] or ["utf-8", "gb18030"]
    for encoding in encodings:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError as error:
            if len(data) - error.start > LONGEST_CHARACTER - 1:
                continue
            # Cut inside its last character: a truncated text, which the alignment reports by article and sentence.
            text = f"{data[: error.start].decode(encoding)}\ufffd"
        if "\0" in text:
            raise TextError(_("文件含 NUL 字符，不是文本"))
        return text
    raise TextError(_("文件不是 %s 编码的文本") % " / ".join(encodings).upper())


def _docx(data: bytes) -> str:
    import docx
    from docx.opc.exceptions import PackageNotFoundError

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            size = sum(member.file_size for member in archive.infolist())
            if size > MAX_UNPACKED:
                raise TextError(_("docx 解开后有 %(size)d 字节，最多读 %(most)d 字节") % {"size": size, "most": MAX_UNPACKED})
        document = docx.Document(io.BytesIO(data))
    except (zipfile.BadZipFile, PackageNotFoundError, KeyError, ValueError, SyntaxError) as error:
        raise TextError(_("文件不是 Word 文档：%s") % error) from error
    return "\n".join(_paragraphs(document))


def _paragraphs(document: Any) -> Iterator[str]:
    from docx.table import Table

    for block in document.iter_inner_content():
        if isinstance(block, Table):
            yield from (cell.text for row in block.rows for cell in row.cells)
        else:
            yield block.text


def articles_of(text: str) -> list[ArticleText]:
    """Return a text's articles. Raises TextError when it has none."""
    articles = split(text)
    if not articles:
        raise TextError(_("没有找到条文：以“第1条”或“第一条”开头的一行是一条的开始"))
    return articles


def compare(text: str) -> tuple[list[ArticleText], Alignment]:
    """Return a text's articles and how they align with the catalog. Raises TextError when it has no article."""
    articles = articles_of(text)
    return articles, align(parameters.catalog().sentences, articles)


@procedure("import_regulation")
def import_text(
    actor: Actor, data: bytes, at: datetime, *, accept: bool = False, published_on: date | None = None, effective_on: date | None = None
) -> Report:
    """Import a text as the version in use and return the report; without `accept` only when it is aligned throughout.

    `published_on` and `effective_on` (without it: the day of publication) are not printed in the text; the operator knows
    them (Art. 36). Importing the same text again stores nothing new but takes the dates. Raises TextError, RefusedError.
    """
    if not (actor.may(Permission.REGULATION_IMPORT) or actor.via is Via.SETUP or actor.id.startswith("os:")):
        raise RefusedError("not_permitted", _("导入办法原文由安全管理员办理。"))
    if not all(clock.is_plausible(day) for day in (published_on, effective_on) if day):
        raise RefusedError("implausible_day", _("日期不在 1900 年至 2199 年之间。"))
    if published_on and effective_on and effective_on < published_on:
        raise RefusedError("effective_before_publication", _("施行日期不能早于发布日期。"))
    text = read(data)
    articles, alignment = compare(text)
    title = _title(text)
    plain = [[article.number, [normalise(sentence.text) for sentence in article.sentences]] for article in articles]
    sha256 = hashlib.sha256(canonical(plain)).hexdigest()
    known = RegulationVersion.objects.filter(sha256=sha256).exists()
    store = alignment.is_complete or accept
    if store:
        dates = (published_on, effective_on or published_on)
        _require_free(actor, sha256, dates)
        with transaction.atomic():
            _store(actor, articles, alignment, title, sha256, dates, at)
    count = sum(len(article.sentences) for article in articles)
    return Report(title, len(articles), count, len(alignment.aligned), alignment, stored=store and not known, known=known)


def _require_free(actor: Actor, sha256: str, dates: tuple[date | None, date | None]) -> None:
    """Let the operating-system user bring the first text and the days it lacks, and replace nothing (docs/adr/0005)."""
    if not actor.id.startswith("os:") or settings.HOME.is_demo:
        return
    version = RegulationVersion.objects.filter(catalog=parameters.catalog().name, current=True).first()
    if version is None:
        return
    kept = (version.published_on, version.effective_on)
    if version.sha256 != sha256 or any(day not in {None, old} for day, old in zip(dates, kept, strict=True) if old is not None):
        raise RefusedError(
            "text_in_use", _("办法原文已经导入，更换由安全管理员办理。"), _("请执行 anzhang login，由安全管理员确认后再导入。")
        )


def _store(
    actor: Actor,
    articles: list[ArticleText],
    alignment: Alignment,
    title: str,
    sha256: str,
    dates: tuple[date | None, date | None],
    at: datetime,
) -> None:
    catalog = parameters.catalog().name
    version = RegulationVersion.objects.filter(sha256=sha256).first()
    if version is not None and version.current and dates == (None, None):
        return
    for old in RegulationVersion.objects.filter(catalog=catalog, current=True).exclude(sha256=sha256):
        old.current = False
        write(actor, Event.REGULATION_IMPORT, old, at=at, payload={"superseded_by": sha256})
    if version is None:
        version = RegulationVersion(catalog=catalog, title=title, sha256=sha256, imported_at=at)
    version.current = True
    if dates[0] is not None:
        version.published_on = dates[0]
    if dates[1] is not None:
        version.effective_on = dates[1]
    known = version.pk is not None
    payload = {"title": title, "sha256": sha256, "articles": len(articles), "differences": len(alignment.differences)}
    write(actor, Event.REGULATION_IMPORT, version, at=at, payload=payload)
    if not known:
        OfficialSentence.objects.bulk_create(_rows(version, articles, alignment))


def _rows(version: RegulationVersion, articles: list[ArticleText], alignment: Alignment) -> Iterator[OfficialSentence]:
    counted: dict[int, int] = {}
    for article in articles:
        for sentence in article.sentences:
            ordinal = counted[article.number] = counted.get(article.number, 0) + 1
            place = (article.number, ordinal)
            yield OfficialSentence(
                version=version, article=place[0], ordinal=ordinal, text=sentence.text, aligned=place in alignment.aligned
            )


def _title(text: str) -> str:
    """Return the lines before the first article that are not a chapter heading, joined."""
    match = ARTICLE.search(text)
    head = text[: match.start()] if match else ""
    lines = [line.strip().lstrip("\ufeff") for line in head.splitlines()]
    return "".join(line for line in lines if line and not line.startswith("第"))[:TITLE_LENGTH] or _("（无标题）")


def official(article: int) -> list[OfficialSentence]:
    """Return the imported sentences of an article in the version in use, empty before the import; one query."""
    rows = OfficialSentence.objects.filter(version__catalog=parameters.catalog().name, version__current=True, article=article)
    return list(rows.order_by("ordinal"))
