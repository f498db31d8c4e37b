"""The tables that `init` makes at once are those that the migrations lead to, one after the other."""

import json
import os
import subprocess
import sys

import pytest

from tests.postgres import cluster

SCRIPT = """
import django
django.setup()
from django.core.management import call_command
from anzhang.operate import database
{make}
import json, re
from django.db import connection
NUMBER = re.compile(r"^(fk|__unnamed_constraint)_\\d+(__)?$")  # numbered in the order of the columns, which is each way's own
found = {{}}
with connection.cursor() as cursor:
    for name in connection.introspection.table_names(cursor):
        described = connection.introspection.get_table_description(cursor, name)
        columns = sorted([c.name, str(c.type_code), c.null_ok, c.default, c.collation] for c in described)
        constraints = connection.introspection.get_constraints(cursor, name).items()
        cursor.execute(f'SELECT count(*) FROM "{{name}}"')
        found[name] = columns, sorted(repr((NUMBER.sub("", key), value)) for key, value in constraints), cursor.fetchone()
print(json.dumps(found))
"""


def tables(home, make, url=""):
    """Return columns, constraints and number of rows of every table that a program makes in an empty database."""
    home.mkdir()
    settings = {"DJANGO_SETTINGS_MODULE": "anzhang.settings", "ANZHANG_HOME": str(home)} | ({"ANZHANG_DATABASE_URL": url} if url else {})
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(make=make)], capture_output=True, text=True, check=True, env={**os.environ, **settings}
    )
    return json.loads(done.stdout)


def test_made_at_once_or_migrated_the_tables_are_the_same(tmp_path):
    migrated = tables(tmp_path / "a", 'call_command("migrate", verbosity=0)')
    assert len(migrated) > 100
    assert tables(tmp_path / "b", "database.make_tables()") == migrated


@pytest.mark.long
def test_on_postgresql_too(tmp_path):
    with cluster() as server:
        migrated = tables(tmp_path / "a", 'call_command("migrate", verbosity=0)', server.create("migrated"))
        made = tables(tmp_path / "b", "database.make_tables()", server.create("made"))
    of_django = "auth_group_permissions"  # Django's own migration gives it a wider key than its model says; nothing of ours reads it
    assert (made.pop(of_django)[1:], made) == (migrated.pop(of_django)[1:], migrated)
