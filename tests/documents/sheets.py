"""Sheets for the tests of the presses, and how a file is read back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pypdfium2

from anzhang.engines.printing.sheet import Pair, Proof, Sheet, Signed, Stage

AT = datetime(2026, 11, 24, 1, 30, tzinfo=UTC)
# What would do something if any of it were read: typst, Jinja, XML.
EVIL = '#panic("x") #set page(width: 1cm) *粗* $x$ `r` <b> @ref // /* {{ 7*7 }} {% raw %} {%tr x %} ]]> &amp; </w:t> \\u{41}'


def sheet(**changes) -> Sheet:
    made = Sheet(
        english=False, organization="某局", title="任命备案审批单", subject="任命张华", number=Pair("事项编号", "SX-1"),
        dated=Pair("提出时间", "2026-11-24 09:30"), pairs=(Pair("申请单位", "就业促进处"),), texts=(),
        stages=(stage("1. 单位负责人审批", signed()),), heads=("办理人", "意见", "时间"), stages_title="办理意见",
        result=(), proof=Proof("存证核验", (Pair("存证记录", "12"),), "https://az.example/ledger/12/", "扫描二维码"), printed="打印：孙丽",
    )  # fmt: skip
    return replace(made, **changes)


def stage(title: str, *acts: Signed, waiting: str = "") -> Stage:
    return Stage(title, "已通过", acts, waiting)


def signed(name: str = "刘洋", opinion: str = "") -> Signed:
    return Signed("同意", opinion, name, "就业促进处 处长", "2026-11-24 10:00")


def pages(body: bytes) -> list[str]:
    document = pypdfium2.PdfDocument(body)
    return [document[index].get_textpage().get_text_bounded() for index in range(len(document))]


def squeezed(body: bytes) -> str:
    """The text of every page without spaces and line ends: what was written, however it broke."""
    return "".join("".join(pages(body)).split()).replace("\ufffe", "")
