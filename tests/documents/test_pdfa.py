"""The files beside Apache PDFBox Preflight, a validator of PDF/A level 1 that Debian carries.

The sheet is level 1 and Preflight has no objection. No validator of the later levels comes from a package registry: what Preflight
objects to in the archive form must be exactly what ISO 19005-3 allows beyond level 1, and that is the attached file.
"""

import re
import subprocess
from pathlib import Path

import pytest

from anzhang.engines.printing import pdf
from anzhang.engines.printing.sheet import Pair
from tests.documents.sheets import AT, EVIL, sheet, signed, stage

JARS = ("preflight", "xmpbox", "pdfbox2", "fontbox2", "commons-io", "commons-logging", "javax.activation", "jaxb-api")
LEVEL_3 = {
    "Invalid graphics object, Invalid version of the ICCProfile",
    "Error on MetaData, part must be 1",
    "Body Syntax error, EmbeddedFile entry is present in a FileSpecification dictionary",
    "Trailer Syntax error, EmbeddedFile entry is present in the Names dictionary",
}


def objections(file: Path) -> set[str]:
    """Return what Preflight says against a file, without the pages."""
    path = ":".join(f"/usr/share/java/{jar}.jar" for jar in JARS)
    command = ["java", "-cp", path, "org.apache.pdfbox.preflight.Validator_A1b", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert f"The file {file.name} is" in done.stdout, done.stderr
    return {re.sub(r" on page \d+$", "", found) for found in re.findall(r"(?m)^[0-9.]+ : (.*)$", done.stdout)}


@pytest.mark.parametrize(("record", "allowed"), [(None, set()), ({"number": "SX-1", "题": "值"}, LEVEL_3)])
def test_preflight_objects_to_nothing_but_what_level_3_allows(tmp_path, record, allowed):
    acts = [signed("阿卜杜热合曼", EVIL), *(signed(f"第{number}位", "同意，请备案。" * 40) for number in range(12))]
    made = sheet(pairs=(Pair("姓名", "王\U000323af 😀①"),), texts=(Pair("说明", EVIL * 20),), stages=(stage("1", *acts),), mark="演示")
    file = tmp_path / "sheet.pdf"
    file.write_bytes(pdf.render(made, fonts=tmp_path, at=AT, record=record))
    assert objections(file) == allowed


def test_preflight_does_object_to_a_file_that_is_no_archive(tmp_path):
    import typst

    file = tmp_path / "plain.pdf"
    file.write_bytes(typst.Compiler().compile(b"plain", format="pdf"))
    assert "Error on MetaData, PDF/A identification schema http://www.aiim.org/pdfa/ns/id/ is missing" in objections(file)
