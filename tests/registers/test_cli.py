"""`anzhang import` and `anzhang export`."""

import json

import pytest
from django.core.management import call_command

from anzhang.directory.models import Person
from anzhang.journal.models import Entry

pytestmark = pytest.mark.usefixtures("bureau")
HEAD = "工号,姓名,所在单位,入职日期\r\n"


@pytest.fixture
def anzhang(capsys, monkeypatch, tmp_path):
    """Run a verb; return (exit code, standard output, standard error)."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    def run(*words):
        code = 0
        try:
            call_command(*words)
        except SystemExit as stop:
            code = stop.code
        out = capsys.readouterr()
        return code, out.out, out.err

    return run


def sheet(tmp_path, text, name="a.csv"):
    file = tmp_path / name
    file.write_bytes(text.encode("gb18030"))
    return str(file)


def test_it_imports_as_the_operating_system_user(anzhang, tmp_path):
    code, out, err = anzhang("import", "person", sheet(tmp_path, HEAD + "P100,钱多,JYC,2026-03-01\r\n"))
    assert (code, out, err) == (0, "person: 1 created, 0 changed, 0 unchanged\n", "")
    assert Person.objects.filter(code="P100").exists()
    assert Entry.objects.get(act="registers:sheet:import").actor.startswith("os:")


def test_a_dry_run_writes_nothing(anzhang, tmp_path):
    code, out, _err = anzhang("import", "person", sheet(tmp_path, HEAD + "P100,钱多,JYC,2026-03-01\r\n"), "--dry-run", "--json")
    assert (code, json.loads(out)["created"]) == (0, 1)
    assert not Person.objects.filter(code="P100").exists()


def test_faults_are_printed_with_cells_and_the_exit_code_is_1(anzhang, tmp_path):
    code, out, err = anzhang("import", "person", sheet(tmp_path, HEAD + "P100,钱多,XX,2026-03-01\r\nP101,钱少,JYC,2026-03-01\r\n"))
    assert (code, out.splitlines()[0][:3]) == (1, "C2:")
    assert err.count("\n") == 1
    assert not Person.objects.filter(code__startswith="P10").exists()


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("import", "nothing", "x.csv"), "no register"),
        (("import", "officer", "x.csv"), "takes no sheet"),
        (("import", "person", "/nowhere/x.csv"), "No such file"),
        (("export", "person", "x.pdf"), ".xlsx or .csv"),
        (("export", "person", "x.csv", "--filter", "kind=robot"), "kind"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(words, why, anzhang):
    code, _out, err = anzhang(*words)
    assert code == 2
    assert why in err
    assert err.count("\n") == 1


def test_a_sheet_that_is_none_is_bad_input(anzhang, tmp_path):
    code, _out, err = anzhang("import", "person", sheet(tmp_path, "just text\r\n"))
    assert code == 2
    assert "A1" in err


def test_a_template_filled_in_is_imported_and_an_export_changes_nothing(anzhang, tmp_path):
    file = tmp_path / "person.xlsx"
    assert anzhang("import", "person", str(file), "--template")[0] == 0
    assert anzhang("import", "person", str(file), "--dry-run")[1] == "person: 0 created, 0 changed, 0 unchanged\n"
    assert anzhang("export", "person", str(file), "--filter", "unit=JYC")[1] == "person: 4 rows\n"
    assert anzhang("import", "person", str(file))[1] == "person: 0 created, 0 changed, 4 unchanged\n"
    assert Entry.objects.filter(act="registers:sheet:export").count() == 1
