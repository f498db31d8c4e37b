"""`anzhang documents DIR` hands out our Word templates; `doctor` names the typefaces in use."""

import json

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from docx import Document

from anzhang.engines.printing import word
from anzhang.home import Home
from anzhang.operate import doctor
from tests.documents.sheets import sheet
from tests.documents.test_word import texts


def test_the_templates_it_writes_are_the_built_in_ones(tmp_path, capsys):
    call_command("documents", str(tmp_path / "new"), "--json")
    files = [*(tmp_path / "new").iterdir()]
    assert sorted(file.name for file in files) == ["approval_sheet.docx", "filing_form.docx"]
    assert sorted(json.loads(capsys.readouterr().out)["templates"]) == sorted(map(str, files))
    assert texts(word.render(sheet(), files[0])) == texts(word.render(sheet(), None))


def test_it_never_writes_over_a_template(tmp_path):
    own = tmp_path / "filing_form.docx"
    Document().save(own)
    before = own.read_bytes()
    with pytest.raises((CommandError, SystemExit)):
        call_command("documents", str(tmp_path))
    assert own.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["filing_form.docx"]


def test_the_doctor_says_in_what_forms_are_set(tmp_path):
    found = doctor._faces(Home(tmp_path))
    assert found.ok
    assert "Noto Serif CJK SC" in found.seen
    assert "仿宋" in found.seen


def test_the_doctor_names_the_missing_typeface_and_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor.fonts, "WANTED", {"body": ("仿宋", ("No Such",), ("Nor This",), "regular")})
    doctor.fonts._faces.cache_clear()
    found = doctor._faces(Home(tmp_path))
    assert not found.ok
    assert "仿宋" in found.seen
    assert "fonts-noto-cjk" in found.remedy
    assert str(tmp_path / "fonts") in found.remedy
    doctor.fonts._faces.cache_clear()
