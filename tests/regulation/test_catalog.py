"""The catalog: it loads, and every defect is named by file, row, key and reason."""

import shutil
from pathlib import Path

import pytest

from anzhang.regulation import catalog
from anzhang.regulation.reading import CatalogError

SMALL = Path(__file__).parent / "small"


@pytest.fixture
def folder(tmp_path) -> Path:
    return Path(shutil.copytree(SMALL, tmp_path / "small"))


def broken(folder: Path, file: str, old: str, new: str) -> CatalogError:
    path = folder / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(CatalogError) as error:
        catalog.load(folder)
    return error.value


def test_the_reference_catalog_is_whole():
    found = catalog.load()
    assert (len(found.articles), len(found.obligations), len(found.chapters), len(found.parameters)) == (36, 152, 9, 107)
    assert sum(len(digests) for digests in found.sentences.values()) == 71
    assert len(found.streams) == 19
    assert all(obligation.title.zh and obligation.title.en for obligation in found.obligations)


def test_a_catalog_of_another_house_loads_too(folder):
    found = catalog.load(folder)
    assert [obligation.id for obligation in found.obligations] == ["A01.1", "A02.1", "A03.1", "A04.1", "A05.1"]
    assert found.by_id["A03.1"].watches
    assert found.parameters["empty_days"].is_open


@pytest.mark.parametrize(
    ("file", "old", "new", "row", "key", "why"),
    [
        ("obligations.toml", 'severity = "high"', 'severity = "enormous"', "A02.1", "severity", "not in vocabulary"),
        ("obligations.toml", 'subject = "floor"', 'subject = "roof"', "A02.1", "subject", "not in vocabulary"),
        ("obligations.toml", 'gate = "desk"', 'gate = "door"', "A03.1", "gate", "not in vocabulary"),
        (
            "obligations.toml",
            'params = ["empty_days"]',
            'params = ["full_days"]',
            "A02.1",
            "params",
            "'full_days' is not in",
        ),
        ("obligations.toml", "{empty_days}", "{days}", "A02.1", "breach_when", "placeholders"),
        ("obligations.toml", "Rows of `librarian`", "Rows of `baker`", "A02.1", "evidence", "neither register nor stream"),
        ("obligations.toml", 'registers = ["librarian"]', "registers = []", "A02.1", "registers", "differ"),
        ("obligations.toml", "sentences = [1, 2]", "sentences = [1, 3]", "A02.1", "sentences", "sentences 1 to 2"),
        ("obligations.toml", 'id = "A02.1"', 'id = "A03.1"', "A03.1", "id", "ascending"),
        ("obligations.toml", 'title_en = "Return"', 'title_en = ""', "A03.1", "title_en", "is empty"),
        ("obligations.toml", 'title_en = "Return"\n', "", "A03.1", "title_en", "is missing"),
        ("obligations.toml", 'check = "librarian_on_every_floor"', "check = 5", "A02.1", "check", "must be str"),
        ("obligations.toml", 'with = ["A02.1"]', 'with = ["A09.9"]', "A04.1", "conflicts", "A09.9"),
        ("obligations.toml", 'severity = "high"', 'severity = "high"\ncolour = "red"', "A02.1", "colour", "not a key"),
        ("parameters.toml", 'from = "interpretation"', 'from = "hearsay"', "empty_days", "from", "'hearsay'"),
        ("parameters.toml", 'unit = "day"', "unit = 1", "empty_days", "unit", "must be str"),
        ("parameters.toml", '"A02.1" = "随时"', '"A07.1" = "随时"', "empty_days", "terms", "A07.1"),
        ("parameters.toml", "[parameter.loan_days]", "[parameter.late_days]", "A03.1", "params", "'loan_days'"),
        ("locators.toml", "sentences = [1, 2]", "sentences = [1]", "A02.1", "sentences", "differs"),
        ("locators.toml", '"A05.1"', '"A05.2"', "A05.1", "", "is missing"),
        ("articles.toml", "number = 4", "number = 6", "", "number", "in order"),
        ("articles.toml", "articles = [3, 5]", "articles = [4, 5]", "3", "chapter", "does not hold it"),
        ("sentences.toml", "[article.5]", "[article.9]", "5", "", "no sentence"),
        ("vocabulary.toml", 'librarian = { chapter = "hall"', 'librarian = { chapter = "desk"', "A02.1", "registers", "must not read"),
        ("vocabulary.toml", "[gate]", "[gates]", "", "gate", "is missing"),
    ],
)
def test_it_names_the_defect(folder, file, old, new, row, key, why):
    error = broken(folder, file, old, new)
    assert (error.row, error.key) == (row, key)
    assert why in error.why


def test_broken_toml_is_named_by_file_and_line(folder):
    error = broken(folder, "obligations.toml", 'title_zh = "归还"', 'title_zh = "归还')
    assert error.file == "obligations.toml"
    assert "line" in error.why


def test_bytes_that_are_not_utf8_are_named(folder):
    (folder / "articles.toml").write_bytes("目的".encode("gb18030"))
    with pytest.raises(CatalogError, match=r"articles\.toml"):
        catalog.load(folder)


def test_a_missing_file_is_named(folder):
    (folder / "parameters.toml").unlink()
    with pytest.raises(CatalogError, match=r"parameters\.toml: is missing"):
        catalog.load(folder)


def test_a_digest_that_is_none_is_named(folder):
    (folder / "sentences.toml").write_text('[article.1]\nsha256 = ["abc"]\n', encoding="utf-8")
    with pytest.raises(CatalogError, match="SHA-256"):
        catalog.load(folder)
