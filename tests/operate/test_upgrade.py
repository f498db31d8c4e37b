"""An upgrade ends with a ledger that verifies, or with the database of before."""

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

import anzhang as anzhang_package
from tests.operate.test_backup import anzhang

NEWEST = max(file.stem for file in (Path(anzhang_package.__file__).parent / "migrations").glob("[0-9]*.py"))
SCRIPT = """
import sys, types
from django.db import migrations, models
def broken(apps, editor):
    apps.get_model("anzhang", "Holiday").objects.create(day="2030-01-01", is_workday=False, name="x")
    {then}
class Migration(migrations.Migration):
    atomic = False
    dependencies = [("anzhang", "{newest}")]
    operations = [migrations.RunPython(broken, migrations.RunPython.noop), {more}]
name = "anzhang.migrations.9999_next"
module = types.ModuleType(name); module.Migration = Migration
sys.modules[name] = module
import pkgutil
real = pkgutil.iter_modules
def listed(path=None, prefix=""):
    yield from real(path, prefix)
    if path and str(list(path)[0]).endswith("anzhang/migrations"):
        yield pkgutil.ModuleInfo(None, prefix + "9999_next", False)
pkgutil.iter_modules = listed
from anzhang.__main__ import main
main()
"""


def run_with(home, then, more="", **environment):
    """Run `anzhang upgrade` of a release that has one migration more."""
    return subprocess.run(
        [sys.executable, "-c", SCRIPT.format(newest=NEWEST, then=then, more=more), "--home", str(home), "upgrade"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    home = tmp_path_factory.mktemp("fresh") / "home"
    anzhang(home, "init")
    return home


@pytest.fixture
def home(fresh, tmp_path):
    return Path(shutil.copytree(fresh, tmp_path / "home"))


def holidays(home):
    with closing(sqlite3.connect(home / "db.sqlite3")) as database:
        return database.execute("SELECT count(*) FROM anzhang_holiday WHERE name = 'x'").fetchone()[0]


def test_a_migration_that_fails_half_way_is_taken_back(home):
    done = run_with(home, "raise RuntimeError('half way')")
    assert (done.returncode, "half way" in done.stderr) == (1, True), done.stderr
    assert holidays(home) == 0
    assert not (home / "upgrade" / "pending").exists()
    anzhang(home, "ledger", "verify")


def test_a_migration_that_changes_rows_enters_them_anew(home):
    done = run_with(home, "pass", "migrations.AddField('Unit', 'floor', models.IntegerField(default=3))")
    assert done.returncode == 0, done.stderr
    assert holidays(home) == 1
    assert len(list((home / "upgrade").glob("db-*.sqlite3"))) == 1


def test_it_begins_nothing_on_a_ledger_that_does_not_verify(home):
    with closing(sqlite3.connect(home / "db.sqlite3")) as database:
        database.execute("UPDATE anzhang_payload SET body = '[]' WHERE entry_id = 0")
        database.commit()
    done = run_with(home, "pass")
    assert (done.returncode, "nothing was begun" in done.stderr) == (1, True)
    assert holidays(home) == 0


def test_there_is_nothing_to_do_on_a_database_of_this_release(home):
    assert "nothing to do" in anzhang(home, "upgrade").stdout
