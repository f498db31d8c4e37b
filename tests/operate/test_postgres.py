"""An installation on a real PostgreSQL: made, started, looked at, saved, put back, upgraded."""

import json
import os
import signal
import subprocess
import sys
import time
import tomllib
import urllib.request

import pytest

from anzhang.operate.postgres import SAFE
from tests.operate.test_backup import anzhang
from tests.operate.test_upgrade import run_with
from tests.postgres import cluster
from tests.programs import answers, free_port, wait_until


@pytest.fixture(scope="module")
def server():
    with cluster() as running:
        yield running


@pytest.fixture(scope="module")
def site(server, tmp_path_factory):
    """A new installation: what to call it with."""
    home, url = tmp_path_factory.mktemp("site") / "home", server.create("site")
    anzhang(home, "init", ANZHANG_DATABASE_URL=url)
    assert not (home / "db.sqlite3").exists()
    return home, url


def entries(home, url):
    report = json.loads(anzhang(home, "ledger", "verify", "--json", ANZHANG_DATABASE_URL=url).stdout)
    assert report["ok"], report
    return report


def lines(home, url):
    found = json.loads(anzhang(home, "doctor", "--json", check=False, ANZHANG_DATABASE_URL=url).stdout)
    return {line["subject"]: line for line in found}


def test_init_places_every_entry(site):
    report = entries(*site)
    assert (report["waiting"], report["entries"] > 20) == (0, True)


def test_doctor_looks_at_the_server(site):
    found = lines(*site)
    assert {
        f"database {name}" for name in ("server", "encoding", "time zone", "isolation", "durability", "connections", "sequencer")
    } < set(found)
    assert [name for name, line in found.items() if name.startswith("database") and not line["ok"]] == ["database durability"]
    assert "fsync = off" in found["database durability"]["seen"]
    assert "fsync" in SAFE


def test_doctor_says_when_the_server_does_not_answer(site):
    home, url = site
    line = lines(home, url.replace("/site", "/nowhere"))["database"]
    assert (line["ok"], "nowhere" in line["seen"]) == (False, True)


def test_up_starts_the_sequencer_and_signs(site):
    home, url = site
    settings = home / "anzhang.toml"
    environment = {**os.environ, "ANZHANG_DATABASE_URL": url, "ANZHANG_HOME": str(home), "DJANGO_SETTINGS_MODULE": "anzhang.settings"}
    command = [sys.executable, "-m", "anzhang", "up"]
    for last in (False, False, True):  # another program may take a port between its choice and its use; all end then
        settings.write_text("".join(_with_free_port(line) for line in settings.read_text().splitlines(keepends=True)))
        up = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
        ports = [
            int(line.rpartition(":")[2].split('"')[0]) for line in settings.read_text().splitlines() if "_tcp = " in line or "bind" in line
        ]
        wait_until(lambda up=up, ports=ports: up.poll() is not None or all(map(answers, ports)), 60, "the listeners")
        if up.poll() is None:
            break
        said = up.communicate()[0]
        assert "cannot listen" in said or "is taken" in said, said
        assert not last, said
    with up:
        try:
            wait_until(lambda: lines(home, url)["database sequencer"]["seen"].startswith("at work"), 60, "the sequencer")
            refused = anzhang(home, "upgrade", check=False, ANZHANG_DATABASE_URL=url)
            assert (refused.returncode, "stop the installation first" in refused.stderr) == (1, True)
            wait_until(lambda: entries(home, url)["unsigned"] == 0, 30, "a signed head")
            place = tomllib.loads(settings.read_text())["server"]["bind"]
            for _ in range(8):  # each by whichever of the web processes takes it, from its pool
                assert urllib.request.urlopen(f"http://{place}/", timeout=30).status == 200
        finally:
            up.send_signal(signal.SIGINT)
            said = up.communicate(timeout=60)[0]
    assert up.returncode == 0, said
    assert "sequencer started" in said
    assert "Traceback" not in said, said


def _with_free_port(line):
    key, _, value = line.partition(" = ")
    return f'{key} = "127.0.0.1:{free_port()}"\n' if value.startswith('"127.0.0.1:') else line


def test_a_backup_stands_up_again_in_an_empty_database(site, server, tmp_path):
    home, url = site
    anzhang(home, "backup", tmp_path / "saved", ANZHANG_DATABASE_URL=url)
    before = entries(home, url)
    again, other = tmp_path / "again", server.create("again")
    started = time.monotonic()
    done = anzhang(again, "restore", tmp_path / "saved", ANZHANG_DATABASE_URL=other)
    assert done.stdout.rstrip().endswith(" s"), time.monotonic() - started
    after = entries(again, other)
    assert (after["entries"], after["rows"]) == (before["entries"], before["rows"])  # the backup noted there, the restore here
    assert not (again / "db.dump").exists()

    full = anzhang(tmp_path / "full", "restore", tmp_path / "saved", check=False, ANZHANG_DATABASE_URL=other)
    assert (full.returncode, "not empty" in full.stderr) == (2, True)
    embedded = anzhang(tmp_path / "embedded", "restore", tmp_path / "saved", check=False)
    assert (embedded.returncode, "ANZHANG_DATABASE_URL" in embedded.stderr) == (2, True)
    assert not any((tmp_path / name).exists() for name in ("full", "embedded", ".full.restoring", ".embedded.restoring"))


def test_an_upgrade_that_fails_half_way_is_taken_back(site, server):
    home, url = site
    done = run_with(home, "raise RuntimeError('half way')", ANZHANG_DATABASE_URL=url)
    assert (done.returncode, "half way" in done.stderr) == (1, True), done.stderr
    assert not (home / "upgrade" / "pending").exists()
    assert server.run("psql", "-d", "site", "-Atc", "SELECT count(*) FROM anzhang_holiday WHERE name = 'x'").strip() == "0"
    entries(home, url)


@pytest.mark.long
def test_an_upgrade_that_changes_rows_enters_them_anew(site):
    home, url = site
    done = run_with(home, "pass", "migrations.AddField('Unit', 'floor', models.IntegerField(default=3))", ANZHANG_DATABASE_URL=url)
    assert done.returncode == 0, done.stderr
    assert len(list((home / "upgrade").glob("db-*.dump"))) == 2
