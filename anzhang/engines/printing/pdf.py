"""Set a sheet as PDF/A by typst. The texts enter as data (`sys.inputs`), so nothing in them is ever read as markup."""

from __future__ import annotations

import io
import json
import threading
from datetime import datetime
from enum import StrEnum
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import segno

from anzhang.engines.printing.fonts import faces
from anzhang.engines.printing.sheet import Sheet, plain


class Standard(StrEnum):
    """The archival profiles of ISO 19005 that we write: level 1, which free validators check, and level 3 with the record attached."""

    READING = "a-1b"
    ARCHIVE = "a-3b"


class PrintingError(Exception):
    """The sheet could not be set; the message says why, in English."""


_press = threading.Lock()  # a kept compiler is fast because it remembers; two threads must not ask it at once


def render(sheet: Sheet, *, fonts: Path, at: datetime, record: dict[str, Any] | None = None) -> bytes:
    """Return the sheet as PDF/A-1b, or as PDF/A-3b with `record` attached as `case.json`.

    `fonts` is the bureau's folder of typefaces, `at` the date that the file carries. The same sheet and instant give the
    same bytes. Raises FontsMissingError, PrintingError.
    """
    import typst

    found = faces(fonts)
    content = plain(sheet, found.known)
    content["faces"] = {part: {"family": family, "weight": weight} for part, (family, weight) in found.chosen.items()}
    content["spare"] = list(found.spare)
    inputs = {"sheet": json.dumps(content, ensure_ascii=False), "square": square(sheet.proof.address)}
    if record is not None:
        inputs["record"] = json.dumps(record, ensure_ascii=False, indent=1, sort_keys=True)
    standard = Standard.READING if record is None else Standard.ARCHIVE
    with _press:
        try:
            body = _compiler(found.fonts).compile(
                _template(), format="pdf", sys_inputs=inputs, pdf_standards=[standard.value], timestamp=int(at.timestamp())
            )
        except typst.TypstError as error:
            raise PrintingError(f"{error.message} {' '.join(error.hints)}".strip()) from error
    if not isinstance(body, bytes):
        raise PrintingError("typst returned no document")
    return body


def square(address: str) -> str:
    """Return the square code of an address as SVG, black on white, without its quiet zone."""
    drawn = io.BytesIO()
    segno.make(address, error="m", micro=False).save(drawn, kind="svg", border=0, scale=4, xmldecl=False, svgns=True)
    return drawn.getvalue().decode()


@cache
def _template() -> bytes:
    return (files(__package__) / "sheet.typ").read_bytes()


@cache
def _compiler(fonts: Any) -> Any:
    import typst

    return typst.Compiler(font_paths=fonts)
